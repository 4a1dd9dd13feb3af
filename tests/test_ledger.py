"""The ledger grows only, chains every row, refuses what is not one, and survives kills of two writers at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tsclassify.cli import main
from tsclassify.decision import Decision
from tsclassify.errors import InputError, LedgerError
from tsclassify.ledger import (
    Appeal,
    Edited,
    Notice,
    Removal,
    Reported,
    Response,
    Restored,
    Tally,
    Void,
    queries,
)
from tsclassify.ledger.events import Event, event_from_dict, event_to_dict
from tsclassify.ledger.moments import micros
from tsclassify.ledger.packing import pack, pack_many, unpack
from tsclassify.ledger.queries import OF_ACTOR
from tsclassify.ledger.store import EventStore
from tsclassify.policy import Policy
from tsclassify.resources import shipped
from tsclassify.standing import Ledger

T0 = dt.datetime(2021, 1, 4, tzinfo=dt.UTC)
_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "recursive_triggers": 1, "page_size": 8192}


def decision(number: int, *, tier: str = "violation", actor: str = "u1", tenant: str = "acme") -> Decision:
    return Decision(
        id=f"i{number}",
        tier=tier,
        actions=(),
        review=False,
        findings=(),
        contexts=(),
        trace=(),
        scores={"incitement": 0.25},
        signals={"specific": "unknown"},
        policy_name="hosting-provider",
        policy_version="2021.7.0",
        policy_sha256="a" * 64,
        model_name="m",
        model_sha256="b" * 64,
        actor=actor,
        tenant=tenant,
        at=T0 + dt.timedelta(minutes=number),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_a_recorded_decision_comes_back_as_it_was(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record(decision(1))
    with Ledger.open(path) as ledger:
        assert ledger.decision("i1") == decision(1)


def test_the_same_decision_recorded_again_is_skipped(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(n) for n in range(10)])
        again = ledger.record_many([decision(n) for n in range(20)])
        assert (again.n_recorded, again.n_skipped, len(ledger)) == (10, 10, 20)


def test_an_event_packed_by_another_zstd_is_the_same_event(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(buffer: bytearray, ends: list[int]) -> list[bytes]:
        bodies = [bytes(buffer[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
        frames = [zstandard.ZstdCompressor(level=9).compress(body) for body in bodies]
        return [frame + zlib.crc32(frame).to_bytes(4, "big") for frame in frames]

    batch = [decision(1), Notice(id="n1", items=("i1",), tenant="acme", at=T0), Removal(item="i1", at=T0)]
    with Ledger.open(path) as ledger:
        with monkeypatch.context() as patched:
            patched.setattr("tsclassify.ledger.writer.pack_many", otherwise)
            ledger.record_many(batch)
        assert ledger.record_many(batch).n_skipped == 3
        assert ledger.record(replace(decision(1), tier="none")).n_recorded == 1


def test_events_without_an_id_are_not_doubled_by_a_repeated_batch(path: Path) -> None:
    batch = [Tally(n_items=100, at=T0, tenant="acme"), Removal(item="i1", at=T0), replace(decision(1), id=None)]
    with Ledger.open(path) as ledger:
        ledger.record_many(batch)
        assert ledger.record_many(batch).n_skipped == 3


def test_a_new_decision_on_an_item_replaces_the_earlier_one(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record(decision(1))
        ledger.record(replace(decision(1), tier="none"))
        rows = list(ledger.events(kinds=["decision"]))
        assert [row.ref for row in rows] == [None, 1]


def test_events_of_one_batch_know_those_before_them(path: Path) -> None:
    changed = replace(decision(1), tier="none")
    batch = [decision(0), decision(1), decision(1), changed, Removal(item="i1", at=T0), decision(2), changed]
    with Ledger.open(path) as ledger:
        done = ledger.record_many(batch)
        assert (done.n_recorded, done.n_skipped, done.last_seq) == (5, 2, 5)
        assert [(row.seq, row.ref) for row in ledger.events()] == [(1, None), (2, None), (3, 2), (4, 3), (5, None)]
        again = ledger.record_many([*batch[3:], replace(decision(2), tier="none")])
        assert (again.n_recorded, again.n_skipped) == (1, 4)
        assert [row.ref for row in ledger.events()][5:] == [5]
        assert ledger.verify()


def test_a_large_batch_is_resolved_as_its_events_one_by_one(path: Path, tmp_path: Path) -> None:
    rng = random.Random(3)  # noqa: S311
    stream = [
        Removal(item=f"i{n}", at=T0) if rng.random() < 0.2 else decision(n, tier=rng.choice(["none", "violation"]))
        for n in (rng.randrange(60) for _ in range(400))
    ]
    with Ledger.open(path) as whole, Ledger.open(tmp_path / "single.db") as single:
        done = whole.record_many(stream), single.record_many(stream, batch=1)
        assert done[0] == done[1]
        assert done[0].n_skipped > 50
        assert whole.head == single.head


@pytest.mark.parametrize("n", [255, 256, 257, 600])
def test_an_sqlite_that_takes_few_values_in_a_statement_holds_the_same_rows(path: Path, tmp_path: Path, n: int) -> None:
    with Ledger.open(path) as usual, Ledger.open(tmp_path / "few.db") as few:
        few.store.max_values = 999
        batch = [decision(0), *(decision(number) for number in range(n))]
        assert usual.record_many(batch) == few.record_many(batch)
        assert usual.head == few.head
        every = "SELECT * FROM event ORDER BY seq"
        assert usual.store.select(every) == few.store.select(every)
        usual.export(tmp_path / "rows.jsonl")
        head = usual.head
    with Ledger.open(tmp_path / "again.db") as again:
        assert again.import_(tmp_path / "rows.jsonl") == n
        assert again.verify().head == head


def test_tenants_may_use_the_same_item_id(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(1), decision(1, tenant="other")])
        assert [row.ref for row in ledger.events()] == [None, None]


def test_clean_decisions_can_be_left_out_and_then_an_account_is_found_by_index(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many(decision(n, tier="none" if n % 5 else "violation", actor=f"u{n % 3}") for n in range(60))
        ledger.attestation("report", True, actor="u1", at=T0)
        every = [row.seq for row in ledger.events(actor="u1")]
        acted = [row.seq for row in ledger.events(actor="u1", clean=False)]
        assert (len(every), len(acted)) == (21, 5)
        plan = ledger.store.select(f"EXPLAIN QUERY PLAN SELECT seq FROM event WHERE {OF_ACTOR}", ("u1",))  # noqa: S608
        assert "event_actor" in str(plan)


@pytest.mark.parametrize("statement", ["UPDATE event SET tier = 'none'", "DELETE FROM event"])
def test_triggers_refuse_changes(path: Path, statement: str) -> None:
    Ledger.open(path).record(decision(1))
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        raw.execute(statement)
    raw.close()


def test_a_row_cannot_be_replaced_through_the_ledger(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record(decision(1))
        with pytest.raises(LedgerError, match="must stay as they are"):
            ledger.store.select("INSERT OR REPLACE INTO event SELECT * FROM event WHERE seq = 1")


def test_void_of_nothing_is_refused(path: Path) -> None:
    with Ledger.open(path) as ledger:
        with pytest.raises(LedgerError, match="must be recorded and stand"):
            ledger.void("i1", reason="r", at=T0)
        ledger.record(decision(1))
        ledger.void("i1", reason="r", at=T0)
        with pytest.raises(LedgerError, match="must be recorded and stand"):
            ledger.void("i1", reason="r", at=T0)
        with pytest.raises(LedgerError, match="must be recorded and stand"):
            ledger.void(2, reason="a void cannot be voided", at=T0)


def test_an_id_that_two_tenants_have_is_refused_without_the_tenant(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(1), decision(1, tenant="other")])
        refused: list[Callable[[], object]] = [
            lambda: ledger.void("i1", reason="r", at=T0),
            lambda: ledger.appeal("i1", at=T0, outcome="granted", by="r"),
            lambda: ledger.removal("i1", at=T0),
            lambda: ledger.decision("i1"),
        ]
        for call in refused:
            with pytest.raises(LedgerError, match="must name the tenant of the item, got an id that 2 tenants have"):
                call()
        assert len(ledger) == 2


@pytest.mark.parametrize("how", ["void", "appeal"])
def test_an_appeal_touches_the_item_of_one_tenant(path: Path, how: str) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(1), decision(1, tenant="other")])
        if how == "void":
            ledger.void("i1", tenant="other", reason="r", at=T0)
        else:
            ledger.appeal("i1", tenant="other", at=T0, outcome="granted", by="r")
        voids = list(ledger.events(kinds=["void"]))
        assert [(row.ref, row.event.tenant) for row in voids] == [(2, "other")]


def test_two_connections_cannot_void_one_row_twice(path: Path) -> None:
    with Ledger.open(path) as one, Ledger.open(path) as other:
        one.record(decision(1))
        pending = one.store.select("SELECT seq FROM event")
        one.void("i1", reason="r", at=T0)
        assert pending == [(1,)]
        with pytest.raises(LedgerError, match="must be recorded and stand"):
            other.appeal("i1", at=T0, outcome="granted", by="r")
        with pytest.raises(LedgerError, match="must name a recorded event that stands"):
            other.append(Void(seq=1, reason="s", at=T0))
        assert len(one) == 2


def test_what_an_appeal_rests_on_is_read_under_the_lock_of_the_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(path) as ledger:
        ledger.record(decision(1))
        seen = []
        asked = queries.standing_decisions

        def watched(store: EventStore, item: str) -> list[tuple[int, str | None, str | None]]:
            raw = sqlite3.connect(path, timeout=0, isolation_level=None)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                raw.execute("BEGIN IMMEDIATE")
            raw.close()
            seen.append(item)
            return asked(store, item)

        monkeypatch.setattr(queries, "standing_decisions", watched)
        ledger.appeal("i1", at=T0, outcome="granted", by="r")
        assert seen == ["i1"]


def test_a_closed_ledger_says_so_in_one_sentence(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.close()
    for call in (ledger.verify, ledger.__len__, lambda: ledger.record(decision(1)), lambda: list(ledger.events())):
        with pytest.raises(LedgerError, match="must be open, got a closed one"):
            call()


def test_what_was_recorded_under_an_earlier_name_stays_the_tenants_own(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record(decision(1))
        ledger.tenant_renamed("zeta", was="acme", at=T0 + dt.timedelta(days=1))
        ledger.void("i1", tenant="zeta", reason="r", at=T0 + dt.timedelta(days=2))
        assert [row.kind for row in ledger.events(tenant="zeta")] == ["decision", "tenant_renamed", "void"]
        assert [row.kind for row in ledger.events(tenant="acme", at=T0 + dt.timedelta(hours=1))] == ["decision"]


def test_an_edited_text_does_not_replace_the_decision_on_the_earlier_one(path: Path) -> None:
    first, second = replace(decision(1), text_sha256="1" * 64), replace(decision(1), text_sha256="2" * 64, tier="none")
    with Ledger.open(path) as ledger:
        ledger.record_many([first, second])
        assert [row[0] for row in queries.standing_decisions(ledger.store, "i1")] == [1, 2]
        ledger.record(replace(first, tier="review"))
        assert [row.ref for row in ledger.events()] == [None, 1, 1]
        assert [row[0] for row in queries.standing_decisions(ledger.store, "i1")] == [2, 3]


def test_a_column_behind_the_hash_that_says_otherwise_than_the_body_is_found(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record(replace(decision(1), review=True))
        assert ledger.verify()
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER event_no_update")
    raw.execute("UPDATE event SET awaits = NULL")
    raw.commit()
    raw.close()
    with Ledger.open(path) as ledger:
        assert "behind the hash" in ledger.verify().reason


def test_a_notice_id_is_used_once(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.notice("n1", at=T0, tenant="acme")
        with pytest.raises(LedgerError, match="notice id must be new"):
            ledger.notice("n1", at=T0, tenant="acme", items=["i1"])
        with pytest.raises(LedgerError, match="notice id must be new"):
            ledger.notice("n1", at=T0, tenant="other")


def test_a_response_needs_its_notice_and_takes_over_whose_it_is(path: Path) -> None:
    with Ledger.open(path) as ledger:
        with pytest.raises(LedgerError, match="recorded notice"):
            ledger.response("n1", at=T0)
        ledger.notice("n1", at=T0, tenant="acme")
        ledger.response("n1", at=T0)
        assert [row.kind for row in ledger.events(tenant="acme")] == ["notice", "response"]


def test_a_failed_batch_leaves_nothing(path: Path) -> None:
    with Ledger.open(path) as ledger:
        with pytest.raises(LedgerError):
            ledger.record_many(
                [decision(1), event_from_dict({"kind": "response", "notice": "x", "at": T0.isoformat()})]
            )
        assert len(ledger) == 0


def test_a_commit_is_synced_to_disk(path: Path) -> None:
    with Ledger.open(path) as ledger:
        read = {name: ledger.store.select(f"PRAGMA {name}")[0][0] for name in _PRAGMAS}
        assert read == _PRAGMAS


def test_times_without_an_offset_are_refused(path: Path) -> None:
    with Ledger.open(path) as ledger:
        with pytest.raises(InputError, match="must carry an offset"):
            ledger.record(replace(decision(1), at=dt.datetime(2021, 1, 1)))  # noqa: DTZ001
        with pytest.raises(InputError, match="time of the act"):
            ledger.record(replace(decision(1), at=None))
        with pytest.raises(InputError, match="must carry an offset"):
            ledger.notice("n1", at="2021-01-01T00:00:00", tenant="acme")
        with pytest.raises(InputError, match="must be ISO 8601"):
            ledger.void("i1", reason="r", at="yesterday")


def test_a_bare_decision_or_string_is_no_batch(path: Path) -> None:
    with Ledger.open(path) as ledger:
        with pytest.raises(InputError, match="must be an iterable"):
            ledger.record_many(decision(1))  # type: ignore[arg-type]
        with pytest.raises(InputError, match="must be a Decision"):
            ledger.record_many(["i1"])  # type: ignore[list-item]


# ---- files that are no ledger


def test_what_is_no_ledger_is_refused_in_one_sentence(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "a.txt", tmp_path / "b.db", tmp_path / "c.db"
    text.write_text("not a database, " * 100)
    raw = sqlite3.connect(other)
    raw.execute("CREATE TABLE t (x)")
    raw.close()
    Ledger.open(newer).close()
    raw = sqlite3.connect(newer)
    raw.execute("PRAGMA user_version=99")
    raw.close()
    for path, says in (
        (text, "got something that is not SQLite"),
        (other, "got another SQLite database"),
        (newer, "schema must be 3, got 99"),
        (tmp_path, "got a folder"),
        (tmp_path / "no" / "such.db", "can be opened"),
    ):
        with pytest.raises(LedgerError, match=says) as caught:
            Ledger.open(path)
        assert "\n" not in caught.value.message
        assert caught.value.message.split(": ", 1)[1][0].islower()


def test_a_ledger_of_an_earlier_schema_says_how_to_take_it_over(path: Path) -> None:
    Ledger.open(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version=1")
    raw.close()
    with pytest.raises(LedgerError, match="schema must be 3, got 1") as caught:
        Ledger.open(path)
    assert "import the export into a new ledger" in caught.value.hint


def test_an_export_of_an_earlier_version_which_wrote_every_default_is_taken_over(tmp_path: Path) -> None:
    node = {"label": "tier: violation", "state": 0, "detail": "", "children": []}
    note = {"id": "lawful", "state": 1, "effect": "none", "from_tier": "", "to_tier": "", "title": "", "trace": [node]}
    old = event_to_dict(decision(1))["decision"] | {"trace": [node], "contexts": [note]}
    body = json.dumps(old, separators=(",", ":")).encode()
    at = micros(decision(1).at)
    header = [1, "decision", at, at, "i1", "u1", "acme", "violation", "hosting-provider@2021.7.0/bbbbbbbbbbbb", None]
    columns = dict(
        zip(("seq", "kind", "at", "known", "id", "actor", "tenant", "tier", "basis", "ref"), header, strict=True)
    )
    listed = json.dumps(header, separators=(",", ":")).encode()
    chained = hashlib.sha256(bytes(32) + hashlib.sha256(body).digest() + listed).hexdigest()
    line = json.dumps({**columns, "hash": chained})[:-1].encode() + b',"body":' + body + b"}\n"
    (tmp_path / "old.jsonl").write_bytes(line)
    with Ledger.open(tmp_path / "l.db") as ledger:
        assert ledger.import_(tmp_path / "old.jsonl") == 1
        assert ledger.verify()
        found = ledger.decision("i1")
        assert (found.trace[0].children, found.contexts[0].effect) == ((), "none")
        assert ledger.record(found).n_skipped == 1


def test_a_missing_ledger_is_not_made_when_it_should_exist(tmp_path: Path) -> None:
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(LedgerError, match="must exist"):
            Ledger.open(tmp_path / "none.db", **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_ledger_opened_for_reading_records_nothing(path: Path) -> None:
    Ledger.open(path).close()
    with Ledger.open(path, read_only=True) as ledger, pytest.raises(LedgerError, match="open for writing"):
        ledger.record(decision(1))


def test_a_full_disk_is_one_sentence_and_leaves_nothing_of_the_batch(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record(decision(0))
        pages = ledger.store.select("PRAGMA page_count")[0][0]
        ledger.store.select(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(LedgerError, match="must have room for the batch") as caught:
            ledger.record_many(decision(n) for n in range(1, 2000))
        assert "nothing of the batch" in caught.value.hint
        assert len(ledger) == 1
        assert ledger.verify()


# ---- chain


def test_verify_finds_one_altered_byte_with_its_row(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(n) for n in range(300)])
        ledger.store.select("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    rng = random.Random(5)  # noqa: S311
    with Ledger.open(path, read_only=True) as ledger:
        bodies = dict(ledger.store.select("SELECT seq, body FROM event"))
    for seq in rng.sample(sorted(bodies), 40):
        start = data.index(bodies[seq])
        where = start + rng.randrange(len(bodies[seq]))
        flipped = bytearray(data)
        flipped[where] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(flipped))
        with Ledger.open(path, read_only=True) as ledger:
            found = ledger.verify()
        assert not found
        assert found.row == seq
        assert str(seq) in str(found)


@pytest.mark.parametrize("column", ["kind", "at", "known", "id", "actor", "tenant", "tier", "basis", "ref", "hash"])
def test_verify_finds_any_altered_column(path: Path, column: str) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(n) for n in range(5)])
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER event_no_update")
    value = 7 if column in {"at", "known", "ref"} else bytes(32) if column == "hash" else "void"
    raw.execute(f"UPDATE event SET {column} = ? WHERE seq = 3", (value,))  # noqa: S608
    raw.commit()
    raw.close()
    with Ledger.open(path) as ledger:
        assert ledger.verify().row == 3


def test_verify_finds_a_missing_row_and_a_cut_tail(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(n) for n in range(5)])
        noted = ledger.head
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER event_no_delete")
    raw.execute("DELETE FROM event WHERE seq = 5")
    raw.commit()
    with Ledger.open(path) as ledger:
        assert ledger.verify().is_sound
        assert "cut off" in str(ledger.verify(head=noted))
    raw.execute("DELETE FROM event WHERE seq = 2")
    raw.commit()
    raw.close()
    with Ledger.open(path) as ledger:
        assert ledger.verify().row == 2


def test_every_flipped_bit_of_a_packed_body_is_noticed() -> None:
    body = b'{"id":"i1","tier":"violation","scores":{"incitement":0.25}}' * 3
    packed = pack(body)
    for where in range(len(packed) * 8):
        flipped = bytearray(packed)
        flipped[where // 8] ^= 1 << where % 8
        with pytest.raises(ValueError, match="damaged"):
            unpack(bytes(flipped))


@pytest.mark.parametrize("n", [1, 8, 9, 700])
def test_bodies_packed_together_are_packed_as_one_by_one(n: int) -> None:
    bodies = [json.dumps({"id": f"i{k}", "note": "zorp" * (k % 50)}).encode() for k in range(n)]
    buffer, ends = bytearray(), []
    for body in bodies:
        buffer += body
        ends.append(len(buffer))
    packed = pack_many(buffer, ends)
    assert packed == [pack(body) for body in bodies]
    assert [unpack(frame) for frame in packed] == bodies
    buffer += b"more"  # nothing holds the buffer any more


# ---- export and import


def test_an_export_makes_the_same_ledger_elsewhere(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Ledger.open(path) as ledger, Ledger.open(tmp_path / "copy.db") as copy:
        ledger.record_many([decision(n) for n in range(50)])
        ledger.appeal("i3", outcome="granted", at=T0, by="r1")
        assert ledger.export(out) == 52
        assert copy.import_(out) == 52
        assert copy.import_(out) == 0
        assert copy.head == ledger.head
        assert copy.verify()
        ledger.record(decision(99))
        ledger.export(out)
        assert copy.import_(out) == 1


def test_an_export_can_be_checked_by_its_stated_rule_alone(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(n) for n in range(5)])
        ledger.appeal("i3", outcome="granted", at=T0, by="r1")
        ledger.export(out)
    before = bytes(32)
    for raw in out.read_text().splitlines():
        row = json.loads(raw)
        names = ("seq", "kind", "at", "known", "id", "actor", "tenant", "tier", "basis", "ref")
        header = json.dumps([row[name] for name in names], separators=(",", ":"))
        body = json.dumps(row["body"], separators=(",", ":"))
        before = hashlib.sha256(before + hashlib.sha256(body.encode()).digest() + header.encode()).digest()
        assert before.hex() == row["hash"]


def test_an_altered_export_is_refused_with_its_line(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Ledger.open(path) as ledger:
        ledger.record_many([decision(n) for n in range(9)])
        ledger.export(out)
    lines = out.read_text().splitlines(keepends=True)
    for broken in (
        [*lines[:4], lines[4].replace("violation", "emergency"), *lines[5:]],
        lines[:4] + lines[5:],
        [*lines[:4], "{}\n", *lines[5:]],
    ):
        out.write_text("".join(broken))
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
        with Ledger.open(target) as copy, pytest.raises(LedgerError, match=r"out\.jsonl:5"):
            copy.import_(out)


def test_an_event_that_could_not_be_read_again_is_not_recorded(path: Path) -> None:
    at = decision(1).at
    with Ledger.open(path) as ledger:
        for wrong in (
            lambda: ledger.attestation("acme", ["terms"], at=at),  # type: ignore[arg-type]
            lambda: ledger.attestation("queue", value="many", at=at),  # type: ignore[arg-type]
            lambda: ledger.removal(7, at=at),  # type: ignore[arg-type]
            lambda: ledger.append(Tally(at=at, n_items=1.5)),  # type: ignore[arg-type]
        ):
            with pytest.raises(InputError, match="must fit its fields"):
                wrong()
        assert len(ledger) == 0


def forged(
    path: Path,
    folder: Path,
    change: Callable[[dict[str, Any]], object],
    last_event: Decision | Event | None = None,
) -> Path:
    """An export whose last row was changed and given a true hash, as a careful forger would."""
    with Ledger.open(path) as ledger:
        ledger.record(decision(1))
        if last_event is None:
            ledger.attestation("terms", True, tenant="acme", at=decision(1).at)
        else:
            ledger.record_many([last_event])
        ledger.export(folder / "export.jsonl")
    lines = (folder / "export.jsonl").read_bytes().splitlines()
    before, last = json.loads(lines[-2]), json.loads(lines[-1])
    change(last)
    body = json.dumps(last.pop("body"), separators=(",", ":")).encode()
    header = [
        last.get(name) for name in ("seq", "kind", "at", "known", "id", "actor", "tenant", "tier", "basis", "ref")
    ]
    listed = json.dumps(header, separators=(",", ":")).encode()
    last["hash"] = hashlib.sha256(bytes.fromhex(before["hash"]) + hashlib.sha256(body).digest() + listed).hexdigest()
    lines[-1] = json.dumps(last)[:-1].encode() + b', "body": ' + body + b"}"
    (folder / "forged.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return folder / "forged.jsonl"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(body={"zorp": 1}), "body must be an event of its kind"),
        (lambda row: row["body"].update(holds=None), "body must be an event of its kind"),
        (lambda row: row.update(kind="notice"), "body must be an event of its kind"),
        (lambda row: row.update(tenant="other"), "columns must be those of the event"),
        (lambda row: row.update(tier="violation"), "columns must be those of the event"),
        (lambda row: row.update(tier="review"), "columns must be those of the event"),
        (lambda row: row.update(id="i1"), "columns must be those of the event"),
        (lambda row: row.update(basis="zorp@1/bbbbbbbbbbbb"), "columns must be those of the event"),
        (lambda row: row.update(actor="u2"), "columns must be those of the event"),
        (lambda row: row.update(at=row["at"] + 1), "columns must be those of the event"),
        (lambda row: row.update(known=row["at"] - 1), "columns must be those of the event"),
        (lambda row: row.update(ref=1 << 63), "numbers must have 64 bits"),
    ],
)
def test_a_forged_row_with_a_true_hash_is_refused(
    path: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    source = forged(path, tmp_path, change)
    with Ledger.open(tmp_path / "other.db") as other, pytest.raises(LedgerError, match=f"forged.jsonl:2: {message}"):
        other.import_(source)
    with Ledger.open(tmp_path / "other.db") as other:
        assert len(other) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"tier": "review"},
        {"id": "i1"},
        {"basis": "hosting-provider@2021.7.0/bbbbbbbbbbbb/shadow"},
        {"actor": "u2"},
        {"tenant": "other"},
    ],
    ids=str,
)
def test_a_forged_column_of_a_decision_hides_no_strike_and_makes_none(
    path: Path, tmp_path: Path, change: dict[str, str]
) -> None:
    nobody = replace(decision(2), actor=None, tenant=None)
    source = forged(path, tmp_path, lambda row: row.update(change), nobody)
    with (
        Ledger.open(tmp_path / "other.db") as other,
        pytest.raises(LedgerError, match=r"forged\.jsonl:2: columns must be those of the event"),
    ):
        other.import_(source)


@pytest.mark.parametrize(
    ("last_event", "change"),
    [
        (decision(2), {"ref": 1}),
        (replace(decision(1), tier="none"), {"ref": None}),
        (decision(1, tenant="other"), {"ref": 1}),
        (replace(decision(1), mode="shadow"), {"ref": 1}),
        (Void(seq=1, reason="zorp", at=T0), {"ref": None}),
        (Void(seq=1, reason="zorp", at=T0), {"ref": 2}),
        (Void(seq=1, reason="zorp", at=T0), {"tenant": "other"}),
        (Removal(item="i1", at=T0), {"ref": None}),
        (Removal(item="i1", at=T0), {"actor": "u2"}),
        (Removal(item="i9", at=T0), {"ref": 1}),
        (Appeal(item="i9", at=T0), {"ref": 1}),
        (Notice(id="n1", tenant="acme", at=T0), {"ref": 1}),
        (Tally(n_items=5, tenant="acme", at=T0), {"ref": 1}),
    ],
    ids=str,
)
def test_a_forged_reference_neither_hides_a_row_nor_frees_one(
    path: Path, tmp_path: Path, last_event: Decision | Event, change: dict[str, Any]
) -> None:
    honest = forged(path, tmp_path, lambda row: None, last_event)
    with Ledger.open(tmp_path / "honest.db") as ledger:
        assert ledger.import_(honest) == 2
    source = forged(tmp_path / "again.db", tmp_path, lambda row: row.update(change), last_event)
    with Ledger.open(tmp_path / "other.db") as other:
        with pytest.raises(LedgerError, match=r"forged\.jsonl:2: (ref|columns) must be"):
            other.import_(source)
        assert len(other) == 0


def test_references_of_any_recorded_log_are_taken_over(path: Path, tmp_path: Path) -> None:
    rng = random.Random(8)  # noqa: S311
    stream: list[Decision | Event] = [Notice(id="n1", tenant="acme", at=T0)]
    for number in (rng.randrange(30) for _ in range(300)):
        tenant = rng.choice(["acme", "other"])
        made = decision(number, tier=rng.choice(["none", "violation"]), tenant=tenant)
        made = replace(made, text_sha256=rng.choice(["1" * 64, "2" * 64, ""]))
        kind = rng.choice([Removal, Appeal, Reported, Edited, Restored])
        about: Event = kind(item=f"i{number}", at=T0 + dt.timedelta(seconds=len(stream)), tenant=tenant)
        answer = Response(notice="n1", at=T0 + dt.timedelta(seconds=len(stream)))
        stream.append(rng.choice([made, made, replace(made, mode="shadow"), about, answer]))
    with Ledger.open(path) as ledger:
        ledger.record_many(stream)
        ledger.appeal("i3", at=T0, outcome="granted", by="r", tenant="acme")
        ledger.export(tmp_path / "export.jsonl")
        head, n = ledger.head, len(ledger)
    with Ledger.open(tmp_path / "other.db") as other:
        assert other.import_(tmp_path / "export.jsonl") == n
        assert other.head == head


def test_a_held_act_is_taken_over_under_review_or_as_earlier_versions_listed_it(path: Path, tmp_path: Path) -> None:
    held = replace(decision(2), mode="review_only", id=None)
    source = forged(path, tmp_path, lambda row: None, held)
    assert [json.loads(line)["tier"] for line in source.read_text().splitlines()] == ["violation", "review"]
    older = forged(tmp_path / "again.db", tmp_path, lambda row: row.update(tier="violation"), held)
    for number, export in enumerate((source, older)):
        with Ledger.open(tmp_path / f"{number}.db") as ledger:
            assert ledger.import_(export) == 2


def test_an_export_does_not_continue_another_ledger(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Ledger.open(path) as ledger, Ledger.open(tmp_path / "other.db") as other:
        ledger.record_many([decision(n) for n in range(3)])
        ledger.export(out)
        other.record(decision(77))
        with pytest.raises(LedgerError, match="must continue the ledger"):
            other.import_(out)


def test_events_survive_their_json_form() -> None:
    for event in (
        Notice(id="n1", at=T0, items=("i1", "i2"), tenant="acme", deadline_at=T0 + dt.timedelta(days=1)),
        Removal(item="i1", at=T0, by="provider", invented=True, source="a report"),
        decision(1),
    ):
        assert event_from_dict(event_to_dict(event)) == event


def test_a_wrong_event_names_the_fault() -> None:
    for row, says in (
        ({"kind": "guess"}, "kind must be one of"),
        ({"kind": "notice", "at": "2021-01-01T00:00:00Z"}, "missing required field `id`"),
        ({"kind": "removal", "item": "i", "at": "2021-01-01T00:00:00Z", "colour": 1}, "must not have the field colour"),
        ({"kind": "appeal", "item": "i", "at": "2021-01-01T00:00:00Z", "outcome": "upheld"}, "outcome must be one of"),
    ):
        with pytest.raises(InputError, match=says):
            event_from_dict(row)


# ---- guards


def test_recording_posts_honours_the_guards_of_the_policy(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pack = shipped("seeds", "policies", "community.yaml").read_text(encoding="utf-8")
    (tmp_path / "p.yaml").write_text(pack.replace("0.10, over_items: 500", "0.02, over_items: 100"), encoding="utf-8")
    texts = ["The river path is open again."] * 120 + ["I will find you and kill you tonight."] * 5
    posts = [
        {"id": f"i{n}", "actor": f"u{n}", "tenant": "acme", "at": "2021-01-08T10:00:00Z", "text": text}
        for n, text in enumerate(texts)
    ]
    # An event among the posts does not make the guard count afresh.
    posts.insert(123, {"kind": "tally", "n_items": 5, "at": "2021-01-08T10:00:00Z"})
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(post) + "\n" for post in posts))
    arguments = [
        "ledger",
        "record",
        str(tmp_path / "l.db"),
        str(tmp_path / "posts.jsonl"),
        "-p",
        str(tmp_path / "p.yaml"),
    ]
    assert main(arguments) == 0
    said = capfd.readouterr().err
    assert "guard max_share_of_items tripped at post 123" in said
    assert "3 posts are withheld" in said
    policy = Policy.load(tmp_path / "p.yaml")
    with Ledger.open(tmp_path / "l.db") as ledger:
        acted = [ledger.decision(f"i{n}") for n in range(120, 125)]
        assert [bool(found.actions) for found in acted] == [True, True, False, False, False]
        assert {found.mode for found in acted[2:]} == {"review_only"}
        assert {found.tier for found in acted} == {acted[0].tier}
        strikes = [
            len(ledger.standing(f"u{n}", policy, at=T0 + dt.timedelta(days=9), of="actor").strikes)
            for n in range(120, 125)
        ]
        assert strikes == [1, 1, 0, 0, 0]
        assert ledger.verify()
    assert main(arguments) == 0
    assert "0 recorded, 126 already there" in capfd.readouterr().out


# ---- texts


def test_texts_are_kept_only_on_request_and_can_be_erased(path: Path, tmp_path: Path) -> None:
    text = "zorp " * 3
    digest = hashlib.sha256(text.encode()).hexdigest()
    with Ledger.open(path) as ledger, pytest.raises(LedgerError, match="keeps texts"):
        ledger.record(decision(1), text=text)
    with Ledger.open(tmp_path / "k.db", keep_text=True) as ledger:
        ledger.record(replace(decision(1), text_sha256=digest), text=text)
        assert ledger.text(digest) == text
        assert ledger.forget(digest)
        assert ledger.text(digest) is None
        assert ledger.verify()


# ---- several processes, and kills

_WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_ledger import decision
from tsclassify.standing import Ledger
start, path = int(sys.argv[1]), sys.argv[2]
ledger = Ledger.open(path)
print("ready", flush=True)
for batch in range(10_000):
    first = start + batch * 40
    ledger.record_many([decision(n, actor=f"u{{start}}") for n in range(first, first + 40)], batch=40)
    print(first, flush=True)
"""


