"""Compiled scoring: sums of packed weight rows, never a matrix.

A row of the table is eight int8 weights in one 64-bit word, each stored as weight + 128, so that even and odd bytes
add up in four 16-bit lanes apiece without borrowing. Lanes are widened to 32 bits every 256 rows, and the surplus of
128 per row is taken off at the end: sums are exact integers, so no order of rows, posts or threads can change a score.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from tsclassify.features.build import C_BITS, Scratch, build_features, write_pieces
from tsclassify.features.compiled import bucket, entry, fingerprint, jit
from tsclassify.features.memo import LIFE, N_TOKENS, PIECES_SHIFT, SUMMED, T_INFO, T_SUMS, Memo, Tables
from tsclassify.features.scan import scan_post

__all__ = ["SUM_WORDS", "make_entry"]

SUM_WORDS: Final = 4
"""Words that hold the sums of eight lanes in 32 bits: bytes 0 4, 2 6, 1 5, 3 7."""

_BYTES = np.uint64(0x00FF00FF00FF00FF)
_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_LOW = np.uint64(0xFFFFFFFF)
_EIGHT = np.uint64(8)
_SIXTEEN = np.uint64(16)
_FLUSH: Final = 256


class Model(NamedTuple):
    """Packed weights and the final arithmetic.

    Attributes
    ----------
    weights
        uint64, shape (tables * buckets,).
    norms
        float64, shape (4, 3): scale, kind of norm and offset of each family.
    lanes
        float64, shape (2, 8 * tables): scale and bias of each lane.
    """

    weights: Any
    norms: Any
    lanes: Any


@jit
def add_rows(features: Any, lo: int, hi: int, weights: Any, first: int, shift: Any, sums: Any, at: int) -> None:
    """Add the rows of ``features[lo:hi]`` to the 32-bit lanes in ``sums[at:at + 4]``."""
    k = lo
    while k < hi:
        stop = min(hi, k + _FLUSH)
        even = np.uint64(0)
        odd = np.uint64(0)
        while k < stop:
            row = weights[first + bucket(features[k], shift)]
            even += row & _BYTES
            odd += (row >> _EIGHT) & _BYTES
            k += 1
        sums[at] += even & _PAIRS
        sums[at + 1] += (even >> _SIXTEEN) & _PAIRS
        sums[at + 2] += odd & _PAIRS
        sums[at + 3] += (odd >> _SIXTEEN) & _PAIRS


@jit
def norm_of(norms: Any, family: int, n: int) -> Any:
    """``FeatureSpec.family_norm``, repeated."""
    if n == 0:
        return 0.0
    scale = norms[family, 0]
    if norms[family, 1] == 0:
        return scale
    size = np.float64(n) + norms[family, 2]
    if norms[family, 1] == 1:
        return scale / math.sqrt(size)
    return scale / size


@jit
def finish(sums: Any, counts: Any, model: Any, table: int, out: Any, row: int) -> None:
    """Logits of one post from the lanes of four families, in a fixed order of operations."""
    # 128 was added to each weight: take it off once per row.
    factor_0 = norm_of(model.norms, 0, counts[0])
    factor_1 = norm_of(model.norms, 1, counts[1])
    factor_2 = norm_of(model.norms, 2, counts[2])
    factor_3 = norm_of(model.norms, 3, counts[3])
    lanes = model.lanes
    for lane in range(8):
        word = (lane & 3) // 2 + 2 * (lane & 1)
        high = np.uint64(32 if lane >= 4 else 0)
        value = factor_0 * np.float64(np.int64((sums[word] >> high) & _LOW) - 128 * counts[0])
        value += factor_1 * np.float64(np.int64((sums[4 + word] >> high) & _LOW) - 128 * counts[1])
        value += factor_2 * np.float64(np.int64((sums[8 + word] >> high) & _LOW) - 128 * counts[2])
        value += factor_3 * np.float64(np.int64((sums[12 + word] >> high) & _LOW) - 128 * counts[3])
        place = 8 * table + lane
        out[row, place] = np.float32(lanes[1, place] + lanes[0, place] * value)


@jit
def score_post(
    bounds: Any, memo: Any, scratch: Any, config: Any, model: Any, pieces: Any, table: int, sums: Any, counts: Any,
    room: Any, out: Any, row: int,
) -> None:  # fmt: skip
    """Logits of the built post in one table of eight lanes.

    The sums of a word's pieces are remembered in the token's own row, or, where several tables share the memo, in
    ``pieces``: five words per token and table, the last one the life of the memo in which they were made. An empty
    ``pieces`` says the former.
    """
    shift = np.uint64(64 - config[C_BITS])
    first = table << config[C_BITS]
    sums[:] = 0
    features = scratch.features
    add_rows(features, 0, bounds[0], model.weights, first, shift, sums, 0)
    add_rows(features, bounds[0], bounds[1], model.weights, first, shift, sums, 8)
    add_rows(features, bounds[1], bounds[2], model.weights, first, shift, sums, 12)
    n_chars: Any = 0
    life = np.uint64(memo.counts[LIFE])
    words, tokens, weights = scratch.words, memo.tokens, model.weights
    inline = len(pieces) == 0
    for k in range(bounds[3]):
        token = np.int64(words[k])
        info = tokens[8 * token + T_INFO]
        n_chars += np.int64(info >> np.uint64(PIECES_SHIFT))
        kept = tokens if inline else pieces
        at = 8 * token + T_SUMS if inline else 5 * (table * N_TOKENS + token)
        fresh = info & np.uint64(SUMMED) == 0 if inline else pieces[at + 4] != life
        if fresh:
            for w in range(4):
                kept[at + w] = 0
            end = write_pieces(token, memo, config, room, 0)
            add_rows(room, 0, end, weights, first, shift, kept, at)
            if inline:
                tokens[8 * token + T_INFO] = info | np.uint64(SUMMED)
            else:
                pieces[at + 4] = life
        sums[4] += kept[at]
        sums[5] += kept[at + 1]
        sums[6] += kept[at + 2]
        sums[7] += kept[at + 3]
    counts[0] = bounds[0]
    counts[1] = n_chars
    counts[2] = bounds[1] - bounds[0]
    counts[3] = bounds[2] - bounds[1]
    finish(sums, counts, model, table, out, row)


def make_entry() -> Any:
    """The compiled entry; a fingerprint of the sources is part of its cache key, so no stale code is ever run."""
    made_from = fingerprint()

    @entry
    def score_rows(
        data: Any, offsets: Any, rows: Any, out: Any,
        m_counts: Any, m_ints: Any, m_keys: Any, m_tokens: Any, m_stretches: Any, m_refs: Any, m_stream: Any,
        m_rows: Any, s_features: Any, s_words: Any, s_seen_keys: Any, s_seen_stamps: Any, s_shown: Any, s_back: Any,
        s_solo: Any, s_stamp: Any, t_chars: Any, t_twins: Any, t_keys: Any, t_lexicon: Any, config: Any,
        weights: Any, norms: Any, lanes: Any, pieces: Any, room: Any, small: Any, sums: Any,
    ) -> int:  # fmt: skip
        """Logits of the posts numbered in `rows`: all tables that ``lanes`` has."""
        memo = Memo(m_counts, m_ints, m_keys, m_tokens, m_stretches, m_refs, m_stream, m_rows)
        scratch = Scratch(s_features, s_words, s_seen_keys, s_seen_stamps, s_shown, s_back, s_solo, s_stamp)
        tables = Tables(t_chars, t_twins, t_keys, t_lexicon)
        model = Model(weights, norms, lanes)
        bounds = small[:4]
        counts = small[4:8]
        for k in range(len(rows)):
            row = rows[k]
            n = scan_post(data, offsets[row], offsets[row + 1], memo, tables)
            build_features(n, memo, scratch, tables, config, bounds)
            for table in range(lanes.shape[1] // 8):
                score_post(bounds, memo, scratch, config, model, pieces, table, sums, counts, room, out, k)
        return made_from

    return score_rows
