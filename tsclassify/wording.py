"""Plain words for categories, signals and truths: one place, so that every page says the same thing.

Text never shows a state of mind: a post *reads as* a threat. The phrases about signals complete "the text ...".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tsclassify.terminal import harmless

__all__ = ["READS_AS", "SIGNAL_SAYS", "duration_words", "joined", "quoted", "signal_says"]

READS_AS: Final = {
    "violent_threat": "reads as a threat of violence",
    "facility_threat": "reads as a threat against a building, a site or infrastructure",
    "incitement": "reads as a call for violence",
    "harm_wish": "reads as a wish that harm befalls someone",
    "glorification": "reads as praise of violence",
    "hate": "reads as an attack on people for what they are",
    "abuse": "reads as an insult",
}
"""Category to what a text in it does."""

SIGNAL_SAYS: Final = {
    "target_person": "is about a person",
    "target_group": "is about a group of people",
    "target_facility": "is about a building, a site or an event",
    "severe": "speaks of death or mass violence",
    "specific": "names a target together with a method, a place or a time",
    "imminent": "speaks of a time that is near",
    "conditional": "sets a condition",
    "veiled": "implies the violence instead of stating it",
    "reported": "reports, quotes or discusses the violence of others",
    "condemned": "condemns the violence or warns of it",
    "joking": "jokes, exaggerates or uses an idiom",
    "fictional": "is fiction, a game, a sport or a lyric",
    "lawful": "calls for lawful punishment or for the force of a state",
    "self_directed": "is about the writer's own self",
}
"""Signal to what a text does when it is true."""


def signal_says(signal: str, state: str) -> str:
    """What is said of a text for a signal that is ``true``, ``false`` or ``unknown``: a finding, never a fact.

    Examples
    --------
    >>> signal_says("imminent", "unknown")
    'it cannot be told whether the text speaks of a time that is near'
    >>> signal_says("imminent", "false")
    'it was not found that the text speaks of a time that is near'
    """
    says = SIGNAL_SAYS.get(signal, f"has the signal {signal}")
    start = {"true": "it was found that", "false": "it was not found that"}.get(state, "it cannot be told whether")
    return f"{start} the text {says}"


def joined(parts: Sequence[str], word: str = "and") -> str:
    """Parts as a list in a sentence.

    Examples
    --------
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def quoted(text: str) -> str:
    """Words of a post in quotation marks, on one line, without characters that hide or turn text.

    Examples
    --------
    >>> print(quoted("burn\\nit\\u202e"))
    “burn it·”
    """
    return f"“{harmless(text, lambda character: ' ' if character.isspace() else '·').strip()}”"


def duration_words(seconds: int) -> str:
    """A length of time in words.

    Examples
    --------
    >>> duration_words(3600), duration_words(86400), duration_words(259200)
    ('1 hour', '24 hours', '3 days')
    """
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds > (size if word == "day" else 0):
            number = seconds // size
            return f"{number} {word}{'s' if number != 1 else ''}"
    return f"{seconds} seconds"
