"""How a body lies in the file: compressed against a fixed text that holds what most decisions have in common.

A decision with its trace is three to four kilobytes of JSON, nearly all of it names and sentences of the policy;
packed against those of the shipped policies it is a sixth of that.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import zstandard

from tsclassify.errors import LedgerError

__all__ = ["AT_ONCE", "pack", "pack_many", "unpack"]

_MAX_BODY: Final = 16 << 20
"""Bytes of a body: a damaged length must not ask for all memory."""

AT_ONCE: Final = 256
"""Bodies to hand to ``pack_many``: less than a megabyte, which stays near the processor."""

_FEW: Final = 8
"""Up to here bodies are packed one by one, since getting ready to pack many takes some microseconds."""

_COMMON: Final = Path(__file__).with_name("common.txt")
"""What most bodies have in common: parts of rare events, then a clean decision under each shipped policy."""

_COMMON_SHA256: Final = "98a615ed747e7c98634c2fb39818d886ab1eb259b6fc600a260716ee2e3693cb"
"""Part of the file format of schema 2: with one byte changed, no packed body could be read."""

_LEVEL: Final = -3
"""Against the shipped policies' decisions, a sixth faster than -1 and as small; 1 takes twice the time."""


def _dictionary() -> zstandard.ZstdCompressionDict:
    common = _COMMON.read_bytes()
    if hashlib.sha256(common).hexdigest() != _COMMON_SHA256:
        raise LedgerError(f"{_COMMON.name}: file must be the shipped one, got another", hint="reinstall tsclassify")
    dictionary = zstandard.ZstdCompressionDict(common, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    # Without this every call would read the dictionary anew.
    dictionary.precompute_compress(level=_LEVEL)
    return dictionary


_DICTIONARY: Final = _dictionary()


class _ToolsOfThread(threading.local):
    """One compressor and one decompressor for each thread, made on first use: zstd's own are not to be shared."""

    packer: zstandard.ZstdCompressor | None = None
    unpacker: zstandard.ZstdDecompressor | None = None


_Tools: Final = _ToolsOfThread()


def _packer() -> zstandard.ZstdCompressor:
    packer = _Tools.packer
    if packer is None:
        packer = _Tools.packer = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=_DICTIONARY, write_checksum=False, write_dict_id=False
        )
    return packer


def pack(body: bytes | bytearray | memoryview) -> bytes:
    """The packed form of a body."""
    packed: bytes = _packer().compress(body)
    return packed + zlib.crc32(packed).to_bytes(4, "big")


def pack_many(buffer: bytearray, ends: Sequence[int]) -> list[bytes]:
    """The packed forms of bodies that lie one after the other in a buffer, the same as ``pack`` of each.

    Parameters
    ----------
    buffer
        The bodies.
    ends
        Where each of them ends.
    """
    starts = [0, *ends[:-1]]
    if len(ends) <= _FEW or "multi_compress_to_buffer" not in zstandard.backend_features:
        with memoryview(buffer) as view:
            return [pack(view[start:end]) for start, end in zip(starts, ends, strict=True)]
    spans = array("Q", (value for start, end in zip(starts, ends, strict=True) for value in (start, end - start)))
    segments = zstandard.BufferWithSegments(buffer, spans.tobytes())
    # In one call, half the time of as many calls; it takes no second thread.
    together = _packer().multi_compress_to_buffer(segments, threads=0)
    frames = [together[number].tobytes() for number in range(len(ends))]
    return [frame + zlib.crc32(frame).to_bytes(4, "big") for frame in frames]


def unpack(packed: bytes) -> bytes:
    """The body of a packed form.

    Raises
    ------
    ValueError
        When it is damaged: a byte of it was altered.
    """
    if _Tools.unpacker is None:
        _Tools.unpacker = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)
    # zstd reads some altered frames (an unused bit, another table for the same lengths) as the same body; the
    # checksum notices those too.
    frame, checksum = packed[:-4], packed[-4:]
    if zlib.crc32(frame).to_bytes(4, "big") != checksum:
        raise ValueError("packed body is damaged")
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= _MAX_BODY:
            raise ValueError("packed body is damaged")
        body: bytes = _Tools.unpacker.decompress(frame)
    except zstandard.ZstdError:
        raise ValueError("packed body is damaged") from None
    return body
