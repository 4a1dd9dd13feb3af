"""From the rows of a segment to the logits of a post, and the compiled entry that scores many posts.

The sums of a segment are made once. Those of a pair and of the whole post are sums of these, so that passages cost
little more than words do. Sums are exact integers: no order of rows, posts or threads can change a score.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

# isort: off
from tsclassify.features.spec import POST_FLAGS
from tsclassify.kernel.build import build_features
from tsclassify.kernel.intrinsics import (
    DOUBLES, HEADS, INTS, INTS32, RULES, add_rows, add_words, address_of, at_address, call_at, entry, fill_logits,
    fingerprint, finish, finish_wide, jit, low_zeros, mix_logits, skip, take_best, widen,
)  # fmt: skip
from tsclassify.kernel.layout import N_AHEAD, PASSAGE, SUMS_BYTES, TOKEN, WORD_SUMS
from tsclassify.kernel.scan import SUM, find_pre_tokens, look_up, scan_block, state_at
# isort: on

__all__ = ["GOES_ON", "add_counts", "flags_of", "make_entry", "norm_of", "passage_at"]

GOES_ON: Final = 1 << 62
"""Added to the number of a block that is not the last one of its post."""

_SHOUTING: Final = 1 << POST_FLAGS.index("shouting")
_LENGTHS: Final = len(POST_FLAGS)
_ONE = np.uint64(1)
_COUNTS: Final = PASSAGE.size // 8
_SUMS_AT: Final = PASSAGE.size
_LOGIT_BYTES: Final = 4 * HEADS
_OWN_AT: Final = TOKEN.offsets["own"]
_TOKEN_BYTES: Final = TOKEN.size
_EXTRA_BYTES: Final = WORD_SUMS.size

# Rows of `heads`, after scale and bias: the shares of ``PassageMix`` in a post of one segment, four rows, and of
# several, four rows; then the least words of a window.
_ONE_SEGMENT: Final = 2
_SEVERAL: Final = 6
_LEAST_WORDS: Final = 10
_ROW_BYTES: Final = 8 * HEADS

passage_at = at_address(PASSAGE)
ints_at = at_address(INTS)
ints32_at = at_address(INTS32)
doubles_at = at_address(DOUBLES)
cut_segments, is_pair, n_doublings = (RULES[name] for name in ("cut_segments", "is_pair", "n_doublings"))


@jit
def norm_of(norms: Any, family: int, n: int) -> Any:
    """``FeatureSpec.family_norm``, repeated."""
    scale, kind, offset = norms[3 * family], norms[3 * family + 1], norms[3 * family + 2]
    if n == 0:
        return 0.0
    if kind == 0.0:
        return scale
    size = float(n) + offset
    if kind == 1.0:
        return scale / math.sqrt(size)
    return scale / size


@jit
def place_at(number: int, state: Any) -> Any:
    """Address of a passage: two segments by turns, their pair, the post so far."""
    return address_of(state.passages) + number * (_SUMS_AT + SUMS_BYTES * state.n_tables)


@jit
def logits_at(number: int, state: Any) -> Any:
    """Address of a row of logits: of the last window, of the strongest; then that of the norms."""
    return place_at(3, state) + _SUMS_AT + (2 * SUMS_BYTES + _LOGIT_BYTES * number) * state.n_tables


@jit
def clear(place: int, words: int) -> None:
    """Set so many numbers of eight bytes to 0."""
    numbers = ints_at(place)
    for k in range(words):
        numbers[k] = 0


@jit
def sum_segment(place: int, state: Any) -> None:
    """Counts and sums of the built segment to a passage."""
    tables, n_words = state.n_tables, state.n_words
    counts, built = ints_at(place), ints_at(address_of(state.built))
    for k in range(_COUNTS):
        counts[k] = built[k]
    clear(place + _SUMS_AT, SUMS_BYTES // 8 * tables)
    for table in range(tables):
        sums = place + _SUMS_AT + SUMS_BYTES * table
        base, stride, own = address_of(state.tokens), _TOKEN_BYTES, _OWN_AT
        if table:
            base, stride = address_of(state.extra), _EXTRA_BYTES * (tables - 1)
            own = _EXTRA_BYTES * (table - 1)
        add_words(state.words, n_words, base, stride, own, sums, sums + 32)
        weights = skip(state.weights, HEADS * table)
        add_rows(weights, state.rows, 0, state.word_end, sums)
        add_rows(weights, state.rows, state.word_end, state.back_end, sums + 64)


@jit
def add_counts(one: int, other: int, out: int) -> None:
    """Counts of two passages together."""
    first, second, both = ints_at(one), ints_at(other), ints_at(out)
    bits = passage_at(one).bits | passage_at(other).bits
    for k in range(_COUNTS):
        both[k] = first[k] + second[k]
    passage_at(out).bits = bits


@jit
def add_to_post(place: int, is_first: bool, state: Any) -> None:
    """Add a segment to the post so far, whose sums may be larger than 32 bits hold."""
    post, tables = place_at(3, state), state.n_tables
    if is_first:
        clear(post, (_SUMS_AT + 2 * SUMS_BYTES * tables) // 8)
    add_counts(post, place, post)
    for block in range(4 * tables):
        widen(place + _SUMS_AT + 32 * block, post + _SUMS_AT + 64 * block)


@jit
def flags_of(counts: Any) -> Any:
    """Flags of a passage as bits, in the order of ``POST_FLAGS``, then its length."""
    bits = counts.bits
    if counts.n_capitals >= 3 and 2 * counts.n_capitals >= counts.n_plain:
        bits |= _SHOUTING
    size = 0
    for power in range(8):
        size += counts.n_tokens >= 1 << power
    return np.uint64(bits | 1 << (_LENGTHS + size))


@jit
def set_norms(place: int, state: Any) -> Any:
    """List the flags of a passage in `rows`, and the norms of its four families; returns the number of flags."""
    counts, rows, stride = passage_at(place), state.rows, HEADS * state.n_tables
    n_flags = 0
    left = flags_of(counts) if state.config.flags else np.uint64(0)
    while left:
        rows[n_flags] = stride * low_zeros(left)
        n_flags += 1
        left &= left - _ONE
    norms, factors = state.norms, doubles_at(logits_at(2, state))
    factors[0] = norm_of(norms, 0, counts.n_words)
    factors[1] = norm_of(norms, 1, counts.n_pieces)
    factors[2] = norm_of(norms, 2, counts.n_back)
    factors[3] = norm_of(norms, 3, n_flags)
    return n_flags


@jit
def try_window(place: int, state: Any) -> None:
    """Logits of a window; those that are the highest so far, of heads for which it has enough words, are kept."""
    last, best, factors, tables = logits_at(0, state), logits_at(1, state), logits_at(2, state), state.n_tables
    n_flags, n_content = set_norms(place, state), passage_at(place).n_content
    for table in range(tables):
        sums = place + _SUMS_AT + SUMS_BYTES * table
        clear(sums + 96, 4)
        add_rows(skip(state.flag_weights, HEADS * table), state.rows, 0, n_flags, sums + 96)
        heads, logits = skip(state.heads, HEADS * table), last + _LOGIT_BYTES * table
        finish(sums, factors, heads, skip(heads, HEADS * tables), logits)
        least = skip(heads, _LEAST_WORDS * HEADS * tables)
        take_best(best + _LOGIT_BYTES * table, logits, least, n_content)


@jit
def whole_logits(out: int, state: Any) -> None:
    """Logits of the whole post to the address `out`."""
    place, spare, factors, tables = place_at(3, state), place_at(2, state), logits_at(2, state), state.n_tables
    n_flags = set_norms(place, state)
    for table in range(tables):
        sums = place + _SUMS_AT + 2 * SUMS_BYTES * table
        clear(spare, 4)
        clear(sums + 192, 8)
        add_rows(skip(state.flag_weights, HEADS * table), state.rows, 0, n_flags, spare)
        widen(spare, sums + 192)
        heads = skip(state.heads, HEADS * table)
        finish_wide(sums, factors, heads, skip(heads, HEADS * tables), out + _LOGIT_BYTES * table)


@jit
def read_segment(number: int, joins: bool, state: Any) -> None:
    """Add the built segment to the post; `joins` says whether it is a window with the one before."""
    place, before = place_at(number & 1, state), place_at(1 - (number & 1), state)
    sum_segment(place, state)
    if number == 1:
        add_to_post(before, True, state)
    if number:
        add_to_post(place, False, state)
    # the pair first, then the segment: of equal logits the first one counts
    for which in range(0 if joins else 1, 2):
        window = place
        if which == 0:
            window = place_at(2, state)
            add_counts(before, place, window)
            add_sums(before, place, window, state)
        try_window(window, state)


@jit
def add_sums(one: int, other: int, out: int, state: Any) -> None:
    """Sums of two segments together."""
    first, second, both = ints32_at(one + _SUMS_AT), ints32_at(other + _SUMS_AT), ints32_at(out + _SUMS_AT)
    for k in range(SUMS_BYTES // 4 * state.n_tables):
        both[k] = first[k] + second[k]


@jit
def read_block(n: int, state: Any) -> None:
    """Read the segments of the n tokens of a block."""
    cuts = state.cuts
    count = cut_segments(state.seq, n, cuts)
    begin = 0
    before = 0
    is_cut = 0
    if state.n_segments == 0:
        best = logits_at(1, state)
        for table in range(state.n_tables):
            fill_logits(best + _LOGIT_BYTES * table)
    for number in range(count):
        end = cuts[number] >> 1
        build_features(begin, end, state)
        if state.n_pending:
            call_at(state.miss, state, 0, 0, 0, SUM)
        joins = number > 0 and is_pair(before, end - begin, is_cut)
        read_segment(state.n_segments, joins, state)
        state.n_segments += 1
        before = end - begin
        is_cut = cuts[number] & 1
        begin = end


@jit
def post_logits(out: int, state: Any) -> None:
    """Logits of the post that ends here to the address `out`."""
    tables, count = state.n_tables, state.n_segments
    whole, best = logits_at(0, state), logits_at(1, state)
    row = _ONE_SEGMENT
    if count > 1:
        whole_logits(whole, state)
        row = _SEVERAL
    for table in range(tables):
        shares, at = skip(state.heads, HEADS * (row * tables + table)), _LOGIT_BYTES * table
        mix_logits(whole + at, best + at, shares, _ROW_BYTES * tables, n_doublings(count), out + at)
    state.n_segments = 0


def make_entry() -> Any:
    """The compiled entry; a fingerprint of the sources is part of its cache key, so no stale code is ever run."""
    made_from = fingerprint()

    @entry
    def score_rows(data: Any, offsets: Any, rows: Any, tail: Any, tail_from: int, out: Any, words: Any) -> int:
        """Logits of the posts whose blocks are numbered in `rows`; from `tail_from` on, their bytes stand in `tail`."""
        state = state_at(address_of(words))
        ends, chosen = ints_at(address_of(offsets)), ints_at(address_of(rows))
        place = address_of(out)
        n = len(rows)
        # the pre-tokens of each block are found and looked up in the turns of the two before it
        for turn in range(n + 2):
            if turn < n:
                row = chosen[turn] & GOES_ON - 1
                text = address_of(data) if row < tail_from else address_of(tail) - ends[tail_from]
                find_pre_tokens(text + ends[row], ends[row + 1] - ends[row], ahead_of(turn, state), state)
            if 0 <= turn - 1 < n:
                look_up(ahead_of(turn - 1, state), state)
            if turn >= 2:
                read_block(scan_block(ahead_of(turn - 2, state), state), state)
                if not chosen[turn - 2] & GOES_ON:
                    post_logits(place, state)
                    place += _LOGIT_BYTES * state.n_tables
        return made_from

    return score_rows


@jit
def ahead_of(turn: int, state: Any) -> Any:
    """The look-ahead window of the block with this number."""
    return state.aheads[turn & N_AHEAD - 1]
