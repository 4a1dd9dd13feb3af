"""The strict reading of one JSONL line: the definition of what is accepted.

A line is accepted when it is one JSON object of RFC 8259 in UTF-8 and, beyond that grammar,

* no escape makes a lone surrogate, anywhere in the line (as I-JSON, RFC 7493, asks);
* no name occurs twice at the top level, nor inside ``signals``: which of two texts counts would depend on
  the reader, and a post could show one text to the scorer and another to people;
* it nests at most ``MAX_DEPTH`` deep and is at most ``max_line`` bytes long;
* the text field is a string; the id, actor, tenant and time are strings, numbers or null; signals are an
  object of true, false and null.

``NaN`` and ``Infinity`` are not JSON. A byte order mark is skipped at the start of a file and refused elsewhere.
The compiled scanner (`tsclassify.io.scan`) accepts a subset of these lines and hands every other line here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["MAX_DEPTH", "MAX_LINE_BYTES", "WHITESPACE", "Fields", "LineFault", "StrictItem", "parse_line"]

MAX_DEPTH: Final = 64
"""Deepest nesting accepted; the top-level object is depth 1."""

MAX_LINE_BYTES: Final = 8 << 20
"""Longest line accepted, in bytes without its line feed."""

WHITESPACE: Final = b" \t\r\n"

_BLANKS = re.compile(r"[ \t\r\n]*")
_BRACKETS = re.compile(rb"[\[{\]}]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_SCALAR_FIELDS = ("id", "actor", "tenant", "at")


class LineFault(ValueError):
    """Why a line is rejected.

    Parameters
    ----------
    reason
        A stable code, see docs/scaling.md.
    detail
        What was found where, in bytes from the start of the line; never a part of the line.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Fields:
    """Names under which an item's parts stand in the input.

    Attributes
    ----------
    text, id, actor, tenant, at, signals
        Field names in the input; a dotted one reaches into objects, unless a field has the dots in its name.
    result
        Field that the result is written to.
    meta
        Further fields that the policy asks for.
    """

    text: str = "text"
    id: str = "id"
    actor: str = "actor"
    tenant: str = "tenant"
    at: str = "at"
    signals: str = "signals"
    result: str = "tsclassify"
    meta: tuple[str, ...] = ()

    def nested(self) -> tuple[str, ...]:
        """Names with dots, which may stand for fields of an object; the result is always a field of its own."""
        return tuple(name for name in self.names() if "." in name and name != self.result)

    def names(self) -> tuple[str, ...]:
        """All names that a scanner looks for; the first is the text, the second the result, the third the id."""
        return (self.text, self.result, self.id, self.actor, self.tenant, self.at, self.signals, *self.meta)


@dataclass(frozen=True, slots=True)
class StrictItem:
    """One accepted line.

    Attributes
    ----------
    text
        The decoded text.
    values
        Every top-level name to its value; numbers stay as written, in ``Number``.
    spans
        Every top-level name in `Fields.names` to the (start, end) of its value in bytes of the line.
    close
        Offset of the object's closing brace in bytes.
    """

    text: str
    values: Mapping[str, Any]
    spans: Mapping[str, tuple[int, int]] = field(repr=False)
    close: int = 0


