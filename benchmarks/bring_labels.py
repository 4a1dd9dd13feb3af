"""Bring readers' codes into the repository: hashes and codes of public texts, and second readings of labelled ones.

``python benchmarks/bring_labels.py FOLDER`` reads ``out_*.tsv`` of the folder (id, code; no header), ``index.tsv`` (id,
sha256, source, picked, use and split of texts read for the first time), ``reread_index.tsv`` (id and sha256 of texts
read again) and ``drawn.tsv`` (sha256 and source of texts drawn at random). It writes ``found.tsv``, ``reread.tsv`` and
``drawn.tsv`` below ``seeds/labels``, and prints how well readings of the same text agree. Run again with more files, it
puts the new codes in the place of the old. In files named ``out_double*`` are second readings.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tsclassify.data import everyday_rows, labels
from tsclassify.taxonomy import CATEGORIES, SIGNALS, parse_code

FOUND = ("sha256", "id", "source", "picked", "use", "split", "code", "second_code")


def table(path: Path) -> list[list[str]]:
    """Rows of a file of columns parted by tabs."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def write(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A file of columns parted by tabs, with a header."""
    path.write_text("".join("\t".join(row) + "\n" for row in (head, *rows)), encoding="utf-8")


def codes(paths: Iterable[Path], known: Iterable[str]) -> dict[str, list[str]]:
    """Codes of each id in the order of the files; a faulty line is named and left out."""
    found: dict[str, list[str]] = {}
    expected = set(known)
    for path in paths:
        seen: set[str] = set()
        for number, row in enumerate(table(path), start=1):
            fault = fault_of(row, expected, seen)
            if fault:
                print(f"{path.name}, line {number}: {fault}; left out", file=sys.stderr)
                continue
            seen.add(row[0])
            found.setdefault(row[0], []).append(row[1].strip())
    return found


def fault_of(row: Sequence[str], expected: set[str], seen: set[str]) -> str:
    """What is wrong with a line of a reader, or nothing."""
    if len(row) != 2:
        return f"line must be an id and a code, got {len(row)} columns"
    if row[0] not in expected:
        return f"id must be one of the index, got {row[0]!r}"
    if row[0] in seen:
        return f"id must stand once in a file, got {row[0]!r} again"
    try:
        parse_code(row[1].strip())
    except ValueError as error:
        return str(error)
    return ""


def kappa(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Cohen's kappa of two readings of one column; not a number where both always say the same."""
    n = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    one, two = sum(first) / n, sum(second) / n
    chance = one * two + (1 - one) * (1 - two)
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def agreement(readings: Sequence[tuple[str, str]]) -> list[tuple[str, float, int, int]]:
    """Kappa of each category and signal, with how many positives either reading has."""
    columns = [[(*one[0], *one[1]) for one in map(parse_code, side)] for side in zip(*readings, strict=True)]
    rows = []
    for k, name in enumerate((*CATEGORIES, *SIGNALS)):
        first, second = ([row[k] for row in side] for side in columns)
        rows.append((name, kappa(first, second), sum(first), sum(second)))
    return rows


def show(title: str, readings: Sequence[tuple[str, str]]) -> None:
    """Print the agreement of pairs of readings."""
    print(f"{title}: {len(readings)} texts")
    for name, value, first, second in agreement(readings) if readings else ():
        print(f"  {name:16} kappa {value:5.2f}  positive {first}, {second}")


def found_table(
    old: Iterable[Sequence[str]], index: Iterable[Mapping[str, str]], read: Mapping[str, list[str]]
) -> list[list[str]]:
    """Rows of ``found.tsv``: the old ones, then those that were read, in the order of the index."""
    rows = {row[0]: list(row) for row in old}
    for entry in index:
        if entry["id"] in read:
            first, *more = read[entry["id"]]
            rows[entry["sha256"]] = [*(entry[name] for name in FOUND[:6]), first, *more[:1]] + [""] * (not more)
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=Path, default=Path("seeds/labels"))
    given = parser.parse_args()

    head, *entries = table(given.folder / "index.tsv")
    index = [dict(zip(head, row, strict=True)) for row in entries]
    again = dict(table(given.folder / "reread_index.tsv")[1:])
    outputs = sorted(given.folder.glob("out_*.tsv"), key=lambda path: (path.name.startswith("out_double"), path.name))
    read = codes(outputs, [*(entry["id"] for entry in index), *again])

    rows = found_table(table(given.labels / "found.tsv")[1:], index, read)
    write(given.labels / "found.tsv", FOUND, rows)
    twice = [(read[entry["id"]][0], read[entry["id"]][1]) for entry in index if len(read.get(entry["id"], ())) > 1]
    n_read = sum(entry["id"] in read for entry in index)
    print(f"found.tsv: {n_read} of {len(index)} texts read, {len(rows)} rows")
    show("two readings of a found text", twice)

    second = dict(table(given.labels / "reread.tsv")[1:])
    # where a text was asked for twice, the reading for attributes of a threat stands (``out_sig*`` sorts last)
    second |= {again[id_]: found[-1] for id_, found in read.items() if id_ in again}
    write(given.labels / "reread.tsv", ("sha256", "code"), second.items())
    known = {label.sha256: label.code for label in labels()} | {row[0]: row[6] for row in rows}
    known |= {row.sha256: row.code for row in everyday_rows()}
    n_again = sum(id_ in read for id_ in again)
    print(f"reread.tsv: {n_again} of {len(again)} texts read again, {len(second)} rows")
    show("first and second reading of a labelled text", [(known[key], code) for key, code in second.items()])

    labelled = {row[0] for row in rows} | {label.sha256 for name in ("annotated", "further") for label in labels(name)}
    drawn = {row[0]: row[1] for row in table(given.labels / "drawn.tsv")[1:]}
    if n_read == len(index):
        # before all are read, those that others had read would stand for the draw, and they are hard
        drawn |= {row[0]: row[1] for row in table(given.folder / "drawn.tsv")[1:] if row[0] in labelled}
    write(given.labels / "drawn.tsv", ("sha256", "source"), drawn.items())
    print(f"drawn.tsv: {len(drawn)} texts drawn at random")


if __name__ == "__main__":
    main()
