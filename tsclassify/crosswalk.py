"""Crosswalks from our categories to other taxonomies: versioned tables, checked whole when they are read."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import Any

from tsclassify.errors import DataError, InputError
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES

__all__ = ["RELATIONS", "Crosswalk", "Entry", "crosswalk_names", "find_crosswalk", "load_crosswalk"]

RELATIONS = ("exact", "broader", "narrower", "none")
"""What their category is to ours: the same, more, only a part, or not a match although the name suggests one."""

_FIELDS = {"taxonomy", "title", "version", "read_on", "source", "entries"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a crosswalk.

    Parameters
    ----------
    ours
        One of our categories.
    theirs
        Their category, as they write it.
    relation
        One of ``RELATIONS``: what theirs is to ours.
    note
        Where the two part, or empty.
    """

    ours: str
    theirs: str
    relation: str
    note: str


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """Our categories against one version of another taxonomy.

    Parameters
    ----------
    taxonomy, title, version
        Which taxonomy, and which version of it.
    read_on
        Day on which its definitions were read.
    source
        Where they are published.
    note
        What to know before use, or empty.
    entries
        The rows, in file order.
    """

    taxonomy: str
    title: str
    version: str
    read_on: dt.date
    source: str
    note: str
    entries: tuple[Entry, ...]

    def theirs(self, category: str) -> tuple[Entry, ...]:
        """Rows of one of our categories.

        Examples
        --------
        >>> [(row.theirs, row.relation) for row in load_crosswalk("openai-moderation").theirs("glorification")]
        [('violence', 'broader')]
        """
        if category not in CATEGORIES:
            raise InputError(f"crosswalk: category must be one of {', '.join(CATEGORIES)}, got {category!r}")
        return tuple(entry for entry in self.entries if entry.ours == category)

    def ours(self, category: str) -> tuple[Entry, ...]:
        """Rows of one of their categories; empty when none of ours is near it."""
        return tuple(entry for entry in self.entries if entry.theirs == category)


def find_crosswalk(name: str) -> Crosswalk:
    """A shipped crosswalk by its name or a word of it: ``"openai"`` finds ``openai-moderation``.

    Raises
    ------
    InputError
        When none has the name.
    """
    if not isinstance(name, str):
        raise InputError(f"crosswalk: name must be a shipped one, got {type(name).__name__}")
    named = [whole for whole in crosswalk_names() if name.lower() in (whole, *whole.split("-"))]
    return load_crosswalk(named[0] if len(named) == 1 else name)


def crosswalk_names() -> tuple[str, ...]:
    """Names of the shipped crosswalks, sorted."""
    return tuple(sorted(path.stem for path in shipped("seeds", "crosswalks").glob("*.yaml")))


@functools.cache
def load_crosswalk(name: str) -> Crosswalk:
    """Read a shipped crosswalk.

    Raises
    ------
    InputError
        When there is none of that name.
    DataError
        When the file has faults; all are named.
    """
    if name not in crosswalk_names():
        raise InputError(
            f"crosswalk: name must be a shipped one, got {name!r}", hint=f"known are {', '.join(crosswalk_names())}"
        )
    import yaml

    table = yaml.safe_load(shipped("seeds", "crosswalks", f"{name}.yaml").read_text(encoding="utf-8"))
    faults = check_table(table)
    if faults:
        raise DataError("\n".join(f"crosswalks/{name}.yaml: {fault}" for fault in faults))
    entries = tuple(Entry(row["ours"], row["theirs"], row["relation"], row["note"]) for row in table["entries"])
    return Crosswalk(
        table["taxonomy"],
        table["title"],
        table["version"],
        table["read_on"],
        table["source"],
        table.get("note", ""),
        entries,
    )


def check_table(table: dict[str, Any]) -> list[str]:
    """Faults of a crosswalk as read from its file: fields, categories, relations, repeated rows, gaps."""
    missing = sorted(_FIELDS - set(table))
    if missing:
        return [f"fields must be complete, got none of {', '.join(missing)}"]
    faults = []
    if not isinstance(table["version"], str):
        faults.append(f"version must be a string, got {table['version']!r}")
    if not isinstance(table["read_on"], dt.date):
        faults.append(f"read_on must be a date, got {table['read_on']!r}")
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(table["entries"], start=1):
        if set(row) != {"ours", "theirs", "relation", "note"}:
            faults.append(f"entry {number}: fields must be ours, theirs, relation, note, got {', '.join(row)}")
            continue
        if row["ours"] not in CATEGORIES:
            faults.append(f"entry {number}: ours must be a category, got {row['ours']!r}")
        if row["relation"] not in RELATIONS:
            faults.append(f"entry {number}: relation must be one of {', '.join(RELATIONS)}, got {row['relation']!r}")
        if (row["ours"], row["theirs"]) in seen:
            faults.append(f"entry {number}: pair must appear once, got {row['ours']} and {row['theirs']} again")
        seen.add((row["ours"], row["theirs"]))
    uncovered = [name for name in CATEGORIES if name not in {ours for ours, _ in seen}]
    if uncovered:
        faults.append(f"entries must cover every category, got none for {', '.join(uncovered)}")
    return faults
