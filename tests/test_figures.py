"""Figures in README, docs and the model card come from stored runs and the bundle, never from a keyboard."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tsclassify.model.bundle import read_bundle
from tsclassify.resources import shipped

ROOT = Path(__file__).resolve().parent.parent


def check(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "docs/generate.py", "--check"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_pages_are_what_the_stored_runs_say() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    before = [page.stat().st_mtime_ns for page in pages]
    done = check(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [page.stat().st_mtime_ns for page in pages] == before


def test_a_figure_changed_by_hand_is_noticed(tmp_path: Path) -> None:
    for folder in ("docs", "benchmarks", "tsclassify"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    macro = next(line for line in text.splitlines() if line.startswith("| macro |"))
    (tmp_path / "README.md").write_text(text.replace(macro, macro.replace("0.", "9.", 1)), encoding="utf-8")
    done = check(tmp_path)
    assert done.returncode == 1
    assert "README.md" in done.stdout


def test_the_card_is_what_the_bundle_states() -> None:
    from tsclassify.training.card import model_card

    folder = shipped("models", "en-v1")
    model, _ = read_bundle(folder)
    assert (folder / "CARD.md").read_text(encoding="utf-8") == model_card(model)


@pytest.mark.parametrize("category", ["violent_threat", "incitement", "hate"])
def test_the_quality_run_was_made_with_the_shipped_bundle(category: str) -> None:
    model, _ = read_bundle(shipped("models", "en-v1"))
    quality = json.loads((ROOT / "docs" / "figures" / "quality.json").read_text(encoding="utf-8"))
    assert quality["models"]["ours"]["dev"][category] == pytest.approx(model.figures["dev"][category]["ap"], abs=0.005)
