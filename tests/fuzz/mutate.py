"""Mutations of a small corpus, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["mutated"]

_INTERESTING = [
    b"\x00", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xae", b"\xe2\x80\x8d",
    b"\xef\xbb\xbf", b"\xcc\x81" * 40, b"\n", b"\r\n", b" " * 50, b"\\u", b"\\ud800", b"\\", b'"', b"'", b"{", b"}",
    b"[", b"]", b"[" * 70, b"{" * 70, b":", b",", b"- ", b"&a ", b"*a", b"!!python/object:os.system", b"<<: ",
    b"1e999", b"-0", b"NaN", b"9" * 400, b"true", b"null", b"no", b"0x1F", b"12:30", b"=cmd()", b"<script>",
    "ｚｏｒｐ".encode(), b"z0rp", b"z o r p", "😀👨‍👩‍👧".encode(), "ﬁ".encode(), "İ".encode(), b"a" * 300,
    b"../../", b"\x1b[2J", b"PK\x03\x04",
]  # fmt: skip


def mutated(rng: random.Random, corpus: Sequence[bytes], *, longest: int = 20_000) -> bytes:
    """One case: a member of the corpus after up to eight insertions, cuts, flips, doublings and splices."""
    case = bytearray(rng.choice(corpus))
    for _ in range(rng.randrange(9)):
        kind, at = rng.randrange(7), rng.randrange(len(case) + 1)
        if kind == 0:
            case[at:at] = rng.choice(_INTERESTING)
        elif kind == 1:
            del case[at : at + rng.choice([1, 2, 5, 30, 500])]
        elif kind == 2 and case:
            case[min(at, len(case) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 3:
            case[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 4:
            other = rng.randrange(len(case) + 1)
            case[at:at] = case[min(at, other) : max(at, other)] * rng.choice([1, 1, 2, 20])
        elif kind == 5:
            other_case = rng.choice(corpus)
            case[at:] = other_case[rng.randrange(len(other_case) + 1) :]
        else:
            case[at:at] = chr(
                rng.choice([rng.randrange(0x80), rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)])
            ).encode()
        del case[longest:]
    return bytes(case)
