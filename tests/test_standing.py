"""A standing is a replay: equal to a plain fold, blind to the order of recording, and exact about what was voided."""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsclassify.decision import Decision
from tsclassify.errors import InputError, LedgerError
from tsclassify.ledger import HumanAction, Notice
from tsclassify.ledger.moments import micros
from tsclassify.policy import LadderState, Policy, step_states
from tsclassify.records import Truth
from tsclassify.standing import Ledger, Standing
from tsclassify.standing.history import load
from tsclassify.standing.ladder import LadderEvaluator, ReviewFacts

T0 = dt.datetime(2021, 1, 4, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
PLATFORM = Policy.load("social-platform")
PROVIDER = Policy.load("hosting-provider")


def decision(item: str, at: dt.datetime, tier: str, policy: Policy = PLATFORM, actor: str = "u1") -> Decision:
    return Decision(
        id=item,
        tier=tier,
        actions=(),
        review=False,
        findings=(),
        contexts=(),
        trace=(),
        scores={},
        signals={},
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        model_name="m",
        model_sha256="b" * 64,
        actor=actor,
        tenant="acme",
        at=at,
    )


def plain_count(policy: Policy, acts: list[tuple[dt.datetime, str]], tier: str, at: dt.datetime) -> int:
    """Strikes by the definition: within the window, at the tier or worse, close ones once from the first on."""
    assert policy.ladder is not None
    severe = policy.tier_names[: policy.tier_names.index(tier) + 1]
    times = sorted(when for when, name in acts if name in severe and at - policy.ladder.window <= when <= at)
    n, first = 0, None
    for when in times:
        if first is None or when - first >= policy.ladder.merge_within:
            n, first = n + 1, when
    return n


_ZONES = (dt.UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), dt.timezone(dt.timedelta(hours=-9)))


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, object]]:
    """Random histories: ties, skewed clocks, several zones across a change of clocks, late recording, voids."""
    start = dt.datetime(2021, 3, 10, tzinfo=dt.UTC)
    events: list[tuple[str, object]] = []
    for number in range(draw(st.integers(1, 14))):
        hours = draw(st.integers(0, 24 * 30))
        zone = draw(st.sampled_from(_ZONES))
        late = draw(st.sampled_from([0, 0, 0, 30, 300]))
        tier = draw(st.sampled_from(PLATFORM.tier_names))
        item = f"i{draw(st.integers(0, 9))}" if draw(st.booleans()) else f"j{number}"
        events.append(("decision", (item, (start + hours * HOUR).astimezone(zone), tier, late)))
        if draw(st.integers(0, 3)) == 0:
            events.append(("void", (item, start + draw(st.integers(0, 24 * 40)) * HOUR)))
    return events


def fold(events: list[tuple[str, object]], at: dt.datetime) -> list[tuple[dt.datetime, str]]:
    """The acts that count at a moment, by a plain loop over the log."""
    stored: list[list[object]] = []  # item, act, tier, known, gone
    for kind, what in events:
        if kind == "decision":
            item, act, tier, late = what  # type: ignore[misc]
            known = max(act, act + late * HOUR)
            same = [row for row in stored if row[0] == item]
            if any((row[1], row[2]) == (act, tier) and row is same[-1] for row in same):
                continue
            for row in same[-1:]:
                row[4] = min(row[4], known)  # type: ignore[type-var]
            stored.append([item, act, tier, known, dt.datetime.max.replace(tzinfo=dt.UTC)])
        else:
            item, when = what  # type: ignore[misc]
            for row in stored:
                if row[0] == item and row[4] == dt.datetime.max.replace(tzinfo=dt.UTC):
                    row[4] = when
    severe = PLATFORM.tier_names[:-2]
    chosen: dict[object, list[object]] = {}
    for row in stored:
        if row[2] in severe and row[3] <= at < row[4]:  # type: ignore[operator]
            # An item counts once: by its most severe act, of equal ones by the one known first.
            rank = (severe.index(row[2]), row[3])  # type: ignore[arg-type]
            if row[0] not in chosen or rank < (severe.index(chosen[row[0]][2]), chosen[row[0]][3]):  # type: ignore[arg-type,operator]
                chosen[row[0]] = row
    return [(row[1], row[2]) for row in chosen.values()]  # type: ignore[misc]


def write(ledger: Ledger, events: list[tuple[str, object]]) -> list[tuple[str, object]]:
    """Record a random log; returns what was accepted."""
    accepted = []
    for kind, what in events:
        if kind == "decision":
            item, act, tier, late = what  # type: ignore[misc]
            ledger.record(decision(item, act, tier), recorded_at=act + late * HOUR if late else None)
        else:
            item, when = what  # type: ignore[misc]
            try:
                ledger.void(item, reason="r", at=when)
            except LedgerError:  # nothing on the item stands
                continue
        accepted.append((kind, what))
    return accepted


