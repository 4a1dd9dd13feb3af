"""Gates: figures a release must reach, read from TOML and checked against a report."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tsclassify.errors import InputError
from tsclassify.evaluation.tables import Table

__all__ = ["Gate", "failing", "read_gates"]

_KEYS = {"name", "table", "column", "where", "at_least", "at_most"}


@dataclass(frozen=True, slots=True)
class Gate:
    """One bound on the figures of a table.

    Attributes
    ----------
    name
        What the gate is called in messages.
    table, column
        Where the figure stands.
    where
        Values that select the rows; every row that holds them must pass, and one must be there.
    at_least, at_most
        The bounds; NaN and a missing figure pass neither.
    found
        After a check: the worst figure that fails, or None when there was none.
    """

    name: str
    table: str
    column: str
    where: Mapping[str, Any] = field(default_factory=dict)
    at_least: float | None = None
    at_most: float | None = None
    found: float | None = None

    def __str__(self) -> str:
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        got = f"{self.found:.4g}" if self.found is not None else "no figure"
        return f"{self.name}: {self.table}.{self.column} must be {bound}, got {got}"


def read_gates(path: str | Path) -> tuple[Gate, ...]:
    """Read ``[[gate]]`` entries.

    Raises
    ------
    InputError
        With all faults of the file at once.
    """
    source = Path(path)
    try:
        raw = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{source}: gates file must be there, got none") from None
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        raise InputError(f"{source}: gates file must be TOML, got a fault: {text[:1].lower()}{text[1:]}") from None
    entries = raw.get("gate", [])
    faults = [f"{source}: unknown key {key!r}" for key in raw if key != "gate"]
    gates = []
    for number, entry in enumerate(entries, start=1):
        fault = _fault(entry)
        if fault:
            faults.append(f"{source}: gate {number} {fault}")
        else:
            gates.append(Gate(**{"name": f"gate {number}", **entry}))
    if not entries:
        faults.append(f"{source}: file must hold at least one [[gate]], got none")
    if faults:
        raise InputError("\n".join(faults))
    return tuple(gates)


def _fault(entry: Mapping[str, Any]) -> str:
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        return f"must have keys of {', '.join(sorted(_KEYS))}, got {unknown[0]!r}"
    for key in ("table", "column"):
        if not isinstance(entry.get(key), str):
            return f"must name its {key}"
    bounds = [key for key in ("at_least", "at_most") if key in entry]
    if len(bounds) != 1:
        return f"must have one of at_least and at_most, got {len(bounds)}"
    if not isinstance(entry[bounds[0]], int | float) or isinstance(entry[bounds[0]], bool):
        return f"must have a number as {bounds[0]}"
    if not isinstance(entry.get("where", {}), Mapping):
        return "must have a table as where"
    return ""


def failing(tables: Mapping[str, Table], gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that the tables of a report do not pass, each with the worst figure found."""
    out = []
    for gate in gates:
        table = tables.get(gate.table)
        rows = table.where(**gate.where) if table is not None else ()
        figures = [row.get(gate.column) for row in rows]
        wrong = [figure for figure in figures if not _passes(gate, figure)]
        if figures and not wrong:
            continue
        numbers = [float(figure) for figure in wrong if isinstance(figure, int | float) and figure == figure]
        worst = (min if gate.at_least is not None else max)(numbers) if numbers else None
        out.append(Gate(gate.name, gate.table, gate.column, gate.where, gate.at_least, gate.at_most, found=worst))
    return tuple(out)


def _passes(gate: Gate, figure: Any) -> bool:
    """Whether a figure is a number within the bound; NaN is not."""
    if not isinstance(figure, int | float):
        return False
    low = float("-inf") if gate.at_least is None else gate.at_least
    high = float("inf") if gate.at_most is None else gate.at_most
    return low <= figure <= high
