"""The state of one thread: an int64 array of counters, results of the current post, and addresses of its buffers.

Compiled code is given the address of this one array; ``State`` owns the buffers and keeps them in place.
"""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.features import hashing
from tsclassify.features.buffers import aligned
from tsclassify.features.spec import FeatureSpec
from tsclassify.text.lexicon import MODES, Lexicon
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS
from tsclassify.text.rules import MAX_WORD
from tsclassify.text.sequence import EDIT, NEW_WORDS, ROW
from tsclassify.text.table import char_table
from tsclassify.text.words import word_table

__all__ = ["State", "make_tables"]

TOKENS: Final = 1 << 18
CODE_ROOM: Final = 1 << 22
TOKEN_SLOTS: Final = 1 << 19
MAX_STRETCHES: Final = 340_000
FIRST_LINES: Final = 1 << 12
GROWTH: Final = 4
MAX_LINES: Final = FIRST_LINES * GROWTH**3
"""The table of stretches, two in a line, begins with few lines so that few of them lie close together."""

REACH: Final = 512
"""Bytes of a post in which stretches are found before the first one is looked up."""

AHEAD: Final = 16
"""New stretches that are read before the first one is learned, so that what is looked up for them comes together."""

AHEAD_WORDS: Final = 32
"""Words of what is read ahead of a new stretch."""

# What is known of one reach: its address and the bytes of the post from there on, how many stretches it has and how
# many of them are new, whether a line may end in it, and ``N_LIFE`` when they were looked up. Then their hashes, or
# the addresses of their rows; where they begin and end; the numbers of the new ones; and what is read ahead of those.
(R_TEXT, R_SIZE, R_N, R_NEW, R_LINES, R_LIFE) = range(6)
R_FOUND: Final = 64
R_EDGES: Final = R_FOUND + 8 * REACH
# each byte may be an edge; some are written that are none
R_NUMBERS: Final = R_EDGES + 4 * (REACH + 64)
R_AHEAD: Final = R_NUMBERS + 4 * REACH
REACH_BYTES: Final = R_AHEAD + 8 * AHEAD * AHEAD_WORDS

N_REACHES: Final = 4
"""Posts that are under way at once: each step asks for what the next one reads when another post's turn is over."""

REF_ROOM: Final = 1 << 17
MOST_PIECES: Final = 512
DUE: Final = 64
DUE_ROWS: Final = 2048
"""New words, and rows of their pieces, that may wait to be added up."""

SEEN: Final = 1 << 21
STREAM: Final = MAX_STRETCH * 6 + 64
NAMES: Final = MAX_STRETCH * 6 + 16
"""Where the written-out names of kinds of tokens stand in the stream OUT, eight places each."""

PER_TOKEN: Final = 20
"""Most features of one token outside the char family: 4 phrases, 7 skips, negation, start, place, 5 backed off."""

# Counters.
(N_KNOWN, N_CODES_USED, N_STRETCHES, N_REFS_USED, N_LINES, N_LIFE, N_POST, N_STAMP, N_TABLES, N_DUE, N_DUE_ROWS) = (
    range(11)
)

# Results of the current segment, and what one step leaves for the next: words and pieces, the ends of the families
# word and back in A_ROWS, then phrase and chain tokens, the mask of the set, and how its words are written.
(
    P_WORDS, P_PIECES, P_WORD_END, P_BACK_END, P_SIZE, P_BACK, P_MASK, P_TOKENS, P_BITS, P_PLAIN, P_CAPITALS, P_CONTENT,
) = range(11, 23)  # fmt: skip

N_SEGMENTS: Final = 23
"""Segments of the current post so far."""

# Addresses.
(
    A_SELF, A_LEARN, A_TOKENS, A_SLOTS, A_BEGINS, A_CODES, A_STRETCHES, A_SPARE, A_REFS, A_SEQ, A_STREAM,
    A_LEXED, A_SHOWN, A_BACK, A_REPEATS, A_WORDS, A_ROWS, A_SEEN, A_PIECES, A_PASSAGES, A_KEPT, A_CHARS, A_TWINS,
    A_GROUP_KEYS, A_LEXICON, A_CONFIG, A_NORMS, A_WEIGHTS, A_LANES, A_EXTRA, A_TABLE, A_REACHES, A_TWICE,
    A_DUE, A_PADDED, A_SEEDS, A_SAME, A_WORD_COSTS, A_EDITS, A_CUTS,
) = range(24, 64)  # fmt: skip

# What is known of a passage, before its sums: features of the families word, char and back, tokens, bits of its flags,
# plain words, those in capitals, and words that tell a language.
(H_WORDS, H_PIECES, H_BACK, H_TOKENS, H_BITS, H_PLAIN, H_CAPITALS, H_CONTENT) = range(8)
HEAD_BYTES: Final = 64
SUMS_BYTES: Final = 128
"""Bytes of the sums of one table of eight lanes: four families of 32-bit numbers."""

