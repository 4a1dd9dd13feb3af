"""The rules by which facts become an outcome: for a million items at once, the same as one by one.

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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.policy.conditions import Act, FactLeaf, Review, evaluate
from tsclassify.records import Truth

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy

__all__ = ["Facts", "Outcome", "decide_facts"]

States = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What conditions are evaluated over: levels and truths of `m` items, no scores any more.

    Attributes
    ----------
    levels
        Category to int8, shape (m,): 0 below review, 1 from review, 2 from act.
    signals
        Signal to int8 of ``Truth``; one that is not there is unknown.
    fields
        Leaf over a field to int8 of ``Truth``.
    untested
        bool, shape (m,): scores and signals count for nothing.
    """

    levels: Mapping[str, States]
    signals: Mapping[str, States]
    fields: Mapping[FactLeaf, States]
    untested: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.untested)

    def only(self, rows: NDArray[np.intp]) -> Facts:
        """The facts of some rows."""
        parts: list[Any] = [self.levels, self.signals, self.fields]
        levels, signals, fields = [{name: column[rows] for name, column in part.items()} for part in parts]
        return Facts(levels, signals, fields, self.untested[rows])

    def leaf(self, node: Any) -> States:
        """The truth of a leaf: int8, shape (m,)."""
        if isinstance(node, FactLeaf):
            return self.fields[node]
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
    tiers: Mapping[str, States]
    when: Mapping[str, States]
    holds: Mapping[str, States]
    recorded: Mapping[str, States]

    def numbers(self) -> NDArray[np.int16]:
        """Code, review, exceptions and tiers that are only recorded, in rows: int16, shape (2 + exceptions + r, m)."""
        rows = [self.code, self.review, *self.holds.values(), *self.recorded.values()]
        return np.stack(rows).astype(np.int16, copy=False)


def _at_most(codes: Sequence[NDArray[np.int16]], default: int, m: int) -> NDArray[np.int16]:
    """The most severe (smallest) code at each row."""
    return reduce(np.minimum, codes, np.full(m, default, dtype=np.int16))


def decide_facts(policy: Policy, facts: Facts, only_review: Collection[str]) -> Outcome:
    """The outcome of `m` items, by the four rules of this module.

    Parameters
    ----------
    only_review
        Categories without an act threshold; together they are a tier of their own.

    Notes
    -----
    Only numpy functions and operators touch the columns, so that ``tsclassify.policy.diagram`` can pass functions
    over all possible items in their place.
    """
    m = len(facts)
    names = policy.tier_names
    code_of = {name: code for code, name in enumerate(names)}
    review_code, none_code = code_of["review"], code_of["none"]
    true, unknown = np.int8(Truth.TRUE), np.int8(Truth.UNKNOWN)

    states = {tier.id: evaluate(tier.when, facts.leaf) for tier in policy.tiers}
    deciding = {tier.id: states[tier.id] for tier in policy.tiers if tier.is_live}
    if only_review:
        deciding["review"] = facts.leaf(Review(review=tuple(only_review)))
    when, holds = {}, {}
    for context in policy.contexts:
        when[context.id] = holds[context.id] = evaluate(context.when, facts.leaf)
        if context.unless is not None:
            defeated = evaluate(context.unless, facts.leaf)
            holds[context.id] = np.minimum(when[context.id], 2 - defeated)

    results, mosts, leasts = [], [], []  # int16 of shape (m,), one per tier
    for name, state in deciding.items():
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
    recorded = {tier.id: states[tier.id] for tier in policy.tiers if not tier.is_live}
    return Outcome(outcome, review, states, when, holds, recorded)
