"""Undo what hides letters in one stream before it is cut into tokens: escapes, overrides of direction, tags, emphasis.

Each step rewrites the stream in place and never makes it longer. ``firsts`` and ``lasts`` tell for each code point
which of those of the original stream it came from.
"""

from __future__ import annotations

from typing import Any, Final

from tsclassify.text.kinds import AFTER_HIDDEN, LETTER, MAX_WORD, SPACE, STYLED, UPPER
from tsclassify.text.words import cost_between, key_after

__all__ = ["COMPILED", "unmark"]

_ENTRIES: Final = 4352
"""Where the entries begin in the character table, after the block index."""

_RLO: Final = 0x202E
_PDF: Final = 0x202C
_ZWNJ: Final = 0x200C
_UNKNOWN: Final = 0xFFFD


def _key(name: str) -> int:
    key = 0
    for letter in name:
        key = key_after(key, ord(letter))
    return key


_NAMED: Final = tuple(
    (_key(name), code)
    for name, code in {
        "amp": 38, "lt": 60, "gt": 62, "quot": 34, "apos": 39, "nbsp": 32, "zwnj": _ZWNJ, "zwj": _ZWNJ, "shy": _ZWNJ,
        "lrm": _ZWNJ, "rlm": _ZWNJ, "zerowidthspace": _ZWNJ, "nobreak": _ZWNJ, "invisibletimes": _ZWNJ, "ensp": 32,
        "emsp": 32, "thinsp": 32, "hairsp": 32, "rsquo": 39, "lsquo": 39, "ldquo": 34, "rdquo": 34, "laquo": 34,
        "raquo": 34, "bdquo": 34, "hellip": 46, "mdash": 45, "ndash": 45, "dash": 45, "hyphen": 45, "bull": 45,
        "middot": 46, "excl": 33, "quest": 63, "num": 35, "commat": 64, "ast": 42, "lowbar": 95, "period": 46,
        "comma": 44, "colon": 58, "semi": 59, "sol": 47, "bsol": 92, "lpar": 40, "rpar": 41, "dollar": 36,
        "percnt": 37, "plus": 43, "equals": 61, "tab": 9, "newline": 10, "grave": 39, "vert": 124, "lbrack": 91,
        "rbrack": 93, "copy": 169, "reg": 174, "trade": 8482, "euro": 8364, "pound": 163, "deg": 176, "hearts": 9829,
        "szlig": 223, "aelig": 230, "oelig": 339, "oslash": 111, "inodot": 105, "lstrok": 108,
    }.items()
)  # fmt: skip
"""Names of entities, and the code point of each."""

_ACCENTS: Final = tuple(
    _key(name) for name in ("acute", "grave", "circ", "uml", "tilde", "ring", "cedil", "caron", "slash", "macr")
)
"""What stands behind the letter in the name of an accented one."""

_INLINE: Final = tuple(
    _key(name)
    for name in (
        "b", "i", "u", "s", "a", "q", "em", "tt", "del", "ins", "sub", "sup", "big", "kbd", "var", "wbr", "bdo",
        "bdi", "span", "font", "mark", "cite", "abbr", "strong", "small", "strike", "blink", "nobr", "acronym", "code",
        "samp", "ruby", "label", "spoiler",
    )
)  # fmt: skip
"""Names of tags within a line."""

_BLOCK: Final = tuple(
    _key(name)
    for name in (
        "p", "br", "hr", "li", "ul", "ol", "td", "tr", "th", "dl", "dt", "dd", "div", "img", "pre", "table", "tbody",
        "thead", "center", "button", "iframe", "script", "style", "blockquote", "video", "audio", "article", "section",
        "header", "footer", "main", "form", "input", "title", "body", "html", "head", "meta", "link", "object", "embed",
        "svg", "nav", "h1", "h2", "h3", "h4", "h5", "h6", "figure", "select", "option", "textarea", "canvas",
    )
)  # fmt: skip
"""Names of tags that end a line."""

