"""Explanations add up, on text as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tsclassify as ts
from tsclassify.data import annotated_rows, written_rows
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


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200b", "...", "😀"])
def test_an_empty_post_has_an_explanation(text: str) -> None:
    assert_adds_up(text, ts.load().explain(text, "abuse"))
