"""Words that the model treats as members of a group: names and sides to mask, function words to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tsclassify.errors import BundleError, InputError

__all__ = ["MODES", "Lexicon"]

MODES: Final = ("mask", "back", "keep")
"""``mask``: the word is replaced by its group in every feature, so that no name can move a score.
``back``: the group stands for the word in backed-off phrases only. ``keep``: a function word, which stands for
itself in backed-off phrases."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Normalized words, each in one group.

    Attributes
    ----------
    words
        Normalized word (lower case, no apostrophe) to group name; ``<url>``, ``<user>``, ``<num>``, ``<email>``,
        ``?``, ``!``, ``"`` and single emoji may be listed too. Digits listed here stay a word.
    modes
        Group name to one of ``MODES``.

    Raises
    ------
    InputError
        When a mode is unknown or a word's group has none.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for group, mode in self.modes.items():
            if mode not in MODES:
                raise InputError(f"lexicon: mode of {group!r} must be one of {', '.join(MODES)}, got {mode!r}")
        for group in sorted(set(self.words.values())):
            if group not in self.modes:
                raise InputError(f"lexicon: group {group!r} must have a mode, got none")

    @property
    def groups(self) -> tuple[str, ...]:
        """Group names in a fixed order."""
        return tuple(sorted(self.modes))

    def to_dict(self) -> dict[str, Any]:
        """JSON form: group to its mode and sorted words."""
        members: dict[str, list[str]] = {group: [] for group in self.groups}
        for word in sorted(self.words):
            members[self.words[word]].append(word)
        return {group: {"mode": self.modes[group], "words": members[group]} for group in self.groups}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form.

        Raises
        ------
        BundleError
            When it is not of that form, or a word stands in two groups.
        """
        words: dict[str, str] = {}
        modes: dict[str, str] = {}
        try:
            for group, entry in data.items():
                modes[group] = str(entry["mode"])
                for word in entry["words"]:
                    if word in words:
                        raise BundleError(f"lexicon: word must stand in one group, got {group!r} and {words[word]!r}")
                    words[str(word)] = group
            return cls(words=words, modes=modes)
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise BundleError(f"lexicon: must map a group to mode and words, got {type(error).__name__}") from error
