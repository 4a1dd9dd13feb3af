"""The compiled scanner: blocks of JSONL bytes to texts end to end, with the spans of the fields that matter.

One pass over the bytes checks the whole line against the grammar of `tsclassify.io.strict` and finds the wanted
top-level fields; a second touches only the text. A line that is anything but plainly acceptable (a fault, an
escaped name, a repeated name, more than ``MAX_NAMES`` names) is handed to the strict parser, whose answer counts.
Imported only where a block is scanned, since it imports numba.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.compiled import jit
from tsclassify.io.strict import MAX_DEPTH

__all__ = [
    "KIND_ABSENT",
    "KIND_ARRAY",
    "KIND_ESCAPED",
    "KIND_FALSE",
    "KIND_NULL",
    "KIND_NUMBER",
    "KIND_OBJECT",
    "KIND_STRING",
    "KIND_TRUE",
    "STOP_END",
    "STOP_LINE",
    "scan_lines",
]

MAX_NAMES: Final = 40
"""Top-level names that the scanner compares for repeats; lines with more go to the strict parser."""

KIND_ABSENT: Final = 0
KIND_STRING: Final = 1
KIND_ESCAPED: Final = 2
KIND_NUMBER: Final = 3
KIND_TRUE: Final = 4
KIND_FALSE: Final = 5
KIND_NULL: Final = 6
KIND_ARRAY: Final = 7
KIND_OBJECT: Final = 8

STOP_END: Final = 0
STOP_LINE: Final = 1

_QUOTE: Final = 34
_BACKSLASH: Final = 92
_NEWLINE: Final = 10

# 0: an ASCII byte that stands for itself in a string; 1: quote; 2: backslash; 3: control or not UTF-8; 4: lead byte.
_CLASS = np.zeros(256, dtype=np.uint8)
_CLASS[:0x20] = 3
_CLASS[0x80:] = 3
_CLASS[0xC2:0xF5] = 4
_CLASS[_QUOTE] = 1
_CLASS[_BACKSLASH] = 2


def _hex4(buf: Any, i: Any) -> Any:
    """Value of four hex digits from i, or -1; never reads past the line feed, which is no hex digit."""
    value = 0
    for k in range(4):
        c = buf[i + k]
        if 48 <= c <= 57:
            digit = c - 48
        elif 65 <= c <= 70:
            digit = c - 55
        elif 97 <= c <= 102:
            digit = c - 87
        else:
            return -1
        value = value * 16 + digit
    return value


_hex4 = jit(_hex4)


def _utf8_length(buf: Any, i: Any) -> Any:
    """Length of the well-formed UTF-8 sequence at lead byte i, or 0. Source: Unicode 15, table 3-7."""
    c = buf[i]
    d = buf[i + 1]
    if c < 0xE0:
        return 2 if 0x80 <= d <= 0xBF else 0
    low, high = 0x80, 0xBF
    if c == 0xE0:
        low = 0xA0
    elif c == 0xED:
        high = 0x9F
    elif c == 0xF0:
        low = 0x90
    elif c == 0xF4:
        high = 0x8F
    if not low <= d <= high:
        return 0
    # A line feed is no continuation byte, so reading stops before the block does.
    if not 0x80 <= buf[i + 2] <= 0xBF:
        return 0
    if c < 0xF0:
        return 3
    return 4 if 0x80 <= buf[i + 3] <= 0xBF else 0


_utf8_length = jit(_utf8_length)


def _string_end(buf: Any, i: Any) -> Any:
    """Scan a string from the byte after its opening quote.

    Returns the offset of the closing quote times two, plus one when the string holds an escape, or -1.
    """
    escaped = 0
    while True:
        kind = _CLASS[buf[i]]
        while kind == 0:
            i += 1
            kind = _CLASS[buf[i]]
        if kind == 1:
            return i * 2 + escaped
        if kind == 4:
            length = _utf8_length(buf, i)
            if length == 0:
                return -1
            i += length
        elif kind == 2:
            escaped = 1
            c = buf[i + 1]
            if c == 117:  # u
                unit = _hex4(buf, i + 2)
                if unit < 0:
                    return -1
                i += 6
                if 0xD800 <= unit <= 0xDFFF:
                    if unit >= 0xDC00 or buf[i] != _BACKSLASH or buf[i + 1] != 117:
                        return -1
                    unit = _hex4(buf, i + 2)
                    if not 0xDC00 <= unit <= 0xDFFF:
                        return -1
                    i += 6
            elif c == 34 or c == 92 or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116:
                i += 2
            else:
                return -1
        else:
            return -1


_string_end = jit(_string_end)


def _number_end(buf: Any, i: Any) -> Any:
    """Offset after the number that starts at i, or -1."""
    if buf[i] == 45:
        i += 1
    c = buf[i]
    if c == 48:
        i += 1
    elif 49 <= c <= 57:
        while 48 <= buf[i] <= 57:
            i += 1
    else:
        return -1
    if buf[i] == 46:
        i += 1
        if not 48 <= buf[i] <= 57:
            return -1
        while 48 <= buf[i] <= 57:
            i += 1
    if buf[i] == 101 or buf[i] == 69:
        i += 1
        if buf[i] == 43 or buf[i] == 45:
            i += 1
        if not 48 <= buf[i] <= 57:
            return -1
        while 48 <= buf[i] <= 57:
            i += 1
    return i


_number_end = jit(_number_end)


def decode_string(buf: Any, start: Any, end: Any, out: Any, position: Any) -> Any:
    """Write the UTF-8 of a checked string's inside ``buf[start:end]`` to `out`; return the position after it."""
    i = start
    while i < end:
        c = buf[i]
        if c != _BACKSLASH:
            out[position] = c
            position += 1
            i += 1
            continue
        c = buf[i + 1]
        i += 2
        if c != 117:
            if c == 98:
                c = 8
            elif c == 102:
                c = 12
            elif c == 110:
                c = 10
            elif c == 114:
                c = 13
            elif c == 116:
                c = 9
            out[position] = c
            position += 1
            continue
        unit = _hex4(buf, i)
        i += 4
        if unit < 0x80:
            out[position] = unit
            position += 1
        elif unit < 0x800:
            out[position] = 0xC0 | (unit >> 6)
            out[position + 1] = 0x80 | (unit & 0x3F)
            position += 2
        elif 0xD800 <= unit <= 0xDBFF:
            unit = 0x10000 + ((unit - 0xD800) << 10) + (_hex4(buf, i + 2) - 0xDC00)
            i += 6
            out[position] = 0xF0 | (unit >> 18)
            out[position + 1] = 0x80 | ((unit >> 12) & 0x3F)
            out[position + 2] = 0x80 | ((unit >> 6) & 0x3F)
            out[position + 3] = 0x80 | (unit & 0x3F)
            position += 4
        else:
            out[position] = 0xE0 | (unit >> 12)
            out[position + 1] = 0x80 | ((unit >> 6) & 0x3F)
            out[position + 2] = 0x80 | (unit & 0x3F)
            position += 3
    return position


