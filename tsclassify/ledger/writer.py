"""How events become rows: made ready outside the lock, then resolved, chained and inserted in one transaction."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any, Final

import msgspec

from tsclassify.decision import Decision
from tsclassify.errors import InputError, LedgerError
from tsclassify.ledger import events as ev
from tsclassify.ledger import queries
from tsclassify.ledger.moments import micros, moment
from tsclassify.ledger.packing import AT_ONCE, pack_many, unpack
from tsclassify.ledger.store import COLUMNS, ROWS_AT_ONCE, EventStore, chain, digest
from tsclassify.records import Truth

__all__ = ["HELD", "PendingRow", "append", "awaits_of", "basis_of", "own_id", "pending_rows", "text_key", "voids"]

_VALUES: Final = ROWS_AT_ONCE * len(COLUMNS)

_Key = tuple[str, str, str | None, str | None]


HELD: Final = "review"
"""Tier under which a decision that a guard withholds is found; its body keeps the tier that it would have."""

_SKIP: Final = -1
"""In place of a reference: the row is already recorded."""


class PendingRow(msgspec.Struct, gc=False):
    """An event made ready outside the lock: everything but its row, its reference and its hash.

    It holds no containers, so that Python need not look through a whole batch for cycles, again and again.
    """

    kind: str
    at: int
    known: int
    id: str
    actor: str | None
    tenant: str | None
    tier: str | None
    basis: str | None
    body_hash: bytes
    packed: bytes
    awaits: str | None = None
    text: bytes | None = None
    ref_id: str | None = None
    ref: int | None = None

    @property
    def key(self) -> _Key:
        """What makes it the same event as another one; a decision is one of its tenant and policy name."""
        # Only items belong to a tenant: a notice is spoken of by its id alone, all else is known by its content.
        tenant = self.tenant if self.kind == "decision" else None
        return self.kind, self.id, tenant, self.basis and policy_of(self.basis)


@functools.lru_cache(maxsize=256)
def policy_of(basis: str) -> str:
    """Policy name of a basis, and whether it ran in shadow."""
    return basis.partition("@")[0] + ("/shadow" if basis.endswith("/shadow") else "")


def pending_rows(events: Iterable[Decision | ev.Event], known: int | None) -> list[PendingRow]:
    """Make events ready to be chained.

    Parameters
    ----------
    events
        Decisions and other events.
    known
        When decisions were made, in microseconds, or None for at once.

    Raises
    ------
    InputError
        When one is no event, or has no time.
    """
    body = bytearray()
    pending: list[PendingRow] = []
    rest = iter(events)
    while some := list(islice(rest, AT_ONCE)):
        kinds = [ev.kind_of(event) for event in some]
        bodies, ends, hashes = bytearray(), [], []
        for event in some:
            ev.encode_into(event, body)
            hashes.append(digest(body))
            bodies += body
            ends.append(len(bodies))
        packed = pack_many(bodies, ends)
        pending += map(_pending, some, kinds, hashes, packed, repeat(known))
    return pending


def _pending(event: Decision | ev.Event, kind: str, body_hash: bytes, packed: bytes, known: int | None) -> PendingRow:
    if isinstance(event, Decision):
        when = event.at
        if when is None:
            raise InputError("ledger: decision must have the time of the act, got none", hint="give the item an at")
        if when.tzinfo is None:
            moment(when, "ledger: decision at")
        at = micros(when)
        return PendingRow(
            kind,
            at,
            at if known is None or known < at else known,
            own_id(body_hash) if event.id is None else event.id,
            event.actor,
            event.tenant,
            # An act that a guard holds is nobody's strike before a person has looked.
            HELD if event.mode == "review_only" else event.tier,
            basis_of(event.policy_name, event.policy_version, event.model_sha256, event.mode),
            body_hash,
            packed,
            awaits_of(event),
            text_key(event.text_sha256),
        )
    ev.check(event, kind)
    at = micros(event.at)
    later = at if event.recorded_at is None else max(at, micros(event.recorded_at))
    row = PendingRow(kind, at, later, "", event.actor, event.tenant, None, None, body_hash, packed)
    match event:
        case ev.Notice():
            row.id = event.id
        case ev.Response():
            row.ref_id = event.notice
        case ev.Void():
            row.ref = event.seq
        case ev.TenantRenamed():
            row.id = event.was
        case _ if kind in ev.ITEM_KINDS:
            row.ref_id = getattr(event, "item", None)
        case _:
            pass
    row.id = row.id or own_id(body_hash)
    return row


def awaits_of(decision: Decision) -> str | None:
    """The tier that a decision leaves to a person, ``review`` when no tier is open, or None when nobody has to look.

    Of an item that may belong to a more severe tier it is that tier; of one whose actions wait it is its own.
    """
    if decision.mode == "shadow":
        return None
    if decision.mode == "review_only":
        return decision.tier
    if not (decision.review or decision.proposed):
        return None
    if decision.review and decision.language is Truth.TRUE:
        for node in decision.trace:
            name = node.label.removeprefix("tier: ")
            if name == decision.tier:
                break
            if node.state is Truth.UNKNOWN and not node.detail:
                return name
    return decision.tier


def text_key(sha256: str) -> bytes | None:
    """What tells one text of an item from another: the first eight bytes of its hash, or None when it has none."""
    return bytes.fromhex(sha256[:16]) if sha256 else None


@functools.lru_cache(maxsize=256)
def basis_of(policy_name: str, policy_version: str, model_sha256: str, mode: str) -> str:
    """What a decision rests on: policy and model, and whether it was made in shadow."""
    return f"{policy_name}@{policy_version}/{model_sha256[:12]}" + ("/shadow" if mode == "shadow" else "")


def own_id(body_hash: bytes) -> str:
    """An id from the content: the same event recorded again, after a crash, is the same event."""
    return "~" + body_hash.hex()[:24]


def append(store: EventStore, pending: Sequence[PendingRow]) -> int:
    """Chain and insert rows, inside a transaction that the caller holds; returns how many were new."""
    last, before = store.head()
    refs = _resolve(store, pending, last)
    for values in _chained(pending, refs, last, before):
        store.insert(values)
    return len(refs) - refs.count(_SKIP)


def _chained(
    pending: Sequence[PendingRow], refs: Sequence[int | None], last: int, before: bytes
) -> Iterator[list[str | bytes | int | None]]:
    """The values of new rows that follow row `last`, some rows at once."""
    seq = last
    values: list[str | bytes | int | None] = []
    for row, ref in zip(pending, refs, strict=True):
        if ref == _SKIP:
            continue
        seq += 1
        header = (
            seq, row.kind, row.at, row.known, row.id, row.actor, row.tenant, row.tier, row.basis, ref,
        )  # fmt: skip
        before = chain(before, header, row.body_hash)
        values += header
        values += (row.packed, before, row.awaits, row.text)
        if len(values) == _VALUES:
            yield values
            values = []
    yield values


@dataclass(slots=True)
class _Index:
    """What the ledger already holds under the ids of a batch.

    Attributes
    ----------
    latest
        Key to row, basis and packed body of the latest such event.
    of_text
        Key and text to the latest decision on that text.
    notices
        Notice id to row, account and tenant.
    items
        Item id to tenant to row, account and tenant of its latest decision.
    """

    latest: dict[_Key, tuple[int, str | None, bytes]] = field(default_factory=dict)
    of_text: dict[tuple[_Key, bytes | None], int] = field(default_factory=dict)
    notices: dict[str, tuple[int, str | None, str | None]] = field(default_factory=dict)
    items: dict[str, dict[str | None, tuple[int, str | None, str | None]]] = field(default_factory=dict)

    def add(self, row: PendingRow, seq: int) -> None:
        key = row.key
        self.latest[key] = (seq, row.basis, row.packed)
        if row.kind == "decision":
            self.of_text[key, row.text] = seq
            self.items.setdefault(row.id, {})[row.tenant] = (seq, row.actor, row.tenant)
        elif row.kind == "notice":
            self.notices[row.id] = (seq, row.actor, row.tenant)


def _resolve(store: EventStore, pending: Sequence[PendingRow], last: int) -> list[int | None]:
    """For each row the one that it replaces or speaks of, or None, or ``_SKIP``; new rows follow row `last`."""
    ids = [row.id for row in pending]
    spoken_of = {row.ref_id for row in pending if row.ref_id is not None}
    held = queries.ids_held(store, ids if not spoken_of else [*ids, *spoken_of])
    # Most ids are new and come once; only the others have to be compared.
    close = held | spoken_of
    if len(set(ids)) < len(ids):
        close |= {id_ for id_, times in Counter(ids).items() if times > 1}
    index = _Index()
    for seq, kind, id_, actor, tenant, basis, packed, text in queries.rows_of_ids(store, sorted(held)):
        index.add(PendingRow(kind, 0, 0, id_, actor, tenant, None, basis, b"", packed, None, text), seq)
    refs: list[int | None] = []
    here = last + 1
    for row in pending:
        ref = None
        if row.id in close:
            key = row.key
            before = index.latest.get(key)
            if before is not None and before[1] == row.basis and _are_same(row.kind, before[2], row.packed):
                refs.append(_SKIP)
                continue
            if before is not None and row.kind == "notice":
                raise LedgerError("ledger: notice id must be new, got one recorded with another content")
            if before is not None and row.kind == "decision":
                ref = index.of_text.get((key, row.text), before[0])
        if row.ref_id is not None or row.ref is not None:
            ref = _reference(store, row, index)
        if row.id in close:
            index.add(row, here)
        refs.append(ref)
        here += 1
    return refs


def _are_same(kind: str, one: bytes, other: bytes) -> bool:
    """Whether two packed bodies hold the same event: another zstd packs it, an earlier version wrote it otherwise."""
    if one == other:
        return True
    try:
        return ev.decode(kind, unpack(one)) == ev.decode(kind, unpack(other))
    except (ValueError, msgspec.DecodeError):
        # What cannot be read any more is replaced or refused, like another event.
        return False


def _reference(store: EventStore, row: PendingRow, index: _Index) -> int | None:
    """The row that an event speaks of; whose it is passes on to the event, so that a subject's rows are together."""
    target: tuple[int, str | None, str | None] | None = None
    if row.kind == "response":
        target = index.notices.get(row.ref_id or "")
        if target is None:
            raise LedgerError("ledger: response must speak of a recorded notice, got an unknown id")
    elif row.ref_id is not None:
        target = _item_row(store, row, index.items.get(row.ref_id, {}))
    elif row.ref is not None:
        target = queries.standing_row(store, row.ref)
        if target is None:
            raise LedgerError(f"ledger: void must name a recorded event that stands and is no void, got row {row.ref}")
    if target is None:
        return None
    ref, actor, tenant = target
    row.actor, row.tenant = row.actor or actor, row.tenant or tenant
    return ref


