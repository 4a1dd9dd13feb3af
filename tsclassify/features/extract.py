"""Compiled extractor: posts to the rows of a sparse matrix, for training."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tsclassify.features.build import (
    C_BITS,
    C_DEDUP,
    PER_TOKEN,
    build_features,
    make_config,
    make_scratch,
    make_tables,
    write_pieces,
)
from tsclassify.features.compiled import bucket, entry, fingerprint
from tsclassify.features.memo import PIECES_SHIFT, T_INFO, make_memo
from tsclassify.features.scan import scan_post
from tsclassify.features.spec import FeatureSpec
from tsclassify.text import rules
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.normalize import MAX_TOKENS

__all__ = ["extract"]

_PIECES: int = 6 * (rules.MAX_WORD + 2)


@functools.cache
def _make_entry() -> Any:  # noqa: C901 (one flat loop for each family)
    made_from = fingerprint()

    @entry
    def fill_rows(  # noqa: C901 (one flat loop for each family)
        data: Any, offsets: Any, first: int, memo: Any, scratch: Any, tables: Any, config: Any, norms: Any,
        columns: Any, values: Any, ends: Any, pieces: Any,
    ) -> tuple[int, int, int]:  # fmt: skip
        """Rows from `first` on until the buffers are full; returns (next row, entries written, sources)."""
        bounds = np.zeros(4, dtype=np.int64)
        shift = np.uint64(64 - config[C_BITS])
        write = 0
        row = first
        while row < len(offsets) - 1:
            n = scan_post(data, offsets[row], offsets[row + 1], memo, tables)
            build_features(n, memo, scratch, tables, config, bounds)
            n_chars: Any = 0
            for k in range(bounds[3]):
                n_chars += np.int64(memo.tokens[8 * np.int64(scratch.words[k]) + T_INFO]) >> PIECES_SHIFT
            if write + bounds[2] + n_chars > len(columns) and row > first:
                break
            counts = (bounds[0], n_chars, bounds[1] - bounds[0], bounds[2] - bounds[1])
            if config[C_DEDUP] == 2 and n_chars:
                every = np.empty(n_chars, dtype=np.uint64)
                at = 0
                for k in range(bounds[3]):
                    at = write_pieces(np.int64(scratch.words[k]), memo, config, every, at)
                every.sort()
                kept = 0
                for k in range(at):
                    if k == 0 or every[k] != every[k - 1]:
                        every[kept] = every[k]
                        kept += 1
                n_chars = kept
            else:
                every = np.empty(0, dtype=np.uint64)
            for family in range(4):
                size = n_chars if family == 1 else counts[family]
                value = norms[family, 0]
                if norms[family, 1] == 1:
                    value = value / math.sqrt(size + norms[family, 2]) if size else 0.0
                elif norms[family, 1] == 2:
                    value = value / (size + norms[family, 2]) if size else 0.0
                if family == 1:
                    if config[C_DEDUP] == 2:
                        for k in range(n_chars):
                            columns[write] = bucket(every[k], shift)
                            values[write] = value
                            write += 1
                    else:
                        for w in range(bounds[3]):
                            end = write_pieces(np.int64(scratch.words[w]), memo, config, pieces, 0)
                            for k in range(end):
                                columns[write] = bucket(pieces[k], shift)
                                values[write] = value
                                write += 1
                    continue
                lo = 0 if family == 0 else bounds[0] if family == 2 else bounds[1]
                for k in range(lo, lo + size):
                    columns[write] = bucket(scratch.features[k], shift)
                    values[write] = value
                    write += 1
            ends[row + 1] = write
            row += 1
        return row, write, made_from

    return fill_rows


def make_norms(spec: FeatureSpec) -> Any:
    """float64, shape (4, 3): scale, kind of norm (0 none, 1 sqrt, 2 mean) and offset of each family."""
    kind = ("none", "sqrt", "mean").index(spec.norm)
    return np.array([[spec.scales[f], 0 if f == 3 else kind, spec.offsets[f]] for f in range(4)], dtype=np.float64)


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
    memo, scratch = make_memo(), make_scratch()
    tables, config, norms = make_tables(spec, lexicon), make_config(spec), make_norms(spec)
    # The longest post alone must fit; the usual block is four million entries.
    longest = int(np.max(np.diff(offsets), initial=0))
    room = max(1 << 22, min(longest, MAX_TOKENS) * PER_TOKEN + 64 + 6 * (6 * longest + 2 * MAX_TOKENS))
    columns = np.empty(room, dtype=np.int32)
    values = np.empty(room, dtype=np.float32)
    ends = np.zeros(len(offsets), dtype=np.int64)
    pieces = np.empty(_PIECES, dtype=np.uint64)
    parts_c, parts_v = [], []
    row, total = 0, 0
    while row < len(offsets) - 1:
        begin = row
        row, used, _ = fill_rows(
            data, offsets, begin, memo, scratch, tables, config, norms, columns, values, ends, pieces
        )
        ends[begin + 1 : row + 1] += total
        total += used
        parts_c.append(columns[:used].copy())
        parts_v.append(values[:used].copy())
    empty_c, empty_v = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
    return (np.concatenate([empty_v, *parts_v]), np.concatenate([empty_c, *parts_c]), ends)
