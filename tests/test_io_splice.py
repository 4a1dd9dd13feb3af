"""The compiled writer and the plain one give the same bytes, whatever the scores."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from tsclassify.batch.block import splice_block
from tsclassify.batch.plan import Decided, make_plan
from tsclassify.io.blocks import Block
from tsclassify.io.lines import LineScanner

PLAN = make_plan(FakeClassifier(), fake_policy())
LINES = jsonl(posts(30)) + b'{"tsclassify" :  {"old":1} , "text":"a"} \r\n'


def both(decided: Decided, keep: np.ndarray) -> tuple[bytes, bytes]:
    block = Block(LINES, 0, len(LINES), 1, LINES.count(b"\n"))
    plain = LineScanner(PLAN.fields, small_bytes=1 << 30).scan(block)
    compiled = LineScanner(PLAN.fields, small_bytes=0).scan(block)
    return tuple(bytes(splice_block(scanned, decided, keep, PLAN)) for scanned in (plain, compiled))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), edge=st.sampled_from([0.0, 1.0, 0.5, 5e-7, 4.9999e-7, 0.9999995, 1e-30]))
def test_compiled_and_plain_writers_agree(seed: int, edge: float) -> None:
    rng = np.random.default_rng(seed)
    n = LINES.count(b"\n")
    scores = rng.random((n, 7), dtype=np.float32) ** rng.integers(1, 9)
    scores = scores.astype(np.float32)
    scores[rng.random((n, 7)) < 0.2] = edge
    levels = rng.integers(0, 3, (n, 7)).astype(np.int8) * (rng.random((n, 1)) < 0.5)
    decided = Decided(
        scores,
        rng.integers(0, 3, n).astype(np.int8),
        rng.integers(0, 3, n).astype(np.int16),
        rng.random(n) < 0.5,
        levels.astype(np.int8),
        rng.integers(0, 3, (n, 14)).astype(np.int8),
        np.ones(n, bool),
        np.zeros(n, bool),
    ).holding(rng.random(n) < 0.3)
    keep = rng.random(n) < 0.8
    plain, compiled = both(decided, keep)
    assert plain == compiled
    rows = np.flatnonzero(keep)
    for line, row in zip(plain.splitlines(), rows, strict=True):
        result = json.loads(line)["tsclassify"]
        assert result["review"] == bool(decided.reviews[row])
        assert result.get("held") == (True if decided.held[row] else None)
        for k, score in enumerate(result["scores"].values()):
            assert abs(score - float(scores[row, k])) <= 5.1e-7
            assert 0 <= score <= 1


def test_score_equal_to_a_threshold_shows_as_equal() -> None:
    n = LINES.count(b"\n")
    scores = np.full((n, 7), np.float32(0.7))
    decided = Decided(
        scores,
        np.full(n, 2, np.int8),
        np.zeros(n, np.int16),
        np.zeros(n, bool),
        np.zeros((n, 7), np.int8),
        np.ones((n, 14), np.int8),
        np.zeros(n, bool),
        np.zeros(n, bool),
    )
    plain, _ = both(decided, np.ones(n, bool))
    assert b'"hate":0.700000,' in plain
