"""Words that the model treats as members of a group: names and sides to mask, function words to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tsclassify.errors import BundleError, InputError

__all__ = ["MODES", "Fold", "Lexicon"]

MODES: Final = ("mask", "back", "keep", "fold", "lead")
"""``mask``: the word is replaced by its group in every feature, so that no name can move a score.
``back``: the group stands for the word in backed-off phrases only. ``keep``: a function word, which stands for
itself in backed-off phrases. ``fold``: after a masked word of certain groups the word goes (a name's ``supporters``),
elsewhere it is as with ``back``. ``lead``: right before a word of certain masked groups the word goes (the article of
a side), once or twice, elsewhere it has no group."""

MAX_GROUPS: Final = 60


@dataclass(frozen=True, slots=True)
class Fold:
    """What a group of mode ``fold`` or ``lead`` does.

    Attributes
    ----------
    after
        Masked groups after which its words are dropped.
    into
        Masked group that the word before then becomes, or empty to stay.
    back
        Group that stands for its words elsewhere, or empty for its own.
    before
        Of mode ``lead``, and then alone: masked groups right before which its words are dropped.
    """

    after: tuple[str, ...] = ()
    into: str = ""
    back: str = ""
    before: tuple[str, ...] = ()


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
    folds
        Group of mode ``fold`` or ``lead`` to what it does. Apart from these, a masked word right after one of its own
        group is dropped (first and last name).
    known
        What others found out about words under these groups; no part of the value.

    Raises
    ------
    InputError
        When a mode is unknown, a group has none, or a fold names a group that is not masked.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)
    folds: Mapping[str, Fold] = field(default_factory=dict)
    known: dict[Any, dict[Any, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for group, mode in self.modes.items():
            if mode not in MODES:
                raise InputError(f"lexicon: mode of {group!r} must be one of {', '.join(MODES)}, got {mode!r}")
        for group in sorted(set(self.words.values())):
            if group not in self.modes:
                raise InputError(f"lexicon: group {group!r} must have a mode, got none")
        if len(self.modes) > MAX_GROUPS:
            raise InputError(f"lexicon: groups must be at most {MAX_GROUPS}, got {len(self.modes)}")
        if set(self.folds) != {group for group, mode in self.modes.items() if mode in {"fold", "lead"}}:
            raise InputError("lexicon: every group of mode 'fold' or 'lead', and no other, must have a fold")
        for group, fold in self.folds.items():
            if self.modes[group] == "lead" and fold != Fold(before=fold.before):
                raise InputError(f"lexicon: fold {group!r} of mode 'lead' must have groups before, got others")
            if self.modes[group] == "fold" and fold.before:
                raise InputError(f"lexicon: fold {group!r} of mode 'fold' must have no groups before, got some")
            for target in (*fold.after, *fold.before, *([fold.into] if fold.into else [])):
                if self.modes.get(target) != "mask":
                    raise InputError(f"lexicon: fold {group!r} must name masked groups, got {target!r}")

    @property
    def groups(self) -> tuple[str, ...]:
        """Group names in a fixed order."""
        return tuple(sorted(self.modes))

    def to_dict(self) -> dict[str, Any]:
        """JSON form: group to its mode and sorted words."""
        members: dict[str, list[str]] = {group: [] for group in self.groups}
        for word in sorted(self.words):
            members[self.words[word]].append(word)
        data: dict[str, Any] = {}
        for group in self.groups:
            data[group] = {"mode": self.modes[group], "words": members[group]}
            if group in self.folds:
                fold = self.folds[group]
                data[group]["fold"] = {"after": list(fold.after), "into": fold.into, "back": fold.back}
                if fold.before:
                    data[group]["fold"]["before"] = list(fold.before)
        return data

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
        folds: dict[str, Fold] = {}
        try:
            for group, entry in data.items():
                modes[group] = str(entry["mode"])
                if "fold" in entry:
                    fold = entry["fold"]
                    folds[group] = Fold(
                        tuple(map(str, fold["after"])),
                        str(fold["into"]),
                        str(fold["back"]),
                        tuple(map(str, fold.get("before", ()))),
                    )
                for word in entry["words"]:
                    if word in words:
                        raise BundleError(f"lexicon: word must stand in one group, got {group!r} and {words[word]!r}")
                    words[str(word)] = group
            return cls(words=words, modes=modes, folds=folds)
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise BundleError(f"lexicon: must map a group to mode and words, got {type(error).__name__}") from error
