"""What the ledger hands back: the result of recording, and a recorded event with its row."""

from __future__ import annotations

from dataclasses import dataclass

from tsclassify.decision import Decision
from tsclassify.ledger import events as ev

__all__ = ["Recorded", "Stored"]


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
        Tier of a decision, ``review`` for one whose actions a guard withholds, or None.
    basis
        Policy and model of a decision, or None.
    ref
        Row that this one voids, replaces or speaks of, or None.
    awaits
        Tier that a decision leaves to a person, or None.
    """

    seq: int
    kind: str
    event: ev.Event | Decision
    at: int
    known: int
    tier: str | None
    basis: str | None
    ref: int | None
    awaits: str | None = None
