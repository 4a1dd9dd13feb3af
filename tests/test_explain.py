"""Explanations add up, on text as people write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tsclassify as ts
from tests.test_features import LEXICON, SPECS
from tsclassify.data import annotated_rows, written_rows
from tsclassify.features.kernel import Scorer
from tsclassify.features.reference import features_of
from tsclassify.features.spec import FeatureSpec
from tsclassify.model.explain import Explainer
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


def test_remembered_words_change_no_bit_of_an_explanation() -> None:
    clf = ts.load()
    warm = Explainer(clf._scorer)
    texts = ["k i l l it it", "\ufb01x \ufb01x it", "a b", *(row.text for row in written_rows(split="dev"))][:150]
    for _ in range(2):
        for number, text in enumerate(texts):
            name = (*CATEGORIES, *SIGNALS)[number % 21]
            cold = Explainer(clf._scorer).account(text)
            account = warm.account(text)
            assert account.pieces(name) == cold.pieces(name)
            assert account.rising(name, 5) == rising_pieces(cold.pieces(name)[1], 5)
    assert warm._runs


@pytest.mark.parametrize("name", [None, *sorted(SPECS)])
def test_words_read_by_themselves_change_no_bit_of_an_explanation(
    name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name is None:
        scorer = ts.load()._scorer
    else:
        spec, rng = SPECS[name], np.random.default_rng(6)
        weights = rng.integers(-127, 128, (spec.n_buckets, 8)).astype(np.int8)
        scorer = Scorer(spec, LEXICON, weights, rng.random(8) / 30, rng.normal(size=8))
    hard = ["k i l l it it", "z0rp zorp Zooorp", "\ufb01x 12 a@b.cd @zorp http://a.b :) 😀", "don't z.o.r.p x", "a b a"]
    one_by_one = Explainer(scorer)
    for text in [*hard, *(row.text for row in written_rows())][:200]:
        account = one_by_one.account(text)
        with monkeypatch.context() as patch:
            patch.setattr("tsclassify.model.explain._NEW_WORDS", 0)
            whole = Explainer(scorer).account(text)
        assert account.pieces("incitement") == whole.pieces("incitement")
        assert account.rising("incitement", 5) == whole.rising("incitement", 5)
    assert one_by_one._runs or not one_by_one._remembers


def assert_remembers_rightly(spec: FeatureSpec) -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 128, (spec.n_buckets, 8)).astype(np.int8)
    scorer = Scorer(spec, LEXICON, weights, rng.random(8) / 30, rng.normal(size=8))
    warm, lane = Explainer(scorer), CATEGORIES.index("incitement")
    texts = ["alice will kill zorp", "zorp kill alice, dont", "k i l l zooorp", *(row.text for row in written_rows())]
    for text in texts[:40] * 2:
        cold = Explainer(scorer).account(text).pieces("incitement")
        assert warm.account(text).pieces("incitement") == cold
        total = sum(feature.value * int(weights[feature.bucket, lane]) for feature in features_of(text, spec, LEXICON))
        total *= float(scorer.parts[0].lanes[0, lane])
        assert abs(sum(piece.contribution for piece in cold[1]) - total) <= 1e-4


@pytest.mark.parametrize("name", sorted(SPECS))
def test_remembered_words_add_up_whatever_the_spec(name: str) -> None:
    assert_remembers_rightly(SPECS[name])


@pytest.mark.parametrize("word_max", [0, 1])
def test_letter_runs_count_even_where_words_have_no_feature_of_their_own(word_max: int) -> None:
    assert_remembers_rightly(FeatureSpec(word_max=word_max, skeletons=1))


def test_words_remembered_are_bounded_even_for_one_long_post(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsclassify.model.explain._WORDS", 20)
    explainer = Explainer(ts.load()._scorer)
    for text in ("one two", " ".join(f"zorp{chr(97 + n)}" for n in range(25)), "blick", *(["three four"] * 2)):
        explainer.account(text)
        assert len(explainer._runs) <= 20
    assert explainer._runs


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200b", "...", "😀"])
def test_an_empty_post_has_an_explanation(text: str) -> None:
    assert_adds_up(text, ts.load().explain(text, "abuse"))
