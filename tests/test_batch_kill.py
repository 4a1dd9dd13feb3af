"""A job killed at any moment goes on to the bytes that an uninterrupted one writes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batch_fakes import jsonl, posts, run_job

TESTS = Path(__file__).parent


def start(source: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    code = f"from batch_fakes import run_job; run_job({str(source)!r}, {str(out)!r}, {workers})"
    return subprocess.Popen([sys.executable, "-c", code], cwd=TESTS, stderr=subprocess.PIPE)


def finish(job: subprocess.Popen[bytes]) -> None:
    _, said = job.communicate()
    assert (job.returncode, said) == (0, b"")


def kill_and_resume(folder: Path, data: bytes, n_cycles: int, kills_per_cycle: int, seed: int) -> int:
    """Run jobs to their end, each killed some times on its way; returns how many kills hit a running job."""
    rng = random.Random(seed)  # noqa: S311
    source = folder / "in.jsonl"
    source.write_bytes(data)
    run_job(str(source), str(folder / "whole.jsonl"), 2)
    whole = [(folder / f"whole.jsonl{end}").read_bytes() for end in ("", ".rejected.jsonl")]
    began = time.monotonic()
    finish(start(source, folder / "timed.jsonl", 2))
    seconds = time.monotonic() - began
    n_hits = 0
    for cycle in range(n_cycles):
        out = folder / "killed.jsonl"
        for _ in range(kills_per_cycle):
            job = start(source, out, 1 + cycle % 2)
            time.sleep(rng.uniform(0, seconds))
            if job.poll() is None:
                n_hits += 1
                job.send_signal(signal.SIGKILL)
            job.communicate()
            # Under its final name the output is whole or not there.
            if out.exists():
                assert out.read_bytes() == whole[0]
        finish(start(source, out, 2))
        assert [Path(f"{out}{end}").read_bytes() for end in ("", ".rejected.jsonl")] == whole
        left = {path.name for path in folder.iterdir() if path.name.startswith("killed")}
        assert left == {"killed.jsonl", "killed.jsonl.rejected.jsonl", "killed.jsonl.job.json"}
        for name in left:
            (folder / name).unlink()
    return n_hits


def test_killed_jobs_end_in_the_same_bytes(tmp_path: Path) -> None:
    data = (jsonl(posts(5000)) + b"zorp\n") * 6
    assert kill_and_resume(tmp_path, data, n_cycles=1, kills_per_cycle=5, seed=1) >= 2


@pytest.mark.slow
def test_two_hundred_kills_of_a_million_lines(tmp_path: Path) -> None:
    data = (jsonl(posts(20_000)) + b"zorp\n") * 50
    n_cycles = int(os.environ.get("TSCLASSIFY_KILL_CYCLES", "70"))
    n_hits = kill_and_resume(tmp_path, data, n_cycles=n_cycles, kills_per_cycle=3, seed=2)
    assert n_hits >= n_cycles * 2
