"""From the bytes of a block to a sequence of tokens: look-ahead windows, cache misses, and the scanner itself.

A *pre-token* is a run of bytes without ASCII blanks or controls, cut at ``MAX_STRETCH`` bytes. Its tokens depend on
nothing around it, so the pre-token cache skips decoding, normalization and lexing of one that was seen before. A
*look-ahead window* finds all pre-tokens of the next bytes and prefetches their rows. The rules run in a callback:
compiled into the hot loop they would crowd its registers.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

# isort: off
from tsclassify.kernel.cache import (
    AFTER_MASK, AFTER_SHIFT, COUNT_MASK, COUNT_SHIFT, GAP_SHIFT, IS_SINGLE, KIND_CODE, KIND_EMOJI, KIND_EXCLAMATION,
    KIND_MARK, KIND_QUESTION, KIND_QUOTE, LENGTH_SHIFT, META, REF_MASK, find_pre_token, group_of, hash_codes,
    hash_pre_token, intern, ints_at, make_room, new_pre_token,
    sum_pending,
)  # fmt: skip
from tsclassify.kernel.intrinsics import (
    BYTES, RULES, address_of, at_address, call_at, callback, fingerprint, jit, low_zeros, marks_at, n_ones,
    prefetch, skip,
)  # fmt: skip
from tsclassify.kernel.layout import (
    AHEAD_BYTES, EDITS_AT, LOOK_AHEAD, MODE_MASK, NAMES, REF_ROOM, SHORT, STATE,
)  # fmt: skip
from tsclassify.text import rules
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS
from tsclassify.text.sequence import EDIT, KEEP, NAME_CODE, ROW
# isort: on

__all__ = ["PADDING", "SUM", "find_pre_tokens", "look_up", "make_miss", "resolve_codes", "scan_alone", "scan_block"]

PADDING: Final = 96
"""Bytes after a post that may be read, whatever they hold."""

# Tasks of the callback for cache misses.
RESOLVE: Final = 0
RESOLVE_LONG: Final = 1
RESOLVE_ALL: Final = 2
SETTLE: Final = 3
SUM: Final = 4

bytes_at = at_address(BYTES)
state_at = at_address(STATE)
ahead_at = at_address(LOOK_AHEAD)

# ---- Look-ahead

_AT_ONCE: Final = 16
"""Edges that are written whether there are as many or not; most blocks of 64 bytes have 17 to 32."""

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@jit
def find_edges(text: int, size: int, ahead: Any) -> Any:
    """List where pre-tokens begin and end by turns, within the next ``AHEAD_BYTES`` of `size` bytes; returns how many.

    The first edge is 0: as if a pre-token had ended there.
    """
    edges = ahead.edges
    edges[0] = 0
    n = 1
    end = min(size, AHEAD_BYTES)
    before = _ONE
    all_lines = np.uint64(0)
    for block in range(0, end, 64):
        prefetch(text + block + AHEAD_BYTES)
        blanks, lines = marks_at(text + block)
        if end - block < 64:
            # what follows the post is blank
            blanks |= _ALL << np.uint64(end - block)
        all_lines |= lines
        bits = blanks ^ (blanks << _ONE | before)
        before = blanks >> np.uint64(63)
        count = n_ones(bits)
        for first in range(n, n + count, _AT_ONCE):
            for k in range(_AT_ONCE):
                edges[first + k] = block + low_zeros(bits)
                bits &= bits - _ONE
        n += count
    # a pre-token goes on: to the end of the post, or so far that it is a long one
    if not n & 1 and (end == size or end - edges[n - 1] > SHORT):
        edges[n] = end
        n += 1
    # the end of the blanks after the last pre-token
    edges[n] = end
    ahead.has_line = all_lines > np.uint64(0)
    return n


@jit
def find_pre_tokens(text: int, size: int, ahead: Any, state: Any) -> None:
    """Find the next pre-tokens, up to a long one, and prefetch the lines of the others in the cache.

    Number k lies between the edges 2k + 1 and 2k + 2.
    """
    edges, rows, masks, seeds = ahead.edges, ahead.rows, state.byte_masks, state.seeds
    ahead.text = text
    ahead.size = size
    n = find_edges(text, size, ahead) - 1 >> 1
    table, last_line = state.table, state.n_lines - 1
    ahead.n = n
    for number in range(n):
        begin = edges[2 * number + 1]
        length = edges[2 * number + 2] - begin
        if length > SHORT:
            ahead.n = number + 1
            break
        h = hash_pre_token(text + begin, length, masks, seeds)
        prefetch(table + 64 * (h & last_line))
        rows[number] = h


@jit
def look_up(ahead: Any, state: Any) -> None:
    """Put addresses of rows in place of the hashes of cached pre-tokens, and list the cache misses."""
    edges, rows, misses, text = ahead.edges, ahead.rows, ahead.misses, ahead.text
    tokens, refs, n = address_of(state.tokens), address_of(state.refs), ahead.n
    if n and edges[2 * n] - edges[2 * n - 1] > SHORT:
        n -= 1
    n_misses = 0
    for number in range(n):
        begin = edges[2 * number + 1]
        row = find_pre_token(rows[number], text + begin, edges[2 * number + 2] - begin, state)
        misses[n_misses] = number
        n_misses += row == 0
        if row:
            rows[number] = row
            meta = ints_at(row)[META]
            at = meta & 0xFFFFFFFF
            is_one = meta >> COUNT_SHIFT & COUNT_MASK == 1
            prefetch(tokens + 64 * at if is_one else refs + 8 * at)
    ahead.n_misses = n_misses
    ahead.life = state.life


@jit
def look_ahead(text: int, size: int, ahead: Any, state: Any) -> None:
    """Find and look up the next pre-tokens at once."""
    find_pre_tokens(text, size, ahead, state)
    look_up(ahead, state)


# ---- Scanner

_GAPS: Final = rules.GAP_ONE | rules.GAP_WIDE


@jit
def line_flags(lo: int, hi: int, ahead: Any) -> Any:
    """Flags of the start of a sentence and of a line when a line ends among these blanks."""
    if not ahead.has_line:
        return 0
    data = bytes_at(ahead.text)
    for pos in range(lo, hi):
        if data[pos] == 10 or data[pos] == 13:
            return rules.STARTS | rules.LINE
    return 0


@jit
def refs_of(row: int, state: Any) -> Any:
    """The tokens of a pre-token with their flags."""
    meta = ints_at(row)[META]
    if meta >> COUNT_SHIFT & COUNT_MASK > 1:
        return skip(state.refs, meta & 0xFFFFFFFF)
    return ints_at(row + 8 * META)


@jit
def scan_block(ahead: Any, state: Any) -> Any:
    """Tokens of one block into `seq`, each token | flags << 32; returns their number.

    The first pre-tokens of the block were looked up before.
    """
    make_room(state)
    rows, edges, seq, tokens = ahead.rows, ahead.edges, state.seq, state.tokens
    if ahead.life != state.life:
        look_ahead(ahead.text, ahead.size, ahead, state)
    size = ahead.size
    n = 0
    gap = 0
    starts = rules.STARTS | rules.LINE
    run = 0
    has_run = False
    seen = 0
    while size > 0 and n < MAX_TOKENS:
        if ahead.n_misses:
            call_at(state.miss, state, ahead, 0, 0, RESOLVE_ALL)
        length = 0
        for number in range(ahead.n):
            begin = edges[2 * number + 1]
            length = edges[2 * number + 2] - begin
            gap += begin - edges[2 * number]
            starts |= line_flags(edges[2 * number], begin, ahead)
            row = rows[number]
            if length > SHORT or not row:
                end = size if length > SHORT else begin + length
                row = call_at(state.miss, state, ahead.text, begin, end, length > SHORT)
            meta = ints_at(row)[META]
            refs = refs_of(row, state)
            count = min(meta >> COUNT_SHIFT & COUNT_MASK, MAX_TOKENS - n)
            for k in range(count):
                ref = refs[k] & REF_MASK
                seen |= ref
                prefetch(tokens[ref & 0xFFFFFFFF])
                flags = ref >> 32
                if k == 0:
                    if flags & (IS_SINGLE | rules.ODD):
                        gap += 1 if flags & rules.GAP_ONE else 2 if flags & rules.GAP_WIDE else 0
                        flags = (flags & ~_GAPS) | (rules.GAP_ONE if gap == 1 else rules.GAP_WIDE if gap > 1 else 0)
                        ref = ref & 0xFFFFFFFF | flags << 32
                    ref |= starts << 32
                if flags & IS_SINGLE:
                    run = run + 1 if flags & _GAPS == rules.GAP_ONE else 1
                    has_run = has_run or run >= 3
                else:
                    run = 0
                seq[n] = ref
                n += 1
            if count:
                gap = 0
                starts = 0
            gap += meta >> GAP_SHIFT & 3
            starts |= meta >> AFTER_SHIFT & AFTER_MASK
        passed = state.spare[META + 1]
        if length <= SHORT:
            # blanks at the end of this window, before those or the pre-token of the next one
            last, passed = edges[2 * ahead.n], edges[2 * ahead.n + 1]
            gap += passed - last
            starts |= line_flags(last, passed, ahead)
        size -= passed
        if size > 0:
            look_ahead(ahead.text + passed, size, ahead, state)
    if has_run or seen >> 32 & rules.ODD:
        n = call_at(state.miss, state, n, 0, 0, SETTLE)
    return n


@jit
def scan_alone(text: int, size: int, state: Any) -> Any:
    """``scan_block`` for a block that nothing looked up before."""
    ahead = state.aheads[0]
    look_ahead(text, size, ahead, state)
    return scan_block(ahead, state)


# ---- Cache misses: words that need no rules

_needs_rules = RULES["needs_rules"]


@jit
def read_plain(text: int, end: int, state: Any) -> bool:
    """Read a pre-token of ASCII letters with closing marks, as ``lex`` would; False for one that needs the rules.

    Nine of ten cache misses are such a word, and this takes a fifth of the time of the rules.
    """
    data, word, out, lexed = bytes_at(text), state.word, state.out, state.lexed
    length = 0
    upper = 0
    same = 0
    before = 0
    k = 0
    while k < end:
        letter = data[k] | 32
        if not 97 <= letter <= 122:
            break
        same = same + 1 if before == letter else 1
        if same == 3:
            return False
        word[length] = letter
        out[length] = letter
        upper += data[k] < 97
        before = letter
        length += 1
        k += 1
    tail = 0
    starts = 0
    while k < end:
        byte = data[k]
        if byte == 46:
            starts = rules.STARTS
        elif byte != 44 and byte != 58 and byte != 59 and byte != 41:
            return False
        tail += 1
        k += 1
    if length == 0 or (length == 3 and word[0] == 119):
        return False
    if length > 1 and _needs_rules(word, length, upper == length, state.word_costs):
        return False
    lexed[0] = 0
    lexed[1] = length
    lexed[4] = rules.WORD
    lexed[5] = rules.CAPS if upper == length else 0
    lexed[8] = tail
    lexed[11] = starts
    return True


# ---- Cache misses: decoding, lexing, interning

ENTRIES: Final = 4352
"""Where the entries begin in the character table, after the block index."""

_KEPT: Final = 255 | rules.ODD | rules.CODEY
"""Flags of a token that its pre-token keeps."""

_NAMED_LENGTHS: Final = (5, 6, 5, 7, 0, 6, 7)
"""Lengths of the names of the types of tokens, from that of an address on; a symbol has none."""

_NAME_PLACES: Final = (0, 1, 2, 3, 0, 4, 5)

_unmark = RULES["unmark"]
_lex = RULES["lex"]


@jit
def code_at(data: Any, pos: int, hi: int) -> tuple[int, int]:
    """Code point that begins at a byte, and its width; an invalid byte is U+FFFD, a sign."""
    lead = data[pos]
    if lead < 0x80:
        return lead, 1
    if not 0xC2 <= lead <= 0xF4:
        return 0xFFFD, 1
    more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
    if pos + more >= hi:
        return 0xFFFD, 1
    value = lead & (0x1F if more == 1 else 0x0F if more == 2 else 0x07)
    for k in range(1, more + 1):
        tail = data[pos + k]
        if tail & 0xC0 != 0x80:
            return 0xFFFD, 1
        value = value << 6 | (tail & 0x3F)
    least = 0 if more == 1 else 0x800 if more == 2 else 0x10000
    if value < least or value >= 0x110000 or 0xD800 <= value < 0xE000:
        return 0xFFFD, 1
    return value, more + 1


@jit
def resolve_codes(text: int, lo: int, hi: int, state: Any) -> Any:
    """Decode UTF-8 bytes to a stream of code points, by the character table; returns its length."""
    data, chars = bytes_at(text), state.chars
    codes, kinds, marks = state.stream_codes, state.stream_kinds, state.stream_marks
    expansions = state.config.expansions
    n = 0
    pos = lo
    hidden = 0
    while pos < hi:
        code, width = code_at(data, pos, hi)
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
    # the rules keep track of places, which no feature needs here; `out` takes them
    return _unmark(codes, kinds, marks, state.out, state.out, n, state.word, state.word_costs, chars, expansions)


@jit
def intern_lexed(row: int, state: Any) -> Any:
    """Intern one token that the rules found, as ``intern`` does."""
    out, lexed = state.out, skip(state.lexed, 6 * row)
    begin, length, kind = lexed[0], lexed[1], lexed[4]
    as_kind = 0
    if kind == rules.WORD:
        if lexed[5] & rules.POSSESSIVE and length > 1:
            group = group_of(hash_codes(out, begin, length), out, begin, length, state)
            if group < 0:
                group = group_of(hash_codes(out, begin, length - 1), out, begin, length - 1, state)
                length -= group >= 0 and state.groups[group].mode == MODE_MASK
    elif kind == rules.SYMBOL:
        code = out[begin]
        as_kind = KIND_QUESTION if code == 63 else KIND_EXCLAMATION if code == 33 else KIND_QUOTE
        if code >= 128:
            as_kind = KIND_EMOJI
    elif kind == rules.MARK:
        as_kind = KIND_MARK
    elif not (
        kind == rules.NUMBER and length > 0 and group_of(hash_codes(out, begin, length), out, begin, length, state) >= 0
    ):
        as_kind = KIND_CODE if kind == rules.CODE else KIND_EMOJI if kind == rules.PICTURE else kind
        length = _NAMED_LENGTHS[kind - 1]
        begin = NAMES + 8 * _NAME_PLACES[kind - 1]
    return intern(out, begin, length, as_kind, state)


@jit
def long_end(text: int, pos: int, hi: int) -> Any:
    """End of a pre-token of more than ``SHORT`` bytes, cut between code points at ``MAX_STRETCH`` bytes."""
    data = bytes_at(text)
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
def resolve(h: int, text: int, pos: int, end: int, is_long: bool, state: Any) -> Any:
    """Decode and lex a cache miss; of a long pre-token `end` is that of the post.

    Returns the address of its row in the cache, or of the spare row where the cache cannot hold it: when it is long
    or there is no room. After the spare row stands where a long pre-token ends.
    """
    lexed = state.lexed
    at = np.int64(0)
    count = 1
    if is_long:
        end = long_end(text, pos, end)
        state.spare[META + 1] = end
    if is_long or not read_plain(text + pos, end - pos, state):
        length = resolve_codes(text, pos, end, state)
        count = _lex(
            state.stream_codes, state.stream_kinds, state.stream_marks, length, state.word, state.out, lexed,
            state.homoglyphs, state.word_costs,
        )  # fmt: skip
    if not is_long and (count == 1 or state.n_refs + count <= REF_ROOM):
        at = new_pre_token(h, text + pos, end - pos, state)
    # behind the room for references there is some for those of the spare row
    first = np.int64(REF_ROOM)
    if at == 0:
        at = address_of(state.spare)
    elif count != 1:
        first = state.n_refs
        state.n_refs = first + count
    refs = skip(state.refs, first)
    ref = np.int64(0)
    for k in range(count):
        ref = intern_lexed(k, state) | (lexed[6 * k + 5] & _KEPT) << 32
        if count != 1:
            refs[k] = ref
    if count != 1:
        ref = first
    after = min(2, lexed[6 * count + 2]) << GAP_SHIFT | lexed[6 * count + 5] << AFTER_SHIFT
    ints_at(at)[META] = ref | after | count << COUNT_SHIFT
    return at


@jit
def resolve_all(ahead: Any, state: Any) -> None:
    """Resolve the cache misses of a window, whose `rows` receive their rows, or 0 for what the cache cannot hold."""
    rows, edges = ahead.rows, ahead.edges
    for k in range(ahead.n_misses):
        number = ahead.misses[k]
        text = ahead.text + edges[2 * number + 1]
        length = edges[2 * number + 2] - edges[2 * number + 1]
        # this block or one before it may have resolved it since
        row = find_pre_token(rows[number], text, length, state)
        if not row:
            row = resolve(rows[number], text, 0, length, False, state)
        rows[number] = row if row != address_of(state.spare) else 0


# ---- Settling a sequence

_mark_quotes = RULES["mark_quotes"]
_needs_of = RULES["needs_of"]
_settle_marks = RULES["settle_marks"]
_settle_letters = RULES["settle_letters"]
_settle_attached = RULES["settle_attached"]
_spell = RULES["spell"]


@jit
def list_rows(n: int, is_whole: bool, state: Any) -> None:
    """List the tokens of the sequence as the rules that settle it see them.

    Only a whole list says where words begin: that look-up takes longer than all the rest.
    """
    seq, rows, begins, tokens = state.seq, state.edits, state.begins, state.tokens
    for k in range(n):
        token = seq[k] & 0xFFFFFFFF
        info = tokens[token].info
        kind = info & 15
        if kind == KIND_MARK:
            kind = rules.MARK
        elif kind == KIND_CODE:
            kind = rules.CODE
        elif kind >= KIND_QUESTION:
            kind = rules.SYMBOL
        if is_whole or kind == rules.MARK or kind == rules.SYMBOL:
            rows[ROW * k] = begins[token]
        rows[ROW * k + 1] = info >> LENGTH_SHIFT & 255
        rows[ROW * k + 2] = kind
        rows[ROW * k + 3] = seq[k] >> 32
        rows[ROW * k + 4] = token


@jit
def apply_edits(count: int, state: Any) -> Any:
    """Apply edits to the sequence and list its tokens; returns how many there are."""
    seq, rows, edits, word = state.seq, state.edits, skip(state.edits, EDITS_AT), state.word
    count = min(count, MAX_TOKENS)
    for number in range(count):
        what, source, flags = edits[EDIT * number], edits[EDIT * number + 1], edits[EDIT * number + 7]
        if what == KEEP:
            seq[number] = rows[ROW * source + 4] | flags << 32
            continue
        begin, length, kind, codes = NAMES + 32, 6, KIND_CODE, state.out
        if what != NAME_CODE:
            begin, length, kind, codes = 0, _spell(edits, number, rows, state.codes, word), 0, word
        token = intern(codes, begin, length, kind, state)
        seq[number] = token & 0xFFFFFFFF | (flags & ~IS_SINGLE) << 32
    list_rows(count, True, state)
    return count


@jit
def settle(n: int, state: Any) -> Any:
    """Settle the sequence of the scanned block; returns the new number of its tokens."""
    seq, rows, edits, codes = state.seq, state.edits, skip(state.edits, EDITS_AT), state.codes
    word, costs = state.word, state.word_costs
    list_rows(n, False, state)
    _mark_quotes(rows, n, codes)
    for k in range(n):
        seq[k] = rows[ROW * k + 4] | rows[ROW * k + 3] << 32
    needs = _needs_of(rows, n)
    if needs:
        list_rows(n, True, state)
    if needs > 1:
        n = apply_edits(_settle_marks(rows, n, codes, word, costs, edits), state)
        n = apply_edits(_settle_letters(rows, n, codes, word, costs, edits), state)
    return apply_edits(_settle_attached(rows, n, codes, word, costs, edits), state) if needs else n


# ---- The callback


@jit
def do_task(state: Any, place: int, pos: int, end: int, task: int) -> Any:
    """One task of the callback.

    `place` is the number of tokens to ``SETTLE``, the address of a look-ahead window to ``RESOLVE_ALL`` of it, and
    that of the text to ``RESOLVE`` or ``RESOLVE_LONG``.
    """
    if task == SETTLE:
        return settle(place, state)
    if task == SUM:
        sum_pending(state)
        return 0
    if task == RESOLVE_ALL:
        resolve_all(ahead_at(place), state)
        return 0
    h = np.int64(0)
    if task == RESOLVE:
        h = hash_pre_token(place + pos, end - pos, state.byte_masks, state.seeds)
    return resolve(h, place, pos, end, task == RESOLVE_LONG, state)


@functools.cache
def make_miss() -> Any:
    """The compiled callback for cache misses and for whatever else is rare."""
    made_from = fingerprint()

    @callback
    def miss(state: int, place: int, pos: int, end: int, task: int) -> Any:
        """``do_task``; the closure over `made_from` makes that a part of the key of the compiled code."""
        return do_task(state_at(state), place, pos, end, task) if made_from else 0

    return miss
