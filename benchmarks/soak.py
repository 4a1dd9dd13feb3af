"""Soak: millions of posts in one process with memory sampled, then concurrent use of the API from threads.

Run: ``python benchmarks/soak.py [--only batch|concurrent] [--lines 20000000] [--minutes 60] [--threads 8]
[--share 0] [--data RAW] [--out FOLDER]``; results go to ``FOLDER/soak-batch.json`` and ``FOLDER/soak-concurrent.json``.

Batch: one job on two threads, then the same job on one thread, whose bytes must be the same. Concurrent: first the
memories of all threads are filled to where they start again, since a bounded table that fills is no leak; then each
call's result is compared with what one thread gave for the same input before the threads started, or, for texts that
are made during the run, with what one thread gives afterwards. With ``--share 0.33`` the threads work in bursts, all at
once, and rest in between, so that together they use a third of a core; only time in which the process may run counts.
Fails when a result differs, a thread raises, or memory of the last quarter is over 5 % above that of the second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from batch import texts

SAMPLE_S = 0.5
TICK_S = 0.05
N_BASE = 500_000
N_SAMPLE = 4000
N_DECIDED = 400
N_EXPLAINED = 120
N_CHECKED = 5000
N_FILL = 12_000
"""Posts of 32 new words: more than the 300,000 stretches after which a memory starts again."""

BURST_CPU_S = 0.5
GROWTH = 1.05
INVENTED = (
    "zorp",
    "blick",
    "ｚｏｒｐ",
    "z o r p",
    "bl1ck",
    "😀👨‍👩‍👧",
    "zоrp",
    "142,460",
    "https://example.org/zorp",
    "@blick",
)


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

    def report(self) -> dict[str, Any]:
        """Median of each quarter of the time and the peak, MB; and the last quarter over the second."""
        self.done.set()
        self.join()
        quarters = [round(float(np.median(part)), 1) for part in np.array_split(self.samples, 4) if len(part)]
        report: dict[str, Any] = {"quarters_mb": quarters, "peak_mb": round(max(self.samples), 1)}
        if len(quarters) == 4:
            report["last_over_second"] = round(quarters[3] / quarters[1], 4)
        return report | {"n_samples": len(self.samples)}


class Pace(threading.Thread):
    """Opens a gate while the process is below its share of a core, and counts the time in which it may run.

    A gap of more than half a second between two ticks, as when the process is stopped, counts as half a second.
    """

    def __init__(self, minutes: float, share: float) -> None:
        super().__init__(daemon=True)
        self.minutes, self.share = minutes, share
        self.seconds = 0.0
        self.cpu_s = 0.0
        self.gate, self.over = threading.Event(), threading.Event()
        self.gate.set()

    def run(self) -> None:
        began, last = time.process_time(), time.monotonic()
        while self.seconds < self.minutes * 60 and not self.over.wait(TICK_S):
            now = time.monotonic()
            self.seconds += min(now - last, 0.5)
            last = now
            self.cpu_s = time.process_time() - began
            budget = self.share * self.seconds - self.cpu_s
            if not self.share or budget > BURST_CPU_S:
                self.gate.set()
            elif budget < 0:
                self.gate.clear()
        self.over.set()
        self.gate.set()


# -- one long job ---------------------------------------------------------------------------------------


def write_posts(source: Path, n_lines: int, root: str | None) -> None:
    """Public posts once each; after that cut ones with a word never seen before, and every tenth of our own words."""
    rng = np.random.default_rng(0)
    base = list(islice(texts(root), min(N_BASE, n_lines)))
    cuts = rng.integers(1, 400, 65_536).tolist()
    encode = msgspec.json.Encoder().encode
    with source.open("wb", buffering=1 << 20) as file:
        for number in range(n_lines):
            text = base[number % len(base)]
            if number >= len(base):
                text = f"{text[: cuts[number % len(cuts)]]} zorp{number}"
                if number % 10 == 0:
                    text = " ".join(INVENTED[(number >> shift) % len(INVENTED)] for shift in range(1, 2 + number % 20))
            file.write(encode({"id": number, "text": text}) + b"\n")


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def batch_soak(folder: Path, n_lines: int, root: str | None) -> dict[str, Any]:
    """Score and decide `n_lines` public and synthetic posts on two threads, then on one."""
    import tsclassify as ts

    source, out = folder / "soak.jsonl", folder / "soak.out.jsonl"
    write_posts(source, n_lines, root)
    report: dict[str, Any] = {"lines": n_lines, "input_bytes": source.stat().st_size}
    for workers in (2, 1):
        sampler = Sampler()
        sampler.start()
        began = time.process_time()
        summary = ts.score_jsonl(source, out, policy="hosting-provider", overwrite=True, workers=workers)
        report[f"workers_{workers}"] = {
            "n_items": summary.n_items,
            "seconds": round(summary.seconds, 1),
            "cpu_seconds": round(time.process_time() - began, 1),
            "tiers": dict(summary.tiers),
            "memory": sampler.report(),
            "output_bytes": out.stat().st_size,
            "output_sha256": sha256_of(out),
        }
        for path in folder.glob("soak.out.jsonl*"):
            path.unlink()
    source.unlink()
    report["same_bytes"] = report["workers_1"]["output_sha256"] == report["workers_2"]["output_sha256"]
    return report


# -- many threads ---------------------------------------------------------------------------------------


def fresh_texts(seed: int, base: list[str]) -> list[str]:
    """Texts that no call has seen: words of the sample, words of ours and invented ones with a number."""
    rng = np.random.default_rng(seed)
    made = []
    for row in range(int(rng.integers(1, 120))):
        words = base[int(rng.integers(0, len(base)))].split()[: int(rng.integers(1, 60))]
        words += [INVENTED[k] for k in rng.integers(0, len(INVENTED), 3)]
        made.append(" ".join([*words, f"zorp{seed}x{row}"]))
    return made


def digest(array: Any) -> bytes:
    """Hash of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()


