"""A module imports only what lies below it."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OWN = {"tsclassify"}
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
# What a declared package always brings along, and is part of how it is used.
BROUGHT = {"markupsafe": "jinja2", "pandas": "datasets", "pydantic-core": "pydantic", "requests": "pooch"}
# Only to make the table of characters anew; named where that is explained.
FOR_TABLE = {"confusable-homoglyphs", "emoji"}


def test_floors_hold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename=os.fspath(ROOT / ".importlinter"), no_cache=True)
    assert status == 0, capsys.readouterr().out


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
    assert names - FOR_TABLE - BROUGHT.keys() <= needed | optional
    assert set(BROUGHT.values()) <= needed
    locked = stated([line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line])
    assert needed | BROUGHT.keys() <= locked
