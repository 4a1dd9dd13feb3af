"""Where machine code is kept, and what happens where it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from tsclassify.compiled import jit as kept
from tsclassify.kernel.intrinsics import entry

def make(step):
    @entry
    def add(x):
        return x + step
    return add

@kept
def double(x):
    return 2 * x

add = make(1)
print(double(add(20)), add.stats.cache_path is None)
"""


def run(folder: Path, **places: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "tiny.py").write_text(MODULE)
    free = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    env = {**free, "PYTHONDONTWRITEBYTECODE": "1", **places}
    return subprocess.run([sys.executable, "tiny.py"], capture_output=True, cwd=folder, env=env, check=True)


def test_code_is_compiled_where_nothing_can_be_kept_and_that_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("a file where numba wants a folder")
    done = run(tmp_path, NUMBA_CACHE_DIR="/dev/null/x", HOME="/dev/null/x", XDG_CACHE_HOME="/dev/null/x")
    assert done.stdout == b"42 True\n"
    assert done.stderr == b"tsclassify: no writable cache folder, so code is compiled in every process\n"


def test_code_is_kept_in_the_user_cache_beside_a_read_only_module(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("a file where numba wants a folder")
    done = run(tmp_path, HOME=os.fspath(tmp_path), XDG_CACHE_HOME=os.fspath(tmp_path / "cache"))
    assert done.stdout == b"42 False\n"
    assert done.stderr == b""
    assert {path.name.split("-")[0] for path in (tmp_path / "cache").rglob("*.nbi")} == {
        "tiny.double",
        "tiny.make.locals.add",
    }


def test_a_change_in_any_source_of_the_rules_makes_the_compiled_code_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes in ``text/normalize.py`` are frozen into machine code as much as the rules themselves."""
    from tsclassify.kernel import intrinsics
    from tsclassify.text import rules

    folder = tmp_path / "text"
    shutil.copytree(Path(rules.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(rules, "__file__", str(folder / "rules.py"))
    before = intrinsics.fingerprint()
    assert intrinsics.fingerprint() == before
    with (folder / "normalize.py").open("a", encoding="utf-8") as file:
        file.write("# one more line\n")
    assert intrinsics.fingerprint() != before
