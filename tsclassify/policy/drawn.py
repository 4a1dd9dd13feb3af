"""Items drawn at random from all that a policy can tell apart: to find one that two policies decide differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.policy.cases import stand_in
from tsclassify.policy.columns import ItemColumns
from tsclassify.policy.conditions import Meta, Signal, leaves
from tsclassify.policy.decider import Decider
from tsclassify.policy.thresholds import resolve
from tsclassify.records import ModelInfo, Truth

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy

__all__ = ["Drawn", "draw", "told_apart"]

_N: Final = 20_000
_SEED: Final = 20210110
_OTHER: Final = "something else"


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Columns of drawn items, the bundle they are decided by, and how far each is from a plain item.

    Attributes
    ----------
    asked
        Category to the words (``act``, ``under_review`` ...) of each item's score, in a case's own terms.
    effort
        int, shape (n,): how many facts of the item are out of the ordinary.
    """

    columns: ItemColumns
    info: ModelInfo
    asked: dict[str, NDArray[np.int8]]
    effort: NDArray[np.int64]


def draw(policy: Policy) -> Drawn:
    """Items in which each category's level, each signal, field and language is drawn; plain values more often."""
    rng = np.random.default_rng(_SEED)
    info = stand_in(policy)
    thresholds = resolve(policy, info)
    asked, scores = {}, np.zeros((_N, len(thresholds)), dtype=np.float32)
    for k, (category, (review, act)) in enumerate(thresholds.items()):
        level = rng.choice(3, size=_N, p=(0.6, 0.15, 0.25)).astype(np.int8)
        limits = np.array([0.0, review, 1.0 if act is None else act], dtype=np.float32)
        asked[category], scores[:, k] = level, limits[level]
    conditions = [tier.when for tier in policy.tiers]
    for context in policy.contexts:
        conditions += [context.when] if context.unless is None else [context.when, context.unless]
    found = [leaf for condition in conditions for leaf, _ in leaves(condition)]
    names = dict.fromkeys(name for leaf in found if isinstance(leaf, Signal) for name in leaf.signal)
    signals = {name: rng.choice(3, size=_N, p=(0.7, 0.1, 0.2)).astype(np.int8) for name in names}
    values_of: dict[str, list[Any]] = {}
    for leaf in found:
        if isinstance(leaf, Meta):
            values_of.setdefault(leaf.meta, [None, _OTHER]).extend(leaf.values)
    meta = {}
    for name, values in values_of.items():
        meta[name] = np.empty(_N, dtype=object)
        meta[name][:] = [values[i] for i in rng.integers(0, len(values), _N)]
    language = rng.choice(3, size=_N, p=(0.05, 0.05, 0.9)).astype(np.int8)
    effort = sum((level > 0).astype(np.int64) for level in asked.values()) + 2 * (language != Truth.TRUE)
    effort = effort + sum((state > 0).astype(np.int64) for state in signals.values())
    effort = effort + sum(np.array([value is not None for value in column]) for column in meta.values())
    return Drawn(ItemColumns(tuple(thresholds), scores, signals, language, meta), info, asked, effort)


def told_apart(policy: Policy, other: Policy, drawn: Drawn) -> str | None:
    """The plainest drawn item that the two decide differently, as a case gives it; None when there is none."""
    ours, theirs = (Decider(one, drawn.info).decide(drawn.columns) for one in (policy, other))
    tiers = [np.array(result.tier_names)[result.tier] for result in (ours, theirs)]
    actions = [
        [next((rule.do for rule in one.tiers if rule.id == name), ()) for name in one.tier_names]
        for one in (policy, other)
    ]
    differ = (tiers[0] != tiers[1]) | (ours.review != theirs.review)
    if actions[0] != actions[1]:
        done = [np.array([str(action) for action in each]) for each in actions]
        differ |= done[0][ours.tier] != done[1][theirs.tier]
    rows = np.flatnonzero(differ)
    if not len(rows):
        return None
    row = int(rows[np.argmin(drawn.effort[rows])])
    thresholds = resolve(policy, drawn.info)
    words = {name: ("", "review", "1.0" if pair[1] is None else "act") for name, pair in thresholds.items()}
    scores = ", ".join(f"{name}: {words[name][level[row]]}" for name, level in drawn.asked.items() if level[row])
    states = {Truth.TRUE: "true", Truth.UNKNOWN: "null"}
    signals = ", ".join(
        f"{name}: {states[Truth(int(state[row]))]}" for name, state in drawn.columns.signals.items() if state[row]
    )
    parts = [f"scores: {{{scores}}}"] + ([f"signals: {{{signals}}}"] if signals else [])
    parts += [f"{name}: {column[row]}" for name, column in drawn.columns.meta.items() if column[row] is not None]
    language = {Truth.FALSE: "untested", Truth.UNKNOWN: "undetermined"}.get(Truth(int(drawn.columns.language[row])))
    parts += [f"language: {language}"] if language else []
    review = str(bool(ours.review[row])).lower()
    return f"item: {{{', '.join(parts)}}}, expect: {{tier: {ours.name(row)}, review: {review}}}"
