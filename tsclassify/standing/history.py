"""The events around one subject, an account or a tenant, read once and then asked about any moment.

A voided event is left out as if it had never been, whatever moment is asked about. Of the rest, an event is
visible at time T when it was known by T and no decision known by T replaces it: what is computed from the visible
events is what an honest clerk could have known at T.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.ledger import events as ev
from tsclassify.ledger.moments import DAY
from tsclassify.ledger.store import translated

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import Ledger
    from tsclassify.policy import Policy

__all__ = ["NEVER", "OF_ACTOR", "Around", "History", "load", "open_appeals"]

NEVER: Final = np.iinfo(np.int64).max
OF_ACTOR: Final = "actor = ? AND tier IS NOT 'none'"
"""What is on record about an account: in these words the index of accounts serves, which leaves clean decisions out."""
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Around:
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


@dataclass(frozen=True, slots=True)
class History:
    """All events around a subject that were known by some moment.

    Attributes
    ----------
    subject, of
        Its name, and ``actor`` or ``tenant``.
    seq, at, known, gone
        Shape (m,): the decisions at a tier of the policy that were not voided, by time of the act, then row;
        ``gone`` is when a later decision replaced it, or ``NEVER``.
    tier
        Shape (m,), int16: index into the policy's tiers, 0 most severe.
    items
        Item id of each of them, or None.
    around
        Kind to its events, by time of the act, then row.
    voided, void_items
        Row to when its void was known, and the items on which no decision stands.
    days
        Shape (d, 3): day of the act, day known, items decided on; a replaced or voided decision is a row with
        a count of -1. Empty for an account.
    bases
        Policy version and model that made decisions, with the first and the last act decided on.
    """

    subject: str
    of: str
    seq: Ints
    at: Ints
    known: Ints
    gone: Ints
    tier: NDArray[np.int16]
    items: tuple[str | None, ...]
    around: Mapping[str, tuple[Around, ...]]
    voided: Mapping[int, int] = field(default_factory=dict)
    void_items: frozenset[str] = frozenset()
    days: Ints = field(default_factory=lambda: np.empty((0, 3), np.int64))
    bases: tuple[tuple[str, int, int], ...] = ()

    def events(self, kind: str, at: int) -> Iterator[Around]:
        """The events of a kind that count at a moment."""
        return (row for row in self.around.get(kind, ()) if row.visible(at))


def load(ledger: Ledger, subject: str, of: str, policy: Policy, *, at: int) -> History:
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
    """
    with translated(ledger.path):
        bases = _bases(ledger, subject, of, policy)
        tiers = {tier.id: index for index, tier in enumerate(policy.tiers)}
        rows = _decisions(ledger, subject, of, bases, tuple(tiers), at)
        voided, replaced = _gone(ledger, subject, of, at)
        stand = {row[4] for row in rows if row[0] not in voided}
        void_items = frozenset(
            row[4] for row in rows if row[4] is not None and row[0] in voided and row[4] not in stand
        )
        rows = [row for row in rows if row[0] not in voided]
        rows.sort(key=lambda row: (row[1], row[0]))
        around = _around(ledger, subject, of, voided, at)
        days = _days(ledger, subject, bases, at) if of == "tenant" else np.empty((0, 3), np.int64)
    columns = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    return History(
        subject=subject,
        of=of,
        seq=columns[:, 0],
        at=columns[:, 1],
        known=columns[:, 2],
        gone=np.array([replaced.get(row[0], NEVER) for row in rows], np.int64),
        tier=np.array([tiers[row[3]] for row in rows], np.int16),
        items=tuple(row[4] for row in rows),
        around=around,
        voided=voided,
        void_items=void_items,
        days=days,
        bases=_spans(ledger, subject, bases, at) if of == "tenant" else (),
    )


def _spans(ledger: Ledger, subject: str, bases: Sequence[str], at: int) -> tuple[tuple[str, int, int], ...]:
    """Each basis with the time of its first and its last act, as known at a moment."""
    found = []
    for basis in bases:
        # Two queries, so that each takes one end of the index instead of a scan.
        ends = [
            ledger._connection.execute(
                f"SELECT {end}(at) FROM event WHERE tenant = ? AND kind = 'decision' AND basis = ? "  # noqa: S608
                "AND at <= ?",
                (subject, basis, at),
            ).fetchone()[0]
            for end in ("min", "max")
        ]
        if None not in ends:
            found.append((basis, int(ends[0]), int(ends[1])))
    return tuple(found)


