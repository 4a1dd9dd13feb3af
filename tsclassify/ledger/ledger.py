"""The record itself: what is written to a ledger, and how it is read row by row.

What is computed from the rows (standings, the queue) stands above, in ``standing.ledger.Ledger``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tsclassify.decision import Decision
from tsclassify.errors import InputError, LedgerError
from tsclassify.ledger import events as ev
from tsclassify.ledger import queries, transfer, writer
from tsclassify.ledger.moments import micros, moment
from tsclassify.ledger.packing import unpack
from tsclassify.ledger.rows import Recorded, Stored
from tsclassify.ledger.store import EventStore
from tsclassify.ledger.verify import Verification, verify

__all__ = ["EventLog", "Recorded", "Stored"]

BATCH: Final = 20_000
"""Events in one transaction: of a smaller batch each touches most pages of the index of accounts too."""


class EventLog:
    """Append-only record in one SQLite file; open it with ``Ledger.open``.

    Nothing in it is ever changed: a mistake is voided by a further event, and every state is a replay. Several
    processes may record at once. The clock is never read: all times are passed in.

    Attributes
    ----------
    path
        The file.
    store
        Its rows, for the named queries of ``queries``.
    keep_text, read_only
        As it was opened.
    """

    def __init__(self, store: EventStore, *, keep_text: bool, read_only: bool) -> None:
        self.path = store.path
        self.store = store
        self.keep_text = keep_text
        self.read_only = read_only

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False, keep_text: bool = False
    ) -> Self:
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
        store = EventStore(Path(path), create=create, read_only=read_only)
        return cls(store, keep_text=keep_text, read_only=read_only)

    def close(self) -> None:
        """Close the file; a closed ledger refuses everything."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.store.head()[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path.name!r}, n_events={len(self)})"

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
        self._check_writable()
        while pending := writer.pending_rows(islice(rest, batch), known):
            with self.store.transaction():
                added = writer.append(self.store, pending)
            n_recorded, n_skipped = n_recorded + added, n_skipped + len(pending) - added
        return Recorded(n_recorded, n_skipped, self.store.head()[0])

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

    def restored(self, item: str, *, at: dt.datetime | str, by: str = "tenant", **common: Any) -> Recorded:
        """An item that was taken down is up again."""
        return self.append(ev.Restored(item=item, at=moment(at, "ledger: restored at"), by=by, **common))

    def edited(self, item: str, *, at: dt.datetime | str, by: str = "author", **common: Any) -> Recorded:
        """The text of an item was changed; see `events.Edited`."""
        return self.append(ev.Edited(item=item, at=moment(at, "ledger: edited at"), by=by, **common))

    def reported(self, item: str, *, at: dt.datetime | str, source: str = "user", **common: Any) -> Recorded:
        """Somebody reported an item; see `events.Reported`."""
        return self.append(ev.Reported(item=item, at=moment(at, "ledger: reported at"), source=source, **common))

    def tenant_renamed(self, tenant: str, *, was: str, at: dt.datetime | str, **common: Any) -> Recorded:
        """A tenant goes by a new name; what is recorded under the earlier one stays its own."""
        when = moment(at, "ledger: tenant_renamed at")
        return self.append(ev.TenantRenamed(tenant=tenant, was=was, at=when, **common))

    def reviewed(
        self,
        item: str,
        outcome: str,
        *,
        by: str,
        reason: str,
        at: dt.datetime | str,
        tenant: str | None = None,
        tier: str | None = None,
        **common: Any,
    ) -> Recorded:
        """A person ruled on an item; see `events.Reviewed`.

        Parameters
        ----------
        item, tenant
            The item; an id that several tenants have needs the tenant.
        outcome
            ``upheld``, ``cleared`` or ``changed``.
        by, reason
            Who ruled, and the code of the reason.
        tier
            The tier given by the person: needed to change one, and to uphold a decision that left the tier open.

        Raises
        ------
        LedgerError
            When no decision on the item is recorded, or the tier is left open.
        """
        when = moment(at, "ledger: reviewed at")
        self._check_writable()
        with self.store.transaction():
            decision = self.decision(item, tenant=tenant)
            if outcome == "upheld" and tier is None and decision.tier in {"none", "review"}:
                raise LedgerError(
                    f"ledger: reviewed must name the tier that is upheld, got a decision at {decision.tier}",
                    hint="tier=...",
                )
            common.setdefault("text_sha256", decision.text_sha256)
            ruling = ev.Reviewed(
                item=item, outcome=outcome, by=by, reason=reason, tier=tier, at=when, tenant=decision.tenant, **common
            )
            return self._append_locked([ruling])

    def appeal(
        self,
        item: str,
        *,
        at: dt.datetime | str,
        outcome: str = "open",
        by: str = "",
        tenant: str | None = None,
        **common: Any,
    ) -> Recorded:
        """An appeal; a granted one also voids the decisions on the item, in the same transaction."""
        when = moment(at, "ledger: appeal at")
        self._check_writable()
        with self.store.transaction():
            rows: list[ev.Event] = [ev.Appeal(item=item, at=when, outcome=outcome, by=by, tenant=tenant, **common)]
            if outcome == "granted":
                rows += writer.voids(self.store, item, when, reason="appeal granted", by=by, tenant=tenant)
            return self._append_locked(rows)

    def void(
        self,
        item: str | int,
        *,
        reason: str,
        at: dt.datetime | str,
        by: str = "",
        tenant: str | None = None,
        **common: Any,
    ) -> Recorded:
        """Decisions on an item (its id) or one row (its number) do not count from `at` on.

        Parameters
        ----------
        item
            Id of the item, or number of a row.
        tenant
            Whose item it is; an id that several tenants have needs it.

        Raises
        ------
        LedgerError
            When there is nothing to void, or the id is ambiguous.
        """
        when = moment(at, "ledger: void at")
        self._check_writable()
        with self.store.transaction():
            return self._append_locked(
                writer.voids(self.store, item, when, reason=reason, by=by, tenant=tenant, **common)
            )

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
        known = None if at is None else micros(moment(at, "ledger: at"))
        names = None if tenant is None else queries.names_of(self.store, tenant, known)
        for seq, kind, when, row_known, tier, basis, ref, awaits, body in queries.events_where(
            self.store, actor=actor, tenants=names, kinds=kinds, known=known, clean=clean
        ):
            yield Stored(seq, kind, self.event(seq, kind, body), when, row_known, tier, basis, ref, awaits)

    def decision(self, item: str, *, tenant: str | None = None) -> Decision:
        """The latest decision on an item, voided or not.

        Parameters
        ----------
        item, tenant
            The item; an id that several tenants have needs the tenant.

        Raises
        ------
        LedgerError
            When no decision on it is recorded, or the id is ambiguous.
        """
        names = None if tenant is None else queries.names_of(self.store, tenant)
        rows = [row for row in queries.item_decisions(self.store, item) if names is None or row[4] in names]
        if not rows:
            raise LedgerError("ledger: item must have a recorded decision, got an id with none")
        n_tenants = len({row[4] for row in rows})
        if names is None and n_tenants > 1:
            raise writer.ambiguous("ledger: call", n_tenants)
        decision = self.event(rows[-1][0], "decision", rows[-1][6])
        if not isinstance(decision, Decision):  # pragma: no cover - the kind decides the type
            raise LedgerError("ledger: decision must be stored as one")
        return decision

    def verify(self, *, head: str | None = None) -> Verification:
        """Check every row against the chain, and the end of the chain against a hash kept elsewhere."""
        return verify(self.store, head=head)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write all events as JSONL; returns how many. See `transfer.export`."""
        return transfer.export(self.store, Path(path))

    def import_(self, path: str | os.PathLike[str]) -> int:
        """Take over an export, checking its chain; returns how many rows were new. See `transfer.load`."""
        return transfer.load(self.store, Path(path))

    def backup(self, path: str | os.PathLike[str]) -> Verification:
        """Copy the ledger to a new file while others may write to it, and check the copy.

        Raises
        ------
        LedgerError
            When the file exists or cannot be written.
        """
        target = Path(path)
        if target.exists():
            raise LedgerError(f"{target.name}: backup must be a new file, got one that exists")
        self.store.backup(target)
        with EventLog.open(target, read_only=True) as copy:
            return copy.verify()

    @property
    def head(self) -> str:
        """Hash of the last row, in hex: keep it elsewhere, and a shortened ledger is found out."""
        return self.store.head()[1].hex()

    def text(self, sha256: str) -> str | None:
        """A kept text by its hash, or None."""
        row = self.store.one("SELECT text FROM post WHERE sha256 = ?", (sha256,))
        return None if row is None else str(row[0])

    def forget(self, sha256: str) -> bool:
        """Erase a kept text; the chain holds only its hash and stays sound."""
        with self.store.transaction():
            return bool(self.store.select("DELETE FROM post WHERE sha256 = ? RETURNING 1", (sha256,)))

    def event(self, seq: int, kind: str, packed: bytes) -> ev.Event | Decision:
        """The event of a row; a row that cannot be read is named, not guessed at."""
        try:
            return ev.decode(kind, unpack(packed))
        except (ValueError, KeyError, TypeError):
            raise LedgerError(
                f"{self.path.name}: row {seq} must hold an event, got damaged bytes",
                hint="run: tsclassify ledger verify",
            ) from None

    def categories(self, seq: int) -> frozenset[str]:
        """Categories at which the decision of a row acts, or those that the person saw whose ruling the row is."""
        row = queries.body_of(self.store, seq)
        if row is None:
            return frozenset()
        event = self.event(seq, row[0], row[1])
        if isinstance(event, ev.Reviewed):
            if event.categories is not None:
                return frozenset(event.categories)
            return frozenset() if row[2] is None else self.categories(row[2])
        findings = event.findings if isinstance(event, Decision) else ()
        return frozenset(finding.category for finding in findings if finding.level == "act")

    # ---- inside

    def _check_writable(self) -> None:
        if self.read_only:
            raise LedgerError("ledger: ledger must be open for writing, got one opened with read_only=True")

    def _append_locked(self, events: Sequence[ev.Event]) -> Recorded:
        """Record a few events inside the transaction in which what they rest on was read."""
        pending = writer.pending_rows(events, None)
        added = writer.append(self.store, pending)
        return Recorded(added, len(pending) - added, self.store.head()[0])

    def _keep(self, decision: Decision, text: str) -> None:
        if not self.keep_text:
            raise LedgerError(
                "ledger: text must be handed only to a ledger that keeps texts, got one that does not",
                hint="open it with keep_text=True",
            )
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if decision.text_sha256 and digest != decision.text_sha256:
            raise LedgerError("ledger: text must be the one decided on, got another hash")
        with self.store.transaction():
            self.store.select("INSERT OR IGNORE INTO post VALUES (?, ?)", (digest, text))
