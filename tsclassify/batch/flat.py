"""CSV and TSV outputs: they grow as JSONL, and become a table with one value in each column at the end."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tsclassify.batch.block import BlockResult, process_block
from tsclassify.batch.columns import column_names, findings_text
from tsclassify.batch.plan import Plan
from tsclassify.io.blocks import Block, Oversize
from tsclassify.io.outputs import new_file
from tsclassify.io.sources import io_fault

if TYPE_CHECKING:
    from tsclassify.batch.tables import TablePiece

__all__ = ["DELIMITERS", "FlatOutput"]

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
"""Endings of outputs that are flat, and what stands between their cells."""

_MOST_COLUMNS: Final = 1000
_MORE: Final = "more"


class FlatOutput:
    """Grows as JSONL, which can be cut and continued after a kill, and becomes a table at the end.

    The columns are the fields of all items, in the order in which they first occur, and one for each part of the
    result. An object or an array in a cell is JSON. Beyond 1,000 fields the rest stand as JSON in a column ``more``.

    Parameters
    ----------
    plan
        The job's settings.
    delimiter
        What stands between two cells.
    """

    def __init__(self, plan: Plan, delimiter: str) -> None:
        self.plan = plan
        self.delimiter = delimiter

    def process(self, block: Block | Oversize | TablePiece, source: str) -> BlockResult:
        """One block as lines of JSON with their results."""
        if not isinstance(block, Block | Oversize):
            from tsclassify.batch.tables import lines_of_table

            block = lines_of_table(block, source)
        return process_block(block, self.plan, source)

    def convert(self, spool: Path, size: int) -> None:
        """Turn the lines into a table, in the place of the spool."""
        ready = spool.with_name(spool.name + ".table")
        try:
            with spool.open("rb") as file:
                # the names of a table stand in quotation marks, and a line of the spool is an object
                if file.read(1) == b'"':
                    return
            with new_file(ready) as made:
                text = io.TextIOWrapper(made, encoding="utf-8", errors="surrogateescape", newline="")
                self._write(spool, size, text)
                text.flush()
                os.fsync(made.fileno())
                text.detach()
            ready.replace(spool)
        except OSError as error:
            raise io_fault(str(spool), error) from None

    def _write(self, spool: Path, size: int, out: Any) -> None:
        result = self.plan.fields.result
        fields = dict.fromkeys(name for item in _items(spool, size) for name in item if name != result)
        names = list(fields)[:_MOST_COLUMNS]
        fields_kept = frozenset(names)
        further = len(fields) > _MOST_COLUMNS
        columns = column_names(self.plan, [*names, _MORE])
        head = [*names, *([_MORE] if further else []), *columns.values()]
        csv.writer(out, delimiter=self.delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(head)
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator="\n")
        for item in _items(spool, size):
            found = msgspec.json.decode(item.pop(result), type=dict[str, msgspec.Raw])
            cells = [_cell(item.get(name)) for name in names]
            if further:
                rest = {name: value for name, value in item.items() if name not in fields_kept}
                cells.append(msgspec.json.encode(rest).decode() if rest else "")
            reached = msgspec.json.decode(found.get("findings") or b"{}", type=dict[str, str])
            values = found | msgspec.json.decode(found["scores"], type=dict[str, msgspec.Raw])
            writer.writerow(
                [*cells, *(findings_text(reached) if part == "findings" else _cell(values[part]) for part in columns)]
            )


def _items(spool: Path, size: int) -> Iterator[dict[str, msgspec.Raw]]:
    """The lines of the spool, their values as they are written, so that no digit is lost."""
    with spool.open("rb") as file:
        while file.tell() < size:
            yield msgspec.json.decode(file.readline(), type=dict[str, msgspec.Raw])


def _cell(written: msgspec.Raw | None) -> str:
    text = b"" if written is None else bytes(written)
    if text.startswith(b'"'):
        return msgspec.json.decode(text, type=str)
    return "" if text == b"null" else text.decode()
