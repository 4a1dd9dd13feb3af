"""What the policy's owner had to do by a deadline of its own policy, and did late or not at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from tsclassify.ledger.moments import aware, iso, micros, span_words
from tsclassify.review.timeline import Line
from tsclassify.standing.checks import valid_appeals
from tsclassify.standing.ladder import LadderEvaluator, span

__all__ = ["Overdue", "overdue"]


@dataclass(frozen=True, slots=True)
class Overdue:
    """Something that the policy's owner had to do by a deadline of its own policy, and did late or not at all.

    Attributes
    ----------
    what
        ``step``, ``action`` or ``appeal``.
    id
        Step, tier, or ``appeals``.
    due_at
        When it was due.
    deadline_at
        When the time for it ran out.
    done_at
        When it was done, or None.
    n
        How many items or appeals it concerns; 1 for a step.
    says
        The same in a sentence.
    """

    what: str
    id: str
    due_at: dt.datetime
    deadline_at: dt.datetime
    done_at: dt.datetime | None
    n: int
    says: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "id": self.id,
            "due_at": iso(micros(self.due_at)),
            "deadline_at": iso(micros(self.deadline_at)),
            "done_at": None if self.done_at is None else iso(micros(self.done_at)),
            "n": self.n,
            "says": self.says,
        }


def overdue(evaluator: LadderEvaluator, line: Line, now: int) -> tuple[Overdue, ...]:
    """Steps, actions and appeals that are late or were."""
    return (*_late_steps(evaluator, line, now), *_late_actions(evaluator, now), *_late_appeals(evaluator, now))


def _late_steps(evaluator: LadderEvaluator, line: Line, now: int) -> list[Overdue]:
    """Steps that were due for longer than their own deadline before something was recorded."""
    late = []
    for step in evaluator.steps:
        if step.within is None:
            continue
        for run in line.runs(evaluator):
            if run.id != step.id:
                continue
            since = micros(run.since)
            until = now if run.until is None else micros(run.until)
            limit = since + span(step.within)
            takes = [take.at for take in evaluator.takes(now, step.id) if since <= take.at]
            done = min(takes, default=None)
            end = min(until, done if done is not None else until)
            if limit >= end:
                continue
            how = (
                f"taken {span_words(end - limit)} late"
                if done is not None and done <= until
                else (f"not taken, {span_words(until - limit)} past the deadline")
            )
            late.append(
                Overdue(
                    "step",
                    step.id,
                    run.since,
                    aware(limit),
                    None if done is None else aware(done),
                    1,
                    f"step {step.id} was due on {run.since:%Y-%m-%d}, to be taken by {aware(limit):%Y-%m-%d}: {how}",
                )
            )
    return late


def _late_actions(evaluator: LadderEvaluator, now: int) -> list[Overdue]:
    """Decisions whose tier sets a time, on items that nobody notified, removed or answered by then."""
    h = evaluator.history
    done: dict[str, int] = {}
    for kind in ("notice", "removal", "appeal"):
        for row in h.events(kind, now):
            for item in getattr(row.event, "items", None) or [getattr(row.event, "item", "")]:
                done[item] = min(row.at, done.get(item, row.at))
    late = []
    acts = evaluator.acts(now)
    for index, tier in enumerate(evaluator.policy.tiers):
        if tier.within is None or not tier.do:
            continue
        limit = span(tier.within)
        rows = [
            (int(h.known[row]), done.get(h.items[row] or ""))
            for row in acts
            if h.tier[row] == index and h.known[row] + limit < now
        ]
        missed = [known for known, when in rows if when is None or when > known + limit]
        if missed:
            first = min(missed)
            late.append(
                Overdue(
                    "action",
                    tier.id,
                    aware(first),
                    aware(first + limit),
                    None,
                    len(missed),
                    f"{len(missed)} of {len(rows)} items at tier {tier.id} had nothing recorded within "
                    f"{span_words(limit)}, the first since {aware(first):%Y-%m-%d}",
                )
            )
    return late


def _late_appeals(evaluator: LadderEvaluator, now: int) -> list[Overdue]:
    """Appeals that wait for longer than the policy allows."""
    rule = evaluator.policy.appeals
    if rule is None or rule.answer_within is None:
        return []
    limit = span(rule.answer_within)
    waiting = [row.at for row in valid_appeals(evaluator, now) if row.at + limit < now]
    if not waiting:
        return []
    first = min(waiting)
    says = f"{len(waiting)} appeals wait for more than {span_words(limit)}, the first since {aware(first):%Y-%m-%d}"
    return [Overdue("appeal", "appeals", aware(first), aware(first + limit), None, len(waiting), says)]
