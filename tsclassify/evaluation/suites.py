"""Functional suites: small cases that each test one thing, in the CSV layout of HateCheck."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics
from tsclassify.errors import InputError
from tsclassify.resources import shipped
from tsclassify.taxonomy import VIOLENCE

__all__ = ["NOTE", "SUITES", "Suite", "SuiteCase", "load_suite", "suite_rows"]

SUITES: Final = ("violence",)
"""The shipped suites."""

NOTE: Final = (
    "One functionality a row. A case is right at the act threshold when a positive case reaches it in any "
    "violent category (hate too for hate suites), or an innocent one reaches it in none; 'found at review' "
    "counts positives that a person would see, 'raised to review' the innocents. AUC ranks the row's cases "
    "against all cases of the opposite gold label."
)

_POSITIVE: Final = {"hateful", "violent", "positive", "1", "true"}
_NEGATIVE: Final = {"non-hateful", "non-violent", "negative", "0", "false"}
_COLUMNS: Final = ("functionality", "test_case", "label_gold")


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """One case: what it tests, its text, its gold label and the case it is the twin of."""

    id: str
    functionality: str
    text: str
    positive: bool
    twin: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases of one file; ``categories`` are those that count as a positive answer."""

    name: str
    cases: tuple[SuiteCase, ...]
    categories: tuple[str, ...]


def load_suite(name_or_path: str | Path, *, categories: Sequence[str] | None = None) -> Suite:
    """Read a shipped suite by name, or any CSV in HateCheck's layout.

    Parameters
    ----------
    name_or_path
        The CSV has columns ``functionality``, ``test_case`` and ``label_gold`` (hateful or non-hateful,
        violent or non-violent), and may have ``case_id`` and ``ref_case_id``, the case it is a twin of.
    categories
        Categories that count as a positive answer; None for the violent ones, and hate when the labels
        speak of hate.

    Raises
    ------
    InputError
        When the file is missing, or lacks a column, or holds another label.
    """
    name = str(name_or_path)
    path = shipped("seeds", "suites", f"{name}.csv") if name in SUITES else Path(name_or_path)
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except OSError:
        raise InputError(f"suites: suite must be one of {', '.join(SUITES)} or a CSV file, got {name!r}") from None
    missing = [column for column in _COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise InputError(f"{path.name}: suite must have columns {', '.join(_COLUMNS)}, got none named {missing[0]}")
    cases, hateful = [], False
    for number, row in enumerate(rows, start=1):
        label = row["label_gold"].strip().lower()
        if label not in _POSITIVE | _NEGATIVE:
            raise InputError(
                f"{path.name}: label_gold of case {number} must be violent or non-violent, got {label!r:.30}"
            )
        hateful = hateful or "hateful" in label
        cases.append(
            SuiteCase(
                id=row.get("case_id") or str(number),
                functionality=row["functionality"],
                text=row["test_case"],
                positive=label in _POSITIVE,
                twin=row.get("ref_case_id") or "",
            )
        )
    counted = tuple(categories) if categories is not None else ((*VIOLENCE, "hate") if hateful else VIOLENCE)
    return Suite(path.stem, tuple(cases), counted)


def suite_rows(
    suite: Suite,
    scores: NDArray[np.float32],
    categories: Sequence[str],
    act: Sequence[float],
    review: Sequence[float],
) -> list[dict[str, Any]]:
    """One row per functionality, and one for all cases.

    Parameters
    ----------
    suite
        The suite.
    scores
        Scores of its cases, shape (m, K).
    categories
        Names of the K columns.
    act, review
        Thresholds per column.

    Raises
    ------
    InputError
        When the model has none of the suite's categories.
    """
    columns = [k for k, name in enumerate(categories) if name in suite.categories]
    if not columns:
        raise InputError(f"suites: model must score one of {', '.join(suite.categories)}, got none of them")
    part = scores[:, columns]
    gold = np.array([case.positive for case in suite.cases])
    acts = np.logical_or.reduce(part >= np.asarray([act[k] for k in columns], dtype=np.float32), axis=1)
    reviews = np.logical_or.reduce(part >= np.asarray([review[k] for k in columns], dtype=np.float32), axis=1)
    top = part.max(axis=1)
    names = [case.functionality for case in suite.cases]
    rows = []
    for name in ["all", *dict.fromkeys(names)]:
        inside = np.array([name in ("all", other) for other in names])
        kinds = gold[inside]
        right = int((acts[inside] == kinds).sum())
        low, high = metrics.wilson(right, int(inside.sum()))
        if name == "all":
            auc = metrics.roc_auc(gold, top)
        else:
            against = inside | (gold != kinds[0])
            auc = metrics.roc_auc(gold[against], top[against])
        rows.append(
            {
                "suite": suite.name,
                "functionality": name,
                "gold": "both" if kinds.any() and not kinds.all() else ("violent" if kinds[0] else "innocent"),
                "n_cases": int(inside.sum()),
                "right": right / int(inside.sum()),
                "right_low": low,
                "right_high": high,
                "found_at_review": float(reviews[inside & gold].mean()) if kinds.any() else None,
                "raised_to_review": float(reviews[inside & ~gold].mean()) if not kinds.all() else None,
                "mean_score": float(top[inside].mean()),
                "auc": auc,
            }
        )
    place = {case.id: i for i, case in enumerate(suite.cases)}
    marks = [
        (top[i] > top[j]) + 0.5 * (top[i] == top[j])
        for j, case in enumerate(suite.cases)
        if case.twin in place and gold[i := place[case.twin]] and not gold[j]
    ]
    if marks:
        rows[0]["twins"] = len(marks)
        rows[0]["twins_ordered"] = float(np.mean(marks))
    return rows