_KEY_CODE: Final = _key("code")


def hex_value(code: int) -> int:
    """Value of a hexadecimal digit, or -1."""
    if 48 <= code <= 57:
        return code - 48
    return code - 87 if 97 <= code <= 102 else -1


def byte_at(codes: Any, n: int, at: int) -> int:
    """The byte that ``%xx`` at `at` stands for, or -1."""
    if at + 2 >= n or codes[at] != 37:
        return -1
    high = hex_value(codes[at + 1])
    low = hex_value(codes[at + 2])
    return high * 16 + low if high >= 0 and low >= 0 else -1


def is_ascii_letter(code: int) -> bool:
    """A to Z or a to z."""
    return 97 <= (code | 32) <= 122


def percent_start(codes: Any, kinds: Any, n: int) -> int:
    """First position from which percent-encoding hides letters or blanks, n where it does not.

    No program encodes letters. Of an address only what is encoded throughout is read.
    """
    letters = 0
    blank = False
    in_address = False
    at_sign = False
    run = 0
    run_letters = 0
    i = 0
    while i < n:
        if codes[i] == 58 and i + 2 < n and codes[i + 1] == 47 and codes[i + 2] == 47:
            in_address = True
        at_sign = at_sign or codes[i] == 64
        in_address = in_address or (at_sign and codes[i] == 63)
        value = byte_at(codes, n, i)
        if value < 0:
            run = run_letters = 0
            i += 1
            continue
        run += 1
        if is_ascii_letter(value):
            run_letters += 1
            letters += 1
        if in_address and run >= 4 and run_letters >= 3:
            return i - 3 * (run - 1)
        if value == 32 or value == 10:
            near = i + 3 < n and (kinds[i + 3] == LETTER or codes[i + 3] == 37)
            blank = blank or (near and i > 0 and kinds[i - 1] == LETTER)
        i += 3
    return 0 if not in_address and (letters >= 2 or blank) else n


def percent_code(codes: Any, n: int, at: int) -> tuple[int, int]:
    """(code point, width) of what is percent-encoded at `at` in UTF-8, or (-1, 0)."""
    value = byte_at(codes, n, at)
    if value < 128:
        return (value, 3) if value >= 0 else (-1, 0)
    more = 1 if value < 0xE0 else 2 if value < 0xF0 else 3
    code = value & (0x1F if more == 1 else 0x0F if more == 2 else 0x07)
    for k in range(1, more + 1):
        tail = byte_at(codes, n, at + 3 * k)
        if tail & 0xC0 != 0x80 or tail < 0:
            return -1, 0
        code = code << 6 | (tail & 0x3F)
    return (code, 3 + 3 * more) if value >= 0xC2 else (-1, 0)


def named_code(codes: Any, n: int, at: int) -> tuple[int, int]:
    """(code point, width) of the named entity at `at`, or (-1, 0)."""
    key = 0
    accent = 0
    k = at + 1
    while k < n and k < at + 18 and (97 <= codes[k] <= 122):
        key = key_after(key, codes[k])
        if k > at + 1:
            accent = key_after(accent, codes[k])
        k += 1
    if k >= n or codes[k] != 59:
        return -1, 0
    for name, code in _NAMED:
        if name == key:
            return code, k + 1 - at
    for name in _ACCENTS:
        if name == accent:
            return codes[at + 1], k + 1 - at
    return -1, 0


def entity_code(codes: Any, n: int, at: int) -> tuple[int, int]:
    """(code point, width) of the HTML entity at `at`, or (-1, 0)."""
    if at + 1 >= n or codes[at + 1] != 35:
        return named_code(codes, n, at)
    k = at + 2
    base = 10
    if k < n and codes[k] == 120:
        base = 16
        k += 1
    first = k
    code = 0
    while k < n and k < first + 8:
        value = hex_value(codes[k])
        if value < 0 or value >= base:
            break
        code = code * base + value
        k += 1
    if k == first:
        return -1, 0
    ended = k < n and codes[k] == 59
    if not ended and k - first < 2:
        return -1, 0
    return (code if 0 < code < 0x110000 else _UNKNOWN), k + (1 if ended else 0) - at


