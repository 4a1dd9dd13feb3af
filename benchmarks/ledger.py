"""Time a ledger of a million events: recording, one standing, one review, verification.

Run: python benchmarks/ledger.py [--events 1000000] [--repeat 3]
Decisions carry a full trace, as the policy engine makes them; two in a hundred are violations, 20,000 accounts.
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

from tsclassify.decision import Decision, TraceNode
from tsclassify.enforcement import Ledger, review_platform
from tsclassify.policy import Policy
from tsclassify.records import Truth
from tsclassify.taxonomy import CATEGORIES, SIGNALS

T0 = dt.datetime(2021, 1, 4, tzinfo=dt.UTC)
DAYS = 180


def decisions(n: int, policy: Policy) -> Iterator[Decision]:
    rng = random.Random(1)  # noqa: S311
    leaf = tuple(TraceNode(f"act: {name}", Truth.FALSE, "0.100 < 0.800") for name in CATEGORIES[:3])
    clean = Decision(
        id="",
        tier="none",
        actions=(),
        review=False,
        findings=(),
        contexts=(),
        trace=tuple(TraceNode(tier.id, Truth.FALSE, "", leaf) for tier in policy.tiers),
        scores=dict.fromkeys(CATEGORIES, 0.1),
        signals=dict.fromkeys(SIGNALS, "unknown"),
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        model_name="m",
        model_sha256="b" * 64,
        tenant="acme",
        text_sha256="c" * 64,
    )
    bad = replace(clean, tier=policy.tiers[-1].id)
    step = dt.timedelta(days=DAYS) / n
    for index in range(n):
        template = bad if rng.random() < 0.02 else clean
        yield replace(template, id=f"i{index}", actor=f"u{rng.randrange(20_000)}", at=T0 + step * index)


def timed(run: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def say(name: str, **figures: object) -> None:
    print(json.dumps({"figure": name, **figures}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    policy = Policy.load("hosting-provider")
    at = T0 + dt.timedelta(days=DAYS)
    say("machine", python=platform.python_version(), cores=os.cpu_count(), load=os.getloadavg()[0])
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
        # Made ahead in slices, so that only recording is timed.
        wall = cpu = 0.0
        source = decisions(arguments.events, policy)
        while batch := list(itertools.islice(source, 20_000)):
            a, b = timed(lambda batch=batch: ledger.record_many(batch))  # type: ignore[misc]
            wall, cpu = wall + a, cpu + b
        n = len(ledger)
        size = (Path(folder) / "l.db").stat().st_size
        say("record_many", n=n, per_s_wall=round(n / wall), per_s_cpu=round(n / cpu), bytes_per_event=round(size / n))
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
