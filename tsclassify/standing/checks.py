"""What was recorded against the policy's own rules: steps without approvals, deciders who answer their own appeal."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from tsclassify.ledger import events as ev
from tsclassify.ledger.item import person
from tsclassify.ledger.moments import aware, iso, micros
from tsclassify.standing.history import TimedEvent
from tsclassify.standing.ladder import LadderEvaluator, span

__all__ = ["Irregularity", "irregularities", "valid_appeals"]


@dataclass(frozen=True, slots=True)
class Irregularity:
    """One event that the policy does not allow, or not so.

    Attributes
    ----------
    what
        ``approvals``, ``evidence``, ``unknown_step``, ``decider`` (answers an appeal against the own decision) or
        ``late_appeal``.
    id
        Step, or item.
    at, seq
        When it was done, and its row.
    says
        The same in a sentence.
    """

    what: str
    id: str
    at: dt.datetime
    seq: int
    says: str

    def to_dict(self) -> dict[str, Any]:
        return {"what": self.what, "id": self.id, "at": iso(micros(self.at)), "seq": self.seq, "says": self.says}


def irregularities(evaluator: LadderEvaluator, at: int) -> tuple[Irregularity, ...]:
    """Everything irregular that was known at a moment, by row."""
    rows = [*_steps(evaluator, at), *_appeals(evaluator, at)]
    return tuple(sorted(rows, key=lambda row: row.seq))


def _steps(evaluator: LadderEvaluator, at: int) -> list[Irregularity]:
    rows = []
    steps = {step.id: step for step in evaluator.steps}
    history = evaluator.history
    taken = [
        row
        for kind in ("notice", "human_action")
        for row in history.events(kind, at)
        if row.at <= at and (kind == "notice" or (row.event.item is None and row.event.action == "take"))
    ]
    spoken_of = [row for row in history.events("human_action", at) if row.event.item is None and row not in taken]
    for row in [*taken, *spoken_of]:
        step = steps.get(row.event.step)
        name = row.event.step
        if step is None:
            says = f"step {name!r} is not one of the policy's"
            rows.append(Irregularity("unknown_step", name, aware(row.at), row.seq, says))
    for row in taken:
        step = steps.get(row.event.step)
        if step is None:
            continue
        needed = step.needs.humans or 0
        people = set(evaluator.approvals(step.id, row.at, since=row.at - evaluator.window))
        if len(people) < needed:
            says = f"step {step.id} was taken on {aware(row.at):%Y-%m-%d} with {len(people)} of {needed} approvals"
            rows.append(Irregularity("approvals", step.id, aware(row.at), row.seq, says))
        evidence = step.needs.evidence or 0
        n_items = max(len(evaluator.evidence(row.at)), len(set(getattr(row.event, "items", ()))))
        if n_items < evidence:
            says = (
                f"step {step.id} was taken on {aware(row.at):%Y-%m-%d} with {n_items} of {evidence} items as evidence"
            )
            rows.append(Irregularity("evidence", step.id, aware(row.at), row.seq, says))
    return rows


# ---- appeals


def deciders(evaluator: LadderEvaluator, item: str, at: int) -> set[str]:
    """People who ruled on an item or approved an action on it by a moment."""
    history = evaluator.history
    people = {
        person(row.event.by)
        for kind in ("reviewed", "human_action")
        for row in history.events(kind, at)
        if row.event.item == item and row.at <= at and not getattr(row.event, "sample", "")
    }
    return people - {""}


def _is_answer(evaluator: LadderEvaluator, row: TimedEvent) -> bool:
    """Whether the person who answered an appeal may do so."""
    rule = evaluator.policy.appeals
    if rule is None or rule.reviewer == "anyone":
        return True
    return person(row.event.by) not in deciders(evaluator, row.event.item, row.at)


def _opened_late(evaluator: LadderEvaluator, row: TimedEvent) -> bool:
    """Whether an appeal came after the time that the policy gives, counted from when the item was decided on."""
    rule = evaluator.policy.appeals
    history = evaluator.history
    known = [int(when) for when, item in zip(history.known, history.items, strict=True) if item == row.event.item]
    return rule is not None and bool(known) and row.at > max(known) + span(rule.open_for)


def _appeals(evaluator: LadderEvaluator, at: int) -> list[Irregularity]:
    rows = []
    for row in evaluator.history.events("appeal", at):
        appeal: ev.Appeal = row.event
        if appeal.outcome == "open" and _opened_late(evaluator, row):
            says = f"the appeal of {aware(row.at):%Y-%m-%d} against {appeal.item} came after the time for it"
            rows.append(Irregularity("late_appeal", appeal.item, aware(row.at), row.seq, says))
        if appeal.outcome != "open" and not _is_answer(evaluator, row):
            says = f"the appeal against {appeal.item} was answered by a person who took part in the decision"
            rows.append(Irregularity("decider", appeal.item, aware(row.at), row.seq, says))
    return rows


def valid_appeals(evaluator: LadderEvaluator, at: int) -> list[TimedEvent]:
    """Appeals in time that nobody who may answer them has answered by a moment."""
    answered: dict[str, int] = {}
    opened = []
    for row in evaluator.history.events("appeal", at):
        if row.event.outcome == "open":
            opened.append(row)
        elif _is_answer(evaluator, row):
            answered[row.event.item] = max(row.at, answered.get(row.event.item, 0))
    return [row for row in opened if answered.get(row.event.item, -1) < row.at and not _opened_late(evaluator, row)]
