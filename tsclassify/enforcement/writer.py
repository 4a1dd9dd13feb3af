"""How events become rows: made ready outside the lock, then resolved, chained and inserted in one transaction."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tsclassify.decision import Decision
from tsclassify.enforcement import events as ev
from tsclassify.enforcement.moments import micros, moment
from tsclassify.enforcement.packing import pack
from tsclassify.enforcement.store import COLUMNS, GENESIS, Row, chain
from tsclassify.errors import InputError, LedgerError

__all__ = ["INSERT", "Draft", "append", "draft", "head", "voids"]

INSERT: Final = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608


_Key = tuple[str, str, str | None, str | None]


@dataclass(slots=True)
class Draft:
    """An event made ready outside the lock: everything but its row, its reference and its hash."""

    kind: str
    at: int
    known: int
    id: str
    actor: str | None
    tenant: str | None
    tier: str | None
    basis: str | None
    body: bytes
    packed: bytes
    ref_id: str | None = None
    ref: int | None = None

    @property
    def key(self) -> _Key:
        """What makes it the same event as another one; a decision is one of its tenant and policy name."""
        return self.kind, self.id, self.tenant, self.basis and _policy_of(self.basis)


@functools.lru_cache(maxsize=256)
def _policy_of(basis: str) -> str:
    """Policy name of a basis, and whether it ran in shadow."""
    return basis.partition("@")[0] + ("/shadow" if basis.endswith("/shadow") else "")


def draft(event: Decision | ev.Event, known: int | None) -> Draft:
    """Make an event ready to be chained.

    Parameters
    ----------
    event
        A decision or another event.
    known
        When decisions were made, in microseconds, or None for at once.

    Raises
    ------
    InputError
        When it is no event, or has no time.
    """
    kind = ev.kind_of(event)
    body = ev.encode(event)
    if isinstance(event, Decision):
        if event.at is None:
            raise InputError("ledger: decision must have the time of the act, got none", hint="give the item an at")
        if event.at.tzinfo is None:
            moment(event.at, "ledger: decision at")
        at = micros(event.at)
        basis = f"{event.policy_name}@{event.policy_version}/{event.model_sha256[:12]}"
        if event.mode == "shadow":
            basis += "/shadow"
        return Draft(
            kind,
            at,
            at if known is None else max(at, known),
            event.id if event.id is not None else _own_id(body),
            event.actor,
            event.tenant,
            event.tier,
            basis,
            body,
            pack(body),
        )
    ev.check(event, kind)
    at = micros(event.at)
    when = at if event.recorded_at is None else max(at, micros(event.recorded_at))
    made = Draft(kind, at, when, "", event.actor, event.tenant, None, None, body, pack(body))
    match event:
        case ev.Notice():
            made.id = event.id
        case ev.Response():
            made.ref_id = event.notice
        case ev.Removal() | ev.Appeal():
            made.ref_id = event.item
        case ev.Void():
            made.ref = event.seq
        case _:
            pass
    made.id = made.id or _own_id(body)
    return made


def _own_id(body: bytes) -> str:
    """An id from the content: the same event recorded again, after a crash, is the same event."""
    return "~" + hashlib.sha256(body).hexdigest()[:24]


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Number and hash of the last row."""
    found = connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    return (0, GENESIS) if found is None else (int(found[0]), bytes(found[1]))


