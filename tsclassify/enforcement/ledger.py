"""The ledger: an append-only, hash-chained record of decisions and of what people did about them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from tsclassify.decision import Decision
from tsclassify.enforcement import events as ev
from tsclassify.enforcement.moments import micros, moment
from tsclassify.enforcement.packing import pack, unpack
from tsclassify.enforcement.store import COLUMNS, GENESIS, Row, chain, connect, transaction, translated
from tsclassify.errors import InputError, LedgerError

if TYPE_CHECKING:
    from tsclassify.enforcement.standing import Standing
    from tsclassify.enforcement.verify import Verification
    from tsclassify.policy import Policy

__all__ = ["Ledger", "Recorded", "Stored"]

BATCH: Final = 5_000
"""Events in one transaction: benchmarks/ledger.py gains nothing from larger ones."""

INSERT: Final = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608


_LOOKUP: Final = "seq, kind, id, actor, tenant, basis, body"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a call recorded.

    Attributes
    ----------
    n_recorded, n_skipped
        Rows added, and events left out because the same event is already there.
    last_seq
        Last row of the ledger after the call, 0 when it is empty.
    """

    n_recorded: int
    n_skipped: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Stored:
    """An event with its row.

    Attributes
    ----------
    seq, kind, event
        Row number from 1, kind, and the event itself.
    at, known
        Time of the act, and the later of that and of when it was recorded, in microseconds of UTC.
    tier
        Tier of a decision, or None.
    basis
        Policy and model of a decision, or None.
    ref
        Row that this one voids, replaces or speaks of, or None.
    """

    seq: int
    kind: str
    event: ev.Event | Decision
    at: int
    known: int
    tier: str | None
    basis: str | None
    ref: int | None


@dataclass(slots=True)
class _Draft:
    """An event made ready outside the lock: everything but its row, its reference and its hash."""

    kind: str
    at: int
    known: int
    id: str | None
    actor: str | None
    tenant: str | None
    tier: str | None
    basis: str | None
    body: bytes
    packed: bytes
    ref_id: str | None = None
    ref: int | None = None


