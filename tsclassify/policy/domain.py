"""All items that some policies can tell apart: a few values of each fact, and what comes of every combination."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tsclassify.policy.conditions import Age, FactLeaf, Meta, Range, Score, Signal, evaluate
from tsclassify.policy.diagram import Diagram, Space
from tsclassify.policy.facts import fact_states
from tsclassify.policy.outcome import Facts, Outcome, decide_facts
from tsclassify.policy.thresholds import Thresholds, resolve
from tsclassify.records import ModelInfo, Truth

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy

__all__ = ["Domain", "Item"]

_AT: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_LANGUAGES: Final = (Truth.TRUE, Truth.UNKNOWN, Truth.FALSE)
_LANGUAGE_WORDS: Final = ("tested", "undetermined", "untested")
_EVERY_STATE: Final = (Truth.FALSE, Truth.UNKNOWN, Truth.TRUE)
_WORDS: Final = {Truth.TRUE: "true", Truth.UNKNOWN: "null", Truth.FALSE: "false"}
_OTHER: Final = "something else"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a domain.

    Attributes
    ----------
    scores
        Category to score, those above 0.
    signals
        Signal to its truth, those that are not false.
    language
        Truth of "in a tested language".
    fields
        Field to its value, those that the item has.
    at
        Time of the act, or None.
    """

    scores: Mapping[str, float]
    signals: Mapping[str, Truth]
    language: Truth
    fields: Mapping[str, Any]
    at: dt.datetime | None

    def as_case(self, words: Mapping[str, Mapping[float, str]] | None = None) -> str:
        """The item as a test case writes it.

        Parameters
        ----------
        words
            Category to score to the word for it, such as ``act``.
        """
        spoken = words or {}
        scores = [f"{name}: {spoken.get(name, {}).get(score, f'{score:.6g}')}" for name, score in self.scores.items()]
        parts = [f"scores: {{{', '.join(scores)}}}"]
        if self.signals:
            parts.append(
                f"signals: {{{', '.join(f'{name}: {_WORDS[state]}' for name, state in self.signals.items())}}}"
            )
        if self.language is not Truth.TRUE:
            parts.append(f"language: {_LANGUAGE_WORDS[_LANGUAGES.index(self.language)]}")
        parts += [f"{name}: {_written(value)}" for name, value in self.fields.items()]
        if self.at is not None and any(isinstance(value, dt.datetime) for value in self.fields.values()):
            parts.append(f"at: {_written(self.at)}")
        return f"{{{', '.join(parts)}}}"


