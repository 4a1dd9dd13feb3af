"""Compiled feature builder: token sequence to feature hashes, family by family, with each family's count."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from tsclassify.errors import InputError
from tsclassify.features import hashing
from tsclassify.features.compiled import jit, mix
from tsclassify.features.scan import (
    GROUP_SHIFT,
    GROUPS,
    KIND_EMOJI,
    KIND_EXCLAMATION,
    KIND_QUESTION,
    KIND_QUOTE,
    LENGTH_SHIFT,
    MASKED,
    MAX_TOKENS,
    MODE_FOLD,
    NEGATOR,
    O_CHAIN,
    O_EXPANSIONS,
    O_MASK,
    O_MEMBERS,
    O_NEGATORS,
    O_SILENT,
    O_SLOTS,
    OTHER_SCRIPT,
    SEQ,
    SEQ_FLAGS,
    SILENT,
    T_BACK,
    T_BEGIN,
    T_CODES,
    T_HASH,
    T_LENGTH,
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
_BEGIN = np.uint64(hashing.MARK_BEGIN)
_END = np.uint64(hashing.MARK_END)

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
C_CHAIN: Final = 12
C_SHARED: Final = 13
C_ENDS: Final = 14
C_SKIPS: Final = 15


class Scratch(NamedTuple):
    """Per-thread buffers of the builder."""

    features: Any
    words: Any
    seen_keys: Any
    seen_stamps: Any
    shown: Any
    back: Any
    solo: Any
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
        solo=np.empty(MAX_TOKENS + 8, dtype=np.int8),
        stamp=np.zeros(1, dtype=np.int64),
    )


def make_config(spec: FeatureSpec) -> Any:
    """The spec as int64 numbers for compiled code."""
    config = np.zeros(C_SKIPS + 8, dtype=np.int64)
    config[:C_SKIPS] = [
        spec.bits, spec.word_max, spec.char_min, spec.char_max, spec.back_min, spec.back_max, spec.negation_window,
        spec.first, spec.starts, spec.flags, ("none", "word", "feature").index(spec.dedup), len(spec.skips),
        spec.back_chain, spec.back_shared, spec.ends,
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
    keys = np.zeros(size + len(groups), dtype=np.uint64)
    head = np.zeros(GROUPS + 4 * len(groups), dtype=np.int64)
    members = np.full(size, -1, dtype=np.int64)
    for word, group in lexicon.words.items():
        key = hashing.text_hash(word)
        slot = key & (size - 1)
        while members[slot] >= 0:
            if int(keys[slot]) == key:
                raise InputError("lexicon: words must have distinct hashes, got two that share one")
            slot = (slot + 1) & (size - 1)
        keys[slot] = key
        members[slot] = groups.index(group)
    for number, group in enumerate(groups):
        fold = lexicon.folds.get(group)
        shown = fold.back if fold is not None and fold.back else group
        keys[size + number] = hashing.chain(hashing.SEED_GROUP, map(ord, shown))
        head[GROUPS + 4 * number] = MODES.index(lexicon.modes[group])
        if fold is not None:
            head[GROUPS + 4 * number + 1] = sum(1 << groups.index(after) for after in fold.after)
            head[GROUPS + 4 * number + 2] = groups.index(fold.into) if fold.into else -1
    head[O_EXPANSIONS] = len(table.index) + len(table.entries)
    head[O_SLOTS] = size
    head[O_MASK] = spec.mask
    head[O_NEGATORS] = groups.index(spec.negators) if spec.negators in groups else -1
    head[O_CHAIN] = spec.back_chain
    head[O_SILENT] = sum(1 << bit for bit, sign in enumerate('?!"') if sign in spec.silent)
    head[O_MEMBERS] = len(head)
    chars = np.concatenate([table.index, table.entries, table.expansions])
    return Tables(
        chars=chars.astype(np.int32),
        twins=np.concatenate([table.twin_codes, table.twin_letters]).astype(np.int64),
        keys=keys,
        lexicon=np.concatenate([head, members]),
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
def post_flags(n: int, memo: Any, negated: bool) -> int:  # noqa: C901 (a flat table of cases)
    """Flags and length bucket of a post as bits."""
    bits = 0
    capitals = 0
    words = 0
    for k in range(n):
        info = memo.info[memo.ints[SEQ + k]]
        flag = memo.ints[SEQ_FLAGS + k]
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
            if flag & rules.CAPS and info >> LENGTH_SHIFT & 0xFFFF >= 2:
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
def settle(n: int, memo: Any, scratch: Any, tables: Any, config: Any) -> tuple[int, int, bool]:
    """Fold masked runs and write what each token shows; features of single places go to ``scratch.features``.

    Returns the length of the sequence (with its end marks), the features written, and whether a negator was seen.
    """
    features, shown, back, solo = scratch.features, scratch.shown, scratch.back, scratch.solo
    window = config[C_WINDOW]
    size = 0
    if config[C_ENDS]:
        shown[0] = _BEGIN
        back[0] = _BEGIN
        solo[0] = 0
        size = 1
    write = 0
    left = 0
    last = -1
    place = 0
    negated = False
    begins = False
    for k in range(n):
        token = np.int64(memo.ints[SEQ + k])
        info = memo.info[token]
        kind = info & 15
        starts = memo.ints[SEQ_FLAGS + k] & rules.STARTS != 0
        if KIND_QUESTION <= kind <= KIND_EXCLAMATION or starts:
            left = 0
        begins = begins or starts
        if info & SILENT:
            continue
        group = (info >> GROUP_SHIFT) - 1
        if last >= 0 and group >= 0:
            if group == last and info & MASKED:
                continue
            if tables.lexicon[GROUPS + 4 * group] == MODE_FOLD and tables.lexicon[GROUPS + 4 * group + 1] >> last & 1:
                into = tables.lexicon[GROUPS + 4 * group + 2]
                if into >= 0:
                    shown[size - 1] = tables.keys[tables.lexicon[O_SLOTS] + into]
                    back[size - 1] = shown[size - 1]
                    last = into
                continue
        h = memo.keys[T_HASH + token]
        shown[size] = h
        back[size] = memo.keys[T_BACK + token]
        masked = info & MASKED != 0
        solo[size] = 0 if masked else 1
        last = group if masked else -1
        size += 1
        if info & NEGATOR:
            negated = True
            left = window
        elif left > 0:
            features[write] = mix(_SEED_NEGATED, h)
            write += 1
            left -= 1
        if begins and config[C_STARTS]:
            features[write] = mix(_SEED_STARTS, h)
            write += 1
        begins = False
        if place < config[C_FIRST]:
            features[write] = mix(mix(_SEED_FIRST, np.uint64(place)), h)
            write += 1
        place += 1
    if config[C_ENDS]:
        shown[size] = _END
        back[size] = _END
        solo[size] = 0
        size = size + 1 if size > 1 else 0
    return size, write, negated


@jit
def write_back(size: int, write: int, scratch: Any, config: Any) -> int:
    """Backed-off phrases of a sequence into ``scratch.features[write:]``; returns the end."""
    features, back = scratch.features, scratch.back
    if config[C_CHAIN]:
        kept = 0
        for k in range(size):
            if back[k] != _GENERIC:
                back[kept] = back[k]
                kept += 1
        size = kept if kept > 2 * config[C_ENDS] else 0
    longest = config[C_BACK_MAX]
    shortest = config[C_BACK_MIN]
    for i in range(size):
        h = _SEED_BACK
        known = False
        for j in range(i, min(size, i + longest)):
            h = mix(h, back[j])
            known = known or (back[j] != _GENERIC and back[j] != _BEGIN and back[j] != _END)
            if known and j - i + 1 >= shortest:
                features[write] = h
                write += 1
    return write


@jit
def build_features(  # noqa: C901 (one flat loop for each family)
    n: int, memo: Any, scratch: Any, tables: Any, config: Any, bounds: Any
) -> None:
    """Feature hashes of the scanned post.

    ``scratch.features`` receives the word, back and post families one after the other; ``bounds`` their ends, and
    the number of tokens in ``scratch.words`` whose pieces count: (word, back, post, words). A back family that is
    shared counts as part of the word family.
    """
    features, shown, solo = scratch.features, scratch.shown, scratch.solo
    size, write, negated = settle(n, memo, scratch, tables, config)
    word_max = config[C_WORD_MAX]
    for i in range(size):
        h = _SEED_WORD
        for j in range(i, min(size, i + word_max)):
            h = mix(h, shown[j])
            if j > i or solo[i]:
                features[write] = h
                write += 1
    for s in range(config[C_N_SKIPS]):
        skip = config[C_SKIPS + s]
        seed = mix(_SEED_SKIP, np.uint64(skip))
        for i in range(size - skip):
            features[write] = mix(mix(seed, shown[i]), shown[i + skip])
            write += 1
    dedup = config[C_DEDUP]
    if dedup:
        write = distinct(features, 0, write, scratch)
    bounds[0] = write
    if config[C_BACK_MAX]:
        write = write_back(size, write, scratch, config)
        if dedup:
            write = distinct(features, bounds[0], write, scratch)
        if config[C_SHARED]:
            bounds[0] = write
    bounds[1] = write
    if config[C_FLAGS]:
        bits = post_flags(n, memo, negated)
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
                if has_pieces(memo.info[memo.ints[SEQ + k]]):
                    features[end] = np.uint64(memo.ints[SEQ + k])
                    end += 1
            end = distinct(features, write, end, scratch)
            for k in range(write, end):
                scratch.words[count] = np.int32(features[k])
                count += 1
        else:
            for k in range(n):
                if has_pieces(memo.info[memo.ints[SEQ + k]]):
                    scratch.words[count] = memo.ints[SEQ + k]
                    count += 1
    bounds[3] = count


@jit
def write_pieces(token: int, memo: Any, config: Any, out: Any, at: int) -> int:
    """Hashes of all pieces of a word with a blank on each side into ``out[at:]``; returns the end."""
    begin = np.int64(memo.ints[T_BEGIN + token])
    length = np.int64(memo.ints[T_LENGTH + token])
    shortest = config[C_CHAR_MIN]
    longest = config[C_CHAR_MAX]
    for i in range(-1, length + 1):
        h = _SEED_CHAR
        for j in range(i, min(length + 1, i + longest)):
            code = _BLANK
            if 0 <= j < length:
                code = np.uint64(memo.ints[T_CODES + begin + j])
            h = mix(h, code)
            if j - i + 1 >= shortest:
                out[at] = h
                at += 1
    return at
