"""The standing of an account or a tenant: strikes that count, steps that are due, steps that no longer follow.

A standing is a pure fold over the ledger: the same events give the same standing, in whatever order they were
recorded, and a voided event leaves exactly the standing of the history without it.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsclassify.errors import InputError
from tsclassify.ledger import queries
from tsclassify.ledger.moments import aware, iso, micros, moment
from tsclassify.policy.conditions import Count, leaves
from tsclassify.records import SCHEMA_VERSION, Truth
from tsclassify.standing.checks import Irregularity, irregularities, valid_appeals
from tsclassify.standing.history import NEVER, load
from tsclassify.standing.ladder import LadderEvaluator, ReviewFacts, span

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy
    from tsclassify.policy.schema import Step

__all__ = [
    "Reversal",
    "Standing",
    "StepState",
    "Strike",
    "categories_of",
    "reversals",
    "standing",
    "step_state",
    "strikes",
    "to_restore",
    "upcoming",
]


@dataclass(frozen=True, slots=True)
class Strike:
    """One or several acts close together that count once.

    Attributes
    ----------
    at
        Time of the first act.
    tier
        Tier of the most severe act.
    items
        Ids of the items, in order of the acts; an item without an id is left out.
    n_acts
        How many acts.
    expires_at
        From when on no step counts it any more, by the longest window of a step that asks for its tier.
    """

    at: dt.datetime
    tier: str
    items: tuple[str, ...]
    n_acts: int
    expires_at: dt.datetime

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": iso(micros(self.at)),
            "tier": self.tier,
            "items": list(self.items),
            "n_acts": self.n_acts,
            "expires_at": iso(micros(self.expires_at)),
        }


@dataclass(frozen=True, slots=True)
class StepState:
    """One step of the ladder as it stands.

    Attributes
    ----------
    id, title
        Step id and its words in the policy.
    due
        Truth of its condition.
    due_since
        When the condition became true and stayed so, or None.
    taken_at
        When it was last taken, or None.
    overdue_since
        When the policy's own deadline for it passed with nothing recorded, or None.
    ends_at
        When a measure that was taken ends by itself (``lasts``), or None while it stays until revoked.
    needs, has
        Obligation to amount asked for and amount on record: ``evidence`` in items, ``humans`` in people.
    do
        Ids of the actions recommended.
    """

    id: str
    title: str
    due: Truth
    due_since: dt.datetime | None
    taken_at: dt.datetime | None
    overdue_since: dt.datetime | None
    needs: Mapping[str, int]
    has: Mapping[str, int]
    do: tuple[str, ...] = ()
    ends_at: dt.datetime | None = None

    @property
    def missing(self) -> dict[str, int]:
        """Obligation to the amount still missing; empty when all are met."""
        return {
            name: amount - self.has.get(name, 0)
            for name, amount in self.needs.items()
            if self.has.get(name, 0) < amount
        }

    @property
    def is_open(self) -> bool:
        """True when the step is due and was not taken since it is."""
        if self.due is not Truth.TRUE or self.due_since is None:
            return False
        return self.taken_at is None or self.taken_at < self.due_since

    def to_dict(self) -> dict[str, Any]:
        def text(value: dt.datetime | None) -> str | None:
            return None if value is None else iso(micros(value))

        return {
            "id": self.id,
            "title": self.title,
            "due": self.due.name.lower(),
            "due_since": text(self.due_since),
            "taken_at": text(self.taken_at),
            "overdue_since": text(self.overdue_since),
            "needs": dict(self.needs),
            "has": dict(self.has),
            "missing": self.missing,
            "do": list(self.do),
            "ends_at": text(self.ends_at),
        }


@dataclass(frozen=True, slots=True)
class Reversal:
    """A step that was taken and does not follow from the events that still count.

    Attributes
    ----------
    step, taken_at, seq
        The step, when it was taken, and its row.
    voided
        Rows that were voided after it was taken; empty when it never followed.
    """

    step: str
    taken_at: dt.datetime
    seq: int
    voided: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "taken_at": iso(micros(self.taken_at)),
            "seq": self.seq,
            "voided": list(self.voided),
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands at a moment.

    Attributes
    ----------
    subject, of, at
        Its name, ``actor`` or ``tenant``, and the moment.
    policy_name, policy_version, policy_sha256
        The policy that was asked.
    strikes
        Strikes that count, oldest first.
    steps
        Every step of the ladder, mildest first.
    reversals
        Steps taken that no longer follow.
    n_appeals_open
        Appeals in time that have no answer from a person who may give one.
    irregularities
        What was recorded against the policy's own rules, such as a step taken without its approvals.
    to_restore
        Ids of items that are down although what they were taken down for was voided or cleared.
    """

    subject: str
    of: str
    at: dt.datetime
    policy_name: str
    policy_version: str
    policy_sha256: str
    strikes: tuple[Strike, ...]
    steps: tuple[StepState, ...]
    reversals: tuple[Reversal, ...]
    n_appeals_open: int
    irregularities: tuple[Irregularity, ...] = ()
    to_restore: tuple[str, ...] = ()

    @property
    def next_step(self) -> StepState | None:
        """The most severe step that is due, unless it was taken since; a milder one is then no longer next."""
        return upcoming(self.steps)

    @property
    def step(self) -> str:
        """Id of the most severe step that is due, taken or not, or ``none``."""
        return next((step.id for step in reversed(self.steps) if step.due is Truth.TRUE), "none")

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with ``schema_version``."""
        following = self.next_step
        return {
            "schema_version": SCHEMA_VERSION,
            "subject": self.subject,
            "of": self.of,
            "at": iso(micros(self.at)),
            "policy": {"name": self.policy_name, "version": self.policy_version, "sha256": self.policy_sha256},
            "strikes": [strike.to_dict() for strike in self.strikes],
            "steps": [step.to_dict() for step in self.steps],
            "step": self.step,
            "next_step": following.id if following else None,
            "reversals": [reversal.to_dict() for reversal in self.reversals],
            "n_appeals_open": self.n_appeals_open,
            "irregularities": [each.to_dict() for each in self.irregularities],
            "to_restore": list(self.to_restore),
        }


def upcoming(steps: Sequence[StepState]) -> StepState | None:
    """The most severe step that is due, unless it was taken since it is."""
    due = next((step for step in reversed(steps) if step.due is Truth.TRUE), None)
    return due if due is not None and due.is_open else None


def standing(
    ledger: EventLog,
    subject: str,
    policy: Policy,
    *,
    at: dt.datetime | str,
    of: str | None = None,
    tenant: str | None = None,
) -> Standing:
    """Strikes, due and taken steps of an account or a tenant, from the ledger alone.

    Parameters
    ----------
    ledger
        An open ledger.
    subject
        An account or a tenant.
    policy
        Its ladder is asked; decisions made by its name count.
    at
        The moment; events known later are not seen.
    of
        ``actor`` or ``tenant``; None takes what the ledger knows the name as, clean decisions on an account aside,
        and the policy's own subject when it knows both or neither.
    tenant
        Of an account: whose it is; needed where several tenants have an account of this name.

    Raises
    ------
    InputError
        When `of` is neither of the two.
    LedgerError
        When the account's name is one at several tenants, and none is named.

    Notes
    -----
    Conditions on a platform review are unknown here; `review_platform` answers them.
    """
    when = moment(at, "standing: at")
    side = of or _side(ledger, subject, policy)
    if side not in {"actor", "tenant"}:
        raise InputError(f"standing: of must be actor or tenant, got {side!r}")
    now = micros(when)
    history = load(ledger, subject, side, policy, at=now, tenant=tenant)
    evaluator = LadderEvaluator(history, policy, categories=categories_of(ledger, policy))
    states = evaluator.states(now)
    moments = change_points(evaluator, now)

    def truth_at(step: str, point: int) -> Truth:
        return evaluator.states(point)[step] if point != now else states[step]

    return Standing(
        subject=subject,
        of=side,
        at=when,
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        strikes=strikes(evaluator, now),
        steps=tuple(
            step_state(evaluator, step, now, states[step.id], _since(step.id, moments, truth_at, states[step.id]))
            for step in evaluator.steps
        ),
        reversals=reversals(evaluator, now),
        n_appeals_open=len(valid_appeals(evaluator, now)),
        irregularities=irregularities(evaluator, now),
        to_restore=to_restore(evaluator, now),
    )


def _side(ledger: EventLog, subject: str, policy: Policy) -> str:
    known = [side for side in ("actor", "tenant") if queries.has_rows(ledger.store, subject, side)]
    if len(known) == 1:
        return known[0]
    return "actor" if policy.subject == "account" else "tenant"


def strikes(evaluator: LadderEvaluator, at: int) -> tuple[Strike, ...]:
    """The strikes that count at a moment, oldest first."""
    h, names = evaluator.history, evaluator.policy.tier_names
    windows = _windows(evaluator)
    acts = evaluator.acts(at, window=max([evaluator.window, *windows.values()]))
    acts = acts[[at - int(h.at[row]) <= windows[int(h.tier[row])] for row in acts]] if acts.size else acts
    rows_of_strikes = [acts[start:end] for start, end in evaluator.merged(acts)]
    return tuple(
        Strike(
            at=aware(int(h.at[rows[0]])),
            tier=names[int(h.tier[rows].min())],
            items=tuple(item for row in rows if (item := h.items[row]) is not None),
            n_acts=int(rows.size),
            # Inclusive: an act exactly as old as the window still counts.
            expires_at=aware(max(int(h.at[row]) + windows[int(h.tier[row])] for row in rows) + 1),
        )
        for rows in rows_of_strikes
    )


def _windows(evaluator: LadderEvaluator) -> dict[int, int]:
    """Index of each tier to the longest window in which a step counts acts at it; the ladder's where none asks."""
    names = evaluator.policy.tier_names
    windows: dict[int, int] = {}
    for step in evaluator.steps:
        for node, _ in leaves(step.when):
            if isinstance(node, Count) and node.count in names:
                window = evaluator.window if node.within is None else span(node.within)
                for tier in range(names.index(node.count) + 1):
                    windows[tier] = max(window, windows.get(tier, 0))
    return {tier: windows.get(tier, evaluator.window) for tier in range(len(names))}


