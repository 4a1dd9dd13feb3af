"""The inputs of a job as one stream of blocks, from any place in them."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tsclassify.errors import InputError
from tsclassify.io.blocks import Block, Oversize, read_blocks
from tsclassify.io.fields import check_names, rows_of
from tsclassify.io.formats import as_lines
from tsclassify.io.sources import ByteStream, Source, open_stream, sniff

if TYPE_CHECKING:
    from tsclassify.batch.tables import TablePiece

__all__ = ["Place", "Unit", "check_fields", "read_units"]

_SKIP_BYTES: Final = 4 << 20
_LOOK_BYTES: Final = 1 << 16


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
    sources: Sequence[Source], start: Place, *, block_bytes: int, max_line: int, max_ratio: float, text: str = "text"
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
            lines = as_lines(stream, source.name, text)
            running = _skip(lines, at, source)
            blocks = read_blocks(
                lines,
                offset=at.offset,
                first_line=at.line,
                block_bytes=block_bytes,
                max_line=max_line,
                running=running,
            )
            for block in blocks:
                if source.size is None and not block.offset and isinstance(block, Block):
                    check_names(rows_of(block.data), source.name, text)
                yield Unit(block, index)
        finally:
            stream.close()


def check_fields(sources: Sequence[Source], text: str, max_ratio: float) -> None:
    """Refuse a file whose first lines all lack the text, before anything of it is rejected or written.

    Raises
    ------
    InputError
        Naming the fields that were found. What waits (standard input, a pipe) is looked at by ``read_units``.
    """
    for source in sources:
        if source.size is None or source.path is None:
            continue
        if sniff(source) == "parquet":
            from tsclassify.batch.tables import names_of_table

            check_names([dict.fromkeys(names_of_table(source), "")], source.name, text)
            continue
        stream = open_stream(source, max_ratio=max_ratio)
        try:
            lines = as_lines(stream, source.name, text)
            check_names(rows_of(lines.read(_LOOK_BYTES)), source.name, text)
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
