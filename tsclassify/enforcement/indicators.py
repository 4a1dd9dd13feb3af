"""The indicators of a platform review. Each is a claim of trouble: true when shown, false when its absence is shown.

What is too thin to say either way is unknown, and nothing is ever called in order for want of evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tsclassify.enforcement.history import Around, History
from tsclassify.enforcement.ladder import Clerk, span
from tsclassify.enforcement.moments import DAY, span_words
from tsclassify.enforcement.statistics import Estimate, corrected_share, difference, share, survival_quantile
from tsclassify.enforcement.trend import (
    ABSENCE_RATIO,
    MATERIAL_RATIO,
    Floats,
    alpha_of_look,
    look_before,
    trend,
)
from tsclassify.policy.platform import INDICATORS
from tsclassify.records import Truth

if TYPE_CHECKING:
    from tsclassify.policy import Policy

__all__ = ["Days", "Indicator", "Labelled", "daily", "measure"]


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
class _Case:
    """All that an indicator may look at."""

    clerk: Clerk
    policy: Policy
    now: int
    look: int
    days: Days
    labelled: Labelled | None
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def history(self) -> History:
        return self.clerk.history

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


_AT_LOOKS: Final = frozenset({"steady_increase", "growing_volume", "high_rate"})
_NOTHING: Final = "nothing to measure it by"


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


def measure(
    clerk: Clerk,
    policy: Policy,
    now: int,
    *,
    labelled: Labelled | None = None,
    looks: dict[int, dict[str, Indicator]] | None = None,
) -> tuple[Indicator, ...]:
    """Every indicator that the policy sets up, at a moment.

    Rates and volumes are those of the last scheduled look, kept in `looks` between calls; notices are taken as
    they stand now.
    """
    review = policy.platform_review
    if review is None:
        return ()
    look = look_before(now // DAY, review.looks.every)
    kept = (looks if looks is not None else {}).setdefault(look, {})
    asked = [(name, limits) for name in INDICATORS if (limits := getattr(review.indicators, name)) is not None]
    fresh = any(name not in kept for name, _ in asked if name in _AT_LOOKS)
    days = daily(clerk.history, look) if fresh else Days(look, np.empty(0), np.empty(0))
    case = _Case(clerk, policy, now, look, days, labelled)
    found = []
    for name, limits in asked:
        if name not in kept:
            indicator = _MEASURES[name](case, name, limits)
            if name not in _AT_LOOKS:
                found.append(indicator)
                continue
            kept[name] = indicator
        found.append(kept[name])
    return tuple(found)


def _unknown(name: str, unit: str, limit: str, why: str, estimate: Estimate | None = None) -> Indicator:
    return Indicator(name, Truth.UNKNOWN, estimate, unit, limit, why)


def _against(low: float, high: float, limit: float, *, above: bool) -> Truth:
    """Truth of "the value is above (or below) the limit", from an interval."""
    if above:
        return Truth.TRUE if low > limit else Truth.FALSE if high <= limit else Truth.UNKNOWN
    return Truth.TRUE if high < limit else Truth.FALSE if low >= limit else Truth.UNKNOWN


# ---- rates and volumes


def _comparison(case: _Case) -> tuple[Days, int] | str:
    """The days of baseline and window with the day on which the window starts, or why there is no comparison."""
    review = case.policy.platform_review
    if review is None:
        return _NOTHING
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


def _steady_increase(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"rate at least {MATERIAL_RATIO:g} times the baseline's, certainly above {limits.min_ratio:g} times"
    compared = _comparison(case)
    if isinstance(compared, str):
        return _unknown(name, "ratio of rates", limit, compared)
    days, split = compared
    found = trend(days.violations, days.items, split, alpha=case.alpha(limits))
    return _rise(name, found, "ratio of rates", limit, limits.min_ratio, "share of items in violation")


def _growing_volume(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"violations a day certainly above {limits.min_ratio:g} times the baseline's"
    compared = _comparison(case)
    if isinstance(compared, str):
        return _unknown(name, "ratio of volumes", limit, compared)
    days, split = compared
    found = trend(days.violations, np.ones(days.items.size), split, alpha=case.alpha(limits))
    return _rise(name, found, "ratio of volumes", limit, limits.min_ratio, "number of violations a day")


def _rise(name: str, found: Estimate | None, unit: str, limit: str, ratio: float, of: str) -> Indicator:
    if found is None or math.isnan(found.value):
        return _unknown(name, unit, limit, "no violations on record", found)
    if found.low > ratio and found.value >= MATERIAL_RATIO:
        state = Truth.TRUE
    else:
        state = Truth.FALSE if found.high <= max(ratio, ABSENCE_RATIO) else Truth.UNKNOWN
    says = f"the {of} is {found.value:.2f} times the baseline's ({found.low:.2f} to {_text(found.high)})"
    return Indicator(name, state, found, unit, limit, says)


def _high_rate(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"more than {limits.more_than:.2%} of items"
    review = case.policy.platform_review
    if review is None or case.n_items < review.min_items:
        return _unknown(name, "share of items", limit, f"{case.n_items} items in the window")
    flagged = min(case.n_violations, case.n_items)
    found = share(flagged, case.n_items)
    how = ""
    if case.labelled is not None:
        sample = case.labelled
        found = corrected_share(flagged, case.n_items, sample.hits, sample.n_flagged, sample.misses, sample.n_clean)
        how = f", corrected by {found.n} labelled items"
    if math.isnan(found.value):
        return _unknown(name, "share of items", limit, "no labelled items on one side", found)
    state = _against(found.low, found.high, limits.more_than, above=True)
    says = f"{found.value:.2%} of items are in violation ({found.low:.2%} to {found.high:.2%}{how})"
    return Indicator(name, state, found, "share of items", limit, says)


# ---- notices


@dataclass(frozen=True, slots=True)
class _Notified:
    """One item that a notice cited: when, and what came of it."""

    at: int
    removed: int | None
    censored: int


def _notified(case: _Case, start: int) -> list[_Notified]:
    """Items first notified since a moment, by time; an item voided since is left out."""
    if case.kept.get("at") != case.now:
        case.kept.update(at=case.now, rows=_all_notified(case))
    return [row for row in case.kept["rows"] if row.at >= start]


def _all_notified(case: _Case) -> list[_Notified]:
    first: dict[str, Around] = {}
    for row in case.history.events("notice", case.now):
        if row.at <= case.now:
            for item in row.event.items:
                first.setdefault(item, row)
    found = []
    for item, notice in first.items():
        if case.clerk.is_void(item):
            continue
        ends = [row for row in case.clerk.removals.get(item, ()) if row.visible(case.now) and row.at <= case.now]
        own = [row.at for row in ends if row.event.by != "provider"]
        forced = [row.at for row in ends if row.event.by == "provider"]
        # Where the provider had to take it down itself, nobody knows how long the tenant would have taken.
        censored = min([case.now, *forced])
        removed = min(own) if own and min(own) <= censored else None
        found.append(_Notified(notice.at, removed, censored))
    return sorted(found, key=lambda row: row.at)


def _unmet_notices(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"fewer than {limits.less_than:.0%} removed within {span_words(span(limits.deadline))}"
    deadline = span(limits.deadline)
    rows = [row for row in _notified(case, case.now - case.window * DAY) if row.at + deadline <= case.now]
    met = sum(row.removed is not None and row.removed <= row.at + deadline for row in rows)
    found = share(met, len(rows))
    if len(rows) < limits.min_notices:
        return _unknown(
            name, "share of notices", limit, f"{len(rows)} notices past the deadline, fewer than {limits.min_notices}"
        )
    state = _against(found.low, found.high, limits.less_than, above=False)
    says = f"{met} of {len(rows)} notified items were removed in time ({found.low:.0%} to {found.high:.0%})"
    return Indicator(name, state, found, "share of notices", limit, says)


def _slow_response(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"quantile {limits.quantile:g} of the time to removal above {span_words(span(limits.more_than))}"
    rows = _notified(case, case.now - case.window * DAY)
    if len(rows) < limits.min_notices:
        return _unknown(name, "hours", limit, f"{len(rows)} notified items, fewer than {limits.min_notices}")
    ended = np.array([row.removed is not None for row in rows])
    # A removal recorded before the notice (clocks differ) took no time.
    times = np.array([max(0, (row.censored if row.removed is None else row.removed) - row.at) for row in rows])
    found = survival_quantile(times / 3.6e9, ended, limits.quantile)
    state = _against(found.low, found.high, span(limits.more_than) / 3.6e9, above=True)
    reached = f"{found.value:.3g} hours" if math.isfinite(found.value) else "not reached"
    says = (
        f"time by which {limits.quantile:.0%} of notified items were removed: {reached} "
        f"({found.low:.3g} to {_text(found.high)}); {int((~ended).sum())} of {len(rows)} still up"
    )
    return Indicator(name, state, found, "hours", limit, says)


def _found_by_others(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"fewer than {limits.less_than:.0%} found before a notice"
    start = case.now - case.window * DAY
    first: dict[str, int] = {}
    for row in case.history.events("notice", case.now):
        for item in row.event.items:
            first.setdefault(item, row.at)
    own = [
        item
        for item, rows in case.clerk.removals.items()
        if any(
            row.visible(case.now)
            and start <= row.at <= case.now
            and row.event.by != "provider"
            and row.at < first.get(item, case.now + 1)
            for row in rows
        )
        and not case.clerk.is_void(item)
    ]
    others = [
        item
        for item, at in first.items()
        if start <= at <= case.now and item not in own and not case.clerk.is_void(item)
    ]
    n = len(own) + len(others)
    if n < limits.min_removals:
        return _unknown(
            name, "share of violations", limit, f"{n} items found by anybody, fewer than {limits.min_removals}"
        )
    found = share(len(own), n)
    state = _against(found.low, found.high, limits.less_than, above=False)
    says = f"{len(own)} of {n} were removed before a notice ({found.low:.0%} to {found.high:.0%})"
    return Indicator(name, state, found, "share of violations", limit, says)


# ---- backlog


def _queue(case: _Case, control: str) -> list[Around]:
    """Attested counts of a queue within baseline and window, oldest first."""
    return [
        row
        for row in case.history.events("attestation", case.now)
        if row.event.control == control and row.event.value is not None and row.at <= case.now
    ]


def _opened_closed(case: _Case) -> tuple[int, int, int]:
    """Notified items that are open now, and those opened and closed within the window."""
    start = case.now - case.window * DAY
    rows = _notified(case, 0)
    n_open = sum(row.removed is None and row.censored == case.now for row in rows)
    opened = sum(row.at >= start for row in rows)
    closed = sum(row.removed is not None and row.removed >= start for row in rows)
    return n_open, opened, closed


def _large_backlog(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"more than {limits.more_than_days:g} days of work open"
    queue, pace = _queue(case, "open_reports"), _queue(case, "closed_reports")
    if queue and pace:
        n_open, per_day = float(queue[-1].event.value), float(pace[-1].event.value)
        value = n_open / per_day if per_day else math.inf
        found = Estimate(value, value, value, round(n_open), 1.0)
        state = Truth.TRUE if value > limits.more_than_days else Truth.FALSE
        says = f"{n_open:,.0f} reports open, {per_day:,.0f} closed a day: {_text(value)} days of work (attested)"
        return Indicator(name, state, found, "days", limit, says)
    n_open, _, closed = _opened_closed(case)
    if n_open == 0 and closed == 0:
        return _unknown(name, "days", limit, _NOTHING)
    # Exact limits of a Poisson mean: the gamma quantiles (Garwood 1936, Biometrika 28).
    from scipy.special import gammaincinv

    slow = float(gammaincinv(closed, 0.025)) if closed else 0.0
    fast = float(gammaincinv(closed + 1, 0.975))
    days = [n_open * case.window / pace if pace else math.inf for pace in (closed, fast, slow)]
    if n_open == 0:
        days = [0.0, 0.0, 0.0]
    found = Estimate(days[0], days[1], days[2], n_open + closed, 0.95)
    state = _against(found.low, found.high, limits.more_than_days, above=True)
    attested = f"; {queue[-1].event.value:,.0f} reports open by its own account" if queue else ""
    says = (
        f"{n_open} notified items open, {closed} closed in {case.window} days: {_text(days[0])} days of work{attested}"
    )
    return Indicator(name, state, found, "days", limit, says)


def _growing_backlog(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"certainly more than {limits.more_than_per_day:g} a day"
    alpha = case.alpha(limits)
    start = case.now - (case.window + case.policy.platform_review.baseline.days) * DAY  # type: ignore[union-attr]
    queue = [row for row in _queue(case, "open_reports") if row.at >= start]
    if len(queue) >= 2 and queue[-1].at > queue[0].at:
        length = (queue[-1].at - queue[0].at) / DAY
        found = difference(round(queue[-1].event.value), round(queue[0].event.value), alpha=alpha)
        how = f"attested at {len(queue)} times over {length:.3g} days"
    else:
        _, opened, closed = _opened_closed(case)
        if opened + closed == 0:
            return _unknown(name, "items a day", limit, _NOTHING)
        length, found = float(case.window), difference(opened, closed, alpha=alpha)
        how = f"{opened} opened, {closed} closed in {case.window} days"
    found = Estimate(found.value / length, found.low / length, found.high / length, found.n, found.level)
    state = _against(found.low, found.high, limits.more_than_per_day, above=True)
    says = f"the queue grows by {found.value:.3g} a day ({found.low:.3g} to {found.high:.3g}; {how})"
    return Indicator(name, state, found, "items a day", limit, says)


def _missing_controls(case: _Case, name: str, limits: Any) -> Indicator:
    limit = f"all of {', '.join(limits.required)}"
    states = {control: case.clerk.attested(control, case.now) for control in limits.required}
    absent = [control for control, state in states.items() if state is Truth.FALSE]
    silent = [control for control, state in states.items() if state is Truth.UNKNOWN]
    held = len(states) - len(absent) - len(silent)
    found = Estimate(float(held), float(held), float(held + len(silent)), len(states) - len(silent), 1.0)
    state = Truth.TRUE if absent else Truth.UNKNOWN if silent else Truth.FALSE
    parts = [f"{held} of {len(states)} attested"]
    parts += [f"absent: {', '.join(absent)}"] if absent else []
    parts += [f"nothing known of: {', '.join(silent)}"] if silent else []
    return Indicator(name, state, found, "controls", limit, "; ".join(parts))


def _text(value: float) -> str:
    if not math.isfinite(value):
        return "no end"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


_MEASURES: Final[Mapping[str, Callable[[_Case, str, Any], Indicator]]] = {
    "steady_increase": _steady_increase,
    "growing_volume": _growing_volume,
    "high_rate": _high_rate,
    "unmet_notices": _unmet_notices,
    "slow_response": _slow_response,
    "large_backlog": _large_backlog,
    "growing_backlog": _growing_backlog,
    "found_by_others": _found_by_others,
    "missing_controls": _missing_controls,
}