decode_string = jit(decode_string)


def _is_literal(buf: Any, i: Any, a: Any, b: Any, c: Any) -> Any:
    return buf[i] == a and buf[i + 1] == b and buf[i + 2] == c


_is_literal = jit(_is_literal)


def _scan_object(  # noqa: C901 - one loop over the bytes, so that it stays one compiled function
    buf: Any, i: Any, names: Any, name_starts: Any, kinds: Any, spans: Any, key_starts: Any, key_ends: Any
) -> Any:
    """Check one object from its opening brace; return the offset of its closing brace, or -1.

    ``kinds`` and ``spans`` (one row of the block's arrays) receive the wanted top-level fields.
    """
    n_wanted = len(name_starts) - 1
    n_keys = 0
    depth = 1
    # Bit d-1 says that the container at depth d is an object; MAX_DEPTH is 64.
    stack = np.uint64(1)
    wanted = -1
    value_start = 0
    i += 1
    # 0: a value, 1: a name or the end, 2: a name, 3: a comma or the end, 4: a value or the end of an array
    state = 1
    while True:
        c = buf[i]
        while c == 32 or c == 9 or c == 13:
            i += 1
            c = buf[i]
        if state == 3:
            if c == 44:
                i += 1
                state = 2 if (stack >> np.uint64(depth - 1)) & np.uint64(1) else 0
                continue
            if c != 125 and c != 93:
                return -1
        if (c == 125 and (state == 1 or state == 3)) or (c == 93 and (state == 4 or state == 3)):
            is_object = (stack >> np.uint64(depth - 1)) & np.uint64(1)
            if (c == 125) != (is_object == 1):
                return -1
            if depth == 1:
                return i
            depth -= 1
            i += 1
            if depth == 1 and wanted >= 0:
                kinds[wanted] = KIND_OBJECT if c == 125 else KIND_ARRAY
                spans[wanted, 0] = value_start
                spans[wanted, 1] = i
            state = 3
            continue
        if state == 1 or state == 2:
            if c != _QUOTE:
                return -1
            found = _string_end(buf, i + 1)
            if found < 0:
                return -1
            end = found >> 1
            if depth == 1:
                if found & 1 or n_keys == MAX_NAMES:
                    return -1
                start = i + 1
                length = end - start
                for k in range(n_keys):
                    if key_ends[k] - key_starts[k] == length:
                        same = True
                        for m in range(length):
                            if buf[key_starts[k] + m] != buf[start + m]:
                                same = False
                                break
                        if same:
                            return -1
                key_starts[n_keys] = start
                key_ends[n_keys] = end
                n_keys += 1
                wanted = -1
                for w in range(n_wanted):
                    if name_starts[w + 1] - name_starts[w] == length:
                        same = True
                        for m in range(length):
                            if names[name_starts[w] + m] != buf[start + m]:
                                same = False
                                break
                        if same:
                            wanted = w
                            break
            i = end + 1
            while buf[i] == 32 or buf[i] == 9 or buf[i] == 13:
                i += 1
            if buf[i] != 58:
                return -1
            i += 1
            state = 0
            continue
        # A value.
        if depth == 1:
            value_start = i
        if c == 123 or c == 91:
            if depth == MAX_DEPTH:
                return -1
            depth += 1
            bit = np.uint64(1) << np.uint64(depth - 1)
            if c == 123:
                stack |= bit
                state = 1
            else:
                stack &= ~bit
                state = 4
            i += 1
            continue
        if c == _QUOTE:
            found = _string_end(buf, i + 1)
            if found < 0:
                return -1
            i = (found >> 1) + 1
            kind = KIND_ESCAPED if found & 1 else KIND_STRING
        elif c == 116 and _is_literal(buf, i + 1, 114, 117, 101):
            i += 4
            kind = KIND_TRUE
        elif c == 102 and buf[i + 1] == 97 and _is_literal(buf, i + 2, 108, 115, 101):
            i += 5
            kind = KIND_FALSE
        elif c == 110 and _is_literal(buf, i + 1, 117, 108, 108):
            i += 4
            kind = KIND_NULL
        else:
            i = _number_end(buf, i)
            if i < 0:
                return -1
            kind = KIND_NUMBER
        if depth == 1 and wanted >= 0:
            kinds[wanted] = kind
            spans[wanted, 0] = value_start
            spans[wanted, 1] = i
        state = 3