def append(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
    """Chain and insert drafts, inside a transaction that the caller holds; returns how many were new."""
    seq, before = head(connection)
    rows: list[Row] = []
    fresh = _resolve(connection, drafts)
    for made, ref in fresh:
        seq += 1
        ref = ref if ref is None or ref > 0 else rows[-ref - 1][0]
        header = (
            seq,
            made.kind,
            made.at,
            made.known,
            made.id,
            made.actor,
            made.tenant,
            made.tier,
            made.basis,
            ref,
        )
        before = chain(before, header, made.body)
        rows.append((*header, made.packed, before))
    connection.executemany(INSERT, rows)
    return len(fresh)


@dataclass(slots=True)
class _Index:
    """What the ledger already holds under the ids of a batch."""

    same: dict[_Key, tuple[int, bytes]] = field(default_factory=dict)
    latest: dict[tuple[bool, str], tuple[int, str | None, str | None]] = field(default_factory=dict)

    def add(self, key: _Key, seq: int, actor: str | None, packed: bytes) -> None:
        kind, id_, tenant, _ = key
        self.same[key] = (seq, packed)
        if kind in {"notice", "decision"}:
            self.latest[(kind == "notice", id_)] = (seq, actor, tenant)


def _resolve(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[tuple[Draft, int | None]]:
    """Drafts that are new, each with the row it replaces or speaks of.

    A reference inside the batch is negative: ``-1`` is the first row of the batch.
    """
    index = _Index()
    ids = list({key for made in drafts for key in (made.id, made.ref_id) if key is not None})
    for start in range(0, len(ids), 1000):
        for seq, kind, id_, actor, tenant, basis, packed in connection.execute(
            "SELECT seq, kind, id, actor, tenant, basis, body FROM event "
            "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq",
            (json.dumps(ids[start : start + 1000]),),
        ):
            index.add((kind, id_, tenant, basis and _policy_of(basis)), seq, actor, packed)
    fresh: list[tuple[Draft, int | None]] = []
    for made in drafts:
        ref = None
        if made.ref_id is not None or made.ref is not None:
            ref = _reference(connection, made, index)
        key = made.key
        before = index.same.get(key)
        if before is not None and before[1] == made.packed:
            continue
        if before is not None and made.kind != "decision":
            raise LedgerError("ledger: notice id must be new, got one recorded with another content")
        here = -len(fresh) - 1
        index.add(key, here, made.actor, made.packed)
        fresh.append((made, before[0] if before is not None else ref))
    return fresh


def _reference(connection: sqlite3.Connection, made: Draft, index: _Index) -> int | None:
    """The row that a draft speaks of; whose it is passes on to the draft, so that a subject's rows are together."""
    found: tuple[int, str | None, str | None] | None = None
    if made.ref_id is not None:
        found = index.latest.get((made.kind == "response", made.ref_id))
        if found is None and made.kind == "response":
            raise LedgerError("ledger: response must speak of a recorded notice, got an unknown id")
    elif made.ref is not None:
        row = connection.execute("SELECT seq, actor, tenant, kind FROM event WHERE seq = ?", (made.ref,)).fetchone()
        if row is None or row[3] == "void":
            raise LedgerError(f"ledger: void must name a recorded event that is no void, got row {made.ref}")
        found = row[:3]
    if found is None:
        return None
    ref, actor, tenant = found
    made.actor, made.tenant = made.actor or actor, made.tenant or tenant
    return ref


def voids(
    connection: sqlite3.Connection, item: str | int, at: dt.datetime, *, reason: str, by: str, **common: Any
) -> list[ev.Event]:
    """One void for each decision that stands on an item (its id), or for one row (its number).

    Raises
    ------
    LedgerError
        When nothing stands that could be voided.
    """
    where = "seq = ?" if isinstance(item, int) else "id = ? AND kind = 'decision'"
    rows = connection.execute(
        f"SELECT seq, actor, tenant, kind FROM event WHERE {where} "  # noqa: S608
        "AND NOT EXISTS (SELECT 1 FROM event AS later WHERE later.ref = event.seq "
        "AND later.kind IN ('void', 'decision'))",
        (item,),
    ).fetchall()
    if not rows or any(kind == "void" for *_, kind in rows):
        raise LedgerError("ledger: event to void must be recorded and stand, got none that does")
    return [
        ev.Void(seq=seq, reason=reason, at=at, actor=actor, tenant=tenant, by=by, **common)
        for seq, actor, tenant, _ in rows
    ]
