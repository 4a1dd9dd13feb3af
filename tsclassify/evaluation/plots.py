"""Plots of a report: matplotlib figures that show themselves in a notebook and follow the page's light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tsclassify.errors import InputError, needs

if TYPE_CHECKING:
    from tsclassify.evaluation.report import Report

__all__ = ["Plot", "report_plots"]

# Placeholders: in SVG each becomes a CSS variable with this colour as fallback, so one drawing serves both
# schemes. Blue and vermilion are told apart with every common colour blindness. Source: Okabe and Ito 2008.
_INK: Final = "#1b1f24"
_FAINT: Final = "#c9ced6"
_FIRST: Final = "#0065a3"
_SECOND: Final = "#b84800"
_VARIABLES: Final = {_INK: "--ink", _FAINT: "--faint", _FIRST: "--first", _SECOND: "--second"}
_DPI: Final = 110
_FIRM_BIN: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """One figure.

    Attributes
    ----------
    name, title
        Key and heading.
    alt
        What the figure shows, for those who do not see it.
    figure
        The ``matplotlib.figure.Figure``.
    """

    name: str
    title: str
    alt: str
    figure: Any

    def svg(self) -> str:
        """Inline SVG with a title and description; colours follow the CSS variables of the page."""
        import matplotlib as mpl

        buffer = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": f"tsclassify-{self.name}"}):
            self.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        text = buffer.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        for colour, variable in _VARIABLES.items():
            text = text.replace(colour, f"var({variable}, {colour})")
        # ids must be unique in the page, which holds many figures
        slug = re.sub(r"\W+", "-", self.name)
        text = re.sub(r'(?<![\w-])id="', f'id="{slug}-', text)
        text = text.replace('href="#', f'href="#{slug}-').replace("url(#", f"url(#{slug}-")
        return re.sub(
            r"<svg ",
            f'<svg role="img" aria-label="{_attribute(self.alt)}" ',
            text,
            count=1,
        )

    def png(self) -> bytes:
        """The figure on white."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


class _Plots(Mapping[str, Plot]):
    """Plots by name; each is drawn when it is asked for."""

    def __init__(self, draw: dict[str, Callable[[], Plot]]) -> None:
        self._draw = draw

    @needs("Report.plots")
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
    for category, curve in report.curves.items():
        for name, panel in (("precision_recall", _precision_recall), ("reliability", _reliability)):
            draw[f"{name}/{category}"] = partial(panel, report, category, curve)
    if report.curves:
        draw["precision_recall"] = partial(_grid, report, "precision_recall", _precision_recall_axes)
        draw["reliability"] = partial(_grid, report, "reliability", _reliability_axes)
    return _Plots(draw)


def _has_rows(report: Report, name: str) -> bool:
    table = report[name]
    if name == "ranking":
        return any(row["ap"] is not None and row["ap"] == row["ap"] for row in table)
    if name == "suites":
        return any(row["functionality"] != "all" for row in table)
    return bool(table.where(category="decision" if name == "swaps" else "macro"))


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        _style(axis)
    return figure, axes


def _style(axis: Any) -> None:
    axis.tick_params(colors=_INK, labelsize=9, length=3)
    axis.xaxis.label.set_color(_INK)
    axis.yaxis.label.set_color(_INK)
    axis.title.set_color(_INK)
    axis.set_facecolor("none")
    axis.grid(True, color=_FAINT, linewidth=0.5)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(_INK)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _ranking(report: Report) -> Plot:
    rows = [row for row in report["ranking"] if row["ap"] is not None and row["ap"] == row["ap"]]
    figure, axes = _figure(6.0, 0.9 + 0.34 * len(rows))
    axis = axes[0, 0]
    for place, row in enumerate(rows):
        y = len(rows) - 1 - place
        axis.plot([row["ap_low"], row["ap_high"]], [y, y], color=_FIRST, linewidth=2)
        axis.plot([row["ap"]], [y], "o", color=_FIRST, markersize=6, label="average precision" if not place else None)
        if row["n_positive"] is not None:
            axis.plot(
                [row["n_positive"] / row["n_items"]], [y], "|", color=_SECOND, markersize=11, markeredgewidth=2,
                label="chance (share of positives)" if not place else None,
            )  # fmt: skip
    axis.set_yticks(range(len(rows)), [_words(row["category"]) for row in rows][::-1])
    axis.set_xlim(0, 1)
    axis.set_xlabel("average precision, with 95 % interval")
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, fontsize=8, frameon=False, labelcolor=_INK)
    alt = "Average precision with interval: " + "; ".join(f"{_words(row['category'])} {row['ap']:.2f}" for row in rows)
    return Plot("ranking", "Average precision by category", alt, figure)


