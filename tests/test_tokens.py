"""The token rules as tables, each with its near misses."""

from __future__ import annotations

import pytest

from tsclassify.text import rules
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.normalize import tokenize


def words(text: str, lexicon: Lexicon | None = None) -> list[str]:
    return [token.text for token in tokenize(text, lexicon)]


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("k1ll", "kill"), ("y0u", "you"), ("k!ll", "kill"), ("k1ll3r", "killer"), ("b0mb", "bomb"), ("sh00t", "shoot"),
        ("b1ack", "black"), ("wh1te", "white"), ("ki1l", "kill"), ("d1e", "die"), ("th@t", "that"), ("5ho0t", "shoot"),
        ("he|l", "hell"), ("$tab", "stab"), ("pa$$", "pass"),
    ],
)  # fmt: skip
def test_digits_and_signs_between_letters_fold(written: str, word: str) -> None:
    assert words(written) == [word]


@pytest.mark.parametrize(
    "word",
    [
        "3pm", "mp4", "covid19", "b2b", "h1n1", "ar15s", "ak47", "4th", "5k", "4chan", "f150", "ps5", "s01e05", "r2d2",
        "h2o", "mp3s", "g20", "80s", "2nite", "b4", "x86", "1st",
    ],
)  # fmt: skip
def test_innocent_digits_stay(word: str) -> None:
    assert words(word) == [word]
    assert not tokenize(word)[0].flags & rules.DISGUISED


@pytest.mark.parametrize("number", ["142,460", "7", "3.50", "10:30", "1,2,3"])
def test_numbers_become_one_token(number: str) -> None:
    assert words(number) == ["<num>"]


def test_number_in_the_lexicon_stays_a_word() -> None:
    assert words("1488 1489", Lexicon({"1488": "code"}, {"code": "back"})) == ["1488", "<num>"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("z o r p", ["zorp"]),
        ("z.o.r.p", ["zorp"]),
        ("z-o-r-p now", ["zorp", "now"]),
        ("z_o-r.p", ["zorp"]),
        ("e.g. this", ["e", "g", "this"]),
        ("a, b, c", ["a", "b", "c"]),
        ("z  o  r  p", ["z", "o", "r", "p"]),
        ("I a", ["i", "a"]),
    ],
)
def test_letters_one_sign_apart_join_from_three_on(written: str, expected: list[str]) -> None:
    assert words(written) == expected


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("killlll", "kill"),
        ("dieeee", "die"),
        ("sooooon", "soon"),
        ("pleaaase", "please"),
        ("kill", "kill"),
        ("aa", "aa"),
    ],
)
def test_stretched_letters_shorten(written: str, word: str) -> None:
    assert words(written) == [word]


def test_stars_inside_a_word_stay_and_around_it_go() -> None:
    assert words("*zorp* z**p bl*ck*") == ["zorp", "z**p", "bl*ck"]


def test_possessive_of_a_masked_word_is_the_word() -> None:
    lexicon = Lexicon({"zorp": "name", "dog": "animal"}, {"name": "mask", "animal": "back"})
    assert words("Zorp's dog's zorps", lexicon) == ["zorp", "dogs", "zorps"]


def test_stock_symbols_are_no_disguise() -> None:
    assert words("$ZORP up") == ["zorp", "up"]
    assert not tokenize("$ZORP")[0].flags & rules.DISGUISED


def test_stretch_is_cut_between_code_points() -> None:
    tokens = tokenize("é" * 1000)
    assert tokens
    assert all(set(token.text) == {"e"} for token in tokens)
