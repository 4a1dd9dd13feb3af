"""The review of a hosted platform: indicators, the finding that rests on them, the next step, and what is overdue.

The review is asked of both sides. Of the tenant: does it have an effective process? Of the policy's owner: which
steps were due, since when, and was anything done?
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tsclassify.enforcement.history import History, load
from tsclassify.enforcement.indicators import Days, Indicator, Labelled, daily, measure
from tsclassify.enforcement.ladder import Clerk, ReviewFacts, span
from tsclassify.enforcement.moments import DAY, aware, iso, micros, moment, span_words
from tsclassify.enforcement.standing import (
    Reversal,
    StepState,
    change_points,
    open_appeals,
    reversals,
    step_state,
    upcoming,
)
from tsclassify.enforcement.store import translated
from tsclassify.enforcement.trend import look_before
from tsclassify.errors import InputError
from tsclassify.records import SCHEMA_VERSION, Truth

if TYPE_CHECKING:
    from tsclassify.enforcement.ledger import Ledger
    from tsclassify.policy import Policy

__all__ = ["Overdue", "PlatformReview", "Run", "read_labelled", "review_platform"]

_LONGEST: Final = 400
"""Days that the time line reaches back: a step that has been due for longer is due since that day at least."""
_FINE: Final = 48
"""Moments asked within a day on which a step changed, about one in half an hour."""
_EVIDENCE: Final = 100
"""Items listed as evidence, at most."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time through which something held.

    Attributes
    ----------
    id
        Step id, or a finding.
    since, until
        First moment asked at which it held, and the first at which it did not; None while it holds.
    """

    id: str
    since: dt.datetime
    until: dt.datetime | None

    def to_dict(self) -> dict[str, Any]:
        until = None if self.until is None else iso(micros(self.until))
        return {"id": self.id, "since": iso(micros(self.since)), "until": until}


@dataclass(frozen=True, slots=True)
class Overdue:
    """Something that the policy's owner had to do by a deadline of its own policy, and did late or not at all.

    Attributes
    ----------
    what
        ``step``, ``action`` or ``appeal``.
    id
        Step, tier, or ``appeals``.
    due_at
        When it was due.
    deadline_at
        When the time for it ran out.
    done_at
        When it was done, or None.
    n
        How many items or appeals it concerns; 1 for a step.
    says
        The same in a sentence.
    """

    what: str
    id: str
    due_at: dt.datetime
    deadline_at: dt.datetime
    done_at: dt.datetime | None
    n: int
    says: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "id": self.id,
            "due_at": iso(micros(self.due_at)),
            "deadline_at": iso(micros(self.deadline_at)),
            "done_at": None if self.done_at is None else iso(micros(self.done_at)),
            "n": self.n,
            "says": self.says,
        }


@dataclass(frozen=True, slots=True)
class PlatformReview:
    """A review of one tenant at a moment.

    Attributes
    ----------
    tenant, at, look_at
        The tenant, the moment, and the scheduled look at which rates and volumes were taken.
    policy_name, policy_version, policy_sha256
        The policy that was asked.
    n_items, n_violations
        In the window up to the look.
    indicators
        Every indicator of the policy with its state, estimate and sentence.
    finding
        ``effective``, ``not_effective`` or ``undetermined``.
    rests_on
        Indicators that the finding needed.
    steps
        Every step of the ladder, mildest first.
    runs
        When each step was due, and when each finding held.
    overdue
        What the policy's owner did late or not at all.
    reversals
        Steps taken that no longer follow.
    evidence
        Ids of items that count, most severe first, then latest.
    """

    tenant: str
    at: dt.datetime
    look_at: dt.datetime
    policy_name: str
    policy_version: str
    policy_sha256: str
    n_items: int
    n_violations: int
    indicators: tuple[Indicator, ...]
    finding: str
    rests_on: tuple[str, ...]
    steps: tuple[StepState, ...]
    runs: tuple[Run, ...]
    findings: tuple[Run, ...]
    overdue: tuple[Overdue, ...]
    reversals: tuple[Reversal, ...]
    evidence: tuple[str, ...]
    days: Days
    clerk: Clerk

    @property
    def next_step(self) -> StepState | None:
        """The most severe step that is due, unless it was taken since; a milder one is then no longer next."""
        return upcoming(self.steps)

    @property
    def missing(self) -> dict[str, int]:
        """Obligations of the next step that are not met yet."""
        return {} if self.next_step is None else self.next_step.missing

    def __getitem__(self, name: str) -> Indicator:
        for indicator in self.indicators:
            if indicator.name == name:
                return indicator
        raise InputError(f"review: indicator must be one of {', '.join(i.name for i in self.indicators)}, got {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with ``schema_version``; names of the tenant appear in ``tenant`` only."""
        following = self.next_step
        return {
            "schema_version": SCHEMA_VERSION,
            "tenant": self.tenant,
            "at": iso(micros(self.at)),
            "look_at": iso(micros(self.look_at)),
            "policy": {"name": self.policy_name, "version": self.policy_version, "sha256": self.policy_sha256},
            "n_items": self.n_items,
            "n_violations": self.n_violations,
            "indicators": [indicator.to_dict() for indicator in self.indicators],
            "finding": self.finding,
            "rests_on": list(self.rests_on),
            "steps": [step.to_dict() for step in self.steps],
            "next_step": None if following is None else following.id,
            "missing": self.missing,
            "runs": [run.to_dict() for run in self.runs],
            "findings": [run.to_dict() for run in self.findings],
            "overdue": [late.to_dict() for late in self.overdue],
            "reversals": [reversal.to_dict() for reversal in self.reversals],
            "evidence": list(self.evidence),
        }

    def _repr_html_(self) -> str:
        from tsclassify.enforcement.page import fragment

        return fragment(self)

    def html(self) -> str:
        """One self-contained page with tables and plots; everything from the ledger is escaped."""
        from tsclassify.enforcement.page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page."""
        Path(path).write_text(self.html(), encoding="utf-8")


def review_platform(
    ledger: Ledger,
    policy: Policy,
    *,
    tenant: str,
    at: dt.datetime | str,
    labelled: Iterable[Mapping[str, Any]] | None = None,
) -> PlatformReview:
    """Review a tenant from the ledger alone.

    Parameters
    ----------
    ledger
        An open ledger.
    policy
        Needs a ``platform_review``.
    tenant
        The hosted platform, or the app.
    at
        The moment; events known later are not seen.
    labelled
        A random sample of the tenant's items that people labelled: mappings with ``id`` and ``violation`` (bool).
        The violation rate is then corrected for the model's errors.

    Raises
    ------
    InputError
        When the policy has no platform review, or a labelled row is not as described.
    """
    if policy.platform_review is None:
        raise InputError(f"review: policy must have a platform_review, got {policy.name} without one")
    when = moment(at, "review: at")
    now = micros(when)
    history = load(ledger, tenant, "tenant", policy, at=now)
    clerk = Clerk(history, policy)
    sample = None if labelled is None else _sample(ledger, clerk, labelled, now)
    looks: dict[int, dict[str, Indicator]] = {}
    indicators = measure(clerk, policy, now, labelled=sample, looks=looks)
    facts = _facts(clerk, policy, now, indicators)
    line = _time_line(clerk, policy, now, facts, sample, looks)
    steps = tuple(step_state(clerk, step, now, line.now[step.id], line.since(step.id)) for step in clerk.steps)
    look = look_before(now // DAY, policy.platform_review.looks.every)
    days = daily(history, look)
    window = policy.platform_review.window.days
    return PlatformReview(
        tenant=tenant,
        at=when,
        look_at=aware(look * DAY),
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        n_items=int(days.items[-window:].sum()),
        n_violations=int(days.violations[-window:].sum()),
        indicators=indicators,
        finding=facts.finding or "undetermined",
        rests_on=_rests_on(clerk, policy, now, facts),
        steps=steps,
        runs=line.runs(clerk),
        findings=line.findings(),
        overdue=(*_late_steps(clerk, line, now), *_late_actions(clerk, now), *_late_appeals(clerk, now)),
        reversals=reversals(clerk, now, line.review_at_takes(clerk, now)),
        evidence=_evidence(clerk, now),
        days=days,
        clerk=clerk,
    )


def read_labelled(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Labelled items from a JSONL file with ``id`` and ``violation``.

    Raises
    ------
    InputError
        With the line that is not as described.
    """
    rows = []
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(msgspec.json.decode(line, type=dict[str, Any]))
            except (msgspec.DecodeError, UnicodeError):
                raise InputError(f"{Path(path).name}:{number}: line must be a JSON object") from None
    return rows


