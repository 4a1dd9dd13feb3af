"""What the steps of a policy's ladder ask, answered from a history at any moment.

The meaning of every condition is that of ``tsclassify.policy.ladder``; this room answers the same questions from
arrays, because a review asks them for every day of a year of a tenant with thousands of violations.

What a step is owed and by when: a step that gives time is *unresolved* once that time is over with something that it
cites still standing. Inside the time nothing is held against anybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tsclassify.ledger.item import person
from tsclassify.ledger.moments import micros
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
from tsclassify.standing.history import History, TimedEvent

if TYPE_CHECKING:
    from tsclassify.policy import Policy
    from tsclassify.policy.schema import Step

__all__ = ["LadderEvaluator", "ReviewFacts", "span"]


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


class LadderEvaluator:
    """Answers the ladder's questions about one subject; all methods take a moment in microseconds."""

    def __init__(
        self, history: History, policy: Policy, *, categories: Callable[[int], frozenset[str]] | None = None
    ) -> None:
        self.history = history
        self.policy = policy
        self._categories = categories
        self.steps: tuple[Step, ...] = policy.ladder.steps if policy.ladder else ()
        self.window = span(policy.ladder.window) if policy.ladder else 0
        self.merge = span(policy.ladder.merge_within) if policy.ladder else 0
        # A review asks for the same moment again and again.
        self._takes: tuple[int | None, list[TimedEvent]] = (None, [])
        self._resolved: dict[tuple[int, int], bool] = {}
        self.removals: dict[str, list[TimedEvent]] = {}
        self._restored: dict[str, list[TimedEvent]] = {}
        for kind, by_item in (("removal", self.removals), ("restored", self._restored)):
            for row in history.around.get(kind, ()):
                by_item.setdefault(row.event.item, []).append(row)
        self.known_steps = {step.id for step in self.steps}

    # ---- strikes

    def acts(self, at: int, *, tier: int | None = None, window: int | None = None, excused: bool = False) -> np.ndarray:
        """Indices of the decisions that count at a moment, within the window, at a tier or a more severe one.

        With `excused` those count too that the tenant itself took down.
        """
        h = self.history
        start = at - (self.window if window is None else window)
        low, high = np.searchsorted(h.at, start, "left"), np.searchsorted(h.at, at, "right")
        keep = (h.known[low:high] <= at) & (h.gone[low:high] > at)
        if not excused:
            keep &= (h.excused[low:high] > at) | (h.excused_until[low:high] <= at)
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

    def count(
        self,
        tier: str,
        at: int,
        *,
        within: int | None = None,
        stop: int | None = None,
        categories: Sequence[str] | None = None,
    ) -> int:
        """Strikes at a tier or a more severe one, each with its weight."""
        index = self.policy.tier_names.index(tier)
        acts = self.acts(at, tier=index, window=within)
        if categories is not None and self._categories is not None:
            wanted = set(categories)
            acts = np.array([row for row in acts if self._categories(int(self.history.seq[row])) & wanted], np.int64)
        weights = self.policy.ladder.weights if self.policy.ladder else {}
        if not weights:
            return len(self.merged(acts, stop=stop))
        names = self.policy.tier_names
        return sum(
            max(weights.get(names[int(self.history.tier[row])], 1) for row in acts[start:end])
            for start, end in self.merged(acts)
        )

    def evidence(self, at: int) -> tuple[str, ...]:
        """Items that count and are still up, most severe first, then latest; what was removed is no evidence."""
        h = self.history
        rows = sorted(self.acts(at).tolist(), key=lambda row: (int(h.tier[row]), -int(h.at[row]), -int(h.seq[row])))
        items = dict.fromkeys(item for row in rows if (item := h.items[row]) is not None)
        return tuple(item for item in items if not self.is_removed(item, at))

    # ---- steps

    def takes(self, at: int, step: str | None = None) -> list[TimedEvent]:
        """Notices and human actions that took a step and stand, within the window, oldest first."""
        if self._takes[0] != at:
            self._takes = (at, self._all_takes(at))
        return [row for row in self._takes[1] if step is None or row.event.step == step]

    def _all_takes(self, at: int) -> list[TimedEvent]:
        lifted: dict[str, int] = {}
        for row in self.history.events("human_action", at):
            if row.event.action == "lift" and row.event.item is None and row.at <= at:
                lifted[row.event.step] = row.at
        rows = [
            row
            for kind in ("notice", "human_action")
            for row in self.history.events(kind, at)
            if at - self.window <= row.at <= at
            and (kind == "notice" or (row.event.action == "take" and row.event.item is None))
            and row.at > lifted.get(row.event.step, -1)
        ]
        return sorted(rows, key=lambda row: (row.at, row.seq))

    def is_removed(self, item: str, at: int) -> bool:
        """True when the item was taken down by a moment and not put up again."""
        down = max((row.at for row in self.removals.get(item, ()) if row.visible(at) and row.at <= at), default=None)
        if down is None:
            return False
        return not any(row.visible(at) and down <= row.at <= at for row in self._restored.get(item, ()))

    def open_items(self, notice: TimedEvent, at: int) -> tuple[str, ...]:
        """Items cited by a notice on which something still stands: neither removed nor voided nor cleared."""
        return tuple(
            item
            for item in getattr(notice.event, "items", ())
            if not self.is_removed(item, at) and not self.history.is_settled(item, at)
        )

    def is_resolved(self, take: TimedEvent, at: int) -> bool:
        """True when what a step asked for was done.

        All items that a notice cites are removed or voided; a notice that cites none needs a response that
        says ``done``. A promise resolves nothing.
        """
        key = (take.seq, at)
        if key not in self._resolved:
            self._resolved[key] = self._is_resolved(take, at)
        return self._resolved[key]

    def _is_resolved(self, take: TimedEvent, at: int) -> bool:
        if getattr(take.event, "items", ()):
            return not self.open_items(take, at)
        notice = getattr(take.event, "id", None)
        return any(
            row.event.notice == notice and row.event.says == "done" and row.at <= at
            for row in self.history.events("response", at)
        )

    def deadline(self, take: TimedEvent) -> int | None:
        """When the time given with a step runs out, or None when it gave none."""
        given = getattr(take.event, "deadline_at", None)
        if given is not None:
            return micros(given)
        cure = next((step.cure for step in self.steps if step.id == take.event.step), None)
        return None if cure is None else take.at + span(cure)

    def n_unresolved(self, step: str, at: int) -> int:
        """Steps of one kind whose time is over with something still standing.

        Each is counted by items of its own: three notices of one post are one, until the post is dealt with.
        """
        counted: set[str] = set()
        n = 0
        for take in self.takes(at, step):
            limit = self.deadline(take)
            if (limit is not None and limit > at) or self.is_resolved(take, at):
                continue
            new = set(self.open_items(take, at)) - counted
            if new or not getattr(take.event, "items", ()):
                n, counted = n + 1, counted | new
        return n

    def cure_expired(self, step: str, at: int) -> Truth:
        """True when the time given with such a step has run out with trouble unresolved, whatever came after it.

        ``latest`` asks for the most severe step that gave time: a routine notice does not extend a formal one.
        """
        timed = [(take, limit) for take in self.takes(at) if (limit := self.deadline(take)) is not None]
        if step == "latest":
            order = [rule.id for rule in self.steps]
            step = max(
                (take.event.step for take, _ in timed if take.event.step in order), key=order.index, default=step
            )
        late = any(limit <= at and not self.is_resolved(take, at) for take, limit in timed if take.event.step == step)
        return Truth.TRUE if late else Truth.FALSE

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
            if row.event.step == step and row.event.item is None and since <= row.at <= at and row.event.by:
                last[person(row.event.by)] = row.event.action
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
                n = self.count(node.count, at, within=within, stop=node.at_least, categories=node.category)
                return 2 * (n >= node.at_least)
            case Unresolved():
                return 2 * (self.n_unresolved(node.unresolved, at) >= node.at_least)
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
