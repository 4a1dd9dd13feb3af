"""The memory of one thread, declared once: every struct with its fields, every buffer with its length.

Compiled code gets the address of one ``STATE`` and reads fields by name; their offsets follow from the order below.
``State`` owns the buffers and keeps them in place. README.md draws this map.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.features import hashing
from tsclassify.features.spec import POST_FLAGS, FeatureSpec
from tsclassify.kernel.intrinsics import BYTES, DOUBLES, INT, INTS, INTS32, WORD, WORDS, Buffer, Struct, aligned
from tsclassify.text.lexicon import MODES, Lexicon
from tsclassify.text.normalize import MAX_STRETCH, MAX_TOKENS
from tsclassify.text.rules import MAX_WORD
from tsclassify.text.sequence import EDIT, NEW_WORDS, ROW
from tsclassify.text.table import char_table
from tsclassify.text.words import word_table

__all__ = ["CONFIG", "LOOK_AHEAD", "PASSAGE", "STATE", "TOKEN", "WORD_SUMS", "Field", "State", "make_tables"]

# ---- How much there is of everything

TOKENS: Final = 1 << 18
"""Tokens that the token cache holds."""

TOKEN_SLOTS: Final = 1 << 19
CODE_ROOM: Final = 1 << 22
"""Code points of all cached tokens, each token with its length before them."""

SHORT: Final = 24
"""Most bytes of a pre-token that the pre-token cache holds."""

MAX_PRE_TOKENS: Final = 340_000
FIRST_LINES: Final = 1 << 12
GROWTH: Final = 4
MAX_LINES: Final = FIRST_LINES * GROWTH**3
"""The pre-token cache has two rows in a line. It begins with few lines, so that its rows lie close together."""

REF_ROOM: Final = 1 << 17
"""Tokens of pre-tokens that are several tokens."""

AHEAD_BYTES: Final = 512
"""Bytes of a post that one look-ahead window covers."""

N_AHEAD: Final = 4
"""Posts under way at once: each step prefetches what the next one reads, after the turns of other posts."""

PENDING: Final = 64
PENDING_ROWS: Final = 2048
"""New words, and rows of their character n-grams, that may be pending."""

MOST_PIECES: Final = 512
"""Character n-grams of the longest word."""

SEEN: Final = 1 << 21
STREAM: Final = MAX_STRETCH * 6 + 64
NAMES: Final = MAX_STRETCH * 6 + 16
"""Where the written-out names of kinds of tokens stand in the stream `out`, eight places each."""

PER_TOKEN: Final = 20
"""Most features of one token outside the char family: 4 phrases, 7 skips, negation, start, place, 5 backed off."""

PLACES: Final = MAX_TOKENS + 8
N_FLAGS: Final = len(POST_FLAGS) + 9
EDITS_AT: Final = ROW * PLACES
"""Where the edits begin in `edits`, after the rows of tokens."""

SUMS_BYTES: Final = 128
"""Bytes of the sums of eight heads: four families of 32-bit numbers. Those of a whole post have 64 bits."""

SEED_KIND: Final = 6
SEED_TOKEN: Final = 16
SEEDS: Final = SEED_TOKEN + MAX_WORD + 16
"""Random numbers for the hash of a pre-token, from 0 on, of a feature that repeats, and of a token's code points."""

MEMBER_SHIFT: Final = 8
MEMBER_MASK: Final = (1 << MEMBER_SHIFT) - 1
(MODE_MASK, MODE_BACK, MODE_KEEP, MODE_FOLD, MODE_LEAD) = range(5)

# ---- Structs

TOKEN: Final = Struct("Token", {"hash": WORD, "info": INT, "seen": INT, "own": INT, "pieces": (INTS, 32)})
"""A row of the token cache, one cache line.

`hash` is what phrases show, `info` the bits of ``cache``, `seen` the last segment that held it with its place there,
`own` the eight weights of the word itself, `pieces` the sums of the weights of its character n-grams.
"""

