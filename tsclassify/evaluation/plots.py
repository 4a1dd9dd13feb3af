"""Plots of a report, drawn from its tables and curves."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tsclassify.errors import InputError
from tsclassify.reporting.charts import FAINT, FIRST, INK, SECOND, Chart, DotRow, dot_rows, grid

if TYPE_CHECKING:
    from tsclassify.evaluation.report import Report

__all__ = ["Plot", "report_plots"]

_FIRM_BIN: Final = 10
"""Posts in a bin of scores from which a line leads through it."""

_SHARES: Final = (0.0, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure; it shows itself in a notebook.

    Attributes
    ----------
    name, title
        Key and heading.
    picture
        The SVG, which follows the light or dark of the page that it stands in.
    """

    name: str
    title: str
    picture: str

    def svg(self) -> str:
        """The picture: inline SVG with a description."""
        return self.picture

    def _repr_html_(self) -> str:
        head = f'<strong>{html.escape(self.title)}</strong><div style="max-width:52rem">'
        return f"<div>{head}{self.picture}</div></div>"


class _Plots(Mapping[str, Plot]):
    """Plots by name; each is drawn when it is asked for."""

    def __init__(self, draw: dict[str, Callable[[], Plot]]) -> None:
        self._draw = draw

    def __getitem__(self, name: str) -> Plot:
        if name not in self._draw:
            raise InputError(f"report: plot must be one of {', '.join(self._draw)}, got {name!r}")
        return self._draw[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._draw)

    def __len__(self) -> int:
        return len(self._draw)

    def __contains__(self, name: object) -> bool:
        return name in self._draw


def report_plots(report: Report) -> Mapping[str, Plot]:
    """All plots that the report's tables allow, by name."""
    draw: dict[str, Callable[[], Plot]] = {}
    for name, whole in (("ranking", _ranking), ("swaps", _swaps), ("disguises", _disguises), ("suites", _suites)):
        if name in report.tables and _has_rows(report, name):
            draw[name] = partial(whole, report)
    if report.curves:
        for name in _CURVES:
            draw |= {f"{name}/{category}": partial(_curve, report, name, category) for category in report.curves}
            draw[name] = partial(_all_curves, report, name)
    return _Plots(draw)


def _has_rows(report: Report, name: str) -> bool:
    table = report[name]
    if name == "ranking":
        return any(row["ap"] is not None and row["ap"] == row["ap"] for row in table)
    if name == "suites":
        return any(row["functionality"] != "all" for row in table)
    return bool(table.where(category="decision" if name == "swaps" else "macro"))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _share(value: float) -> str:
    return f"{value:g}"


def _ranking(report: Report) -> Plot:
    rows = [row for row in report["ranking"] if row["ap"] is not None and row["ap"] == row["ap"]]
    drawn = []
    for row in rows:
        dots = [(row["ap"], FIRST, "circle")]
        if row["n_positive"] is not None:
            dots.append((row["n_positive"] / row["n_items"], SECOND, "stroke"))
        drawn.append(DotRow(_words(row["category"]), ((row["ap_low"], row["ap_high"], FIRST),), tuple(dots)))
    alt = "Average precision with interval: " + "; ".join(f"{_words(row['category'])} {row['ap']:.2f}" for row in rows)
    legend = (("average precision", FIRST, "circle"), ("chance (share of positives)", SECOND, "stroke"))
    picture = dot_rows(alt, drawn, end=1.0, axis="average precision, with 95 % interval", legend=legend)
    return Plot("ranking", "Average precision by category", picture)


def _small_chart(category: str, axis_x: str, axis_y: str, alt: str) -> Chart:
    size: dict[str, Any] = {"top": 1.0, "width": 270.0, "height": 220.0}
    return Chart(_words(category), 0.0, 1.0, _share, _share, _SHARES, axis_x=axis_x, axis_y=axis_y, alt=alt, **size)


def _precision_recall_chart(report: Report, category: str) -> Chart:
    curve, row = report.curves[category], report["ranking"].where(category=category)[0]
    alt = f"Precision against recall for {_words(category)}; area {row['ap']:.2f}; dashed: share of positives"
    chart = _small_chart(category, "recall", "precision", alt)
    chart.steps(curve["recall"], curve["precision"], FIRST)
    chance = row["n_positive"] / row["n_items"]
    chart.dashes((0.0, chance), (1.0, chance), SECOND)
    for point in report["operating_points"].where(category=category):
        if point["point"] in ("act", "review") and point["precision"] == point["precision"]:
            shape = "diamond" if point["point"] == "act" else "circle"
            chart.dot(point["recall"], point["precision"], SECOND, shape=shape, says=point["point"])
    return chart


