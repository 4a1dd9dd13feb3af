"""The standing of an account or a tenant: strikes that count, steps that are due, steps that no longer follow.

A standing is a pure fold over the ledger: the same events give the same standing, in whatever order they were
recorded, and a voided event leaves exactly the standing of the history without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsclassify.errors import InputError
from tsclassify.ledger.moments import aware, iso, micros, moment
from tsclassify.ledger.store import translated
from tsclassify.records import SCHEMA_VERSION, Truth
from tsclassify.standing.history import NEVER, OF_ACTOR, load, open_appeals
from tsclassify.standing.ladder import Clerk, ReviewFacts, span

if TYPE_CHECKING:
    from tsclassify.ledger.ledger import Ledger
    from tsclassify.policy import Policy
    from tsclassify.policy.schema import Step

__all__ = ["Reversal", "Standing", "StepState", "Strike", "reversals", "standing", "step_state", "strikes", "upcoming"]


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
        From when on it no longer counts.
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
        Appeals without an answer.
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
        }


def upcoming(steps: Sequence[StepState]) -> StepState | None:
    """The most severe step that is due, unless it was taken since it is."""
    due = next((step for step in reversed(steps) if step.due is Truth.TRUE), None)
    return due if due is not None and due.is_open else None


def standing(ledger: Ledger, subject: str, policy: Policy, *, at: dt.datetime | str, of: str | None = None) -> Standing:
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

    Notes
    -----
    Conditions on a platform review are unknown here; `review_platform` answers them.
    """
    when = moment(at, "standing: at")
    side = of or _side(ledger, subject, policy)
    if side not in {"actor", "tenant"}:
        raise InputError(f"standing: of must be actor or tenant, got {side!r}")
    now = micros(when)
    history = load(ledger, subject, side, policy, at=now)
    clerk = Clerk(history, policy)
    states = clerk.states(now)
    moments = change_points(clerk, now)

    def truth_at(step: str, point: int) -> Truth:
        return clerk.states(point)[step] if point != now else states[step]

    return Standing(
        subject=subject,
        of=side,
        at=when,
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        strikes=strikes(clerk, now),
        steps=tuple(
            step_state(clerk, step, now, states[step.id], _since(step.id, moments, truth_at, states[step.id]))
            for step in clerk.steps
        ),
        reversals=reversals(clerk, now),
        n_appeals_open=len(open_appeals(history, now)),
    )


def _side(ledger: Ledger, subject: str, policy: Policy) -> str:
    with translated(ledger.path):
        known = [
            side
            for side, where in (("actor", OF_ACTOR), ("tenant", "tenant = ? AND kind = 'decision'"))
            if ledger._connection.execute(
                f"SELECT 1 FROM event WHERE {where} LIMIT 1",  # noqa: S608
                (subject,),
            ).fetchone()
        ]
        if (
            "tenant" not in known
            and ledger._connection.execute(
                "SELECT 1 FROM event WHERE tenant = ? AND kind <> 'decision' LIMIT 1", (subject,)
            ).fetchone()
        ):
            known.append("tenant")
    if len(known) == 1:
        return known[0]
    return "actor" if policy.subject == "account" else "tenant"


def strikes(clerk: Clerk, at: int) -> tuple[Strike, ...]:
    """The strikes that count at a moment, oldest first."""
    h, names = clerk.history, clerk.policy.tier_names
    acts = clerk.acts(at)
    found = []
    for start, end in clerk.merged(acts):
        rows = acts[start:end]
        first = int(h.at[rows[0]])
        found.append(
            Strike(
                at=aware(first),
                tier=names[int(h.tier[rows].min())],
                items=tuple(item for row in rows if (item := h.items[row]) is not None),
                n_acts=int(rows.size),
                # Inclusive: an act exactly as old as the window still counts.
                expires_at=aware(int(h.at[rows[-1]]) + clerk.window + 1),
            )
        )
    return tuple(found)


def change_points(clerk: Clerk, now: int) -> list[int]:
    """Moments up to now at which anything that the ladder asks can change, newest first."""
    h = clerk.history
    windows = {clerk.window, *(span(n.within) for s in clerk.steps for n in _timed(s.when))}
    points: set[int] = {now}
    for values in (h.known, h.gone[h.gone < NEVER], *(h.at + window + 1 for window in windows)):
        points.update(int(value) for value in values[values <= now])
    for kind in ("notice", "response", "removal", "human_action", "attestation"):
        for row in h.around.get(kind, ()):
            limit = clerk.deadline(row) if kind == "notice" else None
            candidates = (row.known, row.at + clerk.window + 1, limit or now)
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


def step_state(clerk: Clerk, step: Step, at: int, due: Truth, since: int | None) -> StepState:
    """A step with its obligations and its own deadline."""
    takes = clerk.takes(at, step.id)
    taken = takes[-1].at if takes else None
    needs = step.needs.amounts()
    has: dict[str, int] = {}
    if "evidence" in needs:
        h = clerk.history
        has["evidence"] = len({h.items[row] for row in clerk.acts(at)} - {None})
    if "humans" in needs:
        has["humans"] = len(clerk.approvals(step.id, at, since=since if since is not None else NEVER))
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
    )


def reversals(clerk: Clerk, at: int, review: Mapping[int, ReviewFacts] | None = None) -> tuple[Reversal, ...]:
    """Steps taken whose condition, asked again of the events that still count, was not true when they were taken.

    A condition that is unknown (it asks for a review that is not given) is no reason to reverse.
    """
    known = {step.id for step in clerk.steps}
    found = []
    for take in clerk.takes(at):
        step = take.event.step
        facts = (review or {}).get(take.seq)
        if step in known and clerk.states(take.at, facts)[step] is Truth.FALSE:
            voided = tuple(sorted(row for row, when in clerk.history.voided.items() if when > take.at))
            found.append(Reversal(step, aware(take.at), take.seq, voided))
    return tuple(found)
