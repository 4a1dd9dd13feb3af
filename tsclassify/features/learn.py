"""Compiled learning: what the scanner does for a stretch it has not seen, and for single letters in a row.

The scanner calls this by its address: compiled into the hot loop it would crowd its registers.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features.buffers import i1_at, i4_at, i8_at
from tsclassify.features.compiled import RULES, jit
from tsclassify.features.memo import IS_SINGLE, decode, intern, stream_at, token_of_lexed
from tsclassify.features.state import (
    A_BEGINS,
    A_CODES,
    A_LEXED,
    A_REFS,
    A_SEQ,
    A_SPARE,
    A_TWINS,
    CODES,
    KINDS,
    MARKS,
    N_REFS_USED,
    OUT,
    REF_ROOM,
    WORD,
)
from tsclassify.features.stretches import COUNT_SHIFT, FLAGS_SHIFT, GAP_SHIFT, S_META, SHORT, new_row
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_STRETCH

__all__ = ["IS_LONG", "JOIN", "learn"]

IS_LONG: Final = 1
"""Asks to read a stretch of more than ``SHORT`` bytes, which is not kept."""

JOIN: Final = 2
"""Asks to join single letters instead of reading a stretch."""

_GAPS: Final = rules.GAP_ONE | rules.GAP_WIDE
_lex = RULES["lex"]
_squeeze = RULES["squeeze"]


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
    """End of a stretch of more than ``SHORT`` bytes, cut between code points at ``MAX_STRETCH`` bytes."""
    data = i1_at(text)
    end = pos + SHORT
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
def learn_stretch(text: int, pos: int, end: int, is_long: int, state: Any) -> Any:
    """Decode and lex a new stretch; of a long one `end` is that of the post.

    Returns the address of its row in the memo, or of the spare row when it cannot be kept: when it is long or there
    is no room. After the spare row stands where a long stretch ends.
    """
    lexed, word = i8_at(state[A_LEXED]), i8_at(stream_at(state, WORD))
    at = np.int64(0)
    count = 1
    simple = 0
    if is_long:
        end = long_end(text, pos, end)
        i8_at(state[A_SPARE])[S_META + 1] = end
    else:
        simple = plain_word(text, pos, end, word, lexed)
    if not simple:
        length = decode(text, pos, end, state)
        count = _lex(
            i8_at(stream_at(state, CODES)), i8_at(stream_at(state, KINDS)), i8_at(stream_at(state, MARKS)), length,
            word, i8_at(stream_at(state, OUT)), lexed, i8_at(state[A_TWINS]),
        )  # fmt: skip
    if not is_long and (count == 1 or state[N_REFS_USED] + count <= REF_ROOM):
        at = new_row(text, pos, end - pos, state)
    # behind the room for references there is some for those of the spare row
    first = np.int64(REF_ROOM)
    if at == 0:
        at = state[A_SPARE]
    elif count != 1:
        first = state[N_REFS_USED]
        state[N_REFS_USED] = first + count
    kept = i8_at(state[A_REFS] + 8 * first)
    ref = np.int64(0)
    for k in range(count):
        token = intern(word, 0, simple, 0, state) if simple else token_of_lexed(k, state)
        ref = token | (lexed[6 * k + 5] & 255) << 32
        if count != 1:
            kept[k] = ref
    if count != 1:
        ref = first
    after = min(2, lexed[6 * count + 2]) << GAP_SHIFT | lexed[6 * count + 5] << FLAGS_SHIFT
    i8_at(at)[S_META] = ref | after | count << COUNT_SHIFT
    return at


@jit
def learn(state_address: int, text: int, pos: int, end: int, what: int) -> Any:
    """What is seldom done: ``learn_stretch``, or to ``JOIN`` the single letters among `text` tokens."""
    state = i8_at(state_address)
    if what == JOIN:
        return join_singles(text, state)
    return learn_stretch(text, pos, end, what, state)
