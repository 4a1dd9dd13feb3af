"""Names of fields: which of a file's fields may hold the text, told before anything is rejected or written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tsclassify.errors import InputError
from tsclassify.io.strict import WHITESPACE

__all__ = ["TEXT_NAMES", "check_names", "rows_of", "value_at"]

TEXT_NAMES: Final = (
    "text", "body", "full_text", "message", "content", "comment", "comment_text", "post", "tweet", "caption", "msg",
)  # fmt: skip
"""Fields that hold a text in the exports of others, in the order in which they are tried."""

_LOOKED_AT: Final = 100
_SHOWN: Final = 12
# The first row of a table without names is a post, which no error may show.
_NAME: Final = re.compile(r"[A-Za-z_@$][\w.@$-]{0,39}")


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """The value of a field, or of a field in an object for a dotted name; a field with the dots in its name wins."""
    if name in row:
        return row[name]
    first, mark, rest = name.partition(".")
    inner = row.get(first)
    return value_at(inner, rest) if mark and isinstance(inner, Mapping) else None


def rows_of(data: bytes) -> list[dict[str, Any]]:
    """The objects among the first whole lines of a block of JSONL."""
    rows = []
    for line in data[: data.rfind(b"\n") + 1].split(b"\n", _LOOKED_AT)[:_LOOKED_AT]:
        if line.strip(WHITESPACE):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows


def check_names(rows: Iterable[Mapping[str, Any]], place: str, text: str = "text") -> None:
    """Refuse a file of which none of the first rows has the text field, and say which field may be meant.

    Raises
    ------
    InputError
        Naming the fields that were found, and one to try.
    """
    looked = list(rows)
    if not looked or any(_has(row, text) for row in looked):
        return
    names = list(dict.fromkeys(name for row in looked for name in _paths(row)))
    shown = [name for name in names if _NAME.fullmatch(name)]
    found = ", ".join(shown[:_SHOWN]) or "none that is a name"
    if len(shown) > _SHOWN:
        found += f" and {len(shown) - _SHOWN} more"
    meant = next((name for wanted in TEXT_NAMES for name in shown if _last(name) == wanted), None)
    raise InputError(
        f'{place}: no line has "{text}"; found {found}',
        hint=f"try --fields text={meant or 'NAME'} with the field that holds the text",
    )


def _has(row: Mapping[str, Any], name: str) -> bool:
    first, mark, rest = name.partition(".")
    inner = row.get(first)
    return name in row or bool(mark and isinstance(inner, Mapping) and _has(inner, rest))


def _last(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _paths(row: Mapping[str, Any], before: str = "") -> Iterable[str]:
    """Names of fields, and of the fields in them, dotted."""
    for name, value in row.items():
        yield before + name
        if isinstance(value, Mapping) and before.count(".") < 2:
            yield from _paths(value, f"{before}{name}.")
