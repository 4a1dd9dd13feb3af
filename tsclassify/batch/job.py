"""A batch job from its inputs to its output: start or go on, work, save the place, give the files their names."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from tsclassify.batch.block import BlockResult, Counts, process_block
from tsclassify.batch.flat import DELIMITERS, FlatOutput
from tsclassify.batch.pipeline import in_order
from tsclassify.batch.plan import Plan
from tsclassify.batch.reading import Place, Unit, check_fields, read_units
from tsclassify.batch.summary import BatchSummary
from tsclassify.errors import InputError, TsclassifyError
from tsclassify.io.blocks import BLOCK_BYTES, Block, Oversize
from tsclassify.io.outputs import JobFiles
from tsclassify.io.room import Room
from tsclassify.io.sources import MAX_RATIO, Source, io_fault, sniff
from tsclassify.progress import Progress

if TYPE_CHECKING:
    from tsclassify.policy import Breaker

__all__ = ["Job", "StoppedError"]

CHECKPOINT_S: Final = 1.0
"""Seconds between job records: what a killed run does again."""

_BAR_AFTER_S: Final = 1.0
"""Seconds without a progress bar, so that a short job draws none and does not import what draws it."""

THREADS_PER_TURN: Final = 4
"""Threads that take turns at signals, which are a twentieth of their work: what one of them remembers of words takes
20 MB (benchmarks/batch.py)."""


_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class _Record(msgspec.Struct):
    """The types of a job record."""

    state: Literal["running", "finishing", "done"]
    job: dict[str, Any]
    place: dict[str, _Count | str]
    written: tuple[_Count, _Count]
    counts: dict[str, _Count | dict[str, _Count]]
    inputs: list[dict[str, Any]]
    guards: dict[str, Any] | None = None
    summary: BatchSummary | None = None


class StoppedError(TsclassifyError):
    """A job was asked to stop; what it finished is kept for a later run."""


@dataclass(frozen=True, slots=True)
class _State:
    """How far a job is; replaced as one, so that an interrupt never sees half a step."""

    place: Place
    written: tuple[int, int]
    counts: Counts
    inputs: tuple[Mapping[str, Any], ...]
    guards: Mapping[str, Any] | None = None

    def after(self, unit: Unit, done: BlockResult, sources: Sequence[Source], breaker: Breaker | None) -> _State:
        """The state behind one more block."""
        counts = Counts.from_dict(self.counts.to_dict())
        counts.add(done.counts)
        place = unit.after
        inputs = self.inputs[: unit.source] + tuple(
            _input(source, Place()) for source in sources[len(self.inputs[: unit.source]) : unit.source]
        )
        inputs += (_input(sources[unit.source], place),)
        written = (self.written[0] + len(done.output), self.written[1] + len(done.rejected))
        # The breaker moves on; its state must stay that of this place.
        guards = None if breaker is None else breaker.to_dict()
        return _State(place, written, counts, inputs, guards)

    def to_dict(self) -> dict[str, Any]:
        return {
            "place": asdict(self.place),
            "written": list(self.written),
            "counts": self.counts.to_dict(),
            "inputs": list(self.inputs),
            "guards": self.guards,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> _State:
        written = tuple(plain["written"])
        counts = Counts.from_dict(plain["counts"])
        return cls(
            Place(**plain["place"]), (written[0], written[1]), counts, tuple(plain["inputs"]), plain.get("guards")
        )


def _input(source: Source, place: Place) -> dict[str, Any]:
    return {"name": source.name, "read": place.offset, "sha256": place.sha256 or hashlib.sha256().hexdigest()}


class Job:
    """One run of a batch job.

    Parameters
    ----------
    plan
        What to do with every item.
    sources
        The inputs, in order.
    out
        Output path, or ``-`` for stdout.
    rejects
        Rejects path; ``OUT.rejected.jsonl`` when None, stderr when the output is stdout.
    workers
        Threads that score, 1 to 256; the calling thread reads and writes, and with 1 scores too.
    block_bytes
        Bytes read at a time; the output does not depend on it.
    max_ratio
        Largest unpacked over packed size of an input.
    stop
        Set it from elsewhere to end the job after the blocks in work.
    progress
        Draw a progress bar when stderr is a terminal.
    keep_job
        Leave the job record beside the finished output, so that the same job is not done again.
    """

    def __init__(
        self,
        plan: Plan,
        sources: Sequence[Source],
        out: str,
        *,
        rejects: str | None = None,
        workers: int = 2,
        block_bytes: int = BLOCK_BYTES,
        max_ratio: float = MAX_RATIO,
        stop: threading.Event | None = None,
        progress: bool = False,
        keep_job: bool = False,
    ) -> None:
        if not 1 <= workers <= 256:
            raise InputError(f"workers: must lie in 1..256, got {workers!r}")
        if not block_bytes > 0:
            raise InputError(f"block_bytes: must be positive, got {block_bytes!r}")
        if not max_ratio > 1:
            raise InputError(f"max_ratio: must be above 1, got {max_ratio!r}")
        self.plan = replace(plan, signal_turn=threading.Semaphore(-(-workers // THREADS_PER_TURN)))
        self.sources = tuple(sources)
        self.out = out
        self.files = None if out == "-" else JobFiles(Path(out), Path(rejects) if rejects else None)
        self.workers = workers
        self.block_bytes = block_bytes
        self.max_ratio = max_ratio
        self.stop = stop if stop is not None else threading.Event()
        self.show_progress = progress
        self.keep_job = keep_job
        self._saved_at = 0.0
        self._rooms: list[Room] = []
        self._table: Any = None
        if out.endswith(".parquet"):
            from tsclassify.batch.tables import TableOutput

            self._table = TableOutput(plan, self.sources, [sniff(source) for source in self.sources])
        elif Path(out).suffix in DELIMITERS:
            self._table = FlatOutput(plan, DELIMITERS[Path(out).suffix])
        if self.files is not None:
            _check_paths(self.files, self.sources)

    def run(self, *, resume: bool = False, overwrite: bool = False) -> BatchSummary:
        """Do the job.

        Parameters
        ----------
        resume
            Go on from the job record, when there is one.
        overwrite
            Replace an existing output or an unfinished job.

        Raises
        ------
        InputError
            When a file cannot be used, the output exists, or the record is of another job.
        StoppedError
            When ``stop`` was set.
        """
        started = time.monotonic()
        record = self._record(resume, overwrite)
        if record is not None and record["state"] == "done":
            return BatchSummary.from_dict(record["summary"])
        state = _State(Place(), (0, 0), Counts(), ()) if record is None else _State.from_dict(record)
        before = state.counts.items
        if record is None:
            check_fields(self.sources, self.plan.fields.text, self.max_ratio)
        try:
            if record is None or record["state"] == "running":
                if self.files is not None:
                    self.files.open(state.written if record else None)
                if record is None:
                    self._save("running", state, durable=False)
                state = self._work(state)
                self._save("finishing", state)
            if self.files is not None:
                if self._table is not None and self.files.partial.exists():
                    self._table.convert(self.files.partial, state.written[0])
                self.files.finish()
            inputs = state.inputs + tuple(_input(source, Place()) for source in self.sources[len(state.inputs) :])
            summary = BatchSummary.of(
                state.counts,
                self.plan,
                out=self.out,
                rejects=None if self.files is None else str(self.files.rejects),
                inputs=inputs,
                job=self._fingerprint(),
                seconds=time.monotonic() - started,
                n_this_run=state.counts.items - before,
                resumed=record is not None,
                guard=None if state.guards is None else state.guards["open_since"],
            )
            if self.keep_job:
                self._save("done", replace(state, inputs=inputs), summary, durable=False)
            elif self.files is not None:
                self.files.record_path.unlink(missing_ok=True)
            return summary
        finally:
            if self.files is not None:
                self.files.close()

    # -- its record ---------------------------------------------------------------------------------

    def _fingerprint(self) -> dict[str, Any]:
        sources = [{"name": source.name, "size": source.size} for source in self.sources]
        return {**self.plan.fingerprint(), "sources": sources}

    def _record(self, resume: bool, overwrite: bool) -> dict[str, Any] | None:
        """The record to go on from, or None to start; refuses what would lose or mix output."""
        if self.files is None:
            if resume:
                raise InputError("resume: output must be a file, got stdout")
            return None
        out = self.files.out
        record = self.files.record() if resume or not overwrite else None
        if record is not None and record.get("state") == "done" and not (resume and out.exists()):
            record = None
        if record is not None and not resume:
            raise InputError(
                f"{out}: output must have no unfinished job, got one",
                hint="add --resume to go on, or --force to start again",
            )
        if record is None:
            taken = None if overwrite else self.files.taken()
            if taken is not None and resume:
                raise InputError(
                    f"{taken}: job must be unfinished to go on, got its output", hint="add --force to redo it"
                )
            if taken is not None:
                raise InputError(f"{taken}: output must not exist, got a file", hint="add --force to replace it")
            return None
        self._check_record(record)
        mine, theirs = self._fingerprint(), record["job"]
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                raise InputError(
                    f"{out}: the resumed job must have the same {name}, got another",
                    hint="repeat the first command, or start again with --force",
                )
        return record

    def _check_record(self, record: dict[str, Any]) -> None:
        """Refuse a record that a run could not go on from: it may be cut, or made by hand."""
        try:
            found = msgspec.convert(record, _Record)
            state = _State.from_dict(record)
            if not 0 <= state.place.source < max(1, len(self.sources)):
                raise ValueError("a place outside the inputs")
            if state.guards is not None:
                self.plan.breaker(state.guards)
            if (found.state == "done") != (found.summary is not None):
                raise ValueError("a summary at the wrong time")
        except (msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError, IndexError, MemoryError):
            raise self._damaged() from None

    def _damaged(self) -> InputError:
        path = "" if self.files is None else self.files.record_path
        return InputError(
            f"{path}: job record must be whole, got a damaged one", hint="remove it and start without --resume"
        )

    def _save(self, status: str, state: _State, summary: BatchSummary | None = None, *, durable: bool = True) -> None:
        if self.files is None:
            return
        result = None if summary is None else summary.to_dict()
        record = {"state": status, "job": self._fingerprint(), **state.to_dict(), "summary": result}
        self.files.checkpoint(record, durable=durable)
        self._saved_at = time.monotonic()

    # -- its work -----------------------------------------------------------------------------------

    def _work(self, state: _State) -> _State:
        breaker = self.plan.breaker(state.guards)
        progress = Progress(self.show_progress and sys.stderr.isatty(), after_s=_BAR_AFTER_S)
        scored = progress.stage("scoring", sum(source.size or 0 for source in self.sources))
        units = read_units(
            self.sources,
            state.place,
            block_bytes=self.block_bytes,
            max_line=self.plan.max_line,
            max_ratio=self.max_ratio,
            text=self.plan.fields.text,
        )
        # A disk takes a tenth of a second to keep what was written; work goes on meanwhile.
        saver = ThreadPoolExecutor(1, thread_name_prefix="save")
        saving: Future[None] | None = None
        try:
            for unit, done in in_order(units, self._process, workers=self.workers, stop=self.stop):
                guarded = done.guarded(breaker)
                self._write(guarded)
                if guarded.room is not None and guarded.room.is_small:
                    self._rooms.append(guarded.room)
                state = state.after(unit, guarded, self.sources, breaker)
                is_saved = saving is None or saving.done()
                if is_saved and time.monotonic() - self._saved_at >= CHECKPOINT_S:
                    if saving is not None:
                        saving.result()
                    saving = saver.submit(self._save, "running", state)
                scored(unit.block.size, f"{state.counts.lines:,} lines")
            if saving is not None:
                saving.result()
        except BaseException:
            saver.shutdown()
            if state.counts.lines or self.files is None:
                self._save_if_possible(state)
            else:
                self.files.discard()  # nothing was written that a later run could go on from
            raise
        finally:
            saver.shutdown()
            progress.close()
            units.close()
        if self.stop.is_set():
            self._save("running", state)
            raise StoppedError(
                f"score: job must run to its end, got a stop after {state.counts.lines} lines",
                hint="run the same command with --resume to go on" if self.files is not None else "",
            )
        return state

    def _save_if_possible(self, state: _State) -> None:
        """Save the state after a fault; on a full disk the last record stays, which serves as well."""
        try:
            self._save("running", state)
        except InputError:
            return

    def _process(self, unit: Unit) -> BlockResult:
        if self._table is not None:
            result: BlockResult = self._table.process(unit.block, self.sources[unit.source].name)
            return result
        block = unit.block
        if not isinstance(block, Block | Oversize):
            from tsclassify.batch.tables import lines_of_table

            block = lines_of_table(block, self.sources[unit.source].name)
        try:
            room = self._rooms.pop()
        except IndexError:
            room = Room()
        return process_block(block, self.plan, self.sources[unit.source].name, room)

    def _write(self, done: BlockResult) -> None:
        if self.files is not None:
            self.files.write(done.output, done.rejected)
            return
        try:
            sys.stdout.buffer.write(done.output)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise io_fault("stdout", error) from None
        sys.stderr.write(done.rejected.decode())


def _check_paths(files: JobFiles, sources: Sequence[Source]) -> None:
    out = files.out
    if out.name.endswith((".gz", ".zst", ".bz2", ".xz", ".zip")):
        raise InputError(
            f"{out}: output must be JSONL, Parquet, CSV or TSV, got a packed name", hint="write to - and pipe it on"
        )
    files.check([source.path for source in sources if source.path is not None])
