"""Public data as ``datasets.Dataset``; importing ``datasets`` takes a second, so it happens inside the functions."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tsclassify.data.corpus import AnnotatedRow, annotated_rows, written_rows
from tsclassify.data.raw import raw_rows
from tsclassify.errors import InputError, needs
from tsclassify.taxonomy import CATEGORIES, SIGNALS, parse_code

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["load_annotated", "load_raw", "load_written"]

_FIELDS = ("id", "text", "source", "picked", "use", "split", "code", "sha256", "pair", "second_code")


def load_annotated(
    *,
    root: str | os.PathLike[str] | None = None,
    split: str | None = None,
    use: str | None = None,
    written: bool = True,
) -> Dataset:
    """Annotated texts: the public ones found again by hash, then the posts written for this project.

    Parameters
    ----------
    root
        Folder of the public files; ``TSCLASSIFY_DATA`` or the cache when none is given.
    split
        Only ``train`` or only ``dev``.
    use
        Only ``train`` or only ``eval``.
    written
        Whether the written posts follow (their use is ``train``).

    Returns
    -------
    datasets.Dataset
        Columns id, text, source, picked, use, split, code, sha256, pair (int or null), second_code, and one bool
        column per category (7) and per signal (14).

    Raises
    ------
    InputError
        When ``split`` or ``use`` is none of their values.
    DataError
        When a public file is missing or altered.
    """
    _check("split", split, ("train", "dev"))
    _check("use", use, ("train", "eval"))
    rows = annotated_rows(root=root, split=split, use=use)
    if written and use != "eval":
        rows += written_rows(split=split)
    return _dataset(rows)


def load_written(*, split: str | None = None) -> Dataset:
    """Posts written for this project, in the schema of ``load_annotated``; needs no public file."""
    _check("split", split, ("train", "dev"))
    return _dataset(written_rows(split=split))


@needs("load_raw")
def load_raw(source: str, *, root: str | os.PathLike[str] | None = None) -> Dataset:
    """One public source whole, each text once.

    Parameters
    ----------
    source
        Name in the registry, for example ``goemotions``.
    root
        Folder of the public files; ``TSCLASSIFY_DATA`` or the cache when none is given.

    Returns
    -------
    datasets.Dataset
        String columns id, text, source, use and label (the source's own).
    """
    import datasets

    columns: dict[str, list[str]] = {name: [] for name in ("id", "text", "source", "use", "label")}
    for row in raw_rows(source, root=root):
        for name, values in columns.items():
            values.append(getattr(row, name))
    features = datasets.Features({name: datasets.Value("string") for name in columns})
    return datasets.Dataset.from_dict(columns, features=features)


def _check(subject: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise InputError(f"load_annotated: {subject} must be {' or '.join(allowed)}, got {value!r}")


@needs("load_annotated")
def _dataset(rows: list[AnnotatedRow]) -> Dataset:
    import datasets

    columns: dict[str, list[Any]] = {name: [] for name in (*_FIELDS, *CATEGORIES, *SIGNALS)}
    for row in rows:
        values = asdict(row)
        for name in _FIELDS:
            columns[name].append(values[name])
        categories, signals = parse_code(row.code)
        for name, value in zip((*CATEGORIES, *SIGNALS), (*categories, *signals), strict=True):
            columns[name].append(value)
    kinds = {name: datasets.Value("string") for name in _FIELDS}
    kinds["pair"] = datasets.Value("int32")
    kinds |= {name: datasets.Value("bool") for name in (*CATEGORIES, *SIGNALS)}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
