"""JSONL to decided JSONL, end to end: posts per second on one and two cores, peak memory, the time of ten lines.

Run: ``python benchmarks/batch.py --out FOLDER [--data RAW] [--lines 1000000] [--rounds 5]``. The input is made of the
public raw posts (each once, then again), as lines with an id, an actor, a tenant and a time; the report
has their mean length. Every figure comes from a process of its own; one core means ``taskset`` on one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

SOURCES = ("civil_comments_sample", "jigsaw", "goemotions", "gab_hate_corpus", "dynahate", "edos", "disaster_tweets")


def texts(root: str | None) -> Iterator[str]:
    """Public posts, source by source, over and over."""
    from tsclassify.data import raw_rows, source_names

    found: list[str] = []
    for source in SOURCES:
        if source in source_names():
            found += [row.text for row in raw_rows(source, root=root)]
    return cycle(found)


def make_input(path: Path, n_lines: int, root: str | None) -> float:
    """Write the input; returns the mean line length in bytes."""
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(islice(texts(root), n_lines)):
            head = f'{{"id":"post-{number:09d}","actor":"u{number % 9973}","tenant":"acme","at":"2021-01-08T10:00:00Z",'
            file.write(head + f'"lang":"en","text":{json.dumps(text, ensure_ascii=False)}}}\n')
    return path.stat().st_size / n_lines


def job(source: Path, out: Path, policy: str, workers: int) -> dict[str, float]:
    """One job in this process, after a small one that loads the compiled code."""
    import tsclassify as ts

    classifier, decided_by = ts.load(), ts.Policy.load(policy)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.jsonl"
        with source.open("rb") as file:
            small.write_bytes(b"".join(islice(file, 3000)))
        ts.score_jsonl(small, Path(folder) / "out.jsonl", policy=decided_by, model=classifier, workers=1)
    cpu = time.process_time()
    summary = ts.score_jsonl(source, out, policy=decided_by, model=classifier, workers=workers, overwrite=True)
    return {
        "seconds": summary.seconds,
        "cpu_seconds": time.process_time() - cpu,
        "n_items": summary.n_items,
        "n_flagged": summary.n_items - summary.tiers["none"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measured(source: Path, out: Path, policy: str, workers: int, cores: str) -> dict[str, float]:
    """`job` in a process bound to some cores."""
    command = ["taskset", "-c", cores, sys.executable, __file__, "--job", str(workers), "--input", str(source)]
    done = subprocess.run([*command, "--out", str(out), "--policy", policy], capture_output=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def ten_lines(source: Path, folder: Path, policy: str) -> float:
    """Wall seconds of the command on ten lines."""
    small = folder / "ten.jsonl"
    with source.open("rb") as file:
        small.write_bytes(b"".join(islice(file, 10)))
    command = [
        str(Path(sys.executable).with_name("tsclassify")),
        "score",
        str(small),
        "-o",
        str(folder / "ten.out.jsonl"),
    ]
    began = time.monotonic()
    subprocess.run([*command, "--policy", policy, "--force", "-q"], check=True)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--data")
    parser.add_argument("--input")
    parser.add_argument("--job", type=int)
    parser.add_argument("--policy", default="hosting-provider")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if given.job:
        print(json.dumps(job(Path(given.input), Path(given.out), given.policy, given.job)))
        return
    folder = Path(given.out)
    folder.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[dict[str, float]]] = {"1 core": [], "2 cores": []}
    # Public posts stay out of the folder of results, which is committed.
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch) / "in.jsonl", Path(scratch) / "out.jsonl"
        mean_bytes = make_input(source, given.lines, given.data)
        for _ in range(given.rounds):
            runs["1 core"].append(measured(source, out, given.policy, 1, "0"))
            runs["2 cores"].append(measured(source, out, given.policy, 2, "0,1"))
        starts = [ten_lines(source, Path(scratch), given.policy) for _ in range(max(5, given.rounds))]
    report = {name: summarized(figures) for name, figures in runs.items()} | {
        "mean line, bytes": round(mean_bytes),
        "ten lines, median seconds": round(statistics.median(starts), 2),
        "load": os.getloadavg()[0],
    }
    (folder / "batch.json").write_text(json.dumps({"report": report, "runs": runs}, indent=1))
    print(json.dumps(report, indent=1))


def summarized(figures: list[dict[str, float]]) -> dict[str, float]:
    """Medians over rounds."""
    return {
        "posts_per_second": round(statistics.median(run["n_items"] / run["seconds"] for run in figures)),
        "posts_per_cpu_second": round(statistics.median(run["n_items"] / run["cpu_seconds"] for run in figures)),
        "peak_mb": round(max(run["peak_mb"] for run in figures)),
        "flagged_share": round(figures[0]["n_flagged"] / figures[0]["n_items"], 4),
    }


if __name__ == "__main__":
    main()