def _reliability_chart(report: Report, category: str) -> Chart:
    curve, ece = report.curves[category], report["ranking"].value("ece", category=category)
    alt = f"Share of positives against mean score for {_words(category)}; calibration error {ece:.3f}; dashed: ideal"
    chart = _small_chart(category, "mean score in bin", "share of positives", alt)
    bins = [
        (x, y, n)
        for x, y, n in zip(curve["bin_score"], curve["bin_share"], curve["bin_n"], strict=True)
        if n and x is not None and x == x
    ]
    chart.dashes((0.0, 0.0), (1.0, 1.0), SECOND)
    # bins of a few posts jump about: they are shown, but no line leads to them
    firm = [(x, y) for x, y, n in bins if n >= _FIRM_BIN]
    chart.line([x for x, _ in firm], [y for _, y in firm], FIRST)
    largest = max((n for _, _, n in bins), default=1)
    for x, y, n in bins:
        chart.dot(x, y, FIRST, size=2.0 + 3.5 * (n / largest) ** 0.5)
    return chart


_CURVES: Final[Mapping[str, tuple[str, Callable[[Report, str], Chart]]]] = {
    "precision_recall": ("Precision and recall", _precision_recall_chart),
    "reliability": ("Reliability", _reliability_chart),
}
"""Plots that every category has: the title of all together, and the chart of one."""


def _curve(report: Report, name: str, category: str) -> Plot:
    return Plot(f"{name}/{category}", _words(category), _CURVES[name][1](report, category).svg())


def _all_curves(report: Report, name: str) -> Plot:
    title, chart = _CURVES[name]
    alt = f"{title} of {', '.join(map(_words, report.curves))}"
    return Plot(name, title, grid(alt, [chart(report, category) for category in report.curves], 4))


def _swaps(report: Report) -> Plot:
    rows = report["swaps"].where(category="decision")
    drawn = [
        DotRow(
            f"{row['swap']}, {row['source']}",
            ((row["mean_gap"], row["largest_gap"], FAINT),),
            ((row["mean_gap"], FIRST, "circle"), (row["largest_gap"], SECOND, "diamond")),
        )
        for row in rows
    ]
    alt = "Score gap between counterfactuals: " + "; ".join(
        f"{row['swap']} {row['source']} mean {row['mean_gap']:.3f}, largest {row['largest_gap']:.2f}" for row in rows
    )
    picture = dot_rows(
        alt,
        drawn,
        end=max(0.1, *(row["largest_gap"] for row in rows)),
        axis="score gap between counterfactuals; dotted: limits 0.02 and 0.10",
        legend=(("mean gap", FIRST, "circle"), ("largest gap", SECOND, "diamond")),
        limits=((0.02, FIRST), (0.10, SECOND)),
    )
    return Plot("swaps", "Score gaps between counterfactuals", picture)


def _disguises(report: Report) -> Plot:
    rows = report["disguises"].where(category="macro")
    marks = {"low": (FIRST, "hollow"), "mid": (FIRST, "circle"), "high": (SECOND, "diamond")}
    drawn = []
    for kind in dict.fromkeys(row["disguise"] for row in rows):
        mine = {row["strength"]: row["ap_kept"] for row in rows if row["disguise"] == kind}
        dots = tuple((mine[strength], *mark) for strength, mark in marks.items() if strength in mine)
        drawn.append(DotRow(_words(kind), (), dots))
    alt = "Average precision kept at mid strength: " + "; ".join(
        f"{_words(row['disguise'])} {row['ap_kept']:.2f}" for row in rows if row["strength"] == "mid"
    )
    picture = dot_rows(
        alt,
        drawn,
        end=max(1.0, *(row["ap_kept"] for row in rows)),
        axis="share of average precision kept; dotted: limit 0.90 at mid strength",
        legend=[(strength, *mark) for strength, mark in marks.items()],
        limits=((0.9, INK),),
    )
    return Plot("disguises", "Average precision kept when posts are disguised", picture)


def _suites(report: Report) -> Plot:
    rows = [row for row in report["suites"] if row["functionality"] != "all"]
    rows.sort(key=lambda row: (row["gold"] == "innocent", -(row["auc"] if row["auc"] == row["auc"] else 0.0)))
    kinds = {"innocent": (FIRST, "circle")}
    drawn = [
        DotRow(_words(row["functionality"]), (), ((row["auc"], *kinds.get(row["gold"], (SECOND, "diamond"))),))
        for row in rows
        if row["auc"] == row["auc"]
    ]
    worst = sorted(rows, key=lambda row: row["auc"])[:3]
    alt = "AUC by functionality; lowest: " + "; ".join(
        f"{_words(row['functionality'])} {row['auc']:.2f}" for row in worst
    )
    picture = dot_rows(
        alt,
        drawn,
        end=1.0,
        axis="AUC against the cases of the opposite label; dotted: chance",
        legend=(("violent cases", SECOND, "diamond"), ("innocent cases", FIRST, "circle")),
        limits=((0.5, INK),),
    )
    return Plot("suites", "Functional suite", picture)
