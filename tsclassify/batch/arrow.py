"""The one function on a record batch: rows in, the same rows with a result column out. Every engine runs it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.batch.plan import Decided, Plan
from tsclassify.errors import InputError
from tsclassify.items import act_time
from tsclassify.records import Truth

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ArrowScorer", "ArrowTexts", "check_names", "result_array", "result_type", "texts_of"]


@dataclass(frozen=True, slots=True)
class ArrowTexts:
    """The texts of a batch that can be scored.

    Attributes
    ----------
    data, offsets
        uint8, and int64 (n + 1,).
    valid
        bool (m,): which of the batch's m rows hold a text; n of them do.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    valid: NDArray[np.bool_]


def check_names(schema: pyarrow.Schema, place: str) -> None:
    """Refuse two columns of one name: which of two texts counts would depend on the reader.

    Raises
    ------
    InputError
        Naming `place`.
    """
    if len(set(schema.names)) != len(schema.names):
        raise InputError(f"{place}: columns must have names of their own, got one twice")


def texts_of(column: pyarrow.Array, name: str = "text") -> ArrowTexts:
    """Texts of a string column as buffers; null and invalid UTF-8 are left out.

    Raises
    ------
    InputError
        When the column holds no strings.
    """
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    if not any(kind(column.type) for kind in kinds):
        raise InputError(f"{name}: column must hold strings, got {column.type}")
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        broken = [None if _is_broken(value) else value.as_py() for value in column.cast(pa.binary())]
        column = pa.array([None if value is None else value.decode() for value in broken], pa.large_string())
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    present = column.drop_null().cast(pa.large_string())
    n = len(present)
    if n == 0:
        return ArrowTexts(np.zeros(0, np.uint8), np.zeros(1, np.int64), valid)
    _, offset_buffer, data_buffer = present.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[present.offset : present.offset + n + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    first, last = int(offsets[0]), int(offsets[-1])
    return ArrowTexts(data[first:last], offsets - first, valid)


def _is_broken(value: Any) -> bool:
    raw = value.as_py()
    if raw is None:
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


def result_type(plan: Plan) -> pyarrow.DataType:
    """Type of the result column: the struct that JSONL output has, with null for what does not apply."""
    import pyarrow as pa

    scores = pa.struct([(name, pa.float32()) for name in plan.info.categories])
    parts: list[tuple[str, Any]] = []
    if plan.policy is not None:
        parts += [("tier", pa.string()), ("review", pa.bool_()), ("held", pa.bool_())]
    parts += [("language", pa.bool_()), ("scores", scores)]
    if plan.policy is not None:
        parts.append(("findings", pa.struct([(name, pa.string()) for name in plan.info.categories])))
        parts.append(("signals", pa.struct([(name, pa.bool_()) for name in plan.info.signals])))
    parts.append(("model", pa.string()))
    if plan.policy is not None:
        parts.append(("policy", pa.string()))
    return pa.struct(parts)


def _words(codes: NDArray[Any], words: tuple[str | None, ...]) -> pyarrow.Array:
    """Codes as strings; None among the words becomes null."""
    import pyarrow as pa

    return pa.array(words, pa.string()).take(pa.array(codes))


def _truths(codes: NDArray[np.int8]) -> pyarrow.Array:
    """Truth values as booleans; unknown is null."""
    import pyarrow as pa

    return pa.array(codes == Truth.TRUE, pa.bool_(), mask=codes == Truth.UNKNOWN)


def result_array(decided: Decided, plan: Plan) -> pyarrow.Array:
    """The results of n items as a struct array of `result_type`."""
    import pyarrow as pa

    n = len(decided)
    kind = result_type(plan)
    found = decided.levels.any(axis=1)
    columns: dict[str, pyarrow.Array] = {
        "scores": pa.StructArray.from_arrays(
            [pa.array(np.ascontiguousarray(decided.scores[:, k])) for k in range(len(plan.info.categories))],
            fields=list(kind.field("scores").type),
        ),
        "language": _truths(decided.language),
        "model": pa.repeat(plan.model_label, n),
    }
    if plan.policy is not None:
        absent = pa.array(~found)
        columns |= {
            "tier": _words(decided.tiers, plan.tiers),
            "review": pa.array(decided.reviews),
            "held": pa.array(decided.held, mask=~decided.held),
            "policy": pa.repeat(plan.policy_label, n),
            "findings": pa.StructArray.from_arrays(
                [_words(decided.levels[:, k], (None, "review", "act")) for k in range(len(plan.info.categories))],
                fields=list(kind.field("findings").type),
                mask=absent,
            ),
            "signals": pa.StructArray.from_arrays(
                [_truths(decided.states[:, s]) for s in range(len(plan.info.signals))],
                fields=list(kind.field("signals").type),
                mask=absent,
            ),
        }
    return pa.StructArray.from_arrays([columns[part.name] for part in kind], fields=list(kind))


class ArrowScorer:
    """Scores record batches; the same rows come out, with one more column.

    A row without a text (null, or not UTF-8) gets a null result: it is never called clean. Fields other than the
    text are read by the names of the plan: ``signals`` may be a struct or a map of booleans.

    Parameters
    ----------
    plan
        The job's settings; a selection drops rows.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def schema(self, schema: pyarrow.Schema) -> pyarrow.Schema:
        """Schema of the output for an input schema; an existing result column is replaced."""
        import pyarrow as pa

        name = self.plan.fields.result
        kept = [field for field in schema if field.name != name]
        return pa.schema([*kept, pa.field(name, result_type(self.plan))])

    def decide(self, batch: pyarrow.RecordBatch) -> tuple[Decided, NDArray[np.bool_]]:
        """Decide the rows that hold a text: the decisions, and bool (m,) which rows they belong to."""
        fields = self.plan.fields
        check_names(batch.schema, "batch")
        if fields.text not in batch.schema.names:
            raise InputError(f"batch: a column {fields.text!r} must be there, got {len(batch.schema.names)} others")
        texts = texts_of(batch.column(fields.text), fields.text)
        rows = np.flatnonzero(texts.valid)
        stated = _stated_signals(batch, rows, self.plan)

        def read(names: Collection[str], asked: NDArray[np.intp]) -> Mapping[str, NDArray[np.object_]]:
            columns: dict[str, NDArray[np.object_]] = {}
            for name in names:
                column = self.plan.field_columns[name]
                if column in batch.schema.names:
                    values = np.full(len(rows), None, dtype=object)
                    values[asked] = batch.column(column).take(rows[asked]).to_pylist()
                    columns[name] = values
            return columns

        def ats() -> list[dt.datetime | None]:
            if fields.at not in batch.schema.names:
                return [None] * len(rows)
            return [act_time(value) for value in batch.column(fields.at).take(rows).to_pylist()]

        return self.plan.decide(texts.data, texts.offsets, stated, read, ats), texts.valid

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Score one batch.

        Raises
        ------
        InputError
            When the text column is missing or holds no strings.
        """
        return self.attach(batch, *self.decide(batch))

    def attach(self, batch: pyarrow.RecordBatch, decided: Decided, valid: NDArray[np.bool_]) -> pyarrow.RecordBatch:
        """The batch with what `decide` said of it."""
        import pyarrow as pa

        places = np.full(len(valid), -1, dtype=np.int64)
        places[valid] = np.arange(len(decided))
        results = result_array(decided, self.plan).take(pa.array(places, mask=~valid))
        columns = [batch.column(name) for name in batch.schema.names if name != self.plan.fields.result]
        scored = pa.RecordBatch.from_arrays([*columns, results], schema=self.schema(batch.schema))
        if not self.plan.select:
            return scored
        keep = np.zeros(len(valid), dtype=bool)
        keep[valid] = self.plan.keep(decided)
        return scored.filter(pa.array(keep))


def _stated_signals(
    batch: pyarrow.RecordBatch, rows: NDArray[np.int64], plan: Plan
) -> dict[int, dict[str, bool | None]]:
    """Row among the texts to the signals that the item states."""
    name = plan.fields.signals
    if name not in batch.schema.names:
        return {}
    import pyarrow as pa

    kind = batch.schema.field(name).type
    if not (pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_null(kind)):
        raise InputError(f"batch: {name} must be a struct or a map of booleans, got {str(kind)[:40]}")
    stated: dict[int, dict[str, bool | None]] = {}
    for row, value in enumerate(batch.column(name).take(rows).to_pylist()):
        if not value:
            continue
        pairs = dict(value)
        if isinstance(value, Mapping):
            # A struct has every member in every row; one that was not written is null there.
            pairs = {signal: state for signal, state in pairs.items() if state is not None}
        unknown = pairs.keys() - set(plan.info.signals)
        if unknown or any(not isinstance(state, bool | None) for state in pairs.values()):
            raise InputError(f"batch: {name} must map signals of the model to booleans, got others in row {row}")
        if pairs:
            stated[row] = pairs
    return stated
