"""Compiled scanner: UTF-8 bytes of one post to a sequence of interned tokens.

A *stretch* is a run of bytes without ASCII blanks or controls, cut at ``MAX_STRETCH`` bytes. The tokens of a stretch
depend on nothing around it, so a memo keyed by its bytes skips decoding, normalization and lexing for stretches of up
to 24 bytes that were seen before. Some dozens of stretches are found first, and their rows asked for, so that those
have come from memory by the time they are read.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features.buffers import call_at, i8_at, low_zeros, marks_at, matching_row, prefetch, u8_at
from tsclassify.features.compiled import jit
from tsclassify.features.learn import IS_LONG, JOIN
from tsclassify.features.memo import IS_SINGLE
from tsclassify.features.state import (
    A_BATCH,
    A_KEPT,
    A_LEARN,
    A_REFS,
    A_SELF,
    A_SEQ,
    A_SPARE,
    A_TABLE,
    A_TOKENS,
    BATCH,
    N_LINES,
    P_NEXT,
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

# Words of a stretch in the batch: its hash, where it begins, its length, blanks before it, flags they give it.
B_HASH: Final = 0
B_POS: Final = 1
B_LENGTH: Final = 2
B_GAP: Final = 3
B_STARTS: Final = 4
_B_WORDS: Final = 8

_GAPS: Final = rules.GAP_ONE | rules.GAP_WIDE
_WINDOW: Final = 39
"""Bytes into a window of 64 after which a stretch of ``SHORT`` bytes and its end might no longer lie in it."""

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@jit
def find_stretches(text: int, pos: int, hi: int, state: Any) -> Any:
    """List the next stretches in ``A_BATCH`` and ask for their rows; returns their number.

    ``P_NEXT`` receives where to go on. A long stretch is the last of its batch, since where it ends is not known.
    """
    batch, kept = i8_at(state[A_BATCH]), u8_at(state[A_KEPT])
    table, last_line = state[A_TABLE], state[N_LINES] - 1
    n = 0
    gap = 0
    starts = 0
    window = pos - 64
    blanks = np.uint64(0)
    lines = np.uint64(0)
    while pos < hi and n < BATCH:
        at = pos - window
        if at > _WINDOW:
            window = pos
            at = 0
            blanks, lines = marks_at(text + pos)
            if hi - pos < 64:
                # what follows the post is blank
                blanks |= _ALL << np.uint64(hi - pos)
        ahead = blanks >> np.uint64(at)
        if ahead & ~(ahead + _ONE) & (lines >> np.uint64(at)):
            starts = rules.STARTS
        skip = low_zeros(~ahead)
        gap += skip
        pos += skip
        at += skip
        if at > _WINDOW:
            continue
        length = low_zeros(blanks >> np.uint64(at))
        row = _B_WORDS * n
        batch[row + B_POS] = pos
        batch[row + B_LENGTH] = length
        batch[row + B_GAP] = gap
        batch[row + B_STARTS] = starts
        n += 1
        if length > SHORT:
            break
        h = hash_at(text + pos, length, kept)
        prefetch(table + 64 * (h & last_line))
        batch[row + B_HASH] = h
        pos += length
        gap = 0
        starts = 0
    state[P_NEXT] = pos
    return n


@jit
def row_of(number: int, text: int, hi: int, state: Any) -> Any:
    """Address of the row of a stretch in the batch, which is learned when it is new."""
    stretch = i8_at(state[A_BATCH] + 8 * _B_WORDS * number)
    pos, length = stretch[B_POS], stretch[B_LENGTH]
    if length > SHORT:
        row = call_at(state[A_LEARN], state[A_SELF], text, pos, hi, IS_LONG)
        state[P_NEXT] = i8_at(state[A_SPARE])[S_META + 1]
        return row
    h, table, last_line = stretch[B_HASH], state[A_TABLE], state[N_LINES] - 1
    for probe in range(PROBES):
        line = table + 64 * (h + probe & last_line)
        row = matching_row(line, text + pos, state[A_KEPT] + 32 * length)
        if row:
            return row
        if not u8_at(line)[4]:
            break
    return call_at(state[A_LEARN], state[A_SELF], text, pos, pos + length, 0)


@jit
def scan_post(text: int, lo: int, hi: int, state: Any) -> Any:
    """Tokens of one post into ``A_SEQ``, each token | flags << 32; returns their number."""
    make_room(state)
    seq, batch, tokens = i8_at(state[A_SEQ]), i8_at(state[A_BATCH]), state[A_TOKENS]
    n = 0
    gap = 0
    starts = rules.STARTS
    run = 0
    has_run = False
    state[P_NEXT] = lo
    while state[P_NEXT] < hi and n < MAX_TOKENS:
        for number in range(find_stretches(text, state[P_NEXT], hi, state)):
            gap += batch[_B_WORDS * number + B_GAP]
            starts |= batch[_B_WORDS * number + B_STARTS]
            row = row_of(number, text, hi, state)
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
    if has_run:
        n = call_at(state[A_LEARN], state[A_SELF], n, 0, 0, JOIN)
    return n
