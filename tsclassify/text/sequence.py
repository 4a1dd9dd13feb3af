"""Settle the sequence of tokens of a post: what one stretch alone cannot tell.

Quotes are marked; code spans, tags and text written backwards end in another stretch than they begin; letters spaced
out become words; what is attached to each of several words goes. ``rows[ROW * k:]`` is (begin in ``codes``, length,
type, flags, _) of token k. A step lists edits, ``EDIT`` numbers each: (what, source, stop, first, last, a, b, flags),
where `first` and `last` are the tokens whose place the new one takes; whoever calls it puts them into effect.
"""

from __future__ import annotations

from typing import Any, Final

from tsclassify.text.kinds import (
    ALONE,
    CAPS,
    CODEY,
    DISGUISED,
    GAP_ONE,
    GAP_WIDE,
    LINE,
    MARK,
    MAX_WORD,
    ODD,
    QUOTED,
    STARTS,
    STRETCHED,
    SYMBOL,
    USER,
    WORD,
)
from tsclassify.text.rules import is_attached, squeeze
from tsclassify.text.words import ENDS, PLACES, cost_between, is_common, split_word

__all__ = ["COMPILED", "EDIT", "KEEP", "NAME_CODE", "NEW_WORDS", "ROW", "mark_quotes", "needs_of", "spell"]

ROW: Final = 5
EDIT: Final = 8

KEEP: Final = 0
"""The token `source`, with other flags."""

LETTERS: Final = 1
"""The single letters from `source` up to `stop`, of which the word takes a to b when they are shortened."""

CUT: Final = 2
"""The code points a to b of the token `source`."""

BACKWARDS: Final = 3
"""The code points a to b of the token `source` read backwards."""

NAME_CODE: Final = 4
"""``<code>``."""

NEW_WORDS: Final = 4096
"""Most new words that each step makes of split or reversed ones, so that the memo of the kernel has room."""

_NEAR: Final = GAP_ONE | GAP_WIDE
_IN_CODE: Final = 32

_LONGEST_QUOTE: Final = 300
_LONGEST_TAG: Final = 40
_LONGEST_CODE: Final = 1000
_LONGEST_TURN: Final = 500
_MOST_PIECES: Final = 4
_LONGEST_ATTACHED: Final = 64
_LEAST_QUOTE: Final = 3
"""Words of the shortest quotation that is a passage of its own; fewer are words in quotation marks."""


def sign_of(rows: Any, k: int, codes: Any) -> int:
    """Code point of the mark k, 0 for another token."""
    sign: int = codes[rows[ROW * k]] if rows[ROW * k + 2] == MARK else 0
    return sign


def needs_of(rows: Any, n: int) -> int:
    """What the sequence needs beside quotes: 4 when there are marks, 2 for letters in a row, 1 for what is attached."""
    needs = 0
    run = 0
    last_odd = -3
    for k in range(n):
        at = ROW * k
        flags = rows[at + 3]
        if rows[at + 2] == MARK:
            needs |= 4
        run = (run + 1 if run and flags & _NEAR == GAP_ONE else 1) if rows[at + 1] == 1 and rows[at + 2] == WORD else 0
        needs |= 2 if run >= 3 else 0
        if flags & ODD and rows[at + 2] == WORD:
            needs |= 1 if k - last_odd <= 2 else 0
            last_odd = k
    return needs


def quote_lines(rows: Any, n: int, codes: Any) -> None:
    """Mark lines that begin with ``>``, and what follows the name in a retweet."""
    quoted = 0
    for k in range(n):
        at = ROW * k
        if rows[at + 3] & LINE:
            quoted = QUOTED if sign_of(rows, k, codes) == 62 else 0
        rows[at + 3] |= quoted
        if (
            rows[at + 2] == WORD
            and rows[at + 1] == 2
            and rows[at + 3] & ODD
            and k + 2 < n
            and rows[at + ROW + 2] == USER
            and not rows[at + 2 * ROW + 3] & LINE
        ):
            quoted = QUOTED
            rows[at + 2 * ROW + 3] |= STARTS