def _start(path: Path, start: int) -> subprocess.Popen[str]:
    script = _WRITER.format(tests=str(Path(__file__).parent))
    return subprocess.Popen([sys.executable, "-c", script, str(start), str(path)], stdout=subprocess.PIPE, text=True)


def _kill_rounds(path: Path, rounds: int, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    confirmed: set[str] = set()
    for number in range(rounds):
        writers = [_start(path, number * 1_000_000 + side * 500_000) for side in (0, 1)]
        outs = []
        try:
            for writer in writers:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.0, 0.15))
        finally:
            for writer in writers:
                os.kill(writer.pid, signal.SIGKILL)
            outs = [writer.communicate()[0] for writer in writers]
        for out in outs:
            # A line without its end was cut by the kill; the batch it names may or may not be committed.
            complete = out[: out.rfind("\n") + 1].split()
            confirmed |= {f"i{int(first) + n}" for first in complete for n in range(40)}
    with Ledger.open(path) as ledger:
        assert ledger.verify().is_sound
        ids = [row[0] for row in ledger.store.select("SELECT id FROM event ORDER BY seq")]
        bodies = [row.event for row in ledger.events()]
    assert len(ids) == len(set(ids))
    assert confirmed <= set(ids)
    assert len(bodies) == len(ids)
    # Batches are whole: of every batch of 40 all rows are there, or none.
    starts: dict[int, int] = {}
    for name in ids:
        starts[int(name[1:]) // 40] = starts.get(int(name[1:]) // 40, 0) + 1
    assert set(starts.values()) <= {40}


def test_two_processes_lose_nothing_when_killed(path: Path) -> None:
    _kill_rounds(path, 5, seed=1)


@pytest.mark.slow
def test_two_processes_lose_nothing_in_two_hundred_kills(path: Path) -> None:
    _kill_rounds(path, 100, seed=2)
