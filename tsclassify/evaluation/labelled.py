"""Read a labelled data set from whatever the caller has into texts, gold labels and slice fields."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.io.fields import TEXT_NAMES, value_at
from tsclassify.io.rows import lines_of_file
from tsclassify.taxonomy import CATEGORIES, SIGNALS, parse_code

__all__ = ["MISSING", "LabelledData", "from_columns", "read_columns", "read_labelled"]

MISSING: Final = -1
"""Gold value of a label that the row does not state."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledData:
    """Texts with gold labels.

    Attributes
    ----------
    ids
        One per row; rows without an id get the first 16 hex digits of the text's sha256.
    texts
        The texts, length n.
    categories
        Names of the K label columns.
    gold
        int8, shape (n, K): 1 positive, 0 negative, -1 missing.
    fields
        Every other field of the rows, object arrays of shape (n,), None where a row lacks it.
    sha256
        Hash over ids, texts and gold: what a stored figure was measured on.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    categories: tuple[str, ...]
    gold: NDArray[np.int8]
    fields: Mapping[str, NDArray[np.object_]]
    sha256: str

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> LabelledData:
        """The given rows, in the given order."""
        return _labelled(
            tuple(self.ids[i] for i in rows),
            tuple(self.texts[i] for i in rows),
            self.categories,
            self.gold[rows],
            {name: column[rows] for name, column in self.fields.items()},
        )


def read_labelled(
    dataset: Any,
    *,
    categories: Sequence[str] | None = None,
    signals: bool = False,
    require_labels: bool = True,
    fields: Mapping[str, str] | None = None,
) -> LabelledData:
    """Read `dataset` and the gold labels in it.

    Parameters
    ----------
    dataset
        A ``datasets.Dataset``, a pandas data frame, a sequence of mappings, or the path of a file: JSONL, CSV, TSV,
        a JSON array (also packed by gzip or zstd) or Parquet. Every row has ``text``. Gold labels are, in this order
        of precedence: one field per category (true, false, 0, 1, or None for missing); ``labels``, a
        mapping of category to the same, or a list of the categories that hold; ``code``, an annotation
        code.
    categories
        Label columns to read; None for all of the taxonomy that the rows have.
    signals
        Read the taxonomy's signals instead of its categories.
    require_labels
        Refuse data without gold labels. When false, a category without labels is missing in every row.
    fields
        Names in the data, by the name that is meant: ``{"text": "body"}``.

    Raises
    ------
    InputError
        When the data cannot be read, a text is missing or a label is not true, false or None. The message
        names the row, never the text.
    """
    return from_columns(
        read_columns(dataset, fields), categories=categories, signals=signals, require_labels=require_labels
    )


def from_columns(
    columns: Mapping[str, Sequence[Any]],
    *,
    categories: Sequence[str] | None = None,
    signals: bool = False,
    require_labels: bool = True,
) -> LabelledData:
    """Gold labels of rows that ``read_columns`` has read; options and errors as in ``read_labelled``."""
    if "text" not in columns:
        meant = next((name for name in TEXT_NAMES if name in columns), "NAME")
        raise InputError(
            f"dataset: rows must have text, got fields {_names(columns)}",
            hint=f'try fields={{"text": "{meant}"}}, or --fields text={meant}',
        )
    texts = columns["text"]
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"dataset: text of row {row} must be a str, got {type(text).__name__}")
    wanted = tuple(categories) if categories is not None else (SIGNALS if signals else CATEGORIES)
    gold, labelled = _gold(columns, wanted, len(texts), signals)
    if not require_labels:
        labelled = set(wanted)
    if not labelled:
        raise InputError(
            f"dataset: rows must have gold labels for one of {', '.join(wanted)}, got none",
            hint="add one field per category, a labels mapping, or an annotation code",
        )
    keep = [k for k, name in enumerate(wanted) if name in labelled]
    raw_ids = columns.get("id", [None] * len(texts))
    ids = tuple(
        str(value) if value is not None else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        for value, text in zip(raw_ids, texts, strict=True)
    )
    fields: dict[str, NDArray[np.object_]] = {}
    for name, values in columns.items():
        if name in wanted or name in ("id", "text", "labels", "code"):
            continue
        column = np.empty(len(texts), dtype=object)
        column[:] = values
        fields[name] = column
    return _labelled(ids, tuple(texts), tuple(wanted[k] for k in keep), gold[:, keep], fields)


def _labelled(
    ids: tuple[str, ...],
    texts: tuple[str, ...],
    categories: tuple[str, ...],
    gold: NDArray[np.int8],
    fields: Mapping[str, NDArray[np.object_]],
) -> LabelledData:
    digest = hashlib.sha256(json.dumps([ids, categories]).encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    digest.update(np.ascontiguousarray(gold).tobytes())
    return LabelledData(ids, texts, categories, gold, fields, digest.hexdigest())


def read_columns(dataset: Any, fields: Mapping[str, str] | None = None) -> dict[str, list[Any]]:
    """Every field of a data set as a column, read once: a generator gives its rows a single time.

    Parameters
    ----------
    dataset
        As in ``read_labelled``.
    fields
        Names in the data, by the name that is meant: ``{"text": "body"}``; a dotted one reaches into objects.
    """
    columns = _read(dataset)
    for meant, name in (fields or {}).items():
        first, _, rest = name.partition(".")
        if name in columns:
            columns[meant] = columns.pop(name)
        elif rest and first in columns:
            columns[meant] = [value_at({first: value}, name) for value in columns[first]]
        else:
            raise InputError(f"dataset: no row has {name!r}, which is to be {meant}; found {_names(columns)}")
    return columns


def _names(columns: Mapping[str, Any]) -> str:
    return ", ".join(sorted(columns)) or "none"


def _read(dataset: Any) -> dict[str, list[Any]]:
    if isinstance(dataset, str | Path):
        return _from_file(Path(dataset))
    if hasattr(dataset, "column_names") and hasattr(dataset, "features"):
        return {name: list(dataset[name]) for name in dataset.column_names}
    if hasattr(dataset, "columns") and hasattr(dataset, "iloc"):
        return {str(name): [_none(value) for value in dataset[name].tolist()] for name in dataset.columns}
    if isinstance(dataset, Iterable) and not isinstance(dataset, Mapping | bytes):
        return _from_rows(dataset)
    raise InputError(f"dataset: must be a datasets.Dataset, a data frame, rows or a path, got {type(dataset).__name__}")


def _none(value: Any) -> Any:
    """None for the NaN and NA with which data frames mark a missing value."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _from_rows(rows: Iterable[Any]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    n = 0
    for n, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise InputError(f"dataset: row {n - 1} must be a mapping, got {type(row).__name__}")
        for name, value in row.items():
            if name not in columns:
                columns[str(name)] = [None] * (n - 1)
            columns[str(name)].append(value)
        for column in columns.values():
            if len(column) < n:
                column.append(None)
    return columns


