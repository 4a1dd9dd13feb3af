"""Compiled scanner: UTF-8 bytes of one post to a sequence of interned tokens.

A *stretch* is a run of bytes without ASCII blanks or controls, cut at ``MAX_STRETCH`` bytes. The tokens of a stretch
depend on nothing around it, so a memo keyed by its bytes skips decoding, normalization and lexing for stretches of up
to 24 bytes that were seen before. All stretches within reach are found first, and their rows asked for, so that those
have come from memory by the time they are read.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features.buffers import (
    call_at,
    i1_at,
    i4_at,
    i8_at,
    low_zeros,
    marks_at,
    matching_row,
    n_ones,
    prefetch,
    u8_at,
)
from tsclassify.features.compiled import jit
from tsclassify.features.learn import IS_LONG, JOIN
from tsclassify.features.memo import IS_SINGLE
from tsclassify.features.state import (
    A_EDGES,
    A_HASHES,
    A_KEPT,
    A_LEARN,
    A_REFS,
    A_SELF,
    A_SEQ,
    A_SPARE,
    A_TABLE,
    A_TOKENS,
    N_LINES,
    P_LINES,
    REACH,
)
from tsclassify.features.stretches import (
    COUNT_MASK,
    COUNT_SHIFT,
    FLAGS_SHIFT,
    GAP_SHIFT,
    PROBES,
    REF_MASK,
    S_META,
    SHORT,
    hash_at,
    make_room,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_TOKENS

__all__ = ["PADDING", "scan_post"]

PADDING: Final = 96
"""Bytes after a post that may be read, whatever they hold."""

_GAPS: Final = rules.GAP_ONE | rules.GAP_WIDE
_AT_ONCE: Final = 16
"""Edges that are written whether there are as many or not; most blocks of 64 bytes have 17 to 32."""

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@jit
def find_edges(text: int, pos: int, hi: int, state: Any) -> Any:
    """List in ``A_EDGES`` where stretches begin and end by turns, within the next ``REACH`` bytes; returns how many.

    They are counted from `pos`, which is the first one: as if a stretch had ended there. ``P_LINES`` says whether a
    line may end somewhere.
    """
    edges = i4_at(state[A_EDGES])
    edges[0] = 0
    n = 1
    end = min(hi - pos, REACH)
    before = _ONE
    all_lines = np.uint64(0)
    for block in range(0, end, 64):
        prefetch(text + pos + block + REACH)
        blanks, lines = marks_at(text + pos + block)
        if end - block < 64:
            # what follows the post is blank
            blanks |= _ALL << np.uint64(end - block)
        all_lines |= lines
        bits = blanks ^ (blanks << _ONE | before)
        before = blanks >> np.uint64(63)
        count = n_ones(bits)
        for first in range(n, n + count, _AT_ONCE):
            for k in range(_AT_ONCE):
                edges[first + k] = block + low_zeros(bits)
                bits &= bits - _ONE
        n += count
    # a stretch goes on: to the end of the post, or so far that it is a long one
    if not n & 1 and (end == hi - pos or end - edges[n - 1] > SHORT):
        edges[n] = end
        n += 1
    # the end of the blanks after the last stretch
    edges[n] = end
    state[P_LINES] = all_lines > np.uint64(0)
    return n


@jit
def find_stretches(text: int, pos: int, hi: int, state: Any) -> Any:
    """Find the next stretches, up to a long one, and ask for the rows of the others; returns their number.

    Number k lies between the edges 2k + 1 and 2k + 2, and its hash is in ``A_HASHES``.
    """
    n = find_edges(text, pos, hi, state) - 1 >> 1
    edges, hashes, kept = i4_at(state[A_EDGES]), i4_at(state[A_HASHES]), u8_at(state[A_KEPT])
    table, last_line = state[A_TABLE], state[N_LINES] - 1
    for number in range(n):
        begin = edges[2 * number + 1]
        length = edges[2 * number + 2] - begin
        if length > SHORT:
            return number + 1
        h = hash_at(text + pos + begin, length, kept)
        prefetch(table + 64 * (h & last_line))
        hashes[number] = h
    return n


@jit
def has_line(text: int, lo: int, hi: int) -> Any:
    """Flag of the start of a sentence when a line ends among these blanks."""
    data = i1_at(text)
    for pos in range(lo, hi):
        if data[pos] == 10 or data[pos] == 13:
            return rules.STARTS
    return 0


@jit
def row_of(h: int, text: int, length: int, state: Any) -> Any:
    """Address of the row of a stretch, which is learned when it is new."""
    table, last_line = state[A_TABLE], state[N_LINES] - 1
    for probe in range(PROBES):
        line = table + 64 * (h + probe & last_line)
        row = matching_row(line, text, state[A_KEPT] + 32 * length)
        if row:
            return row
        if not u8_at(line)[4]:
            break
    return call_at(state[A_LEARN], state[A_SELF], text, 0, length, 0)


@jit
def scan_post(text: int, lo: int, hi: int, state: Any) -> Any:
    """Tokens of one post into ``A_SEQ``, each token | flags << 32; returns their number."""
    make_room(state)
    seq, tokens = i8_at(state[A_SEQ]), state[A_TOKENS]
    edges, hashes = i4_at(state[A_EDGES]), i4_at(state[A_HASHES])
    n = 0
    gap = 0
    starts = rules.STARTS
    run = 0
    has_run = False
    pos = lo
    while pos < hi and n < MAX_TOKENS:
        n_stretches = find_stretches(text, pos, hi, state)
        for number in range(n_stretches):
            begin = edges[2 * number + 1]
            length = edges[2 * number + 2] - begin
            gap += begin - edges[2 * number]
            if state[P_LINES]:
                starts |= has_line(text, pos + edges[2 * number], pos + begin)
            if length > SHORT:
                row = call_at(state[A_LEARN], state[A_SELF], text, pos + begin, hi, IS_LONG)
            else:
                row = row_of(hashes[number], text + pos + begin, length, state)
            meta = i8_at(row)[S_META]
            count = meta >> COUNT_SHIFT & COUNT_MASK
            refs = i8_at(row + 8 * S_META)
            if count > 1:
                refs = i8_at(state[A_REFS] + 8 * (meta & 0xFFFFFFFF))
            count = min(count, MAX_TOKENS - n)
            for k in range(count):
                ref = refs[k] & REF_MASK
                prefetch(tokens + 64 * (ref & 0xFFFFFFFF))
                if ref >> 32 & IS_SINGLE:
                    flags = ref >> 32
                    if k == 0:
                        gap += 1 if flags & rules.GAP_ONE else 2 if flags & rules.GAP_WIDE else 0
                        flags = (flags & ~_GAPS) | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                        ref = ref & 0xFFFFFFFF | flags << 32
                    run = run + 1 if flags & _GAPS == rules.GAP_ONE else 1
                    has_run = has_run or run >= 3
                else:
                    run = 0
                if k == 0:
                    ref |= starts << 32
                seq[n] = ref
                n += 1
            if count:
                gap = 0
                starts = 0
            gap += meta >> GAP_SHIFT & 3
            starts |= meta >> FLAGS_SHIFT & 255
        after = 2 * n_stretches
        if n_stretches and edges[after] - edges[after - 1] > SHORT:
            pos = i8_at(state[A_SPARE])[S_META + 1]
        else:
            # blanks at the end of this reach, before those or the stretch of the next one
            gap += edges[after + 1] - edges[after]
            if state[P_LINES]:
                starts |= has_line(text, pos + edges[after], pos + edges[after + 1])
            pos += edges[after + 1]
    if has_run:
        n = call_at(state[A_LEARN], state[A_SELF], n, 0, 0, JOIN)
    return n
