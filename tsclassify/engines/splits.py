"""Files cut into ranges of bytes that workers score alone, and put together again in order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.batch.block import Counts, process_block
from tsclassify.batch.plan import Plan
from tsclassify.errors import InputError
from tsclassify.io.blocks import read_blocks
from tsclassify.io.sources import ByteStream, Source, open_stream, sniff

if TYPE_CHECKING:
    from tsclassify.policy import Breaker

__all__ = ["SPLIT_BYTES", "Part", "Split", "guarded", "joined", "plan_splits", "run_split"]

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
    """What came of a split.

    Line numbers in ``rejected`` count from the split's first line; ``acts`` has a bit for every item that says
    whether it is acted on, and is empty without a guard.
    """

    index: int
    output: bytes
    rejected: bytes
    counts: str
    acts: bytes


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


def run_split(split: Split, plan: Plan, held: NDArray[np.bool_] | None = None) -> Part:
    """Score one split.

    Parameters
    ----------
    split
        What to read.
    plan
        The job's settings.
    held
        bool, one per item: actions that a guard withholds; none when None.
    """
    path = Source(split.source, _path(split.path), None)
    whole = split.start == 0 and split.stop == -1
    stream: ByteStream = open_stream(path) if whole else _Range(split.path, split.start, split.stop)
    offset = getattr(stream, "start", 0)
    counts, output, rejected = Counts(), bytearray(), bytearray()
    acts: list[NDArray[np.bool_]] = [np.zeros(0, dtype=np.bool_)]
    try:
        for block in read_blocks(stream, offset=offset, max_line=plan.max_line):
            done = process_block(block, plan, split.source)
            if held is not None and done.held is not None:
                done = done.held(held[counts.items : counts.items + done.counts.items])
            acts.append(done.acts)
            output += done.output
            rejected += done.rejected
            counts.add(done.counts)
    finally:
        stream.close()
    bits = np.packbits(np.concatenate(acts)).tobytes()
    return Part(split.index, bytes(output), bytes(rejected), json.dumps(counts.to_dict()), bits)


def guarded(split: Split, part: Part, plan: Plan, breaker: Breaker) -> Part:
    """A part after the guards, scored again here when actions in it are withheld; call it in order."""
    n_items = Counts.from_dict(json.loads(part.counts)).items
    acts = np.unpackbits(np.frombuffer(part.acts, dtype=np.uint8), count=n_items).astype(np.bool_)
    held = breaker.admit(acts)
    return run_split(split, plan, held) if held.any() else part


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


def joined(
    parts: Iterator[Part], splits: Sequence[Split], guard: Callable[[Split, Part], Part] | None = None
) -> Iterator[tuple[bytes, bytes, Counts]]:
    """Parts, which come in order, with their line numbers put right.

    Parameters
    ----------
    parts, splits
        What came back, and what was asked.
    guard
        Called on every part in order; its answer takes the part's place.

    Raises
    ------
    InputError
        When a part is missing or out of order.
    """
    before = 0
    for split, part in itertools.zip_longest(splits, parts):
        if split is None or part is None or split.index != part.index:
            raise InputError("engine: every split must come back once and in order, got another order")
        if guard is not None:
            part = guard(split, part)
        counts = Counts.from_dict(json.loads(part.counts))
        before = 0 if split.start == 0 else before
        yield part.output, renumbered(part.rejected, before), counts
        before += counts.lines
