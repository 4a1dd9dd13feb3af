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
N_TOKENS: Final = 1 << 17
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
GROUP_SHIFT: Final = 32

MODE_MASK: Final = 0
MODE_BACK: Final = 1
MODE_KEEP: Final = 2
MODE_FOLD: Final = 3


ENTRIES: Final = 4352
"""Where the entries begin in ``Tables.chars``, after the block index."""

# Segments of ``Memo.ints``.
T_SLOTS: Final = 0
T_BEGIN: Final = T_SLOTS + _SLOTS
T_LENGTH: Final = T_BEGIN + N_TOKENS
T_CODES: Final = T_LENGTH + N_TOKENS
S_SLOTS: Final = T_CODES + _N_CODES
S_BEGIN: Final = S_SLOTS + _SLOTS
S_LENGTH: Final = S_BEGIN + _N_STRETCHES
S_REF: Final = S_LENGTH + _N_STRETCHES
S_COUNT: Final = S_REF + _N_STRETCHES
S_GAP: Final = S_COUNT + _N_STRETCHES
S_FLAGS: Final = S_GAP + _N_STRETCHES
REFS: Final = S_FLAGS + _N_STRETCHES
REF_FLAGS: Final = REFS + _N_REFS
SEQ: Final = REF_FLAGS + _N_REFS
SEQ_FLAGS: Final = SEQ + MAX_TOKENS + 8
_INTS: Final = SEQ_FLAGS + MAX_TOKENS + 8

# Segments of ``Memo.keys``.
T_KEYS: Final = 0
T_HASH: Final = T_KEYS + N_TOKENS
T_BACK: Final = T_HASH + N_TOKENS
S_KEYS: Final = T_BACK + N_TOKENS
_KEYS: Final = S_KEYS + _N_STRETCHES

# Rows of ``Memo.stream``.
CODES: Final = 0
KINDS: Final = 1
MARKS: Final = 2
WORD: Final = 3
OUT: Final = 4


class Tables(NamedTuple):
    """Read-only arrays. Few and long rather than many: each array that is passed on costs compile time.

    Attributes
    ----------
    chars
        int32: block index (4352), entries, expansions of the character table.
    twins
        int64: letters of other scripts by rising code point, then their Latin look-alikes.
    keys
        uint64: the lexicon's open hash table, then the hashes of its groups.
    lexicon
        int64: 16 options, then per group (mode, fold after, fold into, spare), then the hash table's groups or -1.
    """

    chars: Any
    twins: Any
    keys: Any
    lexicon: Any


# Places in ``Tables.lexicon``.
O_EXPANSIONS: Final = 0
O_SLOTS: Final = 1
O_MASK: Final = 2
O_NEGATORS: Final = 3
O_CHAIN: Final = 4
O_SILENT: Final = 5
O_MEMBERS: Final = 8
GROUPS: Final = 16


class Memo(NamedTuple):
    """What one thread has seen, and its scratch space; every array has a fixed size."""

    counts: Any
    ints: Any
    keys: Any
    info: Any
    stretches: Any
    stream: Any
    rows: Any


def make_memo() -> Memo:
    """An empty memo; pages are touched only as they are used."""
    return Memo(
        counts=np.zeros(8, dtype=np.int64),
        ints=np.zeros(_INTS, dtype=np.int32),
        keys=np.empty(_KEYS, dtype=np.uint64),
        info=np.empty(N_TOKENS, dtype=np.int64),
        stretches=np.empty(_N_BYTES, dtype=np.uint8),
        stream=np.empty((5, _STREAM), dtype=np.int64),
        rows=np.empty(6 * (_STREAM + 1), dtype=np.int64),
    )


_undo_entities = RULES["undo_entities"]
_lex = RULES["lex"]
_squeeze = RULES["squeeze"]

_NAMED = np.array([[ord(c) for c in name.ljust(8)] for name in ("<url>", "<user>", "<num>", "<email>")]).reshape(-1)
_NAMED_LENGTHS = np.array([5, 6, 5, 7])


@jit
def reset(memo: Any) -> None:
    """Forget everything; ``counts[5]`` says how often, so that what rests on token numbers can tell."""
    memo.counts[:5] = 0
    memo.counts[5] += 1
    memo.ints[T_SLOTS : T_SLOTS + _SLOTS] = 0
    memo.ints[S_SLOTS : S_SLOTS + _SLOTS] = 0