def state_at(evaluator: LadderEvaluator, at: int, facts: ReviewFacts) -> LadderState:
    """What the conditions ask, as the record that ``policy test`` builds."""
    h, names = evaluator.history, evaluator.policy.tier_names
    acts = evaluator.acts(at, window=10**16)
    return LadderState(
        strikes=tuple(
            (dt.timedelta(microseconds=int(at - h.at[row])), names[h.tier[row]], frozenset()) for row in acts
        ),
        finding=facts.finding,
        indicators=dict(facts.indicators),
    )


@settings(derandomize=True, max_examples=30, deadline=None)
@given(logs(), st.integers(0, 24 * 45))
def test_strikes_equal_a_plain_replay(events: list[tuple[str, object]], hours: int) -> None:
    at = dt.datetime(2021, 3, 10, tzinfo=dt.UTC) + hours * HOUR
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
        accepted = write(ledger, events)
        evaluator = LadderEvaluator(load(ledger, "u1", "actor", PLATFORM, at=micros(at)), PLATFORM)
        acts = [(when, tier) for when, tier in fold(accepted, at) if tier in PLATFORM.tier_names[:-2]]
        for tier in PLATFORM.tier_names[:-2]:
            assert evaluator.count(tier, micros(at)) == plain_count(PLATFORM, acts, tier, at)
        # The conditions mean what `policy test` says they mean.
        for facts in (ReviewFacts(), ReviewFacts("not_effective", {"steady_increase": Truth.TRUE})):
            assert evaluator.states(micros(at), facts) == step_states(PLATFORM, state_at(evaluator, micros(at), facts))


@settings(derandomize=True, max_examples=20, deadline=None)
@given(logs(), st.randoms(use_true_random=False))
def test_the_order_of_recording_does_not_matter(events: list[tuple[str, object]], rng: object) -> None:
    at = dt.datetime(2021, 5, 1, tzinfo=dt.UTC)
    # Distinct items only: which of two decisions on one item is later is what the order says.
    decisions = list({what[0]: (kind, what) for kind, what in events if kind == "decision"}.values())  # type: ignore[index]
    shuffled = list(decisions)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    found = []
    for order in (decisions, shuffled):
        with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
            write(ledger, order)
            found.append(ledger.standing("u1", PLATFORM, at=at).to_dict())
    for standing in found:
        for strike in standing["strikes"]:
            strike["items"] = sorted(strike["items"])
    assert found[0] == found[1]


def without_causes(standing: Standing) -> dict[str, object]:
    plain = standing.to_dict()
    for reversal in plain["reversals"]:
        del reversal["voided"], reversal["seq"]
    for irregularity in plain["irregularities"]:
        del irregularity["seq"]
    return plain


@settings(derandomize=True, max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 24 * 20), st.sampled_from(PLATFORM.tier_names[:-2])), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 24 * 20), st.integers(0, 9)), max_size=4),
    st.data(),
)
def test_a_granted_appeal_leaves_exactly_the_history_without_the_event(
    acts: list[tuple[int, str]], takes: list[tuple[int, int]], data: st.DataObject
) -> None:
    assert PLATFORM.ladder is not None
    steps = [step.id for step in PLATFORM.ladder.steps]
    victim = data.draw(st.integers(0, len(acts) - 1))
    at = T0 + 24 * 25 * HOUR
    found = []
    for appealed in (True, False):
        with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
            ledger.record_many(
                decision(f"i{number}", T0 + hours * HOUR, tier)
                for number, (hours, tier) in enumerate(acts)
                if appealed or number != victim
            )
            for number, (hours, step) in enumerate(takes):
                ledger.notice(f"n{number}", at=T0 + hours * HOUR, actor="u1", step=steps[step % len(steps)])
            if appealed:
                ledger.appeal(f"i{victim}", outcome="granted", at=at - HOUR, by="reviewer-2")
            found.append(without_causes(ledger.standing("u1", PLATFORM, at=at, of="actor")))
    assert found[0] == found[1]


