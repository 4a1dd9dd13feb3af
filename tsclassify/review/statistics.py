"""Exact intervals and tests for small counts, times that are still running, and rates measured by a model that errs.

Everything is exact or errs towards saying nothing: a review accuses, so a bound must hold whatever the traffic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError

__all__ = [
    "Estimate",
    "corrected_share",
    "difference",
    "kaplan_meier",
    "rate_ratio",
    "share",
    "survival_quantile",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval.

    Attributes
    ----------
    value, low, high
        Point and ends; ``inf`` where a quantile was not reached, ``nan`` where nothing was measured.
    n
        What it rests on: items, events or notices.
    level
        Share of repetitions in which the interval covers the truth, at least.
    """

    value: float
    low: float
    high: float
    n: int
    level: float

    def to_dict(self) -> dict[str, float | int | None]:
        ends = {"value": self.value, "low": self.low, "high": self.high}
        plain: dict[str, float | int | None] = {
            name: (end if math.isfinite(end) else None) for name, end in ends.items()
        }
        return {**plain, "n": self.n, "level": self.level}


def share(k: float, n: float, *, level: float = 0.95) -> Estimate:
    """Share of k in n with its exact interval.

    Parameters
    ----------
    k, n
        Successes and trials, ``0 <= k <= n``; not whole when shrunk for overdispersion.
    level
        Coverage, in (0, 1).

    Notes
    -----
    Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits", Biometrika 26.

    Examples
    --------
    >>> e = share(0, 10)
    >>> round(e.low, 3), round(e.high, 3)
    (0.0, 0.308)
    """
    if not 0 <= k <= n:
        raise InputError(f"statistics: k must be in [0, n], got {k} of {n}")
    from scipy.special import betaincinv

    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0, level)
    half = (1 - level) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, half))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - half))
    return Estimate(k / n, low, high, round(n), level)


def rate_ratio(
    k1: float, exposure1: float, k0: float, exposure0: float, *, alpha: float = 0.05, spread: float = 1.0
) -> Estimate:
    """Ratio of two rates, with one-sided exact limits at `alpha` each.

    Parameters
    ----------
    k1, k0
        Events in the window and in the baseline.
    exposure1, exposure0
        Items (for a share) or days (for a volume), above 0.
    alpha
        Chance that the lower limit lies above the true ratio, and the same for the upper one.
    spread
        Variance over mean of the counts, at least 1: the counts are divided by it, so that bursts of posts
        weigh as what they are worth.

    Returns
    -------
    Estimate
        ``low`` above r rejects "the ratio is at most r" at level `alpha`; ``n`` is ``k1 + k0``.

    Notes
    -----
    Given their sum, the first of two Poisson counts is binomial with ``p = r e1 / (r e1 + e0)``; exact limits for
    p become limits for r. For shares of items the counts are binomial, whose variance is smaller: the limits hold.
    Source: Przyborowski and Wilenski 1940, Biometrika 31; limits of Clopper and Pearson.

    Examples
    --------
    >>> e = rate_ratio(40, 1000, 60, 3000)
    >>> round(e.value, 2), e.low > 1.3
    (2.0, True)
    """
    if not (exposure1 > 0 and exposure0 > 0):
        raise InputError("statistics: exposures must be above 0")
    if not (spread >= 1 and k1 >= 0 and k0 >= 0):
        raise InputError("statistics: counts must be 0 or more and spread 1 or more")
    total = (k1 + k0) / spread
    base = exposure0 / exposure1
    if total == 0:
        return Estimate(math.nan, 0.0, math.inf, 0, 1 - 2 * alpha)
    part = share(k1 / spread, total, level=1 - 2 * alpha)

    def odds(p: float) -> float:
        return math.inf if p >= 1 else p / (1 - p) * base

    return Estimate(odds(part.value), odds(part.low), odds(part.high), round(k1 + k0), 1 - 2 * alpha)


def difference(k1: int, k0: int, *, alpha: float = 0.05) -> Estimate:
    """Difference of two Poisson counts over the same time, with one-sided exact limits, given their sum."""
    total = k1 + k0
    if total == 0:
        return Estimate(0.0, 0.0, 0.0, 0, 1 - 2 * alpha)
    part = share(k1, total, level=1 - 2 * alpha)
    return Estimate(float(k1 - k0), (2 * part.low - 1) * total, (2 * part.high - 1) * total, total, 1 - 2 * alpha)


