"""Compiled extractor: posts, or their windows, to the rows of a sparse matrix, for training."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.accumulate import make_learner
from tsclassify.features.buffers import address_of, f8_at, i4_at, i8_at, u8_at
from tsclassify.features.build import build_features
from tsclassify.features.compiled import entry, fingerprint, mix, offset_of
from tsclassify.features.memo import T_HASH
from tsclassify.features.passages import cut_segments, flag_rows, is_pair, norm_of
from tsclassify.features.pieces import PIECES_SHIFT, T_INFO, write_pieces
from tsclassify.features.scan import PADDING, scan_whole
from tsclassify.features.spec import FeatureSpec
from tsclassify.features.state import (
    A_CONFIG,
    A_CUTS,
    A_NORMS,
    A_ROWS,
    A_SEQ,
    A_TOKENS,
    A_WORDS,
    C_BITS,
    C_DEDUP,
    C_WORD_MAX,
    H_BACK,
    H_BITS,
    H_CAPITALS,
    H_CONTENT,
    H_PIECES,
    H_PLAIN,
    H_TOKENS,
    H_WORDS,
    P_BACK_END,
    P_BITS,
    P_CAPITALS,
    P_CONTENT,
    P_PLAIN,
    P_TOKENS,
    P_WORD_END,
    P_WORDS,
    PER_TOKEN,
    State,
    make_tables,
)
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.normalize import MAX_TOKENS
from tsclassify.text.passages import BLOCK_BYTES, block_ends

__all__ = ["extract", "extract_windows"]

_SEED_WORD = np.uint64(hashing.SEED_WORD)
_FEATURES_PER_BYTE = 6 * 6 + PER_TOKEN + 1


@functools.cache
def _make_reader() -> Any:
    made_from = fingerprint()

    def read_segments(data: Any, ends: Any, words: Any, columns: Any, families: Any, heads: Any, every: Any) -> Any:
        """Features of the segments of one post, whose blocks end at `ends[1:]`; returns how many segments.

        Row k of `heads` is what is known of segment k, then where its features end, and whether it joins the one
        before.
        """
        state = i8_at(address_of(words))
        config, cuts = i8_at(state[A_CONFIG]), i8_at(state[A_CUTS])
        tokens, known, found = i4_at(state[A_WORDS]), i8_at(state[A_TOKENS]), i4_at(state[A_ROWS])
        hashes = u8_at(state[A_TOKENS])
        shift = np.uint64(64 - config[C_BITS])
        write = 0
        number = 0
        for block in range(len(ends) - 1):
            n = scan_whole(address_of(data) + ends[block], ends[block + 1] - ends[block], state)
            count = cut_segments(i8_at(state[A_SEQ]), n, cuts)
            begin = 0
            before = 0
            is_cut = 0
            for k in range(count):
                end = cuts[k] >> 1
                build_features(begin, end, state)
                n_words = state[P_WORDS]
                first = write
                for j in range(n_words if config[C_WORD_MAX] else 0):
                    columns[write] = offset_of(mix(_SEED_WORD, hashes[8 * tokens[j] + T_HASH]), shift, 1)
                    families[write] = 0
                    write += 1
                for j in range(state[P_BACK_END]):
                    columns[write] = found[j]
                    families[write] = 0 if j < state[P_WORD_END] else 2
                    write += 1
                heads[number, H_WORDS] = write - first - (state[P_BACK_END] - state[P_WORD_END])
                heads[number, H_BACK] = state[P_BACK_END] - state[P_WORD_END]
                n_pieces = 0
                for j in range(n_words):
                    if known[8 * tokens[j] + T_INFO] >> PIECES_SHIFT:
                        n_pieces += write_pieces(tokens[j], state, address_of(every) + 8 * n_pieces)
                if config[C_DEDUP] == 2 and n_pieces:
                    every[:n_pieces].sort()
                    kept = 0
                    for j in range(n_pieces):
                        if j == 0 or every[j] != every[j - 1]:
                            every[kept] = every[j]
                            kept += 1
                    n_pieces = kept
                for j in range(n_pieces):
                    columns[write] = offset_of(every[j], shift, 1)
                    families[write] = 1
                    write += 1
                heads[number, H_PIECES] = n_pieces
                heads[number, H_TOKENS] = state[P_TOKENS]
                heads[number, H_BITS] = state[P_BITS]
                heads[number, H_PLAIN] = state[P_PLAIN]
                heads[number, H_CAPITALS] = state[P_CAPITALS]
                heads[number, H_CONTENT] = state[P_CONTENT]
                heads[number, 8] = write
                heads[number, 9] = k > 0 and is_pair(before, end - begin, is_cut)
                number += 1
                before = end - begin
                is_cut = cuts[k] & 1
                begin = end
        return number + (made_from & 0)

    return entry(read_segments, counts_references=True)


@functools.cache
def _make_writer() -> Any:
    made_from = fingerprint()

    def write_row(
        words: Any, columns: Any, families: Any, heads: Any, first: int, last: int, write: int, out: Any, values: Any
    ) -> Any:
        """The features of segments first to last as one row, from `write` on; returns where it ends."""
        state = i8_at(address_of(words))
        norms, found = f8_at(state[A_NORMS]), i4_at(state[A_ROWS])
        whole = np.zeros(8, dtype=np.int64)
        for number in range(first, last + 1):
            for k in range(8):
                whole[k] = whole[k] | heads[number, k] if k == H_BITS else whole[k] + heads[number, k]
        n_flags = flag_rows(i8_at(address_of(whole)), state)
        factors = np.zeros(4)
        factors[0] = norm_of(norms, 0, whole[H_WORDS])
        factors[1] = norm_of(norms, 1, whole[H_PIECES])
        factors[2] = norm_of(norms, 2, whole[H_BACK])
        factors[3] = norm_of(norms, 3, n_flags)
        begin = heads[first - 1, 8] if first else 0
        for k in range(begin, heads[last, 8]):
            out[write] = columns[k]
            values[write] = factors[families[k]]
            write += 1
        for k in range(n_flags):
            out[write] = found[k]
            values[write] = factors[3]
            write += 1
        return write + (made_from & 0)

    return entry(write_row, counts_references=True)


def _rows(data: Any, offsets: Any, spec: FeatureSpec, lexicon: Lexicon, *, windows: bool) -> tuple[Any, ...]:
    reader, writer = _make_reader(), _make_writer()
    state = State(make_tables(spec, lexicon), learner=make_learner().address)
    # The kernel may read somewhat beyond a post.
    data = np.concatenate([data[: offsets[-1]], np.zeros(PADDING, dtype=np.uint8)])
    longest = int(np.max(np.diff(offsets), initial=0))
    room = 1 << 16
    columns, families = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int8)
    heads = np.empty((longest // 2 + 8, 10), dtype=np.int64)
    every = np.empty(6 * (6 * min(longest, BLOCK_BYTES) + 2 * MAX_TOKENS), dtype=np.uint64)
    out, values = np.empty(1 << 22, dtype=np.int32), np.empty(1 << 22, dtype=np.float32)
    parts: list[tuple[Any, Any]] = []
    ends, owners, contents = [0], [], []
    write, total = 0, 0
    for row, (start, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
        most = (end - start + 64) * _FEATURES_PER_BYTE
        if most > len(columns):
            columns, families = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int8)
        blocks = np.array([start, *(block_ends(data, start, end) if end - start > BLOCK_BYTES else [end])])
        count = reader(data, blocks, state.words, columns, families, heads, every)
        spans = [(0, count - 1)]
        if windows:
            spans = [(k - by, k) for k in range(count) for by in ((1, 0) if heads[k, 9] else (0,))]
        needed = sum(int(heads[b, 8] - (heads[a - 1, 8] if a else 0)) + 32 for a, b in spans)
        if write + needed > len(out):
            parts.append((out[:write].copy(), values[:write].copy()))
            total, write = total + write, 0
            if needed > len(out):
                out, values = np.empty(needed, dtype=np.int32), np.empty(needed, dtype=np.float32)
        for first, last in spans:
            write = writer(state.words, columns, families, heads, first, last, write, out, values)
            ends.append(total + write)
            owners.append(row)
            contents.append(int(heads[first : last + 1, H_CONTENT].sum()))
        if not windows:
            contents[-1] = count
    parts.append((out[:write].copy(), values[:write].copy()))
    return (
        np.concatenate([values for _, values in parts]),
        np.concatenate([columns for columns, _ in parts]),
        np.array(ends, dtype=np.int64),
        np.array(owners, dtype=np.int64),
        np.array(contents, dtype=np.int64),
    )


def extract(data: Any, offsets: Any, spec: FeatureSpec, lexicon: Lexicon) -> tuple[Any, Any, Any, Any]:
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
        values float32, columns int32, row ends int64 of shape (n + 1,), and the number of segments of each post,
        int64. A bucket may stand twice in a row.
    """
    values, columns, ends, _, counts = _rows(data, offsets, spec, lexicon, windows=False)
    return values, columns, ends, counts


def extract_windows(data: Any, offsets: Any, spec: FeatureSpec, lexicon: Lexicon) -> tuple[Any, Any, Any, Any, Any]:
    """Features of the windows of many posts, as ``extract`` gives those of posts.

    Returns
    -------
    tuple
        values, columns and row ends; the number of the post of each window, rising; how many words each has that tell
        a language.
    """
    return _rows(data, offsets, spec, lexicon, windows=True)
