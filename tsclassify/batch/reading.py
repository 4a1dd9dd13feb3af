"""The inputs of a job as one stream of blocks, from any place in them."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tsclassify.errors import InputError
from tsclassify.io.blocks import Block, Oversize, read_blocks
from tsclassify.io.sources import ByteStream, Source, open_stream, sniff

if TYPE_CHECKING:
    from tsclassify.batch.tables import TablePiece

__all__ = ["Place", "Unit", "read_units"]

_SKIP_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two lines of the input.

    Attributes
    ----------
    source
        Index of the input.
    offset
        Unpacked bytes before it (rows, in Parquet).
    line
        Number of the line after it, from 1.
    sha256
        Hash of the bytes before it (of the whole file, in Parquet); empty at the start.
    """

    source: int = 0
    offset: int = 0
    line: int = 1
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """One block of work, and its input."""

    block: Block | Oversize | TablePiece
    source: int

    @property
    def after(self) -> Place:
        """The place behind the block."""
        block = self.block
        digest: str = block.running.hexdigest()
        return Place(self.source, block.offset + block.size, block.first_line + block.n_lines, digest)


def read_units(
    sources: Sequence[Source], start: Place, *, block_bytes: int, max_line: int, max_ratio: float
) -> Generator[Unit, None, None]:
    """Read all inputs from a place on.

    Raises
    ------
    InputError
        When an input cannot be read, or is not what it was up to `start`.
    """
    for index in range(start.source, len(sources)):
        source = sources[index]
        at = start if start.source == index else Place(index)
        if sniff(source) == "parquet":
            from tsclassify.batch.tables import read_table

            yield from (Unit(piece, index) for piece in read_table(source, at, max_ratio))
            continue
        stream = open_stream(source, max_ratio=max_ratio)
        try:
            running = _skip(stream, at, source)
            blocks = read_blocks(
                stream,
                offset=at.offset,
                first_line=at.line,
                block_bytes=block_bytes,
                max_line=max_line,
                running=running,
            )
            yield from (Unit(block, index) for block in blocks)
        finally:
            stream.close()


def _skip(stream: ByteStream, at: Place, source: Source) -> Any:
    """Read up to a place; return the sha256 object over what was read, which must be what it was."""
    running = hashlib.sha256()
    left = at.offset
    while left:
        data = stream.read(min(left, _SKIP_BYTES))
        if not data:
            break
        running.update(data)
        left -= len(data)
    if left or (at.offset and running.hexdigest() != at.sha256):
        raise InputError(
            f"{source.name}: input must be the same up to byte {at.offset} to go on, got another",
            hint="start again with --force",
        )
    return running
