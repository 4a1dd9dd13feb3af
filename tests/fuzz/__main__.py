"""Run fuzz targets long: ``python -m tests.fuzz [--cases N] [--seed S] [--minutes M] [TARGET ...]``.

Fails on a crash, a hang or growth, with the seed of the case. Cases go through a target in groups, which makes small
ones cheap; a group that fails or is slow is gone through again case by case. Time is processor time, so that a busy
machine is no hang.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import random
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.fuzz.mutate import mutated
from tests.fuzz.target import Target, Unavailable
from tests.fuzz.targets import TARGETS

HANG_S = 1.0
GROWTH_SHARE, GROWTH_MB = 1.05, 8.0
N_SAMPLES = 400
SILENT_S = 900.0


class _Hang(Exception):
    """A case has used its second."""


def memory_mb() -> float:
    """Resident memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def quarters(samples: list[float]) -> list[float]:
    """Median memory of each quarter of a run, MB."""
    size = len(samples) // 4
    return [sorted(samples[k * size : (k + 1) * size])[size // 2] for k in range(4)] if size else []


def case_of(target: Target, name: str, seed: int, number: int) -> bytes:
    """The case of a number: the same in every run."""
    rng = random.Random(f"{seed}-{name}-{number}")  # noqa: S311
    return target.make(rng) if target.make is not None else mutated(rng, target.corpus)


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise _Hang


def check(target: Target, name: str, seed: int, numbers: range) -> float:
    """Check a group of cases; returns the processor seconds of its slowest case, at most those of the group.

    Raises
    ------
    SystemExit
        With the seed of a case that fails or takes over a second.
    """
    cases = [case_of(target, name, seed, number) for number in numbers]
    began = time.process_time()
    # Python stops here; compiled code that hangs is ended, with a traceback, after `SILENT_S`.
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    try:
        target.check_all(cases)
    except (Exception, _Hang) as error:
        if len(cases) == 1:
            took = time.process_time() - began
            label = f"{name}: case {seed}-{name}-{numbers[0]} ({len(cases[0])} bytes)"
            raise SystemExit(f"{label}, {took:.1f} s: {error!r}") from error
    else:
        return time.process_time() - began
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    slowest = max(check(target, name, seed, range(number, number + 1)) for number in numbers)
    if time.process_time() - began < HANG_S:
        raise SystemExit(f"{name}: cases {seed}-{name}-{numbers[0]} to {numbers[-1]} fail together, not alone")
    return slowest


def run(name: str, n_cases: int, seed: int, minutes: float = 1e9) -> str:
    """Run one target; returns what happened in a line, and raises with the failing case's seed."""
    try:
        target = TARGETS[name]()
    except Unavailable as error:
        return f"{name}: not run, {error}"
    # The first group may compile.
    target.check_all([case_of(target, name, seed, number) for number in range(target.group)])
    before = signal.signal(signal.SIGPROF, _alarm)
    # Written by the signal's handler in C, after which the signal ends the process.
    faulthandler.register(signal.SIGVTALRM, chain=True)
    began, cpu = time.monotonic(), time.process_time()
    slowest, done, samples = 0.0, 0, list[float]()
    n_samples = max(4, min(N_SAMPLES, n_cases // 500))
    try:
        while done < n_cases and time.monotonic() - began < minutes * 60:
            if done * n_samples // n_cases >= len(samples):
                samples.append(memory_mb())
                signal.setitimer(signal.ITIMER_VIRTUAL, SILENT_S)
            stop = min(n_cases, done + target.group)
            slowest = max(slowest, check(target, name, seed, range(done, stop)))
            done = stop
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        faulthandler.unregister(signal.SIGVTALRM)
        signal.signal(signal.SIGPROF, before)
    memory = quarters(samples)
    if memory and memory[3] > GROWTH_SHARE * memory[1] and memory[3] > memory[1] + GROWTH_MB:
        raise SystemExit(f"{name}: memory grew, medians by quarters {', '.join(f'{mb:.0f}' for mb in memory)} MB")
    spent = time.process_time() - cpu
    shown = "/".join(f"{mb:.1f}" for mb in memory)
    counts = "".join(f", {count:,} {what}" for what, count in sorted(target.counts.items()))
    unit = f"group of {target.group}" if target.group > 1 else "case"
    return (
        f"{name}: {done:,} cases, seed {seed}, {spent:.0f} CPU s, slowest {unit} {slowest * 1000:.0f} ms, "
        f"memory by quarters {shown} MB{counts}"
    )


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