@jit
def group_of(key: Any, tables: Any) -> Any:
    """Group number of a token hash, or -1."""
    size = tables.lexicon[O_SLOTS]
    members = tables.lexicon[O_MEMBERS]
    slot = np.int64(key & np.uint64(size - 1))
    while tables.lexicon[members + slot] >= 0:
        if tables.keys[slot] == key:
            return tables.lexicon[members + slot]
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
def intern(codes: Any, begin: int, length: int, kind: int, memo: Any, tables: Any) -> Any:
    """Number of the token with these code points; compared in full."""
    key = hash_codes(codes, begin, length)
    slots = memo.ints
    slot = np.int64(key & np.uint64(_SLOTS - 1))
    while slots[slot] > 0:
        token = np.int64(slots[slot]) - 1
        if memo.keys[T_KEYS + token] == key and memo.ints[T_LENGTH + token] == length:
            same = True
            at = memo.ints[T_BEGIN + token]
            for k in range(length):
                if memo.ints[T_CODES + at + k] != codes[begin + k]:
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
        memo.ints[T_CODES + at + k] = codes[begin + k]
    memo.keys[T_KEYS + token] = key
    memo.ints[T_BEGIN + token] = at
    memo.ints[T_LENGTH + token] = length
    info = kind | length << LENGTH_SHIFT
    first = codes[begin]
    if kind == 0 and length == 1 and 97 <= first <= 122:
        info |= SINGLE
    if kind == 0 and first >= 128:
        info |= OTHER_SCRIPT
    if KIND_QUESTION <= kind <= KIND_QUOTE and tables.lexicon[O_SILENT] >> (kind - KIND_QUESTION) & 1:
        info |= SILENT
    shown = key
    back = _GENERIC
    if KIND_QUESTION <= kind <= KIND_QUOTE or (kind and kind != KIND_EMOJI and not tables.lexicon[O_CHAIN]):
        back = key
    group = group_of(key, tables)
    if group >= 0:
        mode = tables.lexicon[GROUPS + 4 * group]
        group_key = tables.keys[tables.lexicon[O_SLOTS] + group]
        back = key if mode == MODE_KEEP else group_key
        if mode == MODE_MASK and tables.lexicon[O_MASK]:
            shown = group_key
            info |= MASKED
        if group == tables.lexicon[O_NEGATORS]:
            info |= NEGATOR
        info |= (group + 1) << GROUP_SHIFT
    memo.info[token] = info
    memo.keys[T_HASH + token] = shown
    memo.keys[T_BACK + token] = back
    return token


@jit
def decode(data: Any, lo: int, hi: int, memo: Any, tables: Any) -> Any:
    """UTF-8 bytes to a stream in ``memo.stream``; an invalid byte becomes U+FFFD, a sign."""
    codes, kinds, marks = memo.stream[CODES], memo.stream[KINDS], memo.stream[MARKS]
    chars = tables.chars
    expansions = tables.lexicon[O_EXPANSIONS]
    n = 0
    pos = lo
    hidden = 0
    ampersand = False
    while pos < hi:
        lead = np.int64(data[pos])
        width = 1
        code: Any = 0xFFFD
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
        entry = np.int64(chars[ENTRIES + np.int64(chars[code >> 8]) * 256 + (code & 255)])
        if entry & 16:
            if entry & 32:
                hidden = rules.AFTER_HIDDEN
            continue
        mark = hidden | (rules.STYLED if entry & 32 else 0) | (rules.UPPER if 65 <= code <= 90 else 0)
        hidden = 0
        if entry & 8:
            at = expansions + (entry >> 8)
            for k in range(np.int64(chars[at])):
                part = np.int64(chars[at + 1 + k])
                codes[n] = part
                kinds[n] = chars[ENTRIES + np.int64(chars[part >> 8]) * 256 + (part & 255)] & 7
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
        n = _undo_entities(codes, kinds, marks, memo.stream[OUT], n)
    return n


@jit
def token_of_row(row: int, memo: Any, tables: Any) -> Any:
    """Intern one lexed token."""
    out = memo.stream[OUT]
    begin = memo.rows[6 * row]
    length = memo.rows[6 * row + 1]
    kind = memo.rows[6 * row + 4]
    if kind == rules.WORD:
        if (
            memo.rows[6 * row + 5] & rules.POSSESSIVE
            and length > 1
            and group_of(hash_codes(out, begin, length), tables) < 0
        ):
            group = group_of(hash_codes(out, begin, length - 1), tables)
            if group >= 0 and tables.lexicon[GROUPS + 4 * group] == MODE_MASK:
                length -= 1
        return intern(out, begin, length, 0, memo, tables)
    if kind == rules.SYMBOL:
        code = out[begin]
        symbol = KIND_QUESTION if code == 63 else KIND_EXCLAMATION if code == 33 else KIND_QUOTE
        return intern(out, begin, 1, symbol if code < 128 else KIND_EMOJI, memo, tables)
    if kind == rules.NUMBER and length > 0 and group_of(hash_codes(out, begin, length), tables) >= 0:
        return intern(out, begin, length, 0, memo, tables)
    word = memo.stream[WORD]
    for k in range(8):
        word[k] = _NAMED[8 * (kind - 1) + k]
    return intern(word, 0, _NAMED_LENGTHS[kind - 1], kind, memo, tables)