def test_a_granted_appeal_names_the_step_to_reverse(tmp_path: Path) -> None:
    assert PLATFORM.ladder is not None
    with Ledger.open(tmp_path / "l.db") as ledger:
        tier = PLATFORM.tiers[-1].id
        for number in range(12):
            ledger.record(decision(f"i{number}", T0 + number * 25 * HOUR, tier))
        due = ledger.standing("u1", PLATFORM, at=T0 + 300 * HOUR)
        assert due.step != "none"
        ledger.notice("n1", at=T0 + 300 * HOUR, actor="u1", step=due.step)
        assert ledger.standing("u1", PLATFORM, at=T0 + 301 * HOUR).reversals == ()
        for number in range(12):
            ledger.appeal(f"i{number}", outcome="granted", at=T0 + 302 * HOUR, by="reviewer-2")
        (reversal,) = ledger.standing("u1", PLATFORM, at=T0 + 303 * HOUR).reversals
        assert reversal.step == due.step
        assert len(reversal.voided) == 12
        ledger.human_action("lift", due.step, actor="u1", by="reviewer-2", at=T0 + 304 * HOUR)
        assert ledger.standing("u1", PLATFORM, at=T0 + 305 * HOUR).reversals == ()


def test_an_open_appeal_is_counted_and_a_denied_one_voids_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(decision("i1", T0, PLATFORM.tiers[-1].id))
        ledger.appeal("i1", at=T0 + HOUR)
        assert ledger.standing("u1", PLATFORM, at=T0 + 2 * HOUR).n_appeals_open == 1
        ledger.appeal("i1", outcome="denied", at=T0 + 3 * HOUR, by="r")
        after = ledger.standing("u1", PLATFORM, at=T0 + 4 * HOUR)
        assert (after.n_appeals_open, len(after.strikes)) == (0, 1)


def test_a_strike_expires_by_the_time_of_the_act(tmp_path: Path) -> None:
    assert PLATFORM.ladder is not None
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(decision("i1", T0, PLATFORM.tiers[-1].id), recorded_at=T0 + 48 * HOUR)
        assert ledger.standing("u1", PLATFORM, at=T0 + HOUR).strikes == ()
        (strike,) = ledger.standing("u1", PLATFORM, at=T0 + 49 * HOUR).strikes
        end = T0 + PLATFORM.ladder.window
        assert len(ledger.standing("u1", PLATFORM, at=end).strikes) == 1
        assert ledger.standing("u1", PLATFORM, at=strike.expires_at).strikes == ()
        assert strike.expires_at - end == dt.timedelta(microseconds=1)


def test_a_shadow_decision_is_no_strike(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(replace(decision("i1", T0, PLATFORM.tiers[-1].id), mode="shadow"))
        assert ledger.standing("u1", PLATFORM, at=T0 + HOUR).strikes == ()


def test_decisions_of_another_policy_do_not_count(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(decision("i1", T0, "violation", PROVIDER))
        assert ledger.standing("u1", PLATFORM, at=T0 + HOUR).strikes == ()
        assert len(ledger.standing("u1", PROVIDER, at=T0 + HOUR).strikes) == 1


def test_obligations_count_people_and_evidence(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        for number in range(4):
            ledger.record(decision(f"i{number}", T0 + number * 25 * HOUR, "violation", PROVIDER))
        for number in range(3):
            ledger.append(Notice(id=f"n{number}", at=T0 + 100 * HOUR, tenant="acme", items=(f"i{number}",)))
        early = ledger.standing("acme", PROVIDER, at=T0 + 110 * HOUR)
        assert early.step == "notice"
        at = T0 + 130 * HOUR
        step = ledger.standing("acme", PROVIDER, at=at).next_step
        assert step is not None
        assert (step.id, step.missing) == ("formal", {"evidence": 6, "humans": 1})
        for by in ("r1", "r1"):
            ledger.append(HumanAction(action="approve", step="formal", at=at, by=by, tenant="acme"))
        again = ledger.standing("acme", PROVIDER, at=at + HOUR).next_step
        assert again is not None
        assert again.missing == {"evidence": 6}
        ledger.append(HumanAction(action="decline", step="formal", at=at + HOUR, by="r1", tenant="acme"))
        last = ledger.standing("acme", PROVIDER, at=at + 2 * HOUR).next_step
        assert last is not None
        assert last.missing == {"evidence": 6, "humans": 1}


def test_a_name_that_is_both_account_and_tenant_follows_the_policy(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(decision("i1", T0, "violation", PROVIDER, actor="acme"))
        assert ledger.standing("acme", PROVIDER, at=T0).of == "tenant"
        assert ledger.standing("acme", PLATFORM, at=T0).of == "actor"
        assert ledger.standing("nobody", PLATFORM, at=T0).step == "none"
        with pytest.raises(InputError, match="must be actor or tenant"):
            ledger.standing("acme", PLATFORM, at=T0, of="app")