def make_calls(classifier: Any, sample: list[str]) -> dict[str, Callable[[np.random.Generator], bool]]:
    """Calls by name; each says whether its result is what one thread gave when this function ran."""
    import pyarrow as pa

    import tsclassify as ts
    from tsclassify.batch import ArrowScorer, make_plan

    policy = ts.Policy.load("hosting-provider")
    items = [
        {"id": str(row), "text": text, "actor": f"u{row % 7}", "tenant": "acme", "at": "2021-01-08T10:00:00Z"}
        for row, text in enumerate(sample[:N_DECIDED])
    ]
    asked = [(sample[7 * k % len(sample)], classifier.categories[k % 7]) for k in range(N_EXPLAINED)]
    arrow = ArrowScorer(make_plan(classifier, policy))
    rows = pa.RecordBatch.from_pydict({"text": sample})

    scores = classifier.score(sample).probabilities
    signals = classifier.signals(sample).probabilities
    language = classifier.language(sample)
    decisions = [decision.to_dict() for decision in classifier.decide_many(items, policy)]
    explanations = [classifier.explain(text, category).to_dict() for text, category in asked]
    results = arrow(rows).column("tsclassify")

    def span(rng: np.random.Generator, n: int, sizes: tuple[int, ...]) -> slice:
        start = int(rng.integers(0, n))
        return slice(start, start + int(rng.choice(sizes)))

    def score(rng: np.random.Generator) -> bool:
        at = span(rng, len(sample), (1, 2, 17, 300, 2000))
        return bool(np.array_equal(classifier.score(sample[at]).probabilities, scores[at]))

    def signal(rng: np.random.Generator) -> bool:
        at = span(rng, len(sample), (1, 40, 300))
        return bool(np.array_equal(classifier.signals(sample[at]).probabilities, signals[at]))

    def tongue(rng: np.random.Generator) -> bool:
        at = span(rng, len(sample), (1, 40, 300))
        return bool(np.array_equal(classifier.language(sample[at]), language[at]))

    def decide(rng: np.random.Generator) -> bool:
        row = int(rng.integers(0, len(items)))
        return bool(classifier.decide(items[row], policy).to_dict() == decisions[row])

    def decide_many(rng: np.random.Generator) -> bool:
        at = span(rng, len(items), (2, 20, 60))
        return [decision.to_dict() for decision in classifier.decide_many(items[at], policy)] == decisions[at]

    def explain(rng: np.random.Generator) -> bool:
        k = int(rng.integers(0, len(asked)))
        return bool(classifier.explain(*asked[k]).to_dict() == explanations[k])

    def record_batch(rng: np.random.Generator) -> bool:
        at = span(rng, len(sample), (1, 100, 1000))
        size = min(at.stop, len(sample)) - at.start
        return bool(arrow(rows.slice(at.start, size)).column("tsclassify").equals(results.slice(at.start, size)))

    calls = (score, signal, tongue, decide, decide_many, explain, record_batch)
    return {call.__name__: call for call in calls}


