"""A classifier and a policy of the right shape whose answers can be read off the text; no bundle is needed."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import numpy as np

from tsclassify.policy import Policy
from tsclassify.records import ModelInfo, Truth
from tsclassify.taxonomy import CATEGORIES, SIGNALS

WORDS = ("river", "picnic", "zorp", "blick", "garden", "threat", "naïve", "😀", 'say "hi"', "tab\there", "back\\slash")


class FakeClassifier:
    """Scores are hashes of the text's bytes; a text with ``zorp`` reaches high scores."""

    def __init__(self, name: str = "fake") -> None:
        self.info = ModelInfo(
            name=name,
            sha256="f" * 64,
            categories=CATEGORIES,
            signals=SIGNALS,
            priors=dict.fromkeys(CATEGORIES, 0.1),
            operating_points={},
            signal_bands={},
        )

    def measure_utf8(self, data, offsets):
        n = len(offsets) - 1
        scores = np.zeros((n, len(CATEGORIES)), dtype=np.float32)
        language = np.full(n, Truth.TRUE, dtype=np.int8)
        raw = data.tobytes()
        for row in range(n):
            text = raw[offsets[row] : offsets[row + 1]]
            seed = zlib.crc32(text)
            scores[row] = [((seed >> (3 * k)) & 0xFF) / 1024 for k in range(len(CATEGORIES))]
            if b"zorp" in text:
                scores[row, seed % len(CATEGORIES)] = 0.5 + (seed & 0xFF) / 512
            if b"blick" in text:
                language[row] = Truth.UNKNOWN
        return scores, language

    def signal_states_utf8(self, data, offsets, rows):
        n = len(offsets) - 1
        states = {name: np.full(n, Truth.UNKNOWN, dtype=np.int8) for name in SIGNALS}
        for k, name in enumerate(SIGNALS):
            for row in rows.tolist():
                states[name][row] = zlib.crc32(data[offsets[row] : offsets[row + 1]].tobytes(), k) % 3
        return states


_POLICY = {
    "policy": "fake-policy",
    "version": "1.0.0",
    "kind": "platform",
    "effective": {"from": "2024-01-01"},
    "source": {"title": "t", "clause": "c", "url": "https://example.org", "date": "2024-01-01"},
    "clauses": {"R.1": "no zorp"},
    "languages": {"tested": ["en"], "otherwise": "score", "undetermined": "score"},
    "categories": {name: {"review": 0.5, "act": 0.7, "clause": "R.1"} for name in CATEGORIES},
    "tiers": [{"id": "violation", "when": {"act": list(CATEGORIES)}, "do": ["hide"]}],
    "actions": {"hide": {"scope": "item", "says": "we hide the post"}},
}


def fake_policy(**keys: object) -> Policy:
    """Acts from 0.7, reviews from 0.5; one tier. Further keys of a policy may be given."""
    return replace(Policy.parse(json.dumps(_POLICY | keys)), sha256="a" * 64)


def posts(n: int, seed: int = 0) -> list[dict]:
    """Posts that we write, of many sizes and with characters that need escapes."""
    rng = np.random.default_rng(seed)
    made = []
    for row in range(n):
        words = [WORDS[k] for k in rng.integers(0, len(WORDS), rng.integers(1, 30))]
        post = {
            "id": f"p{row}",
            "actor": f"u{row % 97}",
            "text": " ".join(words),
            "n": row / 7,
            "tags": ["a", "b"],
            "deep": {"b": [row]},
        }
        made.append(post)
    return made


def jsonl(items: list[dict], *, ascii_only: bool = False) -> bytes:
    return b"".join(json.dumps(item, ensure_ascii=ascii_only).encode() + b"\n" for item in items)


class QuickClassifier(FakeClassifier):
    """Scores from a text's length and first byte, in a few vector operations: for jobs of a million lines."""

    def measure_utf8(self, data, offsets):
        n = len(offsets) - 1
        first = np.zeros(n, dtype=np.int64)
        lengths = np.diff(offsets)
        first[lengths > 0] = data[offsets[:-1][lengths > 0]]
        seeds = (lengths * 2654435761 + first * 40503)[:, None] >> (3 * np.arange(len(CATEGORIES)))
        return ((seeds & 0xFF) / 300).astype(np.float32), np.full(n, Truth.TRUE, dtype=np.int8)

    def signal_states_utf8(self, data, offsets, rows):
        column = np.full(len(offsets) - 1, Truth.UNKNOWN, dtype=np.int8)
        column[rows] = (offsets[rows + 1] - offsets[rows]) % 3
        return {name: column.copy() for name in SIGNALS}


def run_job(source: str, out: str, workers: int) -> None:
    """One resumable job in a process of its own; see test_batch_kill."""
    from tsclassify.batch import score_jsonl

    score_jsonl(source, out, policy=fake_policy(), model=QuickClassifier(), workers=workers, resume=True, keep_job=True)
