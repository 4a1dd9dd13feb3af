"""Files of other kinds as JSONL: CSV, TSV, lines of plain text, JSON arrays, and UTF-16, told apart by name and bytes.

Everything behind works on lines of JSON alone. A row of a table becomes an object of its cells under the names of the
first row; a line of plain text an object with a text; an element of an array a line of its own. Lines are counted
behind this: in a table they are rows, the first of them below the names.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

from tsclassify.errors import InputError
from tsclassify.io.fields import TEXT_NAMES
from tsclassify.io.sources import ByteStream
from tsclassify.io.strict import MAX_LINE_BYTES, WHITESPACE

__all__ = ["as_lines", "format_of"]

_HEAD: Final = 1 << 16
"""Bytes by which a file is known."""

_CHUNK: Final = 1 << 18
_PACKED: Final = (".gz", ".zst")
_BY_SUFFIX: Final = {".csv": "table", ".tsv": "table", ".tab": "table", ".txt": "text", ".json": "values"}
_LINES: Final = (".jsonl", ".ndjson")
_DELIMITERS: Final = ",\t;|"
_BLANK: Final = " \t\r\n"

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
_BOOLEANS: Final = {"true": True, "false": False}

_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def format_of(name: str, head: bytes, text: str = "text") -> str:
    """``lines`` (JSONL), ``values`` (JSON in an array or over several lines), ``table`` or ``text``.

    Parameters
    ----------
    name
        Name of the file, whose ending counts; ``-`` for standard input.
    head
        Its first bytes, in UTF-8.
    text
        Name of the text column.
    """
    suffix = _suffix(name)
    content = head.lstrip(WHITESPACE)
    first = content[:1]
    if first == b"[" and content[1:].lstrip(WHITESPACE)[:1] in (b"{", b"]", b""):
        return "values"
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    lines = head.splitlines()
    if suffix in _LINES or not lines or any(line.lstrip(WHITESPACE)[:1] == b"{" for line in lines):
        return "lines"
    names = {cell.strip(' "').lower() for cell in re.split(f"[{_DELIMITERS}]", lines[0].decode("utf-8", "replace"))}
    if len(names) > 1 and names & {text.lower(), *TEXT_NAMES}:
        return "table"
    return "text" if b"\0" not in head and _is_utf8(head) else "lines"


def _suffix(name: str) -> str:
    """The ending that says what is in a file, whether packed or not."""
    path = PurePath(name.lower())
    return PurePath(path.stem).suffix if path.suffix in _PACKED else path.suffix


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def as_lines(stream: ByteStream, name: str, text: str = "text") -> ByteStream:
    """A stream of JSONL with the items of another one; JSONL in UTF-8 passes as it is.

    Parameters
    ----------
    stream
        Unpacked bytes.
    name
        Name of the input, for its ending and for errors.
    text
        Name of the text column.

    Raises
    ------
    InputError
        Here or in later reads, when a table or an array is broken.
    """
    head = stream.read(_HEAD)
    encoding = _wide_encoding(head)
    source: ByteStream = _Joined(head, stream)
    if encoding is not None:
        source = _Made(_narrow(source, name, encoding))
        head = source.read(_HEAD)
        source = _Joined(head, source)
    kind = format_of(name, head, text)
    if kind == "lines":
        return source
    if kind == "table":
        return _Made(_rows(source, name, head))
    if kind == "text":
        return _Made(_posts(source, name, text))
    return _Made(_values(source, name))


def _wide_encoding(head: bytes) -> str | None:
    for mark, encoding in _ENCODINGS:
        if head.startswith(mark):
            return encoding
    if len(head) >= 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0] == head[2] == 0 and head[1] and head[3]:
        return "utf-16-be"
    return None


class _Joined:
    """A stream with the bytes before it that were read already."""

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._stream.read(size)

    def close(self) -> None:
        self._stream.close()


class _Made:
    """A stream of the pieces that a generator makes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._ready = bytearray()

    def read(self, size: int = -1, /) -> bytes:
        while len(self._ready) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._ready += piece
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def close(self) -> None:
        return None


