"""The events around one subject, an account or a tenant, read once and then asked about any moment.

A voided event is left out as if it had never been, whatever moment is asked about. Of the rest, an event is
visible at time T when it was known by T and no decision known by T replaces it: what is computed from the visible
events is what an honest clerk could have known at T.

Three rules say which decisions count, one by one:

1. A person's ruling on a text (a review, or a granted appeal) stands in place of every automatic decision on the same
   text, earlier or later, until a person rules again.
2. An item counts once: of decisions on several of its texts the most severe stands. An edit by the author therefore
   loses no strike; a person may clear it.
3. Of a tenant, what it took down itself before anybody gave notice of it counts no more from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import LedgerError
from tsclassify.ledger import events as ev
from tsclassify.ledger import queries
from tsclassify.ledger.writer import text_key

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy

__all__ = ["NEVER", "History", "TimedEvent", "load"]

NEVER: Final = np.iinfo(np.int64).max
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event that is no decision, with its times.

    Attributes
    ----------
    seq, at, known
        Row, time of the act, and when it was known.
    event
        The event.
    """

    seq: int
    at: int
    known: int
    event: Any

    def visible(self, at: int) -> bool:
        """True when the event was known by a moment."""
        return self.known <= at


@dataclass(slots=True)
class _Act:
    """A decision or a ruling at a tier of the policy, before it becomes a row of the arrays."""

    seq: int
    at: int
    known: int
    tier: int
    item: str | None
    gone: int = NEVER
    excused: int = NEVER
    until: int = NEVER


@dataclass(frozen=True, slots=True)
class History:
    """All events around a subject that were known by some moment.

    Attributes
    ----------
    subject, of, names
        Its name, ``actor`` or ``tenant``, and all names of the tenant.
    seq, at, known, gone
        Shape (m,): the acts at a tier of the policy that were not voided, by time of the act, then row; ``gone`` is
        when something else came to stand in its place, or ``NEVER``. The row of an act that a person gave its tier
        is the ruling's.
    excused, excused_until
        Shape (m,): from when to when an act does not count, as the tenant itself took it down; ``NEVER`` for most.
    tier
        Shape (m,), int16: index into the policy's tiers, 0 most severe.
    items
        Item id of each of them, or None.
    around
        Kind to its events, by time of the act, then row.
    voided
        Row to when its void was known.
    settled
        Item to the spans through which nothing on it stands: voided, cleared, or edited and found clean.
    days
        Shape (d, 3): day of the act, day known, items decided on; a replaced or voided decision is a row with
        a count of -1. Empty for an account.
    bases
        Policy version and model that made decisions, with the first and the last act decided on.
    """

    subject: str
    of: str
    names: tuple[str, ...]
    seq: Ints
    at: Ints
    known: Ints
    gone: Ints
    excused: Ints
    excused_until: Ints
    tier: NDArray[np.int16]
    items: tuple[str | None, ...]
    around: Mapping[str, tuple[TimedEvent, ...]]
    voided: Mapping[int, int] = field(default_factory=dict)
    settled: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    days: Ints = field(default_factory=lambda: np.empty((0, 3), np.int64))
    bases: tuple[tuple[str, int, int], ...] = ()

    def events(self, kind: str, at: int) -> Iterator[TimedEvent]:
        """The events of a kind that count at a moment."""
        return (row for row in self.around.get(kind, ()) if row.visible(at))

    def is_settled(self, item: str, at: int) -> bool:
        """True when nothing stands on an item at a moment: it was voided, cleared, or edited and found clean."""
        return any(start <= at < end for start, end in self.settled.get(item, ()))


