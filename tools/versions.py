"""Run tests with the lowest or the newest declared versions of the dependencies, in an environment of its own.

``python3.12 tools/versions.py lowest [pytest arguments]`` makes ``.venv-lowest-3.12`` and runs the tests that finish in
minutes, or those that the arguments name.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lowest(requirements: list[str]) -> list[str]:
    """Each requirement held to its lowest version."""
    return [re.sub(r"\[.*\]", "", requirement).replace(">=", "==") for requirement in requirements]


def install(folder: Path, which: str) -> Path:
    """Make the environment and return its Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    command += ["--upgrade-strategy", "eager", "--editable", f"{ROOT}[test]"]
    if which == "lowest":
        constraints = folder / "constraints.txt"
        constraints.write_text("\n".join(lowest(project["dependencies"])) + "\n", encoding="utf-8")
        command += ["--constraint", str(constraints)]
    subprocess.run(command, check=True)
    return python


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in ("lowest", "newest"):
        print(__doc__)
        return 2
    folder = ROOT / f".venv-{argv[0]}-{sys.version_info.major}.{sys.version_info.minor}"
    python = install(folder, argv[0])
    names = "numpy", "numba", "scipy", "scikit-learn", "pyarrow", "pandas", "datasets", "pydantic", "msgspec"
    shown = "from importlib.metadata import version; print(', '.join(f'{n} {version(n)}' for n in " + repr(names) + "))"
    subprocess.run([str(python), "-c", shown], check=True)
    return subprocess.run([str(python), "-m", "pytest", "-m", "not slow", *argv[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