class Domain:
    """The items that policies tell apart under one model.

    Parameters
    ----------
    policies
        One or more; their thresholds cut the scores together.
    info
        The bundle whose thresholds they get.
    reached
        Signal to the truths that the model can say; a signal that is left out has all three.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        info: ModelInfo,
        reached: Mapping[str, Sequence[Truth]] | None = None,
    ) -> None:
        self.info = info
        self._thresholds = {id(policy): _thresholds_of(policy, info) for policy in policies}
        every = [thresholds for found in self._thresholds.values() for thresholds in found.values()]
        self.categories = tuple(dict.fromkeys(name for thresholds in every for name in thresholds))
        self.cuts = {
            name: sorted({0.0, *(limit for each in every for limit in each.get(name, ()) if limit is not None)})
            for name in self.categories
        }
        leaves = [policy.document.item_leaves(Signal) for policy in policies]
        self.signals = tuple(dict.fromkeys(name for found in leaves for leaf in found for name in leaf.signal))
        self._states = {name: tuple((reached or {}).get(name, _EVERY_STATE)) for name in self.signals}
        self._leaves: dict[str, list[FactLeaf]] = {}
        for policy in policies:
            for leaf in policy.document.item_leaves(FactLeaf):
                self._leaves.setdefault(leaf.field, []).append(leaf)
        self.values = {
            name: _values_of(found, [policy.document.facts.get(name) for policy in policies])
            for name, found in self._leaves.items()
        }
        self._has_times = any(isinstance(leaf, Age) for found in self._leaves.values() for leaf in found)
        # Fields first: overlays choose thresholds by them. Signals and scores follow in the order of the rules, so
        # that what is asked together stands together.
        self._names = [("field", name) for name in self.values] + ([("at", "")] if self._has_times else [])
        self._names += [("language", "")] + [("signal", name) for name in self.signals]
        self._names += [("score", name) for name in self.categories]
        sizes = [self._size(kind, name) for kind, name in self._names]
        self._place = {pair: place for place, pair in enumerate(self._names)}
        self.space = Space(sizes)
        self._efforts = [self._effort(kind, name) for kind, name in self._names]

    def _size(self, kind: str, name: str) -> int:
        sizes = {"at": 2, "language": 3}
        sized: dict[str, Mapping[str, Sequence[Any]]] = {
            "field": self.values,
            "signal": self._states,
            "score": self.cuts,
        }
        return sizes[kind] if kind in sizes else len(sized[kind][name])

    def _effort(self, kind: str, name: str) -> list[int]:
        """How far each value is from a plain item; the first value takes none."""
        if kind == "signal":
            return [0 if state is self._states[name][0] else 3 - state for state in self._states[name]]
        if kind == "language":
            return [0, 4, 4]
        if kind == "score":
            return [0] + [2 * place + 2 for place in range(len(self.cuts[name]) - 1)]
        return [0] + [2] * (self._size(kind, name) - 1)

    def _variable(self, kind: str, name: str, values: Sequence[int]) -> Diagram:
        return self.space.of_variable(self._place[kind, name], values)

    def _leaf(self, policy: Policy, leaf: FactLeaf) -> Diagram:
        """The truth of a leaf over a field."""
        values = np.empty(len(self.values[leaf.field]), dtype=object)
        values[:] = self.values[leaf.field]
        fact, n = policy.document.facts.get(leaf.field), len(values)
        states = fact_states(leaf, fact, values, [_AT] * n, n)
        known = self._variable("field", leaf.field, states.tolist())
        if not isinstance(leaf, Age):
            return known
        without = self._variable("field", leaf.field, fact_states(leaf, fact, values, None, n).tolist())
        sides: list[Any] = [self._variable("at", "", (1, 0)), known, without]
        chosen: Diagram = np.where(*sides)
        return chosen

    def outcome(self, policy: Policy) -> Outcome:
        """What comes of every item, by the policy: an ``Outcome`` of diagrams.

        The policy has to be one of those that the domain was made for, or one with their thresholds and conditions.
        """
        thresholds = self._thresholds.get(id(policy)) or _thresholds_of(policy, self.info)
        fields: Any = {leaf: self._leaf(policy, leaf) for leaf in policy.document.item_leaves(FactLeaf)}
        signals: Any = {name: self._variable("signal", name, self._states[name]) for name in self.signals}
        languages = policy.languages
        untested: Any = self._variable(
            "language", "", (0, languages.undetermined == "review", languages.otherwise == "review")
        )
        outcome: Outcome | None = None
        for applies, found in thresholds.items():
            levels: Any = {name: self._variable("score", name, _levels(self.cuts[name], found[name])) for name in found}
            only_review = [name for name, (_, act) in found.items() if act is None]
            under = decide_facts(policy, Facts(levels, signals, fields, untested), only_review)
            # An item that nothing reaches is not looked at; only a mutant has a tier that could hold there.
            hot = [fields[leaf] for leaf in fields if isinstance(leaf, Score)]
            busy: Any = reduce(operator.or_, [column > 0 for column in (*levels.values(), *hot)], untested)
            none = len(policy.tier_names) - 1
            under = replace(under, code=np.where(busy, under.code, none), review=np.where(busy, under.review, 0))
            if outcome is None:
                outcome = under
                continue
            here: Any = 1
            for overlay, does in zip(policy.document.overlays, applies, strict=True):
                here = here & ((evaluate(overlay.when, fields.__getitem__) == Truth.TRUE) == int(does))
            outcome = _chosen(here, under, outcome)
        if outcome is None:
            raise ValueError("domain: a policy must have thresholds, got none")
        return outcome

    def item(self, function: Diagram, wanted: Sequence[int]) -> Item | None:
        """The plainest item for which a function takes a wanted value, or None when there is none."""
        found = self.find(function, wanted)
        return None if found is None else found[0]

    def find(self, function: Diagram, wanted: Sequence[int]) -> tuple[Item, int] | None:
        """As ``item``, with the value that the function takes there."""
        found = self.space.plainest(function.root, wanted, self._efforts)
        if found is None:
            return None
        chosen, value = found
        values = dict(zip(self._names, chosen, strict=True))
        scores = {name: self.cuts[name][values["score", name]] for name in self.categories}
        signals = {name: self._states[name][values["signal", name]] for name in self.signals}
        fields = {name: self.values[name][values["field", name]] for name in self.values}
        item = Item(
            scores={name: score for name, score in scores.items() if score > 0.0},
            signals={name: Truth(state) for name, state in signals.items() if state != Truth.FALSE},
            language=_LANGUAGES[values["language", ""]],
            fields={name: value for name, value in fields.items() if value is not None},
            at=None if not self._has_times or values["at", ""] else _AT,
        )
        return item, value


def _written(value: Any) -> str:
    """A value of a field as a policy file writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return f"'{value.isoformat().replace('+00:00', 'Z')}'"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _thresholds_of(policy: Policy, info: ModelInfo) -> dict[tuple[bool, ...], Thresholds]:
    """Which overlays apply to the thresholds then; none first."""
    n = len(policy.document.overlays)
    combinations = [tuple(bool(number >> place & 1) for place in range(n)) for number in range(1 << n)]
    return {applies: resolve(policy, info, applies) for applies in combinations}


