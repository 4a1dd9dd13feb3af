"""Where tsclassify is not fast: the same scorer on inputs that defeat its memory, one by one, and with threads.

``python benchmarks/limits.py FOLDER`` writes ``limits.json`` and ``limits.md`` into a folder of ``benchmarks/runs``.
All texts are made here; nothing public is read.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import cpu_seconds

SYLLABLES = ("ka", "lo", "mi", "ter", "ran", "zo", "ble", "ick", "su", "pa", "no", "vi", "der", "en", "qua", "sh")


def words_of(rng: np.random.Generator, n: int) -> list[str]:
    """Invented words of two to four syllables."""
    return ["".join(rng.choice(SYLLABLES, rng.integers(2, 5))) for _ in range(n)]


def posts_of(rng: np.random.Generator, words: list[str], n: int, skew: float) -> list[str]:
    """Posts of about 35 words; `skew` 0 draws all words alike, 1 as in a natural language (Zipf)."""
    weights = 1.0 / np.arange(1, len(words) + 1) ** skew
    picks = rng.choice(len(words), size=(n, 35), p=weights / weights.sum())
    return [" ".join(words[k] for k in row) for row in picks]


def first_call_ever() -> float:
    """Processor seconds of a process that finds no compiled kernel."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as cache:
        subprocess.run(
            [sys.executable, "-c", "import tsclassify as ts; ts.load().score(['a post'] * 100)"],
            env={**os.environ, "NUMBA_CACHE_DIR": cache},
            stderr=subprocess.DEVNULL,
            check=True,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def decide_ms() -> dict[int, float]:
    """Milliseconds of ``decide`` by number of findings: the median over our own posts of each one's median."""
    import tsclassify as ts
    from tsclassify.resources import shipped

    clf, policy = ts.load(), ts.Policy.load("hosting-provider")
    items = [json.loads(line) for line in shipped("seeds", "posts.jsonl").read_text("utf-8").splitlines()]
    by_findings: dict[int, list[float]] = {}
    for item in items:
        clf.decide(item, policy)
    for item in items:
        n = len(clf.decide(item, policy).findings)
        took = cpu_seconds(lambda item=item: clf.decide(item, policy), 25)  # type: ignore[misc]
        by_findings.setdefault(n, []).append(1e3 * took)
    return {n: statistics.median(times) for n, times in sorted(by_findings.items()) if len(times) >= 3}


def main() -> int:
    import tsclassify as ts
    from tsclassify.features.scorer import Scorer
    from tsclassify.features.texts import encode_texts

    clf = ts.load()
    clf.score(["a post"] * 100)
    rng = np.random.default_rng(0)
    common = words_of(rng, 30_000)
    natural = posts_of(rng, common, 20_000, 1.0)
    inputs = {
        "natural word frequencies, words known": natural,
        "every word equally likely (30,000 words)": posts_of(rng, common, 20_000, 0.0),
        "every word new": [" ".join(f"{word}{k}x{j}q" for j, word in enumerate(common[:35])) for k in range(5000)],
        "every word over 24 bytes": [" ".join(f"{word * 4}{k}xyz" for word in common[:35]) for k in range(1000)],
        "Cyrillic, natural frequencies": [text.translate(str.maketrans("aeiou", "аеіоу")) for text in natural],
        "one post of a megabyte": [" ".join(natural)[:1_000_000]],
    }
    figures: dict[str, dict[str, float]] = {}
    for name, texts in inputs.items():
        size = sum(len(text.encode()) for text in texts)
        took = cpu_seconds(lambda texts=texts: clf.score(texts), 5)  # type: ignore[misc]
        figures[name] = {"posts_per_s": len(texts) / took, "mb_per_s": size / took / 1e6}
    ones = natural[:2000]
    took = cpu_seconds(lambda: [clf.score([text]) for text in ones], 5)
    figures["one text a call"] = {"posts_per_s": len(ones) / took, "mb_per_s": 0.0}
    took = cpu_seconds(lambda: [clf.explain(text, "incitement") for text in ones[:300]], 3)
    figures["explain"] = {"posts_per_s": 300 / took, "mb_per_s": 0.0}
    took = cpu_seconds(lambda: clf.signals(natural), 3)
    figures["signals of every post"] = {"posts_per_s": len(natural) / took, "mb_per_s": 0.0}
    scorer: Scorer = clf._scorer
    data, offsets = encode_texts(natural * 5)
    walls = {}
    for threads in (1, 2):
        took_wall = []
        for _ in range(5):
            start = time.perf_counter()
            scorer.logits(data, offsets, threads=threads)
            took_wall.append(time.perf_counter() - start)
        walls[threads] = min(took_wall)
    figures["two threads over one (best wall time of five)"] = {"ratio": walls[1] / walls[2]}
    for n, took in decide_ms().items():
        figures[f"decide, a post with {n} finding{'' if n == 1 else 's'}"] = {"ms": took}
    figures["the first call ever, CPU time"] = {"s": first_call_ever()}
    figures["peak memory"] = {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    folder = Path(sys.argv[1])
    (folder / "limits.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    lines = ["| input | posts/s | MB/s |", "| --- | ---: | ---: |"]
    for name, row in figures.items():
        if "posts_per_s" in row:
            speed = f"{row['mb_per_s']:.1f}" if row["mb_per_s"] else ""
            lines.append(f"| {name} | {row['posts_per_s']:,.0f} | {speed} |")
        else:
            kind, value = next(iter(row.items()))
            shown = {
                "ratio": f"{value:.2f}x",
                "ms": f"{value:,.2f} ms",
                "s": f"{value:,.1f} s",
                "mb": f"{value:,.0f} MB",
            }[kind]
            lines.append(f"| {name} | {shown} | |")
    (folder / "limits.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print((folder / "limits.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
