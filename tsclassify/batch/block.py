"""One block of lines in, one block of lines with results out: the unit of work of a local job."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.batch.plan import Decided, Plan
from tsclassify.io.blocks import Block, Oversize
from tsclassify.io.layout import SLACK, splice_plain
from tsclassify.io.lines import ScannedBlock, reject_record
from tsclassify.io.room import Room
from tsclassify.items import act_time

if TYPE_CHECKING:
    from tsclassify.policy import Breaker

__all__ = [
    "BlockResult",
    "Counts",
    "FieldsOfBlock",
    "count_decided",
    "found_parts",
    "guardable",
    "process_block",
    "splice_block",
]

_RESULT = 1


@dataclass(slots=True)
class Counts:
    """What was counted so far; sums over blocks, whatever their size."""

    lines: int = 0
    items: int = 0
    written: int = 0
    blank: int = 0
    reviews: int = 0
    held: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    """Of the parts whose names were given, how many lines have them."""

    def add(self, other: Counts) -> None:
        """Add another block's counts."""
        self.lines += other.lines
        self.items += other.items
        self.written += other.written
        self.blank += other.blank
        self.reviews += other.reviews
        self.held += other.held
        for name in ("rejected", "tiers", "levels", "found"):
            getattr(self, name).update(getattr(other, name))

    def to_dict(self) -> dict[str, Any]:
        """Plain dict and back by `from_dict`."""
        plain = {name: getattr(self, name) for name in ("lines", "items", "written", "blank", "reviews", "held")}
        counters = ("rejected", "tiers", "levels", "found")
        return plain | {name: dict(sorted(getattr(self, name).items())) for name in counters}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Counts:
        counts = cls()
        for name, value in plain.items():
            setattr(counts, name, Counter(value) if isinstance(value, dict) else value)
        return counts


@dataclass(frozen=True, slots=True)
class BlockResult:
    """Output of one block.

    Attributes
    ----------
    output
        Bytes to append to the output.
    rejected
        Lines to append to the rejects file.
    counts
        Its counts.
    acts
        bool (n,): which of its n items are acted on; what the guards count.
    held
        Makes the output anew with the actions of some rows withheld: bool (n,) to result. None without a guard
        and where nothing is acted on.
    room
        Where the output lies, free for another block once it is written; None when it lies by itself.
    """

    output: memoryview
    rejected: bytes
    counts: Counts
    acts: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    held: Callable[[NDArray[np.bool_]], BlockResult] | None = None
    room: Room | None = None

    def guarded(self, breaker: Breaker | None) -> BlockResult:
        """This result after the guards; call it in the order of the input."""
        if breaker is None:
            return self
        held = breaker.admit(self.acts)
        return self.held(held) if self.held is not None and held.any() else self


def process_block(block: Block | Oversize, plan: Plan, source: str, room: Room | None = None) -> BlockResult:
    """Score, decide and splice one block; pure, so blocks may run in any order and on any machine.

    Parameters
    ----------
    block
        Lines of the input.
    plan
        The job's settings.
    source
        Name of the input, for the rejects.
    room
        Memory to work in, which then belongs to the result; new memory when None.
    """
    if isinstance(block, Oversize):
        counts = Counts(lines=1, rejected=Counter(too_long=1))
        return BlockResult(memoryview(b""), reject_record(source, block), counts, room=room)
    scanned = plan.scanner.scan(block, room)
    fields = FieldsOfBlock(plan, scanned)
    decided = plan.decide(scanned.data, scanned.offsets, scanned.signals, fields, fields.ats)
    rejected = b"".join(reject_record(source, block, refused) for refused in scanned.refused)

    def result(decided: Decided) -> BlockResult:
        keep = plan.keep(decided)
        counts = count_decided(decided, plan)
        counts.lines = block.n_lines
        counts.blank = scanned.n_blank
        counts.written = int(keep.sum())
        counts.rejected = Counter(refused.fault.reason for refused in scanned.refused)
        counts.found = found_parts(scanned, plan)
        return BlockResult(splice_block(scanned, decided, keep, plan, room), rejected, counts, room=room)

    return guardable(decided, plan, result)


