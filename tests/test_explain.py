"""Explanations add up, on text as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tsclassify as ts
from tsclassify.data import annotated_rows, written_rows
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


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200b", "...", "😀"])
def test_an_empty_post_has_an_explanation(text: str) -> None:
    assert_adds_up(text, ts.load().explain(text, "abuse"))
