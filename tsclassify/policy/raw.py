"""Reading a raw policy tree without trusting it: what has the wrong type reads as empty, and is left to the types."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, TypeGuard

from tsclassify.policy.conditions import Node, spell_out_fact
from tsclassify.policy.strict_yaml import Path

__all__ = ["entries", "is_number", "mapping", "meant", "names_in", "raw_leaves", "rules"]


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> list[tuple[int, dict[str, Any]]]:
    """The mappings of a list, with their index."""
    return [(i, entry) for i, entry in enumerate(value) if isinstance(entry, dict)] if isinstance(value, tuple) else []


def meant(value: Any, model: type[Node]) -> dict[str, Any]:
    """A mapping with misspelt keys under their right names, so that one slip is not followed by a dozen."""
    if not isinstance(value, dict):
        return {}
    known = [info.alias or name for name, info in model.model_fields.items()]
    found = {key: entry for key, entry in value.items() if key in known}
    for key, entry in value.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
            found.setdefault(close[0] if close else key, entry)
    return found


def rules(value: Any, model: type[Node]) -> list[tuple[int, dict[str, Any]]]:
    """The mappings of a list with their index, misspelt keys under their right names."""
    return [(i, meant(entry, model)) for i, entry in entries(value)]


def is_number(value: Any) -> TypeGuard[float]:
    """Whether the value is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def names_in(value: Any, path: Path) -> list[tuple[str, Path]]:
    """One name or a list of names, each with its path."""
    if isinstance(value, str):
        return [(value, path)]
    if isinstance(value, tuple):
        return [(name, (*path, i)) for i, name in enumerate(value) if isinstance(name, str)]
    return []


def raw_leaves(condition: Any, path: Path, *, negated: bool = False) -> Iterator[tuple[dict[str, Any], Path, bool]]:
    """Raw leaves of a condition, each with its path and whether an odd number of ``not`` stands above."""
    if condition == "cure_expired":
        return
    if not isinstance(condition, dict):
        return
    for key in ("all", "any"):
        if isinstance(condition.get(key), tuple):
            for i, part in enumerate(condition[key]):
                yield from raw_leaves(part, (*path, key, i), negated=negated)
            return
    if "not" in condition:
        yield from raw_leaves(condition["not"], (*path, "not"), negated=not negated)
        return
    yield spell_out_fact(condition), path, negated
