"""The one hash of the project: token and feature hashes of 64 bits, folded into buckets.

``mix(h, x) = y ^ (y >> 32)`` with ``y = (h ^ x) * MULTIPLIER mod 2**64``. A token's hash mixes its code points into
``SEED_TOKEN``; a phrase mixes token hashes into the seed of its family, so that each longer phrase is one step
from the shorter one; the bucket is the top bits of ``h * SPREAD``. The kernel repeats these lines on unsigned words.

Notes
-----
Source: the multiplier is that of Pelle Evensen's rrmxmx mixer (2018); SPREAD is 2**64 over the golden ratio
(Knuth, The Art of Computer Programming 3, section 6.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["bucket_of", "chain", "mix", "text_hash"]

MASK: Final = (1 << 64) - 1
MULTIPLIER: Final = 0xD6E8FEB86659FD93
SPREAD: Final = 0x9E3779B97F4A7C15

SEED_TOKEN: Final = 0x243F6A8885A308D3
SEED_WORD: Final = 0x13198A2E03707344
SEED_SKIP: Final = 0xA4093822299F31D0
SEED_NEGATED: Final = 0x082EFA98EC4E6C89
SEED_FIRST: Final = 0x452821E638D01377
SEED_STARTS: Final = 0xBE5466CF34E90C6C
SEED_GROUP: Final = 0xC0AC29B7C97C50DD
SEED_BACK: Final = 0x3F84D5B5B5470917
SEED_CHAR: Final = 0x9216D5D98979FB1B
SEED_POST: Final = 0xD1310BA698DFB5AC
SEED_SKELETON: Final = 0xBA7C9045F12C7F99
MARK_BEGIN: Final = 0x2FFD72DBD01ADFB7
MARK_END: Final = 0xB8E1AFED6A267E96
"""Seeds are the fraction digits of pi, 64 bits each."""


def mix(h: int, x: int) -> int:
    """One step: fold `x` into `h`."""
    y = ((h ^ x) * MULTIPLIER) & MASK
    return y ^ (y >> 32)


def chain(seed: int, parts: Iterable[int]) -> int:
    """Fold all `parts` into `seed`, in order."""
    for part in parts:
        seed = mix(seed, part)
    return seed


def text_hash(text: str) -> int:
    """Hash of a token from its code points."""
    return chain(SEED_TOKEN, map(ord, text))


def bucket_of(h: int, bits: int) -> int:
    """Bucket of a hash among ``2**bits``."""
    return ((h * SPREAD) & MASK) >> (64 - bits)
