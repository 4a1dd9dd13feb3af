"""Compiled scanner: UTF-8 bytes of one post to a sequence of interned tokens.

A *stretch* is a run of bytes without ASCII blanks or controls, cut at ``MAX_STRETCH`` bytes. The tokens of a
stretch depend on nothing around it, so a memo keyed by its bytes skips decoding, normalization and lexing for
stretches seen before. Stretches and tokens are compared in full, never by hash alone, so the memo changes no score.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.compiled import RULES, jit, mix
from tsclassify.text import rules

__all__ = ["MAX_STRETCH", "MAX_TOKENS", "Memo", "Tables", "make_memo", "scan_post"]

MAX_STRETCH: Final = 1024
"""Bytes of a blank-free run that are read as one; a longer run is cut."""

MAX_TOKENS: Final = 32768
"""Tokens of a post that are read (about 180 kB of English); what follows is not scored."""

_MEMO_BYTES: Final = 64
_STREAM: Final = MAX_STRETCH * 6 + 8
_N_TOKENS: Final = 1 << 17
_N_CODES: Final = 1 << 22
_N_STRETCHES: Final = 1 << 16
_N_BYTES: Final = 1 << 20
_N_REFS: Final = 1 << 18
_SLOTS: Final = 1 << 18

_SEED_TOKEN = np.uint64(hashing.SEED_TOKEN)
_GENERIC = np.uint64(0)

# What a token is, in bits 0-3 of its info.
KIND_QUESTION: Final = 5
KIND_EXCLAMATION: Final = 6
KIND_QUOTE: Final = 7
KIND_EMOJI: Final = 8
SINGLE: Final = 16
MASKED: Final = 32
NEGATOR: Final = 64
SILENT: Final = 128
OTHER_SCRIPT: Final = 256
LENGTH_SHIFT: Final = 16


class Tables(NamedTuple):
    """Read-only arrays: the character table, the lexicon's hash table and its groups, and the negating group."""

    index: Any
    entries: Any
    expansions: Any
    twin_codes: Any
    twin_letters: Any
    lex_keys: Any
    lex_groups: Any
    group_hashes: Any
    group_modes: Any
    options: Any


class Memo(NamedTuple):
    """What one thread has seen, and its scratch space; every array has a fixed size."""

    counts: Any
    t_slots: Any
    t_keys: Any
    t_begin: Any
    t_length: Any
    t_info: Any
    t_hash: Any
    t_back: Any
    t_codes: Any
    s_slots: Any
    s_keys: Any
    s_begin: Any
    s_length: Any
    s_ref: Any
    s_count: Any
    s_gap: Any
    s_flags: Any
    s_bytes: Any
    refs: Any
    ref_flags: Any
    codes: Any
    kinds: Any
    marks: Any
    word: Any
    out: Any
    rows: Any
    seq: Any
    seq_flags: Any


def make_memo() -> Memo:
    """An empty memo; pages are touched only as they are used."""
    return Memo(
        counts=np.zeros(8, dtype=np.int64),
        t_slots=np.zeros(_SLOTS, dtype=np.int32),
        t_keys=np.empty(_N_TOKENS, dtype=np.uint64),
        t_begin=np.empty(_N_TOKENS, dtype=np.int32),
        t_length=np.empty(_N_TOKENS, dtype=np.int32),
        t_info=np.empty(_N_TOKENS, dtype=np.int64),
        t_hash=np.empty(_N_TOKENS, dtype=np.uint64),
        t_back=np.empty(_N_TOKENS, dtype=np.uint64),
        t_codes=np.empty(_N_CODES, dtype=np.int32),
        s_slots=np.zeros(_SLOTS, dtype=np.int32),
        s_keys=np.empty(_N_STRETCHES, dtype=np.uint64),
        s_begin=np.empty(_N_STRETCHES, dtype=np.int32),
        s_length=np.empty(_N_STRETCHES, dtype=np.int32),
        s_ref=np.empty(_N_STRETCHES, dtype=np.int32),
        s_count=np.empty(_N_STRETCHES, dtype=np.int32),
        s_gap=np.empty(_N_STRETCHES, dtype=np.int32),
        s_flags=np.empty(_N_STRETCHES, dtype=np.int32),
        s_bytes=np.empty(_N_BYTES, dtype=np.uint8),
        refs=np.empty(_N_REFS, dtype=np.int32),
        ref_flags=np.empty(_N_REFS, dtype=np.int32),
        codes=np.empty(_STREAM, dtype=np.int64),
        kinds=np.empty(_STREAM, dtype=np.int64),
        marks=np.empty(_STREAM, dtype=np.int64),
        word=np.empty(rules.MAX_WORD + 8, dtype=np.int64),
        out=np.empty(_STREAM, dtype=np.int64),
        rows=np.empty((_STREAM + 1, 6), dtype=np.int64),
        seq=np.empty(MAX_TOKENS + 8, dtype=np.int32),
        seq_flags=np.empty(MAX_TOKENS + 8, dtype=np.int32),
    )


