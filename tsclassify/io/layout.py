"""What a result looks like: its constant pieces, and the plain way of writing it.

Scores are printed with six decimals, rounded to nearest and ties up, by integer arithmetic. A line that holds the
result field already has its value replaced in place. The layout is documented in docs/scaling.md and versioned by
``tsclassify.records.SCHEMA_VERSION``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECIMALS", "SLACK", "ResultLayout", "splice_plain"]

DECIMALS: Final = 6
"""Decimals of a printed score; a shown score differs from the exact one by at most 5e-7."""

SLACK: Final = 32
"""Bytes that the compiled loop copies at a time: read beyond the last piece, written beyond the last line."""

TRUTH_WORDS: Final = (b"false", b"null", b"true")
"""JSON of a truth value, by its code; null is unknown."""
_LEVEL_WORDS: Final = ("review", "act")


def _json(value: str) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True, slots=True)
class ResultLayout:
    """Every constant piece of a result, end to end, so that the compiled loop only copies.

    Attributes
    ----------
    table, starts
        uint8 bytes of all pieces, ``SLACK`` more, and int64 offsets, one more than pieces.
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
            b'"review":true,"held":true,',
            b"}",
            b',"findings":{',
            b',"signals":{',
            b',"model":' + _json(model) + (b',"policy":' + _json(policy) if policy else b"") + b"}",
        ]
        for k, name in enumerate(categories):
            pieces.append((b'"scores":{' if k == 0 else b",") + _json(name) + b":")
        pieces += [_json(name) + b":" + _json(word) for name in categories for word in _LEVEL_WORDS]
        pieces += [_json(name) + b":" + word for name in signals for word in TRUTH_WORDS]
        pieces += [b'"language":' + word + b"," for word in TRUTH_WORDS]
        pieces += [b'"tier":' + _json(name) + b"," for name in tiers]
        starts = np.zeros(len(pieces) + 1, dtype=np.int64)
        np.cumsum([len(piece) for piece in pieces], out=starts[1:])
        # A score takes DECIMALS + 2 bytes; findings and signals a comma each.
        widest = int(starts[-1]) + len(categories) * (DECIMALS + 3) + len(signals) + 8
        table = np.frombuffer(b"".join([*pieces, bytes(SLACK)]), dtype=np.uint8)
        return cls(table, starts, len(tiers), len(categories), len(signals), widest)

    def pieces(self) -> list[bytes]:
        """The pieces as bytes, in the order of ``starts``."""
        table = self.table.tobytes()
        return [table[start:end] for start, end in zip(self.starts[:-1], self.starts[1:], strict=True)]


def splice_plain(
    data: bytes,
    lines: NDArray[np.int64],
    replaced: NDArray[np.int64],
    scores: NDArray[np.float32],
    keep: NDArray[np.bool_],
    language: NDArray[np.int8],
    tiers: NDArray[np.int16],
    reviews: NDArray[np.int8],
    levels: NDArray[np.int8],
    states: NDArray[np.int8],
    layout: ResultLayout,
) -> bytes:
    """What `tsclassify.io.splice.splice_rows` writes, byte for byte, without compiled code: for a few lines."""
    pieces = layout.pieces()
    n, first_level = layout.n_categories, 9 + layout.n_categories
    first_signal = first_level + 2 * n
    first_language = first_signal + 3 * layout.n_signals
    out: list[Any] = []
    for row in np.flatnonzero(keep).tolist():
        start, close, end, _ = lines[row].tolist()
        cut, resume = replaced[row].tolist() if replaced[row, 0] >= 0 else (close, close)
        out += [data[start:cut], pieces[1] if replaced[row, 0] >= 0 else pieces[0]]
        if layout.n_tiers:
            out += [pieces[first_language + 3 + int(tiers[row])], pieces[2 + int(reviews[row])]]
        out.append(pieces[first_language + int(language[row])])
        for k in range(n):
            value = int(float(scores[row, k]) * 1e6 + 0.5)
            out += [pieces[9 + k], b"%d.%06d" % divmod(value, 1_000_000)]
        out.append(pieces[5])
        found = np.flatnonzero(levels[row] > 0).tolist() if layout.n_tiers else []
        if found:
            said = [pieces[first_level + 2 * k + int(levels[row, k]) - 1] for k in found]
            known = [pieces[first_signal + 3 * s + int(states[row, s])] for s in range(layout.n_signals)]
            out += [pieces[6], b",".join(said), pieces[5], pieces[7], b",".join(known), pieces[5]]
        out += [pieces[8], data[resume:end], b"\n"]
    return b"".join(out)
