"""Results onto raw lines: the result object is written before the closing brace; every other byte stays.

Scores are printed with six decimals, rounded to nearest, by integer arithmetic in the compiled loop: formatting
seven floats a line in Python would cost more than scoring it. A line that holds the result field already has its
value replaced in place. The layout is documented in docs/scaling.md and versioned by ``tsclassify.records``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.io.compiled import jit

__all__ = ["DECIMALS", "ResultLayout", "splice_rows"]

DECIMALS: Final = 6
"""Decimals of a printed score; a shown score differs from the exact one by at most 5e-7."""

_TRUTH_WORDS: Final = ("false", "unknown", "true")
_LEVEL_WORDS: Final = ("review", "act")


def _json(value: str) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True, slots=True)
class ResultLayout:
    """Every constant piece of a result, end to end, so that the compiled loop only copies.

    Attributes
    ----------
    table, starts
        uint8 bytes of all pieces, and int64 offsets, one more than pieces.
    n_tiers, n_categories, n_signals
        Sizes; ``n_tiers`` is 0 without a policy.
    widest
        Upper bound of the bytes that one result takes.
    """

    table: NDArray[np.uint8]
    starts: NDArray[np.int64]
    n_tiers: int
    n_categories: int
    n_signals: int
    widest: int

    @classmethod
    def build(
        cls,
        *,
        field: str,
        categories: Sequence[str],
        signals: Sequence[str],
        tiers: Sequence[str],
        model: str,
        policy: str,
    ) -> ResultLayout:
        """Lay out the pieces in the order that `splice_rows` counts on."""
        pieces = [
            b"," + _json(field) + b":{",
            b"{",
            b'"review":false,',
            b'"review":true,',
            b"}",
            b',"findings":{',
            b',"signals":{',
            b',"model":' + _json(model) + (b',"policy":' + _json(policy) if policy else b"") + b"}",
        ]
        for k, name in enumerate(categories):
            pieces.append((b'"scores":{' if k == 0 else b",") + _json(name) + b":")
        pieces += [_json(name) + b":" + _json(word) for name in categories for word in _LEVEL_WORDS]
        pieces += [_json(name) + b":" + _json(word) for name in signals for word in _TRUTH_WORDS]
        pieces += [b'"language":' + _json(word) + b"," for word in _TRUTH_WORDS]
        pieces += [b'"tier":' + _json(name) + b"," for name in tiers]
        starts = np.zeros(len(pieces) + 1, dtype=np.int64)
        np.cumsum([len(piece) for piece in pieces], out=starts[1:])
        # A score takes DECIMALS + 2 bytes; findings and signals a comma each.
        widest = int(starts[-1]) + len(categories) * (DECIMALS + 3) + len(signals) + 8
        table = np.frombuffer(b"".join(pieces), dtype=np.uint8)
        return cls(table, starts, len(tiers), len(categories), len(signals), widest)


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
        int8 (n,) of ``Truth``, int16 (n,) row of the tier table, bool (n,), int8 (n, K) 0 none, 1 review, 2 act,
        int8 (n, S) of ``Truth``; levels and states are written where some level is above 0.
    table, starts, n_tiers, n_categories, n_signals
        A `ResultLayout`.
    out
        uint8, with room for the block and n times ``widest``.

    Returns
    -------
    int
        Bytes written.
    """
    # Piece numbers as int64, since numba compiles a function anew for every literal it is called with.
    at = np.int64(0)
    first_score = np.int64(8)
    head, inner, calm, asked = np.int64(0), np.int64(1), np.int64(2), np.int64(3)
    close, findings, signals, tail = np.int64(4), np.int64(5), np.int64(6), np.int64(7)
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
            at = _put(out, at, table, starts, asked if reviews[row] else calm)
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