def fill_memories(classifier: Any, n_threads: int) -> None:
    """Make each thread meet more words than its memories hold, all threads at once."""
    together = threading.Barrier(n_threads)

    def fill(number: int) -> None:
        posts = [" ".join(f"w{number}x{k}y{j}" for j in range(32)) for k in range(N_FILL)]
        for ask in (classifier.score, classifier.signals):
            together.wait()
            ask(posts)
        for post in posts[: N_FILL // 8]:
            classifier.explain(post, "incitement")

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def concurrent_soak(n_threads: int, minutes: float, share: float, root: str | None) -> dict[str, Any]:
    """Use one classifier from many threads, and compare every result with that of one thread."""
    import tsclassify as ts

    sample = list(islice(texts(root), 200_000))[:: 200_000 // N_SAMPLE]
    classifier = ts.load()
    calls = make_calls(classifier, sample)
    pace, sampler = Pace(minutes, share), Sampler()
    faults: list[str] = []
    counts = [dict.fromkeys([*calls, "fresh"], 0) for _ in range(n_threads)]
    made: list[list[tuple[int, bytes]]] = [[] for _ in range(n_threads)]
    busy, most_busy = [0], [0]
    counting = threading.Lock()

    def use(number: int) -> None:
        rng = np.random.default_rng(number)
        names = [*calls, "fresh"]
        while True:
            pace.gate.wait()
            if pace.over.is_set() or faults:
                return
            name = names[int(rng.integers(0, len(names)))]
            with counting:
                busy[0] += 1
                most_busy[0] = max(most_busy[0], busy[0])
            try:
                if name == "fresh":
                    seed = number + n_threads * counts[number]["fresh"]
                    found = classifier.score(fresh_texts(seed, sample)).probabilities
                    if len(made[number]) < N_CHECKED:
                        made[number].append((seed, digest(found)))
                elif not calls[name](rng):
                    faults.append(f"thread {number}: {name} differs from the result of one thread")
            except Exception as error:  # a thread that dies unseen would make the run look clean
                faults.append(f"thread {number}: {name} raised {error!r}")
            with counting:
                busy[0] -= 1
            counts[number][name] += 1

    fill_memories(classifier, n_threads)
    threads = [threading.Thread(target=use, args=(number,)) for number in range(n_threads)]
    for thread in (pace, sampler, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    pace.over.set()
    memory = sampler.report()
    alone = ts.load()
    kept = [one for part in made for one in part]
    chosen = np.random.default_rng(0).permutation(len(kept))[:N_CHECKED].tolist()
    for k in chosen:
        seed, wanted = kept[k]
        if digest(alone.score(fresh_texts(seed, sample)).probabilities) != wanted:
            faults.append(f"texts made from seed {seed} score otherwise in one thread")
    return {
        "threads": n_threads,
        "minutes_running": round(pace.seconds / 60, 2),
        "share_of_a_core": share or None,
        "cpu_seconds": round(pace.cpu_s, 1),
        "most_calls_at_once": most_busy[0],
        "calls": {name: sum(count[name] for count in counts) for name in counts[0]},
        "n_fresh_checked": len(chosen),
        "faults": faults[:20],
        "memory": memory,
    }


def machine() -> dict[str, str]:
    """What ran where."""
    import platform

    root = Path(__file__).resolve().parents[1]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False).stdout
    return {"commit": commit.strip(), "python": platform.python_version(), "numpy": np.__version__}


def faults_of(name: str, part: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a part's figures, in a sentence each."""
    yield from part.get("faults", ())
    if part.get("same_bytes") is False:
        yield f"{name}: two threads wrote other bytes than one"
    runs = [part] if "memory" in part else [part["workers_2"], part["workers_1"]]
    for run in runs:
        if run["memory"].get("last_over_second", 1.0) > GROWTH:
            yield f"{name}: memory grew, by quarters {run['memory']['quarters_mb']} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["batch", "concurrent"])
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--share", type=float, default=0.0, help="of a core, all threads together; 0: all they get")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data")
    given = parser.parse_args()
    report: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        if given.only != "concurrent":
            report["batch"] = batch_soak(Path(scratch), given.lines, given.data)
        if given.only != "batch":
            report["concurrent"] = concurrent_soak(given.threads, given.minutes, given.share, given.data)
    for name, part in report.items():
        part |= machine()
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / f"soak-{name}.json").write_text(json.dumps(part, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    faults = [fault for name, part in report.items() for fault in faults_of(name, part)]
    if faults:
        raise SystemExit("; ".join(faults))


if __name__ == "__main__":
    main()
