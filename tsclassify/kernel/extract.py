"""Features of posts, or of their windows, as the rows of a sparse matrix, for training."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.spec import FeatureSpec
from tsclassify.kernel.build import build_features
from tsclassify.kernel.cache import GRAMS_SHIFT, ints_at, words_at, write_grams
from tsclassify.kernel.intrinsics import RULES, address_of, entry, fingerprint, low_zeros, mix, offset_of
from tsclassify.kernel.layout import PASSAGE, PER_TOKEN, State, make_tables
from tsclassify.kernel.passages import add_counts, flags_of, norm_of, passage_at
from tsclassify.kernel.scan import PADDING, make_miss, scan_alone, state_at
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.normalize import MAX_TOKENS
from tsclassify.text.passages import BLOCK_BYTES, block_ends

__all__ = ["extract", "extract_windows"]

_SEED_WORD = np.uint64(hashing.SEED_WORD)
_ONE = np.uint64(1)
_FEATURES_PER_BYTE: Final = 6 * 6 + PER_TOKEN + 1
_ROOM: Final = 1 << 22
cut_segments, is_pair = RULES["cut_segments"], RULES["is_pair"]

# Columns of the counts of a segment: those of a passage, then the end of its features, and whether it joins the
# segment before it to a window.
_CONTENT: Final = PASSAGE.offsets["n_content"] // 8
_END: Final = PASSAGE.size // 8
_JOINS: Final = _END + 1
_COLUMNS: Final = _JOINS + 1


@functools.cache
def _make_reader() -> Any:
    made_from = fingerprint()

    def read_segments(data: Any, ends: Any, words: Any, columns: Any, families: Any, counts: Any, grams: Any) -> Any:
        """Features of the segments of one post, whose blocks end at `ends[1:]`; returns how many segments."""
        state = state_at(address_of(words))
        config, cuts, tokens, rows, built = state.config, state.cuts, state.words, state.rows, state.built
        shift = np.uint64(64 - config.bits)
        write = 0
        number = 0
        for block in range(len(ends) - 1):
            n = scan_alone(address_of(data) + ends[block], ends[block + 1] - ends[block], state)
            count = cut_segments(state.seq, n, cuts)
            begin = 0
            before = 0
            is_cut = 0
            for k in range(count):
                end = cuts[k] >> 1
                build_features(begin, end, state)
                n_words = state.n_words
                for j in range(n_words if config.word_max else 0):
                    columns[write] = offset_of(mix(_SEED_WORD, state.tokens[tokens[j]].hash), shift, 1)
                    families[write] = 0
                    write += 1
                for j in range(state.back_end):
                    columns[write] = rows[j]
                    families[write] = 0 if j < state.word_end else 2
                    write += 1
                n_grams = 0
                for j in range(n_words):
                    if state.tokens[tokens[j]].info >> GRAMS_SHIFT:
                        n_grams += write_grams(tokens[j], state, words_at(address_of(grams) + 8 * n_grams))
                if config.dedup == 2 and n_grams:
                    grams[:n_grams].sort()
                    kept = 0
                    for j in range(n_grams):
                        if j == 0 or grams[j] != grams[j - 1]:
                            grams[kept] = grams[j]
                            kept += 1
                    n_grams = kept
                for j in range(n_grams):
                    columns[write] = offset_of(grams[j], shift, 1)
                    families[write] = 1
                    write += 1
                built.n_pieces = n_grams
                for column in range(_END):
                    counts[number, column] = ints_at(address_of(built))[column]
                counts[number, _END] = write
                counts[number, _JOINS] = k > 0 and is_pair(before, end - begin, is_cut)
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
        words: Any, columns: Any, families: Any, counts: Any, first: int, last: int, write: int, out: Any, values: Any
    ) -> Any:
        """The features of segments first to last as one row, from `write` on; returns where it ends."""
        state = state_at(address_of(words))
        norms, whole = state.norms, np.zeros(_END, dtype=np.int64)
        for number in range(first, last + 1):
            add_counts(address_of(whole), address_of(counts) + 8 * _COLUMNS * number, address_of(whole))
        passage = passage_at(address_of(whole))
        factors = np.zeros(4)
        factors[0] = norm_of(norms, 0, passage.n_words)
        factors[1] = norm_of(norms, 1, passage.n_pieces)
        factors[2] = norm_of(norms, 2, passage.n_back)
        begin = counts[first - 1, _END] if first else 0
        for k in range(begin, counts[last, _END]):
            out[write] = columns[k]
            values[write] = factors[families[k]]
            write += 1
        left = flags_of(passage) if state.config.flags else np.uint64(0)
        while left:
            out[write] = state.flag_buckets[low_zeros(left)]
            values[write] = norm_of(norms, 3, 1)
            write += 1
            left &= left - _ONE
        return write + (made_from & 0)

    return entry(write_row, counts_references=True)


def _rows(data: Any, offsets: Any, spec: FeatureSpec, lexicon: Lexicon, *, windows: bool) -> tuple[Any, ...]:
    reader, writer = _make_reader(), _make_writer()
    state = State(make_tables(spec, lexicon), miss=make_miss().address)
    # The kernel may read somewhat beyond a post.
    data = np.concatenate([data[: offsets[-1]], np.zeros(PADDING, dtype=np.uint8)])
    longest = int(np.max(np.diff(offsets), initial=0))
    size = 1 << 16
    columns, families = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int8)
    counts = np.empty((longest // 2 + 8, _COLUMNS), dtype=np.int64)
    grams = np.empty(6 * (6 * min(longest, BLOCK_BYTES) + 2 * MAX_TOKENS), dtype=np.uint64)
    out, values = np.empty(_ROOM, dtype=np.int32), np.empty(_ROOM, dtype=np.float32)
    parts: list[tuple[Any, Any]] = []
    ends, owners, contents = [0], [], []
    write, total = 0, 0
    for row, (start, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
        most = (end - start + 64) * _FEATURES_PER_BYTE
        if most > len(columns):
            columns, families = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int8)
        blocks = np.array([start, *(block_ends(data, start, end) if end - start > BLOCK_BYTES else [end])])
        count = reader(data, blocks, state.words, columns, families, counts, grams)
        spans = [(0, count - 1)]
        if windows:
            spans = [(k - by, k) for k in range(count) for by in ((1, 0) if counts[k, _JOINS] else (0,))]
        needed = sum(int(counts[b, _END] - (counts[a - 1, _END] if a else 0)) + 32 for a, b in spans)
        if write + needed > len(out):
            parts.append((out[:write].copy(), values[:write].copy()))
            total, write = total + write, 0
            if needed > len(out):
                out, values = np.empty(needed, dtype=np.int32), np.empty(needed, dtype=np.float32)
        for first, last in spans:
            write = writer(state.words, columns, families, counts, first, last, write, out, values)
            ends.append(total + write)
            owners.append(row)
            contents.append(int(counts[first : last + 1, _CONTENT].sum()))
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
