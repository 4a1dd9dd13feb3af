"""Lists written by hand: well formed, and nothing of a test list in what a model is trained on."""

from __future__ import annotations

import json
import re
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
# The everyday suite: the fewest posts of each part, by the start of their kind.
_SUITE_PARTS = {"innocent": 640, "plain": 130, "veiled": 60, "long post": 70}
_EXPECTED = {"innocent": {"none", "no_act"}, "plain": {"looked", "acts"}, "veiled": {"looked"}, "long post": {"looked"}}
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


def _suite() -> list[dict[str, str]]:
    return _rows(_SEEDS / "suites" / "everyday.tsv")


def _part(row: dict[str, str]) -> str:
    start, colon, _ = row["kind"].partition(":")
    return start if colon else "innocent"


def _runs(text: str, n_words: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", _key(text.replace("\\n", " ")))
    return {tuple(words[at : at + n_words]) for at in range(len(words) - n_words + 1)}


def test_the_everyday_suite_is_well_formed() -> None:
    rows = _suite()
    assert list(rows[0]) == ["kind", "expected", "text"]
    parts = Counter(_part(row) for row in rows)
    assert parts.keys() == _SUITE_PARTS.keys()
    assert [part for part, at_least in _SUITE_PARTS.items() if parts[part] < at_least] == []
    assert [row for row in rows if row["expected"] not in _EXPECTED[_part(row)]] == []
    assert [row for row in rows if any(value != value.strip() or not value for value in row.values())] == []
    assert [text for text, count in Counter(_key(row["text"]) for row in rows).items() if count > 1] == []


def test_long_posts_of_the_everyday_suite_have_60_to_200_words() -> None:
    long = [row["text"].replace("\\n", " ") for row in _suite() if row["kind"].startswith("long ")]
    assert [text for text in long if not 60 <= len(text.split()) <= 200] == []


def test_the_everyday_suite_is_not_in_what_a_model_is_trained_on() -> None:
    trained: set[str] = set()
    runs: set[tuple[str, ...]] = set()
    paths = [_SEEDS / name for name in _SEED_ROWS] + sorted(_LANGUAGE.glob("*train*"))
    for path in filter(Path.exists, paths):
        for text in _keys(path):
            trained.add(text)
            runs |= _runs(text, 10)
    assert runs, "the seeds hold no posts"
    suite = [row["text"] for row in _suite()]
    assert [text for text in suite if _key(text.replace("\\n", "\n")) in trained] == []
    assert [text for text in suite if _runs(text, 10) & runs] == []


def test_counts_of_the_everyday_suite_in_the_docs_are_true() -> None:
    page = (_SEEDS.parent / "docs" / "data.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("| `seeds/suites/everyday.tsv`"))
    parts = Counter(_part(row) for row in _suite())
    counts = [f"{parts.total():,} posts", f"{parts['innocent']} innocent", f"{parts['plain']} plain"]
    counts += [f"{parts['veiled']} veiled", f"{parts['long post']} plain ones inside"]
    assert [count for count in counts if count not in line] == []
