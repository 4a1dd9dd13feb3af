"""Compiled scoring: posts to logits, by sums of int8 weight rows in vectors of eight lanes, never a matrix.

Sums are exact integers, so no order of rows, posts or threads can change a score.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from tsclassify.features.buffers import address_of, call_at, i8_at
from tsclassify.features.compiled import callback, entry, fingerprint, jit
from tsclassify.features.learn import ASK, learn
from tsclassify.features.passages import post_logits, read_block
from tsclassify.features.reach import find_stretches, look_up
from tsclassify.features.scan import scan_post
from tsclassify.features.state import A_LEARN, A_REACHES, A_SELF, N_REACHES, N_TABLES, R_NEW, REACH_BYTES

__all__ = ["GOES_ON", "make_entry", "make_learner"]

GOES_ON: Final = 1 << 62
"""Added to the number of a block that is not the last one of its post."""


@jit
def reach_at(turn: int, state: Any) -> Any:
    """Address of what is known of the reach of a post."""
    return state[A_REACHES] + REACH_BYTES * (turn & N_REACHES - 1)


@functools.cache
def make_learner() -> Any:
    """The compiled function of what is seldom done, apart from the hot loop that calls it by its address."""
    made_from = fingerprint()

    @callback
    def learner(state: int, text: int, pos: int, end: int, what: int) -> Any:
        """Address of the row of a new stretch; `made_from` is named for the cache's sake."""
        return learn(state, text, pos, end, what) if made_from else 0

    return learner


def make_entry() -> Any:
    """The compiled entry; a fingerprint of the sources is part of its cache key, so no stale code is ever run."""
    made_from = fingerprint()

    @entry
    def score_rows(data: Any, offsets: Any, rows: Any, tail: Any, tail_from: int, out: Any, words: Any) -> int:
        """Logits of the posts whose blocks are numbered in `rows`; from `tail_from` on, their bytes stand in `tail`."""
        state = i8_at(address_of(words))
        ends, chosen = i8_at(address_of(offsets)), i8_at(address_of(rows))
        place = address_of(out)
        n = len(rows)
        # each block is found, looked up and asked for in the turns of the three before it
        for turn in range(n + N_REACHES - 1):
            if turn < n:
                row = chosen[turn] & GOES_ON - 1
                text = address_of(data) if row < tail_from else address_of(tail) - ends[tail_from]
                find_stretches(text + ends[row], ends[row + 1] - ends[row], reach_at(turn, state), state)
            if 0 <= turn - 1 < n:
                look_up(reach_at(turn - 1, state), state)
            reach = reach_at(turn - 2, state)
            if 0 <= turn - 2 < n and i8_at(reach)[R_NEW]:
                call_at(state[A_LEARN], state[A_SELF], reach, 0, 0, ASK)
            if turn >= N_REACHES - 1:
                read_block(scan_post(reach_at(turn - 3, state), state), state)
                if not chosen[turn - 3] & GOES_ON:
                    post_logits(place, state)
                    place += 32 * state[N_TABLES]
        return made_from

    return score_rows
