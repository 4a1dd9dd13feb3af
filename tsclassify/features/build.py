"""Compiled feature builder: token sequence to feature hashes, family by family, with each family's count."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from tsclassify.errors import InputError
from tsclassify.features import hashing
from tsclassify.features.compiled import jit, mix
from tsclassify.features.scan import (
    KIND_EMOJI,
    KIND_EXCLAMATION,
    KIND_QUESTION,
    KIND_QUOTE,
    LENGTH_SHIFT,
    MASKED,
    MAX_TOKENS,
    NEGATOR,
    OTHER_SCRIPT,
    SILENT,
    Tables,
)
from tsclassify.features.spec import FeatureSpec
from tsclassify.text import rules
from tsclassify.text.lexicon import MODES, Lexicon
from tsclassify.text.table import char_table

__all__ = ["Scratch", "build_features", "make_config", "make_scratch", "make_tables", "n_pieces"]

PER_TOKEN: Final = 20
"""Most features of one token outside the char family: 4 phrases, 7 skips, negation, start, place, 5 backed off."""

_SEEN: Final = 1 << 21
_BLANK: Final = np.uint64(32)
_SEED_WORD = np.uint64(hashing.SEED_WORD)
_SEED_SKIP = np.uint64(hashing.SEED_SKIP)
_SEED_NEGATED = np.uint64(hashing.SEED_NEGATED)
_SEED_FIRST = np.uint64(hashing.SEED_FIRST)
_SEED_STARTS = np.uint64(hashing.SEED_STARTS)
_SEED_BACK = np.uint64(hashing.SEED_BACK)
_SEED_CHAR = np.uint64(hashing.SEED_CHAR)
_SEED_POST = np.uint64(hashing.SEED_POST)
_GENERIC = np.uint64(0)

# Places in the config array.
C_BITS: Final = 0
C_WORD_MAX: Final = 1
C_CHAR_MIN: Final = 2
C_CHAR_MAX: Final = 3
C_BACK_MIN: Final = 4
C_BACK_MAX: Final = 5
C_WINDOW: Final = 6
C_FIRST: Final = 7
C_STARTS: Final = 8
C_FLAGS: Final = 9
C_DEDUP: Final = 10
C_N_SKIPS: Final = 11
C_SKIPS: Final = 12


class Scratch(NamedTuple):
    """Per-thread buffers of the builder."""

    features: Any
    words: Any
    seen_keys: Any
    seen_stamps: Any
    shown: Any
    back: Any
    stamp: Any


def make_scratch() -> Scratch:
    """Buffers for the longest post; pages are touched only as they are used."""
    return Scratch(
        features=np.empty(MAX_TOKENS * PER_TOKEN + 64, dtype=np.uint64),
        words=np.empty(MAX_TOKENS + 8, dtype=np.int32),
        seen_keys=np.empty(_SEEN, dtype=np.uint64),
        seen_stamps=np.zeros(_SEEN, dtype=np.int32),
        shown=np.empty(MAX_TOKENS + 8, dtype=np.uint64),
        back=np.empty(MAX_TOKENS + 8, dtype=np.uint64),
        stamp=np.zeros(1, dtype=np.int64),
    )


def make_config(spec: FeatureSpec) -> Any:
    """The spec as int64 numbers for compiled code."""
    config = np.zeros(C_SKIPS + 8, dtype=np.int64)
    config[: C_N_SKIPS + 1] = [
        spec.bits, spec.word_max, spec.char_min, spec.char_max, spec.back_min, spec.back_max, spec.negation_window,
        spec.first, spec.starts, spec.flags, ("none", "word", "feature").index(spec.dedup), len(spec.skips),
    ]  # fmt: skip
    config[C_SKIPS : C_SKIPS + len(spec.skips)] = spec.skips
    return config


def make_tables(spec: FeatureSpec, lexicon: Lexicon) -> Tables:
    """The character table and the lexicon as arrays."""
    table = char_table()
    groups = lexicon.groups
    size = 64
    while size < 4 * len(lexicon.words):
        size *= 2
    keys = np.zeros(size, dtype=np.uint64)
    members = np.full(size, -1, dtype=np.int32)
    for word, group in lexicon.words.items():
        key = hashing.text_hash(word)
        slot = key & (size - 1)
        while members[slot] >= 0:
            if int(keys[slot]) == key:
                raise InputError("lexicon: words must have distinct hashes, got two that share one")
            slot = (slot + 1) & (size - 1)
        keys[slot] = key
        members[slot] = groups.index(group)
    hashes = [hashing.chain(hashing.SEED_GROUP, map(ord, group)) for group in groups]
    options = np.zeros(8, dtype=np.int64)
    options[:5] = [
        spec.mask, "?" in spec.silent, "!" in spec.silent, '"' in spec.silent,
        groups.index(spec.negators) if spec.negators in groups else -2,
    ]  # fmt: skip
    return Tables(
        index=table.index,
        entries=table.entries,
        expansions=table.expansions,
        twin_codes=table.twin_codes.astype(np.int64),
        twin_letters=table.twin_letters.astype(np.int64),
        lex_keys=keys,
        lex_groups=members,
        group_hashes=np.array([*hashes, 0], dtype=np.uint64),
        group_modes=np.array([*(MODES.index(lexicon.modes[group]) for group in groups), 0], dtype=np.int64),
        options=options,
    )


@jit
def n_pieces(length: int, config: Any) -> int:
    """Number of char features of a token."""
    total = 0
    for size in range(config[C_CHAR_MIN], config[C_CHAR_MAX] + 1):
        total += max(0, length + 2 - size + 1)
    return total


@jit
def has_pieces(info: int) -> bool:
    """Whether a token has char features: a word that is not masked."""
    return info & 15 == 0 and not info & MASKED


@jit
def distinct(features: Any, lo: int, hi: int, scratch: Any) -> int:
    """Keep the first of equal hashes in ``features[lo:hi]``; returns the new end."""
    size = 512
    while size < 2 * (hi - lo):
        size *= 2
    mask = np.uint64(size - 1)
    scratch.stamp[0] += 1
    if scratch.stamp[0] >= 2147483647:
        scratch.seen_stamps[:] = 0
        scratch.stamp[0] = 1
    stamp = scratch.stamp[0]
    keys, stamps = scratch.seen_keys, scratch.seen_stamps
    write = lo
    for k in range(lo, hi):
        h = features[k]
        slot = np.int64(h & mask)
        fresh = True
        while stamps[slot] == stamp:
            if keys[slot] == h:
                fresh = False
                break
            slot = (slot + 1) & (size - 1)
        if fresh:
            stamps[slot] = stamp
            keys[slot] = h
            features[write] = h
            write += 1
    return write


@jit
def post_flags(n: int, memo: Any, negated: bool) -> int:
    """Flags and length bucket of a post as bits."""
    bits = 0
    capitals = 0
    words = 0
    for k in range(n):
        info = memo.t_info[memo.seq[k]]
        flag = memo.seq_flags[k]
        kind = info & 15
        if kind == KIND_QUESTION:
            bits |= 1
        elif kind == KIND_EXCLAMATION:
            bits |= 2
        elif kind == KIND_QUOTE:
            bits |= 4
        elif kind == KIND_EMOJI:
            bits |= 256
        elif kind == rules.URL:
            bits |= 8
        elif kind == rules.USER:
            bits |= 16
        elif kind == rules.NUMBER:
            bits |= 32
        elif kind == rules.EMAIL:
            bits |= 64
        else:
            words += 1
            if flag & rules.HASHTAG:
                bits |= 128
            if flag & rules.DISGUISED:
                bits |= 512
            if flag & rules.STRETCHED:
                bits |= 1024
            if flag & rules.CAPS and info >> LENGTH_SHIFT >= 2:
                capitals += 1
            if info & OTHER_SCRIPT:
                bits |= 4096
    if capitals >= 3 and 2 * capitals >= words:
        bits |= 2048
    if negated:
        bits |= 8192
    size = 0
    while size < 8 and n >= 1 << size:
        size += 1
    return bits | 1 << (14 + size)


@jit
def build_features(n: int, memo: Any, scratch: Any, config: Any, bounds: Any) -> None:
    """Feature hashes of the scanned post.

    ``scratch.features`` receives the word, back and post families one after the other; ``bounds`` their ends, and
    the number of tokens in ``scratch.words`` whose pieces count: (word, back, post, words).
    """
    features, shown, back = scratch.features, scratch.shown, scratch.back
    size = 0
    negator_seen = False
    for k in range(n):
        token = memo.seq[k]
        info = memo.t_info[token]
        negator_seen = negator_seen or info & NEGATOR != 0
        if not info & SILENT:
            shown[size] = memo.t_hash[token]
            back[size] = memo.t_back[token]
            size += 1
    write = 0
    word_max = config[C_WORD_MAX]
    for i in range(size):
        h = _SEED_WORD
        for j in range(i, min(size, i + word_max)):
            h = mix(h, shown[j])
            features[write] = h
            write += 1
    for s in range(config[C_N_SKIPS]):
        skip = config[C_SKIPS + s]
        seed = mix(_SEED_SKIP, np.uint64(skip))
        for i in range(size - skip):
            features[write] = mix(mix(seed, shown[i]), shown[i + skip])
            write += 1
    window = config[C_WINDOW]
    if config[C_STARTS] or (window and negator_seen):
        left = 0
        i = 0
        for k in range(n):
            info = memo.t_info[memo.seq[k]]
            kind = info & 15
            if config[C_STARTS] and memo.seq_flags[k] & rules.STARTS and not info & SILENT:
                features[write] = mix(_SEED_STARTS, shown[i])
                write += 1
            if window:
                if kind == KIND_QUESTION or kind == KIND_EXCLAMATION or memo.seq_flags[k] & rules.STARTS:
                    left = 0
                if info & NEGATOR:
                    left = window
                elif left > 0 and not info & SILENT:
                    features[write] = mix(_SEED_NEGATED, shown[i])
                    write += 1
                    left -= 1
            if not info & SILENT:
                i += 1
    for i in range(min(size, config[C_FIRST])):
        features[write] = mix(mix(_SEED_FIRST, np.uint64(i)), shown[i])
        write += 1
    dedup = config[C_DEDUP]
    if dedup:
        write = distinct(features, 0, write, scratch)
    bounds[0] = write
    back_max = config[C_BACK_MAX]
    if back_max:
        for i in range(size):
            h = _SEED_BACK
            known = 0
            for j in range(i, min(size, i + back_max)):
                h = mix(h, back[j])
                known += back[j] != _GENERIC
                if known and j - i + 1 >= config[C_BACK_MIN]:
                    features[write] = h
                    write += 1
        if dedup:
            write = distinct(features, bounds[0], write, scratch)
    bounds[1] = write
    if config[C_FLAGS]:
        bits = post_flags(n, memo, negator_seen)
        flag = 0
        while bits >> flag:
            if bits >> flag & 1:
                features[write] = mix(_SEED_POST, np.uint64(flag))
                write += 1
            flag += 1
    bounds[2] = write
    count = 0
    if config[C_CHAR_MAX]:
        # Distinct words by token number: the spare end of the buffer holds the numbers as hashes.
        if dedup:
            end = write
            for k in range(n):
                if has_pieces(memo.t_info[memo.seq[k]]):
                    features[end] = np.uint64(memo.seq[k])
                    end += 1
            end = distinct(features, write, end, scratch)
            for k in range(write, end):
                scratch.words[count] = np.int32(features[k])
                count += 1
        else:
            for k in range(n):
                if has_pieces(memo.t_info[memo.seq[k]]):
                    scratch.words[count] = memo.seq[k]
                    count += 1
    bounds[3] = count


@jit
def write_pieces(token: int, memo: Any, config: Any, out: Any, at: int) -> int:
    """Hashes of all pieces of a word with a blank on each side into ``out[at:]``; returns the end."""
    begin = np.int64(memo.t_begin[token])
    length = np.int64(memo.t_length[token])
    shortest = config[C_CHAR_MIN]
    longest = config[C_CHAR_MAX]
    for i in range(-1, length + 1):
        h = _SEED_CHAR
        for j in range(i, min(length + 1, i + longest)):
            code = _BLANK
            if 0 <= j < length:
                code = np.uint64(memo.t_codes[begin + j])
            h = mix(h, code)
            if j - i + 1 >= shortest:
                out[at] = h
                at += 1
    return at
