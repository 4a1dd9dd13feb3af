"""Exact explanations: what every span of a text adds to a logit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import chain

import numpy as np

from tsclassify.features.kernel import Scorer
from tsclassify.features.reference import Raw, buckets_of, families_of
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
    families = families_of(text, scorer.spec, scorer.lexicon)
    found = list(chain.from_iterable(families))
    places = _places(found)
    shown = sorted(set(places))
    numbers = {place: number for number, place in enumerate(shown)}
    at = np.array([numbers[place] for place in places], dtype=np.int64)
    spans = [(text[start:end], start, end, kind) for start, end, kind in shown]
    sizes = [len(family) for family in families]
    values = np.repeat([scorer.spec.family_norm(family, size) for family, size in enumerate(sizes)], sizes)
    buckets = buckets_of(found, scorer.spec)
    rows = [table.weights[buckets] for table in scorer.parts]
    accounts = {}
    for name in names:
        part, lane = (0, CATEGORIES.index(name)) if name in CATEGORIES else (1, SIGNALS.index(name))
        scale, bias = scorer.parts[part].lanes[:, lane].tolist()
        weights = rows[part][:, lane]
        sums = np.bincount(at, scale * values * weights, len(spans))
        # a place is shown when any of its features has a weight, even where they cancel out
        is_shown = np.zeros(len(spans), dtype=bool)
        is_shown[at[weights != 0]] = True
        # stable, so that equal contributions stay in the order of their places
        order = np.argsort(-np.abs(sums), kind="stable")
        order = order[is_shown[order]]
        pieces = []
        for number, value in zip(order.tolist(), sums[order].tolist(), strict=True):
            part_of_text, start, end, kind = spans[number]
            pieces.append(Piece(part_of_text, start, end, value, kind))
        accounts[name] = (bias, tuple(pieces))
    return accounts


def _places(found: Sequence[Raw]) -> list[tuple[int, int, str]]:
    """Where each feature is shown: its span and ``word``, ``phrase`` or ``post``.

    Letter runs are shown at the word that holds them; an end mark's phrase of one word is shown at that word.
    """
    spans = sorted({(start, end) for _, start, end, kind in found if kind == "word"})
    starts = [start for start, _ in spans]
    # the last word that starts at or before a position; most features share their start with others
    before: dict[int, int] = {}
    places = []
    for _, start, end, kind in found:
        if kind == "post":
            places.append((0, 0, "post"))
            continue
        at = before.get(start)
        if at is None:
            at = before[start] = bisect_right(starts, start) - 1
        word = spans[at] if at >= 0 else None
        if kind == "piece":
            if word is not None and end <= word[1]:
                start, end = word
            places.append((start, end, "word"))
        else:
            places.append((start, end, "word" if (start, end) == word else "phrase"))
    return places