WORD_SUMS: Final = Struct("WordSums", {"own": INT, "pieces": (INTS, 32)})
"""`own` and `pieces` of a token for each further eight heads."""

LOOK_AHEAD: Final = Struct(
    "LookAhead",
    {
        "text": INT, "size": INT, "n": INT, "n_misses": INT, "has_line": INT, "life": INT,
        "rows": (INTS, 8 * AHEAD_BYTES), "edges": (INTS32, 4 * (AHEAD_BYTES + 64)), "misses": (INTS32, 4 * AHEAD_BYTES),
    },
)  # fmt: skip
"""One look-ahead window.

`text` and `size` say which bytes of the post are left, `n` how many pre-tokens the window has, `life` which life of
the caches its rows are from. `rows` holds their hashes, then the addresses of their rows; `edges` where they begin and
end by turns; `misses` the numbers of those that the cache lacks.
"""

PASSAGE: Final = Struct(
    "Passage",
    {
        "n_words": INT, "n_pieces": INT, "n_back": INT, "n_tokens": INT, "bits": INT, "n_plain": INT,
        "n_capitals": INT, "n_content": INT, "sums": (INTS, 0),
    },
)  # fmt: skip
"""Counts of a segment, a pair or a post, then its sums.

Features of the families word, char and back; tokens; bits of its flags; plain words, those in capitals, and words
that tell a language.
"""

GROUP: Final = Struct("Group", {"mode": INT, "near": INT, "into": INT})
"""A group of the lexicon: its mode, the groups it folds after or leads, and the group it makes of them."""

MEMBER: Final = Struct("Member", {"hash": WORD, "entry": INT})
"""A slot of the lexicon: a word's hash, and where its code points stand above its group + 1; 0 for a free slot."""

CONFIG: Final = Struct(
    "Config",
    dict.fromkeys((
        "bits", "word_max", "char_min", "char_max", "back_min", "back_max", "negation_window", "first", "starts",
        "flags", "dedup", "n_skips", "back_chain", "back_shared", "ends", "skeletons", "mask", "silent", "negators",
        "n_slots", "expansions",
    ), INT) | {"skips": (INTS, 64)},
)  # fmt: skip
"""The feature spec as numbers; then the group that negates, the slots of the lexicon, and where expansions begin."""


class Field(NamedTuple):
    """A field of the state.

    Attributes
    ----------
    name, kind
        Its name; ``INT``, or the type that it points to.
    says
        What it is.
    items
        Items of the buffer that ``State`` makes for it; 0 for a number or for a buffer that all threads share.
    """

    name: str
    kind: Any
    says: str
    items: int = 0


