"""Changes to the text of a policy file that leave the rest of it, comments included, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

__all__ = ["with_known_hits", "with_measured", "with_todos"]

_LOADER: Final[Any] = yaml.SafeLoader
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.()/ ")


def _written(text: str) -> str:
    """A string as a scalar of a flow mapping: plain where that reads as the same string, else quoted."""
    is_plain = bool(text) and text[0].isalpha() and text == text.strip() and set(text) <= _PLAIN
    is_word = text.lower() in {"true", "false", "null", "none", "yes", "no", "on", "off"}
    return text if is_plain and not is_word else json.dumps(text, ensure_ascii=False)


def _pair(mapping: Any, key: str) -> tuple[Any, Any] | None:
    return next(((name, value) for name, value in mapping.value if name.value == key), None)


def _edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _put(text: str, mapping: Any, after: str, key: str, value: str | None) -> tuple[int, int, str] | None:
    """The edit that gives a mapping a key behind another one, replaces it there, or (value None) takes it away."""
    there, anchor = _pair(mapping, key), _pair(mapping, after)
    if there is not None:
        start, end = there[0].start_mark.index, there[1].end_mark.index
        if value is not None:
            return start, end, f"{key}: {value}"
        if mapping.flow_style:
            # Every key that is put stands behind another one.
            return text.rindex(",", 0, start), end, ""
        line = text.rindex("\n", 0, start)
        return line, text.index("\n", end), ""
    if value is None or anchor is None:
        return None
    end = anchor[1].end_mark.index
    if mapping.flow_style:
        return end, end, f", {key}: {value}"
    end = len(text[:end].rstrip())
    return end, end, f"\n{' ' * anchor[0].start_mark.column}{key}: {value}"


def with_todos(text: str, todos: Mapping[str, str | None]) -> str:
    """A policy's text with the key ``todo`` of some tests set, or (None) taken away.

    Parameters
    ----------
    text
        A file without faults.
    todos
        Name of a test to its reason.
    """
    tests = _pair(yaml.compose(text, Loader=_LOADER), "tests")
    edits = []
    for case in tests[1].value if tests is not None else ():
        name = _pair(case, "name")
        if name is not None and name[1].value in todos:
            reason = todos[name[1].value]
            edit = _put(text, case, "name", "todo", None if reason is None else _written(reason))
            edits += [edit] if edit is not None else []
    return _edited(text, edits)


def with_measured(text: str, measured: Mapping[str, Mapping[str, float | str]]) -> str:
    """A policy's text with the key ``measured`` of some tiers set.

    Parameters
    ----------
    measured
        Tier to what was measured, key by key.
    """
    tiers = _pair(yaml.compose(text, Loader=_LOADER), "tiers")
    edits = []
    for tier in tiers[1].value if tiers is not None else ():
        name = _pair(tier, "id")
        if name is None or name[1].value not in measured:
            continue
        pairs = [
            f"{key}: {_written(value) if isinstance(value, str) else f'{value:g}'}"
            for key, value in measured[name[1].value].items()
        ]
        last = tier.value[-1][0].value
        edit = _put(text, tier, last, "measured", f"{{{', '.join(pairs)}}}")
        edits += [edit] if edit is not None else []
    return _edited(text, edits)


def with_known_hits(text: str, hits: Sequence[tuple[str, str]]) -> str:
    """A policy's text with the list ``known_hits`` in the place of its own, at the end when it has none.

    Parameters
    ----------
    hits
        Text and reason.
    """
    block = "".join(f"  - {{text: {_written(post)}, reason: {_written(reason)}}}\n" for post, reason in hits)
    block = f"known_hits:\n{block}" if hits else ""
    there = _pair(yaml.compose(text, Loader=_LOADER), "known_hits")
    if there is None:
        return text if not block else text.rstrip("\n") + "\n\n" + block
    start, end = there[0].start_mark.index, len(text[: there[1].end_mark.index].rstrip())
    rest = text[end:].lstrip("\n")
    return text[:start] + block + ("\n" if block and rest else "") + rest
