"""Checking a ledger: every row against the hash chain, every index against the rows."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from tsclassify.decision import Decision
from tsclassify.ledger import events as ev
from tsclassify.ledger.packing import unpack
from tsclassify.ledger.store import GENESIS, EventStore, chain, digest
from tsclassify.ledger.writer import awaits_of, text_key

__all__ = ["Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of the chain found.

    Attributes
    ----------
    n_events
        Rows that hold.
    head
        Hash of the last row that holds, in hex.
    row
        First row that does not hold, or None.
    reason
        What is wrong with it, or empty.
    """

    n_events: int
    head: str
    row: int | None = None
    reason: str = ""

    @property
    def is_sound(self) -> bool:
        """True when every row holds."""
        return not self.reason

    def __bool__(self) -> bool:
        return self.is_sound

    def __str__(self) -> str:
        if self.is_sound:
            return f"{self.n_events} events, chain sound, head {self.head}"
        where = "ledger" if self.row is None else f"row {self.row}"
        return f"{where}: {self.reason} ({self.n_events} events before it hold)"


def verify(store: EventStore, *, head: str | None = None) -> Verification:
    """Recompute the chain from the first row.

    Parameters
    ----------
    store
        The rows of an open ledger.
    head
        The hash of a row noted earlier, in hex; it must be part of the chain, or rows were cut off.

    Returns
    -------
    Verification
        With the first row that does not hold.
    """
    store.check_open()
    before, expected, seen_head = GENESIS, 1, head is None
    try:
        for row in store.rows():
            fault = _fault(row, expected, before)
            if fault:
                return Verification(expected - 1, before.hex(), expected, fault)
            before, expected = row[11], expected + 1
            seen_head = seen_head or before.hex() == head
        if not seen_head:
            return Verification(expected - 1, before.hex(), None, "a row noted earlier is missing, rows were cut off")
        sound = store.is_sound()
    except (sqlite3.DatabaseError, OverflowError, UnicodeError):
        return Verification(expected - 1, before.hex(), expected, "the file is damaged here")
    if not sound:
        return Verification(expected - 1, before.hex(), None, "an index of the file does not match its rows")
    return Verification(expected - 1, before.hex())


def _fault(row: tuple[object, ...], expected: int, before: bytes) -> str:
    """What is wrong with a row, or an empty string."""
    header, body, recorded = row[:10], row[10], row[11]
    if row[0] != expected:
        return f"row {expected} must follow, got row {row[0]}"
    if not isinstance(body, bytes) or not isinstance(recorded, bytes):
        return "the body or the hash was altered"
    try:
        holds = chain(before, header, digest(unpack(body))) == recorded
    except (TypeError, ValueError, msgspec.EncodeError):
        holds = False
    if not holds:
        return "the row was altered, or one before it was replaced"
    if row[1] not in ev.KINDS:
        return "the kind is not known"
    if row[1] == "decision" and _derived(unpack(body)) != row[12:]:
        return "the columns behind the hash are not those of the body"
    return ""


def _derived(body: bytes) -> tuple[str | None, bytes | None]:
    """The columns that repeat a decision's body, or None twice for a body that nobody can read."""
    try:
        decision = ev.decode("decision", body)
    except (ValueError, msgspec.DecodeError):
        return None, None
    if not isinstance(decision, Decision):  # pragma: no cover - the kind decides the type
        return None, None
    return awaits_of(decision), text_key(decision.text_sha256)
