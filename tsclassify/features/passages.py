"""Compiled reading of a post by passage: sums of its segments, logits of its windows, and those of the post.

A segment's sums are made once. Those of a pair and of the whole post are sums of these, so that a post costs little
more than its words do.
"""

from __future__ import annotations

import math
from types import FunctionType
from typing import Any, Final

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.buffers import (
    add_rows,
    add_words,
    call_at,
    f8_at,
    fill_logits,
    finish,
    finish_wide,
    i4_at,
    i8_at,
    low_zeros,
    mix_logits,
    take_best,
    widen,
)
from tsclassify.features.build import build_features, row_for, table_of
from tsclassify.features.compiled import jit, mix
from tsclassify.features.learn import ADD
from tsclassify.features.pieces import EXTRA_WORDS, T_OWN
from tsclassify.features.spec import POST_FLAGS
from tsclassify.features.state import (
    A_CONFIG,
    A_CUTS,
    A_EXTRA,
    A_LANES,
    A_LEARN,
    A_NORMS,
    A_PASSAGES,
    A_ROWS,
    A_SELF,
    A_SEQ,
    A_TOKENS,
    A_WEIGHTS,
    A_WORDS,
    C_FLAGS,
    C_WORD_MAX,
    H_BACK,
    H_BITS,
    H_CAPITALS,
    H_CONTENT,
    H_PIECES,
    H_PLAIN,
    H_TOKENS,
    H_WORDS,
    HEAD_BYTES,
    N_DUE,
    N_SEGMENTS,
    N_TABLES,
    P_BACK_END,
    P_BITS,
    P_CAPITALS,
    P_CONTENT,
    P_PIECES,
    P_PLAIN,
    P_TOKENS,
    P_WORD_END,
    P_WORDS,
    SUMS_BYTES,
)
from tsclassify.text import passages

__all__ = ["cut_segments", "flag_rows", "is_pair", "norm_of", "post_logits", "read_block"]

_SHOUTING: Final = 1 << POST_FLAGS.index("shouting")
_LENGTHS: Final = len(POST_FLAGS)
_SEED_POST = np.uint64(hashing.SEED_POST)
_ONE = np.uint64(1)

# Rows of the lanes, after scale and bias: the shares of ``PassageMix`` in a post of one segment, four rows, and of
# several, four rows; then the least words of a window.
L_ONE: Final = 2
L_SEVERAL: Final = 6
L_LEAST: Final = 10


def _compile(rule: Any) -> Any:
    plain = FunctionType(rule.__code__, dict(vars(passages)), rule.__name__)
    plain.__module__ = rule.__module__
    plain.__qualname__ = rule.__qualname__
    return jit(plain)


cut_segments, is_pair, n_doublings = map(_compile, passages.COMPILED)


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
def passage_at(number: int, state: Any) -> Any:
    """Address of a passage: two segments by turns, their pair, the post so far."""
    return state[A_PASSAGES] + number * (HEAD_BYTES + SUMS_BYTES * state[N_TABLES])


@jit
def logits_at(number: int, state: Any) -> Any:
    """Address of a row of logits: of the last window, of the strongest; then that of the norms."""
    return passage_at(3, state) + HEAD_BYTES + 2 * SUMS_BYTES * state[N_TABLES] + 32 * number * state[N_TABLES]


