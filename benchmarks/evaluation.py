"""Time one evaluation: 100,000 rows, 7 categories, 1,000 bootstrap draws.

Run: python benchmarks/evaluation.py [--rows 100000] [--draws 1000]
Prints one JSON line; seconds by the clock, since the bootstrap uses all cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsclassify.evaluation import evaluate, from_callable
from tsclassify.taxonomy import CATEGORIES


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    gold = rng.random((arguments.rows, len(CATEGORIES))) < 0.05
    table = (1 / (1 + np.exp(-(rng.normal(size=gold.shape) * 1.5 - 3 + 2.5 * gold)))).astype(np.float32)
    rows = [
        {"text": f"row {i}", "source": "ab"[i % 2], "labels": dict(zip(CATEGORIES, line, strict=True))}
        for i, line in enumerate(gold.tolist())
    ]

    def look_up(texts: Sequence[str]) -> NDArray[np.float32]:
        # swapped and disguised texts are no row of the table
        return table[[int(text[4:]) if re.fullmatch(r"row \d+", text) else 0 for text in texts]]

    start = time.perf_counter()
    evaluate(from_callable(look_up, categories=CATEGORIES), rows, n_boot=arguments.draws)
    seconds = round(time.perf_counter() - start, 1)
    figure = {"figure": "evaluate", "n_items": arguments.rows, "n_draws": arguments.draws, "cores": os.cpu_count()}
    print(json.dumps(figure | {"s": seconds}))


if __name__ == "__main__":
    main()
