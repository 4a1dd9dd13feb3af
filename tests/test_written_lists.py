"""Lists written by hand: well formed, and nothing of a test list in what a model is trained on."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from tsclassify.data import exclusion_key

_SEEDS = Path(__file__).resolve().parents[1] / "seeds"
_LANGUAGE = _SEEDS / "language"
# Columns and the fewest rows of each list.
_LISTS = {
    "foreign_threats_train.tsv": (("lang", "text"), 650),
    "foreign_threats_heldout.tsv": (("lang", "text"), 300),
    "codeswitch_heldout.tsv": (("lang", "text"), 150),
    "english_names_train.tsv": (("text", "kind"), 300),
    "english_names_heldout.tsv": (("text", "kind"), 200),
}
_SEED_ROWS = ("everyday.jsonl", "written.jsonl", "contrasts.jsonl")
# Scripts that set no blanks between words: a threat of two or three words is one of at most eight characters.
_NO_BLANKS = ("zh", "ja")


def _rows(path: Path) -> list[dict[str, str]]:
    header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    columns = header.split("\t")
    rows = [line.split("\t") for line in lines]
    assert [row for row in rows if len(row) != len(columns)] == []
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _key(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _keys(path: Path) -> list[str]:
    if path.suffix == ".jsonl":
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_key(json.loads(line)["text"]) for line in lines]
    return [_key(row["text"]) for row in _rows(path)]


def _are_few_words(row: dict[str, str]) -> bool:
    if row["lang"] in _NO_BLANKS:
        return len(row["text"]) <= 8
    return 2 <= len(row["text"].split()) <= 3


@pytest.mark.parametrize("name", sorted(_LISTS))
def test_a_list_for_the_language_check_is_well_formed(name: str) -> None:
    columns, at_least = _LISTS[name]
    rows = _rows(_LANGUAGE / name)
    assert tuple(rows[0]) == columns
    assert len(rows) >= at_least
    assert [row for row in rows if any(value != value.strip() or not value for value in row.values())] == []
    repeated = [text for text, count in Counter(_keys(_LANGUAGE / name)).items() if count > 1]
    assert repeated == []


def test_no_post_is_in_two_lists_for_the_language_check() -> None:
    keys = {name: set(_keys(_LANGUAGE / name)) for name in (*_LISTS, "train.jsonl", "heldout.jsonl")}
    shared = {(one, other): keys[one] & keys[other] for one, other in combinations(keys, 2)}
    assert {pair: texts for pair, texts in shared.items() if texts} == {}


def test_each_language_has_enough_threats_to_train_and_to_test() -> None:
    train = Counter(row["lang"] for row in _rows(_LANGUAGE / "foreign_threats_train.tsv"))
    heldout = _rows(_LANGUAGE / "foreign_threats_heldout.tsv")
    native = {lang for lang in train if not lang.endswith("_latn")}
    assert len(native) >= 22
    assert [lang for lang in train if train[lang] < (25 if lang in native else 10)] == []
    assert Counter(row["lang"] for row in heldout).keys() == train.keys()
    assert min(Counter(row["lang"] for row in heldout).values()) >= 12
    short = Counter(row["lang"] for row in heldout if _are_few_words(row))
    assert [lang for lang in native if short[lang] < 6] == []


def test_no_list_repeats_a_post_that_other_heads_are_trained_on() -> None:
    trained = {key for name in _SEED_ROWS if (_SEEDS / name).exists() for key in _keys(_SEEDS / name)}
    assert trained, "the seeds hold no posts"
    repeated = {name: trained & set(_keys(_LANGUAGE / name)) for name in _LISTS}
    assert {name: texts for name, texts in repeated.items() if texts} == {}


def test_no_list_to_train_on_holds_a_text_that_measures_models_elsewhere() -> None:
    excluded = set((_SEEDS / "labels" / "exclude.txt").read_text(encoding="utf-8").split())
    for name in ("foreign_threats_train.tsv", "english_names_train.tsv"):
        texts = [row["text"] for row in _rows(_LANGUAGE / name)]
        assert [text for text in texts if exclusion_key(text) in excluded] == []
