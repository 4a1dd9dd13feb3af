"""What goes to a terminal: text of posts made harmless, colours by severity."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.policy import Policy

__all__ = ["plain", "tier_style"]


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
        elif unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and character != "\u200d":
            shown.append(f"\\x{ord(character):02x}")
        else:
            shown.append(character)
    return "".join(shown)


def tier_style(decision: Decision, policy: Policy) -> str:
    """A rich style: the policy's most severe tiers red, review yellow, nothing dim."""
    if decision.tier == "none":
        return "yellow" if decision.review else "dim"
    if decision.tier == "review":
        return "yellow"
    order = [tier.id for tier in policy.tiers]
    return "bold white on red" if order.index(decision.tier) == 0 else "bold red"