def _precision_recall_axes(report: Report, axis: Any, category: str, curve: Mapping[str, Any]) -> None:
    axis.step(curve["recall"], curve["precision"], where="post", color=_FIRST, linewidth=1.8)
    row = report["ranking"].where(category=category)[0]
    axis.axhline(row["n_positive"] / row["n_items"], color=_SECOND, linewidth=1.2, linestyle="--")
    for point in report["operating_points"].where(category=category):
        if point["point"] in ("act", "review") and point["precision"] == point["precision"]:
            axis.plot(
                [point["recall"]],
                [point["precision"]],
                "D" if point["point"] == "act" else "o",
                color=_SECOND,
                markersize=5,
            )
            axis.annotate(
                point["point"],
                (point["recall"], point["precision"]),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
                color=_INK,
            )
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("recall", fontsize=9)
    axis.set_ylabel("precision", fontsize=9)


def _reliability_axes(report: Report, axis: Any, category: str, curve: Mapping[str, Any]) -> None:
    filled = [
        (x, y, n)
        for x, y, n in zip(curve["bin_score"], curve["bin_share"], curve["bin_n"], strict=True)
        if n and x is not None and x == x
    ]
    axis.plot([0, 1], [0, 1], color=_SECOND, linewidth=1.2, linestyle="--")
    # bins of a few posts jump about: they are shown, but no line leads to them
    firm = [(x, y) for x, y, n in filled if n >= _FIRM_BIN]
    axis.plot([x for x, _ in firm], [y for _, y in firm], color=_FIRST, linewidth=1.2)
    largest = max((n for _, _, n in filled), default=1)
    axis.scatter(
        [x for x, _, _ in filled], [y for _, y, _ in filled], color=_FIRST,
        s=[12 + 60 * (n / largest) ** 0.5 for _, _, n in filled],
    )  # fmt: skip
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("mean score in bin", fontsize=9)
    axis.set_ylabel("share of positives", fontsize=9)


def _precision_recall(report: Report, category: str, curve: Mapping[str, Any]) -> Plot:
    figure, axes = _figure(3.0, 2.5)
    _precision_recall_axes(report, axes[0, 0], category, curve)
    ap = report["ranking"].value("ap", category=category)
    alt = f"Precision against recall for {_words(category)}; area {ap:.2f}; dashed: share of positives"
    return Plot(f"precision_recall/{category}", _words(category), alt, figure)


def _reliability(report: Report, category: str, curve: Mapping[str, Any]) -> Plot:
    figure, axes = _figure(3.0, 2.5)
    _reliability_axes(report, axes[0, 0], category, curve)
    ece = report["ranking"].value("ece", category=category)
    alt = f"Share of positives against mean score for {_words(category)}; calibration error {ece:.3f}; dashed: ideal"
    return Plot(f"reliability/{category}", _words(category), alt, figure)


