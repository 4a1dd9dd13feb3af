"""Compiled scanner: UTF-8 bytes of one post to a sequence of interned tokens.

A *stretch* is a run of bytes without ASCII blanks or controls, cut at ``MAX_STRETCH`` bytes. The tokens of a stretch
depend on nothing around it, so a memo keyed by its bytes skips decoding, normalization and lexing for stretches of up
to 24 bytes that were seen before. All stretches within reach are found first, and their rows asked for, so that those
have come from memory by the time they are read.
"""

from __future__ import annotations

from typing import Any, Final

from tsclassify.features.buffers import call_at, i1_at, i4_at, i8_at, prefetch
from tsclassify.features.compiled import jit
from tsclassify.features.learn import ALL_NEW, SETTLE
from tsclassify.features.memo import IS_SINGLE
from tsclassify.features.reach import find_stretches, look_up
from tsclassify.features.state import (
    A_LEARN,
    A_REACHES,
    A_REFS,
    A_SELF,
    A_SEQ,
    A_SPARE,
    A_TOKENS,
    N_LIFE,
    R_EDGES,
    R_FOUND,
    R_LIFE,
    R_LINES,
    R_N,
    R_NEW,
    R_SIZE,
    R_TEXT,
)
from tsclassify.features.stretches import (
    COUNT_MASK,
    COUNT_SHIFT,
    FLAGS_MASK,
    FLAGS_SHIFT,
    GAP_SHIFT,
    REF_MASK,
    S_META,
    SHORT,
    make_room,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_TOKENS

__all__ = ["PADDING", "scan_post", "scan_whole"]

PADDING: Final = 96
"""Bytes after a post that may be read, whatever they hold."""

_GAPS: Final = rules.GAP_ONE | rules.GAP_WIDE


@jit
def has_line(lo: int, hi: int, reach: int) -> Any:
    """Flags of the start of a sentence and of a line when a line ends among these blanks."""
    head = i8_at(reach)
    if not head[R_LINES]:
        return 0
    data = i1_at(head[R_TEXT])
    for pos in range(lo, hi):
        if data[pos] == 10 or data[pos] == 13:
            return rules.STARTS | rules.LINE
    return 0


@jit
def refs_of(row: int, state: Any) -> Any:
    """Address of the tokens of a stretch with their flags."""
    meta = i8_at(row)[S_META]
    if meta >> COUNT_SHIFT & COUNT_MASK > 1:
        return state[A_REFS] + 8 * (meta & 0xFFFFFFFF)
    return row + 8 * S_META


@jit
def look_out(text: int, size: int, reach: int, state: Any) -> None:
    """Find and look up the next stretches at once."""
    find_stretches(text, size, reach, state)
    look_up(reach, state)


@jit
def scan_post(reach: int, state: Any) -> Any:
    """Tokens of one post into ``A_SEQ``, each token | flags << 32; returns their number.

    The first stretches of the post were looked up before.
    """
    make_room(state)
    head, found, edges = i8_at(reach), i8_at(reach + R_FOUND), i4_at(reach + R_EDGES)
    seq, tokens = i8_at(state[A_SEQ]), state[A_TOKENS]
    if head[R_LIFE] != state[N_LIFE]:
        look_out(head[R_TEXT], head[R_SIZE], reach, state)
    size = head[R_SIZE]
    n = 0
    gap = 0
    starts = rules.STARTS | rules.LINE
    run = 0
    has_run = False
    seen = 0
    while size > 0 and n < MAX_TOKENS:
        if head[R_NEW]:
            call_at(state[A_LEARN], state[A_SELF], reach, 0, 0, ALL_NEW)
        length = 0
        for number in range(head[R_N]):
            begin = edges[2 * number + 1]
            length = edges[2 * number + 2] - begin
            gap += begin - edges[2 * number]
            starts |= has_line(edges[2 * number], begin, reach)
            row = found[number]
            if length > SHORT or not row:
                end = size if length > SHORT else begin + length
                row = call_at(state[A_LEARN], state[A_SELF], head[R_TEXT], begin, end, length > SHORT)
            meta = i8_at(row)[S_META]
            refs = i8_at(refs_of(row, state))
            count = min(meta >> COUNT_SHIFT & COUNT_MASK, MAX_TOKENS - n)
            for k in range(count):
                ref = refs[k] & REF_MASK
                seen |= ref
                prefetch(tokens + 64 * (ref & 0xFFFFFFFF))
                flags = ref >> 32
                if k == 0 and flags & (IS_SINGLE | rules.ODD):
                    gap += 1 if flags & rules.GAP_ONE else 2 if flags & rules.GAP_WIDE else 0
                    flags = (flags & ~_GAPS) | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                    ref = ref & 0xFFFFFFFF | flags << 32
                if flags & IS_SINGLE:
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
            starts |= meta >> FLAGS_SHIFT & FLAGS_MASK
        passed = i8_at(state[A_SPARE])[S_META + 1]
        if length <= SHORT:
            # blanks at the end of this reach, before those or the stretch of the next one
            last, passed = edges[2 * head[R_N]], edges[2 * head[R_N] + 1]
            gap += passed - last
            starts |= has_line(last, passed, reach)
        size -= passed
        if size > 0:
            look_out(head[R_TEXT] + passed, size, reach, state)
    if has_run or seen >> 32 & rules.ODD:
        n = call_at(state[A_LEARN], state[A_SELF], n, 0, 0, SETTLE)
    return n


@jit
def scan_whole(text: int, size: int, state: Any) -> Any:
    """What ``scan_post`` does, for a post that was not looked up."""
    reach = state[A_REACHES]
    look_out(text, size, reach, state)
    return scan_post(reach, state)
