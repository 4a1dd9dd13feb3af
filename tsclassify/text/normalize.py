"""Normalization of one text with an offset map to the original: the readable twin of the compiled scanner.

Steps, in order: the per-code-point table (compatibility decomposition, case folding, combining marks and hidden
characters removed, Latin variants and full width folded); HTML entities; then the token rules: addresses, names
and numbers become ``<url> <email> <user> <num>``, apostrophes inside words go, look-alike letters of other scripts
are folded in tokens that also hold a Latin letter (an ordinary Cyrillic or Greek word stays itself), digits and
signs that stand for letters are folded, stretched letters are shortened, spaced-out letters are joined.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from tsclassify.text import markup, rules, sequence
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.table import char_table
from tsclassify.text.words import WORD_ROOM, word_table

__all__ = ["MAX_STRETCH", "MAX_TOKENS", "NormalizedText", "Token", "normalize", "tokenize"]

MAX_STRETCH: Final = 1024
"""Bytes of a blank-free run that are read as one; a longer run is cut."""

MAX_TOKENS: Final = 32768
"""Tokens of a post that are read (about 180 kB of English); what follows is not scored."""

NAMES: Final = {
    rules.URL: "<url>",
    rules.USER: "<user>",
    rules.NUMBER: "<num>",
    rules.EMAIL: "<email>",
    rules.CODE: "<code>",
    rules.PICTURE: "<emoji>",
}

_STRETCHES: Final = 16384
_SHORT: Final = 64
_FEW: Final = 8
"""Stretches remembered, under one lexicon and apart from any: those of few characters and tokens, as words are, so
that the memory stays at some megabytes whatever is read."""

_STRETCH: Final = re.compile(r"[^\x00-\x20\x7f]+")


class Token(NamedTuple):
    """One token of a normalized text.

    Attributes
    ----------
    text
        Normalized word, sign, emoji, or ``<url>``, ``<user>``, ``<num>``, ``<email>``.
    start, end
        Offsets into the original text in code points.
    type
        One of the types of ``tsclassify.text.rules``; a number listed in the lexicon is a word.
    flags
        Bits of ``tsclassify.text.rules``.
    """

    text: str
    start: int
    end: int
    type: int
    flags: int

    @property
    def is_single(self) -> bool:
        """Whether it is one Latin letter, which may be part of a spaced-out word."""
        return self.type == rules.WORD and len(self.text) == 1 and "a" <= self.text <= "z"


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """A normalized text and its tokens.

    Attributes
    ----------
    text
        Tokens joined by a blank, or by two where one blank would make a spaced-out word of single letters.
        Normalizing it again gives the same.
    tokens
        The tokens, with their spans in the original.
    is_disguised
        Whether a word was written so as to hide it: look-alikes, digits for letters, hidden characters, spaced
        letters.
    """

    text: str
    tokens: tuple[Token, ...]
    is_disguised: bool


@functools.cache
def _lists() -> tuple[list[int], list[int], list[int], list[int]]:
    table = char_table()
    return (
        table.index.tolist(),
        table.entries.tolist(),
        table.expansions.tolist(),
        table.twin_codes.tolist() + table.twin_letters.tolist(),
    )


@functools.cache
def _chars() -> list[int]:
    index, entries, expansions, _ = _lists()
    return index + entries + expansions


@functools.cache
def _words() -> list[int]:
    table: list[int] = word_table().tolist()
    return table


@functools.lru_cache(maxsize=8192)
def _entry(char: str) -> tuple[tuple[tuple[int, int], ...], int, bool]:
    """What one character becomes: ((code, kind), ...), its marks, and whether it is a hidden character."""
    index, entries, expansions, _ = _lists()
    code = ord(char)
    if 0xD800 <= code < 0xE000:
        code = 0xFFFD
    entry = entries[index[code >> 8] * 256 + (code & 255)]
    if entry & 16:
        return (((code, 0),), 0, False) if code in rules.TURNS else ((), 0, bool(entry & 32))
    mark = (rules.STYLED if entry & 32 else 0) | (rules.UPPER if 65 <= code <= 90 else 0)
    mark |= rules.TICK if code == 96 else 0
    if not entry & 8:
        return ((entry >> 8 or code, entry & 7),), mark, False
    at = entry >> 8
    parts = expansions[at + 1 : at + 1 + expansions[at]]
    return tuple((part, entries[index[part >> 8] * 256 + (part & 255)] & 7) for part in parts), mark, False


def _cut(text: str) -> list[tuple[int, int]]:
    """Spans of the stretches: runs without ASCII blanks and controls, cut at ``MAX_STRETCH`` UTF-8 bytes."""
    spans = []
    for match in _STRETCH.finditer(text):
        start, end = match.span()
        while (end - start) * 4 > MAX_STRETCH and len(text[start:end].encode("utf-8", "replace")) > MAX_STRETCH:
            size, stop = 0, start
            while True:
                size += len(text[stop].encode("utf-8", "replace"))
                if size > MAX_STRETCH:
                    break
                stop += 1
            spans.append((start, stop))
            start = stop
        spans.append((start, end))
    return spans


_Stretch = tuple[tuple[Token, ...], int, int]

_LEXED: Final[dict[str, _Stretch]] = {}


def _remember(known: dict[str, _Stretch], text: str, read: _Stretch) -> None:
    if len(known) >= _STRETCHES:
        known.clear()
    if len(text) <= _SHORT and len(read[0]) <= _FEW:
        known[text] = read


def _lex_stretch(text: str) -> _Stretch:
    """Tokens of one stretch with spans in it, signs after the last token, and flags for the next."""
    codes: list[int] = []
    kinds: list[int] = []
    marks: list[int] = []
    places: list[int] = []
    hidden = 0
    for place, char in enumerate(text):
        parts, mark, is_hidden = _entry(char)
        if not parts:
            hidden = rules.AFTER_HIDDEN if is_hidden else hidden
            continue
        for code, kind in parts:
            codes.append(code)
            kinds.append(kind)
            marks.append(mark | hidden)
            places.append(place)
        hidden = 0
    lasts = places.copy()
    word = [0] * WORD_ROOM
    index, entries, _, twins = _lists()
    n = markup.unmark(
        codes, kinds, marks, places, lasts, len(codes), word, _words(), _chars(), len(index) + len(entries)
    )
    out = [0] * (n + 1)
    rows = [0] * (6 * (n + 1))
    count = rules.lex(codes, kinds, marks, n, word, out, rows, twins, _words())
    tokens = []
    for at in range(0, 6 * count, 6):
        begin, length, first, stop, kind, flags = rows[at : at + 6]
        written = "".join(map(chr, out[begin : begin + length]))
        tokens.append(Token(written, min(places[first:stop]), max(lasts[first:stop]) + 1, kind, flags))
    return tuple(tokens), rows[6 * count + 2], rows[6 * count + 5]


def _settle(token: Token, lexicon: Lexicon | None) -> Token:
    """Name the token: numbers and addresses by their sort; a masked word loses its possessive s."""
    text, start, end, kind, flags = token
    words = lexicon.words if lexicon is not None else {}
    if kind == rules.NUMBER and text and text in words:
        kind = rules.WORD
    elif kind in NAMES:
        text = NAMES[kind]
        kind = rules.SYMBOL if kind == rules.PICTURE else kind
    elif kind == rules.WORD and flags & rules.POSSESSIVE and len(text) > 1 and text not in words:
        group = words.get(text[:-1])
        if group is not None and lexicon is not None and lexicon.modes[group] == "mask":
            text = text[:-1]
    return Token(text, start, end, kind, flags)


def _read_stretch(text: str, lexicon: Lexicon | None) -> _Stretch:
    lexed = _LEXED.get(text)
    if lexed is None:
        lexed = _lex_stretch(text)
        _remember(_LEXED, text, lexed)
    found, tail, tail_flags = lexed
    return tuple(_settle(token, lexicon) for token in found), tail, tail_flags


def _must_settle(tokens: list[Token]) -> bool:
    singles = 0
    for token in tokens:
        if token.flags & rules.ODD:
            return True
        singles += len(token.text) == 1 and token.is_single
    return singles >= 3


def _rows_of(tokens: list[Token]) -> tuple[list[int], list[int]]:
    codes: list[int] = []
    rows: list[int] = []
    for token in tokens:
        rows += [len(codes), len(token.text), token.type, token.flags, 0]
        codes += map(ord, token.text)
    return rows, codes


_Step = Callable[[list[int], int, list[int], list[int], list[int], list[int]], int]


def _edited(tokens: list[Token], step: _Step) -> list[Token]:
    """The tokens after one step that settles their sequence."""
    rows, codes = _rows_of(tokens)
    word = [0] * WORD_ROOM
    edits = [0] * (sequence.EDIT * (len(tokens) + sequence.NEW_WORDS))
    settled = []
    for number in range(min(MAX_TOKENS, step(rows, len(tokens), codes, word, _words(), edits))):
        at = sequence.EDIT * number
        what, source, _, first, last, _, _, flags = edits[at : at + sequence.EDIT]
        text, kind = tokens[source].text, tokens[source].type
        if what == sequence.NAME_CODE:
            text, kind = NAMES[rules.CODE], rules.CODE
        elif what != sequence.KEEP:
            text = "".join(map(chr, word[: sequence.spell(edits, number, rows, codes, word)]))
        settled.append(Token(text, tokens[first].start, tokens[last].end, kind, flags))
    return settled


def _settle_sequence(tokens: list[Token]) -> list[Token]:
    """Settle what one stretch alone cannot tell, as ``tsclassify.text.sequence`` has it."""
    if not _must_settle(tokens):
        return tokens
    rows, codes = _rows_of(tokens)
    sequence.mark_quotes(rows, len(tokens), codes)
    tokens = [token._replace(flags=flags) for token, flags in zip(tokens, rows[3 :: sequence.ROW], strict=True)]
    needs = sequence.needs_of(rows, len(tokens))
    if needs > 1:
        tokens = _edited(_edited(tokens, sequence.settle_marks), sequence.settle_letters)
    return _edited(tokens, sequence.settle_attached) if needs else tokens


def tokenize(text: str, lexicon: Lexicon | None = None) -> list[Token]:
    """Tokens of a text, with their spans in the original.

    Parameters
    ----------
    text
        Any text; a lone surrogate reads as an unknown character.
    lexicon
        Only to keep listed numbers and to strip the possessive of masked words.
    """
    tokens: list[Token] = []
    known: dict[str, _Stretch] = {} if lexicon is None else lexicon.known.setdefault(_STRETCH, {})
    gap = 0
    starts = rules.STARTS | rules.LINE
    at = 0
    for start, end in _cut(text):
        if len(tokens) >= MAX_TOKENS:
            break
        between = text[at:start]
        gap += len(between)
        if between != " " and ("\n" in between or "\r" in between):
            starts = rules.STARTS | rules.LINE
        at = end
        stretch = text[start:end]
        read = known.get(stretch)
        if read is None:
            read = _read_stretch(stretch, lexicon)
            _remember(known, stretch, read)
        found, tail, tail_flags = read
        if found:
            written, first, last, kind, flags = found[0]
            gap += 1 if flags & rules.GAP_ONE else 2 if flags & rules.GAP_WIDE else 0
            flags = flags & ~(rules.GAP_ONE | rules.GAP_WIDE) | starts
            flags |= rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0
            tokens.append(Token(written, start + first, start + last, kind, flags))
            if len(found) > 1:
                tokens += [Token(t.text, start + t.start, start + t.end, t.type, t.flags) for t in found[1:]]
            gap = 0
            starts = 0
        gap += tail
        starts |= tail_flags
    return _settle_sequence(tokens[:MAX_TOKENS])


def normalize(text: str, lexicon: Lexicon | None = None) -> NormalizedText:
    """Normalize a text.

    Examples
    --------
    >>> normalize("I'LL K1LL u... n0w!!").text
    'ill kill u now !'
    >>> normalize("k i l l 142,460 at 3pm").text
    'kill <num> at 3pm'
    """
    tokens = tokenize(text, lexicon)
    parts: list[str] = []
    near = rules.GAP_ONE | rules.GAP_WIDE
    run = 0  # single letters so far, each one blank apart
    for number, token in enumerate(tokens):
        if not token.is_single:
            run = 0
        elif run and (run == 2 or token.flags & near != rules.GAP_ONE):
            # A third one comes only behind a joined run that was cut at its longest, and was one letter stretched.
            parts.append(" ")
            run = 1
        else:
            run += 1
        if number:
            parts.append(" ")
        parts.append(token.text)
    disguised = any(token.flags & rules.DISGUISED for token in tokens)
    return NormalizedText(text="".join(parts), tokens=tuple(tokens), is_disguised=disguised)