def load(ledger: EventLog, subject: str, of: str, policy: Policy, *, at: int, tenant: str | None = None) -> History:
    """Read the events around a subject that were known by `at`.

    Parameters
    ----------
    ledger
        An open ledger.
    subject, of
        Name, and ``actor`` or ``tenant``.
    policy
        Its decisions count, in any version; those made in shadow mode do not.
    at
        Microseconds of UTC.
    tenant
        Of an account: whose it is. Needed where several tenants have an account of this name.

    Raises
    ------
    LedgerError
        When the account's name is one at several tenants, and none is named.
    """
    store = ledger.store
    names = (subject,) if of == "actor" else queries.names_of(store, subject, at)
    owners = None if tenant is None else (*queries.names_of(store, tenant, at), None)
    tiers = {tier.id: index for index, tier in enumerate(policy.tiers)}
    bases = {name: _bases(ledger, name, of, policy) for name in names}
    rows: list[tuple[Any, ...]] = []
    voided: dict[int, int] = {}
    replaced: dict[int, int] = {}
    timed: list[tuple[str, str | None, TimedEvent]] = []
    for name in names:
        rows += queries.decisions_around(store, name, of, bases[name], tuple(tiers), at)
    for name in names[:1] if of == "tenant" else names:
        voided, replaced = queries.references(store, name, of, at)
    for name in names:
        for seq, kind, when, known, owner, body in queries.events_around(store, name, of, at):
            if seq not in voided:
                timed.append((kind, owner, TimedEvent(seq, when, known, ledger.event(seq, kind, body))))
    if of == "actor":
        if owners is None:
            _one_tenant(subject, [*(row[5] for row in rows), *(owner for _, owner, _ in timed)])
        else:
            rows = [row for row in rows if row[5] in owners]
            timed = [entry for entry in timed if entry[1] in owners]
    around: dict[str, list[TimedEvent]] = {}
    for kind, _, row in timed:
        around.setdefault(kind, []).append(row)
    for kind, events in around.items():
        around[kind] = sorted(events, key=lambda row: (row.at, row.seq))
    acts, settled = _acts(ledger, rows, around, voided, replaced, tiers, policy, owners if of == "actor" else names, at)
    if of == "tenant":
        _excuse(acts, around)
    acts.sort(key=lambda act: (act.at, act.seq))
    columns = np.array(
        [(act.seq, act.at, act.known, act.gone, act.excused, act.until) for act in acts], np.int64
    ).reshape(-1, 6)
    return History(
        subject=subject,
        of=of,
        names=names,
        seq=columns[:, 0],
        at=columns[:, 1],
        known=columns[:, 2],
        gone=columns[:, 3],
        excused=columns[:, 4],
        excused_until=columns[:, 5],
        tier=np.array([act.tier for act in acts], np.int16),
        items=tuple(act.item for act in acts),
        around={kind: tuple(events) for kind, events in around.items()},
        voided=voided,
        settled=settled,
        days=_days(ledger, bases, at) if of == "tenant" else np.empty((0, 3), np.int64),
        bases=_spans(ledger, bases, at) if of == "tenant" else (),
    )


def _one_tenant(actor: str, owners: Sequence[str | None]) -> None:
    n = len({owner for owner in owners if owner is not None})
    if n > 1:
        raise LedgerError(
            f"ledger: call must name the tenant of the account, got a name that {n} tenants have",
            hint="say which: tenant=...",
        )


def _bases(ledger: EventLog, subject: str, of: str, policy: Policy) -> tuple[str, ...]:
    """Bases of the subject's decisions under this policy, without shadow runs."""
    every = (queries.bases_of_actor if of == "actor" else queries.bases_of_tenant)(ledger.store, subject)
    return tuple(basis for basis in sorted(every) if _is_of(basis, policy))


def _is_of(basis: str, policy: Policy) -> bool:
    return basis.partition("@")[0] == policy.name and not basis.endswith("/shadow")


