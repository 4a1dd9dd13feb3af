"""The token rules, written once: run as they stand by the reference, compiled by the kernel.

Every function takes plain integers and sequences of integers (lists here, arrays when compiled) and allocates
nothing, so that numba compiles the same source. A *stream* is one blank-free stretch of a post after the
per-code-point table: ``codes``, their ``kinds`` and ``marks``.
"""

from __future__ import annotations

from typing import Any, Final

from tsclassify.text.addresses import (
    domain_end,
    email_end,
    is_url,
    named_token,
    short_code_end,
    url_end,
    whole_email_end,
)
from tsclassify.text.kinds import (
    AFTER_HIDDEN,
    ALONE,
    APOSTROPHE,
    CAPS,
    CODE,
    CODEY,
    DIGIT,
    DISGUISED,
    EMAIL,
    EMOJI,
    GAP_ONE,
    GAP_WIDE,
    HASHTAG,
    LETTER,
    LINE,
    MARK,
    MAX_WORD,
    NUMBER,
    ODD,
    PICTURE,
    POSSESSIVE,
    QUOTED,
    SPACE,
    STARTS,
    STRETCHED,
    STYLED,
    SYMBOL,
    TICK,
    TURNS,
    UPPER,
    URL,
    USER,
    WORD,
)
from tsclassify.text.words import ENDS, PLACES, cost_between, is_common, split_word

__all__ = [
    "AFTER_HIDDEN",
    "ALONE",
    "APOSTROPHE",
    "CAPS",
    "CODE",
    "CODEY",
    "COMPILED",
    "DIGIT",
    "DISGUISED",
    "EMAIL",
    "EMOJI",
    "GAP_ONE",
    "GAP_WIDE",
    "HASHTAG",
    "LETTER",
    "LINE",
    "MARK",
    "MAX_WORD",
    "NUMBER",
    "ODD",
    "PICTURE",
    "POSSESSIVE",
    "QUOTED",
    "SPACE",
    "STARTS",
    "STRETCHED",
    "STYLED",
    "SYMBOL",
    "TICK",
    "TURNS",
    "UPPER",
    "URL",
    "USER",
    "WORD",
]


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
    """Shorten letters repeated three times or more, in place, and with them their places; returns the new length."""
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
        for k in range(i, i + keep):
            word[write] = code
            word[PLACES + write] = word[PLACES + k]
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


def starts_camel(kinds: Any, marks: Any, n: int, j: int) -> bool:
    """Whether a word of a hashtag begins with the letter at `j`: ``KillThem``, ``KILLThem``."""
    if not marks[j] & UPPER or kinds[j - 1] != LETTER:
        return False
    return not marks[j - 1] & UPPER or (j + 1 < n and kinds[j + 1] == LETTER and not marks[j + 1] & UPPER)


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
            if camel and j > first and starts_camel(kinds, marks, n, j):
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
        word[PLACES + m] = j
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


def is_attached(word: Any, n: int, table: Any) -> bool:
    """Whether an unknown word is a known one with a letter, or digits, at one of its ends or both."""
    if n < 4 or cost_between(word, 0, n, table):
        return False
    first = 0
    while first < n and 48 <= word[first] <= 57:
        first += 1
    last = n
    while last > first and 48 <= word[last - 1] <= 57:
        last -= 1
    if first or last < n:
        return last - first >= 3 and first <= 2 and n - last <= 2 and is_common(word, first, last, table)
    if is_common(word, 1, n, table) or is_common(word, 0, n - 1, table):
        return True
    return word[0] == word[n - 1] and is_common(word, 1, n - 1, table)


def needs_rules(word: Any, n: int, is_upper: bool, table: Any) -> bool:
    """Whether a word of the letters a to z is more than it seems: several run together, attached, a retweet's mark."""
    if n == 2:
        return is_upper and word[0] == 114 and word[1] == 116
    if n < 4 or cost_between(word, 0, n, table):
        return False
    return is_attached(word, n, table) or split_word(word, n, False, table) > 1


