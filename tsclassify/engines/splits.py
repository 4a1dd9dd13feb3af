"""Files cut into ranges of bytes that workers score alone, and put together again in order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tsclassify.batch.block import Counts, process_block
from tsclassify.batch.plan import Plan
from tsclassify.errors import InputError
from tsclassify.io.blocks import read_blocks
from tsclassify.io.sources import ByteStream, Source, open_stream, sniff

__all__ = ["SPLIT_BYTES", "Part", "Split", "plan_splits", "run_split"]

SPLIT_BYTES: Final = 16 << 20
"""Bytes a worker scores at a time: about 50,000 posts, half a second."""

_PACKED: Final = (b"\x1f\x8b", b"\x28\xb5")


@dataclass(frozen=True, slots=True)
class Split:
    """A range of one file: the lines that begin in ``start <= offset < stop``.

    Attributes
    ----------
    index
        Place among all splits.
    source, path
        Name of the input, and where a worker finds it.
    start, stop
        Bytes; -1 as `stop` means to the end.
    """

    index: int
    source: str
    path: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Part:
    """What came of a split; line numbers in ``rejected`` count from the split's first line."""

    index: int
    output: bytes
    rejected: bytes
    counts: str


def plan_splits(sources: Sequence[Source], split_bytes: int = SPLIT_BYTES) -> list[Split]:
    """Cut files into ranges; a packed file is one range.

    Raises
    ------
    InputError
        When an input is stdin or Parquet.
    """
    splits: list[Split] = []
    for source in sources:
        if source.path is None or source.size is None:
            raise InputError(f"{source.name}: an engine's input must be a file, got a stream")
        if sniff(source) == "parquet":
            raise InputError(
                f"{source.name}: an engine's file input must be JSONL, got Parquet",
                hint="read it with the engine and call score_dataset or score_dataframe",
            )
        with source.path.open("rb") as file:
            packed = file.read(2) in _PACKED
        starts = [0] if packed or not source.size else list(range(0, source.size, split_bytes))
        stops = [*starts[1:], -1]
        path = str(source.path.resolve())
        splits += [
            Split(len(splits) + k, source.name, path, start, stop)
            for k, (start, stop) in enumerate(zip(starts, stops, strict=True))
        ]
    return splits


class _Range:
    """The whole lines that begin inside a range of a file, as a stream."""

    def __init__(self, path: str, start: int, stop: int) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        self._left = stop
        if start:
            # A line belongs to the range that its first byte lies in.
            self._file.seek(start - 1)
            self._file.readline()
        self.start = self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        at = self._file.tell()
        if self._left < 0:
            return self._file.read(size)
        if at >= self._left:
            return b""
        data = self._file.read(min(size, self._left - at))
        if self._file.tell() == self._left and not data.endswith(b"\n"):
            data += self._file.readline()
        return data

    def close(self) -> None:
        self._file.close()


def run_split(split: Split, plan: Plan) -> Part:
    """Score one split."""
    path = Source(split.source, _path(split.path), None)
    whole = split.start == 0 and split.stop == -1
    stream: ByteStream = open_stream(path) if whole else _Range(split.path, split.start, split.stop)
    offset = getattr(stream, "start", 0)
    counts, output, rejected = Counts(), bytearray(), bytearray()
    try:
        for block in read_blocks(stream, offset=offset, max_line=plan.max_line):
            done = process_block(block, plan, split.source)
            output += done.output
            rejected += done.rejected
            counts.add(done.counts)
    finally:
        stream.close()
    return Part(split.index, bytes(output), bytes(rejected), json.dumps(counts.to_dict()))


def _path(name: str) -> Any:
    from pathlib import Path

    return Path(name)


def renumbered(rejected: bytes, lines_before: int) -> bytes:
    """Reject records with line numbers of the file instead of the split."""
    if not lines_before:
        return rejected
    records = [json.loads(line) for line in rejected.splitlines()]
    for record in records:
        record["line"] += lines_before
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def joined(parts: Iterator[Part], splits: Sequence[Split]) -> Iterator[tuple[bytes, bytes, Counts]]:
    """Parts, which come in order, with their line numbers put right.

    Raises
    ------
    InputError
        When a part is missing or out of order.
    """
    before = 0
    for split, part in itertools.zip_longest(splits, parts):
        if split is None or part is None or split.index != part.index:
            raise InputError("engine: every split must come back once and in order, got another order")
        counts = Counts.from_dict(json.loads(part.counts))
        before = 0 if split.start == 0 else before
        yield part.output, renumbered(part.rejected, before), counts
        before += counts.lines