def to_restore(evaluator: LadderEvaluator, at: int) -> tuple[str, ...]:
    """Items that others than their author took down and on which nothing stands any more."""
    return tuple(
        item
        for item, rows in evaluator.removals.items()
        if evaluator.is_removed(item, at)
        and evaluator.history.is_settled(item, at)
        and any(row.event.by != "author" for row in rows)
    )


def categories_of(ledger: EventLog, policy: Policy) -> Callable[[int], frozenset[str]] | None:
    """Reads the categories of an act from its row, where a step of the policy counts by category."""
    steps = policy.ladder.steps if policy.ladder else ()
    if not any(isinstance(node, Count) and node.category for step in steps for node, _ in leaves(step.when)):
        return None

    @functools.cache
    def categories(seq: int) -> frozenset[str]:
        return ledger.categories(seq)

    return categories


def change_points(evaluator: LadderEvaluator, now: int) -> list[int]:
    """Moments up to now at which anything that the ladder asks can change, newest first."""
    h = evaluator.history
    windows = {evaluator.window, *(span(n.within) for s in evaluator.steps for n in _timed(s.when))}
    points: set[int] = {now}
    ends = (h.gone, h.excused, h.excused_until)
    for values in (h.known, *(each[each < NEVER] for each in ends), *(h.at + window + 1 for window in windows)):
        points.update(int(value) for value in values[values <= now])
    points.update(point for spans in h.settled.values() for pair in spans for point in pair if 0 < point <= now)
    for kind in ("notice", "response", "removal", "restored", "human_action", "attestation"):
        for row in h.around.get(kind, ()):
            limit = evaluator.deadline(row) if kind == "notice" else None
            candidates = (row.known, row.at + evaluator.window + 1, limit or now)
            points.update(point for point in candidates if point <= now)
    return sorted(points, reverse=True)