def _chunks(stream: ByteStream) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _narrow(stream: ByteStream, name: str, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in _chunks(stream):
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise InputError(f"{name}: text must be {encoding.upper()} throughout, got other bytes") from None


def _text_lines(stream: ByteStream, name: str) -> Iterator[str]:
    """Lines with their ends; bytes that are not UTF-8 stay in them, so that the strict reading refuses the item."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    pending = ""
    for chunk in _chunks(stream):
        *whole, pending = (pending + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield line + "\n"
        if len(pending) > MAX_LINE_BYTES:
            raise InputError(f"{name}: line must have at most {MAX_LINE_BYTES:,} characters, got more")
    pending += decoder.decode(b"", final=True)
    if pending:
        yield pending


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"


def _posts(stream: ByteStream, name: str, text: str) -> Iterator[bytes]:
    for line in _text_lines(stream, name):
        written = line.rstrip("\r\n")
        yield _line({text: written}) if written.strip() else b"\n"


def _rows(stream: ByteStream, name: str, head: bytes) -> Iterator[bytes]:
    first = next(iter(head.decode("utf-8", "replace").splitlines()), "")
    delimiter = "\t" if _suffix(name) in (".tsv", ".tab") else max(_DELIMITERS, key=first.count)
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    n_rows = 0
    try:
        reader = csv.reader(_text_lines(stream, name), delimiter=delimiter)
        names = [cell.strip() or f"column_{place}" for place, cell in enumerate(next(reader, []), start=1)]
        if len(set(names)) != len(names):
            raise InputError(f"{name}: columns must have names of their own, got one twice")
        for cells in reader:
            n_rows += 1
            if not cells:
                continue
            if len(cells) > len(names):
                # no object, so that the strict reading refuses the row and keeps it
                yield _line(cells)
                continue
            yield _line({column: _cell(column, cell) for column, cell in zip(names, cells, strict=False) if cell})
    except csv.Error:
        raise InputError(
            f"{name}: cells must end within {MAX_LINE_BYTES:,} characters, got a longer one in row {n_rows + 1}",
            hint="look for a quotation mark that is not closed",
        ) from None


_AS_WRITTEN: Final = frozenset({"id", "actor", "tenant", "at", "text"}) | frozenset(TEXT_NAMES)


def _cell(column: str, cell: str) -> Any:
    """A cell's value: numbers and truth values are such, but never in a text, a name or a time."""
    if column.lower() in _AS_WRITTEN:
        return cell
    if column == "signals" and cell.startswith("{"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    lowered = cell.lower()
    if lowered in _BOOLEANS:
        return _BOOLEANS[lowered]
    if _NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return cell


def _values(stream: ByteStream, name: str) -> Iterator[bytes]:
    """JSON values one after another, or the elements of an array, each on a line as it was written."""
    decoder = json.JSONDecoder()
    bytes_to_text = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    buffer, position, is_array, is_end, number = "", 0, False, False, 0

    def broken() -> InputError:
        return InputError(f"{name}: JSON must be whole, got a fault in value {number + 1}")

    while True:
        while position < len(buffer) and buffer[position] in (_BLANK + "," if is_array and number else _BLANK):
            position += 1
        mark = buffer[position : position + 1]
        if mark == "[" and not number and not is_array:
            is_array, position = True, position + 1
            continue
        if mark == "]" and is_array:
            return
        if mark:
            try:
                _, end = decoder.raw_decode(buffer, position)
            except RecursionError:
                raise broken() from None
            except ValueError:
                end = -1
            if end >= 0 and (end < len(buffer) or is_end):
                written = buffer[position:end].replace("\n", " ").replace("\r", " ")
                yield written.encode("utf-8", "surrogateescape") + b"\n"
                position, number = end, number + 1
                continue
            if len(buffer) - position > MAX_LINE_BYTES:
                raise broken()
        if is_end:
            if mark or is_array:
                raise broken()
            return
        chunk = stream.read(_CHUNK)
        is_end = not chunk
        buffer = buffer[position:] + bytes_to_text.decode(chunk, final=is_end)
        position = 0
