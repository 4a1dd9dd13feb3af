"""The review queue: who waits for what, by when, and that a person's ruling takes an item out for good."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tsclassify.cli import main
from tsclassify.decision import Action, Decision, Finding, TraceNode
from tsclassify.errors import LedgerError
from tsclassify.policy import Policy
from tsclassify.records import Truth
from tsclassify.standing import Ledger

T0 = dt.datetime(2021, 8, 2, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
HOST = Policy.load("hosting-provider")
CLEAN = Truth.FALSE
OPEN = Truth.UNKNOWN


def waiting(
    item: str, *, emergency: Truth = CLEAN, tier: str = "review", score: float = 0.5, hours: int = 0
) -> Decision:
    """A decision that a person has to look at."""
    states = {"emergency": emergency, "facility": CLEAN, "violation": OPEN if tier == "review" else Truth.TRUE}
    return Decision(
        id=item,
        tier=tier,
        actions=() if tier == "review" else (Action("notify_tenant", "tenant"),),
        review=True,
        findings=(Finding("violent_threat", "review", score, 0.3),),
        contexts=(),
        trace=tuple(TraceNode(f"tier: {name}", state) for name, state in states.items()),
        scores={"violent_threat": score},
        signals={},
        policy_name=HOST.name,
        policy_version=HOST.version,
        policy_sha256=HOST.sha256,
        model_name="m",
        model_sha256="b" * 64,
        actor="u1",
        tenant="acme",
        at=T0 + hours * HOUR,
        text_sha256="1" * 64,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "l.db") as book:
        yield book


def test_a_possible_emergency_comes_before_an_item_that_was_there_first(ledger: Ledger) -> None:
    ledger.record_many([waiting("drill"), waiting("danger", emergency=OPEN, hours=2)])
    rows = ledger.queue(HOST, at=T0 + 2 * HOUR)
    assert [(row.id, row.open_tier, row.deadline_at) for row in rows] == [
        ("danger", "emergency", T0 + 3 * HOUR),
        ("drill", "violation", T0 + 24 * HOUR),
    ]
    assert rows[0].awaits == "a person says whether it is emergency"


def test_of_equal_deadlines_reports_then_the_score_come_first(ledger: Ledger) -> None:
    ledger.record_many([waiting("low", score=0.4), waiting("high", score=0.7), waiting("told", score=0.3)])
    ledger.reported("told", at=T0, source="trusted_flagger", by="f1")
    assert [row.id for row in ledger.queue(HOST, at=T0 + HOUR)] == ["told", "high", "low"]
    assert [row.id for row in ledger.queue(HOST, at=T0 + HOUR, limit=2)] == ["told", "high"]


def test_an_item_at_review_becomes_overdue(ledger: Ledger) -> None:
    ledger.record(waiting("i1"))
    assert [row.is_overdue for row in ledger.queue(HOST, at=T0 + 24 * HOUR)] == [False]
    assert [row.is_overdue for row in ledger.queue(HOST, at=T0 + 25 * HOUR)] == [True]


@pytest.mark.parametrize("outcome", ["upheld", "cleared", "changed"])
def test_a_ruling_takes_an_item_out_and_outlives_a_later_decision_on_the_same_text(
    ledger: Ledger, outcome: str
) -> None:
    ledger.record(waiting("i1"))
    tier = None if outcome == "cleared" else "violation"
    ledger.reviewed("i1", outcome, by="h1", reason="r", tier=tier, at=T0 + HOUR)
    assert ledger.queue(HOST, at=T0 + 2 * HOUR) == ()
    ledger.record(waiting("i1", emergency=OPEN, score=0.6), recorded_at=T0 + 3 * HOUR)
    assert ledger.queue(HOST, at=T0 + 4 * HOUR) == ()
    n_strikes = len(ledger.standing("acme", HOST, at=T0 + 4 * HOUR).strikes)
    assert n_strikes == (0 if outcome == "cleared" else 1)
    other = replace(waiting("i1"), text_sha256="2" * 64)
    ledger.record(other, recorded_at=T0 + 5 * HOUR)
    assert [row.id for row in ledger.queue(HOST, at=T0 + 6 * HOUR)] == ["i1"]


def test_a_granted_appeal_is_not_undone_by_deciding_again(ledger: Ledger) -> None:
    act = replace(waiting("i1", tier="violation"), review=False)
    ledger.record(act)
    ledger.appeal("i1", at=T0 + HOUR, outcome="granted", by="h2")
    ledger.record(replace(act, model_sha256="c" * 64), recorded_at=T0 + 2 * HOUR)
    assert ledger.standing("acme", HOST, at=T0 + 3 * HOUR).strikes == ()
    ledger.reviewed("i1", "upheld", by="h3", reason="r", at=T0 + 4 * HOUR)
    assert len(ledger.standing("acme", HOST, at=T0 + 5 * HOUR).strikes) == 1


def test_an_edit_loses_no_strike_until_a_person_clears_it(ledger: Ledger) -> None:
    act = replace(waiting("i1", tier="violation"), review=False)
    ledger.record(act)
    ledger.edited("i1", at=T0 + HOUR, text_sha256="2" * 64)
    ledger.record(replace(act, tier="none", text_sha256="2" * 64), recorded_at=T0 + 2 * HOUR)
    assert len(ledger.standing("acme", HOST, at=T0 + 3 * HOUR).strikes) == 1
    ledger.reviewed("i1", "cleared", by="h1", reason="r", at=T0 + 4 * HOUR, text_sha256="1" * 64)
    assert ledger.standing("acme", HOST, at=T0 + 5 * HOUR).strikes == ()


def test_a_ruling_in_a_quality_sample_changes_nothing(ledger: Ledger) -> None:
    ledger.record(waiting("i1"))
    ledger.reviewed("i1", "cleared", by="h1", reason="r", at=T0 + HOUR, sample="qa-1")
    assert [row.id for row in ledger.queue(HOST, at=T0 + 2 * HOUR)] == ["i1"]


def test_what_was_taken_down_waits_no_more_until_it_is_up_again(ledger: Ledger) -> None:
    ledger.record(waiting("i1"))
    ledger.removal("i1", at=T0 + HOUR)
    assert ledger.queue(HOST, at=T0 + 2 * HOUR) == ()
    ledger.restored("i1", at=T0 + 3 * HOUR)
    assert [row.id for row in ledger.queue(HOST, at=T0 + 4 * HOUR)] == ["i1"]


def test_to_uphold_what_is_open_names_the_tier(ledger: Ledger) -> None:
    ledger.record(waiting("i1"))
    with pytest.raises(LedgerError, match="must name the tier that is upheld"):
        ledger.reviewed("i1", "upheld", by="h1", reason="r", at=T0)


def test_the_queue_and_a_ruling_on_the_command_line(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.record_many([waiting("i1"), waiting("i2", emergency=OPEN)])
    path = str(tmp_path / "l.db")
    asked = ["queue", path, "--policy", "hosting-provider", "--at", "2021-08-02T09:30:00Z"]
    assert main([*asked, "--json"]) == 0
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == ["i2", "i1"]
    ruled = ["review-item", path, "i2", "--clear", "--by", "h1", "--reason", "drill", "--at", "2021-08-02T10:00:00Z"]
    assert main(ruled) == 0
    capsys.readouterr()
    assert main([*asked[:-1], "2021-08-02T11:00:00Z"]) == 0
    out = capsys.readouterr().out
    assert "i1" in out
    assert "i2" not in out


def test_show_list_head_and_backup(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.record_many([waiting("i1"), waiting("i2")])
    ledger.reviewed("i1", "cleared", by="h1", reason="drill", at=T0 + HOUR)
    path, copy = str(tmp_path / "l.db"), tmp_path / "copy.db"
    assert main(["ledger", "show", path, "i1"]) == 0
    shown = capsys.readouterr().out
    assert "reviewed" in shown
    assert "cleared" in shown
    assert main(["ledger", "list", path, "--kind", "decision"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["ledger", "head", path]) == 0
    assert capsys.readouterr().out == f"3 {ledger.head}\n"
    assert main(["ledger", "backup", path, str(copy)]) == 0
    capsys.readouterr()
    with Ledger.open(copy, read_only=True) as other:
        assert other.head == ledger.head
    assert main(["ledger", "backup", path, str(copy)]) == 1
    assert "must be a new file" in capsys.readouterr().err
