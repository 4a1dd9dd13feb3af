"""The smallest change that would have altered a decision: one score, one signal or one field; else two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from tsclassify.policy.columns import Facts, Outcome, decide_facts
from tsclassify.policy.conditions import Meta, Signal, leaves
from tsclassify.records import Truth
from tsclassify.wording import SIGNAL_SAYS, joined

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy
    from tsclassify.policy.thresholds import Thresholds

__all__ = ["memo_of", "smallest_change"]

_MEMO_SIZE = 4096


@dataclass(frozen=True, slots=True)
class _Change:
    """One fact made otherwise: ``kind`` and ``name`` say which, ``value`` what it becomes, ``size`` how far."""

    kind: str
    name: Any
    value: int
    size: float
    words: str


def memo_of(policy: Policy, facts: Facts, thresholds: Thresholds) -> dict[Any, Any]:
    """What was already found out for items with the same levels and truths, under the same act thresholds."""
    key = (
        tuple(int(level[0]) for level in facts.levels.values()),
        tuple((name, int(state[0])) for name, state in facts.signals.items()),
        tuple(int(state[0]) for state in facts.metas.values()),
        bool(facts.untested[0]),
        tuple(act is None for _, act in thresholds.values()),
    )
    kept: dict[Any, dict[Any, Any]] = policy.memo.setdefault("trials", {})
    if key not in kept:
        if len(kept) >= _MEMO_SIZE:
            kept.clear()
        kept[key] = {}
    return kept[key]


def _score_changes(facts: Facts, scores: dict[str, float], thresholds: Thresholds) -> Iterator[_Change]:
    for category, (review, act) in thresholds.items():
        now, score = int(facts.levels[category][0]), scores[category]
        limits = (0.0, review, review if act is None else act)
        for level in range(3 if act is not None else 2):
            if level == now or (level == 1 and act is not None and act <= review):
                continue
            limit = limits[level] if level > now else limits[level + 1]
            side = f"{limit:.3g} or more" if level > now else f"below {limit:.3g}"
            words = f"{category} scored {side}"
            yield _Change("level", category, level, abs(score - limit), words)


def _other_changes(policy: Policy, facts: Facts) -> Iterator[_Change]:
    conditions = [tier.when for tier in policy.tiers]
    for context in policy.contexts:
        conditions += [context.when] if context.unless is None else [context.when, context.unless]
    seen: set[Any] = set()
    for leaf in (leaf for condition in conditions for leaf, _ in leaves(condition)):
        names: Sequence[Any] = leaf.signal if isinstance(leaf, Signal) else [leaf] if isinstance(leaf, Meta) else []
        for name in names:
            if name in seen:
                continue
            seen.add(name)
            if isinstance(name, Meta):
                now = int(facts.metas[name][0])
                values = joined([str(value) for value in name.values], "or")
                yes, no = f"its {name.meta} been {values}", f"its {name.meta} been known not to be {values}"
            else:
                now = int(facts.signals[name][0]) if name in facts.signals else int(Truth.UNKNOWN)
                says = SIGNAL_SAYS.get(name, f"has the signal {name}")
                yes, no = f"it been found that the text {says}", f"it been known not to be so that the text {says}"
                if now == Truth.TRUE:
                    no = f"it not been found that the text {says}"
            for value, words in ((Truth.TRUE, yes), (Truth.FALSE, no)):
                if value != now:
                    yield _Change("meta" if isinstance(name, Meta) else "signal", name, int(value), 0.0, words)


def _apply(facts: Facts, groups: Sequence[tuple[_Change, ...]]) -> Facts:
    """One row of facts for each group of changes."""
    m = len(groups)
    levels = {name: np.repeat(level, m) for name, level in facts.levels.items()}
    signals = {name: np.repeat(state, m) for name, state in facts.signals.items()}
    metas = {name: np.repeat(state, m) for name, state in facts.metas.items()}
    untested = np.repeat(facts.untested, m)
    for row, group in enumerate(groups):
        for change in group:
            if change.kind == "level":
                levels[change.name][row] = change.value
            elif change.kind == "meta":
                metas[change.name][row] = change.value
            elif change.kind == "language":
                untested[row] = False
            else:
                if change.name not in signals:
                    signals[change.name] = np.full(m, Truth.UNKNOWN, dtype=np.int8)
                signals[change.name][row] = change.value
    return Facts(levels, signals, metas, untested)


def smallest_change(
    policy: Policy, facts: Facts, outcome: Outcome, scores: dict[str, float], thresholds: Thresholds
) -> str:
    """What would have given another tier, in one or two sentences.

    For an item that no tier and no review caught it is the nearest change to a harsher outcome, for all others the
    nearest to a milder one. Changes of a score are compared by how far the score would have to move; a signal or a
    field is named beside it, as the two cannot be compared.

    Parameters
    ----------
    facts, outcome
        Of one row.
    scores
        Category to score.
    """
    names = policy.tier_names
    code = int(outcome.code[0])
    is_none = code == len(names) - 1
    found: list[str] = []
    if bool(facts.untested[0]):
        found = ["the text been in a language that the model was tested in"]
        language = _Change("language", "", 0, 0.0, found[0])
        trial = decide_facts(policy, _apply(facts, [(language,)]), lambda category: thresholds[category][1] is not None)
        if int(trial.code[0]) != code:
            return f"Had {found[0]}, the outcome would have been {names[int(trial.code[0])]}."
    score_changes = sorted(_score_changes(facts, scores, thresholds), key=lambda change: (change.size, change.name))
    other_changes = list(_other_changes(policy, facts))

    # what a change leads to depends on levels and truths alone, of which items share a few: tried once for each
    tried = memo_of(policy, facts, thresholds)

    def altered(groups: list[tuple[_Change, ...]]) -> list[tuple[tuple[_Change, ...], str]]:
        if not groups:
            return []
        keys = [tuple((change.kind, change.name, change.value) for change in group) for group in groups]
        missing = [row for row, key in enumerate(keys) if key not in tried]
        if missing:
            fresh = _apply(facts, [groups[row] for row in missing])
            trial = decide_facts(policy, fresh, lambda category: thresholds[category][1] is not None)
            tried.update(zip((keys[row] for row in missing), trial.code.tolist(), strict=True))
        codes = [tried[key] for key in keys]
        return [
            (group, names[trial_code])
            for group, trial_code in zip(groups, codes, strict=True)
            if (trial_code < code if is_none else trial_code > code)
        ]

    sentences = []
    for changes in (score_changes, other_changes):
        hits = altered([(change,) for change in changes])
        if hits:
            (change,), tier = hits[0]
            was = f" (it scored {scores[change.name]:.3f})" if change.kind == "level" else ""
            sentences.append(f"Had {change.words}{was}, the outcome would have been {tier}.")
    if sentences:
        return " ".join(sentences)
    pairs = sorted(combinations([*score_changes, *other_changes], 2), key=lambda pair: pair[0].size + pair[1].size)
    hits = altered([pair for pair in pairs if pair[0].name != pair[1].name])
    if hits:
        group, tier = hits[0]
        return f"Had {joined([change.words for change in group], 'and had')}, the outcome would have been {tier}."
    down = tuple(change for change in score_changes if change.value == 0)
    if down and (hits := altered([down])):
        which = joined([str(change.name) for change in down])
        return f"Had {which} all scored below their review thresholds, the outcome would have been {hits[0][1]}."
    return "No change of one or two scores, signals or fields would have altered the outcome."
