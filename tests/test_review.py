"""A review says what is shown, never what is thin, treats all tenants alike, and looks at its owner too."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tsclassify.decision import Decision
from tsclassify.errors import InputError
from tsclassify.ledger import Notice, Removal
from tsclassify.ledger.case import load_case
from tsclassify.policy import Policy
from tsclassify.policy.platform import INDICATORS
from tsclassify.records import Truth
from tsclassify.reporting.charts import bars_of_time
from tsclassify.review import PlatformReview, Tenant, read_labelled, review_platform, simulate
from tsclassify.review.page import _INDICATORS
from tsclassify.review.trend import look_before
from tsclassify.standing import Ledger, tenant_notice

T0 = dt.datetime(2021, 1, 4, tzinfo=dt.UTC)
PROVIDER = Policy.load("hosting-provider")
BAD = Tenant(
    items_per_day=1000,
    change_day=140,
    rate_factor=3.0,
    removed_share=0.1,
    removal_hours=90,
    found_share=0.2,
    notices_per_day=2.0,
)


def day(number: float) -> dt.datetime:
    return T0 + dt.timedelta(days=number)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    ledger = Ledger.open(tmp_path_factory.mktemp("review") / "l.db")
    ledger.record_many(simulate(BAD, PROVIDER, name="bad", start=T0, n_days=175, seed=2))
    ledger.record_many(simulate(Tenant(items_per_day=1000), PROVIDER, name="good", start=T0, n_days=175, seed=3))
    ledger.record_many(simulate(replace(BAD, removed_share=0.0), PROVIDER, name="stone", start=T0, n_days=175, seed=4))
    return ledger


@pytest.fixture(scope="module")
def bad(book: Ledger) -> PlatformReview:
    return review_platform(book, PROVIDER, tenant="bad", at=day(172))


def test_a_platform_that_rots_and_removes_little_is_not_effective(bad: PlatformReview) -> None:
    review = bad
    assert review.finding == "not_effective"
    assert review["steady_increase"].state is Truth.TRUE
    assert review["unmet_notices"].state is Truth.TRUE
    assert "unmet_notices" in review.rests_on
    assert review.evidence


def test_a_platform_that_removes_in_time_is_effective(book: Ledger) -> None:
    review = review_platform(book, PROVIDER, tenant="good", at=day(172))
    assert review["slow_response"].state is Truth.FALSE
    assert review["steady_increase"].state is not Truth.TRUE
    assert review.finding == "effective"


def test_who_removes_nothing_never_looks_fast(book: Ledger) -> None:
    for when in (60, 120, 174):
        indicator = review_platform(book, PROVIDER, tenant="stone", at=day(when))["slow_response"]
        assert indicator.state is not Truth.FALSE
        assert indicator.estimate is None or math.isinf(indicator.estimate.value)


def test_a_removal_by_the_provider_is_no_merit_of_the_tenant(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        events = list(simulate(Tenant(), PROVIDER, name="t", start=T0, n_days=80, seed=5))
        ledger.record_many(replace(event, by="provider") if isinstance(event, Removal) else event for event in events)
        review = review_platform(ledger, PROVIDER, tenant="t", at=day(79))
        assert review["unmet_notices"].state is Truth.TRUE
        assert review["slow_response"].state is not Truth.FALSE


def test_thin_evidence_is_undetermined(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record_many(simulate(Tenant(items_per_day=5), PROVIDER, name="t", start=T0, n_days=120, seed=5))
        review = review_platform(ledger, PROVIDER, tenant="t", at=day(119))
        for name in ("steady_increase", "growing_volume", "unmet_notices", "slow_response"):
            assert review[name].state is Truth.UNKNOWN
        assert review.finding == "undetermined"
        nobody = review_platform(ledger, PROVIDER, tenant="nobody", at=day(119))
        assert (nobody.finding, nobody.next_step, nobody.evidence) == ("undetermined", None, ())


def test_tenfold_volume_at_a_constant_rate_is_growth_and_no_increase(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        tenant = Tenant(items_per_day=500, change_day=140, volume_factor=10.0)
        ledger.record_many(simulate(tenant, PROVIDER, name="t", start=T0, n_days=170, seed=6))
        review = review_platform(ledger, PROVIDER, tenant="t", at=day(169))
        assert review["growing_volume"].state is Truth.TRUE
        assert review["steady_increase"].state is not Truth.TRUE


def test_asking_every_day_buys_no_further_looks(book: Ledger) -> None:
    assert day(168).weekday() == 0
    answers = [
        json.dumps(review_platform(book, PROVIDER, tenant="bad", at=day(n))["steady_increase"].to_dict())
        for n in range(167, 176)
    ]
    assert answers[0] != answers[1]
    assert len(set(answers[1:8])) == 1
    assert answers[7] != answers[8]
    # 4 January 2021, a Monday, is day 18,631
    looks = [look_before(n, dt.timedelta(days=7)) for n in range(18_630, 18_639)]
    assert looks == [18_624, *[18_631] * 7, 18_638]


def test_what_became_known_later_is_not_held_against_the_past(tmp_path: Path) -> None:
    acts = [
        event for event in simulate(BAD, PROVIDER, name="t", start=T0, n_days=30, seed=7) if isinstance(event, Decision)
    ]
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record_many(acts, recorded_at=day(40))
        assert review_platform(ledger, PROVIDER, tenant="t", at=day(35)).next_step is None
        step = review_platform(ledger, PROVIDER, tenant="t", at=day(41)).next_step
        assert step is not None
        assert step.due_since == day(40)


def test_two_models_are_not_compared(tmp_path: Path) -> None:
    events = list(simulate(Tenant(), PROVIDER, name="t", start=T0, n_days=150, seed=8))
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record_many(
            replace(event, model_sha256="f" * 64)
            if isinstance(event, Decision) and event.at is not None and event.at > day(130)
            else event
            for event in events
        )
        indicator = review_platform(ledger, PROVIDER, tenant="t", at=day(149))["steady_increase"]
        assert indicator.state is Truth.UNKNOWN
        assert "more than one model" in indicator.says


# ---- equal treatment

_NAMES = (
    "Freedom Eagle",
    "Progress Rose",
    "Свободная Трибуна",
    "منبر الحرية",
    "自由广场",
    "'; DROP TABLE event; --",
    "<b>x",
)


def test_names_and_sides_change_no_finding(tmp_path: Path) -> None:
    events = list(simulate(BAD, PROVIDER, name="t", start=T0, n_days=60, seed=9))
    found = set()
    with Ledger.open(tmp_path / "l.db") as ledger:
        for name in _NAMES:
            ledger.record_many(_renamed(event, name) for event in events)
            review = review_platform(ledger, PROVIDER, tenant=name, at=day(59)).to_dict()
            assert review.pop("tenant") == name
            found.add(json.dumps(review, sort_keys=True))
    assert len(found) == 1


def _renamed(event: Any, name: str) -> Any:
    return replace(event, tenant=name, **({"id": f"{event.id}-{name}"} if isinstance(event, Notice) else {}))


# ---- the labelled sample


def test_a_labelled_sample_corrects_the_rate(tmp_path: Path) -> None:
    policy = Policy.load("app-store")
    with Ledger.open(tmp_path / "l.db") as ledger:
        events = list(simulate(Tenant(rate=0.05), policy, name="t", start=T0, n_days=60, seed=10, every_item=True))
        ledger.record_many(events)
        at = day(59)
        decided = [event for event in events if isinstance(event, Decision) and event.at is not None and event.at < at]
        flagged = [event.id for event in decided if event.tier != "none"][-200:]
        clean = [event.id for event in decided if event.tier == "none"][-200:]
        # People find that half of what was flagged is no violation.
        sample = [{"id": item, "violation": number % 2 == 0} for number, item in enumerate(flagged)]
        sample += [{"id": item, "violation": False} for item in clean]
        raw = review_platform(ledger, policy, tenant="t", at=at)["high_rate"].estimate
        corrected = review_platform(ledger, policy, tenant="t", at=at, labelled=sample)["high_rate"].estimate
        assert raw is not None
        assert corrected is not None
        assert corrected.value == pytest.approx(raw.value / 2, rel=1e-9)
        assert corrected.n == 400
        path = tmp_path / "labelled.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in sample))
        assert read_labelled(path) == sample
        for row, says in (
            ({"id": "i"}, "must have an id"),
            ({"id": "no", "violation": True}, "an item of this tenant"),
        ):
            with pytest.raises(InputError, match=says):
                review_platform(ledger, policy, tenant="t", at=at, labelled=[row])


# ---- the provider's own record, notices, page


def test_a_step_left_undone_is_overdue(bad: PlatformReview) -> None:
    review = bad
    late = {overdue.id: overdue for overdue in review.overdue if overdue.what == "step"}
    assert late["formal"].done_at is None
    assert late["formal"].deadline_at == late["formal"].due_at + dt.timedelta(days=7)
    assert review.next_step is not None
    assert review.missing.get("humans") == 1


def test_a_tenant_notice_names_terms_findings_items_and_time(bad: PlatformReview) -> None:
    assert bad.next_step is not None
    with pytest.raises(InputError, match=r"must have what it needs, got .* missing"):
        tenant_notice(bad, PROVIDER)
    ready = replace(bad, steps=tuple(replace(step, has=step.needs) for step in bad.steps))
    text = tenant_notice(ready, PROVIDER)
    for part in (PROVIDER.source.title, "Remove them by", bad.evidence[0], "contest", f"{bad.at:%d %B %Y}"):
        assert part in text
    not_due = next(step.id for step in bad.steps if step.due is not Truth.TRUE)
    with pytest.raises(InputError, match=f"step {not_due} must be due"):
        tenant_notice(ready, PROVIDER, step=not_due)


def test_the_page_escapes_names_and_stands_alone(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record_many(
            _renamed(event, name) for event in simulate(BAD, PROVIDER, name="t", start=T0, n_days=90, seed=9)
        )
        review = review_platform(ledger, PROVIDER, tenant=name, at=day(89))
    review.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.count("<svg") == 5
    for outside in ("http:", "https:", "src=", "@import", "url("):
        assert outside not in text
    assert "<script" not in review._repr_html_()


def test_the_page_says_every_indicator_in_words(bad: PlatformReview) -> None:
    assert set(_INDICATORS) == set(INDICATORS)
    text = bad.html()
    for indicator in bad.indicators:
        assert f"<td>{_INDICATORS[indicator.name]}<br>" in text
    summary = text[text.index('<p class="finding') : text.index("<h2>Indicators")]
    assert "_" not in summary.replace("not_effective", "", 1).replace(f"({bad.next_step and bad.next_step.id})", "")


def test_marks_that_would_overlap_are_drawn_as_one_with_their_number() -> None:
    marks = [(float(at), f"day {at}") for at in (1, 50, 51, 52, 90)]
    drawn = bars_of_time(
        "zorp", [("notice", [], marks)], 0.0, 100.0, [(0.0, "first"), (1.0, "second"), (100.0, "last")]
    )
    circles = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn)]
    assert len(circles) == 2
    assert ">3</text>" in drawn
    assert "3 times, day 50 to day 52" in drawn
    # A label that would meet the one before it is left out, and the last stays inside the picture.
    assert "first" in drawn
    assert "second" not in drawn
    last = re.search(r'<text x="([\d.]+)"[^>]*>last<', drawn)
    assert last is not None
    assert float(last[1]) + 2 * 6.2 <= 680


def test_a_platform_with_nothing_on_record_has_no_empty_plots(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        text = review_platform(ledger, PROVIDER, tenant="acme", at="2021-03-01T00:00:00Z").html()
    assert "No whole week with items on record" in text
    assert "0.00%" not in text


# ---- January 2021


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    case = load_case("january-2021")
    found = {}
    for name, as_of in (
        ("hosting-provider", "2021-01-09"),
        ("hosting-provider", "2021-08-01"),
        ("app-store", "2021-01-09"),
    ):
        policy = Policy.load(name, as_of=as_of)
        with Ledger.open(tmp_path_factory.mktemp("case") / "l.db") as ledger:
            case.record(ledger, policy)
            found[f"{name} {as_of}"] = review_platform(ledger, policy, tenant=case.tenant, at="2021-01-10T20:00:00Z")
    return found


def test_the_case_says_of_every_row_where_it_is_from_or_that_it_is_made_up() -> None:
    case = load_case("january-2021")
    assert all(fact.source for fact in case.facts)
    assert all(row.get("source") or row.get("invented") for row in case.rows)


def test_the_replay_gives_back_the_reported_facts(january: dict[str, Any]) -> None:
    review = january["hosting-provider 2021-01-09"]
    notices = [take for take in review.evaluator.takes(int(review.at.timestamp() * 1e6)) if take.event.step == "notice"]
    assert notices[0].event.at.date() == dt.date(2020, 11, 17)
    assert sum(len(notice.event.items) for notice in notices) > 100
    assert 49 <= (notices[-1].event.at - notices[0].event.at).days <= 56
    assert review["large_backlog"].n == 26_000
    assert review["steady_increase"].state is Truth.TRUE
    assert review["unmet_notices"].state is Truth.TRUE
    assert review.finding == "not_effective"


def test_the_replay_says_which_step_was_due_on_which_day(january: dict[str, Any]) -> None:
    def due(review: Any) -> dict[str, str]:
        return {step.id: f"{step.due_since:%Y-%m-%d}" for step in review.steps if step.due is Truth.TRUE}

    assert due(january["hosting-provider 2021-01-09"]) == {
        "notice": "2020-11-16",
        "formal": "2020-11-18",
        "suspend_now": "2021-01-06",
    }
    assert due(january["hosting-provider 2021-08-01"]) == {
        "notice": "2020-11-16",
        "formal": "2020-11-21",
        "suspend_now": "2021-01-06",
    }
    assert due(january["app-store 2021-01-09"])["remove"] == "2021-01-09"


def test_under_both_texts_the_provider_itself_was_weeks_late(january: dict[str, Any]) -> None:
    for key in ("hosting-provider 2021-01-09", "hosting-provider 2021-08-01"):
        (formal,) = [late for late in january[key].overdue if late.id == "formal"]
        assert formal.done_at is not None
        assert (formal.done_at - formal.deadline_at).days > 40


def test_a_milder_step_passed_over_is_not_said_to_be_done(january: dict[str, Any]) -> None:
    review = january["app-store 2021-01-09"]
    assert review.next_step is None
    assert [step.id for step in review.steps if step.due is Truth.TRUE and step.taken_at is None] == ["reject"]
    text = review.html()
    assert "The most severe step that is due was taken: removal from the store" in text
    assert "No indicator decides it alone" in text