def _bases(ledger: Ledger, subject: str, of: str, policy: Policy) -> tuple[str, ...]:
    """Bases of the subject's decisions under this policy, without shadow runs.

    For a tenant each step jumps over all rows of one basis in the index.
    """
    connection = ledger._connection
    if of == "actor":
        found = [
            row[0]
            for row in connection.execute(
                f"SELECT DISTINCT basis FROM event WHERE {OF_ACTOR} AND kind = 'decision'",  # noqa: S608
                (subject,),
            )
        ]
    else:
        found, last = [], ""
        while True:
            last = connection.execute(
                "SELECT min(basis) FROM event WHERE tenant = ? AND kind = 'decision' AND basis > ?", (subject, last)
            ).fetchone()[0]
            if last is None:
                break
            found.append(last)
    return tuple(
        basis
        for basis in sorted(filter(None, found))
        if basis.partition("@")[0] == policy.name and not basis.endswith("/shadow")
    )


def _about(of: str) -> str:
    return OF_ACTOR if of == "actor" else "tenant = ?"


def _decisions(
    ledger: Ledger, subject: str, of: str, bases: Sequence[str], tiers: Sequence[str], at: int
) -> list[tuple[int, int, int, str, str | None]]:
    # The plus keeps SQLite from taking an account's rows from any index but its own.
    query = (
        f"SELECT seq, at, known, tier, id FROM event WHERE {_about(of)} AND kind = 'decision' "  # noqa: S608
        f"AND {'+' if of == 'actor' else ''}basis IN (SELECT value FROM json_each(?)) "
        "AND tier IN (SELECT value FROM json_each(?)) AND known <= ?"
    )
    return ledger._connection.execute(query, (subject, json.dumps(bases), json.dumps(tiers), at)).fetchall()


def _gone(ledger: Ledger, subject: str, of: str, at: int) -> tuple[dict[int, int], dict[int, int]]:
    """Row to when it was voided, and row to when it was replaced."""
    where = f"ref IN (SELECT seq FROM event WHERE {OF_ACTOR})" if of == "actor" else "ref IS NOT NULL"  # noqa: S608
    values = (subject, at) if of == "actor" else (at,)
    rows = ledger._connection.execute(
        f"SELECT ref, kind, min(known) FROM event INDEXED BY event_ref WHERE {where} "  # noqa: S608
        "AND kind IN ('void', 'decision') AND known <= ? GROUP BY ref, kind",
        values,
    ).fetchall()
    return (
        {ref: known for ref, kind, known in rows if kind == "void"},
        {ref: known for ref, kind, known in rows if kind == "decision"},
    )


def _around(ledger: Ledger, subject: str, of: str, voided: Mapping[int, int], at: int) -> dict[str, tuple[Around, ...]]:
    found: dict[str, list[Around]] = {}
    query = (
        f"SELECT seq, kind, at, known, body FROM event WHERE {_about(of)} "  # noqa: S608
        "AND kind <> 'decision' AND known <= ?"
    )
    for seq, kind, when, known, body in ledger._connection.execute(query, (subject, at)):
        if seq not in voided:
            event: ev.Event | Any = ledger._event(seq, kind, body)
            found.setdefault(kind, []).append(Around(seq, when, known, event))
    return {kind: tuple(sorted(rows, key=lambda row: (row.at, row.seq))) for kind, rows in found.items()}


def _days(ledger: Ledger, subject: str, bases: Sequence[str], at: int) -> Ints:
    """Items decided on, by day of the act and day known.

    A replaced decision counts -1 from the day it was replaced on, a voided one from the first.
    """
    counted = ledger._connection.execute(
        f"SELECT at / {DAY}, known / {DAY}, count(*) FROM event WHERE tenant = ? AND kind = 'decision' "  # noqa: S608
        "AND basis IN (SELECT value FROM json_each(?)) AND known <= ? GROUP BY 1, 2",
        (subject, json.dumps(bases), at),
    ).fetchall()
    went = ledger._connection.execute(
        f"SELECT e.at / {DAY}, e.known / {DAY}, min(x.known) / {DAY}, max(x.kind = 'void'), e.basis "  # noqa: S608
        "FROM event AS x INDEXED BY event_ref JOIN event AS e ON e.seq = x.ref "
        "WHERE x.ref IS NOT NULL AND x.kind IN ('void', 'decision') AND x.known <= ? "
        "AND e.tenant = ? AND e.kind = 'decision' GROUP BY x.ref",
        (at, subject),
    ).fetchall()
    keep = set(bases)
    rows = list(counted)
    rows += [
        (day, known if voided else max(known, gone), -1) for day, known, gone, voided, basis in went if basis in keep
    ]
    return np.array(rows, np.int64).reshape(-1, 3)


def open_appeals(history: History, at: int) -> list[Around]:
    """Appeals that nobody has answered by a moment."""
    answered: dict[str, int] = {}
    for row in history.events("appeal", at):
        if row.event.outcome != "open":
            answered[row.event.item] = max(row.at, answered.get(row.event.item, 0))
    return [
        row
        for row in history.events("appeal", at)
        if row.event.outcome == "open" and answered.get(row.event.item, -1) < row.at
    ]
