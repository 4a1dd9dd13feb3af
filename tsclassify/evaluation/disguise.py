"""Disguises: the same post as people write it to get past filters; seeded, at three stated strengths."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Final

from tsclassify.errors import InputError

__all__ = ["DISGUISES", "STRENGTHS", "disguise"]

STRENGTHS: Final = {"low": 0.15, "mid": 0.35, "high": 0.7}
"""Share of words that are disguised, by name of the strength."""

_LEET: Final = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
# Cyrillic, Greek and full-width look-alikes. Source: Unicode confusables.txt, the pairs that fonts render alike.
_LOOKALIKE: Final = {
    "a": "аɑａ", "c": "сϲ", "e": "еｅ", "h": "һ", "i": "іｉ", "j": "ј", "k": "κк", "l": "ⅼ", "m": "ｍ", "n": "ո",
    "o": "оο", "p": "рρ", "s": "ѕ", "t": "ｔ", "u": "υս", "v": "ѵν", "x": "х", "y": "уү", "A": "АΑ", "B": "ВΒ",
    "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙ", "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ",
    "T": "ТΤ", "X": "ХΧ", "Y": "ҮΥ",
}  # fmt: skip
_ZERO_WIDTH: Final = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff")
_EMOJI: Final = ("\U0001f525", "\U0001f602", "\U0001f480", "\U0001f449", "\u2728")
_SEPARATORS: Final = (" ", ".", "-", "_", "*")


def _leet(word: str, rng: random.Random, strength: float) -> str:
    return "".join(
        rng.choice(_LEET[ch.lower()]) if ch.lower() in _LEET and rng.random() < 0.5 + strength / 2 else ch
        for ch in word
    )


def _spacing(word: str, rng: random.Random, strength: float) -> str:
    return rng.choice(_SEPARATORS).join(word)


def _homoglyph(word: str, rng: random.Random, strength: float) -> str:
    return "".join(
        rng.choice(_LOOKALIKE[ch]) if ch in _LOOKALIKE and rng.random() < 0.3 + strength / 2 else ch for ch in word
    )


def _zero_width(word: str, rng: random.Random, strength: float) -> str:
    return "".join(ch + (rng.choice(_ZERO_WIDTH) if rng.random() < 0.3 + strength / 2 else "") for ch in word)


def _vowels(word: str, rng: random.Random, strength: float) -> str:
    inside = [i for i in range(1, len(word)) if word[i].lower() in "aeiou"]
    if not inside:
        return word
    drop = set(rng.sample(inside, max(1, round(len(inside) * (0.4 + strength / 2)))))
    return "".join(ch for i, ch in enumerate(word) if i not in drop)


def _emoji(word: str, rng: random.Random, strength: float) -> str:
    middle = rng.randrange(1, len(word))
    picture = rng.choice(_EMOJI)
    return word[:middle] + picture + word[middle:] if rng.random() < strength else word + " " + picture


def _case(word: str, rng: random.Random, strength: float) -> str:
    return "".join(ch.upper() if rng.random() < 0.5 else ch.lower() for ch in word)


_BY_NAME: Final[dict[str, Callable[[str, random.Random, float], str]]] = {
    "leet": _leet,
    "spacing": _spacing,
    "homoglyph": _homoglyph,
    "zero_width": _zero_width,
    "vowels": _vowels,
    "emoji": _emoji,
    "case": _case,
}

DISGUISES: Final = tuple(_BY_NAME)
"""Kinds of disguise."""


def disguise(texts: Sequence[str], kind: str, strength: str, *, seed: int = 0) -> list[str]:
    """Disguise words of three or more letters.

    Parameters
    ----------
    texts
        The posts.
    kind
        One of ``DISGUISES``.
    strength
        ``low``, ``mid`` or ``high``: 15, 35 or 70 % of the words, at least one, and more letters in each.
    seed
        The result depends on seed, kind, strength and the text alone, not on its neighbours.

    Raises
    ------
    InputError
        When kind or strength is unknown.
    """
    if kind not in _BY_NAME:
        raise InputError(f"disguise: kind must be one of {', '.join(DISGUISES)}, got {kind!r}")
    if strength not in STRENGTHS:
        raise InputError(f"disguise: strength must be one of {', '.join(STRENGTHS)}, got {strength!r}")
    change, share = _BY_NAME[kind], STRENGTHS[strength]
    out = []
    for text in texts:
        key = f"{seed}/{kind}/{strength}/".encode() + text.encode("utf-8", "surrogatepass")
        rng = random.Random(hashlib.sha256(key).digest())  # noqa: S311 - a reproducible draw, not a secret
        words = text.split(" ")
        able = [i for i, word in enumerate(words) if sum(ch.isalpha() for ch in word) >= 3 and "://" not in word]
        chosen = rng.sample(able, max(1, round(len(able) * share))) if able else []
        for i in sorted(chosen):
            words[i] = change(words[i], rng, share)
        out.append(" ".join(words))
    return out
