"""What changes between two models on the same posts: whose decision differs, at which thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics
from tsclassify.errors import InputError
from tsclassify.evaluation.labelled import LabelledData, read_labelled
from tsclassify.evaluation.models import ModelAdapter, as_scorer
from tsclassify.evaluation.outcomes import limits
from tsclassify.evaluation.tables import Table

__all__ = ["ModelComparison", "compare"]


@dataclass(frozen=True, slots=True, eq=False)
class ModelComparison:
    """Two models on the same posts.

    Attributes
    ----------
    names
        The older and the newer model.
    n_items
        Posts compared.
    n_changed
        Posts with at least one changed level (none, review, act).
    tables
        ``changes`` (per category), ``transitions`` (level before and after), ``posts`` (the changed posts, by
        id), ``decisions`` (tier before and after, with a policy).
    """

    names: tuple[str, str]
    n_items: int
    n_changed: int
    tables: Mapping[str, Table]

    def to_markdown(self) -> str:
        """The text for the section *Changed decisions* of a changelog."""
        share = self.n_changed / self.n_items if self.n_items else 0.0
        lines = [
            f"`{self.names[0]}` to `{self.names[1]}`: {self.n_changed:,} of {self.n_items:,} posts ({share:.2%}) "
            "change their level in some category.",
            "",
            "| category | act threshold | newly acted on | no longer acted on | of the changed, now right "
            "| mean score change |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for row in self.tables["changes"]:
            right = "–" if row["changed_right"] is None else f"{row['changed_right']} of {row['changed_labelled']}"
            lines.append(
                f"| {row['category']} | {_threshold(row['act_before'])} → {_threshold(row['act_after'])} | "
                f"{row['newly_act']:,} | {row['no_longer_act']:,} | {right} | {row['mean_change']:+.4f} |"
            )
        return "\n".join(lines) + "\n"


def _threshold(value: float) -> str:
    return "never" if value > 1 else f"{value:.3f}"


def compare(
    before: Any,
    after: Any,
    dataset: Any,
    *,
    policy: Any = None,
    max_posts: int = 200,
    fields: Mapping[str, str] | None = None,
) -> ModelComparison:
    """Score the same posts with two models and tabulate what changes.

    Parameters
    ----------
    before, after
        The older and the newer model.
    dataset
        Posts, with gold labels or without; see ``read_labelled``.
    policy
        A ``Policy``: its thresholds, resolved for each model, make the levels, and its decisions are
        compared. None acts at even odds.
    max_posts
        Most changed posts listed, the widest score change first.
    fields
        Names in the data, by the name that is meant: ``{"text": "body"}``.

    Raises
    ------
    InputError
        When the models share no category, or the data cannot be read.
    """
    old, new = as_scorer(before), as_scorer(after)
    shared = tuple(name for name in old.categories if name in new.categories)
    if not shared:
        raise InputError(f"compare: models must share a category, got {old.categories} and {new.categories}")
    data = read_labelled(dataset, categories=shared, require_labels=False, fields=fields)
    first, second = _view(old, data, shared, policy), _view(new, data, shared, policy)
    changed = first.levels != second.levels
    rows, moves = [], []
    for k, category in enumerate(shared):
        acted, acts = first.levels[:, k] == 2, second.levels[:, k] == 2
        gold = data.gold[:, k]
        flipped = (acted != acts) & (gold >= 0)
        rows.append(
            {
                "category": category,
                "act_before": first.act[k],
                "act_after": second.act[k],
                "review_before": first.review[k],
                "review_after": second.review[k],
                "newly_act": int((acts & ~acted).sum()),
                "no_longer_act": int((acted & ~acts).sum()),
                "newly_review": int(((first.levels[:, k] == 0) & (second.levels[:, k] >= 1)).sum()),
                "no_longer_review": int(((first.levels[:, k] >= 1) & (second.levels[:, k] == 0)).sum()),
                "changed_labelled": int(flipped.sum()),
                "changed_right": int((acts == (gold == 1))[flipped].sum()) if (gold >= 0).any() else None,
                "mean_change": float((second.scores[:, k] - first.scores[:, k]).mean()) if len(data) else 0.0,
                "largest_change": float(np.abs(second.scores[:, k] - first.scores[:, k]).max(initial=0.0)),
                **_ranking(gold, first.scores[:, k], second.scores[:, k]),
            }
        )
        for i, name in enumerate(_LEVELS):
            for j, other in enumerate(_LEVELS):
                n = int(((first.levels[:, k] == i) & (second.levels[:, k] == j)).sum())
                if n and i != j:
                    moves.append({"category": category, "before": name, "after": other, "n_items": n})
    tables = {
        "changes": Table("changes", "Changes by category", _CHANGES_NOTE, tuple(rows)),
        "transitions": Table("transitions", "Levels before and after", "Posts whose level changes.", tuple(moves)),
        "posts": _posts(data, shared, first, second, max_posts),
    }
    decisions = _decisions(old, new, data, policy)
    if decisions is not None:
        tables["decisions"] = decisions
    return ModelComparison((old.name, new.name), len(data), int(changed.any(axis=1).sum()), tables)


_LEVELS = ("none", "review", "act")
_CHANGES_NOTE = (
    "A post acts at score >= the act threshold and is reviewed at score >= the review threshold of its model. "
    "'Of the changed, now right' counts, among labelled posts that are newly acted on or no longer, those for "
    "which the newer model agrees with the gold label."
)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    scores: NDArray[np.float32]
    act: list[float]
    review: list[float]
    levels: NDArray[np.int8]


def _view(scorer: ModelAdapter, data: LabelledData, shared: Sequence[str], policy: Any) -> _View:
    columns = [scorer.categories.index(name) for name in shared]
    act_all, review_all = limits(scorer, policy)
    act, review = [act_all[k] for k in columns], [review_all[k] for k in columns]
    scores = scorer.score(data.texts)[:, columns]
    levels = (scores >= np.asarray(review, dtype=np.float32)).astype(np.int8)
    levels[scores >= np.asarray(act, dtype=np.float32)] = 2
    return _View(scores, act, review, levels)


def _ranking(gold: NDArray[np.int8], old: NDArray[np.float32], new: NDArray[np.float32]) -> dict[str, float]:
    known = gold >= 0
    if not (gold == 1).any():
        return {}
    positive = gold[known] == 1
    return {
        "ap_before": metrics.average_precision(positive, old[known]),
        "ap_after": metrics.average_precision(positive, new[known]),
    }


def _posts(data: LabelledData, shared: Sequence[str], first: _View, second: _View, max_posts: int) -> Table:
    row_of, column_of = np.nonzero(first.levels != second.levels)
    width = np.abs(second.scores - first.scores)[row_of, column_of]
    order = np.argsort(-width, kind="stable")[:max_posts]
    rows = []
    for i, k in zip(row_of[order], column_of[order], strict=True):
        gold = data.gold[i, k]
        rows.append(
            {
                "id": data.ids[i],
                "category": shared[k],
                "score_before": float(first.scores[i, k]),
                "score_after": float(second.scores[i, k]),
                "before": _LEVELS[first.levels[i, k]],
                "after": _LEVELS[second.levels[i, k]],
                "gold": None if gold < 0 else bool(gold),
            }
        )
    note = f"{len(rows):,} of {len(row_of):,} changed levels, the widest score change first."
    return Table("posts", "Changed posts", note, tuple(rows))


def _decisions(old: ModelAdapter, new: ModelAdapter, data: LabelledData, policy: Any) -> Table | None:
    """Tier before and after, for two classifiers under a policy."""
    if policy is None or not all(callable(getattr(one.model, "item_columns", None)) for one in (old, new)):
        return None
    tiers = []
    for one in (old, new):
        columns = one.model.item_columns([{"text": text} for text in data.texts], policy)
        result = one.model.decider(policy).decide(columns)
        tiers.append([result.tier_names[t] for t in result.tier])
    pairs, counts = np.unique(np.array(tiers).T, axis=0, return_counts=True)
    rows: list[dict[str, Any]] = [
        {"before": str(a), "after": str(b), "n_items": int(n), "changed": bool(a != b)}
        for (a, b), n in zip(pairs, counts, strict=True)
    ]
    rows.sort(key=lambda row: (not row["changed"], -row["n_items"]))
    note = f"Tier of every post under policy {policy.name} {policy.version}, by each model."
    return Table("decisions", "Decisions before and after", note, tuple(rows))
