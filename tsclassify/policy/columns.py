"""Decisions over columns: a million items at once, the same as one by one.

Severity is a code: tier 0 is the most severe, then the other tiers in file order, then ``review``, then ``none``. So
*more severe* is *smaller*, the most severe tier that holds is a minimum, and the least lenient of several exceptions
is a minimum too.

How an outcome comes about, for each item:

1. A category's level is 0 below its review threshold, 1 from it, 2 from its act threshold: the truth of ``act:``.
2. A tier is true, false or unknown. A category that may only review (``act: null``) is a tier of its own, whose
   result is ``review``.
3. An exception holds when its ``when`` is true and its ``unless`` is false. For each tier that is true, if one
   exception holds that lowers it, the least lenient of the exceptions whose ``when`` is true gives the result (a
   defeated one still bounds the others: else a higher score could open the way for a milder exception). A floor
   bounds the result while its tier is true or unknown.
4. The outcome is the most severe result. If something more severe could hold, were the unknowns known, or if an
   exception could lower the outcome, ``review`` is set; an item with nothing true and something unknown gets the
   tier ``review``.

In a language that was not tested every score and signal is unknown, so such a text is never called clean.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.policy.conditions import Act, Meta, Review, Signal, evaluate
from tsclassify.policy.memo import MEMO_ROWS, memo_of, outcomes_of
from tsclassify.records import Truth

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy
    from tsclassify.records import ModelInfo

__all__ = ["DecisionColumns", "Facts", "ItemColumns", "Outcome", "decide_columns", "decide_facts", "facts_of"]

States = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class ItemColumns:
    """What a policy needs to know of `n` items.

    Attributes
    ----------
    categories
        Names of the K columns of ``probabilities``.
    probabilities
        float32, shape (n, K), in [0, 1].
    signals
        Signal to int8 of ``Truth``, shape (n,); a signal that is not there is unknown.
    language
        int8 of ``Truth``, shape (n,): the text is in a tested language, in another one, or it cannot be told.
    meta
        Field to an object array of shape (n,), None where the item lacks it.
    ids, actors, tenants, ats, text_sha256s
        Of the items, in order, or None; needed for records only.

    Raises
    ------
    InputError
        When shapes disagree, or a score is NaN or outside [0, 1].
    """

    categories: tuple[str, ...]
    probabilities: NDArray[np.float32]
    signals: Mapping[str, States]
    language: States
    meta: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    ids: Sequence[str | None] | None = None
    actors: Sequence[str | None] | None = None
    tenants: Sequence[str | None] | None = None
    ats: Sequence[dt.datetime | None] | None = None
    text_sha256s: Sequence[str] | None = None

    def __post_init__(self) -> None:
        values = self.probabilities
        n = len(self.language)
        if values.dtype != np.float32 or values.shape != (n, len(self.categories)):
            raise InputError(
                f"item columns: probabilities must be float32 of shape ({n}, {len(self.categories)}), "
                f"got {values.dtype} of shape {values.shape}"
            )
        # NaN makes both the minimum and the maximum NaN, and NaN fails the comparison.
        if n and values.size and not (float(values.min()) >= 0.0 and float(values.max()) <= 1.0):
            raise InputError("item columns: probabilities must lie in [0, 1] and not be NaN")
        for name, column in (*self.signals.items(), ("language", self.language)):
            if column.dtype != np.int8 or column.shape != (n,):
                raise InputError(
                    f"item columns: {name} must be int8 of shape ({n},), got {column.dtype} of shape {column.shape}"
                )
        # read without a sign, what is below 0 is above 2
        truths = np.concatenate([*self.signals.values(), self.language]).view(np.uint8)
        if n and int(truths.max()) > 2:
            raise InputError("item columns: signals and language must hold truth values 0, 1 and 2, got others")
        for name, values_of in self.meta.items():
            if len(values_of) != n:
                raise InputError(f"item columns: field {name!r} must have {n} values, got {len(values_of)}")

    def __len__(self) -> int:
        return len(self.language)

    def score(self, category: str) -> NDArray[np.float32]:
        """The scores of one category: float32, shape (n,)."""
        if category not in self.categories:
            raise InputError(f"item columns: category must be one of {', '.join(self.categories)}, got {category!r}")
        return self.probabilities[:, self.categories.index(category)]


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What conditions are evaluated over: levels and truths of `m` items, no scores any more.

    Attributes
    ----------
    levels
        Category to int8, shape (m,): 0 below review, 1 from review, 2 from act.
    signals
        Signal to int8 of ``Truth``; one that is not there is unknown.
    metas
        Metadata leaf to int8 of ``Truth``.
    untested
        bool, shape (m,): scores and signals count for nothing.
    """

    levels: Mapping[str, States]
    signals: Mapping[str, States]
    metas: Mapping[Meta, States]
    untested: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.untested)

    def only(self, rows: NDArray[np.intp]) -> Facts:
        """The facts of some rows."""
        parts: list[Any] = [self.levels, self.signals, self.metas]
        levels, signals, metas = [{name: column[rows] for name, column in part.items()} for part in parts]
        return Facts(levels, signals, metas, self.untested[rows])

    def leaf(self, node: Any) -> States:
        """The truth of a leaf: int8, shape (m,)."""
        if isinstance(node, Meta):
            return self.metas[node]
        if isinstance(node, Act):
            states = [self.levels[category] for category in node.act]
        elif isinstance(node, Review):
            states = [np.minimum(self.levels[category] * 2, 2).astype(np.int8) for category in node.review]
        else:
            missing = [signal for signal in node.signal if signal not in self.signals]
            states = [self.signals[signal] for signal in node.signal if signal in self.signals]
            if missing:
                states.append(np.full(len(self), Truth.UNKNOWN, dtype=np.int8))
        state = reduce(np.maximum, states)
        return np.where(self.untested, np.int8(Truth.UNKNOWN), state) if self.untested.any() else state


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What comes of `m` items: code (int16), review (bool), and the truth of tiers, of ``when`` and of exceptions."""

    code: NDArray[np.int16]
    review: NDArray[np.bool_]
    tiers: tuple[States, ...]
    when: Mapping[str, States]
    holds: Mapping[str, States]

    def numbers(self) -> NDArray[np.int16]:
        """Code, review and exceptions, in rows: int16, shape (2 + exceptions, m)."""
        return np.stack([self.code, self.review, *self.holds.values()]).astype(np.int16, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class DecisionColumns:
    """What a policy says of `n` items.

    Attributes
    ----------
    tier_names
        Tier ids, most severe first, then ``review`` and ``none``.
    tier
        int16, shape (n,): index into ``tier_names``.
    review
        bool, shape (n,): a person has to look.
    levels
        Category to int8, shape (n,): 0 none, 1 review, 2 act.
    contexts
        Context id to int8 of ``Truth``, shape (n,): the exception holds. Unknown where it was not asked, because
        no category reached its review threshold.
    has_actions
        bool, one per entry of ``tier_names``: whether that tier recommends anything.
    mode
        ``enforce`` or ``shadow``.
    """

    tier_names: tuple[str, ...]
    tier: NDArray[np.int16]
    review: NDArray[np.bool_]
    levels: Mapping[str, States]
    contexts: Mapping[str, States]
    has_actions: NDArray[np.bool_]
    mode: str = "enforce"

    def __len__(self) -> int:
        return len(self.tier)

    @property
    def acts(self) -> NDArray[np.bool_]:
        """bool, shape (n,): the item's tier recommends actions; what ``Breaker`` counts."""
        return self.has_actions[self.tier]

    def name(self, row: int) -> str:
        """Tier id of one row."""
        return self.tier_names[int(self.tier[row])]

    def counts(self) -> dict[str, int]:
        """Tier id to the number of items, most severe first."""
        totals = np.bincount(self.tier, minlength=len(self.tier_names))
        return {name: int(total) for name, total in zip(self.tier_names, totals, strict=True)}


