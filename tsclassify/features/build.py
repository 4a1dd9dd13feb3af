"""Compiled feature builder: tokens of a segment to the rows of the weight table, family by family.

Words and their pieces are not listed: a token remembers what they add up to, so only the tokens are.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.buffers import i1_at, i4_at, i8_at, prefetch, u8_at
from tsclassify.features.compiled import jit, mix, offset_of
from tsclassify.features.memo import (
    BACK_GROUP_BIT,
    BACK_OWN_BIT,
    FLAGS_SHIFT,
    GROUP_SHIFT,
    KIND_EXCLAMATION,
    KIND_QUESTION,
    LEAD,
    MASKED,
    MASKED_BIT,
    NEGATOR,
    SILENT,
    T_HASH,
    T_SEEN,
)
from tsclassify.features.pieces import LENGTH_SHIFT, PIECES_SHIFT, T_INFO
from tsclassify.features.state import (
    A_BACK,
    A_CONFIG,
    A_GROUP_KEYS,
    A_LEXICON,
    A_REPEATS,
    A_ROWS,
    A_SAME,
    A_SEEDS,
    A_SEEN,
    A_SEQ,
    A_SHOWN,
    A_TOKENS,
    A_TWICE,
    A_WEIGHTS,
    A_WORDS,
    C_BACK_MAX,
    C_BACK_MIN,
    C_BITS,
    C_CHAIN,
    C_DEDUP,
    C_ENDS,
    C_FIRST,
    C_N_SKIPS,
    C_SHARED,
    C_SKIPS,
    C_STARTS,
    C_WINDOW,
    C_WORD_MAX,
    GROUPS,
    MODE_FOLD,
    N_POST,
    N_STAMP,
    N_TABLES,
    P_BACK,
    P_BACK_END,
    P_BITS,
    P_CAPITALS,
    P_CONTENT,
    P_MASK,
    P_PIECES,
    P_PLAIN,
    P_SIZE,
    P_TOKENS,
    P_WORD_END,
    P_WORDS,
    S_KIND,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_TOKENS

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

# What a place shows is the first place that shows the same, or this plus a masked group.
_SAME_GROUP: Final = MAX_TOKENS + 8
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
    """Begin a new set of hashes with `room` for as many; ``P_MASK`` receives the mask of its slots."""
    mask = 2 * room - 1 | 63
    for step in range(5):
        mask |= mask >> (1 << step)
    state[P_MASK] = mask
    state[N_STAMP] += 1


@jit
def is_new(entry: int, state: Any) -> bool:
    """Add a number to the open set; False when it is there already."""
    seen, mask, stamp = i8_at(state[A_SEEN]), state[P_MASK], state[N_STAMP]
    slot = 2 * (np.int64(u8_at(state[A_SEEDS])[S_KIND] * np.uint64(entry) >> _HALF) & mask)
    while seen[slot + 1] == stamp:
        if seen[slot] == entry:
            return False
        slot = (slot + 2) & (2 * mask + 1)
    seen[slot] = entry
    seen[slot + 1] = stamp
    return True


@jit
def table_of(state: Any) -> tuple[Any, Any, Any]:
    """What ``row_for`` needs of the weight table; an extractor, which has none, wants the buckets themselves."""
    return np.uint64(64 - i8_at(state[A_CONFIG])[C_BITS]), max(8 * state[N_TABLES], 1), state[A_WEIGHTS]


@jit
def row_for(h: Any, table: Any) -> Any:
    """Offset of a feature's row, which is asked for."""
    shift, stride, weights = table
    offset = offset_of(h, shift, stride)
    prefetch(weights + offset)
    return offset


@jit
def mark_bits(flags: int, info: int, negated: bool) -> Any:
    """Flags of a segment as bits, as far as they add up: `flags` of its words, `info` of its tokens."""
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
def is_left_out(k: int, n: int, state: Any) -> Any:
    """Whether a silent token, or one that leads, is no part of the sequence: the latter right before certain groups.

    Another one that leads may stand between.
    """
    lexicon, seq, infos = i8_at(state[A_LEXICON]), i8_at(state[A_SEQ]), i8_at(state[A_TOKENS])
    info = infos[8 * (seq[k] & 0xFFFFFFFF) + T_INFO]
    ahead = infos[8 * (seq[k + 1] & 0xFFFFFFFF) + T_INFO] if k + 1 < n else np.int64(0)
    if ahead & LEAD:
        ahead = infos[8 * (seq[k + 2] & 0xFFFFFFFF) + T_INFO] if k + 2 < n else np.int64(0)
    group = ahead >> GROUP_SHIFT & 255
    if info & SILENT or not group:
        return info & SILENT != 0
    return lexicon[GROUPS + 4 * ((info >> GROUP_SHIFT & 255) - 1) + 1] >> (group - 1) & 1 != 0


