"""Tables of docs/scaling.md and docs/security.md from stored runs: engines, cost of a day, long runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["scaling_parts"]

DAYS = (10_000_000, 1_000_000_000, 100_000_000_000)
LINK_BYTES_S = 10e9 / 8
DISK_BYTES_S = 500e6
MOST_GROWTH = 1.05


def scaling_parts(folder: Path) -> dict[str, str]:
    """Name of the comment to Markdown, for what a run's folder holds."""
    engines = {file.stem.removeprefix("engines-"): _read(file) for file in sorted(folder.glob("engines-*.json"))}
    parts = {"endurance": _endurance(folder), "fuzz": _fuzz(folder.parent)}
    if engines:
        parts["engines"] = _engines(engines)
        parts["cost"] = _cost(next(iter(engines.values())), folder)
    return {name: text for name, text in parts.items() if text}


def _read(file: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _engines(engines: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, run in engines.items():
        compared = ["bytes of the file"] if run["same_bytes_in"] and run["same_bytes_large"] else []
        compared += [] if run["fields_that_differ"] else ["every field of every row"]
        for label, speed in (("local job", run["local"]), (name.capitalize(), run["through_engine"])):
            rows.append(
                [
                    f"{label}, {run['cores']} cores"
                    + (f" (beside {name.capitalize()})" if label == "local job" else ""),
                    f"{speed['posts_per_second']:,}",
                    f"{speed['posts_per_cpu_second']:,}",
                    ("same " + ", ".join(compared) if compared else "differs") if label != "local job" else "",
                    run["commit"][:7],
                ]
            )
    one = next(iter(engines.values()))
    return (
        _table(["run", "posts/s", "posts per processor second", "beside the local output", "commit"], rows)
        + f"\n{one['lines']:,} public posts of {one['bytes_a_line']} bytes a line, decided by `{one['policy']}`; "
        "start-up of engine and workers is not counted. The machine was shared with other work, which wall time feels "
        "and processor time does not.\n"
    )


def _cost(run: dict[str, Any], folder: Path) -> str:
    rate = run["local"]["posts_per_cpu_second"]
    read, written = run["bytes_a_line"], run["bytes_a_result"]
    flagged = 1 - run["tiers"]["none"] / sum(run["tiers"].values())
    ledger = 0
    for line in (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines():
        figures = json.loads(line)
        if figures["figure"] == "record_many":
            ledger = max(ledger, figures["per_s_cpu"])
    rows = [
        [
            f"{n:,}",
            f"{n / 86_400 / rate:.2g}",
            _bytes(n * read),
            _bytes(n * written),
            _bytes(n * written * flagged),
            f"{n * flagged / 86_400:,.0f}",
            f"{n * flagged / 86_400 / ledger:.2g}",
        ]
        for n in DAYS
    ]
    head = ["posts a day", "cores", "bytes read", "bytes written", "of that with a tier"]
    table = _table([*head, "recorded a second", "cores to record"], rows)
    return table + (
        f"\nFrom {rate:,} posts per processor second, {read} bytes read and {written} written a post, {flagged:.1%} of "
        "posts with a tier other than `none` (public posts picked for being offensive: a platform's stream has fewer), "
        f"and {ledger:,} decisions recorded per processor second by one ledger. One core reads "
        f"{rate * read / 1e6:.0f} MB/s and writes {rate * written / 1e6:.0f} MB/s: {LINK_BYTES_S / rate / written:.0f} "
        f"cores fill a line of 10 Gbit/s, {DISK_BYTES_S / rate / written:.0f} a disk that takes 500 MB/s.\n"
    )


def _bytes(n: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} B"


def _endurance(folder: Path) -> str:
    rows = []
    kills, batch = (folder / name for name in ("kills.json", "soak-batch.json"))
    if kills.exists():
        run = _read(kills)
        what = f"{run['hits']} kills (SIGKILL) of jobs of {run['lines']:,} lines, each gone on with `--resume`"
        rows.append(
            [what, f"{run['comparisons']} outputs, all byte-identical to an uninterrupted one", run["commit"][:7]]
        )
    if batch.exists():
        run = _read(batch)
        memory = run["workers_2"]["memory"]["quarters_mb"]
        what = f"{run['lines']:,} posts in one job on two threads, then on one"
        same = "the same bytes" if run["same_bytes"] else "OTHER BYTES"
        rows.append([what, f"{same}; memory by quarters {_quarters(memory)} MB", run["commit"][:7]])
    for threads in sorted(folder.glob("soak-concurrent*.json")):
        run = _read(threads)
        n, memory = sum(run["calls"].values()), run["memory"]
        what = f"{run['minutes_running']:.0f} minutes of {run['threads']} threads on one classifier, {n:,} calls"
        told = "each result that of one thread" if not run["faults"] else "FAULTS"
        grew = " (grew by more than 5 %)" if memory.get("last_over_second", 1.0) > MOST_GROWTH else ""
        rows.append(
            [what, f"{told}; memory by quarters {_quarters(memory['quarters_mb'])} MB{grew}", run["commit"][:7]]
        )
    return _table(["what was done", "what came of it", "commit"], rows) if rows else "No long run is stored yet."


def _quarters(memory: list[float]) -> str:
    return ", ".join(f"{mb:.0f}" for mb in memory)


def _fuzz(runs: Path) -> str:
    """The newest line of each target, as ``python -m tests.fuzz`` prints it: name, cases, and the rest."""
    rows: dict[str, list[str]] = {}
    for file in sorted(runs.glob("*/fuzz.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition(": ")
            cases, _, rest = rest.partition(" cases, ")
            rows[name] = [f"`{name}`", cases, rest, file.parent.name[:10]]
    return _table(["target", "cases", "how", "run"], list(rows.values())) if rows else "No long run is stored yet."