def found_parts(scanned: ScannedBlock, plan: Plan) -> Counter[str]:
    """How many lines have each of the parts whose names were given."""
    return Counter(
        {part: int(np.count_nonzero(scanned.spans[:, wanted, 0] >= 0)) for part, wanted in plan.renamed.items()}
    )


def guardable(decided: Decided, plan: Plan, result: Callable[[Decided], BlockResult]) -> BlockResult:
    """The result of a block, with what the guards need to withhold actions in it later.

    Parameters
    ----------
    decided
        The block's decisions.
    plan
        The job's settings.
    result
        Writes decisions out.
    """
    done = result(decided)
    if not plan.is_guarded:
        return done
    # Only a block that acts is kept in memory, to be written again.
    again = (lambda held: result(decided.holding(held))) if decided.acts.any() else None
    return replace(done, acts=decided.acts, held=again)


@dataclass(frozen=True, slots=True)
class FieldsOfBlock:
    """Reads the fields that the policy asks for from the raw lines."""

    plan: Plan
    scanned: ScannedBlock

    def __call__(self, names: Collection[str], rows: NDArray[np.intp]) -> Mapping[str, NDArray[np.object_]]:
        written = self.plan.fields.names()
        columns: dict[str, NDArray[np.object_]] = {}
        for name in names:
            wanted = written.index(self.plan.field_columns[name])
            column = np.full(len(self.scanned), None, dtype=object)
            # mostly the field is missing
            for row in rows[self.scanned.spans[rows, wanted, 0] >= 0].tolist():
                column[row] = self.scanned.value(row, wanted)
            columns[name] = column
        return columns

    def ats(self) -> list[dt.datetime | None]:
        """Times of the acts; None where the line has none, or one that is no time with an offset."""
        wanted = self.plan.fields.names().index(self.plan.fields.at)
        return [act_time(self.scanned.value(row, wanted)) for row in range(len(self.scanned))]


def count_decided(decided: Decided, plan: Plan) -> Counts:
    """Counts of scored items, without those that only the reader knows."""
    counts = Counts(items=len(decided))
    if plan.policy is None:
        return counts
    counts.reviews = int(decided.reviews.sum())
    counts.held = int(decided.held.sum())
    by_tier = np.bincount(decided.tiers, minlength=len(plan.tiers)).tolist()
    counts.tiers = Counter(dict(zip(plan.tiers, by_tier, strict=True)))
    names, levels = plan.info.categories, decided.levels.ravel()
    # mostly there is none, and a sum over all of them takes ten times as long
    found = np.flatnonzero(levels != 0)
    by_level = np.bincount(2 * (found % len(names)) + levels[found] - 1, minlength=2 * len(names)).tolist()
    words = [f"{name}.{word}" for name in names for word in ("review", "act")]
    counts.levels = Counter(dict(zip(words, by_level, strict=True)))
    return counts


def splice_block(
    scanned: ScannedBlock, decided: Decided, keep: NDArray[np.bool_], plan: Plan, room: Room | None = None
) -> memoryview:
    """The kept raw lines with their results; they lie in `room`, when one is given."""
    layout = plan.layout
    # One layout and dtype for every call: each other one would be compiled anew.
    columns = (
        np.ascontiguousarray(scanned.lines),
        np.ascontiguousarray(scanned.spans[:, _RESULT]),
        np.ascontiguousarray(decided.scores, dtype=np.float32),
        np.ascontiguousarray(keep, dtype=np.bool_),
        np.ascontiguousarray(decided.language, dtype=np.int8),
        np.ascontiguousarray(decided.tiers, dtype=np.int16),
        decided.reviews.astype(np.int8) + decided.held.astype(np.int8),
        np.ascontiguousarray(decided.levels, dtype=np.int8),
        np.ascontiguousarray(decided.states, dtype=np.int8),
    )
    if scanned.is_small:
        return memoryview(splice_plain(scanned.buf.tobytes(), *columns, layout))
    from tsclassify.io.splice import splice_rows

    most = len(scanned.buf) + len(scanned) * layout.widest + SLACK
    out = (room or Room()).array("out", (most,), np.uint8)
    sizes = (layout.n_tiers, layout.n_categories, layout.n_signals)
    size = splice_rows(scanned.buf, *columns, layout.table, layout.starts, *sizes, out)
    return memoryview(out[:size].data)
