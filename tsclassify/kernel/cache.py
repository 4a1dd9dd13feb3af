"""The two caches of one thread: from the bytes of a pre-token to its tokens, and from code points to a token.

Both compare what they hold in full, never by hash alone, so a cache changes no score. A row of the token cache is one
cache line: the token's hash, what it is, the weights of the word, and the sums of those of its character n-grams.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

# isort: off
from tsclassify.features import hashing
from tsclassify.kernel.intrinsics import (
    HEADS, INTS, WORDS, add_rows, address_of, at_address, jit, load_word, matching_row, mix, offset_of, prefetch, skip,
)  # fmt: skip
from tsclassify.kernel.layout import (
    CODE_ROOM, FIRST_LINES, GROWTH, MAX_LINES, MAX_PRE_TOKENS, MEMBER_MASK, MEMBER_SHIFT, MODE_KEEP, MODE_LEAD,
    MODE_MASK, MOST_PIECES, PENDING, PENDING_ROWS, REF_ROOM, SEED_TOKEN, SEEDS, TOKEN_SLOTS, TOKENS,
)  # fmt: skip
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_TOKENS
# isort: on

__all__ = [
    "find_pre_token", "group_of", "hash_codes", "hash_pre_token", "intern", "make_room", "new_pre_token", "sum_pending",
    "write_grams",
]  # fmt: skip

ints_at = at_address(INTS)
words_at = at_address(WORDS)

# ---- Pre-token cache

PROBES: Final = 32
"""Lines that are tried; a pre-token that finds no room in them is a cache miss each time."""

# A row has 32 bytes: those of the pre-token, then what it is: its token with flags, or where in `refs` its tokens
# begin; signs after the last token, up to two; flags for the next pre-token; and the number of tokens.
META: Final = 3
GAP_SHIFT: Final = 43
AFTER_SHIFT: Final = 45
AFTER_MASK: Final = 63
COUNT_SHIFT: Final = 51
COUNT_MASK: Final = 0x1FFF
REF_MASK: Final = (1 << GAP_SHIFT) - 1

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


@jit
def hash_of(first: Any, second: Any, third: Any, seeds: Any) -> Any:
    """Seeded hash of the 24 bytes of a pre-token, of 24 bits.

    Source: the multilinear family of Lemire and Kaser (Strongly universal string hashing is fast, 2014): whoever does
    not know the seeds cannot make two pre-tokens collide more often than chance does.
    """
    h = (first & _LOW) * seeds[0] + (first >> _HALF) * seeds[1]
    h += (second & _LOW) * seeds[2] + (second >> _HALF) * seeds[3]
    h += (third & _LOW) * seeds[4] + (third >> _HALF) * seeds[5]
    return np.int64(h >> np.uint64(40))


@jit
def hash_pre_token(text: int, length: int, masks: Any, seeds: Any) -> Any:
    """Hash of a pre-token of up to ``SHORT`` bytes where it stands."""
    return hash_of(
        load_word(text) & masks[4 * length],
        load_word(text + 8) & masks[4 * length + 1],
        load_word(text + 16) & masks[4 * length + 2],
        seeds,
    )


@jit
def find_pre_token(h: int, text: int, length: int, state: Any) -> Any:
    """Address of the row of a pre-token, or 0 for a cache miss. A pre-token lies in the first line that had room."""
    table, last_line = state.table, state.n_lines - 1
    for probe in range(PROBES):
        line = table + 64 * (h + probe & last_line)
        row = matching_row(line, text, skip(state.byte_masks, 4 * length))
        if row:
            return row
        if not ints_at(line)[4]:
            break
    return np.int64(0)


@jit
def free_row(h: int, table: int, lines: int) -> Any:
    """Address of a free row for a pre-token with this hash, or 0; the first row of a line is filled first."""
    for probe in range(PROBES):
        line = table + 64 * (h + probe & lines - 1)
        if not ints_at(line)[0]:
            return line
        if not ints_at(line)[4]:
            return line + 32
    return np.int64(0)


@jit
def grow(state: Any) -> None:
    """Move all pre-tokens to a larger table, which lies behind the one in use."""
    old, lines = state.table, state.n_lines
    new, more = old + 64 * lines, GROWTH * lines
    rows = ints_at(new)
    for word in range(8 * more):
        rows[word] = 0
    for number in range(2 * lines):
        source = words_at(old + 32 * number)
        if source[0]:
            at = free_row(hash_of(source[0], source[1], source[2], state.seeds), new, more)
            if at:
                for word in range(4):
                    words_at(at)[word] = source[word]
    state.table = new
    state.n_lines = more


@jit
def new_pre_token(h: int, text: int, length: int, state: Any) -> Any:
    """Address of a row that receives the bytes of a new pre-token, or 0 where there is no room."""
    if state.n_pre_tokens >= MAX_PRE_TOKENS:
        return np.int64(0)
    if 3 * state.n_pre_tokens >= 4 * state.n_lines and state.n_lines < MAX_LINES:
        grow(state)
    at = free_row(h, state.table, state.n_lines)
    if at:
        state.n_pre_tokens += 1
        for word in range(3):
            words_at(at)[word] = load_word(text + 8 * word) & state.byte_masks[4 * length + word]
    return at


@jit
def make_room(state: Any) -> None:
    """Empty both caches when the next block might not fit: one interns at most 62,000 tokens. Seeds are new then."""
    if (
        state.n_tokens > TOKENS - 2 * MAX_TOKENS
        or state.n_codes > CODE_ROOM - 64_000 * rules.MAX_WORD
        or state.n_pre_tokens > MAX_PRE_TOKENS * 7 // 8
        or state.n_refs > REF_ROOM * 7 // 8
    ):
        state.n_tokens = 0
        state.n_codes = 0
        state.n_pre_tokens = 0
        state.n_refs = 0
        state.life += 1
        state.n_lines = FIRST_LINES
        state.table = address_of(state.pre_tokens)
        slots, pre_tokens, seeds = state.slots, ints_at(state.table), state.seeds
        for place in range(SEEDS):
            seeds[place] = mix(seeds[place], _ONE)
        for slot in range(TOKEN_SLOTS):
            slots[slot] = 0
        for word in range(8 * FIRST_LINES):
            pre_tokens[word] = 0


# ---- Token cache

# The info of a token: its kind in bits 0-3, then these bits, its post flags, its length, its group + 1, and the
# number of its character n-grams.
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
BACK_GROUP_BIT: Final = 9
FLAGS_SHIFT: Final = 10
LENGTH_SHIFT: Final = 24
GROUP_SHIFT: Final = 32
GRAMS_SHIFT: Final = 40

IS_SINGLE: Final = 256
"""Flag of a token in a sequence beside those of the rules: it is one Latin letter."""

MOST_PROBES: Final = 128
"""Slots that may be tried in vain for one token before both caches are given up; at most half of all slots are in use,
so that chance does not come near it."""

# A slot: bits of the seeded hash below those that choose the slot, where the code points begin, the token's number.
_TAG_BITS: Final = 22
_SLOT_SHIFT = np.uint64(65 - TOKEN_SLOTS.bit_length())
_TAG_SHIFT = np.uint64(65 - TOKEN_SLOTS.bit_length() - _TAG_BITS)
_TAG_MASK: Final = (1 << _TAG_BITS) - 1
_BEGIN_SHIFT: Final = _TAG_BITS
_BEGIN_MASK: Final = (1 << 23) - 1
_TOKEN_SHIFT: Final = _BEGIN_SHIFT + 23

_SEED_TOKEN = np.uint64(hashing.SEED_TOKEN)
_SEED_WORD = np.uint64(hashing.SEED_WORD)
_SEED_CHAR = np.uint64(hashing.SEED_CHAR)
_SEED_SKELETON = np.uint64(hashing.SEED_SKELETON)
_SPACE: Final = 32
_BLANK = np.uint64(_SPACE)

# The post flag of each kind of token, in the order of ``POST_FLAGS``, and that of a word of another script.
_FLAG_OF_KIND: Final = (0, 8, 16, 32, 64, 1, 2, 4, 256, 0, 0)
_FLAG_SCRIPT: Final = 4096


@jit
def hash_codes(codes: Any, begin: int, length: int) -> Any:
    """Hash of a token from its code points, as features use it."""
    h = _SEED_TOKEN
    for k in range(begin, begin + length):
        h = mix(h, np.uint64(codes[k]))
    return h


@jit
def place_of(codes: Any, begin: int, length: int, state: Any) -> Any:
    """Seeded hash of a token, which chooses its slot; anybody could flood a slot chosen by ``hash_codes``.

    Source: the multilinear family, as in ``hash_of``.
    """
    seeds = state.seeds
    h = np.uint64(0)
    for k in range(length):
        h += seeds[SEED_TOKEN + k] * np.uint64(codes[begin + k])
    return h


@jit
def group_of(h: Any, codes: Any, begin: int, length: int, state: Any) -> Any:
    """Number of the group of the token with these code points and this hash, or -1."""
    last, chars = state.config.n_slots - 1, state.chars
    slot = np.int64(h) & last
    member = state.members[slot]
    while member.entry:
        if member.hash == h:
            # anybody can make another word with the same hash
            at = member.entry >> MEMBER_SHIFT
            same = 0 if chars[at - 1] == length else -1
            while 0 <= same < length and chars[at + same] == codes[begin + same]:
                same += 1
            return (member.entry & MEMBER_MASK) - 1 if same == length else -1
        slot = (slot + 1) & last
        member = state.members[slot]
    return -1


@jit
def intern(codes: Any, begin: int, length: int, kind: int, state: Any) -> Any:
    """Number of the token with these code points, with ``IS_SINGLE << 32`` when it is one Latin letter.

    A slot holds a token's number, where its code points begin and bits of its seeded hash, so that a cached token
    costs two reads from memory: its slot, and its length with the code points, which are compared in full.
    """
    place = place_of(codes, begin, length, state)
    tag = np.int64(place >> _TAG_SHIFT) & _TAG_MASK
    slots, known = state.slots, state.codes
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
        # the next block begins with empty caches, as if they were full; within a block a token keeps its number
        state.n_pre_tokens = MAX_PRE_TOKENS
    token = state.n_tokens
    state.n_tokens = token + 1
    # the length goes first, so that nothing begins at 0 and no slot in use is 0
    at = state.n_codes + 1
    state.n_codes = at + length
    slots[slot] = tag | at << _BEGIN_SHIFT | token << _TOKEN_SHIFT
    known[at - 1] = length
    for k in range(length):
        known[at + k] = codes[begin + k]
    state.begins[token] = at
    describe(token, at, length, kind, hash_codes(known, at, length), state)
    return token | single


@jit
def describe(token: int, at: int, length: int, kind: int, h: Any, state: Any) -> None:
    """Fill the row of a new token, whose code points begin at `at`."""
    config, known = state.config, state.codes
    info = kind | length << LENGTH_SHIFT | _FLAG_OF_KIND[kind] << FLAGS_SHIFT
    if kind == 0 and known[at] >= 128:
        info |= _FLAG_SCRIPT << FLAGS_SHIFT
    is_sign = KIND_QUESTION <= kind <= KIND_QUOTE
    if is_sign and config.silent >> (kind - KIND_QUESTION) & 1:
        info |= SILENT
    shown = h
    back = 1 << BACK_OWN_BIT if is_sign or (0 < kind < KIND_QUESTION and not config.back_chain) else 0
    group = group_of(h, known, at, length, state)
    if group >= 0:
        mode = state.groups[group].mode
        if mode == MODE_LEAD:
            info |= LEAD if config.mask else 0
        else:
            back = 1 << BACK_OWN_BIT if mode == MODE_KEEP else 1 << BACK_GROUP_BIT
        if mode == MODE_MASK and config.mask:
            shown = state.group_keys[group]
            info |= MASKED
        if group == config.negators:
            info |= NEGATOR
        info |= (group + 1) << GROUP_SHIFT
    info |= back
    if kind == 0 and not info & MASKED:
        grams = config.skeletons
        for size in range(config.char_min, config.char_max + 1):
            grams += max(0, length + 3 - size)
        info |= grams << GRAMS_SHIFT
    row = state.tokens[token]
    row.hash = shown
    row.info = info
    row.seen = 0
    if state.n_tables and not info & MASKED:
        enqueue(token, info, h, state)


# ---- Character n-grams, and what the weights of a word add up to


@jit
def write_grams(token: int, state: Any, out: Any) -> int:
    """Hashes of all character n-grams of a word with a blank on each side to the buffer `out`; returns their number.

    The last ones are those of its consonant skeleton.
    """
    codes, config, padded = state.codes, state.config, state.padded
    begin = state.begins[token]
    length = state.tokens[token].info >> LENGTH_SHIFT & 255
    shortest, longest = config.char_min, config.char_max
    count = 0
    padded[0] = _SPACE
    padded[length + 1] = _SPACE
    for k in range(length):
        padded[1 + k] = codes[begin + k]
    for i in range(length + 3 - shortest if longest else 0):
        h = _SEED_CHAR
        for j in range(i, i + shortest - 1):
            h = mix(h, np.uint64(padded[j]))
        for j in range(i + shortest - 1, min(length + 2, i + longest)):
            h = mix(h, np.uint64(padded[j]))
            out[count] = h
            count += 1
    if config.skeletons:
        h = _SEED_SKELETON
        last = _BLANK
        for j in range(length):
            code = np.uint64(codes[begin + j])
            is_vowel = code == 97 or code == 101 or code == 105 or code == 111 or code == 117
            # no branch: it would go either way
            taken = np.uint64(0) - np.uint64(code != last and (j == 0 or not is_vowel))
            h ^= (h ^ mix(h, code)) & taken
            last ^= (last ^ code) & taken
        for _ in range(config.skeletons):
            out[count] = h
            count += 1
    return count


@jit
def enqueue(token: int, info: int, h: Any, state: Any) -> None:
    """Add a new word to those that are pending, and prefetch its rows of weights; ``sum_pending`` adds them up."""
    if state.n_pending == PENDING or state.n_pending_rows > PENDING_ROWS - MOST_PIECES:
        sum_pending(state)
    config, grams, rows, weights = state.config, state.grams, state.pending_rows, state.weights
    shift, stride = np.uint64(64 - config.bits), HEADS * state.n_tables
    own = offset_of(mix(_SEED_WORD, h), shift, stride)
    prefetch(skip(weights, own))
    first = state.n_pending_rows
    count = 0
    if info >> GRAMS_SHIFT:
        count = write_grams(token, state, grams)
    for k in range(count):
        rows[first + k] = offset_of(grams[k], shift, stride)
        prefetch(skip(weights, rows[first + k]))
    state.n_pending_rows = first + count
    pending = skip(state.pending, 4 * state.n_pending)
    state.n_pending += 1
    pending[0] = token
    pending[1] = own
    pending[2] = first
    pending[3] = first + count


@jit
def sum_pending(state: Any) -> None:
    """Add up the weights of pending words and of their character n-grams, for each eight heads."""
    tables, has_own = state.n_tables, state.config.word_max > 0
    for number in range(state.n_pending):
        pending = skip(state.pending, 4 * number)
        for table in range(tables):
            weights = skip(state.weights, HEADS * table)
            row = state.tokens[pending[0]]
            own = load_word(address_of(weights) + pending[1]) if has_own else np.uint64(0)
            pieces = row.pieces
            if table:
                further = state.extra[pending[0] * (tables - 1) + table - 1]
                further.own = np.int64(own)
                pieces = further.pieces
            else:
                row.own = np.int64(own)
            for k in range(4):
                pieces[k] = 0
            add_rows(weights, state.pending_rows, pending[2], pending[3], pieces)
    state.n_pending = 0
    state.n_pending_rows = 0
