"""Compiled feature builder: token sequence to the rows of the weight table, family by family.

Words and their pieces are not listed: a token remembers what they add up to, so only the tokens are.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.buffers import i1_at, i4_at, i8_at, prefetch, u8_at
from tsclassify.features.compiled import jit, mix, offset_of
from tsclassify.features.memo import (
    BACK_GROUP,
    BACK_OWN,
    FLAGS_SHIFT,
    GROUP_SHIFT,
    KIND_EXCLAMATION,
    KIND_QUESTION,
    LENGTH_SHIFT,
    MASKED,
    NEGATOR,
    PIECES_SHIFT,
    SILENT,
    T_HASH,
    T_INFO,
    T_SEEN,
)
from tsclassify.features.state import (
    A_BACK,
    A_CONFIG,
    A_GROUP_KEYS,
    A_LEXICON,
    A_REPEATS,
    A_ROWS,
    A_SEEN,
    A_SEQ,
    A_SHOWN,
    A_TOKENS,
    A_WEIGHTS,
    A_WORDS,
    C_BACK_MAX,
    C_BACK_MIN,
    C_BITS,
    C_CHAIN,
    C_DEDUP,
    C_ENDS,
    C_FIRST,
    C_FLAGS,
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
    O_SLOTS,
    P_BACK_END,
    P_PIECES,
    P_POST_END,
    P_WORD_END,
    P_WORDS,
)
from tsclassify.text import rules

__all__ = ["build_features"]

_SEED_WORD = np.uint64(hashing.SEED_WORD)
_SEED_SKIP = np.uint64(hashing.SEED_SKIP)
_SEED_NEGATED = np.uint64(hashing.SEED_NEGATED)
_SEED_FIRST = np.uint64(hashing.SEED_FIRST)
_SEED_STARTS = np.uint64(hashing.SEED_STARTS)
_SEED_BACK = np.uint64(hashing.SEED_BACK)
_SEED_POST = np.uint64(hashing.SEED_POST)
_GENERIC = np.uint64(0)
_BEGIN = np.uint64(hashing.MARK_BEGIN)
_END = np.uint64(hashing.MARK_END)

# Post flags that depend on how words are written, in the order of ``POST_FLAGS``; then the first length bucket.
_HASHTAG: Final = 128
_DISGUISED: Final = 512
_STRETCHED: Final = 1024
_SHOUTING: Final = 2048
_NEGATOR: Final = 8192
_LENGTHS: Final = 14


@jit
def open_set(room: int, state: Any) -> Any:
    """Begin a new set of hashes with `room` for as many; returns the mask of its slots."""
    size = 64
    while size < 2 * room:
        size *= 2
    state[N_STAMP] += 1
    return size - 1


@jit
def is_new(h: Any, mask: int, seen: Any, stamp: Any) -> bool:
    """Add a hash to the open set; False when it is there already."""
    slot = 2 * (np.int64(h) & mask)
    while seen[slot + 1] == stamp:
        if seen[slot] == h:
            return False
        slot = (slot + 2) & (2 * mask + 1)
    seen[slot] = h
    seen[slot + 1] = stamp
    return True


@jit
def flag_bits(n: int, found: int, flags: int, words: int, capitals: int, negated: bool) -> int:
    """Flags and length bucket of a post as bits: `found` of its tokens' kinds, `flags` of its words."""
    bits = found
    if flags & rules.HASHTAG:
        bits |= _HASHTAG
    if flags & rules.DISGUISED:
        bits |= _DISGUISED
    if flags & rules.STRETCHED:
        bits |= _STRETCHED
    if capitals >= 3 and 2 * capitals >= words:
        bits |= _SHOUTING
    if negated:
        bits |= _NEGATOR
    size = 0
    while size < 8 and n >= 1 << size:
        size += 1
    return bits | 1 << (_LENGTHS + size)


