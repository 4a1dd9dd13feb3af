"""What a report is made of: tables of figures, and the problems that they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsclassify.errors import InputError, needs

if TYPE_CHECKING:
    import pandas

__all__ = ["Problem", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind.

    Attributes
    ----------
    name, title, note
        Key, heading, and how to read it.
    rows
        Mappings of column to a str, int, float, bool or None; a column ``x`` with ``x_low`` and ``x_high``
        beside it is a figure with its 95 % interval.
    """

    name: str
    title: str
    note: str
    rows: tuple[Mapping[str, Any], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in the order in which rows bring them."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def where(self, **values: Any) -> tuple[Mapping[str, Any], ...]:
        """The rows that hold all of `values`."""
        return tuple(row for row in self.rows if all(row.get(key) == value for key, value in values.items()))

    def value(self, column: str, **values: Any) -> Any:
        """The figure in `column` of the single row that holds `values`.

        Raises
        ------
        InputError
            When no row or several rows hold them, or the column is missing.
        """
        rows = self.where(**values)
        if len(rows) != 1:
            raise InputError(f"{self.name}: one row must hold {values}, got {len(rows)}")
        if column not in rows[0]:
            raise InputError(f"{self.name}: column must be one of {', '.join(self.columns)}, got {column!r}")
        return rows[0][column]

    @needs("Table.to_pandas")
    def to_pandas(self) -> pandas.DataFrame:
        """A data frame with one column per figure."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in self.rows], columns=list(self.columns))

    @needs("Table")
    def _repr_html_(self) -> str:
        from tsclassify.evaluation.html import render_table

        return render_table(self)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the figures show that a reader must not miss.

    Attributes
    ----------
    code
        ``bias``, ``neutrality``, ``identity_ranking``, ``miscalibration``, ``robustness`` or ``few_positives``.
    message
        One plain sentence with the figures.
    table
        Name of the table that shows it.
    """

    code: str
    message: str
    table: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "table": self.table}
