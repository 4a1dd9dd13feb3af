"""Equal treatment: swap gaps, decision flips, and how posts that name a group are ranked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics
from tsclassify.evaluation.labelled import LabelledData
from tsclassify.evaluation.swaps import Counterfactuals, SwapList
from tsclassify.evaluation.tables import Table

__all__ = ["auc_interval", "identity_table", "swap_tables"]

_EXAMPLES: Final = 5
_MIN_SUBGROUP: Final = 10

ScoreFunction = Callable[[Sequence[str]], NDArray[np.float32]]
Outcomes = Callable[[Sequence[str], NDArray[np.float32]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class _Gaps:
    """Of one list and source; P pairs of counterfactuals, K categories.

    ``gaps`` has shape (P, K); ``flipped`` and ``post`` shape (P,): whether the decision differs, and which
    counterfactuals the pair is of.
    """

    gaps: NDArray[np.float64]
    flipped: NDArray[np.bool_]
    post: NDArray[np.int64]


def _gaps(counterfactuals: Sequence[Counterfactuals], scores: NDArray[np.float64], outcome: NDArray[np.int64]) -> _Gaps:
    gaps, flipped, post = [], [], []
    first = 0
    for number, one in enumerate(counterfactuals):
        m = len(one.texts)
        a, b = np.triu_indices(m, k=1)
        block = scores[first : first + m]
        gaps.append(np.abs(block[a] - block[b]))
        flipped.append(outcome[first + a] != outcome[first + b])
        post.append(np.full(len(a), number))
        first += m
    return _Gaps(np.concatenate(gaps), np.concatenate(flipped), np.concatenate(post))


def swap_tables(
    swaps: SwapList,
    counterfactuals: Sequence[Counterfactuals],
    categories: Sequence[str],
    score: ScoreFunction,
    outcomes: Outcomes,
) -> dict[str, list[dict[str, Any]]]:
    """Score all counterfactuals of one list and tabulate what the swap changes.

    Parameters
    ----------
    swaps
        The list the counterfactuals come from.
    counterfactuals
        Counterfactuals from templates and rows.
    categories
        Names of the K score columns.
    score
        Texts to scores, shape (m, K).
    outcomes
        Texts and their scores to one decision code each, shape (m,): equal codes are the same decision.

    Returns
    -------
    dict
        Rows for the tables ``swaps`` (gap and flips), ``swap_groups`` (mean shift of each group against the
        median of its other counterfactuals) and ``swap_examples`` (largest gaps; a real row by id alone).
    """
    out: dict[str, list[dict[str, Any]]] = {"swaps": [], "swap_groups": [], "swap_examples": []}
    for source, from_template in (("templates", True), ("rows", False)):
        mine = [one for one in counterfactuals if one.from_template is from_template]
        if not mine:
            continue
        texts = [text for one in mine for text in one.texts]
        raw = score(texts)
        scores = raw.astype(np.float64)
        outcome = outcomes(texts, raw)
        gaps = _gaps(mine, scores, outcome)
        for k, category in enumerate(categories):
            out["swaps"].append(
                {
                    "swap": swaps.name,
                    "source": source,
                    "category": category,
                    "n_posts": len(mine),
                    "n_pairs": len(gaps.post),
                    "mean_gap": float(gaps.gaps[:, k].mean()),
                    "gap_99": float(np.quantile(gaps.gaps[:, k], 0.99)),
                    "largest_gap": float(gaps.gaps[:, k].max()),
                }
            )
        low, high = metrics.wilson(float(gaps.flipped.sum()), len(gaps.flipped))
        out["swaps"].append(
            {
                "swap": swaps.name,
                "source": source,
                "category": "decision",
                "n_posts": len(mine),
                "n_pairs": len(gaps.post),
                "mean_gap": float(gaps.gaps.mean()),
                "gap_99": float(np.quantile(gaps.gaps, 0.99)),
                "largest_gap": float(gaps.gaps.max()),
                "flips": int(gaps.flipped.sum()),
                "flip_share": float(gaps.flipped.mean()),
                "flip_share_low": low,
                "flip_share_high": high,
            }
        )
        out["swap_groups"] += _group_rows(swaps, source, mine, scores, categories)
        out["swap_examples"] += _examples(swaps, source, mine, scores, gaps, categories)
    return out


def _group_rows(
    swaps: SwapList,
    source: str,
    counterfactuals: Sequence[Counterfactuals],
    scores: NDArray[np.float64],
    categories: Sequence[str],
) -> list[dict[str, Any]]:
    shifts: dict[str, list[NDArray[np.float64]]] = {}
    first = 0
    for one in counterfactuals:
        block = scores[first : first + len(one.texts)]
        for i, group in enumerate(one.groups):
            # against the median of the others: one word that fires must not make all others look low
            others = np.median(np.delete(block, i, axis=0), axis=0)
            shifts.setdefault(group, []).append(block[i] - others)
        first += len(one.texts)
    rows = []
    for group, values in shifts.items():
        stacked = np.stack(values)
        error = (
            stacked.std(axis=0, ddof=1) / np.sqrt(len(stacked))
            if len(stacked) > 1
            else np.full(len(categories), np.nan)
        )
        for k, category in enumerate(categories):
            shift = float(stacked[:, k].mean())
            rows.append(
                {
                    "swap": swaps.name,
                    "source": source,
                    "group": group,
                    "category": category,
                    "n_posts": len(stacked),
                    "shift": shift,
                    "shift_low": shift - 1.96 * float(error[k]),
                    "shift_high": shift + 1.96 * float(error[k]),
                }
            )
    return rows


def _examples(
    swaps: SwapList,
    source: str,
    counterfactuals: Sequence[Counterfactuals],
    scores: NDArray[np.float64],
    gaps: _Gaps,
    categories: Sequence[str],
) -> list[dict[str, Any]]:
    starts = np.cumsum([0] + [len(one.texts) for one in counterfactuals])
    widest = gaps.gaps.max(axis=1)
    rows: list[dict[str, Any]] = []
    seen: set[int] = set()
    for pair in np.argsort(-widest, kind="stable"):
        number = int(gaps.post[pair])
        if number in seen or widest[pair] <= 0:
            continue
        seen.add(number)
        k = int(gaps.gaps[pair].argmax())
        column = scores[starts[number] : starts[number + 1], k]
        one = counterfactuals[number]
        rows.append(
            {
                "swap": swaps.name,
                "source": source,
                "post": one.key,
                "category": categories[k],
                "highest": one.terms[int(column.argmax())],
                "highest_score": float(column.max()),
                "lowest": one.terms[int(column.argmin())],
                "lowest_score": float(column.min()),
                "gap": float(column.max() - column.min()),
            }
        )
        if len(rows) == _EXAMPLES:
            break
    return rows


def auc_interval(gold: NDArray[np.bool_], scores: NDArray[np.floating]) -> tuple[float, float, float]:
    """ROC AUC with its 95 % interval, on the logit scale.

    Returns
    -------
    tuple
        AUC, low and high end; NaN without positives or negatives.

    Notes
    -----
    Source: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44(3); logit interval after Pepe 2003.
    """
    up, down = np.sort(scores[gold].astype(np.float64)), np.sort(scores[~gold].astype(np.float64))
    m, n = len(up), len(down)
    if not m or not n:
        return (float("nan"),) * 3
    place_up = (np.searchsorted(down, up, "left") + np.searchsorted(down, up, "right")) / (2 * n)
    place_down = 1 - (np.searchsorted(up, down, "left") + np.searchsorted(up, down, "right")) / (2 * m)
    auc = float(place_up.mean())
    if m < 2 or n < 2:
        return auc, 0.0, 1.0
    variance = place_up.var(ddof=1) / m + place_down.var(ddof=1) / n
    if not 0.0 < auc < 1.0 or variance == 0.0:
        # all pairs in order: the rule of three bounds what so few rows can show
        bound = 3.0 / min(m, n)
        return auc, max(0.0, auc - bound), min(1.0, auc + bound)
    logit = np.log(auc / (1 - auc))
    half = 1.959963984540054 * np.sqrt(variance) / (auc * (1 - auc))
    return auc, float(1 / (1 + np.exp(half - logit))), float(1 / (1 + np.exp(-half - logit)))


def identity_table(data: LabelledData, scores: NDArray[np.float32], terms: dict[str, tuple[str, ...]]) -> Table | None:
    """Subgroup, BPSN and BNSP AUC for posts that name each group; None when no group is named often enough.

    Notes
    -----
    Source: Borkan et al. 2019, Nuanced Metrics for Measuring Unintended Bias. BPSN compares positives
    elsewhere with innocent posts that name the group: low when the group's name alone raises the score.
    BNSP compares innocent posts elsewhere with positives that name it: low when the name lowers the score.
    """
    rows: list[dict[str, Any]] = []
    lowered = [text.lower() for text in data.texts]
    for group, words in terms.items():
        pattern = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(word.lower()) for word in words) + r")(?!\w)")
        named = np.fromiter((pattern.search(text) is not None for text in lowered), bool, len(lowered))
        for k, category in enumerate(data.categories):
            known = data.gold[:, k] >= 0
            gold = data.gold[:, k] == 1
            positives, negatives = int((named & known & gold).sum()), int((named & known & ~gold).sum())
            if min(positives, negatives) < _MIN_SUBGROUP:
                continue
            row: dict[str, Any] = {
                "group": group,
                "category": category,
                "n_positive": positives,
                "n_negative": negatives,
                "overall_auc": metrics.roc_auc(gold[known], scores[known, k]),
            }
            for name, inside in (
                ("subgroup_auc", named),
                ("bpsn_auc", (named & ~gold) | (~named & gold)),
                ("bnsp_auc", (named & gold) | (~named & ~gold)),
            ):
                use = inside & known
                auc, low, high = auc_interval(gold[use], scores[use, k])
                row |= {name: auc, f"{name}_low": low, f"{name}_high": high}
            rows.append(row)
    if not rows:
        return None
    note = (
        "AUC among posts that name the group (subgroup), of positives elsewhere against innocent posts that "
        "name it (BPSN: low when the name alone raises scores), and of positives that name it against "
        "innocent posts elsewhere (BNSP). Groups with fewer than 10 positives or negatives are left out."
    )
    return Table("identity", "Ranking of posts that name a group", note, tuple(rows))
