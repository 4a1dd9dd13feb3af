"""Cases from the record: reported facts as an event log, replayed under any policy.

A case file is JSONL. A ``fact`` states what was reported and where. A ``stream`` says how many items were seen in a
week and with which scores. All other rows are events; what no source gives is marked ``invented``.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from tsclassify.decision import Decision
from tsclassify.errors import InputError
from tsclassify.ledger import events as ev
from tsclassify.ledger.moments import moment
from tsclassify.records import ModelInfo, Truth
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES, SIGNALS

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy

__all__ = ["Case", "Fact", "load_case"]

_STANDS_FOR_A_MODEL: Final = ModelInfo(
    name="case",
    sha256="0" * 64,
    categories=CATEGORIES,
    signals=SIGNALS,
    priors={},
    operating_points={},
    signal_bands={},
)
"""Scores of a case are given, so that its thresholds must be numbers."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was reported.

    Attributes
    ----------
    id, says, source
        A name, the fact in our words, and where it was reported.
    """

    id: str
    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as loaded.

    Attributes
    ----------
    title, tenant, note
        From the ``about`` row.
    facts
        What was reported.
    rows
        Everything else, in file order.
    """

    title: str
    tenant: str
    note: str
    facts: tuple[Fact, ...]
    rows: tuple[Mapping[str, Any], ...]

    def replay(self, policy: Policy) -> list[Decision | ev.Event]:
        """The events of the case as this policy would have seen them, in order of time.

        Every stream is decided by the policy; rows addressed to another kind of policy are left out. A notice
        cites the latest violations that no notice cited before.
        """
        bad = sorted(self._decisions(policy), key=lambda row: row.at or _START)
        events: list[Decision | ev.Event] = [*bad, *self._tallies(bad, policy.kind)]
        cited: set[str] = set()
        known = {step.id for step in policy.ladder.steps} if policy.ladder else set()
        own = [row for row in self.rows if policy.kind in row.get("for", [policy.kind])]
        for row in sorted(own, key=lambda row: str(row.get("at", ""))):
            if row["kind"] == "stream" or row.get("step", next(iter(known), "")) not in known:
                continue
            fields = {name: value for name, value in row.items() if name not in _REPLAY}
            event = ev.event_from_dict({"tenant": self.tenant, **fields}, "case")
            if isinstance(event, ev.Notice):
                latest = [
                    item
                    for decision in reversed(bad)
                    if (item := decision.id) and item not in cited and (decision.at or _START) <= event.at
                ][: int(row["cites"])]
                cited.update(latest)
                event = replace(event, items=tuple(latest))
                events += _removals(event, row["removed_after_days"])
            events.append(event)
        return sorted(events, key=lambda event: event.at or _START)

    def record(self, ledger: EventLog, policy: Policy) -> int:
        """Record the replay in a ledger, each decision when its post was seen; returns how many rows were added."""
        seen = {row["from"]: row.get("seen_at", {}).get(policy.kind) for row in self.rows if row["kind"] == "stream"}
        added = 0
        late: dict[str, list[Decision]] = {}
        now: list[Decision | ev.Event] = []
        for event in self.replay(policy):
            when = seen[(event.id or "")[:10]] if isinstance(event, Decision) else None
            if when is None:
                now.append(event)
            elif isinstance(event, Decision):
                late.setdefault(when, []).append(event)
        for when, batch in late.items():
            added += ledger.record_many(batch, recorded_at=when).n_recorded
        return added + ledger.record_many(now).n_recorded

    def _decisions(self, policy: Policy) -> Iterator[Decision]:
        for row in self.rows:
            if row["kind"] == "stream":
                yield from _decide(row, policy, self.tenant)

    def _tallies(self, bad: Sequence[Decision], kind: str) -> Iterator[ev.Event]:
        """Items of each stream that the policy found clean, by day."""
        per_day: dict[dt.date, int] = {}
        for decision in bad:
            day = (decision.at or _START).date()
            per_day[day] = per_day.get(day, 0) + 1
        for row in self.rows:
            if row["kind"] != "stream":
                continue
            start, days = _midnight(row["from"]), int(row["days"])
            seen = row.get("seen_at", {}).get(kind)
            known = None if seen is None else moment(seen, "case: seen_at")
            for index in range(days):
                day = start + dt.timedelta(days=index)
                n = int(row["items"]) * (index + 1) // days - int(row["items"]) * index // days
                end = day + dt.timedelta(days=1, microseconds=-1)
                clean = n - per_day.get(day.date(), 0)
                yield ev.Tally(n_items=clean, at=end, recorded_at=known, tenant=self.tenant, invented=True)


