"""Write requirements.lock and requirements-core.txt: what is installed, by version and by hash.

``python tools/lock.py`` keeps the versions that requirements.lock pins and adds what is new; ``--upgrade`` takes the
newest. Hashes are those of the wheels for each supported Python on Linux x86-64, as pip reports them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
PYTHONS: Final = ("3.11", "3.12", "3.13")
PLATFORMS: Final = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
LOCK, CORE = ROOT / "requirements.lock", ROOT / "requirements-core.txt"
HEAD: Final = """\
# {what}.
# Hashes are those of the wheels for CPython {first} to {last} on Linux x86-64.
# Install: pip install --require-hashes -r {name} && pip install --no-deps tsclassify
# Renew: python tools/lock.py
"""


def normal(name: str) -> str:
    """Name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """Name of the distribution that a requirement asks for."""
    return normal(re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0])


def resolved(requirements: Iterable[str], python: str, pins: Iterable[str]) -> list[dict[str, Any]]:
    """What pip would install for one Python: metadata and download of each distribution."""
    with tempfile.TemporaryDirectory() as folder:
        constraints, report = Path(folder, "constraints.txt"), Path(folder, "report.json")
        constraints.write_text("\n".join(pins), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", "--target", folder]
        command += [part for platform in PLATFORMS for part in ("--platform", platform)]
        command += ["--constraint", str(constraints), "--report", str(report), *requirements]
        subprocess.run(command, check=True)
        installed: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
        return installed


def closure(roots: Iterable[str], packages: dict[str, dict[str, Any]]) -> set[str]:
    """Distributions that `roots` need, extras left out."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in reached or name not in packages:
            continue
        reached.add(name)
        needs = packages[name]["metadata"].get("requires_dist", [])
        waiting += [name_of(line) for line in needs if "extra ==" not in line]
    return reached


def written(names: Iterable[str], versions: dict[str, str], hashes: dict[str, set[str]]) -> str:
    """Pins with their hashes, one package after another."""
    entries = []
    for name in sorted(names):
        lines = [f"{name}=={versions[name]}", *(f"    --hash=sha256:{digest}" for digest in sorted(hashes[name]))]
        entries.append(" \\\n".join(lines))
    return "\n".join(entries) + "\n"


def main(argv: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements: list[str] = project["project"]["dependencies"]
    core = [normal(name) for name in project["tool"]["tsclassify"]["core"]]
    pins = [] if "--upgrade" in argv else re.findall(r"^\S+==\S+", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    versions: dict[str, str] = {}
    hashes: dict[str, set[str]] = {}
    needed: set[str] = set()
    for python in PYTHONS:
        installed = resolved(requirements, python, pins)
        packages = {normal(entry["metadata"]["name"]): entry for entry in installed}
        for name, entry in packages.items():
            versions[name] = entry["metadata"]["version"]
            hashes.setdefault(name, set()).add(entry["download_info"]["archive_info"]["hashes"]["sha256"])
        needed |= closure(core, packages)
        # the other Pythons get the same versions
        pins = [f"{name}=={version}" for name, version in versions.items()]
    for file, names, what in (
        (LOCK, versions, "All dependencies"),
        (CORE, needed, "What scoring, explaining, deciding, the ledger and JSONL batches need"),
    ):
        head = HEAD.format(what=what, first=PYTHONS[0], last=PYTHONS[-1], name=file.name)
        file.write_text(head + written(names, versions, hashes), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
