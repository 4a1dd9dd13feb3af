"""Write every figure in README and docs from stored runs, so that none is typed by hand.

``python docs/generate.py`` rewrites the pages; ``--check`` writes nothing and exits 1 when a page is stale.
Stored runs: ``docs/figures/*.json`` (quality), ``benchmarks/runs/<date>-<machine>/`` (speed), the bundle's manifest.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)

SCRIPTS = (
    "docs/shown.py",
    "benchmarks/fill_docs.py",
    "benchmarks/model_page.py",
    "docs/commands.py",
    "docs/architecture.py",
)


def readme_block(root: Path) -> str:
    """The figures that README shows: data, quality, speed."""
    manifest = json.loads((root / "models" / "en-v1" / "manifest.json").read_text(encoding="utf-8"))
    quality = json.loads((root / "docs" / "figures" / "quality.json").read_text(encoding="utf-8"))
    models = quality["models"]
    sources = {source["name"] for source in manifest["sources"]} - {"written", "contrasts", "everyday", "composed"}
    n_rows = manifest["figures"]["n_rows"]
    rows = manifest["figures"]["dev"]
    low, high = quality["dev_gain_interval"]
    alarms = quality["false_alarms"]
    lines = [
        f"**On what data.** {n_rows['labelled']:,} labelled posts of {len(sources)} public sources whose licences "
        f"allow it, and of our own; {n_rows['soft']:,} more with a teacher's soft labels, or of everyday sources. "
        "Measured on "
        f"{n_rows['dev']:,} held-out posts of the same sources (dev) and on sources never trained on (eval).",
        "",
        f"**How good.** Average precision. Baseline: scikit-learn TF-IDF + logistic regression on the "
        f"{n_rows['stated']:,} labelled rows that are drawn as the dev rows are; with all rows: on the "
        f"{n_rows['labelled'] - n_rows['stated']:,} added for training too.",
        "",
        "| category | dev positives | tsclassify | baseline | with all rows | eval: tsclassify | eval: baseline |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in (*manifest["categories"], "macro"):
        positives = rows[name]["n_positive"] if name in rows and "n_positive" in rows[name] else ""
        cells = [
            f"{models[model][split][name]:.3f}" if name in models[model][split] else "–"
            for model, split in (
                ("ours", "dev"),
                ("baseline", "dev"),
                ("baseline, all rows", "dev"),
                ("ours", "eval"),
                ("baseline", "eval"),
            )
        ]
        lines.append(f"| {name} | {positives} | {' | '.join(cells)} |")
    lines += [
        "",
        f"The dev gain over the baseline is {models['ours']['dev']['macro'] - models['baseline']['dev']['macro']:+.3f} "
        f"(95 % interval {low:+.3f} to {high:+.3f}). Where `hosting-provider` acts, it does so on "
        f"{alarms['social_sentinel']['share']:.2%} of {alarms['social_sentinel']['n']:,} innocent tweets and "
        f"{alarms['ag_news']['share']:.2%} of {alarms['ag_news']['n']:,} news items, and finds "
        f"{quality['recall_at_act']['incitement']:.0%} of incitement and "
        f"{quality['recall_at_act']['violent_threat']:.0%} of threats on its own; the rest is review, or missed. "
        "[All figures](docs/model.md).",
        "",
    ]
    return "\n".join([*lines, *speed_lines(root)])


def speed_lines(root: Path) -> list[str]:
    """How fast, from the newest stored run."""
    runs = sorted((root / "benchmarks" / "runs").glob("*/result.json"))
    if not runs:
        return []
    table = (runs[-1].parent / "table.md").read_text(encoding="utf-8").strip()
    return [
        "**How fast.** One core, all scorers in turns ([how, and where it is not fast](docs/performance.md)):",
        "",
        table,
        "",
    ]


def pages(root: Path) -> dict[str, str]:
    """Text of every page below `root`, by its path."""
    files = [*root.glob("*.md"), *(root / "docs").glob("*.md")]
    return {file.relative_to(root).as_posix(): file.read_text(encoding="utf-8") for file in sorted(files)}


def write(root: Path) -> None:
    """Write the figures into the pages of the tree at `root`."""
    readme = root / "README.md"
    body = readme_block(root).rstrip() + "\n"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(BLOCK.sub(lambda match: f"{match.group(1)}{body}{match.group(2)}", text), encoding="utf-8")
    for script in SCRIPTS:
        subprocess.run([sys.executable, str(root / script)], cwd=root, check=True)  # noqa: S603


def copy_sources(target: Path) -> None:
    """Copy the pages and what their figures are made from, so that a check writes nothing here."""
    for page in ROOT.glob("*.md"):
        shutil.copy(page, target)
    shutil.copy(ROOT / ".importlinter", target)
    for folder in ("docs", "benchmarks", "tsclassify"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = Path("models", "en-v1", "manifest.json")
    (target / manifest.parent).mkdir(parents=True)
    shutil.copy(ROOT / manifest, target / manifest)


def main(argv: list[str]) -> int:
    before = pages(ROOT)
    if "--check" in argv:
        with tempfile.TemporaryDirectory() as folder:
            copy_sources(Path(folder))
            write(Path(folder))
            after = pages(Path(folder))
    else:
        write(ROOT)
        after = pages(ROOT)
    stale = [name for name in after if before.get(name) != after[name]]
    if stale:
        sys.stdout.write(f"{'stale' if '--check' in argv else 'written'}: {', '.join(stale)}\n")
    return 1 if stale and "--check" in argv else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