# Rows of the stream.
(CODES, KINDS, MARKS, WORD, OUT) = range(5)

# Places in the config.
(
    C_BITS, C_WORD_MAX, C_CHAR_MIN, C_CHAR_MAX, C_BACK_MIN, C_BACK_MAX, C_WINDOW, C_FIRST, C_STARTS, C_FLAGS, C_DEDUP,
    C_N_SKIPS, C_CHAIN, C_SHARED, C_ENDS, C_SKELETONS, C_SKIPS,
) = range(17)  # fmt: skip

# Places in the lexicon: options, then per group (mode, fold after or before, fold into, spare), then the hash table:
# per slot a hash, and where in the character table the code points of its word stand, behind their number, above its
# group + 1.
(O_EXPANSIONS, O_SLOTS, O_MASK, O_NEGATORS, O_CHAIN, O_SILENT, O_MEMBERS) = range(7)
MEMBER_SHIFT: Final = 8
MEMBER_MASK: Final = (1 << MEMBER_SHIFT) - 1
GROUPS: Final = 16
(MODE_MASK, MODE_BACK, MODE_KEEP, MODE_FOLD, MODE_LEAD) = range(5)

# Places in the seeds: of the bytes of a stretch, of a feature's kind and its words, of the code points of a token.
S_STRETCH: Final = 0
S_KIND: Final = 6
S_TOKEN: Final = 16
SEEDS: Final = S_TOKEN + MAX_WORD + 16


def make_config(spec: FeatureSpec) -> NDArray[np.int64]:
    """The spec as numbers for compiled code."""
    config = np.zeros(C_SKIPS + 8, dtype=np.int64)
    config[:C_SKIPS] = [
        spec.bits, spec.word_max, spec.char_min, spec.char_max, spec.back_min, spec.back_max, spec.negation_window,
        spec.first, spec.starts, spec.flags, ("none", "word", "feature").index(spec.dedup), len(spec.skips),
        spec.back_chain, spec.back_shared, spec.ends, spec.n_skeletons,
    ]  # fmt: skip
    config[C_SKIPS : C_SKIPS + len(spec.skips)] = spec.skips
    return config


def make_norms(spec: FeatureSpec) -> NDArray[np.float64]:
    """Scale, kind of norm (0 none, 1 sqrt, 2 mean) and offset of each family: shape (4, 3)."""
    kind = ("none", "sqrt", "mean").index(spec.norm)
    return np.array([[spec.scales[f], 0 if f == 3 else kind, spec.offsets[f]] for f in range(4)], dtype=np.float64)


def make_tables(spec: FeatureSpec, lexicon: Lexicon) -> dict[int, NDArray[Any]]:
    """What all threads share and only read: place of its address to array."""
    table = char_table()
    groups = lexicon.groups
    size = 64
    while size < 4 * len(lexicon.words):
        size *= 2
    keys = np.zeros(len(groups), dtype=np.uint64)
    head = np.zeros(GROUPS + 4 * len(groups), dtype=np.int64)
    members = np.zeros((size, 2), dtype=np.uint64)
    chars = np.concatenate([table.index, table.entries, table.expansions])
    codes: list[int] = []
    for word, group in lexicon.words.items():
        key = hashing.text_hash(word)
        slot = key & (size - 1)
        while members[slot, 1]:
            if int(members[slot, 0]) == key:
                raise InputError("lexicon: words must have distinct hashes, got two that share one")
            slot = (slot + 1) & (size - 1)
        members[slot] = key, len(chars) + len(codes) + 1 << MEMBER_SHIFT | groups.index(group) + 1
        codes += [len(word), *map(ord, word)]
    for number, group in enumerate(groups):
        fold = lexicon.folds.get(group)
        shown = fold.back if fold is not None and fold.back else group
        keys[number] = hashing.chain(hashing.SEED_GROUP, map(ord, shown))
        head[GROUPS + 4 * number] = MODES.index(lexicon.modes[group])
        if fold is not None:
            head[GROUPS + 4 * number + 1] = sum(1 << groups.index(near) for near in (*fold.after, *fold.before))
            head[GROUPS + 4 * number + 2] = groups.index(fold.into) if fold.into else -1
    head[O_EXPANSIONS] = len(table.index) + len(table.entries)
    head[O_SLOTS] = size
    head[O_MASK] = spec.mask
    head[O_NEGATORS] = groups.index(spec.negators) if spec.negators in groups else -1
    head[O_CHAIN] = spec.back_chain
    head[O_SILENT] = sum(1 << bit for bit, sign in enumerate('?!"') if sign in spec.silent)
    head[O_MEMBERS] = len(head)
    twins = np.concatenate([table.twin_codes, table.twin_letters])
    # bytes of a stretch of 0 to 24 bytes that belong to each word of its key
    kept = [[(1 << 8 * min(max(length - at, 0), 8)) - 1 for at in (0, 8, 16, 24)] for length in range(25)]
    return {
        A_CHARS: np.concatenate([chars, np.array(codes, dtype=np.int64)]).astype(np.int32),
        # the number of items goes first, as compiled code expects
        A_TWINS: np.concatenate([[len(twins)], twins]).astype(np.int64),
        A_WORD_COSTS: word_table(),
        A_GROUP_KEYS: keys,
        A_LEXICON: np.concatenate([head, members.view(np.int64).ravel()]),
        A_CONFIG: make_config(spec),
        A_NORMS: make_norms(spec),
        A_KEPT: np.array(kept, dtype=np.uint64),
    }


