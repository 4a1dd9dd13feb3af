"""Compiled scanner: UTF-8 bytes of one post to a sequence of interned tokens.

A *stretch* is a run of bytes without ASCII blanks or controls, cut at ``MAX_STRETCH`` bytes. The tokens of a stretch
depend on nothing around it, so a memo keyed by its bytes skips decoding, normalization and lexing for stretches of up
to 24 bytes that were seen before.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from tsclassify.features import hashing
from tsclassify.features.compiled import RULES, jit, mix
from tsclassify.features.memo import (
    CODES,
    KINDS,
    LIFE,
    MARKS,
    MAX_STRETCHES,
    N_REFS,
    N_REFS_USED,
    N_STRETCHES_USED,
    OUT,
    S_META,
    S_REF,
    SEQ,
    SEQ_FLAGS,
    SINGLE,
    STRETCH_SLOTS,
    T_BEGIN,
    T_CODES,
    T_INFO,
    WORD,
    decode,
    intern,
    is_full,
    reset,
    token_of_row,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS

__all__ = ["scan_post"]

IS_SINGLE: Final = 256
"""Flag of a token in a sequence beside those of the rules: one Latin letter."""

_GAPS: Final = rules.GAP_ONE | rules.GAP_WIDE
_SHORT: Final = 24
_SEED_TOKEN = np.uint64(hashing.SEED_TOKEN)
_ONE = np.uint64(1)
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_BLANKS = np.uint64(0x2121212121212121)
_DELETES = np.uint64(0x7F7F7F7F7F7F7F7F)
_FILL = np.uint64(0x2020202020202020)
_lex = RULES["lex"]
_squeeze = RULES["squeeze"]


@intrinsic  # type: ignore[untyped-decorator]
def load_word(typing_context: Any, array: Any, index: Any) -> Any:
    """Eight bytes of a uint8 array from any place, the first one lowest (little-endian machines)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(64).as_pointer())
        word = builder.load(place)
        word.align = 1
        return word

    return types.uint64(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def low_zeros(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one; `word` must not be 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@jit
def blanks_in(word: Any) -> Any:
    """High bit of the lowest byte that is a blank, control or DEL; bytes above it may be marked wrongly."""
    low = (word - _BLANKS) & ~word & _HIGHS
    other = word ^ _DELETES
    return low | ((other - _ONES) & ~other & _HIGHS)


@jit
def part_of(data: Any, at: int, hi: int) -> Any:
    """Eight bytes at `at`, with blanks in place of what lies at or beyond `hi`."""
    left = hi - at
    if left <= 0:
        return _FILL
    word = np.uint64(0)
    if at + 8 <= len(data):
        word = load_word(data, at)
    else:
        for k in range(left):
            word |= np.uint64(data[at + k]) << np.uint64(8 * k)
    if left < 8:
        kept = (_ONE << np.uint64(8 * left)) - _ONE
        word = (word & kept) | (_FILL & ~kept)
    return word


@jit
def join_singles(n: int, memo: Any, tables: Any) -> Any:
    """Join runs of three or more single letters, each one sign apart (``k.i.l.l``); returns the new count."""
    ints, word = memo.ints, memo.stream[WORD]
    seq = ints[SEQ:SEQ_FLAGS]
    flags = ints[SEQ_FLAGS:]
    write = 0
    i = 0
    while i < n:
        j = i
        if flags[i] & IS_SINGLE:
            j = i + 1
            while (
                j < n
                and j - i < rules.MAX_WORD
                and flags[j] & IS_SINGLE
                and flags[j] & (rules.GAP_ONE | rules.GAP_WIDE) == rules.GAP_ONE
            ):
                j += 1
        if j - i >= 3:
            capitals = rules.CAPS
            for k in range(i, j):
                word[k - i] = memo.ints[T_CODES + memo.ints[T_BEGIN + seq[k]]]
                capitals &= flags[k]
            length = _squeeze(word, j - i)
            joined = (
                (flags[i] & ~(rules.CAPS | rules.STRETCHED | IS_SINGLE))
                | capitals
                | (0 if capitals else rules.DISGUISED)
            )
            seq[write] = intern(word, 0, length, 0, memo, tables)
            flags[write] = joined
            i = j
        else:
            seq[write] = seq[i]
            flags[write] = flags[i]
            i += 1
        write += 1
    return write


@jit
def long_end(data: Any, pos: int, hi: int) -> Any:
    """End of a stretch of more than 24 bytes, cut between code points at ``MAX_STRETCH`` bytes."""
    end = pos + _SHORT
    limit = min(hi, pos + MAX_STRETCH)
    while end < limit and data[end] > 32 and data[end] != 127:
        end += 1
    if end == pos + MAX_STRETCH and end < hi:
        back = 0
        while back < 3 and data[end - back] & 0xC0 == 0x80:
            back += 1
        if data[end - back] & 0xC0 != 0x80:
            end -= back
    return end


@jit
def plain_word(data: Any, pos: int, end: int, word: Any, rows: Any) -> int:
    """Lex a stretch of ASCII letters with closing marks into ``rows``, as the rules would; 0 when it is not that.

    Nine of ten new stretches are such a word, and this takes a fifth of the time of the rules.
    """
    length = 0
    upper: Any = 0
    same = 0
    k = pos
    while k < end:
        byte = np.int64(data[k])
        letter = byte | 32
        if not 97 <= letter <= 122:
            break
        same = same + 1 if length and word[length - 1] == letter else 1
        if same == 3:
            return 0
        word[length] = letter
        upper += byte < 97
        length += 1
        k += 1
    tail = 0
    starts = 0
    while k < end:
        byte = np.int64(data[k])
        if byte == 46:
            starts = rules.STARTS
        elif byte != 44 and byte != 58 and byte != 59 and byte != 41:
            return 0
        tail += 1
        k += 1
    if length == 3 and word[0] == 119:
        return 0
    rows[5] = rules.CAPS if upper == length else 0
    rows[8] = tail
    rows[11] = starts
    return length


@jit
def learn(
    data: Any, pos: int, end: int, slot: int, key_0: Any, key_1: Any, key_2: Any, memo: Any, tables: Any
) -> tuple[int, bool]:
    """Decode and lex a new stretch; remember it in `slot` when that is not negative and there is room.

    Returns the number of tokens and whether it is remembered. Its tokens stand in ``memo.rows`` as (token, flags).
    """
    stream, rows, counts = memo.stream, memo.rows, memo.counts
    count = 1
    simple = plain_word(data, pos, end, stream[WORD], rows) if slot >= 0 else 0
    if not simple:
        length = decode(data, pos, end, memo, tables)
        count = _lex(stream[CODES], stream[KINDS], stream[MARKS], length, stream[WORD], stream[OUT], rows, tables.twins)
    for row in range(count):
        token = intern(stream[WORD], 0, simple, 0, memo, tables) if simple else token_of_row(row, memo, tables)
        flags = rows[6 * row + 5] & 255
        if memo.tokens[8 * token + T_INFO] & np.uint64(SINGLE):
            flags |= IS_SINGLE
        rows[6 * row] = token
        rows[6 * row + 5] = flags
    gap = min(2, rows[6 * count + 2])
    room = counts[N_STRETCHES_USED] < MAX_STRETCHES and counts[N_REFS_USED] + count <= N_REFS
    if slot < 0 or not room:
        return count, False
    at = counts[N_REFS_USED]
    for row in range(count):
        memo.refs[at + row] = rows[6 * row] | rows[6 * row + 5] << 32
    counts[N_REFS_USED] += count
    counts[N_STRETCHES_USED] += 1
    known = memo.stretches
    known[8 * slot] = key_0
    known[8 * slot + 1] = key_1
    known[8 * slot + 2] = key_2
    known[8 * slot + S_META] = end - pos | count << 8 | gap << 16 | rows[6 * count + 5] << 24 | counts[LIFE] << 32
    known[8 * slot + S_REF] = memo.refs[at] if count == 1 else at
    return count, True


@jit
def scan_post(  # noqa: C901 (the hot loop; calls with many arrays cost more than they tidy)
    data: Any, lo: int, hi: int, memo: Any, tables: Any
) -> Any:
    """Tokens of one post into the segments SEQ and SEQ_FLAGS of ``memo.ints``; returns their number."""
    if is_full(memo.counts):
        reset(memo)
    # Local names: each look into a tuple inside the loop would cost two atomic operations.
    stretches, refs, rows = memo.stretches, memo.refs, memo.rows
    seq = memo.ints[SEQ:SEQ_FLAGS]
    seq_flags = memo.ints[SEQ_FLAGS:]
    life = np.uint64(memo.counts[LIFE])
    n = 0
    gap: Any = 0
    starts: Any = rules.STARTS
    run = 0
    has_run = False
    pos = lo
    while pos < hi and n < MAX_TOKENS:
        byte = data[pos]
        if byte <= 32 or byte == 127:
            gap += 1
            if byte == 10 or byte == 13:
                starts = rules.STARTS
            pos += 1
            continue
        key_1 = np.uint64(0)
        key_2 = np.uint64(0)
        length: Any = 0
        key_0 = part_of(data, pos, hi)
        found = blanks_in(key_0)
        if not found:
            length = 8
            key_1 = part_of(data, pos + 8, hi)
            found = blanks_in(key_1)
            if not found:
                length = 16
                key_2 = part_of(data, pos + 16, hi)
                found = blanks_in(key_2)
        slot = np.int64(-1)
        is_known = False
        meta = np.uint64(0)
        if found:
            bits = low_zeros(found) & np.uint64(0x38)
            kept = (_ONE << bits) - _ONE
            if length == 0:
                key_0 &= kept
            elif length == 8:
                key_1 &= kept
            else:
                key_2 &= kept
            length += np.int64(bits >> np.uint64(3))
            key = mix(mix(mix(_SEED_TOKEN, key_0), key_1), key_2)
            slot = np.int64(key & np.uint64(STRETCH_SLOTS - 1))
            while True:
                meta = stretches[8 * slot + S_META]
                if meta >> np.uint64(32) != life:
                    break
                if (
                    stretches[8 * slot] == key_0
                    and stretches[8 * slot + 1] == key_1
                    and stretches[8 * slot + 2] == key_2
                    and np.int64(meta & np.uint64(255)) == length
                ):
                    is_known = True
                    break
                slot = (slot + 1) & (STRETCH_SLOTS - 1)
            end = pos + length
        else:
            end = long_end(data, pos, hi)
        at: Any = -1
        ref: Any = 0
        if is_known:
            count = np.int64(meta >> np.uint64(8) & np.uint64(255))
            tail = np.int64(meta >> np.uint64(16) & np.uint64(255))
            tail_flags = np.int64(meta >> np.uint64(24) & np.uint64(255))
            ref = np.int64(stretches[8 * slot + S_REF])
            if count > 1:
                at = ref
        else:
            count, _ = learn(data, pos, end, slot, key_0, key_1, key_2, memo, tables)
            tail = rows[6 * count + 2]
            tail_flags = rows[6 * count + 5]
        for k in range(count):
            if n >= MAX_TOKENS:
                break
            if not is_known:
                ref = rows[6 * k] | rows[6 * k + 5] << 32
            elif at >= 0:
                ref = refs[at + k]
            flags = ref >> 32
            if k == 0:
                gap += 1 if flags & rules.GAP_ONE else 2 if flags & rules.GAP_WIDE else 0
                flags = (flags & ~_GAPS) | starts | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
            seq[n] = ref & 0xFFFFFFFF
            seq_flags[n] = flags
            if flags & IS_SINGLE:
                run = run + 1 if flags & _GAPS == rules.GAP_ONE else 1
                has_run = has_run or run >= 3
            else:
                run = 0
            n += 1
        if count:
            gap = 0
            starts = 0
        gap += tail
        starts |= tail_flags
        pos = end
    if has_run:
        n = join_singles(n, memo, tables)
    return n
