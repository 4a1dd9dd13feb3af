"""How events become rows: made ready outside the lock, then resolved, chained and inserted in one transaction."""

from __future__ import annotations

import datetime as dt
import functools
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any, Final

import msgspec

from tsclassify.decision import Decision
from tsclassify.errors import InputError, LedgerError
from tsclassify.ledger import events as ev
from tsclassify.ledger.moments import micros, moment
from tsclassify.ledger.packing import AT_ONCE, pack_many, unpack
from tsclassify.ledger.store import COLUMNS, GENESIS, chain, digest

__all__ = ["HELD", "Draft", "append", "basis_of", "drafts", "head", "insert", "own_id", "voids"]

_ROW: Final = f"({', '.join('?' * len(COLUMNS))})"
_INSERT: Final = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES {_ROW}"  # noqa: S608

_ROWS: Final = 256
"""Rows in one statement: a fifth less time than a statement for each row (``benchmarks/ledger.py``)."""
_VALUES: Final = _ROWS * len(COLUMNS)
_INSERT_ROWS: Final = _INSERT + f", {_ROW}" * (_ROWS - 1)


_Key = tuple[str, str, str | None, str | None]


HELD: Final = "review"
"""Tier under which a decision that a guard withholds is found; its body keeps the tier that it would have."""

_SKIP: Final = -1
"""In place of a reference: the draft is already recorded."""


class Draft(msgspec.Struct, gc=False):
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


def drafts(events: Iterable[Decision | ev.Event], known: int | None) -> list[Draft]:
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
    made: list[Draft] = []
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
        made += map(_draft, some, kinds, hashes, packed, repeat(known))
    return made


def _draft(event: Decision | ev.Event, kind: str, body_hash: bytes, packed: bytes, known: int | None) -> Draft:
    if isinstance(event, Decision):
        when = event.at
        if when is None:
            raise InputError("ledger: decision must have the time of the act, got none", hint="give the item an at")
        if when.tzinfo is None:
            moment(when, "ledger: decision at")
        at = micros(when)
        return Draft(
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
        )
    ev.check(event, kind)
    at = micros(event.at)
    later = at if event.recorded_at is None else max(at, micros(event.recorded_at))
    made = Draft(kind, at, later, "", event.actor, event.tenant, None, None, body_hash, packed)
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
    made.id = made.id or own_id(body_hash)
    return made


@functools.lru_cache(maxsize=256)
def basis_of(policy_name: str, policy_version: str, model_sha256: str, mode: str) -> str:
    """What a decision rests on: policy and model, and whether it was made in shadow."""
    return f"{policy_name}@{policy_version}/{model_sha256[:12]}" + ("/shadow" if mode == "shadow" else "")


def own_id(body_hash: bytes) -> str:
    """An id from the content: the same event recorded again, after a crash, is the same event."""
    return "~" + body_hash.hex()[:24]


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Number and hash of the last row."""
    found = connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    return (0, GENESIS) if found is None else (int(found[0]), bytes(found[1]))


def append(connection: sqlite3.Connection, made_ready: Sequence[Draft]) -> int:
    """Chain and insert drafts, inside a transaction that the caller holds; returns how many were new."""
    last, before = head(connection)
    refs = _resolve(connection, made_ready, last)
    for values in _chained(made_ready, refs, last, before):
        insert(connection, values)
    return len(refs) - refs.count(_SKIP)


def insert(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    """Insert chained rows, given as their values one row after the other, in a transaction that the caller holds."""
    done = 0
    # An SQLite of before 2020 takes 999 values in a statement.
    if connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) >= _VALUES:
        for done in range(_VALUES, len(values) + 1, _VALUES):
            connection.execute(_INSERT_ROWS, values[done - _VALUES : done])
    # The same iterator for each column takes one row after the other.
    connection.executemany(_INSERT, zip(*[iter(values[done:])] * len(COLUMNS), strict=True))


def _chained(
    made_ready: Sequence[Draft], refs: Sequence[int | None], last: int, before: bytes
) -> Iterator[list[str | bytes | int | None]]:
    """The values of new rows that follow row `last`, some rows at once."""
    seq = last
    values: list[str | bytes | int | None] = []
    for made, ref in zip(made_ready, refs, strict=True):
        if ref == _SKIP:
            continue
        seq += 1
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
        before = chain(before, header, made.body_hash)
        values += header
        values += (made.packed, before)
        if len(values) == _VALUES:
            yield values
            values = []
    yield values


@dataclass(slots=True)
class _Index:
    """What the ledger already holds under the ids of a batch."""

    same: dict[_Key, tuple[int, str | None, bytes]] = field(default_factory=dict)
    latest: dict[tuple[bool, str], tuple[int, str | None, str | None]] = field(default_factory=dict)

    def add(self, key: _Key, seq: int, actor: str | None, basis: str | None, packed: bytes) -> None:
        kind, id_, tenant, _ = key
        self.same[key] = (seq, basis, packed)
        if kind in {"notice", "decision"}:
            self.latest[(kind == "notice", id_)] = (seq, actor, tenant)


def _resolve(connection: sqlite3.Connection, made_ready: Sequence[Draft], last: int) -> list[int | None]:
    """For each draft the row that it replaces or speaks of, or None, or ``_SKIP``; new rows follow row `last`."""
    ids = [made.id for made in made_ready]
    spoken_of = {made.ref_id for made in made_ready if made.ref_id is not None}
    held = _held(connection, ids if not spoken_of else [*ids, *spoken_of])
    # Most ids are new and come once; only the others have to be compared.
    close = held | spoken_of
    if len(set(ids)) < len(ids):
        close |= {id_ for id_, times in Counter(ids).items() if times > 1}
    index = _Index()
    for start in range(0, len(held), 1000):
        for seq, kind, id_, actor, tenant, basis, packed in connection.execute(
            "SELECT seq, kind, id, actor, tenant, basis, body FROM event "
            "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq",
            (json.dumps(sorted(held)[start : start + 1000]),),
        ):
            index.add((kind, id_, tenant, basis and _policy_of(basis)), seq, actor, basis, packed)
    refs: list[int | None] = []
    here = last + 1
    for made in made_ready:
        ref = None
        if made.ref_id is not None or made.ref is not None:
            ref = _reference(connection, made, index)
        if made.id in close:
            key = made.key
            before = index.same.get(key)
            if before is not None:
                if before[1] == made.basis and _are_same(made.kind, before[2], made.packed):
                    refs.append(_SKIP)
                    continue
                if made.kind != "decision":
                    raise LedgerError("ledger: notice id must be new, got one recorded with another content")
                ref = before[0]
            index.add(key, here, made.actor, made.basis, made.packed)
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


def _held(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """Those of the ids under which the ledger holds something."""
    found = connection.execute(
        "SELECT value FROM json_each(?) AS asked WHERE EXISTS (SELECT 1 FROM event WHERE id = asked.value)",
        (json.dumps(ids),),
    )
    return {row[0] for row in found}


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
