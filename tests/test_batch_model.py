"""Batch jobs with the shipped model and a shipped policy: the same decisions as one by one, wherever they are made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import tsclassify as ts
from batch_fakes import jsonl, posts
from tsclassify.batch import score_arrow
from tsclassify.errors import BundleError
from tsclassify.resources import shipped


@pytest.fixture(scope="module")
def classifier() -> ts.Classifier:
    try:
        return ts.load()
    except BundleError as error:
        pytest.skip(f"no shipped bundle: {error.message}")


@pytest.fixture(scope="module")
def items() -> list[dict]:
    """Posts written for this project: the example posts, and made-up ones of many shapes."""
    examples = [json.loads(line) for line in shipped("seeds", "posts.jsonl").read_text(encoding="utf-8").splitlines()]
    return examples + posts(300, seed=5) + [{"text": "", "id": "empty"}, {"text": "zorp " * 20_000, "id": "long"}]


@pytest.mark.parametrize("policy", ["hosting-provider", "social-platform", "app-store", "community"])
def test_lines_get_the_decisions_of_decide_many(
    classifier: ts.Classifier, items: list[dict], tmp_path: Path, policy: str
) -> None:
    decided_by = ts.Policy.load(policy)
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl(items))
    for workers, block_bytes in [(1, 1 << 21), (2, 3_000)]:
        out = tmp_path / f"out{workers}.jsonl"
        ts.score_jsonl(source, out, policy=decided_by, model=classifier, workers=workers, block_bytes=block_bytes)
    assert (tmp_path / "out1.jsonl").read_bytes() == (tmp_path / "out2.jsonl").read_bytes()
    lines = [json.loads(line)["tsclassify"] for line in (tmp_path / "out1.jsonl").read_bytes().splitlines()]
    decisions = classifier.decide_many(items, decided_by)
    for result, decision in zip(lines, decisions, strict=True):
        assert (result["tier"], result["review"]) == (decision.tier, decision.review)
        assert result["language"] is {"TRUE": True, "FALSE": False, "UNKNOWN": None}[decision.language.name]
        for name, score in decision.scores.items():
            assert result["scores"][name] == pytest.approx(score, abs=6e-7)


def test_record_batches_get_the_scores_of_lists(classifier: ts.Classifier, items: list[dict]) -> None:
    texts = [item["text"] for item in items]
    batch = pa.RecordBatch.from_pydict({"text": texts})
    found = score_arrow(batch, model=classifier).column("tsclassify").field("scores")
    wanted = classifier.score(texts)
    for name in classifier.categories:
        np.testing.assert_array_equal(found.field(name).to_numpy(), wanted[name])
