"""From the tokens of a segment to the rows of its features in the weight table, family by family.

Words and their character n-grams are not listed: a token remembers what their weights add up to.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

# isort: off
from tsclassify.features import hashing
from tsclassify.kernel.cache import (
    BACK_GROUP_BIT, BACK_OWN_BIT, FLAGS_SHIFT, GRAMS_SHIFT, GROUP_SHIFT, KIND_EXCLAMATION, KIND_QUESTION, LEAD,
    LENGTH_SHIFT, MASKED, MASKED_BIT, NEGATOR, SILENT,
)  # fmt: skip
from tsclassify.kernel.intrinsics import HEADS, jit, mix, offset_of, prefetch, skip
from tsclassify.kernel.layout import MODE_FOLD, PLACES, SEED_KIND
from tsclassify.text import rules
# isort: on

__all__ = ["build_features"]

_SEED_WORD = np.uint64(hashing.SEED_WORD)
_SEED_SKIP = np.uint64(hashing.SEED_SKIP)
_SEED_NEGATED = np.uint64(hashing.SEED_NEGATED)
_SEED_FIRST = np.uint64(hashing.SEED_FIRST)
_SEED_STARTS = np.uint64(hashing.SEED_STARTS)
_SEED_BACK = np.uint64(hashing.SEED_BACK)
_HALF = np.uint64(32)
_GENERIC = np.uint64(0)
_BEGIN = np.uint64(hashing.MARK_BEGIN)
_END = np.uint64(hashing.MARK_END)

# `same` of a place is the first place that shows the same, or this plus a masked group.
_SAME_GROUP: Final = PLACES
_SAME_BITS: Final = 16
"""Four such numbers are one of 64 bits."""

# Kinds of features of one word in the open set.
_NEGATED: Final = 1 << _SAME_BITS
_STARTING: Final = 2 << _SAME_BITS

# Flags that depend on how words are written, in the order of ``POST_FLAGS``.
_HASHTAG: Final = 128
_DISGUISED: Final = 512
_STRETCHED: Final = 1024
_NEGATOR: Final = 8192
_QUOTED: Final = 16384
_SCRIPT_BIT: Final = 12


@jit
def open_set(room: int, state: Any) -> Any:
    """Begin a new set of features with `room` for as many."""
    mask = 2 * room - 1 | 63
    for step in range(5):
        mask |= mask >> (1 << step)
    state.set_mask = mask
    state.stamp += 1


@jit
def is_new(entry: int, state: Any) -> bool:
    """Add a number to the open set; False when it is there already."""
    seen, mask, stamp = state.seen, state.set_mask, state.stamp
    slot = 2 * (np.int64(state.seeds[SEED_KIND] * np.uint64(entry) >> _HALF) & mask)
    while seen[slot + 1] == stamp:
        if seen[slot] == entry:
            return False
        slot = (slot + 2) & (2 * mask + 1)
    seen[slot] = entry
    seen[slot + 1] = stamp
    return True


@jit
def table_of(state: Any) -> tuple[Any, Any, Any]:
    """What ``row_for`` needs of the weight table; an extractor, which has none, has buckets instead of rows."""
    return np.uint64(64 - state.config.bits), max(HEADS * state.n_tables, 1), state.weights


@jit
def row_for(h: Any, table: Any) -> Any:
    """Offset of a feature's row in the weight table, which is prefetched."""
    shift, stride, weights = table
    offset = offset_of(h, shift, stride)
    prefetch(skip(weights, offset))
    return offset


@jit
def flag_bits(flags: int, info: int, negated: bool) -> Any:
    """Flags of a segment as far as they add up: `flags` of its words, `info` of its tokens."""
    bits = info >> FLAGS_SHIFT & 0x3FFF
    if flags & rules.HASHTAG:
        bits |= _HASHTAG
    if flags & rules.DISGUISED:
        bits |= _DISGUISED
    if flags & rules.STRETCHED:
        bits |= _STRETCHED
    if flags & rules.QUOTED:
        bits |= _QUOTED
    if negated:
        bits |= _NEGATOR
    return bits


@jit
def info_at(k: int, n: int, state: Any) -> Any:
    """Info of the token k of n in the sequence, 0 behind the last one."""
    return state.tokens[state.seq[k] & 0xFFFFFFFF].info if k < n else np.int64(0)


