"""Addresses, chat markup and written-out tokens: what in a stream is no word though it holds letters."""

from __future__ import annotations

from typing import Any, Final

from tsclassify.text.kinds import CODE, DIGIT, EMAIL, LETTER, MARK, MAX_WORD, NUMBER, PICTURE, SPACE, URL, USER
from tsclassify.text.markup import is_tag, tag_name

__all__ = ["COMPILED"]

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
_NAME_CODE: Final = (60, 99, 111, 100, 101, 62, 0, 0)
_NAME_EMOJI: Final = (60, 101, 109, 111, 106, 105, 62, 0)
_COMMENT: Final = (60, 33, 45, 45, 0, 0, 0, 0)
_MAILTO: Final = (109, 97, 105, 108, 116, 111, 58, 0)

_LONGEST_LOCAL: Final = 64
"""Most code points before the @ of an e-mail address."""


def matches(codes: Any, n: int, at: int, word: Any) -> bool:
    """Whether the stream reads `word` (ended by 0) at `at`."""
    for k in range(8):
        if word[k] == 0:
            return True
        if at + k >= n or codes[at + k] != word[k]:
            return False
    return True


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


def local_end(codes: Any, kinds: Any, n: int, at: int) -> int:
    """Position of the ``@`` of an e-mail address that starts at `at`, or -1."""
    j = at
    while j < n and j - at < _LONGEST_LOCAL:
        if codes[j] == 64:
            return j if j > at and email_end(codes, kinds, n, j) > 0 else -1
        if (
            kinds[j] != LETTER
            and kinds[j] != DIGIT
            and not (codes[j] == 46 or codes[j] == 95 or codes[j] == 43 or codes[j] == 45)
        ):
            return -1
        j += 1
    return -1


def whole_email_end(codes: Any, kinds: Any, n: int, at: int) -> int:
    """End of the e-mail address that starts at `at`, with or without ``mailto:``, else 0."""
    if codes[at] == 109 and matches(codes, n, at, _MAILTO):
        return url_end(codes, kinds, n, at) if local_end(codes, kinds, n, at + 7) > 0 else 0
    sign = local_end(codes, kinds, n, at)
    return email_end(codes, kinds, n, sign) if sign > 0 else 0


def is_name_part(code: int, kind: int) -> bool:
    """Whether a code point may be part of the name of a picture."""
    return LETTER <= kind <= DIGIT or code == 95 or code == 43 or code == 45


def short_code_end(codes: Any, kinds: Any, n: int, at: int) -> int:
    """End of a picture's name between colons that begins at `at`, else 0."""
    if at > 0 and (kinds[at - 1] == LETTER or kinds[at - 1] == DIGIT):
        return 0
    j = at + 1
    letters = 0
    while j < n and j - at <= MAX_WORD and is_name_part(codes[j], kinds[j]):
        letters += kinds[j] == LETTER
        j += 1
    if letters < 2 or j >= n or codes[j] != 58:
        return 0
    after = j + 1
    return 0 if after < n and (kinds[after] == LETTER or kinds[after] == DIGIT) else after


def chat_token(codes: Any, kinds: Any, n: int, at: int) -> tuple[int, int]:
    """(type, width) of what chat programs put for a user, a channel, a picture or a time at `at`, or (-1, 0)."""
    j = at + 1
    token = -1
    if j + 1 < n and (codes[j] == 64 or codes[j] == 35):
        token = USER
        j += 1
        if codes[j] == 33 or codes[j] == 38:
            j += 1
    elif j < n and codes[j] == 116 and j + 1 < n and codes[j + 1] == 58:
        token = NUMBER
        j += 2
    elif j < n and (codes[j] == 58 or (codes[j] == 97 and j + 1 < n and codes[j + 1] == 58)):
        token = PICTURE
        j += 1 if codes[j] == 58 else 2
        first = j
        while j < n and j - first <= MAX_WORD and is_name_part(codes[j], kinds[j]):
            j += 1
        if j == first or j >= n or codes[j] != 58:
            return -1, 0
        j += 1
    first = j
    while j < n and kinds[j] == DIGIT:
        j += 1
    if token == NUMBER and j + 1 < n and j > first and codes[j] == 58:
        j += 2
    if token < 0 or j == first or j >= n or codes[j] != 62:
        return -1, 0
    return token, j + 1 - at


def named_token(codes: Any, kinds: Any, n: int, at: int) -> tuple[int, int]:
    """(type, width) of a written-out token such as ``<url>``, of chat markup, or of a mark, at the ``<`` at `at`."""
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
    if matches(codes, n, at, _NAME_CODE):
        return CODE, 6
    if matches(codes, n, at, _NAME_EMOJI):
        return PICTURE, 7
    if matches(codes, n, at, _COMMENT):
        return MARK, 4
    key, end = tag_name(codes, n, at)
    if key and end == n and is_tag(key, codes[at + 1] != 47):
        # a tag that goes on in the next stretch
        return MARK, end - at
    return chat_token(codes, kinds, n, at)


COMPILED: Final = (
    matches,
    url_end,
    is_url,
    domain_end,
    email_end,
    local_end,
    whole_email_end,
    is_name_part,
    short_code_end,
    chat_token,
    named_token,
)
"""The functions that the kernel compiles."""
