"""What hostile inputs must not do: grow memory, follow links, or leave anything half-written."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from batch_fakes import jsonl, posts
from tsclassify.errors import InputError
from tsclassify.io.outputs import JobFiles
from tsclassify.io.sources import find_sources, open_stream

TESTS = Path(__file__).parent


def test_partial_file_is_not_opened_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "out.jsonl.partial").symlink_to(victim)
    with pytest.raises(InputError, match="must be usable"):
        JobFiles(tmp_path / "out.jsonl").open(None)
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_unpacking_a_bomb_stays_small_in_memory(tmp_path: Path, pack: str) -> None:
    import zstandard

    bomb = tmp_path / "bomb"
    if pack == "gz":
        with gzip.open(bomb, "wb", compresslevel=9) as file:
            for _ in range(300):
                file.write(b"\0" * (1 << 20))
    else:
        bomb.write_bytes(zstandard.ZstdCompressor(level=3).compress(b"\0" * (300 << 20)))
    code = (
        "import resource, sys\n"
        "from tsclassify.errors import InputError\n"
        "from tsclassify.io.sources import find_sources, open_stream\n"
        "stream = open_stream(find_sources([sys.argv[1]])[0])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    while stream.read(1 << 20): pass\n"
        "except InputError as error: sys.stderr.write(error.message)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(bomb)], capture_output=True, check=True)
    assert b"must be at most 1000 times the packed size" in done.stderr
    assert int(done.stdout) < 120


def test_honest_archive_passes_the_ratio(tmp_path: Path) -> None:
    data = jsonl(posts(2000)) * 20
    (tmp_path / "in.gz").write_bytes(gzip.compress(data))
    stream = open_stream(find_sources([tmp_path / "in.gz"])[0])
    found = b"".join(iter(lambda: stream.read(1 << 20), b""))
    stream.close()
    assert found == data


def test_user_who_may_not_write_gets_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("acting as another user needs root")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o755)
    code = (
        "import os, sys, pathlib\n"
        "from tsclassify.errors import InputError\n"
        "from tsclassify.io.outputs import JobFiles\n"
        "os.setuid(65534)\n"
        "try: JobFiles(pathlib.Path(sys.argv[1])).open(None)\n"
        "except InputError as error: print(error.message)\n"
    )
    out = folder / "out.jsonl"
    done = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, check=True)
    assert b"out.jsonl.partial: must be usable, got permission denied" in done.stdout
    assert os.listdir(folder) == []


def test_lock_file_pins_every_runtime_dependency_by_hash() -> None:
    root = TESTS.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[\[>=<~! ]", name)[0].lower() for name in project["dependencies"]}
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9._-]+)==\S+ \\\n    --hash=sha256:([0-9a-f]{64})", lock, re.MULTILINE))
    assert wanted <= pinned.keys()
    assert len(pinned) == lock.count("==")
    assert "://" not in lock
