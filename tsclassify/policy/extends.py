"""A file that extends another one states only what differs; both become one tree before anything is checked.

Mappings are merged key by key. Lists of rules (``tiers``, ``contexts``, ``overlays``, ``ladder.steps``, ``tests``) are
merged by ``id`` (tests by ``name``): a rule of the same id changes in its place, key by key. A new rule goes before the
rule that follows it in the extending file, or to the end. Conditions and all other lists are replaced whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tsclassify.policy.faults import Mark
from tsclassify.policy.strict_yaml import Path, Tree

__all__ = ["merged"]

_RULES: Final[dict[Path, str]] = {
    ("tiers",): "id",
    ("contexts",): "id",
    ("overlays",): "id",
    ("ladder", "steps"): "id",
    ("tests",): "name",
}
_WHOLE: Final = frozenset({"when", "unless", "effective_process", "expect", "item", "given", "measured", "dsa"})


class _Merge:
    """One merge; ``moved`` is where each path of the extending file comes to stand."""

    def __init__(self) -> None:
        self.moved: list[tuple[Path, Path]] = []

    def mapping(self, base: dict[str, Any], over: dict[str, Any], path: Path, old: Path) -> dict[str, Any]:
        merged = dict(base)
        for key, value in over.items():
            here, there = (*path, key), (*old, key)
            known = base.get(key)
            if isinstance(value, dict) and isinstance(known, dict) and key not in _WHOLE:
                merged[key] = self.mapping(known, value, here, there)
            elif here in _RULES and isinstance(value, tuple) and isinstance(known, tuple):
                merged[key] = self.rules(known, value, here, there)
            else:
                merged[key] = value
                self.moved.append((there, here))
        return merged

    def rules(self, base: tuple[Any, ...], over: tuple[Any, ...], path: Path, old: Path) -> tuple[Any, ...]:
        by = _RULES[path]
        names = [rule.get(by) if isinstance(rule, dict) else None for rule in base]
        order: list[tuple[Any, int | None]] = [(rule, None) for rule in base]  # a rule, and its place in `over`
        for place, rule in reversed(list(enumerate(over))):
            name = rule.get(by) if isinstance(rule, dict) else None
            if name is not None and name in names:
                at = next(i for i, (other, _) in enumerate(order) if isinstance(other, dict) and other.get(by) == name)
                order[at] = (order[at][0], place)
                continue
            follower = next((i for i, (_, other) in enumerate(order) if other == place + 1), len(order))
            order.insert(follower, (None, place))
        merged = []
        for at, (known, place) in enumerate(order):
            if place is None:
                merged.append(known)
            elif known is None:
                merged.append(over[place])
                self.moved.append(((*old, place), (*path, at)))
            else:
                merged.append(self.mapping(known, over[place], (*path, at), (*old, place)))
        return tuple(merged)


def merged(base: Tree, over: Tree) -> Tree:
    """The tree of a file that extends another.

    Parameters
    ----------
    base
        Of the file that is extended; it has no faults.
    over
        Of the extending file. What it does not state has the place of the mapping that lacks it, or of the file.
    """
    if not isinstance(base.data, dict) or not isinstance(over.data, dict):
        return over
    merge = _Merge()
    data = merge.mapping(base.data, over.data, (), ())
    tree = Tree(data=data, faults=over.faults)
    for of, to in ((over.values, tree.values), (over.keys, tree.keys)):
        for path, mark in _moved(of, merge.moved):
            to[path] = mark
    tree.values.setdefault((), over.keys.get(("extends",), Mark(1, 1)))
    return tree


def _moved(marks: dict[Path, Mark], moved: list[tuple[Path, Path]]) -> Iterator[tuple[Path, Mark]]:
    """Marks of the extending file at their places in the merged tree."""
    targets = dict(moved)
    for path, mark in marks.items():
        for end in range(len(path), 0, -1):
            if path[:end] in targets:
                yield (*targets[path[:end]], *path[end:]), mark
                break
        else:
            yield path, mark
