"""A policy at work under one model: its thresholds resolved, its leaves found, and a cache of what it decided."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tsclassify.policy.columns import DecisionColumns, ItemColumns
from tsclassify.policy.conditions import FactLeaf, Score, Signal, evaluate, leaves
from tsclassify.policy.facts import fact_states
from tsclassify.policy.outcome import Facts, Outcome, decide_facts
from tsclassify.policy.record import Trial, decision
from tsclassify.policy.thresholds import Thresholds, resolve
from tsclassify.records import Truth

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.policy.load import Policy
    from tsclassify.records import ModelInfo, Piece

__all__ = ["BLOCK_ROWS", "Decider", "FieldReader", "Scoring"]

States = NDArray[np.int8]

_CACHE_SIZE: Final = 4096
"""Kinds of items in a cache; some kilobytes each."""

_N_SETS: Final = 16
"""Sets of signals for which a cache is kept at once; a job has one."""

BLOCK_ROWS: Final = 2048
"""Up to here items are looked up one by one; above, deciding all of them at once costs less."""

FieldReader = Callable[[Collection[str], NDArray[np.intp]], Mapping[str, NDArray[np.object_]]]
"""Reads fields of chosen rows: name to object array (n,), None where an item lacks it or was not chosen."""


class Scoring(Protocol):
    """What a policy needs of a model; `tsclassify.Classifier` has it."""

    info: ModelInfo

    def measure_utf8(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Scores float32 (n, K), and int8 (n,) truth of a tested language."""
        ...

    def signal_states_utf8(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.int8]]:
        """Signal to int8 (n,) truth, computed for `rows`, unknown elsewhere."""
        ...


@dataclass(slots=True, eq=False)
class _Rules:
    """The thresholds of one combination of overlays, with a cache of the outcomes under them.

    Attributes
    ----------
    outcomes
        Signals that a block has, to an item's facts as bytes, to its outcome as numbers.
    trials
        An item's facts to what is known of its decision.
    """

    thresholds: Thresholds
    only_review: tuple[str, ...]
    outcomes: dict[tuple[str, ...], dict[bytes, tuple[int, ...]]] = field(default_factory=dict)
    trials: dict[tuple[Any, ...], Trial] = field(default_factory=dict)

    def trial(self, facts: Facts) -> Trial:
        """What is known of items with the facts of one row; new and empty when none was met."""
        key = (
            *[int(level[0]) for level in facts.levels.values()],
            *[int(state[0]) for state in facts.fields.values()],
            bool(facts.untested[0]),
            *facts.signals,
            *[int(state[0]) for state in facts.signals.values()],
        )
        trial = self.trials.get(key)
        if trial is None:
            if len(self.trials) >= _CACHE_SIZE:
                self.trials.clear()
            trial = self.trials[key] = Trial()
        return trial


