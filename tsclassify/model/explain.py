"""Exact explanations: what every span of a text adds to a logit, and in which passage it is strongest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.features.reading import PostReading, Share
from tsclassify.features.scorer import Scorer
from tsclassify.records import Piece

__all__ = ["Attribution"]

_KINDS: Final = ("phrase", "post", "word")
"""Kinds of places in the order in which equal spans are listed; a place is the number ``start, end, kind``."""

_LONGEST: Final = 64
"""Letters of a word as it is written, up to which its runs are kept."""

_END_BITS: Final = 30
_PHRASE, _POST, _WORD = range(3)


class Attribution:
    """What every place of one text adds to every logit.

    Parameters
    ----------
    scorer
        The model's scorer.
    text
        The text.
    heads
        What ``TrainedModel.heads`` says.
    """

    def __init__(self, scorer: Scorer, text: str, heads: Mapping[str, tuple[int, int]]) -> None:
        self._scorer = scorer
        self._heads = heads
        self._text = text
        self._reading = PostReading(text, scorer.spec, scorer.lexicon)
        self._shares: dict[str, Share] = {}

    def pieces(self, name: str) -> tuple[float, tuple[Piece, ...]]:
        """Constant of a category or signal and its pieces, largest absolute contribution first.

        A word's piece holds the word and the letter runs in it; a phrase's piece holds all features of that span;
        features of whole passages have no span. Constant and contributions add up to the scorer's logit, to 1e-4.
        """
        share, sums = self._sums(name)
        # a place is shown when any of its features has a weight, even where they cancel out
        is_shown = np.zeros(len(sums), dtype=bool)
        is_shown[self._at(share)[share.values != 0]] = True
        # stable, so that equal contributions stay in the order of their places
        order = np.argsort(-np.abs(sums), kind="stable")
        order = order[is_shown[order]]
        return share.constant, tuple(map(self._piece, self._shown[0][order].tolist(), sums[order].tolist()))

    def rising(self, name: str, n: int) -> tuple[Piece, ...]:
        """``rising_pieces`` of the pieces of a category or signal, without making the others."""
        _, sums = self._sums(name)
        order = np.argsort(-sums, kind="stable")
        chosen: list[Piece] = []
        for place, value in zip(self._shown[0][order].tolist(), sums[order].tolist(), strict=True):
            if len(chosen) == n or value <= 0:
                break
            piece = self._piece(place, value)
            if piece.text.strip() and all(piece.end <= other.start or other.end <= piece.start for other in chosen):
                chosen.append(piece)
        return tuple(chosen)

    def passage(self, name: str) -> tuple[int, int]:
        """Start and end of the passage in which a category or signal is strongest, in code points."""
        share = self._share(name)
        return share.start, share.end

    def _share(self, name: str) -> Share:
        if name not in self._shares:
            part, head = self._heads[name]
            self._shares[name] = self._reading.share(self._scorer.parts[part], head)
        return self._shares[name]

    @cached_property
    def _shown(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Distinct places, and which of them each feature is shown at; the last one is that of flags."""
        words = {(start, end) for start, end, kind in self._reading.places if kind == "word"}
        numbers = [
            (start << _END_BITS | end) << 2 | (_WORD if kind == "piece" or (start, end) in words else _PHRASE)
            for start, end, kind in self._reading.places
        ]
        shown, at = np.unique(np.array([*numbers, _POST], dtype=np.int64), return_inverse=True)
        return shown, at

    def _at(self, share: Share) -> NDArray[np.int64]:
        at = self._shown[1]
        # the flags of passages stand behind all other features
        return np.concatenate([at[:-1], np.repeat(at[-1:], len(share.values) - len(at) + 1)])

    def _sums(self, name: str) -> tuple[Share, NDArray[np.float64]]:
        share = self._share(name)
        return share, np.bincount(self._at(share), share.values, len(self._shown[0])).astype(np.float64)

    def _piece(self, place: int, value: float) -> Piece:
        start, end = place >> _END_BITS + 2, place >> 2 & (1 << _END_BITS) - 1
        return Piece(self._text[start:end], start, end, value, _KINDS[place & 3])
