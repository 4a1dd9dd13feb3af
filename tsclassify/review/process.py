"""Indicators of what a tenant does about notices, its backlog and its controls, as they stand now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tsclassify.ledger.moments import DAY, HOUR, span_words
from tsclassify.records import Truth
from tsclassify.review.observed import NOTHING, Case, Indicator, against, text, unknown
from tsclassify.review.statistics import Estimate, difference, share, survival_quantile
from tsclassify.standing.history import TimedEvent
from tsclassify.standing.ladder import span

__all__ = [
    "Notified",
    "found_by_others",
    "growing_backlog",
    "large_backlog",
    "missing_controls",
    "notified",
    "slow_response",
    "unmet_notices",
]


@dataclass(frozen=True, slots=True)
class Notified:
    """One item that a notice cited: when, and what came of it."""

    at: int
    removed: int | None
    censored: int


def notified(case: Case, start: int) -> list[Notified]:
    """Items first notified since a moment, by time; an item voided since is left out."""
    if case.kept.get("at") != case.now:
        case.kept.update(at=case.now, rows=all_notified(case))
    return [row for row in case.kept["rows"] if row.at >= start]


def all_notified(case: Case) -> list[Notified]:
    first: dict[str, TimedEvent] = {}
    for row in case.history.events("notice", case.now):
        if row.at <= case.now:
            for item in row.event.items:
                first.setdefault(item, row)
    found = []
    for item, notice in first.items():
        if case.history.is_settled(item, case.now):
            continue
        ends = [row for row in case.evaluator.removals.get(item, ()) if row.visible(case.now) and row.at <= case.now]
        own = [row.at for row in ends if row.event.by != "provider"]
        forced = [row.at for row in ends if row.event.by == "provider"]
        # Where the provider had to take it down itself, nobody knows how long the tenant would have taken.
        censored = min([case.now, *forced])
        removed = min(own) if own and min(own) <= censored else None
        found.append(Notified(notice.at, removed, censored))
    return sorted(found, key=lambda row: row.at)


def unmet_notices(case: Case, name: str, limits: Any) -> Indicator:
    limit = f"fewer than {limits.less_than:.0%} removed within {span_words(span(limits.deadline))}"
    deadline = span(limits.deadline)
    rows = [row for row in notified(case, case.now - case.window * DAY) if row.at + deadline <= case.now]
    met = sum(row.removed is not None and row.removed <= row.at + deadline for row in rows)
    found = share(met, len(rows))
    if len(rows) < limits.min_notices:
        return unknown(
            name, "share of notices", limit, f"{len(rows)} notices past the deadline, fewer than {limits.min_notices}"
        )
    state = _against_share(found, limits.less_than)
    says = f"{met} of {len(rows)} notified items were removed in time ({found.low:.0%} to {found.high:.0%})"
    says += _implied(limits.min_notices)
    return Indicator(name, state, found, "share of notices", limit, says)


def slow_response(case: Case, name: str, limits: Any) -> Indicator:
    limit = (
        f"{limits.quantile:.0%} of notified items are removed only after more than {span_words(span(limits.more_than))}"
    )
    rows = notified(case, case.now - case.window * DAY)
    if len(rows) < limits.min_notices:
        return unknown(name, "hours", limit, f"{len(rows)} notified items, fewer than {limits.min_notices}")
    ended = np.array([row.removed is not None for row in rows])
    # A removal recorded before the notice (clocks differ) took no time.
    times = np.array([max(0, (row.censored if row.removed is None else row.removed) - row.at) for row in rows])
    found = survival_quantile(times / HOUR, ended, limits.quantile)
    more_than = span(limits.more_than) / HOUR
    # From min_notices on, the quantile itself rules the trouble out.
    state = Truth.TRUE if found.low > more_than else Truth.FALSE if found.value <= more_than else Truth.UNKNOWN
    n_up = int((~ended).sum())
    says = (
        f"time by which {limits.quantile:.0%} of notified items were removed: {_time(found.value, 'not reached')} "
        f"({_time(found.low, 'no end')} to {_time(found.high, 'no end')}); {n_up} of {len(rows)} still up"
    )
    return Indicator(name, state, found, "hours", limit, says)


def _time(hours: float, never: str) -> str:
    return span_words(round(hours * HOUR)) if math.isfinite(hours) else never


def found_by_others(case: Case, name: str, limits: Any) -> Indicator:
    limit = f"fewer than {limits.less_than:.0%} found before a notice"
    start = case.now - case.window * DAY
    first: dict[str, int] = {}
    for row in case.history.events("notice", case.now):
        for item in row.event.items:
            first.setdefault(item, row.at)
    own = [
        item
        for item, rows in case.evaluator.removals.items()
        if any(
            row.visible(case.now)
            and start <= row.at <= case.now
            and row.event.by != "provider"
            and row.at < first.get(item, case.now + 1)
            for row in rows
        )
        and not case.history.is_settled(item, case.now)
    ]
    others = [
        item
        for item, at in first.items()
        if start <= at <= case.now and item not in own and not case.history.is_settled(item, case.now)
    ]
    n = len(own) + len(others)
    if n < limits.min_removals:
        return unknown(
            name, "share of violations", limit, f"{n} items found by anybody, fewer than {limits.min_removals}"
        )
    found = share(len(own), n)
    state = _against_share(found, limits.less_than)
    says = f"{len(own)} of {n} were removed before a notice ({found.low:.0%} to {found.high:.0%})"
    says += _implied(limits.min_removals)
    return Indicator(name, state, found, "share of violations", limit, says)


def _against_share(found: Estimate, limit: float) -> Truth:
    """Truth of "the share is below the limit": shown by the whole interval, ruled out by the share itself.

    The policy's own minimum says from how many items on the share is trusted to rule the trouble out.
    """
    if found.high < limit:
        return Truth.TRUE
    return Truth.FALSE if found.value >= limit else Truth.UNKNOWN


def _implied(minimum: int) -> str:
    """What the minimum amounts to: a share that so few items, all of them good, still allow at 95 % (one-sided)."""
    allowed = 0.05 ** (1 / minimum)
    return f"; {minimum} of {minimum}, the fewest that count, still allow a true share of {allowed:.0%}"


# ---- backlog


def _queue(case: Case, control: str) -> list[TimedEvent]:
    """Attested counts of a queue within baseline and window, oldest first."""
    return [
        row
        for row in case.history.events("attestation", case.now)
        if row.event.control == control and row.event.value is not None and row.at <= case.now
    ]


def _opened_closed(case: Case) -> tuple[int, int, int]:
    """Notified items that are open now, and those opened and closed within the window."""
    start = case.now - case.window * DAY
    rows = notified(case, 0)
    n_open = sum(row.removed is None and row.censored == case.now for row in rows)
    opened = sum(row.at >= start for row in rows)
    closed = sum(row.removed is not None and row.removed >= start for row in rows)
    return n_open, opened, closed


def large_backlog(case: Case, name: str, limits: Any) -> Indicator:
    limit = f"more than {limits.more_than_days:g} days of work open"
    queue, pace = _queue(case, "open_reports"), _queue(case, "closed_reports")
    if queue and pace:
        n_open, per_day = float(queue[-1].event.value), float(pace[-1].event.value)
        value = n_open / per_day if per_day else math.inf
        found = Estimate(value, value, value, round(n_open), 1.0)
        state = Truth.TRUE if value > limits.more_than_days else Truth.FALSE
        says = f"{n_open:,.0f} reports open, {per_day:,.0f} closed a day: {text(value)} days of work (attested)"
        return Indicator(name, state, found, "days", limit, says)
    n_open, _, closed = _opened_closed(case)
    if n_open == 0 and closed == 0:
        return unknown(name, "days", limit, NOTHING)
    # Exact limits of a Poisson mean: the gamma quantiles (Garwood 1936, Biometrika 28).
    from scipy.special import gammaincinv

    slow = float(gammaincinv(closed, 0.025)) if closed else 0.0
    fast = float(gammaincinv(closed + 1, 0.975))
    length = _days_on_record(case)
    days = [n_open * length / pace if pace else math.inf for pace in (closed, fast, slow)]
    if n_open == 0:
        days = [0.0, 0.0, 0.0]
    found = Estimate(days[0], days[1], days[2], n_open + closed, 0.95)
    state = against(found.low, found.high, limits.more_than_days, above=True)
    attested = f"; {queue[-1].event.value:,.0f} reports open by its own account" if queue else ""
    says = f"{n_open} notified items open, {closed} closed in {length:.3g} days: {text(days[0])} days of work{attested}"
    return Indicator(name, state, found, "days", limit, says)


def _days_on_record(case: Case) -> float:
    """Days of the window for which the record says anything of notices; at least one."""
    first = min((row.at for row in notified(case, 0)), default=case.now)
    return min(float(case.window), max(1.0, (case.now - first) / DAY))


def growing_backlog(case: Case, name: str, limits: Any) -> Indicator:
    above = f" by more than {limits.more_than_per_day:g} a day" if limits.more_than_per_day else ""
    limit = f"the queue certainly grows{above}"
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
            return unknown(name, "items a day", limit, NOTHING)
        # A record that is younger than the window has grown for no longer than it exists.
        length, found = _days_on_record(case), difference(opened, closed, alpha=alpha)
        how = f"{opened} opened, {closed} closed in {length:.3g} days"
    found = Estimate(found.value / length, found.low / length, found.high / length, found.n, found.level)
    state = against(found.low, found.high, limits.more_than_per_day, above=True)
    says = f"the queue grows by {found.value:.3g} a day ({found.low:.3g} to {found.high:.3g}; {how})"
    return Indicator(name, state, found, "items a day", limit, says)


def missing_controls(case: Case, name: str, limits: Any) -> Indicator:
    limit = f"one of these is missing: {', '.join(limits.required)}"
    states = {control: case.evaluator.attested(control, case.now) for control in limits.required}
    absent = [control for control, state in states.items() if state is Truth.FALSE]
    silent = [control for control, state in states.items() if state is Truth.UNKNOWN]
    held = len(states) - len(absent) - len(silent)
    found = Estimate(float(held), float(held), float(held + len(silent)), len(states) - len(silent), 1.0)
    state = Truth.TRUE if absent else Truth.UNKNOWN if silent else Truth.FALSE
    parts = [f"{held} of {len(states)} attested"]
    parts += [f"absent: {', '.join(absent)}"] if absent else []
    parts += [f"nothing known of: {', '.join(silent)}"] if silent else []
    return Indicator(name, state, found, "controls", limit, "; ".join(parts))
