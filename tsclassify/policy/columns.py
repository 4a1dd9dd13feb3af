"""What goes into a policy and what comes out of it, as columns over many items."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError

__all__ = ["DecisionColumns", "ItemColumns"]

States = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class ItemColumns:
    """What a policy needs to know of `n` items.

    Attributes
    ----------
    categories
        Names of the K columns of ``probabilities``.
    probabilities
        float32, shape (n, K), in [0, 1].
    signals
        Signal to int8 of ``Truth``, shape (n,); a signal that is not there is unknown.
    language
        int8 of ``Truth``, shape (n,): the text is in a tested language, in another one, or it cannot be told.
    meta
        Field to an object array of shape (n,), None where the item lacks it.
    ids, actors, tenants, ats, text_sha256s
        Of the items, in order, or None; needed for records only.

    Raises
    ------
    InputError
        When shapes disagree, or a score is NaN or outside [0, 1].
    """

    categories: tuple[str, ...]
    probabilities: NDArray[np.float32]
    signals: Mapping[str, States]
    language: States
    meta: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    ids: Sequence[str | None] | None = None
    actors: Sequence[str | None] | None = None
    tenants: Sequence[str | None] | None = None
    ats: Sequence[dt.datetime | None] | None = None
    text_sha256s: Sequence[str] | None = None

    def __post_init__(self) -> None:
        values = self.probabilities
        n = len(self.language)
        if values.dtype != np.float32 or values.shape != (n, len(self.categories)):
            raise InputError(
                f"item columns: probabilities must be float32 of shape ({n}, {len(self.categories)}), "
                f"got {values.dtype} of shape {values.shape}"
            )
        # NaN makes both the minimum and the maximum NaN, and NaN fails the comparison.
        if n and values.size and not (float(values.min()) >= 0.0 and float(values.max()) <= 1.0):
            raise InputError("item columns: probabilities must lie in [0, 1] and not be NaN")
        for name, column in (*self.signals.items(), ("language", self.language)):
            if column.dtype != np.int8 or column.shape != (n,):
                raise InputError(
                    f"item columns: {name} must be int8 of shape ({n},), got {column.dtype} of shape {column.shape}"
                )
        # read without a sign, what is below 0 is above 2
        truths = np.concatenate([*self.signals.values(), self.language]).view(np.uint8)
        if n and int(truths.max()) > 2:
            raise InputError("item columns: signals and language must hold truth values 0, 1 and 2, got others")
        for name, values_of in self.meta.items():
            if len(values_of) != n:
                raise InputError(f"item columns: field {name!r} must have {n} values, got {len(values_of)}")

    def __len__(self) -> int:
        return len(self.language)

    def score(self, category: str) -> NDArray[np.float32]:
        """The scores of one category: float32, shape (n,)."""
        if category not in self.categories:
            raise InputError(f"item columns: category must be one of {', '.join(self.categories)}, got {category!r}")
        return self.probabilities[:, self.categories.index(category)]

    def values(self, name: str) -> NDArray[np.object_] | None:
        """The values of a field of the items: object array, shape (n,), or None when no item has it."""
        if name in self.meta:
            return self.meta[name]
        own = {"tenant": self.tenants, "actor": self.actors}.get(name)
        if own is None:
            return None
        values = np.empty(len(self), dtype=object)
        values[:] = own
        return values

    def only(self, rows: NDArray[np.intp]) -> ItemColumns:
        """The columns of some rows."""

        def chosen(column: Sequence[Any] | None) -> list[Any] | None:
            return None if column is None else [column[row] for row in rows.tolist()]

        return replace(
            self,
            probabilities=self.probabilities[rows],
            signals={name: states[rows] for name, states in self.signals.items()},
            language=self.language[rows],
            meta={name: values[rows] for name, values in self.meta.items()},
            ids=chosen(self.ids),
            actors=chosen(self.actors),
            tenants=chosen(self.tenants),
            ats=chosen(self.ats),
            text_sha256s=chosen(self.text_sha256s),
        )


@dataclass(frozen=True, slots=True, eq=False)
class DecisionColumns:
    """What a policy says of `n` items.

    Attributes
    ----------
    tier_names
        Tier ids, most severe first, then ``review`` and ``none``.
    tier
        int16, shape (n,): index into ``tier_names``.
    review
        bool, shape (n,): a person has to look.
    levels
        Category to int8, shape (n,): 0 none, 1 review, 2 act.
    contexts
        Context id to int8 of ``Truth``, shape (n,): the exception holds. Unknown where it was not asked, because
        no category reached its review threshold.
    has_actions
        bool, one per entry of ``tier_names``: whether that tier recommends anything.
    mode
        ``enforce`` or ``shadow``.
    recorded
        Tier that is not stable to int8 of ``Truth``, shape (n,): whether it would have held. It decides nothing.
    """

    tier_names: tuple[str, ...]
    tier: NDArray[np.int16]
    review: NDArray[np.bool_]
    levels: Mapping[str, States]
    contexts: Mapping[str, States]
    has_actions: NDArray[np.bool_]
    mode: str = "enforce"
    recorded: Mapping[str, States] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tier)

    @property
    def acts(self) -> NDArray[np.bool_]:
        """bool, shape (n,): the item's tier recommends actions; what ``Breaker`` counts."""
        return self.has_actions[self.tier]

    def name(self, row: int) -> str:
        """Tier id of one row."""
        return self.tier_names[int(self.tier[row])]

    def counts(self) -> dict[str, int]:
        """Tier id to the number of items, most severe first."""
        totals = np.bincount(self.tier, minlength=len(self.tier_names))
        return {name: int(total) for name, total in zip(self.tier_names, totals, strict=True)}
