"""Time a ledger of a million events: recording, one standing, one review, verification.

Run: python benchmarks/ledger.py [--events 1000000] [--repeat 3]
Decisions are made by the policy engine, with all contexts and the full trace; two in a hundred are violations, of
20,000 accounts. Short ones are those of a policy without contexts.
Prints one JSON line per figure; wall and CPU seconds, since the machine may be shared.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import tsclassify as ts
from tsclassify.decision import Decision, TraceNode
from tsclassify.policy import Decider, ItemColumns, Policy
from tsclassify.records import Piece, Truth
from tsclassify.review import review_platform
from tsclassify.standing import Ledger
from tsclassify.taxonomy import CATEGORIES, SIGNALS

T0 = dt.datetime(2021, 1, 4, tzinfo=dt.UTC)
DAYS = 180


def patterns(policy: Policy) -> tuple[list[Decision], list[Decision]]:
    """A thousand clean decisions and a hundred violations, made by the policy engine, each with its own scores."""
    rng, n = np.random.default_rng(1), 1100
    scores = (rng.random((n, len(CATEGORIES))) ** 4 * 0.1).astype(np.float32)
    scores[1000:, CATEGORIES.index("incitement")] = 0.85 + 0.1 * rng.random(100)
    unknown = np.full(n, Truth.UNKNOWN, np.int8)
    signals = {name: np.where(np.arange(n) < 1000, unknown, Truth.FALSE).astype(np.int8) for name in SIGNALS}
    info = ts.load().info
    columns = ItemColumns(CATEGORIES, scores, signals, np.full(n, Truth.TRUE, np.int8))
    pieces = (Piece("burn", 7, 11, 2.4, "word"), Piece("the depot", 16, 25, 0.7, "phrase"))
    decider = Decider(policy, info)
    result = decider.decide(columns)
    made = [decider.record(result, columns, row, pieces=lambda row, category: pieces) for row in range(n)]
    return made[:1000], made[1000:]


def short_patterns(policy: Policy) -> tuple[list[Decision], list[Decision]]:
    """A decision under a policy without contexts, half as long, and the same as a violation."""
    ((clean, *_), _) = patterns(policy)
    leaf = tuple(TraceNode(f"act: {name}", Truth.FALSE, "0.100 < 0.800") for name in CATEGORIES[:3])
    trace = tuple(TraceNode(tier.id, Truth.FALSE, "", leaf) for tier in policy.tiers)
    clean = replace(clean, contexts=(), trace=trace, change="", source_title="", source_url="", appeal="")
    return [clean], [replace(clean, tier=policy.tiers[-1].id)]


def decisions(n: int, policy: Policy, *, short: bool = False) -> Iterator[Decision]:
    rng = random.Random(1)  # noqa: S311
    clean, bad = (short_patterns if short else patterns)(policy)
    step = dt.timedelta(days=DAYS) / n
    for index in range(n):
        pattern = rng.choice(bad if rng.random() < 0.02 else clean)
        yield replace(
            pattern,
            id=f"i{index}",
            actor=f"u{rng.randrange(20_000)}",
            tenant="acme",
            at=T0 + step * index,
            text_sha256=rng.randbytes(32).hex(),
        )


def timed(run: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def say(name: str, **figures: object) -> None:
    print(json.dumps({"figure": name, **figures}), flush=True)


def fill(ledger: Ledger, name: str, source: Iterator[Decision]) -> None:
    """Record slices that were made ahead, so that only recording is timed."""
    wall = cpu = 0.0
    while batch := list(itertools.islice(source, 20_000)):
        a, b = timed(lambda batch=batch: ledger.record_many(batch))  # type: ignore[misc]
        wall, cpu = wall + a, cpu + b
    n, size = len(ledger), ledger.path.stat().st_size
    say(name, n=n, per_s_wall=round(n / wall), per_s_cpu=round(n / cpu), bytes_per_event=round(size / n))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    policy = Policy.load("hosting-provider")
    at = T0 + dt.timedelta(days=DAYS)
    say("machine", python=platform.python_version(), cores=os.cpu_count(), load=os.getloadavg()[0])
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
        fill(ledger, "record_many, short decisions", decisions(arguments.events, policy, short=True))
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
        fill(ledger, "record_many", decisions(arguments.events, policy))
        actors = [f"u{number}" for number in random.Random(2).sample(range(20_000), 200)]  # noqa: S311
        times = sorted(timed(lambda actor=actor: ledger.standing(actor, policy, at=at))[0] for actor in actors)  # type: ignore[misc]
        say("standing", median_ms=round(statistics.median(times) * 1e3, 2), p95_ms=round(times[190] * 1e3, 2))
        runs = [timed(lambda: review_platform(ledger, policy, tenant="acme", at=at)) for _ in range(arguments.repeat)]
        say(
            "review_platform",
            median_s=round(statistics.median(wall for wall, _ in runs), 2),
            cpu_s=round(statistics.median(cpu for _, cpu in runs), 2),
        )
        a, b = timed(ledger.verify)
        say("verify", wall_s=round(a, 2), cpu_s=round(b, 2))


if __name__ == "__main__":
    main()
