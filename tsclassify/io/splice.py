"""Results onto raw lines: the result object is written before the closing brace; every other byte stays.

Compiled, since formatting seven scores a line in Python would cost more than scoring it; `tsclassify.io.layout`
has the same in Python, for a few lines. Imported only where a block is written, since it imports numba.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tsclassify.compiled import jit
from tsclassify.io.layout import SLACK

__all__ = ["splice_rows"]

_BYTE = ir.IntType(8)
_I64 = ir.IntType(64)

# Three decimal digits of 0 to 999 as the low three bytes of a number, first digit lowest.
_DIGITS: Final = np.array([[*b"%03d" % k, 0, 0, 0, 0, 0] for k in range(1000)], dtype=np.uint8)
_DIGITS_OF: Final = _DIGITS.view("<u8")[:, 0].copy()


def _at(context: Any, builder: Any, kind: Any, array: Any, index: Any, item: Any) -> Any:
    """Pointer to `item`-sized data at a byte of an array; an index is trusted and never counts from the end."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), item.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def _copy(typing_context: Any, out: Any, at: Any, source: Any, start: Any, length: Any) -> Any:
    """Copy `length` bytes from ``source[start]`` to ``out[at]``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to = _at(context, builder, sig.args[0], args[0], args[1], _BYTE)
        of = _at(context, builder, sig.args[2], args[2], args[3], _BYTE)
        cgutils.raw_memcpy(builder, to, of, args[4], ir.Constant(_I64, 1))
        return context.get_dummy_value()

    return types.none(out, types.int64, source, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _copy_wide(typing_context: Any, out: Any, at: Any, source: Any, start: Any) -> Any:
    """Copy ``SLACK`` bytes, whatever of them counts: cheaper than a loop over the few that do."""
    vector = ir.VectorType(_BYTE, SLACK)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        of = _at(context, builder, sig.args[2], args[2], args[3], vector)
        to = _at(context, builder, sig.args[0], args[0], args[1], vector)
        builder.store(builder.load(of, align=1), to, align=1)
        return context.get_dummy_value()

    return types.none(out, types.int64, source, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _put_word(typing_context: Any, out: Any, at: Any, word: Any) -> Any:
    """Write eight bytes, the lowest first (little-endian machines)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _at(context, builder, sig.args[0], args[0], args[1], _I64), align=1)
        return context.get_dummy_value()

    return types.none(out, types.int64, types.uint64), generate


def _put(out: Any, at: Any, table: Any, starts: Any, piece: Any) -> Any:
    source = starts[np.uint64(piece)]
    length = starts[np.uint64(piece + 1)] - source
    # What is written beyond the piece, the next one overwrites.
    for done in range(0, length, SLACK):
        _copy_wide(out, at + done, table, source + done)
    return at + length


_put = jit(_put)


def _put_score(out: Any, at: Any, score: Any) -> Any:
    """Write a score in [0, 1] as ``d.dddddd``."""
    value = np.uint64(np.float64(score) * 1000000.0 + 0.5)
    first = value // np.uint64(1000000)
    rest = value - first * np.uint64(1000000)
    high = rest // np.uint64(1000)
    low = rest - high * np.uint64(1000)
    word = np.uint64(48) + first | np.uint64(46 << 8)
    _put_word(out, at, word | _DIGITS_OF[high] << np.uint64(16) | _DIGITS_OF[low] << np.uint64(40))
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
        A `tsclassify.io.layout.ResultLayout`, its table with ``SLACK`` bytes after the last piece.
    out
        uint8, with room for the block, n times ``widest``, and ``SLACK``.

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
            _copy(out, at, buf, start, stop - start)
            at = _put(out, at + stop - start, table, starts, inner)
        else:
            _copy(out, at, buf, start, resume - start)
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
        _copy(out, at, buf, resume, end - resume)
        at += end - resume
        out[at] = 10
        at += 1
    return at


splice_rows = jit(splice_rows)
