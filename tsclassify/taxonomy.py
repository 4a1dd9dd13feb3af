"""The one taxonomy: categories, signals, and what the annotation codes mean.

A code reads ``CATS/ATTR/CTX``, for example ``TA/p3s/-``. ``docs/taxonomy.md`` defines each letter; this
module is the only place that turns letters into columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tsclassify.errors import InputError

__all__ = ["CATEGORIES", "CONTEXTS", "SIGNALS", "VIOLENCE", "check_added", "parse_code"]

CATEGORIES: Final[tuple[str, ...]] = (
    "violent_threat",
    "facility_threat",
    "incitement",
    "harm_wish",
    "glorification",
    "hate",
    "abuse",
)
"""Categories in column order. ``abuse`` is the contrast: rude, not violent."""

SIGNALS: Final[tuple[str, ...]] = (
    "target_person",
    "target_group",
    "target_facility",
    "severe",
    "specific",
    "imminent",
    "conditional",
    "veiled",
    "reported",
    "condemned",
    "joking",
    "fictional",
    "lawful",
    "self_directed",
)
"""Signals in column order: attributes of the violence first, then the context of the post."""

CONTEXTS: Final[tuple[str, ...]] = SIGNALS[8:]
"""The signals of what surrounds a text; the others are attributes of its violence."""

VIOLENCE: Final[tuple[str, ...]] = CATEGORIES[:5]
"""The categories whose items carry attributes."""

MOST_ADDED: Final = 56
"""Categories that a model may have beside the seven."""

_ADDED_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_TAKEN: Final = frozenset(
    {*CATEGORIES, *SIGNALS, "text", "id", "labels", "label", "code", "review", "none", "language"}
)
_LONGEST_MEANING: Final = 300

_CATEGORY_LETTERS: Final = {"T": 0, "I": 2, "W": 3, "G": 4, "H": 5, "A": 6}
_ATTRIBUTE_LETTERS: Final = {"p": 0, "g": 1, "f": 2, "3": 3, "s": 4, "i": 5, "c": 6, "v": 7}
_CONTEXT_LETTERS: Final = {"r": 8, "d": 9, "j": 10, "f": 11, "l": 12, "x": 13}


def check_added(place: str, added: Mapping[str, Any]) -> None:
    """Refuse categories of one's own that could not stand beside the seven.

    Parameters
    ----------
    place
        What the message begins with.
    added
        Name to what it means.

    Raises
    ------
    InputError
        When a name is malformed or taken, a meaning is no text, or there are too many.
    """
    if not isinstance(added, Mapping) or len(added) > MOST_ADDED:
        raise InputError(f"{place}: categories must be at most {MOST_ADDED} names with their meaning, got others")
    for name, meaning in added.items():
        if not isinstance(name, str) or not _ADDED_NAME.fullmatch(name):
            raise InputError(f"{place}: category must be a name of a-z, 0-9 and _, at most 40, got {name!r:.60}")
        if name in _TAKEN:
            raise InputError(f"{place}: category must have a name of its own, got {name!r}, which is taken")
        if not isinstance(meaning, str) or not 0 < len(meaning.strip()) <= _LONGEST_MEANING:
            raise InputError(
                f"{place}: meaning of {name} must be a text of at most {_LONGEST_MEANING} letters, got others"
            )


def parse_code(code: str) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Turn one annotation code into category and signal columns.

    Parameters
    ----------
    code
        ``CATS/ATTR/CTX``: CATS any of ``TIWGHA``, or ``N`` alone; ATTR any of ``pgfu123sicv`` or ``-``;
        CTX any of ``rdjflx`` or ``-``.

    Returns
    -------
    tuple
        Two tuples of bool: one per category (7), one per signal (14), in column order.

    Raises
    ------
    InputError
        When the code has not three parts, or a letter is unknown.

    Examples
    --------
    >>> categories, signals = parse_code("T/f3s/-")
    >>> [name for name, on in zip(CATEGORIES, categories) if on]
    ['violent_threat', 'facility_threat']
    >>> [name for name, on in zip(SIGNALS, signals) if on]
    ['target_facility', 'severe', 'specific']
    """
    parts = code.split("/")
    if len(parts) != 3 or not all(parts):
        raise InputError(f"annotation code: must be CATS/ATTR/CTX, got {code!r}")
    letters, attributes, context = parts
    categories = [False] * len(CATEGORIES)
    signals = [False] * len(SIGNALS)
    if letters != "N":
        for letter in letters:
            if letter not in _CATEGORY_LETTERS:
                raise InputError(f"annotation code: category must be one of TIWGHA or N alone, got {code!r}")
            categories[_CATEGORY_LETTERS[letter]] = True
    if attributes != "-":
        for letter in attributes:
            if letter in _ATTRIBUTE_LETTERS:
                signals[_ATTRIBUTE_LETTERS[letter]] = True
            elif letter not in "u12":
                raise InputError(f"annotation code: attribute must be one of pgfu123sicv or -, got {code!r}")
    if context != "-":
        for letter in context:
            if letter not in _CONTEXT_LETTERS:
                raise InputError(f"annotation code: context must be one of rdjflx or -, got {code!r}")
            signals[_CONTEXT_LETTERS[letter]] = True
    categories[1] = (categories[0] or categories[2]) and signals[2]
    return tuple(categories), tuple(signals)