class Ledger:
    """Append-only record in one SQLite file; open it with `Ledger.open`.

    Nothing in it is ever changed: a mistake is voided by a further event, and every state is a replay. Several
    processes may record at once. The clock is never read: all times are passed in.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Ledger.open(pathlib.Path(folder.name) / "ledger.db") as ledger:
    ...     _ = ledger.attestation("report", True, tenant="acme", at="2021-01-08T10:00:00Z")
    ...     len(ledger), ledger.verify().is_sound
    (1, True)
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, keep_text: bool, read_only: bool) -> None:
        self.path = path
        self.keep_text = keep_text
        self.read_only = read_only
        self._connection = connection

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False, keep_text: bool = False
    ) -> Ledger:
        """Open a ledger, making the file when there is none.

        Parameters
        ----------
        path
            The file.
        create
            False refuses a missing file.
        read_only
            Open for reading only.
        keep_text
            Also keep the texts handed to `record`, outside the chain, so that they can be erased.

        Raises
        ------
        LedgerError
            When the file is no ledger, is from a newer version, or cannot be opened.
        """
        place = Path(path)
        return cls(place, connect(place, create=create, read_only=read_only), keep_text=keep_text, read_only=read_only)

    def close(self) -> None:
        """Close the file; a closed ledger refuses everything."""
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._head()[0]

    def __repr__(self) -> str:
        return f"Ledger({self.path.name!r}, n_events={len(self)})"

    # ---- recording

    def record(
        self, decision: Decision, *, recorded_at: dt.datetime | str | None = None, text: str | None = None
    ) -> Recorded:
        """Record one decision; see `record_many`.

        Parameters
        ----------
        decision
            Needs ``at``, the time of the act.
        recorded_at
            When the decision was made, or None for at once.
        text
            The item's text, kept only by a ledger opened with ``keep_text``.
        """
        done = self.record_many([decision], recorded_at=recorded_at)
        if text is not None:
            self._keep(decision, text)
        return done

    def record_many(
        self,
        events: Iterable[Decision | ev.Event],
        *,
        recorded_at: dt.datetime | str | None = None,
        batch: int = BATCH,
    ) -> Recorded:
        """Record decisions and events in order, `batch` of them in one transaction.

        A decision on an item that the same policy decided before replaces the earlier one; the same decision
        recorded again is skipped, so that a batch can be repeated after a crash.

        Parameters
        ----------
        events
            Consumed as it is read; memory is bounded by `batch`.
        recorded_at
            When the decisions were made, or None for at once.
        batch
            Events in one transaction; a committed one outlives any kill.

        Raises
        ------
        InputError
            When an event has no time, or something is no event.
        LedgerError
            When the ledger cannot take it; batches before it stay recorded.
        """
        if isinstance(events, (str, bytes, Decision)):
            raise InputError(f"ledger: events must be an iterable of decisions, got {type(events).__name__}")
        known = None if recorded_at is None else micros(moment(recorded_at, "ledger: recorded_at"))
        rest = iter(events)
        n_recorded = n_skipped = 0
        while drafts := [_draft(event, known) for event in islice(rest, batch)]:
            added, skipped = self._append(drafts)
            n_recorded, n_skipped = n_recorded + added, n_skipped + skipped
        return Recorded(n_recorded, n_skipped, self._head()[0])

    def append(self, event: ev.Event) -> Recorded:
        """Record one event of any kind but a decision."""
        return self.record_many([event])

    def notice(
        self,
        id: str,
        *,
        at: dt.datetime | str,
        tenant: str | None = None,
        actor: str | None = None,
        step: str = "notice",
        items: Sequence[str] = (),
        deadline_at: dt.datetime | str | None = None,
        **common: Any,
    ) -> Recorded:
        """A step of the ladder is taken and told to a tenant or an account; see `events.Notice`."""
        limit = None if deadline_at is None else moment(deadline_at, "ledger: notice deadline_at")
        return self.append(
            ev.Notice(
                id=id,
                at=moment(at, "ledger: notice at"),
                tenant=tenant,
                actor=actor,
                step=step,
                items=tuple(items),
                deadline_at=limit,
                **common,
            )
        )

    def response(self, notice: str, *, at: dt.datetime | str, says: str = "acknowledged", **common: Any) -> Recorded:
        """A tenant answers a notice."""
        return self.append(ev.Response(notice=notice, at=moment(at, "ledger: response at"), says=says, **common))

    def removal(self, item: str, *, at: dt.datetime | str, by: str = "tenant", **common: Any) -> Recorded:
        """An item was taken down."""
        return self.append(ev.Removal(item=item, at=moment(at, "ledger: removal at"), by=by, **common))

    def appeal(
        self, item: str, *, at: dt.datetime | str, outcome: str = "open", by: str = "", **common: Any
    ) -> Recorded:
        """An appeal; a granted one also voids the decisions on the item, in the same transaction."""
        when = moment(at, "ledger: appeal at")
        granted = ev.Appeal(item=item, at=when, outcome=outcome, by=by, **common)
        rows: list[ev.Event] = [granted]
        if outcome == "granted":
            rows += self._voids(item, when, reason="appeal granted", by=by)
        return self.record_many(rows)

    def void(self, item: str | int, *, reason: str, at: dt.datetime | str, by: str = "", **common: Any) -> Recorded:
        """Events on an item (its id) or one row (its number) do not count from `at` on.

        Raises
        ------
        LedgerError
            When there is nothing to void.
        """
        return self.record_many(self._voids(item, moment(at, "ledger: void at"), reason=reason, by=by, **common))

    def attestation(
        self,
        control: str,
        holds: bool | None = None,
        *,
        at: dt.datetime | str,
        value: float | None = None,
        **common: Any,
    ) -> Recorded:
        """A control is in place or not, or a queue has a length."""
        when = moment(at, "ledger: attestation at")
        return self.append(ev.Attestation(control=control, holds=holds, value=value, at=when, **common))

    def human_action(self, action: str, step: str, *, at: dt.datetime | str, by: str, **common: Any) -> Recorded:
        """A person approves, declines, takes or lifts a step."""
        when = moment(at, "ledger: human_action at")
        return self.append(ev.HumanAction(action=action, step=step, at=when, by=by, **common))

    # ---- reading

    def events(
        self,
        *,
        actor: str | None = None,
        tenant: str | None = None,
        kinds: Sequence[str] | None = None,
        at: dt.datetime | str | None = None,
    ) -> Iterator[Stored]:
        """Events in row order, as known at `at`."""
        where, values = ["1"], []  # type: tuple[list[str], list[object]]
        for name, value in (("actor", actor), ("tenant", tenant)):
            if value is not None:
                where.append(f"{name} = ?")
                values.append(value)
        if kinds is not None:
            where.append("kind IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(kinds)))
        if at is not None:
            where.append("known <= ?")
            values.append(micros(moment(at, "ledger: at")))
        query = (
            "SELECT seq, kind, at, known, tier, basis, ref, body FROM event "  # noqa: S608
            f"WHERE {' AND '.join(where)} ORDER BY seq"
        )
        with translated(self.path):
            for seq, kind, when, known, tier, basis, ref, body in self._connection.execute(query, values):
                yield Stored(seq, kind, self._event(seq, kind, body), when, known, tier, basis, ref)

    def decision(self, item: str) -> Decision:
        """The latest decision on an item, voided or not.

        Raises
        ------
        LedgerError
            When no decision on it is recorded.
        """
        with translated(self.path):
            found = self._connection.execute(
                "SELECT seq, body FROM event WHERE id = ? AND kind = 'decision' ORDER BY seq DESC LIMIT 1", (item,)
            ).fetchone()
        if found is None:
            raise LedgerError("ledger: item must have a recorded decision, got an id with none")
        decision = self._event(found[0], "decision", found[1])
        if not isinstance(decision, Decision):  # pragma: no cover - the kind decides the type
            raise LedgerError("ledger: decision must be stored as one")
        return decision

    def standing(self, subject: str, policy: Policy, *, at: dt.datetime | str, of: str | None = None) -> Standing:
        """Strikes, due and taken steps of an account or a tenant; see `standing.standing`."""
        from tsclassify.enforcement.standing import standing

        return standing(self, subject, policy, at=at, of=of)

    def verify(self, *, head: str | None = None) -> Verification:
        """Check every row against the chain, and the end of the chain against a hash kept elsewhere."""
        from tsclassify.enforcement.verify import verify

        return verify(self, head=head)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write all events as JSONL; returns how many. See `transfer.export`."""
        from tsclassify.enforcement.transfer import export

        return export(self, Path(path))

    def import_(self, path: str | os.PathLike[str]) -> int:
        """Take over an export, checking its chain; returns how many rows were new. See `transfer.load`."""
        from tsclassify.enforcement.transfer import load

        return load(self, Path(path))

    @property
    def head(self) -> str:
        """Hash of the last row, in hex: keep it elsewhere, and a shortened ledger is found out."""
        return self._head()[1].hex()

    def text(self, sha256: str) -> str | None:
        """A kept text by its hash, or None."""
        with translated(self.path):
            found = self._connection.execute("SELECT text FROM post WHERE sha256 = ?", (sha256,)).fetchone()
        return None if found is None else str(found[0])

    def forget(self, sha256: str) -> bool:
        """Erase a kept text; the chain holds only its hash and stays sound."""
        with translated(self.path), transaction(self._connection):
            return self._connection.execute("DELETE FROM post WHERE sha256 = ?", (sha256,)).rowcount > 0

    # ---- inside

    def _event(self, seq: int, kind: str, packed: bytes) -> ev.Event | Decision:
        """The event of a row; a row that cannot be read is named, not guessed at."""
        try:
            return ev.decode(kind, unpack(packed))
        except (ValueError, KeyError, TypeError):
            raise LedgerError(
                f"{self.path.name}: row {seq} must hold an event, got damaged bytes",
                hint="run: tsclassify ledger verify",
            ) from None

    def _head(self) -> tuple[int, bytes]:
        with translated(self.path):
            found = self._connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
        return (0, GENESIS) if found is None else (int(found[0]), bytes(found[1]))

    def _keep(self, decision: Decision, text: str) -> None:
        if not self.keep_text:
            raise LedgerError(
                "ledger: text must be handed only to a ledger that keeps texts, got one that does not",
                hint="open it with keep_text=True",
            )
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if decision.text_sha256 and digest != decision.text_sha256:
            raise LedgerError("ledger: text must be the one decided on, got another hash")
        with translated(self.path), transaction(self._connection):
            self._connection.execute("INSERT OR IGNORE INTO post VALUES (?, ?)", (digest, text))

    def _voids(self, item: str | int, at: dt.datetime, *, reason: str, by: str, **common: Any) -> list[ev.Event]:
        """One void for each live event on an item, or for one row."""
        with translated(self.path):
            if isinstance(item, int):
                where, value = "seq = ?", item  # type: tuple[str, str | int]
            else:
                where, value = "id = ? AND kind = 'decision'", item
            rows = self._connection.execute(
                f"SELECT seq, actor, tenant, kind FROM event WHERE {where} "  # noqa: S608
                "AND NOT EXISTS (SELECT 1 FROM event AS later WHERE later.ref = event.seq "
                "AND later.kind IN ('void', 'decision'))",
                (value,),
            ).fetchall()
        if not rows or any(kind == "void" for *_, kind in rows):
            raise LedgerError("ledger: event to void must be recorded and stand, got none that does")
        return [
            ev.Void(seq=seq, reason=reason, at=at, actor=actor, tenant=tenant, by=by, **common)
            for seq, actor, tenant, _ in rows
        ]

    def _append(self, drafts: list[_Draft]) -> tuple[int, int]:
        """Chain and insert drafts in one transaction; returns how many were added and skipped."""
        if self.read_only:
            raise LedgerError("ledger: ledger must be open for writing, got one opened with read_only=True")
        with translated(self.path), transaction(self._connection):
            seq, before = self._head()
            fresh = self._resolve(drafts)
            rows: list[Row] = []
            for draft, ref in fresh:
                seq += 1
                ref = ref if ref is None or ref > 0 else rows[-ref - 1][0]
                header = (
                    seq, draft.kind, draft.at, draft.known, draft.id, draft.actor, draft.tenant, draft.tier,
                    draft.basis, ref,
                )  # fmt: skip
                before = chain(before, header, draft.body)
                rows.append((*header, draft.packed, before))
            self._connection.executemany(INSERT, rows)
        return len(fresh), len(drafts) - len(fresh)

    def _resolve(self, drafts: list[_Draft]) -> list[tuple[_Draft, int | None]]:
        """Drafts that are new, each with the row it replaces or speaks of.

        A reference inside the batch is negative: ``-1`` is the first row of the batch.
        """
        index = _Index()
        ids = list({key for draft in drafts for key in (draft.id, draft.ref_id) if key is not None})
        for start in range(0, len(ids), 1000):
            for row in self._connection.execute(
                f"SELECT {_LOOKUP} FROM event WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq",  # noqa: S608
                (json.dumps(ids[start : start + 1000]),),
            ):
                index.add(*row)
        fresh: list[tuple[_Draft, int | None]] = []
        for draft in drafts:
            ref = self._reference(draft, index)
            if draft.id is not None:
                before = index.same.get((draft.kind, draft.id, _owner(draft.tenant, draft.basis)))
                if before is not None and before[1] == draft.packed:
                    continue
                if before is not None and draft.kind == "notice":
                    raise LedgerError("ledger: notice id must be new, got one recorded with another content")
                ref = before[0] if before is not None else ref
                here = -len(fresh) - 1
                index.add(here, draft.kind, draft.id, draft.actor, draft.tenant, draft.basis, draft.packed)
            fresh.append((draft, ref))
        return fresh

    def _reference(self, draft: _Draft, index: _Index) -> int | None:
        """The row that a draft speaks of; whose it is passes on to the draft, so that a subject's rows are together."""
        found: tuple[int, str | None, str | None] | None = None
        if draft.ref_id is not None:
            found = index.latest.get((draft.kind == "response", draft.ref_id))
            if found is None and draft.kind == "response":
                raise LedgerError("ledger: response must speak of a recorded notice, got an unknown id")
        elif draft.ref is not None:
            row = self._connection.execute(
                "SELECT seq, actor, tenant, kind FROM event WHERE seq = ?", (draft.ref,)
            ).fetchone()
            if row is None or row[3] == "void":
                raise LedgerError(f"ledger: void must name a recorded event that is no void, got row {draft.ref}")
            found = row[:3]
        if found is None:
            return None
        ref, actor, tenant = found
        draft.actor, draft.tenant = draft.actor or actor, draft.tenant or tenant
        return ref


