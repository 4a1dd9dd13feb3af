"""One block of JSONL as columns: texts end to end, spans of the other fields, and the lines that were refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.io.blocks import Block, Oversize
from tsclassify.io.room import Room
from tsclassify.io.strict import MAX_LINE_BYTES, WHITESPACE, Fields, LineFault, StrictItem, parse_line

__all__ = ["LineScanner", "Refused", "ScannedBlock", "reject_record"]

# Blocks up to this size are read and written without compiled code: loading numba takes 0.5 s, the strict parser
# 20 us a line (benchmarks/batch.py).
_SMALL_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not accepted: its place in the block, and why."""

    line: int
    start: int
    end: int
    fault: LineFault


@dataclass(frozen=True, slots=True)
class ScannedBlock:
    """The accepted lines of a block as columns; n rows in the order of the lines.

    Attributes
    ----------
    buf
        The block, uint8, read-only.
    lines
        int64 (n, 4): start of the line, closing brace, its line feed, line number within the block.
    spans
        int64 (n, W, 2): span of each wanted value in ``buf``, in the order of ``Fields.names``; -1 when missing.
    data, offsets
        uint8, and int64 (n + 1,): the decoded texts.
    signals
        Row to the signals that its item states.
    refused
        Lines not accepted, in order.
    n_blank
        Lines of nothing but whitespace.
    is_small
        The block was read without compiled code, and is to be written so.
    """

    buf: NDArray[np.uint8]
    lines: NDArray[np.int64]
    spans: NDArray[np.int64]
    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    signals: Mapping[int, Mapping[str, bool | None]]
    refused: Sequence[Refused]
    n_blank: int
    is_small: bool

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def value(self, row: int, wanted: int) -> Any:
        """The value of one wanted field as Python has it; None when missing.

        A whole number of more than 18 digits stays a string as written, since no policy asks for one.
        """
        start, end = self.spans[row, wanted]
        if start < 0:
            return None
        return json.loads(self.buf[start:end].tobytes(), parse_int=_small_int)

    def label(self, row: int, wanted: int) -> str | None:
        """A string, or a number as written; None when null or missing."""
        start, end = self.spans[row, wanted]
        if start < 0:
            return None
        value = json.loads(self.buf[start:end].tobytes(), parse_int=str, parse_float=str)
        return value if value is None else str(value)


def _small_int(digits: str) -> int | str:
    return int(digits) if len(digits) <= 18 else digits


