"""What a policy remembers of items that it decided one by one: the same for all with the same levels and truths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tsclassify.policy.columns import Facts
    from tsclassify.policy.load import Policy
    from tsclassify.policy.thresholds import Thresholds

__all__ = ["memo_of"]

_SIZE: Final = 4096
"""Kinds of items remembered; some kilobytes each."""


def memo_of(policy: Policy, facts: Facts, thresholds: Thresholds) -> dict[Any, Any]:
    """What was already found out for items with the same facts, under thresholds that leave the same levels open.

    Parameters
    ----------
    facts
        Of one item.
    """
    key = (
        *[int(level[0]) for level in facts.levels.values()],
        *[int(state[0]) for state in facts.metas.values()],
        bool(facts.untested[0]),
        # without an act threshold there is no level 2, without room below it no level 1
        *[None if act is None else act > review for review, act in thresholds.values()],
        *facts.signals,
        *[int(state[0]) for state in facts.signals.values()],
    )
    kept: dict[Any, dict[Any, Any]] = policy.memo.setdefault("trials", {})
    found = kept.get(key)
    if found is None:
        if len(kept) >= _SIZE:
            kept.clear()
        found = kept[key] = {}
    return found