def _from_file(path: Path) -> dict[str, list[Any]]:
    if not path.is_file():
        raise InputError(f"{path}: data file must be there, got none")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return dict(pq.read_table(path).to_pydict())
    rows = []
    for number, line in lines_of_file(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{path}:{number}: line must be JSON, got something else") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: line must be a JSON object, got {type(row).__name__}")
        rows.append(row)
    return _from_rows(rows)


def _gold(
    columns: Mapping[str, Sequence[Any]], wanted: tuple[str, ...], n: int, signals: bool
) -> tuple[NDArray[np.int8], set[str]]:
    gold = np.full((n, len(wanted)), MISSING, dtype=np.int8)
    labelled: set[str] = set()
    if "code" in columns:
        place = {name: k for k, name in enumerate(wanted)}
        names = SIGNALS if signals else CATEGORIES
        for row, code in enumerate(columns["code"]):
            if code is None:
                continue
            for name, on in zip(names, parse_code(code)[1 if signals else 0], strict=True):
                if name in place:
                    gold[row, place[name]] = on
        labelled.update(name for name in names if name in place)
    for row, labels in enumerate(columns.get("labels", ())):
        if labels is None:
            continue
        for k, name in enumerate(wanted):
            if isinstance(labels, Mapping):
                if name in labels:
                    labelled.add(name)
                    gold[row, k] = _label(labels[name], row, name)
            else:
                labelled.add(name)
                gold[row, k] = name in labels
    for k, name in enumerate(wanted):
        if name in columns:
            labelled.add(name)
            gold[:, k] = [_label(value, row, name) for row, value in enumerate(columns[name])]
    return gold, labelled


def _label(value: Any, row: int, name: str) -> int:
    value = _none(value)
    if value is None:
        return MISSING
    if isinstance(value, bool | int | float | np.bool_ | np.number) and value in (0, 1):
        return int(value)
    raise InputError(f"dataset: {name} of row {row} must be true, false or missing, got {value!r:.20}")
