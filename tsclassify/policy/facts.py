"""Fields that come with items: their declared types, and the truth of the leaves that ask them.

A field that is missing gives what its leaf says (``if_missing``). A value of the wrong type is unknown, whatever the
leaf says: it is refused where items come one by one (``check_fields``), and in a batch a person looks.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.items import time_of
from tsclassify.policy.conditions import Age, FactLeaf, Meta, Range, Score
from tsclassify.policy.faults import nearest
from tsclassify.policy.schema import Fact
from tsclassify.records import Truth

__all__ = ["OWN_FIELDS", "check_fields", "fact_states", "type_fault"]

States = NDArray[np.int8]

OWN_FIELDS: Final = ("tenant", "actor")
"""Parts of every item that a condition may read like a field."""

_WANTED: Final = {
    "string": "a string",
    "bool": "true or false",
    "number": "a finite number",
    "time": "a time (ISO 8601)",
    "score": "a number from 0 to 1, true or false",
}
_ABSENT: Final = -1
"""Code of a missing value among truths."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any) -> float | None:
    """A number, or None."""
    return float(value) if _is_number(value) else None


def _score(value: Any) -> float | None:
    """A score, or None."""
    if isinstance(value, bool):
        return float(value)
    return float(value) if _is_number(value) and 0.0 <= value <= 1.0 else None


def type_fault(fact: Fact, value: Any) -> tuple[str, str]:
    """What is wrong with a value of a declared field, and a hint; two empty strings when nothing is."""
    fits = {
        "string": isinstance(value, str),
        "bool": isinstance(value, bool),
        "number": _is_number(value),
        "time": time_of(value) is not None,
        "score": _score(value) is not None,
    }[fact.type]
    if not fits:
        return f"must be {_WANTED[fact.type]}, got {_kind_of(value)}", ""
    if fact.values is not None and value not in fact.values:
        return f"must be one of {', '.join(fact.values)}, got another string", nearest(value, fact.values)
    return "", ""


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "a string"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "a number"
    return type(value).__name__


def check_fields(facts: Mapping[str, Fact], items: Sequence[Mapping[str, Any]], own: Iterable[str]) -> None:
    """Refuse items with a value that its declared field cannot have, or with the misspelt name of one.

    Parameters
    ----------
    facts
        The policy's declarations.
    items
        n items.
    own
        Names that an item may always have.

    Raises
    ------
    InputError
        With the position of the first such item and the field, never with what it holds.
    """
    others: set[str] = set()
    for position, item in enumerate(items):
        for name in facts:
            value = item.get(name)
            if value is not None:
                message, hint = type_fault(facts[name], value)
                if message:
                    raise InputError(f"items: item {position}: {name} {message}", hint=hint)
        others.update(item)
    missing = [name for name in facts if name not in others]
    for other in sorted(others.difference(facts, own)) if missing else ():
        hint = nearest(other, missing, cutoff=0.85)
        if hint:
            raise InputError(f"items: field must be one that the policy declares, got {other[:40]!r}", hint=hint)


def fact_states(
    leaf: FactLeaf,
    fact: Fact | None,
    values: NDArray[np.object_] | None,
    ats: Sequence[dt.datetime | None] | None,
    n: int,
) -> States:
    """The truth of a leaf for n items: int8, shape (n,).

    Parameters
    ----------
    fact
        The field's declaration, or None.
    values
        Its values, None where an item lacks it; None when all do.
    ats
        Times of the acts, or None.
    """
    missing = Truth.UNKNOWN if leaf.if_missing == "unknown" else Truth.FALSE
    if values is None:
        return np.full(n, missing, dtype=np.int8)
    if isinstance(leaf, Meta):
        states = _among(leaf, fact, values)
    elif isinstance(leaf, Age):
        states = _aged(leaf, values, ats)
    elif isinstance(leaf, Score):
        states = _compared(_numbers(values, _score), leaf.act, math.inf, leaf.review)
    elif isinstance(leaf, Range):
        states = _compared(_numbers(values, _number), leaf.at_least, leaf.below, None)
    else:
        raise TypeError(f"facts: leaf must be over a field, got {type(leaf).__name__}")
    states[states == _ABSENT] = missing
    return states


def _among(leaf: Meta, fact: Fact | None, values: NDArray[np.object_]) -> States:
    # 1 == True in Python, not in a policy: compare with the type.
    wanted = {(type(value), value) for value in leaf.values}
    known: dict[Any, int] = {}

    def state(value: Any) -> int:
        if value is None:
            return _ABSENT
        if fact is not None and type_fault(fact, value)[0]:
            return Truth.UNKNOWN
        return Truth.TRUE if isinstance(value, (str, int, bool)) and (type(value), value) in wanted else Truth.FALSE

    def remembered(value: Any) -> int:
        # a column holds few strings, many times each
        if type(value) is not str:
            return state(value)
        if value not in known:
            known[value] = state(value)
        return known[value]

    return np.fromiter(map(remembered, values), dtype=np.int8, count=len(values))


def _numbers(values: NDArray[np.object_], read: Any) -> NDArray[np.float64]:
    """float64, shape (n,): infinite where the value is missing, NaN where it has the wrong type."""

    def number(value: Any) -> float:
        if value is None:
            return math.inf
        made = read(value)
        return math.nan if made is None else float(made)

    return np.fromiter(map(number, values), dtype=np.float64, count=len(values))


def _compared(numbers: NDArray[np.float64], low: float | None, high: float | None, doubtful: float | None) -> States:
    """True from `low` to below `high`; unknown from `doubtful` on below that, and where there is no number."""
    states = np.full(len(numbers), Truth.FALSE, dtype=np.int8)
    if doubtful is not None:
        states[numbers >= doubtful] = Truth.UNKNOWN
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    states[(numbers >= low) & (numbers < high)] = Truth.TRUE
    states[np.isnan(numbers)] = Truth.UNKNOWN
    states[np.isinf(numbers)] = _ABSENT
    return states


def _aged(leaf: Age, values: NDArray[np.object_], ats: Sequence[dt.datetime | None] | None) -> States:
    states = np.full(len(values), Truth.UNKNOWN, dtype=np.int8)
    for row, value in enumerate(values):
        if value is None:
            states[row] = _ABSENT
            continue
        time, at = time_of(value), None if ats is None else ats[row]
        if time is not None and at is not None:
            age = at - time
            holds = (leaf.at_least is None or age >= leaf.at_least) and (leaf.below is None or age < leaf.below)
            states[row] = Truth.TRUE if holds else Truth.FALSE
    return states