class State:
    """One thread's memo and scratch space for one part of a model; every buffer has a fixed size.

    Parameters
    ----------
    tables
        From ``make_tables``.
    weights
        int8, shape (buckets, 8 * n), and lanes, float64, shape (11, 8 * n), as in ``kernel``; or both None, for an
        extractor.
    learner
        Address of the compiled function that reads a new stretch.
    """

    def __init__(
        self,
        tables: dict[int, NDArray[Any]],
        weights: NDArray[np.int8] | None = None,
        lanes: NDArray[np.float64] | None = None,
        *,
        learner: int = 0,
    ) -> None:
        n = 0 if weights is None else weights.shape[1] // 8
        own = {
            A_TOKENS: aligned(8 * TOKENS, np.int64),
            A_SLOTS: aligned(TOKEN_SLOTS, np.int64),
            A_BEGINS: aligned(TOKENS, np.int32),
            A_CODES: aligned(CODE_ROOM, np.int32),
            # all tables that it grows through lie one after the other
            A_STRETCHES: aligned(8 * (GROWTH * MAX_LINES - FIRST_LINES) // (GROWTH - 1), np.uint64),
            A_REFS: aligned(REF_ROOM + STREAM, np.int64),
            A_EXTRA: aligned(max(0, n - 1) * 5 * TOKENS, np.int64),
            A_SPARE: aligned(8, np.int64),
            A_REACHES: aligned(N_REACHES * REACH_BYTES + 8 * AHEAD_WORDS, np.uint8),
            A_SEQ: aligned(MAX_TOKENS + 8, np.int64),
            A_STREAM: aligned(5 * STREAM, np.int64),
            A_EDITS: aligned(ROW * (MAX_TOKENS + 8) + EDIT * (MAX_TOKENS + NEW_WORDS), np.int64),
            A_LEXED: aligned(6 * (STREAM + 1), np.int64),
            A_SHOWN: aligned(MAX_TOKENS + 8, np.uint64),
            A_BACK: aligned(MAX_TOKENS + 8, np.uint64),
            A_SAME: aligned(MAX_TOKENS + 8, np.int32),
            A_REPEATS: aligned(MAX_TOKENS + 8, np.uint8),
            A_TWICE: aligned(MAX_TOKENS + 8, np.int32),
            A_WORDS: aligned(MAX_TOKENS + 8, np.int32),
            A_ROWS: aligned(MAX_TOKENS * PER_TOKEN + 64, np.int32),
            A_SEEN: aligned(2 * SEEN, np.uint64),
            A_PADDED: aligned(128, np.int32),
            A_PIECES: aligned(MOST_PIECES, np.uint64),
            A_DUE: aligned(32 * DUE + 4 * DUE_ROWS, np.uint8),
            # where things lie in memory is nobody's to foresee; what is found there does not depend on it
            A_SEEDS: np.frombuffer(bytearray(os.urandom(8 * SEEDS)), dtype=np.uint64),
            A_CUTS: aligned(MAX_TOKENS + 8, np.int64),
            # three passages, the post so far in 64-bit sums, two rows of logits, the norms
            A_PASSAGES: aligned(5 * HEAD_BYTES + 6 * max(1, n) * SUMS_BYTES + 2 * HEAD_BYTES, np.uint8),
        }
        names = ("<url>", "<user>", "<num>", "<email>", "<code>", "<emoji>")
        for number, name in enumerate(names):
            at = OUT * STREAM + NAMES + 8 * number
            own[A_STREAM][at : at + len(name)] = [ord(code) for code in name]
        self.buffers: dict[int, NDArray[Any]] = {**tables, **own}
        if weights is not None and lanes is not None:
            self.buffers |= {A_WEIGHTS: weights, A_LANES: lanes}
        self.words = aligned(96, np.int64)
        for place, buffer in self.buffers.items():
            self.words[place] = buffer.ctypes.data
        self.words[A_SELF] = self.words.ctypes.data
        self.words[A_LEARN] = learner
        self.words[A_TWINS] += 8
        self.words[N_TABLES] = n
        self.words[A_TABLE] = self.words[A_STRETCHES]
        self.words[N_LINES] = FIRST_LINES
        self.words[N_LIFE] = 1
        self.one = np.zeros(2, dtype=np.int64)
        """Offsets of a single post, kept for the next one."""
