"""Disguised copies of training posts, so that a post keeps its score when words are written to get past filters."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Final

__all__ = ["disguised_copies"]

_WORD: Final = re.compile(r"[A-Za-z]{3,}")
_DIGITS: Final = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "o": "0", "s": "5$", "t": "7+"}
_PICTURES: Final = tuple(
    chr(code)
    for first, last in ((0x1F600, 0x1F63F), (0x1F440, 0x1F4AF), (0x1F525, 0x1F52F), (0x1F380, 0x1F3AF))
    for code in range(first, last + 1)
)
"""Faces, gestures, things: so many that none of them comes to stand for the words beside it."""

_HIDDEN: Final = ("\u200b", "\u200c", "\u200d", "\u2060")
_SHARE: Final = 0.35


def disguised_copies(texts: Sequence[str], *, seed: int) -> list[str]:
    """One copy of each text in which a third of the longer words is disguised in one of six ways.

    The way goes round the texts: letters left out, letters as digits, letters spaced out, a picture or sign inside the
    word, a picture after it, signs that are not seen. The last leaves the words as they are, so that a disguise by
    itself comes to mean nothing. The evaluation has its own disguises, drawn apart from these.

    Parameters
    ----------
    texts
        The posts.
    seed
        The copies depend on it and on the position alone.
    """
    ways = (_without_vowels, _with_digits, _spaced, _with_sign, _before_picture, _with_hidden)
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
    return "".join(rng.choice(_DIGITS[c.lower()]) if c.lower() in _DIGITS and rng.random() < 0.6 else c for c in word)


def _spaced(word: str, rng: random.Random) -> str:
    return rng.choice((" ", ".", "-", "_", "*")).join(word)


def _with_sign(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word))
    return word[:place] + (rng.choice(_PICTURES) if rng.random() < 0.7 else rng.choice("*.-_")) + word[place:]


def _before_picture(word: str, rng: random.Random) -> str:
    return f"{word} {rng.choice(_PICTURES)}"


def _with_hidden(word: str, rng: random.Random) -> str:
    return "".join(letter + (rng.choice(_HIDDEN) if rng.random() < 0.4 else "") for letter in word)