def _leaf_nodes(policy: Policy, kind: type) -> list[Any]:
    """The leaves of one kind in all conditions of a policy, each once; found once for a policy."""
    from tsclassify.policy.conditions import leaves

    if kind in policy.memo:
        cached: list[Any] = policy.memo[kind]
        return cached
    conditions = [tier.when for tier in policy.tiers]
    for context in policy.contexts:
        conditions += [context.when] if context.unless is None else [context.when, context.unless]
    found = {leaf: None for condition in conditions for leaf, _ in leaves(condition) if isinstance(leaf, kind)}
    policy.memo[kind] = list(found)
    return list(found)


def _meta_states(node: Meta, values: NDArray[np.object_] | None, m: int) -> States:
    missing = Truth.UNKNOWN if node.if_missing == "unknown" else Truth.FALSE
    if values is None:
        return np.full(m, missing, dtype=np.int8)
    # 1 == True in Python, not in a policy: compare with the type.
    wanted = {(type(value), value) for value in node.values}

    def state(value: Any) -> int:
        if value is None:
            return missing
        is_scalar = isinstance(value, (str, int, bool))
        return Truth.TRUE if is_scalar and (type(value), value) in wanted else Truth.FALSE

    return np.fromiter((state(value) for value in values), dtype=np.int8, count=m)