def _sample(ledger: Ledger, clerk: Clerk, labelled: Iterable[Mapping[str, Any]], now: int) -> Labelled:
    """Cross a labelled sample with what the policy decided; items that it never saw are refused."""
    flagged = {clerk.history.items[row] for row in clerk.acts(now, window=now)}
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for number, row in enumerate(labelled, start=1):
        item, truth = row.get("id"), row.get("violation")
        if not isinstance(item, str) or not isinstance(truth, bool):
            raise InputError(f"review: labelled row {number} must have an id (text) and a violation (true or false)")
        with translated(ledger.path):
            seen = ledger._connection.execute(
                "SELECT 1 FROM event WHERE id = ? AND kind = 'decision' AND tenant = ? AND known <= ? LIMIT 1",
                (item, clerk.history.subject, now),
            ).fetchone()
        if seen is None:
            raise InputError(f"review: labelled row {number} must be an item of this tenant with a recorded decision")
        counts[item in flagged, truth] += 1
    return Labelled(
        hits=counts[True, True],
        n_flagged=counts[True, True] + counts[True, False],
        misses=counts[False, True],
        n_clean=counts[False, True] + counts[False, False],
    )


def _facts(clerk: Clerk, policy: Policy, now: int, indicators: tuple[Indicator, ...]) -> ReviewFacts:
    """The finding over the indicators: not effective when that is shown, effective when that is."""
    states = {indicator.name: indicator.state for indicator in indicators}
    plain = ReviewFacts(None, states)
    rule = policy.platform_review.effective_process  # type: ignore[union-attr]
    if clerk.truth(rule.not_effective, now, plain) is Truth.TRUE:
        finding = "not_effective"
    elif clerk.truth(rule.effective, now, plain) is Truth.TRUE:
        finding = "effective"
    else:
        finding = "undetermined"
    return ReviewFacts(finding, states)


