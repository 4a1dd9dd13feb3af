"""Fit the calibration map of one head: knots, values and slopes by maximum likelihood."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.training.logistic import fit_bounded

__all__ = ["N_KNOTS", "fit_calibration"]

N_KNOTS: Final = 6
"""Knots of the map; measured on out-of-fold scores, more knots follow noise (docs/model.md)."""

_MIN_SLOPE: Final = 0.05
_RIDGE: Final = 2.0


def fit_calibration(
    logits: NDArray[np.floating], gold: NDArray[np.floating], weights: NDArray[np.floating] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Fit the map of one head by maximum likelihood under rising slopes.

    Parameters
    ----------
    logits
        Out-of-fold logits, shape (n,).
    gold
        Human labels in {0, 1}, shape (n,).
    weights
        Weight of each row, shape (n,); all one when none is given.

    Returns
    -------
    dict
        ``knots`` and ``values``, shape (1, M), and ``slopes``, shape (1, 2).

    Notes
    -----
    Knots lie at quantiles that are dense towards the top, where thresholds are. Slopes are bounded below, so
    the map is strictly rising, and drawn towards the slope of a straight line (Platt scaling) by a ridge.
    Source of the straight line and of its smoothed targets: Platt 1999, Probabilistic outputs for support
    vector machines.
    """
    x = np.asarray(logits, dtype=np.float64)
    y = np.asarray(gold, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    n_positive = float((w * y).sum())
    n_negative = float((w * (1 - y)).sum())
    target = np.where(y > 0, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    share = min(0.5, max(0.02, float(y.mean())))
    quantiles = 1.0 - np.geomspace(1.0, share / 16, N_KNOTS)
    quantiles[0] = 0.02
    knots = np.unique(np.quantile(x, quantiles))
    # column 0: intercept; column 1 + j: the part of x in the j-th piece, so that its coefficient is a slope
    pieces = [np.ones_like(x), np.minimum(x - knots[0], 0.0)]
    for low, high in pairwise(knots):
        pieces.append(np.clip(x - low, 0.0, high - low))
    pieces.append(np.maximum(x - knots[-1], 0.0))
    design = np.stack(pieces)
    n_slopes = len(design) - 1
    ridge = np.zeros((len(design), len(design)))
    # slopes are drawn towards their mean
    ridge[1:, 1:] = _RIDGE * (np.eye(n_slopes) - 1.0 / n_slopes)
    start = np.ones(len(design))
    start[0] = float(np.log((n_positive + 1) / (n_negative + 1)))
    theta = fit_bounded(
        design,
        target,
        w,
        ridge=ridge,
        centre=np.zeros_like(start),
        lowest=np.array([-np.inf, *[_MIN_SLOPE] * n_slopes]),
        start=start,
    )
    values = theta[0] + np.concatenate([[0.0], np.cumsum(theta[2:-1] * np.diff(knots))])
    return {
        "knots": knots[None, :],
        "values": values[None, :],
        "slopes": np.array([[theta[1], theta[-1]]]),
    }
