"""One item as the ledger knows it: what was decided, by whom, what was taken, and what is still missing.

Notices, letters and statements are rendered from this record, so that they tell only of what happened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsclassify.decision import Action, Decision
from tsclassify.ledger import events as ev
from tsclassify.ledger import queries
from tsclassify.ledger.moments import aware, iso, micros
from tsclassify.ledger.writer import text_key

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy

__all__ = ["ItemRecord", "TakenAction", "people_of", "person", "read_item", "record_of"]


def person(name: str) -> str:
    """Who a name stands for: case and spaces around it make no second person."""
    return name.strip().casefold()


@dataclass(frozen=True, slots=True)
class TakenAction:
    """An action that was taken.

    Attributes
    ----------
    action
        The action.
    at
        When its last condition was met: the decision, or the last approval that it needed.
    people
        How many people ruled or approved; 0 when software alone decided.
    roles
        What they are, each once.
    """

    action: Action
    at: dt.datetime | None
    people: int = 0
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """What a ledger holds about one item.

    Attributes
    ----------
    decision
        The latest decision on it.
    decided_at
        When that was made.
    tier
        Tier that stands: a person's ruling on this text before the decision's own.
    ruling
        The latest ruling of a person on this text, or None.
    taken
        Actions that were taken.
    missing
        What is missing before anything may be told, in a sentence, or empty.
    events
        Events that speak of the item, in order: row, time known, event.
    """

    decision: Decision
    decided_at: dt.datetime | None
    tier: str
    ruling: ev.Reviewed | None = None
    taken: tuple[TakenAction, ...] = ()
    missing: str = ""
    events: tuple[tuple[int, int, Any], ...] = ()

    def of_kind(self, kind: type) -> list[Any]:
        """The events of one kind, in order."""
        return [event for _, _, event in self.events if isinstance(event, kind)]

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.decision.id,
            "tenant": self.decision.tenant,
            "actor": self.decision.actor,
            "decided_at": None if self.decided_at is None else iso(micros(self.decided_at)),
            "tier": self.tier,
            "taken": [taken.action.id for taken in self.taken],
            "missing": self.missing,
            "events": [{"seq": seq, **ev.event_to_dict(event)} for seq, _, event in self.events],
        }


def record_of(decision: Decision) -> ItemRecord:
    """The record of a decision that nothing else is known of: no person looked, nobody approved."""
    taken, missing = _taken(decision, decision.actions, decision.at, None, ())
    return ItemRecord(decision, decision.at, decision.tier, None, taken, missing)


def read_item(
    ledger: EventLog, item: str, *, policy: Policy | None = None, tenant: str | None = None, at: int | None = None
) -> ItemRecord:
    """All that a ledger holds about an item.

    Parameters
    ----------
    ledger
        An open ledger.
    item, tenant
        The item; an id that several tenants have needs the tenant.
    policy
        Gives the actions of a tier that a person changed to.
    at
        Microseconds; events known later are not seen. None sees all.

    Raises
    ------
    LedgerError
        When no decision on it is recorded, or the id is ambiguous.
    """
    decision = ledger.decision(item, tenant=tenant)
    names = () if decision.tenant is None else queries.names_of(ledger.store, decision.tenant, at)
    rows = [
        row for row in queries.item_decisions(ledger.store, item, at) if row[4] == decision.tenant or row[4] in names
    ]
    if rows:
        latest = ledger.event(rows[-1][0], "decision", rows[-1][6])
        decision = latest if isinstance(latest, Decision) else decision
    decided = aware(rows[-1][2]) if rows else decision.at
    events = []
    for seq, kind, _, known, owner, body in queries.item_events(ledger.store, item, names, at):
        event = ledger.event(seq, kind, body)
        cited = getattr(event, "items", ())
        if (getattr(event, "item", None) == item or item in cited) and (owner in names or owner == decision.tenant):
            events.append((seq, known, event))
    ruling = _ruling(decision, events)
    voided = bool(rows) and all(row[9] is not None for row in rows)
    tier = _tier(decision, ruling, voided=voided)
    actions = _actions(decision, tier, policy)
    people = tuple((known, event) for _, known, event in events if _takes_part(event, decision))
    taken, missing = _taken(decision, actions, decided, ruling, people)
    if tier in {"none", "review"}:
        taken = ()
    return ItemRecord(decision, decided, tier, ruling, taken, missing, tuple(events))


def _ruling(decision: Decision, events: Sequence[tuple[int, int, Any]]) -> ev.Reviewed | None:
    text = text_key(decision.text_sha256)
    rulings = [
        event
        for _, _, event in events
        if isinstance(event, ev.Reviewed) and not event.sample and text_key(event.text_sha256) in {text, None}
    ]
    return rulings[-1] if rulings else None


def _tier(decision: Decision, ruling: ev.Reviewed | None, *, voided: bool) -> str:
    if voided or (ruling is not None and ruling.outcome == "cleared"):
        return "none"
    return decision.tier if ruling is None else ruling.tier or decision.tier


def _actions(decision: Decision, tier: str, policy: Policy | None) -> tuple[Action, ...]:
    """The actions of the tier that stands."""
    if tier == decision.tier:
        return decision.actions or decision.withheld
    rule = None if policy is None else next((rule for rule in policy.tiers if rule.id == tier), None)
    if rule is None or policy is None:
        return ()
    rules = [(name, policy.actions[name]) for name in rule.do]
    return tuple(Action(name, each.scope, None, each.needs.amounts(), each.says, each.internal) for name, each in rules)


def _takes_part(event: Any, decision: Decision) -> bool:
    """Whether an event is a person's part in the decision on this text."""
    if isinstance(event, ev.Reviewed):
        same = text_key(event.text_sha256) in {text_key(decision.text_sha256), None}
        return not event.sample and same and event.outcome != "cleared"
    return isinstance(event, ev.HumanAction) and event.action in {"approve", "take"}


def people_of(record: ItemRecord) -> set[str]:
    """Everybody who took part in the decision on an item, by name."""
    return {person(event.by) for _, _, event in record.events if _takes_part(event, record.decision)} - {""}


def _taken(
    decision: Decision,
    actions: Sequence[Action],
    decided: dt.datetime | None,
    ruling: ev.Reviewed | None,
    people: Sequence[tuple[int, Any]],
) -> tuple[tuple[TakenAction, ...], str]:
    """Actions whose conditions are met, and what is missing for the others."""
    if decision.mode == "shadow":
        return (), "the policy runs in shadow mode, so that nothing is done"
    waits = (decision.review and not decision.proceeds) or decision.mode == "review_only"
    if waits and ruling is None:
        return (), "a person has to look first, got nobody on record"
    taken, missing = [], []
    for action in actions:
        part: dict[str, tuple[int, str]] = {}
        for known, event in people:
            if isinstance(event, ev.HumanAction) and event.step != action.id:
                continue
            name = person(event.by)
            if name and name not in part:
                part[name] = (known, event.role)
        needed = action.needs.get("humans", 0)
        if len(part) < needed:
            says = f"{needed} people" if needed > 1 else "1 person"
            missing.append(f"{action.id} needs the approval of {says}, got {len(part)} on record")
            continue
        times = sorted(known for known, _ in part.values())
        when = aware(times[max(needed, 1) - 1]) if times and (needed or waits) else decided
        roles = tuple(dict.fromkeys(role for _, role in part.values() if role))
        taken.append(TakenAction(action, when, len(part), roles))
    return tuple(taken), "; ".join(missing)