def is_code_sign(codes: Any, kinds: Any, n: int, at: int) -> bool:
    """Whether a sign is one that program code has and prose has not."""
    code: int = codes[at]
    if code == 40:
        return at > 0 and (kinds[at - 1] == LETTER or kinds[at - 1] == DIGIT)
    if code == 45:
        return at + 1 < n and (codes[at + 1] == 45 or at == 0) and (kinds[n - 1] == LETTER or kinds[n - 1] == DIGIT)
    return (
        code == 61 or code == 123 or code == 125 or code == 36 or code == 91 or code == 93 or code == 124 or code == 38
        or code == 92 or code == 62 or code == 60
    )  # fmt: skip


def last_at(codes: Any, n: int) -> int:
    """Position of the last ``@`` of the stream, or -1."""
    for k in range(n - 1, -1, -1):
        if codes[k] == 64:
            return k
    return -1


def is_regional(codes: Any, n: int, at: int) -> bool:
    """Whether the sign at `at` is one of the letters that flags of countries are made of."""
    return 0 <= at < n and 0x1F1E6 <= codes[at] <= 0x1F1FF


def quote_flags(codes: Any, kinds: Any, n: int, begin: int, end: int) -> int:
    """Flags of the quotation marks from `begin` to `end`."""
    if begin == 0 and end == n:
        return ODD | ALONE
    if end == n or kinds[end] == SPACE:
        return ODD
    if begin:
        before = codes[begin - 1]
        closes = before == 46 or before == 44 or before == 33 or before == 63 or before == 59 or before == 41
        if closes or kinds[begin - 1] == LETTER or kinds[begin - 1] == DIGIT:
            return ODD
    return ODD | CODEY


def read_sign(  # noqa: C901 (one case for each sign)
    codes: Any, kinds: Any, marks: Any, n: int, at: int
) -> tuple[int, int, int, int, int]:
    """(end, type, code point, length, flags) of what no word begins with; type -1 for a gap.

    Two letters of a flag are one sign, and one alone is a letter.
    """
    code = codes[at]
    end = at + 1
    while end < n and codes[end] == code:
        end += 1
    if is_regional(codes, n, at):
        if not is_regional(codes, n, at + 1):
            return at + 1, WORD, code - 0x1F1E6 + 97, 1, DISGUISED
        end = at + 2
        while is_regional(codes, n, end + 1) and codes[end] == code and codes[end + 1] == codes[at + 1]:
            end += 2
        return end, SYMBOL, code, 2, 0
    if kinds[at] == EMOJI:
        return end, SYMBOL, code, 1, 0
    if code == 33 or code == 63:
        return end, SYMBOL, code, 1, 0
    if code == 34:
        return end, SYMBOL, code, 1, quote_flags(codes, kinds, n, at, end)
    # ``->`` and ``=>`` are arrows
    is_arrow = code == 62 and at > 0 and (codes[at - 1] == 45 or codes[at - 1] == 61)
    if (code == 62 and not is_arrow) or code == 0x202E or code == 0x202C:
        return end, MARK, code, 1, ODD
    if kinds[at] == APOSTROPHE and marks[at] & TICK:
        return end, MARK, 96, min(end - at, 3), ODD
    if code == 64 and at + 1 < n and (kinds[at + 1] == LETTER or kinds[at + 1] == DIGIT or codes[at + 1] == 95):
        end = at + 1
        while end < n and (kinds[end] == LETTER or kinds[end] == DIGIT or codes[end] == 95):
            end += 1
        return end, USER, 0, 0, 0
    if code == 60:
        token, width = named_token(codes, kinds, n, at)
        if token >= 0:
            return at + width, token, code, 1 if token == MARK else 0, ODD if token == MARK else 0
    if code == 58:
        end = short_code_end(codes, kinds, n, at)
        if end > 0:
            return end, PICTURE, 0, 0, 0
    return at + 1, -1, 0, 0, 0


