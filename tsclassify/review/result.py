"""The review of a hosted platform: indicators, the finding that rests on them, the next step, and what is overdue.

The review is asked of both sides. Of the tenant: does it have an effective process? Of the policy's owner: which
steps were due, since when, and was anything done?
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tsclassify.errors import InputError, needs
from tsclassify.io.rows import bounded_lines, json_object
from tsclassify.ledger import queries
from tsclassify.ledger.moments import DAY, aware, iso, micros, moment
from tsclassify.records import SCHEMA_VERSION
from tsclassify.review.indicators import measure
from tsclassify.review.observed import Days, Indicator, Labelled, daily, up_to
from tsclassify.review.overdue import Overdue, overdue
from tsclassify.review.timeline import Run, facts_at, rests_on, time_line
from tsclassify.review.trend import look_before
from tsclassify.standing.checks import Irregularity, irregularities
from tsclassify.standing.history import load
from tsclassify.standing.ladder import LadderEvaluator
from tsclassify.standing.standing import (
    Reversal,
    StepState,
    categories_of,
    reversals,
    step_state,
    to_restore,
    upcoming,
)

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy

__all__ = ["Overdue", "PlatformReview", "Run", "read_labelled", "review_platform"]

_EVIDENCE: Final = 100
"""Items listed as evidence, at most."""


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
        In the window up to the moment of the review, the day itself included.
    since
        Start of that window.
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
        Ids of items that count and are still up, most severe first, then latest.
    irregularities
        What was recorded against the policy's own rules.
    to_restore
        Ids of items that are down although what they were taken down for was voided or cleared.
    versions
        Version of the policy and model to the first and the last act that it decided on.
    """

    tenant: str
    at: dt.datetime
    look_at: dt.datetime
    since: dt.datetime
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
    irregularities: tuple[Irregularity, ...]
    to_restore: tuple[str, ...]
    versions: tuple[tuple[str, dt.datetime, dt.datetime], ...]
    days: Days
    evaluator: LadderEvaluator

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
            "since": iso(micros(self.since)),
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
            "irregularities": [each.to_dict() for each in self.irregularities],
            "to_restore": list(self.to_restore),
            "versions": [
                {"basis": basis, "first": iso(micros(first)), "last": iso(micros(last))}
                for basis, first, last in self.versions
            ],
        }

    @needs("PlatformReview")
    def _repr_html_(self) -> str:
        from tsclassify.review.page import fragment

        return fragment(self)

    @needs("PlatformReview.html")
    def html(self) -> str:
        """One self-contained page with tables and plots; everything from the ledger is escaped."""
        from tsclassify.review.page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page."""
        Path(path).write_text(self.html(), encoding="utf-8")


@needs("review_platform")
def review_platform(
    ledger: EventLog,
    policy: Policy | str | os.PathLike[str],
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
        Needs a ``platform_review``; a policy, or what ``Policy.load`` takes.
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
    from tsclassify.ledger.ledger import EventLog as Book
    from tsclassify.policy import as_policy

    if not isinstance(ledger, Book):
        raise InputError(f"review: ledger must be an open Ledger, got {type(ledger).__name__}")
    policy = as_policy(policy)
    if policy.platform_review is None:
        raise InputError(f"review: policy must have a platform_review, got {policy.name} without one")
    when = moment(at, "review: at")
    now = micros(when)
    history = load(ledger, tenant, "tenant", policy, at=now)
    evaluator = LadderEvaluator(history, policy, categories=categories_of(ledger, policy))
    sample = None if labelled is None else _sample(ledger, evaluator, labelled, now)
    looks: dict[int, dict[str, Indicator]] = {}
    indicators = measure(evaluator, policy, now, labelled=sample, looks=looks)
    facts = facts_at(evaluator, policy, now, indicators)
    line = time_line(evaluator, policy, now, facts, sample, looks)
    steps = tuple(step_state(evaluator, step, now, line.now[step.id], line.since(step.id)) for step in evaluator.steps)
    look = look_before(now // DAY, policy.platform_review.looks.every)
    window = policy.platform_review.window.days
    n_items, n_violations = up_to(history, now, window * DAY)
    return PlatformReview(
        tenant=tenant,
        at=when,
        look_at=aware(look * DAY),
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        since=aware(now - window * DAY),
        n_items=n_items,
        n_violations=n_violations,
        indicators=indicators,
        finding=facts.finding or "undetermined",
        rests_on=rests_on(evaluator, policy, now, facts),
        steps=steps,
        runs=line.runs(evaluator),
        findings=line.findings(),
        overdue=overdue(evaluator, line, now),
        reversals=reversals(evaluator, now, line.review_at_takes(evaluator, now)),
        evidence=evaluator.evidence(now)[:_EVIDENCE],
        irregularities=irregularities(evaluator, now),
        to_restore=to_restore(evaluator, now),
        versions=tuple((basis, aware(first), aware(last)) for basis, first, last in history.bases),
        days=daily(history, look),
        evaluator=evaluator,
    )


def read_labelled(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Labelled items from a JSONL file with ``id`` and ``violation``.

    Raises
    ------
    InputError
        With the line that is not as described.
    """
    name = Path(path).name
    try:
        with Path(path).open("rb") as lines:
            return [json_object(raw, f"{name}:{number}") for number, raw in bounded_lines(lines, name)]
    except OSError as error:
        raise InputError(f"{name}: file must be readable, got {error.strerror or 'an error'}") from None


def _sample(ledger: EventLog, evaluator: LadderEvaluator, labelled: Iterable[Mapping[str, Any]], now: int) -> Labelled:
    """Cross a labelled sample with what the policy decided; items that it never saw are refused."""
    flagged = {evaluator.history.items[row] for row in evaluator.acts(now, window=now, excused=True)}
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for number, row in enumerate(labelled, start=1):
        item, truth = row.get("id"), row.get("violation")
        if not isinstance(item, str) or not isinstance(truth, bool):
            raise InputError(f"review: labelled row {number} must have an id (text) and a violation (true or false)")
        if not queries.was_decided(ledger.store, item, evaluator.history.names, now):
            raise InputError(f"review: labelled row {number} must be an item of this tenant with a recorded decision")
        counts[item in flagged, truth] += 1
    return Labelled(
        hits=counts[True, True],
        n_flagged=counts[True, True] + counts[True, False],
        misses=counts[False, True],
        n_clean=counts[False, True] + counts[False, False],
    )
