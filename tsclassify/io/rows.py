"""JSONL that is read one object at a time: events of a ledger, exports, labelled items."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from tsclassify.errors import InputError
from tsclassify.io.blocks import Oversize, read_blocks
from tsclassify.io.formats import as_lines
from tsclassify.io.sources import find_sources, open_stream

__all__ = ["MAX_ROW_BYTES", "bounded_lines", "json_object", "lines_of_file"]

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


def lines_of_file(path: str | os.PathLike[str], *, text: str = "text") -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every line of a file, or of standard input for ``-``, as JSONL; blank ones are left out.

    CSV, TSV, lines of plain text, JSON arrays, packed files and UTF-16 are read as ``tsclassify score`` reads them.

    Parameters
    ----------
    path
        The file.
    text
        Name of the text field.

    Raises
    ------
    InputError
        When the file cannot be read, or a line is longer than `MAX_ROW_BYTES`.
    """
    source = find_sources([path])[0]
    stream = open_stream(source)
    try:
        for block in read_blocks(as_lines(stream, source.name, text), max_line=MAX_ROW_BYTES):
            if isinstance(block, Oversize):
                raise InputError(
                    f"{source.name}:{block.first_line}: line must have at most {MAX_ROW_BYTES:,} bytes, got more"
                )
            for number, line in enumerate(block.data.split(b"\n"), start=block.first_line):
                if line.strip():
                    yield number, line
    finally:
        stream.close()
