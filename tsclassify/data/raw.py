"""The public sources as texts, each once, with the source's own label; and the texts no model may be trained on."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tsclassify.data.files import files_of, read_checked
from tsclassify.data.readers import Record, read_records
from tsclassify.errors import InputError
from tsclassify.resources import shipped

__all__ = [
    "RawRow",
    "english_rows",
    "exclusion_key",
    "exclusions",
    "normalize_space",
    "raw_rows",
    "records",
    "text_sha256",
]


@dataclass(frozen=True, slots=True)
class RawRow:
    """One text of a public source.

    Parameters
    ----------
    id
        ``<source>-<number>``: the number of its first record, over the files of the source in registry order.
    text
        White space normalized.
    source
        Name in the registry.
    use
        ``train`` or ``eval``.
    label
        The source's own label, as a string (``docs/data.md``).
    """

    id: str
    text: str
    source: str
    use: str
    label: str


def normalize_space(text: str) -> str:
    """Make each run of white space one blank and trim.

    Examples
    --------
    >>> normalize_space(" two \\n  words ")
    'two words'
    """
    return " ".join(text.split())


def text_sha256(text: str) -> str:
    """The sha256 of a text's UTF-8 bytes, in hex: the key of an annotation."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def raw_rows(source: str, *, root: str | os.PathLike[str] | None = None) -> Iterator[RawRow]:
    """Texts of one public source, each once, in file order.

    Repetitions are dropped by normalized text; in ``jigsaw``, which is pieced together from copies that
    differ in case and punctuation, by the comment's id and by its lower-cased letters and digits, and the copy
    with the original case is the one kept.

    Parameters
    ----------
    source
        Name in the registry.
    root
        Folder of the public files; ``TSCLASSIFY_DATA`` or the cache when none is given.

    Raises
    ------
    InputError
        When the source is not in the registry.
    DataError
        When one of its files is missing or altered.
    """
    use = files_of([source])[0].use
    rows = _unique_jigsaw(root) if source == "jigsaw" else _unique(source, root)
    return (RawRow(f"{source}-{number}", text, source, use, label) for number, text, label in rows)


def english_rows(source: str, *, root: str | os.PathLike[str] | None = None) -> Iterator[RawRow]:
    """Texts of a source as ``raw_rows`` gives them, without those that the source marks as another language.

    The categories are trained on these. Only ``tatoeba`` names languages; a few tweets of the others are not English.
    """
    return (row for row in raw_rows(source, root=root) if source != "tatoeba" or row.label == "eng")


def records(source: str, root: str | os.PathLike[str] | None = None) -> Iterator[Record]:
    """Every record of a public source as its files have it, repetitions included, in file order."""
    for file in files_of([source]):
        yield from read_records(file, read_checked(file, root))


def _unique(source: str, root: str | os.PathLike[str] | None) -> Iterator[tuple[int, str, str]]:
    seen: dict[str, tuple[int, str]] = {}
    for number, record in enumerate(records(source, root)):
        text = normalize_space(record.text)
        if not text:
            continue
        if text not in seen:
            seen[text] = (number, record.label)
        elif record.label.startswith(f"{seen[text][1]}/"):
            # implicit_hate: the second file says more of a post that the first one has
            seen[text] = (seen[text][0], record.label)
    return ((number, text, label) for text, (number, label) in seen.items())


def _unique_jigsaw(root: str | os.PathLike[str] | None) -> Iterator[tuple[int, str, str]]:
    found = [(number, normalize_space(record.text), record) for number, record in enumerate(records("jigsaw", root))]
    # texts that have capitals first, each group in file order
    found.sort(key=lambda entry: (entry[1] == entry[1].lower(), entry[0]))
    seen: set[str] = set()
    kept = []
    for number, text, record in found:
        keys = {re.sub(r"[^a-z0-9]+", "", text.lower()) or text}
        if record.key:
            keys.add(f"id {record.key}")
        if text and not keys & seen:
            kept.append((number, text, record.label))
        seen |= keys
    return iter(sorted(kept))


def exclusion_key(text: str) -> str:
    """Key under which a text is listed as one that a model may not be trained on.

    Returns
    -------
    str
        The first 16 hex digits of the sha256 of the first 100 letters and digits of the lower-cased text.

    Examples
    --------
    >>> exclusion_key("Hello, world") == exclusion_key("hello WORLD!")
    True
    """
    return text_sha256(re.sub(r"\W+", "", text.lower())[:100])[:16]


@functools.cache
def exclusions() -> frozenset[str]:
    """Keys of texts that measure models elsewhere, so none may be trained on them (``seeds/labels/exclude.txt``)."""
    lines = shipped("seeds", "labels", "exclude.txt").read_text(encoding="ascii").split()
    if not lines:
        raise InputError("seeds/labels/exclude.txt: list must not be empty, got no keys")
    return frozenset(lines)
