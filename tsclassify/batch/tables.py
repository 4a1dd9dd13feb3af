"""Parquet in and out of a batch job.

A Parquet output grows as Arrow messages, one per block, which can be cut and continued after a kill like lines; at
the end their rows are put into row groups of one size, so that its bytes depend on threads and blocks no more than
those of JSONL.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tsclassify.batch.arrow import ArrowScorer, check_names, result_array, result_type
from tsclassify.batch.block import BlockResult, Counts, count_decided, found_parts, guardable
from tsclassify.batch.columns import column_names, findings_text
from tsclassify.batch.plan import Decided, Plan
from tsclassify.batch.reading import Place
from tsclassify.errors import InputError
from tsclassify.io.blocks import BLOCK_LINES, Block, Oversize
from tsclassify.io.lines import reject_record
from tsclassify.io.outputs import new_file
from tsclassify.io.sources import MAX_RATIO, RATIO_FLOOR, Source, io_fault

__all__ = ["TableOutput", "TablePiece", "lines_of_table", "names_of_table", "read_table"]

_LENGTH_BYTES: Final = 8

ROW_GROUP: Final = 1 << 15
"""Rows of a Parquet row group: 30 MB of posts and results in memory."""
_ID = 2


@dataclass(frozen=True, slots=True)
class TablePiece:
    """Rows of a Parquet input; ``offset`` and ``size`` count rows."""

    batch: Any
    offset: int
    size: int
    first_line: int
    n_lines: int
    running: Any


def read_table(source: Source, at: Place, max_ratio: float = MAX_RATIO) -> Iterator[TablePiece]:
    """Rows of one Parquet file from a place on, `BLOCK_LINES` at a time.

    Raises
    ------
    InputError
        When the file is damaged, not what it was, has two columns of one name, or unpacks to more than `max_ratio`
        times its size.
    """
    if source.path is None:
        raise InputError(f"{source.name}: Parquet must be a file, got stdin")
    with _faults(source.name):
        with source.path.open("rb") as file:
            running = hashlib.file_digest(file, "sha256")
        if at.sha256 and running.hexdigest() != at.sha256:
            raise InputError(f"{source.name}: input must be the same to go on, got another", hint="use --force")
        row = unpacked = 0
        with pq.ParquetFile(source.path) as table:
            check_names(table.schema_arrow, source.name)
            _check_ratio(source, _stated_bytes(table.metadata), max_ratio)
            for batch in table.iter_batches(batch_size=BLOCK_LINES):
                unpacked += _spread_bytes(batch)
                _check_ratio(source, unpacked, max_ratio)
                skip = max(0, at.offset - row)
                row += len(batch)
                if skip < len(batch):
                    piece = batch.slice(skip)
                    first = row - len(piece)
                    yield TablePiece(piece, first, len(piece), first + 1, len(piece), running)


def names_of_table(source: Source) -> list[str]:
    """Column names of a Parquet file; those of structs as dotted names too."""
    with _faults(source.name):
        return [part.name for part in pq.read_schema(source.path)]


@contextmanager
def _faults(place: str) -> Iterator[None]:
    """What Arrow raises for a file that is no whole Parquet file, as one sentence."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{place}: Parquet must unpack into the memory there is, got more") from None
    except OSError as error:
        if isinstance(error, pa.ArrowException) or error.errno is None:
            raise InputError(f"{place}: Parquet must be whole, got damaged data") from None
        raise io_fault(place, error) from None
    except (pa.ArrowException, UnicodeDecodeError, OverflowError):
        raise InputError(f"{place}: Parquet must be whole, got damaged data") from None


@contextmanager
def _values_of(piece: TablePiece, source: str) -> Iterator[None]:
    """What Python cannot hold of the values of some rows, such as a date in the year 5,000,000, as one sentence."""
    place = f"{source}: rows {piece.first_line} to {piece.first_line + piece.n_lines - 1}"
    try:
        yield
    except MemoryError:
        raise InputError(f"{place} must fit into the memory there is, got more") from None
    except (pa.ArrowException, OverflowError, UnicodeDecodeError, RecursionError):
        raise InputError(f"{place} must hold values that JSON can hold, got others") from None


