"""The features of one text in plain Python, each with its span in the original: the truth for the kernel."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsclassify.features import hashing
from tsclassify.features.hashing import chain, mix
from tsclassify.features.spec import FeatureSpec
from tsclassify.text import rules
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.normalize import Token, tokenize

__all__ = ["Feature", "Raw", "buckets_of", "families_of", "features_of", "sums_of"]

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


@dataclass(slots=True)
class _Place:
    """One place of the sequence: what it shows to phrases and to chains, and where it stands."""

    shown: int
    back: int
    start: int
    end: int
    has_own: bool


Raw = tuple[int, int, int, str]
"""A feature before it gets its bucket: hash, start, end and kind, as in ``Feature``."""

_Settled = tuple[list[_Place], list[Token], list[Raw], bool]


@functools.lru_cache(maxsize=65536)
def _token_hash(text: str) -> int:
    return hashing.text_hash(text)


@functools.lru_cache(maxsize=16384)
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


@functools.lru_cache(maxsize=1024)
def _group_hash(group: str) -> int:
    return chain(hashing.SEED_GROUP, map(ord, group))


def _is_symbol(token: Token, signs: str) -> bool:
    return token.type == rules.SYMBOL and token.text in signs


def _back_hash(token: Token, group: str | None, spec: FeatureSpec, lexicon: Lexicon) -> int:
    if group is not None:
        if lexicon.modes[group] == "keep":
            return _token_hash(token.text)
        fold = lexicon.folds.get(group)
        return _group_hash(fold.back if fold is not None and fold.back else group)
    named = token.type in (rules.URL, rules.USER, rules.NUMBER, rules.EMAIL)
    if _is_symbol(token, '?!"') or (named and not spec.back_chain):
        return _token_hash(token.text)
    return 0


def _settle(tokens: Sequence[Token], spec: FeatureSpec, lexicon: Lexicon) -> _Settled:
    """The sequence after folding, its tokens, the features of single places, and whether a negator was seen."""
    kept: list[Token] = []
    places: list[_Place] = []
    single: list[Raw] = []
    left = 0
    last: str | None = None
    negated = False
    begins = False
    for token in tokens:
        starts = bool(token.flags & rules.STARTS)
        if starts or _is_symbol(token, "?!"):
            left = 0
        begins = begins or starts
        if _is_symbol(token, spec.silent):
            continue
        group = lexicon.words.get(token.text)
        mode = lexicon.modes[group] if group is not None else ""
        is_masked = mode == "mask" and spec.mask
        if last is not None and group is not None:
            fold = lexicon.folds.get(group)
            if is_masked and group == last:
                places[-1].end = token.end
                continue
            if fold is not None and last in fold.after:
                places[-1].end = token.end
                if fold.into:
                    places[-1].shown = places[-1].back = _group_hash(fold.into)
                    last = fold.into
                continue
        kept.append(token)
        shown = _group_hash(group) if is_masked and group is not None else _token_hash(token.text)
        places.append(_Place(shown, _back_hash(token, group, spec, lexicon), token.start, token.end, not is_masked))
        last = group if is_masked else None
        if group is not None and group == spec.negators:
            negated = True
            left = spec.negation_window
        elif left > 0:
            single.append((mix(hashing.SEED_NEGATED, shown), token.start, token.end, "negated"))
            left -= 1
        if begins and spec.starts:
            single.append((mix(hashing.SEED_STARTS, shown), token.start, token.end, "start"))
        begins = False
        if len(places) <= spec.first:
            h = mix(mix(hashing.SEED_FIRST, len(places) - 1), shown)
            single.append((h, token.start, token.end, "start"))
    return places, kept, single, negated


def _with_ends(places: list[_Place], spec: FeatureSpec) -> list[_Place]:
    if not spec.ends or not places:
        return places
    first, last = places[0], places[-1]
    begin = _Place(hashing.MARK_BEGIN, hashing.MARK_BEGIN, first.start, first.start, False)
    end = _Place(hashing.MARK_END, hashing.MARK_END, last.end, last.end, False)
    return [begin, *places, end]


def _phrases(places: list[_Place], spec: FeatureSpec) -> list[Raw]:
    found = []
    for i in range(len(places)):
        h = hashing.SEED_WORD
        for j in range(i, min(len(places), i + spec.word_max)):
            h = mix(h, places[j].shown)
            if j > i or places[i].has_own:
                found.append((h, places[i].start, places[j].end, "phrase" if j > i else "word"))
    for skip in spec.skips:
        seed = mix(hashing.SEED_SKIP, skip)
        for i in range(len(places) - skip):
            h = mix(mix(seed, places[i].shown), places[i + skip].shown)
            found.append((h, places[i].start, places[i + skip].end, "pair"))
    return found


def _backed_off(places: list[_Place], spec: FeatureSpec) -> list[Raw]:
    marks = (hashing.MARK_BEGIN, hashing.MARK_END)
    if spec.back_chain:
        places = [place for place in places if place.back]
        if not any(place.back not in marks for place in places):
            return []
    found = []
    for i in range(len(places)):
        h = hashing.SEED_BACK
        is_known = False
        for j in range(i, min(len(places), i + spec.back_max)):
            h = mix(h, places[j].back)
            is_known = is_known or (places[j].back != 0 and places[j].back not in marks)
            if is_known and j - i + 1 >= spec.back_min:
                start = places[i + 1].start if places[i].back == hashing.MARK_BEGIN and j > i else places[i].start
                end = places[j - 1].end if places[j].back == hashing.MARK_END and j > i else places[j].end
                found.append((h, start, end, "cues"))
    return found


def _flag_bits(tokens: Sequence[Token], negated: bool) -> int:
    """Bits in the order of ``POST_FLAGS``, then the length buckets."""
    types = {token.type for token in tokens}
    words = [token for token in tokens if token.type == rules.WORD]
    flags = 0
    for token in words:
        flags |= token.flags
    capitals = sum(1 for token in words if token.flags & rules.CAPS and len(token.text) >= 2)
    claims = (
        any(_is_symbol(token, "?") for token in tokens),
        any(_is_symbol(token, "!") for token in tokens),
        any(_is_symbol(token, '"') for token in tokens),
        rules.URL in types,
        rules.USER in types,
        rules.NUMBER in types,
        rules.EMAIL in types,
        bool(flags & rules.HASHTAG),
        any(token.type == rules.SYMBOL and token.text not in '?!"' for token in tokens),
        bool(flags & rules.DISGUISED),
        bool(flags & rules.STRETCHED),
        capitals >= 3 and 2 * capitals >= len(words),
        any(ord(token.text[0]) >= 128 for token in words),
        negated,
    )
    bits = sum(1 << number for number, claim in enumerate(claims) if claim)
    return bits | 1 << (len(claims) + min(8, len(tokens).bit_length()))


def _first_of_each(found: Iterable[Raw]) -> list[Raw]:
    seen: dict[int, Raw] = {}
    for raw in found:
        seen.setdefault(raw[0], raw)
    return list(seen.values())


def _char_features(tokens: Sequence[Token], spec: FeatureSpec, lexicon: Lexicon) -> list[Raw]:
    found: list[Raw] = []
    seen: set[str] = set()
    for token in tokens:
        group = lexicon.words.get(token.text)
        if token.type != rules.WORD or (group is not None and spec.mask and lexicon.modes[group] == "mask"):
            continue
        if spec.dedup != "none" and token.text in seen:
            continue
        seen.add(token.text)
        # A piece has a span of its own only where the word is written letter by letter.
        start, stop = token.start, token.end
        pieces = _pieces(token.text, spec.char_min, spec.char_max, spec.n_skeletons)
        if stop - start == len(token.text):
            found += [(h, start + first, start + end, "piece") for h, first, end in pieces]
        else:
            found += [(h, start, stop, "piece") for h, _, _ in pieces]
    return _first_of_each(found) if spec.dedup == "feature" else found


def families_of(text: str, spec: FeatureSpec, lexicon: Lexicon) -> tuple[list[Raw], ...]:
    """The features of each family, in the order of ``tsclassify.features.spec.FAMILIES``: (hash, start, end, kind)."""
    tokens = tokenize(text, lexicon)
    places, kept, word, negated = _settle(tokens, spec, lexicon)
    places = _with_ends(places, spec)
    word += _phrases(places, spec)
    back = _backed_off(places, spec) if spec.back_max else []
    if spec.dedup != "none":
        word, back = _first_of_each(word), _first_of_each(back)
    if spec.back_shared:
        word, back = word + back, []
    char = _char_features(kept, spec, lexicon) if spec.char_max else []
    post: list[Raw] = []
    if spec.flags:
        bits = _flag_bits(tokens, negated)
        post = [(mix(hashing.SEED_POST, flag), 0, 0, "post") for flag in range(bits.bit_length()) if bits >> flag & 1]
    return word, char, back, post


def buckets_of(found: Sequence[Raw], spec: FeatureSpec) -> NDArray[np.int64]:
    """``tsclassify.features.hashing.bucket_of`` of each hash: int64, shape (len(found),)."""
    hashes = np.array([raw[0] for raw in found], dtype=np.uint64)
    return ((hashes * np.uint64(hashing.SPREAD)) >> np.uint64(64 - spec.bits)).astype(np.int64)


def features_of(text: str, spec: FeatureSpec, lexicon: Lexicon) -> list[Feature]:
    """All features of one text.

    Parameters
    ----------
    text
        The original text.
    spec, lexicon
        What the features are.

    Returns
    -------
    list of Feature
        By family, then by place. The logit of a model is its bias plus the sum over features of
        ``value * weights[bucket]``.
    """
    features = []
    for family, found in enumerate(families_of(text, spec, lexicon)):
        value = spec.family_norm(family, len(found))
        buckets = buckets_of(found, spec).tolist()
        features += [
            Feature(bucket, family, value, start, end, kind)
            for bucket, (_, start, end, kind) in zip(buckets, found, strict=True)
        ]
    return features


def sums_of(
    text: str, spec: FeatureSpec, lexicon: Lexicon, weights: NDArray[Any]
) -> tuple[NDArray[np.int64], tuple[float, ...]]:
    """Exact sums of weight rows by family: int64 of shape (4, lanes), and the four norms."""
    sums = np.zeros((4, weights.shape[1]), dtype=np.int64)
    norms = [0.0] * 4
    for family, found in enumerate(families_of(text, spec, lexicon)):
        norms[family] = spec.family_norm(family, len(found))
        if found:
            sums[family] = weights[buckets_of(found, spec)].sum(axis=0, dtype=np.int64)
    return sums, tuple(norms)