class Decider:
    """Decides items by a policy, with the scores of one model.

    Parameters
    ----------
    policy
        The policy.
    info
        The bundle that makes the scores.

    Raises
    ------
    PolicyError
        When the bundle lacks a category, or cannot reach an operating point and the policy has no ``else``.
    """

    def __init__(self, policy: Policy, info: ModelInfo) -> None:
        self.policy, self.info = policy, info
        document = policy.document
        self._signals = {name for leaf in document.item_leaves(Signal) for name in leaf.signal}
        self._leaves = document.item_leaves(FactLeaf)
        tier_leaves = (leaf for tier in policy.tiers for leaf, _ in leaves(tier.when))
        self._scores = tuple(dict.fromkeys(leaf for leaf in tier_leaves if isinstance(leaf, Score)))
        overlay_leaves = {leaf for overlay in document.overlays for leaf, _ in leaves(overlay.when)}
        self._overlay_leaves = tuple(leaf for leaf in self._leaves if leaf in overlay_leaves)
        self._rules: dict[tuple[bool, ...], _Rules] = {}
        self._base = self._rules_under((False,) * len(document.overlays))
        self._has_actions = np.array([bool(rule.do) for rule in policy.tiers] + [False, False], dtype=np.bool_)

    @property
    def thresholds(self) -> Thresholds:
        """Category to its (review, act) thresholds where no overlay applies; act is None where it only reviews."""
        return self._base.thresholds

    @cached_property
    def early_fields(self) -> tuple[str, ...]:
        """Fields that have to be read of every item: those of scores, and those that choose thresholds."""
        return tuple(dict.fromkeys(leaf.field for leaf in (*self._scores, *self._overlay_leaves)))

    @cached_property
    def late_fields(self) -> tuple[str, ...]:
        """Fields that are read only of items that something reaches."""
        return tuple(name for name in self.policy.document.fields() if name not in self.early_fields)

    def _rules_under(self, applies: tuple[bool, ...]) -> _Rules:
        """The rules under the overlays that apply."""
        rules = self._rules.get(applies)
        if rules is None:
            thresholds = resolve(self.policy, self.info, applies)
            only_review = tuple(category for category, (_, act) in thresholds.items() if act is None)
            rules = self._rules[applies] = _Rules(thresholds, only_review)
        return rules

    # -- reading ------------------------------------------------------------------------------------

    def read(
        self,
        model: Scoring,
        data: NDArray[np.uint8],
        offsets: NDArray[np.int64],
        stated: Mapping[int, Mapping[str, bool | None]],
        fields: FieldReader,
        *,
        signal_turn: AbstractContextManager[Any] | None = None,
        **own: Any,
    ) -> ItemColumns:
        """Everything that the policy may ask about n texts.

        Signals are computed only for texts that reach a review threshold; elsewhere they are unknown, which no tier
        of a valid policy can see.

        Parameters
        ----------
        model
            Scores the texts.
        data, offsets
            UTF-8 bytes uint8, and int64 (n + 1,).
        stated
            Row to the signals that the item states; they win over the model's.
        fields
            Reads fields of items.
        signal_turn
            Entered while signals are computed.
        own
            Further columns of ``ItemColumns``: ids, actors, tenants, ats, text_sha256s.
        """
        scores, language = model.measure_utf8(data, offsets)
        every = np.arange(len(language), dtype=np.intp)
        early = fields(self.early_fields, every) if self.early_fields else {}
        columns = ItemColumns(self.info.categories, scores, {}, language, early, **own)
        reached = self.reached(columns)
        with signal_turn or nullcontext():
            signals = dict(model.signal_states_utf8(data, offsets, np.flatnonzero(reached)))
        for row, values in stated.items():
            for name, value in values.items():
                signals[name][row] = Truth.of(value)
        # A policy reads no field of an item that nothing reaches, in a tested language.
        late = fields(self.late_fields, np.flatnonzero(reached | (language != Truth.TRUE))) if self.late_fields else {}
        return ItemColumns(self.info.categories, scores, signals, language, {**early, **late}, **own)

    def reached(self, columns: ItemColumns) -> NDArray[np.bool_]:
        """Whether an item reaches a review threshold, or may reach that of a score that came with it: bool (n,)."""
        reached = np.zeros(len(columns), dtype=np.bool_)
        for rules, rows in self._by_rules(columns):
            scores = columns.probabilities if rows is None else columns.probabilities[rows]
            hits = rules.thresholds.reached(columns.categories, scores)
            if rows is None:
                reached = hits
            else:
                reached[rows] = hits
        for leaf in self._scores:
            reached |= self._states(leaf, columns, None) > Truth.FALSE
        return reached

    def _states(self, leaf: FactLeaf, columns: ItemColumns, rows: NDArray[np.intp] | slice | None) -> States:
        """The truth of a leaf over a field, for some rows (for all, without `rows`)."""
        values, ats, n = columns.values(leaf.field), columns.ats, len(columns)
        if rows is not None:
            values = None if values is None else values[rows]
            chosen = np.arange(n)[rows]
            n = len(chosen)
            ats = None if ats is None else [ats[row] for row in chosen.tolist()]
        return fact_states(leaf, self.policy.document.facts.get(leaf.field), values, ats, n)

    def _by_rules(self, columns: ItemColumns) -> list[tuple[_Rules, NDArray[np.intp] | None]]:
        """The items by the overlays that apply to them; None for all items."""
        overlays = self.policy.document.overlays
        if not overlays:
            return [(self._base, None)]
        states = {leaf: self._states(leaf, columns, None) for leaf in self._overlay_leaves}
        applies = np.stack([evaluate(overlay.when, states.__getitem__) == Truth.TRUE for overlay in overlays], axis=1)
        combinations, which = np.unique(applies, axis=0, return_inverse=True)
        which = which.reshape(-1)
        return [
            (self._rules_under(tuple(map(bool, combination))), np.flatnonzero(which == number))
            for number, combination in enumerate(combinations)
        ]

    # -- deciding -----------------------------------------------------------------------------------

    def decide(self, columns: ItemColumns) -> DecisionColumns:
        """Decide all items of a batch.

        Parameters
        ----------
        columns
            n items, in any order; the order does not matter to any of them.

        Raises
        ------
        InputError
            When the columns lack a category.
        """
        for category in self.thresholds:
            columns.score(category)  # refuses columns without it
        groups = self._by_rules(columns)
        if len(groups) <= 1:
            return self._decide(columns, groups[0][0] if groups else self._base)
        n = len(columns)
        parts = [(rows, self._decide(columns.only(rows), rules)) for rules, rows in groups if rows is not None]

        def joined(columns: list[NDArray[Any]]) -> NDArray[Any]:
            column = np.zeros(n, dtype=columns[0].dtype)
            for (rows, _), values in zip(parts, columns, strict=True):
                column[rows] = values
            return column

        def merged(mappings: list[Mapping[str, States]]) -> dict[str, States]:
            return {name: joined([mapping[name] for mapping in mappings]) for name in mappings[0]}

        results = [result for _, result in parts]
        return replace(
            results[0],
            tier=joined([result.tier for result in results]),
            review=joined([result.review for result in results]),
            levels=merged([result.levels for result in results]),
            contexts=merged([result.contexts for result in results]),
            recorded=merged([result.recorded for result in results]),
        )

    def _decide(self, columns: ItemColumns, rules: _Rules) -> DecisionColumns:
        policy = self.policy
        levels = rules.thresholds.levels(columns)
        n = len(columns)
        names = policy.tier_names
        # A tier is false when nothing reaches its threshold (the checks see to that), so the rest is "none" unread.
        hot = [self._states(leaf, columns, None) for leaf in self._scores]
        busy = reduce(np.bitwise_or, [*levels.values(), *hot], self.untested(columns.language).view(np.int8))
        rows = np.flatnonzero(busy)
        facts = self.facts(columns, levels, None if len(rows) == n else rows)
        outcomes = self._outcomes(facts, rules)
        tier = np.full(n, len(names) - 1, dtype=np.int16)
        tier[rows] = outcomes[0]
        review = np.zeros(n, dtype=np.bool_)
        review[rows] = outcomes[1]
        n_contexts = len(policy.contexts)
        contexts = np.full((n_contexts, n), Truth.UNKNOWN, dtype=np.int8)
        contexts[:, rows] = outcomes[2 : 2 + n_contexts]
        waiting = [rule.id for rule in policy.tiers if not rule.is_live]
        recorded = np.full((len(waiting), n), Truth.FALSE, dtype=np.int8)
        recorded[:, rows] = outcomes[2 + n_contexts :]
        return DecisionColumns(
            tier_names=names,
            tier=tier,
            review=review,
            levels=levels,
            contexts=dict(zip([context.id for context in policy.contexts], contexts, strict=True)),
            has_actions=self._has_actions,
            mode=policy.rollout.mode,
            recorded=dict(zip(waiting, recorded, strict=True)),
        )

    def holds(self, columns: ItemColumns) -> dict[str, NDArray[np.bool_]]:
        """Tier to bool (n,): whether its condition is true, whatever its maturity and whatever exceptions say."""
        held = {tier.id: np.zeros(len(columns), dtype=np.bool_) for tier in self.policy.tiers}
        for rules, rows in self._by_rules(columns):
            part = columns if rows is None else columns.only(rows)
            outcome = decide_facts(self.policy, self.facts(part, rules.thresholds.levels(part)), rules.only_review)
            for name, states in outcome.tiers.items():
                held[name][slice(None) if rows is None else rows] = states == Truth.TRUE
        return held

    def untested(self, language: States) -> NDArray[np.bool_]:
        """Where scores count for nothing, by the policy's ``languages``."""
        untested = np.zeros(len(language), dtype=np.bool_)
        if self.policy.languages.otherwise == "review":
            untested |= language == Truth.FALSE
        if self.policy.languages.undetermined == "review":
            untested |= language == Truth.UNKNOWN
        return untested

    def facts(
        self, columns: ItemColumns, levels: Mapping[str, States], rows: NDArray[np.intp] | slice | None = None
    ) -> Facts:
        """The facts of some rows (of all, without `rows`)."""

        def cut(column: Any) -> Any:
            return column if rows is None else column[rows]

        return Facts(
            levels={category: cut(level) for category, level in levels.items()},
            signals={name: cut(states) for name, states in columns.signals.items() if name in self._signals},
            fields={leaf: self._states(leaf, columns, rows) for leaf in self._leaves},
            untested=self.untested(cut(columns.language)),
        )

    def _outcomes(self, facts: Facts, rules: _Rules) -> NDArray[np.int16]:
        """The outcomes as ``Outcome.numbers``, from the cache where it has them: int16, shape (rows, m)."""
        if len(facts) == 0:
            waiting = sum(not tier.is_live for tier in self.policy.tiers)
            return np.zeros((2 + len(self.policy.contexts) + waiting, 0), dtype=np.int16)
        if len(facts) == 1:
            trial = rules.trial(facts)
            if trial.numbers is None:
                trial.numbers = self._outcome(facts, rules, trial).numbers()
            return trial.numbers
        if len(facts) <= BLOCK_ROWS:
            return self._outcomes_of_block(facts, rules)
        return decide_facts(self.policy, facts, rules.only_review).numbers()

    def _outcome(self, facts: Facts, rules: _Rules, trial: Trial) -> Outcome:
        if trial.outcome is None:
            trial.outcome = decide_facts(self.policy, facts, rules.only_review)
        return trial.outcome

    def _outcomes_of_block(self, facts: Facts, rules: _Rules) -> NDArray[np.int16]:
        """The outcome of each of a block's items, found once for all items with the same facts.

        A block has a hundred items in some thirty kinds, most of them met in an earlier block; numpy needs as many
        calls for them as for a million.
        """
        one = tuple(facts.signals)
        cache = rules.outcomes.get(one)
        if cache is None:
            if len(rules.outcomes) >= _N_SETS:
                rules.outcomes.clear()
            cache = rules.outcomes[one] = {}
        columns = [*facts.levels.values(), *facts.signals.values(), *facts.fields.values()]
        columns.append(facts.untested.view(np.int8))
        width, written = len(columns), np.stack(columns, axis=1).tobytes()
        keys = [written[at : at + width] for at in range(0, len(written), width)]
        # Other threads may clear it meanwhile.
        mine = {key: cache.get(key) for key in keys}
        rows = {key: row for row, key in enumerate(keys) if mine[key] is None}
        if rows:
            chosen = facts.only(np.array(list(rows.values()), dtype=np.intp))
            numbers = decide_facts(self.policy, chosen, rules.only_review).numbers().T
            if len(cache) + len(rows) > _CACHE_SIZE:
                cache.clear()
            for key, outcome in zip(rows, map(tuple, numbers.tolist()), strict=True):
                cache[key] = mine[key] = outcome
        return np.array([mine[key] for key in keys], dtype=np.int16).T

    # -- recording ----------------------------------------------------------------------------------

    def record(
        self,
        result: DecisionColumns,
        columns: ItemColumns,
        row: int,
        *,
        pieces: Callable[[int, str], tuple[Piece, ...]],
        passage: Callable[[int, str], tuple[int, int, str]] = lambda row, category: (0, 0, ""),
    ) -> Decision:
        """The full record of one row.

        Parameters
        ----------
        result
            What ``decide`` said of `columns`.
        row
            Which item.
        pieces
            Gives the pieces of a row's score in a category, largest first; called for findings only.
        passage
            Gives start, end and words of the passage in which a category is strongest in a row.
        """
        cut = slice(row, row + 1)
        rules = self._base
        if self.policy.document.overlays:
            ((rules, _),) = self._by_rules(columns.only(np.array([row])))
        facts = self.facts(columns, result.levels, cut)
        trial = rules.trial(facts)
        outcome = self._outcome(facts, rules, trial)
        return decision(
            self.policy,
            self.info,
            rules.thresholds,
            rules.only_review,
            facts,
            trial,
            outcome,
            result,
            columns,
            row,
            pieces,
            passage,
        )
