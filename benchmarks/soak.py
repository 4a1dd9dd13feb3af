"""Soak: millions of posts in one process with memory sampled, then concurrent use from threads.

Run: ``python benchmarks/soak.py [--lines 20000000] [--minutes 60] [--threads 8] [--out FOLDER] [--data RAW]``.
Fails when memory of the last quarter is over 5 % above that of the second quarter, or when a thread's scores
differ from those of one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from batch import texts

SAMPLE_S = 0.5
N_BASE = 500_000


def memory_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


class Sampler(threading.Thread):
    """Samples memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[float] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(SAMPLE_S):
            self.samples.append(memory_mb())

    def quarters(self) -> list[float]:
        """Median of each quarter of the time, MB."""
        return [round(float(np.median(part)), 1) for part in np.array_split(self.samples, 4) if len(part)]


def batch_soak(folder: Path, n_lines: int, root: str | None) -> dict[str, object]:
    """Score `n_lines` public and synthetic posts in one job."""
    import tsclassify as ts

    source = folder / "soak.jsonl"
    rng = np.random.default_rng(0)
    base = list(islice(texts(root), min(N_BASE, n_lines)))
    with source.open("w", encoding="utf-8") as file:
        for number in range(n_lines):
            text = base[number % len(base)]
            # From the second time on a post is cut and gets a word that was never seen.
            if number >= len(base):
                text = f"{text[: int(rng.integers(1, 400))]} zorp{number}"
            file.write(json.dumps({"id": number, "text": text}, ensure_ascii=False) + "\n")
    sampler = Sampler()
    sampler.start()
    summary = ts.score_jsonl(source, folder / "soak.out.jsonl", policy="hosting-provider", overwrite=True, workers=2)
    sampler.done.set()
    sampler.join()
    return {"n_items": summary.n_items, "seconds": summary.seconds, "memory_mb": sampler.quarters()}


def concurrent_soak(n_threads: int, minutes: float, root: str | None) -> dict[str, object]:
    """Score the same texts from many threads, in chunks of many sizes; compare with one thread's bits."""
    import tsclassify as ts

    classifier = ts.load()
    sample = list(islice(texts(root), 4000))
    wanted = classifier.score(sample).probabilities
    faults: list[str] = []
    rounds = [0] * n_threads
    until = time.monotonic() + minutes * 60

    def use(number: int) -> None:
        rng = np.random.default_rng(number)
        while time.monotonic() < until and not faults:
            start = int(rng.integers(0, len(sample)))
            stop = start + int(rng.choice([1, 2, 17, 300, 2000]))
            found = classifier.score(sample[start:stop]).probabilities
            if not np.array_equal(found, wanted[start:stop]):
                faults.append(f"thread {number}: rows {start} to {stop} differ from those of one thread")
            rounds[number] += 1

    sampler = Sampler()
    sampler.start()
    threads = [threading.Thread(target=use, args=(number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sampler.done.set()
    sampler.join()
    if faults:
        raise SystemExit(faults[0])
    digest = hashlib.sha256(np.ascontiguousarray(wanted).tobytes()).hexdigest()
    return {"calls": sum(rounds), "minutes": minutes, "scores_sha256": digest, "memory_mb": sampler.quarters()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--out")
    parser.add_argument("--data")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(given.out or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        report = {"batch": batch_soak(folder, given.lines, given.data)}
        report["concurrent"] = concurrent_soak(given.threads, given.minutes, given.data)
        print(json.dumps(report, indent=1))
    for name, part in report.items():
        quarters = part["memory_mb"]
        if len(quarters) == 4 and quarters[3] > 1.05 * quarters[1]:
            raise SystemExit(f"{name}: memory grew from {quarters[1]} to {quarters[3]} MB")


if __name__ == "__main__":
    main()
