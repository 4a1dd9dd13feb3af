"""The review queue: items that a person has to look at, by deadline and priority, computed from the ledger alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsclassify.decision import Decision
from tsclassify.ledger import events as ev
from tsclassify.ledger import queries
from tsclassify.ledger.moments import aware, iso, micros, moment
from tsclassify.ledger.writer import HELD, text_key

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy

__all__ = ["QueueItem", "queue"]


@dataclass(frozen=True, slots=True)
class QueueItem:
    """An item that a person has to look at.

    Attributes
    ----------
    id, tenant, actor
        The item, whose it is, and its account.
    tier
        Tier that the policy gave, or ``review``.
    open_tier
        The most severe tier that is open, or the item's own when only its actions wait.
    since, deadline_at
        When it came in, and by when the policy wants it dealt with.
    is_overdue
        True when that has passed.
    score
        Highest score of a finding, from 0 to 1.
    n_reports, reach
        How often it was reported, and how many people it reached, where the item said so (``reach``).
    awaits
        What it waits for, in a sentence.
    proposed
        Ids of the actions that wait.
    seq
        Row of the decision.
    """

    id: str
    tenant: str | None
    actor: str | None
    tier: str
    open_tier: str
    since: dt.datetime
    deadline_at: dt.datetime | None
    is_overdue: bool
    score: float
    n_reports: int
    reach: int | None
    awaits: str
    proposed: tuple[str, ...]
    seq: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "tenant": self.tenant,
            "actor": self.actor,
            "tier": self.tier,
            "open_tier": self.open_tier,
            "since": iso(micros(self.since)),
            "deadline_at": None if self.deadline_at is None else iso(micros(self.deadline_at)),
            "is_overdue": self.is_overdue,
            "score": self.score,
            "n_reports": self.n_reports,
            "reach": self.reach,
            "awaits": self.awaits,
            "proposed": list(self.proposed),
            "seq": self.seq,
        }


def time_for(policy: Policy, tier: str) -> int | None:
    """Microseconds that the policy gives to deal with an open tier; where no tier is open, the longest of all."""
    limits = {rule.id: rule.within // dt.timedelta(microseconds=1) for rule in policy.tiers if rule.within is not None}
    return limits.get(tier, max(limits.values(), default=None) if tier == HELD else None)


def queue(
    ledger: EventLog,
    policy: Policy,
    *,
    at: dt.datetime | str,
    tenant: str | None = None,
    limit: int | None = None,
) -> tuple[QueueItem, ...]:
    """Items that a person has to look at, most urgent first.

    Parameters
    ----------
    ledger
        An open ledger.
    policy
        Its decisions are looked at, in any version; its tiers give the deadlines.
    at
        The moment; events known later are not seen.
    tenant
        Only items of this tenant.
    limit
        At most so many; None gives all.

    Notes
    -----
    Order: by deadline, then the open tier, the number of reports, reach, score, and row. An item leaves the queue when
    a person rules on its text, when it is voided, decided anew with nothing open, or taken down.
    """
    now = micros(moment(at, "queue: at"))
    names = None if tenant is None else queries.names_of(ledger.store, tenant, now)
    rows = [
        row
        for row in queries.open_decisions(ledger.store, names, now)
        if row[7].partition("@")[0] == policy.name and row[8] in policy.tier_names
    ]
    dealt, reports = _dealt_with(ledger, sorted({row[3] for row in rows}), now)
    order = {name: number for number, name in enumerate(policy.tier_names)}
    open_rows: list[tuple[tuple[Any, ...], int | None]] = []
    for row in rows:
        _, _, known, item, _, owner, _, _, awaits, text = row
        if _is_dealt_with(dealt.get((owner, item), ()), known, text):
            continue
        time = time_for(policy, awaits)
        open_rows.append((row, None if time is None else known + time))
    far = 1 << 62
    open_rows.sort(key=lambda pair: (pair[1] or far, order[pair[0][8]], -reports.get((pair[0][5], pair[0][3]), 0)))
    chosen = open_rows if limit is None else _with_ties(open_rows, limit)
    items = [_item(ledger, row, deadline, now, reports) for row, deadline in chosen]
    items.sort(
        key=lambda each: (
            far if each.deadline_at is None else micros(each.deadline_at),
            order[each.open_tier],
            -each.n_reports,
            -(each.reach or 0),
            -each.score,
            each.seq,
        )
    )
    return tuple(items if limit is None else items[:limit])


def _with_ties(rows: Sequence[tuple[tuple[Any, ...], int | None]], limit: int) -> Sequence[Any]:
    """The first rows, and those after them that have the same deadline: their scores have to be read to order them."""
    end = min(limit, len(rows))
    while 0 < end < len(rows) and rows[end][1] == rows[end - 1][1]:
        end += 1
    return rows[:end]


def _dealt_with(
    ledger: EventLog, items: Sequence[str], now: int
) -> tuple[dict[Any, list[tuple[str, int, Any]]], dict[Any, int]]:
    """(Tenant, item) to what people did about it: kind, time known, event; and how often it was reported."""
    dealt: dict[Any, list[tuple[str, int, Any]]] = {}
    reports: dict[Any, int] = {}
    for seq, kind, known, owner, body in queries.events_on_items(
        ledger.store, items, ("reviewed", "removal", "restored", "reported"), now
    ):
        event = ledger.event(seq, kind, body)
        key = (owner, getattr(event, "item", None))
        if kind == "reported":
            reports[key] = reports.get(key, 0) + 1
        elif not getattr(event, "sample", ""):
            dealt.setdefault(key, []).append((kind, known, event))
    return dealt, reports


def _is_dealt_with(events: Sequence[tuple[str, int, Any]], known: int, text: bytes | None) -> bool:
    down = False
    for kind, _, event in events:
        if kind == "reviewed":
            ruled = text_key(event.text_sha256)
            if text is None or ruled is None or ruled == text:
                return True
        else:
            down = kind == "removal"
    return down


def _item(ledger: EventLog, row: tuple[Any, ...], deadline: int | None, now: int, reports: dict[Any, int]) -> QueueItem:
    seq, _, known, item, actor, owner, tier, _, awaits, _ = row
    packed = queries.body_of(ledger.store, seq)
    decision = ledger.event(seq, "decision", packed[1]) if packed is not None else None
    scores = [finding.score for finding in decision.findings] if isinstance(decision, Decision) else []
    return QueueItem(
        id=item,
        tenant=owner,
        actor=actor,
        tier=tier,
        open_tier=awaits,
        since=aware(known),
        deadline_at=None if deadline is None else aware(deadline),
        is_overdue=deadline is not None and deadline < now,
        score=max(scores, default=0.0),
        n_reports=reports.get((owner, item), 0),
        reach=getattr(decision, "reach", None),
        awaits=_awaits(decision, awaits),
        proposed=tuple(action.id for action in decision.proposed) if isinstance(decision, Decision) else (),
        seq=seq,
    )


def _awaits(decision: Decision | ev.Event | None, open_tier: str) -> str:
    if not isinstance(decision, Decision):  # pragma: no cover - the kind decides the type
        return ""
    if decision.mode == "review_only":
        return "a guard withheld the actions: a person decides on them"
    exceptions = [note.id for note in decision.contexts if note.effect == "review"]
    if decision.review and open_tier not in {decision.tier, HELD}:
        return f"a person says whether it is {open_tier}"
    if decision.review and exceptions:
        return f"a person says whether the exception {' or '.join(exceptions)} holds"
    if decision.review:
        return "a person says what it is"
    needs = max(action.needs.get("humans", 0) for action in decision.proposed)
    return f"{needs} approvals of {', '.join(action.id for action in decision.proposed)}" if needs else "more evidence"
