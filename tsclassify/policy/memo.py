"""What a policy remembers of items that it decided: the same for all with the same levels and truths."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tsclassify.policy.columns import Facts
    from tsclassify.policy.load import Policy
    from tsclassify.policy.thresholds import Thresholds

__all__ = ["MEMO_ROWS", "memo_of", "outcomes_of"]

_SIZE: Final = 4096
"""Kinds of items remembered; some kilobytes each."""

_SETS: Final = 16
"""Sets of signals and of thresholds for which kinds are remembered at once; a job has one."""

MEMO_ROWS: Final = 2048
"""Up to here items are looked up one by one; above, deciding all of them at once costs less."""


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


def outcomes_of(
    policy: Policy,
    facts: Facts,
    thresholds: Thresholds,
    decide: Callable[[NDArray[np.intp]], NDArray[np.int16]],
) -> NDArray[np.int16]:
    """The outcome of each of a block's items, found out once for all items with the same facts.

    A block has a hundred items in some thirty kinds, most of them met in an earlier block; numpy needs as many calls
    for them as for a million.

    Parameters
    ----------
    facts
        Of m items.
    decide
        Finds out the outcomes of chosen rows, as numbers of shape (rows, W).

    Returns
    -------
    ndarray
        int16, shape (m, W).
    """
    kept: dict[Any, dict[bytes, tuple[int, ...]]] = policy.memo.setdefault("outcomes", {})
    one = (tuple(facts.signals), *[act is None for _, act in thresholds.values()])
    known = kept.get(one)
    if known is None:
        if len(kept) >= _SETS:
            kept.clear()
        known = kept[one] = {}
    columns = [*facts.levels.values(), *facts.signals.values(), *facts.metas.values(), facts.untested.view(np.int8)]
    width, written = len(columns), np.stack(columns, axis=1).tobytes()
    keys = [written[at : at + width] for at in range(0, len(written), width)]
    # Other threads may clear it meanwhile.
    mine = {key: known.get(key) for key in keys}
    rows = {key: row for row, key in enumerate(keys) if mine[key] is None}
    if rows:
        made = decide(np.array(list(rows.values()), dtype=np.intp))
        if len(known) + len(rows) > _SIZE:
            known.clear()
        for key, outcome in zip(rows, map(tuple, made.tolist()), strict=True):
            known[key] = mine[key] = outcome
    return np.array([mine[key] for key in keys], dtype=np.int16)
