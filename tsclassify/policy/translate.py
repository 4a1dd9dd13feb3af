"""Pydantic's errors in the language of a policy file: one sentence each, at its line, with the nearest known key."""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from pydantic import ValidationError

from tsclassify.policy.conditions import ITEM_KINDS, LADDER_KINDS, REVIEW_KINDS, kinds_of
from tsclassify.policy.faults import MAX_FAULTS, Fault, Mark, nearest, shown
from tsclassify.policy.schema import Document
from tsclassify.policy.strict_yaml import Path, Tree

__all__ = ["faults_of", "mark_of"]

_PATTERNS: Final = {
    "^[A-Za-z]": "must be a name (a letter, then letters, digits, _ - or ., at most 64)",
    "^[0-9]{1,4}": "must be three numbers with dots, such as 2021.7.0",
    "^https": "must be an address that starts with https://",
    "^[0-9a-f]{64}": "must be 64 hex digits",
    "^STATEMENT": "must be a STATEMENT_CATEGORY_ value of the DSA Transparency Database",
    "^KEYWORD": "must be a KEYWORD_ value of the DSA Transparency Database",
}
_FLOAT: Final = re.compile(r"[0-9.]+")
_TAG: Final = re.compile(r"<[a-z_]+>")
_KINDS: Final = {
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "finite_number": "must be a finite number",
}


def mark_of(tree: Tree, path: Path, *, on_key: bool = False) -> Mark:
    """The place of a value (or of its key), or of what encloses it."""
    if on_key and path in tree.keys:
        return tree.keys[path]
    while path and path not in tree.values:
        if path in tree.keys:
            return tree.keys[path]
        path = path[:-1]
    return tree.values.get(path, Mark(1, 1))


def _path(loc: tuple[str | int, ...]) -> tuple[Path, bool]:
    """The path inside the file, and whether the error is about a key: tags of unions are left out."""
    on_key = bool(loc) and loc[-1] == "[key]"
    parts = [part for part in loc if not (isinstance(part, str) and (part == "[key]" or _TAG.fullmatch(part)))]
    return tuple(parts), on_key


def _value_at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


@functools.cache
def _schema() -> dict[str, Any]:
    """The JSON Schema, which takes as long to make as two hundred policies to read."""
    return Document.model_json_schema()


def _known_keys(loc: tuple[str | int, ...]) -> list[str]:
    """Keys that the language has where `loc` (of an extra key) points, found by walking its JSON Schema."""
    root = _schema()
    node: Any = root

    def opened(part: Any) -> list[Any]:
        if "$ref" in part:
            part = root["$defs"][part["$ref"].rsplit("/", 1)[1]]
        variants = part.get("anyOf") or part.get("oneOf")
        return [v for choice in variants for v in opened(choice)] if variants else [part]

    for step in loc[:-1]:
        choices = opened(node)
        if isinstance(step, str) and step.startswith("<"):
            wanted = {"<point>": "precision", "<range>": "below", "<age>": "younger_than"}.get(step, step.strip("<>"))
            narrowed = [choice for choice in choices if wanted in choice.get("properties", {})]
            node = {"anyOf": narrowed or choices}
            continue
        found = []
        for choice in choices:
            if isinstance(step, int):
                found += [choice["items"]] if "items" in choice else []
            elif step in choice.get("properties", {}):
                found.append(choice["properties"][step])
            elif isinstance(choice.get("additionalProperties"), dict):
                found.append(choice["additionalProperties"])
        node = {"anyOf": found} if found else {}
    return sorted({key for choice in opened(node) for key in choice.get("properties", {})})


