"""Point metrics of binary gold labels and scores, in numpy alone and equal to scikit-learn's.

All functions take one category: ``gold`` of shape (n,) with true for positive, ``scores`` of shape (n,),
higher for more likely. A metric that the rows do not define (no positives, say) is NaN, never a default
that could pass a gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsclassify.errors import InputError

__all__ = [
    "N_BINS",
    "ConfusionCounts",
    "average_precision",
    "bin_edges",
    "brier_score",
    "counts_at",
    "expected_calibration_error",
    "precision_recall_curve",
    "prior_weights",
    "reliability",
    "roc_auc",
    "wilson",
]

N_BINS: Final = 15
"""Bins of equal width for calibration. Source: Guo et al. 2017, On Calibration of Modern Neural Networks."""

_Z95: Final = 1.959963984540054


def _columns(gold: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    positive = np.asarray(gold)
    values = np.asarray(scores, dtype=np.float64)
    if positive.ndim != 1 or positive.shape != values.shape:
        raise InputError(f"metrics: gold and scores must be of one shape (n,), got {positive.shape} and {values.shape}")
    if not bool(np.isfinite(values).all()):
        raise InputError("metrics: scores must be finite, got NaN or infinity")
    if positive.dtype != np.bool_:
        if not bool(np.isin(positive, (0, 1)).all()):
            raise InputError("metrics: gold must be true or false, got another value")
        positive = positive.astype(np.bool_)
    return positive, values


def _cumulative(
    positive: NDArray[np.bool_], values: NDArray[np.float64], weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """True positives, false positives and thresholds at every distinct score, highest first."""
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.arange(0)
    true_positives = np.cumsum(weight[order] * positive[order])[ends]
    false_positives = np.cumsum(weight[order] * ~positive[order])[ends]
    return true_positives, false_positives, ordered[ends]


def average_precision(gold: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Area under the precision-recall steps: the sum of (R_i - R_{i-1}) P_i over distinct scores.

    Parameters
    ----------
    gold, scores
        Shape (n,).
    weights
        Weight of each row, shape (n,); None for 1.

    Returns
    -------
    float
        In [0, 1]; NaN without positives.
    """
    positive, values = _columns(gold, scores)
    hits, alarms, _ = _cumulative(positive, values, weights)
    if not len(hits) or not hits[-1] > 0:
        return float("nan")
    keep = hits + alarms > 0
    hits, alarms = hits[keep], alarms[keep]
    return float(np.sum(np.diff(hits, prepend=0.0) * hits / (hits + alarms)) / hits[-1])