def _rests_on(clerk: Clerk, policy: Policy, now: int, facts: ReviewFacts) -> tuple[str, ...]:
    """Indicators without which the finding would be another one."""
    found = []
    for name, state in facts.indicators.items():
        for other in Truth:
            changed = ReviewFacts(None, {**facts.indicators, name: other})
            rule = policy.platform_review.effective_process  # type: ignore[union-attr]
            not_effective = clerk.truth(rule.not_effective, now, changed) is Truth.TRUE
            effective = clerk.truth(rule.effective, now, changed) is Truth.TRUE
            finding = "not_effective" if not_effective else "effective" if effective else "undetermined"
            if other is not state and finding != facts.finding:
                found.append(name)
                break
    return tuple(found)


@dataclass(slots=True)
class _Line:
    """The state of every step and the finding at each moment asked, the last of which is now."""

    points: list[int]
    states: list[dict[str, Truth]]
    facts: list[ReviewFacts]
    now: dict[str, Truth]

    def since(self, step: str) -> int | None:
        """From when on a step has been due without a break, or None when it is not due now."""
        if self.now[step] is not Truth.TRUE:
            return None
        since = self.points[-1]
        for point, states in zip(reversed(self.points), reversed(self.states), strict=True):
            if states[step] is not Truth.TRUE:
                break
            since = point
        return since

    def _runs(self, name: str, held: list[bool]) -> list[Run]:
        runs, start = [], None
        for point, here in zip(self.points, held, strict=True):
            if here and start is None:
                start = point
            elif not here and start is not None:
                runs.append(Run(name, aware(start), aware(point)))
                start = None
        if start is not None:
            runs.append(Run(name, aware(start), None))
        return runs

    def runs(self, clerk: Clerk) -> tuple[Run, ...]:
        """When each step was due, in the ladder's order."""
        return tuple(
            run
            for step in clerk.steps
            for run in self._runs(step.id, [states[step.id] is Truth.TRUE for states in self.states])
        )

    def findings(self) -> tuple[Run, ...]:
        """When each finding held, in order of time."""
        names = sorted({facts.finding or "" for facts in self.facts})
        runs = [run for name in names for run in self._runs(name, [facts.finding == name for facts in self.facts])]
        return tuple(sorted(runs, key=lambda run: run.since))

    def review_at_takes(self, clerk: Clerk, now: int) -> dict[int, ReviewFacts]:
        """Row of each step taken to what the review said on the last midnight before."""
        found = {}
        for take in clerk.takes(now):
            before = [facts for point, facts in zip(self.points, self.facts, strict=True) if point <= take.at]
            if before:
                found[take.seq] = before[-1]
        return found