_undo_entities = RULES["undo_entities"]
_lex = RULES["lex"]
_squeeze = RULES["squeeze"]

_NAMED = np.array(
    [
        [60, 117, 114, 108, 62, 0],
        [60, 117, 115, 101, 114, 62],
        [60, 110, 117, 109, 62, 0],
        [60, 101, 109, 97, 105, 108],
    ],
    dtype=np.int64,
)
_NAMED_LENGTHS = np.array([5, 6, 5, 7], dtype=np.int64)


@jit
def reset(memo: Any) -> None:
    """Forget everything."""
    memo.counts[:] = 0
    memo.t_slots[:] = 0
    memo.s_slots[:] = 0


@jit
def group_of(key: Any, tables: Any) -> int:
    """Group number of a token hash, or -1."""
    size = len(tables.lex_keys)
    slot = np.int64(key & np.uint64(size - 1))
    while tables.lex_groups[slot] >= 0:
        if tables.lex_keys[slot] == key:
            return np.int64(tables.lex_groups[slot])
        slot = (slot + 1) & (size - 1)
    return -1


@jit
def hash_codes(codes: Any, begin: int, length: int) -> Any:
    """Hash of a token from its code points."""
    h = _SEED_TOKEN
    for k in range(begin, begin + length):
        h = mix(h, np.uint64(codes[k]))
    return h


@jit
def intern(codes: Any, begin: int, length: int, kind: int, memo: Any, tables: Any) -> int:
    """Number of the token with these code points; compared in full."""
    key = hash_codes(codes, begin, length)
    slots = memo.t_slots
    slot = np.int64(key & np.uint64(_SLOTS - 1))
    while slots[slot] > 0:
        token = slots[slot] - 1
        if memo.t_keys[token] == key and memo.t_length[token] == length:
            same = True
            at = memo.t_begin[token]
            for k in range(length):
                if memo.t_codes[at + k] != codes[begin + k]:
                    same = False
                    break
            if same:
                return token
        slot = (slot + 1) & (_SLOTS - 1)
    token = memo.counts[0]
    memo.counts[0] = token + 1
    slots[slot] = token + 1
    at = memo.counts[1]
    memo.counts[1] = at + length
    for k in range(length):
        memo.t_codes[at + k] = codes[begin + k]
    memo.t_keys[token] = key
    memo.t_begin[token] = at
    memo.t_length[token] = length
    info = kind | length << LENGTH_SHIFT
    first = codes[begin]
    if kind == 0 and length == 1 and 97 <= first <= 122:
        info |= SINGLE
    if kind == 0 and first >= 128:
        info |= OTHER_SCRIPT
    if kind >= KIND_QUESTION and kind <= KIND_QUOTE and tables.options[kind - KIND_QUESTION + 1]:
        info |= SILENT
    shown = key
    back = key if kind != 0 and kind != KIND_EMOJI else _GENERIC
    group = group_of(key, tables)
    if group >= 0:
        mode = tables.group_modes[group]
        if mode == 0 and tables.options[0]:
            shown = tables.group_hashes[group]
            info |= MASKED
        back = key if mode == 2 else tables.group_hashes[group]
        if group == tables.options[4]:
            info |= NEGATOR
    memo.t_info[token] = info
    memo.t_hash[token] = shown
    memo.t_back[token] = back
    return token


