"""Posts of several passages in training: their windows, posts put together from others, and the mix fitted on both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tsclassify.features.scorer import PassageMix
from tsclassify.text.passages import n_doublings
from tsclassify.training.logistic import fit_bounded

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from tsclassify.features.spec import FeatureSpec
    from tsclassify.text.lexicon import Lexicon

__all__ = ["PassageRows", "embedded", "fit_passage_mix", "read_passages"]

_RIDGE = 20.0
"""Draws each share towards its start; out-of-fold rows number in the ten thousands."""


class _Heads(Protocol):
    def logits(self, features: csr_matrix) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True, eq=False)
class PassageRows:
    """Posts as a whole and by window.

    Attributes
    ----------
    whole
        Features of the n posts.
    windows
        Features of the windows of posts that have several segments.
    owners
        The post of each window, rising.
    doublings
        How often the number of segments doubles, shape (n,): 0 for one segment.
    """

    whole: csr_matrix
    windows: csr_matrix
    owners: NDArray[np.int64]
    doublings: NDArray[np.float64]

    def pairs(self, heads: _Heads) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logits of whole posts, and of the strongest window of each; the same in a post of one segment."""
        whole = heads.logits(self.whole)
        best = whole.copy()
        if len(self.owners):
            first = np.flatnonzero(np.diff(self.owners, prepend=-1))
            best[self.owners[first]] = np.maximum.reduceat(heads.logits(self.windows), first, axis=0)
        return whole, best

    def take(self, rows: NDArray[np.int64]) -> PassageRows:
        """Some of the posts, by rising number."""
        place = np.full(self.whole.shape[0], -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        some = np.flatnonzero(place[self.owners] >= 0)
        return PassageRows(self.whole[rows], self.windows[some], place[self.owners[some]], self.doublings[rows])

    def logits(self, heads: _Heads, mix: PassageMix) -> NDArray[np.float64]:
        """Logits of posts as the kernel mixes them."""
        return self.mixed(*self.pairs(heads), mix)

    def mixed(self, whole: NDArray[np.float64], best: NDArray[np.float64], mix: PassageMix) -> NDArray[np.float64]:
        """The mix of what ``pairs`` gave."""
        more = mix.doubling * self.doublings[:, None] + mix.shift
        return np.where(self.doublings[:, None] > 0, mix.whole * whole + mix.strongest * best + more, whole)


def read_passages(texts: Sequence[str], spec: FeatureSpec, lexicon: Lexicon) -> PassageRows:
    """Features of texts and of their windows."""
    from scipy.sparse import csr_matrix

    from tsclassify.features.texts import encode_texts
    from tsclassify.kernel.extract import extract, extract_windows

    values, columns, ends, counts = extract(*encode_texts(texts), spec, lexicon)
    whole = csr_matrix((values, columns, ends), shape=(len(texts), spec.n_buckets))
    several = np.flatnonzero(counts > 1)
    values, columns, ends, owners, _ = extract_windows(
        *encode_texts([texts[row] for row in several.tolist()]), spec, lexicon
    )
    windows = csr_matrix((values, columns, ends), shape=(len(owners), spec.n_buckets))
    doublings = np.array([n_doublings(count) for count in counts.tolist()], dtype=np.float64)
    return PassageRows(whole, windows, several[owners], doublings)


def embedded(
    texts: Sequence[str], innocent: Sequence[str], *, fold_of: NDArray[np.int64], innocent_fold: NDArray[np.int64],
    words: Sequence[int], seed: int,
) -> list[str]:  # fmt: skip
    """Each text once more, within innocent text of the same fold.

    Parameters
    ----------
    texts
        n texts.
    innocent
        Texts without any category, the longer the better.
    fold_of, innocent_fold
        Fold of each text and of each innocent one: a post is put together from one fold, so that heads which were
        fitted on the others know no part of it.
    words
        Lengths that the innocent text reaches, by turns.
    seed
        Seed of what is chosen, and of the place.
    """
    rng = np.random.default_rng(seed)
    by_fold = {fold: np.flatnonzero(innocent_fold == fold) for fold in set(fold_of.tolist())}
    made = []
    for number, (text, fold) in enumerate(zip(texts, fold_of.tolist(), strict=True)):
        wanted, parts, n_words = words[number % len(words)], [], 0
        choice = by_fold[fold]
        while n_words < wanted and len(choice):
            part = innocent[int(choice[rng.integers(len(choice))])].rstrip()
            parts.append(part if part[-1:] in ".!?" else f"{part}.")
            n_words += len(part.split())
        place = int(rng.integers(len(parts) + 1))
        mine = text.rstrip()
        parts.insert(place, mine if mine[-1:] in ".!?" else f"{mine}.")
        made.append(" ".join(parts))
    return made


def fit_passage_mix(
    rows: PassageRows,
    whole: NDArray[np.float64],
    best: NDArray[np.float64],
    gold: NDArray[np.floating],
    weights: NDArray[np.float64],
) -> PassageMix:
    """Fit the mix of each head on out-of-fold logits of posts of several segments.

    Parameters
    ----------
    rows
        n posts.
    whole, best
        What ``PassageRows.pairs`` gave: shape (n, K).
    gold
        Labels in [0, 1], shape (n, K).
    weights
        Weight of each post, shape (n,).

    Notes
    -----
    Shares are at least 0, and each doubling adds at most 0: more windows alone are no evidence.
    """
    several = np.flatnonzero(rows.doublings > 0)
    n_heads = whole.shape[1]
    found = np.zeros((4, n_heads))
    start = np.array([0.5, 0.5, 0.0, 0.0])
    for k in range(n_heads):
        design = np.vstack([whole[several, k], best[several, k], -rows.doublings[several], np.ones(len(several))])
        found[:, k] = fit_bounded(
            design,
            gold[several, k].astype(np.float64),
            weights[several],
            ridge=np.diag([_RIDGE, _RIDGE, 1.0, 0.0]),
            centre=start,
            lowest=np.array([0.0, 0.0, 0.0, -math.inf]),
            start=start,
        )
    found = np.round(found, 6)
    return PassageMix(found[0], found[1], -found[2], found[3], np.zeros(n_heads))