def quote_passages(rows: Any, n: int, codes: Any) -> None:
    """Mark passages between quotation marks."""
    opened = -1
    words = 0
    for k in range(n):
        at = ROW * k
        if rows[at + 2] == WORD:
            words += 1
        if rows[at + 2] != SYMBOL or codes[rows[at]] != 34:
            continue
        if rows[at + 3] & CODEY or (opened < 0 and rows[at + 3] & ALONE):
            opened = k
            words = 0
        elif opened >= 0:
            if words >= _LEAST_QUOTE and k - opened <= _LONGEST_QUOTE:
                for j in range(opened, k + 1):
                    rows[ROW * j + 3] |= QUOTED
                rows[ROW * opened + 3] |= STARTS
                if k + 1 < n:
                    rows[at + ROW + 3] |= STARTS
            opened = -1


def mark_quotes(rows: Any, n: int, codes: Any) -> None:
    """Set the flag of quoted tokens, and that of a beginning where a quote begins and behind it."""
    quote_lines(rows, n, codes)
    quote_passages(rows, n, codes)


def put_edit(
    edits: Any, count: int, what: int, source: int, stop: int, first: int, last: int, a: int, b: int, flags: int
) -> None:
    """Write one edit."""
    at = EDIT * count
    edits[at] = what
    edits[at + 1] = source
    edits[at + 2] = stop
    edits[at + 3] = first
    edits[at + 4] = last
    edits[at + 5] = a
    edits[at + 6] = b
    edits[at + 7] = flags


def find_mark(rows: Any, n: int, codes: Any, at: int, most: int, sign: int, length: int) -> int:
    """The first mark of this sign and length behind `at`, within so many tokens, or -1."""
    for k in range(at + 1, min(n, at + 1 + most)):
        if sign_of(rows, k, codes) == sign and (length == 0 or rows[ROW * k + 1] == length):
            return k
    return -1


def note_code(rows: Any, lo: int, hi: int) -> None:
    """Note which tokens of a code span are code: those beside a sign of program code, and two around each."""
    for k in range(lo, hi):
        if rows[ROW * k + 3] & CODEY and rows[ROW * k + 2] != SYMBOL:
            for near in range(max(lo, k - 2), min(hi, k + 3)):
                if rows[ROW * near + 2] != MARK:
                    rows[ROW * near + 2] = _IN_CODE


def find_code(rows: Any, n: int, codes: Any) -> None:
    """Find code spans: what stands between two equal runs of backticks."""
    k = 0
    while k < n:
        if sign_of(rows, k, codes) == 96:
            end = find_mark(rows, n, codes, k, _LONGEST_CODE, 96, rows[ROW * k + 1])
            if end > 0:
                note_code(rows, k + 1, end)
                k = end
        k += 1


def turn_word(rows: Any, k: int, codes: Any, word: Any, table: Any) -> int:
    """Read the word k backwards into ``word``; returns how many words it is, 0 with letters beyond a to z."""
    begin, length = rows[ROW * k], rows[ROW * k + 1]
    if rows[ROW * k + 2] != WORD or length < 2:
        return 0
    for place in range(length):
        code = codes[begin + length - 1 - place]
        if not 97 <= code <= 122:
            return 0
        word[place] = code
    pieces: int = split_word(word, length, False, table)
    if pieces > _MOST_PIECES:
        word[ENDS] = length
        return 1
    return pieces


