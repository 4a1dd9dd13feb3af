"""Ledgers as JSONL: an export carries every hash, and an import takes over only what chains."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tsclassify.decision import Decision
from tsclassify.errors import InputError, LedgerError
from tsclassify.io.outputs import check_output, new_file
from tsclassify.io.rows import bounded_lines
from tsclassify.ledger import events as ev
from tsclassify.ledger import queries
from tsclassify.ledger.moments import iso, micros, moment
from tsclassify.ledger.packing import pack, unpack
from tsclassify.ledger.store import EventStore, Row, chain, digest, translated
from tsclassify.ledger.writer import HELD, awaits_of, basis_of, own_id, text_key

__all__ = ["export", "load"]


class _Line(msgspec.Struct):
    """One exported row; ``body`` stays the bytes that were hashed."""

    seq: int
    kind: str
    at: int
    known: int
    hash: str
    body: msgspec.Raw
    id: str | None = None
    actor: str | None = None
    tenant: str | None = None
    tier: str | None = None
    basis: str | None = None
    ref: int | None = None
    time: str | None = None


@dataclass(slots=True)
class _Taken:
    """A checked line: its number, its event when that speaks of another row, and the row that it becomes."""

    number: int
    event: Decision | ev.Event | None
    row: Row


_BATCH: Final = 20_000
"""Rows in one transaction."""

_ABOUT: Final = frozenset({"void", "response"}) | ev.ITEM_KINDS
"""Kinds that speak of another row by its number or by the id of a notice or an item."""

_POLICY: Final = "(substr({0}.basis, 1, instr({0}.basis, '@')) || (substr({0}.basis, -7) = '/shadow'))"
"""Policy name of a row and whether it ran in shadow, as ``writer`` compares decisions."""

_EARLIER: Final = (
    "SELECT max(old.seq) FROM event AS old WHERE old.id = new.id AND old.seq < new.seq AND "  # noqa: S608
    "old.kind = 'decision' "
    f"AND old.tenant IS new.tenant AND {_POLICY.format('old')} = {_POLICY.format('new')}"
)
_STRAY_DECISIONS: Final = (
    "SELECT new.seq FROM event AS new WHERE new.seq >= ? AND new.kind = 'decision' AND new.ref IS NOT "  # noqa: S608
    f"coalesce(({_EARLIER} AND old.text IS new.text), ({_EARLIER})) LIMIT 1"
)
"""Decisions that do not name the latest one that they replace: a strike would count twice, or vanish."""

_DECODER: Final = msgspec.json.Decoder(_Line)
_ENCODER: Final = msgspec.json.Encoder()


def export(store: EventStore, path: Path) -> int:
    """Write every row as one line of JSON, under a temporary name until complete.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    LedgerError
        When the file cannot be written, is the ledger itself, or is no plain file.
    """
    try:
        check_output(path, others=[store.path], what="export")
    except InputError as error:
        raise LedgerError(error.message) from None
    part = path.with_name(path.name + ".part")
    n = 0
    try:
        with new_file(part) as out, translated(store.path):
            for row in store.rows():
                seq, kind, at, known, id_, actor, tenant, tier, basis, ref, body, chained = row[:12]
                line = _Line(
                    seq,
                    kind,
                    at,
                    known,
                    chained.hex(),
                    msgspec.Raw(unpack(body)),
                    id_,
                    actor,
                    tenant,
                    tier,
                    basis,
                    ref,
                    iso(at),
                )
                out.write(_ENCODER.encode(line) + b"\n")
                n += 1
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LedgerError(f"{path.name}: export must be writable, got {error.strerror or 'an error'}") from None
    return n


def load(store: EventStore, path: Path) -> int:
    """Take over an export into an empty ledger, or into one that holds the beginning of the same chain.

    Returns
    -------
    int
        Rows added.

    Raises
    ------
    LedgerError
        When a line does not chain, or the ledger holds other events; complete batches before it stay.
    """
    n_here, before = store.head()
    added = 0
    batch: list[_Taken] = []
    try:
        if n_here:
            _same_beginning(path, n_here, before)
        with path.open("rb") as lines:
            for number, raw in bounded_lines(lines, path.name):
                if number <= n_here:
                    continue
                taken = _row(raw, number, n_here + added + len(batch) + 1, before, path.name)
                before = taken.row[11]
                batch.append(taken)
                if len(batch) == _BATCH:
                    added += _insert(store, batch, path.name)
                    batch = []
        added += _insert(store, batch, path.name)
    except InputError as error:
        raise LedgerError(error.message) from None
    except OSError as error:
        raise LedgerError(f"{path.name}: export must be readable, got {error.strerror or 'an error'}") from None
    return added


def _same_beginning(path: Path, n_here: int, head: bytes) -> None:
    with path.open("rb") as lines:
        for number, raw in bounded_lines(lines, path.name):
            if number == n_here:
                if _parse(raw, number, path.name).hash != head.hex():
                    break
                return
    raise LedgerError(f"{path.name}: export must continue the ledger, got another chain", hint="import into a new file")


def _parse(raw: bytes, number: int, name: str) -> _Line:
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise LedgerError(f"{name}:{number}: line must be an exported row, got something else") from None


def _row(raw: bytes, number: int, seq: int, before: bytes, name: str) -> _Taken:
    line = _parse(raw, number, name)
    header = (
        line.seq, line.kind, line.at, line.known, line.id, line.actor, line.tenant, line.tier, line.basis, line.ref,
    )  # fmt: skip
    numbers = (line.seq, line.at, line.known, line.ref or 0)
    if not all(-(1 << 63) <= whole < 1 << 63 for whole in numbers):
        raise LedgerError(f"{name}:{number}: numbers must have 64 bits, got a larger one")
    body = bytes(line.body)
    chained = chain(before, header, digest(body))
    if line.seq != seq or chained.hex() != line.hash or line.kind not in ev.KINDS:
        raise LedgerError(f"{name}:{number}: row must chain to the one before it, got an altered or missing row")
    event = _fits(line, body, f"{name}:{number}")
    repeated = (awaits_of(event), text_key(event.text_sha256)) if isinstance(event, Decision) else (None, None)
    return _Taken(number, event if line.kind in _ABOUT else None, (*header, pack(body), chained, *repeated))


def _fits(line: _Line, body: bytes, place: str) -> Decision | ev.Event:
    """Refuse a row whose body is no event or says otherwise than its columns: its hash is true, and it would stay."""
    try:
        event = ev.decode(line.kind, body)
        if not isinstance(event, Decision):
            ev.check(event, line.kind)
        at = moment(event.at or "", place)
    except (msgspec.DecodeError, UnicodeError, RecursionError, InputError):
        raise LedgerError(f"{place}: body must be an event of its kind, got something else") from None
    named: str | None = None
    tiers: set[str | None] = {None}
    basis: str | None = None
    owners = [(event.actor, line.actor), (event.tenant, line.tenant)]
    if isinstance(event, Decision):
        # Before held acts counted as reviews they stood under the tier that they would have.
        named, tiers = event.id, {event.tier, HELD} if event.mode == "review_only" else {event.tier}
        basis = basis_of(event.policy_name, event.policy_version, event.model_sha256, event.mode)
    else:
        if isinstance(event, ev.Notice):
            named = event.id or None
        if isinstance(event, ev.TenantRenamed):
            named = event.was
        if line.ref is not None:
            # An event about another one takes over its account and tenant where it names none itself.
            owners = [(own, column) for own, column in owners if own]
    same = (
        line.at == micros(at)
        and line.id == (own_id(digest(body)) if named is None else named)
        and line.tier in tiers
        and line.basis == basis
        and all(own == column for own, column in owners)
    )
    if not (same and line.known >= line.at):
        raise LedgerError(f"{place}: columns must be those of the event, got others")
    return event


def _insert(store: EventStore, batch: list[_Taken], name: str) -> int:
    with store.transaction():
        store.insert([value for taken in batch for value in taken.row])
        strays = [taken.number for taken in batch if not _speaks_of_its_row(store, taken)]
        if batch:
            first = batch[0].row[0]
            strays += [batch[seq - first].number for (seq,) in store.select(_STRAY_DECISIONS, (first,))]
        if strays:
            raise LedgerError(f"{name}:{min(strays)}: ref must be the row that the event speaks of, got another")
    return len(batch)


def _speaks_of_its_row(store: EventStore, taken: _Taken) -> bool:
    """Whether an event that is no decision names the row that recording it would have found, and whose that is."""
    seq, kind, ref, event = taken.row[0], taken.row[1], taken.row[9], taken.event
    item = getattr(event, "item", None)
    if isinstance(event, ev.Void):
        where, values = "seq = ? AND kind <> 'void'", [event.seq]  # type: tuple[str, list[int | str]]
    elif isinstance(event, ev.Response):
        where, values = "id = ? AND kind = 'notice'", [event.notice]
    elif event is not None and item is not None:
        where, values = "id = ? AND kind = 'decision'", [item]
        if event.tenant is not None:
            names = queries.names_of(store, event.tenant)
            where += f" AND tenant IN ({', '.join('?' * len(names))})"
            values += names
    else:
        return kind == "decision" or ref is None
    found = store.one(
        f"SELECT seq, actor, tenant FROM event WHERE {where} AND seq < ? ORDER BY seq DESC LIMIT 1",  # noqa: S608
        (*values, seq),
    )
    if found is None:
        return ref is None and item is not None
    owners = (event.actor or found[1], event.tenant or found[2])
    return (ref, *taken.row[5:7]) == (found[0], *owners)
