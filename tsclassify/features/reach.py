"""Compiled look-out: where the stretches of the next bytes lie, and what is remembered of them.

It runs ahead of the scanner, in steps that each ask for the memory that the next one reads.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features.buffers import call_at, i4_at, i8_at, low_zeros, marks_at, n_ones, prefetch, u8_at
from tsclassify.features.compiled import jit
from tsclassify.features.learn import READ
from tsclassify.features.state import (
    A_KEPT,
    A_LEARN,
    A_REFS,
    A_SEEDS,
    A_SELF,
    A_TABLE,
    A_TOKENS,
    N_LIFE,
    N_LINES,
    R_EDGES,
    R_FOUND,
    R_LIFE,
    R_LINES,
    R_N,
    R_NEW,
    R_NUMBERS,
    R_SIZE,
    R_TEXT,
    REACH,
)
from tsclassify.features.stretches import COUNT_MASK, COUNT_SHIFT, S_META, SHORT, hash_at, row_of

__all__ = ["find_stretches", "look_up"]

_AT_ONCE: Final = 16
"""Edges that are written whether there are as many or not; most blocks of 64 bytes have 17 to 32."""

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@jit
def find_edges(text: int, size: int, reach: int) -> Any:
    """List where stretches begin and end by turns, within the next ``REACH`` of `size` bytes; returns how many.

    The first one is 0: as if a stretch had ended there. ``R_LINES`` says whether a line may end somewhere.
    """
    edges = i4_at(reach + R_EDGES)
    edges[0] = 0
    n = 1
    end = min(size, REACH)
    before = _ONE
    all_lines = np.uint64(0)
    for block in range(0, end, 64):
        prefetch(text + block + REACH)
        blanks, lines = marks_at(text + block)
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
    if not n & 1 and (end == size or end - edges[n - 1] > SHORT):
        edges[n] = end
        n += 1
    # the end of the blanks after the last stretch
    edges[n] = end
    i8_at(reach)[R_LINES] = all_lines > np.uint64(0)
    return n


@jit
def find_stretches(text: int, size: int, reach: int, state: Any) -> None:
    """Find the next stretches, up to a long one, and ask for the rows of the others.

    Number k lies between the edges 2k + 1 and 2k + 2.
    """
    head, edges, found, kept = i8_at(reach), i4_at(reach + R_EDGES), i8_at(reach + R_FOUND), u8_at(state[A_KEPT])
    head[R_TEXT] = text
    head[R_SIZE] = size
    n = find_edges(text, size, reach) - 1 >> 1
    table, last_line, seeds = state[A_TABLE], state[N_LINES] - 1, u8_at(state[A_SEEDS])
    head[R_N] = n
    for number in range(n):
        begin = edges[2 * number + 1]
        length = edges[2 * number + 2] - begin
        if length > SHORT:
            head[R_N] = number + 1
            break
        h = hash_at(text + begin, length, kept, seeds)
        prefetch(table + 64 * (h & last_line))
        found[number] = h


@jit
def look_up(reach: int, state: Any) -> None:
    """Put the addresses of their rows in place of the hashes of stretches that are known, and list the others."""
    head, edges, found, new = i8_at(reach), i4_at(reach + R_EDGES), i8_at(reach + R_FOUND), i4_at(reach + R_NUMBERS)
    text, n = head[R_TEXT], head[R_N]
    tokens, refs = state[A_TOKENS], state[A_REFS]
    if n and edges[2 * n] - edges[2 * n - 1] > SHORT:
        n -= 1
    n_new = 0
    for number in range(n):
        begin = edges[2 * number + 1]
        row = row_of(found[number], text + begin, edges[2 * number + 2] - begin, state)
        new[n_new] = number
        n_new += row == 0
        if row:
            found[number] = row
            meta = i8_at(row)[S_META]
            at = meta & 0xFFFFFFFF
            prefetch(tokens + 64 * at if meta >> COUNT_SHIFT & COUNT_MASK == 1 else refs + 8 * at)
    head[R_NEW] = n_new
    head[R_LIFE] = state[N_LIFE]
    if n_new:
        call_at(state[A_LEARN], state[A_SELF], reach, 0, 0, READ)
