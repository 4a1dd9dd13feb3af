"""What the benchmark scripts share: processor time of a call, which other work on the machine disturbs least."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

__all__ = ["cpu_seconds"]


def cpu_seconds(run: Callable[[], object], rounds: int) -> float:
    """Median processor seconds of a call."""
    took = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return statistics.median(took)
