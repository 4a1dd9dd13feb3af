"""The token rules, written once: run as they stand by the reference, compiled by the kernel.

Every function takes plain integers and sequences of integers (lists here, arrays when compiled) and allocates
nothing, so that numba compiles the same source. A *stream* is one blank-free stretch of a post after the
per-code-point table: ``codes``, their ``kinds`` and ``marks``.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["COMPILED", "MAX_WORD"]

MAX_WORD: Final = 48
"""Longest token in code points; a longer run is cut into several."""

# Kinds of a code point, as in the table.
LETTER: Final = 1
DIGIT: Final = 2
APOSTROPHE: Final = 3
EMOJI: Final = 4
SPACE: Final = 5

# Marks of a code point in a stream.
UPPER: Final = 1
STYLED: Final = 2
AFTER_HIDDEN: Final = 4

# Types of a token.
WORD: Final = 0
URL: Final = 1
USER: Final = 2
NUMBER: Final = 3
EMAIL: Final = 4
SYMBOL: Final = 5

# Flags of a token.
CAPS: Final = 1
DISGUISED: Final = 2
STRETCHED: Final = 4
STARTS: Final = 8
GAP_ONE: Final = 16
GAP_WIDE: Final = 32
HASHTAG: Final = 64
POSSESSIVE: Final = 128

_HTTP: Final = (104, 116, 116, 112, 0, 0, 0, 0)
_SCHEME: Final = (58, 47, 47, 0, 0, 0, 0, 0)
_WWW: Final = (119, 119, 119, 46, 0, 0, 0, 0)
# Eight places each, ended by 0, so that one compiled function reads them all.
_DOMAINS: Final = (
    (99, 111, 109, 0, 0, 0, 0, 0),
    (111, 114, 103, 0, 0, 0, 0, 0),
    (110, 101, 116, 0, 0, 0, 0, 0),
    (103, 111, 118, 0, 0, 0, 0, 0),
    (101, 100, 117, 0, 0, 0, 0, 0),
)
_NAME_URL: Final = (60, 117, 114, 108, 62, 0, 0, 0)
_NAME_USER: Final = (60, 117, 115, 101, 114, 62, 0, 0)
_NAME_NUM: Final = (60, 110, 117, 109, 62, 0, 0, 0)
_NAME_NUMBER: Final = (60, 110, 117, 109, 98, 101, 114, 62)
_NAME_EMAIL: Final = (60, 101, 109, 97, 105, 108, 62, 0)
_AMP: Final = (38, 97, 109, 112, 59, 0, 0, 0)
_LT: Final = (38, 108, 116, 59, 0, 0, 0, 0)
_GT: Final = (38, 103, 116, 59, 0, 0, 0, 0)
_QUOT: Final = (38, 113, 117, 111, 116, 59, 0, 0)
_APOS: Final = (38, 35, 51, 57, 59, 0, 0, 0)
_NBSP: Final = (38, 110, 98, 115, 112, 59, 0, 0)


def matches(codes: Any, n: int, at: int, word: Any) -> bool:
    """Whether the stream reads `word` (ended by 0) at `at`."""
    for k in range(8):
        if word[k] == 0:
            return True
        if at + k >= n or codes[at + k] != word[k]:
            return False
    return True


def undo_entities(codes: Any, kinds: Any, marks: Any, places: Any, n: int) -> int:
    """Replace HTML entities in place; returns the new length."""
    write = 0
    i = 0
    while i < n:
        code, kind, width = codes[i], kinds[i], 1
        if code == 38:
            if matches(codes, n, i, _AMP):
                width = 5
            elif matches(codes, n, i, _LT):
                code, width = 60, 4
            elif matches(codes, n, i, _GT):
                code, width = 62, 4
            elif matches(codes, n, i, _QUOT):
                code, width = 34, 6
            elif matches(codes, n, i, _APOS):
                code, kind, width = 39, APOSTROPHE, 5
            elif matches(codes, n, i, _NBSP):
                code, kind, width = 32, SPACE, 6
        codes[write] = code
        kinds[write] = kind
        marks[write] = marks[i]
        places[write] = places[i]
        write += 1
        i += width
    return write


def url_end(codes: Any, kinds: Any, n: int, at: int) -> int:
    """First position that no longer belongs to an address starting before `at`."""
    j = at
    while j < n and kinds[j] != SPACE and codes[j] != 60 and codes[j] != 62 and codes[j] != 34:
        j += 1
    return j


def is_url(codes: Any, n: int, at: int) -> bool:
    """Whether an address with a scheme or ``www.`` starts here."""
    if codes[at] == 119:
        return matches(codes, n, at, _WWW)
    if codes[at] != 104 or not matches(codes, n, at, _HTTP):
        return False
    return matches(codes, n, at + 4, _SCHEME) or (
        at + 4 < n and codes[at + 4] == 115 and matches(codes, n, at + 5, _SCHEME)
    )


def domain_end(codes: Any, kinds: Any, n: int, dot: int) -> int:
    """End of the address when a well-known top-level domain follows the full stop at `dot`, else 0."""
    for name in _DOMAINS:
        if matches(codes, n, dot + 1, name):
            end = dot + 4
            if end >= n or (kinds[end] != LETTER and kinds[end] != DIGIT and codes[end] != 39):
                return url_end(codes, kinds, n, end) if end < n and codes[end] == 47 else end
    return 0


def email_end(codes: Any, kinds: Any, n: int, at: int) -> int:
    """End of an e-mail address whose ``@`` is at `at`, else 0."""
    j = at + 1
    dotted = False
    while j < n and (kinds[j] == LETTER or kinds[j] == DIGIT or codes[j] == 46 or codes[j] == 45 or codes[j] == 95):
        if codes[j] == 46 and j + 1 < n and kinds[j + 1] == LETTER and j > at + 1:
            dotted = True
        j += 1
    return j if dotted else 0


def is_vowel(code: int) -> bool:
    """a, e, i, o or u."""
    return code == 97 or code == 101 or code == 105 or code == 111 or code == 117


def is_letter_like(code: int) -> bool:
    """Whether a code point inside a token stands for a letter: no digit and no ``*``."""
    return code != 42 and not 48 <= code <= 57


def fold_digit(before: int, code: int, after: int) -> int:
    """The letter that a digit stands for between two letters (0 for none), or 0."""
    if code == 48:
        return 111
    if code == 51:
        return 101
    if code == 52:
        return 97
    if code == 53:
        return 115
    if code == 55:
        return 116
    if code != 49:
        return 0
    if after == 108:
        return 108 if is_vowel(before) else 105
    if before == 97:
        return 105
    if is_vowel(before):
        return 108
    onset = before == 98 or before == 99 or before == 102 or before == 103 or before == 112 or before == 115
    return 108 if onset and is_vowel(after) else 105


def is_foldable(word: Any, n: int, start: int, end: int) -> bool:
    """Whether the digits in ``word[start:end]`` may stand for letters: one or two, and no plural of a number."""
    if end - start > 2 or (start > 0 and end == n - 1 and word[end] == 115):
        return False
    for k in range(start, end):  # noqa: SIM110
        if fold_digit(0, word[k], 0) == 0:
            return False
    return True


def unleet(word: Any, n: int) -> bool:
    """Fold digits that stand for letters, in place; True when any was folded.

    Only a digit between two letters shows a disguise; digits at the ends follow once one is shown. Numbers
    with a unit, model names and dates (``3pm``, ``mp4``, ``b2b``, ``s01e05``, ``ar15s``) stay, and so do words
    without a Latin letter, since it is one that a digit stands for.
    """
    digits = 0
    letters = 0
    latin = False
    for k in range(n):
        latin = latin or 97 <= word[k] <= 122
        if 48 <= word[k] <= 57:
            digits += 1
        elif word[k] != 42:
            letters += 1
    if not latin or letters < 2 or digits >= letters:
        return False
    shown = False
    for pass_number in range(2):
        start = 0
        while start < n:
            if not 48 <= word[start] <= 57:
                start += 1
                continue
            end = start
            while end < n and 48 <= word[end] <= 57:
                end += 1
            inner = start > 0 and end < n and word[start - 1] != 42 and word[end] != 42
            if is_foldable(word, n, start, end) and (inner or pass_number == 1):
                shown = True
                if pass_number == 1:
                    for k in range(start, end):
                        before = word[k - 1] if k > 0 else 0
                        word[k] = fold_digit(before, word[k], word[k + 1] if k + 1 < n else 0)
            start = end
        if not shown:
            return False
    return True


def is_doubled(code: int, is_final: bool) -> bool:
    """Whether a stretched letter stands for two: ``killll``, ``soooon``; else for one: ``dieee``."""
    if is_final:
        return code == 108 or code == 115 or code == 102
    if code == 111 or code == 101:
        return True
    return (
        code >= 98
        and code <= 122
        and not (
            code == 105
            or code == 117
            or code == 121
            or code == 104
            or code == 106
            or code == 107
            or code == 113
            or code == 118
            or code == 119
            or code == 120
        )
    )


def squeeze(word: Any, n: int) -> int:
    """Shorten letters repeated three times or more, in place; returns the new length."""
    write = 0
    i = 0
    while i < n:
        j = i
        while j < n and word[j] == word[i]:
            j += 1
        keep = j - i
        if keep >= 3 and is_letter_like(word[i]):
            keep = 2 if is_doubled(word[i], j == n) else 1
        code = word[i]
        for _ in range(keep):
            word[write] = code
            write += 1
        i = j
    return write


def untwin(word: Any, n: int, twins: Any) -> bool:
    """Fold letters of other scripts that look Latin, in place, when the token also holds a Latin letter."""
    latin = False
    for k in range(n):
        if 97 <= word[k] <= 122:
            latin = True
    if not latin:
        return False
    changed = False
    half = len(twins) // 2
    for k in range(n):
        if word[k] < 128:
            continue
        low = 0
        high = half
        while low < high:
            middle = (low + high) // 2
            if twins[middle] < word[k]:
                low = middle + 1
            else:
                high = middle
        if low < half and twins[low] == word[k]:
            word[k] = twins[half + low]
            changed = True
    return changed


def accepts(codes: Any, kinds: Any, n: int, first: int, j: int, word: Any, m: int, letters: int) -> int:
    """What a sign inside a word stands for: a code point, -1 for nothing (dropped), 0 when it ends the word."""
    code = codes[j]
    before = j > first and kinds[j - 1] == LETTER
    after = j + 1 < n and kinds[j + 1] == LETTER
    if kinds[j] == APOSTROPHE:
        return -1 if before and after else 0
    if code == 36:
        doubled = j + 1 < n and codes[j + 1] == 36
        again = j > first and codes[j - 1] == 36
        if (after and (before or again or j == first)) or (before and doubled) or (again and m > 1):
            return 115
        return 0
    if code == 42:
        t = j
        while t < n and codes[t] == 42:
            t += 1
        inside = m > 0 and (before or word[m - 1] == 42)
        return 42 if inside and t < n and kinds[t] == LETTER and t - j <= 6 else 0
    if not (before and after):
        return 0
    if code == 64:
        return 97
    if code == 33:
        return 105 if letters <= 2 else 0
    if code == 124:
        return 108
    return 101 if code == 0x20AC else 0


def read_word(  # noqa: C901 (one pass over the signs; parts of it would be compiled apart)
    codes: Any, kinds: Any, marks: Any, n: int, first: int, word: Any, camel: bool, twins: Any
) -> tuple[int, int, int, int]:
    """Read one word or address at `first`: (end, length in `word`, type, flags)."""
    m = 0
    letters = 0
    upper = 0
    flags = 0
    dropped = -1
    foreign = False
    digits = False
    j = first
    while j < n and m < MAX_WORD:
        kind = kinds[j]
        code = codes[j]
        if kind == LETTER:
            if camel and j > first and marks[j] & UPPER and kinds[j - 1] == LETTER and not marks[j - 1] & UPPER:
                break
            letters += 1
            upper += marks[j] & UPPER
            foreign = foreign or code >= 128
        elif kind == DIGIT:
            digits = True
        else:
            if code == 64 and j > first and j + 1 < n:
                end = email_end(codes, kinds, n, j)
                if end > 0:
                    return end, 0, EMAIL, 0
            code = accepts(codes, kinds, n, first, j, word, m, letters)
            if code == 0:
                break
            if code < 0:
                dropped = j
                j += 1
                continue
            if code != 42:
                letters += 1
            flags |= DISGUISED
        if marks[j] & STYLED or (j > first and marks[j] & AFTER_HIDDEN):
            flags |= DISGUISED
        word[m] = code
        m += 1
        j += 1
    if j < n and codes[j] == 46:
        end = domain_end(codes, kinds, n, j)
        if end > 0:
            return end, 0, URL, 0
    while m > 1 and word[m - 1] == 42:
        m -= 1
    if upper == letters and letters > 0:
        flags |= CAPS
    if foreign and untwin(word, m, twins):
        flags |= DISGUISED
    if digits and unleet(word, m):
        flags |= DISGUISED
    length = squeeze(word, m)
    if length != m:
        flags |= STRETCHED
    if dropped >= 0 and dropped == j - 2 and codes[j - 1] == 115:
        flags |= POSSESSIVE
    return j, length, WORD, flags


def number_end(codes: Any, kinds: Any, n: int, at: int) -> tuple[int, bool]:
    """End of the number at `at`, and whether it is plain digits."""
    j = at
    plain = True
    while j < n:
        if kinds[j] == DIGIT:
            j += 1
        elif (codes[j] == 44 or codes[j] == 46 or codes[j] == 58) and j + 1 < n and kinds[j + 1] == DIGIT:
            plain = False
            j += 2
        else:
            break
    return j, plain


def named_token(codes: Any, n: int, at: int) -> tuple[int, int]:
    """(type, width) of a written-out token such as ``<url>`` at `at`, or (-1, 0)."""
    if matches(codes, n, at, _NAME_URL):
        return URL, 5
    if matches(codes, n, at, _NAME_USER):
        return USER, 6
    if matches(codes, n, at, _NAME_NUM):
        return NUMBER, 5
    if matches(codes, n, at, _NAME_NUMBER):
        return NUMBER, 8
    if matches(codes, n, at, _NAME_EMAIL):
        return EMAIL, 7
    return -1, 0


def lex(  # noqa: C901 (the one loop over a stream)
    codes: Any, kinds: Any, marks: Any, n: int, word: Any, out: Any, rows: Any, twins: Any
) -> int:
    """Cut one stream into tokens.

    ``out`` receives the code points of all tokens, one after the other; ``rows[6 * t:]`` is (begin in out,
    length, first, end, type, flags) of token t. Row ``count`` holds what follows the last token: (_, _, signs, _, _,
    flags). Returns the count. ``out`` must hold n, ``rows`` 6 * (n + 1).
    """
    i = 0
    write = 0
    count = 0
    gap = 0
    starts = 0
    camel = False
    while i < n:
        code = codes[i]
        kind = kinds[i]
        begin = i
        length = 0
        token = -1
        flags = 0
        if (
            kind == LETTER
            or kind == DIGIT
            or (
                # ``$hit``, but not a stock's ``$ABC``.
                code == 36 and i + 1 < n and kinds[i + 1] == LETTER and not marks[i + 1] & UPPER
            )
        ):
            number, plain = number_end(codes, kinds, n, i) if kind == DIGIT else (i, False)
            fresh = i == 0 or (kinds[i - 1] != LETTER and kinds[i - 1] != DIGIT)
            if fresh and is_url(codes, n, i):
                token = URL
                i = url_end(codes, kinds, n, i)
            elif (
                kind == DIGIT
                # more digits than a word can hold would be cut off as a word of digits alone
                and (not plain or number >= n or kinds[number] != LETTER or number - i >= MAX_WORD)
                and not (
                    plain
                    and number - i < MAX_WORD
                    and number < n
                    and codes[number] == 64
                    and email_end(codes, kinds, n, number) > 0
                )
            ):
                token = NUMBER
                if plain:
                    length = min(number - i, MAX_WORD)
                    for k in range(length):
                        out[write + k] = codes[i + k]
                i = number
            else:
                i, length, token, flags = read_word(codes, kinds, marks, n, i, word, camel, twins)
                for k in range(length):
                    out[write + k] = word[k]
                if camel:
                    flags |= HASHTAG
        elif code == 64 and i + 1 < n and (kinds[i + 1] == LETTER or kinds[i + 1] == DIGIT or codes[i + 1] == 95):
            token = USER
            i += 1
            while i < n and (kinds[i] == LETTER or kinds[i] == DIGIT or codes[i] == 95):
                i += 1
        elif kind == EMOJI or code == 33 or code == 63 or code == 34:
            token = SYMBOL
            out[write] = code
            length = 1
            while i < n and codes[i] == code:
                i += 1
        elif code == 60:
            token, width = named_token(codes, n, i)
            i += width
        if token < 0:
            camel = code == 35
            starts = STARTS if code == 46 else starts
            gap += 1
            i += 1
            continue
        if token != WORD:
            camel = False
        flags |= starts | (GAP_ONE if gap == 1 else GAP_WIDE if gap > 1 else 0)
        at = 6 * count
        rows[at] = write
        rows[at + 1] = length
        rows[at + 2] = begin
        rows[at + 3] = i
        rows[at + 4] = token
        rows[at + 5] = flags
        write += length
        count += 1
        gap = 0
        starts = STARTS if code == 33 or code == 63 else 0
    at = 6 * count
    rows[at + 2] = gap
    rows[at + 5] = starts
    return count


COMPILED: Final = (
    matches,
    undo_entities,
    url_end,
    is_url,
    domain_end,
    email_end,
    is_vowel,
    is_letter_like,
    fold_digit,
    is_foldable,
    unleet,
    is_doubled,
    squeeze,
    untwin,
    accepts,
    read_word,
    number_end,
    named_token,
    lex,
)
"""The functions in the order in which the kernel compiles them."""
