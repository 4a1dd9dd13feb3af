"""From a file of posts to a reviewed platform, by the commands that a user types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tsclassify.cli import main
from tsclassify.resources import shipped

POSTS = shipped("seeds", "posts.jsonl")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("path") / "scored.jsonl"
    assert main(["score", str(POSTS), "-o", str(out), "--policy", "hosting-provider"]) == 0
    return out


def test_scored_posts_are_recorded_once_and_the_chain_holds(scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = str(scored.parent / "ledger.db")
    arguments = ["ledger", "record", ledger, str(scored), "--policy", "hosting-provider"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("120 recorded, 0 already there")
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("0 recorded, 120 already there")
    assert main(["ledger", "verify", ledger]) == 0
    tenant = json.loads(POSTS.read_text(encoding="utf-8").splitlines()[0])["tenant"]
    review = ["review", ledger, "--tenant", tenant, "--policy", "hosting-provider", "--as-of", "2021-01-11"]
    assert main(review) == 0
    assert "undetermined" in capsys.readouterr().out


def test_posts_without_a_policy_are_refused_with_their_line(scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "record", str(scored.parent / "other.db"), str(scored)]) == 1
    assert "scored.jsonl:1: post must be decided to be recorded, got no policy" in capsys.readouterr().err


def test_the_file_and_the_library_decide_alike(scored: Path) -> None:
    import tsclassify as ts

    items = [json.loads(line) for line in POSTS.read_text(encoding="utf-8").splitlines()]
    decisions = ts.load().decide_many(items, ts.Policy.load("hosting-provider"))
    written = [json.loads(line)["tsclassify"] for line in scored.read_text(encoding="utf-8").splitlines()]
    assert [decision.tier for decision in decisions] == [line["tier"] for line in written]
    assert [decision.review for decision in decisions] == [line["review"] for line in written]
    for decision, line in zip(decisions, written, strict=True):
        for category, score in decision.scores.items():
            assert line["scores"][category] == pytest.approx(score, abs=1e-6)


def test_the_demo_prints_a_decision_with_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    shown = capsys.readouterr().out
    assert "120 posts by hosting-provider" in shown
    assert "Why p0" in shown
