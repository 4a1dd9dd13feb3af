"""Compiled memo of stretches: a hash table from their bytes to what they were read as.

A row has 32 bytes: those of the stretch, and one word that says what it is. Two rows lie in a cache line and are
compared at once; a stretch stands in the first line from its own on that had room. Stretches are compared in full.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features.buffers import i8_at, load_word, matching_row, u8_at
from tsclassify.features.compiled import jit, mix
from tsclassify.features.state import (
    A_KEPT,
    A_SEEDS,
    A_SLOTS,
    A_STRETCHES,
    A_TABLE,
    CODE_ROOM,
    FIRST_LINES,
    GROWTH,
    MAX_LINES,
    MAX_STRETCHES,
    N_CODES_USED,
    N_KNOWN,
    N_LIFE,
    N_LINES,
    N_REFS_USED,
    N_STRETCHES,
    REF_ROOM,
    S_STRETCH,
    SEEDS,
    TOKEN_SLOTS,
    TOKENS,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_TOKENS

__all__ = ["hash_at", "make_room", "new_row", "row_of"]

SHORT: Final = 24
"""Most bytes of a stretch that is remembered."""

PROBES: Final = 32
"""Lines that are tried; a stretch that finds no room in them is read anew each time."""

# What a stretch is, the word after its bytes: a token with its flags, or of several tokens where in A_REFS they begin;
# then signs after the last token, up to two, flags for the next stretch, and the number of tokens.
S_META: Final = 3
GAP_SHIFT: Final = 43
FLAGS_SHIFT: Final = 45
FLAGS_MASK: Final = 63
COUNT_SHIFT: Final = 51
COUNT_MASK: Final = 0x1FFF
REF_MASK: Final = (1 << GAP_SHIFT) - 1

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


@jit
def hash_of(key_0: Any, key_1: Any, key_2: Any, seeds: Any) -> Any:
    """Seeded hash of the bytes of a stretch, of 24 bits.

    Source: the multilinear family of Lemire and Kaser (Strongly universal string hashing is fast, 2014): whoever does
    not know the seeds cannot make two stretches collide more often than chance does.
    """
    h = (key_0 & _LOW) * seeds[S_STRETCH] + (key_0 >> _HALF) * seeds[S_STRETCH + 1]
    h += (key_1 & _LOW) * seeds[S_STRETCH + 2] + (key_1 >> _HALF) * seeds[S_STRETCH + 3]
    h += (key_2 & _LOW) * seeds[S_STRETCH + 4] + (key_2 >> _HALF) * seeds[S_STRETCH + 5]
    return np.int64(h >> np.uint64(40))


@jit
def hash_at(text: int, length: int, kept: Any, seeds: Any) -> Any:
    """Hash of a stretch of up to ``SHORT`` bytes where it stands."""
    return hash_of(
        load_word(text) & kept[4 * length],
        load_word(text + 8) & kept[4 * length + 1],
        load_word(text + 16) & kept[4 * length + 2],
        seeds,
    )


@jit
def row_of(h: int, text: int, length: int, state: Any) -> Any:
    """Address of the row of a stretch, or 0 when it is new."""
    table, last_line = state[A_TABLE], state[N_LINES] - 1
    for probe in range(PROBES):
        line = table + 64 * (h + probe & last_line)
        row = matching_row(line, text, state[A_KEPT] + 32 * length)
        if row:
            return row
        if not u8_at(line)[4]:
            break
    return np.int64(0)


@jit
def free_row(h: int, table: int, lines: int) -> Any:
    """Address of a free row for a stretch with this hash, or 0; the first row of a line is filled first."""
    for probe in range(PROBES):
        line = table + 64 * (h + probe & lines - 1)
        if not u8_at(line)[0]:
            return line
        if not u8_at(line)[4]:
            return line + 32
    return np.int64(0)


@jit
def grow(state: Any) -> None:
    """Move all stretches to a larger table, which lies behind the one in use."""
    old, lines = state[A_TABLE], state[N_LINES]
    new, more = old + 64 * lines, GROWTH * lines
    rows, seeds = i8_at(new), u8_at(state[A_SEEDS])
    for word in range(8 * more):
        rows[word] = 0
    for number in range(2 * lines):
        source = u8_at(old + 32 * number)
        if source[0]:
            at = free_row(hash_of(source[0], source[1], source[2], seeds), new, more)
            if at:
                for word in range(4):
                    u8_at(at)[word] = source[word]
    state[A_TABLE] = new
    state[N_LINES] = more


@jit
def new_row(h: int, text: int, length: int, state: Any) -> Any:
    """Address of a row for a new stretch, which receives its bytes, or 0 where there is no room."""
    if state[N_STRETCHES] >= MAX_STRETCHES:
        return np.int64(0)
    if 3 * state[N_STRETCHES] >= 4 * state[N_LINES] and state[N_LINES] < MAX_LINES:
        grow(state)
    kept = u8_at(state[A_KEPT])
    at = free_row(h, state[A_TABLE], state[N_LINES])
    if at:
        state[N_STRETCHES] += 1
        for word in range(3):
            u8_at(at)[word] = load_word(text + 8 * word) & kept[4 * length + word]
    return at


@jit
def make_room(state: Any) -> None:
    """Forget everything when the next post might not fit: one interns at most 62,000 tokens. Seeds are new then."""
    if (
        state[N_KNOWN] > TOKENS - 2 * MAX_TOKENS
        or state[N_CODES_USED] > CODE_ROOM - 64_000 * rules.MAX_WORD
        or state[N_STRETCHES] > MAX_STRETCHES * 7 // 8
        or state[N_REFS_USED] > REF_ROOM * 7 // 8
    ):
        for counter in (N_KNOWN, N_CODES_USED, N_STRETCHES, N_REFS_USED):
            state[counter] = 0
        state[N_LIFE] += 1
        state[N_LINES] = FIRST_LINES
        state[A_TABLE] = state[A_STRETCHES]
        slots, stretches, seeds = i8_at(state[A_SLOTS]), i8_at(state[A_STRETCHES]), u8_at(state[A_SEEDS])
        for place in range(SEEDS):
            seeds[place] = mix(seeds[place], _ONE)
        for slot in range(TOKEN_SLOTS):
            slots[slot] = 0
        for word in range(8 * FIRST_LINES):
            stretches[word] = 0
