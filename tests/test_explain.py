"""Explanations add up, on text as people write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tsclassify as ts
from tests.test_features import LEXICON, SPECS
from tsclassify.data import annotated_rows, written_rows
from tsclassify.features.scorer import PassageMix, Scorer
from tsclassify.features.spec import FeatureSpec
from tsclassify.features.texts import encode_texts
from tsclassify.model.explain import Attribution
from tsclassify.records import Explanation, Piece, rising_pieces
from tsclassify.taxonomy import CATEGORIES, SIGNALS


def assert_adds_up(text: str, explanation: Explanation) -> None:
    total = explanation.bias + sum(piece.contribution for piece in explanation.pieces)
    assert abs(total - explanation.logit) <= 1e-4, f"{len(text)} characters: {total} is not {explanation.logit}"
    for piece in explanation.pieces:
        assert 0 <= piece.start <= piece.end <= len(text)
        assert text[piece.start : piece.end] == piece.text


def test_explanations_add_up_on_our_own_posts() -> None:
    clf = ts.load()
    for number, row in enumerate(written_rows(split="dev")):
        name = (*CATEGORIES, *SIGNALS)[number % 21]
        assert_adds_up(row.text, clf.explain(row.text, name))


def test_explanations_add_up_on_a_thousand_public_posts(public_data: Path) -> None:
    clf = ts.load()
    rows = list(annotated_rows(root=public_data, use="train", split="dev"))[:1000]
    assert len(rows) == 1000
    for number, row in enumerate(rows):
        name = (*CATEGORIES, *SIGNALS)[number % 21]
        assert_adds_up(row.text, clf.explain(row.text, name))


@pytest.mark.parametrize("name", ["incitement", "joking"])
def test_an_explanation_runs_the_kernel_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clf = ts.load()
    passes: list[int] = []
    run = Scorer._run
    monkeypatch.setattr(Scorer, "_run", lambda *arguments: passes.append(1) or run(*arguments))
    explanation = clf.explain("they said that they will burn it down", name)
    assert len(passes) == 1
    scores = clf.score([explanation.text]) if name in CATEGORIES else clf.signals([explanation.text])
    assert explanation.score == scores[name][0]


def test_words_shown_do_not_overlap_and_all_raise() -> None:
    pieces = (
        Piece("burn the depot", 0, 14, 2.0, "phrase"),
        Piece("burn", 0, 4, 1.5),
        Piece("down", 15, 19, 1.0),
        Piece("please", 20, 26, -3.0),
        Piece("", 0, 0, 9.0, "post"),
    )
    assert [piece.text for piece in rising_pieces(pieces, 5)] == ["burn the depot", "down"]
    assert [piece.text for piece in rising_pieces(pieces, 1)] == ["burn the depot"]


def random_scorer(spec: FeatureSpec) -> Scorer:
    """A scorer of random weights that mixes whole posts and passages; its last head reads passages only."""
    rng = np.random.default_rng(6)
    weights = rng.integers(-127, 128, (spec.n_buckets, 8)).astype(np.int8)
    least = np.array([0, 0, 0, 0, 0, 0, 0, 2.0])
    mix = PassageMix(rng.random(8), rng.random(8), -rng.random(8), rng.normal(size=8), least)
    return Scorer(spec, LEXICON, weights, rng.random(8) / 30, rng.normal(size=8), passages=mix)


HEADS = {name: (0, lane) for lane, name in enumerate(CATEGORIES)}
"""Table and lane of each head of a scorer with categories only."""

HARD = [
    "k i l l it it",
    "z0rp zorp Zooorp",
    "\ufb01x 12 a@b.cd @zorp http://a.b :) 😀",
    "don't z.o.r.p x",
    "a b a",
    "We met at the lake and ate. They should all be zorped in the square. Then we went home and slept well.",
    "zorp " * 100,
]


@pytest.mark.parametrize("name", sorted(SPECS))
def test_shares_add_up_to_the_logit_whatever_the_spec(name: str) -> None:
    scorer = random_scorer(SPECS[name])
    for text in [*HARD, *(row.text for row in written_rows())][:60]:
        data, offsets = encode_texts([text])
        logits = scorer.logits(data, offsets)[0]
        for lane, category in enumerate(CATEGORIES):
            constant, pieces = Attribution(scorer, text, HEADS).pieces(category)
            assert abs(constant + sum(piece.contribution for piece in pieces) - logits[lane]) <= 1e-3
            assert Attribution(scorer, text, HEADS).rising(category, 5) == rising_pieces(pieces, 5)


@pytest.mark.parametrize("word_max", [0, 1])
def test_letter_runs_count_even_where_words_have_no_feature_of_their_own(word_max: int) -> None:
    scorer = random_scorer(FeatureSpec(word_max=word_max, skeletons=1))
    data, offsets = encode_texts(HARD)
    for text, logits in zip(HARD, scorer.logits(data, offsets), strict=True):
        constant, pieces = Attribution(scorer, text, HEADS).pieces("incitement")
        assert abs(constant + sum(piece.contribution for piece in pieces) - logits[2]) <= 1e-3


def test_the_passage_named_holds_the_sentence_that_scores_highest() -> None:
    clf = ts.load()
    sentence = "They should all be hanged in the square."
    text = f"We met at the lake and ate with the whole family. {sentence} Then we all went home and slept well."
    found = clf.explain(text, "incitement")
    words = sentence.rstrip(".")
    assert words in text[found.start : found.end]
    assert found.passage == text[found.start : found.end]
    decision = clf.decide({"id": "1", "text": text}, ts.Policy.load("social-platform"))
    assert all(words in text[f.start : f.end] for f in decision.findings if f.category == "incitement")
    assert "incitement" in {finding.category for finding in decision.findings}


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200b", "...", "😀"])
def test_an_empty_post_has_an_explanation(text: str) -> None:
    assert_adds_up(text, ts.load().explain(text, "abuse"))