def _spans(ledger: EventLog, bases: Mapping[str, Sequence[str]], at: int) -> tuple[tuple[str, int, int], ...]:
    """Each basis with the time of its first and its last act, as known at a moment."""
    spans: dict[str, tuple[int, int]] = {}
    for name, each in bases.items():
        for basis in each:
            span = queries.span_of_basis(ledger.store, name, basis, at)
            if span is not None:
                first, last = spans.get(basis, span)
                spans[basis] = (min(first, span[0]), max(last, span[1]))
    return tuple((basis, *span) for basis, span in spans.items())


# ---- which decisions count


def _acts(
    ledger: EventLog,
    rows: Sequence[tuple[Any, ...]],
    around: Mapping[str, Sequence[TimedEvent]],
    voided: Mapping[int, int],
    replaced: Mapping[int, int],
    tiers: Mapping[str, int],
    policy: Policy,
    owners: Sequence[str | None] | None,
    at: int,
) -> tuple[list[_Act], dict[str, tuple[tuple[int, int], ...]]]:
    """The acts that count, by rules 1 and 2, and the spans through which nothing stands on an item."""
    rulings: dict[str, list[TimedEvent]] = {}
    for kind in ("reviewed", "appeal"):
        for event in around.get(kind, ()):
            if _is_ruling(event.event):
                rulings.setdefault(event.event.item, []).append(event)
    edited = {event.event.item for event in around.get("edited", ())}
    special = rulings.keys() | edited
    acts = [
        _Act(row[0], row[1], row[2], tiers[row[3]], row[4], replaced.get(row[0], NEVER))
        for row in rows
        if row[0] not in voided and row[4] not in special
    ]
    settled: dict[str, tuple[tuple[int, int], ...]] = {}
    stand = {act.item for act in acts}
    for row in rows:
        if row[0] in voided and row[4] is not None and row[4] not in stand and row[4] not in special:
            settled[row[4]] = ((0, NEVER),)
    for item in special:
        decisions = [
            row
            for row in queries.item_decisions(ledger.store, item, at)
            if (owners is None or row[4] in owners) and _is_of(row[8] or "", policy)
        ]
        own, settled[item] = _of_item(item, decisions, rulings.get(item, ()), tiers)
        acts += own
    _once(acts)
    return acts, settled


def _is_ruling(event: Any) -> bool:
    return not event.sample if isinstance(event, ev.Reviewed) else event.outcome == "granted"


def _of_item(
    item: str, decisions: Sequence[tuple[Any, ...]], rulings: Sequence[TimedEvent], tiers: Mapping[str, int]
) -> tuple[list[_Act], tuple[tuple[int, int], ...]]:
    """The acts on an item that people ruled on or that was edited, and when nothing stood on it."""
    acts: list[_Act] = []
    none = len(tiers)
    # What stood on the item from when on: the latest text's state.
    states: list[tuple[int, int]] = []
    by_text: dict[bytes | None, list[tuple[Any, ...]]] = {}
    for row in decisions:
        by_text.setdefault(row[7], []).append(row)
    for text, rows in by_text.items():
        own = sorted(
            (ruling for ruling in rulings if text is None or _text_of(ruling, decisions) in {text, None}),
            key=lambda ruling: (ruling.known, ruling.seq),
        )
        first = own[0].known if own else NEVER
        standing = [row for row in rows if row[9] is None]
        for row, later in zip_longest(standing, standing[1:]):
            gone = min(first, NEVER if later is None else max(row[2], later[2]))
            tier = tiers.get(row[5], none)
            if row[2] < first:
                states.append((row[2], tier))
            if tier < none and row[2] < gone:
                acts.append(_Act(row[0], row[1], row[2], tier, item, gone))
        for ruling, then in zip_longest(own, own[1:]):
            before = [row for row in rows if row[2] <= ruling.known] or rows[:1]
            tier = _ruled(ruling.event, before[-1][5], tiers)
            if not standing and tier < none and all(row[9] >= ruling.known for row in rows):
                # Its decision was voided since: as if it had never been, and the ruling with it.
                continue
            states.append((ruling.known, tier))
            if tier < none:
                gone = NEVER if then is None else then.known
                acts.append(_Act(ruling.seq, before[-1][1], ruling.known, tier, item, gone))
    if decisions and all(row[9] is not None for row in decisions) and not acts:
        return acts, ((0, NEVER),)
    states.sort()
    ends = [moment for moment, _ in states[1:]] + [NEVER] * bool(states)
    spans = tuple((start, end) for (start, tier), end in zip(states, ends, strict=True) if tier == none)
    return acts, spans


