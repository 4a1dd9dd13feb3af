"""The smallest change that would have altered a decision: one score, one signal or one field; else two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from tsclassify.policy.conditions import Age, FactLeaf, Meta, Range, Score, Signal
from tsclassify.policy.outcome import Facts, Outcome, decide_facts
from tsclassify.records import Truth
from tsclassify.wording import SIGNAL_SAYS, joined

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy
    from tsclassify.policy.thresholds import Thresholds

__all__ = ["Trials", "smallest_change"]


@dataclass(frozen=True, slots=True)
class _Change:
    """One fact made otherwise: ``kind`` and ``name`` say which, ``value`` what it becomes, ``size`` how far."""

    kind: str
    name: Any
    value: int
    size: float
    words: str

    @property
    def key(self) -> tuple[str, Any, int]:
        """What is changed, without how far: the same for all items with the same levels and truths."""
        return self.kind, self.name, self.value


def _score_changes(facts: Facts, scores: dict[str, float], thresholds: Thresholds) -> list[_Change]:
    """Nearest first."""
    changes = []
    for category, now in facts.levels.items():
        score = scores[category]
        for level, limit, words in _ways(thresholds, category, int(now[0])):
            changes.append(_Change("level", category, level, abs(score - limit), words))
    changes.sort(key=lambda change: (change.size, change.name))
    return changes


def _ways(thresholds: Thresholds, category: str, now: int) -> list[tuple[int, float, str]]:
    """The other levels that a category could have, with the threshold in between and words for it."""
    if (category, now) not in thresholds.ways:
        review, act = thresholds[category]
        limits = (0.0, review, review if act is None else act)
        ways = []
        for level in range(3 if act is not None else 2):
            if level == now or (level == 1 and act is not None and act <= review):
                continue
            limit = limits[level] if level > now else limits[level + 1]
            side = f"{limit:.3g} or more" if level > now else f"below {limit:.3g}"
            ways.append((level, limit, f"{category} scored {side}"))
        thresholds.ways[category, now] = ways
    return thresholds.ways[category, now]


def _field_words(leaf: FactLeaf) -> tuple[str, str]:
    """What would have to be so of a field for its leaf to be true, and to be false."""
    if isinstance(leaf, Meta):
        values = joined([str(value) for value in leaf.values], "or")
        return f"its {leaf.meta} been {values}", f"its {leaf.meta} been known not to be {values}"
    if isinstance(leaf, Score):
        return f"its {leaf.score} been {leaf.act:g} or more", f"its {leaf.score} been below {leaf.review or leaf.act:g}"
    if isinstance(leaf, (Range, Age)):
        ends = [f"{word} {end}" for word, end in zip(("at least", "below"), leaf.ends, strict=True) if end]
        name = leaf.meta if isinstance(leaf, Range) else f"age by {leaf.meta}"
        return f"its {name} been {joined(ends)}", f"its {name} been known not to be {joined(ends)}"
    raise TypeError(f"change: leaf must be over a field, got {type(leaf).__name__}")


def _other_changes(policy: Policy, facts: Facts) -> Iterator[_Change]:
    for name in dict.fromkeys(name for leaf in policy.document.item_leaves(Signal) for name in leaf.signal):
        now = int(facts.signals[name][0]) if name in facts.signals else int(Truth.UNKNOWN)
        says = SIGNAL_SAYS.get(name, f"has the signal {name}")
        yes, no = f"it been found that the text {says}", f"it been known not to be so that the text {says}"
        if now == Truth.TRUE:
            no = f"it not been found that the text {says}"
        yield from _both("signal", name, now, yes, no)
    for leaf in facts.fields:
        yield from _both("field", leaf, int(facts.fields[leaf][0]), *_field_words(leaf))


def _both(kind: str, name: Any, now: int, yes: str, no: str) -> Iterator[_Change]:
    for value, words in ((Truth.TRUE, yes), (Truth.FALSE, no)):
        if value != now:
            yield _Change(kind, name, int(value), 0.0, words)


def _apply(facts: Facts, groups: Sequence[tuple[_Change, ...]]) -> Facts:
    """One row of facts for each group of changes."""
    m = len(groups)
    levels = {name: np.repeat(level, m) for name, level in facts.levels.items()}
    signals = {name: np.repeat(state, m) for name, state in facts.signals.items()}
    fields = {name: np.repeat(state, m) for name, state in facts.fields.items()}
    untested = np.repeat(facts.untested, m)
    for row, group in enumerate(groups):
        for change in group:
            if change.kind == "level":
                levels[change.name][row] = change.value
            elif change.kind == "field":
                fields[change.name][row] = change.value
            elif change.kind == "language":
                untested[row] = False
            else:
                if change.name not in signals:
                    signals[change.name] = np.full(m, Truth.UNKNOWN, dtype=np.int8)
                signals[change.name][row] = change.value
    return Facts(levels, signals, fields, untested)


@dataclass(slots=True, eq=False)
class Trials:
    """What changes lead to: it rests on levels and truths alone, so it is tried once for all items that share them.

    Attributes
    ----------
    tiers
        Key of a change to the tier that it leads to; empty where that is no milder (or harsher) outcome.
    others
        Every change of a signal or a field, or None when not listed yet.
    pairs
        Keys of two changes with the tier that both together lead to, where they lead to one; None when not tried yet.
    """

    tiers: dict[tuple[str, Any, int], str] = field(default_factory=dict)
    others: list[_Change] | None = None
    pairs: list[tuple[tuple[str, Any, int], tuple[str, Any, int], str]] | None = None


def smallest_change(
    policy: Policy,
    facts: Facts,
    outcome: Outcome,
    scores: dict[str, float],
    thresholds: Thresholds,
    only_review: Collection[str],
    trials: Trials,
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
    only_review
        Categories without an act threshold.
    trials
        Of items with these facts.
    """
    names = policy.tier_names
    code = int(outcome.code[0])
    is_none = code == len(names) - 1
    if bool(facts.untested[0]):
        found = "the text been in a language that the model was tested in"
        language = _Change("language", "", 0, 0.0, found)
        trial = decide_facts(policy, _apply(facts, [(language,)]), only_review)
        if int(trial.code[0]) != code:
            return f"Had {found}, the outcome would have been {names[int(trial.code[0])]}."
    score_changes = _score_changes(facts, scores, thresholds)

    if trials.others is None:
        trials.others = list(_other_changes(policy, facts))
    other_changes = trials.others

    def altered(groups: Sequence[tuple[_Change, ...]]) -> list[str]:
        """The tier that each group of changes leads to; empty where it is no milder (or harsher) outcome."""
        if not groups:
            return []
        trial = decide_facts(policy, _apply(facts, groups), only_review)
        return [names[to] if (to < code if is_none else to > code) else "" for to in trial.code.tolist()]

    sentences = []
    for changes in (score_changes, other_changes):
        missing = [change for change in changes if change.key not in trials.tiers]
        if missing:
            outcomes = altered([(change,) for change in missing])
            trials.tiers.update(zip((change.key for change in missing), outcomes, strict=True))
        tiers = [trials.tiers[change.key] for change in changes]
        at = next((at for at, tier in enumerate(tiers) if tier), None)
        if at is not None:
            change = changes[at]
            was = f" (it scored {scores[change.name]:.3f})" if change.kind == "level" else ""
            sentences.append(f"Had {change.words}{was}, the outcome would have been {tiers[at]}.")
    if sentences:
        return " ".join(sentences)
    every = [*score_changes, *other_changes]
    if trials.pairs is None:
        pairs = [pair for pair in combinations(every, 2) if pair[0].name != pair[1].name]
        hits = zip(pairs, altered(pairs), strict=True)
        trials.pairs = [(one.key, two.key, tier) for (one, two), tier in hits if tier]
    if trials.pairs:
        place = {change.key: at for at, change in enumerate(every)}
        ranked = []
        for first, second, tier in trials.pairs:
            low, high = sorted((place[first], place[second]))
            ranked.append((every[low].size + every[high].size, low, high, tier))
        _, low, high, tier = min(ranked)
        both = joined([every[low].words, every[high].words], "and had")
        return f"Had {both}, the outcome would have been {tier}."
    down = tuple(change for change in score_changes if change.value == 0)
    if down and (tier := altered([down])[0]):
        which = joined([str(change.name) for change in down])
        return f"Had {which} all scored below their review thresholds, the outcome would have been {tier}."
    return "No change of one or two scores, signals or fields would have altered the outcome."
