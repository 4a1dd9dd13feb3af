"""Measure tsclassify beside its peers: throughput, time for one text, and average precision on the same rows.

``python benchmarks/run.py`` needs the public data (``TSCLASSIFY_DATA``), a peer environment ``.bench-venv`` made from
``benchmarks/requirements.txt`` (``--install`` makes it), and some minutes. Every scorer runs in a process of its own on
one core; rounds are interleaved, so that a busy machine is busy for all. Speed is posts per CPU second, median of the
rounds; wall times are in the raw file. Results go to ``benchmarks/runs/<date>-<machine>/``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".bench-venv"
SLOW = ("minilm", "hatesonar")
TITLES = {
    "tsclassify": "tsclassify",
    "tfidf": "scikit-learn TF-IDF word 1-2 + char_wb 3-5 + LR, same rows",
    "hashing_sgd": "scikit-learn Hashing + SGD, same rows",
    "fasttext_16": "fastText dim 16, same rows",
    "fasttext_100": "fastText dim 100, same rows",
    "alt_profanity_check": "alt-profanity-check",
    "better_profanity_rs": "better-profanity-rs",
    "hatesonar": "hatesonar",
    "minilm": "MiniLM-L6 embeddings + LR, some of the rows",
}
PACKAGES = ("tsclassify", "numpy", "numba", "scikit-learn", "fasttext-wheel", "fasttext", "alt-profanity-check",
            "better-profanity-rs", "hatesonar", "torch", "sentence-transformers")  # fmt: skip


def gather(n_speed: int, n_train: int | None) -> dict[str, Any]:
    """Training rows, dev rows and the posts to time, all from the registered public files and our own posts."""
    from tsclassify.data import exclusion_key, exclusions, raw_rows
    from tsclassify.resources import shipped
    from tsclassify.training.pipeline import load_config
    from tsclassify.training.training_set import build_training_set

    config, _ = load_config(shipped("seeds", "training.toml"))
    # the very rows that the bundle is fitted on, without the texts that have a teacher's labels only
    rows = build_training_set({**config["rows"], "soft_labels": ""})
    some = slice(0, n_train)
    speed: list[str] = []
    barred = exclusions()
    for source in ("jigsaw", "gab_hate_corpus", "civil_comments_sample", "ag_news", "goemotions"):
        found = [row.text for row in raw_rows(source) if exclusion_key(row.text) not in barred]
        speed += found[: n_speed // 4]
    # Every seventh, so that sources mix and no scorer sees a run of one kind.
    speed = [speed[k] for first in range(7) for k in range(first, len(speed), 7)][:n_speed]
    return {
        "train": list(rows.texts[some]),
        "train_labels": rows.categories[some].astype(int).tolist(),
        "dev": list(rows.dev),
        "dev_labels": rows.dev_categories.astype(int).tolist(),
        "speed": speed,
        "slow": SLOW,
        "n_slow_train": 1500,
        "n_slow_dev": 1000,
    }


def start(name: str, folder: Path, core: int) -> subprocess.Popen[str]:
    """A peer in its process, pinned to one core."""
    python = Path(sys.executable) if name == "tsclassify" else VENV / "bin" / "python"
    command = [str(python), str(Path(__file__).with_name("peer.py")), name, str(folder)]
    if hasattr(os, "sched_setaffinity"):
        command = ["taskset", "-c", str(core), *command]
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)


def ask(process: subprocess.Popen[str], what: str) -> dict[str, Any] | None:
    """One answer of a peer, or None when it has ended."""
    if process.stdin is None or process.stdout is None:
        return None
    try:
        if what:
            process.stdin.write(what + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        return None
    return json.loads(line) if line else None


def quality(folder: Path, name: str, data: dict[str, Any]) -> dict[str, Any]:
    """Average precision on dev rows: mean over the seven categories, and of "violent threat or incitement"."""
    import numpy as np
    from sklearn.metrics import average_precision_score

    scores = np.load(folder / f"{name}.npy")
    labels = np.array(data["dev_labels"])[: len(scores)]
    violent = labels[:, 0] | labels[:, 2]
    if scores.ndim == 1:
        return {"macro_ap": None, "violence_ap": float(average_precision_score(violent, scores))}
    single = [float(average_precision_score(labels[:, k], scores[:, k])) for k in range(labels.shape[1])]
    joined = 1 - (1 - scores[:, 0]) * (1 - scores[:, 2])
    return {
        "macro_ap": float(np.mean(single)),
        "category_ap": single,
        "violence_ap": float(average_precision_score(violent, joined)),
    }


def versions() -> dict[str, str]:
    """Versions of what was measured, in both environments."""
    code = (
        "import importlib.metadata as m, json, sys; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    found: dict[str, str] = {}
    for python in (VENV / "bin" / "python", Path(sys.executable)):
        if python.exists():
            listed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
            found.update(json.loads(listed.stdout))
    return {name: found[name] for name in PACKAGES if name in found}


def machine() -> dict[str, Any]:
    """What the figures depend on; nothing that names the host."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "commit": subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
    }


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    ours = result["peers"]["tsclassify"]
    lines = [
        "| scorer | posts/s | slower by | first pass | slower by | one text | macro AP | violence AP |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, title in TITLES.items():
        peer = result["peers"].get(name)
        if peer is None or "error" in peer:
            reason = peer["error"] if peer else "not asked for"
            lines.append(f"| {title} | {reason} | | | | | | |")
            continue
        macro = "n/a" if peer["macro_ap"] is None else f"{peer['macro_ap']:.3f}"
        lines.append(
            f"| {title} | {peer['posts_per_s']:,.0f} | {ours['posts_per_s'] / peer['posts_per_s']:,.1f}x "
            f"| {peer['first_per_s']:,.0f} | {ours['first_per_s'] / peer['first_per_s']:,.1f}x "
            f"| {peer['one_s'] * 1e6:,.0f} µs | {macro} | {peer['violence_ap']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def plot(result: dict[str, Any], path: Path) -> None:
    """Throughput (log scale) against average precision of violence."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.transforms import Bbox

    figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    shown = {name: peer for name, peer in result["peers"].items() if "error" not in peer}
    for name, peer in shown.items():
        ours = name == "tsclassify"
        axes.scatter(peer["posts_per_s"], peer["violence_ap"], s=80 if ours else 40, color="C3" if ours else "C0")
    axes.set_xscale("log")
    axes.set_xlim(5, 3_000_000)
    axes.margins(y=0.12)
    axes.set_xlabel("posts per second on one core (log scale)")
    axes.set_ylabel("average precision, threat or incitement, dev rows")
    axes.grid(alpha=0.3)
    figure.draw_without_rendering()
    points = axes.transData.transform([(peer["posts_per_s"], peer["violence_ap"]) for peer in shown.values()])
    placed: list[Any] = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in points]
    for name, peer in sorted(shown.items(), key=lambda one: -one[1]["posts_per_s"]):
        # The first of four places in which a label covers no point and no label before it.
        for x, y, side in ((6, 5, "left"), (6, -13, "left"), (-6, 5, "right"), (-6, -13, "right")):
            label = axes.annotate(
                name,
                (peer["posts_per_s"], peer["violence_ap"]),
                (x, y),
                textcoords="offset points",
                ha=side,
                fontsize=9,
            )
            box = label.get_window_extent(figure.canvas.get_renderer())
            if not any(box.overlaps(other) for other in placed):
                break
            label.remove()
        placed.append(box)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def measure(names: list[str], data: dict[str, Any], rounds: int, core: int) -> dict[str, Any]:
    """Prepare each peer, then time all of them round by round."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
        peers: dict[str, Any] = {}
        running: dict[str, subprocess.Popen[str]] = {}
        for name in names:
            process = start(name, folder, core)
            ready = ask(process, "")
            if ready is None:
                tail = (folder / f"{name}.log").read_text(errors="replace").strip().splitlines()[-1:]
                peers[name] = {"error": f"could not run ({tail[0].split(':')[0][:60] if tail else 'no reason given'})"}
            else:
                peers[name] = {**ready, "rounds": [], "ones": []}
                running[name] = process
            print(name, "ready" if ready else peers[name]["error"], flush=True)
        for number in range(rounds):
            # Another order each round.
            order = list(running)[number % len(running) :] + list(running)[: number % len(running)]
            for name in order:
                peers[name]["rounds"].append(ask(running[name], "many"))
                peers[name]["ones"].append((ask(running[name], "one") or {})["one"])
            print(f"round {number + 1} of {rounds}", flush=True)
        for name, process in running.items():
            process.communicate("")
            peer = peers[name]
            peer["posts_per_s"] = peer["n_texts"] / statistics.median(one["cpu"] for one in peer["rounds"])
            peer["first_per_s"] = peer["n_texts"] / peer["first_s"]
            peer["one_s"] = statistics.median(peer["ones"])
            peer.update(quality(folder, name, data))
    return peers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--posts", type=int, default=100_000, help="posts to time (fewer for slow peers)")
    parser.add_argument("--train", type=int, default=None, help="at most so many training rows, for a trial")
    parser.add_argument("--peers", nargs="*", default=list(TITLES), choices=list(TITLES))
    parser.add_argument("--machine", default=platform.machine() + f"-{os.cpu_count()}cores", help="name in the folder")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--install", action="store_true", help="make .bench-venv first")
    arguments = parser.parse_args()
    if arguments.install or not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        for line in Path(__file__).with_name("requirements.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                # One by one: a peer that cannot be installed must not keep the others out.
                subprocess.run([VENV / "bin" / "pip", "install", "-q", line], check=False)
    data = gather(arguments.posts, arguments.train)
    size = sum(len(text.encode()) for text in data["speed"]) / len(data["speed"])
    result: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "n_train": len(data["train"]),
        "n_dev": len(data["dev"]),
        "mean_bytes": size,
        "peers": measure(arguments.peers, data, arguments.rounds, arguments.core),
    }
    folder = ROOT / "benchmarks" / "runs" / f"{result['date']}-{arguments.machine}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(table(result), encoding="utf-8")
    plot(result, folder / "plot.png")
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
