"""What a batch job does to every item, resolved once: model, policy, field names, selection, output layout."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify._version import __version__
from tsclassify.errors import InputError
from tsclassify.io.lines import LineScanner
from tsclassify.io.strict import MAX_LINE_BYTES, Fields
from tsclassify.records import SCHEMA_VERSION, ModelInfo, Truth

if TYPE_CHECKING:
    from tsclassify.io.layout import ResultLayout
    from tsclassify.policy import Breaker, Decider, Policy
    from tsclassify.policy.decider import FieldReader, Scoring

__all__ = ["SELECTIONS", "Decided", "Plan", "make_plan"]

SELECTIONS: Final = ("review", "act")
_RENAMEABLE: Final = ("text", "id", "actor", "tenant", "at", "signals", "result")


@dataclass(frozen=True, slots=True)
class Decided:
    """What came out for n items, as columns.

    Attributes
    ----------
    scores
        float32 (n, K).
    language
        int8 (n,) of ``Truth``: reads as a language that the model was tested on.
    tiers
        int16 (n,): index into ``Plan.tiers``; all 0 without a policy.
    reviews
        bool (n,): a person has to look.
    levels
        int8 (n, K): 0 none, 1 reached the review threshold, 2 the act threshold.
    states
        int8 (n, S) of ``Truth``; unknown where no level is above 0.
    acts
        bool (n,): the tier recommends actions.
    held
        bool (n,): a guard withholds them.
    """

    scores: NDArray[np.float32]
    language: NDArray[np.int8]
    tiers: NDArray[np.int16]
    reviews: NDArray[np.bool_]
    levels: NDArray[np.int8]
    states: NDArray[np.int8]
    acts: NDArray[np.bool_]
    held: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tiers)

    def holding(self, held: NDArray[np.bool_]) -> Decided:
        """The same with the actions of some rows withheld: the tier stays, and a person has to look."""
        return replace(self, held=held, reviews=self.reviews | held)


@dataclass(frozen=True)
class Plan:
    """A job's settings that shape its output.

    Attributes
    ----------
    classifier
        The model.
    policy
        The policy, or None to score only.
    fields
        Names in the input.
    select
        Of ``review`` and ``act``; empty keeps every item.
    max_line
        Longest line accepted, in bytes.
    signal_turn
        Entered while signals are computed; lets a job bound how many threads need memory for that.
    """

    classifier: Scoring
    policy: Policy | None
    fields: Fields
    select: tuple[str, ...] = ()
    max_line: int = MAX_LINE_BYTES
    signal_turn: AbstractContextManager[Any] = field(default_factory=nullcontext, repr=False, compare=False)

    @property
    def info(self) -> ModelInfo:
        return self.classifier.info

    @cached_property
    def scanner(self) -> LineScanner:
        """Reads blocks of JSONL."""
        return LineScanner(self.fields, frozenset(self.info.signals), self.max_line)

    @cached_property
    def renamed(self) -> Mapping[str, int]:
        """Part whose name was given, to its place among the names that a scanner looks for; not text or result."""
        parts = [part for part in ("id", "actor", "tenant", "at", "signals") if getattr(self.fields, part) != part]
        names = self.fields.names()
        return {part: names.index(getattr(self.fields, part)) for part in parts}

    @cached_property
    def tiers(self) -> tuple[str, ...]:
        """Tier names by the codes of ``DecisionColumns.tier``; empty without a policy."""
        return () if self.policy is None else tuple(self.policy.tier_names)

    @cached_property
    def decider(self) -> Decider | None:
        """The policy at work under the model, or None without a policy."""
        if self.policy is None:
            return None
        from tsclassify.policy import Decider

        return Decider(self.policy, self.info)

    @cached_property
    def field_columns(self) -> Mapping[str, str]:
        """Field that the policy reads, by its own name, to its name in the input."""
        from tsclassify.policy.facts import OWN_FIELDS

        names = {} if self.policy is None else {name: name for name in self.policy.document.fields()}
        return {name: getattr(self.fields, name) if name in OWN_FIELDS else name for name in names}

    @cached_property
    def needs_times(self) -> bool:
        """Whether the policy asks how long before the act something was."""
        from tsclassify.policy.conditions import Age

        return self.policy is not None and bool(self.policy.document.item_leaves(Age))

    @cached_property
    def layout(self) -> ResultLayout:
        """Constant pieces of a result line."""
        from tsclassify.io.layout import ResultLayout

        return ResultLayout.build(
            field=self.fields.result,
            categories=self.info.categories,
            signals=self.info.signals,
            tiers=self.tiers,
            model=self.model_label,
            policy=self.policy_label,
        )

    @property
    def model_label(self) -> str:
        """Name and the first 12 digits of the hash, as written to every result."""
        return f"{self.info.name}@{self.info.sha256[:12]}"

    @property
    def policy_label(self) -> str:
        """Name, version and the first 12 digits of the hash; empty without a policy."""
        policy = self.policy
        return "" if policy is None else f"{policy.name}@{policy.version}@{policy.sha256[:12]}"

    def fingerprint(self) -> dict[str, Any]:
        """All that the bytes of the output depend on, beside the input."""
        return {
            "schema_version": SCHEMA_VERSION,
            "tsclassify": __version__,
            "model": {"name": self.info.name, "sha256": self.info.sha256},
            "policy": None
            if self.policy is None
            else {
                "name": self.policy.name,
                "version": self.policy.version,
                "sha256": self.policy.sha256,
                "source_sha256": self.policy.source_sha256,
            },
            "fields": {part: getattr(self.fields, part) for part in _RENAMEABLE},
            "select": list(self.select),
            "max_line": self.max_line,
        }

    # -- guarding -----------------------------------------------------------------------------------

    @property
    def is_guarded(self) -> bool:
        """Whether a guard of the policy may withhold actions here.

        Never in shadow mode, and never by the hourly guard: a file says when posts were written, not when anyone
        acts on them.
        """
        policy = self.policy
        return policy is not None and policy.rollout.mode == "enforce" and policy.guards.max_share_of_items is not None

    def breaker(self, state: Mapping[str, Any] | None = None) -> Breaker | None:
        """The breaker of one run over the inputs in their order, or None without a guard.

        Parameters
        ----------
        state
            What ``Breaker.to_dict`` said, to go on from.
        """
        if self.policy is None or not self.is_guarded:
            return None
        from tsclassify.policy import Breaker

        return Breaker(self.policy.guards) if state is None else Breaker.from_dict(self.policy.guards, state)

    # -- deciding -----------------------------------------------------------------------------------

    def decide(
        self,
        data: NDArray[np.uint8],
        offsets: NDArray[np.int64],
        stated: Mapping[int, Mapping[str, bool | None]],
        fields: FieldReader,
        ats: Callable[[], Sequence[dt.datetime | None]],
    ) -> Decided:
        """Score and decide n texts.

        Parameters
        ----------
        data, offsets
            uint8, and int64 (n + 1,).
        stated
            Row to the signals that the item states; they win over the model's.
        fields
            Reads fields of items, for chosen rows.
        ats
            Reads the times of the acts; called when the policy needs them.
        """
        n, info = len(offsets) - 1, self.info
        states = np.full((n, len(info.signals)), Truth.UNKNOWN, dtype=np.int8)
        no = np.zeros(n, dtype=bool)
        if self.decider is None:
            scores, language = self.classifier.measure_utf8(data, offsets)
            levels = np.zeros(scores.shape, dtype=np.int8)
            return Decided(scores, language, np.zeros(n, np.int16), no, levels, states, no, no)
        times = ats() if self.needs_times else None
        columns = self.decider.read(
            self.classifier, data, offsets, stated, fields, signal_turn=self.signal_turn, ats=times
        )
        result = self.decider.decide(columns)
        levels = np.zeros(columns.probabilities.shape, dtype=np.int8)
        for category, level in result.levels.items():
            levels[:, info.categories.index(category)] = level
        for s, name in enumerate(info.signals):
            states[:, s] = columns.signals[name]
        return Decided(
            columns.probabilities, columns.language, result.tier, result.review, levels, states, result.acts, no
        )

    def keep(self, decided: Decided) -> NDArray[np.bool_]:
        """Rows that the selection keeps: bool (n,)."""
        if not self.select:
            return np.ones(len(decided), dtype=bool)
        kept = np.zeros(len(decided), dtype=bool)
        review, none = self.tiers.index("review"), self.tiers.index("none")
        if "review" in self.select:
            kept |= decided.reviews | (decided.tiers == review)
        if "act" in self.select:
            kept |= (decided.tiers != review) & (decided.tiers != none) & ~decided.held
        return kept


def make_plan(
    classifier: Scoring,
    policy: Policy | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    select: Sequence[str] = (),
    max_line: int = MAX_LINE_BYTES,
) -> Plan:
    """Check a job's settings.

    Parameters
    ----------
    classifier
        The model.
    policy
        The policy, or None.
    fields
        New names, for example ``{"text": "body"}``; of text, id, actor, tenant, at, signals and result.
    select
        Keep only items with these outcomes: ``review`` and ``act``.
    max_line
        Longest line accepted, in bytes.

    Raises
    ------
    InputError
        When a name or a selection is unknown, two fields share a name, or a selection lacks a policy.
    """
    renamed = dict(fields or {})
    for part, name in renamed.items():
        if part not in _RENAMEABLE:
            raise InputError(f"fields: name must be one of {', '.join(_RENAMEABLE)}, got {part!r}")
        if not isinstance(name, str) or not name:
            raise InputError(f"fields: {part} must be renamed to a name, got {name!r}")
        if any("\ud800" <= c <= "\udfff" for c in name):
            raise InputError(f"fields: {part} must be renamed to valid Unicode, got a lone surrogate")
    for outcome in select:
        if outcome not in SELECTIONS:
            raise InputError(f"select: outcome must be one of {', '.join(SELECTIONS)}, got {outcome!r}")
    if select and policy is None:
        raise InputError("select: a policy must be given, got none", hint="add --policy")
    if not max_line > 0:
        raise InputError(f"max_line: must be positive, got {max_line!r}")
    chosen = Fields(**renamed, meta=_meta_names(policy))
    names = chosen.names()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"fields: every name must have one meaning, got {', '.join(twice)} twice")
    return Plan(classifier, policy, chosen, tuple(dict.fromkeys(select)), max_line)


def _meta_names(policy: Policy | None) -> tuple[str, ...]:
    """Fields that the policy reads, without the parts that every item has."""
    if policy is None:
        return ()
    from tsclassify.policy.facts import OWN_FIELDS

    return tuple(name for name in policy.document.fields() if name not in OWN_FIELDS)