def _levels(cuts: Sequence[float], pair: tuple[float, float | None]) -> list[int]:
    review, act = (np.float32(np.inf if limit is None else limit) for limit in pair)
    return [int(np.float32(cut) >= review) + int(np.float32(cut) >= act) for cut in cuts]


def _chosen(here: Any, yes: Outcome, no: Outcome) -> Outcome:
    def merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: np.where(here, ours[name], theirs[name]) for name in ours}

    return Outcome(
        np.where(here, yes.code, no.code),
        np.where(here, yes.review, no.review),
        merged(yes.tiers, no.tiers),
        merged(yes.when, no.when),
        merged(yes.holds, no.holds),
        merged(yes.recorded, no.recorded),
    )


def _values_of(leaves: Sequence[FactLeaf], facts: Sequence[Any]) -> list[Any]:
    """Values of a field that its leaves tell apart, one of each kind; a missing one first."""
    declared = next((fact for fact in facts if fact is not None), None)
    values: list[Any] = [None]
    ages = sorted({end for leaf in leaves if isinstance(leaf, Age) for end in (leaf.at_least, leaf.below) if end})
    if any(isinstance(leaf, Age) for leaf in leaves):
        return [*values, *(_AT - age for age in (dt.timedelta(0), *ages))]
    if any(isinstance(leaf, Score) for leaf in leaves):
        found = [leaf for leaf in leaves if isinstance(leaf, Score)]
        cuts = {0.0, *(end for leaf in found for end in (leaf.review, leaf.act) if end is not None)}
        return [*values, *sorted(cuts)]
    ranges = [
        end for leaf in leaves if isinstance(leaf, Range) for end in (leaf.at_least, leaf.below) if end is not None
    ]
    if ranges:
        listed = [
            value for leaf in leaves if isinstance(leaf, Meta) for value in leaf.values if not isinstance(value, str)
        ]
        points = sorted({*ranges, *listed})
        between = [(low + high) / 2 for low, high in pairwise(points)]
        return [*values, points[0] - 1, *points, *between, points[-1] + 1]
    asked = list(
        dict.fromkeys((type(value), value) for leaf in leaves if isinstance(leaf, Meta) for value in leaf.values)
    )
    if declared is not None and declared.type == "bool":
        return [*values, False, True]
    known = [value for _, value in asked]
    if declared is not None and declared.values is not None:
        others = [value for value in declared.values if value not in known]
        return [*values, *known, *others[:1]]
    other: Any = 0.5 if declared is not None and declared.type == "number" else _OTHER
    return [*values, *known, other]
