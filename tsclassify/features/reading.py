"""One post read without the kernel: the same integers and float steps, and what each place adds to each logit."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.features.reference import (
    Marks,
    Raw,
    buckets_of,
    flag_features,
    piece_hashes,
    segments_of,
    windows_of,
)
from tsclassify.features.spec import FeatureSpec
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.passages import n_doublings

if TYPE_CHECKING:
    from tsclassify.features.scorer import HeadTable

__all__ = ["LOWEST", "PostReading", "Share"]

LOWEST: Final = -99.0
"""Logit of a head that reads windows only, in a post without any of enough words; the kernel repeats it."""


@functools.lru_cache(maxsize=1 << 14)
def _pieces_of(word: str, spec: FeatureSpec) -> NDArray[np.int64]:
    """Buckets of the pieces of one word; some megabytes are remembered."""
    return buckets_of(piece_hashes(word, spec), spec)


class Share:
    """What one post's features add to the logit of one head.

    Attributes
    ----------
    constant
        What the post adds that no feature does: the bias, and what the number of segments adds.
    values
        float64, shape (features,): what each feature adds, in the order of ``PostReading.places``.
    start, end
        Span of the strongest window in the original text in code points.
    """

    __slots__ = ("constant", "end", "start", "values")

    def __init__(self, constant: float, values: NDArray[np.float64], start: int, end: int) -> None:
        self.constant = constant
        self.values = values
        self.start = start
        self.end = end


class PostReading:
    """The features of one post and of its windows.

    Parameters
    ----------
    text
        The post.
    spec, lexicon
        What the features are.

    Attributes
    ----------
    segments
        Its segments, in order.
    spans
        First and last segment of each passage: the whole post, then the windows.
    places
        Of each feature (start, end, kind); of the flags of passages (0, 0, ``post``).
    """

    def __init__(self, text: str, spec: FeatureSpec, lexicon: Lexicon) -> None:
        self.segments = segments_of(text, spec, lexicon)
        self.spans = [(0, len(self.segments) - 1), *windows_of(self.segments)]
        raws: list[Raw] = []
        hashes: list[NDArray[np.int64]] = []
        self.places: list[tuple[int, int, str]] = []
        counts = []
        for segment in self.segments:
            pieces = [_pieces_of(token.text, spec) for token in segment.words]
            counts.append((len(segment.phrases), sum(map(len, pieces)), len(segment.cues)))
            raws = [*segment.phrases, *segment.cues]
            buckets = buckets_of([raw[0] for raw in raws], spec)
            hashes += [buckets[: counts[-1][0]], *pieces, buckets[counts[-1][0] :]]
            self.places += [raw[1:] for raw in segment.phrases]
            for token, run in zip(segment.words, pieces, strict=True):
                self.places += [(token.start, token.end, "piece")] * len(run)
            self.places += [raw[1:] for raw in segment.cues]
        self._counts = np.array(counts, dtype=np.int64)
        self._ends = np.concatenate([[0], np.cumsum(self._counts.ravel())])
        self._flags = [self._flags_of(first, last, spec) for first, last in self.spans]
        sizes = [
            (*self._counts[first : last + 1].sum(axis=0).tolist(), len(flags))
            for (first, last), flags in zip(self.spans, self._flags, strict=True)
        ]
        self._norms = np.array([[spec.family_norm(f, n) for f, n in enumerate(size)] for size in sizes])
        self._words = np.array([sum(s.n_words for s in self.segments[first : last + 1]) for first, last in self.spans])
        self._buckets = np.concatenate(hashes) if hashes else np.zeros(0, dtype=np.int64)
        self._made: dict[int, NDArray[np.float32]] = {}

    def _flags_of(self, first: int, last: int, spec: FeatureSpec) -> NDArray[np.int64]:
        marks = functools.reduce(Marks.with_others, [segment.marks for segment in self.segments[first : last + 1]])
        return buckets_of([raw[0] for raw in flag_features(marks, spec)], spec)

    def _passage_logits(self, table: HeadTable) -> NDArray[np.float32]:
        """Logits of every passage, in the kernel's order of operations: float32, shape (passages, heads)."""
        made = self._made.get(id(table))
        if made is not None:
            return made
        n = table.n_heads
        weights = table.weights[:, :n]
        running = np.zeros((len(self._buckets) + 1, n), dtype=np.int64)
        np.cumsum(weights[self._buckets], axis=0, dtype=np.int64, out=running[1:])
        parts = (running[self._ends[1:]] - running[self._ends[:-1]]).reshape(len(self.segments), 3, n)
        upto = np.concatenate([np.zeros((1, 3, n), dtype=np.int64), np.cumsum(parts, axis=0)])
        firsts, lasts = np.array(self.spans).T
        sums = upto[lasts + 1] - upto[firsts]
        value = np.zeros((len(self.spans), n))
        for family in range(3):
            value = value + self._norms[:, family, None] * sums[:, family]
        flags = np.array([weights[rows].sum(axis=0, dtype=np.int64) for rows in self._flags])
        value = value + self._norms[:, 3, None] * flags
        logits: NDArray[np.float32] = (table.heads[1, :n] + table.heads[0, :n] * value).astype(np.float32)
        self._made[id(table)] = logits
        return logits

    def _mix(self, table: HeadTable) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Shares of whole, strongest, doubling and shift, shape (4, heads), and which windows each head reads."""
        n = table.n_heads
        row = 6 if len(self.segments) > 1 else 2
        return table.heads[row : row + 4, :n], self._words[1:, None] >= table.heads[10, :n]

    def logits(self, table: HeadTable) -> NDArray[np.float32]:
        """Logits of the post: float32, shape (heads,)."""
        made = self._passage_logits(table).astype(np.float64)
        (whole, strongest, doubling, shift), is_read = self._mix(table)
        best = np.maximum(LOWEST, np.where(is_read, made[1:], -np.inf).max(axis=0))
        first = whole * made[0] + strongest * best
        mixed: NDArray[np.float64] = first + (doubling * n_doublings(len(self.segments)) + shift)
        return mixed.astype(np.float32)

    def share(self, table: HeadTable, head: int) -> Share:
        """What each feature adds to the logit of one head; constant and values add up to it, to 1e-4."""
        made = self._passage_logits(table)[1:, head]
        (whole, strongest, doubling, shift), is_read = (part[..., head] for part in self._mix(table))
        read = np.where(is_read, made, -np.inf)
        number = int(np.argmax(read)) + 1
        scale, bias = table.heads[:2, head].tolist()
        constant = float(doubling * n_doublings(len(self.segments)) + shift)
        values = np.zeros(len(self._buckets))
        flags = []
        for passage, part in ((0, float(whole)), (number, float(strongest))):
            if passage and not read[number - 1] > LOWEST:
                constant += part * LOWEST
                continue
            constant += part * bias
            first, last = self.spans[passage]
            lo, hi = self._ends[3 * first], self._ends[3 * last + 3]
            norms = np.repeat(
                np.tile(self._norms[passage, :3], last - first + 1), self._counts[first : last + 1].ravel()
            )
            values[lo:hi] += part * scale * norms * table.weights[self._buckets[lo:hi], head]
            flags.append(part * scale * self._norms[passage, 3] * table.weights[self._flags[passage], head])
        first, last = self.spans[number]
        return Share(
            constant,
            np.concatenate([values, *flags]),
            self.segments[first].start,
            self.segments[last].end,
        )
