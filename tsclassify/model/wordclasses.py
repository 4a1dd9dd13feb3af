"""The shipped word classes (``seeds/lexicon``) as the lexicon that features use, and its form in a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tsclassify.errors import BundleError, InputError
from tsclassify.resources import shipped
from tsclassify.text.lexicon import Fold, Lexicon

__all__ = ["lexicon_from_mapping", "lexicon_to_mapping", "shipped_lexicon"]

_MASKED: Final = ("name", "side", "group", "worship", "left", "right", "tea")
"""Groups read as one word each; the last three hold one word, so that what follows can make it a side."""
_FOLDS: Final = {
    # "Maria de la Cruz" reads as "Maria Cruz"
    "fold_name": Fold(after=("name",), into="", back=""),
    # "Muslim people" reads as "Muslims", "Smith supporters" as a side; elsewhere they are people
    "fold_group": Fold(after=("group",), into="", back="person"),
    "fold_side": Fold(after=("name", "side"), into="side", back="person"),
    "fold_party": Fold(after=("name", "side", "tea"), into="side", back=""),
    "fold_wing": Fold(after=("left", "right"), into="side", back=""),
    # "the Tea Party" reads as "BLM" does, and "the right-wingers" as "the leftists"
    "article": Fold(before=("name", "side", "tea", "left", "right")),
}
_SIGNS: Final = {"?": "question", "!": "exclaim", '"': "quote"}


def shipped_lexicon() -> Lexicon:
    """Read ``seeds/lexicon/*.txt``: one word a line under a head line, the file's name is the group."""
    words: dict[str, str] = {}
    modes: dict[str, str] = {}
    for file in sorted(shipped("seeds", "lexicon").glob("*.txt")):
        group = file.stem
        modes[group] = "mask" if group in _MASKED else "back"
        if group in _FOLDS:
            modes[group] = "lead" if _FOLDS[group].before else "fold"
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                words[line] = group
    for sign, group in _SIGNS.items():
        words[sign] = group
        modes[group] = "back"
    return Lexicon(words=words, modes=modes, folds=_FOLDS)


def lexicon_to_mapping(lexicon: Lexicon) -> dict[str, str]:
    """Word to ``mode/group``, as a bundle keeps it.

    A fold reads ``fold:after+after>into|back/group``, or ``lead:before+before/group``.
    """
    return {word: f"{_mode(lexicon, group)}/{group}" for word, group in sorted(lexicon.words.items())}


def _mode(lexicon: Lexicon, group: str) -> str:
    mode = lexicon.modes[group]
    if mode not in {"fold", "lead"}:
        return mode
    fold = lexicon.folds[group]
    if mode == "lead":
        return f"lead:{'+'.join(fold.before)}"
    return f"fold:{'+'.join(fold.after)}>{fold.into}|{fold.back}"


def lexicon_from_mapping(words: Mapping[str, str]) -> Lexicon:
    """The lexicon of a bundle.

    Raises
    ------
    BundleError
        When an entry is not ``mode/group``, or a group has two modes.
    """
    groups: dict[str, str] = {}
    modes: dict[str, str] = {}
    for word, entry in words.items():
        mode, sign, group = entry.partition("/")
        if not sign or modes.setdefault(group, mode) != mode:
            raise BundleError("lexicon: entry must be mode/group with one mode a group, got another")
        groups[word] = group
    folds = {}
    for group, mode in modes.items():
        if mode.startswith("fold:"):
            after, _, rest = mode.removeprefix("fold:").partition(">")
            into, _, back = rest.partition("|")
            folds[group] = Fold(after=tuple(after.split("+")), into=into, back=back)
            modes[group] = "fold"
        elif mode.startswith("lead:"):
            folds[group] = Fold(before=tuple(mode.removeprefix("lead:").split("+")))
            modes[group] = "lead"
    try:
        return Lexicon(words=groups, modes=modes, folds=folds)
    except InputError as error:
        raise BundleError(f"lexicon: must be valid, got {error.message}") from error