@jit
def decode(data: Any, lo: int, hi: int, memo: Any, tables: Any) -> int:
    """UTF-8 bytes to a stream in ``memo.codes``, ``kinds``, ``marks``; an invalid byte becomes U+FFFD, a sign."""
    codes, kinds, marks = memo.codes, memo.kinds, memo.marks
    n = 0
    pos = lo
    hidden = 0
    ampersand = False
    while pos < hi:
        lead = np.int64(data[pos])
        width = 1
        code = 0xFFFD
        if lead < 0x80:
            code = lead
        elif 0xC2 <= lead <= 0xF4:
            need = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
            value = lead & (0x1F if need == 1 else 0x0F if need == 2 else 0x07)
            good = pos + need < hi
            if good:
                for k in range(1, need + 1):
                    tail = np.int64(data[pos + k])
                    if tail & 0xC0 != 0x80:
                        good = False
                    value = value << 6 | (tail & 0x3F)
            if (
                good
                and value < 0x110000
                and not 0xD800 <= value < 0xE000
                and (need == 1 or (need == 2 and value >= 0x800) or (need == 3 and value >= 0x10000))
            ):
                code = value
                width = need + 1
        pos += width
        entry = np.int64(tables.entries[np.int64(tables.index[code >> 8]) * 256 + (code & 255)])
        if entry & 16:
            if entry & 32:
                hidden = rules.AFTER_HIDDEN
            continue
        mark = hidden | (rules.STYLED if entry & 32 else 0) | (rules.UPPER if 65 <= code <= 90 else 0)
        hidden = 0
        if entry & 8:
            at = entry >> 8
            for k in range(np.int64(tables.expansions[at])):
                part = np.int64(tables.expansions[at + 1 + k])
                codes[n] = part
                kinds[n] = tables.entries[np.int64(tables.index[part >> 8]) * 256 + (part & 255)] & 7
                marks[n] = mark
                n += 1
        else:
            target = entry >> 8
            codes[n] = target if target else code
            kinds[n] = entry & 7
            marks[n] = mark
            ampersand = ampersand or code == 38
            n += 1
    if ampersand:
        # Places are of no use here; the output buffer takes them.
        n = _undo_entities(codes, kinds, marks, memo.out, n)
    return n


@jit
def token_of_row(row: int, memo: Any, tables: Any) -> int:
    """Intern one lexed token."""
    begin = memo.rows[row, 0]
    length = memo.rows[row, 1]
    kind = memo.rows[row, 4]
    if kind == rules.WORD:
        if memo.rows[row, 5] & rules.POSSESSIVE and length > 1 and group_of(hash_codes(memo.out, begin, length), tables) < 0:
            group = group_of(hash_codes(memo.out, begin, length - 1), tables)
            if group >= 0 and tables.group_modes[group] == 0:
                length -= 1
        return intern(memo.out, begin, length, 0, memo, tables)
    if kind == rules.SYMBOL:
        code = memo.out[begin]
        symbol = KIND_QUESTION if code == 63 else KIND_EXCLAMATION if code == 33 else KIND_QUOTE
        return intern(memo.out, begin, 1, symbol if code < 128 else KIND_EMOJI, memo, tables)
    if kind == rules.NUMBER and length > 0 and group_of(hash_codes(memo.out, begin, length), tables) >= 0:
        return intern(memo.out, begin, length, 0, memo, tables)
    if kind == rules.EMAIL:
        return intern(_NAMED_EMAIL, 0, 7, kind, memo, tables)
    return intern(_NAMED[kind - 1], 0, _NAMED_LENGTHS[kind - 1], kind, memo, tables)


_NAMED_EMAIL = np.array([60, 101, 109, 97, 105, 108, 62], dtype=np.int64)


@jit
def find_stretch(data: Any, lo: int, hi: int, key: Any, memo: Any) -> int:
    """Slot of the stretch with these bytes, or of the free place for it; compared in full."""
    slot = np.int64(key & np.uint64(_SLOTS - 1))
    while memo.s_slots[slot] > 0:
        known = memo.s_slots[slot] - 1
        if memo.s_keys[known] == key and memo.s_length[known] == hi - lo:
            same = True
            at = memo.s_begin[known]
            for k in range(hi - lo):
                if memo.s_bytes[at + k] != data[lo + k]:
                    same = False
                    break
            if same:
                return slot
        slot = (slot + 1) & (_SLOTS - 1)
    return slot


