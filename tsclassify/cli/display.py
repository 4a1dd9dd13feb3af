"""Colours of a terminal by severity."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.policy import Policy

__all__ = ["tier_style"]


def tier_style(decision: Decision, policy: Policy) -> str:
    """A rich style: the policy's most severe tiers red, review yellow, nothing dim."""
    if decision.tier == "none":
        return "yellow" if decision.review else "dim"
    if decision.tier == "review":
        return "yellow"
    order = [tier.id for tier in policy.tiers]
    return "bold white on red" if order.index(decision.tier) == 0 else "bold red"