FIELDS: Final = (
    # counters of the caches
    Field("n_tokens", INT, "tokens in the token cache"),
    Field("n_codes", INT, "code points in use in `codes`"),
    Field("n_pre_tokens", INT, "pre-tokens in the pre-token cache"),
    Field("n_refs", INT, "references in use in `refs`"),
    Field("n_lines", INT, "lines of the pre-token cache in use"),
    Field("life", INT, "how often the caches began anew, from 1 on"),
    Field("post", INT, "segments built so far; tells whether `seen` of a token is of this segment"),
    Field("stamp", INT, "sets of features opened so far"),
    Field("n_tables", INT, "vectors of eight heads; 0 for an extractor"),
    Field("n_pending", INT, "words that are pending"),
    Field("n_pending_rows", INT, "rows of their character n-grams"),
    Field("n_segments", INT, "segments of the current post so far"),
    # the segment that was built last
    Field("n_words", INT, "its tokens in `words`"),
    Field("word_end", INT, "end of its word family in `rows`"),
    Field("back_end", INT, "end of its back family in `rows`"),
    Field("n_shown", INT, "its places in `shown`"),
    Field("n_back", INT, "its places in `back`"),
    Field("set_mask", INT, "mask of the slots of the open set"),
    # addresses
    Field("self", INT, "address of this struct"),
    Field("miss", INT, "address of the callback for cache misses"),
    Field("table", INT, "address of the pre-token cache in use, within `pre_tokens`"),
    # the caches
    Field("tokens", Buffer(TOKEN.size, TOKEN), "token cache: one row for each token", TOKENS),
    Field("slots", INTS, "hash table from code points to tokens", TOKEN_SLOTS),
    Field("begins", INTS32, "where the code points of each token begin in `codes`", TOKENS),
    Field("codes", INTS32, "code points of all tokens, each with its length before it", CODE_ROOM),
    Field("extra", Buffer(WORD_SUMS.size, WORD_SUMS), "sums of tokens for each further eight heads", TOKENS),
    Field("pre_tokens", WORDS, "pre-token cache, all sizes that it grows through side by side",
          8 * (GROWTH * MAX_LINES - FIRST_LINES) // (GROWTH - 1)),
    Field("refs", INTS, "tokens of pre-tokens that are several tokens", REF_ROOM + STREAM),
    Field("spare", INTS, "row of a pre-token that the cache cannot hold", 8),
    Field("seeds", WORDS, "random numbers of the hashes that say where things lie", SEEDS),
    Field("pending", INTS, "words whose sums are not made yet: token, own row, first and last row",
          4 * PENDING),
    Field("pending_rows", INTS32, "rows of the character n-grams of these words", PENDING_ROWS),
    # a post on its way
    Field("aheads", Buffer(LOOK_AHEAD.size, LOOK_AHEAD), "look-ahead windows of the posts under way", N_AHEAD),
    Field("seq", INTS, "tokens of the block, each with its flags above", PLACES),
    Field("cuts", INTS, "ends of its segments", PLACES),
    Field("edits", INTS, "rows and edits of the rules that settle a sequence",
          EDITS_AT + EDIT * (MAX_TOKENS + NEW_WORDS)),
    Field("stream_codes", INTS, "code points of a pre-token", STREAM),
    Field("stream_kinds", INTS, "kinds of these", STREAM),
    Field("stream_marks", INTS, "marks of these", STREAM),
    Field("word", INTS, "the word that a rule works on", STREAM),
    Field("out", INTS, "code points of all tokens of a pre-token, then the names of kinds", STREAM),
    Field("lexed", INTS, "rows of the tokens of a pre-token, six numbers each", 6 * (STREAM + 1)),
    # a segment on its way
    Field("shown", WORDS, "what each place shows to phrases", PLACES),
    Field("back", WORDS, "what each place shows to backed-off phrases", PLACES),
    Field("same", INTS32, "first place that shows the same", PLACES),
    Field("repeats", BYTES, "whether another place shows the same", PLACES),
    Field("twice", INTS32, "places that repeat", PLACES),
    Field("words", INTS32, "tokens that count as words", PLACES),
    Field("rows", INTS32, "offsets in the weight table of all other features", MAX_TOKENS * PER_TOKEN + 64),
    Field("seen", INTS, "set of the features that may repeat: number and stamp", 2 * SEEN),
    Field("padded", INTS32, "a word with a blank on each side", 128),
    Field("grams", WORDS, "hashes of its character n-grams", MOST_PIECES),
    Field("built", PASSAGE, "counts of the segment that was built last", 1),
    # two segments by turns, their pair, the post so far in 64 bits; two rows of logits, the norms
    Field("passages", INTS, "counts and sums of passages, then logits and norms", 8 * 8 + 7 * SUMS_BYTES // 8),
    # what all threads share and only read
    Field("config", CONFIG, "the feature spec as numbers"),
    Field("norms", DOUBLES, "scale, kind and offset of the norm of each family"),
    Field("chars", INTS32, "character table: block index, entries, expansions; then words of the lexicon"),
    Field("homoglyphs", INTS, "letters that look Latin, then the Latin ones; their number before them"),
    Field("word_costs", INTS32, "word model"),
    Field("group_keys", WORDS, "hash of each group"),
    Field("groups", Buffer(GROUP.size, GROUP), "groups of the lexicon"),
    Field("members", Buffer(MEMBER.size, MEMBER), "hash table of the words of the lexicon"),
    Field("byte_masks", WORDS, "for each length up to 24: which bytes of four words belong to a pre-token"),
    Field("flag_buckets", INTS32, "bucket of each flag of a post"),
    Field("flag_weights", BYTES, "weights of each flag of a post"),
    Field("weights", BYTES, "weights: a row of heads for each bucket"),
    Field("heads", DOUBLES, "scale, bias and mix of passages of each head"),
)  # fmt: skip
"""All fields of ``STATE`` in order."""

STATE: Final = Struct("State", {field.name: field.kind for field in FIELDS})


def items_of(field: Field, n_tables: int) -> int:
    """Items of a buffer for so many vectors of eight heads."""
    if field.name == "extra":
        return max(0, n_tables - 1) * field.items
    return field.items * max(1, n_tables) if field.name == "passages" else field.items


def filled(struct: Struct, values: Mapping[str, int]) -> NDArray[np.int64]:
    """The memory of a struct with these numbers in its fields, and zeros."""
    memory = np.zeros(struct.size // 8, dtype=np.int64)
    for name, value in values.items():
        memory[struct.offsets[name] // 8] = value
    return memory


def make_norms(spec: FeatureSpec) -> NDArray[np.float64]:
    """Scale, kind of norm (0 none, 1 sqrt, 2 mean) and offset of each family: shape (4, 3)."""
    kind = ("none", "sqrt", "mean").index(spec.norm)
    return np.array([[spec.scales[f], 0 if f == 3 else kind, spec.offsets[f]] for f in range(4)], dtype=np.float64)


def make_members(lexicon: Lexicon, first: int) -> tuple[NDArray[np.uint64], list[int]]:
    """Hash table of the words of a lexicon: uint64, shape (slots, 2), and their code points from `first` on.

    Raises
    ------
    InputError
        When two words share a hash.
    """
    size = 64
    while size < 4 * len(lexicon.words):
        size *= 2
    members = np.zeros((size, 2), dtype=np.uint64)
    numbers = {group: number for number, group in enumerate(lexicon.groups)}
    codes: list[int] = []
    for word, group in lexicon.words.items():
        key = hashing.text_hash(word)
        slot = key & (size - 1)
        while members[slot, 1]:
            if int(members[slot, 0]) == key:
                raise InputError("lexicon: words must have distinct hashes, got two that share one")
            slot = (slot + 1) & (size - 1)
        members[slot] = key, first + len(codes) + 1 << MEMBER_SHIFT | numbers[group] + 1
        codes += [len(word), *map(ord, word)]
    return members, codes


def make_tables(spec: FeatureSpec, lexicon: Lexicon) -> dict[str, NDArray[Any]]:
    """What all threads share and only read: name of the field to array."""
    table = char_table()
    groups = lexicon.groups
    chars = np.concatenate([table.index, table.entries, table.expansions])
    members, codes = make_members(lexicon, len(chars))
    keys = np.zeros(len(groups) + 1, dtype=np.uint64)
    rows = np.zeros((len(groups) + 1, 3), dtype=np.int64)
    for number, group in enumerate(groups):
        fold = lexicon.folds.get(group)
        shown = fold.back if fold is not None and fold.back else group
        keys[number] = hashing.chain(hashing.SEED_GROUP, map(ord, shown))
        rows[number, 0] = MODES.index(lexicon.modes[group])
        if fold is not None:
            near = sum(1 << groups.index(other) for other in (*fold.after, *fold.before))
            rows[number, 1:] = near, groups.index(fold.into) if fold.into else -1
    config = filled(
        CONFIG,
        {name: getattr(spec, name) for name in CONFIG.fields.keys() & {*FeatureSpec.__dataclass_fields__}
         if isinstance(getattr(spec, name), int)}
        | {
            "dedup": ("none", "word", "feature").index(spec.dedup),
            "n_skips": len(spec.skips),
            "skeletons": spec.n_skeletons,
            "silent": sum(1 << bit for bit, sign in enumerate('?!"') if sign in spec.silent),
            "negators": groups.index(spec.negators) if spec.negators in groups else -1,
            "n_slots": len(members),
            "expansions": len(table.index) + len(table.entries),
        },
    )  # fmt: skip
    at = CONFIG.offsets["skips"] // 8
    config[at : at + len(spec.skips)] = spec.skips
    homoglyphs = np.concatenate([table.twin_codes, table.twin_letters])
    masks = [[(1 << 8 * min(max(length - at, 0), 8)) - 1 for at in (0, 8, 16, 24)] for length in range(SHORT + 1)]
    flags = [hashing.bucket_of(hashing.mix(hashing.SEED_POST, flag), spec.bits) for flag in range(N_FLAGS)]
    return {
        "config": config,
        "norms": make_norms(spec),
        "chars": np.concatenate([chars, np.array(codes, dtype=np.int64)]).astype(np.int32),
        "homoglyphs": np.concatenate([[len(homoglyphs)], homoglyphs]).astype(np.int64),
        "word_costs": word_table(),
        "group_keys": keys,
        "groups": rows,
        "members": members,
        "byte_masks": np.array(masks, dtype=np.uint64),
        "flag_buckets": np.array(flags, dtype=np.int32),
    }


class State:
    """One thread's caches and scratch buffers for one part of a model; every buffer has a fixed size.

    Parameters
    ----------
    tables
        From ``make_tables``.
    weights
        int8, shape (buckets, 8 * n), and heads, float64, shape (11, 8 * n), as in the scorer; or both None, for an
        extractor.
    miss
        Address of the compiled callback for cache misses.

    Attributes
    ----------
    buffers
        Name of each field that points to a buffer to that buffer.
    words
        The memory of the struct itself.
    one
        Offsets of a single post, kept for the next one.
    """

    def __init__(
        self,
        tables: Mapping[str, NDArray[Any]],
        weights: NDArray[np.int8] | None = None,
        heads: NDArray[np.float64] | None = None,
        *,
        miss: int = 0,
    ) -> None:
        n_tables = 0 if weights is None else weights.shape[1] // 8
        self.buffers: dict[str, NDArray[Any]] = dict(tables)
        for field in FIELDS:
            if field.items:
                kind = field.kind
                n_bytes = items_of(field, n_tables) * kind.size
                self.buffers[field.name] = aligned(n_bytes, np.uint8).view(_DTYPES.get(kind, np.int64))
        # nobody can foresee where things lie in memory; no result depends on it
        self.buffers["seeds"][:] = np.frombuffer(os.urandom(8 * SEEDS), dtype=np.uint64)
        for number, name in enumerate(("<url>", "<user>", "<num>", "<email>", "<code>", "<emoji>")):
            at = NAMES + 8 * number
            self.buffers["out"][at : at + len(name)] = [ord(code) for code in name]
        if weights is not None and heads is not None:
            chosen = weights[tables["flag_buckets"]]
            self.buffers |= {"weights": weights, "heads": heads, "flag_weights": np.ascontiguousarray(chosen)}
        self.words = aligned(STATE.size // 8 + 8, np.int64)
        for name, buffer in self.buffers.items():
            self[name] = buffer.ctypes.data
        self["self"] = self.words.ctypes.data
        self["miss"] = miss
        self["homoglyphs"] += 8
        self["n_tables"] = n_tables
        self["table"] = self["pre_tokens"]
        self["n_lines"] = FIRST_LINES
        self["life"] = 1
        self.one = np.zeros(2, dtype=np.int64)

    def __getitem__(self, name: str) -> int:
        return int(self.words[STATE.offsets[name] // 8])

    def __setitem__(self, name: str, value: int) -> None:
        self.words[STATE.offsets[name] // 8] = value


_DTYPES: Final = {BYTES: np.uint8, INTS32: np.int32, WORDS: np.uint64, DOUBLES: np.float64}
