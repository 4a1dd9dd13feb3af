"""Compiled learning: what the scanner does for a stretch it has not seen, and to settle a sequence of tokens.

The scanner calls this by its address: compiled into the hot loop it would crowd its registers.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.buffers import i1_at, i4_at, i8_at, u8_at
from tsclassify.features.compiled import RULES, jit, mix
from tsclassify.features.memo import (
    IS_SINGLE,
    KIND_CODE,
    KIND_MARK,
    KIND_QUESTION,
    ask_for_codes,
    ask_for_key,
    decode,
    hash_codes,
    intern,
    intern_key,
    place_of,
    stream_at,
    token_of_lexed,
)
from tsclassify.features.pieces import LENGTH_SHIFT, T_INFO, sum_up
from tsclassify.features.state import (
    A_BEGINS,
    A_CODES,
    A_EDITS,
    A_KEPT,
    A_LEXED,
    A_REACHES,
    A_REFS,
    A_SEEDS,
    A_SEQ,
    A_SPARE,
    A_TOKENS,
    A_TWINS,
    A_WORD_COSTS,
    AHEAD,
    AHEAD_WORDS,
    CODES,
    KINDS,
    MARKS,
    N_REACHES,
    N_REFS_USED,
    NAMES,
    OUT,
    R_AHEAD,
    R_EDGES,
    R_FOUND,
    R_NEW,
    R_NUMBERS,
    R_TEXT,
    REACH_BYTES,
    REF_ROOM,
    S_TOKEN,
    WORD,
)
from tsclassify.features.stretches import (
    COUNT_SHIFT,
    FLAGS_SHIFT,
    GAP_SHIFT,
    S_META,
    SHORT,
    hash_at,
    new_row,
    row_of,
)
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS
from tsclassify.text.sequence import EDIT, KEEP, NAME_CODE, ROW

__all__ = ["ADD", "ALL_NEW", "ASK", "IS_LONG", "READ", "SETTLE", "learn"]

IS_LONG: Final = 1
"""Asks to read a stretch of more than ``SHORT`` bytes, which is not kept; 0 asks to read a shorter one."""

SETTLE: Final = 2
"""Asks to settle the sequence instead of reading a stretch."""

READ: Final = 3
"""Asks to read the new stretches of a reach, and for what is looked up first of them."""

ASK: Final = 4
"""Asks for what is looked up next."""

ALL_NEW: Final = 5
"""Asks to learn the new stretches of a reach."""

ADD: Final = 6
"""Asks to add up the weights of new words."""

# What is read ahead of a new stretch: of a plain word its hash, its length or 0 for another stretch, what is kept of
# it, its seeded hash, then its letters; of another one how many words it seems to have, then their seeded hashes.
_KEY: Final = 0
_LENGTH: Final = 1
_CAPITALS: Final = 2
_TAIL: Final = 3
_STARTS: Final = 4
_GUESSES: Final = 5
_PLACE: Final = 6
_LETTERS: Final = 8

_KEPT: Final = 255 | rules.ODD | rules.CODEY
"""Flags of a token that are kept of its stretch."""

_SEED_TOKEN = np.uint64(hashing.SEED_TOKEN)
_lex = RULES["lex"]
_needs_rules = RULES["needs_rules"]
_mark_quotes = RULES["mark_quotes"]
_needs_of = RULES["needs_of"]
_settle_marks = RULES["settle_marks"]
_settle_letters = RULES["settle_letters"]
_settle_attached = RULES["settle_attached"]
_spell = RULES["spell"]


@jit
def list_rows(n: int, whole: bool, state: Any) -> None:
    """List the tokens of the sequence as the steps that settle it see them.

    Where words begin is listed with the `whole` alone: to look it up takes longer than all the rest.
    """
    seq, rows, infos = i8_at(state[A_SEQ]), i8_at(state[A_EDITS]), i8_at(state[A_TOKENS])
    begins = i4_at(state[A_BEGINS])
    for k in range(n):
        token = seq[k] & 0xFFFFFFFF
        info = infos[8 * token + T_INFO]
        kind = info & 15
        if kind == KIND_MARK:
            kind = rules.MARK
        elif kind == KIND_CODE:
            kind = rules.CODE
        elif kind >= KIND_QUESTION:
            kind = rules.SYMBOL
        if whole or kind == rules.MARK or kind == rules.SYMBOL:
            rows[ROW * k] = begins[token]
        rows[ROW * k + 1] = info >> LENGTH_SHIFT & 255
        rows[ROW * k + 2] = kind
        rows[ROW * k + 3] = seq[k] >> 32
        rows[ROW * k + 4] = token


@jit
def edit(count: int, state: Any) -> Any:
    """Put edits into effect; returns how many tokens there are then."""
    seq, rows, word = i8_at(state[A_SEQ]), i8_at(state[A_EDITS]), i8_at(stream_at(state, WORD))
    edits = i8_at(state[A_EDITS] + 8 * ROW * (MAX_TOKENS + 8))
    count = min(count, MAX_TOKENS)
    for number in range(count):
        what, source, flags = edits[EDIT * number], edits[EDIT * number + 1], edits[EDIT * number + 7]
        if what == KEEP:
            seq[number] = rows[ROW * source + 4] | flags << 32
            continue
        if what == NAME_CODE:
            token = intern(i8_at(stream_at(state, OUT)), NAMES + 32, 6, KIND_CODE, state)
        else:
            length = _spell(edits, number, rows, i4_at(state[A_CODES]), word)
            token = intern(word, 0, length, 0, state)
        seq[number] = token & 0xFFFFFFFF | (flags & ~IS_SINGLE) << 32
    return count


@jit
def settle(n: int, state: Any) -> Any:
    """Settle the sequence of the scanned post; returns the new number of its tokens."""
    seq, rows, word = i8_at(state[A_SEQ]), i8_at(state[A_EDITS]), i8_at(stream_at(state, WORD))
    edits = i8_at(state[A_EDITS] + 8 * ROW * (MAX_TOKENS + 8))
    codes, table = i4_at(state[A_CODES]), i4_at(state[A_WORD_COSTS])
    list_rows(n, False, state)
    _mark_quotes(rows, n, codes)
    for k in range(n):
        seq[k] = rows[ROW * k + 4] | rows[ROW * k + 3] << 32
    needs = _needs_of(rows, n)
    if needs > 1:
        list_rows(n, True, state)
        n = edit(_settle_marks(rows, n, codes, word, table, edits), state)
        list_rows(n, True, state)
        n = edit(_settle_letters(rows, n, codes, word, table, edits), state)
    if needs:
        list_rows(n, True, state)
        n = edit(_settle_attached(rows, n, codes, word, table, edits), state)
    return n


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
def plain_word(text: int, end: int, ahead: Any) -> int:
    """Read a stretch of ASCII letters with closing marks, as the rules would; returns its length, 0 when it is another.

    Nine of ten new stretches are such a word, and this takes a fifth of the time of the rules.
    """
    data = i1_at(text)
    length = 0
    upper = 0
    same = 0
    k = 0
    while k < end:
        letter = data[k] | 32
        if not 97 <= letter <= 122:
            break
        same = same + 1 if length and ahead[_LETTERS + length - 1] == letter else 1
        if same == 3:
            return 0
        ahead[_LETTERS + length] = letter
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
    if length == 3 and ahead[_LETTERS] == 119:
        return 0
    ahead[_CAPITALS] = rules.CAPS if upper == length else 0
    ahead[_TAIL] = tail
    ahead[_STARTS] = starts
    return length


@jit
def guess_words(text: int, end: int, keys: Any, state: Any) -> Any:
    """Ask for what seem to be the words of a stretch before the rules read it; returns the number of their hashes."""
    data, seeds = i1_at(text), u8_at(state[A_SEEDS])
    n = 0
    size = S_TOKEN
    h = _SEED_TOKEN
    place = np.uint64(0)
    for k in range(end + 1):
        letter = data[k] | 32 if k < end else 32
        if 97 <= letter <= 122 or 48 <= letter <= 57:
            h = mix(h, np.uint64(letter))
            place += seeds[size] * np.uint64(letter)
            size += 1
        elif letter != 39 and size > S_TOKEN:
            keys[_LETTERS + n] = place
            n += 1
            ask_for_key(h, place, state)
            size = S_TOKEN
            h = _SEED_TOKEN
            place = np.uint64(0)
    return n


@jit
def read_ahead(text: int, end: int, at: int, state: Any) -> None:
    """Read a new stretch to the address `at`, and ask for what is looked up first of its words."""
    ahead = i8_at(at)
    length = plain_word(text, end, ahead)
    if length > 1:
        word = i8_at(stream_at(state, WORD))
        for k in range(length):
            word[k] = ahead[_LETTERS + k]
        if _needs_rules(word, length, ahead[_CAPITALS] > 0, i4_at(state[A_WORD_COSTS])):
            length = 0
    ahead[_LENGTH] = length
    if length:
        key = hash_codes(ahead, _LETTERS, length)
        place = place_of(ahead, _LETTERS, length, state)
        u8_at(at)[_KEY] = key
        u8_at(at)[_PLACE] = place
        ask_for_key(key, place, state)
    else:
        ahead[_GUESSES] = guess_words(text, end, u8_at(at), state)


@jit
def read_new(first: int, reach: int, state: Any) -> None:
    """Read up to ``AHEAD`` new stretches, from the one numbered `first` on."""
    head, edges, new = i8_at(reach), i4_at(reach + R_EDGES), i4_at(reach + R_NUMBERS)
    for k in range(first, min(head[R_NEW], first + AHEAD)):
        begin = edges[2 * new[k] + 1]
        at = reach + R_AHEAD + 8 * AHEAD_WORDS * (k - first)
        read_ahead(head[R_TEXT] + begin, edges[2 * new[k] + 2] - begin, at, state)


@jit
def ask_for_new(reach: int, state: Any) -> None:
    """Ask for the code points of the first new stretches that were read."""
    for k in range(min(i8_at(reach)[R_NEW], AHEAD)):
        at = reach + R_AHEAD + 8 * AHEAD_WORDS * k
        if i8_at(at)[_LENGTH]:
            ask_for_codes(u8_at(at)[_PLACE], state)
        else:
            for guess in range(i8_at(at)[_GUESSES]):
                ask_for_codes(u8_at(at)[_LETTERS + guess], state)


@jit
def learn_all(reach: int, state: Any) -> None:
    """Learn the new stretches of a reach, which receives their rows, or 0 for what cannot be kept."""
    head, found = i8_at(reach), i8_at(reach + R_FOUND)
    edges, new = i4_at(reach + R_EDGES), i4_at(reach + R_NUMBERS)
    for k in range(head[R_NEW]):
        place = k % AHEAD
        if k and not place:
            read_new(k, reach, state)
        number = new[k]
        text = head[R_TEXT] + edges[2 * number + 1]
        length = edges[2 * number + 2] - edges[2 * number + 1]
        # it may have been learned since, in this post or in one before it
        row = row_of(found[number], text, length, state)
        if not row:
            at = reach + R_AHEAD + 8 * AHEAD_WORDS * place
            row = learn_stretch(found[number], text, 0, length, 0, at, state)
        found[number] = row if row != state[A_SPARE] else 0


@jit
def learn_stretch(h: int, text: int, pos: int, end: int, is_long: int, read: int, state: Any) -> Any:
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
        ahead = i8_at(read)
        simple = ahead[_LENGTH]
        lexed[5] = ahead[_CAPITALS]
        lexed[8] = ahead[_TAIL]
        lexed[11] = ahead[_STARTS]
    if not simple:
        length = decode(text, pos, end, state)
        count = _lex(
            i8_at(stream_at(state, CODES)), i8_at(stream_at(state, KINDS)), i8_at(stream_at(state, MARKS)), length,
            word, i8_at(stream_at(state, OUT)), lexed, i8_at(state[A_TWINS]), i4_at(state[A_WORD_COSTS]),
        )  # fmt: skip
    if not is_long and (count == 1 or state[N_REFS_USED] + count <= REF_ROOM):
        at = new_row(h, text + pos, end - pos, state)
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
        if simple:
            token = intern_key(u8_at(read)[_KEY], u8_at(read)[_PLACE], i8_at(read), _LETTERS, simple, 0, state)
        else:
            token = token_of_lexed(k, state)
        ref = token | (lexed[6 * k + 5] & _KEPT) << 32
        if count != 1:
            kept[k] = ref
    if count != 1:
        ref = first
    after = min(2, lexed[6 * count + 2]) << GAP_SHIFT | lexed[6 * count + 5] << FLAGS_SHIFT
    i8_at(at)[S_META] = ref | after | count << COUNT_SHIFT
    return at


@jit
def learn(state_address: int, text: int, pos: int, end: int, what: int) -> Any:
    """What is seldom done: ``learn_stretch``, or `what` else is asked for.

    That is for `text` tokens in order to ``SETTLE`` them, and else for the reach at the address `text`.
    """
    state = i8_at(state_address)
    if what == SETTLE:
        return settle(text, state)
    if what == ALL_NEW:
        learn_all(text, state)
    elif what == READ:
        read_new(0, text, state)
    elif what == ADD:
        sum_up(state)
    elif what == ASK:
        ask_for_new(text, state)
    if what >= READ:
        return 0
    h = np.int64(0)
    if not what:
        read_ahead(text + pos, end - pos, state[A_REACHES] + N_REACHES * REACH_BYTES, state)
        h = hash_at(text + pos, end - pos, u8_at(state[A_KEPT]), u8_at(state[A_SEEDS]))
    return learn_stretch(h, text, pos, end, what, state[A_REACHES] + N_REACHES * REACH_BYTES, state)