def _condition(path: Path, value: Any, data: Any) -> tuple[str, str, Path, bool]:
    """What is wrong with a condition that asks nothing, or two things."""
    kinds: tuple[str, ...] = ITEM_KINDS
    if path and path[0] == "ladder":
        kinds = LADDER_KINDS
    elif path and path[0] == "platform_review":
        kinds = REVIEW_KINDS
    if not isinstance(value, dict):
        example = {ITEM_KINDS: "{act: incitement}", LADDER_KINDS: "{count: violation}"}.get(
            kinds, "{indicator: high_rate}"
        )
        return f"must be a condition such as {example}, got {shown(value)}", "", path, False
    found = kinds_of(value, kinds)
    if len(found) > 1:
        return f"must ask one thing, got {' and '.join(found)}", "join them with all or any", path, False
    if not value:
        return f"must ask one of {', '.join(kinds)}, got an empty mapping", "", path, False
    first = next(iter(value))
    return f"must ask one of {', '.join(kinds)}, got {shown(first)}", nearest(first, kinds), (*path, first), True


def _sentence(error: Any) -> tuple[str, str]:
    """Message and hint of a plain error."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    got = shown(value)
    if kind in _KINDS:
        hint = "put it in quotes" if kind == "string_type" and isinstance(value, (int, float, bool)) else ""
        if error["loc"] == ("version",):
            hint = "write three numbers with dots, such as 2024.1.0"
        elif kind in ("int_type", "float_type", "bool_type") and isinstance(value, str):
            hint = "leave out the quotes" if _FLOAT.fullmatch(value) else ""
        return f"{_KINDS[kind]}, got {got}", hint
    if kind == "literal_error":
        expected = context["expected"].replace(" or ", ", ").replace("'", "").replace("False", "false")
        return f"must be one of {expected}, got {got}", nearest(value, expected.split(", "))
    if kind == "string_pattern_mismatch":
        rule = next((text for start, text in _PATTERNS.items() if context["pattern"].startswith(start)), "must match")
        return f"{rule}, got {got}", ""
    if kind in {"string_too_short", "string_too_long"}:
        limit = "at least" if kind == "string_too_short" else "at most"
        number = context.get("min_length", context.get("max_length"))
        return f"must have {limit} {number} characters, got {len(value)}", ""
    if kind == "too_short":
        return f"must have at least {context['min_length']} entry, got {context['actual_length']}", ""
    for name, words in (("ge", "at least"), ("gt", "greater than"), ("le", "at most"), ("lt", "less than")):
        if name in context:
            return f"must be {words} {context[name]}, got {got}", ""
    return f"{error['msg']}, got {got}", ""


def faults_of(error: ValidationError, tree: Tree) -> list[Fault]:
    """One fault for each of pydantic's errors, in its order; of very many, those of the beginning."""
    faults: list[Fault] = []
    details = error.errors(include_url=False)[:MAX_FAULTS]
    # A key that is misspelt is one fault: its right name is not missing as well.
    meant = {
        (_path(detail["loc"][:-1])[0], nearest(detail["loc"][-1], _known_keys(detail["loc"])))
        for detail in details
        if detail["type"] == "extra_forbidden"
    }
    for detail in details:
        path, on_key = _path(detail["loc"])
        kind = detail["type"]
        if kind == "too_short" and len(detail["input"]) > 0:
            continue  # pydantic counts valid entries only; the invalid ones have their own fault
        if kind == "missing":
            if (path[:-1], f"did you mean {path[-1]!r}?") in meant:
                continue
            message, hint = f"key must be given, got no {path[-1]!r}", ""
            # The key is absent: point at the mapping that lacks it.
            mark = mark_of(tree, path[:-1])
            faults.append(Fault.at(mark, path[:-1], message, hint))
            continue
        if kind == "extra_forbidden":
            known = _known_keys(detail["loc"])
            hint = nearest(path[-1], known) or f"known keys: {', '.join(known)}"
            message, on_key = f"key must be one that the language has, got {shown(path[-1])}", True
            faults.append(Fault.at(mark_of(tree, path, on_key=True), path, message, hint))
            continue
        if kind == "union_tag_not_found":
            message, hint, path, on_key = _condition(path, _value_at(tree.data, path), tree.data)
        else:
            message, hint = _sentence(detail)
        faults.append(Fault.at(mark_of(tree, path, on_key=on_key), path, message, hint))
    return faults
