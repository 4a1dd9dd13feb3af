"""Exact explanations: what every span of a text adds to a logit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.features.kernel import Scorer
from tsclassify.features.reference import Raw, buckets_of, families_of
from tsclassify.records import Piece
from tsclassify.taxonomy import CATEGORIES, SIGNALS

__all__ = ["Account", "Explainer"]

_WORDS: Final = 1 << 14
"""Words whose letter runs are kept: some megabytes, at most forty when each is as long as a word can be."""

_NEW_WORDS: Final = 24
"""Words of a post, not met before, that are read one by one; with more of them the whole post is read in less time.
Of 4, 12 and 24 the last was the fastest over 436 public posts with findings, each decided once."""

_KINDS: Final = ("phrase", "post", "word")
"""Kinds of places in the order in which equal spans are listed; a place is the number ``start, end, kind``."""

_LONGEST: Final = 64
"""Letters of a word as it is written, up to which its runs are kept."""

_END_BITS: Final = 30
_PHRASE, _POST, _WORD = range(3)


class Explainer:
    """Accounts for logits, remembering the letter runs of words it met; what it says does not depend on that.

    Parameters
    ----------
    scorer
        The model's scorer.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        spec = scorer.spec
        self._light = replace(spec, char_max=0) if spec.char_max else spec
        # runs are kept by the word's own feature; a shorter one could be the blank behind a word, which is shown at
        # the word that follows
        self._remembers = spec.word_max >= 1 and spec.char_max > 0 and spec.char_min >= 2
        # two words may share a hash, so what is written belongs to the key
        self._runs: dict[tuple[int, str], NDArray[np.int64]] = {}

    def account(self, text: str) -> Account:
        """Everything that adds to the logits of one text, once for all names."""
        spec, lexicon = self.scorer.spec, self.scorer.lexicon
        if self._remembers:
            word, _, back, post = families_of(text, self._light, lexicon)
            own = [number for number, raw in enumerate(word) if raw[3] == "word"]
            words = [word[number] for number in own]
            runs = [self._runs.get((h, text[start:end])) for h, start, end, _ in words]
            if 0 < sum(run is None for run in runs) <= _NEW_WORDS:
                runs = [self._run_of(text, raw) if run is None else run for run, raw in zip(runs, words, strict=True)]
            known = [run for run in runs if run is not None]
            if len(known) == len(runs) and _are_apart(words):
                others = [*word, *back, *post]
                buckets = buckets_of(others, spec)
                places = np.array(_places(others), dtype=np.int64)
                lengths = [len(run) for run in known]
                at = len(word)
                return Account(
                    self.scorer,
                    text,
                    [at, sum(lengths), len(back), len(post)],
                    np.concatenate([buckets[:at], *known, buckets[at:]]),
                    np.concatenate([places[:at], np.repeat(places[own], lengths), places[at:]]),
                )
        families = families_of(text, spec, lexicon)
        found = list(chain.from_iterable(families))
        buckets = buckets_of(found, spec)
        if self._remembers:
            self._learn(text, families[0], families[1], buckets[len(families[0]) :])
        sizes = [len(family) for family in families]
        return Account(self.scorer, text, sizes, buckets, np.array(_places(found), dtype=np.int64))

    def _run_of(self, text: str, raw: Raw) -> NDArray[np.int64] | None:
        """The letter runs of one word of a text, read by itself; None when it then reads as something else."""
        h, start, end, _ = raw
        word, char, _, _ = families_of(text[start:end], self.scorer.spec, self.scorer.lexicon)
        # a word's feature is the hash of what it reads as, and its letter runs come of nothing else
        if [found[0] for found in word if found[3] == "word"] != [h] or end - start > _LONGEST:
            return None
        if len(self._runs) >= _WORDS:
            self._runs.clear()
        run = self._runs[h, text[start:end]] = buckets_of(char, self.scorer.spec)
        return run

    def _learn(self, text: str, word: Sequence[Raw], char: Sequence[Raw], buckets: NDArray[np.int64]) -> None:
        """Keep the buckets of each word's letter runs under the word's hash and how it is written."""
        words = [raw for raw in word if raw[3] == "word"]
        if len(words) > _WORDS or not _are_apart(words):
            return
        starts = [start for _, start, _, _ in words]
        owners = [bisect_right(starts, start) - 1 for _, start, _, _ in char]
        if any(at < 0 or end > words[at][2] for at, (_, _, end, _) in zip(owners, char, strict=True)):
            return
        if len(self._runs) + len(words) > _WORDS:
            self._runs.clear()
        cuts = np.searchsorted(np.array(owners, dtype=np.int64), np.arange(len(words) + 1)).tolist()
        for (h, start, stop, _), (first, end) in zip(words, pairwise(cuts), strict=True):
            if stop - start <= _LONGEST:
                self._runs[h, text[start:stop]] = buckets[first:end].copy()


