"""Prevalence, resampling groups and slices, from what the caller passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.evaluation.labelled import LabelledData
from tsclassify.records import Truth

__all__ = ["group_numbers", "rates", "slice_columns"]

_DEFAULT_PREVALENCE: Final = 0.01
_LANGUAGES: Final[dict[int, str]] = {
    Truth.FALSE: "not a tested language",
    Truth.UNKNOWN: "undetermined",
    Truth.TRUE: "tested language",
}
_LENGTHS: Final = ((5, "1 to 5 words"), (15, "6 to 15 words"), (40, "16 to 40 words"), (10**9, "41 words or more"))
_AUTOMATIC: Final = ("source", "language", "lang")


def rates(
    prevalence: float | Mapping[str, float] | None, categories: Sequence[str], priors: Mapping[str, float]
) -> dict[str, float]:
    """Prevalence per category: given, else the stated prior, else 0.01."""
    given = dict(prevalence) if isinstance(prevalence, Mapping) else dict.fromkeys(categories, prevalence)
    out = {}
    for name in categories:
        rate = given.get(name)
        out[name] = float(priors.get(name) or _DEFAULT_PREVALENCE) if rate is None else float(rate)
        if not 0.0 < out[name] < 1.0:
            raise InputError(f"evaluate: prevalence of {name} must lie in (0, 1), got {rate!r}")
    return out


def group_numbers(data: LabelledData, groups: str | None) -> NDArray[np.int64] | None:
    """Group of each row, 0..m-1; None resamples rows."""
    if groups is None:
        return None
    if groups not in data.fields:
        raise InputError(f"evaluate: groups must be a field of the rows, got {groups!r}")
    # a row without a value is a group of its own
    names = [f"={value}" if value is not None else f"#{row}" for row, value in enumerate(data.fields[groups])]
    numbers: NDArray[np.int64] = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return numbers


def slice_columns(
    data: LabelledData,
    slices: Sequence[str] | Mapping[str, Callable[[str], object]],
    model: Any = None,
) -> dict[str, NDArray[np.object_]]:
    """Slices asked for, with source, length and language (the rows' own, else what the model takes it for)."""
    columns: dict[str, NDArray[np.object_]] = {name: data.fields[name] for name in _AUTOMATIC if name in data.fields}
    lengths = np.empty(len(data), dtype=object)
    lengths[:] = [next(label for top, label in _LENGTHS if len(text.split()) <= top) for text in data.texts]
    columns["length"] = lengths
    language = getattr(model, "language", None)
    if callable(language) and not {"language", "lang"} & set(columns):
        languages = np.empty(len(data), dtype=object)
        languages[:] = [_LANGUAGES[int(state)] for state in language(list(data.texts))]
        columns["language"] = languages
    if isinstance(slices, Mapping):
        for name, function in slices.items():
            column = np.empty(len(data), dtype=object)
            column[:] = [function(text) for text in data.texts]
            columns[name] = column
        return columns
    for name in [slices] if isinstance(slices, str) else slices:
        if name not in data.fields and name not in columns:
            raise InputError(
                f"evaluate: slice must be a field of the rows ({', '.join(data.fields) or 'none'}), got {name!r}"
            )
        if name not in columns:
            columns[name] = data.fields[name]
    return columns