def escaped_code(codes: Any, n: int, at: int, from_percent: int) -> tuple[int, int]:
    r"""(code point, width) of what is escaped at `at`: ``&#75;``, ``%4b``, ``\u004b``; or (-1, 0)."""
    code = codes[at]
    if code == 38:
        return entity_code(codes, n, at)
    if code == 37 and at >= from_percent:
        return percent_code(codes, n, at)
    if code != 92 or at + 5 >= n or codes[at + 1] != 117:
        return -1, 0
    value = 0
    for k in range(2, 6):
        digit = hex_value(codes[at + k])
        if digit < 0:
            return -1, 0
        value = value * 16 + digit
    return (value if not 0xD800 <= value < 0xE000 and value else _UNKNOWN), 6


def unescape(codes: Any, kinds: Any, marks: Any, firsts: Any, lasts: Any, n: int, chars: Any, expansions: int) -> int:
    """Put in place of escapes what they stand for; returns the new length."""
    start = percent_start(codes, kinds, n)
    cut = start if 0 < start < n else -1
    write = 0
    i = 0
    hidden = 0
    while i < n:
        code, width = escaped_code(codes, n, i, start)
        if width == 0:
            codes[write] = codes[i]
            kinds[write] = kinds[i]
            marks[write] = marks[i] | hidden
            firsts[write] = firsts[i]
            lasts[write] = lasts[i]
            write += 1
            i += 1
            hidden = 0
            continue
        first, last = firsts[i], lasts[i + width - 1]
        if i == cut:
            # where the address ends and the text in it begins
            codes[write] = 32
            kinds[write] = SPACE
            marks[write] = 0
            firsts[write] = first
            lasts[write] = last
            write += 1
        entry = chars[_ENTRIES + chars[code >> 8] * 256 + (code & 255)]
        i += width
        if entry & 16 and code != _RLO and code != _PDF:
            hidden = AFTER_HIDDEN
            continue
        mark = hidden | (UPPER if 65 <= code <= 90 else 0) | (STYLED if entry & 32 or is_ascii_letter(code) else 0)
        hidden = 0
        at = expansions + (entry >> 8)
        count = chars[at] if entry & 8 else 1
        if entry & 16:
            entry = 0
        if count >= width:
            code, count, entry = _UNKNOWN, 1, 0
        for k in range(count):
            part = code
            kind = entry & 7
            if entry & 8:
                part = chars[at + 1 + k]
                kind = chars[_ENTRIES + chars[part >> 8] * 256 + (part & 255)] & 7
            elif entry >> 8:
                part = entry >> 8
            codes[write] = part
            kinds[write] = kind
            marks[write] = mark
            firsts[write] = first
            lasts[write] = last
            write += 1
    return write


def copy_code(codes: Any, kinds: Any, marks: Any, firsts: Any, lasts: Any, write: int, i: int, hidden: int) -> None:
    """Move one code point to the front of the stream, marked when something before it was hidden."""
    codes[write] = codes[i]
    kinds[write] = kinds[i]
    marks[write] = marks[i] | hidden
    firsts[write] = firsts[i]
    lasts[write] = lasts[i]


