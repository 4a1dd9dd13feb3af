"""JSONL that is read one object at a time: events of a ledger, exports, labelled items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from tsclassify.errors import InputError

__all__ = ["MAX_ROW_BYTES", "bounded_lines", "json_object"]

MAX_ROW_BYTES: Final = 64 << 20
"""Longest line that is read: a notice that cites a million items is half of it."""


def bounded_lines(lines: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every line that is not blank.

    Raises
    ------
    InputError
        When a line is longer than `MAX_ROW_BYTES`, before more of it is read.
    """
    number = 0
    while raw := lines.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(raw) > MAX_ROW_BYTES:
            raise InputError(f"{name}:{number}: line must have at most {MAX_ROW_BYTES:,} bytes, got more")
        if raw.strip():
            yield number, raw


def json_object(raw: bytes, place: str) -> dict[str, Any]:
    """The JSON object of one line.

    Raises
    ------
    InputError
        When it is something else, or nested without end.
    """
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InputError(f"{place}: line must be a JSON object") from None
