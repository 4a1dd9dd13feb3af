"""Passages of a post: blocks that are read one after the other, segments of about a sentence, windows of one or two.

The rule for segments is written once, on plain integers: the reference runs it as it stands, the kernel compiles it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_BYTES", "COMPILED", "block_ends", "cut_segments", "is_pair", "n_doublings"]

BLOCK_BYTES: Final = 16_384
"""A longer post is read in blocks of at most so many bytes, each by itself, so that memory stays bounded."""

LEAST_TOKENS: Final = 4
"""A sentence of fewer tokens goes to the segment beside it."""

MOST_TOKENS: Final = 24
"""A longer sentence is cut."""

PAIR_TOKENS: Final = 32
"""Two segments side by side are a window too when they have at most so many tokens, or a sentence was cut there."""

_STARTS: Final = 8
"""``tsclassify.text.rules.STARTS``; the compiled rule sees only its own module."""


def cut_segments(seq: Any, n: int, cuts: Any) -> int:
    """Cut n tokens, ``flags << 32`` each, into segments; returns how many: at least one, which may be empty.

    ``cuts`` receives ``end << 1 | is_cut`` of each, where `is_cut` says that the cut lies within a sentence.
    """
    count = 0
    begin = 0
    for k in range(1, n):
        size = k - begin
        starts = seq[k] >> 32 & _STARTS
        if size >= MOST_TOKENS or (starts and size >= LEAST_TOKENS):
            cuts[count] = k << 1 | (0 if starts else 1)
            count += 1
            begin = k
    if count and n - begin < LEAST_TOKENS:
        count -= 1
    cuts[count] = n << 1
    return count + 1


def is_pair(before: int, size: int, is_cut: int) -> bool:
    """Whether a segment of `before` tokens and the next one of `size` tokens are a window together."""
    return is_cut > 0 or before + size <= PAIR_TOKENS


def n_doublings(count: int) -> int:
    """How often 1 doubles within `count`: the whole part of its binary logarithm."""
    size = 0
    while count >> (size + 1):
        size += 1
    return size


COMPILED: Final = (cut_segments, is_pair, n_doublings)
"""The functions that the kernel compiles."""


def block_ends(data: NDArray[np.uint8], start: int, end: int) -> list[int]:
    """Where the blocks of the post ``data[start:end]``, UTF-8, end: behind a line, a sentence, a blank, or a letter.

    Of the second half of a block the last line end counts, else the last end of a sentence, else the last blank.
    """
    ends = []
    while end - start > BLOCK_BYTES:
        first = start + BLOCK_BYTES // 2
        half = data[first : start + BLOCK_BYTES]
        is_blank = (half <= 32) | (half == 127)
        is_line = (half == 10) | (half == 13)
        is_stop = (half == 46) | (half == 33) | (half == 63)
        is_close = is_blank.copy()
        is_close[0] = False
        is_close[1:] &= is_stop[:-1]
        for marks in (is_line, is_close, is_blank):
            places = np.flatnonzero(marks)
            if len(places):
                start = first + int(places[-1]) + 1
                break
        else:
            stop = start + BLOCK_BYTES
            while stop > first and data[stop] & 0xC0 == 0x80:
                stop -= 1
            start = stop if stop > first else start + BLOCK_BYTES
        ends.append(start)
    ends.append(end)
    return ends