_scan_object = jit(_scan_object)


def scan_lines(  # noqa: C901 - as above
    buf: Any,
    position: Any,
    row: Any,
    max_line: Any,
    names: Any,
    name_starts: Any,
    lines: Any,
    kinds: Any,
    spans: Any,
    data: Any,
    offsets: Any,
    counts: Any,
) -> Any:
    """Scan lines from `position` until the end of the block or a line for the strict parser.

    Parameters
    ----------
    buf
        The block, uint8; its last byte is a line feed, which no value can hold, so no loop runs past it.
    position, row
        Where to start, and the next free row.
    max_line
        Longest line for the scanner.
    names, name_starts
        Wanted names end to end (`Fields.names`: the text first), and their offsets.
    lines
        int64 (n, 4) out: start of the line, closing brace, its line feed, line number within the block.
    kinds, spans
        uint8 (n, W) and int64 (n, W, 2) out: kind and span of each wanted value; ``KIND_ABSENT`` and -1 when missing.
    data, offsets
        uint8 out, and int64 (n + 1,) out: the texts.
    counts
        int64 (2,) in and out: lines seen, blank lines.

    Returns
    -------
    tuple
        (stop, position, line end, row): ``STOP_LINE`` with the line's ends when the strict parser has to look.
    """
    n = len(buf)
    key_starts = np.empty(MAX_NAMES, np.int64)
    key_ends = np.empty(MAX_NAMES, np.int64)
    while position < n:
        i = position
        while buf[i] == 32 or buf[i] == 9 or buf[i] == 13:
            i += 1
        if buf[i] == _NEWLINE:
            counts[0] += 1
            counts[1] += 1
            position = i + 1
            continue
        close = -1
        if buf[i] == 123:
            kinds[row, :] = KIND_ABSENT
            spans[row, :, :] = -1
            close = _scan_object(buf, i, names, name_starts, kinds[row], spans[row], key_starts, key_ends)
        end = max(close, i)
        if close >= 0:
            end += 1
            while buf[end] == 32 or buf[end] == 9 or buf[end] == 13:
                end += 1
            kind = kinds[row, 0]
            if buf[end] != _NEWLINE or end - position > max_line or (kind != KIND_STRING and kind != KIND_ESCAPED):
                close = -1
        if close >= 0:
            # Id, actor, tenant and time: a string, a number or null; signals: left to the strict parser.
            for w in range(2, 6):
                kind = kinds[row, w]
                if kind >= KIND_TRUE and kind != KIND_NULL:
                    close = -1
            if kinds[row, 6] != KIND_ABSENT:
                close = -1
        if close < 0:
            while buf[end] != _NEWLINE:
                end += 1
            return STOP_LINE, position, end, row
        start = spans[row, 0, 0] + 1
        stop = spans[row, 0, 1] - 1
        write = offsets[row]
        if kinds[row, 0] == KIND_STRING:
            data[write : write + stop - start] = buf[start:stop]
            offsets[row + 1] = write + stop - start
        else:
            offsets[row + 1] = decode_string(buf, start, stop, data, write)
        lines[row, 0] = position
        lines[row, 1] = close
        lines[row, 2] = end
        lines[row, 3] = counts[0]
        counts[0] += 1
        row += 1
        position = end + 1
    return STOP_END, position, position, row


scan_lines = jit(scan_lines)