def _timed(condition: Any) -> list[Any]:
    own = [condition] if getattr(condition, "within", None) is not None else []
    return own + [node for part in condition.parts for node in _timed(part)]


def _since(step: str, points: Sequence[int], truth_at: Any, now: Truth) -> int | None:
    """The earliest of the points from which on the step's condition is true without a break."""
    if now is not Truth.TRUE:
        return None
    since = points[0]
    for point in points[1:]:
        if truth_at(step, point) is not Truth.TRUE:
            break
        since = point
    return since


def step_state(evaluator: LadderEvaluator, step: Step, at: int, due: Truth, since: int | None) -> StepState:
    """A step with its obligations and its own deadline."""
    takes = evaluator.takes(at, step.id)
    taken = takes[-1].at if takes else None
    needs = step.needs.amounts()
    has: dict[str, int] = {}
    if "evidence" in needs:
        has["evidence"] = len(evaluator.evidence(at))
    if "humans" in needs:
        has["humans"] = len(evaluator.approvals(step.id, at, since=since if since is not None else NEVER))
    overdue = None
    if since is not None and step.within is not None and (taken is None or taken < since):
        limit = since + span(step.within)
        overdue = limit if limit < at else None
    return StepState(
        id=step.id,
        title=step.title or step.id.replace("_", " "),
        due=due,
        due_since=None if since is None else aware(since),
        taken_at=None if taken is None else aware(taken),
        overdue_since=None if overdue is None else aware(overdue),
        needs=needs,
        has=has,
        do=step.do,
        ends_at=None if taken is None or step.lasts is None else aware(taken + span(step.lasts)),
    )


def reversals(
    evaluator: LadderEvaluator, at: int, review: Mapping[int, ReviewFacts] | None = None
) -> tuple[Reversal, ...]:
    """Steps taken whose condition, asked again of the events that still count, was not true when they were taken.

    A condition that is unknown (it asks for a review that is not given) is no reason to reverse.
    """
    found = []
    for take in evaluator.takes(at):
        step = take.event.step
        facts = (review or {}).get(take.seq)
        if step in evaluator.known_steps and evaluator.states(take.at, facts)[step] is Truth.FALSE:
            voided = tuple(sorted(row for row, when in evaluator.history.voided.items() if when > take.at))
            found.append(Reversal(step, aware(take.at), take.seq, voided))
    return tuple(found)
