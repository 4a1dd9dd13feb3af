"""Compiled feature builder: token sequence to feature hashes, family by family, with each family's count."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from tsclassify.errors import InputError
from tsclassify.features import hashing
from tsclassify.features.compiled import jit, mix
from tsclassify.features.memo import (
    GROUP_SHIFT,
    GROUPS,
    KIND_EMOJI,
    KIND_EXCLAMATION,
    KIND_QUESTION,
    KIND_QUOTE,
    LENGTH_SHIFT,
    MASKED,
    MODE_FOLD,
    NEGATOR,
    O_CHAIN,
    O_CHAR_MAX,
    O_CHAR_MIN,
    O_EXPANSIONS,
    O_MASK,
    O_MEMBERS,
    O_NEGATORS,
    O_SILENT,
    O_SLOTS,
    OTHER_SCRIPT,
    PIECES_SHIFT,
    POST,
    SEQ,
    SEQ_FLAGS,
    SILENT,
    T_BACK,
    T_BEGIN,
    T_CODES,
    T_HASH,
    T_INFO,
    T_SEEN,
    Tables,
)
from tsclassify.features.spec import FeatureSpec
from tsclassify.text import rules
from tsclassify.text.lexicon import MODES, Lexicon
from tsclassify.text.normalize import MAX_TOKENS
from tsclassify.text.table import char_table

__all__ = ["Scratch", "build_features", "make_config", "make_scratch", "make_tables", "write_pieces"]

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
    head[O_CHAR_MIN] = spec.char_min
    head[O_CHAR_MAX] = spec.char_max
    head[O_MEMBERS] = len(head)
    chars = np.concatenate([table.index, table.entries, table.expansions])
    return Tables(
        chars=chars.astype(np.int32),
        twins=np.concatenate([table.twin_codes, table.twin_letters]).astype(np.int64),
        keys=keys,
        lexicon=np.concatenate([head, members]),
    )


@jit
def open_set(room: int, stamps: Any, stamp: Any) -> Any:
    """Begin a new set of hashes with `room` for as many; returns the mask of its slots."""
    size = 512
    while size < 2 * room:
        size *= 2
    stamp[0] += 1
    if stamp[0] >= 2147483647:
        stamps[:] = 0
        stamp[0] = 1
    return size - 1


@jit
def is_new(h: Any, mask: int, keys: Any, stamps: Any, stamp: int) -> bool:
    """Add a hash to the open set; False when it is there already."""
    slot = np.int64(h) & mask
    while stamps[slot] == stamp:
        if keys[slot] == h:
            return False
        slot = (slot + 1) & mask
    stamps[slot] = stamp
    keys[slot] = h
    return True


@jit
def post_flags(n: int, memo: Any, negated: bool) -> int:  # noqa: C901 (a flat table of cases)
    """Flags and length bucket of a post as bits."""
    bits = 0
    capitals = 0
    words = 0
    ints, tokens = memo.ints, memo.tokens
    for k in range(n):
        info = np.int64(tokens[8 * np.int64(ints[SEQ + k]) + T_INFO])
        flag = ints[SEQ_FLAGS + k]
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
def settle(n: int, memo: Any, scratch: Any, tables: Any, config: Any) -> tuple[int, int, int, bool]:  # noqa: C901
    """Fold masked runs and write what each token shows; features of single places go to ``scratch.features``.

    Returns the length of the sequence (with its end marks), the features written, the number of words in
    ``scratch.words`` whose pieces count, and whether a negator was seen. ``scratch.solo`` has bit 0 where a place
    has a feature of its own, bit 1 where what it shows may stand elsewhere in the post too.
    """
    features, shown, back, solo = scratch.features, scratch.shown, scratch.back, scratch.solo
    words, ints, tokens, lexicon = scratch.words, memo.ints, memo.tokens, tables.lexicon
    memo.counts[POST] += 1
    post = np.uint64(memo.counts[POST]) << np.uint64(20)
    window, first, use_starts, dedup = config[C_WINDOW], config[C_FIRST], config[C_STARTS], config[C_DEDUP]
    ends = config[C_ENDS]
    size = 0
    if ends:
        shown[0] = _BEGIN
        back[0] = _BEGIN
        solo[0] = 0
        size = 1
    write = 0
    n_words = 0
    left = 0
    last: Any = -1
    place = 0
    negated = False
    begins = False
    for k in range(n):
        row = 8 * np.int64(ints[SEQ + k])
        info = np.int64(tokens[row + T_INFO])
        kind = info & 15
        starts = ints[SEQ_FLAGS + k] & rules.STARTS != 0
        if KIND_QUESTION <= kind <= KIND_EXCLAMATION or starts:
            left = 0
        begins = begins or starts
        seen = tokens[row + T_SEEN]
        before = (seen >> np.uint64(20)) << np.uint64(20) == post
        if info & SILENT:
            continue
        group = (info >> GROUP_SHIFT & 0xFFFF) - 1
        if last >= 0 and group >= 0:
            if group == last and info & MASKED:
                continue
            if lexicon[GROUPS + 4 * group] == MODE_FOLD and lexicon[GROUPS + 4 * group + 1] >> last & 1:
                into = lexicon[GROUPS + 4 * group + 2]
                if into >= 0:
                    shown[size - 1] = tables.keys[lexicon[O_SLOTS] + into]
                    back[size - 1] = shown[size - 1]
                    last = into
                continue
        if info >> PIECES_SHIFT and not (before and dedup):
            words[n_words] = ints[SEQ + k]
            n_words += 1
        h = tokens[row + T_HASH]
        shown[size] = h
        back[size] = tokens[row + T_BACK]
        if info & MASKED:
            # Other words show the same group, so a place may repeat unseen.
            solo[size] = 2
            last = group
        else:
            solo[size] = 1
            last = -1
            at = np.int64(seen & np.uint64(0xFFFFF))
            if before:
                solo[size] = 3
                solo[at] |= 2
            else:
                tokens[row + T_SEEN] = post | np.uint64(size)
        size += 1
        if info & NEGATOR:
            negated = True
            left = window
        elif left > 0:
            features[write] = mix(_SEED_NEGATED, h)
            write += 1
            left -= 1
        if begins and use_starts:
            features[write] = mix(_SEED_STARTS, h)
            write += 1
        begins = False
        if place < first:
            features[write] = mix(mix(_SEED_FIRST, np.uint64(place)), h)
            write += 1
        place += 1
    if ends:
        shown[size] = _END
        back[size] = _END
        solo[size] = 0
        size = size + 1 if size > 1 else 0
    return size, write, n_words, negated


@jit
def write_back(size: int, write: int, scratch: Any, config: Any) -> int:
    """Backed-off phrases of a sequence into ``scratch.features[write:]``; returns the end."""
    features, back = scratch.features, scratch.back
    keys, stamps, dedup = scratch.seen_keys, scratch.seen_stamps, config[C_DEDUP]
    if config[C_CHAIN]:
        kept = 0
        for k in range(size):
            if back[k] != _GENERIC:
                back[kept] = back[k]
                kept += 1
        size = kept if kept > 2 * config[C_ENDS] else 0
    longest = config[C_BACK_MAX]
    shortest = config[C_BACK_MIN]
    mask = open_set(size * longest, stamps, scratch.stamp) if dedup else 0
    stamp = scratch.stamp[0]
    for i in range(size):
        h = _SEED_BACK
        known = False
        for j in range(i, min(size, i + longest)):
            h = mix(h, back[j])
            known = known or (back[j] != _GENERIC and back[j] != _BEGIN and back[j] != _END)
            if known and j - i + 1 >= shortest and (not dedup or is_new(h, mask, keys, stamps, stamp)):
                features[write] = h
                write += 1
    return write


@jit
def build_features(n: int, memo: Any, scratch: Any, tables: Any, config: Any, bounds: Any) -> None:
    """Feature hashes of the scanned post.

    ``scratch.features`` receives the word, back and post families one after the other; ``bounds`` their ends, and
    the number of tokens in ``scratch.words`` whose pieces count: (word, back, post, words). A back family that is
    shared counts as part of the word family.
    """
    features, shown, solo = scratch.features, scratch.shown, scratch.solo
    keys, stamps = scratch.seen_keys, scratch.seen_stamps
    size, singles, n_words, negated = settle(n, memo, scratch, tables, config)
    word_max, n_skips, dedup = config[C_WORD_MAX], config[C_N_SKIPS], config[C_DEDUP]
    mask = open_set(singles + size * (word_max + n_skips), stamps, scratch.stamp) if dedup else 0
    stamp = scratch.stamp[0]
    write = 0
    for k in range(singles):
        if not dedup or is_new(features[k], mask, keys, stamps, stamp):
            features[write] = features[k]
            write += 1
    for i in range(size):
        h = _SEED_WORD
        # Only a phrase whose first word stands twice can itself stand twice.
        repeats = dedup and solo[i] & 2
        for j in range(i, min(size, i + word_max)):
            h = mix(h, shown[j])
            if (j > i or solo[i] & 1) and (not repeats or is_new(h, mask, keys, stamps, stamp)):
                features[write] = h
                write += 1
    for s in range(n_skips):
        skip = config[C_SKIPS + s]
        seed = mix(_SEED_SKIP, np.uint64(skip))
        for i in range(size - skip):
            h = mix(mix(seed, shown[i]), shown[i + skip])
            if not (dedup and solo[i] & 2) or is_new(h, mask, keys, stamps, stamp):
                features[write] = h
                write += 1
    bounds[0] = write
    if config[C_BACK_MAX]:
        write = write_back(size, write, scratch, config)
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
    bounds[3] = n_words


@jit
def write_pieces(token: int, memo: Any, config: Any, out: Any, at: int) -> int:
    """Hashes of all pieces of a word with a blank on each side into ``out[at:]``; returns the end."""
    ints = memo.ints
    begin = T_CODES + np.int64(ints[T_BEGIN + token])
    length = np.int64(memo.tokens[8 * token + T_INFO]) >> LENGTH_SHIFT & 0xFFFF
    shortest = config[C_CHAR_MIN]
    longest = config[C_CHAR_MAX]
    for i in range(-1, length + 1):
        h = _SEED_CHAR
        for j in range(i, min(length + 1, i + longest)):
            code = _BLANK
            if 0 <= j < length:
                code = np.uint64(ints[begin + j])
            h = mix(h, code)
            if j - i + 1 >= shortest:
                out[at] = h
                at += 1
    return at