def put_row(rows: Any, count: int, write: int, length: int, begin: int, end: int, token: int, flags: int) -> None:
    """Fill the row of one token."""
    at = 6 * count
    rows[at] = write
    rows[at + 1] = length
    rows[at + 2] = begin
    rows[at + 3] = end
    rows[at + 4] = token
    rows[at + 5] = flags


def lex(  # noqa: C901 (the one loop over a stream)
    codes: Any, kinds: Any, marks: Any, n: int, word: Any, out: Any, rows: Any, twins: Any, table: Any
) -> int:
    """Cut one stream into tokens.

    ``out`` receives the code points of all tokens, one after the other; ``rows[6 * t:]`` is (begin in out,
    length, first, end, type, flags) of token t. Row ``count`` holds what follows the last token: (_, _, signs, _, _,
    flags). Returns the count. ``out`` must hold n, ``rows`` 6 * (n + 1), ``word`` ``WORD_ROOM`` numbers; `table` is
    that of the word model.
    """
    i = 0
    write = 0
    count = 0
    gap = 0
    starts = 0
    codey = 0
    camel = False
    address = last_at(codes, n)
    while i < n:
        code = codes[i]
        kind = kinds[i]
        begin = i
        length = 0
        token = -1
        flags = 0
        pieces = 1
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
            email = whole_email_end(codes, kinds, n, i) if fresh and i < address else 0
            if fresh and is_url(codes, n, i):
                token = URL
                i = url_end(codes, kinds, n, i)
            elif email > 0:
                token = EMAIL
                i = email
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
                if token == WORD:
                    pieces = split_word(word, length, camel, table)
                    if pieces == 1 and (
                        is_attached(word, length, table)
                        or (length == 2 and flags & CAPS and word[0] == 114 and word[1] == 116)
                    ):
                        flags |= ODD
        else:
            i, token, code, length, flags = read_sign(codes, kinds, marks, n, i)
            for k in range(length):
                out[write + k] = codes[begin + k] if token == SYMBOL else code
        if token < 0:
            code = codes[begin]
            camel = code == 35 or (camel and code == 95)
            starts = STARTS if code == 46 or code == 10 or code == 13 else starts
            gap += 1
            if is_code_sign(codes, kinds, n, begin):
                codey = CODEY
                if count and rows[6 * count - 2] != SYMBOL:
                    rows[6 * count - 1] |= CODEY
            continue
        if token != WORD:
            camel = False
        if token != SYMBOL:
            flags |= codey
        flags |= starts | (GAP_ONE if gap == 1 else GAP_WIDE if gap > 1 else 0)
        if pieces == 1:
            put_row(rows, count, write, length, begin, i, token, flags)
            count += 1
        else:
            first = 0
            for number in range(pieces):
                end = word[ENDS + number]
                behind = word[PLACES + end] if end < length else i
                put_row(rows, count, write + first, end - first, begin, behind, token, flags)
                count += 1
                first = end
                begin = behind
                flags &= ~(STARTS | GAP_ONE | GAP_WIDE | POSSESSIVE)
        write += length
        gap = 0
        codey = CODEY if token == MARK and (code == 60 or code == 62) else 0
        starts = STARTS if token == SYMBOL and (code == 33 or code == 63) else 0
    at = 6 * count
    rows[at + 2] = gap
    rows[at + 5] = starts
    return count


COMPILED: Final = (
    is_vowel,
    is_letter_like,
    fold_digit,
    is_foldable,
    unleet,
    is_doubled,
    squeeze,
    untwin,
    accepts,
    starts_camel,
    read_word,
    number_end,
    is_attached,
    needs_rules,
    is_code_sign,
    last_at,
    is_regional,
    quote_flags,
    read_sign,
    put_row,
    lex,
)
"""The functions that the kernel compiles."""