_START: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_REPLAY: Final = frozenset({"for", "cites", "removed_after_days"})


def load_case(name: str | os.PathLike[str]) -> Case:
    """A shipped case by name, such as ``january-2021``, or a file.

    Raises
    ------
    InputError
        With the line that is not as described.
    """
    path = Path(name)
    if path.suffix != ".jsonl":
        path = shipped("seeds", "cases", f"{name}.jsonl")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            raise InputError(f"{path.name}:{number}: line must be a JSON object") from None
        if not (row.get("invented") or row.get("source") or row.get("kind") == "about"):
            raise InputError(f"{path.name}:{number}: row must have a source or be marked invented")
        rows.append(row)
    about = next((row for row in rows if row["kind"] == "about"), {})
    facts = tuple(Fact(row["id"], row["says"], row["source"]) for row in rows if row["kind"] == "fact")
    rest = tuple(row for row in rows if row["kind"] not in {"about", "fact"})
    return Case(about.get("title", path.stem), about.get("tenant", "tenant"), about.get("note", ""), facts, rest)


def _midnight(day: str) -> dt.datetime:
    return moment(f"{day}T00:00:00Z", "case: from")


def _removals(notice: ev.Notice, after_days: Sequence[float | None]) -> list[ev.Event]:
    return [
        ev.Removal(item=item, at=notice.at + dt.timedelta(days=days), tenant=notice.tenant, by="tenant", invented=True)
        for item, days in zip(notice.items, after_days, strict=False)
        if days is not None
    ]


def _decide(stream: Mapping[str, Any], policy: Policy, tenant: str) -> list[Decision]:
    """The findings of a stream, spread evenly over its time; those at a tier of the policy.

    Posts with the same scores and signals have the same record but for their id and time.
    """
    kinds: list[Mapping[str, Any]] = list(stream["findings"])
    records = _records(kinds, policy, tenant)
    found = [number for number, kind in enumerate(kinds) for _ in range(int(kind["n"]))]
    # Spread the kinds over the week too: every third item, then the next third, and so on.
    found = [number for offset in range(3) for number in found[offset::3]]
    start, length = _midnight(stream["from"]), dt.timedelta(days=int(stream["days"]))
    return [
        replace(
            records[number],
            id=f"{stream['from']}-{index + 1:03}",
            at=start + length * ((index + 0.5) / len(found)),
        )
        for index, number in enumerate(found)
        if number in records
    ]


def _records(kinds: Sequence[Mapping[str, Any]], policy: Policy, tenant: str) -> dict[int, Decision]:
    """The decision on each kind of post that the policy places at one of its tiers."""
    from tsclassify.policy import Decider, ItemColumns

    n = len(kinds)
    probabilities = np.zeros((n, len(CATEGORIES)), np.float32)
    signals = {name: np.full(n, Truth.FALSE, np.int8) for name in SIGNALS}
    for index, kind in enumerate(kinds):
        probabilities[index, CATEGORIES.index(kind["category"])] = kind["score"]
        for name, holds in kind.get("signals", {}).items():
            signals[name][index] = Truth.TRUE if holds else Truth.FALSE
    columns = ItemColumns(
        categories=CATEGORIES,
        probabilities=probabilities,
        signals=signals,
        language=np.full(n, Truth.TRUE, np.int8),
        ids=[""] * n,
        actors=[None] * n,
        tenants=[tenant] * n,
        ats=[_START] * n,
        text_sha256s=[""] * n,
    )
    decider = Decider(policy, _STANDS_FOR_A_MODEL)
    result = decider.decide(columns)
    return {
        index: decider.record(result, columns, index, pieces=lambda row, category: ())
        for index in np.nonzero(result.tier < len(policy.tiers))[0].tolist()
    }