def _stated_bytes(metadata: Any) -> int:
    """Unpacked bytes of a file as it states them: of its pages, or four for each value, whichever is more."""
    pages: int = sum(
        metadata.row_group(group).column(column).total_uncompressed_size
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
    values: int = metadata.num_rows * metadata.num_columns
    return max(pages, 4 * values)


def _spread_bytes(batch: Any) -> int:
    """Bytes of the rows with every word of a dictionary written out as often as it stands."""
    size: int = batch.nbytes
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and column.type.value_type in (pa.string(), pa.large_string()):
            size += pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0
    return size


def _plain_type(kind: Any) -> Any:
    """The type of values without a dictionary: a message of a spool has none."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _check_ratio(source: Source, unpacked: int, max_ratio: float) -> None:
    if unpacked > RATIO_FLOOR and unpacked > max_ratio * (source.size or 0):
        raise InputError(
            f"{source.name}: unpacked size must be at most {max_ratio:g} times the packed size, got more",
            hint="raise --max-ratio if you trust the file",
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise InputError(f"parquet: values must have a JSON form, got {type(value).__name__}")


def lines_of_table(piece: TablePiece, source: str) -> Block:
    """Rows as JSONL, so that Parquet input gives the very lines that JSONL input would.

    Times become ISO 8601, bytes base64, NaN and infinities null; a null field is left out.
    """
    lines = []
    with _values_of(piece, source):
        for present in _rows(piece.batch):
            try:
                line = json.dumps(present, default=_plain, ensure_ascii=False, allow_nan=False)
            except ValueError:
                line = json.dumps(_without_nan(present), default=_plain, ensure_ascii=False)
            lines.append(line.encode("utf-8", "surrogateescape") + b"\n")
        data = b"".join(lines)
    return Block(data, piece.offset, len(data), piece.first_line, piece.n_lines, piece.running)


def _rows(batch: Any) -> Iterator[dict[str, Any]]:
    """Rows as dicts; broken UTF-8 stays in them, so that the strict reading of the line refuses it."""
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns.append(column.to_pylist())
        except UnicodeDecodeError:
            if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
                raise InputError(f"parquet: column {name!r} must be UTF-8 throughout, got other bytes") from None
            raw = column.cast(pa.large_binary()).to_pylist()
            columns.append([None if value is None else value.decode("utf-8", "surrogateescape") for value in raw])
    for values in zip(*columns, strict=True):
        yield {name: value for name, value in zip(batch.schema.names, values, strict=True) if value is not None}


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return value


class TableOutput:
    """Makes the blocks of a Parquet output, and the file at the end.

    From JSONL the columns are ``id``, ``text``, ``item`` (the line as it stood) and the result; from Parquet they
    are the input's and the result; behind it stand its parts, each in a column (``column_names``). Inputs may not be
    mixed.

    Parameters
    ----------
    plan
        The job's settings.
    sources, kinds
        The inputs and what they are.
    """

    def __init__(self, plan: Plan, sources: Sequence[Source], kinds: Sequence[str]) -> None:
        self.plan = plan
        self.scorer = ArrowScorer(plan)
        if len(set(kinds)) > 1:
            raise InputError("score: inputs of a Parquet output must all be JSONL or all Parquet, got both")
        self._was_scored = False
        if kinds[0] == "lines":
            strings = [pa.field(name, pa.large_string()) for name in ("id", "text", "item")]
            self.schema = pa.schema([*strings, pa.field(plan.fields.result, result_type(plan))])
            return
        schemas = []
        for source in sources:
            with _faults(source.name):
                schemas.append(pq.read_schema(source.path).remove_metadata())
            check_names(schemas[-1], source.name)
            if not schemas[-1].equals(schemas[0]):
                raise InputError(f"{source.name}: columns must be those of {sources[0].name}, got others")
        self._was_scored = plan.fields.result in schemas[0].names
        plain = [pa.field(part.name, _plain_type(part.type), part.nullable) for part in schemas[0]]
        self.schema = self.scorer.schema(pa.schema(plain))

    def process(self, block: Block | Oversize | TablePiece, source: str) -> BlockResult:
        """Rows of one block as an Arrow message with its length before it."""
        if isinstance(block, TablePiece):
            with _values_of(block, source):
                return self._rows(block, source)
        if isinstance(block, Oversize):
            counts = Counts(lines=1, rejected=Counter(too_long=1))
            return BlockResult(memoryview(b""), reject_record(source, block), counts)
        scanned = self.plan.scanner.scan(block)
        from tsclassify.batch.block import FieldsOfBlock

        fields = FieldsOfBlock(self.plan, scanned)
        decided = self.plan.decide(scanned.data, scanned.offsets, scanned.signals, fields, fields.ats)
        n = len(scanned)
        texts = pa.LargeStringArray.from_buffers(
            n, pa.py_buffer(np.ascontiguousarray(scanned.offsets)), pa.py_buffer(np.ascontiguousarray(scanned.data))
        )
        raw = block.data
        items = [raw[start:end].decode() for start, _, end, _ in scanned.lines.tolist()]
        ids = [scanned.label(row, _ID) for row in range(n)]
        columns = [pa.array(ids, pa.large_string()), texts, pa.array(items, pa.large_string())]
        rejected = b"".join(reject_record(source, block, refused) for refused in scanned.refused)

        def result(decided: Decided) -> BlockResult:
            keep = self.plan.keep(decided)
            counts = count_decided(decided, self.plan)
            counts.lines, counts.blank, counts.written = block.n_lines, scanned.n_blank, int(keep.sum())
            counts.rejected = Counter(refused.fault.reason for refused in scanned.refused)
            counts.found = found_parts(scanned, self.plan)
            batch = pa.RecordBatch.from_arrays([*columns, result_array(decided, self.plan)], schema=self.schema)
            return BlockResult(_message(batch.filter(pa.array(keep))), rejected, counts)

        return guardable(decided, self.plan, result)

    def _rows(self, piece: TablePiece, source: str) -> BlockResult:
        decided, valid = self.scorer.decide(piece.batch)
        missing = np.flatnonzero(~valid)
        rejected = []
        others = piece.batch.drop_columns([self.plan.fields.text])
        for row in missing.tolist():
            values = next(_rows(others.slice(row, 1)), {})
            item = {name: _without_nan(value) for name, value in values.items()}
            record = {"source": source, "line": piece.first_line + row, "reason": "no_text"}
            detail = {"detail": "the text must be a UTF-8 string, got null or other bytes", "item": item}
            rejected.append(json.dumps({**record, **detail}, default=_plain).encode() + b"\n")

        def result(decided: Decided) -> BlockResult:
            counts = count_decided(decided, self.plan)
            keep = np.zeros(len(valid), dtype=bool)
            keep[valid] = self.plan.keep(decided)
            counts.lines, counts.written = piece.n_lines, int(keep.sum())
            counts.rejected = Counter(no_text=len(missing)) if len(missing) else Counter()
            names = piece.batch.schema.names
            present = [part for part in self.plan.renamed if getattr(self.plan.fields, part) in names]
            counts.found = Counter(dict.fromkeys(present, piece.n_lines))
            scored = self.scorer.attach(piece.batch, decided, valid)
            if not self.plan.select:
                scored = scored.filter(pa.array(keep))
            scored = scored.replace_schema_metadata(None).cast(self.schema)
            return BlockResult(_message(scored), b"".join(rejected), counts)

        return guardable(decided, self.plan, result)

    def convert(self, spool: Path, size: int) -> None:
        """Turn the messages into a Parquet file, in the place of the spool."""
        ready = spool.with_name(spool.name + ".parquet")
        try:
            with spool.open("rb") as file:
                if file.read(4) == b"PAR1":
                    return
                file.seek(0)
                with new_file(ready) as made:
                    with pq.ParquetWriter(made, self._flat_schema(), compression="zstd") as writer:
                        for table in self._row_groups(file, size):
                            writer.write_table(self._with_flat(table), row_group_size=ROW_GROUP)
                    made.flush()
                    os.fsync(made.fileno())
            ready.replace(spool)
        except OSError as error:
            raise io_fault(str(spool), error) from None

    def _flat_schema(self) -> Any:
        return self._with_flat(self.schema.empty_table()).schema

    def _with_flat(self, table: Any) -> Any:
        """The rows with the parts of their results as columns too, in the place of those of an earlier scoring."""
        results = table.column(self.plan.fields.result)
        scores = pc.struct_field(results, "scores")
        if self._was_scored:
            table = table.drop_columns([name for name in column_names(self.plan, ()) if name in table.column_names])
        for part, name in column_names(self.plan, table.column_names).items():
            if part == "findings":
                found = pc.struct_field(results, part).to_pylist()
                column = pa.chunked_array([pa.array([findings_text(value) for value in found], pa.string())])
            else:
                column = pc.struct_field(scores if part in self.plan.info.categories else results, part)
            table = table.append_column(name, column)
        return table

    def _row_groups(self, file: BinaryIO, size: int) -> Iterator[Any]:
        """The spool's rows in tables of `ROW_GROUP` rows."""
        waiting: list[Any] = []
        n_rows = 0
        while file.tell() < size:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            waiting.append(pa.ipc.read_record_batch(pa.py_buffer(file.read(length)), self.schema))
            n_rows += len(waiting[-1])
            if n_rows >= ROW_GROUP:
                table = pa.Table.from_batches(waiting, self.schema)
                whole = n_rows - n_rows % ROW_GROUP
                yield table.slice(0, whole).combine_chunks()
                waiting = table.slice(whole).combine_chunks().to_batches()
                n_rows -= whole
        if n_rows:
            yield pa.Table.from_batches(waiting, self.schema).combine_chunks()


def _message(batch: Any) -> memoryview:
    message = batch.serialize()
    return memoryview(len(message).to_bytes(_LENGTH_BYTES, "little") + message.to_pybytes())
