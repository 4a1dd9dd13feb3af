"""Own labelled rows, from whatever holds them, with a label or none for every category of a model."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tsclassify.errors import InputError
from tsclassify.evaluation.labelled import MISSING, LabelledData, from_columns, read_columns

__all__ = ["LEAST", "enough", "read_rows"]

LEAST: Final = 20
"""Posts with a category, and posts without it, below which its head is not fitted and its scores not calibrated."""

_NONE: Final = ("", "none")
"""What a ``label`` column says of a post without any category."""

_TRUE: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": None}


def read_rows(dataset: Any, categories: Sequence[str], *, added: Sequence[str] = (), place: str) -> LabelledData:
    """Read own labelled rows.

    Parameters
    ----------
    dataset
        What ``read_labelled`` takes, or the path of a CSV or TSV file. Every row has ``text``; its labels are one
        field a category (true, false, 0, 1, or nothing for unknown), or ``labels``, a list of the categories that hold
        (in CSV joined by ``|``), or ``label``, the one that holds, ``none`` for none.
    categories
        All that the model has, or will have.
    added
        Those of them that are new: every row with ``labels`` or ``label`` says whether they hold. Of the others it
        does so only when some row names them: what nobody looked for is unknown, not absent.
    place
        What messages begin with.

    Raises
    ------
    InputError
        When the rows cannot be read, or name a category that the model has not.
    """
    columns = _from_table(dataset) if _is_table(dataset) else read_columns(dataset)
    if not columns.get("text"):
        raise InputError(f"{place}: rows must have text, got fields {', '.join(sorted(columns)) or 'none'}")
    if "label" in columns:
        if "labels" in columns:
            raise InputError(f"{place}: rows must have labels or label, got both")
        columns["labels"] = [_one_label(value) for value in columns.pop("label")]
    named = _named(columns, place)
    unknown = sorted(named - set(categories))
    if unknown:
        raise InputError(
            f"{place}: label must be one of {', '.join(categories)}, got {unknown[0]!r:.60}",
            hint=f"state what a category of your own means: {unknown[0]:.40}=...",
        )
    data = from_columns(columns, categories=tuple(categories))
    gold = np.full((len(data), len(categories)), MISSING, dtype=np.int8)
    for k, name in enumerate(data.categories):
        stated = name in columns or name in named or name in added or "code" in columns
        if stated:
            gold[:, categories.index(name)] = data.gold[:, k]
    return LabelledData(data.ids, data.texts, tuple(categories), gold, data.fields, data.sha256)


def enough(data: LabelledData) -> dict[str, tuple[int, int]]:
    """Category to its labelled posts with and without it, of those that some row labels."""
    counts = {}
    for k, name in enumerate(data.categories):
        positive, negative = int((data.gold[:, k] == 1).sum()), int((data.gold[:, k] == 0).sum())
        if positive + negative:
            counts[name] = positive, negative
    return counts


def _named(columns: Mapping[str, Sequence[Any]], place: str) -> set[str]:
    """Categories that ``labels`` name in any row."""
    named: set[str] = set()
    for row, labels in enumerate(columns.get("labels", ())):
        if labels is None:
            continue
        if isinstance(labels, str) or not isinstance(labels, Sequence | Mapping | set | np.ndarray):
            raise InputError(
                f"{place}: labels of row {row} must be a list, got {type(labels).__name__}",
                hint="one category a row stands in the field label",
            )
        named |= {str(name) for name in labels}
    return named


def _one_label(value: Any) -> list[str] | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return [] if str(value).strip().lower() in _NONE else [str(value).strip()]


def _is_table(dataset: Any) -> bool:
    return isinstance(dataset, str | Path) and Path(dataset).suffix.lower() in (".csv", ".tsv")


def _from_table(path: str | Path) -> dict[str, list[Any]]:
    """Columns of a CSV or TSV file; an empty cell of a category is an unknown label."""
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: data file must be there, got none")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
            rows = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: file must be UTF-8 with one row a line, got {type(error).__name__}") from None
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in table.fieldnames or ()}
    for name, values in columns.items():
        if name == "labels":
            columns[name] = [_joined(value) for value in values]
        elif name not in ("id", "text", "label") and all((value or "").strip().lower() in _TRUE for value in values):
            columns[name] = [_TRUE[(value or "").strip().lower()] for value in values]
    return columns


def _joined(value: str | None) -> list[str]:
    names = [name.strip() for name in (value or "").split("|")]
    return [name for name in names if name.lower() not in _NONE]
