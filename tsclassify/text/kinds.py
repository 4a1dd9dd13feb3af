"""What code points and tokens are: the numbers that the token rules tell them by."""

from __future__ import annotations

from typing import Final

__all__ = [
    "AFTER_HIDDEN",
    "ALONE",
    "APOSTROPHE",
    "CAPS",
    "CODE",
    "CODEY",
    "DIGIT",
    "DISGUISED",
    "EMAIL",
    "EMOJI",
    "GAP_ONE",
    "GAP_WIDE",
    "HASHTAG",
    "LETTER",
    "LINE",
    "MARK",
    "MAX_WORD",
    "NUMBER",
    "ODD",
    "PICTURE",
    "POSSESSIVE",
    "QUOTED",
    "SPACE",
    "STARTS",
    "STRETCHED",
    "STYLED",
    "SYMBOL",
    "TICK",
    "TURNS",
    "UPPER",
    "URL",
    "USER",
    "WORD",
]

MAX_WORD: Final = 48
"""Longest token in code points; a longer run is cut into several."""

# Kinds of a code point, as in the table.
LETTER: Final = 1
DIGIT: Final = 2
APOSTROPHE: Final = 3
EMOJI: Final = 4
SPACE: Final = 5

# Marks of a code point in a stream.
UPPER: Final = 1
STYLED: Final = 2
AFTER_HIDDEN: Final = 4
TICK: Final = 8

TURNS: Final = (0x202E, 0x202C)
"""The override of direction and its end, which no other hidden character is kept beside."""

# Types of a token; a picture becomes a symbol when it is named, and a mark goes when the sequence is settled.
WORD: Final = 0
URL: Final = 1
USER: Final = 2
NUMBER: Final = 3
EMAIL: Final = 4
SYMBOL: Final = 5
CODE: Final = 6
PICTURE: Final = 7
MARK: Final = 8

# Flags of a token. Those from ODD on serve to settle the sequence: ODD says that it must be, CODEY that a sign of
# program code stands beside the token (of a quotation mark: that it opens), LINE that a line begins with the token.
CAPS: Final = 1
DISGUISED: Final = 2
STRETCHED: Final = 4
STARTS: Final = 8
GAP_ONE: Final = 16
GAP_WIDE: Final = 32
HASHTAG: Final = 64
POSSESSIVE: Final = 128
ODD: Final = 512
CODEY: Final = 1024
LINE: Final = 2048
QUOTED: Final = 4096
ALONE: Final = POSSESSIVE
"""Of a quotation mark: nothing else stands in its stretch."""