@jit
def join_singles(n: int, memo: Any, tables: Any) -> int:
    """Join runs of three or more single letters, each one sign apart (``k.i.l.l``); returns the new count."""
    seq, flags, word = memo.seq, memo.seq_flags, memo.word
    write = 0
    i = 0
    while i < n:
        j = i
        if memo.t_info[seq[i]] & SINGLE:
            j = i + 1
            while (
                j < n
                and j - i < rules.MAX_WORD
                and memo.t_info[seq[j]] & SINGLE
                and flags[j] & (rules.GAP_ONE | rules.GAP_WIDE) == rules.GAP_ONE
            ):
                j += 1
        if j - i >= 3:
            capitals = rules.CAPS
            for k in range(i, j):
                word[k - i] = memo.t_codes[memo.t_begin[seq[k]]]
                capitals &= flags[k]
            length = _squeeze(word, j - i)
            joined = (flags[i] & ~(rules.CAPS | rules.STRETCHED)) | capitals | (0 if capitals else rules.DISGUISED)
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
def scan_post(data: Any, lo: int, hi: int, memo: Any, tables: Any) -> int:
    """Tokens of one post into ``memo.seq`` and ``memo.seq_flags``; returns their number."""
    counts = memo.counts
    if counts[0] > _N_TOKENS - 2 * MAX_TOKENS or counts[1] > _N_CODES - 52_000 * rules.MAX_WORD:
        reset(memo)
    elif counts[2] > _N_STRETCHES * 7 // 8 or counts[3] > _N_BYTES * 7 // 8 or counts[4] > _N_REFS * 7 // 8:
        reset(memo)
    seq, seq_flags = memo.seq, memo.seq_flags
    n = 0
    gap = 0
    starts = rules.STARTS
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
        end = pos
        limit = min(hi, pos + MAX_STRETCH)
        key = _SEED_TOKEN
        while end < limit and data[end] > 32 and data[end] != 127:
            key = mix(key, np.uint64(data[end]))
            end += 1
        if end == pos + MAX_STRETCH and end < hi:
            back = 0
            while back < 3 and data[end - back] & 0xC0 == 0x80:
                back += 1
            if data[end - back] & 0xC0 != 0x80:
                end -= back
        short = end - pos <= _MEMO_BYTES
        slot = np.int64(0)
        known = -1
        if short:
            slot = find_stretch(data, pos, end, key, memo)
            known = memo.s_slots[slot] - 1
        if known < 0:
            length = decode(data, pos, end, memo, tables)
            count = _lex(
                memo.codes, memo.kinds, memo.marks, length, memo.word, memo.out, memo.rows,
                tables.twin_codes, tables.twin_letters,
            )  # fmt: skip
            stored = short and (
                counts[2] < _N_STRETCHES and counts[3] + end - pos < _N_BYTES and counts[4] + count < _N_REFS
            )
            at = counts[4]
            for row in range(count):
                token = token_of_row(row, memo, tables)
                if stored:
                    memo.refs[at + row] = token
                    memo.ref_flags[at + row] = memo.rows[row, 5]
                if row == 0:
                    lead = memo.rows[0, 5]
                    gap += 1 if lead & rules.GAP_ONE else 2 if lead & rules.GAP_WIDE else 0
                if n < MAX_TOKENS:
                    seq[n] = token
                    seq_flags[n] = memo.rows[row, 5]
                    if row == 0:
                        seq_flags[n] = (
                            (memo.rows[0, 5] & ~(rules.GAP_ONE | rules.GAP_WIDE))
                            | starts
                            | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                        )
                    if memo.t_info[token] & SINGLE:
                        near = seq_flags[n] & (rules.GAP_ONE | rules.GAP_WIDE) == rules.GAP_ONE
                        run = run + 1 if near else 1
                        has_run = has_run or run >= 3
                    else:
                        run = 0
                    n += 1
            if stored:
                known = counts[2]
                memo.s_slots[slot] = known + 1
                memo.s_keys[known] = key
                memo.s_begin[known] = counts[3]
                memo.s_length[known] = end - pos
                memo.s_ref[known] = at
                memo.s_count[known] = count
                memo.s_gap[known] = memo.rows[count, 2]
                memo.s_flags[known] = memo.rows[count, 5]
                for k in range(end - pos):
                    memo.s_bytes[counts[3] + k] = data[pos + k]
                counts[2] += 1
                counts[3] += end - pos
                counts[4] += count
            if count:
                gap = 0
                starts = 0
            gap += memo.rows[count, 2]
            starts |= memo.rows[count, 5]
        else:
            at = memo.s_ref[known]
            count = memo.s_count[known]
            for k in range(count):
                if n >= MAX_TOKENS:
                    break
                token = memo.refs[at + k]
                flag = memo.ref_flags[at + k]
                if k == 0:
                    gap += 1 if flag & rules.GAP_ONE else 2 if flag & rules.GAP_WIDE else 0
                    flag = (
                        (flag & ~(rules.GAP_ONE | rules.GAP_WIDE))
                        | starts
                        | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                    )
                seq[n] = token
                seq_flags[n] = flag
                if memo.t_info[token] & SINGLE:
                    near = flag & (rules.GAP_ONE | rules.GAP_WIDE) == rules.GAP_ONE
                    run = run + 1 if near else 1
                    has_run = has_run or run >= 3
                else:
                    run = 0
                n += 1
            if count:
                gap = 0
                starts = 0
            gap += memo.s_gap[known]
            starts |= memo.s_flags[known]
        pos = end
    if has_run:
        n = join_singles(n, memo, tables)
    return n
