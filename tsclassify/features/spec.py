"""Which features a model has, and how they are scaled: the part of a bundle that freezes the kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from tsclassify.errors import BundleError, InputError

__all__ = ["FAMILIES", "POST_FLAGS", "FeatureSpec"]

FAMILIES: Final = ("word", "char", "back", "post")
"""Families in the order of all per-family arrays: phrases of words, pieces of words, backed-off phrases, flags."""

POST_FLAGS: Final = (
    "question",
    "exclamation",
    "quote",
    "url",
    "user",
    "number",
    "email",
    "hashtag",
    "emoji",
    "disguised",
    "stretched",
    "shouting",
    "other_script",
    "negator",
    "quoted",
)
"""Flags of a whole post in bit order; after them come the length buckets ``length_0`` to ``length_8``."""

_NORMS: Final = ("sqrt", "mean", "none")
_DEDUPS: Final = ("none", "word", "feature")


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Feature families and their scaling.

    Attributes
    ----------
    bits
        log2 of the number of buckets, 10 to 24.
    word_max
        Longest phrase of adjacent tokens, 0 to 4; a masked token has no feature of its own, only in phrases.
    skips
        Distances of skip pairs (2 is "one token between"), each 2 to 8.
    char_min, char_max
        Lengths of pieces within a word, boundary blanks included; ``char_max`` 0 for none, at most 6.
    skeletons
        How often the skeleton of a word counts among its pieces: the word without the vowels after its first letter
        and without doubled letters, so that "thrtn" shares a feature with "threaten"; 0 for none.
    back_min, back_max
        Lengths of backed-off phrases; ``back_max`` 0 for none, at most 5; for each token its group, or the token
        itself when its group has mode ``keep``. Phrases without any group are left out.
    back_chain
        Whether backed-off phrases skip all words without a group instead of putting a generic mark in their place.
    back_shared
        Whether backed-off phrases count and scale as part of the word family.
    ends
        Whether phrases of two words and more, skip pairs and chains see a mark before the first and after the last
        token.
    negation_window
        Tokens after a negator that get a second, negated feature; 0 for none.
    negators
        Group of the lexicon that negates.
    first
        Tokens at the start of the post that get a feature with their position.
    starts
        Whether tokens at the start of a sentence get a feature.
    flags
        Whether the post's flags and length are features.
    mask
        Whether groups of mode ``mask`` replace their words.
    silent
        Of the tokens ``?``, ``!`` and ``"``, those left out of phrases.
    dedup
        ``none``: every occurrence counts; ``word``: a phrase counts once in a post and a word's pieces once for
        each distinct word; ``feature``: every piece counts once too (for experiments; the kernel refuses it).
    norm
        How the sum of a family is scaled by its number of features n: ``sqrt`` by ``1/sqrt(n + offset)``,
        ``mean`` by ``1/(n + offset)``, ``none`` by 1. Flags are not normalized.
    word_scale, char_scale, back_scale, post_scale
        Weight of each family.
    word_offset, char_offset, back_offset
        Added to n; damps short posts.
    """

    bits: int = 18
    word_max: int = 2
    skips: tuple[int, ...] = ()
    char_min: int = 3
    char_max: int = 5
    skeletons: int = 0
    back_min: int = 2
    back_max: int = 0
    back_chain: bool = True
    back_shared: bool = True
    ends: bool = True
    negation_window: int = 0
    negators: str = "negator"
    first: int = 0
    starts: bool = False
    flags: bool = False
    mask: bool = True
    silent: str = '"'
    dedup: str = "word"
    norm: str = "sqrt"
    word_scale: float = 1.0
    char_scale: float = 1.0
    back_scale: float = 1.0
    post_scale: float = 0.1
    word_offset: float = 0.0
    char_offset: float = 0.0
    back_offset: float = 0.0

    def __post_init__(self) -> None:
        bounds = {
            "bits": (10, 24),
            "word_max": (0, 4),
            "char_min": (1, 6),
            "char_max": (0, 6),
            "skeletons": (0, 8),
            "back_min": (1, 5),
            "back_max": (0, 5),
            "negation_window": (0, 16),
            "first": (0, 8),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"feature spec: {name} must be {low} to {high}, got {getattr(self, name)!r}")
        object.__setattr__(self, "skips", tuple(self.skips))
        if not all(2 <= skip <= 8 for skip in self.skips) or len(set(self.skips)) != len(self.skips):
            raise InputError(f"feature spec: skips must be distinct distances from 2 to 8, got {self.skips!r}")
        if self.norm not in _NORMS:
            raise InputError(f"feature spec: norm must be one of {', '.join(_NORMS)}, got {self.norm!r}")
        if self.dedup not in _DEDUPS:
            raise InputError(f"feature spec: dedup must be one of {', '.join(_DEDUPS)}, got {self.dedup!r}")
        if set(self.silent) - set('?!"'):
            raise InputError(f"feature spec: silent must be made of ? ! and quotation marks, got {self.silent!r}")
        for name in (*(f"{family}_scale" for family in FAMILIES), "word_offset", "char_offset", "back_offset"):
            if not 0.0 <= getattr(self, name) < 1e6:
                raise InputError(f"feature spec: {name} must be at least 0 and finite, got {getattr(self, name)!r}")

    @property
    def n_skeletons(self) -> int:
        """``skeletons`` where words have pieces, else 0."""
        return self.skeletons if self.char_max else 0

    @property
    def n_buckets(self) -> int:
        """Number of buckets."""
        return 1 << self.bits

    @property
    def scales(self) -> tuple[float, float, float, float]:
        """Weight of each family, in the order of ``FAMILIES``."""
        return (self.word_scale, self.char_scale, self.back_scale, self.post_scale)

    @property
    def offsets(self) -> tuple[float, float, float, float]:
        """What is added to the number of features of each family."""
        return (self.word_offset, self.char_offset, self.back_offset, 0.0)

    def family_norm(self, family: int, n: int) -> float:
        """What the sum of one family is multiplied by when it has `n` features; the kernel repeats this line."""
        if n == 0:
            return 0.0
        if family == 3 or self.norm == "none":
            return self.scales[family]
        size = float(n) + self.offsets[family]
        return self.scales[family] / (math.sqrt(size) if self.norm == "sqrt" else size)

    def to_dict(self) -> dict[str, Any]:
        """JSON form for the manifest."""
        return {**asdict(self), "skips": list(self.skips)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form.

        Raises
        ------
        BundleError
            When a field is missing, unknown or out of range.
        """
        names = {field.name for field in fields(cls)}
        data = {"skeletons": 0, **data}  # bundles made before it was a choice
        if set(data) != names:
            odd = ", ".join(sorted(set(data) ^ names))
            raise BundleError(f"feature spec: fields must be those of this version, got a difference in {odd}")
        for field in fields(cls):
            value, kind = data[field.name], type(field.default)
            # A number may be written without its point; true is no number.
            allowed = (int, float) if kind is float else (list, tuple) if kind is tuple else (kind,)
            if type(value) not in allowed or (kind is tuple and any(type(part) is not int for part in value)):
                raise BundleError(f"feature spec: {field.name} must be {kind.__name__}, got {type(value).__name__}")
        try:
            return cls(**{**data, "skips": tuple(data["skips"])})
        except (TypeError, InputError) as error:
            raise BundleError(f"feature spec: every field must be valid, got {error}") from error
