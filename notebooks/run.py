"""Run the notebooks and store their outputs: ``python notebooks/run.py [--check] [01 02 ...]``.

``--check`` stores nothing: it fails when a cell does.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent


def execute(path: Path, *, timeout: int = 300) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, without what differs from run to run."""
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)
    book.metadata.get("language_info", {}).pop("version", None)
    return book


def main(names: list[str]) -> int:
    check, names = "--check" in names, [name for name in names if name != "--check"]
    for path in sorted(HERE.glob("*.ipynb")):
        if names and not path.name.startswith(tuple(names)):
            continue
        started = time.perf_counter()
        book = execute(path)
        if not check:
            nbformat.write(book, path)
        sys.stdout.write(f"{path.name}: {time.perf_counter() - started:.1f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
