"""An install of the core alone scores, explains, decides and records, and says what it lacks for the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from core_main import ABSENT
from tsclassify.errors import _INSTALLED_BY, MissingPackageError, needs

ROOT = Path(__file__).resolve().parent.parent
MAIN = ROOT / "tests" / "core_main.py"


def pinned(name: str) -> dict[str, str]:
    """Package to version, and to a hash or more, of a lock file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = dict(re.findall(r"^(\S+)==(\S+) \\$", text, re.MULTILINE))
    assert len(re.findall(r"^\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)) == len(pins)
    return pins


def test_the_core_works_without_the_other_packages_and_names_them() -> None:
    done = subprocess.run([sys.executable, str(MAIN), "--hide"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "review_platform: package scipy must be installed, got none" in done.stderr


def test_a_missing_module_of_the_caller_is_not_called_a_package_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError) as caught, needs("evaluate"):
        import zorp_blick  # noqa: F401
    assert not isinstance(caught.value, MissingPackageError)


def test_the_core_lock_is_a_part_of_the_whole_one_and_of_nothing_absent() -> None:
    core, whole = pinned("requirements-core.txt"), pinned("requirements.lock")
    assert core.items() <= whole.items()
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["tsclassify"]["core"]
    assert set(stated) <= core.keys()
    assert not core.keys() & ({name.replace("sklearn", "scikit-learn") for name in ABSENT} | {"scikit-learn"})
    assert set(_INSTALLED_BY) == ABSENT


@pytest.mark.slow
def test_a_bare_environment_with_the_core_lock_scores_by_a_policy(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run(sys.executable, "-m", "venv", str(tmp_path / "venv")).returncode == 0
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    installed = run(*pip, "--require-hashes", "-r", str(ROOT / "requirements-core.txt"))
    if "Could not find a version" in installed.stderr or "Temporary failure" in installed.stderr:
        pytest.skip("packages cannot be downloaded here")
    assert installed.returncode == 0, installed.stderr
    installed = run(*pip, "--no-deps", str(ROOT))
    assert installed.returncode == 0, installed.stderr
    done = run(str(python), str(MAIN))
    assert done.returncode == 0, done.stderr
