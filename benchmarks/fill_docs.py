"""Copy the tables of the newest stored run into the pages that show them, between their ``bench:`` comments."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from scaling_page import scaling_parts

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/performance.md", "docs/scaling.md", "docs/security.md", "README.md")


def newest() -> Path:
    """The stored run with the latest date."""
    return sorted(path.parent for path in (ROOT / "benchmarks" / "runs").glob("*/result.json"))[-1]


def parts_of(folder: Path) -> dict[str, str]:
    """What can be shown: name of the comment to Markdown."""
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    limits = folder / "limits.md"
    plot = f"benchmarks/runs/{folder.name}/plot.png"
    return {
        "table": (folder / "table.md").read_text(encoding="utf-8"),
        "machine": (
            f"{result['date']}: one core of {machine['cpu']}, Python {machine['python']}, "
            f"commit {machine['commit'][:7]}; {result['n_train']:,} training rows, {result['n_dev']:,} dev rows, "
            f"posts of {result['mean_bytes']:.0f} bytes on average. {versions}.\n"
        ),
        "limits": limits.read_text(encoding="utf-8") if limits.exists() else "",
        "plot": f"![Throughput against average precision](../{plot})\n",
        "batch": batch(folder / "batch.json"),
        **measured_in_training(),
        **scaling_parts(folder),
    }


def batch(file: Path) -> str:
    """JSONL to JSONL with decisions, as ``benchmarks/batch.py`` measured it."""
    report = json.loads(file.read_text(encoding="utf-8"))["report"]
    lines = ["| JSONL to JSONL, decided | posts/s | posts/CPU-s | peak MB |", "| --- | ---: | ---: | ---: |"]
    for name in ("1 core", "2 cores"):
        row = report[name]
        lines.append(f"| {name} | {row['posts_per_second']:,} | {row['posts_per_cpu_second']:,} | {row['peak_mb']:,} |")
    ten = report["ten lines, median seconds"]
    return "\n".join([*lines, "", f"A process that scores ten lines takes {ten:.2f} s, start included.", ""])


def measured_in_training() -> dict[str, str]:
    """Tables of the document scaling and of the size of the weight table, from ``docs/figures``."""
    parts = {}
    ablation = json.loads((ROOT / "docs" / "figures" / "ablation.json").read_text(encoding="utf-8"))
    lines = ["| features and scaling | macro AP, held-out fifth |", "| --- | ---: |"]
    lines += [f"| {row['what']} | {row['cv']:.3f} |" for row in ablation if row["group"].startswith("scaling")]
    parts["scaling"] = "\n".join(lines) + "\n"
    file = ROOT / "docs" / "figures" / "table_size.json"
    if file.exists():
        figures = json.loads(file.read_text(encoding="utf-8"))
        kinds = [kind for kind in ("float", "int8", "int8, clipped", "4 bits", "4 bits, clipped") if "fit" in figures]
        lines = [f"| {' | '.join(['buckets', *kinds, 'kernel time'])} |", "| --- |" + " ---: |" * (len(kinds) + 1)]
        measured = {row["bits"]: row for row in figures.get("fit", [])}
        for bits, took in figures["speed"].items():
            cells = [f"{measured[int(bits)][kind]:.4f}" for kind in kinds]
            lines.append(f"| {' | '.join([f'2^{bits}', *cells, f'{took:.2f}x'])} |")
        parts["table_size"] = "\n".join(lines) + "\n"
    return parts


def main() -> int:
    parts = parts_of(newest())
    for name in PAGES:
        page = ROOT / name
        text = page.read_text(encoding="utf-8")
        for part, markdown in parts.items():
            shown = markdown.replace("../benchmarks", "benchmarks") if "/" not in name else markdown
            text = re.sub(
                rf"(<!-- bench:{part} -->\n).*?(<!-- /bench:{part} -->)",
                lambda found, shown=shown: f"{found[1]}{shown}{found[2]}",
                text,
                flags=re.DOTALL,
            )
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
