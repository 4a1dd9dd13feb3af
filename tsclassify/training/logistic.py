"""A small logistic regression with lower bounds, to the same bytes on any processor."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.model.calibration import sigmoid

__all__ = ["fit_bounded"]

_NEWTON_STEPS: Final = 20
_DECIMALS: Final = 6
"""Decimals kept, so that a processor whose sums end in other bits fits the same numbers."""


def fit_bounded(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    ridge: NDArray[np.float64],
    centre: NDArray[np.float64],
    lowest: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Minimize the weighted logistic loss of ``theta @ design`` plus a ridge, with ``theta >= lowest``.

    Parameters
    ----------
    design
        Shape (m, n): a row per coefficient.
    target, weights
        Shape (n,): in [0, 1], and at least 0.
    ridge
        Shape (m, m): the penalty is ``(theta - centre) @ ridge @ (theta - centre) / 2``.
    centre, lowest, start
        Shape (m,); ``lowest`` may be minus infinity.

    Returns
    -------
    ndarray
        float64, shape (m,), to ``_DECIMALS`` decimals.

    Notes
    -----
    Where a descent stops depends on the last bits of its sums, and these on the processor. So Newton steps follow it,
    with coefficients at their bound held, to the optimum to far more than the decimals that are kept.
    """
    from scipy.optimize import minimize

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = _dot(theta, design)
        away = _dot(theta - centre, ridge)
        value = (weights * (np.logaddexp(0.0, z) - target * z)).sum() + 0.5 * ((theta - centre) * away).sum()
        return float(value), (design * (weights * (sigmoid(z) - target))).sum(axis=1) + away

    bounds = [(None if np.isinf(low) else low, None) for low in lowest.tolist()]
    theta = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
    for _ in range(_NEWTON_STEPS):
        gradient = loss(theta)[1]
        free = (theta > lowest) | (gradient < 0)
        p = sigmoid(_dot(theta, design))
        w = weights * p * (1.0 - p)
        curvature = np.stack([(design * (row * w)).sum(axis=1) for row in design]) + ridge
        step = np.zeros_like(theta)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        moved = np.maximum(theta - step, lowest)
        change = float(np.abs(moved - theta).max())
        theta = moved
        if change < 1e-12:
            break
    rounded: NDArray[np.float64] = np.maximum(np.round(theta, _DECIMALS), lowest)
    return rounded


def _dot(theta: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """``theta @ rows``, added in the order of the rows: libraries for it add in an order of their own."""
    total: NDArray[np.float64] = (rows * theta[:, None]).sum(axis=0)
    return total
