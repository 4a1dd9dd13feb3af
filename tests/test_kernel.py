"""The kernel: equal to the plain path bit for bit, whatever the batch, order, threads or input."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_features import LEXICON, SPECS
from tests.test_normalize import PIECES, posts
from tsclassify.errors import InputError
from tsclassify.features.reading import PostReading
from tsclassify.features.reference import features_of
from tsclassify.features.scorer import PassageMix, Scorer
from tsclassify.features.spec import FeatureSpec
from tsclassify.features.texts import encode_texts
from tsclassify.kernel.layout import (
    AHEAD_BYTES,
    CODE_ROOM,
    MAX_PRE_TOKENS,
    MOST_PIECES,
    PER_TOKEN,
    SEEN,
    SHORT,
    TOKENS,
    State,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS
from tsclassify.text.passages import BLOCK_BYTES
from tsclassify.text.sequence import NEW_WORDS
from tsclassify.text.table import char_table

sentences = st.lists(st.sampled_from([*PIECES, *"aeiou", "zorp.", "blick!", "you?"]), min_size=20, max_size=150)
long_posts = sentences.map(" ".join)
"""Posts of several segments."""


def random_mix(rng: np.random.Generator, n_heads: int) -> PassageMix:
    """A mix of whole post and strongest window; one head in four reads windows only."""
    least_words = rng.integers(1, 5, n_heads) * (rng.random(n_heads) < 0.25)
    whole, strongest = rng.random((2, n_heads))
    doubling, shift = rng.normal(size=(2, n_heads))
    return PassageMix(whole, strongest, doubling, shift, least_words.astype(np.float64))


@functools.cache
def scorer(name: str) -> Scorer:
    spec = SPECS[name]
    rng = np.random.default_rng(7)
    weights = rng.integers(-127, 128, (spec.n_buckets, 8)).astype(np.int8)
    signals = rng.integers(-128, 128, (spec.n_buckets, 14)).astype(np.int8)
    made = Scorer(
        spec,
        LEXICON,
        weights,
        rng.random(8) / 30,
        rng.normal(size=8),
        signals,
        rng.random(14) / 30,
        rng.normal(size=14),
        passages=random_mix(rng, 8),
        signal_passages=random_mix(rng, 14),
    )
    made.warm_up()
    return made


def plain(name: str, data: Any, offsets: Any, part: int = 0) -> Any:
    made = scorer(name)
    return made._plain(made.parts[part], data, offsets, np.arange(len(offsets) - 1))


def corpus(n: int) -> list[str]:
    rng = np.random.default_rng(3)
    return [" ".join(rng.choice(PIECES, rng.integers(0, 30))) for _ in range(n)]


@pytest.mark.parametrize("name", sorted(SPECS))
@settings(max_examples=150)
@given(texts=st.lists(st.one_of(posts, long_posts), min_size=1, max_size=4))
def test_kernel_equals_plain_path_bit_for_bit(name: str, texts: list[str]) -> None:
    data, offsets = encode_texts(texts)
    rows = np.arange(len(texts))
    assert np.array_equal(scorer(name).logits(data, offsets), plain(name, data, offsets))
    assert np.array_equal(scorer(name).signal_logits(data, offsets, rows), plain(name, data, offsets, part=1))


@settings(max_examples=25)
@given(texts=st.lists(long_posts, min_size=1, max_size=3), seed=st.integers(0, 1 << 32))
def test_kernel_equals_plain_path_whatever_the_mix_of_passages(texts: list[str], seed: int) -> None:
    spec, rng = SPECS["all"], np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (spec.n_buckets, 9)).astype(np.int8)
    made = Scorer(spec, LEXICON, weights, rng.random(9) / 30, rng.normal(size=9), passages=random_mix(rng, 9))
    data, offsets = encode_texts(texts)
    expected = made._plain(made.parts[0], data, offsets, np.arange(len(texts)))
    made.warm_up()
    assert np.array_equal(made.logits(data, offsets), expected)


def test_a_post_of_several_blocks_equals_plain_path_on_any_thread() -> None:
    rng = np.random.default_rng(11)
    words = [*PIECES, "zorp.", "blick!\n", "ﷺ"]
    texts = [" ".join(rng.choice(words, n)) for n in (6000, 3, 9000)]
    # no line, no sentence, no blank to cut a block at
    texts += ["z" * (BLOCK_BYTES + 5), "é" * BLOCK_BYTES, "kill you. " * (BLOCK_BYTES // 5), ""]
    assert sum(len(text.encode()) > BLOCK_BYTES for text in texts) == 5
    data, offsets = encode_texts(texts)
    expected, signals = plain("all", data, offsets), plain("all", data, offsets, part=1)
    made = scorer("all")
    assert np.array_equal(made.logits(data, offsets), expected)
    rows = np.array([2, 0, 1, 2])
    assert np.array_equal(made.signal_logits(data, offsets, rows), signals[rows])
    assert np.array_equal(made.logits_one(texts[0].encode()), expected[0])
    many, ends = encode_texts(texts * 600)
    assert np.array_equal(made.logits(many, ends, threads=3), np.tile(expected, (600, 1)))


@pytest.mark.slow
@settings(max_examples=10_000)
@given(text=st.one_of(posts, long_posts))
def test_kernel_equals_plain_path_on_many_texts(text: str) -> None:
    data, offsets = encode_texts([text])
    assert np.array_equal(scorer("all").logits(data, offsets), plain("all", data, offsets))


@settings(max_examples=300)
@given(raw=st.one_of(st.binary(max_size=60), st.text(max_size=30).map(lambda text: text.encode()[1:])))
def test_any_bytes_get_a_finite_score(raw: bytes) -> None:
    data = np.frombuffer(raw + b"x", dtype=np.uint8)
    logits = scorer("all").logits(data, np.array([0, len(raw), len(raw) + 1]))
    assert np.isfinite(logits).all()


@settings(max_examples=100)
@given(text=st.one_of(posts, long_posts))
def test_shares_add_up_to_the_logit(text: str) -> None:
    made = scorer("all")
    reading = PostReading(text, made.spec, made.lexicon)
    logits = made.logits(*encode_texts([text]))[0]
    for head in range(8):
        share = reading.share(made.parts[0], head)
        assert abs(share.constant + share.values.sum() - logits[head]) < 1e-3


@functools.cache
def whole_scorer() -> Scorer:
    """A scorer whose heads read posts as a whole."""
    spec, rng = SPECS["all"], np.random.default_rng(8)
    weights = rng.integers(-127, 128, (spec.n_buckets, 8)).astype(np.int8)
    made = Scorer(spec, LEXICON, weights, rng.random(8) / 30, rng.normal(size=8))
    made.warm_up()
    return made


@settings(max_examples=100)
@given(text=st.one_of(posts, long_posts))
def test_features_of_the_whole_post_add_up_to_the_logit_of_heads_that_read_it_whole(text: str) -> None:
    made = whole_scorer()
    table, logits = made.parts[0], made.logits(*encode_texts([text]))[0]
    features = features_of(text, made.spec, LEXICON)
    for head in range(8):
        total = sum(feature.value * int(table.weights[feature.bucket, head]) for feature in features)
        assert abs(table.heads[1, head] + table.heads[0, head] * total - logits[head]) < 1e-3


def test_scores_do_not_depend_on_batch_order_or_threads() -> None:
    texts = corpus(9000)
    made = scorer("all")
    data, offsets = encode_texts(texts)
    whole = made.logits(data, offsets)
    assert np.array_equal(whole, made.logits(data, offsets, threads=3))
    order = np.random.default_rng(1).permutation(len(texts))
    assert np.array_equal(whole[order], made.logits(*encode_texts([texts[k] for k in order])))
    for size in (1, 7, 1000):
        part = made.logits(*encode_texts(texts[:size]))
        assert np.array_equal(whole[:size], part)
    assert np.array_equal(made.logits_one(texts[5].encode()), whole[5])


@pytest.mark.parametrize(
    "before",
    [0, *range(AHEAD_BYTES - 70, AHEAD_BYTES - 60), *range(AHEAD_BYTES - 30, AHEAD_BYTES + 4), 2 * AHEAD_BYTES],
)
def test_pre_tokens_are_the_same_wherever_a_look_ahead_window_ends(before: int) -> None:
    """Words, long pre-tokens, single letters, lines and blanks at each place where bytes are read in blocks."""
    fill = ("zorp kill " * AHEAD_BYTES)[: max(0, before - 1)] + " " * (before > 0)
    blank, words = " " * before, "x" * before
    for tail in (
        "you kill",
        "k i l l",
        "z" * SHORT,
        "z" * (SHORT + 1),
        "z" * 90,
        "\n\nblick",
        "a\r",
        "  a\u00e9b ",
        "",
    ):
        for text in (fill + tail, blank + tail, words + tail, f"q.{blank}{tail} {fill}", f"{words} {tail}{blank}b c"):
            data, offsets = encode_texts([text, "a b\n"])
            assert np.array_equal(scorer("all").logits(data, offsets), plain("all", data, offsets))


def test_signals_are_read_for_chosen_rows_only() -> None:
    data, offsets = encode_texts(corpus(50))
    made = scorer("all")
    every = made.signal_logits(data, offsets, np.arange(50))
    rows = np.array([40, 3, 3])
    assert np.array_equal(made.signal_logits(data, offsets, rows), every[rows])
    assert made.signal_logits(data, offsets, np.array([], dtype=np.int64)).shape == (0, 14)


HOSTILE = {
    "one megabyte of words": b"zorp kill you " * 75_000,
    "one megabyte without a blank": b"abcdefghij" * 100_000,
    "one megabyte of one letter": b"a" * 1_000_000,
    "one megabyte of distinct words": b" ".join(b"w%dx" % k for k in range(120_000)),
    "one megabyte of single letters": b"k i l l " * 125_000,
    "ligatures that expand to 18 letters": "ﷺ".encode() * 300_000,
    "blank lines": b"\n" * 1_000_000,
    "nul bytes": b"\x00" * 1000 + b"zorp\x00kill",
    "continuation bytes": b"\x80" * 5000,
    "truncated code point": "zorp💣".encode()[:-1],
    "overlong and surrogate forms": b"\xc0\x80 \xed\xa0\x80 \xf5\x80\x80\x80 zorp",
    "empty": b"",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_post_changes_no_other_score(name: str) -> None:
    posts_ = [b"you will not kill zorp", HOSTILE[name], b"alice k1lls"]
    offsets = np.cumsum([0, *map(len, posts_)])
    data = np.frombuffer(b"".join(posts_), dtype=np.uint8)
    logits = scorer("all").logits(data, offsets)
    assert np.isfinite(logits).all()
    assert np.array_equal(logits[1:2], plain("all", data, offsets[1:3]))
    alone = [scorer("all").logits_one(post) for post in posts_]
    assert np.array_equal(logits, alone)


FULL = FeatureSpec(
    bits=11, word_max=4, skips=(2, 3, 4, 5, 6, 7, 8), char_min=1, char_max=6, skeletons=8, back_min=1, back_max=5,
    back_chain=False, negation_window=16, first=8, starts=True, flags=True, mask=False, silent="",
)  # fmt: skip
"""As many features as a spec can ask for."""

CROWDED = {
    **HOSTILE,
    "most distinct words and chains": " ".join(f"not zorp{k:x} kill?" for k in range(40_000)).encode(),
    "longest distinct words": b" ".join(
        b"%048d" % k + b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv" for k in range(9000)
    ),
    "runs of single letters that differ": " ".join(
        f"a {chr(98 + k % 24)} {chr(98 + k // 24 % 24)} zz" for k in range(12_000)
    ).encode(),
    "a new expansion in each pre-token": " ".join("ﷺ" * 300 + f"q{k}" for k in range(900)).encode(),
}


def guards(state: State) -> bool:
    """Whether nothing was written around the buffers of one thread, which lie within larger arrays of zeros."""
    for buffer in state.buffers.values():
        whole = buffer.base
        if isinstance(whole, np.ndarray) and whole.dtype == np.uint8 and whole.size >= buffer.nbytes + 128:
            first = buffer.ctypes.data - whole.ctypes.data
            if whole[:first].any() or whole[first + buffer.nbytes :].any():
                return False
    return True


@pytest.mark.parametrize("dedup", ["none", "word"])
def test_no_post_writes_beyond_a_buffer(dedup: str) -> None:
    spec = dataclasses.replace(FULL, dedup=dedup)
    rng = np.random.default_rng(5)
    # 17 heads: three tables, so that sums of words are kept in both places
    weights = rng.integers(-128, 128, (spec.n_buckets, 17)).astype(np.int8)
    made = Scorer(spec, LEXICON, weights, rng.random(17), rng.normal(size=17))
    made.warm_up()
    for name, post in CROWDED.items():
        logits = made.logits_one(post)
        assert np.isfinite(logits).all(), name
        (state,) = made._states[0]
        assert guards(state), name
        if name in ("longest distinct words", "runs of single letters that differ", "empty"):
            data = np.frombuffer(post, dtype=np.uint8)
            plain = made._plain(made.parts[0], data, np.array([0, len(post)]), np.zeros(1, dtype=np.int64))
            assert np.array_equal(plain[0], logits), name


def test_no_code_point_becomes_more_letters_than_its_stream_holds() -> None:
    table = char_table()
    for code in range(0x110000):
        entry = int(table.entries[int(table.index[code >> 8]) * 256 + (code & 255)])
        if entry & 8 and not entry & 16:
            n_bytes = 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
            assert table.expansions[entry >> 8] <= 6 * n_bytes


def test_bounds_of_one_post_lie_within_the_buffers() -> None:
    # a post may end within a pre-token, and single letters may be joined into new tokens
    # or split, read backwards or cut, as often as each step that settles the sequence may
    new_tokens = MAX_TOKENS + 6 * MAX_STRETCH + MAX_TOKENS // 3 + 3 * NEW_WORDS
    assert new_tokens <= 2 * MAX_TOKENS
    assert new_tokens <= 62_200
    assert TOKENS - 2 * MAX_TOKENS + new_tokens <= TOKENS
    # each with its length before its code points
    assert CODE_ROOM - 64_000 * rules.MAX_WORD + new_tokens * (1 + rules.MAX_WORD) <= CODE_ROOM
    per_place = (FULL.word_max - 1) + len(FULL.skips) + FULL.back_max
    assert (MAX_TOKENS + 2) * per_place + 2 * MAX_TOKENS + FULL.first + 23 <= MAX_TOKENS * PER_TOKEN + 64
    assert 2 * ((MAX_TOKENS + 2) * (2 + FULL.word_max + len(FULL.skips) + FULL.back_max) + FULL.first) <= SEEN
    pieces = sum(rules.MAX_WORD + 3 - size for size in range(1, 7)) + 8
    assert pieces <= MOST_PIECES
    # eight int8 rows are summed in int32
    assert 128 * pieces * MAX_TOKENS < 2**31


def test_full_caches_start_again_and_score_the_same() -> None:
    made = scorer("all")
    before = made.logits_one(b"you will not kill zorp")
    for k in range(4):
        many = [" ".join(f"q{k}w{j}" for j in range(i, i + 200)) for i in range(0, 80_000, 200)]
        learned = made.logits(*encode_texts(many))
        assert np.array_equal(learned, made.logits(*encode_texts(many)))
    assert made._states[0][-1]["life"] > 1
    assert np.array_equal(before, made.logits_one(b"you will not kill zorp"))


def test_rows_found_before_the_caches_start_again_are_not_read_after_it() -> None:
    texts = [f"you will kill zorp {number}" for number in range(12)]
    made = scorer("all")
    made.warm_up()
    # new caches, whose table is the one that is cleared
    made._states[0].clear()
    before = made.logits(*encode_texts(texts))
    state = made._states[0][-1]
    life = state["life"]
    # it is found to be full when the first post is scanned, and those after it were looked up by then
    state["n_pre_tokens"] = MAX_PRE_TOKENS
    assert np.array_equal(made.logits(*encode_texts(texts[::-1])), before[::-1])
    assert state["life"] == life + 1


def test_first_texts_need_no_compiled_code() -> None:
    spec = FeatureSpec(bits=10)
    fresh = Scorer(spec, LEXICON, np.ones((1024, 3), dtype=np.int8), np.ones(3), np.zeros(3))
    few = fresh.logits(*encode_texts(["zorp", ""]))
    assert fresh._kernel is None
    fresh.warm_up()
    assert np.array_equal(few, fresh.logits(*encode_texts(["zorp", ""])))
    assert few.shape == (2, 3)


@pytest.mark.parametrize(
    ("data", "offsets", "message"),
    [
        (np.zeros(4, np.uint8), [0, 5], "offsets must rise and stay inside data"),
        (np.zeros(4, np.uint8), [-1, 4], "offsets must rise and stay inside data"),
        (np.zeros(4, np.uint8), [0, 3, 2], "offsets must rise and stay inside data"),
        (np.zeros(4, np.int8), [0, 4], r"data must be uint8 of one dimension, got int8 \(4,\)"),
        (np.zeros(4, np.uint8), [], r"offsets must be of one dimension with n \+ 1 numbers, got shape \(0,\)"),
    ],
)
def test_offsets_outside_the_buffer_are_refused(data: Any, offsets: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scorer("all").logits(data, np.array(offsets, dtype=np.int64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.zeros((1024, 8))}, r"weights must be int8 of shape \(1024, .*, got float64 \(1024, 8\)"),
        ({"weights": np.zeros((512, 8), np.int8)}, r"weights must be int8 of shape \(1024, .*, got int8 \(512, 8\)"),
        ({"scales": np.ones(7)}, r"scales and bias must be 8 finite numbers, got \(7,\)"),
        ({"bias": np.full(8, np.nan)}, r"scales and bias must be 8 finite numbers, got \(8,\)"),
        ({"spec": FeatureSpec(bits=10, dedup="feature")}, "dedup of the feature spec must be .*, got 'feature'"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    arguments = {
        "spec": FeatureSpec(bits=10), "lexicon": LEXICON, "weights": np.zeros((1024, 8), np.int8), "scales": np.ones(8),
        "bias": np.zeros(8), **change,
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        Scorer(**arguments)


def test_weights_beyond_offsets_of_32_bits_are_refused() -> None:
    weights = np.broadcast_to(np.zeros(1, np.int8), (2**24, 257))
    with pytest.raises(InputError, match="at most"):
        Scorer(FeatureSpec(bits=24), LEXICON, weights, np.ones(257), np.zeros(257))


def test_row_outside_the_batch_is_refused() -> None:
    with pytest.raises(InputError, match="rows must lie"):
        scorer("all").signal_logits(*encode_texts(["zorp"]), np.array([1]))
