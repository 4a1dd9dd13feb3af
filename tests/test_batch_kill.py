"""A job killed at any moment goes on to the bytes that an uninterrupted one writes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from batch_fakes import jsonl, posts

TESTS = Path(__file__).parent
ENDS = ("", ".rejected.jsonl")
Start = Callable[[Path, Path, int], "subprocess.Popen[bytes]"]


def start_fake(source: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """A job of a scorer that needs no bundle."""
    code = f"from batch_fakes import run_job; run_job({str(source)!r}, {str(out)!r}, {workers})"
    return subprocess.Popen([sys.executable, "-c", code], cwd=TESTS, stderr=subprocess.PIPE)


def start_command(source: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """The command that users call, with the shipped bundle and a pack whose guard trips."""
    command = [
        str(Path(sys.executable).with_name("tsclassify")),
        "score",
        str(source),
        "-o",
        str(out),
        "--resume",
        "-q",
    ]
    return subprocess.Popen([*command, "-p", "hosting-provider", "-j", str(workers)], stderr=subprocess.PIPE)


def finish(job: subprocess.Popen[bytes], status: int) -> None:
    _, said = job.communicate()
    assert job.returncode == status, said


def same_file(path: Path, other: Path) -> bool:
    """Whether two files hold the same bytes, without reading them whole."""
    with path.open("rb") as one, other.open("rb") as two:
        while True:
            part = one.read(1 << 20)
            if part != two.read(1 << 20):
                return False
            if not part:
                return True


@dataclass
class Kills:
    """What was done: kills that hit a running job, the share of the output that was there, completed comparisons."""

    hits: int = 0
    misses: int = 0
    comparisons: int = 0
    before_output: int = 0
    while_finishing: int = 0
    shares: list[float] = field(default_factory=list)


def kill_at_random(job: subprocess.Popen[bytes], out: Path, n_bytes: int, seconds: float, rng: random.Random) -> bool:
    """Send SIGKILL at a random moment: a time, or as soon as a random share of the output is there, and a bit later."""
    partial = Path(f"{out}.partial")
    if rng.random() < 0.4:
        time.sleep(rng.uniform(0, seconds))
    else:
        # Over one: the job is only closing and renaming its files.
        wanted = rng.uniform(0, 1.05) * n_bytes
        while job.poll() is None and not out.exists():
            if partial.exists() and partial.stat().st_size >= min(wanted, n_bytes):
                break
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
    if job.poll() is not None:
        return False
    job.send_signal(signal.SIGKILL)
    return True


def kill_and_resume(
    folder: Path,
    data: bytes,
    start: Start,
    status: int,
    *,
    kills_per_cycle: int,
    n_kills: int,
    n_cycles: int,
    seed: int,
) -> Kills:
    """Run jobs to their end, each killed some times on its way, until there were enough kills and comparisons."""
    rng = random.Random(seed)  # noqa: S311
    source, whole = folder / "in.jsonl", folder / "whole.jsonl"
    source.write_bytes(data)
    finish(start(source, whole, 2), status)
    began = time.monotonic()
    finish(start(source, folder / "timed.jsonl", 1), status)
    seconds = time.monotonic() - began
    assert all(same_file(Path(f"{whole}{end}"), Path(f"{folder / 'timed.jsonl'}{end}")) for end in ENDS)
    n_bytes = whole.stat().st_size
    done = Kills()
    while done.hits < n_kills or done.comparisons < n_cycles:
        out = folder / "killed.jsonl"
        partial = Path(f"{out}.partial")
        for _ in range(kills_per_cycle):
            job = start(source, out, 1 + done.comparisons % 2)
            was_hit = kill_at_random(job, out, n_bytes, seconds, rng)
            job.communicate()
            if not was_hit:
                done.misses += 1
                assert job.returncode == status
                break
            done.hits += 1
            share = partial.stat().st_size / n_bytes if partial.exists() else 0.0
            done.shares.append(1.0 if out.exists() else share)
            done.before_output += not partial.exists() and not out.exists()
            done.while_finishing += out.exists() or share == 1.0
            # Under its final name the output is whole or not there.
            if out.exists():
                assert same_file(out, whole)
        finish(start(source, out, 2), status)
        for end in ENDS:
            assert same_file(Path(f"{out}{end}"), Path(f"{whole}{end}"))
        left = {path.name for path in folder.iterdir() if path.name.startswith("killed")}
        assert left == {"killed.jsonl", "killed.jsonl.rejected.jsonl", "killed.jsonl.job.json"}
        for name in left:
            (folder / name).unlink()
        done.comparisons += 1
        # With -s, what a run that is cut short has shown.
        sys.stdout.write(f"{done.hits} kills, {done.comparisons} outputs compared\n")
        sys.stdout.flush()
    return done


def test_killed_jobs_end_in_the_same_bytes(tmp_path: Path) -> None:
    data = (jsonl(posts(5000)) + b"zorp\n") * 6
    done = kill_and_resume(tmp_path, data, start_fake, 0, kills_per_cycle=4, n_kills=4, n_cycles=1, seed=1)
    assert done.hits >= 4


@pytest.mark.slow
def test_two_hundred_kills_of_a_million_lines(tmp_path: Path) -> None:
    data = (jsonl(posts(20_000)) + b"zorp\n") * 50
    n_lines = data.count(b"\n")
    assert n_lines > 1_000_000
    n_kills = int(os.environ.get("TSCLASSIFY_KILLS", "200"))
    done = kill_and_resume(
        tmp_path, data, start_command, 3, kills_per_cycle=3, n_kills=n_kills, n_cycles=3 * n_kills // 10, seed=2
    )
    tenths = [sum(int(share * 9.999) == k for share in done.shares) for k in range(10)]
    report = asdict(done) | {"lines": n_lines, "input_bytes": len(data), "kills_by_tenth_of_the_output": tenths}
    del report["shares"]
    sys.stdout.write(json.dumps(report) + "\n")
    # Kills fall on every part of the job, not only on its start.
    assert min(tenths) >= 1 or n_kills < 100
