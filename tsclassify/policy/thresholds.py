"""Thresholds of a policy in one bundle: numbers as they stand, operating points looked up in the measured table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import PolicyError
from tsclassify.policy.faults import nearest
from tsclassify.policy.schema import OperatingPointAsked

if TYPE_CHECKING:
    from tsclassify.policy.columns import ItemColumns
    from tsclassify.policy.load import Policy
    from tsclassify.records import ModelInfo, OperatingPoint

__all__ = ["Thresholds", "resolve"]


class Thresholds(dict[str, tuple[float, float | None]]):
    """Category to its (review, act) thresholds.

    Attributes
    ----------
    notes
        ``(category, "review" or "act")`` to what was measured at an operating point, or which fallback was taken.
    ways
        What follows from the thresholds alone: ``(category, level)`` to the other levels that it could have.
    """

    _arrays: tuple[tuple[str, ...], Any, Any, Any] | None

    notes: dict[tuple[str, str], str]
    ways: dict[tuple[str, int], list[tuple[int, float, str]]]

    def __init__(self) -> None:
        super().__init__()
        self.notes = {}
        self.ways = {}
        self._arrays = None

    def arrays(
        self, categories: tuple[str, ...]
    ) -> tuple[NDArray[np.int64] | slice, NDArray[np.float32], NDArray[np.float32]]:
        """Which columns of scores of `categories` the policy's are, and their two thresholds; infinite for none.

        In float32, so that a score equal to its threshold reaches it.
        """
        # read once: another thread may put those of other categories in their place
        made = self._arrays
        if made is None or made[0] != categories:
            columns = [categories.index(category) for category in self]
            review = np.array([review for review, _ in self.values()], dtype=np.float32)
            act = np.array([np.inf if act is None else act for _, act in self.values()], dtype=np.float32)
            every = columns == list(range(len(categories)))
            made = categories, slice(None) if every else np.array(columns, dtype=np.int64), review, act
            self._arrays = made
        return made[1:]

    def levels(self, columns: ItemColumns) -> dict[str, NDArray[np.int8]]:
        """Category to the level of n items: int8, shape (n,), 0 below review, 1 from review, 2 from act."""
        which, review, act = self.arrays(columns.categories)
        scores = columns.probabilities[:, which]
        levels = (scores >= review).view(np.int8) + (scores >= act).view(np.int8)
        return dict(zip(self, np.ascontiguousarray(levels.T), strict=True))

    def reached(self, categories: tuple[str, ...], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether any category of an item reaches its review threshold: bool (n,), from float32 (n, K)."""
        columns, review, _ = self.arrays(categories)
        reached: NDArray[np.bool_] = np.logical_or.reduce(scores[:, columns] >= review, axis=1)
        return reached


def _measured(point: OperatingPoint, name: str) -> str:
    value, low, high = (getattr(point, f"{name}{end}") for end in ("", "_low", "_high"))
    return (
        f"measured {name} {value:.2f} (95 % interval {low:.2f} to {high:.2f}, "
        f"{point.n_positive:,} of {point.n_items:,} items)"
    )


def _lookup(asked: OperatingPointAsked, table: tuple[OperatingPoint, ...], place: str) -> tuple[float | None, str]:
    """Threshold and note of one operating point.

    Raises
    ------
    PolicyError
        When the table does not reach it and the policy says not what to do then.
    """
    name = "precision" if asked.precision is not None else "recall"
    wanted = float(getattr(asked, name))
    if name == "precision":
        reached = [point for point in table if point.precision >= wanted]
        # The lowest threshold that is precise enough finds the most.
        found = min(reached, key=lambda point: point.threshold, default=None)
        best = max(table, key=lambda point: (point.precision, -point.threshold), default=None)
    else:
        reached = [point for point in table if point.recall >= wanted]
        # The highest threshold that finds enough is the most precise.
        found = max(reached, key=lambda point: point.threshold, default=None)
        best = max(table, key=lambda point: (point.recall, point.threshold), default=None)
    if found is not None:
        return found.threshold, f"asked {name} {wanted:g}: {_measured(found, name)}"
    reach = f"best reachable {name} {getattr(best, name):.3f}" if best is not None else "an empty table"
    if asked.fallback is None:
        raise PolicyError(
            f"{place}: {name} must be one that the bundle reaches, got {wanted:g} with {reach}",
            hint="ask for less, or add `else` with review_only, best or a number",
        )
    if asked.fallback == "review_only":
        return None, f"asked {name} {wanted:g}, {reach}: a person decides"
    if asked.fallback == "best":
        if best is None:
            raise PolicyError(f"{place}: {name} must be measured by the bundle, got {reach}")
        return best.threshold, f"asked {name} {wanted:g}, fell back to the best: {_measured(best, name)}"
    return float(asked.fallback), f"asked {name} {wanted:g}, {reach}: fell back to {float(asked.fallback):g}"


def resolve(policy: Policy, info: ModelInfo, applies: Sequence[bool] = ()) -> Thresholds:
    """Thresholds of all categories of a policy in a bundle.

    Parameters
    ----------
    applies
        Which of the policy's overlays apply; none when empty.

    Raises
    ------
    PolicyError
        When the bundle lacks a category, or cannot reach an operating point and the policy has no ``else``.

    Notes
    -----
    A review threshold found by recall can lie above the act threshold found by precision, when the model is good:
    the review band is then empty, and review is lowered to act.
    """
    resolved = Thresholds()
    chosen = [overlay for overlay, does in zip(policy.document.overlays, applies, strict=False) if does]
    for category, rule in policy.categories.items():
        if category not in info.categories:
            raise PolicyError(
                f"policy {policy.name}: category must be one of the bundle {info.name}, got {category!r}",
                hint=nearest(category, info.categories),
            )
        pair: list[float | None] = []
        for level in ("review", "act"):
            asked, place = getattr(rule, level), f"categories.{category}.{level}"
            for overlay in chosen:
                other = overlay.categories.get(category)
                if other is not None and level in other.model_fields_set:
                    asked, place = getattr(other, level), f"overlays.{overlay.id}.{place}"
            value, note = _threshold(asked, info.operating_points.get(category, ()), f"policy {policy.name}: {place}")
            pair.append(value)
            if place.startswith("overlays"):
                note = f"overlay {place.split('.')[1]}" + (f", {note}" if note else "")
            if note:
                resolved.notes[category, level] = note
        review, act = pair
        if review is None:  # the checks refuse review_only here; kept for documents that were not checked
            raise PolicyError(f"policy {policy.name}: categories.{category}.review must be a number, got nothing")
        resolved[category] = (review if act is None else min(review, act), act)
    return resolved


def _threshold(
    asked: float | OperatingPointAsked | None, table: tuple[OperatingPoint, ...], place: str
) -> tuple[float | None, str]:
    """A threshold with what was measured there."""
    if isinstance(asked, OperatingPointAsked):
        return _lookup(asked, table, place)
    return (None if asked is None else float(asked)), ""
