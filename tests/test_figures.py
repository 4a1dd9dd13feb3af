"""Figures in README, docs and the model card come from stored runs and the bundle, never from a keyboard."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tsclassify.model.bundle import read_bundle
from tsclassify.resources import shipped

ROOT = Path(__file__).resolve().parent.parent


def test_pages_are_what_the_stored_runs_say() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_figure_changed_by_hand_is_noticed(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    macro = next(line for line in before.splitlines() if line.startswith("| macro |"))
    try:
        readme.write_text(before.replace(macro, macro.replace("0.", "9.", 1)), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    finally:
        readme.write_text(before, encoding="utf-8")
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
