"""What a policy decides on the rows, and how well the signals that its contexts rest on are told."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify import metrics
from tsclassify.evaluation.labelled import LabelledData
from tsclassify.evaluation.models import ModelAdapter
from tsclassify.records import Truth
from tsclassify.taxonomy import VIOLENCE

__all__ = ["DECISION_NOTE", "SIGNAL_NOTE", "decision_rows", "signal_rows"]

DECISION_NOTE: Final = (
    "Every row decided by the policy on its text alone. 'With a violent label' is the share of the tier's posts "
    "that carry a gold label of any violent category."
)
SIGNAL_NOTE: Final = (
    "Signals of the text. Yes and no are taken outside the band in which the bundle calls a signal unknown; "
    "precision of yes and of no over the posts so marked. Attributes of the violence (target, severity and the "
    "like) are measured on posts with a violent label, contexts on all."
)
_CONTEXT_FROM: Final = 8


def decision_rows(scorer: ModelAdapter, policy: Any, data: LabelledData) -> list[dict[str, Any]]:
    """Posts per tier, under a policy and with a classifier; empty for other models."""
    if policy is None or not callable(getattr(scorer.model, "item_columns", None)):
        return []
    columns = scorer.model.item_columns([{"text": text} for text in data.texts], policy)
    result = scorer.model.decider(policy).decide(columns)
    violent = [k for k, name in enumerate(data.categories) if name in VIOLENCE]
    positive = (data.gold[:, violent] == 1).any(axis=1)
    rows = []
    for tier, name in enumerate(result.tier_names):
        inside = np.asarray(result.tier) == tier
        n = int(inside.sum())
        low, high = metrics.wilson(float(positive[inside].sum()), n)
        rows.append(
            {
                "tier": name,
                "n_items": n,
                "share": n / len(data),
                "with_a_violent_label": float(positive[inside].mean()) if n else float("nan"),
                "with_a_violent_label_low": low,
                "with_a_violent_label_high": high,
                "person_has_to_look": float(np.asarray(result.review)[inside].mean()) if n else float("nan"),
            }
        )
    return rows


def signal_rows(scorer: ModelAdapter, data: LabelledData, gold: LabelledData) -> list[dict[str, Any]]:
    """AP, AUC and the precision of yes and no for every signal.

    Parameters
    ----------
    scorer
        Its model has ``signals(texts)``.
    data
        The rows with category labels.
    gold
        The same rows with signal labels.
    """
    signals = scorer.model.signals(list(data.texts))
    violent = [k for k, name in enumerate(data.categories) if name in VIOLENCE]
    has_violence = (data.gold[:, violent] == 1).any(axis=1)
    rows = []
    for k, name in enumerate(gold.categories):
        if name not in signals.categories:
            continue
        known = gold.gold[:, k] >= 0
        if k < _CONTEXT_FROM:
            known &= has_violence
        positive = gold.gold[known, k] == 1
        scores = signals[name][known]
        row: dict[str, Any] = {
            "signal": name,
            "n_items": int(known.sum()),
            "n_positive": int(positive.sum()),
            "ap": metrics.average_precision(positive, scores),
            "auc": metrics.roc_auc(positive, scores),
        }
        if name in signals.bands:
            state = signals.states(name)[known]
            for label, truth, right in (("yes", Truth.TRUE, positive), ("no", Truth.FALSE, ~positive)):
                marked = state == truth
                n = int(marked.sum())
                low, high = metrics.wilson(float(right[marked].sum()), n)
                row |= {
                    f"{label}_share": float(marked.mean()) if len(marked) else float("nan"),
                    f"{label}_precision": float(right[marked].mean()) if n else float("nan"),
                    f"{label}_precision_low": low,
                    f"{label}_precision_high": high,
                }
            row["unknown_share"] = float((state == Truth.UNKNOWN).mean()) if len(state) else float("nan")
        rows.append(row)
    return rows
