"""One room for many blocks: what one leaves there is never seen in the next."""

from __future__ import annotations

import json

import numpy as np
import pytest

from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from tsclassify.batch.block import process_block
from tsclassify.batch.plan import make_plan
from tsclassify.io.blocks import Block
from tsclassify.io.room import Room

PLAN = make_plan(FakeClassifier(), fake_policy())


def block_of(data: bytes) -> Block:
    return Block(data, 0, len(data), 1, data.count(b"\n"))


@pytest.mark.parametrize("small_bytes", [0, 1 << 30])
def test_blocks_in_one_room_come_out_as_each_in_its_own(small_bytes: int) -> None:
    plan = make_plan(FakeClassifier(), fake_policy())
    plan.scanner.small_bytes = small_bytes
    bare = b"".join(b'{"text":"zorp %d"}\n' % n for n in range(300))
    stated = jsonl([{"text": "zorp", "signals": {"specific": True}, "tsclassify": {"old": n}} for n in range(90)])
    bad = b'zorp\n\n{"text":"\xff"}\n{"id":"x"}\n' * 5
    room = Room()
    for data in (jsonl(posts(400)), bare, stated, bad, jsonl(posts(60, 3)), bad + bare, jsonl(posts(900, 4))):
        block = block_of(data)
        done, fresh = process_block(block, plan, "f", room), process_block(block, plan, "f")
        assert done.room is room
        assert fresh.room is None
        assert bytes(done.output) == bytes(fresh.output)
        assert done.rejected == fresh.rejected
        assert done.counts == fresh.counts


def test_arrays_are_the_same_memory_until_a_longer_one_is_asked_for() -> None:
    room = Room()
    first = room.array("zorp", (10, 4), np.int64)
    assert first.shape == (10, 4)
    assert first.dtype == np.int64
    assert first.flags.c_contiguous
    assert first.flags.writeable
    first[:] = 7
    assert np.shares_memory(first, room.array("zorp", (3,), np.uint8))
    assert not np.shares_memory(first, room.array("blick", (3,), np.uint8))
    assert not np.shares_memory(first, room.array("zorp", (1000,), np.int64))


def test_a_room_made_large_by_one_line_is_not_kept() -> None:
    room = Room()
    process_block(block_of(jsonl(posts(900))), PLAN, "f", room)
    assert room.is_small
    long = json.dumps({"text": "zorp " * (2 << 20)}).encode() + b"\n"
    process_block(block_of(long), PLAN, "f", room)
    assert not room.is_small