def _time_line(
    clerk: Clerk,
    policy: Policy,
    now: int,
    facts: ReviewFacts,
    sample: Labelled | None,
    looks: dict[int, dict[str, Indicator]],
) -> _Line:
    """Ask every step at every midnight since the first event, now, and at the events of a day on which one changed."""
    first = _first(clerk.history)
    start = now // DAY if first is None else max(first // DAY, now // DAY - _LONGEST)
    points = [day * DAY for day in range(start, now // DAY + 1) if day * DAY < now]

    def ask(point: int) -> tuple[dict[str, Truth], ReviewFacts]:
        then = _facts(clerk, policy, point, measure(clerk, policy, point, labelled=sample, looks=looks))
        return clerk.states(point, then), then

    answers = {point: ask(point) for point in points}
    answers[now] = (clerk.states(now, facts), facts)
    inside = change_points(clerk, now)
    ordered = sorted(answers)
    for before, after in itertools.pairwise(ordered):
        if any(answers[before][0][step.id] is not answers[after][0][step.id] for step in clerk.steps):
            between = [point for point in inside if before < point < after]
            for point in between[:: max(1, len(between) // _FINE)]:
                answers[point] = ask(point)
    ordered = sorted(answers)
    return _Line(ordered, [answers[p][0] for p in ordered], [answers[p][1] for p in ordered], answers[now][0])


def _first(history: History) -> int | None:
    """When the first event became known."""
    times = [int(history.known.min())] if history.known.size else []
    times += [row.known for rows in history.around.values() for row in rows]
    times += [int(history.days[:, 1].min()) * DAY] if history.days.size else []
    return min(times, default=None)


def _late_steps(clerk: Clerk, line: _Line, now: int) -> list[Overdue]:
    """Steps that were due for longer than their own deadline before something was recorded."""
    late = []
    for step in clerk.steps:
        if step.within is None:
            continue
        for run in line.runs(clerk):
            if run.id != step.id:
                continue
            since = micros(run.since)
            until = now if run.until is None else micros(run.until)
            limit = since + span(step.within)
            takes = [take.at for take in clerk.takes(now, step.id) if since <= take.at]
            done = min(takes, default=None)
            end = min(until, done if done is not None else until)
            if limit >= end:
                continue
            how = (
                f"taken {span_words(end - limit)} late"
                if done is not None and done <= until
                else (f"not taken, {span_words(until - limit)} past the deadline")
            )
            late.append(
                Overdue(
                    "step",
                    step.id,
                    run.since,
                    aware(limit),
                    None if done is None else aware(done),
                    1,
                    f"step {step.id} was due on {run.since:%Y-%m-%d}, to be taken by {aware(limit):%Y-%m-%d}: {how}",
                )
            )
    return late


def _late_actions(clerk: Clerk, now: int) -> list[Overdue]:
    """Decisions whose tier sets a time, on items that nobody notified, removed or answered by then."""
    h = clerk.history
    done: dict[str, int] = {}
    for kind in ("notice", "removal", "appeal"):
        for row in h.events(kind, now):
            for item in getattr(row.event, "items", None) or [getattr(row.event, "item", "")]:
                done[item] = min(row.at, done.get(item, row.at))
    late = []
    acts = clerk.acts(now)
    for index, tier in enumerate(clerk.policy.tiers):
        if tier.within is None or not tier.do:
            continue
        limit = span(tier.within)
        rows = [
            (int(h.known[row]), done.get(h.items[row] or ""))
            for row in acts
            if h.tier[row] == index and h.known[row] + limit < now
        ]
        missed = [known for known, when in rows if when is None or when > known + limit]
        if missed:
            first = min(missed)
            late.append(
                Overdue(
                    "action",
                    tier.id,
                    aware(first),
                    aware(first + limit),
                    None,
                    len(missed),
                    f"{len(missed)} of {len(rows)} items at tier {tier.id} had nothing recorded within "
                    f"{span_words(limit)}, the first since {aware(first):%Y-%m-%d}",
                )
            )
    return late


def _late_appeals(clerk: Clerk, now: int) -> list[Overdue]:
    """Appeals that wait for longer than the policy allows."""
    rule = clerk.policy.appeals
    if rule is None or rule.answer_within is None:
        return []
    limit = span(rule.answer_within)
    waiting = [row.at for row in open_appeals(clerk.history, now) if row.at + limit < now]
    if not waiting:
        return []
    first = min(waiting)
    says = f"{len(waiting)} appeals wait for more than {span_words(limit)}, the first since {aware(first):%Y-%m-%d}"
    return [Overdue("appeal", "appeals", aware(first), aware(first + limit), None, len(waiting), says)]


def _evidence(clerk: Clerk, now: int) -> tuple[str, ...]:
    h = clerk.history
    rows = sorted(clerk.acts(now).tolist(), key=lambda row: (int(h.tier[row]), -int(h.at[row]), -int(h.seq[row])))
    found = dict.fromkeys(item for row in rows if (item := h.items[row]) is not None)
    return tuple(found)[:_EVIDENCE]
