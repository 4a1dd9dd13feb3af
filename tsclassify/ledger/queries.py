"""The named queries over the rows of a ledger: every statement of SQL that is not about the file itself.

A tenant may have had other names: where a query takes `names`, rows under any of them are its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from tsclassify.ledger.moments import DAY

if TYPE_CHECKING:
    from tsclassify.ledger.store import EventStore

__all__ = [
    "OF_ACTOR",
    "bases_of_actor",
    "bases_of_tenant",
    "body_of",
    "counts_by_day",
    "decisions_around",
    "events_around",
    "events_on_items",
    "events_where",
    "gone_by_day",
    "has_rows",
    "ids_held",
    "item_decisions",
    "item_events",
    "names_of",
    "open_decisions",
    "references",
    "rows_of_ids",
    "span_of_basis",
    "standing_decisions",
    "standing_row",
    "was_decided",
]

OF_ACTOR: Final = "actor = ? AND tier IS NOT 'none'"
"""What is on record about an account: in these words the index of accounts serves, which leaves clean decisions out."""

_STANDS: Final = (
    "NOT EXISTS (SELECT 1 FROM event AS later WHERE later.ref = event.seq AND later.kind = 'void') "
    "AND NOT EXISTS (SELECT 1 FROM event AS later WHERE later.ref = event.seq AND later.kind = 'decision' "
    "AND (later.text IS event.text OR later.text IS NULL OR event.text IS NULL))"
)
"""A row that was neither voided nor replaced by a later decision on the same text."""

_IN: Final = "IN (SELECT value FROM json_each(?))"


# ---- for recording


def ids_held(store: EventStore, ids: Sequence[str]) -> set[str]:
    """Those of the ids under which the ledger holds something."""
    rows = store.select(
        "SELECT value FROM json_each(?) AS asked WHERE EXISTS (SELECT 1 FROM event WHERE id = asked.value)",
        (json.dumps(ids),),
    )
    return {row[0] for row in rows}


def rows_of_ids(store: EventStore, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Rows under some ids in order: seq, kind, id, actor, tenant, basis, body, text."""
    for start in range(0, len(ids), 1000):
        yield from store.select(
            f"SELECT seq, kind, id, actor, tenant, basis, body, text FROM event WHERE id {_IN} ORDER BY seq",  # noqa: S608
            (json.dumps(ids[start : start + 1000]),),
        )


def standing_row(store: EventStore, seq: int) -> tuple[int, str | None, str | None] | None:
    """Row, account and tenant of an event that is no void and was neither voided nor replaced, or None."""
    row = store.one(f"SELECT seq, actor, tenant FROM event WHERE seq = ? AND kind <> 'void' AND {_STANDS}", (seq,))  # noqa: S608
    return None if row is None else (row[0], row[1], row[2])


