"""Notebooks: they run from top to bottom, use public names only, and are stored with their outputs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PUBLIC = {"tsclassify", "tsclassify.evaluation", "tsclassify.ledger"}


def _cells(path: Path, kind: str) -> list[dict[str, Any]]:
    book = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in book["cells"] if cell["cell_type"] == kind]


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_seven_notebooks_numbered_in_reading_order() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"0{i}" for i in range(1, 8)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_with_the_output_of_every_cell_and_no_error(path: Path) -> None:
    cells = _cells(path, "code")
    assert all(cell["execution_count"] == i for i, cell in enumerate(cells, start=1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds <= {"execute_result", "display_data", "stream"}
    assert not [output for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"]
    pictures = [o for cell in cells for o in cell["outputs"] if "image/png" in o.get("data", {})]
    assert pictures, "a notebook tells its story with at least one plot"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_public_names_only_and_no_public_posts(path: Path) -> None:
    for cell in _cells(path, "code"):
        tree = ast.parse(_source(cell))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tsclassify"):
                assert node.module in PUBLIC
            if isinstance(node, ast.Import):
                assert all(not name.name.startswith("tsclassify.") for name in node.names)
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_")
        assert "TSCLASSIFY_DATA" not in _source(cell)
        assert "tsclassify.data" not in _source(cell)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_opens_with_a_title_and_explains_itself(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert book["cells"][0]["cell_type"] == "markdown"
    assert _source(book["cells"][0]).startswith("# ")
    assert len(_cells(path, "markdown")) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path: Path) -> None:
    # in a process of its own: the kernel's client must not inherit that warnings are errors here
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--check", path.name],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert path.name in done.stdout
