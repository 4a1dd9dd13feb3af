"""What the ladder and the finding of a review would have said at every moment since the first event."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tsclassify.ledger.moments import DAY, aware, iso, micros
from tsclassify.records import Truth
from tsclassify.review.indicators import measure
from tsclassify.review.observed import Indicator, Labelled
from tsclassify.standing.history import History
from tsclassify.standing.ladder import LadderEvaluator, ReviewFacts
from tsclassify.standing.standing import change_points

if TYPE_CHECKING:
    from tsclassify.policy import Policy

__all__ = ["Line", "Run", "facts_at", "rests_on", "time_line"]

_LONGEST: Final = 400
"""Days that the time line reaches back: a step that has been due for longer is due since that day at least."""
_FINE: Final = 48
"""Moments asked within a day on which a step changed, about one in half an hour."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time through which something held.

    Attributes
    ----------
    id
        Step id, or a finding.
    since, until
        First moment asked at which it held, and the first at which it did not; None while it holds.
    """

    id: str
    since: dt.datetime
    until: dt.datetime | None

    def to_dict(self) -> dict[str, Any]:
        until = None if self.until is None else iso(micros(self.until))
        return {"id": self.id, "since": iso(micros(self.since)), "until": until}


def facts_at(evaluator: LadderEvaluator, policy: Policy, now: int, indicators: tuple[Indicator, ...]) -> ReviewFacts:
    """The finding over the indicators: not effective when that is shown, effective when that is."""
    states = {indicator.name: indicator.state for indicator in indicators}
    plain = ReviewFacts(None, states)
    rule = policy.platform_review.effective_process  # type: ignore[union-attr]
    if evaluator.truth(rule.not_effective, now, plain) is Truth.TRUE:
        finding = "not_effective"
    elif evaluator.truth(rule.effective, now, plain) is Truth.TRUE:
        finding = "effective"
    else:
        finding = "undetermined"
    return ReviewFacts(finding, states)


def rests_on(evaluator: LadderEvaluator, policy: Policy, now: int, facts: ReviewFacts) -> tuple[str, ...]:
    """Indicators without which the finding would be another one."""
    found = []
    for name, state in facts.indicators.items():
        for other in Truth:
            changed = ReviewFacts(None, {**facts.indicators, name: other})
            rule = policy.platform_review.effective_process  # type: ignore[union-attr]
            not_effective = evaluator.truth(rule.not_effective, now, changed) is Truth.TRUE
            effective = evaluator.truth(rule.effective, now, changed) is Truth.TRUE
            finding = "not_effective" if not_effective else "effective" if effective else "undetermined"
            if other is not state and finding != facts.finding:
                found.append(name)
                break
    return tuple(found)


@dataclass(slots=True)
class Line:
    """The state of every step and the finding at each moment asked, the last of which is now."""

    points: list[int]
    states: list[dict[str, Truth]]
    facts: list[ReviewFacts]
    now: dict[str, Truth]

    def since(self, step: str) -> int | None:
        """From when on a step has been due without a break, or None when it is not due now."""
        if self.now[step] is not Truth.TRUE:
            return None
        since = self.points[-1]
        for point, states in zip(reversed(self.points), reversed(self.states), strict=True):
            if states[step] is not Truth.TRUE:
                break
            since = point
        return since

    def _runs(self, name: str, held: list[bool]) -> list[Run]:
        runs, start = [], None
        for point, here in zip(self.points, held, strict=True):
            if here and start is None:
                start = point
            elif not here and start is not None:
                runs.append(Run(name, aware(start), aware(point)))
                start = None
        if start is not None:
            runs.append(Run(name, aware(start), None))
        return runs

    def runs(self, evaluator: LadderEvaluator) -> tuple[Run, ...]:
        """When each step was due, in the ladder's order."""
        return tuple(
            run
            for step in evaluator.steps
            for run in self._runs(step.id, [states[step.id] is Truth.TRUE for states in self.states])
        )

    def findings(self) -> tuple[Run, ...]:
        """When each finding held, in order of time."""
        names = sorted({facts.finding or "" for facts in self.facts})
        runs = [run for name in names for run in self._runs(name, [facts.finding == name for facts in self.facts])]
        return tuple(sorted(runs, key=lambda run: run.since))

    def review_at_takes(self, evaluator: LadderEvaluator, now: int) -> dict[int, ReviewFacts]:
        """Row of each step taken to what the review said on the last midnight before."""
        found = {}
        for take in evaluator.takes(now):
            before = [facts for point, facts in zip(self.points, self.facts, strict=True) if point <= take.at]
            if before:
                found[take.seq] = before[-1]
        return found


def time_line(
    evaluator: LadderEvaluator,
    policy: Policy,
    now: int,
    facts: ReviewFacts,
    sample: Labelled | None,
    looks: dict[int, dict[str, Indicator]],
) -> Line:
    """Ask every step at every midnight since the first event, now, and at the events of a day on which one changed."""
    first = _first(evaluator.history)
    start = now // DAY if first is None else max(first // DAY, now // DAY - _LONGEST)
    points = [day * DAY for day in range(start, now // DAY + 1) if day * DAY < now]

    def ask(point: int) -> tuple[dict[str, Truth], ReviewFacts]:
        then = facts_at(evaluator, policy, point, measure(evaluator, policy, point, labelled=sample, looks=looks))
        return evaluator.states(point, then), then

    answers = {point: ask(point) for point in points}
    answers[now] = (evaluator.states(now, facts), facts)
    inside = change_points(evaluator, now)
    ordered = sorted(answers)
    for before, after in itertools.pairwise(ordered):
        if any(answers[before][0][step.id] is not answers[after][0][step.id] for step in evaluator.steps):
            between = [point for point in inside if before < point < after]
            for point in between[:: max(1, len(between) // _FINE)]:
                answers[point] = ask(point)
    ordered = sorted(answers)
    return Line(ordered, [answers[p][0] for p in ordered], [answers[p][1] for p in ordered], answers[now][0])


def _first(history: History) -> int | None:
    """When the first event became known."""
    times = [int(history.known.min())] if history.known.size else []
    times += [row.known for rows in history.around.values() for row in rows]
    times += [int(history.days[:, 1].min()) * DAY] if history.days.size else []
    return min(times, default=None)
