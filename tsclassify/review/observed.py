"""What the indicators of a review share: their record, the days they look at, and the case before them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tsclassify.ledger.moments import DAY
from tsclassify.records import Truth
from tsclassify.review.statistics import Estimate
from tsclassify.review.trend import Floats, alpha_of_look
from tsclassify.standing.history import History
from tsclassify.standing.ladder import LadderEvaluator

if TYPE_CHECKING:
    from tsclassify.policy import Policy

__all__ = ["NOTHING", "Case", "Days", "Indicator", "Labelled", "against", "daily", "text", "unknown", "up_to"]

NOTHING: Final = "nothing to measure it by"


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator with what it rests on.

    Attributes
    ----------
    name
        Name in the policy.
    state
        Truth of the trouble it claims.
    estimate
        Value, interval and n, or None where nothing was measured.
    unit
        Unit of the value.
    limit
        What the policy compares with, in words.
    says
        What was found, in a sentence.
    """

    name: str
    state: Truth
    estimate: Estimate | None
    unit: str
    limit: str
    says: str

    @property
    def n(self) -> int:
        """What the estimate rests on: items, events or notices."""
        return 0 if self.estimate is None else self.estimate.n

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state.name.lower(),
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
            "n": self.n,
            "unit": self.unit,
            "limit": self.limit,
            "says": self.says,
        }


@dataclass(frozen=True, slots=True)
class Days:
    """Items and violations a day up to a look, oldest first.

    Attributes
    ----------
    first
        First day, in days since 1970; days before the first recorded item are left out.
    items, violations
        Shape (days,).
    """

    first: int
    items: Floats
    violations: Floats


@dataclass(frozen=True, slots=True)
class Labelled:
    """What people said of a random sample of the tenant's items.

    Attributes
    ----------
    hits, n_flagged
        True violations among the labelled items that the policy flagged, and how many those are.
    misses, n_clean
        True violations among those it did not flag, and how many those are.
    """

    hits: int
    n_flagged: int
    misses: int
    n_clean: int


@dataclass(frozen=True, slots=True)
class Case:
    """All that an indicator may look at."""

    evaluator: LadderEvaluator
    policy: Policy
    now: int
    look: int
    days: Days
    labelled: Labelled | None
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def history(self) -> History:
        return self.evaluator.history

    @property
    def window(self) -> int:
        """Days."""
        return self.policy.platform_review.window.days  # type: ignore[union-attr]

    def alpha(self, limits: Any) -> float:
        looks = self.policy.platform_review.looks  # type: ignore[union-attr]
        return alpha_of_look(limits.alpha, looks.every, looks.correction)

    @property
    def n_items(self) -> int:
        return int(self.days.items[-self.window :].sum())

    @property
    def n_violations(self) -> int:
        return int(self.days.violations[-self.window :].sum())


def daily(history: History, look: int) -> Days:
    """Items and violations by day of the act, as known at the midnight of a look."""
    rows = history.days
    rows = rows[(rows[:, 1] < look) & (rows[:, 0] < look)] if rows.size else rows
    tallies = [(row.at // DAY, row.event.n_items) for row in history.events("tally", look * DAY) if row.at < look * DAY]
    at_midnight = look * DAY
    acts = history.at[(history.known <= at_midnight) & (history.gone > at_midnight) & (history.at < at_midnight)]
    day = (
        np.concatenate([rows[:, 0], np.array([day for day, _ in tallies], np.int64)])
        if rows.size
        else np.array([day for day, _ in tallies], np.int64)
    )
    weight = (
        np.concatenate([rows[:, 2], np.array([n for _, n in tallies], np.int64)])
        if rows.size
        else np.array([n for _, n in tallies], np.int64)
    )
    first = int(min([look, *day.tolist(), *(acts[:1] // DAY).tolist()]))
    n = max(0, look - first)
    items = np.bincount(day - first, weights=weight, minlength=n)[:n] if day.size else np.zeros(n)
    violations = np.bincount(acts // DAY - first, minlength=n)[:n].astype(np.float64) if acts.size else np.zeros(n)
    return Days(first, items.astype(np.float64), violations)


def up_to(history: History, now: int, window: int) -> tuple[int, int]:
    """Items seen and violations among them in a window that ends at a moment, the day of the moment included.

    Items are kept by day, so that the first day of the window counts as a whole.
    """
    rows = history.days
    first = (now - window) // DAY
    n_items = int(rows[(rows[:, 0] >= first) & (rows[:, 0] <= now // DAY), 2].sum()) if rows.size else 0
    n_items += sum(row.event.n_items for row in history.events("tally", now) if first * DAY <= row.at <= now)
    visible = (history.known <= now) & (history.gone > now) & (history.at >= first * DAY) & (history.at <= now)
    return n_items, int(visible.sum())


def unknown(name: str, unit: str, limit: str, why: str, estimate: Estimate | None = None) -> Indicator:
    return Indicator(name, Truth.UNKNOWN, estimate, unit, limit, why)


def against(low: float, high: float, limit: float, *, above: bool) -> Truth:
    """Truth of "the value is above (or below) the limit", from an interval."""
    if above:
        return Truth.TRUE if low > limit else Truth.FALSE if high <= limit else Truth.UNKNOWN
    return Truth.TRUE if high < limit else Truth.FALSE if low >= limit else Truth.UNKNOWN


def text(value: float) -> str:
    if not math.isfinite(value):
        return "no end"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
