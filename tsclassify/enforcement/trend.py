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

from tsclassify.enforcement.statistics import Estimate, dispersion, rate_ratio

__all__ = ["ABSENCE_RATIO", "MATERIAL_RATIO", "alpha_of_look", "look_before", "spread_of", "trend"]

Floats = NDArray[np.float64]

_MONDAY: Final = 4
"""1970-01-05 was a Monday: weekly looks are on Mondays."""

MATERIAL_RATIO: Final = 1.25
"""A rise by less than a quarter is no steady increase, however many items prove it."""

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
        First day of the window: a rise between the two is not counted as spread.
    alpha
        Error of the look; where weeks differ among themselves, few of them carry the estimate, and the quantile
        of Student's t takes the place of the normal one.
    """
    daily = [
        (dispersion(counts[part], exposures[part]), part.stop - part.start)
        for part in (slice(0, split), slice(split, counts.size))
    ]
    found = max(1.0, sum(value * days for value, days in daily) / sum(days for _, days in daily))
    weeks = [(_weekly(counts[part]), _weekly(exposures[part])) for part in (slice(0, split), slice(split, counts.size))]
    freedom = sum(max(0, c.size - 1) for c, _ in weeks)
    if freedom < 4:
        return found
    chi = sum(_chi_square(c, e) for c, e in weeks)
    weekly = chi / freedom
    limit, widening = _student(freedom, alpha)
    return max(found, weekly * widening if weekly > limit else weekly)


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


def _chi_square(counts: Floats, exposures: Floats) -> float:
    here = exposures > 0
    counts, exposures = counts[here], exposures[here]
    if counts.size < 2 or counts.sum() == 0:
        return 0.0
    expected = exposures * (counts.sum() / exposures.sum())
    return float(((counts - expected) ** 2 / expected).sum())


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