@jit
def is_left_out(k: int, n: int, state: Any) -> Any:
    """Whether a silent token, or one that leads, is no part of the sequence: the latter right before certain groups.

    Another one that leads may stand between.
    """
    info, following = info_at(k, n, state), info_at(k + 1, n, state)
    if following & LEAD:
        following = info_at(k + 2, n, state)
    group = following >> GROUP_SHIFT & 255
    if info & SILENT or not group:
        return info & SILENT != 0
    return state.groups[(info >> GROUP_SHIFT & 255) - 1].near >> (group - 1) & 1 != 0


@jit
def place_tokens(first_token: int, n: int, write: int, state: Any) -> Any:
    """List what phrases are made of, and the tokens that count as words; returns the number of rows written.

    Of the tokens from `first_token` up to n, ``n_shown`` stand in `shown` as phrases show them, with `repeats`, and
    ``n_back`` of them in `back` as backed-off phrases do. The loop counts what is decided differently from token to
    token and does not branch on it: a branch that goes either way costs as much as all else that a token costs.
    """
    config, group_keys, built = state.config, state.group_keys, state.built
    seq, words, rows, shown = state.seq, state.words, state.rows, state.shown
    back, repeats, same = state.back, state.repeats, state.same
    tokens, groups, table = state.tokens, state.groups, table_of(state)
    ends, first, window, dedup = config.ends, config.first, config.negation_window, config.dedup > 0
    every = not config.back_chain
    state.post += 1
    post = state.post
    shown[0] = _BEGIN
    back[0] = _BEGIN
    same[0] = 0
    repeats[0] = 0
    size = np.int64(ends)
    n_back = np.int64(ends)
    n_words = 0
    pieces = 0
    left = 0
    last = -1
    negated = False
    begins = 0
    all_infos = 0
    all_flags = 0
    plain = 0
    capitals = 0
    content = 0
    for k in range(first_token, n):
        token = seq[k] & 0xFFFFFFFF
        flags = seq[k] >> 32
        row = tokens[token]
        info = row.info
        kind = info & 15
        all_infos |= info
        # of other tokens than words only that they are quoted
        all_flags |= flags & (-(kind == 0) | rules.QUOTED)
        plain += kind == 0
        length = info >> LENGTH_SHIFT & 255
        capitals += flags & rules.CAPS and length >= 2
        # a word of another script counts twice, a masked one not at all
        script = info >> FLAGS_SHIFT + _SCRIPT_BIT & 1
        content += (kind == 0) * (1 - (info >> MASKED_BIT & 1)) * (2 * script + (1 - script) * (length >= 2))
        starts = flags & rules.STARTS
        begins |= starts
        if starts or KIND_QUESTION <= kind <= KIND_EXCLAMATION:
            left = 0
        group = (info >> GROUP_SHIFT & 255) - 1
        if info & (SILENT | LEAD) and is_left_out(k, n, state):
            last = last if info & SILENT else -1
            continue
        if last >= 0 and group >= 0:
            if group == last and info & MASKED:
                continue
            fold = groups[group]
            if fold.mode == MODE_FOLD and fold.near >> last & 1:
                if fold.into >= 0:
                    shown[size - 1] = group_keys[fold.into]
                    back[n_back - 1] = shown[size - 1]
                    same[size - 1] = _SAME_GROUP + fold.into
                    last = fold.into
                continue
        h = row.hash
        shown[size] = h
        # the group's key, or the own hash, or nothing: the mask is all ones or all zeros
        behind = h & np.uint64(-(info >> BACK_OWN_BIT & 1))
        behind |= group_keys[max(group, 0)] & np.uint64(-(info >> BACK_GROUP_BIT & 1))
        back[n_back] = behind
        n_back += every or behind != _GENERIC
        is_masked = info >> MASKED_BIT & 1
        last = (group + 1) * is_masked - 1
        before = row.seen
        row.seen = post << 20 | size
        is_again = before >> 20 == post
        # Only a phrase whose first word stands twice can itself stand twice; and other words show the same group, so
        # that a masked one may repeat unseen.
        repeats[size] = dedup and (is_again or is_masked)
        one = before & 0xFFFFF if is_again else size
        repeats[one] = repeats[size]
        same[size] = size
        same[size] = _SAME_GROUP + group if is_masked else same[one]
        counts = not is_masked and not (dedup and is_again)
        words[n_words] = token
        n_words += counts
        pieces += info >> GRAMS_SHIFT if counts else 0
        # seldom anything: what negators, sentences and the post's beginning give a token
        if info & NEGATOR | left | begins or size - ends < first:
            if info & NEGATOR:
                negated = True
                left = window
            elif left > 0:
                left -= 1
                rows[write] = row_for(mix(_SEED_NEGATED, h), table)
                write += not dedup or is_new(_NEGATED | same[size], state)
            if begins and config.starts:
                rows[write] = row_for(mix(_SEED_STARTS, h), table)
                write += not dedup or is_new(_STARTING | same[size], state)
            begins = 0
            if size - ends < first:
                # its number makes it new
                rows[write] = row_for(mix(mix(_SEED_FIRST, np.uint64(size - ends)), h), table)
                write += 1
        size += 1
    if ends:
        shown[size] = _END
        repeats[size] = 0
        back[n_back] = _END
        same[size] = size
        n_back += 1
        size += 1
    # two end marks alone are no phrase
    state.n_shown = size if size > 2 * ends else 0
    state.n_back = n_back
    state.n_words = n_words
    built.n_pieces = pieces
    built.n_tokens = n - first_token
    built.bits = flag_bits(all_flags, all_infos, negated)
    built.n_plain = plain
    built.n_capitals = capitals
    built.n_content = content
    return write


