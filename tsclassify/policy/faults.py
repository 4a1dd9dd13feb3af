"""Faults of a policy file: where, what is wrong, what to do, and how they are shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, NamedTuple

from tsclassify.terminal import harmless

__all__ = ["MAX_FAULTS", "MAX_HINTS", "Fault", "Mark", "nearest", "render", "shown"]

MAX_FAULTS: Final = 1000
"""Faults of a file that are told; a person mends no more at once."""

MAX_HINTS: Final = 50
"""Faults that look for the name that may have been meant: among many names that takes a millisecond each."""

_NAMES: Final = 200
_WIDTH = 110


class Mark(NamedTuple):
    """A place in a file, both from 1; the column counts code points."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault.

    Attributes
    ----------
    line, column
        Where, from 1.
    path
        The same as a path of keys, for example ``tiers[0].when``.
    message
        What is wrong: what must be, and what is.
    hint
        What to do, or empty.
    file
        Name of the file.
    excerpt
        The line.
    """

    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    file: str = ""
    excerpt: str = ""

    @classmethod
    def at(cls, mark: Mark, path: tuple[str | int, ...], message: str, hint: str = "") -> Fault:
        """A fault at a mark, its path written out."""
        text = ""
        for part in path:
            text += f"[{part}]" if isinstance(part, int) else f".{part[:40]}" if text else part[:40]
        return cls(mark.line, mark.column, text, message, hint)

    def in_file(self, file: str, lines: Sequence[str]) -> Fault:
        """The same fault with the file's name and the line's text."""
        excerpt = lines[self.line - 1] if self.line <= len(lines) else ""
        return replace(self, file=file, excerpt=excerpt)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: "
        subject = f"{_plain(self.path)}: " if self.path else ""
        rows = [f"{place}{subject}{self.message}"]
        if self.excerpt.strip():
            start = max(0, self.column - 1 - _WIDTH // 2) if self.column > _WIDTH else 0
            excerpt = _plain(self.excerpt[start : start + _WIDTH].replace("\t", " "))
            rows.append(f"{self.line:>5} | {excerpt}")
            rows.append(f"      | {' ' * (self.column - 1 - start)}^")
        if self.hint:
            rows.append(f"      = hint: {self.hint}")
        return "\n".join(rows)


def _plain(text: str) -> str:
    """A text as a terminal may show it: one character for each, none that moves or turns others."""
    return harmless(text, lambda character: "\ufffd")


def render(faults: Iterable[Fault]) -> str:
    """All faults, one under the other."""
    return "\n".join(str(fault) for fault in faults)


def nearest(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """``did you mean 'x'?`` for the known name (of the first hundreds) that is most like `name`, or empty."""
    names = [str(k)[:64] for k in islice(known, _NAMES)]
    found = difflib.get_close_matches(str(name)[:64], names, n=1, cutoff=cutoff)
    return f"did you mean {found[0]!r}?" if found else ""


def shown(value: Any) -> str:
    """A value as an error may show it: short, and by kind when it is not a scalar."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 42 else f"{text[:38]}...{text[0]}"