def _text_of(ruling: TimedEvent, decisions: Sequence[tuple[Any, ...]]) -> bytes | None:
    """The text that a ruling is about: the one it names, or that of the latest decision known then."""
    named = text_key(getattr(ruling.event, "text_sha256", ""))
    if named is not None:
        return named
    before = [row for row in decisions if row[2] <= ruling.known]
    return before[-1][7] if before else None


def _ruled(event: Any, tier: str, tiers: Mapping[str, int]) -> int:
    """Index of the tier that a ruling gives, or the number of tiers for none."""
    if not isinstance(event, ev.Reviewed) or event.outcome == "cleared":
        return len(tiers)
    return tiers.get(event.tier or tier, len(tiers))


def _once(acts: list[_Act]) -> None:
    """Let an item count once: the most severe of its acts stands, of equal ones the earlier known.

    An act that has to stand back stands again when the other is gone.
    """
    counts = Counter(act.item for act in acts if act.item is not None)
    several = {item for item, n in counts.items() if n > 1}
    if not several:
        return
    by_item: dict[str, list[_Act]] = {}
    for act in acts:
        if act.item in several:
            by_item.setdefault(act.item or "", []).append(act)
    acts[:] = [act for act in acts if act.item not in several]
    for own in by_item.values():
        own.sort(key=lambda act: (act.tier, act.known, act.seq))
        taken: list[tuple[int, int]] = []
        for act in own:
            spans = [(act.known, act.gone)]
            for start, end in taken:
                spans = [
                    piece
                    for known, gone in spans
                    for piece in ((known, min(gone, start)), (max(known, end), gone))
                    if piece[0] < piece[1]
                ]
            taken += spans
            acts += [replace(act, known=known, gone=gone) for known, gone in spans]


def _excuse(acts: Sequence[_Act], around: Mapping[str, Sequence[TimedEvent]]) -> None:
    """Rule 3: what the tenant took down before any notice of it counts no more from then on."""
    removed: dict[str, TimedEvent] = {}
    for row in around.get("removal", ()):
        removed.setdefault(row.event.item, row)
    own = {item: row for item, row in removed.items() if row.event.by != "provider"}
    if not own:
        return
    noticed: dict[str, list[TimedEvent]] = {}
    for row in around.get("notice", ()):
        for item in row.event.items:
            if item in own:
                noticed.setdefault(item, []).append(row)
    for act in acts:
        removal = own.get(act.item or "")
        if removal is None:
            continue
        ends = [row.known for row in noticed.get(act.item or "", ()) if row.at <= removal.at]
        ends += [
            max(row.at, row.known)
            for row in around.get("restored", ())
            if row.event.item == act.item and row.at >= removal.at
        ]
        act.excused, act.until = max(removal.at, removal.known), min(ends, default=NEVER)


def _days(ledger: EventLog, bases: Mapping[str, Sequence[str]], at: int) -> Ints:
    """Items decided on, by day of the act and day known.

    A replaced decision counts -1 from the day it was replaced on, a voided one from the first.
    """
    rows: list[tuple[int, int, int]] = []
    for name, each in bases.items():
        keep = set(each)
        rows += queries.counts_by_day(ledger.store, name, each, at)
        rows += [
            (day, known if voided else max(known, gone), -1)
            for day, known, gone, voided, basis in queries.gone_by_day(ledger.store, name, at)
            if basis in keep
        ]
    return np.array(rows, np.int64).reshape(-1, 3)
