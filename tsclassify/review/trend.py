"""Has a rate risen? An exact test on whole days, at looks on a declared schedule, that bursts do not fool.

Looks are at fixed midnights (UTC), whoever asks and however often: asking every day buys no further chances. The
error allowed over a year is spread evenly over its looks, which bounds the chance of a false alarm whatever the
traffic and however the looks depend on each other.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.review.statistics import Estimate, rate_ratio

__all__ = ["ABSENCE_RATIO", "MATERIAL_RATIO", "alpha_of_look", "look_before", "spread_of", "trend"]

Floats = NDArray[np.float64]

_MONDAY: Final = 4
"""1970-01-05 was a Monday: weekly looks are on Mondays."""

MATERIAL_RATIO: Final = 1.5
"""A rise by less than half is no steady increase, however many items prove it: by chance alone a thin baseline makes
one of a quarter in one tenant of a hundred whose traffic grows (benchmarks/review.py)."""

ABSENCE_RATIO: Final = 2.0
"""The absence of a rise is shown when the interval excludes a doubling."""

_WEEK_TOO_MUCH: Final = 0.05
"""Level at which weeks are taken to differ among themselves; benchmarks/review.py has the error rates."""


def look_before(day: int, every: dt.timedelta) -> int:
    """The last scheduled look at or before a midnight, in days since 1970."""
    step = max(1, every.days)
    return day - (day - _MONDAY) % step


def alpha_of_look(alpha: float, every: dt.timedelta, correction: str) -> float:
    """The error that one look may spend, out of that allowed over a year.

    Notes
    -----
    Bonferroni over the looks of a year: valid under any dependence. Source: Dunn 1961, JASA 56.
    """
    return alpha if correction == "none" else alpha / math.ceil(365 / max(1, every.days))


def spread_of(counts: Floats, exposures: Floats, split: int, alpha: float) -> float:
    """How much more the counts vary than independent events would, at least 1.

    Parameters
    ----------
    counts, exposures
        Shape (days,): baseline, then window.
    split
        First day of the window.
    alpha
        Error of the look; where weeks differ among themselves, few of them carry the estimate, and the quantile
        of Student's t takes the place of the normal one.

    Notes
    -----
    From differences of neighbouring days and weeks, so that a rise, in a step or steady, is not taken for noise.
    Source: von Neumann 1941, Annals of Mathematical Statistics 12, for the differences.
    """
    parts = (slice(0, split), slice(split, counts.size))
    daily = [_neighbours(counts[part], exposures[part]) for part in parts]
    weekly = [_neighbours(_weekly(counts[part]), _weekly(exposures[part])) for part in parts]
    found = max(1.0, _mean(daily))
    # Neighbouring differences share a term: n of them are worth about two thirds of n independent ones.
    freedom = round(sum(n for _, n in weekly) * 2 / 3)
    if freedom < 4:
        return found
    between = _mean(weekly)
    limit, widening = _student(freedom, alpha)
    return max(found, between * widening if between > limit else between)


def _mean(sums: list[tuple[float, int]]) -> float:
    n = sum(n for _, n in sums)
    return sum(value for value, _ in sums) / n if n else 1.0


def _neighbours(counts: Floats, exposures: Floats) -> tuple[float, int]:
    """Sum of the squared differences of neighbouring rates over their variance, and how many there are."""
    before, after, x, y = counts[:-1], counts[1:], exposures[:-1], exposures[1:]
    here = (before + after > 0) & (x > 0) & (y > 0)
    before, after, x, y = before[here], after[here], x[here], y[here]
    if before.size == 0:
        return 0.0, 0
    variance = (before + after) / (x + y) * (1 / x + 1 / y)
    return float(((before / x - after / y) ** 2 / variance).sum()), int(before.size)


@functools.lru_cache(maxsize=64)
def _student(freedom: int, alpha: float) -> tuple[float, float]:
    from scipy.stats import chi2, norm, t

    limit = float(chi2.isf(_WEEK_TOO_MUCH, freedom)) / freedom
    return limit, float(t.isf(alpha, freedom) / norm.isf(alpha)) ** 2


def _weekly(values: Floats) -> Floats:
    """Sums of whole weeks, counted back from the end; shape (days // 7,)."""
    whole = values.size // 7 * 7
    sums: Floats = values[values.size - whole :].reshape(-1, 7).sum(axis=1)
    return sums


def trend(counts: Floats, exposures: Floats, split: int, *, alpha: float) -> Estimate | None:
    """Ratio of the rate in the window to that in the baseline, with limits at the error of one look.

    Parameters
    ----------
    counts, exposures
        Shape (days,): events and items (or 1.0 a day, for a volume), baseline first.
    split
        First day of the window.
    alpha
        Error of this look, one-sided.

    Returns
    -------
    Estimate or None
        None when one of the two has no exposure.
    """
    before, within = float(exposures[:split].sum()), float(exposures[split:].sum())
    if before <= 0 or within <= 0:
        return None
    spread = spread_of(counts, exposures, split, alpha)
    return rate_ratio(
        float(counts[split:].sum()), within, float(counts[:split].sum()), before, alpha=alpha, spread=spread
    )
