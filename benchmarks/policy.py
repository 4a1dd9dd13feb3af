"""Time the policy language: loading 300 lines, proofs over the packs, a million items through 20 conditions.

Run: python benchmarks/policy.py [--items 1000000] [--repeat 5]
Prints one JSON line per figure; CPU seconds, median of the repeats.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from timing import cpu_seconds

import tsclassify as ts
from tsclassify.policy import Decider, ItemColumns, Policy, shipped_names
from tsclassify.policy.analysis import remarks
from tsclassify.policy.conditions import leaves
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES, SIGNALS

TIER = """  - id: extra_{n}
    when: {{all: [{{act: violent_threat}}, {{signal: {first}}}, {{signal: {second}}}]}}
    do: [{action}]
    within: 24h
"""


def n_conditions(policy: Policy) -> int:
    """Leaves of all tiers and exceptions."""
    return sum(1 for condition in policy.document.item_conditions() for _ in leaves(condition))


def larger_pack() -> bytes:
    """The hosting-provider pack with further tiers, so that it has over 300 lines and at least 20 conditions."""
    text = shipped("seeds", "policies", "hosting-provider", "2021-07.yaml").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("contexts:"))
    action = next(iter(Policy.load("hosting-provider").actions))
    pairs = [("severe", "specific"), ("severe", "imminent"), ("specific", "veiled"), ("imminent", "conditional")]
    tiers = [TIER.format(n=n, first=first, second=second, action=action) for n, (first, second) in enumerate(pairs)]
    body = "".join([*lines[:at], *tiers, *lines[at:]])
    return (body + "# further notes of the policy team\n" * max(0, 300 - body.count("\n"))).encode()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    content = larger_pack()
    policy = Policy.parse(content)
    load_s = cpu_seconds(lambda: Policy.parse(content), arguments.repeat)
    print(json.dumps({"figure": "load", "n_lines": content.count(b"\n"), "ms": round(load_s * 1e3, 1)}))
    info = ts.load().info
    for name in shipped_names():
        pack = Policy.load(name)
        analysis_s = cpu_seconds(lambda pack=pack: remarks(pack, info), arguments.repeat)  # type: ignore[misc]
        print(json.dumps({"figure": "analysis", "pack": name, "s": round(analysis_s, 3)}))
    rng = np.random.default_rng(1)
    n = arguments.items
    for name, share in (("every item reaches review", 1.0), ("one item in ten reaches review", 0.1)):
        scores = (rng.random((n, len(CATEGORIES))) * 0.1).astype(np.float32)
        hot = rng.random(n) < share
        scores[hot, 0] = 0.3 + 0.7 * rng.random(int(hot.sum()))
        columns = ItemColumns(
            categories=CATEGORIES,
            probabilities=scores,
            signals={signal: rng.integers(0, 3, n).astype(np.int8) for signal in SIGNALS},
            language=np.full(n, 2, dtype=np.int8),
        )
        decider = Decider(policy, info)
        run_s = cpu_seconds(lambda columns=columns, decider=decider: decider.decide(columns), arguments.repeat)  # type: ignore[misc]
        figure = {"figure": name, "n_items": n, "n_conditions": n_conditions(policy), "s": round(run_s, 3)}
        print(json.dumps(figure))


if __name__ == "__main__":
    main()
