"""Texts with labels: the annotation joined to the public texts by hash, and the written posts.

Plain frozen rows; ``tsclassify.data.load`` gives the same as ``datasets.Dataset``.
"""

from __future__ import annotations

import csv
import functools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tsclassify.data.raw import normalize_space, records, text_sha256
from tsclassify.data.registry import source_names
from tsclassify.resources import shipped

__all__ = [
    "AnnotatedRow",
    "Coverage",
    "Label",
    "annotated_rows",
    "composed_rows",
    "contrast_rows",
    "coverage",
    "drawn",
    "everyday_rows",
    "found_rows",
    "further_rows",
    "labels",
    "read_again",
    "written_rows",
]

# The annotation calls this source by the name of the whole collection.
_REGISTERED = {"civil_comments": "civil_comments_sample"}


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
        How the row was chosen; for our own everyday posts their kind, for other own posts empty.
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


@functools.cache
def labels(name: str = "annotated") -> tuple[Label, ...]:
    """All annotations of public texts in ``seeds/labels/<name>.tsv``: hashes and codes, no text."""
    return tuple(Label(*row) for row in _table(name))


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
    return _joined([label for label in labels() if _is_chosen(label.split, split) and _is_chosen(label.use, use)], root)


def further_rows(*, root: str | os.PathLike[str] | None = None) -> list[AnnotatedRow]:
    """Public texts of ``use = train`` sources that were annotated later, for training only (``further.tsv``).

    They were picked because a teacher was unsure of them or ranked them high, one reading each, by the same
    guideline: harder than the rows of ``annotated_rows``, and never used to calibrate, choose or report.

    Raises
    ------
    DataError
        When a public file that is needed is missing or altered.
    """
    return _joined(list(labels("further")), root)


def found_rows(*, root: str | os.PathLike[str] | None = None, split: str | None = None) -> list[AnnotatedRow]:
    """Public texts that a bundle confused with violence, or drawn at random, read anew (``found.tsv``).

    Most are innocent look-alikes: everyday talk, news and technical chat. Ids in ``nf`` and ``ng`` were read in two
    early rounds, those in ``q`` later, by a sharper guideline.

    Parameters
    ----------
    root
        Folder of the public files; ``TSCLASSIFY_DATA`` or the cache when none is given.
    split
        Only ``train``, or only ``dev``: those are reported on, never trained on.

    Raises
    ------
    DataError
        When a public file that is needed is missing or altered.
    """
    return _joined([label for label in labels("found") if _is_chosen(label.split, split)], root)


@functools.cache
def drawn() -> Mapping[str, str]:
    """Texts drawn at random from whole sources, whoever labelled them: sha256 to source (``labels/drawn.tsv``).

    Priors of ordinary streams are stated on them: rows that were looked for would make violence too frequent, and
    a draw from what nobody had looked for too rare.
    """
    return {row[0]: row[1] for row in _table("drawn")}


@functools.cache
def read_again() -> Mapping[str, str]:
    """Second readings that look at attributes and context alone: sha256 of the text to code (``labels/reread.tsv``)."""
    return {row[0]: row[1] for row in _table("reread")}


def _table(name: str) -> list[list[str]]:
    """Rows of ``seeds/labels/<name>.tsv`` below its header."""
    with shipped("seeds", "labels", f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]


def _joined(wanted: list[Label], root: str | os.PathLike[str] | None) -> list[AnnotatedRow]:
    """Labels with their texts; a label whose text is not found is left out."""
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
    for record in records(source, root):
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
    return [row for row in _own("written.jsonl") if _is_chosen(row.split, split)]


def contrast_rows() -> list[AnnotatedRow]:
    """Minimal pairs written later for training only (``seeds/contrasts.jsonl``), with their annotation.

    Each pair is a post with violence, or with hate, and a twin without that shares most of its words.
    """
    return _own("contrasts.jsonl")


def everyday_rows() -> list[AnnotatedRow]:
    """Everyday posts written later for training only (``seeds/everyday.jsonl``), most in minimal pairs.

    A pair tells everyday language from the real thing: the ordinary sense of a violent word from a threat, news from
    a call, a named place and hour from a plan. ``picked`` holds the kind of situation.
    """
    return _own("everyday.jsonl")


def composed_rows() -> list[AnnotatedRow]:
    """Posts composed for training only (``seeds/composed.jsonl``, made by ``tools/make_composed.py``).

    The same verbs with harmless objects and with people, the same places with and without harm.
    """
    return _own("composed.jsonl")


def _own(name: str) -> list[AnnotatedRow]:
    with shipped("seeds", name).open(encoding="utf-8") as lines:
        return [
            AnnotatedRow(
                post["id"],
                post["text"],
                post["source"],
                post.get("kind", ""),
                post["use"],
                post["split"],
                post["code"],
                text_sha256(post["text"]),
                pair=post.get("pair"),
            )
            for post in map(json.loads, lines)
        ]
