"""Indicators of rate and volume, taken at scheduled looks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tsclassify.ledger.moments import DAY
from tsclassify.records import Truth
from tsclassify.review.observed import NOTHING, Case, Days, Indicator, against, text, unknown
from tsclassify.review.statistics import Estimate, corrected_share, share
from tsclassify.review.trend import ABSENCE_RATIO, MATERIAL_RATIO, trend

__all__ = ["growing_volume", "high_rate", "steady_increase"]


def _comparison(case: Case) -> tuple[Days, int] | str:
    """The days of baseline and window with the day on which the window starts, or why there is no comparison."""
    review = case.policy.platform_review
    if review is None:
        return NOTHING
    window, baseline = review.window.days, review.baseline.days
    if case.n_items < review.min_items:
        return f"{case.n_items} items in the window, fewer than {review.min_items}"
    if case.days.items.size < 2 * window:
        return f"{case.days.items.size} days on record, fewer than {2 * window}"
    keep = min(case.days.items.size, window + baseline)
    start, end = (case.look - keep) * DAY, case.look * DAY
    n_bases = sum(first < end and last >= start for _, first, last in case.history.bases)
    days = Days(case.look - keep, case.days.items[-keep:], case.days.violations[-keep:])
    if n_bases > 1:
        return "decisions by more than one model or policy version: their rates cannot be compared"
    return days, keep - window


def steady_increase(case: Case, name: str, limits: Any) -> Indicator:
    above = "it" if limits.min_ratio == 1 else f"{limits.min_ratio:g} times it"
    limit = f"share at least {MATERIAL_RATIO:g} times the baseline's, and certainly above {above}"
    compared = _comparison(case)
    if isinstance(compared, str):
        return unknown(name, "ratio of rates", limit, compared)
    days, split = compared
    found = trend(days.violations, days.items, split, alpha=case.alpha(limits))
    return _rise(name, found, "ratio of rates", limit, limits.min_ratio, "share of items in violation")


def growing_volume(case: Case, name: str, limits: Any) -> Indicator:
    limit = f"violations a day certainly above {limits.min_ratio:g} times the baseline's"
    compared = _comparison(case)
    if isinstance(compared, str):
        return unknown(name, "ratio of volumes", limit, compared)
    days, split = compared
    found = trend(days.violations, np.ones(days.items.size), split, alpha=case.alpha(limits))
    return _rise(name, found, "ratio of volumes", limit, limits.min_ratio, "number of violations a day")


def _rise(name: str, found: Estimate | None, unit: str, limit: str, ratio: float, of: str) -> Indicator:
    if found is None or math.isnan(found.value):
        return unknown(name, unit, limit, "no violations on record", found)
    if found.low > ratio and found.value >= MATERIAL_RATIO:
        state = Truth.TRUE
    else:
        state = Truth.FALSE if found.high <= max(ratio, ABSENCE_RATIO) else Truth.UNKNOWN
    says = f"the {of} is {found.value:.2f} times the baseline's ({found.low:.2f} to {text(found.high)})"
    return Indicator(name, state, found, unit, limit, says)


def high_rate(case: Case, name: str, limits: Any) -> Indicator:
    limit = f"more than {limits.more_than:.2%} of items"
    review = case.policy.platform_review
    if review is None or case.n_items < review.min_items:
        return unknown(name, "share of items", limit, f"{case.n_items} items in the window")
    flagged = min(case.n_violations, case.n_items)
    found = share(flagged, case.n_items)
    how = ""
    if case.labelled is not None:
        sample = case.labelled
        found = corrected_share(flagged, case.n_items, sample.hits, sample.n_flagged, sample.misses, sample.n_clean)
        how = f", corrected by {found.n} labelled items"
    if math.isnan(found.value):
        return unknown(name, "share of items", limit, "no labelled items on one side", found)
    state = against(found.low, found.high, limits.more_than, above=True)
    says = f"{found.value:.2%} of items are in violation ({found.low:.2%} to {found.high:.2%}{how})"
    return Indicator(name, state, found, "share of items", limit, says)