@jit
def phrase_at(i: int, seed: Any, step: int, length: int, shown: Any) -> Any:
    """Hash of a phrase of two tokens or more, `step` apart."""
    h = mix(mix(seed, shown[i]), shown[i + step])
    for k in range(2, length):
        h = mix(h, shown[i + k * step])
    return h


@jit
def same_at(i: int, step: int, length: int, same: Any) -> Any:
    """What the words of a phrase show, as one number; a hash would not do: anybody can make two that share one."""
    number = same[i] << _SAME_BITS | same[i + step]
    for k in range(2, length):
        number = number << _SAME_BITS | same[i + k * step]
    return number


@jit
def add_phrases(write: int, state: Any) -> Any:
    """Phrases of two words and more, and skip pairs; returns the number of rows written."""
    config, rows, shown, repeats, twice = state.config, state.rows, state.shown, state.repeats, state.twice
    size, same, table = state.n_shown, state.same, table_of(state)
    n_twice = 0
    for i in range(size):
        twice[n_twice] = i
        n_twice += repeats[i]
    n_lengths = max(0, config.word_max - 1)
    for number in range(n_lengths + config.n_skips):
        seed, step, length = _SEED_WORD, np.int64(1), number + 2
        if number >= n_lengths:
            step, length = config.skips[number - n_lengths], 2
            seed = mix(_SEED_SKIP, np.uint64(step))
        end = size - step * (length - 1)
        # a set of their own for phrases of each kind
        state.stamp += 1
        for i in range(end):
            rows[write] = row_for(phrase_at(i, seed, step, length, shown), table)
            write += 1 - repeats[i]
        for k in range(n_twice):
            if twice[k] < end:
                rows[write] = row_for(phrase_at(twice[k], seed, step, length, shown), table)
                write += is_new(same_at(twice[k], step, length, same), state)
    return write


@jit
def add_back(write: int, state: Any) -> Any:
    """Backed-off phrases; returns the number of rows written."""
    config, rows, back, n_back = state.config, state.rows, state.back, state.n_back
    longest, shortest, dedup, table = config.back_max, config.back_min, config.dedup, table_of(state)
    # a chain of its two end marks alone says nothing
    if not state.n_shown or (config.back_chain and n_back <= 2 * config.ends):
        return write
    state.stamp += 1
    for i in range(n_back if longest else 0):
        h = _SEED_BACK
        known = False
        for j in range(i, min(n_back, i + longest)):
            h = mix(h, back[j])
            known = known or (back[j] != _GENERIC and back[j] != _BEGIN and back[j] != _END)
            if known and j - i + 1 >= shortest:
                rows[write] = row_for(h, table)
                # chains show groups and listed words, of which nobody can make two that share a hash
                write += not dedup or is_new(np.int64(h), state)
    return write


@jit
def build_features(first: int, last: int, state: Any) -> None:
    """Features of the segment of the tokens from `first` up to `last`.

    `words` receives the ``n_words`` tokens that count as words; `rows` the offsets in the weight table of the other
    features of the word and back families one after the other, up to ``word_end`` and ``back_end``; `built` the
    counts. A back family that is shared counts as part of the word family.
    """
    config, built = state.config, state.built
    n_kinds = 2 + config.word_max + config.n_skips + config.back_max
    open_set((last - first + 2) * n_kinds + config.first, state)
    word_end = add_phrases(place_tokens(first, last, 0, state), state)
    back_end = add_back(word_end, state)
    if config.back_shared:
        word_end = back_end
    state.word_end = word_end
    state.back_end = back_end
    built.n_words = word_end + (state.n_words if config.word_max else 0)
    built.n_back = back_end - word_end
