"""Compiled scanner: UTF-8 bytes of one post to a sequence of interned tokens.

A *stretch* is a run of bytes without ASCII blanks or controls, cut at ``MAX_STRETCH`` bytes. The tokens of a stretch
depend on nothing around it, so a memo keyed by its bytes skips decoding, normalization and lexing for stretches of up
to 24 bytes that were seen before. A stretch's row is one cache line: its bytes, what it is, and its tokens.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features.buffers import call_at, i1_at, i4_at, i8_at, load_word, low_zeros, marks_at, prefetch, u8_at
from tsclassify.features.compiled import RULES, jit
from tsclassify.features.memo import SINGLE, T_INFO, decode, intern, stream_at, token_of_lexed
from tsclassify.features.state import (
    A_BEGINS,
    A_CODES,
    A_KEPT,
    A_LEARN,
    A_LEXED,
    A_REFS,
    A_SELF,
    A_SEQ,
    A_SLOTS,
    A_SPARE,
    A_STRETCHES,
    A_TOKENS,
    A_TWINS,
    CODE_ROOM,
    CODES,
    FIRST_SLOTS,
    KINDS,
    MARKS,
    MAX_SLOTS,
    MAX_STRETCHES,
    N_CODES_USED,
    N_KNOWN,
    N_LIFE,
    N_REFS_USED,
    N_SLOTS,
    N_STRETCHES,
    OUT,
    REF_ROOM,
    TOKEN_SLOTS,
    TOKENS,
    WORD,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS

__all__ = ["PADDING", "learn", "scan_post"]

PADDING: Final = 96
"""Bytes after a post that may be read, whatever they hold."""

IS_SINGLE: Final = 256
"""Flag of a token in a sequence beside those of the rules: one Latin letter."""

# Words of a stretch's row after its bytes: a free row begins with 0. Up to four tokens stand in the row itself.
S_META: Final = 3
S_REFS: Final = 4
_INLINE: Final = 4
_PROBES: Final = 64
"""Rows that are tried; a stretch that finds none of them free is read anew each time."""

JOIN: Final = 2
"""Asks the callback to join single letters instead of learning a stretch."""

_GAPS: Final = rules.GAP_ONE | rules.GAP_WIDE
_SHORT: Final = 24
_WINDOW: Final = 39
"""Bytes into a window of 64 after which a stretch of ``_SHORT`` bytes and its end might no longer lie in it."""

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_MIX_0 = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xD6E8FEB86659FD93)
_MIX_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_lex = RULES["lex"]
_squeeze = RULES["squeeze"]


@jit
def slot_of(key_0: Any, key_1: Any, key_2: Any, slots: int) -> Any:
    """Where a stretch belongs: tables of 2**n rows lie one after the other, so row `slots` is the first of its table.

    Source: multiplicative hashing (Knuth, The Art of Computer Programming 3, section 6.4); the sum is that of three
    independent multipliers.
    """
    h = (key_0 ^ (key_1 * _MIX_1) ^ (key_2 * _MIX_2)) * _MIX_0
    return np.int64((h ^ (h >> np.uint64(29))) >> np.uint64(40)) & (slots - 1) | slots


@jit
def join_singles(n: int, state: Any) -> Any:
    """Join runs of three or more single letters, each one sign apart (``k.i.l.l``); returns the new count."""
    seq, word = i8_at(state[A_SEQ]), i8_at(stream_at(state, WORD))
    codes, begins = i4_at(state[A_CODES]), i4_at(state[A_BEGINS])
    write = 0
    i = 0
    while i < n:
        j = i
        if seq[i] >> 32 & IS_SINGLE:
            j = i + 1
            while (
                j < n and j - i < rules.MAX_WORD and seq[j] >> 32 & IS_SINGLE and seq[j] >> 32 & _GAPS == rules.GAP_ONE
            ):
                j += 1
        if j - i >= 3:
            capitals = rules.CAPS
            for k in range(i, j):
                word[k - i] = codes[begins[seq[k] & 0xFFFFFFFF]]
                capitals &= seq[k] >> 32
            length = _squeeze(word, j - i)
            flags = (
                (seq[i] >> 32 & ~(rules.CAPS | rules.STRETCHED | IS_SINGLE))
                | capitals
                | (0 if capitals else rules.DISGUISED)
            )
            seq[write] = intern(word, 0, length, 0, state) | flags << 32
            i = j
        else:
            seq[write] = seq[i]
            i += 1
        write += 1
    return write


@jit
def long_end(text: int, pos: int, hi: int) -> Any:
    """End of a stretch of more than 24 bytes, cut between code points at ``MAX_STRETCH`` bytes."""
    data = i1_at(text)
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
def plain_word(text: int, pos: int, end: int, word: Any, lexed: Any) -> int:
    """Lex a stretch of ASCII letters with closing marks into `lexed`, as the rules would; 0 when it is not that.

    Nine of ten new stretches are such a word, and this takes a fifth of the time of the rules.
    """
    data = i1_at(text)
    length = 0
    upper = 0
    same = 0
    k = pos
    while k < end:
        letter = data[k] | 32
        if not 97 <= letter <= 122:
            break
        same = same + 1 if length and word[length - 1] == letter else 1
        if same == 3:
            return 0
        word[length] = letter
        upper += data[k] < 97
        length += 1
        k += 1
    tail = 0
    starts = 0
    while k < end:
        byte = data[k]
        if byte == 46:
            starts = rules.STARTS
        elif byte != 44 and byte != 58 and byte != 59 and byte != 41:
            return 0
        tail += 1
        k += 1
    if length == 3 and word[0] == 119:
        return 0
    lexed[5] = rules.CAPS if upper == length else 0
    lexed[8] = tail
    lexed[11] = starts
    return length


@jit
def grow(state: Any) -> None:
    """Move all stretches to a table of twice the size, which lies behind the one in use."""
    rows = u8_at(state[A_STRETCHES])
    old = state[N_SLOTS]
    new = 2 * old
    for word in range(8 * new, 16 * new):
        rows[word] = np.uint64(0)
    for source in range(old, new):
        if rows[8 * source]:
            slot = slot_of(rows[8 * source], rows[8 * source + 1], rows[8 * source + 2], new)
            while rows[8 * slot]:
                slot = (slot + 1) & (new - 1) | new
            for word in range(8):
                rows[8 * slot + word] = rows[8 * source + word]
    state[N_SLOTS] = new


@jit
def free_slot(key_0: Any, key_1: Any, key_2: Any, state: Any) -> Any:
    """A free row for a new stretch, or -1."""
    if state[N_STRETCHES] >= MAX_STRETCHES:
        return -1
    if 2 * state[N_STRETCHES] >= state[N_SLOTS] and state[N_SLOTS] < MAX_SLOTS:
        grow(state)
    rows, slots = u8_at(state[A_STRETCHES]), state[N_SLOTS]
    slot = slot_of(key_0, key_1, key_2, slots)
    for _ in range(_PROBES):
        if not rows[8 * slot]:
            return slot
        slot = (slot + 1) & (slots - 1) | slots
    return -1


@jit
def learn_stretch(text: int, pos: int, end: int, is_long: int, state: Any) -> Any:
    """Decode and lex a new stretch; the spare row holds its bytes.

    Returns the address of its row in the memo, or of the spare row when it cannot be kept: when it is long or there
    is no room. Of a long stretch `end` is that of the post, and the spare row begins with the stretch's own end.
    """
    lexed, word = i8_at(state[A_LEXED]), i8_at(stream_at(state, WORD))
    spare = u8_at(state[A_SPARE])
    slot = np.int64(-1)
    count = 1
    simple = 0
    if is_long:
        end = long_end(text, pos, end)
        spare[0] = np.uint64(end)
    else:
        slot = free_slot(spare[0], spare[1], spare[2], state)
        simple = plain_word(text, pos, end, word, lexed)
    if not simple:
        length = decode(text, pos, end, state)
        count = _lex(
            i8_at(stream_at(state, CODES)), i8_at(stream_at(state, KINDS)), i8_at(stream_at(state, MARKS)), length,
            word, i8_at(stream_at(state, OUT)), lexed, i8_at(state[A_TWINS]),
        )  # fmt: skip
    if state[N_REFS_USED] + count > REF_ROOM:
        slot = np.int64(-1)
    at = state[A_SPARE]
    refs = at + 64
    if slot >= 0:
        at = state[A_STRETCHES] + 64 * slot
        refs = state[A_REFS] + 8 * state[N_REFS_USED]
        state[N_STRETCHES] += 1
    row = i8_at(at)
    if count <= _INLINE:
        refs = at + 8 * S_REFS
    else:
        row[S_REFS] = refs
        if slot >= 0:
            state[N_REFS_USED] += count
    kept = i8_at(refs)
    infos = i8_at(state[A_TOKENS])
    for k in range(count):
        token = intern(word, 0, simple, 0, state) if simple else token_of_lexed(k, state)
        flags = lexed[6 * k + 5] & 255
        if infos[8 * token + T_INFO] & SINGLE:
            flags |= IS_SINGLE
        kept[k] = token | flags << 32
    row[S_META] = count | min(2, lexed[6 * count + 2]) << 16 | lexed[6 * count + 5] << 24
    if slot >= 0:
        u8_at(at)[0] = spare[0]
        u8_at(at)[1] = spare[1]
        u8_at(at)[2] = spare[2]
    return at


@jit
def learn(state_address: int, text: int, pos: int, end: int, what: int) -> Any:
    """What is seldom done: ``learn_stretch``, or to ``JOIN`` the single letters among `text` tokens."""
    state = i8_at(state_address)
    if what == JOIN:
        return join_singles(text, state)
    return learn_stretch(text, pos, end, what, state)


@jit
def make_room(state: Any) -> None:
    """Forget everything when the next post might not fit: one interns at most 50,000 tokens."""
    if (
        state[N_KNOWN] > TOKENS - 2 * MAX_TOKENS
        or state[N_CODES_USED] > CODE_ROOM - 52_000 * rules.MAX_WORD
        or state[N_STRETCHES] > MAX_STRETCHES * 7 // 8
        or state[N_REFS_USED] > REF_ROOM * 7 // 8
    ):
        for counter in range(N_SLOTS):
            state[counter] = 0
        state[N_LIFE] += 1
        state[N_SLOTS] = FIRST_SLOTS
        slots, stretches = i4_at(state[A_SLOTS]), i8_at(state[A_STRETCHES])
        for slot in range(TOKEN_SLOTS):
            slots[slot] = 0
        for word in range(8 * FIRST_SLOTS, 16 * FIRST_SLOTS):
            stretches[word] = 0


@jit
def scan_post(  # noqa: C901 (the hot loop)
    text: int, lo: int, hi: int, state: Any
) -> Any:
    """Tokens of one post into ``A_SEQ``, each token | flags << 32; returns their number."""
    make_room(state)
    seq, kept, spare = i8_at(state[A_SEQ]), u8_at(state[A_KEPT]), u8_at(state[A_SPARE])
    stretches, tokens, slots = state[A_STRETCHES], state[A_TOKENS], state[N_SLOTS]
    n = 0
    gap = 0
    starts = rules.STARTS
    run = 0
    has_run = False
    pos = lo
    window = lo - 64
    blanks = np.uint64(0)
    lines = np.uint64(0)
    while pos < hi and n < MAX_TOKENS:
        at = pos - window
        if at > _WINDOW:
            window = pos
            at = 0
            blanks, lines = marks_at(text + pos)
            if hi - pos < 64:
                # what follows the post is blank
                blanks |= _ALL << np.uint64(hi - pos)
        ahead = blanks >> np.uint64(at)
        before = ahead & ~(ahead + _ONE)
        if before & (lines >> np.uint64(at)):
            starts = rules.STARTS
        skip = low_zeros(~ahead)
        gap += skip
        pos += skip
        at += skip
        if at > _WINDOW:
            continue
        length = low_zeros(blanks >> np.uint64(at))
        if length <= _SHORT:
            key_0 = load_word(text + pos) & kept[4 * length]
            key_1 = load_word(text + pos + 8) & kept[4 * length + 1]
            key_2 = load_word(text + pos + 16) & kept[4 * length + 2]
            slot = slot_of(key_0, key_1, key_2, slots)
            row = stretches + 64 * slot
            tries = 0
            while True:
                keys = u8_at(row)
                if keys[0] == key_0 and keys[1] == key_1 and keys[2] == key_2:
                    break
                tries += 1
                if not keys[0] or tries == _PROBES:
                    spare[0] = key_0
                    spare[1] = key_1
                    spare[2] = key_2
                    row = call_at(state[A_LEARN], state[A_SELF], text, pos, pos + length, 0)
                    slots = state[N_SLOTS]
                    break
                slot = (slot + 1) & (slots - 1) | slots
                row = stretches + 64 * slot
            pos += length
        else:
            row = call_at(state[A_LEARN], state[A_SELF], text, pos, hi, 1)
            pos = np.int64(spare[0])  # type: ignore[assignment]
        found = i8_at(row)
        meta = found[S_META]
        count = meta & 0xFFFF
        if count > _INLINE:
            row = found[S_REFS]
            refs = i8_at(row)
        else:
            refs = i8_at(row + 8 * S_REFS)
        for k in range(count):
            ref = refs[k]
            prefetch(tokens + 64 * (ref & 0xFFFFFFFF))
            if ref >> 32 & IS_SINGLE:
                flags = ref >> 32
                if k == 0:
                    gap += 1 if flags & rules.GAP_ONE else 2 if flags & rules.GAP_WIDE else 0
                    flags = (flags & ~_GAPS) | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                    ref = ref & 0xFFFFFFFF | flags << 32
                run = run + 1 if flags & _GAPS == rules.GAP_ONE else 1
                has_run = has_run or run >= 3
            else:
                run = 0
            if k == 0:
                ref |= starts << 32
            seq[n] = ref
            n += 1
            if n >= MAX_TOKENS:
                break
        if count:
            gap = 0
            starts = 0
        gap += meta >> 16 & 255
        starts |= meta >> 24
    if has_run:
        n = call_at(state[A_LEARN], state[A_SELF], n, 0, 0, JOIN)
    return n
