"""What disguises do to the figures: AP and recall kept on labelled rows, false alarms added on innocent ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics
from tsclassify.evaluation.disguise import DISGUISES, STRENGTHS, disguise
from tsclassify.evaluation.labelled import LabelledData

__all__ = ["NOTE", "disguise_rows"]

NOTE = (
    "The same rows with words disguised. AP kept is AP disguised / AP clean; recall kept likewise, at the act "
    "threshold. False alarms added is the share of innocent rows (no label holds) that are flagged only when "
    "disguised, minus those flagged only when clean."
)


def disguise_rows(
    data: LabelledData,
    scores: NDArray[np.float32],
    thresholds: Sequence[float],
    score: Callable[[Sequence[str]], NDArray[np.float32]],
    *,
    kinds: Sequence[str] = DISGUISES,
    strengths: Sequence[str] = tuple(STRENGTHS),
    seed: int = 0,
) -> list[dict[str, Any]]:
    """One row per kind, strength and category, and a macro row over the categories with positives.

    Parameters
    ----------
    data, scores
        Labelled rows and their clean scores, shape (n, K).
    thresholds
        Act threshold per category.
    score
        Texts to scores, shape (m, K).
    """
    limits = np.asarray(thresholds, dtype=np.float32)
    innocent = (data.gold == 0).all(axis=1)
    rows = []
    for kind in kinds:
        for strength in strengths:
            worn = score(disguise(data.texts, kind, strength, seed=seed))
            macro: dict[str, list[float]] = {"ap_clean": [], "ap": [], "recall_clean": [], "recall": []}
            for k, category in enumerate(data.categories):
                known = data.gold[:, k] >= 0
                gold = data.gold[known, k] == 1
                if not gold.any():
                    continue
                figures = {
                    "ap_clean": metrics.average_precision(gold, scores[known, k]),
                    "ap": metrics.average_precision(gold, worn[known, k]),
                    "recall_clean": metrics.counts_at(gold, scores[known, k], float(limits[k])).recall,
                    "recall": metrics.counts_at(gold, worn[known, k], float(limits[k])).recall,
                }
                for name, value in figures.items():
                    macro[name].append(value)
                added = (worn[innocent, k] >= limits[k]).astype(int) - (scores[innocent, k] >= limits[k])
                rows.append(_row(kind, strength, category, figures, added))
            if macro["ap"]:
                means = {name: float(np.mean(values)) for name, values in macro.items()}
                any_worn = (worn[innocent] >= limits).any(axis=1).astype(int)
                any_clean = (scores[innocent] >= limits).any(axis=1)
                rows.append(_row(kind, strength, "macro", means, any_worn - any_clean))
    return rows


def _row(
    kind: str, strength: str, category: str, figures: dict[str, float], added: NDArray[np.int64]
) -> dict[str, Any]:
    return {
        "disguise": kind,
        "strength": strength,
        "category": category,
        **figures,
        "ap_kept": figures["ap"] / figures["ap_clean"] if figures["ap_clean"] else float("nan"),
        "recall_kept": figures["recall"] / figures["recall_clean"] if figures["recall_clean"] else float("nan"),
        "n_innocent": len(added),
        "false_alarms_added": float(added.mean()) if len(added) else float("nan"),
    }
