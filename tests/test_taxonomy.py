"""The taxonomy in code, the example posts, and the crosswalks to other taxonomies."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsclassify.crosswalk import RELATIONS, check_table, crosswalk_names, load_crosswalk
from tsclassify.data import corpus, raw
from tsclassify.errors import InputError
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES, SIGNALS, VIOLENCE, parse_code

_CATS = st.one_of(st.just("N"), st.text("TIWGHA", min_size=1, max_size=4))
_ATTR = st.one_of(st.just("-"), st.text("pgfu123sicv", min_size=1, max_size=5))
_CTX = st.one_of(st.just("-"), st.text("rdjflx", min_size=1, max_size=3))


def _named(code: str) -> set[str]:
    categories, signals = parse_code(code)
    return {name for name, on in zip((*CATEGORIES, *SIGNALS), (*categories, *signals), strict=True) if on}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("N/-/-", set()),
        ("T/p3/-", {"violent_threat", "target_person", "severe"}),
        ("T/f2v/-", {"violent_threat", "facility_threat", "target_facility", "veiled"}),
        ("I/f3si/-", {"incitement", "facility_threat", "target_facility", "severe", "specific", "imminent"}),
        ("W/f3/-", {"harm_wish", "target_facility", "severe"}),
        ("G/f3/-", {"glorification", "target_facility", "severe"}),
        ("IH/g3/-", {"incitement", "hate", "target_group", "severe"}),
        ("T/p2c/j", {"violent_threat", "target_person", "conditional", "joking"}),
        ("A/-/-", {"abuse"}),
        ("N/-/f", {"fictional"}),
        ("N/-/rd", {"reported", "condemned"}),
        ("N/-/l", {"lawful"}),
        ("N/-/x", {"self_directed"}),
        ("T/u1/-", {"violent_threat"}),
    ],
)
def test_code_turns_into_these_columns(code: str, expected: set[str]) -> None:
    assert _named(code) == expected


def test_f_is_a_facility_as_attribute_and_fiction_as_context() -> None:
    assert _named("T/f1/f") == {"violent_threat", "facility_threat", "target_facility", "fictional"}


@pytest.mark.parametrize("code", ["", "T", "T/p3", "T/p3/-/-", "/p3/-", "X/-/-", "TN/-/-", "N/q/-", "N/-/z", "t/-/-"])
def test_broken_code_is_refused(code: str) -> None:
    with pytest.raises(InputError, match="annotation code"):
        parse_code(code)


@given(_CATS, _ATTR, _CTX)
def test_facility_threat_is_a_threat_or_call_with_a_facility_as_target(cats: str, attr: str, ctx: str) -> None:
    named = _named(f"{cats}/{attr}/{ctx}")
    assert ("facility_threat" in named) == (bool(set(cats) & set("TI")) and "f" in attr)


@given(_CATS, _ATTR, _CTX)
def test_order_and_repetition_of_letters_do_not_matter(cats: str, attr: str, ctx: str) -> None:
    twice = attr if attr == "-" else attr[::-1] * 2
    assert _named(f"{cats}/{attr}/{ctx}") == _named(f"{cats[::-1]}/{twice}/{ctx[::-1]}")


def test_column_names_are_unique_and_violence_comes_first() -> None:
    assert len({*CATEGORIES, *SIGNALS}) == len(CATEGORIES) + len(SIGNALS) == 21
    assert CATEGORIES[:5] == VIOLENCE
    assert not {"hate", "abuse"} & set(VIOLENCE)


def test_every_category_and_signal_occurs_in_both_splits_of_the_labels() -> None:
    for split in ("train", "dev"):
        counts: Counter[str] = Counter()
        for label in corpus.labels():
            if label.split == split:
                counts.update(_named(label.code))
        assert set(counts) == {*CATEGORIES, *SIGNALS}


# --- example posts


def _example_posts() -> tuple[list[dict[str, str]], dict[str, str]]:
    def read(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in shipped("seeds", name).read_text(encoding="utf-8").splitlines()]

    return read("posts.jsonl"), {row["id"]: row["code"] for row in read("posts.gold.jsonl")}


def test_example_posts_have_one_gold_code_each_and_most_are_innocent() -> None:
    posts, gold = _example_posts()
    assert [post["id"] for post in posts] == list(gold)
    assert len({post["text"] for post in posts}) == len(posts) == 120
    n_violent = sum(bool(_named(code) & set(VIOLENCE)) for code in gold.values())
    assert 25 <= n_violent <= 45
    assert sum("facility_threat" in _named(code) for code in gold.values()) >= 10
    assert sum(code == "N/-/-" for code in gold.values()) >= 40


def test_example_posts_carry_actor_tenant_and_an_aware_time_in_order() -> None:
    posts, _ = _example_posts()
    times = [dt.datetime.fromisoformat(post["at"]) for post in posts]
    assert all(time.tzinfo is not None for time in times)
    assert times == sorted(times)
    assert all(set(post) - {"surface"} == {"id", "text", "actor", "tenant", "at"} for post in posts)


def test_example_posts_are_not_in_the_training_data() -> None:
    posts, _ = _example_posts()
    hashes = {raw.text_sha256(raw.normalize_space(post["text"])) for post in posts}
    assert not hashes & ({label.sha256 for label in corpus.labels()} | {row.sha256 for row in corpus.written_rows()})


# --- crosswalks


def test_the_six_crosswalks_are_shipped() -> None:
    assert crosswalk_names() == (
        "azure-content-safety",
        "eu-dsa",
        "jigsaw",
        "mlcommons-hazards",
        "openai-moderation",
        "perspective",
    )


@pytest.mark.parametrize("name", crosswalk_names())
def test_crosswalk_covers_every_category_and_states_its_version(name: str) -> None:
    table = load_crosswalk(name)
    assert table.taxonomy == name
    assert table.version
    assert table.source.startswith("https://")
    for category in CATEGORIES:
        rows = table.theirs(category)
        assert rows
        assert len([row for row in rows if row.relation == "exact"]) <= 1
    assert {row.relation for row in table.entries} <= set(RELATIONS)
    assert table.ours(table.entries[0].theirs)
    assert table.ours("no such category") == ()


def test_threats_are_filed_under_non_violent_crimes_by_mlcommons() -> None:
    rows = {row.theirs: row.relation for row in load_crosswalk("mlcommons-hazards").theirs("violent_threat")}
    assert rows == {"non_violent_crimes": "broader", "violent_crimes": "none"}


def test_no_dsa_keyword_of_violence_fits_a_threat_to_one_person() -> None:
    rows = load_crosswalk("eu-dsa").theirs("violent_threat")
    assert not [row for row in rows if row.theirs.startswith("VIOLENCE/") and row.relation != "none"]


def test_dsa_crosswalk_names_categories_and_keywords_that_the_database_accepts() -> None:
    from tsclassify.dsa.fields import KEYWORDS

    for entry in load_crosswalk("eu-dsa").entries:
        category, _, keyword = entry.theirs.partition("/")
        allowed = KEYWORDS[f"STATEMENT_CATEGORY_{category}"]
        assert not keyword or f"KEYWORD_{keyword}" in allowed, entry.theirs


def test_faults_of_a_crosswalk_are_named_all_at_once() -> None:
    row = {"ours": "hate", "theirs": "x", "relation": "exact", "note": ""}
    table: dict[str, Any] = {
        "taxonomy": "t",
        "title": "T",
        "version": 1.0,
        "read_on": dt.date(2026, 1, 1),
        "source": "https://example.org",
        "entries": [row, row, {**row, "ours": "nohate", "relation": "same"}],
    }
    faults = check_table(table)
    assert [fault.split(",")[0] for fault in faults] == [
        "version must be a string",
        "entry 2: pair must appear once",
        "entry 3: ours must be a category",
        "entry 3: relation must be one of exact",
        "entries must cover every category",
    ]
    assert check_table({"title": "T"}) == [
        "fields must be complete, got none of entries, read_on, source, taxonomy, version"
    ]


def test_unknown_crosswalk_and_category_are_named() -> None:
    with pytest.raises(InputError, match="shipped one, got 'iab'"):
        load_crosswalk("iab")
    with pytest.raises(InputError, match="got 'toxicity'"):
        load_crosswalk("jigsaw").theirs("toxicity")