class Number(str):
    """A JSON number as written, so that no digit is lost."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """A nested object as its pairs, so that no repeated name is lost."""


def _no_constant(name: str) -> Any:
    raise LineFault("not_json", f"{name} is not a JSON number")


# The standard library's own scanner of a string: (text, offset after the quote, strict) to (value, offset).
_scan_string: Callable[[str, int, bool], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]

_decoder = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_no_constant, object_pairs_hook=_Object, strict=True
)


def _is_too_deep(line: bytes) -> bool:
    """True when the brackets outside strings nest too deep; linear, whatever the line holds."""
    depth = 0
    # Without escapes every other piece between quotes lies outside strings.
    outside = b" ".join(line.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    for found in _BRACKETS.finditer(outside):
        depth += 1 if found.group() in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _has_lone_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, list | tuple):
        return any(_has_lone_surrogate(part) for part in value)
    return False


def _members(text: str) -> tuple[dict[str, Any], dict[str, tuple[int, int]], int]:
    """Walk the top-level object of `text`; spans and the closing brace in code points."""
    position = _skip(text, 0)
    if text[position : position + 1] != "{":
        _decoder.decode(text)
        raise LineFault("not_object", "the line must be a JSON object")
    values: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    position = _skip(text, position + 1)
    if text[position : position + 1] == "}":
        return values, spans, position
    while True:
        if text[position : position + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, position)
        name, position = _scan_string(text, position + 1, True)
        position = _skip(text, position)
        if text[position : position + 1] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, position)
        start = _skip(text, position + 1)
        value, position = _decoder.raw_decode(text, start)
        if name in values:
            at = len(text[:start].encode("utf-8", "surrogatepass"))
            raise LineFault("duplicate_name", f"a top-level name occurs twice, at byte {at}")
        values[name] = value
        spans[name] = (start, position)
        position = _skip(text, position)
        mark = text[position : position + 1]
        if mark == "}":
            return values, spans, position
        if mark != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, position)
        position = _skip(text, position + 1)


def _within(text: str, name: str, span: tuple[int, int]) -> tuple[Any, tuple[int, int]] | None:
    """Value and span of a dotted name within the object at a span; None when there is none."""
    start, end = span
    if text[start] != "{":
        return None
    values, spans, _ = _members(text[start:end])
    first, mark, rest = name.partition(".")
    key = name if name in values else first
    if key not in values:
        return None
    place = (start + spans[key][0], start + spans[key][1])
    return (values[key], place) if key == name or not mark else _within(text, rest, place)


def _skip(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    return found.end() if found is not None else position


def _bytes_to(text: str, position: int) -> int:
    return len(text[:position].encode())


def _check_types(values: Mapping[str, Any], fields: Fields) -> None:
    text = values.get(fields.text)
    if text is None:
        raise LineFault("no_text", "the text field must be present, got none")
    if not isinstance(text, str) or isinstance(text, Number):
        raise LineFault("wrong_type", "the text field must be a string")
    for part in _SCALAR_FIELDS:
        value = values.get(getattr(fields, part))
        if value is not None and not isinstance(value, str):
            raise LineFault("wrong_type", f"the {part} field must be a string, a number or null")
    signals = values.get(fields.signals)
    if signals is None:
        return
    if not isinstance(signals, _Object) or any(value not in (None, True, False) for _, value in signals):
        raise LineFault("wrong_type", "the signals field must be an object of true, false and null")
    if len({name for name, _ in signals}) != len(signals):
        raise LineFault("duplicate_name", "a signal occurs twice")


def parse_line(line: bytes, fields: Fields, *, max_line: int = MAX_LINE_BYTES) -> StrictItem:
    """Read one line strictly.

    Parameters
    ----------
    line
        The line without its line feed.
    fields
        Names of the item's parts.
    max_line
        Longest line accepted, in bytes.

    Raises
    ------
    LineFault
        When the line is not accepted.
    """
    if len(line) > max_line:
        raise LineFault("too_long", "the line is longer than the limit")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LineFault("not_utf8", f"{error.reason} at byte {error.start}") from None
    if line.count(b"{") + line.count(b"[") > MAX_DEPTH and _is_too_deep(line):
        raise LineFault("too_deep", f"nesting must be at most {MAX_DEPTH} deep")
    try:
        values, spans, close = _members(text)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode())
        raise LineFault("not_json", f"{error.msg.lower()} at byte {at}") from None
    except StopIteration:
        raise LineFault("not_json", "expecting a value") from None
    except RecursionError:
        raise LineFault("too_deep", f"nesting must be at most {MAX_DEPTH} deep") from None
    for name in fields.nested():
        first, _, rest = name.partition(".")
        if name not in values and first in spans:
            found = _within(text, rest, spans[first])
            if found is not None:
                values[name], spans[name] = found
    if _skip(text, close + 1) != len(text):
        raise LineFault("not_json", f"extra data after the object at byte {len(text[: close + 1].encode())}")
    if _SURROGATE_ESCAPE.search(line) and _has_lone_surrogate([list(values), list(values.values())]):
        raise LineFault("lone_surrogate", "an escape must not make a lone surrogate")
    _check_types(values, fields)
    wanted = {name: spans[name] for name in fields.names() if name in spans}
    if not text.isascii():
        # Offsets of code points become offsets of bytes.
        wanted = {name: (_bytes_to(text, start), _bytes_to(text, end)) for name, (start, end) in wanted.items()}
        close = _bytes_to(text, close)
    return StrictItem(text=values[fields.text], values=values, spans=wanted, close=close)