@jit
def build_features(n: int, state: Any) -> None:  # noqa: C901 (one pass over the tokens, then one for each family)
    """Features of the scanned post.

    ``A_WORDS`` receives the ``P_WORDS`` tokens that count as words, with ``P_PIECES`` pieces; ``A_ROWS`` the offsets
    in the weight table of the other features of the word, back and post families one after the other, up to
    ``P_WORD_END``, ``P_BACK_END`` and ``P_POST_END``. A back family that is shared counts as part of the word family.
    """
    config, lexicon, group_keys = i8_at(state[A_CONFIG]), i8_at(state[A_LEXICON]), u8_at(state[A_GROUP_KEYS])
    seq, words, rows = i8_at(state[A_SEQ]), i4_at(state[A_WORDS]), i4_at(state[A_ROWS])
    infos, hashes = i8_at(state[A_TOKENS]), u8_at(state[A_TOKENS])
    shown, back, repeats = u8_at(state[A_SHOWN]), u8_at(state[A_BACK]), i1_at(state[A_REPEATS])
    shift, stride = np.uint64(64 - config[C_BITS]), 8 * state[N_TABLES]
    weights = state[A_WEIGHTS]
    if stride == 0:
        # an extractor wants the buckets themselves
        stride = 1
        weights = state[A_ROWS]
    word_max, n_skips, dedup = config[C_WORD_MAX], config[C_N_SKIPS], config[C_DEDUP]
    window, first, use_starts, ends = config[C_WINDOW], config[C_FIRST], config[C_STARTS], config[C_ENDS]
    chain, longest, shortest = config[C_CHAIN], config[C_BACK_MAX], config[C_BACK_MIN]
    mask = open_set((n + 2) * (2 + word_max + n_skips + longest) + first, state) if dedup else 0
    seen, stamp = u8_at(state[A_SEEN]), np.uint64(state[N_STAMP])
    state[N_POST] += 1
    post = state[N_POST] << 20
    size = 0
    n_back = 0
    if ends:
        shown[0] = _BEGIN
        back[0] = _BEGIN
        repeats[0] = 0
        size = 1
        n_back = 1
    write = 0
    n_words = 0
    pieces = 0
    left = 0
    last = -1
    place = 0
    negated = False
    begins = 0
    found = 0
    all_flags = 0
    plain = 0
    capitals = 0
    for k in range(n):
        token = seq[k] & 0xFFFFFFFF
        flags = seq[k] >> 32
        row = 8 * token
        info = infos[row + T_INFO]
        kind = info & 15
        found |= info >> FLAGS_SHIFT & 0x3FFF
        all_flags |= flags
        plain += kind == 0
        capitals += flags & rules.CAPS and info >> LENGTH_SHIFT & 255 >= 2
        starts = flags & rules.STARTS
        begins |= starts
        if starts or KIND_QUESTION <= kind <= KIND_EXCLAMATION:
            left = 0
        if info & SILENT:
            continue
        group = (info >> GROUP_SHIFT & 255) - 1
        if last >= 0 and group >= 0:
            if group == last and info & MASKED:
                continue
            if lexicon[GROUPS + 4 * group] == MODE_FOLD and lexicon[GROUPS + 4 * group + 1] >> last & 1:
                into = lexicon[GROUPS + 4 * group + 2]
                if into >= 0:
                    shown[size - 1] = group_keys[lexicon[O_SLOTS] + into]
                    back[n_back - 1] = shown[size - 1]
                    last = into
                continue
        h = hashes[row + T_HASH]
        shown[size] = h
        behind = _GENERIC
        if info & BACK_OWN:
            behind = h
        elif info & BACK_GROUP:
            behind = group_keys[lexicon[O_SLOTS] + group]
        back[n_back] = behind
        n_back += not chain or behind != _GENERIC
        if info & MASKED:
            # Other words show the same group, so a place may repeat unseen.
            repeats[size] = 1
            last = group
        else:
            last = -1
            before = infos[row + T_SEEN]
            if before >> 20 << 20 == post:
                # Only a phrase whose first word stands twice can itself stand twice.
                repeats[size] = 1
                repeats[before & 0xFFFFF] = 1
                if not dedup:
                    words[n_words] = token
                    n_words += 1
                    pieces += info >> PIECES_SHIFT
            else:
                repeats[size] = 0
                infos[row + T_SEEN] = post | size
                words[n_words] = token
                n_words += 1
                pieces += info >> PIECES_SHIFT
        size += 1
        if info & NEGATOR:
            negated = True
            left = window
        elif left > 0:
            left -= 1
            single = mix(_SEED_NEGATED, h)
            if not dedup or is_new(single, mask, seen, stamp):
                rows[write] = offset_of(single, shift, stride)
                write += 1
        if begins:
            begins = 0
            single = mix(_SEED_STARTS, h)
            if use_starts and (not dedup or is_new(single, mask, seen, stamp)):
                rows[write] = offset_of(single, shift, stride)
                write += 1
        if place < first:
            single = mix(mix(_SEED_FIRST, np.uint64(place)), h)
            if not dedup or is_new(single, mask, seen, stamp):
                rows[write] = offset_of(single, shift, stride)
                write += 1
        place += 1
    if ends:
        shown[size] = _END
        repeats[size] = 0
        back[n_back] = _END
        n_back += 1
        size = size + 1 if size > 1 else 0
    # Phrases of two words and more.
    for i in range(size):
        h = mix(_SEED_WORD, shown[i])
        test = dedup and repeats[i]
        for j in range(i + 1, min(size, i + word_max)):
            h = mix(h, shown[j])
            offset = offset_of(h, shift, stride)
            prefetch(weights + offset)
            rows[write] = offset
            write += not test or is_new(h, mask, seen, stamp)
    for s in range(n_skips):
        skip = config[C_SKIPS + s]
        seed = mix(_SEED_SKIP, np.uint64(skip))
        for i in range(size - skip):
            h = mix(mix(seed, shown[i]), shown[i + skip])
            offset = offset_of(h, shift, stride)
            prefetch(weights + offset)
            rows[write] = offset
            write += not (dedup and repeats[i]) or is_new(h, mask, seen, stamp)
    state[P_WORD_END] = write
    # Backed-off phrases; a chain of its two end marks alone says nothing.
    if longest and size and not (chain and n_back <= 2 * ends):
        for i in range(n_back):
            h = _SEED_BACK
            known = False
            for j in range(i, min(n_back, i + longest)):
                h = mix(h, back[j])
                known = known or (back[j] != _GENERIC and back[j] != _BEGIN and back[j] != _END)
                if known and j - i + 1 >= shortest:
                    offset = offset_of(h, shift, stride)
                    prefetch(weights + offset)
                    rows[write] = offset
                    write += not dedup or is_new(h, mask, seen, stamp)
        if config[C_SHARED]:
            state[P_WORD_END] = write
    state[P_BACK_END] = write
    if config[C_FLAGS]:
        bits = np.uint64(flag_bits(n, found, all_flags, plain, capitals, negated))
        flag = np.uint64(0)
        while bits:
            if bits & np.uint64(1):
                rows[write] = offset_of(mix(_SEED_POST, flag), shift, stride)
                write += 1
            bits >>= np.uint64(1)
            flag += np.uint64(1)
    state[P_POST_END] = write
    state[P_WORDS] = n_words
    state[P_PIECES] = pieces
