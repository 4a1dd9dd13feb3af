"""Forged words: what shares a hash with another word is still a word of its own, and floods no table."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import tsclassify
from tests.forged import AS_OTHER_FEATURE, LISTED, SAME, one_hash
from tests.test_features import LEXICON, SPECS
from tests.test_kernel import plain, scorer
from tsclassify.features.hashing import text_hash
from tsclassify.features.reference import features_of
from tsclassify.features.scorer import Scorer
from tsclassify.features.texts import encode_texts
from tsclassify.kernel.cache import MOST_PROBES
from tsclassify.kernel.layout import State
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.normalize import normalize

MODES = {"trigger": "back", "refused": "keep", "italian": "mask", "schools": "back"}
FORGED_LEXICON = Lexicon(
    words={**LEXICON.words, **{word: f"{mode}s" for word, mode in MODES.items()}},
    modes={**LEXICON.modes, **{f"{mode}s": mode for mode in MODES.values()}},
    folds=LEXICON.folds,
)


def forged_texts(n: int) -> list[str]:
    """Texts of forged words, the words that they share hashes with, and others."""
    rng = random.Random(4)  # noqa: S311
    words = [*LISTED, *LISTED.values(), *SAME, *SAME["zorp"], *AS_OTHER_FEATURE, "blick", "not", "alice", "?", "you"]
    return [" ".join(rng.choices(words, k=rng.randrange(1, 16))) for _ in range(n)]


def longest_run(state: State) -> int:
    """Slots in use side by side."""
    used = np.flatnonzero(np.concatenate([[0], state.buffers["slots"], [0]]) == 0)
    return int(np.diff(used).max()) - 1


def test_forged_words_share_a_hash_and_are_read_as_one_word_each() -> None:
    pairs = [*((one, LISTED[one]) for one in LISTED), *(("zorp", other) for other in SAME["zorp"])]
    assert all(text_hash(one) == text_hash(other) for one, other in pairs)
    assert all(text_hash(word) == h for word, h in AS_OTHER_FEATURE.items())
    assert len({text_hash(word) for word in one_hash(2048)}) == 1
    for word in [*LISTED.values(), *SAME["zorp"], *AS_OTHER_FEATURE, *one_hash(3)]:
        assert [token.text for token in normalize(word).tokens] == [word]


@pytest.mark.parametrize("name", sorted(SPECS))
def test_kernel_equals_plain_path_on_forged_words(name: str) -> None:
    spec = SPECS[name]
    weights = np.random.default_rng(7).integers(-127, 128, (spec.n_buckets, 8)).astype(np.int8)
    made = Scorer(spec, FORGED_LEXICON, weights, np.full(8, 0.02), np.zeros(8))
    made.warm_up()
    data, offsets = encode_texts(forged_texts(400))
    expected = made._plain(made.parts[0], data, offsets, np.arange(400))
    assert np.array_equal(made.logits(data, offsets), expected)


def test_words_of_one_hash_are_two_words() -> None:
    other = SAME["zorp"][0]
    spec = SPECS["default"]
    lexicon = Lexicon()
    two = [f for f in features_of(f"zorp {other} zorp {other}", spec, lexicon) if f.kind in {"word", "phrase"}]
    assert len(two) == len(
        [f for f in features_of("zorp blick zorp blick", spec, lexicon) if f.kind in {"word", "phrase"}]
    )


def test_explanation_of_forged_words_adds_up() -> None:
    classifier = tsclassify.load()
    # each is remembered when the next one is explained
    for text in [*forged_texts(60), "zorp", SAME["zorp"][0], SAME["zorp"][1] + " zorp"]:
        for name in ("violent_threat", "hate"):
            explained = classifier.explain(text, name)
            total = explained.bias + sum(piece.contribution for piece in explained.pieces)
            assert abs(total - explained.logit) < 1e-4


def test_scores_of_forged_words_do_not_depend_on_what_was_scored_before() -> None:
    texts = forged_texts(200)
    first = tsclassify.load()
    before = np.concatenate([first.score([text]).probabilities for text in texts[:40]])
    later = tsclassify.load()
    whole = later.score([*texts, *texts]).probabilities
    assert np.array_equal(before, whole[:40])
    assert np.array_equal(whole[:200], whole[200:])


def test_words_of_one_hash_do_not_lie_side_by_side() -> None:
    made = scorer("default")
    made._states[0].clear()
    data, offsets = encode_texts([" ".join(one_hash(2048)), "x y"])
    assert np.array_equal(made.logits(data, offsets), plain("default", data, offsets))
    assert longest_run(made._states[0][-1]) < MOST_PROBES


def test_pre_tokens_that_differ_in_the_highest_bytes_of_their_words_find_room() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    made = scorer("default")
    made._states[0].clear()
    pre_tokens = [f"zorpzor{a}blickzo{b}blicblz{c}" for a in letters for b in letters[:30] for c in letters[:10]]
    made.logits(*encode_texts([" ".join(pre_tokens)]))
    # where they lie is drawn anew in every process: a few may meet more others than are looked through
    assert made._states[0][-1]["n_pre_tokens"] >= 0.97 * len(pre_tokens)


def test_caches_whose_slots_are_crowded_begin_anew_and_score_the_same() -> None:
    made = scorer("all")
    made._states[0].clear()
    many: Any = encode_texts([" ".join(f"zorp{k}x" for k in range(9 * MOST_PROBES)), "you kill zorp", "zorp4x blick"])
    expected = made.logits(*many)
    made._states[0].clear()
    made.logits(*encode_texts(["blick"]))
    state = made._states[0][-1]
    # as if somebody knew the seeds: every word in one slot, every pre-token in one line
    state.buffers["seeds"][:] = 0
    life = state["life"]
    assert np.array_equal(made.logits(*many), expected)
    assert state["life"] > life
    assert longest_run(state) < MOST_PROBES
