"""Texts with labels: the public sources, the annotation joined to them by hash, and the written posts.

Plain iterators over frozen rows; ``tsclassify.data.load`` gives the same as ``datasets.Dataset``.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tsclassify.data.files import files_of, read_checked
from tsclassify.data.readers import Record, read_records
from tsclassify.data.registry import source_names
from tsclassify.errors import InputError
from tsclassify.resources import shipped

__all__ = [
    "AnnotatedRow",
    "Coverage",
    "Label",
    "RawRow",
    "annotated_rows",
    "coverage",
    "exclusion_key",
    "exclusions",
    "labels",
    "normalize_space",
    "raw_rows",
    "text_sha256",
    "written_rows",
]

# The annotation calls this source by the name of the whole collection.
_REGISTERED = {"civil_comments": "civil_comments_sample"}


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


class Label(NamedTuple):
    """One annotation, keyed by the sha256 of the text it was given to."""

    sha256: str
    id: str
    source: str
    picked: str
    use: str
    split: str
    code: str
    second_code: str


@dataclass(frozen=True, slots=True)
class AnnotatedRow:
    """A text with its annotation.

    Parameters
    ----------
    id
        Id of the annotation.
    text
        White space normalized.
    source
        Source as the annotation names it; ``written`` for our own posts.
    picked
        How the row was chosen; empty for our own posts.
    use, split
        ``train`` or ``eval``; ``train`` or ``dev``.
    code
        ``CATS/ATTR/CTX`` (``tsclassify.taxonomy.parse_code``).
    sha256
        Key of the annotation. It is the sha256 of ``text``, save for the few rows that were annotated from a
        wrongly decoded copy: those carry the well decoded text.
    pair
        Number of the minimal pair the row belongs to, or None.
    second_code
        A second, independent reading, or empty.
    """

    id: str
    text: str
    source: str
    picked: str
    use: str
    split: str
    code: str
    sha256: str
    pair: int | None = None
    second_code: str = ""


class Coverage(NamedTuple):
    """How many annotations of a source were given (``n_labels``) and how many found again (``n_found``)."""

    n_labels: int
    n_found: int


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


def _records(source: str, root: str | os.PathLike[str] | None) -> Iterator[Record]:
    for file in files_of([source]):
        yield from read_records(file, read_checked(file, root))


def _unique(source: str, root: str | os.PathLike[str] | None) -> Iterator[tuple[int, str, str]]:
    seen: dict[str, tuple[int, str]] = {}
    for number, record in enumerate(_records(source, root)):
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
    records = [(number, normalize_space(record.text), record) for number, record in enumerate(_records("jigsaw", root))]
    # texts that have capitals first, each group in file order
    records.sort(key=lambda entry: (entry[1] == entry[1].lower(), entry[0]))
    seen: set[str] = set()
    kept = []
    for number, text, record in records:
        keys = {re.sub(r"[^a-z0-9]+", "", text.lower()) or text}
        if record.key:
            keys.add(f"id {record.key}")
        if text and not keys & seen:
            kept.append((number, text, record.label))
        seen |= keys
    return iter(sorted(kept))


@functools.cache
def labels() -> tuple[Label, ...]:
    """All annotations of public texts (``seeds/labels/annotated.tsv``): hashes and codes, no text."""
    with shipped("seeds", "labels", "annotated.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return tuple(Label(*row) for row in rows)


def annotated_rows(
    *, root: str | os.PathLike[str] | None = None, split: str | None = None, use: str | None = None
) -> list[AnnotatedRow]:
    """Annotated public texts, found again in the public files by hash, in annotation order.

    Parameters
    ----------
    root
        Folder of the public files; ``TSCLASSIFY_DATA`` or the cache when none is given.
    split
        Only ``train`` or only ``dev``.
    use
        Only ``train`` or only ``eval``. Most ``eval`` rows come from sources that are not in the registry and
        are not found: ``coverage`` counts them.

    Raises
    ------
    DataError
        When a file of a registered source that is asked for is missing or altered.
    """
    wanted = [label for label in labels() if _is_chosen(label.split, split) and _is_chosen(label.use, use)]
    keys: dict[str, set[str]] = {}
    for label in wanted:
        keys.setdefault(label.source, set()).add(label.sha256)
    texts: dict[str, str] = {}
    for source, hashes in keys.items():
        registered = _REGISTERED.get(source, source)
        if registered in source_names():
            texts.update(_find(registered, hashes, root))
    return [
        AnnotatedRow(
            label.id,
            texts[label.sha256],
            label.source,
            label.picked,
            label.use,
            label.split,
            label.code,
            label.sha256,
            second_code=label.second_code,
        )
        for label in wanted
        if label.sha256 in texts
    ]


def _find(source: str, hashes: set[str], root: str | os.PathLike[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: set[str] = set()
    for record in _records(source, root):
        if record.text in seen:
            continue
        seen.add(record.text)
        for read, text in _readings(source, record.text):
            key = text_sha256(read)
            if key in hashes:
                found.setdefault(key, text)
    return found


def _readings(source: str, text: str) -> Iterator[tuple[str, str]]:
    """What an annotator may have been shown for a record, each with the text it stands for."""
    clean = normalize_space(text)
    yield clean, clean
    if source == "dynahate" and "\v" in text:
        # a reader that ends rows at bare carriage returns sees the last part as a row of its own
        last = normalize_space(text.rpartition("\v")[2])
        yield last, last
    if source == "jigsaw" and not text.isascii():
        # 52 comments were annotated from copies whose UTF-8 had been read as latin-1
        yield normalize_space(text.encode("utf-8").decode("latin-1")), clean


def _is_chosen(value: str, wanted: str | None) -> bool:
    return wanted is None or value == wanted


def coverage(rows: list[AnnotatedRow]) -> dict[tuple[str, str], Coverage]:
    """How many of all annotations ``rows`` holds, per source and use.

    Parameters
    ----------
    rows
        What ``annotated_rows()`` returned without a choice of split or use.
    """
    n_labels = Counter((label.source, label.use) for label in labels())
    n_found = Counter((row.source, row.use) for row in rows if row.source != "written")
    return {key: Coverage(n, n_found[key]) for key, n in sorted(n_labels.items())}


def written_rows(*, split: str | None = None) -> list[AnnotatedRow]:
    """Posts written for this project, with their annotation (``seeds/written.jsonl``)."""
    rows = []
    with shipped("seeds", "written.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            post = json.loads(line)
            rows.append(
                AnnotatedRow(
                    post["id"],
                    post["text"],
                    post["source"],
                    "",
                    post["use"],
                    post["split"],
                    post["code"],
                    text_sha256(post["text"]),
                    pair=post.get("pair"),
                )
            )
    return [row for row in rows if _is_chosen(row.split, split)]


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
