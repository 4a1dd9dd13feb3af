"""Exact explanations: what every span of a text adds to a logit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tsclassify.features.kernel import Scorer
from tsclassify.features.reference import Feature, features_of
from tsclassify.records import Piece
from tsclassify.taxonomy import CATEGORIES, SIGNALS

__all__ = ["explain_logits"]


def explain_logits(scorer: Scorer, text: str, names: Sequence[str]) -> dict[str, tuple[float, tuple[Piece, ...]]]:
    """Account for the logits of one text in several categories or signals.

    Parameters
    ----------
    scorer
        The model's scorer.
    text
        The original text.
    names
        Categories or signals.

    Returns
    -------
    dict
        Name to its bias and its pieces, largest absolute contribution first. A word's piece holds the word and
        the letter runs in it; a phrase's piece holds all features of that span; features of the whole post have
        no span. Bias and contributions add up to the scorer's logit, to 1e-4.
    """
    features = features_of(text, scorer.spec, scorer.lexicon)
    places = _places(features)
    accounts = {}
    for name in names:
        part, lane = (0, CATEGORIES.index(name)) if name in CATEGORIES else (1, SIGNALS.index(name))
        table = scorer.parts[part]
        scale, bias = table.lanes[:, lane].tolist()
        rows = table.weights[[feature.bucket for feature in features], lane].tolist() if features else []
        sums: dict[tuple[int, int, str], float] = {}
        for feature, place, weight in zip(features, places, rows, strict=True):
            if weight:
                sums[place] = sums.get(place, 0.0) + scale * feature.value * weight
        pieces = [Piece(text[start:end], start, end, value, kind) for (start, end, kind), value in sums.items()]
        pieces.sort(key=lambda piece: (-abs(piece.contribution), piece.start, piece.end, piece.kind))
        accounts[name] = (bias, tuple(pieces))
    return accounts


def _places(features: Sequence[Feature]) -> list[tuple[int, int, str]]:
    """Where each feature is shown: its span and ``word``, ``phrase`` or ``post``.

    Letter runs are shown at the word that holds them; an end mark's phrase of one word is shown at that word.
    """
    spans = sorted({(feature.start, feature.end) for feature in features if feature.kind == "word"})
    starts = [start for start, _ in spans]
    places = []
    for feature in features:
        if feature.kind == "post":
            places.append((0, 0, "post"))
            continue
        start, end = feature.start, feature.end
        if feature.kind == "piece":
            at = bisect_right(starts, start) - 1
            if at >= 0 and end <= spans[at][1]:
                start, end = spans[at]
        at = bisect_right(starts, start) - 1
        is_word = at >= 0 and (start, end) == spans[at]
        places.append((start, end, "word" if is_word or feature.kind == "piece" else "phrase"))
    return places