@jit
def sum_segment(place: int, state: Any) -> None:
    """Sums of the built segment to the address `place`."""
    head, tables = i8_at(place), state[N_TABLES]
    n_words = state[P_WORDS]
    head[H_WORDS] = state[P_WORD_END] + (n_words if i8_at(state[A_CONFIG])[C_WORD_MAX] else 0)
    head[H_PIECES] = state[P_PIECES]
    head[H_BACK] = state[P_BACK_END] - state[P_WORD_END]
    head[H_TOKENS] = state[P_TOKENS]
    head[H_BITS] = state[P_BITS]
    head[H_PLAIN] = state[P_PLAIN]
    head[H_CAPITALS] = state[P_CAPITALS]
    head[H_CONTENT] = state[P_CONTENT]
    for table in range(tables):
        sums = place + HEAD_BYTES + SUMS_BYTES * table
        numbers = i8_at(sums)
        for k in range(SUMS_BYTES // 8):
            numbers[k] = 0
        if table == 0:
            add_words(state[A_WORDS], n_words, state[A_TOKENS], 64, 8 * T_OWN, sums, sums + 32)
        else:
            stride = 8 * EXTRA_WORDS * (tables - 1)
            add_words(state[A_WORDS], n_words, state[A_EXTRA], stride, 8 * EXTRA_WORDS * (table - 1), sums, sums + 32)
        weights = state[A_WEIGHTS] + 8 * table
        add_rows(weights, state[A_ROWS], 0, state[P_WORD_END], sums)
        add_rows(weights, state[A_ROWS], state[P_WORD_END], state[P_BACK_END], sums + 64)


@jit
def add_heads(one: int, other: int, out: int) -> None:
    """What is known of two passages together."""
    first, second, both = i8_at(one), i8_at(other), i8_at(out)
    bits = first[H_BITS] | second[H_BITS]
    for k in range(HEAD_BYTES // 8):
        both[k] = first[k] + second[k]
    both[H_BITS] = bits


@jit
def join_segments(one: int, other: int, out: int, state: Any) -> None:
    """The pair of two segments."""
    add_heads(one, other, out)
    first, second, both = i4_at(one + HEAD_BYTES), i4_at(other + HEAD_BYTES), i4_at(out + HEAD_BYTES)
    for k in range(SUMS_BYTES // 4 * state[N_TABLES]):
        both[k] = first[k] + second[k]


@jit
def add_to_post(place: int, is_first: bool, state: Any) -> None:
    """Add a segment to the post so far, whose sums may be larger than 32 bits hold."""
    post, tables = passage_at(3, state), state[N_TABLES]
    if is_first:
        numbers = i8_at(post)
        for k in range((HEAD_BYTES + 2 * SUMS_BYTES * tables) // 8):
            numbers[k] = 0
    add_heads(post, place, post)
    for block in range(4 * tables):
        widen(place + HEAD_BYTES + 32 * block, post + HEAD_BYTES + 64 * block)


@jit
def flag_rows(head: Any, state: Any) -> Any:
    """Rows of the flags of a passage to ``A_ROWS``; returns their number."""
    if not i8_at(state[A_CONFIG])[C_FLAGS]:
        return 0
    rows, table = i4_at(state[A_ROWS]), table_of(state)
    bits = head[H_BITS]
    if head[H_CAPITALS] >= 3 and 2 * head[H_CAPITALS] >= head[H_PLAIN]:
        bits |= _SHOUTING
    size = 0
    for power in range(8):
        size += head[H_TOKENS] >= 1 << power
    left = np.uint64(bits | 1 << (_LENGTHS + size))
    write = 0
    while left:
        rows[write] = row_for(mix(_SEED_POST, np.uint64(low_zeros(left))), table)
        write += 1
        left &= left - _ONE
    return write


@jit
def set_norms(head: Any, n_flags: int, state: Any) -> Any:
    """Norms of the four families of a passage; returns their address."""
    norms, place = f8_at(state[A_NORMS]), logits_at(2, state)
    factors = f8_at(place)
    factors[0] = norm_of(norms, 0, head[H_WORDS])
    factors[1] = norm_of(norms, 1, head[H_PIECES])
    factors[2] = norm_of(norms, 2, head[H_BACK])
    factors[3] = norm_of(norms, 3, n_flags)
    return place


@jit
def window_logits(place: int, out: int, state: Any) -> None:
    """Logits of a segment or pair to the address `out`."""
    head, tables = i8_at(place), state[N_TABLES]
    n_flags = flag_rows(head, state)
    factors = set_norms(head, n_flags, state)
    for table in range(tables):
        sums = place + HEAD_BYTES + SUMS_BYTES * table
        post = i8_at(sums + 96)
        for k in range(4):
            post[k] = 0
        add_rows(state[A_WEIGHTS] + 8 * table, state[A_ROWS], 0, n_flags, sums + 96)
        scales = state[A_LANES] + 64 * table
        finish(sums, factors, scales, scales + 64 * tables, out + 32 * table)


@jit
def whole_logits(out: int, state: Any) -> None:
    """Logits of the post so far to the address `out`."""
    place, tables = passage_at(3, state), state[N_TABLES]
    head, spare = i8_at(place), passage_at(2, state)
    n_flags = flag_rows(head, state)
    factors = set_norms(head, n_flags, state)
    for table in range(tables):
        sums = place + HEAD_BYTES + 2 * SUMS_BYTES * table
        flags, post = i8_at(spare), i8_at(sums + 192)
        for k in range(4):
            flags[k] = 0
        for k in range(8):
            post[k] = 0
        add_rows(state[A_WEIGHTS] + 8 * table, state[A_ROWS], 0, n_flags, spare)
        widen(spare, sums + 192)
        scales = state[A_LANES] + 64 * table
        finish_wide(sums, factors, scales, scales + 64 * tables, out + 32 * table)


@jit
def try_window(place: int, state: Any) -> None:
    """Take the logits of a window where they are the highest so far and it has enough words."""
    last, best, tables = logits_at(0, state), logits_at(1, state), state[N_TABLES]
    window_logits(place, last, state)
    words = i8_at(place)[H_CONTENT]
    for table in range(tables):
        least = state[A_LANES] + 64 * (L_LEAST * tables + table)
        take_best(best + 32 * table, last + 32 * table, least, words)


@jit
def read_segment(number: int, joins: bool, state: Any) -> None:
    """Add the built segment to the post; `joins` says whether it is a window with the one before."""
    place, before = passage_at(number & 1, state), passage_at(1 - (number & 1), state)
    sum_segment(place, state)
    if number == 1:
        add_to_post(before, True, state)
    if number:
        add_to_post(place, False, state)
    if joins:
        pair = passage_at(2, state)
        join_segments(before, place, pair, state)
        try_window(pair, state)
    try_window(place, state)


@jit
def read_block(n: int, state: Any) -> None:
    """Read the segments of the n tokens of a block."""
    cuts = i8_at(state[A_CUTS])
    count = cut_segments(i8_at(state[A_SEQ]), n, cuts)
    begin = 0
    before = 0
    is_cut = 0
    if state[N_SEGMENTS] == 0:
        best = logits_at(1, state)
        for table in range(state[N_TABLES]):
            fill_logits(best + 32 * table)
    for number in range(count):
        end = cuts[number] >> 1
        build_features(begin, end, state)
        if state[N_DUE]:
            call_at(state[A_LEARN], state[A_SELF], 0, 0, 0, ADD)
        joins = number > 0 and is_pair(before, end - begin, is_cut)
        read_segment(state[N_SEGMENTS], joins, state)
        state[N_SEGMENTS] += 1
        before = end - begin
        is_cut = cuts[number] & 1
        begin = end


@jit
def post_logits(out: int, state: Any) -> None:
    """Logits of the post that ends here to the address `out`."""
    tables, count = state[N_TABLES], state[N_SEGMENTS]
    whole, best = logits_at(0, state), logits_at(1, state)
    row = L_ONE
    if count > 1:
        whole_logits(whole, state)
        row = L_SEVERAL
    for table in range(tables):
        shares = state[A_LANES] + 64 * (row * tables + table)
        mix_logits(whole + 32 * table, best + 32 * table, shares, 64 * tables, n_doublings(count), out + 32 * table)
    state[N_SEGMENTS] = 0