def levels_of(policy: Policy, columns: ItemColumns, info: ModelInfo) -> dict[str, States]:
    """Category to its level; compared in float32, so that a score equal to its threshold acts."""
    thresholds = policy.thresholds(info)
    for category in thresholds:
        columns.score(category)  # refuses columns without it
    which, review, act = thresholds.arrays(columns.categories)
    scores = columns.probabilities[:, which]
    levels = (scores >= review).view(np.int8) + (scores >= act).view(np.int8)
    return dict(zip(thresholds, np.ascontiguousarray(levels.T), strict=True))


def untested_of(policy: Policy, language: States) -> NDArray[np.bool_]:
    """Where scores count for nothing, by the policy's ``languages``."""
    untested = np.zeros(len(language), dtype=np.bool_)
    if policy.languages.otherwise == "review":
        untested |= language == Truth.FALSE
    if policy.languages.undetermined == "review":
        untested |= language == Truth.UNKNOWN
    return untested


def facts_of(
    policy: Policy, columns: ItemColumns, levels: Mapping[str, States], rows: NDArray[np.intp] | slice | None = None
) -> Facts:
    """The facts of some rows (of all, without `rows`)."""

    def cut(column: Any) -> Any:
        return column if rows is None else column[rows]

    untested = untested_of(policy, cut(columns.language))
    asked = policy.memo.get("asked")
    if asked is None:
        asked = policy.memo["asked"] = {signal for node in _leaf_nodes(policy, Signal) for signal in node.signal}
    metas = {}
    for node in _leaf_nodes(policy, Meta):
        values = columns.meta.get(node.meta)
        metas[node] = _meta_states(node, None if values is None else cut(values), len(untested))
    return Facts(
        levels={category: cut(level) for category, level in levels.items()},
        signals={name: cut(states) for name, states in columns.signals.items() if name in asked},
        metas=metas,
        untested=untested,
    )


def _at_most(codes: Sequence[NDArray[np.int16]], default: int, m: int) -> NDArray[np.int16]:
    """The most severe (smallest) code at each row."""
    return reduce(np.minimum, codes, np.full(m, default, dtype=np.int16))