@dataclass(slots=True)
class _Index:
    """What the ledger already holds under the ids of a batch."""

    same: dict[tuple[str, str, str | None], tuple[int, bytes]] = field(default_factory=dict)
    latest: dict[tuple[bool, str], tuple[int, str | None, str | None]] = field(default_factory=dict)

    def add(
        self,
        seq: int,
        kind: str,
        id_: str,
        actor: str | None,
        tenant: str | None,
        basis: str | None,
        packed: bytes,
    ) -> None:
        self.same[(kind, id_, _owner(tenant, basis))] = (seq, packed)
        self.latest[(kind == "notice", id_)] = (seq, actor, tenant)


def _owner(tenant: str | None, basis: str | None) -> str | None:
    """Whose decision it is: a decision replaces an earlier one of the same tenant and policy name only."""
    return None if basis is None else f"{tenant or ''}/{basis.partition('@')[0]}"


def _draft(event: Decision | ev.Event, known: int | None) -> _Draft:
    """Make an event ready to be chained.

    Parameters
    ----------
    event
        A decision or another event.
    known
        When decisions were made, in microseconds, or None for at once.
    """
    kind = ev.kind_of(event)
    if isinstance(event, Decision):
        if event.at is None:
            raise InputError("ledger: decision must have the time of the act, got none", hint="give the item an at")
        if event.at.tzinfo is None:
            moment(event.at, "ledger: decision at")
        at = micros(event.at)
        basis = f"{event.policy_name}@{event.policy_version}/{event.model_sha256[:12]}"
        if event.mode == "shadow":
            basis += "/shadow"
        body = ev.encode(event)
        return _Draft(
            kind, at, at if known is None else max(at, known), event.id, event.actor, event.tenant, event.tier,
            basis, body, pack(body),
        )  # fmt: skip
    ev.check(event, kind)
    at = micros(event.at)
    when = at if event.recorded_at is None else max(at, micros(event.recorded_at))
    body = ev.encode(event)
    draft = _Draft(kind, at, when, None, event.actor, event.tenant, None, None, body, pack(body))
    match event:
        case ev.Notice():
            draft.id = event.id
        case ev.Response():
            draft.ref_id = event.notice
        case ev.Removal() | ev.Appeal():
            draft.ref_id = event.item
        case ev.Void():
            draft.ref = event.seq
        case _:
            pass
    return draft