@jit
def find_stretch(data: Any, lo: int, hi: int, key: Any, memo: Any) -> Any:
    """Slot of the stretch with these bytes, or of the free place for it; compared in full."""
    slot = np.int64(key & np.uint64(_SLOTS - 1))
    while memo.ints[S_SLOTS + slot] > 0:
        known = memo.ints[S_SLOTS + slot] - 1
        if memo.keys[S_KEYS + known] == key and memo.ints[S_LENGTH + known] == hi - lo:
            same = True
            at = memo.ints[S_BEGIN + known]
            for k in range(hi - lo):
                if memo.stretches[at + k] != data[lo + k]:
                    same = False
                    break
            if same:
                return slot
        slot = (slot + 1) & (_SLOTS - 1)
    return slot


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
        if memo.info[seq[i]] & SINGLE:
            j = i + 1
            while (
                j < n
                and j - i < rules.MAX_WORD
                and memo.info[seq[j]] & SINGLE
                and flags[j] & (rules.GAP_ONE | rules.GAP_WIDE) == rules.GAP_ONE
            ):
                j += 1
        if j - i >= 3:
            capitals = rules.CAPS
            for k in range(i, j):
                word[k - i] = memo.ints[T_CODES + memo.ints[T_BEGIN + seq[k]]]
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
def scan_post(  # noqa: C901 (the hot loop; calls with many arrays cost more than they tidy)
    data: Any, lo: int, hi: int, memo: Any, tables: Any
) -> Any:
    """Tokens of one post into the segments SEQ and SEQ_FLAGS; returns their number."""
    counts = memo.counts
    # A post interns at most 50,000 tokens: those read, one stretch too many, and the joined ones.
    full = counts[0] > N_TOKENS - 2 * MAX_TOKENS or counts[1] > _N_CODES - 52_000 * rules.MAX_WORD
    full = full or counts[2] > _N_STRETCHES * 7 // 8 or counts[3] > _N_BYTES * 7 // 8
    if full or counts[4] > _N_REFS * 7 // 8:
        reset(memo)
    ints, stream = memo.ints, memo.stream
    seq = ints[SEQ:SEQ_FLAGS]
    seq_flags = ints[SEQ_FLAGS:]
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
            known = memo.ints[S_SLOTS + slot] - 1
        if known < 0:
            length = decode(data, pos, end, memo, tables)
            count = _lex(
                stream[CODES], stream[KINDS], stream[MARKS], length, stream[WORD], stream[OUT], memo.rows, tables.twins
            )
            stored = short and (
                counts[2] < _N_STRETCHES and counts[3] + end - pos < _N_BYTES and counts[4] + count < _N_REFS
            )
            at = counts[4]
            for row in range(count):
                token = token_of_row(row, memo, tables)
                if stored:
                    memo.ints[REFS + at + row] = token
                    memo.ints[REF_FLAGS + at + row] = memo.rows[6 * row + 5]
                if row == 0:
                    lead = memo.rows[5]
                    gap += 1 if lead & rules.GAP_ONE else 2 if lead & rules.GAP_WIDE else 0
                if n < MAX_TOKENS:
                    seq[n] = token
                    seq_flags[n] = memo.rows[6 * row + 5]
                    if row == 0:
                        seq_flags[n] = (
                            (memo.rows[5] & ~(rules.GAP_ONE | rules.GAP_WIDE))
                            | starts
                            | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                        )
                    if memo.info[token] & SINGLE:
                        near = seq_flags[n] & (rules.GAP_ONE | rules.GAP_WIDE) == rules.GAP_ONE
                        run = run + 1 if near else 1
                        has_run = has_run or run >= 3
                    else:
                        run = 0
                    n += 1
            if stored:
                known = counts[2]
                memo.ints[S_SLOTS + slot] = known + 1
                memo.keys[S_KEYS + known] = key
                memo.ints[S_BEGIN + known] = counts[3]
                memo.ints[S_LENGTH + known] = end - pos
                memo.ints[S_REF + known] = at
                memo.ints[S_COUNT + known] = count
                memo.ints[S_GAP + known] = memo.rows[6 * count + 2]
                memo.ints[S_FLAGS + known] = memo.rows[6 * count + 5]
                for k in range(end - pos):
                    memo.stretches[counts[3] + k] = data[pos + k]
                counts[2] += 1
                counts[3] += end - pos
                counts[4] += count
            if count:
                gap = 0
                starts = 0
            gap += memo.rows[6 * count + 2]
            starts |= memo.rows[6 * count + 5]
        else:
            at = memo.ints[S_REF + known]
            count = memo.ints[S_COUNT + known]
            for k in range(count):
                if n >= MAX_TOKENS:
                    break
                token = memo.ints[REFS + at + k]
                flag = memo.ints[REF_FLAGS + at + k]
                if k == 0:
                    gap += 1 if flag & rules.GAP_ONE else 2 if flag & rules.GAP_WIDE else 0
                    flag = (
                        (flag & ~(rules.GAP_ONE | rules.GAP_WIDE))
                        | starts
                        | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                    )
                seq[n] = token
                seq_flags[n] = flag
                if memo.info[token] & SINGLE:
                    near = flag & (rules.GAP_ONE | rules.GAP_WIDE) == rules.GAP_ONE
                    run = run + 1 if near else 1
                    has_run = has_run or run >= 3
                else:
                    run = 0
                n += 1
            if count:
                gap = 0
                starts = 0
            gap += memo.ints[S_GAP + known]
            starts |= memo.ints[S_FLAGS + known]
        pos = end
    if has_run:
        n = join_singles(n, memo, tables)
    return n
