"""Bootstrap of all metrics of all categories at once, on scores sorted a single time.

A draw resamples units (rows, or groups of rows that belong together) with replacement. Every category
sees the same resampled rows, and so does every model that is measured on them with the same seed: the
difference of two models' draws is paired.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics
from tsclassify.errors import InputError

__all__ = ["Draws", "bootstrap", "interval"]

_CHUNK = 25
_FEW = 10


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Metrics of each draw; D draws, K categories, and C_k thresholds in category k.

    Attributes
    ----------
    ap, auc, ece
        float64, shape (D, K); NaN where a draw holds no positives (or no negatives).
    positives, negatives
        int64, shape (D, K): labelled rows drawn.
    hits, alarms
        One array per category, int64, shape (D, C_k): true and false positives at each threshold.
    """

    ap: NDArray[np.float64]
    auc: NDArray[np.float64]
    ece: NDArray[np.float64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    hits: tuple[NDArray[np.int64], ...]
    alarms: tuple[NDArray[np.int64], ...]

    def precision(self, k: int) -> NDArray[np.float64]:
        """Shape (D, C_k); NaN where a draw flags nothing."""
        return _ratio(self.hits[k], self.hits[k] + self.alarms[k])

    def recall(self, k: int) -> NDArray[np.float64]:
        """Shape (D, C_k); NaN where a draw holds no positives."""
        return _ratio(self.hits[k], self.positives[:, k, None])

    def f1(self, k: int) -> NDArray[np.float64]:
        """Shape (D, C_k)."""
        return _ratio(2 * self.hits[k], self.hits[k] + self.alarms[k] + self.positives[:, k, None])

    def false_alarm_rate(self, k: int) -> NDArray[np.float64]:
        """Shape (D, C_k); NaN where a draw holds no negatives."""
        return _ratio(self.alarms[k], self.negatives[:, k, None])


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def interval(draws: NDArray[np.float64], *, share: tuple[int, int] | None = None) -> tuple[float, float]:
    """95 % interval from draws of one figure.

    Parameters
    ----------
    draws
        Shape (D,); NaN draws are left out.
    share
        When the figure is a share: its numerator and denominator on all rows.

    Returns
    -------
    tuple
        The 2.5 and 97.5 percentiles. For a share with fewer than 10 successes or failures the Wilson
        interval instead: resampling eight hits of eight would claim certainty. NaN twice where nothing
        is defined.
    """
    if share is not None and min(share[0], share[1] - share[0]) < _FEW:
        return metrics.wilson(*share)
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def bootstrap(
    gold: NDArray[np.int8],
    scores: NDArray[np.floating],
    *,
    thresholds: Sequence[Sequence[float]] = (),
    priors: Sequence[float | None] = (),
    groups: NDArray[np.int64] | None = None,
    n_draws: int = 1000,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Draws:
    """Resample rows and measure every category in every draw.

    Parameters
    ----------
    gold
        Shape (n, K), 1 positive, 0 negative, -1 missing; a missing label leaves the row out of that category.
    scores
        Shape (n, K), in [0, 1].
    thresholds
        One sequence per category; empty for none.
    priors
        One per category: rows are weighted to this share of positives for calibration; None for as they are.
    groups
        Group number of each row, shape (n,), values 0..m-1: whole groups are resampled. None for rows.
    n_draws, seed
        Number of draws, and the seed; a figure depends on nothing else.
    threads
        Worker threads; None for the processor's count, at most 8.
    progress
        Called with the number of draws just finished.

    Raises
    ------
    InputError
        When shapes differ.
    """
    from tsclassify.evaluation._kernel import fill_draws

    n, n_categories = gold.shape
    if scores.shape != gold.shape:
        raise InputError(f"bootstrap: scores must have shape {gold.shape}, got {scores.shape}")
    unit_of = np.arange(n, dtype=np.int32) if groups is None else groups.astype(np.int32)
    n_units = int(unit_of.max()) + 1 if n else 0
    wanted = [np.asarray(row, dtype=np.float64) for row in thresholds] or [np.empty(0)] * n_categories
    edges = metrics.bin_edges()
    columns: list[list[NDArray[np.generic]]] = [[], [], [], [], []]
    cuts: list[NDArray[np.int64]] = []
    back: list[NDArray[np.int64]] = []
    for k in range(n_categories):
        rows = np.flatnonzero(gold[:, k] >= 0)
        values = scores[rows, k].astype(np.float64)
        order = np.argsort(-values, kind="stable")
        ordered = values[order]
        columns[0].append(unit_of[rows[order]])
        columns[1].append(gold[rows[order], k] == 1)
        columns[2].append(ordered)
        columns[3].append(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
        columns[4].append(np.searchsorted(edges, ordered, side="right").astype(np.uint8))
        at_or_above = np.searchsorted(-ordered, -wanted[k], side="right").astype(np.int64)
        rising = np.argsort(at_or_above, kind="stable")
        cuts.append(at_or_above[rising])
        back.append(np.argsort(rising))
    starts = np.cumsum([0] + [len(column) for column in columns[0]])
    cut_starts = np.cumsum([0] + [len(cut) for cut in cuts])
    arrays = [np.concatenate(column) for column in columns]
    all_cuts = np.concatenate(cuts)
    prior_column = np.array([p or 0.0 for p in priors] or [0.0] * n_categories)
    ap, auc, ece = (np.empty((n_draws, n_categories)) for _ in range(3))
    positives, negatives = (np.zeros((n_draws, n_categories), dtype=np.int64) for _ in range(2))
    hits, alarms = (np.zeros((n_draws, len(all_cuts)), dtype=np.int64) for _ in range(2))

    def work(first: int) -> int:
        part = slice(first, min(first + _CHUNK, n_draws))
        fill_draws(
            *arrays, all_cuts, starts, cut_starts, n_units, metrics.N_BINS, first, seed, prior_column,
            ap[part], auc[part], ece[part], positives[part], negatives[part], hits[part], alarms[part],
        )  # fmt: skip
        return part.stop - first

    workers = threads or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        for done in pool.map(work, range(0, n_draws, _CHUNK)):
            if progress is not None:
                progress(done)
    split_hits = [hits[:, cut_starts[k] : cut_starts[k + 1]][:, back[k]] for k in range(n_categories)]
    split_alarms = [alarms[:, cut_starts[k] : cut_starts[k + 1]][:, back[k]] for k in range(n_categories)]
    return Draws(ap, auc, ece, positives, negatives, tuple(split_hits), tuple(split_alarms))
