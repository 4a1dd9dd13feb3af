"""Run fuzz targets long: ``python -m tests.fuzz [--cases N] [--seed S] [TARGET ...]``.

Fails on a crash, a hang or growth, with the seed of the case.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from pathlib import Path

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, Unavailable

HANG_S = 1.0
GROWTH_MB = 64


def memory_mb() -> float:
    """Resident memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def run(name: str, n_cases: int, seed: int, minutes: float = 1e9) -> str:
    """Run one target; returns what happened in a line, and raises with the failing case's seed."""
    try:
        target = TARGETS[name]()
    except Unavailable as error:
        return f"{name}: not run, {error}"
    started = time.monotonic()
    slowest, before, done = 0.0, 0.0, 0
    for done in range(n_cases):
        if done == n_cases // 10:
            before = memory_mb()
        case = mutated(random.Random(f"{seed}-{name}-{done}"), target.corpus)  # noqa: S311
        began = time.process_time()
        try:
            target.check(case)
        except Exception as error:
            raise SystemExit(f"{name}: case {seed}-{name}-{done} ({len(case)} bytes): {error!r}") from error
        took = time.process_time() - began
        # The first case may compile.
        slowest = max(slowest, took if done else 0.0)
        if done and took > HANG_S:
            raise SystemExit(f"{name}: case {seed}-{name}-{done} took {took:.1f} s")
        if time.monotonic() - started > minutes * 60:
            break
    grown = memory_mb() - before if before else 0.0
    if grown > GROWTH_MB:
        raise SystemExit(f"{name}: memory grew by {grown:.0f} MB")
    seconds = time.monotonic() - started
    return f"{name}: {done + 1:,} cases, {seconds:.0f} s, slowest {slowest * 1000:.0f} ms, growth {grown:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=60.0, help="most minutes per target")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.targets:
        sys.stdout.write(run(name, given.cases, given.seed, given.minutes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
