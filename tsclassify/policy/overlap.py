"""What fires together in shadow mode: tiers and categories, alone and with others, and how often they are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tsclassify.policy.conditions import categories_of
from tsclassify.policy.decider import Decider

if TYPE_CHECKING:
    from tsclassify.policy.compare import ScoredItems
    from tsclassify.policy.load import Policy
    from tsclassify.records import ModelInfo

__all__ = ["Firing", "Overlap", "overlap"]


@dataclass(frozen=True, slots=True)
class Firing:
    """How often a tier or a category fires.

    Attributes
    ----------
    name
        ``tier: violation`` or ``act: incitement``.
    n_items, n_alone
        Items on which it fires, and those on which no other tier (or category) does.
    n_would
        Of a tier that is not stable: items that it would treat more strictly than they are treated.
    n_labelled, n_right
        Items on which it fires that have labels, and those of them with a label in a category that it asks.
    """

    name: str
    n_items: int
    n_alone: int
    n_would: int = 0
    n_labelled: int = 0
    n_right: int = 0

    @property
    def precision(self) -> float | None:
        return self.n_right / self.n_labelled if self.n_labelled else None


@dataclass(frozen=True, slots=True)
class Overlap:
    """Tiers and categories of a policy on the same items.

    Attributes
    ----------
    n_items
        Items decided.
    firings
        Tiers, most severe first, then categories.
    together
        Pairs of names to the number of items on which both fire, where there are any.
    """

    n_items: int
    firings: tuple[Firing, ...]
    together: Mapping[tuple[str, str], int]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "n_items": self.n_items,
            "firings": [
                {
                    "name": one.name,
                    "n_items": one.n_items,
                    "n_alone": one.n_alone,
                    "n_would": one.n_would,
                    "n_labelled": one.n_labelled,
                    "n_right": one.n_right,
                    "precision": one.precision,
                }
                for one in self.firings
            ],
            "together": [[first, second, n] for (first, second), n in self.together.items()],
        }


def overlap(policy: Policy, items: ScoredItems, info: ModelInfo) -> Overlap:
    """Decide scored items by every tier of a policy, those on trial included, and count what fires together.

    Parameters
    ----------
    items
        Scored, with labels where there are any.
    info
        The bundle that scored them.
    """
    decider = Decider(policy, info)
    result, holds = decider.decide(items.columns), decider.holds(items.columns)
    fired = {f"tier: {name}": held for name, held in holds.items()}
    asked = {f"tier: {tier.id}": categories_of(tier.when) for tier in policy.tiers}
    for name, level in result.levels.items():
        fired[f"act: {name}"], asked[f"act: {name}"] = level == 2, (name,)
    places = {f"tier: {tier.id}": code for code, tier in enumerate(policy.tiers) if not tier.is_live}
    firings = []
    for name, held in fired.items():
        kind = name.partition(":")[0]
        others = [other for key, other in fired.items() if key != name and key.startswith(kind)]
        alone = held & ~np.logical_or.reduce(others) if others else held
        would = held & (places[name] < result.tier) if name in places else np.zeros_like(held)
        labelled = held & items.labelled
        right = np.zeros_like(held)
        if items.gold is not None and asked[name]:
            columns = [items.columns.categories.index(category) for category in asked[name]]
            right = labelled & items.gold[:, columns].any(axis=1)
        counts = [int(column.sum()) for column in (held, alone, would, labelled, right)]
        firings.append(Firing(name, *counts))
    names = list(fired)
    table = np.stack([fired[name] for name in names]).astype(np.int64)
    both = table @ table.T
    together = {
        (first, second): int(both[i, j])
        for i, first in enumerate(names)
        for j, second in enumerate(names)
        if i < j and both[i, j]
    }
    return Overlap(len(result), tuple(firings), together)