def turn_back(
    rows: Any, lo: int, hi: int, last: int, codes: Any, word: Any, table: Any, edits: Any, count: int, flags: int
) -> int:
    """List the tokens from `lo` up to `hi` in the order in which they are displayed; returns the number of edits."""
    for k in range(hi - 1, lo - 1, -1):
        own = rows[ROW * k + 3]
        gap = rows[ROW * (k + 1) + 3] & _NEAR if k + 1 < hi else GAP_WIDE
        own = (own & ~(_NEAR | STARTS | LINE)) | gap | flags
        if rows[ROW * k + 2] == MARK:
            continue
        flags = 0
        pieces = turn_word(rows, k, codes, word, table)
        if rows[ROW * k + 2] == WORD:
            own |= DISGUISED
        start = 0
        for piece in range(pieces):
            end = word[ENDS + piece]
            put_edit(edits, count, BACKWARDS, k, k + 1, lo - 1, last, start, end, own)
            own &= ~(STARTS | LINE)
            count += 1
            start = end
        if pieces == 0:
            put_edit(edits, count, KEEP, k, k + 1, lo - 1, last, 0, 0, own)
            count += 1
    return count


def turn_end(rows: Any, n: int, codes: Any, at: int) -> int:
    """Where text written backwards from the mark at `at` on ends: at the mark of its end, its line or the post."""
    for k in range(at + 1, min(n, at + 1 + _LONGEST_TURN)):
        if sign_of(rows, k, codes) == 0x202C or rows[ROW * k + 3] & LINE:
            return k
    return min(n, at + 1 + _LONGEST_TURN)


def settle_marks(rows: Any, n: int, codes: Any, word: Any, table: Any, edits: Any) -> int:
    """Read code spans and text written backwards, and drop tags and all marks; returns the number of edits."""
    find_code(rows, n, codes)
    count = 0
    carried = 0
    left = NEW_WORDS
    k = 0
    while k < n:
        at = ROW * k
        flags = rows[at + 3]
        sign = sign_of(rows, k, codes)
        if sign:
            carried |= flags & (STARTS | LINE) | GAP_WIDE
            end = k + 1
            if sign == 60 and end < n and rows[ROW * end + 3] & CODEY:
                close = find_mark(rows, n, codes, k, _LONGEST_TAG, 62, 0)
                end = close + 1 if close > 0 else end
            elif sign == 0x202E:
                end = turn_end(rows, n, codes, k)
                if left >= _MOST_PIECES * (end - k):
                    left -= _MOST_PIECES * (end - k)
                    is_closed = end < n and sign_of(rows, end, codes) == 0x202C
                    last = end if is_closed else end - 1
                    written = turn_back(rows, k + 1, end, last, codes, word, table, edits, count, carried & ~_NEAR)
                    carried = carried if written == count else 0
                    count = written
                    end = last + 1
                else:
                    end = k + 1
            k = end
            continue
        if carried:
            flags = flags & ~_NEAR | carried
            carried = 0
        end = k + 1
        if rows[at + 2] == _IN_CODE:
            while end < n and rows[ROW * end + 2] == _IN_CODE and not rows[ROW * end + 3] & LINE:
                end += 1
            put_edit(edits, count, NAME_CODE, k, end, k, end - 1, 0, 0, flags & ~(CAPS | DISGUISED | STRETCHED))
        else:
            put_edit(edits, count, KEEP, k, end, k, k, 0, 0, flags)
        count += 1
        k = end
    return count


def is_single(rows: Any, k: int, codes: Any) -> bool:
    """Whether token k is one Latin letter."""
    at = ROW * k
    code: int = codes[rows[at]] if rows[at + 2] == WORD and rows[at + 1] == 1 else 0
    return 97 <= code <= 122


def follows(rows: Any, k: int) -> bool:
    """Whether the single letter k may go on a word: one sign behind the one before, no capital behind a small one."""
    flags: int = rows[ROW * k + 3]
    return flags & _NEAR == GAP_ONE and not (flags & CAPS and not rows[ROW * (k - 1) + 3] & CAPS)


def is_alphabet(rows: Any, lo: int, hi: int, codes: Any) -> bool:
    """Whether single letters follow one another as in the alphabet: a list."""
    for k in range(lo + 1, hi):  # noqa: SIM110 (compiled without generators)
        if codes[rows[ROW * k]] != codes[rows[ROW * (k - 1)]] + 1:
            return False
    return True