def _item_row(
    store: EventStore, row: PendingRow, by_tenant: dict[str | None, tuple[int, str | None, str | None]]
) -> tuple[int, str | None, str | None] | None:
    """The latest decision on the item that an event speaks of, at the tenant that it names or the only one."""
    if row.tenant is None:
        if len(by_tenant) > 1:
            raise ambiguous(f"ledger: {row.kind}", len(by_tenant))
        return next(iter(by_tenant.values()), None)
    if row.tenant in by_tenant or not by_tenant:
        return by_tenant.get(row.tenant)
    names = queries.names_of(store, row.tenant)
    known = [target for tenant, target in by_tenant.items() if tenant in names]
    return max(known, default=None)


def ambiguous(place: str, n: int) -> LedgerError:
    """The refusal of an item's id that several tenants have."""
    return LedgerError(
        f"{place} must name the tenant of the item, got an id that {n} tenants have", hint="say which: tenant=..."
    )


def voids(
    store: EventStore,
    item: str | int,
    at: dt.datetime,
    *,
    reason: str,
    by: str,
    tenant: str | None = None,
    **common: Any,
) -> list[ev.Event]:
    """One void for each decision that stands on an item (its id), or for one row (its number).

    The caller holds a transaction, so that nobody voids the same rows meanwhile.

    Raises
    ------
    LedgerError
        When nothing stands that could be voided, or several tenants have the item and none is named.
    """
    if isinstance(item, int):
        row = queries.standing_row(store, item)
        rows = [] if row is None else [row]
    else:
        names = None if tenant is None else queries.names_of(store, tenant)
        rows = [row for row in queries.standing_decisions(store, item) if names is None or row[2] in names]
        tenants = {row[2] for row in rows}
        if names is None and len(tenants) > 1:
            raise ambiguous("ledger: void", len(tenants))
    if not rows:
        raise LedgerError("ledger: event to void must be recorded and stand, got none that does")
    return [
        ev.Void(seq=seq, reason=reason, at=at, actor=actor, tenant=owner, by=by, **common) for seq, actor, owner in rows
    ]
