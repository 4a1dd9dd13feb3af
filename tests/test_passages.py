"""Posts are read by passage: where they are cut, and that nothing drowns in a long one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tsclassify as ts
from tests.test_features import LEXICON, SPECS
from tsclassify.features.reference import segments_of, windows_of
from tsclassify.text.kinds import STARTS
from tsclassify.text.passages import (
    BLOCK_BYTES,
    LEAST_TOKENS,
    MOST_TOKENS,
    block_ends,
    cut_segments,
    n_doublings,
)

THREATS = (
    "They should all be hanged in the square.",
    "I will shoot you tomorrow.",
    "We are going to burn the depot down with all of them inside.",
    "Kill them all, every last one.",
)
INNOCENT = (
    "We spent the morning at the lake with the children and the dog.",
    "The bakery on the corner has new opening hours from next week.",
    "My sister finally finished her exams and is looking for a flat.",
    "It rained all afternoon, so we played cards and made soup.",
    "The library lent us a projector for the film evening.",
    "Thanks to everybody who helped to move the chairs.",
)


def long_post(n_words: int, threat: str, place: float) -> str:
    """Innocent sentences of `n_words` in all, with a threat between them."""
    sentences: list[str] = []
    while sum(len(one.split()) for one in sentences) < n_words:
        sentences.append(INNOCENT[len(sentences) % len(INNOCENT)])
    sentences.insert(round(place * len(sentences)), threat)
    return " ".join(sentences)


@given(starts=st.lists(st.booleans(), max_size=200))
def test_segments_cover_all_tokens_and_are_of_bounded_length(starts: list[bool]) -> None:
    cuts = [0] * (len(starts) + 1)
    count = cut_segments([STARTS << 32 if one else 0 for one in starts], len(starts), cuts)
    ends = [cut >> 1 for cut in cuts[:count]]
    sizes = np.diff([0, *ends])
    assert ends[-1] == len(starts)
    assert (sizes <= MOST_TOKENS + LEAST_TOKENS).all()
    assert count == 1 or (sizes >= LEAST_TOKENS).all()
    for end, cut in zip(ends[:-1], cuts, strict=False):
        assert bool(cut & 1) != starts[end]


@given(text=st.text(max_size=60), times=st.integers(1, 3000))
def test_blocks_cover_a_post_and_cut_no_letter(text: str, times: int) -> None:
    data = np.frombuffer((text * times).encode("utf-8", "replace"), dtype=np.uint8)
    ends = block_ends(data, 0, len(data))
    assert ends[-1] == len(data)
    assert (np.diff([0, *ends]) <= BLOCK_BYTES).all()
    for start, end in zip([0, *ends], ends, strict=False):
        data[start:end].tobytes().decode("utf-8")


def test_a_block_ends_with_a_line_where_there_is_one() -> None:
    data = np.frombuffer(b"zorp blick. " * 900 + b"\n" + b"zorp blick. " * 900, dtype=np.uint8)
    assert block_ends(data, 0, len(data))[0] == 12 * 900 + 1


def test_doublings_are_whole_parts_of_binary_logarithms() -> None:
    assert [n_doublings(count) for count in (1, 2, 3, 4, 7, 8, 1023, 1024)] == [0, 1, 1, 2, 2, 3, 9, 10]


def test_each_sentence_is_a_window_of_its_own() -> None:
    text = f"{INNOCENT[0]} {THREATS[0]} {INNOCENT[1]}"
    segments = segments_of(text, SPECS["default"], LEXICON)
    assert [text[one.start : one.end] for one in segments] == [
        s.rstrip(".") for s in (INNOCENT[0], THREATS[0], INNOCENT[1])
    ]
    assert windows_of(segments) == [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]


def test_a_threat_reaches_a_person_wherever_it_stands_in_an_innocent_post() -> None:
    clf = ts.load()
    items = [
        {"id": f"{number}", "text": long_post(n_words, threat, place)}
        for number, (n_words, place, threat) in enumerate(
            (n_words, place, threat) for n_words in (20, 100, 1000) for place in (0.0, 0.4, 1.0) for threat in THREATS
        )
    ]
    decisions = clf.decide_many(items, ts.Policy.load("hosting-provider"))
    looked = [decision.tier != "none" or decision.review for decision in decisions]
    assert np.mean(looked) >= 0.97
    for item, decision in zip(items, decisions, strict=True):
        for finding in decision.findings[:1]:
            words = item["text"][finding.start : finding.end]
            assert any(threat.rstrip(".") in words for threat in THREATS)


def test_a_post_past_any_limit_is_read_to_its_end() -> None:
    clf = ts.load()
    text = long_post(50_000, THREATS[2], 1.0)
    decision = clf.decide({"id": "1", "text": text}, ts.Policy.load("hosting-provider"))
    assert decision.tier != "none"
    assert THREATS[2].rstrip(".") in text[decision.findings[0].start : decision.findings[0].end]
