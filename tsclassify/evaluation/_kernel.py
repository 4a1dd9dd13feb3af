"""The bootstrap's inner loop, compiled by numba; imported only where intervals are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from tsclassify.compiled import jit

__all__ = ["fill_draws"]


def _next(state: Any) -> Any:
    """One step of SplitMix64. Source: Steele, Lea and Flood 2014, Fast Splittable Pseudorandom Number Generators."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


_next_compiled = jit(_next, inline="always")


def _fill_draws(  # noqa: C901 - one pass over sorted rows; parts would each walk them again
    units: Any,
    gold: Any,
    scores: Any,
    tie_end: Any,
    bins: Any,
    cuts: Any,
    starts: Any,
    cut_starts: Any,
    n_units: Any,
    n_bins: Any,
    first: Any,
    seed: Any,
    priors: Any,
    ap: Any,
    auc: Any,
    ece: Any,
    positives: Any,
    negatives: Any,
    hits: Any,
    alarms: Any,
) -> None:
    """Resample the units and refill one row of every output per draw.

    Rows of category k are ``starts[k]:starts[k+1]`` of ``units``, ``gold``, ``scores``, ``tie_end`` and
    ``bins``, highest score first; its cuts are ``cut_starts[k]:cut_starts[k+1]`` of ``cuts``, rising
    numbers of rows at or above a threshold. A draw's stream depends on seed and draw number alone, so
    that neither threads nor chunks change a figure.
    """
    n_categories = len(starts) - 1
    counts = np.empty(n_units, np.int32)
    bin_hits = np.empty(n_bins, np.float64)
    bin_alarms = np.empty(n_bins, np.float64)
    bin_hit_scores = np.empty(n_bins, np.float64)
    bin_alarm_scores = np.empty(n_bins, np.float64)
    for row in range(ap.shape[0]):
        state = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(first + row)
        state, word = _next_compiled(state)
        state = state ^ word
        counts[:] = 0
        for _ in range(n_units):
            state, word = _next_compiled(state)
            counts[((word >> np.uint64(32)) * np.uint64(n_units)) >> np.uint64(32)] += 1
        for k in range(n_categories):
            true_positive = 0
            false_positive = 0
            group_true = 0
            group_false = 0
            ap_sum = 0.0
            auc_sum = 0.0
            bin_hits[:] = 0
            bin_alarms[:] = 0
            bin_hit_scores[:] = 0
            bin_alarm_scores[:] = 0
            cut = cut_starts[k]
            last_cut = cut_starts[k + 1]
            begin = starts[k]
            while cut < last_cut and cuts[cut] == 0:
                hits[row, cut] = 0
                alarms[row, cut] = 0
                cut += 1
            for i in range(begin, starts[k + 1]):
                weight = counts[units[i]]
                if weight:
                    b = bins[i]
                    if gold[i]:
                        group_true += weight
                        bin_hits[b] += weight
                        bin_hit_scores[b] += weight * scores[i]
                    else:
                        group_false += weight
                        bin_alarms[b] += weight
                        bin_alarm_scores[b] += weight * scores[i]
                if tie_end[i]:
                    if group_false:
                        auc_sum += group_false * (true_positive + 0.5 * group_true)
                    true_positive += group_true
                    false_positive += group_false
                    if group_true:
                        ap_sum += group_true * (true_positive / (true_positive + false_positive))
                    group_true = 0
                    group_false = 0
                    while cut < last_cut and cuts[cut] == i - begin + 1:
                        hits[row, cut] = true_positive
                        alarms[row, cut] = false_positive
                        cut += 1
            positives[row, k] = true_positive
            negatives[row, k] = false_positive
            ap[row, k] = ap_sum / true_positive if true_positive else np.nan
            if true_positive and false_positive:
                auc[row, k] = auc_sum / (float(true_positive) * false_positive)
            else:
                auc[row, k] = np.nan
            total = true_positive + false_positive
            ece[row, k] = np.nan
            # a resample of one kind cannot be weighted to a prior
            if total and (priors[k] == 0 or (true_positive and false_positive)):
                up = 1.0
                down = 1.0
                prior = priors[k]
                if prior > 0:
                    up = prior * total / true_positive
                    down = (1.0 - prior) * total / false_positive
                gap = 0.0
                for b in range(n_bins):
                    gap += abs(up * (bin_hit_scores[b] - bin_hits[b]) + down * bin_alarm_scores[b])
                ece[row, k] = gap / total


fill_draws = jit(_fill_draws)
