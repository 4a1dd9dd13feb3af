"""Thresholds with what was measured at them: operating points of categories, bands of signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsclassify.metrics import wilson
from tsclassify.records import OperatingPoint, SignalBand

__all__ = ["operating_points", "signal_band"]


def operating_points(
    scores: NDArray[np.floating], gold: NDArray[np.bool_], *, precisions: Sequence[float], recalls: Sequence[float]
) -> tuple[OperatingPoint, ...]:
    """Measured table of one category, by rising threshold.

    Parameters
    ----------
    scores
        Cross-fitted scores in [0, 1], shape (n,).
    gold
        Human labels, shape (n,).
    precisions
        Named precisions: for each, the lowest threshold from which precision holds there and at every higher
        threshold that still finds a hundredth of the positives (and ten of them). One not reached is left out.
    recalls
        Named recalls: for each, the highest threshold that still reaches it.

    Returns
    -------
    tuple of OperatingPoint
        Distinct thresholds, with Wilson intervals.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], gold[order]
    n_positive = int(gold.sum())
    if n_positive == 0:
        return ()
    true = np.cumsum(hits)
    seen = np.arange(1, len(hits) + 1)
    # a threshold takes all rows that tie with it, so only the last row of a tie counts
    last = np.append(ranked[1:] != ranked[:-1], True)
    precision = true / seen
    chosen: set[int] = set()
    floor = max(10, round(0.01 * n_positive))
    for wanted in precisions:
        good = last & (true >= floor)
        rows = np.flatnonzero(good)
        holds = precision[rows] >= wanted
        if not holds.any():
            continue
        # the first failing row among those that count ends the run that began at the top
        reach = int(np.argmin(holds)) if not holds.all() else len(holds)
        if reach:
            chosen.add(int(rows[reach - 1]))
    for wanted in recalls:
        rows = np.flatnonzero(last & (true / n_positive >= wanted))
        if len(rows):
            chosen.add(int(rows[0]))
    points = []
    for row in sorted(chosen, key=lambda row: float(ranked[row])):
        found, shown = int(true[row]), int(seen[row])
        precision_low, precision_high = wilson(found, shown)
        recall_low, recall_high = wilson(found, n_positive)
        points.append(
            OperatingPoint(
                threshold=float(ranked[row]),
                precision=found / shown,
                recall=found / n_positive,
                n_items=len(hits),
                n_positive=n_positive,
                precision_low=precision_low,
                precision_high=precision_high,
                recall_low=recall_low,
                recall_high=recall_high,
            )
        )
    return tuple(points)


def signal_band(
    scores: NDArray[np.floating], gold: NDArray[np.bool_], *, precision: float, negative_share: float, lost_share: float
) -> SignalBand:
    """Where a signal is true, where false, and between them unknown.

    Parameters
    ----------
    scores
        Cross-fitted scores in [0, 1], shape (n,).
    gold
        Human labels, shape (n,).
    precision
        From ``yes_from`` on, at least this share of the items carry the signal; when it is nowhere reached the
        signal is never true (``yes_from`` above 1).
    negative_share
        Below ``no_below``, at least this share of the items do not carry it; when it is nowhere reached the
        signal is never false (``no_below`` 0).
    lost_share
        Below ``no_below`` lies at most this share of the items that carry it: a rare signal is not called false
        only because it is rare.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order].astype(np.float64), gold[order]
    n = len(hits)
    true = np.cumsum(hits)
    seen = np.arange(1, n + 1)
    last = np.append(ranked[1:] != ranked[:-1], True)
    good = last & (true >= 10) & (true / seen >= precision)
    yes_from = float(ranked[np.flatnonzero(good)[-1]]) if good.any() else 1.5
    below_hits = int(hits.sum()) - true
    below = n - seen
    few_lost = below_hits <= lost_share * max(1, int(hits.sum()))
    clean = last & few_lost & (below >= 30) & ((below - below_hits) / np.maximum(below, 1) >= negative_share)
    no_below = float(ranked[np.flatnonzero(clean)[0]]) if clean.any() else 0.0
    return SignalBand(no_below=min(no_below, yes_from), yes_from=yes_from)
