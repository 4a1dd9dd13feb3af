"""The arrays of a bundle: an npz that is read by its own strict rules, not by ``numpy.load``.

numpy reads a header as Python, and lets a directory name one piece of the archive a million times. Here every
member is known, stored as it is, and holds exactly the bytes that its shape needs, so that nothing that an archive
states is believed before it is there.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tsclassify.errors import BundleError

__all__ = ["pack_arrays", "unpack_arrays"]

_END: Final = struct.Struct("<4s8xII2x")
"""The last bytes of an archive without a comment: mark, size and place of its directory."""
_MAX_DIRECTORY: Final = 1 << 16
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_HEADER: Final = re.compile(
    rb"\{'descr': '([<>|][biufc][0-9]{1,2})', 'fortran_order': False, "
    rb"'shape': \(((?:[0-9]{1,9}, ?){0,8}(?:[0-9]{1,9})?)\), \} *\n"
)


class _Malformed(Exception):
    """An archive that is no plain npz."""


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """All arrays as an uncompressed npz, so that its bytes depend on no compression library."""
    buffer = io.BytesIO()
    # not by ``np.savez``: what that writes around an array depends on the version of Python
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return buffer.getvalue()


def unpack_arrays(place: str, content: bytes, dtypes: Mapping[str, DTypeLike]) -> dict[str, NDArray[Any]]:
    """Read an npz of known arrays; one that is absent is left to the caller.

    Parameters
    ----------
    place
        Bundle and file, for errors.
    content
        The archive.
    dtypes
        Name to dtype of every array that there may be.

    Raises
    ------
    BundleError
        One sentence.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        _check_end(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise BundleError(f"{place}: arrays must be stored uncompressed, got a compressed one")
            if sum(entry.file_size for entry in entries) > len(content):
                raise _Malformed
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename or name not in dtypes or name in arrays:
                    raise BundleError(f"{place}: arrays must be this library's, each once, got {entry.filename[:40]!r}")
                arrays[name] = _array(f"{place}: {name}", archive.read(entry), np.dtype(dtypes[name]))
    except (_Malformed, zipfile.BadZipFile, struct.error, RuntimeError, ValueError, OSError, EOFError) as error:
        # RuntimeError: encrypted, or made by a method that zipfile does not know.
        raise BundleError(f"{place}: file must be a whole npz of plain arrays, got something else") from error
    return arrays


def _check_end(content: bytes) -> None:
    """Refuse a directory that would take much memory to read: zipfile makes an object for each of its entries."""
    if len(content) < _END.size or content[-42:-38] == b"PK\x06\x07":
        raise _Malformed
    mark, size, _ = _END.unpack(content[-_END.size :])
    if mark != b"PK\x05\x06" or size > _MAX_DIRECTORY:
        raise _Malformed


def _array(place: str, member: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    start = len(_MAGIC) + 2
    end = start + int.from_bytes(member[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(member, start, end) if member.startswith(_MAGIC) else None
    if header is None:
        raise _Malformed
    if header[1] != dtype.str.encode():
        raise BundleError(f"{place} must be {dtype.name}, got another type")
    shape = tuple(int(part) for part in header[2].split(b",") if part.strip())
    if math.prod(shape) * dtype.itemsize != len(member) - end:
        raise _Malformed
    # A copy, since compiled code is made for arrays that can be written.
    return np.frombuffer(member, dtype, offset=end).reshape(shape).copy()
