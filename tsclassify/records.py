"""Frozen records that cross rooms: truth values, operating points, model statements, explanations."""

from __future__ import annotations

import enum
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = [
    "SCHEMA_VERSION",
    "Explanation",
    "ModelInfo",
    "OperatingPoint",
    "Piece",
    "SignalBand",
    "Truth",
    "rising_pieces",
]

SCHEMA_VERSION: Final = 1
"""Version of the dict and JSON form of all records."""


class Truth(enum.IntEnum):
    """A truth value in Kleene's strong three-valued logic.

    The order makes *and* a minimum, *or* a maximum and *not* ``2 - x``, over whole columns too.
    """

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2

    @classmethod
    def of(cls, value: bool | None) -> Truth:
        """True, false, and None for unknown."""
        return cls.UNKNOWN if value is None else cls.TRUE if value else cls.FALSE


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold with what was measured at it.

    Attributes
    ----------
    threshold
        Score in [0, 1]; a finding acts at ``score >= threshold``.
    precision, recall
        Measured shares in [0, 1], on cross-fitted scores.
    n_items, n_positive
        Items measured, and how many of them carry the gold label.
    precision_low, precision_high, recall_low, recall_high
        Ends of the 95 % intervals.
    """

    threshold: float
    precision: float
    recall: float
    n_items: int
    n_positive: int
    precision_low: float
    precision_high: float
    recall_low: float
    recall_high: float


@dataclass(frozen=True, slots=True)
class SignalBand:
    """Where a signal's score means no and where it means yes; between them it is unknown.

    A score below ``no_below`` is false, one at or above ``yes_from`` is true.
    """

    no_below: float
    yes_from: float


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a bundle states about its model; all that a policy may know of it.

    Attributes
    ----------
    name, sha256
        Bundle name, and the sha256 over its manifest, which lists the hash of every other file.
    categories, signals
        Column names in order.
    priors
        Category to the stated prior: the share of positives at which a score is calibrated.
    operating_points
        Category to its measured table, by rising threshold.
    signal_bands
        Signal to its band.
    languages
        Language codes that the model was tested on.
    """

    name: str
    sha256: str
    categories: tuple[str, ...]
    signals: tuple[str, ...]
    priors: Mapping[str, float]
    operating_points: Mapping[str, tuple[OperatingPoint, ...]]
    signal_bands: Mapping[str, SignalBand]
    languages: tuple[str, ...] = ("en",)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a score: a span of the original text and what it adds to the logit.

    Attributes
    ----------
    text
        The span as written, or empty for a feature of the whole post.
    start, end
        Offsets into the original text in code points, ``text == original[start:end]``.
    contribution
        What the span adds to the logit.
    kind
        What kind of feature it is, for example ``word``, ``phrase`` or ``post``.
    """

    text: str
    start: int
    end: int
    contribution: float
    kind: str = "word"

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "contribution": self.contribution,
            "kind": self.kind,
        }


def rising_pieces(pieces: Sequence[Piece], n: int) -> tuple[Piece, ...]:
    """At most `n` pieces with a span that raise the score, largest first, none of which overlap."""
    chosen: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (-piece.contribution, piece.start)):
        if len(chosen) == n or piece.contribution <= 0:
            break
        if piece.text.strip() and all(piece.end <= other.start or other.end <= piece.start for other in chosen):
            chosen.append(piece)
    return tuple(chosen)


@dataclass(frozen=True, slots=True)
class Explanation:
    """An exact account of one logit: ``bias + sum(p.contribution for p in pieces) == logit``.

    Attributes
    ----------
    category
        Category or signal explained.
    bias
        What no word adds: the bias of the head, and what the number of passages adds.
    logit
        Sum of the bias and all contributions (to 1e-4).
    score
        Calibrated probability at the bundle's stated prior.
    pieces
        Largest absolute contribution first.
    text
        The original text; kept for display, left out of ``repr`` and of ``to_dict``.
    start, end
        The passage in which the category or signal is strongest, in code points of the original text.
    """

    category: str
    bias: float
    logit: float
    score: float
    pieces: tuple[Piece, ...]
    text: str = field(repr=False, compare=False, default="")
    start: int = 0
    end: int = 0

    @property
    def passage(self) -> str:
        """The words of the strongest passage."""
        return self.text[self.start : self.end]

    def top(self, n: int = 5) -> tuple[Piece, ...]:
        """The pieces that raise the score most, at most `n`, largest first, no two over the same words."""
        return rising_pieces(self.pieces, n)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "category": self.category,
            "bias": self.bias,
            "logit": self.logit,
            "score": self.score,
            "start": self.start,
            "end": self.end,
            "pieces": [piece.to_dict() for piece in self.pieces],
        }

    def _repr_html_(self) -> str:
        """Highlight the text: red raises the score, blue lowers it; everything from the post is escaped."""
        per_character = [0.0] * len(self.text)
        for piece in self.pieces:
            width = piece.end - piece.start
            for position in range(piece.start, piece.end):
                per_character[position] += piece.contribution / width
        top = max((abs(value) for value in per_character), default=0.0) or 1.0
        spans = []
        start = 0
        while start < len(self.text):
            end = start + 1
            while end < len(self.text) and per_character[end] == per_character[start]:
                end += 1
            weight = per_character[start] / top
            colour = "220,60,40" if weight > 0 else "50,90,220"
            style = f"background:rgba({colour},{abs(weight) * 0.55:.2f})"
            title = f"{sum(per_character[start:end]):+.3f}"
            spans.append(f'<span style="{style}" title="{title}">{html.escape(self.text[start:end])}</span>')
            start = end
        sums = f"logit {self.logit:+.3f} = bias {self.bias:+.3f} + pieces"
        head = f"{html.escape(self.category)}: score {self.score:.3f}, {sums}"
        return (
            f'<div><div style="font:12px sans-serif;opacity:.75">{head}</div>'
            f'<div style="white-space:pre-wrap;unicode-bidi:isolate">{"".join(spans)}</div></div>'
        )
