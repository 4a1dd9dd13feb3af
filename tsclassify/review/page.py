"""The page of a platform review: one HTML file with its plots, no script, nothing loaded, everything escaped."""

from __future__ import annotations

import datetime as dt
import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from tsclassify.ledger.moments import DAY, HOUR, micros
from tsclassify.records import Truth
from tsclassify.reporting.charts import Chart, bars_of_time, empty, nice
from tsclassify.review.observed import Case
from tsclassify.review.process import notified
from tsclassify.review.statistics import kaplan_meier, share

if TYPE_CHECKING:
    from tsclassify.review.result import PlatformReview
    from tsclassify.review.timeline import Run
    from tsclassify.standing.standing import StepState

__all__ = ["fragment", "page"]

_RED: Final = "#b3261e"
_BLUE: Final = "#1f5f99"
_GREY: Final = "#8a8f98"
_STYLE: Final = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1a1c20;background:#fff}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #ddd}
th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}
.true{color:#b3261e;font-weight:600}.false{color:#1b6e3c}.unknown{color:#6b7078}
.finding{font-size:1.15rem;padding:.6rem .8rem;border-left:5px solid #8a8f98;background:#f5f6f8;margin:1rem 0}
.finding.not_effective{border-color:#b3261e}.finding.effective{border-color:#1b6e3c}
figure{margin:1rem 0}figcaption{font-weight:600;margin-bottom:.2rem}
svg{width:100%;height:auto}
small,.muted{color:#6b7078}code{font-size:.85em;white-space:nowrap}li{margin:.2rem 0}
@media print{body{margin:0}}
"""


_INDICATORS: Final[Mapping[str, str]] = {
    "steady_increase": "steady increase of violations",
    "growing_volume": "growing number of violations",
    "high_rate": "high share of violations",
    "unmet_notices": "notices not met in time",
    "slow_response": "slow removal after a notice",
    "large_backlog": "large backlog",
    "growing_backlog": "growing backlog",
    "found_by_others": "mostly found by others",
    "missing_controls": "missing controls",
}
"""Each indicator's claim of trouble in words."""

_NEEDS: Final[Mapping[str, tuple[str, str]]] = {
    "evidence": ("item of evidence", "items of evidence"),
    "humans": ("person to agree", "people to agree"),
}


def page(review: PlatformReview) -> str:
    """The whole page."""
    title = f"Platform review: {review.tenant}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="muted">{html.escape(_under(review))}</p>',
        _summary(review),
        "<h2>Indicators</h2>",
        _indicators(review),
        "<p class='muted'>Each indicator claims a trouble: true when shown, false when its absence is shown, unknown "
        "when the evidence is thin. Rates and volumes are those of the last scheduled look, "
        f"{_date(review.look_at)}.</p>",
        "<h2>Steps</h2>",
        _steps(review),
        _time_line(review),
        "<h2>The policy owner's own record</h2>",
        _overdue(review),
        "<h2>Plots</h2>",
        _rates(review),
        _volumes(review),
        _responses(review),
        _backlog(review),
        "<h2>Evidence</h2>",
        _evidence(review),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def fragment(review: PlatformReview) -> str:
    """The tables alone, for a notebook."""
    return (
        f"<div><strong>{html.escape(review.tenant)}</strong> <small>{html.escape(_under(review))}</small>"
        f"{_summary(review)}{_indicators(review)}{_steps(review)}{_overdue(review)}</div>"
    )


def _date(value: dt.datetime | dt.date) -> str:
    return f"{value.day} {value:%B %Y}"


def _under(review: PlatformReview) -> str:
    counted = f"{review.n_violations:,} of {review.n_items:,} items in the window in violation"
    if not review.n_items:
        counted = f"no items on record in the window up to the look of {_date(review.look_at)}"
    return (
        f"under {review.policy_name} {review.policy_version} (sha256 {review.policy_sha256[:12]}), "
        f"as of {_date(review.at)} {review.at:%H:%M %Z}; {counted}"
    )


def _summary(review: PlatformReview) -> str:
    words = {
        "effective": "The process is effective.",
        "not_effective": "The process is not effective.",
        "undetermined": "Whether the process is effective is undetermined.",
    }[review.finding]
    shown = [i.name for i in review.indicators if i.state is Truth.TRUE]
    rests = ""
    if review.rests_on:
        rests = f" This rests on: {', '.join(_INDICATORS[name] for name in review.rests_on)}."
    elif shown and review.finding == "not_effective":
        rests = f" No indicator decides it alone; true are: {', '.join(_INDICATORS[name] for name in shown)}."
    upcoming = review.next_step
    if upcoming is None:
        due = [step for step in review.steps if step.due is Truth.TRUE]
        step = "No step is due."
        if due and due[-1].taken_at is not None:
            step = f"The most severe step that is due was taken: {_named(due[-1])}, on {_date(due[-1].taken_at)}."
    else:
        missing = ", ".join(f"{amount} more {_counted(name, amount)}" for name, amount in review.missing.items())
        since = "" if upcoming.due_since is None else f", due since {_date(upcoming.due_since)}"
        step = f"Next step: {_named(upcoming)}{since}." + (
            f" Missing: {missing}." if missing else " Nothing is missing."
        )
    return f'<p class="finding {review.finding}">{html.escape(words + rests)}<br>{html.escape(step)}</p>'


def _named(step: StepState) -> str:
    return f"{step.title} ({step.id})" if step.title else step.id


def _indicators(review: PlatformReview) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(_INDICATORS[i.name])}<br><small><code>{html.escape(i.name)}</code></small></td>"
        f"<td class='{i.state.name.lower()}'>{i.state.name.lower()}</td>"
        f"<td class='n'>{i.n:,}</td><td>{html.escape(i.says)}</td><td>{html.escape(i.limit)}</td></tr>"
        for i in review.indicators
    )
    head = "<tr><th>indicator</th><th>state</th><th class='n'>n</th><th>what was found</th><th>true when</th></tr>"
    return f"<table>{head}{rows}</table>"


def _steps(review: PlatformReview) -> str:
    def day(value: dt.datetime | None) -> str:
        return "" if value is None else f"{value.day}&nbsp;{value:%b&nbsp;%Y}"

    due = {Truth.TRUE: "due", Truth.UNKNOWN: "unknown", Truth.FALSE: "not due"}
    rows = "".join(
        f"<tr><td>{html.escape(step.title or step.id)}<br><small><code>{html.escape(step.id)}</code></small></td>"
        f"<td class='{step.due.name.lower()}'>{due[step.due].replace(' ', '&nbsp;')}</td>"
        f"<td>{day(step.due_since)}</td><td>{day(step.taken_at)}</td><td>{day(step.overdue_since)}</td>"
        f"<td>{_needs(step.needs, step.has)}</td></tr>"
        for step in review.steps
    )
    head = (
        "<tr><th>step</th><th>state</th><th>due since</th><th>last taken</th><th>overdue since</th>"
        "<th>needs, on record</th></tr>"
    )
    return f"<table>{head}{rows}</table>"


def _needs(needs: Mapping[str, int], has: Mapping[str, int]) -> str:
    return "<br>".join(
        html.escape(f"{min(has.get(name, 0), amount)} of {amount} {_counted(name, amount)}")
        for name, amount in needs.items()
    )


def _counted(need: str, amount: int) -> str:
    return _NEEDS.get(need, (need, need))[amount != 1]


def _overdue(review: PlatformReview) -> str:
    titles = {tier.id: tier.title for tier in review.evaluator.policy.tiers if tier.title}
    rows = []
    for late in review.overdue:
        title = titles.get(late.id) if late.what == "action" else None
        meant = f"<br><small>{html.escape(late.id)}: {html.escape(title)}</small>" if title else ""
        rows.append(html.escape(late.says) + meant)
    rows += [
        html.escape(
            f"step {reversal.step}, taken on {reversal.taken_at:%Y-%m-%d}, does not follow from what still counts: "
            "reverse it"
        )
        for reversal in review.reversals
    ]
    if not rows:
        return "<p>Nothing is overdue.</p>"
    return "<ul>" + "".join(f"<li>{row}</li>" for row in rows) + "</ul>"


def _evidence(review: PlatformReview) -> str:
    if not review.evidence:
        return "<p>None on record.</p>"
    items = " ".join(f"<code>{html.escape(item)}</code>" for item in review.evidence)
    return f"<p>{len(review.evidence)} items, most severe first, then latest: {items}</p>"


# ---- plots


def _ticks(first: float, last: float) -> list[float]:
    """Days to label between two days since 1970, about eight at most: days, then Mondays, then first days of months."""
    whole = range(math.ceil(first), math.floor(last) + 1)
    found = list(whole)
    if len(found) > 10:
        found = [day for day in whole if _date_of(day).weekday() == 0]
    if len(found) > 10:
        found = [day for day in whole if _date_of(day).day == 1]
    return [float(day) for day in found[:: max(1, math.ceil(len(found) / 8))]]


def _date_of(day: float) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=round(day))


def _day(value: float) -> str:
    date = _date_of(value)
    return f"{date.day} {date:%b %Y}"


def _weeks(review: PlatformReview) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Last day, items and violations of each whole week up to the look."""
    days = review.days
    n = days.items.size // 7
    cut = days.items.size - 7 * n
    items, violations = (values[cut:].reshape(n, 7).sum(axis=1) for values in (days.items, days.violations))
    return days.first + cut + 7.0 * np.arange(1, n + 1), items, violations


def _chart(title: str, first: float, last: float, label_y: Callable[[float], str]) -> Chart:
    return Chart(title, first, last, _day, label_y, _ticks(first, last))


def _rates(review: PlatformReview) -> str:
    ends, items, violations = _weeks(review)
    here = items > 0
    ends, items, violations = ends[here], items[here], violations[here]
    title = "Share of items in violation, by week, with 95 % intervals"
    if not ends.size:
        return empty(title, _nothing(review))
    chart = _chart(title, float(ends[0]) - 7, float(ends[-1]), lambda value: f"{value:.2%}")
    parts = [share(min(k, n), n) for k, n in zip(violations.tolist(), items.tolist(), strict=True)]
    chart.band(ends.tolist(), [p.low for p in parts], [p.high for p in parts], _RED)
    chart.line(ends.tolist(), [p.value for p in parts], _RED, dots=True)
    _window_mark(chart, review)
    return chart.render()


def _volumes(review: PlatformReview) -> str:
    from scipy.special import gammaincinv

    ends, _, violations = _weeks(review)
    title = "Violations a week, with 95 % intervals"
    if not ends.size:
        return empty(title, _nothing(review))
    chart = _chart(title, float(ends[0]) - 7, float(ends[-1]), lambda value: f"{value:,.0f}")
    lows = [float(gammaincinv(k, 0.025)) if k else 0.0 for k in violations.tolist()]
    highs = [float(gammaincinv(k + 1, 0.975)) for k in violations.tolist()]
    chart.band(ends.tolist(), lows, highs, _BLUE)
    chart.line(ends.tolist(), violations.tolist(), _BLUE, dots=True)
    _window_mark(chart, review)
    return chart.render()


def _nothing(review: PlatformReview) -> str:
    return f"No whole week with items on record by the last look, {_date(review.look_at)}."


def _window_mark(chart: Chart, review: PlatformReview) -> None:
    rules = review.evaluator.policy.platform_review
    if rules is not None:
        chart.mark(micros(review.look_at) / DAY - rules.window.days, "window starts")


def _responses(review: PlatformReview) -> str:
    case = Case(review.evaluator, review.evaluator.policy, micros(review.at), 0, review.days, None)
    rows = notified(case, 0)
    if not rows:
        return ""
    times = np.array([max(0, (row.censored if row.removed is None else row.removed) - row.at) for row in rows]) / DAY
    ended = np.array([row.removed is not None for row in rows])
    at, survival, _ = kaplan_meier(times.astype(np.float64), ended)
    last = float(max(times.max(), 1.0))
    xs, ys = [0.0], [1.0]
    for moment, still in zip(at.tolist(), survival.tolist(), strict=True):
        xs += [moment, moment]
        ys += [ys[-1], still]
    chart = Chart(
        f"Share of {len(rows)} notified items still up, by days since the notice",
        0.0,
        last,
        lambda value: f"{value:g}",
        lambda value: f"{value:.0%}",
        [day for day in nice(last) if day <= last],
        top=1.0,
    )
    chart.line([*xs, last], [*ys, ys[-1]], _BLUE)
    return chart.render()


def _backlog(review: PlatformReview) -> str:
    now = micros(review.at)
    case = Case(review.evaluator, review.evaluator.policy, now, 0, review.days, None)
    rows = notified(case, 0)
    if not rows:
        return ""
    first = min(row.at for row in rows) // DAY
    days = np.arange(first, now // DAY + 1, dtype=np.float64)
    counts = [float(sum(r.at <= day * DAY and (r.removed or r.censored + 1) > day * DAY for r in rows)) for day in days]
    title = "Notified items that are still up, by day"
    chart = _chart(title, float(days[0]), max(float(days[-1]), float(days[0]) + 1), lambda value: f"{value:,.0f}")
    chart.line(days.tolist(), counts, _GREY)
    return chart.render()


def _time_line(review: PlatformReview) -> str:
    now = micros(review.at)

    def bars(runs: Sequence[Run], id_: str, colour: str) -> list[tuple[float, float, str]]:
        return [
            (float(micros(run.since)), float(now if run.until is None else micros(run.until)), colour)
            for run in runs
            if run.id == id_
        ]

    rows = [
        (
            step.id,
            bars(review.runs, step.id, "#e3a19b"),
            [(float(take.at), _day(take.at // DAY)) for take in review.evaluator.takes(now, step.id)],
        )
        for step in review.steps
    ]
    rows.append(("not effective", bars(review.findings, "not_effective", _RED), []))
    shown = [bar[0] for _, there, _ in rows for bar in there] + [at for *_, marks in rows for at, _ in marks]
    start = min([*shown, float(now - 14 * DAY)])
    ticks = [(day * DAY, _day(day)) for day in _ticks(start / DAY, now / DAY)]
    title = "When each step was due (bars) and taken (circles; a number stands for as many close together)"
    return bars_of_time(title, rows, start, float(now + 6 * HOUR), ticks)