def shorten(rows: Any, lo: int, hi: int, codes: Any, word: Any) -> int:
    """Put single letters into ``word`` and shorten those that are stretched; returns the length."""
    for k in range(lo, hi):
        word[k - lo] = codes[rows[ROW * k]]
        word[PLACES + k - lo] = k
    length: int = squeeze(word, hi - lo)
    return length


def join_letters(
    rows: Any, lo: int, hi: int, codes: Any, word: Any, table: Any, edits: Any, count: int, most: int
) -> int:
    """List the words that single letters are; returns the number of edits."""
    capitals = CAPS
    for k in range(lo, hi):
        capitals &= rows[ROW * k + 3]
    length = shorten(rows, lo, hi, codes, word)
    pieces = split_word(word, length, True, table)
    if pieces > most:
        pieces = 1
        word[ENDS] = length
    flags = rows[ROW * lo + 3] & ~(CAPS | STRETCHED) | capitals
    if pieces > 1 or not capitals:
        flags |= DISGUISED
    a = 0
    first = lo
    for piece in range(pieces):
        b = word[ENDS + piece]
        last = (word[PLACES + b] if b < length else hi) - 1
        put_edit(edits, count, LETTERS, lo, hi, first, last, a, b, flags)
        flags = flags & ~(STARTS | LINE | _NEAR) | GAP_WIDE
        count += 1
        a = b
        first = last + 1
    return count


def settle_letters(rows: Any, n: int, codes: Any, word: Any, table: Any, edits: Any) -> int:
    """Join runs of three or more single letters, each one sign apart; returns the number of edits.

    A run may be several words; one in the order of the alphabet is a list.
    """
    count = 0
    left = NEW_WORDS
    i = 0
    while i < n:
        j = i
        if is_single(rows, i, codes):
            j = i + 1
            while j < n and j - i < MAX_WORD and is_single(rows, j, codes) and follows(rows, j):
                j += 1
        if j - i >= 3 and not is_alphabet(rows, i, j, codes):
            before = count
            count = join_letters(rows, i, j, codes, word, table, edits, count, left)
            left -= count - before if count - before > 1 else 0
            i = j
            continue
        # of a list each letter is passed at once, so that none of its ends is taken for a word
        for k in range(i, j if j - i >= 3 else i + 1):
            put_edit(edits, count, KEEP, k, k + 1, k, k, 0, 0, rows[ROW * k + 3])
            count += 1
        i = j if j - i >= 3 else i + 1
    return count


def inner_of(rows: Any, k: int, codes: Any, how: int, letter: int) -> tuple[int, int]:
    """(start, end) of the known word in token k, from which what is attached is cut; (0, 0) for none.

    `how` is 1 for the letter at both ends, 2 at the start, 3 at the end, 4 for digits at the start, 5 at the end.
    """
    at = ROW * k
    begin, length = rows[at], rows[at + 1]
    if rows[at + 2] != WORD or length < 2:
        return 0, 0
    start = 0
    end = length
    if how >= 4:
        while start < end and 48 <= codes[begin + start] <= 57:
            start += 1
        while end > start and 48 <= codes[begin + end - 1] <= 57:
            end -= 1
        front, back = start, length - end
        is_so = (0 < front <= 2 and back == 0) if how == 4 else (front == 0 and 0 < back <= 2)
        return (start, end) if is_so and end - start >= 2 else (0, 0)
    if how != 3:
        if codes[begin] != letter:
            return 0, 0
        start = 1
    if how != 2:
        if codes[begin + length - 1] != letter:
            return 0, 0
        end = length - 1
    return (start, end) if end > start else (0, 0)


def is_odd(rows: Any, k: int, codes: Any, word: Any, table: Any) -> bool:
    """Whether token k is an unknown word with something attached."""
    at = ROW * k
    if rows[at + 2] != WORD or rows[at + 1] < 4:
        return False
    for place in range(rows[at + 1]):
        word[place] = codes[rows[at] + place]
    odd: bool = is_attached(word, rows[at + 1], table)
    return odd