@jit
def place_tokens(first_token: int, n: int, write: int, state: Any) -> Any:
    """List what phrases are made of, and the tokens that count as words; returns the number of rows written.

    Of the tokens from `first_token` up to n, ``P_SIZE`` stand in ``A_SHOWN`` as phrases show them, with ``A_REPEATS``:
    whether the same stands elsewhere; ``P_BACK`` of them in ``A_BACK`` as backed-off phrases do. What is decided
    differently from token to token is counted, not branched on: a branch that goes either way costs as much as all
    else that is done for a token.
    """
    config, lexicon, group_keys = i8_at(state[A_CONFIG]), i8_at(state[A_LEXICON]), u8_at(state[A_GROUP_KEYS])
    seq, words, rows = i8_at(state[A_SEQ]), i4_at(state[A_WORDS]), i4_at(state[A_ROWS])
    infos, hashes = i8_at(state[A_TOKENS]), u8_at(state[A_TOKENS])
    shown, back, repeats = u8_at(state[A_SHOWN]), u8_at(state[A_BACK]), i1_at(state[A_REPEATS])
    same = i4_at(state[A_SAME])
    table = table_of(state)
    ends, first, window, dedup = config[C_ENDS], config[C_FIRST], config[C_WINDOW], config[C_DEDUP] > 0
    every = not config[C_CHAIN]
    state[N_POST] += 1
    post = state[N_POST]
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
    found = 0
    all_flags = 0
    plain = 0
    capitals = 0
    content = 0
    for k in range(first_token, n):
        token = seq[k] & 0xFFFFFFFF
        flags = seq[k] >> 32
        row = 8 * token
        info = infos[row + T_INFO]
        kind = info & 15
        found |= info
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
            if lexicon[GROUPS + 4 * group] == MODE_FOLD and lexicon[GROUPS + 4 * group + 1] >> last & 1:
                into = lexicon[GROUPS + 4 * group + 2]
                if into >= 0:
                    shown[size - 1] = group_keys[into]
                    back[n_back - 1] = shown[size - 1]
                    same[size - 1] = _SAME_GROUP + into
                    last = into
                continue
        h = hashes[row + T_HASH]
        shown[size] = h
        # the group's key, or the own hash, or nothing: the mask is all ones or all zeros
        behind = h & np.uint64(-(info >> BACK_OWN_BIT & 1))
        behind |= group_keys[max(group, 0)] & np.uint64(-(info >> BACK_GROUP_BIT & 1))
        back[n_back] = behind
        n_back += every or behind != _GENERIC
        is_masked = info >> MASKED_BIT & 1
        last = (group + 1) * is_masked - 1
        before = infos[row + T_SEEN]
        infos[row + T_SEEN] = post << 20 | size
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
        pieces += info >> PIECES_SHIFT if counts else 0
        # seldom anything: what negators, sentences and the post's beginning give a token
        if info & NEGATOR | left | begins or size - ends < first:
            if info & NEGATOR:
                negated = True
                left = window
            elif left > 0:
                left -= 1
                single = mix(_SEED_NEGATED, h)
                rows[write] = row_for(single, table)
                write += not dedup or is_new(_NEGATED | same[size], state)
            if begins and config[C_STARTS]:
                single = mix(_SEED_STARTS, h)
                rows[write] = row_for(single, table)
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
    state[P_SIZE] = size if size > 2 * ends else 0
    state[P_BACK] = n_back
    state[P_WORDS] = n_words
    state[P_PIECES] = pieces
    state[P_TOKENS] = n - first_token
    state[P_BITS] = mark_bits(all_flags, found, negated)
    state[P_PLAIN] = plain
    state[P_CAPITALS] = capitals
    state[P_CONTENT] = content
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
    config, rows = i8_at(state[A_CONFIG]), i4_at(state[A_ROWS])
    shown, repeats, twice = u8_at(state[A_SHOWN]), i1_at(state[A_REPEATS]), i4_at(state[A_TWICE])
    same = i4_at(state[A_SAME])
    size, table = state[P_SIZE], table_of(state)
    n_twice = 0
    for i in range(size):
        twice[n_twice] = i
        n_twice += repeats[i]
    n_lengths = max(0, config[C_WORD_MAX] - 1)
    for number in range(n_lengths + config[C_N_SKIPS]):
        seed, step, length = _SEED_WORD, np.int64(1), number + 2
        if number >= n_lengths:
            step, length = config[C_SKIPS + number - n_lengths], 2
            seed = mix(_SEED_SKIP, np.uint64(step))
        end = size - step * (length - 1)
        # a set of their own for phrases of each kind
        state[N_STAMP] += 1
        for i in range(end):
            rows[write] = row_for(phrase_at(i, seed, step, length, shown), table)
            write += 1 - repeats[i]
        for k in range(n_twice):
            if twice[k] < end:
                h = phrase_at(twice[k], seed, step, length, shown)
                rows[write] = row_for(h, table)
                write += is_new(same_at(twice[k], step, length, same), state)
    return write


@jit
def add_back(write: int, state: Any) -> Any:
    """Backed-off phrases; returns the number of rows written."""
    config, rows, back = i8_at(state[A_CONFIG]), i4_at(state[A_ROWS]), u8_at(state[A_BACK])
    longest, shortest, dedup = config[C_BACK_MAX], config[C_BACK_MIN], config[C_DEDUP]
    n_back, table = state[P_BACK], table_of(state)
    # a chain of its two end marks alone says nothing
    if not state[P_SIZE] or (config[C_CHAIN] and n_back <= 2 * config[C_ENDS]):
        return write
    state[N_STAMP] += 1
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

    ``A_WORDS`` receives the ``P_WORDS`` tokens that count as words, with ``P_PIECES`` pieces; ``A_ROWS`` the offsets
    in the weight table of the other features of the word and back families one after the other, up to ``P_WORD_END``
    and ``P_BACK_END``. A back family that is shared counts as part of the word family.
    """
    config = i8_at(state[A_CONFIG])
    n_kinds = 2 + config[C_WORD_MAX] + config[C_N_SKIPS] + config[C_BACK_MAX]
    open_set((last - first + 2) * n_kinds + config[C_FIRST], state)
    write = place_tokens(first, last, 0, state)
    write = add_phrases(write, state)
    state[P_WORD_END] = write
    write = add_back(write, state)
    if config[C_SHARED]:
        state[P_WORD_END] = write
    state[P_BACK_END] = write
