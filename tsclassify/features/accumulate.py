"""Compiled scoring: sums of int8 weight rows in vectors of eight 32-bit lanes, never a matrix.

Sums are exact integers, so no order of rows, posts or threads can change a score.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from tsclassify.features.buffers import add_rows, add_words, address_of, call_at, f8_at, finish, i8_at
from tsclassify.features.build import build_features
from tsclassify.features.compiled import callback, entry, fingerprint, jit
from tsclassify.features.learn import ADD, ASK, learn
from tsclassify.features.pieces import EXTRA_WORDS, T_OWN
from tsclassify.features.reach import find_stretches, look_up
from tsclassify.features.scan import scan_post
from tsclassify.features.state import (
    A_CONFIG,
    A_EXTRA,
    A_LANES,
    A_LEARN,
    A_NORMS,
    A_REACHES,
    A_ROWS,
    A_SELF,
    A_SUMS,
    A_TOKENS,
    A_WEIGHTS,
    A_WORDS,
    C_WORD_MAX,
    N_DUE,
    N_REACHES,
    N_TABLES,
    P_BACK_END,
    P_PIECES,
    P_POST_END,
    P_WORD_END,
    P_WORDS,
    R_NEW,
    REACH_BYTES,
)

__all__ = ["make_entry", "make_learner"]


@jit
def norm_of(norms: Any, family: int, n: int) -> Any:
    """``FeatureSpec.family_norm``, repeated."""
    scale, kind, offset = norms[3 * family], norms[3 * family + 1], norms[3 * family + 2]
    if n == 0:
        return 0.0
    if kind == 0.0:
        return scale
    size = float(n) + offset
    if kind == 1.0:
        return scale / math.sqrt(size)
    return scale / size


@jit
def score_post(state: Any, out: int) -> None:
    """Logits of the built post to the address `out`, eight lanes at a time."""
    tables = state[N_TABLES]
    n_words, n_back = state[P_WORDS], state[P_BACK_END] - state[P_WORD_END]
    n_own = n_words if i8_at(state[A_CONFIG])[C_WORD_MAX] else 0
    norms, sums = f8_at(state[A_NORMS]), i8_at(state[A_SUMS])
    factors = f8_at(state[A_SUMS] + 128)
    factors[0] = norm_of(norms, 0, n_own + state[P_WORD_END])
    factors[1] = norm_of(norms, 1, state[P_PIECES])
    factors[2] = norm_of(norms, 2, n_back)
    factors[3] = norm_of(norms, 3, state[P_POST_END] - state[P_BACK_END])
    for table in range(tables):
        for k in range(16):
            sums[k] = 0
        word, piece, back, post = state[A_SUMS], state[A_SUMS] + 32, state[A_SUMS] + 64, state[A_SUMS] + 96
        if table == 0:
            add_words(state[A_WORDS], n_words, state[A_TOKENS], 64, 8 * T_OWN, word, piece)
        else:
            stride = 8 * EXTRA_WORDS * (tables - 1)
            add_words(state[A_WORDS], n_words, state[A_EXTRA], stride, 8 * EXTRA_WORDS * (table - 1), word, piece)
        weights = state[A_WEIGHTS] + 8 * table
        add_rows(weights, state[A_ROWS], 0, state[P_WORD_END], word)
        add_rows(weights, state[A_ROWS], state[P_WORD_END], state[P_BACK_END], back)
        add_rows(weights, state[A_ROWS], state[P_BACK_END], state[P_POST_END], post)
        scales = state[A_LANES] + 64 * table
        finish(state[A_SUMS], state[A_SUMS] + 128, scales, scales + 64 * tables, out + 32 * table)


@jit
def reach_at(turn: int, state: Any) -> Any:
    """Address of what is known of the reach of a post."""
    return state[A_REACHES] + REACH_BYTES * (turn & N_REACHES - 1)


@functools.cache
def make_learner() -> Any:
    """The compiled function of what is seldom done, apart from the hot loop that calls it by its address."""
    made_from = fingerprint()

    @callback
    def learner(state: int, text: int, pos: int, end: int, what: int) -> Any:
        """Address of the row of a new stretch; `made_from` is named for the cache's sake."""
        return learn(state, text, pos, end, what) if made_from else 0

    return learner


def make_entry() -> Any:
    """The compiled entry; a fingerprint of the sources is part of its cache key, so no stale code is ever run."""
    made_from = fingerprint()

    @entry
    def score_rows(data: Any, offsets: Any, rows: Any, tail: Any, tail_from: int, out: Any, words: Any) -> int:
        """Logits of the posts numbered in `rows`; from post `tail_from` on, their bytes stand in `tail`."""
        state = i8_at(address_of(words))
        ends, chosen = i8_at(address_of(offsets)), i8_at(address_of(rows))
        place = address_of(out)
        n = len(rows)
        # each post is found, looked up and asked for in the turns of the three before it
        for turn in range(n + N_REACHES - 1):
            if turn < n:
                row = chosen[turn]
                text = address_of(data) if row < tail_from else address_of(tail) - ends[tail_from]
                find_stretches(text + ends[row], ends[row + 1] - ends[row], reach_at(turn, state), state)
            if 0 <= turn - 1 < n:
                look_up(reach_at(turn - 1, state), state)
            reach = reach_at(turn - 2, state)
            if 0 <= turn - 2 < n and i8_at(reach)[R_NEW]:
                call_at(state[A_LEARN], state[A_SELF], reach, 0, 0, ASK)
            if turn >= N_REACHES - 1:
                build_features(scan_post(reach_at(turn - 3, state), state), state)
                if state[N_DUE]:
                    call_at(state[A_LEARN], state[A_SELF], 0, 0, 0, ADD)
                score_post(state, place)
                place += 32 * state[N_TABLES]
        return made_from

    return score_rows