def unturn(codes: Any, kinds: Any, marks: Any, firsts: Any, lasts: Any, n: int) -> int:
    """Read what stands between an override of direction and its end as it is displayed; returns the new length.

    A mark whose partner stands in another stream stays.
    """
    write = 0
    i = 0
    hidden = 0
    while i < n:
        end = i + 1
        if codes[i] == _RLO:
            while end < n and codes[end] != _PDF:
                end += 1
        if codes[i] != _RLO or end == n:
            copy_code(codes, kinds, marks, firsts, lasts, write, i, hidden)
            hidden = 0
            write += 1
            i += 1
            continue
        first, last = firsts[i], lasts[end]
        size = end - i - 1
        for k in range(size):
            copy_code(codes, kinds, marks, firsts, lasts, write + k, i + 1 + k, AFTER_HIDDEN)
            # letters out of order have no place of their own
            firsts[write + k] = first
            lasts[write + k] = last
        for k in range(size // 2):
            one, other = write + k, write + size - 1 - k
            codes[one], codes[other] = codes[other], codes[one]
            kinds[one], kinds[other] = kinds[other], kinds[one]
            marks[one], marks[other] = marks[other], marks[one]
        if size:
            marks[write] |= STYLED
        write += size
        i = end + 1
        hidden = AFTER_HIDDEN
    return write


def tag_name(codes: Any, n: int, at: int) -> tuple[int, int]:
    """(key of the name, position behind it) of the tag that begins with the ``<`` at `at`; key 0 for none."""
    k = at + 1
    if k < n and codes[k] == 47:
        k += 1
    key = 0
    first = k
    while k < n and k - first < 12 and (97 <= codes[k] <= 122 or (k > first and 48 <= codes[k] <= 57)):
        key = key_after(key, codes[k])
        k += 1
    return key, k


def is_tag(key: int, is_open: bool) -> int:
    """1 for the name of a tag within a line, 2 for one that ends a line, else 0."""
    for name in _INLINE:
        if name == key:
            # ``<code>`` is how a normalized text writes code
            return 0 if is_open and key == _KEY_CODE else 1
    for name in _BLOCK:
        if name == key:
            return 2
    return 0


def tag_at(codes: Any, n: int, at: int) -> tuple[int, int]:
    """(1 within a line or 2 at its end, position behind it) of the whole tag at `at`, or (0, 0)."""
    if at + 6 < n and codes[at + 1] == 33 and codes[at + 2] == 45 and codes[at + 3] == 45:
        for k in range(at + 6, n):
            if codes[k] == 62 and codes[k - 1] == 45 and codes[k - 2] == 45:
                return 1, k + 1
        return 0, 0
    key, k = tag_name(codes, n, at)
    kind = is_tag(key, codes[at + 1] != 47) if key else 0
    if kind == 0:
        return 0, 0
    if k < n and (codes[k] == 62 or codes[k] == 47):
        while k < n and codes[k] != 62:
            if codes[k] != 47:
                return 0, 0
            k += 1
        return (kind, k + 1) if k < n else (0, 0)
    return 0, 0


def untag(codes: Any, kinds: Any, marks: Any, firsts: Any, lasts: Any, n: int) -> int:
    """Drop HTML tags; one that ends a line becomes a line break. Returns the new length."""
    write = 0
    i = 0
    hidden = 0
    while i < n:
        kind, end = tag_at(codes, n, i) if codes[i] == 60 and i + 1 < n else (0, 0)
        if kind == 1:
            hidden = AFTER_HIDDEN
            i = end
            continue
        copy_code(codes, kinds, marks, firsts, lasts, write, i, hidden)
        hidden = 0
        if kind == 2:
            codes[write] = 10
            kinds[write] = 0
            lasts[write] = lasts[end - 1]
        write += 1
        i = end if kind else i + 1
    return write


def is_stress(code: int) -> bool:
    r"""Whether a sign is written around stressed, struck or hidden words: ``* _ ~ | \``."""
    return code == 42 or code == 95 or code == 126 or code == 124 or code == 92


def chunk_end(codes: Any, kinds: Any, n: int, at: int) -> int:
    """End of the letters and signs of stress from `at` on."""
    k = at
    while k < n and (kinds[k] == LETTER or is_stress(codes[k])):
        k += 1
    return k


def is_split_by_stress(codes: Any, kinds: Any, lo: int, hi: int, word: Any, table: Any) -> bool:
    """Whether the letters of a chunk are one word that signs of stress interrupt."""
    length = 0
    runs = 0
    inner = 0
    single = True
    part = 0
    strong = False
    bar = False
    separates = True
    known = True
    k = lo
    while k < hi:
        if kinds[k] == LETTER:
            if length >= MAX_WORD or not 97 <= codes[k] <= 122:
                return False
            word[length] = codes[k]
            length += 1
            k += 1
            continue
        first = k
        while k < hi and kinds[k] != LETTER:
            k += 1
        bar = codes[first] == 124 and k == first + 1
        runs += 1
        if length and k < hi:
            inner += 1
            single = single and length - part == 1
            known = known and length - part > 1 and cost_between(word, part, length, table) > 0
            part = length
            strong = strong or codes[first] == 126 or codes[first] == 124 or codes[first] == 92
            separates = separates and (codes[first] == 95 or codes[first] == 92)
    if inner == 0 or length < 3:
        return False
    single = single and length - part == 1
    known = known and length - part > 1 and cost_between(word, part, length, table) > 0
    joined = cost_between(word, 0, length, table)
    # one bar alone may stand for a letter: ``ki|l``; ``a*b*c`` is a product
    if joined == 0 or (bar and runs == 1) or (single and length < 4):
        return False
    if separates:
        # ``some_one``, ``take\\over``
        return not known
    # one pair of stars alone is how a letter is left out: ``sh**t``
    return strong or single or runs > 1 or (length >= 5 and joined <= 96)


def unstress(codes: Any, kinds: Any, marks: Any, firsts: Any, lasts: Any, n: int, word: Any, table: Any) -> int:
    """Drop signs of stress within words; returns the new length."""
    write = 0
    i = 0
    while i < n:
        end = i + 1
        if kinds[i] == LETTER or is_stress(codes[i]):
            end = chunk_end(codes, kinds, n, i)
        fold = end > i + 3 and is_split_by_stress(codes, kinds, i, end, word, table)
        hidden = 0
        begun = False
        for k in range(i, end):
            if fold and begun and kinds[k] != LETTER:
                hidden = AFTER_HIDDEN
                continue
            begun = begun or kinds[k] == LETTER
            copy_code(codes, kinds, marks, firsts, lasts, write, k, hidden)
            hidden = 0
            write += 1
        i = end
    return write


def unmark(
    codes: Any, kinds: Any, marks: Any, firsts: Any, lasts: Any, n: int, word: Any, table: Any, chars: Any,
    expansions: int,
) -> int:  # fmt: skip
    """All steps in order, each where a sign calls for it; returns the new length.

    ``word`` holds ``WORD_ROOM`` numbers; `table` is that of the word model; ``chars`` the character table: block
    index, entries and, from `expansions` on, expansions.
    """
    escapes = turns = tags = stress = False
    for k in range(n):
        code = codes[k]
        escapes = escapes or code == 38 or code == 37 or (code == 92 and k + 5 < n and codes[k + 1] == 117)
    for _ in range(3 if escapes else 0):
        before = n
        n = unescape(codes, kinds, marks, firsts, lasts, n, chars, expansions)
        if n == before:
            break
    for k in range(n):
        code = codes[k]
        turns = turns or code == _RLO
        tags = tags or code == 60
        stress = stress or (k > 0 and is_stress(code))
    if turns:
        n = unturn(codes, kinds, marks, firsts, lasts, n)
    if tags:
        n = untag(codes, kinds, marks, firsts, lasts, n)
    if stress:
        n = unstress(codes, kinds, marks, firsts, lasts, n, word, table)
    return n


COMPILED: Final = (
    hex_value,
    byte_at,
    is_ascii_letter,
    percent_start,
    percent_code,
    named_code,
    entity_code,
    escaped_code,
    unescape,
    copy_code,
    unturn,
    tag_name,
    is_tag,
    tag_at,
    untag,
    is_stress,
    chunk_end,
    is_split_by_stress,
    unstress,
    unmark,
)
"""The functions that the kernel compiles."""
