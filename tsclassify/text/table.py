"""The per-code-point table of normalization, loaded from the package."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["CharTable", "char_table"]


@dataclass(frozen=True, slots=True, eq=False)
class CharTable:
    """A two-stage table over all code points.

    Attributes
    ----------
    index
        uint16, shape (4352,): code point // 256 to a block of ``entries``.
    entries
        uint32: bits 0-2 kind, 3 expands, 4 dropped, 5 disguised, from 8 on the target (0 for itself) or a
        position in ``expansions``.
    expansions
        uint32: a length, then that many code points.
    twin_codes, twin_letters
        uint32: letters of other scripts by rising code point, and the Latin letter each looks like.
    versions
        Unicode version and sources, as text.
    """

    index: NDArray[np.uint16]
    entries: NDArray[np.uint32]
    expansions: NDArray[np.uint32]
    twin_codes: NDArray[np.uint32]
    twin_letters: NDArray[np.uint32]
    versions: tuple[str, ...]


@functools.cache
def char_table() -> CharTable:
    """The shipped table, read once."""
    with np.load(Path(__file__).with_name("charmap.npz"), allow_pickle=False) as arrays:
        parts = {name: arrays[name] for name in arrays.files}
    versions = tuple(str(version) for version in parts.pop("versions"))
    return CharTable(versions=versions, **parts)