def kaplan_meier(times: Floats, ended: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Share still open as a function of time, when some cases still run.

    Parameters
    ----------
    times
        Shape (n,), 0 or more: time to the end, or age so far.
    ended
        Shape (n,): True where the time is an end.

    Returns
    -------
    at, survival, variance
        Shape (m,), each: the distinct end times, the share open just after them, and Greenwood's variance of
        ``log(-log(survival))`` (inf where it is not defined).

    Notes
    -----
    Source: Kaplan and Meier 1958, JASA 53; Greenwood 1926; log-log form of Kalbfleisch and Prentice 1980.
    """
    order = np.argsort(times, kind="stable")
    times, ended = times[order], ended[order]
    at = np.unique(times[ended])
    if at.size == 0:
        return at, np.empty(0), np.empty(0)
    deaths = np.bincount(np.searchsorted(at, times[ended])).astype(np.float64)
    at_risk = times.size - np.searchsorted(times, at, side="left").astype(np.float64)
    survival: Floats = np.cumprod(1 - deaths / at_risk).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        variance = greenwood / np.log(survival) ** 2
    variance[~np.isfinite(variance)] = np.inf
    return at, survival, variance


def survival_quantile(times: Floats, ended: NDArray[np.bool_], q: float, *, level: float = 0.95) -> Estimate:
    """Time by which a share `q` of cases has ended, counting those that still run at their age.

    Returns
    -------
    Estimate
        ``inf`` where the share was not reached: somebody who never ends a case does not look fast.

    Notes
    -----
    Source: Brookmeyer and Crowley 1982, "A confidence interval for the median survival time", Biometrics 38,
    with the log-log transform.

    Examples
    --------
    >>> survival_quantile(np.array([1.0, 2.0, 3.0]), np.array([False, False, False]), 0.5).value
    inf
    """
    from scipy.special import ndtri

    if not 0 < q < 1:
        raise InputError(f"statistics: q must be in (0, 1), got {q}")
    n = int(times.size)
    if n == 0:
        return Estimate(math.nan, 0.0, math.inf, 0, level)
    at, survival, variance = kaplan_meier(times, ended)
    if at.size == 0:
        return Estimate(math.inf, _outlived(times, q, level), math.inf, n, level)
    z = float(ndtri((1 + level) / 2))
    floor = 1 - q
    reached = np.nonzero(survival <= floor + 1e-12)[0]
    value = float(at[reached[0]]) if reached.size else math.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.log(-np.log(np.clip(survival, 1e-300, 1 - 1e-15)))
        half = z * np.sqrt(variance)
        # The band of S(t): it is widest, [0, 1], where the variance is not defined.
        lower_s = np.where(np.isfinite(half), np.exp(-np.exp(inner + half)), 0.0)
        upper_s = np.where(np.isfinite(half), np.exp(-np.exp(inner - half)), 1.0)
    upper_s = np.where(survival <= 0, _last_upper(n, survival.size, level), upper_s)
    low_hit = np.nonzero(lower_s <= floor)[0]
    high_hit = np.nonzero(upper_s <= floor)[0]
    low = float(at[low_hit[0]]) if low_hit.size else max(float(at[-1]), _outlived(times, q, level))
    high = float(at[high_hit[0]]) if high_hit.size else math.inf
    return Estimate(value, min(low, value), max(high, value), n, level)


def _outlived(times: Floats, q: float, level: float) -> float:
    """The oldest age that enough cases have seen without an end to say that the quantile lies beyond it."""
    # None of m ended: the exact upper limit of the share ended is 1 - (error / 2) ** (1 / m), at most q.
    enough = math.ceil(math.log((1 - level) / 2) / math.log(1 - q))
    return float(np.sort(times)[-enough]) if times.size >= enough else 0.0


def _last_upper(n: int, m: int, level: float) -> float:
    """Upper limit of the share still open once all have ended: exact for n cases, none open."""
    return share(0, n, level=level).high if m else 1.0


def corrected_share(
    flagged: int, n: int, hits: int, n_flagged: int, misses: int, n_clean: int, *, level: float = 0.95
) -> Estimate:
    """Share of true violations among items, when people labelled a random sample of them.

    Parameters
    ----------
    flagged, n
        Items that the policy calls violations, and all items.
    hits, n_flagged
        Of the labelled items that it flagged: those that people call violations, and how many were labelled.
    misses, n_clean
        Of the labelled items that it did not flag: the same.

    Returns
    -------
    Estimate
        ``n`` is the number of labelled items.

    Notes
    -----
    Stratified estimate ``p PPV + (1 - p) FOR`` with p the flagged share; three exact intervals, each at a third of
    the error, make the ends hold jointly. It needs no assumption about the model, because the sample is from the
    same items. Source: the identity is the law of total probability; as prediction-powered inference in
    Angelopoulos et al. 2023, Science 382.
    """
    each = 1 - (1 - level) / 3
    p = share(flagged, n, level=each)
    ppv = share(hits, n_flagged, level=each)
    omitted = share(misses, n_clean, level=each)
    value = p.value * ppv.value + (1 - p.value) * omitted.value
    corners = [
        flag * a + (1 - flag) * b
        for flag in (p.low, p.high)
        for a in (ppv.low, ppv.high)
        for b in (omitted.low, omitted.high)
    ]
    return Estimate(value, max(0.0, min(corners)), min(1.0, max(corners)), n_flagged + n_clean, level)
