"""Thresholds and decisions that the tables use: a policy's where one is given, else stated operating points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.evaluation.core import Point
from tsclassify.evaluation.models import ModelAdapter
from tsclassify.policy import Decider
from tsclassify.records import ModelInfo

__all__ = ["EVEN_ODDS", "decision_codes", "limits", "points"]

EVEN_ODDS = 0.5
"""Act threshold where no policy is given: more likely than not, for a calibrated score."""

_NEVER = 2.0


def limits(scorer: ModelAdapter, policy: Any) -> tuple[list[float], list[float]]:
    """Act and review threshold of every category of `scorer`.

    Returns
    -------
    tuple
        Two lists of K thresholds. Without a policy both are ``EVEN_ODDS``. A category that a policy never acts
        on gets its review threshold as act threshold, one it does not name a threshold that no score reaches.
    """
    if policy is None:
        return [EVEN_ODDS] * len(scorer.categories), [EVEN_ODDS] * len(scorer.categories)
    resolved = Decider(policy, scorer.info or _bare_info(scorer)).thresholds
    act, review = [], []
    for category in scorer.categories:
        low, high = resolved.get(category, (None, None))
        low = _NEVER if low is None else float(low)
        review.append(low)
        act.append(low if high is None else float(high))
    return act, review


def _bare_info(scorer: ModelAdapter) -> ModelInfo:
    """A model that states nothing can still be held to a policy whose thresholds are plain numbers."""
    return ModelInfo(scorer.name, f"bare {scorer.name}", scorer.categories, (), dict(scorer.priors), {}, {})


def points(scorer: ModelAdapter, policy: Any, categories: Sequence[str]) -> list[list[Point]]:
    """Named thresholds per category: the policy's, then the bundle's operating points, else even odds."""
    resolved = Decider(policy, scorer.info or _bare_info(scorer)).thresholds if policy is not None else {}
    out = []
    for category in categories:
        row: dict[float, str] = {}
        if policy is not None:
            for name, threshold in zip(("review", "act"), resolved.get(category, (None, None)), strict=True):
                if threshold is not None:
                    row[float(threshold)] = name
        if scorer.info is not None:
            for point in scorer.info.operating_points.get(category, ()):
                row.setdefault(float(point.threshold), "operating point")
        if not row:
            row[EVEN_ODDS] = "even odds"
        out.append([Point(name, threshold) for threshold, name in sorted(row.items())])
    return out


def decision_codes(
    scorer: ModelAdapter, policy: Any
) -> Callable[[Sequence[str], NDArray[np.float32]], NDArray[np.int64]]:
    """A function from texts and their scores to one code per text; equal codes are the same decision.

    With a policy and a classifier the code is the tier and whether a person has to look; otherwise it is the
    level (none, review, act) that every category reaches.
    """
    if policy is not None and callable(getattr(scorer.model, "item_columns", None)):
        return _by_policy(scorer, policy)
    act, review = limits(scorer, policy)
    high, low = np.asarray(act, dtype=np.float32), np.asarray(review, dtype=np.float32)
    base = 3 ** np.arange(len(act), dtype=np.int64)

    def by_level(texts: Sequence[str], scores: NDArray[np.float32]) -> NDArray[np.int64]:
        levels = (scores >= low).astype(np.int64) + (scores >= high)
        return levels @ base

    return by_level


def _by_policy(scorer: ModelAdapter, policy: Any) -> Callable[[Sequence[str], NDArray[np.float32]], NDArray[np.int64]]:
    def by_tier(texts: Sequence[str], scores: NDArray[np.float32]) -> NDArray[np.int64]:
        columns = scorer.model.item_columns([{"text": text} for text in texts], policy)
        result = scorer.model.decider(policy).decide(columns)
        codes: NDArray[np.int64] = np.asarray(result.tier, dtype=np.int64) * 2 + np.asarray(result.review)
        return codes

    return by_tier
