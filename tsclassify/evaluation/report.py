"""The report: tables, curves and named problems of one measured model; shown, saved, loaded, gated."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tsclassify.errors import InputError, needs
from tsclassify.evaluation.tables import Problem, Table

if TYPE_CHECKING:
    from tsclassify.evaluation.gates import Gate
    from tsclassify.evaluation.plots import Plot

__all__ = ["REPORT_SCHEMA", "Report"]

REPORT_SCHEMA: Final = 1

_LINES: Final = 40
_COLUMNS: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that was measured of one model on one data set.

    Attributes
    ----------
    meta
        Model, data fingerprint, rows, seed, draws, library version, policy, prevalence.
    tables
        Name to table, in reading order.
    curves
        Category to points for the plots: precision, recall, reliability bins.
    problems
        What the summary names; empty for a model without findings.
    """

    meta: Mapping[str, Any]
    tables: Mapping[str, Table]
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def __getitem__(self, name: str) -> Table:
        try:
            return self.tables[name]
        except KeyError:
            raise InputError(f"report: table must be one of {', '.join(self.tables)}, got {name!r}") from None

    def value(self, table: str, column: str, **values: Any) -> Any:
        """One figure: ``report.value("ranking", "ap", category="incitement")``."""
        return self[table].value(column, **values)

    def check(self, gates: Sequence[Gate] | str | Path) -> tuple[Gate, ...]:
        """The gates that fail: a list of gates, or the path of a TOML file of them."""
        from tsclassify.evaluation.gates import failing, read_gates

        return failing(self.tables, read_gates(gates) if isinstance(gates, str | Path) else gates)

    @property
    def plots(self) -> Mapping[str, Plot]:
        """Name to plot; each shows itself in a notebook and gives ``svg()`` and ``png()``."""
        from tsclassify.evaluation.plots import report_plots

        return report_plots(self)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; NaN becomes None."""
        return {
            "schema": REPORT_SCHEMA,
            "meta": _plain(self.meta),
            "problems": [problem.to_dict() for problem in self.problems],
            "tables": {
                name: {"title": table.title, "note": table.note, "rows": _plain(table.rows)}
                for name, table in self.tables.items()
            },
            "curves": _plain(self.curves),
        }

    @needs("Report.save")
    def save(self, path: str | Path) -> Path:
        """Write ``.html`` (one page with everything in it) or ``.json`` (to be loaded again).

        Raises
        ------
        InputError
            When the name ends in neither, or the file cannot be written.
        """
        target = Path(path)
        if target.suffix == ".json":
            content = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        elif target.suffix in (".html", ".htm"):
            from tsclassify.evaluation.html import render_report

            content = render_report(self)
        else:
            raise InputError(f"report: file must end in .html or .json, got {target.name!r}")
        temporary = target.with_name(target.name + ".tmp")
        try:
            temporary.write_text(content, encoding="utf-8")
            temporary.replace(target)
        except OSError as error:
            raise InputError(f"{target}: report must be writable, got {error.strerror}") from None
        return target

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read a report saved as JSON.

        Raises
        ------
        InputError
            When it is not a report, or of a newer schema.
        """
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            schema = stored["schema"]
            if schema != REPORT_SCHEMA:
                raise InputError(f"{path}: report schema must be {REPORT_SCHEMA}, got {schema!r}")
            tables = {
                name: Table(name, table["title"], table["note"], tuple(table["rows"]))
                for name, table in stored["tables"].items()
            }
            problems = tuple(Problem(**problem) for problem in stored["problems"])
            return cls(stored["meta"], tables, stored["curves"], problems)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: file must be a stored report, got {type(error).__name__}") from None

    def __repr__(self) -> str:
        return f"Report({self.meta.get('model')!r}, {self.meta.get('n_items', 0)} posts, {len(self.tables)} tables)"

    def __str__(self) -> str:
        """Ranking and problems in at most 40 lines of 100 columns; ``save`` writes the whole."""
        meta = self.meta
        lines = [f"{meta.get('model')} on {meta.get('n_items', 0):,} posts"]
        if "ranking" in self.tables:
            lines.append(f"{'category':18}{'positives':>10}{'AP':>8}{'95 % interval':>18}{'AUC':>8}")
            for row in self["ranking"].rows:
                positives = "" if row["n_positive"] is None else f"{row['n_positive']:,}"
                interval = f"{row['ap_low']:.3f}–{row['ap_high']:.3f}"
                lines.append(f"{row['category']:18}{positives:>10}{row['ap']:>8.3f}{interval:>18}{row['auc']:>8.3f}")
        lines += [textwrap.shorten(f"- {problem.message}", _COLUMNS, placeholder=" …") for problem in self.problems]
        if len(lines) > _LINES:
            lines[_LINES - 1 :] = [f"and {len(lines) - _LINES + 1} more problems: see report.problems"]
        return "\n".join(lines)

    @needs("Report")
    def _repr_html_(self) -> str:
        from tsclassify.evaluation.html import render_summary

        return render_summary(self)


def _plain(value: Any) -> Any:
    """Numbers, strings, lists and dicts that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
