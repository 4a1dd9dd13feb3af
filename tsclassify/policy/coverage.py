"""What the cases of a policy touch: tiers, exceptions and actions, each by given scores and by the real model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsclassify.policy.cases import CaseResult
    from tsclassify.policy.load import Policy

__all__ = ["Coverage", "coverage"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What passing cases touch.

    Attributes
    ----------
    tiers
        Tier to the number of passing cases that come to it: ``(given, through the model)``.
    contexts
        Exception to the number of passing cases in which it holds, alike.
    actions
        Action to the number of passing cases that recommend it, alike; actions of steps count where a step is due.
    one_sided
        Stable tiers without a passing case at them, or without one of an item that is milder.
    """

    tiers: Mapping[str, tuple[int, int]]
    contexts: Mapping[str, tuple[int, int]]
    actions: Mapping[str, tuple[int, int]]
    one_sided: tuple[str, ...]

    def untouched(self) -> list[str]:
        """Paths of what no case touches, and of tiers that no real text comes to."""
        missing = [f"tiers.{name}: no text through the model" for name, (_, read) in self.tiers.items() if not read]
        for kind in ("tiers", "contexts", "actions"):
            counts: Mapping[str, tuple[int, int]] = getattr(self, kind)
            missing += [f"{kind}.{name}: no case" for name, pair in counts.items() if not sum(pair)]
        return missing


def coverage(policy: Policy, results: Sequence[CaseResult]) -> Coverage:
    """The coverage of a policy by the results of its cases."""
    names = policy.tier_names
    live = [tier for tier in policy.tiers if tier.is_live]
    passed = [result for result in results if result.passed]
    by = {"scores": 0, "ladder": 0, "model": 1}

    def counted(kinds: Sequence[str], touched: Sequence[tuple[int, Sequence[str]]]) -> dict[str, tuple[int, int]]:
        counts = {kind: [0, 0] for kind in kinds}
        for side, touches in touched:
            for name in touches:
                if name in counts:
                    counts[name][side] += 1
        return {name: (pair[0], pair[1]) for name, pair in counts.items()}

    do_of = {tier.id: tier.do for tier in policy.tiers}
    steps = {} if policy.ladder is None else {step.id: step.do for step in policy.ladder.steps}
    tiers = counted([tier.id for tier in live], [(by[result.by], [result.tier]) for result in passed])
    contexts = counted(
        [context.id for context in policy.contexts], [(by[result.by], result.contexts) for result in passed]
    )
    actions = counted(
        list(policy.actions),
        [(by[result.by], (*do_of.get(result.tier, ()), *steps.get(result.step, ()))) for result in passed],
    )
    milder = {names.index(result.tier) for result in passed if result.tier in names and result.by != "ladder"}
    one_sided = tuple(
        tier.id for tier in live if not sum(tiers[tier.id]) or not any(code > names.index(tier.id) for code in milder)
    )
    return Coverage(tiers, contexts, actions, one_sided)
