"""Disguised copies of training posts, so that a post keeps its score when words are written to get past filters."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Final

__all__ = ["disguised_copies"]

_WORD: Final = re.compile(r"[A-Za-z]{3,}")
_DIGITS: Final = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "$", "t": "7"}
_SHARE: Final = 0.35


def disguised_copies(texts: Sequence[str], *, seed: int) -> list[str]:
    """One copy of each text in which a third of the longer words is disguised in one of four ways.

    The way goes round the texts: letters left out, letters as digits, letters spaced out, a sign inside the word.
    The evaluation has its own disguises, drawn apart from these.

    Parameters
    ----------
    texts
        The posts.
    seed
        The copies depend on it and on the position alone.
    """
    ways = (_without_vowels, _with_digits, _spaced, _with_sign)
    copies = []
    for number, text in enumerate(texts):
        rng = random.Random(seed * 1_000_003 + number)  # noqa: S311 - a reproducible draw, not a secret
        way = ways[number % len(ways)]
        spans = [match.span() for match in _WORD.finditer(text)]
        chosen = [span for span in spans if rng.random() < _SHARE] or spans[:1]
        parts, at = [], 0
        for begin, end in chosen:
            parts += [text[at:begin], way(text[begin:end], rng)]
            at = end
        copies.append("".join((*parts, text[at:])))
    return copies


def _without_vowels(word: str, rng: random.Random) -> str:
    inner = [i for i in range(1, len(word)) if word[i].lower() in "aeiou"]
    dropped = {i for i in inner if rng.random() < 0.6} or set(inner[:1])
    return "".join(letter for i, letter in enumerate(word) if i not in dropped)


def _with_digits(word: str, rng: random.Random) -> str:
    return "".join(_DIGITS[c.lower()] if c.lower() in _DIGITS and rng.random() < 0.6 else c for c in word)


def _spaced(word: str, rng: random.Random) -> str:
    return rng.choice((" ", ".", "-", "_", "*")).join(word)


def _with_sign(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word))
    return word[:place] + rng.choice(("*", "\U0001f480", "\u2728", ".", "\U0001f525")) + word[place:]