def standing_decisions(store: EventStore, item: str) -> list[tuple[int, str | None, str | None]]:
    """Row, account and tenant of each decision that stands on an item, whoever's it is."""
    rows = store.select(
        f"SELECT seq, actor, tenant FROM event WHERE id = ? AND kind = 'decision' AND {_STANDS} ORDER BY seq",  # noqa: S608
        (item,),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def names_of(store: EventStore, tenant: str, at: int | None = None) -> tuple[str, ...]:
    """All names of a tenant, the one asked for first: those that it had and those that it took since.

    Parameters
    ----------
    at
        Renames known later are not seen; None sees all.
    """
    names, new = [tenant], [tenant]
    seen = "" if at is None else " AND known <= ?"
    values = () if at is None else (at,)
    while new:
        name = new.pop()
        for before, after in store.select(
            f"SELECT id, tenant FROM event WHERE tenant = ? AND kind = 'tenant_renamed'{seen} UNION ALL "  # noqa: S608
            f"SELECT id, tenant FROM event WHERE id = ? AND kind = 'tenant_renamed'{seen}",
            (name, *values, name, *values),
        ):
            new += [other for other in (before, after) if other not in names and other not in new]
            names += [other for other in (before, after) if other not in names]
    return tuple(names)


def body_of(store: EventStore, seq: int) -> tuple[str, bytes, int | None] | None:
    """Kind, packed body and reference of a row, or None."""
    row = store.one("SELECT kind, body, ref FROM event WHERE seq = ?", (seq,))
    return None if row is None else (row[0], row[1], row[2])


# ---- one item


def item_decisions(store: EventStore, item: str, at: int | None = None) -> list[tuple[Any, ...]]:
    """Decisions on an item in order, clean ones too: seq, at, known, actor, tenant, tier, body, text, basis, voided."""
    seen = "" if at is None else " AND known <= ?"
    later = "" if at is None else " AND later.known <= ?"
    return store.select(
        "SELECT seq, at, known, actor, tenant, tier, body, text, basis, (SELECT min(known) FROM event AS later "  # noqa: S608
        f"WHERE later.ref = event.seq AND later.kind = 'void'{later}) FROM event "
        f"WHERE id = ? AND kind = 'decision'{seen} ORDER BY seq",
        (item,) if at is None else (at, item, at),
    )


def item_events(store: EventStore, item: str, names: Sequence[str] | None, at: int | None = None) -> list[Any]:
    """Events that may speak of an item, in order: seq, kind, at, known, tenant, body; the caller looks at the item."""
    seqs = [row[0] for row in item_decisions(store, item)]
    seen = "" if at is None else " AND known <= ?"
    values: list[Any] = [json.dumps(seqs)] + ([] if at is None else [at])
    found = store.select(
        f"SELECT seq, kind, at, known, tenant, body FROM event WHERE ref {_IN} "  # noqa: S608
        f"AND kind NOT IN ('decision', 'void'){seen}",
        values,
    )
    for name in names or ():
        found += store.select(
            "SELECT seq, kind, at, known, tenant, body FROM event WHERE tenant = ? "  # noqa: S608
            f"AND kind IN ('notice', 'removal', 'reported', 'edited', 'restored'){seen}",
            (name,) if at is None else (name, at),
        )
    return sorted({row[0]: row for row in found}.values())


def events_on_items(
    store: EventStore, items: Sequence[str], kinds: Sequence[str], at: int
) -> Iterator[tuple[Any, ...]]:
    """Events of some kinds that speak of decided items, known by `at`, in order: seq, kind, known, tenant, body."""
    for start in range(0, len(items), 5000):
        yield from store.select(
            "SELECT x.seq, x.kind, x.known, x.tenant, x.body FROM event AS e JOIN event AS x ON x.ref = e.seq "  # noqa: S608
            f"WHERE e.id {_IN} AND e.kind = 'decision' AND x.kind {_IN} AND x.known <= ? ORDER BY x.seq",
            (json.dumps(items[start : start + 5000]), json.dumps(kinds), at),
        )


def was_decided(store: EventStore, item: str, names: Sequence[str], at: int) -> bool:
    """True when a decision on an item of a tenant was known by a moment."""
    return (
        store.one(
            f"SELECT 1 FROM event WHERE id = ? AND kind = 'decision' AND tenant {_IN} AND known <= ? LIMIT 1",  # noqa: S608
            (item, json.dumps(names), at),
        )
        is not None
    )


# ---- many rows


def events_where(
    store: EventStore,
    *,
    actor: str | None = None,
    tenants: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    known: int | None = None,
    clean: bool = True,
) -> Iterator[tuple[Any, ...]]:
    """Rows in order: seq, kind, at, known, tier, basis, ref, awaits, body."""
    where, values = ["1"], []  # type: tuple[list[str], list[object]]
    if actor is not None:
        where.append("actor = ?")
        values.append(actor)
    if tenants is not None:
        where.append(f"tenant {_IN}")
        values.append(json.dumps(list(tenants)))
    if kinds is not None:
        where.append(f"kind {_IN}")
        values.append(json.dumps(list(kinds)))
    if not clean:
        where.append("tier IS NOT 'none'")
    if known is not None:
        where.append("known <= ?")
        values.append(known)
    return store.iterate(
        "SELECT seq, kind, at, known, tier, basis, ref, awaits, body FROM event "  # noqa: S608
        f"WHERE {' AND '.join(where)} ORDER BY seq",
        values,
    )


def open_decisions(store: EventStore, names: Sequence[str] | None, at: int) -> list[tuple[Any, ...]]:
    """Decisions that a person has to look at, known by `at`, neither voided nor replaced.

    Returns
    -------
    list
        Rows of seq, at, known, id, actor, tenant, tier, basis, awaits, text.
    """
    query = (
        "SELECT seq, at, known, id, actor, tenant, tier, basis, awaits, text FROM event INDEXED BY event_awaits "  # noqa: S608
        f"WHERE awaits IS NOT NULL AND known <= ?{'' if names is None else f' AND tenant {_IN}'} AND NOT EXISTS "
        "(SELECT 1 FROM event AS later WHERE later.ref = event.seq AND later.kind IN ('void', 'decision') "
        "AND later.known <= ? AND (later.kind = 'void' OR later.text IS event.text "
        "OR later.text IS NULL OR event.text IS NULL))"
    )
    return store.select(query, (at, at) if names is None else (at, json.dumps(names), at))


# ---- one subject


def has_rows(store: EventStore, name: str, of: str) -> bool:
    """Whether the ledger knows a name as an account (clean decisions aside) or as a tenant."""
    where = OF_ACTOR if of == "actor" else "tenant = ?"
    return store.one(f"SELECT 1 FROM event WHERE {where} LIMIT 1", (name,)) is not None  # noqa: S608


def bases_of_actor(store: EventStore, actor: str) -> list[str]:
    """Bases of the decisions on an account."""
    rows = store.select(f"SELECT DISTINCT basis FROM event WHERE {OF_ACTOR} AND kind = 'decision'", (actor,))  # noqa: S608
    return [row[0] for row in rows if row[0]]


def bases_of_tenant(store: EventStore, tenant: str) -> list[str]:
    """Bases of the decisions of a tenant; each step jumps over all rows of one basis in the index."""
    bases: list[str] = []
    last = ""
    while True:
        row = store.one(
            "SELECT min(basis) FROM event WHERE tenant = ? AND kind = 'decision' AND basis > ?", (tenant, last)
        )
        if row is None or row[0] is None:
            return bases
        last = row[0]
        bases.append(last)


def span_of_basis(store: EventStore, tenant: str, basis: str, at: int) -> tuple[int, int] | None:
    """Time of the first and the last act that a basis decided on; two queries, each at one end of the index."""
    ends = [
        store.one(
            f"SELECT {end}(at) FROM event WHERE tenant = ? AND kind = 'decision' AND basis = ? AND at <= ?",  # noqa: S608
            (tenant, basis, at),
        )
        for end in ("min", "max")
    ]
    first, last = (None if row is None else row[0] for row in ends)
    return None if first is None or last is None else (int(first), int(last))


def decisions_around(
    store: EventStore, subject: str, of: str, bases: Sequence[str], tiers: Sequence[str], at: int
) -> list[tuple[Any, ...]]:
    """Decisions at some tiers, known by `at`: seq, at, known, tier, id, tenant, text."""
    # The plus keeps SQLite from taking an account's rows from any index but its own.
    query = (
        f"SELECT seq, at, known, tier, id, tenant, text FROM event WHERE {_about(of)} AND kind = 'decision' "  # noqa: S608
        f"AND {'+' if of == 'actor' else ''}basis {_IN} AND tier {_IN} AND known <= ?"
    )
    return store.select(query, (subject, json.dumps(bases), json.dumps(tiers), at))


def events_around(store: EventStore, subject: str, of: str, at: int) -> list[tuple[Any, ...]]:
    """Events that are no decisions, known by `at`: seq, kind, at, known, tenant, body."""
    return store.select(
        f"SELECT seq, kind, at, known, tenant, body FROM event WHERE {_about(of)} "  # noqa: S608
        "AND kind <> 'decision' AND known <= ?",
        (subject, at),
    )


def references(store: EventStore, subject: str, of: str, at: int) -> tuple[dict[int, int], dict[int, int]]:
    """Row to when it was voided, and row to when a later decision on the same text replaced it."""
    where = f"x.ref IN (SELECT seq FROM event WHERE {OF_ACTOR})" if of == "actor" else "x.ref IS NOT NULL"  # noqa: S608
    values = (subject, at) if of == "actor" else (at,)
    rows = store.select(
        "SELECT x.ref, x.kind, min(x.known) FROM event AS x INDEXED BY event_ref "  # noqa: S608
        f"JOIN event AS e ON e.seq = x.ref WHERE {where} AND x.kind IN ('void', 'decision') AND x.known <= ? "
        "AND (x.kind = 'void' OR x.text IS e.text OR x.text IS NULL OR e.text IS NULL) GROUP BY x.ref, x.kind",
        values,
    )
    return (
        {ref: known for ref, kind, known in rows if kind == "void"},
        {ref: known for ref, kind, known in rows if kind == "decision"},
    )


def counts_by_day(store: EventStore, tenant: str, bases: Sequence[str], at: int) -> list[tuple[int, int, int]]:
    """Items decided on: day of the act, day known, how many."""
    rows = store.select(
        f"SELECT at / {DAY}, known / {DAY}, count(*) FROM event WHERE tenant = ? AND kind = 'decision' "  # noqa: S608
        f"AND basis {_IN} AND known <= ? GROUP BY 1, 2",
        (tenant, json.dumps(bases), at),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def gone_by_day(store: EventStore, tenant: str, at: int) -> list[tuple[Any, ...]]:
    """Decisions that were voided or replaced: day of the act, day known, day gone, voided or not, basis."""
    return store.select(
        f"SELECT e.at / {DAY}, e.known / {DAY}, min(x.known) / {DAY}, max(x.kind = 'void'), e.basis "  # noqa: S608
        "FROM event AS x INDEXED BY event_ref JOIN event AS e ON e.seq = x.ref "
        "WHERE x.ref IS NOT NULL AND x.kind IN ('void', 'decision') AND x.known <= ? "
        "AND (x.kind = 'void' OR x.text IS e.text OR x.text IS NULL OR e.text IS NULL) "
        "AND e.tenant = ? AND e.kind = 'decision' GROUP BY x.ref",
        (at, tenant),
    )


def _about(of: str) -> str:
    return OF_ACTOR if of == "actor" else "tenant = ?"
