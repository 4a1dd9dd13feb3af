"""The ledger: an append-only, hash-chained record of decisions and of what people did about them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from tsclassify.decision import Decision
from tsclassify.errors import InputError, LedgerError
from tsclassify.ledger import events as ev
from tsclassify.ledger import writer
from tsclassify.ledger.moments import micros, moment
from tsclassify.ledger.packing import unpack
from tsclassify.ledger.rows import Recorded, Stored
from tsclassify.ledger.store import connect, transaction, translated

if TYPE_CHECKING:
    from tsclassify.ledger.verify import Verification
    from tsclassify.policy import Policy
    from tsclassify.standing.standing import Standing

__all__ = ["Ledger", "Recorded", "Stored"]

BATCH: Final = 20_000
"""Events in one transaction: of a smaller batch each touches most pages of the index of accounts too."""


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
        if not isinstance(path, str | os.PathLike):
            raise LedgerError(f"ledger: file must be a path, got {type(path).__name__}")
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
        if self.read_only:
            raise LedgerError("ledger: ledger must be open for writing, got one opened with read_only=True")
        while drafts := writer.drafts(islice(rest, batch), known):
            with translated(self.path), transaction(self._connection):
                added = writer.append(self._connection, drafts)
            n_recorded, n_skipped = n_recorded + added, n_skipped + len(drafts) - added
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
            rows += writer.voids(self._connection, item, when, reason="appeal granted", by=by)
        return self.record_many(rows)

    def void(self, item: str | int, *, reason: str, at: dt.datetime | str, by: str = "", **common: Any) -> Recorded:
        """Events on an item (its id) or one row (its number) do not count from `at` on.

        Raises
        ------
        LedgerError
            When there is nothing to void.
        """
        when = moment(at, "ledger: void at")
        return self.record_many(writer.voids(self._connection, item, when, reason=reason, by=by, **common))

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
        clean: bool = True,
    ) -> Iterator[Stored]:
        """Events in row order.

        Parameters
        ----------
        actor, tenant, kinds
            Only those around an account or a tenant, and only of some kinds.
        at
            Only those known by this moment.
        clean
            False leaves out decisions at tier ``none``. With an actor this is found at once; else the whole ledger
            is read, since its index of accounts leaves clean decisions out.
        """
        where, values = ["1"], []  # type: tuple[list[str], list[object]]
        for name, value in (("actor", actor), ("tenant", tenant)):
            if value is not None:
                where.append(f"{name} = ?")
                values.append(value)
        if kinds is not None:
            where.append("kind IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(kinds)))
        if not clean:
            where.append("tier IS NOT 'none'")
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

    def standing(
        self, subject: str, policy: Policy | str | os.PathLike[str], *, at: dt.datetime | str, of: str | None = None
    ) -> Standing:
        """Strikes, due and taken steps of an account or a tenant; see `standing.standing`."""
        from tsclassify.policy import as_policy
        from tsclassify.standing.standing import standing

        return standing(self, subject, as_policy(policy), at=at, of=of)

    def verify(self, *, head: str | None = None) -> Verification:
        """Check every row against the chain, and the end of the chain against a hash kept elsewhere."""
        from tsclassify.ledger.verify import verify

        return verify(self, head=head)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write all events as JSONL; returns how many. See `transfer.export`."""
        from tsclassify.ledger.transfer import export

        return export(self, Path(path))

    def import_(self, path: str | os.PathLike[str]) -> int:
        """Take over an export, checking its chain; returns how many rows were new. See `transfer.load`."""
        from tsclassify.ledger.transfer import load

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
            return writer.head(self._connection)

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
