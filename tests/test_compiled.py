"""Where machine code is kept, and what happens where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODULE = """
from tsclassify.compiled import jit as kept
from tsclassify.features.compiled import entry

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
