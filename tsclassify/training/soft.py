"""Soft labels of a teacher, kept by text hash: no text, eight bytes of hash and one byte per head."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import DataError
from tsclassify.taxonomy import CATEGORIES, SIGNALS

__all__ = ["SOFT_HEADS", "read_soft_labels", "soft_key", "write_soft_labels"]

SOFT_HEADS = (*CATEGORIES, *SIGNALS)
"""Columns of a soft label, in order."""


def soft_key(text: str) -> int:
    """First eight bytes of the sha256 of the text's UTF-8, as an unsigned number.

    Examples
    --------
    >>> soft_key("zorp") == soft_key("zorp")
    True
    """
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")


def write_soft_labels(path: str | os.PathLike[str], keys: Iterable[int], probabilities: NDArray[np.floating]) -> None:
    """Write soft labels, byte for byte the same for the same labels.

    Parameters
    ----------
    path
        ``.npz`` to write; rows are sorted by key.
    keys
        ``soft_key`` of each text, all different.
    probabilities
        Shape (n, 21) in [0, 1]; kept to 1/255 of the square root, which is finer near 0.
    """
    numbers = np.array(list(keys), dtype=np.uint64)
    order = np.argsort(numbers, kind="stable")
    levels = np.rint(np.sqrt(np.clip(probabilities, 0.0, 1.0)) * 255).astype(np.uint8)[order]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        # columns, not rows, and a fixed time stamp: smaller, and the same bytes every time
        for name, array in (("keys", numbers[order]), ("levels", np.ascontiguousarray(levels.T))):
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_soft_labels(path: str | os.PathLike[str]) -> Mapping[int, NDArray[np.float32]]:
    """Soft labels by ``soft_key``: float32, shape (21,), in [0, 1].

    Raises
    ------
    DataError
        When the file is missing or holds other columns.
    """
    file = Path(path)
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as archive:
            keys, levels = archive["keys"], archive["levels"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file.name}: soft labels must be readable, got {type(error).__name__}") from error
    if levels.shape != (len(SOFT_HEADS), len(keys)):
        raise DataError(f"{file.name}: soft labels must have {len(SOFT_HEADS)} columns, got shape {levels.shape}")
    values = np.square(levels.T.astype(np.float32) / 255.0)
    return dict(zip(keys.tolist(), values, strict=True))
