"""Five tenants under the ladder of ``hosting-provider``: what is due, and why nothing else is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from tsclassify.decision import Decision
from tsclassify.policy import Policy
from tsclassify.records import Truth
from tsclassify.standing import Ledger
from tsclassify.standing.history import load
from tsclassify.standing.ladder import LadderEvaluator, ReviewFacts

HOST = Policy.load("hosting-provider")
T0 = dt.datetime(2021, 8, 2, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def act(item: str, at: dt.datetime, *, tier: str = "violation", actor: str = "u1") -> Decision:
    return Decision(
        id=item, tier=tier, actions=(), review=False, findings=(), contexts=(), trace=(), scores={}, signals={},
        policy_name=HOST.name, policy_version=HOST.version, policy_sha256=HOST.sha256, model_name="m",
        model_sha256="b" * 64, actor=actor, tenant="acme", at=at,
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "l.db") as book:
        yield book


def due(ledger: Ledger, at: dt.datetime, finding: str = "not_effective") -> list[str]:
    """Steps that are due, were the review to find what it may find at worst."""
    now = int((at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))
    evaluator = LadderEvaluator(load(ledger, "acme", "tenant", HOST, at=now), HOST)
    states = evaluator.states(now, ReviewFacts(finding, {"steady_increase": Truth.TRUE, "growing_volume": Truth.TRUE}))
    return [step for step, state in states.items() if state is Truth.TRUE]


@pytest.mark.parametrize("tier", ["violation", "facility"])
def test_a_tenant_that_removes_everything_in_time_gets_notices_only(ledger: Ledger, tier: str) -> None:
    for number in range(20):
        at = T0 + number * DAY
        ledger.record(act(f"i{number}", at, tier=tier))
        ledger.notice(f"n{number}", tenant="acme", items=[f"i{number}"], at=at + HOUR)
        ledger.removal(f"i{number}", at=at + 20 * HOUR)
        assert due(ledger, at + 21 * HOUR) == ["notice"]


def test_a_tenant_with_one_troll_that_removes_on_notice_gets_notices_only(ledger: Ledger) -> None:
    for number in range(40):
        at = T0 + number * HOUR
        ledger.record(act(f"i{number}", at, tier="emergency", actor="troll"))
        ledger.notice(f"n{number}", tenant="acme", items=[f"i{number}"], at=at)
        ledger.removal(f"i{number}", at=at + 3 * HOUR)
    assert due(ledger, T0 + 60 * HOUR) == ["notice"]


def test_a_formal_notice_that_is_ignored_leads_to_suspension_whatever_routine_notices_follow(ledger: Ledger) -> None:
    ledger.record_many(act(f"i{number}", T0 + number * 20 * HOUR) for number in range(33))
    for number in range(33):
        at = T0 + number * 20 * HOUR + HOUR
        ledger.notice(f"n{number}", tenant="acme", items=[f"i{number}"], at=at)
    formal = T0 + 5 * DAY
    ledger.notice("formal", tenant="acme", step="formal", items=["i0", "i1"], at=formal)
    assert "suspend" not in due(ledger, formal + 71 * HOUR)
    assert "suspend" in due(ledger, formal + 72 * HOUR)
    assert "suspend" in due(ledger, T0 + 27 * DAY)


def test_a_tenant_that_moderates_itself_owes_nothing(ledger: Ledger) -> None:
    for number in range(20):
        at = T0 + number * DAY
        ledger.record(act(f"i{number}", at, tier="emergency"))
        ledger.removal(f"i{number}", at=at + HOUR)
    assert due(ledger, T0 + 21 * DAY) == []
    ledger.restored("i19", at=T0 + 22 * DAY)
    assert due(ledger, T0 + 23 * DAY) == ["notice"]


@pytest.mark.parametrize(
    ("items", "later"), [(["i0", "i0", "i0"], ["notice"]), (["i0", "i1", "i2"], ["notice", "formal"])]
)
def test_a_burst_of_three_notices_makes_nothing_due_inside_its_day(
    ledger: Ledger, items: list[str], later: list[str]
) -> None:
    ledger.record_many(act(f"i{number}", T0) for number in range(3))
    for number, item in enumerate(items):
        ledger.notice(f"n{number}", tenant="acme", items=[item], at=T0 + number * dt.timedelta(minutes=1))
    assert due(ledger, T0 + 23 * HOUR) == ["notice"]
    assert due(ledger, T0 + 25 * HOUR) == later


def test_an_emergency_and_a_notice_of_a_minute_ago_suspend_nobody(ledger: Ledger) -> None:
    ledger.record(act("i1", T0, tier="emergency"))
    ledger.notice("n1", tenant="acme", items=["i1"], at=T0 + 59 * dt.timedelta(minutes=1))
    assert due(ledger, T0 + HOUR) == ["notice"]
    assert due(ledger, T0 + 25 * HOUR) == ["notice", "suspend_now"]