class Account:
    """What every place of one text adds to every logit.

    Parameters
    ----------
    scorer, text
        As above.
    sizes
        How many features each family has.
    buckets, places
        Of each feature, family by family.
    """

    def __init__(
        self, scorer: Scorer, text: str, sizes: Sequence[int], buckets: NDArray[np.int64], places: NDArray[np.int64]
    ) -> None:
        self._scorer = scorer
        self._text = text
        self._buckets = buckets
        self._values = np.repeat([scorer.spec.family_norm(family, size) for family, size in enumerate(sizes)], sizes)
        self._shown, self._at = np.unique(places, return_inverse=True)
        self._rows: dict[int, NDArray[np.int8]] = {}

    def pieces(self, name: str) -> tuple[float, tuple[Piece, ...]]:
        """Bias of a category or signal and its pieces, largest absolute contribution first.

        A word's piece holds the word and the letter runs in it; a phrase's piece holds all features of that span;
        features of the whole post have no span. Bias and contributions add up to the scorer's logit, to 1e-4.
        """
        bias, weights, sums = self._sums(name)
        # a place is shown when any of its features has a weight, even where they cancel out
        is_shown = np.zeros(len(sums), dtype=bool)
        is_shown[self._at[weights != 0]] = True
        # stable, so that equal contributions stay in the order of their places
        order = np.argsort(-np.abs(sums), kind="stable")
        order = order[is_shown[order]]
        return bias, tuple(map(self._piece, self._shown[order].tolist(), sums[order].tolist()))

    def rising(self, name: str, n: int) -> tuple[Piece, ...]:
        """``rising_pieces`` of the pieces of a category or signal, without making the others."""
        _, _, sums = self._sums(name)
        order = np.argsort(-sums, kind="stable")
        chosen: list[Piece] = []
        for place, value in zip(self._shown[order].tolist(), sums[order].tolist(), strict=True):
            if len(chosen) == n or value <= 0:
                break
            piece = self._piece(place, value)
            if piece.text.strip() and all(piece.end <= other.start or other.end <= piece.start for other in chosen):
                chosen.append(piece)
        return tuple(chosen)

    def _sums(self, name: str) -> tuple[float, NDArray[np.int8], NDArray[np.float64]]:
        part, lane = (0, CATEGORIES.index(name)) if name in CATEGORIES else (1, SIGNALS.index(name))
        if part not in self._rows:
            self._rows[part] = self._scorer.parts[part].weights[self._buckets]
        scale, bias = self._scorer.parts[part].lanes[:, lane].tolist()
        weights = self._rows[part][:, lane]
        added: NDArray[np.float64] = scale * self._values * weights
        return bias, weights, np.bincount(self._at, added, len(self._shown)).astype(np.float64)

    def _piece(self, place: int, value: float) -> Piece:
        start, end = place >> _END_BITS + 2, place >> 2 & (1 << _END_BITS) - 1
        return Piece(self._text[start:end], start, end, value, _KINDS[place & 3])


def _are_apart(words: Sequence[Raw]) -> bool:
    """Whether words follow each other without overlap, so that each letter run lies in one of them."""
    return all(one[2] <= other[1] for one, other in pairwise(words))


def _places(found: Sequence[Raw]) -> list[int]:
    """Where each feature is shown: its span and ``word``, ``phrase`` or ``post``, as one number.

    Letter runs are shown at the word that holds them; an end mark's phrase of one word is shown at that word.
    """
    spans = sorted({(start, end) for _, start, end, kind in found if kind == "word"})
    # where two begin together, the longer one counts
    ends = dict(spans)
    starts = list(ends)
    places = []
    for _, start, end, kind in found:
        shown = _POST if kind == "post" else _WORD if ends.get(start) == end else _PHRASE
        if kind == "piece":
            # the last word that starts at or before it
            at = bisect_right(starts, start) - 1
            if at >= 0 and end <= ends[starts[at]]:
                start, end = starts[at], ends[starts[at]]
            shown = _WORD
        places.append((start << _END_BITS | end) << 2 | shown)
    return places
