"""Compiled memory of one thread: interned tokens, known stretches, and the decoding that fills them.

Tokens and stretches are compared in full, never by hash alone, so what is remembered changes no score. A token's row
is one cache line: its hashes, what it is, and the sums of the weight rows of its pieces.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.compiled import RULES, jit, mix
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS

__all__ = ["Memo", "Tables", "decode", "intern", "make_memo", "reset", "token_of_row"]

_STREAM: Final = MAX_STRETCH * 6 + 8
N_TOKENS: Final = 1 << 18
_N_CODES: Final = 1 << 22
_TOKEN_SLOTS: Final = 1 << 19
STRETCH_SLOTS: Final = 1 << 19
MAX_STRETCHES: Final = 400_000
N_REFS: Final = 1 << 20

_SEED_TOKEN = np.uint64(hashing.SEED_TOKEN)
_GENERIC = np.uint64(0)

ENTRIES: Final = 4352
"""Where the entries begin in ``Tables.chars``, after the block index."""

# Segments of ``Memo.ints``.
_T_SLOTS: Final = 0
T_BEGIN: Final = _T_SLOTS + _TOKEN_SLOTS
T_CODES: Final = T_BEGIN + N_TOKENS
SEQ: Final = T_CODES + _N_CODES
SEQ_FLAGS: Final = SEQ + MAX_TOKENS + 8
_INTS: Final = SEQ_FLAGS + MAX_TOKENS + 8

# Words of a token's row in ``Memo.tokens``.
T_HASH: Final = 0
T_BACK: Final = 1
T_INFO: Final = 2
T_SEEN: Final = 3
T_SUMS: Final = 4

# Words of a stretch's row in ``Memo.stretches``: its bytes, then these. A row of another life is free.
S_META: Final = 3
S_REF: Final = 4

# Places in ``Memo.counts``.
N_KNOWN: Final = 0
N_CODES_USED: Final = 1
N_STRETCHES_USED: Final = 2
N_REFS_USED: Final = 3
LIFE: Final = 5
POST: Final = 6

# Rows of ``Memo.stream``.
CODES: Final = 0
KINDS: Final = 1
MARKS: Final = 2
WORD: Final = 3
OUT: Final = 4

# What a token is: kind in bits 0-3 of its info, then these, then its length, group + 1 and number of pieces.
KIND_QUESTION: Final = 5
KIND_EXCLAMATION: Final = 6
KIND_QUOTE: Final = 7
KIND_EMOJI: Final = 8
SINGLE: Final = 16
MASKED: Final = 32
NEGATOR: Final = 64
SILENT: Final = 128
OTHER_SCRIPT: Final = 256
SUMMED: Final = 512
LENGTH_SHIFT: Final = 16
GROUP_SHIFT: Final = 32
PIECES_SHIFT: Final = 48

MODE_MASK: Final = 0
MODE_BACK: Final = 1
MODE_KEEP: Final = 2
MODE_FOLD: Final = 3


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
O_CHAR_MIN: Final = 6
O_CHAR_MAX: Final = 7
O_MEMBERS: Final = 8
GROUPS: Final = 16


class Memo(NamedTuple):
    """What one thread has seen, and its scratch space; every array has a fixed size."""

    counts: Any
    ints: Any
    keys: Any
    tokens: Any
    stretches: Any
    refs: Any
    stream: Any
    rows: Any


def make_memo() -> Memo:
    """An empty memo; pages are touched only as they are used."""
    counts = np.zeros(8, dtype=np.int64)
    counts[LIFE] = 1
    return Memo(
        counts=counts,
        ints=np.zeros(_INTS, dtype=np.int32),
        keys=np.empty(N_TOKENS, dtype=np.uint64),
        tokens=np.empty(8 * N_TOKENS, dtype=np.uint64),
        stretches=np.zeros(8 * STRETCH_SLOTS, dtype=np.uint64),
        refs=np.empty(N_REFS, dtype=np.int64),
        stream=np.empty((5, _STREAM), dtype=np.int64),
        rows=np.empty(6 * (_STREAM + 1), dtype=np.int64),
    )


def piece_words(n_tables: int, is_first: bool) -> int:
    """Words that hold the pieces' sums outside the tokens' rows: none for one table of eight lanes, read first."""
    return 0 if is_first and n_tables == 1 else 5 * N_TOKENS * n_tables


_undo_entities = RULES["undo_entities"]

_NAMED = np.array([[ord(c) for c in name.ljust(8)] for name in ("<url>", "<user>", "<num>", "<email>")]).reshape(-1)
_NAMED_LENGTHS = np.array([5, 6, 5, 7])


@jit
def reset(memo: Any) -> None:
    """Forget everything; a new life makes all stretches, and sums kept elsewhere, void."""
    memo.counts[:LIFE] = 0
    memo.counts[LIFE] += 1
    memo.ints[:_TOKEN_SLOTS] = 0


@jit
def is_full(counts: Any) -> Any:
    """Whether the next post might not fit: one interns at most 50,000 tokens (read, one stretch over, joined)."""
    return (
        counts[N_KNOWN] > N_TOKENS - 2 * MAX_TOKENS
        or counts[N_CODES_USED] > _N_CODES - 52_000 * rules.MAX_WORD
        or counts[N_STRETCHES_USED] > MAX_STRETCHES * 7 // 8
        or counts[N_REFS_USED] > N_REFS * 7 // 8
    )


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
def intern(  # noqa: C901 (one record, filled in one place)
    codes: Any, begin: int, length: int, kind: int, memo: Any, tables: Any
) -> Any:
    """Number of the token with these code points; compared in full."""
    key = hash_codes(codes, begin, length)
    slot = np.int64(key & np.uint64(_TOKEN_SLOTS - 1))
    while memo.ints[slot] > 0:
        token = np.int64(memo.ints[slot]) - 1
        known = np.int64(memo.tokens[8 * token + T_INFO]) >> LENGTH_SHIFT & 0xFFFF
        if memo.keys[token] == key and known == length:
            same = True
            at = memo.ints[T_BEGIN + token]
            for k in range(length):
                if memo.ints[T_CODES + at + k] != codes[begin + k]:
                    same = False
                    break
            if same:
                return token
        slot = (slot + 1) & (_TOKEN_SLOTS - 1)
    token = memo.counts[N_KNOWN]
    memo.counts[N_KNOWN] = token + 1
    memo.ints[slot] = token + 1
    at = memo.counts[N_CODES_USED]
    memo.counts[N_CODES_USED] = at + length
    for k in range(length):
        memo.ints[T_CODES + at + k] = codes[begin + k]
    memo.keys[token] = key
    memo.ints[T_BEGIN + token] = at
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
    if kind == 0 and not info & MASKED:
        pieces = 0
        for size in range(tables.lexicon[O_CHAR_MIN], tables.lexicon[O_CHAR_MAX] + 1):
            pieces += max(0, length + 3 - size)
        info |= pieces << PIECES_SHIFT
    memo.tokens[8 * token + T_HASH] = shown
    memo.tokens[8 * token + T_BACK] = back
    memo.tokens[8 * token + T_INFO] = info
    memo.tokens[8 * token + T_SEEN] = 0
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
