"""The main tables: ranking, calibration, operating points with alert volume, slices, confusion, pairs, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics
from tsclassify.evaluation.bootstrap import Draws, bootstrap, interval
from tsclassify.evaluation.calibration import calibration_check
from tsclassify.evaluation.labelled import LabelledData
from tsclassify.evaluation.tables import Table

__all__ = ["Measured", "Point", "confusion_table", "curves", "measure", "pairs_table", "point_rows", "ranking_rows"]

ALERTS = 10_000
_CURVE_POINTS = 160


@dataclass(frozen=True, slots=True)
class Point:
    """A named threshold of one category: ``act``, ``review``, ``operating point`` or ``even odds``."""

    name: str
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Scores on labelled rows with their bootstrap draws; columns in the order of ``data.categories``."""

    data: LabelledData
    scores: NDArray[np.float32]
    points: tuple[tuple[Point, ...], ...]
    priors: tuple[float | None, ...]
    draws: Draws


def measure(
    data: LabelledData,
    scores: NDArray[np.float32],
    points: Sequence[Sequence[Point]],
    priors: Sequence[float | None],
    *,
    groups: NDArray[np.int64] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Measured:
    """Draw the bootstrap for all rows; the tables read from its result."""
    draws = bootstrap(
        data.gold,
        scores,
        # scores are float32: a threshold is compared at the same precision, so that equal acts
        thresholds=[[float(np.float32(point.threshold)) for point in row] for row in points],
        priors=priors,
        groups=groups,
        n_draws=n_boot,
        seed=seed,
        threads=threads,
        progress=progress,
    )
    return Measured(data, scores, tuple(tuple(row) for row in points), tuple(priors), draws)


def _labelled_rows(m: Measured, k: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    rows = m.data.gold[:, k] >= 0
    return m.data.gold[rows, k] == 1, m.scores[rows, k].astype(np.float64)


def ranking_rows(m: Measured, *, calibration: bool = True) -> list[dict[str, Any]]:
    """AP, ROC AUC and calibration of every category, and the macro mean over them."""
    rows = []
    for k, category in enumerate(m.data.categories):
        gold, values = _labelled_rows(m, k)
        ap, auc = metrics.average_precision(gold, values), metrics.roc_auc(gold, values)
        row: dict[str, Any] = {
            "category": category,
            "n_items": len(gold),
            "n_positive": int(gold.sum()),
            "ap": ap,
            **_ends("ap", m.draws.ap[:, k]),
            "auc": auc,
            **_ends("auc", m.draws.auc[:, k]),
        }
        if calibration:
            check = calibration_check(gold, values, prior=m.priors[k])
            row |= {
                "prior": check.prior,
                "ece": check.ece,
                **_ends("ece", m.draws.ece[:, k]),
                "ece_expected": check.ece_expected,
                "ece_p": check.p_value,
                "mean_score": check.mean_score,
                "positive_share": check.positive_share,
                "brier": metrics.brier_score(gold, values),
            }
        rows.append(row)
    if len(rows) > 1:
        defined = [k for k, row in enumerate(rows) if np.isfinite(row["ap"])]
        macro: dict[str, Any] = {"category": "macro", "n_items": len(m.data), "n_positive": None}
        for name, draws in (("ap", m.draws.ap), ("auc", m.draws.auc)):
            figures = [rows[k][name] for k in defined]
            macro[name] = float(np.mean(figures)) if defined else float("nan")
            macro |= _ends(name, draws[:, defined].mean(axis=1) if defined else np.empty(0))
        rows.append(macro)
    return rows


def _ends(name: str, draws: NDArray[np.float64], share: tuple[int, int] | None = None) -> dict[str, float]:
    low, high = interval(draws, share=share)
    return {f"{name}_low": low, f"{name}_high": high}


def point_rows(m: Measured, prevalence: Mapping[str, float]) -> list[dict[str, Any]]:
    """Precision, recall and F1 at every threshold, and alerts per 10,000 posts at the stated prevalence."""
    rows = []
    for k, category in enumerate(m.data.categories):
        gold, values = _labelled_rows(m, k)
        precision, recall, f1 = m.draws.precision(k), m.draws.recall(k), m.draws.f1(k)
        false_alarms = m.draws.false_alarm_rate(k)
        rate = prevalence[category]
        for c, point in enumerate(m.points[k]):
            cell = metrics.counts_at(gold, values, float(np.float32(point.threshold)))
            n_flagged = cell.true_positive + cell.false_positive
            n_positive = cell.true_positive + cell.false_negative
            alerts = ALERTS * (cell.recall * rate + cell.false_alarm_rate * (1 - rate))
            drawn = ALERTS * (recall[:, c] * rate + false_alarms[:, c] * (1 - rate))
            rows.append(
                {
                    "category": category,
                    "point": point.name,
                    "threshold": point.threshold,
                    "n_flagged": n_flagged,
                    "precision": cell.precision,
                    **_ends("precision", precision[:, c], (cell.true_positive, n_flagged)),
                    "recall": cell.recall,
                    **_ends("recall", recall[:, c], (cell.true_positive, n_positive)),
                    "f1": cell.f1,
                    **_ends("f1", f1[:, c]),
                    "false_alarm_rate": cell.false_alarm_rate,
                    **_ends(
                        "false_alarm_rate",
                        false_alarms[:, c],
                        (cell.false_positive, cell.false_positive + cell.true_negative),
                    ),
                    "prevalence": rate,
                    "alerts": alerts,
                    **_ends("alerts", drawn),
                    "alerts_true": ALERTS * cell.recall * rate,
                }
            )
    return rows


def slice_rows(
    m: Measured,
    slices: Mapping[str, NDArray[np.object_]],
    thresholds: Sequence[float],
    *,
    n_boot: int,
    seed: int,
    threads: int | None = None,
    min_items: int = 20,
    max_values: int = 30,
) -> list[dict[str, Any]]:
    """AP, ROC AUC, recall and false alarms for every value of every slice field."""
    rows: list[dict[str, Any]] = []
    for field, column in slices.items():
        names, counts = np.unique([str(value) for value in column if value is not None], return_counts=True)
        common = sorted(zip(counts.tolist(), names.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
        for count, value in common[:max_values]:
            if count < min_items:
                continue
            inside = np.flatnonzero([item is not None and str(item) == value for item in column])
            part = m.data.take(inside)
            points = [[Point("act", threshold)] for threshold in thresholds]
            one = measure(part, m.scores[inside], points, m.priors, n_boot=n_boot, seed=seed, threads=threads)
            at_act = point_rows(one, dict.fromkeys(part.categories, 0.01))
            for ranked, acted in zip(ranking_rows(one, calibration=False), at_act, strict=False):
                rows.append(
                    {
                        "slice": field,
                        "value": value,
                        **ranked,
                        **{
                            name: acted[name]
                            for figure in ("recall", "false_alarm_rate")
                            for name in (figure, f"{figure}_low", f"{figure}_high")
                        },
                    }
                )
    return rows


def confusion_table(m: Measured, thresholds: Sequence[float]) -> Table:
    """Which categories are flagged where which gold label holds; posts without any label come last."""
    flagged = m.scores >= np.asarray(thresholds, dtype=np.float32)
    rows = []
    labels = [(name, m.data.gold[:, k] == 1) for k, name in enumerate(m.data.categories)]
    labels.append(("no label", (m.data.gold == 0).all(axis=1)))
    for name, inside in labels:
        n = int(inside.sum())
        row: dict[str, Any] = {"gold": name, "n_items": n}
        for j, other in enumerate(m.data.categories):
            row[other] = float(flagged[inside, j].mean()) if n else float("nan")
        row["nothing"] = float((~flagged[inside].any(axis=1)).mean()) if n else float("nan")
        rows.append(row)
    note = (
        "Share of the posts with a gold label (row) that are flagged for a category (column) at its act "
        "threshold. Several may hold, so rows need not add up to 1."
    )
    return Table("confusion", "Confusion between categories", note, tuple(rows))


def pairs_table(data: LabelledData, scores: NDArray[np.float32]) -> Table | None:
    """Minimal pairs: how often the post with the label scores above its twin without; None without pairs."""
    column = data.fields.get("pair")
    if column is None or all(value is None for value in column):
        return None
    members: dict[str, list[int]] = {}
    for row, value in enumerate(column):
        if value is not None:
            members.setdefault(str(value), []).append(row)
    violence = [k for k, name in enumerate(data.categories) if name not in ("abuse", "hate")]
    ordered: dict[str, list[float]] = {name: [] for name in data.categories}
    overall: list[float] = []
    for rows in members.values():
        for k, category in enumerate(data.categories):
            ordered[category] += _ordered(data.gold[rows, k], scores[rows, k])
        if violence:
            known = data.gold[rows][:, violence]
            gold = np.where((known == 1).any(axis=1), 1, np.where((known == 0).all(axis=1), 0, -1))
            overall += _ordered(gold, scores[rows][:, violence].max(axis=1))
    rows_out = []
    for name, marks in [("any violence", overall), *ordered.items()]:
        if marks:
            low, high = metrics.wilson(sum(marks), len(marks))
            share = float(np.mean(marks))
            rows_out.append(
                {"category": name, "n_pairs": len(marks), "ordered": share, "ordered_low": low, "ordered_high": high}
            )
    note = (
        "Counterfactuals that differ in a few words, one with the label and one without: share of pairs in which the "
        "first scores higher, a tie counting half. 'any violence' compares the highest score over the "
        "violent categories."
    )
    return Table("pairs", "Minimal pairs", note, tuple(rows_out)) if rows_out else None


def _ordered(gold: NDArray[Any], scores: NDArray[np.float32]) -> list[float]:
    up, down = scores[gold == 1], scores[gold == 0]
    return [float(a > b) + 0.5 * float(a == b) for a in up for b in down]


def curves(m: Measured) -> dict[str, dict[str, Any]]:
    """Points for the plots, thinned to at most 160 a curve."""
    out: dict[str, dict[str, Any]] = {}
    for k, category in enumerate(m.data.categories):
        gold, values = _labelled_rows(m, k)
        if not 0 < gold.sum() < len(gold):
            continue
        precision, recall, thresholds = metrics.precision_recall_curve(gold, values)
        keep = np.unique(np.searchsorted(recall, np.linspace(0, 1, _CURVE_POINTS)).clip(0, len(recall) - 1))
        prior = m.priors[k]
        weights = metrics.prior_weights(gold, prior) if prior is not None else None
        bins = metrics.reliability(gold, values, weights=weights)
        out[category] = {
            "recall": recall[keep].tolist(),
            "precision": precision[keep].tolist(),
            "threshold": thresholds[keep].tolist(),
            "bin_score": bins.mean_score.tolist(),
            "bin_share": bins.positive_share.tolist(),
            "bin_n": bins.n_items.tolist(),
        }
    return out


def error_rows(
    m: Measured, thresholds: Sequence[float], *, per_kind: int, model: Any, show_text: bool
) -> list[dict[str, Any]]:
    """Highest-scored innocents and lowest-scored positives per category, by id."""
    rows: list[dict[str, Any]] = []
    for k, category in enumerate(m.data.categories):
        values = m.scores[:, k]
        for kind, inside in (("false alarm", m.data.gold[:, k] == 0), ("missed", m.data.gold[:, k] == 1)):
            flagged = values >= np.float32(thresholds[k])
            wrong = np.flatnonzero(inside & (flagged if kind == "false alarm" else ~flagged))
            order = wrong[np.argsort(-values[wrong] if kind == "false alarm" else values[wrong], kind="stable")]
            for row in order[:per_kind]:
                entry: dict[str, Any] = {
                    "category": category,
                    "kind": kind,
                    "id": m.data.ids[row],
                    "score": float(values[row]),
                    "threshold": float(thresholds[k]),
                }
                if show_text:
                    entry["text"] = m.data.texts[row]
                    entry["words"] = _words(model, m.data.texts[row], category)
                rows.append(entry)
    return rows


def _words(model: Any, text: str, category: str) -> str:
    explain = getattr(model, "explain", None)
    if not callable(explain):
        return ""
    return ", ".join(f"{piece.text} {piece.contribution:+.2f}" for piece in explain(text, category).top(5))