def decide_facts(policy: Policy, facts: Facts, acting: Callable[[str], bool]) -> Outcome:
    """The outcome of `m` items, by the four rules of this module.

    Parameters
    ----------
    acting
        Whether a category has an act threshold; one without is a tier of its own.
    """
    m = len(facts)
    names = policy.tier_names
    code_of = {name: code for code, name in enumerate(names)}
    review_code, none_code = code_of["review"], code_of["none"]
    true, unknown = np.int8(Truth.TRUE), np.int8(Truth.UNKNOWN)

    states = {tier.id: evaluate(tier.when, facts.leaf) for tier in policy.tiers}
    only_review = [category for category in policy.categories if not acting(category)]
    if only_review:
        states["review"] = facts.leaf(Review(review=tuple(only_review)))
    when, holds = {}, {}
    for context in policy.contexts:
        when[context.id] = holds[context.id] = evaluate(context.when, facts.leaf)
        if context.unless is not None:
            defeated = evaluate(context.unless, facts.leaf)
            holds[context.id] = np.minimum(when[context.id], 2 - defeated)

    results, mosts, leasts = [], [], []  # int16 of shape (m,), one per tier
    for name, state in states.items():
        code = np.int16(code_of[name])
        applicable = [context for context in policy.contexts if name in context.lowers]
        result = most = least = np.full(m, code, dtype=np.int16)
        if applicable and bool((state >= unknown).any()):
            far = np.int16(none_code)
            bounded, mostly, loosely = [], [], []
            any_holds = reduce(np.maximum, [holds[context.id] for context in applicable])
            for context in applicable:
                target = np.full(m, code_of[context.lowers[name]], dtype=np.int16)
                loose = target
                for tier, lowest in context.floor.items():
                    floor = np.int16(code_of[lowest])
                    target = np.where(states[tier] >= unknown, np.minimum(target, floor), target)
                    loose = np.where(states[tier] == true, np.minimum(loose, floor), loose)
                target, loose = np.maximum(target, code), np.maximum(loose, code)
                asked = when[context.id]
                bounded.append(np.where(asked == true, target, far))
                mostly.append(np.where(asked >= unknown, target, far))
                loosely.append(np.where(holds[context.id] >= unknown, loose, code))
            lowered = _at_most(bounded, none_code, m)
            result = np.where(any_holds == true, lowered, code)
            most = np.where(any_holds == true, _at_most(mostly, none_code, m), code)
            least = reduce(np.maximum, loosely)
        results.append(np.where(state == true, result, np.int16(none_code)))
        mosts.append(np.where(state >= unknown, most, np.int16(none_code)))
        leasts.append(np.where(state == true, least, np.int16(none_code)))

    outcome = _at_most(results, none_code, m)
    review = (_at_most(mosts, none_code, m) < outcome) | (_at_most(leasts, none_code, m) > outcome)
    outcome = np.where((outcome == none_code) & review, np.int16(review_code), outcome)
    review |= outcome == review_code
    return Outcome(outcome, review, tuple(states[tier.id] for tier in policy.tiers), when, holds)


def decide_columns(policy: Policy, columns: ItemColumns, info: ModelInfo) -> DecisionColumns:
    """Decide all items of a batch.

    Parameters
    ----------
    columns
        n items, in any order; the order does not matter to any of them.
    info
        The bundle that made the scores.

    Raises
    ------
    PolicyError
        When the bundle lacks a category or an operating point of the policy.
    InputError
        When the columns lack a category.
    """
    thresholds = policy.thresholds(info)
    levels = levels_of(policy, columns, info)
    n = len(columns)
    names = policy.tier_names
    # A tier is false when every category is below review (the checks see to that), so the rest is "none" unread.
    busy = reduce(np.bitwise_or, levels.values(), untested_of(policy, columns.language).view(np.int8))
    rows = np.flatnonzero(busy)
    facts = facts_of(policy, columns, levels, None if len(rows) == n else rows)

    def decide(facts: Facts) -> Outcome:
        return decide_facts(policy, facts, lambda category: thresholds[category][1] is not None)

    if len(facts) == 0:
        outcomes = np.zeros((2 + len(policy.contexts), 0), dtype=np.int16)
    elif len(facts) == 1:
        known = memo_of(policy, facts, thresholds)
        if "outcome" not in known:
            known["outcome"] = decide(facts)
        if "numbers" not in known:
            known["numbers"] = known["outcome"].numbers()
        outcomes = known["numbers"]
    elif len(facts) <= MEMO_ROWS:
        outcomes = outcomes_of(policy, facts, thresholds, lambda chosen: decide(facts.only(chosen)).numbers().T).T
    else:
        outcomes = decide(facts).numbers()
    tier = np.full(n, len(names) - 1, dtype=np.int16)
    tier[rows] = outcomes[0]
    review = np.zeros(n, dtype=np.bool_)
    review[rows] = outcomes[1]
    contexts = np.full((len(policy.contexts), n), Truth.UNKNOWN, dtype=np.int8)
    contexts[:, rows] = outcomes[2:]
    has_actions = np.array([bool(rule.do) for rule in policy.tiers] + [False, False], dtype=np.bool_)
    holds = dict(zip([context.id for context in policy.contexts], contexts, strict=True))
    return DecisionColumns(names, tier, review, levels, holds, has_actions, policy.rollout.mode)
