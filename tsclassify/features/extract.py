"""Compiled extractor: posts to the rows of a sparse matrix, for training."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.accumulate import make_learner, norm_of
from tsclassify.features.buffers import address_of, f8_at, i4_at, i8_at, u8_at
from tsclassify.features.build import build_features
from tsclassify.features.compiled import entry, fingerprint, mix, offset_of
from tsclassify.features.memo import T_HASH
from tsclassify.features.pieces import PIECES_SHIFT, T_INFO, write_pieces
from tsclassify.features.scan import PADDING, scan_whole
from tsclassify.features.spec import FeatureSpec
from tsclassify.features.state import (
    A_CONFIG,
    A_NORMS,
    A_ROWS,
    A_TOKENS,
    A_WORDS,
    C_BITS,
    C_DEDUP,
    C_WORD_MAX,
    P_BACK_END,
    P_PIECES,
    P_POST_END,
    P_WORD_END,
    P_WORDS,
    PER_TOKEN,
    State,
    make_tables,
)
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.normalize import MAX_TOKENS

__all__ = ["extract"]

_SEED_WORD = np.uint64(hashing.SEED_WORD)


@functools.cache
def _make_entry() -> Any:
    made_from = fingerprint()

    def fill_rows(
        data: Any, offsets: Any, first: int, words: Any, columns: Any, values: Any, ends: Any, every: Any
    ) -> tuple[int, int, int]:
        """Rows from `first` on until the buffers are full; returns (next row, entries written, sources)."""
        state = i8_at(address_of(words))
        config, norms = i8_at(state[A_CONFIG]), f8_at(state[A_NORMS])
        tokens, known, found = i4_at(state[A_WORDS]), i8_at(state[A_TOKENS]), i4_at(state[A_ROWS])
        hashes = u8_at(state[A_TOKENS])
        shift = np.uint64(64 - config[C_BITS])
        write = 0
        row = first
        while row < len(offsets) - 1:
            n = scan_whole(address_of(data) + offsets[row], offsets[row + 1] - offsets[row], state)
            build_features(n, state)
            n_words = state[P_WORDS]
            if write + state[P_POST_END] + n_words + state[P_PIECES] > len(columns) and row > first:
                break
            n_own = n_words if config[C_WORD_MAX] else 0
            value = norm_of(norms, 0, n_own + state[P_WORD_END])
            for k in range(n_own):
                columns[write] = offset_of(mix(_SEED_WORD, hashes[8 * tokens[k] + T_HASH]), shift, 1)
                values[write] = value
                write += 1
            lo = 0
            for family, hi in ((0, state[P_WORD_END]), (2, state[P_BACK_END]), (3, state[P_POST_END])):
                if family:
                    value = norm_of(norms, family, hi - lo)
                for k in range(lo, hi):
                    columns[write] = found[k]
                    values[write] = value
                    write += 1
                lo = hi
            n_pieces = 0
            for k in range(n_words):
                if known[8 * tokens[k] + T_INFO] >> PIECES_SHIFT:
                    n_pieces += write_pieces(tokens[k], state, address_of(every) + 8 * n_pieces)
            if config[C_DEDUP] == 2 and n_pieces:
                every[:n_pieces].sort()
                kept = 0
                for k in range(n_pieces):
                    if k == 0 or every[k] != every[k - 1]:
                        every[kept] = every[k]
                        kept += 1
                n_pieces = kept
            value = norm_of(norms, 1, n_pieces)
            for k in range(n_pieces):
                columns[write] = offset_of(every[k], shift, 1)
                values[write] = value
                write += 1
            ends[row + 1] = write
            row += 1
        return row, write, made_from

    return entry(fill_rows, counts_references=True)


def extract(data: Any, offsets: Any, spec: FeatureSpec, lexicon: Lexicon) -> tuple[Any, Any, Any]:
    """Features of many posts as the three arrays of a CSR matrix.

    Parameters
    ----------
    data
        UTF-8 bytes of all posts, uint8.
    offsets
        int64, shape (n + 1,): post i is ``data[offsets[i]:offsets[i + 1]]``.
    spec, lexicon
        What the features are.

    Returns
    -------
    tuple
        values float32, columns int32, row ends int64 of shape (n + 1,). A bucket may stand twice in a row.
    """
    fill_rows = _make_entry()
    state = State(make_tables(spec, lexicon), learner=make_learner().address)
    # The kernel may read somewhat beyond a post.
    data = np.concatenate([data[: offsets[-1]], np.zeros(PADDING, dtype=np.uint8)])
    # The longest post alone must fit; the usual block is four million entries.
    longest = int(np.max(np.diff(offsets), initial=0))
    n_pieces = 6 * (6 * longest + 2 * MAX_TOKENS)
    room = max(1 << 22, min(longest, MAX_TOKENS) * (PER_TOKEN + 1) + 64 + n_pieces)
    columns = np.empty(room, dtype=np.int32)
    values = np.empty(room, dtype=np.float32)
    ends = np.zeros(len(offsets), dtype=np.int64)
    every = np.empty(n_pieces, dtype=np.uint64)
    parts_c, parts_v = [], []
    row, total = 0, 0
    while row < len(offsets) - 1:
        begin = row
        row, used, _ = fill_rows(data, offsets, begin, state.words, columns, values, ends, every)
        ends[begin + 1 : row + 1] += total
        total += used
        parts_c.append(columns[:used].copy())
        parts_v.append(values[:used].copy())
    empty_c, empty_v = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
    return (np.concatenate([empty_v, *parts_v]), np.concatenate([empty_c, *parts_c]), ends)
