"""Features: the spec, the lexicon, the transformer, and that the extractor equals the reference."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_normalize import PIECES, posts
from tsclassify.errors import BundleError, InputError
from tsclassify.features.hashing import bucket_of, text_hash
from tsclassify.features.reference import features_of, passage_features, segments_of, windows_of
from tsclassify.features.spec import FeatureSpec
from tsclassify.features.texts import encode_texts
from tsclassify.text.lexicon import Fold, Lexicon
from tsclassify.text.passages import BLOCK_BYTES

LEXICON = Lexicon(
    words={
        "not": "negator", "dont": "negator", "alice": "name", "bob": "name", "red": "side", "blue": "side",
        "fans": "crowd", "you": "function", "i": "function", "will": "modal", "kill": "harm", "zorp": "harm",
        "the": "article",
    },
    modes={
        "negator": "keep", "name": "mask", "side": "mask", "crowd": "fold", "function": "keep", "modal": "back",
        "harm": "back", "article": "lead",
    },
    folds={
        "crowd": Fold(after=("name", "side"), into="side", back="person"), "article": Fold(before=("name", "side")),
    },
)  # fmt: skip

SPECS = {
    "default": FeatureSpec(),
    "all": FeatureSpec(
        word_max=3, skips=(2, 3), back_max=3, negation_window=3, first=2, starts=True, flags=True, word_scale=1.6,
        char_scale=0.6, word_offset=1.0, char_offset=1.0, skeletons=2,
    ),
    "plain": FeatureSpec(
        dedup="none", back_max=4, back_chain=False, back_shared=False, ends=False, silent="", mask=False, norm="mean",
        skeletons=1,
    ),
}  # fmt: skip


def row_of(text: str, spec: FeatureSpec, lexicon: Lexicon = LEXICON) -> dict[int, float]:
    row: dict[int, float] = {}
    for feature in features_of(text, spec, lexicon):
        row[feature.bucket] = row.get(feature.bucket, 0.0) + feature.value
    return row


@pytest.mark.parametrize("name", sorted(SPECS))
@settings(max_examples=120)
@given(text=posts)
def test_extractor_equals_reference(name: str, text: str) -> None:
    from tsclassify.features.hashed import HashedNgrams

    matrix = HashedNgrams(SPECS[name], LEXICON).transform([text])
    found = dict(zip(matrix.indices.tolist(), matrix.data.tolist(), strict=True))
    expected = row_of(text, SPECS[name])
    assert found.keys() == expected.keys()
    assert all(abs(found[bucket] - expected[bucket]) < 1e-5 for bucket in expected)


def windows_by_reference(text: str, spec: FeatureSpec) -> list[tuple[dict[int, float], int]]:
    """Buckets with their values, and the number of words that tell a language, of each window."""
    segments = segments_of(text, spec, LEXICON)
    windows = []
    for first, last in windows_of(segments):
        row: dict[int, float] = {}
        for feature in passage_features(segments[first : last + 1], spec):
            row[feature.bucket] = row.get(feature.bucket, 0.0) + feature.value
        windows.append((row, sum(segment.n_words for segment in segments[first : last + 1])))
    return windows


def assert_windows_equal(texts: list[str], spec: FeatureSpec) -> None:
    from tsclassify.kernel.extract import extract_windows

    values, columns, ends, owners, n_words = extract_windows(*encode_texts(texts), spec, LEXICON)
    expected = [(owner, *window) for owner, text in enumerate(texts) for window in windows_by_reference(text, spec)]
    assert owners.tolist() == [owner for owner, _, _ in expected]
    assert n_words.tolist() == [count for _, _, count in expected]
    assert len(ends) == len(expected) + 1
    for number, (_, row, _) in enumerate(expected):
        found: dict[int, float] = {}
        at = slice(ends[number], ends[number + 1])
        for bucket, value in zip(columns[at].tolist(), values[at].tolist(), strict=True):
            found[bucket] = found.get(bucket, 0.0) + value
        assert found.keys() == row.keys()
        assert all(abs(found[bucket] - row[bucket]) < 1e-5 * max(1.0, row[bucket]) for bucket in row)


sentences = st.lists(st.sampled_from([*PIECES, "zorp.", "blick!", "you?"]), max_size=90).map(" ".join)


@pytest.mark.parametrize("name", sorted(SPECS))
@settings(max_examples=40)
@given(texts=st.lists(sentences, min_size=1, max_size=3))
def test_windows_of_the_extractor_equal_those_of_the_reference(name: str, texts: list[str]) -> None:
    assert_windows_equal(texts, SPECS[name])


def test_windows_of_a_post_of_several_blocks_equal_those_of_the_reference() -> None:
    words = np.random.default_rng(5).choice([*PIECES, "zorp."], 5000)
    text = " ".join(words)
    assert len(text.encode()) > BLOCK_BYTES
    assert_windows_equal(["zorp", text, "you kill"], SPECS["all"])


@settings(max_examples=150)
@given(text=posts)
def test_spans_lie_in_the_original(text: str) -> None:
    for feature in features_of(text, SPECS["all"], LEXICON):
        assert 0 <= feature.start <= feature.end <= len(text)
        assert (feature.kind == "post") == (feature.end == 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice will kill", "Bob will kill"),
        ("I hate Red fans", "I hate Blue"),
        ("Alice Bob is here", "Bob is here"),
        ("Alice's house", "bob’s house"),
        ("The Red will kill", "Blue will kill"),
        ("dont kill the Red fans now", "dont kill Blue now"),
        ("I hate the the Alice", "I hate bob"),
    ],
)
def test_masked_words_cannot_move_a_feature(one: str, other: str) -> None:
    spec = dataclasses.replace(SPECS["all"], flags=False)
    assert row_of(one, spec) == row_of(other, spec)


def test_fold_needs_a_masked_word_before_it() -> None:
    assert row_of("my fans", FeatureSpec()) != row_of("my", FeatureSpec())


def test_an_article_goes_only_right_before_a_masked_word() -> None:
    for text, shorter in (
        ("the house", "house"),
        ("the old Red", "old Red"),
        ('the "Red"', '"Red"'),
        ("the the the Red", "Red"),
        ("Red the", "Red"),
    ):
        assert row_of(text, FeatureSpec()) != row_of(shorter, FeatureSpec())
    unmasked = FeatureSpec(mask=False)
    assert row_of("the Red", unmasked) != row_of("Red", unmasked)


def test_an_article_keeps_two_sides_apart() -> None:
    assert row_of("Red the Blue", FeatureSpec()) != row_of("Red", FeatureSpec())


def test_negation_marks_the_words_after_it() -> None:
    spec = FeatureSpec(negation_window=2)
    kinds = [feature.kind for feature in features_of("dont kill him now please", spec, LEXICON)]
    assert kinds.count("negated") == 2


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("threaten", "thrtn", 3),
        ("killed", "kiled", 3),
        ("apple", "aple", 3),
        ("apple", "pple", 0),
        ("threaten", "thrown", 0),
    ],
)
def test_words_that_differ_in_vowels_or_doubled_letters_share_their_skeleton(one: str, other: str, shared: int) -> None:
    def skeletons(word: str) -> list[int]:
        spec = FeatureSpec(bits=24, word_max=0, char_min=6, char_max=6, skeletons=3, ends=False)
        return [feature.bucket for feature in features_of(word, spec, LEXICON) if feature.kind == "piece"][-3:]

    assert len(set(skeletons(one))) == 1
    assert sum(a == b for a, b in zip(skeletons(one), skeletons(other), strict=True)) == shared


def test_hash_is_frozen() -> None:
    # A shipped table is useless under another hash.
    assert text_hash("zorp") == 0x5F7ABFF5A3BC183B
    assert bucket_of(text_hash("zorp"), 18) == 127323


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 9}, "feature spec: bits must be"),
        ({"skips": (1,)}, "feature spec: skips must be"),
        ({"dedup": "some"}, "feature spec: dedup must be"),
        ({"norm": "max"}, "feature spec: norm must be"),
        ({"word_scale": float("nan")}, "feature spec: word_scale must be"),
        ({"silent": "."}, "feature spec: silent must be"),
        ({"skeletons": 9}, "feature spec: skeletons must be"),
    ],
)
def test_spec_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureSpec(**change)


def test_spec_survives_json() -> None:
    assert FeatureSpec.from_dict(SPECS["all"].to_dict()) == SPECS["all"]
    with pytest.raises(BundleError, match="bits"):
        FeatureSpec.from_dict({key: value for key, value in SPECS["all"].to_dict().items() if key != "bits"})
    with pytest.raises(BundleError, match="valid"):
        FeatureSpec.from_dict({**SPECS["all"].to_dict(), "bits": 99})


def test_a_spec_from_before_skeletons_has_none() -> None:
    old = {key: value for key, value in SPECS["all"].to_dict().items() if key != "skeletons"}
    assert FeatureSpec.from_dict(old) == dataclasses.replace(SPECS["all"], skeletons=0)


def test_lexicon_survives_json() -> None:
    assert Lexicon.from_dict(LEXICON.to_dict()) == LEXICON
    twice = {"a": {"mode": "back", "words": ["zorp"]}, "b": {"mode": "back", "words": ["zorp"]}}
    with pytest.raises(BundleError, match="one group"):
        Lexicon.from_dict(twice)


@pytest.mark.parametrize(
    ("words", "modes", "message"),
    [
        ({"zorp": "harm"}, {}, "group 'harm' must have a mode, got none"),
        ({}, {"harm": "hide"}, "mode of 'harm' must be one of .*, got 'hide'"),
        ({"zorp": "harm"}, {"harm": "fold"}, "every group of mode 'fold' or 'lead', and no other, must have a fold"),
    ],
)
def test_lexicon_with_a_hole_is_refused(words: dict[str, str], modes: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Lexicon(words, modes)


@pytest.mark.parametrize(
    ("mode", "fold", "message"),
    [
        ("lead", Fold(after=("name",)), "of mode 'lead' must have groups before, got others"),
        ("lead", Fold(before=("name",), into="name"), "of mode 'lead' must have groups before, got others"),
        ("lead", Fold(before=("harm",)), "fold 'article' must name masked groups, got 'harm'"),
        ("fold", Fold(after=("name",), before=("name",)), "of mode 'fold' must have no groups before, got some"),
        ("back", Fold(before=("name",)), "every group of mode 'fold' or 'lead', and no other, must have a fold"),
    ],
)
def test_a_fold_that_its_mode_does_not_know_is_refused(mode: str, fold: Fold, message: str) -> None:
    modes = {"name": "mask", "harm": "back", "article": mode}
    with pytest.raises(InputError, match=message):
        Lexicon({"the": "article"}, modes, {"article": fold})


def test_transformer_keeps_scikit_learn_conventions() -> None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from tsclassify.features.hashed import HashedNgrams

    transformer = HashedNgrams(SPECS["all"], LEXICON)
    copy = clone(transformer)
    assert copy.get_params() == transformer.get_params()
    texts = ["zorp you", "have a nice day", "", "zorp him"]
    matrix = copy.fit(texts).transform(texts)
    assert matrix.shape == (4, 2**18)
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    assert matrix[2].nnz == 1  # only the length of an empty post
    assert (matrix != transformer.fit_transform(texts)).nnz == 0
    assert transformer.transform([]).shape == (0, 2**18)
    assert len(transformer.get_feature_names_out()) == 2**18
    model = make_pipeline(HashedNgrams(), LogisticRegression(C=100)).fit(texts, [1, 0, 0, 1])
    assert model.predict(["zorp"])[0] == 1


@pytest.mark.parametrize("texts", ["zorp", b"zorp", {"zorp": 1}, [b"zorp"], [None], [1], None, ["ok", "\ud800"]])
def test_anything_but_a_list_of_texts_is_refused(texts: Any) -> None:
    from tsclassify.features.hashed import HashedNgrams

    with pytest.raises(InputError, match="must be") as caught:
        HashedNgrams().transform(texts)
    assert "zorp" not in str(caught.value)


def test_encoding_is_utf8_end_to_end() -> None:
    data, offsets = encode_texts(["é", "", "zorp"])
    assert data.tobytes() == "ézorp".encode()
    assert offsets.tolist() == [0, 2, 2, 6]


@pytest.mark.parametrize("other", [0, 255, 256, 300, 599, None])
def test_encoding_of_many_texts_is_that_of_each(other: int | None) -> None:
    texts = ["zorp " * (k % 3) for k in range(600)]
    if other is not None:
        texts[other] = "zörp 💣"
    data, offsets = encode_texts(texts)
    assert data.tobytes() == "".join(texts).encode()
    assert offsets.tolist() == np.cumsum([0, *(len(text.encode()) for text in texts)]).tolist()


@pytest.mark.parametrize("wrong", [b"zorp", None, "\ud800"])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_the_one_text_among_many_that_is_none_is_named(wrong: Any, is_ascii: bool) -> None:
    texts = ["zorp" if is_ascii else "zörp"] * 400 + [wrong]
    with pytest.raises(InputError, match="text 400 must be"):
        encode_texts(texts)


def test_what_is_remembered_of_hostile_texts_is_bounded_in_bytes() -> None:
    """A stretch of a thousand signs is a thousand tokens, and a word of 48 letters has 150 pieces."""
    features_of("zorp went to the river", FeatureSpec(), LEXICON)
    signs, letters = "!?,;:()%$#", "abcdefghij"
    tracemalloc.start()
    try:
        for number in range(120):
            digits = [int(digit) for digit in f"{number:03d}"]
            features_of("".join(signs[d] for d in digits) * 330, FeatureSpec(), LEXICON)
            features_of("".join(letters[d] for d in digits) * 16, FeatureSpec(), LEXICON)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000
