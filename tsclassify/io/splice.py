"""Results onto raw lines: the result object is written before the closing brace; every other byte stays.

Compiled, since formatting seven scores a line in Python would cost more than scoring it; `tsclassify.io.layout`
has the same in Python, for a few lines. Imported only where a block is written, since it imports numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tsclassify.compiled import jit

__all__ = ["splice_rows"]


def _put(out: Any, at: Any, table: Any, starts: Any, piece: Any) -> Any:
    length = starts[piece + 1] - starts[piece]
    source = starts[piece]
    for k in range(length):
        out[at + k] = table[source + k]
    return at + length


_put = jit(_put)


def _put_score(out: Any, at: Any, score: Any) -> Any:
    """Write a score in [0, 1] as ``d.dddddd``."""
    value = np.int64(np.float64(score) * 1000000.0 + 0.5)
    out[at] = 48 + value // 1000000
    out[at + 1] = 46
    rest = value % 1000000
    for k in range(6):
        out[at + 7 - k] = 48 + rest % 10
        rest //= 10
    return at + 8


_put_score = jit(_put_score)


def splice_rows(
    buf: Any,
    lines: Any,
    replaced: Any,
    scores: Any,
    keep: Any,
    language: Any,
    tiers: Any,
    reviews: Any,
    levels: Any,
    states: Any,
    table: Any,
    starts: Any,
    n_tiers: Any,
    n_categories: Any,
    n_signals: Any,
    out: Any,
) -> Any:
    """Write the kept lines with their results.

    Parameters
    ----------
    buf
        The block, uint8.
    lines
        int64 (n, 4), see `tsclassify.io.scan.scan_lines`.
    replaced
        int64 (n, 2): span of a result value that the line holds already, or -1.
    scores
        float32 (n, K).
    keep
        bool (n,): rows to write.
    language, tiers, reviews, levels, states
        int8 (n,) of ``Truth``, int16 (n,) row of the tier table, int8 (n,) 0 no, 1 a person has to look, 2 held by
        a guard, int8 (n, K) 0 none, 1 review, 2 act, int8 (n, S) of ``Truth``; levels and states are written where
        some level is above 0.
    table, starts, n_tiers, n_categories, n_signals
        A `tsclassify.io.layout.ResultLayout`.
    out
        uint8, with room for the block and n times ``widest``.

    Returns
    -------
    int
        Bytes written.
    """
    # Piece numbers as int64, since numba compiles a function anew for every literal it is called with.
    at = np.int64(0)
    first_score = np.int64(9)
    # After "calm" come the pieces for a person who has to look, and for a held row.
    head, inner, calm = np.int64(0), np.int64(1), np.int64(2)
    close, findings, signals, tail = np.int64(5), np.int64(6), np.int64(7), np.int64(8)
    first_level = first_score + n_categories
    first_signal = first_level + 2 * n_categories
    first_language = first_signal + 3 * n_signals
    first_tier = first_language + 3
    for row in range(lines.shape[0]):
        if not keep[row]:
            continue
        start = lines[row, 0]
        resume = lines[row, 1]
        if replaced[row, 0] >= 0:
            stop = replaced[row, 0]
            resume = replaced[row, 1]
            out[at : at + stop - start] = buf[start:stop]
            at = _put(out, at + stop - start, table, starts, inner)
        else:
            out[at : at + resume - start] = buf[start:resume]
            at = _put(out, at + resume - start, table, starts, head)
        if n_tiers:
            at = _put(out, at, table, starts, first_tier + tiers[row])
            at = _put(out, at, table, starts, calm + reviews[row])
        at = _put(out, at, table, starts, first_language + language[row])
        found = False
        for k in range(n_categories):
            at = _put(out, at, table, starts, first_score + k)
            at = _put_score(out, at, scores[row, k])
            if n_tiers and levels[row, k] > 0:
                found = True
        at = _put(out, at, table, starts, close)
        if found:
            at = _put(out, at, table, starts, findings)
            comma = False
            for k in range(n_categories):
                if levels[row, k] > 0:
                    if comma:
                        out[at] = 44
                        at += 1
                    comma = True
                    at = _put(out, at, table, starts, first_level + 2 * k + levels[row, k] - 1)
            at = _put(out, at, table, starts, close)
            at = _put(out, at, table, starts, signals)
            for s in range(n_signals):
                if s:
                    out[at] = 44
                    at += 1
                at = _put(out, at, table, starts, first_signal + 3 * s + states[row, s])
            at = _put(out, at, table, starts, close)
        at = _put(out, at, table, starts, tail)
        end = lines[row, 2]
        out[at : at + end - resume] = buf[resume:end]
        at += end - resume
        out[at] = 10
        at += 1
    return at


splice_rows = jit(splice_rows)
