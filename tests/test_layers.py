"""A module imports only what lies below it, no two import each other, and the map of the modules says so."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
OWN = {"tsclassify"}
EXTRACT = "tsclassify.kernel.extract"
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
# What a declared package always brings along, and is part of how it is used.
BROUGHT = {"markupsafe": "jinja2", "pandas": "datasets", "pydantic-core": "pydantic", "requests": "pooch"}
# Still to be broken up.
KNOWN_LOOPS = {
    ("tsclassify.batch.reading", "tsclassify.batch.tables"),
}


def test_layers_hold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename=os.fspath(ROOT / ".importlinter"), no_cache=True)
    assert status == 0, capsys.readouterr().out


def script(name: str) -> ModuleType:
    """A script of ``docs/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def architecture() -> ModuleType:
    return script("architecture")


def test_no_two_modules_import_each_other_in_a_loop() -> None:
    assert set(architecture().loops(architecture().import_graph(ROOT))) <= KNOWN_LOOPS


def test_a_loop_is_found_where_there_is_one(tmp_path: Path) -> None:
    package = tmp_path / "tsclassify"
    package.mkdir()
    texts = {
        "__init__": "",
        "zorp": "def late() -> None:\n    from tsclassify import blick\n",
        "blick": "import tsclassify.third\n",
        "third": "if TYPE_CHECKING:\n    import tsclassify.blick\nelse:\n    from tsclassify.zorp import late\n",
        "apart": "if TYPE_CHECKING:\n    from tsclassify.zorp import late\n",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    graph = architecture().import_graph(tmp_path)
    assert graph["tsclassify.apart"] == set()
    assert architecture().loops(graph) == [("tsclassify.blick", "tsclassify.third", "tsclassify.zorp")]


def test_the_map_of_the_modules_is_fresh() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    is_fresh = architecture().rendered(page, ROOT) == page
    assert is_fresh, "run `python docs/architecture.py`"


def test_figures_on_the_page_of_the_kernel_are_fresh() -> None:
    page = (ROOT / "tsclassify" / "kernel" / "README.md").read_text(encoding="utf-8")
    is_fresh = script("kernel").rendered(page) == page
    assert is_fresh, "run `python docs/kernel.py`"


def test_the_kernel_stays_small() -> None:
    files = list((ROOT / "tsclassify" / "kernel").glob("*.*"))
    assert len(files) <= 9


def test_only_the_scorer_and_who_extracts_features_import_the_kernel() -> None:
    graph = architecture().import_graph(ROOT)
    importers = {
        module
        for module, targets in graph.items()
        if architecture().room_of(module) != "kernel" and any(architecture().room_of(t) == "kernel" for t in targets)
    }
    extractors = {module for module in importers if {t for t in graph[module] if "kernel" in t} == {EXTRACT}}
    assert importers - extractors == {"tsclassify.features.scorer"}


def test_every_module_says_what_it_is_for() -> None:
    files = architecture().module_files(ROOT)
    assert [name for name, file in files.items() if not architecture().summary(file)] == []


def test_a_flow_leads_through_rooms_that_its_entry_reaches() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    flows = re.findall(r"^\| `(\w+)` \| (`[^|]+`) \|", page.split("## Flows")[1].split("\n## ")[0], re.MULTILINE)
    names = ["score", "decide", "score_jsonl", "explain", "record", "review_platform", "evaluate", "train"]
    assert [name for name, _ in flows] == names
    rooms: dict[str, set[str]] = {}
    for module, targets in architecture().import_graph(ROOT).items():
        room = architecture().room_of(module)
        rooms.setdefault(room, set()).update(map(architecture().room_of, targets))
    for _, line in flows:
        first, *others = re.findall(r"`(\w+)`", line)
        reached, waiting = {first}, [first]
        while waiting:
            fresh = rooms[waiting.pop()] - reached
            reached |= fresh
            waiting += fresh
        assert [room for room in others if room not in reached] == []


def imported() -> set[str]:
    """Modules of others that the package imports anywhere, by their first name."""
    found = set()
    for path in (ROOT / "tsclassify").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names and name not in OWN}


def stated(lines: list[str]) -> set[str]:
    return {re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines}


def test_what_the_package_imports_is_declared_and_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = stated(project["dependencies"])
    optional = stated([line for name in ("teacher", "ray", "spark") for line in project["optional-dependencies"][name]])
    names = {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in imported()}
    assert {"llvmlite", "numba", "numpy"} <= names
    assert names - BROUGHT.keys() <= needed | optional
    assert set(BROUGHT.values()) <= needed
    locked = stated([line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line])
    assert needed | BROUGHT.keys() <= locked
