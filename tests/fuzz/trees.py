"""Mutations of JSON trees: a document that parses, and says something that nobody meant."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

__all__ = ["ODD", "mutated_tree"]

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 1e999, -1e999, float("nan"), 2**31, 2**53, 2**63, 2**64,
    -(2**63) - 1, 10**30, "", " ", "none", "null", "review", "act", "zorp", "é\u0301", "\u202ezorp", "\x00", "../x",
    "a" * 300, "1h", "0d", "9" * 30, "2021-02-30", "2021-01-08T10:00:00Z", "0001-01-01", "9999-12-31", [], {}, [[]],
    [None], {"": None}, {"zorp": 1}, {"all": []}, {"not": {"not": {"signal": "specific"}}}, [1, "a", None],
)  # fmt: skip


def _places(tree: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every value's container and key, depth first."""
    todo = [tree]
    while todo:
        node = todo.pop()
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in pairs:
            found.append((node, key))
            if isinstance(value, dict | list):
                todo.append(value)
    return found


def mutated_tree(rng: random.Random, tree: Any, words: Sequence[str] = ()) -> Any:
    """A copy after one to four changes: values replaced, swapped, doubled, nested, keys dropped or renamed."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.randrange(1, 5)):
        places = _places(tree, [])
        if not places:
            break
        node, key = rng.choice(places)
        kind = rng.randrange(8)
        if kind == 0:
            node[key] = copy.deepcopy(rng.choice(ODD))
        elif kind == 1 and words:
            node[key] = rng.choice(words)
        elif kind == 2:
            del node[key]
        elif kind == 3:
            other, place = rng.choice(places)
            node[key] = copy.deepcopy(other[place])
        elif kind == 4 and isinstance(node, dict):
            node[rng.choice(words) if words and rng.random() < 0.7 else str(rng.choice(ODD))[:80]] = node.pop(key)
        elif kind == 5 and isinstance(node, list):
            node.insert(rng.randrange(len(node) + 1), copy.deepcopy(node[key]))
        elif kind == 6:
            node[key] = rng.choice([[node[key]], {rng.choice(words or ["zorp"]): node[key]}, str(node[key])[:200]])
        elif isinstance(node[key], int | float) and not isinstance(node[key], bool):
            node[key] = rng.choice([node[key] + 1, -node[key], node[key] * 10, float(node[key]), str(node[key])])
    return tree