def _grid(report: Report, name: str, draw: Callable[[Any, Any, str, Mapping[str, Any]], None]) -> Plot:
    n_columns = min(4, len(report.curves))
    n_rows = -(-len(report.curves) // n_columns)
    figure, axes = _figure(2.7 * n_columns, 2.4 * n_rows, n_rows, n_columns)
    for axis, (category, curve) in zip(axes.flat, report.curves.items(), strict=False):
        draw(report, axis, category, curve)
        axis.set_title(_words(category), fontsize=10)
    for axis in list(axes.flat)[len(report.curves) :]:
        axis.set_visible(False)
    title = "Precision and recall" if name == "precision_recall" else "Reliability"
    return Plot(name, title, f"{title} of {', '.join(map(_words, report.curves))}", figure)


def _swaps(report: Report) -> Plot:
    rows = report["swaps"].where(category="decision")
    figure, axes = _figure(6.0, 1.0 + 0.36 * len(rows))
    axis = axes[0, 0]
    for place, row in enumerate(rows):
        y = len(rows) - 1 - place
        axis.plot([row["mean_gap"], row["largest_gap"]], [y, y], color=_FAINT, linewidth=1.5)
        axis.plot([row["mean_gap"]], [y], "o", color=_FIRST, label="mean gap" if not place else None)
        axis.plot([row["largest_gap"]], [y], "D", color=_SECOND, label="largest gap" if not place else None)
    axis.axvline(0.02, color=_FIRST, linewidth=1, linestyle=":")
    axis.axvline(0.10, color=_SECOND, linewidth=1, linestyle=":")
    axis.set_yticks(range(len(rows)), [f"{row['swap']}, {row['source']}" for row in rows][::-1])
    axis.set_xlim(left=0)
    axis.set_xlabel("score gap between twins; dotted: limits 0.02 and 0.10")
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, fontsize=8, frameon=False, labelcolor=_INK)
    alt = "Score gap between twins: " + "; ".join(
        f"{row['swap']} {row['source']} mean {row['mean_gap']:.3f}, largest {row['largest_gap']:.2f}" for row in rows
    )
    return Plot("swaps", "Score gaps between counterfactual twins", alt, figure)


def _disguises(report: Report) -> Plot:
    rows = report["disguises"].where(category="macro")
    kinds = list(dict.fromkeys(row["disguise"] for row in rows))
    figure, axes = _figure(6.0, 1.0 + 0.36 * len(kinds))
    axis = axes[0, 0]
    marks = {"low": ("o", "none", _FIRST), "mid": ("o", _FIRST, _FIRST), "high": ("D", _SECOND, _SECOND)}
    for strength, (mark, face, edge) in marks.items():
        mine = [row for row in rows if row["strength"] == strength]
        axis.plot(
            [row["ap_kept"] for row in mine],
            [len(kinds) - 1 - kinds.index(row["disguise"]) for row in mine],
            mark, markerfacecolor=face, markeredgecolor=edge, linestyle="none", label=strength,
        )  # fmt: skip
    axis.axvline(0.9, color=_INK, linewidth=1, linestyle=":")
    axis.set_yticks(range(len(kinds)), [_words(kind) for kind in kinds][::-1])
    axis.set_xlabel("share of average precision kept; dotted: limit 0.90 at mid strength")
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3, fontsize=8, frameon=False, labelcolor=_INK)
    alt = "Average precision kept at mid strength: " + "; ".join(
        f"{_words(row['disguise'])} {row['ap_kept']:.2f}" for row in rows if row["strength"] == "mid"
    )
    return Plot("disguises", "Average precision kept when posts are disguised", alt, figure)


def _suites(report: Report) -> Plot:
    rows = [row for row in report["suites"] if row["functionality"] != "all"]
    rows.sort(key=lambda row: (row["gold"] != "innocent", row["auc"] if row["auc"] == row["auc"] else 0.0))
    figure, axes = _figure(6.4, 1.0 + 0.24 * len(rows))
    axis = axes[0, 0]
    for y, row in enumerate(rows):
        innocent = row["gold"] == "innocent"
        axis.plot([row["auc"]], [y], "o" if innocent else "D", color=_FIRST if innocent else _SECOND, markersize=5)
    for label, mark, colour in (("violent cases", "D", _SECOND), ("innocent cases", "o", _FIRST)):
        axis.plot([], [], mark, color=colour, label=label)
    axis.axvline(0.5, color=_INK, linewidth=1, linestyle=":")
    axis.set_yticks(range(len(rows)), [_words(row["functionality"]) for row in rows], fontsize=8)
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.set_xlabel("AUC against the cases of the opposite label; dotted: chance")
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, fontsize=8, frameon=False, labelcolor=_INK)
    worst = sorted(rows, key=lambda row: row["auc"])[:3]
    alt = "AUC by functionality; lowest: " + "; ".join(
        f"{_words(row['functionality'])} {row['auc']:.2f}" for row in worst
    )
    return Plot("suites", "Functional suite", alt, figure)
