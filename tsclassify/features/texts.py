"""Texts to one UTF-8 buffer with offsets, checked on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError

__all__ = ["encode_texts", "has_other_script"]

_TEXTS: Final = 256
"""Texts joined at a time: few calls, in memory that a cache holds."""


def encode_texts(texts: Iterable[str], *, place: str = "score") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Join texts into one UTF-8 buffer.

    Parameters
    ----------
    texts
        An iterable of str.
    place
        Where the texts were passed; starts the error message.

    Returns
    -------
    tuple
        uint8 bytes and int64 offsets of shape (n + 1,).

    Raises
    ------
    InputError
        When `texts` is itself a str, bytes or mapping, when one of them is no str, or holds a lone surrogate; the
        message names its position, never its text.
    """
    if isinstance(texts, (str, bytes, bytearray, Mapping)) or not isinstance(texts, Iterable):
        raise InputError(
            f"{place}: texts must be a list of str, got {type(texts).__name__}",
            hint="wrap a single text in a list",
        )
    many = texts if isinstance(texts, list) else list(texts)
    parts: list[bytes] = []
    offsets = np.zeros(len(many) + 1, dtype=np.int64)
    # ASCII texts are encoded as one, for as long as there are no others
    is_ascii = True
    try:
        for first in range(0, len(many), _TEXTS):
            chosen = many[first : first + _TEXTS]
            joined = "".join(chosen) if is_ascii else ""
            is_ascii = is_ascii and joined.isascii()
            if is_ascii:
                parts.append(joined.encode())
                lengths = list(map(len, chosen))
            else:
                encoded = list(map(str.encode, chosen))
                parts.append(b"".join(encoded))
                lengths = list(map(len, encoded))
            offsets[first + 1 : first + 1 + len(lengths)] = lengths
    except (TypeError, UnicodeEncodeError):
        _refuse(many, place)
        raise
    np.cumsum(offsets, out=offsets)
    return np.frombuffer(b"".join(parts), dtype=np.uint8), offsets


def _refuse(texts: list[str], place: str) -> None:
    """Name the first text that is none."""
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"{place}: text {number} must be a str, got {type(text).__name__}") from None
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{place}: text {number} must be valid Unicode, got a lone surrogate at {error.start}"
            ) from None


_LEAST_LETTERS: Final = 4
"""Letters of other scripts in a post that is said to be in another language; smileys have up to three."""

_IS_SCRIPT: Final = np.zeros(256, dtype=np.bool_)
# first bytes in UTF-8 of Greek to N'Ko, of South Asian to Ethiopic letters, and of kana to Hangul
_IS_SCRIPT[0xCE:0xE2] = True
_IS_SCRIPT[0xE3:0xEE] = True


def has_other_script(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of n texts has some letters that are not Latin: bool, shape (n,).

    Parameters
    ----------
    data, offsets
        As ``encode_texts`` gives them.
    """
    part = data[offsets[0] : offsets[-1]]
    if not len(part) or int(part.max()) < 0xCE:
        return np.zeros(len(offsets) - 1, dtype=np.bool_)
    places = np.flatnonzero(_IS_SCRIPT[part])
    before = np.searchsorted(places, offsets - offsets[0])
    enough: NDArray[np.bool_] = np.diff(before) >= _LEAST_LETTERS
    return enough
