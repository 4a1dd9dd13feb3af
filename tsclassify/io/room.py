"""Memory that one block after another is worked on in, so that it is asked for once and not for every block."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Room"]

_MOST_BYTES: Final = 16 << 20
"""A room that a very long line made larger is not used again; blocks of common lines take 4 to 6 MB."""


class Room:
    """Arrays by name, each as long as the longest one asked for so far; for one block at a time.

    What was in an array is lost, or overwritten, with the next block.
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """An array of any content."""
        size = prod(shape) * np.dtype(dtype).itemsize
        kept = self._kept.get(name)
        if kept is None or len(kept) < size:
            # blocks differ a little in length: with an eighth more the next one fits too
            kept = self._kept[name] = np.empty(size + size // 8, dtype=np.uint8)
        array: NDArray[Any] = kept[:size].view(dtype).reshape(shape)
        return array

    @property
    def is_small(self) -> bool:
        """Whether it is worth keeping for another block."""
        return sum(len(kept) for kept in self._kept.values()) <= _MOST_BYTES