@dataclass(slots=True)
class LineScanner:
    """Reads blocks for one set of field names; keeps no state between blocks, so threads may share one.

    Parameters
    ----------
    fields
        Names of the item's parts.
    signal_names
        Signals that an item may state; others are a fault.
    max_line
        Longest line accepted, in bytes.
    small_bytes
        Blocks up to this size go through the strict parser alone.
    """

    fields: Fields
    signal_names: frozenset[str] = frozenset()
    max_line: int = MAX_LINE_BYTES
    small_bytes: int = _SMALL_BYTES
    _names: NDArray[np.uint8] = field(init=False, repr=False)
    _starts: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = [name.encode() for name in self.fields.names()]
        self._names = np.frombuffer(b"".join(names), dtype=np.uint8)
        self._starts = np.zeros(len(names) + 1, dtype=np.int64)
        np.cumsum([len(name) for name in names], out=self._starts[1:])

    def scan(self, block: Block, room: Room | None = None) -> ScannedBlock:
        """Columns of one block; they lie in `room`, when one is given, until another block is scanned there."""
        n, width = block.n_lines, len(self._starts) - 1
        array = Room().array if room is None else room.array
        buf = np.frombuffer(block.data, dtype=np.uint8)
        lines = array("lines", (n, 4), np.int64)
        spans = array("spans", (n, width, 2), np.int64)
        kinds = array("kinds", (n, width), np.uint8)
        # A text is never longer than the line it is written in.
        data = array("data", (len(buf),), np.uint8)
        offsets = array("offsets", (n + 1,), np.int64)
        offsets[0] = 0
        counts = np.zeros(2, dtype=np.int64)
        signals: dict[int, Mapping[str, bool | None]] = {}
        refused: list[Refused] = []
        position = row = 0
        size = len(block.data)
        # the compiled scanner looks for top-level names only
        is_strict = size <= self.small_bytes or bool(self.fields.nested())
        while position < size:
            if is_strict:
                start, end = position, block.data.index(b"\n", position)
                if not block.data[start:end].strip(WHITESPACE):
                    counts += 1
                    position = end + 1
                    continue
            else:
                from tsclassify.io.scan import STOP_END, scan_lines

                stop, start, end, row = scan_lines(
                    buf,
                    position,
                    row,
                    self.max_line,
                    self._names,
                    self._starts,
                    lines,
                    kinds,
                    spans,
                    data,
                    offsets,
                    counts,
                )
                if stop == STOP_END:
                    break
            try:
                item = parse_line(block.data[start:end], self.fields, max_line=self.max_line)
                stated = self._stated(item)
            except LineFault as fault:
                refused.append(Refused(int(counts[0]), start, end, fault))
            else:
                text = np.frombuffer(item.text.encode(), dtype=np.uint8)
                data[offsets[row] : offsets[row] + len(text)] = text
                offsets[row + 1] = offsets[row] + len(text)
                lines[row] = start, start + item.close, end, counts[0]
                spans[row] = -1
                for wanted, name in enumerate(self.fields.names()):
                    if name in item.spans:
                        spans[row, wanted] = np.add(item.spans[name], start)
                if stated:
                    signals[row] = stated
                row += 1
            counts[0] += 1
            position = end + 1
        return ScannedBlock(
            buf=buf,
            lines=lines[:row],
            spans=spans[:row],
            data=data[: offsets[row]],
            offsets=offsets[: row + 1],
            signals=signals,
            refused=refused,
            n_blank=int(counts[1]),
            is_small=size <= self.small_bytes,
        )

    def _stated(self, item: StrictItem) -> dict[str, bool | None]:
        stated = dict(item.values.get(self.fields.signals) or ())
        for name in stated:
            if name not in self.signal_names:
                raise LineFault("unknown_signal", "the signals field names a signal that the model does not have")
        return stated


def reject_record(source: str, block: Block | Oversize, refused: Refused | None = None) -> bytes:
    """One line of the rejects file: where the line stands, why it was refused, and its bytes.

    Parameters
    ----------
    source
        Name of the input.
    block
        Where the line lies.
    refused
        The line in the block; None for an `Oversize`.

    Returns
    -------
    bytes
        ASCII JSON with a line feed: ``raw`` when the line is UTF-8, ``raw_base64`` when not, ``raw_sha256`` when
        it is too long to keep. Control and bidi characters are escaped, so that showing the file does nothing.
    """
    record: dict[str, Any] = {"source": source}
    if isinstance(block, Oversize):
        fault = LineFault("too_long", "the line is longer than the limit")
        record |= {"line": block.first_line, "offset": block.offset, "length": block.length}
        record |= {"reason": fault.reason, "detail": fault.detail, "raw_sha256": block.sha256}
    elif refused is not None:
        raw = block.data[refused.start : refused.end]
        fault = refused.fault
        record |= {"line": block.first_line + refused.line, "offset": block.offset + refused.start, "length": len(raw)}
        record |= {"reason": fault.reason, "detail": fault.detail}
        if fault.reason == "too_long":
            record["raw_sha256"] = hashlib.sha256(raw).hexdigest()
        else:
            try:
                record["raw"] = raw.decode()
            except UnicodeDecodeError:
                record["raw_base64"] = base64.b64encode(raw).decode()
    return json.dumps(record).encode() + b"\n"
