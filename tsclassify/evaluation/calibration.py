"""Is a calibration error more than a perfectly calibrated model would show on the same rows?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics

__all__ = ["CalibrationCheck", "calibration_check"]

_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class CalibrationCheck:
    """Expected calibration error against that of a perfect model.

    Attributes
    ----------
    ece
        Measured, in [0, 1], at the stated prior when one is given.
    ece_expected
        Mean over simulated gold labels that follow the scores exactly.
    p_value
        Share of those simulations with an error at least as large (at least 1 / (draws + 1)).
    mean_score, positive_share
        Weighted means over all rows: their difference says in which direction the scores err.
    prior
        The prior the rows were weighted to, or None. With a prior and rows of one kind, the figures are NaN.
    """

    ece: float
    ece_expected: float
    p_value: float
    mean_score: float
    positive_share: float
    prior: float | None


def calibration_check(
    gold: NDArray[np.bool_], scores: NDArray[np.floating], *, prior: float | None = None, seed: int = 0
) -> CalibrationCheck:
    """Measure calibration and compare it with consistency resampling.

    Parameters
    ----------
    gold, scores
        Shape (n,).
    prior
        The share of positives at which the scores claim to be calibrated; the rows are weighted to it.
        None takes the rows as they are.
    seed
        Seed of the simulation.

    Notes
    -----
    Source: Broecker and Smith 2007, Weather and Forecasting 22(3), consistency bars. Labels are drawn with
    the scores re-expressed at the rows' own share of positives; per bin the sum of their gaps is drawn from
    the normal distribution with its exact mean and variance.
    """
    values = scores.astype(np.float64)
    share = float(gold.mean()) if len(gold) else float("nan")
    mixed = 0.0 < share < 1.0
    if not len(gold) or (prior is not None and not mixed):
        # rows of one kind cannot be weighted to a prior: nothing is measured
        return CalibrationCheck(float("nan"), float("nan"), 1.0, float("nan"), share, prior)
    weights = metrics.prior_weights(gold, prior) if prior is not None else np.ones(len(values))
    ece = metrics.expected_calibration_error(gold, values, weights=weights)
    chance, up, down = values, 1.0, 1.0
    if prior is not None:
        up, down = prior / share, (1.0 - prior) / (1.0 - share)
        ratio = (share / (1.0 - share)) / (prior / (1.0 - prior))
        chance = values * ratio / (values * ratio + 1.0 - values)
    if_positive, if_negative = up * (values - 1.0), down * values
    index = np.searchsorted(metrics.bin_edges(), values, side="right")
    mean = np.bincount(index, chance * if_positive + (1.0 - chance) * if_negative, metrics.N_BINS)
    variance = np.bincount(index, chance * (1.0 - chance) * (if_positive - if_negative) ** 2, metrics.N_BINS)
    rng = np.random.default_rng(seed)
    sums = mean + np.sqrt(variance) * rng.standard_normal((_DRAWS, metrics.N_BINS))
    simulated = np.abs(sums).sum(axis=1) / len(values)
    return CalibrationCheck(
        ece=ece,
        ece_expected=float(simulated.mean()),
        p_value=float((1 + (simulated >= ece).sum()) / (_DRAWS + 1)),
        mean_score=float(np.average(values, weights=weights)),
        positive_share=float(np.average(gold, weights=weights)),
        prior=prior,
    )