def roc_auc(gold: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Chance that a positive scores above a negative, ties counting half.

    Returns
    -------
    float
        In [0, 1]; NaN unless both positives and negatives are there.
    """
    positive, values = _columns(gold, scores)
    hits, alarms, _ = _cumulative(positive, values, weights)
    if not len(hits) or not hits[-1] > 0 or not alarms[-1] > 0:
        return float("nan")
    before = np.concatenate([[0.0], hits[:-1]])
    return float(np.sum(np.diff(alarms, prepend=0.0) * (hits + before) / 2) / (hits[-1] * alarms[-1]))


def precision_recall_curve(
    gold: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and threshold at every distinct score, highest threshold first.

    Returns
    -------
    tuple
        Three arrays of one length m <= n; recall is NaN without positives.
    """
    positive, values = _columns(gold, scores)
    hits, alarms, thresholds = _cumulative(positive, values, None)
    total = hits[-1] if len(hits) else 0.0
    recall = hits / total if total else np.full(len(hits), np.nan)
    return hits / (hits + alarms), recall, thresholds


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """The four cells at one threshold; a finding acts at ``score >= threshold``."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> float:
        """Share of the flagged that are positive; NaN when nothing is flagged."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of the positives that are flagged; NaN without positives."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN when nothing is positive nor flagged."""
        return _share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def false_alarm_rate(self) -> float:
        """Share of the negatives that are flagged; NaN without negatives."""
        return _share(self.false_positive, self.false_positive + self.true_negative)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def counts_at(gold: ArrayLike, scores: ArrayLike, threshold: float) -> ConfusionCounts:
    """Count hits, false alarms, misses and correct rejections at one threshold."""
    positive, values = _columns(gold, scores)
    flagged = values >= threshold
    return ConfusionCounts(
        true_positive=int((flagged & positive).sum()),
        false_positive=int((flagged & ~positive).sum()),
        false_negative=int((~flagged & positive).sum()),
        true_negative=int((~flagged & ~positive).sum()),
    )


def brier_score(gold: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Mean squared distance of score and gold; NaN without rows."""
    positive, values = _columns(gold, scores)
    if not len(values):
        return float("nan")
    return float(np.average((values - positive) ** 2, weights=None if weights is None else np.asarray(weights)))


def prior_weights(gold: ArrayLike, prior: float) -> NDArray[np.float64]:
    """Row weights under which the share of positives equals `prior`.

    Parameters
    ----------
    gold
        Shape (n,), with at least one positive and one negative.
    prior
        Share of positives to weigh to, in (0, 1).

    Returns
    -------
    numpy.ndarray
        float64, shape (n,), mean 1.

    Notes
    -----
    Rows picked for being violent hold far more positives than a stream; a score calibrated at a stated
    prior is measured on rows weighted to that prior.
    """
    positive = np.asarray(gold, dtype=np.bool_)
    share = float(positive.mean()) if len(positive) else 0.0
    if not 0.0 < prior < 1.0:
        raise InputError(f"metrics: prior must lie in (0, 1), got {prior!r}")
    if not 0.0 < share < 1.0:
        raise InputError("metrics: gold must hold positives and negatives to weigh to a prior, got one kind")
    return np.where(positive, prior / share, (1.0 - prior) / (1.0 - share))


def bin_edges(n_bins: int = N_BINS) -> NDArray[np.float64]:
    """Inner edges of `n_bins` bins of equal width over [0, 1]; a score on an edge goes to the upper bin."""
    return np.linspace(0.0, 1.0, n_bins + 1)[1:-1]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Reliability per bin; arrays of shape (n_bins,), NaN where a bin is empty.

    Attributes
    ----------
    mean_score, positive_share
        Weighted means in the bin.
    weight_share
        Share of the weight that lies in the bin; sums to 1.
    n_items
        Rows in the bin, unweighted.
    """

    mean_score: NDArray[np.float64]
    positive_share: NDArray[np.float64]
    weight_share: NDArray[np.float64]
    n_items: NDArray[np.int64]


def reliability(
    gold: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None, n_bins: int = N_BINS
) -> Reliability:
    """Mean score and share of positives per bin of score."""
    positive, values = _columns(gold, scores)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    index = np.searchsorted(bin_edges(n_bins), values, side="right")
    mass = np.bincount(index, weights=weight, minlength=n_bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_score = np.bincount(index, weights=weight * values, minlength=n_bins) / mass
        share = np.bincount(index, weights=weight * positive, minlength=n_bins) / mass
        weight_share = mass / mass.sum()
    return Reliability(mean_score, share, weight_share, np.bincount(index, minlength=n_bins))


def expected_calibration_error(
    gold: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None, n_bins: int = N_BINS
) -> float:
    """Mean distance of score and share of positives over the bins, weighted by their rows.

    Returns
    -------
    float
        In [0, 1]; NaN without rows.

    Notes
    -----
    Source: Naeini, Cooper and Hauskrecht 2015, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning. The figure is never 0 on a finite sample, even for a perfect model:
    ``calibration.calibration_check`` states what a perfect model would show.
    """
    table = reliability(gold, scores, weights=weights, n_bins=n_bins)
    if not table.n_items.sum():
        return float("nan")
    filled = table.weight_share > 0
    gaps = np.abs(table.mean_score[filled] - table.positive_share[filled])
    return float(np.sum(table.weight_share[filled] * gaps))


def wilson(successes: float, n: float, *, z: float = _Z95) -> tuple[float, float]:
    """Score interval of a share.

    Parameters
    ----------
    successes, n
        Counts, ``0 <= successes <= n``.
    z
        Normal quantile; the default gives 95 %.

    Returns
    -------
    tuple
        Low and high end in [0, 1]; NaN twice for ``n = 0``.

    Notes
    -----
    Source: Wilson 1927, Journal of the American Statistical Association 22(158).

    Examples
    --------
    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n <= 0:
        return float("nan"), float("nan")
    share = successes / n
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    centre = share + z**2 / (2 * n)
    scale = 1 + z**2 / n
    # at the ends the formula gives 0 and 1 up to rounding
    low = 0.0 if successes == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if successes == n else min(1.0, (centre + spread) / scale)
    return low, high
