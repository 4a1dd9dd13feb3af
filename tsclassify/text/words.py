"""The word model: how frequent a word is, so that words run together can be told apart.

A table maps the hash of a word to its cost, eight times the negative logarithm of its share of all words. Like the
token rules, these functions take plain integers, so that the kernel compiles the same source.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPILED", "COSTS", "ENDS", "LONGEST", "PLACES", "WORD_ROOM", "key_after", "split_word", "word_table"]

LONGEST: Final = 20
"""Letters of the longest word that the table may hold."""

WORD_ROOM: Final = 320
"""Numbers in the buffer of a word: its letters, then what splitting it needs and where they come from."""

COSTS: Final = 64
"""Where in that buffer the least cost of each beginning of the word stands."""

ENDS: Final = 128
"""Where in that buffer the ends of the words it was split into stand."""

_BACK: Final = 192

PLACES: Final = 256
"""Where in that buffer the place of each letter stands, in the stream or the sequence."""

_MASK: Final = (1 << 60) - 1
_MULTIPLIER: Final = 0x6D2B79F54E5F7A35
_SPREAD: Final = 0x1E3779B97F4A7C15
_SLOT_SHIFT: Final = 44
_LAST_SLOT: Final = 0xFFFF
_TAG_SHIFT: Final = 21
_TAG_MASK: Final = 0x7FFFFF
_FILTER_SHIFT: Final = 42
_FILTER: Final = _LAST_SLOT + 1
_FILTER_SIZE: Final = 1 << 13
"""Behind the slots: a bit for each value of the top 18 bits of a hash, so that most unknown words are told at once."""

_MANY: Final = 1 << 30

_COMMON: Final = 88
_SHORTEST: Final = 7
"""Letters of the shortest word that is taken for several run together; of a hashtag, ``_SHORTEST_TAG``."""

_SHORTEST_TAG: Final = 5
_SHORTEST_NAME: Final = 4
"""Letters of the shortest unknown word at the end of a hashtag."""


def key_after(key: int, letter: int) -> int:
    """Hash of a word with one more letter; that of the empty word is 0."""
    # the low bits of a product are the same whether or not it wraps
    return ((key + letter) * _MULTIPLIER) & _MASK


def cost_of(table: Any, key: int) -> int:
    """Cost of the word with this hash, 0 when it is unknown."""
    spread = ((key ^ (key >> 31)) * _SPREAD) & _MASK
    bit = spread >> _FILTER_SHIFT
    if not table[_FILTER + (bit >> 5)] >> (bit & 31) & 1:
        return 0
    slot = spread >> _SLOT_SHIFT
    tag = (spread >> _TAG_SHIFT) & _TAG_MASK
    while table[slot]:
        if table[slot] >> 8 == tag:
            cost: int = table[slot] & 255
            return cost
        slot = (slot + 1) & _LAST_SLOT
    return 0


def cost_between(word: Any, start: int, end: int, table: Any) -> int:
    """Cost of the word ``word[start:end]``, 0 when it is unknown."""
    key = 0
    for k in range(start, end):
        key = key_after(key, word[k])
    return cost_of(table, key)


def is_common(word: Any, start: int, end: int, table: Any) -> bool:
    """Whether ``word[start:end]`` is among the six thousand most frequent words, or so."""
    return 0 < cost_between(word, start, end, table) <= _COMMON


def cheapest(word: Any, n: int, table: Any) -> None:
    """Least cost of each beginning of ``word[:n]`` as known words, at ``COSTS``."""
    word[COSTS] = 0
    for k in range(1, n + 1):
        word[COSTS + k] = _MANY
    for start in range(n):
        before = word[COSTS + start]
        if before < _MANY:
            key = 0
            for end in range(start, min(n, start + LONGEST)):
                key = key_after(key, word[end])
                cost = cost_of(table, key)
                if cost and before + cost < word[COSTS + end + 1]:
                    word[COSTS + end + 1] = before + cost
                    word[_BACK + end + 1] = start


def list_ends(word: Any, n: int) -> int:
    """Ends of the words that ``word[:n]`` was split into, at ``ENDS``; returns how many."""
    count = 0
    k = n
    while k > 0:
        count += 1
        k = word[_BACK + k]
    k = n
    for place in range(count - 1, -1, -1):
        word[ENDS + place] = k
        k = word[_BACK + k]
    return count


def is_plausible(word: Any, n: int, count: int, is_tag: bool) -> bool:
    """Whether ``word[:n]`` was meant as the `count` words it was split into."""
    cost: int = word[COSTS + n]
    if is_tag:
        return count > 1 and 10 * cost <= 216 * n
    first: int = word[ENDS]
    if count == 2:
        return first >= 3 and n - first >= 3 and cost <= 14 * n and cost <= 132
    return count > 2 and cost <= 16 * n and cost <= 60 * count and not is_ending(word, n, count)


def is_ending(word: Any, n: int, count: int) -> bool:
    """Whether a split is rather that of a long word: with a letter alone but ``i`` in front, or a short end.

    ``assassinations`` would be ``ass ass i nations``, ``specification`` ``specific at i on``.
    """
    for k in range(1, count):
        if word[ENDS + k] - word[ENDS + k - 1] == 1:
            return True
    if word[ENDS] == 1 and word[0] != 105:
        return True
    last: int = word[n - 1]
    # ``it``, ``me`` and ``up`` may end a sentence
    is_short: bool = n - word[ENDS + count - 2] <= 2
    return is_short and last != 116 and last != 101 and last != 112


def split_word(word: Any, n: int, is_tag: bool, table: Any) -> int:
    """How many words ``word[:n]`` is, run together; their ends stand at ``ENDS``, that of the last one included.

    A word of the table is one, and so is what holds something else than the letters a to z. The last word of a
    hashtag may be unknown.
    """
    word[ENDS] = n
    if n < (_SHORTEST_TAG if is_tag else _SHORTEST):
        return 1
    key = 0
    for k in range(n):
        if not 97 <= word[k] <= 122:
            return 1
        key = key_after(key, word[k])
    if cost_of(table, key):
        return 1
    cheapest(word, n, table)
    if word[COSTS + n] < _MANY:
        count = list_ends(word, n)
        if is_plausible(word, n, count, is_tag):
            return count
    if is_tag:
        # a name that nobody has heard of behind at least two words: ``killthezorps``
        best = 0
        least = _MANY
        for k in range(_SHORTEST_TAG, n - _SHORTEST_NAME + 1):
            cost = word[COSTS + k] + 22 * (n - k)
            if cost < least:
                best, least = k, cost
        # a longer one might itself be words, when it is read again
        if best and n - best < _SHORTEST:
            count = list_ends(word, best)
            if count > 1 and is_plausible(word, best, count, True):
                word[ENDS + count] = n
                return count + 1
    word[ENDS] = n
    return 1


COMPILED: Final = (
    key_after,
    cost_of,
    cost_between,
    is_common,
    cheapest,
    list_ends,
    is_plausible,
    is_ending,
    split_word,
)
"""The functions that the kernel compiles."""


def make_table(costs: dict[str, int]) -> NDArray[np.int32]:
    """The table of these words: int32, shape (73728,); slots of 0, or a tag of the hash and the cost, then the filter.

    Parameters
    ----------
    costs
        Cost of each word of the letters a to z, 1 to 255.
    """
    table = [0] * (_FILTER + _FILTER_SIZE)
    for word in sorted(costs):
        key = 0
        for letter in word:
            key = key_after(key, ord(letter))
        spread = ((key ^ (key >> 31)) * _SPREAD) & _MASK
        slot = spread >> _SLOT_SHIFT
        while table[slot]:
            slot = (slot + 1) & _LAST_SLOT
        table[slot] = ((spread >> _TAG_SHIFT) & _TAG_MASK) << 8 | costs[word]
        bit = spread >> _FILTER_SHIFT
        table[_FILTER + (bit >> 5)] |= 1 << (bit & 31)
    return np.array(table, dtype=np.uint32).view(np.int32)


@functools.cache
def word_table() -> NDArray[np.int32]:
    """The shipped table, read once: int32, shape (73728,)."""
    with np.load(Path(__file__).with_name("words.npz"), allow_pickle=False) as arrays:
        table: NDArray[np.int32] = arrays["table"]
    return table
