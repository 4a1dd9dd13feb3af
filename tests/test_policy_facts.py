"""Typed fields of items: declarations, numbers, times, scores of others, overlays and maturity."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest

from batch_fakes import FakeClassifier
from policy_fakes import INFO, columns
from tsclassify.batch.plan import make_plan
from tsclassify.errors import InputError, PolicyError
from tsclassify.policy import Decider, ItemColumns, Policy
from tsclassify.policy.facts import check_fields
from tsclassify.records import Truth

HEAD = """
policy: sample
version: 2024.1.0
kind: platform
effective: {from: 2024-01-01}
source: {title: House rules, clause: no threats, url: https://example.org/rules, date: 2024-01-01}
clauses: {R.1: no threats}
languages: {tested: [en], undetermined: score}
categories:
  violent_threat: {review: 0.3, act: 0.8, clause: R.1}
facts:
  surface: {type: string, values: [feed, kids, direct_message]}
  account_age_days: {type: number}
  reports: {type: number}
  newsworthy: {type: bool}
  joined_at: {type: time}
  image_violence: {type: score}
actions: {remove: {scope: item, says: we remove it}}
"""
RULES = """
overlays:
  - {id: kids, when: {meta: surface, in: [kids]}, categories: {violent_threat: {review: 0.1, act: 0.5}}}
  - {id: acme, when: {meta: tenant, in: [acme]}, categories: {violent_threat: {act: null}}}
tiers:
  - id: new_account
    when: {all: [{act: violent_threat}, {account_age_days: {below: 1, if_missing: false}}]}
    do: [remove]
  - {id: image, when: {score: image_violence, act: 0.9, review: 0.5, if_missing: false}, do: [remove]}
  - id: fresh
    when: {all: [{act: violent_threat}, {meta: joined_at, younger_than: 24h, if_missing: false}]}
    do: [remove]
  - {id: trial, when: {all: [{act: violent_threat}, {signal: specific}]}, maturity: test, do: [remove]}
  - {id: violation, when: {act: violent_threat}, do: [remove]}
contexts:
  - id: news
    when: {meta: newsworthy, in: [true], if_missing: false}
    lowers: {violation: review}
    unless: {meta: reports, at_least: 50, if_missing: false}
"""
SAMPLE = Policy.parse(HEAD + RULES)
T = {"violent_threat": 0.9}


def decided(row: dict[str, Any], at: str | None = None, tenant: str | None = None) -> tuple[str, bool]:
    cols = columns([row])
    times = None if at is None else [dt.datetime.fromisoformat(at)]
    cols = ItemColumns(
        cols.categories, cols.probabilities, cols.signals, cols.language, cols.meta, tenants=[tenant], ats=times
    )
    result = Decider(SAMPLE, INFO).decide(cols)
    return result.name(0), bool(result.review[0])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"scores": T}, ("violation", False)),
        ({"scores": T, "account_age_days": 0.99}, ("new_account", False)),
        ({"scores": T, "account_age_days": 1}, ("violation", False)),
        ({"scores": T, "newsworthy": True}, ("review", True)),
        ({"scores": T, "newsworthy": True, "reports": 49}, ("review", True)),
        ({"scores": T, "newsworthy": True, "reports": 50}, ("violation", False)),
        ({"scores": {}, "image_violence": 0.9}, ("image", False)),
        ({"scores": {}, "image_violence": 0.89}, ("review", True)),
        ({"scores": {}, "image_violence": 0.49}, ("none", False)),
        ({"scores": {}, "image_violence": True}, ("image", False)),
        ({"scores": {}, "image_violence": False}, ("none", False)),
        ({"scores": {"violent_threat": 0.5}, "surface": "kids"}, ("violation", False)),
        ({"scores": {"violent_threat": 0.5}, "surface": "feed"}, ("review", True)),
        ({"scores": {"violent_threat": 0.1}, "surface": "kids"}, ("review", True)),
        ({"scores": {"violent_threat": 0.1}}, ("none", False)),
    ],
    ids=str,
)  # fmt: skip
def test_item_is_decided_by_its_fields(row: dict[str, Any], expected: tuple[str, bool]) -> None:
    assert decided(row) == expected


def test_age_is_taken_at_the_time_of_the_act() -> None:
    row = {"scores": T, "joined_at": "2024-01-01T12:00:00+02:00"}
    assert decided(row, at="2024-01-02T09:59:59Z") == ("fresh", False)
    assert decided(row, at="2024-01-02T10:00:00Z") == ("violation", False)
    assert decided(row) == ("violation", True)  # nobody knows how old the account was


def test_overlay_of_a_tenant_applies_to_it_alone() -> None:
    assert decided({"scores": T}, tenant="acme") == ("review", True)
    assert decided({"scores": T}, tenant="other") == ("violation", False)


def test_a_later_overlay_counts_where_two_apply() -> None:
    assert decided({"scores": {"violent_threat": 0.6}, "surface": "kids"}, tenant="acme") == ("review", True)


def test_value_of_the_wrong_type_is_unknown_in_columns() -> None:
    for value in ("0.5", True, [1], float("nan")):
        assert decided({"scores": T, "account_age_days": value}) == ("violation", True)
    assert decided({"scores": T, "newsworthy": "true"}) == ("violation", True)
    assert decided({"scores": {}, "image_violence": 1.5}) == ("review", True)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"newsworthy": "true"}, "items: item 0: newsworthy must be true or false, got a string"),
        ({"reports": "50"}, "items: item 0: reports must be a finite number, got a string"),
        ({"reports": True}, "items: item 0: reports must be a finite number, got true"),
        ({"surface": "kidz"}, "items: item 0: surface must be one of feed, kids, direct_message, got another string"),
        ({"joined_at": "yesterday"}, "items: item 0: joined_at must be a time (ISO 8601), got a string"),
        ({"image_violence": 7}, "items: item 0: image_violence must be a number from 0 to 1, true or false"),
        ({"acount_age_days": 3}, "items: field must be one that the policy declares, got 'acount_age_days'"),
    ],
    ids=str,
)
def test_wrong_value_or_name_is_refused_where_items_come_one_by_one(item: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        check_fields(SAMPLE.document.facts, [item], ("text", "id"))
    assert caught.value.message.startswith(told)


def test_missing_and_foreign_fields_are_fine() -> None:
    check_fields(SAMPLE.document.facts, [{"text": "x", "reports": None, "likes": "many"}], ("text", "id"))


def test_a_tier_on_trial_decides_nothing_and_is_recorded() -> None:
    cols = columns([{"scores": T, "signals": {"specific": 2}}, {"scores": T}, {"scores": {}}])
    decider = Decider(SAMPLE, INFO)
    result = decider.decide(cols)
    assert [result.name(row) for row in range(3)] == ["violation", "violation", "none"]
    assert result.recorded["trial"].tolist() == [Truth.TRUE, Truth.FALSE, Truth.FALSE]
    trace = {node.label: node for node in decider.record(result, cols, 0, pieces=lambda row, name: ()).trace}
    assert (trace["tier: trial"].state, trace["tier: trial"].detail) == (Truth.TRUE, "test: recorded only")


def test_record_says_which_overlay_set_the_threshold() -> None:
    cols = columns([{"scores": {"violent_threat": 0.6}, "surface": "kids"}])
    decider = Decider(SAMPLE, INFO)
    record = decider.record(decider.decide(cols), cols, 0, pieces=lambda row, name: ())
    assert (record.findings[0].threshold, record.findings[0].basis) == (0.5, "overlay kids")


def test_columns_under_overlays_are_decided_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    rows = [
        {
            "scores": {"violent_threat": float(rng.choice([0.05, 0.2, 0.4, 0.6, 0.9]))},
            "surface": str(rng.choice(["kids", "feed"])),
            "image_violence": float(rng.choice([0.1, 0.6, 0.95])),
            "reports": int(rng.integers(0, 100)),
        }
        for _ in range(60)
    ]
    decider = Decider(SAMPLE, INFO)
    together = decider.decide(columns(rows))
    for i, row in enumerate(rows):
        alone = decider.decide(columns([row]))
        assert (alone.name(0), bool(alone.review[0])) == (together.name(i), bool(together.review[i]))


FAULTS = {
    "undeclared number": ("{account_age_days: {below: 1", "{account_age_dayz: {below: 1", "declared under facts"),
    "number asked of a string": ("{account_age_days: {below: 1", "{surface: {below: 1", "must be declared as number"),
    "value outside the set": ("in: [kids]}, cat", "in: [kidz]}, cat", "value must be one of feed, kids"),
    "value of another type": ("in: [true]", "in: ['true']", "value must be true or false, got 'true'"),
    "score under not": ("{signal: specific}]}, mat", "{not: {score: image_violence, act: 1}}]}, mat", "under not"),
    "score in an exception": (
        "when: {meta: newsworthy, in: [true], if_missing: false}",
        "when: {score: image_violence, act: 0.5}",
        "an exception must ask signals or fields, got a score",
    ),
    "empty range": ("{below: 1,", "{below: 1, at_least: 1,", "below must be more than at_least"),
    "signal in an overlay": ("when: {meta: tenant, in: [acme]}", "when: {signal: specific}", "must ask fields"),
    "review above act": ("{review: 0.1, act: 0.5}", "{review: 0.6, act: 0.5}", "review must be at most act"),
    "lowers to a trial": ("lowers: {violation: review}", "lowers: {new_account: trial}", "must be a stable tier"),
    "category of an overlay": ("{violent_threat: {act: null}}", "{hate: {act: null}}", "category must be"),
    "values of a number": ("reports: {type: number}", "reports: {type: number, values: [a]}", "those of a string"),
    "declares a part": ("  reports:", "  tenant: {type: string}\n  reports:", "must not be a part of every item"),
    "list of a time": ("{meta: joined_at, younger_than: 24h,", "{meta: joined_at, in: [x],", "what a time can be"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_at_load(name: str) -> None:
    before, after, told = FAULTS[name]
    text = HEAD + RULES
    assert before in text
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text.replace(before, after))
    assert any(told in fault.message for fault in caught.value.faults), [f.message for f in caught.value.faults]


def test_case_with_a_wrong_field_is_a_fault() -> None:
    test = "\ntests:\n  - {name: x, item: {scores: {violent_threat: act}, reports: '3'}, expect: {tier: none}}\n"
    with pytest.raises(PolicyError, match="field must be a finite number, got a string"):
        Policy.parse(HEAD + RULES + test)


def test_batch_reads_fields_tenant_and_time_from_lines(tmp_path: Any) -> None:
    from tsclassify.batch import score_jsonl

    lines = [
        {"text": "zorp", "image_violence": 0.95},
        {"text": "river", "image_violence": 0.95},
        {"text": "river", "image_violence": "high"},
        {"text": "river"},
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plan_fields = make_plan(FakeClassifier(), SAMPLE).field_columns
    assert set(plan_fields) == {
        "account_age_days", "image_violence", "joined_at", "newsworthy", "reports", "surface", "tenant",
    }  # fmt: skip
    score_jsonl(source, tmp_path / "out.jsonl", model=FakeClassifier(), policy=SAMPLE, workers=1)
    tiers = [json.loads(line)["tsclassify"]["tier"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert tiers == ["image", "image", "review", "none"]


def test_items_that_nothing_reaches_cost_no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    from tsclassify.policy import decider

    one = Decider(SAMPLE, INFO)
    monkeypatch.setattr(decider, "decide_facts", None)
    result = one.decide(columns([{"scores": {}}] * 3))
    assert [result.name(row) for row in range(3)] == ["none"] * 3
    assert result.recorded["trial"].tolist() == [Truth.FALSE] * 3
