"""A stream of bytes as blocks of whole lines, bounded in bytes and in lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tsclassify.io.sources import ByteStream
from tsclassify.io.strict import MAX_LINE_BYTES

__all__ = ["BLOCK_BYTES", "BLOCK_LINES", "Block", "Oversize", "read_blocks"]

BLOCK_BYTES: Final = 1 << 20
"""Bytes read at a time: about 4,000 posts. A block takes some 6 MB; half as large, two threads were 8 % slower."""

_LINE_FEED: Final = 10

BLOCK_LINES: Final = 8192
"""Most lines in a block, so that a run of short or blank lines stays as small in memory as any other block."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one input.

    Attributes
    ----------
    data
        The lines; the last byte is a line feed, added when the input's last line has none.
    offset
        Offset of the first byte in the unpacked input.
    size
        Bytes of input that the block covers (without an added line feed).
    first_line, n_lines
        Number of the first line, from 1, and how many there are.
    running
        sha256 object over the input up to the end of this block; None when not asked for.
    """

    data: bytes
    offset: int
    size: int
    first_line: int
    n_lines: int
    running: Any = None


@dataclass(frozen=True, slots=True)
class Oversize:
    """A line too long to hold: where it is, its length and its hash; its bytes were read past."""

    offset: int
    size: int
    first_line: int
    length: int
    sha256: str
    running: Any = None
    n_lines: int = 1


def read_blocks(
    stream: ByteStream,
    *,
    offset: int = 0,
    first_line: int = 1,
    block_bytes: int = BLOCK_BYTES,
    block_lines: int = BLOCK_LINES,
    max_line: int = MAX_LINE_BYTES,
    running: Any = None,
) -> Iterator[Block | Oversize]:
    """Cut a stream into blocks.

    Parameters
    ----------
    stream
        Positioned at a line start.
    offset, first_line
        What to call that position.
    block_bytes, block_lines
        Bounds of a block; a single line may make it longer, up to `max_line`.
    max_line
        A line longer than this, that does not end within the bytes read, is read past and reported.
    running
        A sha256 object over the input before `offset`; when given, every block carries a copy up to its end.
    """

    def digest(*parts: bytes) -> Any:
        if running is None:
            return None
        for part in parts:
            running.update(part)
        return running.copy()

    pending = b""
    skipped = 0
    skipped_hash = hashlib.sha256()
    while True:
        chunk = stream.read(block_bytes)
        if skipped:
            cut = chunk.find(b"\n")
            part = chunk if cut < 0 else chunk[:cut]
            skipped_hash.update(part)
            skipped += len(part)
            so_far = digest(part)
            if chunk and cut < 0:
                continue
            size = skipped + (cut >= 0)
            so_far = digest(chunk[cut : cut + 1]) if cut >= 0 else so_far
            yield Oversize(offset, size, first_line, skipped, skipped_hash.hexdigest(), so_far)
            offset, first_line, skipped = offset + size, first_line + 1, 0
            if not chunk:
                return
            chunk = chunk[cut + 1 :]
            if not chunk:
                continue
        elif not chunk:
            if pending:
                yield Block(pending + b"\n", offset, len(pending), first_line, 1, digest(pending))
            return
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            pending += chunk
            if len(pending) > max_line:
                digest(pending)
                skipped, skipped_hash, pending = len(pending), hashlib.sha256(pending), b""
            continue
        data = b"".join((pending, memoryview(chunk)[:cut]))
        pending = chunk[cut:]
        del chunk
        for piece, n_lines in _pieces(data, block_lines):
            yield Block(piece, offset, len(piece), first_line, n_lines, digest(piece))
            offset, first_line = offset + len(piece), first_line + n_lines


def _pieces(data: bytes, block_lines: int) -> Iterator[tuple[bytes, int]]:
    # numpy counts twice as fast as bytes do, and lets other threads run
    n_lines = int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LINE_FEED))
    if n_lines <= block_lines:
        yield data, n_lines
        return
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _LINE_FEED) + 1
    start = 0
    for first in range(0, n_lines, block_lines):
        last = min(first + block_lines, n_lines)
        end = int(ends[last - 1])
        yield data[start:end], last - first
        start = end
