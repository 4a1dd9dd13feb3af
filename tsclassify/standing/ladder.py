"""What the steps of a policy's ladder ask, answered from a history at any moment.

The meaning of every condition is that of ``tsclassify.policy.ladder``; this room answers the same questions from
arrays, because a review asks them for every day of a year of a tenant with thousands of violations.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tsclassify.ledger.moments import micros
from tsclassify.policy import LadderState
from tsclassify.policy.conditions import (
    Attested,
    Count,
    CureExpired,
    Finding,
    Indicator,
    Taken,
    Unresolved,
    evaluate,
)
from tsclassify.records import Truth
from tsclassify.standing.history import Around, History

if TYPE_CHECKING:
    from tsclassify.policy import Policy
    from tsclassify.policy.schema import Step

__all__ = ["Clerk", "ReviewFacts", "span"]


def span(value: dt.timedelta) -> int:
    """A length of time in microseconds."""
    return value // dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What a platform review says at a moment.

    Attributes
    ----------
    finding
        ``effective``, ``not_effective`` or ``undetermined``; None when there was no review.
    indicators
        Indicator to its truth.
    """

    finding: str | None = None
    indicators: Mapping[str, Truth] = field(default_factory=dict)


class Clerk:
    """Answers the ladder's questions about one subject; all methods take a moment in microseconds."""

    def __init__(self, history: History, policy: Policy) -> None:
        self.history = history
        self.policy = policy
        self.steps: tuple[Step, ...] = policy.ladder.steps if policy.ladder else ()
        self.window = span(policy.ladder.window) if policy.ladder else 0
        self.merge = span(policy.ladder.merge_within) if policy.ladder else 0
        # A review asks for the same moment again and again.
        self._takes: tuple[int | None, list[Around]] = (None, [])
        self._resolved: dict[tuple[int, int], bool] = {}
        self.removals: dict[str, list[Around]] = {}
        for row in history.around.get("removal", ()):
            self.removals.setdefault(row.event.item, []).append(row)

    # ---- strikes

    def acts(self, at: int, *, tier: int | None = None, window: int | None = None) -> np.ndarray:
        """Indices of the decisions that count at a moment, within the window, at a tier or a more severe one."""
        h = self.history
        start = at - (self.window if window is None else window)
        low, high = np.searchsorted(h.at, start, "left"), np.searchsorted(h.at, at, "right")
        keep = (h.known[low:high] <= at) & (h.gone[low:high] > at)
        if tier is not None:
            keep &= h.tier[low:high] <= tier
        return np.nonzero(keep)[0] + low

    def merged(self, acts: np.ndarray, *, stop: int | None = None) -> list[tuple[int, int]]:
        """Groups of acts that count once, as half-open ranges into `acts`; at most `stop` of them."""
        times = self.history.at[acts]
        groups: list[tuple[int, int]] = []
        start = 0
        while start < times.size and (stop is None or len(groups) < stop):
            end = int(np.searchsorted(times, times[start] + self.merge, "left"))
            # With a merging time of zero even equal times count one by one.
            end = max(end, start + 1)
            groups.append((start, end))
            start = end
        return groups

    def count(self, tier: str, at: int, *, within: int | None = None, stop: int | None = None) -> int:
        """Strikes at a tier or a more severe one."""
        index = self.policy.tier_names.index(tier)
        return len(self.merged(self.acts(at, tier=index, window=within), stop=stop))

    # ---- steps

    def takes(self, at: int, step: str | None = None) -> list[Around]:
        """Notices and human actions that took a step and stand, within the window, oldest first."""
        if self._takes[0] != at:
            self._takes = (at, self._all_takes(at))
        return [row for row in self._takes[1] if step is None or row.event.step == step]

    def _all_takes(self, at: int) -> list[Around]:
        lifted: dict[str, int] = {}
        for row in self.history.events("human_action", at):
            if row.event.action == "lift" and row.at <= at:
                lifted[row.event.step] = row.at
        rows = [
            row
            for kind in ("notice", "human_action")
            for row in self.history.events(kind, at)
            if at - self.window <= row.at <= at
            and (kind == "notice" or row.event.action == "take")
            and row.at > lifted.get(row.event.step, -1)
        ]
        return sorted(rows, key=lambda row: (row.at, row.seq))

    def is_removed(self, item: str, at: int) -> bool:
        """True when the item was taken down by a moment."""
        return any(row.visible(at) and row.at <= at for row in self.removals.get(item, ()))

    def is_void(self, item: str) -> bool:
        """True when there was a decision on the item and none stands any more."""
        return item in self.history.void_items

    def open_items(self, notice: Around, at: int) -> tuple[str, ...]:
        """Items cited by a notice that are neither removed nor voided."""
        return tuple(
            item
            for item in getattr(notice.event, "items", ())
            if not self.is_removed(item, at) and not self.is_void(item)
        )

    def is_resolved(self, take: Around, at: int) -> bool:
        """True when what a step asked for was done.

        All items that a notice cites are removed or voided; a notice that cites none needs a response that
        says ``done``. A promise resolves nothing.
        """
        key = (take.seq, at)
        if key not in self._resolved:
            self._resolved[key] = self._is_resolved(take, at)
        return self._resolved[key]

    def _is_resolved(self, take: Around, at: int) -> bool:
        if getattr(take.event, "items", ()):
            return not self.open_items(take, at)
        notice = getattr(take.event, "id", None)
        return any(
            row.event.notice == notice and row.event.says == "done" and row.at <= at
            for row in self.history.events("response", at)
        )

    def deadline(self, take: Around) -> int | None:
        """When the time given with a step runs out, or None when it gave none."""
        given = getattr(take.event, "deadline_at", None)
        if given is not None:
            return micros(given)
        cure = next((step.cure for step in self.steps if step.id == take.event.step), None)
        return None if cure is None else take.at + span(cure)

    def cure_expired(self, step: str, at: int) -> Truth:
        """True when the time given with the latest such step has run out with trouble unresolved."""
        timed = [
            (take, limit)
            for take in self.takes(at, None if step == "latest" else step)
            if (limit := self.deadline(take)) is not None
        ]
        if not timed:
            return Truth.FALSE
        take, limit = timed[-1]
        return Truth.TRUE if limit <= at and not self.is_resolved(take, at) else Truth.FALSE

    def attested(self, control: str, at: int) -> Truth:
        """Whether a control was attested, by the latest statement about it."""
        state = Truth.UNKNOWN
        for row in self.history.events("attestation", at):
            if row.event.control == control and row.at <= at and row.event.holds is not None:
                state = Truth.TRUE if row.event.holds else Truth.FALSE
        return state

    def approvals(self, step: str, at: int, *, since: int) -> tuple[str, ...]:
        """People who approved a step since a moment and did not decline it afterwards, by name."""
        last: dict[str, str] = {}
        for row in self.history.events("human_action", at):
            if row.event.step == step and since <= row.at <= at and row.event.by:
                last[row.event.by] = row.event.action
        return tuple(sorted(by for by, action in last.items() if action in {"approve", "take"}))

    # ---- conditions

    def states(self, at: int, review: ReviewFacts | None = None) -> dict[str, Truth]:
        """Step to the truth of its condition, in the ladder's order."""
        facts = review or ReviewFacts()
        return {
            step.id: Truth(int(evaluate(step.when, lambda node: self._leaf(node, at, facts)))) for step in self.steps
        }

    def truth(self, condition: Any, at: int, review: ReviewFacts) -> Truth:
        """The truth of one condition of the ladder or of a review."""
        return Truth(int(evaluate(condition, lambda node: self._leaf(node, at, review))))

    def _leaf(self, node: Any, at: int, facts: ReviewFacts) -> int:
        match node:
            case Count():
                within = None if node.within is None else span(node.within)
                return 2 * (self.count(node.count, at, within=within, stop=node.at_least) >= node.at_least)
            case Unresolved():
                n_open = sum(not self.is_resolved(take, at) for take in self.takes(at, node.unresolved))
                return 2 * (n_open >= node.at_least)
            case Taken():
                return 2 * all(self.takes(at, step) for step in node.taken)
            case CureExpired():
                return int(self.cure_expired(node.cure_expired, at))
            case Finding():
                return Truth.UNKNOWN if facts.finding is None else 2 * (facts.finding == node.finding)
            case Indicator():
                return int(facts.indicators.get(node.indicator, Truth.UNKNOWN))
            case Attested():
                return min(int(self.attested(control, at)) for control in node.attested)
            case _:
                raise TypeError(f"ladder: leaf must be a ladder condition, got {type(node).__name__}")

    def state(self, at: int, review: ReviewFacts | None = None, *, controls: Iterable[str] = ()) -> LadderState:
        """The same answers as the record that ``policy test`` uses; slower, for checks and small subjects."""
        facts = review or ReviewFacts()
        h = self.history
        names = self.policy.tier_names
        takes = self.takes(at)
        by_step: dict[str, list[Around]] = {}
        for take in takes:
            by_step.setdefault(take.event.step, []).append(take)
        within = max(
            [self.window, *(span(n.within) for s in self.steps for n in _counts(s.when) if n.within is not None)]
        )
        return LadderState(
            strikes=tuple(
                (dt.timedelta(microseconds=int(at - h.at[row])), names[h.tier[row]])
                for row in self.acts(at, window=within)
            ),
            taken={step: len(rows) for step, rows in by_step.items()},
            unresolved={step: sum(not self.is_resolved(row, at) for row in rows) for step, rows in by_step.items()},
            cure_expired={name: self.cure_expired(name, at) for name in ("latest", *by_step)},
            finding=facts.finding,
            indicators=dict(facts.indicators),
            attested={control: self.attested(control, at) for control in controls},
        )


def _counts(condition: Any) -> Iterable[Count]:
    if isinstance(condition, Count):
        yield condition
    for part in condition.parts:
        yield from _counts(part)
