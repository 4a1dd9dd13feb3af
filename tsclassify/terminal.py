"""Text of strangers made harmless where it is harmless: nothing in it moves, hides or turns other text."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any, Final

__all__ = ["escaped", "harmless", "plain", "plain_json", "plain_page"]

_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories of characters that could move, hide or turn other text."""

_JOINER: Final = "\u200d"
"""Joins emoji; cut out, it would show others than were written."""


def harmless(text: str, show: Callable[[str], str]) -> str:
    """Text with `show` of each character that a terminal or page could obey, and all others as they are."""
    if text.isprintable():
        return text
    return "".join(
        show(character) if character != _JOINER and unicodedata.category(character) in _STEERING else character
        for character in text
    )


def plain(text: str) -> str:
    """Text on one line, with control, format and bidi characters as their escapes; line breaks and tabs become blanks.

    Examples
    --------
    >>> print(plain("a\\x1b[31mb"))
    a\\x1b[31mb
    """
    return harmless(text, lambda character: " " if character in "\n\r\t" else ascii(character)[1:-1])


def plain_page(text: str) -> str:
    """A page of text, `plain` in each of its lines."""
    return "\n".join(map(plain, text.split("\n")))


def plain_json(value: Any) -> str:
    """JSON on one line, with the characters escaped that `plain` escapes, and letters as they are.

    Examples
    --------
    >>> print(plain_json({"text": "é\\x1b\\u202e"}))
    {"text": "é\\u001b\\u202e"}
    """
    return escaped(json.dumps(value, ensure_ascii=False))


def escaped(written: str) -> str:
    """JSON as it was written, line breaks included, with the same characters escaped."""
    return harmless(written, lambda character: character if character in "\n\r\t" else json.dumps(character)[1:-1])
