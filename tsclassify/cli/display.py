"""What goes to a terminal: text of posts made harmless, colours by severity."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.policy import Policy

__all__ = ["escaped", "plain", "plain_json", "plain_page", "tier_style"]

_INERT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories of what could move, hide or turn other text."""


def plain(text: str) -> str:
    """Text with control, format and bidi characters shown as ``\\xNN``, so that it can do nothing to a terminal.

    Line breaks and tabs become one blank.

    Examples
    --------
    >>> print(plain("a\\x1b[31mb"))
    a\\x1b[31mb
    """
    shown = []
    for character in text:
        if character in "\n\r\t":
            shown.append(" ")
        elif unicodedata.category(character) in _INERT and character != "\u200d":
            shown.append(f"\\x{ord(character):02x}")
        else:
            shown.append(character)
    return "".join(shown)


def plain_page(text: str) -> str:
    """A page of text, `plain` in each of its lines."""
    return "\n".join(plain(line) for line in text.split("\n"))


def plain_json(value: Any) -> str:
    """JSON on one line for a terminal: the characters that `plain` shows are escaped, letters are not.

    Examples
    --------
    >>> print(plain_json({"text": "é\x1b\u202e"}))
    {"text": "é\\u001b\\u202e"}
    """
    return escaped(json.dumps(value, ensure_ascii=False))


def escaped(written: str) -> str:
    """JSON as it stands, with the characters that `plain` shows escaped."""
    return "".join(
        json.dumps(c)[1:-1] if not c.isprintable() and unicodedata.category(c) in _INERT else c for c in written
    )


def tier_style(decision: Decision, policy: Policy) -> str:
    """A rich style: the policy's most severe tiers red, review yellow, nothing dim."""
    if decision.tier == "none":
        return "yellow" if decision.review else "dim"
    if decision.tier == "review":
        return "yellow"
    order = [tier.id for tier in policy.tiers]
    return "bold white on red" if order.index(decision.tier) == 0 else "bold red"