def is_same(rows: Any, one: int, other: int, codes: Any, start: int, end: int, begin: int, stop: int) -> bool:
    """Whether these code points of two tokens are the same word."""
    if end - start != stop - begin:
        return False
    for k in range(end - start):  # noqa: SIM110 (compiled without generators)
        if codes[rows[ROW * one] + start + k] != codes[rows[ROW * other] + begin + k]:
            return False
    return True


def attached_end(rows: Any, n: int, lo: int, codes: Any, word: Any, table: Any, how: int) -> int:
    """End of the tokens from `lo` on that all have the same attached in this way, or `lo`."""
    letter = codes[rows[ROW * lo] + rows[ROW * lo + 1] - 1] if how == 3 else codes[rows[ROW * lo]]
    odd = 0
    last_odd = lo - 1
    k = lo
    while k < min(n, lo + _LONGEST_ATTACHED):
        start, end = inner_of(rows, k, codes, how, letter)
        begin = rows[ROW * k]
        if not is_common(codes, begin + start, begin + end, table):
            break
        # words that merely end alike, as in another language
        if cost_between(codes, begin, begin + rows[ROW * k + 1], table):
            break
        if k > lo:
            before, stop = inner_of(rows, k - 1, codes, how, letter)
            # ``5mins 10mins``
            if is_same(rows, k - 1, k, codes, before, stop, start, end):
                break
        if is_odd(rows, k, codes, word, table):
            odd += 1
            last_odd = k
        elif k - last_odd > 1:
            break
        k += 1
    least = 2 if how == 1 else 3
    return k if k - lo >= least and odd >= 2 else lo


def settle_attached(rows: Any, n: int, codes: Any, word: Any, table: Any, edits: Any) -> int:
    """Cut off a letter or digits attached to each of several words; returns the number of edits."""
    count = 0
    left = NEW_WORDS
    i = 0
    while i < n:
        end = i
        how = 0
        if rows[ROW * i + 2] == WORD and rows[ROW * i + 1] >= 2:
            for tried in range(1, 6):
                stop = attached_end(rows, n, i, codes, word, table, tried) if end == i else i
                if stop > i and stop - i <= left:
                    end = stop
                    how = tried
        if how == 0:
            put_edit(edits, count, KEEP, i, i + 1, i, i, 0, 0, rows[ROW * i + 3])
            count += 1
            i += 1
            continue
        left -= end - i
        letter = codes[rows[ROW * i] + rows[ROW * i + 1] - 1] if how == 3 else codes[rows[ROW * i]]
        for k in range(i, end):
            start, stop = inner_of(rows, k, codes, how, letter)
            put_edit(edits, count, CUT, k, k + 1, k, k, start, stop, rows[ROW * k + 3] | DISGUISED)
            count += 1
        i = end
    return count


def spell(edits: Any, number: int, rows: Any, codes: Any, word: Any) -> int:
    """Put the word of an edit into ``word``; returns its length."""
    at = EDIT * number
    what, source, a, b = edits[at], edits[at + 1], edits[at + 5], edits[at + 6]
    begin, length = rows[ROW * source], rows[ROW * source + 1]
    if what == LETTERS:
        shorten(rows, source, edits[at + 2], codes, word)
        for k in range(a, b):
            word[k - a] = word[k]
    else:
        for k in range(a, b):
            word[k - a] = codes[begin + length - 1 - k] if what == BACKWARDS else codes[begin + k]
    size: int = b - a
    return size


COMPILED: Final = (
    sign_of,
    needs_of,
    quote_lines,
    quote_passages,
    mark_quotes,
    put_edit,
    find_mark,
    note_code,
    find_code,
    turn_word,
    turn_back,
    turn_end,
    settle_marks,
    is_single,
    follows,
    is_alphabet,
    shorten,
    join_letters,
    settle_letters,
    inner_of,
    is_odd,
    is_same,
    attached_end,
    settle_attached,
    spell,
)
"""The functions that the kernel compiles."""
