"""The features of one text in plain Python, each with its span in the original: the truth for the kernel.

A post is the sum of its segments: what stands in two of them counts in both, and no phrase spans two.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsclassify.features import hashing
from tsclassify.features.hashing import chain, mix
from tsclassify.features.spec import POST_FLAGS, FeatureSpec
from tsclassify.text import rules
from tsclassify.text.lexicon import Fold, Lexicon
from tsclassify.text.normalize import Token, tokenize
from tsclassify.text.passages import BLOCK_BYTES, block_ends, cut_segments, is_pair

__all__ = [
    "Feature",
    "Marks",
    "Raw",
    "Segment",
    "buckets_of",
    "features_of",
    "flag_features",
    "passage_features",
    "piece_hashes",
    "segments_of",
    "windows_of",
]

WORD_FAMILY: Final = 0
CHAR_FAMILY: Final = 1
BACK_FAMILY: Final = 2
POST_FAMILY: Final = 3


class Feature(NamedTuple):
    """One feature of one text.

    Attributes
    ----------
    bucket
        Row of the weight table.
    family
        Index into ``tsclassify.features.spec.FAMILIES``.
    value
        What the row is multiplied by: the family's scale over its norm.
    start, end
        Span in the original text in code points; both 0 for a feature of the whole post.
    kind
        ``word``, ``phrase``, ``pair``, ``negated``, ``start``, ``cues``, ``piece`` or ``post``.
    """

    bucket: int
    family: int
    value: float
    start: int
    end: int
    kind: str


class _Sight(NamedTuple):
    """What one token is to the features, wherever it stands: its group, its hashes and what it does to others."""

    group: str | None
    is_masked: bool
    fold: Fold | None
    leads: tuple[str, ...]
    shown: int
    back: int
    same: str
    back_same: str
    is_break: bool
    is_silent: bool
    is_negator: bool


class _Places:
    """The places of the sequence: what each shows to phrases and to chains, and where it stands."""

    __slots__ = ("back", "back_same", "ends", "own", "same", "shown", "starts")

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.back: list[int] = []
        # what is shown itself: two words may share a hash, and yet are two
        self.same: list[str] = []
        self.back_same: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.own: list[bool] = []


Raw = tuple[int, int, int, str]
"""A feature before it gets its bucket: hash, start, end and kind, as in ``Feature``."""

_Settled = tuple[_Places, list[Token], list[Raw], bool]

# What a place shows, where it is no word; no word has a blank.
_GROUP: Final = " group "
_NOTHING: Final = " nothing"
_BEGIN: Final = " begin"
_END: Final = " end"

_WORDS: Final = 16384
"""Tokens remembered under one lexicon and spec: some megabytes."""


@functools.lru_cache(maxsize=65536)
def _token_hash(text: str) -> int:
    return hashing.text_hash(text)


def _pieces(word: str, shortest: int, longest: int, n_skeletons: int) -> tuple[tuple[int, int, int], ...]:
    """(hash, first, end) of each piece of a word with a blank on each side; positions in the word, clipped.

    The skeleton, last, is the word without the vowels after its first letter and without doubled letters.
    """
    padded = f" {word} "
    found = []
    for i in range(len(padded)):
        h = hashing.SEED_CHAR
        for j in range(i, min(len(padded), i + longest)):
            h = mix(h, ord(padded[j]))
            if j - i + 1 >= shortest:
                found.append((h, max(0, i - 1), min(len(word), j)))
    if n_skeletons:
        h, last = hashing.SEED_SKELETON, " "
        for place, letter in enumerate(word):
            if letter != last and (place == 0 or letter not in "aeiou"):
                h, last = mix(h, ord(letter)), letter
        found += [(h, 0, len(word))] * n_skeletons
    return tuple(found)


_PIECES: Final = functools.lru_cache(maxsize=16384)(_pieces)
_LONGEST: Final = 20
"""Letters of a word whose pieces are remembered: a longer one has many, and is seldom seen again."""


@functools.lru_cache(maxsize=1024)
def _group_hash(group: str) -> int:
    return chain(hashing.SEED_GROUP, map(ord, group))


def _is_symbol(token: Token, signs: str) -> bool:
    return token.type == rules.SYMBOL and token.text in signs


def _behind(token: Token, group: str | None, spec: FeatureSpec, lexicon: Lexicon) -> tuple[int, str]:
    """Hash and name of what backed-off phrases show."""
    if group is not None:
        if lexicon.modes[group] == "keep":
            return _token_hash(token.text), token.text
        if lexicon.modes[group] != "lead":
            fold = lexicon.folds.get(group)
            name = fold.back if fold is not None and fold.back else group
            return _group_hash(name), _GROUP + name
    named = token.type in (rules.URL, rules.USER, rules.NUMBER, rules.EMAIL)
    if _is_symbol(token, '?!"') or (named and not spec.back_chain):
        return _token_hash(token.text), token.text
    return 0, _NOTHING


def _see(token: Token, spec: FeatureSpec, lexicon: Lexicon) -> _Sight:
    group = lexicon.words.get(token.text)
    is_masked = group is not None and spec.mask and lexicon.modes[group] == "mask"
    fold = None if group is None else lexicon.folds.get(group)
    back, back_same = _behind(token, group, spec, lexicon)
    return _Sight(
        group=group,
        is_masked=is_masked,
        fold=fold,
        leads=fold.before if fold is not None and spec.mask else (),
        shown=_group_hash(group) if is_masked and group is not None else _token_hash(token.text),
        back=back,
        same=_GROUP + group if is_masked and group is not None else token.text,
        back_same=back_same,
        is_break=_is_symbol(token, "?!"),
        is_silent=_is_symbol(token, spec.silent),
        is_negator=group is not None and group == spec.negators,
    )


def _group_ahead(tokens: Sequence[Token], number: int, lexicon: Lexicon) -> str | None:
    """Group of the token after the one of this number, or of the one after that where it leads, too."""
    for token in tokens[number + 1 : number + 3]:
        group = lexicon.words.get(token.text)
        if group is None or lexicon.modes[group] != "lead":
            return group
    return None


def _settle(tokens: Sequence[Token], spec: FeatureSpec, lexicon: Lexicon) -> _Settled:
    """The sequence after folding, its tokens, the features of single places, and whether a negator was seen."""
    kept: list[Token] = []
    places = _Places()
    # the first of each kind and name counts, or every one
    single: dict[tuple[str, str, int], Raw] = {}
    known: dict[tuple[str, int], _Sight] = lexicon.known.setdefault(spec, {})
    if len(known) > _WORDS:
        known.clear()
    left = 0
    last: str | None = None
    negated = False
    begins = 0
    for number, token in enumerate(tokens):
        text, start, end, kind, flags = token
        sight = known.get((text, kind))
        if sight is None:
            sight = known[text, kind] = _see(token, spec, lexicon)
        group, is_masked, fold, leads, shown, back, same, back_same, is_break, is_silent, is_negator = sight
        if flags & rules.STARTS or is_break:
            left = 0
        begins |= flags & rules.STARTS
        if is_silent or (leads and _group_ahead(tokens, number, lexicon) in leads):
            last = last if is_silent else None
            continue
        if last is not None and group is not None:
            if is_masked and group == last:
                places.ends[-1] = end
                continue
            if fold is not None and last in fold.after:
                places.ends[-1] = end
                if fold.into:
                    places.shown[-1] = places.back[-1] = _group_hash(fold.into)
                    places.same[-1] = places.back_same[-1] = _GROUP + fold.into
                    last = fold.into
                continue
        kept.append(token)
        places.shown.append(shown)
        places.back.append(back)
        places.same.append(same)
        places.back_same.append(back_same)
        places.starts.append(start)
        places.ends.append(end)
        places.own.append(not is_masked)
        last = group if is_masked else None
        if is_negator:
            negated = True
            left = spec.negation_window
        elif left > 0:
            key = ("negated", same, number * (spec.dedup == "none"))
            single.setdefault(key, (mix(hashing.SEED_NEGATED, shown), start, end, "negated"))
            left -= 1
        if begins and spec.starts:
            key = ("start", same, number * (spec.dedup == "none"))
            single.setdefault(key, (mix(hashing.SEED_STARTS, shown), start, end, "start"))
        begins = 0
        if len(kept) <= spec.first:
            h = mix(mix(hashing.SEED_FIRST, len(kept) - 1), shown)
            single["first", same, number] = (h, start, end, "start")
    return places, kept, list(single.values()), negated


def _add_ends(places: _Places, spec: FeatureSpec) -> None:
    if not spec.ends or not places.shown:
        return
    begin, end = places.starts[0], places.ends[-1]
    places.shown = [hashing.MARK_BEGIN, *places.shown, hashing.MARK_END]
    places.back = [hashing.MARK_BEGIN, *places.back, hashing.MARK_END]
    places.same = [_BEGIN, *places.same, _END]
    places.back_same = [_BEGIN, *places.back_same, _END]
    places.starts = [begin, *places.starts, end]
    places.ends = [begin, *places.ends, end]
    places.own = [False, *places.own, False]


def _phrases(places: _Places, spec: FeatureSpec) -> list[Raw]:
    # The steps of ``mix`` are written out: a call for each would take longer than all the rest.
    found: list[Raw] = []
    all_shown, same, starts, ends, longest = places.shown, places.same, places.starts, places.ends, spec.word_max
    twice, seen = _twice(same, spec), set[Any]()
    for i, (start, has_own) in enumerate(zip(starts, places.own, strict=True)):
        h = hashing.SEED_WORD
        kind = "word"
        is_once = same[i] not in twice
        for length, (shown, end) in enumerate(zip(all_shown[i : i + longest], ends[i : i + longest], strict=True)):
            h = ((h ^ shown) * hashing.MULTIPLIER) & hashing.MASK
            h ^= h >> 32
            if (has_own or length) and (is_once or _is_new(tuple(same[i : i + length + 1]), seen)):
                found.append((h, start, end, kind))
            kind = "phrase"
    for skip in spec.skips:
        seed = mix(hashing.SEED_SKIP, skip)
        for i, (one, other, start, end) in enumerate(
            zip(all_shown, all_shown[skip:], starts, ends[skip:], strict=False)
        ):
            h = ((seed ^ one) * hashing.MULTIPLIER) & hashing.MASK
            h = ((h ^ h >> 32 ^ other) * hashing.MULTIPLIER) & hashing.MASK
            if same[i] not in twice or _is_new((skip, same[i], same[i + skip]), seen):
                found.append((h ^ h >> 32, start, end, "pair"))
    return found


def _backed_off(places: _Places, spec: FeatureSpec) -> list[Raw]:
    every = list(zip(places.back, places.starts, places.ends, places.back_same, strict=True))
    if spec.back_chain:
        every = [place for place in every if place[3] != _NOTHING]
        if all(place[3] in (_BEGIN, _END) for place in every):
            return []
    found: list[Raw] = []
    same = [place[3] for place in every]
    twice, seen = _twice(same, spec), set[Any]()
    for i, (_, start, _, first) in enumerate(every):
        h = hashing.SEED_BACK
        is_known = False
        for n, (back, _, end, last) in enumerate(every[i : i + spec.back_max], start=1):
            h = ((h ^ back) * hashing.MULTIPLIER) & hashing.MASK
            h ^= h >> 32
            is_known = is_known or last not in (_NOTHING, _BEGIN, _END)
            if is_known and n >= spec.back_min and (first not in twice or _is_new(tuple(same[i : i + n]), seen)):
                # a mark has no words of its own to show
                begin = every[i + 1][1] if first == _BEGIN and n > 1 else start
                stop = every[i + n - 2][2] if last == _END and n > 1 else end
                found.append((h, begin, stop, "cues"))
    return found


class Marks(NamedTuple):
    """How the words of a passage are written, as far as its flags say so; the marks of two passages add up."""

    bits: int
    n_tokens: int
    n_plain: int
    n_capitals: int

    def with_others(self, other: Marks) -> Marks:
        """The marks of both passages together."""
        return Marks(
            self.bits | other.bits,
            self.n_tokens + other.n_tokens,
            self.n_plain + other.n_plain,
            self.n_capitals + other.n_capitals,
        )

    def flags(self) -> int:
        """Bits in the order of ``POST_FLAGS``, then the length buckets."""
        is_shouting = self.n_capitals >= 3 and 2 * self.n_capitals >= self.n_plain
        return self.bits | is_shouting << _SHOUTING | 1 << (len(POST_FLAGS) + min(8, self.n_tokens.bit_length()))


_SHOUTING: Final = POST_FLAGS.index("shouting")


def _marks_of(tokens: Sequence[Token], negated: bool) -> Marks:
    types = flags = n_words = capitals = quoted = 0
    foreign = False
    signs = set()
    for text, _, _, kind, own in tokens:
        types |= 1 << kind
        quoted |= own & rules.QUOTED
        if kind == rules.WORD:
            n_words += 1
            flags |= own
            capitals += bool(own & rules.CAPS) and len(text) >= 2
            foreign = foreign or ord(text[0]) >= 128
        elif kind == rules.SYMBOL:
            signs.add(text)
    claims = (
        "?" in signs,
        "!" in signs,
        '"' in signs,
        types >> rules.URL & 1,
        types >> rules.USER & 1,
        types >> rules.NUMBER & 1,
        types >> rules.EMAIL & 1,
        flags & rules.HASHTAG,
        not signs <= {"?", "!", '"'},
        flags & rules.DISGUISED,
        flags & rules.STRETCHED,
        False,
        foreign,
        negated,
        quoted,
    )
    return Marks(sum(1 << number for number, claim in enumerate(claims) if claim), len(tokens), n_words, capitals)


def _is_new(key: Any, seen: set[Any]) -> bool:
    """Add what a feature is to those seen; False when it is there already."""
    size = len(seen)
    seen.add(key)
    return len(seen) > size


def _twice(same: Sequence[str], spec: FeatureSpec) -> set[str]:
    """What stands in several places, where repeats are left out: only a phrase that begins with it may repeat."""
    if spec.dedup == "none" or len(set(same)) == len(same):
        return set()
    return {name for name, count in Counter(same).items() if count > 1}


def _first_of_each(found: Iterable[Raw]) -> list[Raw]:
    seen: set[int] = set()
    first: list[Raw] = []
    for raw in found:
        h = raw[0]
        if h not in seen:
            seen.add(h)
            first.append(raw)
    return first


def _read_words(tokens: Sequence[Token], spec: FeatureSpec, lexicon: Lexicon) -> list[Token]:
    """The words whose pieces are features: unmasked ones, and each once where repetitions do not count."""
    words: list[Token] = []
    seen: set[str] = set()
    for token in tokens:
        if token.type != rules.WORD or _is_masked(token, spec, lexicon):
            continue
        if spec.dedup != "none" and token.text in seen:
            continue
        seen.add(token.text)
        words.append(token)
    return words


def _char_features(words: Sequence[Token], spec: FeatureSpec) -> list[Raw]:
    found: list[Raw] = []
    for token in words:
        # A piece has a span of its own only where the word is written letter by letter.
        start, stop = token.start, token.end
        read = _PIECES if len(token.text) <= _LONGEST else _pieces
        pieces = read(token.text, spec.char_min, spec.char_max, spec.n_skeletons)
        if stop - start == len(token.text):
            found += [(h, start + first, start + end, "piece") for h, first, end in pieces]
        else:
            found += [(h, start, stop, "piece") for h, _, _ in pieces]
    return _first_of_each(found) if spec.dedup == "feature" else found


class Segment(NamedTuple):
    """One segment of a post.

    Attributes
    ----------
    start, end
        Span in the original text in code points; both 0 for a text without tokens.
    phrases, cues
        Features of the families word and back: (hash, start, end, kind).
    words
        Tokens whose pieces are the features of the family char.
    marks
        How its words are written.
    n_words
        Words that tell a language: unmasked and of two letters or more; one of another script counts twice.
    joins
        Whether it is a window together with the segment before it.
    """

    start: int
    end: int
    phrases: list[Raw]
    words: list[Token]
    cues: list[Raw]
    marks: Marks
    n_words: int
    joins: bool


def _blocks(text: str) -> list[tuple[int, int]]:
    """Spans of the blocks of a text in code points."""
    if 4 * len(text) <= BLOCK_BYTES:
        return [(0, len(text))]
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= BLOCK_BYTES:
        return [(0, len(text))]
    data = np.frombuffer(encoded, dtype=np.uint8)
    ends, place, start = [], 0, 0
    for end in block_ends(data, 0, len(data)):
        place += int(np.count_nonzero((data[start:end] & 0xC0) != 0x80))
        ends.append(place)
        start = end
    return list(zip([0, *ends[:-1]], ends, strict=True))


def segments_of(text: str, spec: FeatureSpec, lexicon: Lexicon) -> list[Segment]:
    """The segments of one text, in order; at least one."""
    found: list[Segment] = []
    for lo, hi in _blocks(text):
        tokens = tokenize(text[lo:hi], lexicon)
        if lo:
            tokens = [Token(t.text, t.start + lo, t.end + lo, t.type, t.flags) for t in tokens]
        cuts = [0] * (len(tokens) + 1)
        count = cut_segments([token.flags << 32 for token in tokens], len(tokens), cuts)
        begin, is_cut, size = 0, 0, 0
        for number, cut in enumerate(cuts[:count]):
            end = cut >> 1
            joins = number > 0 and is_pair(size, end - begin, is_cut)
            found.append(_segment(tokens[begin:end], spec, lexicon, joins))
            begin, is_cut, size = end, cut & 1, end - begin
    return found


def _segment(tokens: Sequence[Token], spec: FeatureSpec, lexicon: Lexicon, joins: bool) -> Segment:
    places, kept, word, negated = _settle(tokens, spec, lexicon)
    _add_ends(places, spec)
    word += _phrases(places, spec)
    back = _backed_off(places, spec) if spec.back_max else []
    if spec.back_shared:
        word, back = word + back, []
    words = _read_words(kept, spec, lexicon) if spec.char_max else []
    n_words = 0
    for token in tokens:
        if token.type == rules.WORD and not _is_masked(token, spec, lexicon):
            n_words += 2 if ord(token.text[0]) >= 128 else len(token.text) >= 2
    start, end = (tokens[0].start, tokens[-1].end) if tokens else (0, 0)
    return Segment(start, end, word, words, back, _marks_of(tokens, negated), n_words, joins)


def _is_masked(token: Token, spec: FeatureSpec, lexicon: Lexicon) -> bool:
    group = lexicon.words.get(token.text)
    return group is not None and spec.mask and lexicon.modes[group] == "mask"


def flag_features(marks: Marks, spec: FeatureSpec) -> list[Raw]:
    """The flags of a passage as features of the family post."""
    bits = marks.flags() if spec.flags else 0
    return [(mix(hashing.SEED_POST, flag), 0, 0, "post") for flag in range(bits.bit_length()) if bits >> flag & 1]


def piece_hashes(word: str, spec: FeatureSpec) -> list[int]:
    """Hashes of the pieces of one word."""
    read = _PIECES if len(word) <= _LONGEST else _pieces
    return [h for h, _, _ in read(word, spec.char_min, spec.char_max, spec.n_skeletons)]


def windows_of(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """First and last segment of each window: a pair that ends with a segment, then that segment."""
    return [(number - by, number) for number, one in enumerate(segments) for by in ((1, 0) if one.joins else (0,))]


def passage_features(segments: Sequence[Segment], spec: FeatureSpec) -> list[Feature]:
    """All features of segments side by side, by family, then by place."""
    families = [
        [raw for part in segments for raw in part.phrases],
        [raw for part in segments for raw in _char_features(part.words, spec)],
        [raw for part in segments for raw in part.cues],
        flag_features(functools.reduce(Marks.with_others, [part.marks for part in segments]), spec),
    ]
    features = []
    for family, found in enumerate(families):
        value = spec.family_norm(family, len(found))
        buckets = buckets_of([raw[0] for raw in found], spec).tolist()
        features += [
            Feature(bucket, family, value, start, end, kind)
            for bucket, (_, start, end, kind) in zip(buckets, found, strict=True)
        ]
    return features


def buckets_of(hashes: Sequence[int], spec: FeatureSpec) -> NDArray[np.int64]:
    """``tsclassify.features.hashing.bucket_of`` of each hash: int64, shape (len(hashes),)."""
    spread = np.array(hashes, dtype=np.uint64) * np.uint64(hashing.SPREAD)
    return (spread >> np.uint64(64 - spec.bits)).astype(np.int64)


def features_of(text: str, spec: FeatureSpec, lexicon: Lexicon) -> list[Feature]:
    """All features of one text as a whole.

    Parameters
    ----------
    text
        The original text.
    spec, lexicon
        What the features are.

    Returns
    -------
    list of Feature
        By family, then by place. The logit of a whole post is the bias plus the sum over features of
        ``value * weights[bucket]``.
    """
    return passage_features(segments_of(text, spec, lexicon), spec)
