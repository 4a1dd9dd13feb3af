"""Which step of the ladder is due, given what happened: the conditions of ``ladder.steps`` over a small state.

``LadderState`` is all that those conditions ask. The enforcement rooms build it from the ledger and the platform
review; ``policy test`` builds it from the ``history`` and ``given`` of a case, with ``state_of``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tsclassify.policy.conditions import (
    Attested,
    Count,
    CureExpired,
    Finding,
    Indicator,
    Taken,
    Unresolved,
    evaluate,
)
from tsclassify.records import Truth

if TYPE_CHECKING:
    import datetime as dt

    from tsclassify.policy.load import Policy
    from tsclassify.policy.schema import Step
    from tsclassify.policy.testcase import Event, Given

__all__ = ["LadderState", "due_step", "process_finding", "state_of", "step_states"]


@dataclass(frozen=True, slots=True)
class LadderState:
    """What the ladder's conditions ask of one subject.

    Attributes
    ----------
    strikes
        Age, tier and categories of each strike that counts (not voided), merged or not; ages are not negative.
    taken
        Step to how often it was taken within the window.
    unresolved
        Step to how many of those were not answered in the time that they gave.
    cure_expired
        Step to the truth of "its time has run out with trouble unresolved"; ``latest`` for the most severe step that
        gave time.
    finding
        The platform review's, or None when there was no review.
    indicators
        Indicator to its truth.
    attested
        Control to its truth.
    """

    strikes: tuple[tuple[dt.timedelta, str, frozenset[str]], ...] = ()
    taken: Mapping[str, int] = field(default_factory=dict)
    unresolved: Mapping[str, int] = field(default_factory=dict)
    cure_expired: Mapping[str, Truth] = field(default_factory=dict)
    finding: str | None = None
    indicators: Mapping[str, Truth] = field(default_factory=dict)
    attested: Mapping[str, Truth] = field(default_factory=dict)


def count_strikes(
    policy: Policy,
    state: LadderState,
    tier: str,
    within: dt.timedelta | None = None,
    categories: tuple[str, ...] | None = None,
) -> int:
    """Strikes at a tier or a more severe one, within the window, those close together counted once, by weight.

    Notes
    -----
    A strike merges with the first of its group: strikes every 20 hours for a week, merged within 24 hours, count
    every second time; chains do not merge without end. A group weighs what its heaviest strike weighs.
    """
    ladder = policy.ladder
    names = policy.tier_names
    if ladder is None or tier not in names:  # a mutant may lack the tier
        return 0
    severe = set(names[: names.index(tier) + 1])
    window = ladder.window if within is None else within
    wanted = None if categories is None else set(categories)
    counting = sorted(
        (
            (age, name)
            for age, name, own in state.strikes
            if name in severe and age <= window and (wanted is None or wanted & own)
        ),
        reverse=True,
    )
    groups: list[int] = []
    first: dt.timedelta | None = None
    for age, name in counting:
        weight = ladder.weights.get(name, 1)
        if first is None or first - age >= ladder.merge_within:
            groups.append(weight)
            first = age
        else:
            groups[-1] = max(groups[-1], weight)
    return sum(groups)


def _leaf_truth(policy: Policy, state: LadderState, node: Any) -> int:
    if isinstance(node, Count):
        return 2 * (count_strikes(policy, state, node.count, node.within, node.category) >= node.at_least)
    if isinstance(node, Unresolved):
        return 2 * (state.unresolved.get(node.unresolved, 0) >= node.at_least)
    if isinstance(node, Taken):
        return 2 * all(state.taken.get(step, 0) > 0 for step in node.taken)
    if isinstance(node, CureExpired):
        return int(state.cure_expired.get(node.cure_expired, Truth.FALSE))
    if isinstance(node, Finding):
        return Truth.UNKNOWN if state.finding is None else 2 * (state.finding == node.finding)
    if isinstance(node, Indicator):
        return int(state.indicators.get(node.indicator, Truth.UNKNOWN))
    if isinstance(node, Attested):
        return min(int(state.attested.get(control, Truth.UNKNOWN)) for control in node.attested)
    raise TypeError(f"ladder: leaf must be a ladder condition, got {type(node).__name__}")


def step_states(policy: Policy, state: LadderState) -> dict[str, Truth]:
    """Step id to the truth of its condition, in the ladder's order."""
    steps = () if policy.ladder is None else policy.ladder.steps
    return {step.id: Truth(int(evaluate(step.when, lambda node: _leaf_truth(policy, state, node)))) for step in steps}


def due_step(policy: Policy, state: LadderState) -> Step | None:
    """The last step of the ladder whose condition is true; an unknown one is never due."""
    states = step_states(policy, state)
    due = [step for step in (policy.ladder.steps if policy.ladder else ()) if states[step.id] is Truth.TRUE]
    return due[-1] if due else None


def process_finding(
    policy: Policy, indicators: Mapping[str, Truth], attested: Mapping[str, Truth] | None = None
) -> str:
    """The finding of a platform review: ``effective``, ``not_effective`` or ``undetermined``.

    Parameters
    ----------
    indicators, attested
        Indicator and control to their truth; one left out is unknown.
    """
    if policy.platform_review is None:
        return "undetermined"
    process = policy.platform_review.effective_process
    state = LadderState(indicators=indicators, attested=attested or {})
    for finding in ("not_effective", "effective"):
        if evaluate(getattr(process, finding), lambda node: _leaf_truth(policy, state, node)) == Truth.TRUE:
            return finding
    return "undetermined"


def state_of(policy: Policy, history: tuple[Event, ...], given: Given | None = None) -> LadderState:
    """The state that a test case describes."""
    ladder = policy.ladder
    if ladder is None:
        return LadderState()
    steps = {step.id: step for step in ladder.steps}
    counting = [event for event in history if not event.voided]
    strikes = tuple(
        (event.ago, event.tier, frozenset([event.category] if event.category else []))
        for event in counting
        if event.tier is not None
    )
    taken: dict[str, int] = {}
    unresolved: dict[str, int] = {}
    cure: dict[str, Truth] = {}
    order = list(steps)
    for event in counting:
        if event.step is None or event.ago > ladder.window:
            continue
        time = steps[event.step].cure if event.step in steps else None
        late = not event.resolved and (time is None or event.ago >= time)
        taken[event.step] = taken.get(event.step, 0) + 1
        unresolved[event.step] = unresolved.get(event.step, 0) + late
        if time is not None:
            cure[event.step] = Truth.of(late or cure.get(event.step) is Truth.TRUE)
    if cure:
        cure["latest"] = cure[max(cure, key=order.index)]
    indicators = {name: Truth.of(value) for name, value in given.indicators.items()} if given else {}
    attested = {name: Truth.of(value) for name, value in given.attested.items()} if given else {}
    finding: str | None = given.finding if given else None
    if finding is None and (indicators or attested):
        finding = process_finding(policy, indicators, attested)
    return LadderState(strikes, taken, unresolved, cure, finding, indicators, attested)
