"""Tables and the whole report as HTML; everything that comes from data is escaped by the template engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tsclassify.reporting.templates import drawn, render

if TYPE_CHECKING:
    from tsclassify.evaluation.report import Report
    from tsclassify.evaluation.tables import Table

__all__ = ["render_report", "render_summary", "render_table"]

_LABELS: Final = {
    "n_items": "rows", "n_positive": "positives", "n_negative": "negatives", "n_flagged": "flagged",
    "n_posts": "posts", "n_pairs": "pairs", "n_cases": "cases", "n_innocent": "innocent rows", "ap": "AP",
    "auc": "AUC", "ece": "ECE", "ece_expected": "ECE expected", "ece_p": "ECE p", "mean_score": "mean score",
    "positive_share": "share of positives", "brier": "Brier", "f1": "F1", "false_alarm_rate": "false-alarm rate",
    "alerts": "alerts per 10,000", "alerts_true": "of which true", "overall_auc": "AUC overall",
    "subgroup_auc": "subgroup AUC", "bpsn_auc": "BPSN AUC", "bnsp_auc": "BNSP AUC", "mean_gap": "mean gap",
    "gap_99": "gap, 99th percentile", "largest_gap": "largest gap", "flip_share": "share flipped",
    "ap_clean": "AP clean", "ap_kept": "AP kept", "recall_clean": "recall clean", "recall_kept": "recall kept",
    "false_alarms_added": "false alarms added", "right": "right at act", "found_at_review": "found at review",
    "raised_to_review": "raised to review", "twins": "pairs", "twins_ordered": "pairs in order",
    "ordered": "in the right order", "peer_ap": "peer's AP", "peer_auc": "peer's AUC", "ap_difference": "AP difference",
    "auc_difference": "AUC difference", "highest_score": "highest score", "lowest_score": "lowest score",
}  # fmt: skip
_PERCENT: Final = frozenset({"false_alarm_rate", "flip_share", "false_alarms_added", "positive_share"})
_WHOLE: Final = frozenset({"alerts", "alerts_true"})
_SHOWN: Final = 40
_OPEN: Final = 24
_ORDER: Final = (
    "ranking", "operating_points", "decisions", "signals",
    "swaps", "swap_groups", "swap_examples", "identity", "disguises", "suites", "pairs",
    "peers", "slices", "confusion", "errors",
)  # fmt: skip
_PLOTS: Final = {
    "ranking": ("ranking",), "operating_points": ("precision_recall/", "reliability/"), "swaps": ("swaps",),
    "disguises": ("disguises",), "suites": ("suites",),
}  # fmt: skip


def _format(name: str, value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if name in _PERCENT:
            return f"{100 * value:.2f} %"
        if name in _WHOLE:
            return f"{value:,.0f}"
        return f"{value:.3f}"
    return str(value)


def _shown_rows(table: Table) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows that a page shows, and a sentence when they are not all."""
    rows: Sequence[Mapping[str, Any]] = table.rows
    if table.name == "disguises":
        rows = table.where(category="macro")
        return rows, "Means over the categories; the stored report has each category."
    if table.name == "operating_points" and any(row["point"] in ("act", "review") for row in rows):
        rows = [row for row in rows if row["point"] in ("act", "review")]
        return rows, "Thresholds of the policy; the stored report has every operating point of the bundle."
    if table.name == "swap_groups" and len(rows) > _SHOWN:
        rows = sorted(rows, key=lambda row: -abs(row["shift"]))[:_SHOWN]
        return rows, f"The {_SHOWN} largest of {len(table)} rows; the stored report has all."
    return rows, ""


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if not (name.endswith(("_low", "_high")) and name.rsplit("_", 1)[0] in names)]


def _cells(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[list[dict[str, str]]]:
    out = []
    for row in rows:
        cells = []
        for name in columns:
            value = row.get(name)
            cell = {
                "text": _format(name, value),
                "kind": "number" if isinstance(value, int | float) else "text",
                "ends": "",
            }
            if value is None:
                cell["kind"] = "number"
            low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
            if low is not None and high is not None and low == low:
                cell["ends"] = f"{_format(name, low)} to {_format(name, high)}"
            cells.append(cell)
        out.append(cells)
    return out


def _view(table: Table) -> dict[str, Any]:
    rows, more = _shown_rows(table)
    columns = _columns(rows)
    cells = _cells(rows, columns)
    return {
        "name": table.name,
        "title": table.title,
        "note": table.note,
        "more": more,
        "columns": [
            {"label": _LABELS.get(name, name.replace("_", " ")), "kind": cells[0][i]["kind"] if cells else "text"}
            for i, name in enumerate(columns)
        ],
        "rows": cells,
        "folded": len(rows) > _OPEN,
    }


def render_table(table: Table) -> str:
    """One table, for a notebook."""
    return render("table.html.j2", table=_view(table), notebook=True)


def render_summary(report: Report) -> str:
    """Problems and the ranking table, for a notebook."""
    ranking = report.tables.get("ranking")
    view = _view(ranking) if ranking is not None else None
    return render("summary.html.j2", report=report, ranking=view, notebook=True)


def render_report(report: Report) -> str:
    """The page: no script, no request, light and dark by the reader's setting, printable."""
    plots = report.plots
    order = [name for name in _ORDER if name in report.tables]
    order += [name for name in report.tables if name not in order]
    sections = []
    for name in order:
        figures = []
        for wanted in _PLOTS.get(name, ()):
            mine = [key for key in plots if key == wanted or (wanted.endswith("/") and key.startswith(wanted))]
            figures.append(
                {
                    "heading": {"precision_recall/": "Precision and recall", "reliability/": "Reliability"}.get(
                        wanted, ""
                    ),
                    "many": wanted.endswith("/"),
                    "plots": [{"title": plot.title, "svg": drawn(plot.svg())} for plot in (plots[key] for key in mine)],
                }
            )
        sections.append({"table": _view(report.tables[name]), "figures": [one for one in figures if one["plots"]]})
    return render("report.html.j2", report=report, sections=sections, notebook=False)
