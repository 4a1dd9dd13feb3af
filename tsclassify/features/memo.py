"""Compiled memory of one thread: its state, interned tokens, and the decoding that fills them.

Tokens and stretches are compared in full, never by hash alone, so what is remembered changes no score. A token's row
is one cache line: its hash, what it is, the weights of the word itself, and the sums of the weights of its pieces.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tsclassify.features import hashing
from tsclassify.features.buffers import i1_at, i4_at, i8_at, prefetch, u8_at
from tsclassify.features.compiled import RULES, jit, mix
from tsclassify.features.pieces import LENGTH_SHIFT, PIECES_SHIFT, T_INFO, put_down
from tsclassify.features.state import (
    A_BEGINS,
    A_CHARS,
    A_CODES,
    A_CONFIG,
    A_GROUP_KEYS,
    A_LEXED,
    A_LEXICON,
    A_SEEDS,
    A_SLOTS,
    A_STREAM,
    A_TOKENS,
    A_WORD_COSTS,
    C_CHAR_MAX,
    C_CHAR_MIN,
    C_SKELETONS,
    CODES,
    GROUPS,
    KINDS,
    MARKS,
    MAX_STRETCHES,
    MEMBER_MASK,
    MEMBER_SHIFT,
    MODE_KEEP,
    MODE_LEAD,
    MODE_MASK,
    N_CODES_USED,
    N_KNOWN,
    N_STRETCHES,
    N_TABLES,
    NAMES,
    O_CHAIN,
    O_EXPANSIONS,
    O_MASK,
    O_MEMBERS,
    O_NEGATORS,
    O_SILENT,
    O_SLOTS,
    OUT,
    S_TOKEN,
    STREAM,
    TOKEN_SLOTS,
    WORD,
)
from tsclassify.text import rules

__all__ = [
    "IS_SINGLE",
    "KIND_CODE",
    "KIND_MARK",
    "KIND_QUESTION",
    "ask_for_codes",
    "ask_for_key",
    "decode",
    "hash_codes",
    "intern",
    "intern_key",
    "place_of",
    "token_of_lexed",
]

ENTRIES: Final = 4352
"""Where the entries begin in the character table, after the block index."""

# Words of a token's row, beside those in ``pieces``.
T_HASH: Final = 0
T_SEEN: Final = 2

# What a token is: kind in bits 0-3 of its info, then these, then its post flags, length, group + 1, number of pieces.
KIND_QUESTION: Final = 5
KIND_EXCLAMATION: Final = 6
KIND_QUOTE: Final = 7
KIND_EMOJI: Final = 8
KIND_CODE: Final = 9
KIND_MARK: Final = 10
LEAD: Final = 16
MASKED_BIT: Final = 5
MASKED: Final = 1 << MASKED_BIT
NEGATOR: Final = 64
SILENT: Final = 128
BACK_OWN_BIT: Final = 8
BACK_OWN: Final = 1 << BACK_OWN_BIT
BACK_GROUP_BIT: Final = 9
BACK_GROUP: Final = 1 << BACK_GROUP_BIT
FLAGS_SHIFT: Final = 10
GROUP_SHIFT: Final = 32

IS_SINGLE: Final = 256
"""Flag of a token in a sequence beside those of the rules: one Latin letter."""

MOST_PROBES: Final = 128
"""Slots that are looked at in vain for one token before the whole memo is given up; at most half of them are in use,
so that chance does not come near it."""

# A slot of the token table: bits of the seeded hash below those that choose the slot, then where the code points begin,
# then the number of the token.
_TAG_BITS: Final = 22
_SLOT_SHIFT = np.uint64(65 - TOKEN_SLOTS.bit_length())
_TAG_SHIFT = np.uint64(65 - TOKEN_SLOTS.bit_length() - _TAG_BITS)
_TAG_MASK: Final = (1 << _TAG_BITS) - 1
_BEGIN_SHIFT: Final = _TAG_BITS
_BEGIN_MASK: Final = (1 << 23) - 1
_TOKEN_SHIFT: Final = _BEGIN_SHIFT + 23

_SEED_TOKEN = np.uint64(hashing.SEED_TOKEN)

# The post flag of each kind of token, in the order of ``POST_FLAGS``; another script's is 4096.
_FLAG_OF_KIND: Final = (0, 8, 16, 32, 64, 1, 2, 4, 256, 0, 0)
_FLAG_SCRIPT: Final = 4096
_NAMED_LENGTHS: Final = (5, 6, 5, 7, 0, 6, 7)
"""Of the names in the order of the types of tokens, from that of an address on; a symbol has none."""

_NAME_PLACES: Final = (0, 1, 2, 3, 0, 4, 5)

_unmark = RULES["unmark"]


@jit
def stream_at(state: Any, row: int) -> Any:
    """Address of one of the buffers CODES, KINDS, MARKS, WORD, OUT."""
    return state[A_STREAM] + 8 * STREAM * row


@jit
def group_of(key: Any, codes: Any, begin: int, length: int, state: Any) -> Any:
    """Group number of the token with these code points and this hash, or -1."""
    lexicon, chars = i8_at(state[A_LEXICON]), i4_at(state[A_CHARS])
    last, members = lexicon[O_SLOTS] - 1, lexicon[O_MEMBERS]
    slot = np.int64(key) & last
    member = lexicon[members + 2 * slot + 1]
    while member:
        if lexicon[members + 2 * slot] == np.int64(key):
            # anybody can make another word with the same hash
            at = member >> MEMBER_SHIFT
            same = 0 if chars[at - 1] == length else -1
            while 0 <= same < length and chars[at + same] == codes[begin + same]:
                same += 1
            return (member & MEMBER_MASK) - 1 if same == length else -1
        slot = (slot + 1) & last
        member = lexicon[members + 2 * slot + 1]
    return -1


@jit
def hash_codes(codes: Any, begin: int, length: int) -> Any:
    """Hash of a token from its code points."""
    h = _SEED_TOKEN
    for k in range(begin, begin + length):
        h = mix(h, np.uint64(codes[k]))
    return h


@jit
def group_at(codes: Any, begin: int, length: int, state: Any) -> Any:
    """Group number of the token with these code points, or -1."""
    return group_of(hash_codes(codes, begin, length), codes, begin, length, state)


@jit
def place_of(codes: Any, begin: int, length: int, state: Any) -> Any:
    """Seeded hash of a token, which says where it lies; that of its features is known to all, who could flood a slot.

    Source: the multilinear family, as in ``stretches``.
    """
    seeds = u8_at(state[A_SEEDS])
    h = np.uint64(0)
    for k in range(length):
        h += seeds[S_TOKEN + k] * np.uint64(codes[begin + k])
    return h


@jit
def intern(codes: Any, begin: int, length: int, kind: int, state: Any) -> Any:
    """Number of the token with these code points, with ``IS_SINGLE << 32`` when it is one Latin letter."""
    key, place = hash_codes(codes, begin, length), place_of(codes, begin, length, state)
    return intern_key(key, place, codes, begin, length, kind, state)


@jit
def ask_for_key(key: Any, place: Any, state: Any) -> None:
    """Ask for what is looked up first of a token: its slot, and that of its group."""
    lexicon = i8_at(state[A_LEXICON])
    prefetch(state[A_SLOTS] + 8 * np.int64(place >> _SLOT_SHIFT))
    slot = np.int64(key) & lexicon[O_SLOTS] - 1
    prefetch(state[A_LEXICON] + 8 * (lexicon[O_MEMBERS] + 2 * slot))


@jit
def ask_for_codes(place: Any, state: Any) -> None:
    """Ask for the length and the code points of the token in its slot."""
    entry = i8_at(state[A_SLOTS])[np.int64(place >> _SLOT_SHIFT)]
    at = state[A_CODES] + 4 * (entry >> _BEGIN_SHIFT & _BEGIN_MASK)
    prefetch(at - 4)
    prefetch(at + 24)


@jit
def intern_key(key: Any, place: Any, codes: Any, begin: int, length: int, kind: int, state: Any) -> Any:
    """What ``intern`` does, for a token whose hashes are known.

    A slot holds a token's number, where its code points begin and bits of its seeded hash, so that a known token
    costs two looks into memory: its slot, and its length with the code points, which are compared in full.
    """
    tag = np.int64(place >> _TAG_SHIFT) & _TAG_MASK
    slots, known = i8_at(state[A_SLOTS]), i4_at(state[A_CODES])
    single = IS_SINGLE << 32 if kind == 0 and length == 1 and 97 <= codes[begin] <= 122 else 0
    slot = np.int64(place >> _SLOT_SHIFT)
    probes = 0
    while slots[slot]:
        entry = slots[slot]
        if entry & _TAG_MASK == tag:
            at = entry >> _BEGIN_SHIFT & _BEGIN_MASK
            if known[at - 1] == length:
                same = 0
                while same < length and known[at + same] == codes[begin + same]:
                    same += 1
                if same == length:
                    return entry >> _TOKEN_SHIFT | single
        slot = (slot + 1) & (TOKEN_SLOTS - 1)
        probes += 1
    if probes > MOST_PROBES:
        # the next post begins with an empty memo, as if this one were full; within a post a word keeps its number
        state[N_STRETCHES] = MAX_STRETCHES
    token = state[N_KNOWN]
    state[N_KNOWN] = token + 1
    # the length goes first, so that nothing begins at 0 and no slot in use is 0
    at = state[N_CODES_USED] + 1
    state[N_CODES_USED] = at + length
    slots[slot] = tag | at << _BEGIN_SHIFT | token << _TOKEN_SHIFT
    known[at - 1] = length
    for k in range(length):
        known[at + k] = codes[begin + k]
    i4_at(state[A_BEGINS])[token] = at
    describe(token, at, length, kind, key, state)
    return token | single


@jit
def describe(token: int, at: int, length: int, kind: int, key: Any, state: Any) -> None:
    """Fill the row of a new token, whose code points begin at `at`."""
    lexicon, config, known = i8_at(state[A_LEXICON]), i8_at(state[A_CONFIG]), i4_at(state[A_CODES])
    info = kind | length << LENGTH_SHIFT | _FLAG_OF_KIND[kind] << FLAGS_SHIFT
    if kind == 0 and known[at] >= 128:
        info |= _FLAG_SCRIPT << FLAGS_SHIFT
    is_sign = KIND_QUESTION <= kind <= KIND_QUOTE
    if is_sign and lexicon[O_SILENT] >> (kind - KIND_QUESTION) & 1:
        info |= SILENT
    shown = key
    back = BACK_OWN if is_sign or (0 < kind < KIND_QUESTION and not lexicon[O_CHAIN]) else 0
    group = group_of(key, known, at, length, state)
    if group >= 0:
        mode = lexicon[GROUPS + 4 * group]
        if mode == MODE_LEAD:
            info |= LEAD if lexicon[O_MASK] else 0
        else:
            back = BACK_OWN if mode == MODE_KEEP else BACK_GROUP
        if mode == MODE_MASK and lexicon[O_MASK]:
            shown = u8_at(state[A_GROUP_KEYS])[group]
            info |= MASKED
        if group == lexicon[O_NEGATORS]:
            info |= NEGATOR
        info |= (group + 1) << GROUP_SHIFT
    info |= back
    if kind == 0 and not info & MASKED:
        pieces = 0
        for size in range(config[C_CHAR_MIN], config[C_CHAR_MAX] + 1):
            pieces += max(0, length + 3 - size)
        pieces += config[C_SKELETONS]
        info |= pieces << PIECES_SHIFT
    u8_at(state[A_TOKENS])[8 * token + T_HASH] = shown
    tokens = i8_at(state[A_TOKENS])
    tokens[8 * token + T_INFO] = info
    tokens[8 * token + T_SEEN] = 0
    if state[N_TABLES] and not info & MASKED:
        put_down(token, info, key, state)


@jit
def decode(text: int, lo: int, hi: int, state: Any) -> Any:
    """UTF-8 bytes to a stream; an invalid byte becomes U+FFFD, a sign."""
    data, chars = i1_at(text), i4_at(state[A_CHARS])
    codes, kinds, marks = i8_at(stream_at(state, CODES)), i8_at(stream_at(state, KINDS)), i8_at(stream_at(state, MARKS))
    expansions = i8_at(state[A_LEXICON])[O_EXPANSIONS]
    n = 0
    pos = lo
    hidden = 0
    while pos < hi:
        lead = data[pos]
        width = 1
        code = 0xFFFD
        if lead < 0x80:
            code = lead
        elif 0xC2 <= lead <= 0xF4:
            need = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
            value = lead & (0x1F if need == 1 else 0x0F if need == 2 else 0x07)
            good = pos + need < hi
            if good:
                for k in range(1, need + 1):
                    tail = data[pos + k]
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
        entry = chars[ENTRIES + chars[code >> 8] * 256 + (code & 255)]
        if entry & 16:
            if code == rules.TURNS[0] or code == rules.TURNS[1]:
                entry = 0
            else:
                if entry & 32:
                    hidden = rules.AFTER_HIDDEN
                continue
        mark = hidden | (rules.STYLED if entry & 32 else 0) | (rules.UPPER if 65 <= code <= 90 else 0)
        mark |= rules.TICK if code == 96 else 0
        hidden = 0
        # one code point, or as many as the table says
        at = expansions + (entry >> 8)
        count = chars[at] if entry & 8 else 1
        for k in range(count):
            part = code
            kind = entry & 7
            if entry & 8:
                part = chars[at + 1 + k]
                kind = chars[ENTRIES + chars[part >> 8] * 256 + (part & 255)] & 7
            elif entry >> 8:
                part = entry >> 8
            codes[n] = part
            kinds[n] = kind
            marks[n] = mark
            n += 1
    # Places are of no use here; the output buffer takes them.
    places, word = i8_at(stream_at(state, OUT)), i8_at(stream_at(state, WORD))
    return _unmark(codes, kinds, marks, places, places, n, word, i4_at(state[A_WORD_COSTS]), chars, expansions)


@jit
def token_of_lexed(row: int, state: Any) -> Any:
    """Intern one lexed token, as ``intern`` does."""
    out = i8_at(stream_at(state, OUT))
    lexed = i8_at(state[A_LEXED])
    begin = lexed[6 * row]
    length = lexed[6 * row + 1]
    kind = lexed[6 * row + 4]
    as_kind = 0
    if kind == rules.WORD:
        if lexed[6 * row + 5] & rules.POSSESSIVE and length > 1 and group_at(out, begin, length, state) < 0:
            group = group_at(out, begin, length - 1, state)
            if group >= 0 and i8_at(state[A_LEXICON])[GROUPS + 4 * group] == MODE_MASK:
                length -= 1
    elif kind == rules.SYMBOL:
        code = out[begin]
        as_kind = KIND_QUESTION if code == 63 else KIND_EXCLAMATION if code == 33 else KIND_QUOTE
        if code >= 128:
            as_kind = KIND_EMOJI
    elif kind == rules.MARK:
        as_kind = KIND_MARK
    elif not (kind == rules.NUMBER and length > 0 and group_at(out, begin, length, state) >= 0):
        as_kind = KIND_CODE if kind == rules.CODE else KIND_EMOJI if kind == rules.PICTURE else kind
        length = _NAMED_LENGTHS[kind - 1]
        begin = NAMES + 8 * _NAME_PLACES[kind - 1]
    return intern(out, begin, length, as_kind, state)
