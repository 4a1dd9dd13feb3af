"""Compiled pieces of words: their hashes, and what the weights of a word and of its pieces add up to.

The rows of a new word are asked for when it is learned, and added up when its post is scored: by then they are here.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.buffers import add_rows, i4_at, i8_at, prefetch, u8_at
from tsclassify.features.compiled import jit, mix, offset_of
from tsclassify.features.state import (
    A_BEGINS,
    A_CODES,
    A_CONFIG,
    A_DUE,
    A_EXTRA,
    A_PADDED,
    A_PIECES,
    A_TOKENS,
    A_WEIGHTS,
    C_BITS,
    C_CHAR_MAX,
    C_CHAR_MIN,
    C_SKELETONS,
    C_WORD_MAX,
    DUE,
    DUE_ROWS,
    MOST_PIECES,
    N_DUE,
    N_DUE_ROWS,
    N_TABLES,
)

__all__ = ["put_down", "sum_up", "write_pieces"]

# Words of a token's row; from T_OWN on they are what is added for a word.
T_INFO: Final = 1
T_OWN: Final = 3
EXTRA_WORDS: Final = 5
"""Words for each further table of eight lanes: the word's own weights and the sums of its pieces."""

# Where in the info of a token its length and its number of pieces stand.
LENGTH_SHIFT: Final = 24
PIECES_SHIFT: Final = 40

_SEED_WORD = np.uint64(hashing.SEED_WORD)
_SEED_CHAR = np.uint64(hashing.SEED_CHAR)
_SEED_SKELETON = np.uint64(hashing.SEED_SKELETON)
_SPACE: Final = 32
_BLANK = np.uint64(_SPACE)


@jit
def write_pieces(token: int, state: Any, out: int) -> int:
    """Hashes of all pieces of a word with a blank on each side to the address `out`; returns their number."""
    pieces = u8_at(out)
    codes, config = i4_at(state[A_CODES]), i8_at(state[A_CONFIG])
    begin = i4_at(state[A_BEGINS])[token]
    length = i8_at(state[A_TOKENS])[8 * token + T_INFO] >> LENGTH_SHIFT & 255
    shortest, longest = config[C_CHAR_MIN], config[C_CHAR_MAX]
    count = 0
    padded = i4_at(state[A_PADDED])
    padded[0] = _SPACE
    padded[length + 1] = _SPACE
    for k in range(length):
        padded[1 + k] = codes[begin + k]
    for i in range(length + 3 - shortest if longest else 0):
        h = _SEED_CHAR
        for j in range(i, i + shortest - 1):
            h = mix(h, np.uint64(padded[j]))
        for j in range(i + shortest - 1, min(length + 2, i + longest)):
            h = mix(h, np.uint64(padded[j]))
            pieces[count] = h
            count += 1
    if config[C_SKELETONS]:
        h = _SEED_SKELETON
        last = _BLANK
        for j in range(length):
            code = np.uint64(codes[begin + j])
            is_vowel = code == 97 or code == 101 or code == 105 or code == 111 or code == 117
            # no branch: it would go either way
            taken = np.uint64(0) - np.uint64(code != last and (j == 0 or not is_vowel))
            h ^= (h ^ mix(h, code)) & taken
            last ^= (last ^ code) & taken
        for _ in range(config[C_SKELETONS]):
            pieces[count] = h
            count += 1
    return count


@jit
def put_down(token: int, info: int, key: Any, state: Any) -> None:
    """List the rows of a new word and its pieces in ``A_DUE``, and ask for them; ``sum_up`` adds them."""
    if state[N_DUE] == DUE or state[N_DUE_ROWS] > DUE_ROWS - MOST_PIECES:
        sum_up(state)
    config, hashes, weights = i8_at(state[A_CONFIG]), u8_at(state[A_PIECES]), state[A_WEIGHTS]
    shift, stride = np.uint64(64 - config[C_BITS]), 8 * state[N_TABLES]
    due, rows = i8_at(state[A_DUE] + 32 * state[N_DUE]), i4_at(state[A_DUE] + 32 * DUE)
    state[N_DUE] += 1
    own = offset_of(mix(_SEED_WORD, key), shift, stride)
    prefetch(weights + own)
    first = state[N_DUE_ROWS]
    count = 0
    if info >> PIECES_SHIFT:
        count = write_pieces(token, state, state[A_PIECES])
    for k in range(count):
        rows[first + k] = offset_of(hashes[k], shift, stride)
        prefetch(weights + rows[first + k])
    state[N_DUE_ROWS] = first + count
    due[0] = token
    due[1] = own
    due[2] = first
    due[3] = first + count


@jit
def sum_up(state: Any) -> None:
    """Remember of new words their own weights and the sums of their pieces, for each table of eight lanes."""
    tables, has_own = state[N_TABLES], i8_at(state[A_CONFIG])[C_WORD_MAX] > 0
    rows = state[A_DUE] + 32 * DUE
    for number in range(state[N_DUE]):
        due = i8_at(state[A_DUE] + 32 * number)
        for table in range(tables):
            weights = state[A_WEIGHTS] + 8 * table
            at = state[A_TOKENS] + 64 * due[0] + 8 * T_OWN
            if table:
                at = state[A_EXTRA] + 8 * EXTRA_WORDS * (due[0] * (tables - 1) + table - 1)
            kept = i8_at(at)
            kept[0] = i8_at(weights + due[1])[0] if has_own else 0
            for k in range(1, EXTRA_WORDS):
                kept[k] = 0
            add_rows(weights, rows, due[2], due[3], at + 8)
    state[N_DUE] = 0
    state[N_DUE_ROWS] = 0
