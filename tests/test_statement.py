"""Statements of reasons pass the database's rules, say nothing private, and broken ones name the field."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from tsclassify.decision import Action, Decision, Finding
from tsclassify.dsa import check_statement, statement_of_reasons
from tsclassify.dsa import fields as dsa
from tsclassify.dsa.statement import CROSSWALK
from tsclassify.errors import InputError
from tsclassify.policy import Policy, shipped_names
from tsclassify.records import Piece
from tsclassify.standing import account_notice
from tsclassify.taxonomy import CATEGORIES

AT = dt.datetime(2021, 1, 8, 10, 0, tzinfo=dt.UTC)
PACKS = [Policy.load(name) for name in shipped_names()] + [Policy.load("hosting-provider", as_of="2021-01-08")]


def decision(policy: Policy, actions: list[str], categories: list[str] | None = None) -> Decision:
    names = categories or [next(iter(policy.categories))]
    return Decision(
        id="post-17",
        tier=policy.tiers[-1].id,
        actions=tuple(Action(name, policy.actions[name].scope) for name in actions),
        review=False,
        findings=tuple(
            Finding(name, "act", 0.9137, 0.8, policy.categories[name].clause, (Piece("zorp", 0, 4, 1.5),))
            for name in names
        ),
        contexts=(),
        trace=(),
        scores=dict.fromkeys(names, 0.9137),
        signals={"specific": "true", "imminent": "unknown"},
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        model_name="m",
        model_sha256="b" * 64,
        actor="user-handle-7",
        tenant="acme-forum",
        at=AT,
    )


@pytest.mark.parametrize("policy", PACKS, ids=lambda policy: f"{policy.name}-{policy.version}")
def test_statements_of_every_action_pass(policy: Policy) -> None:
    for action in policy.actions:
        for category in policy.categories:
            made = decision(policy, [action], [category])
            statement = statement_of_reasons(made, policy, ends_at=AT + dt.timedelta(days=7))
            assert check_statement(statement) == ()
            assert statement["application_date"] == "2021-01-08"
    whole = statement_of_reasons(decision(policy, list(policy.actions), list(policy.categories)), policy)
    assert check_statement(whole) == ()


@pytest.mark.parametrize("policy", PACKS, ids=lambda policy: f"{policy.name}-{policy.version}")
def test_a_statement_holds_no_words_names_or_scores(policy: Policy) -> None:
    text = json.dumps(statement_of_reasons(decision(policy, list(policy.actions)), policy))
    for private in ("zorp", "user-handle-7", "acme-forum", "post-17", "0.91", "91"):
        assert private not in text.replace(statement_puid(text), "")


def statement_puid(text: str) -> str:
    return str(json.loads(text)["puid"])


def test_a_threat_to_a_person_is_not_called_incitement() -> None:
    category, keyword, other, relation = CROSSWALK["violent_threat"]
    assert category == "STATEMENT_CATEGORY_VIOLENCE"
    assert keyword == "KEYWORD_OTHER"
    assert other
    assert relation == "none"


def test_every_category_has_a_place_and_keywords_lie_under_their_category() -> None:
    assert set(CROSSWALK) == set(CATEGORIES)
    for category, keyword, *_ in CROSSWALK.values():
        assert keyword == "KEYWORD_OTHER" or keyword in dsa.KEYWORDS[category]


def test_an_action_that_restricts_nothing_is_stated_in_words() -> None:
    policy = Policy.load("hosting-provider")
    statement = statement_of_reasons(decision(policy, ["notify_tenant"]), policy)
    assert statement["decision_visibility"] == ["DECISION_VISIBILITY_OTHER"]
    assert "removed" in statement["decision_visibility_other"]


def test_the_same_decision_gives_the_same_puid_and_another_one_another() -> None:
    policy = Policy.load("hosting-provider")
    one = decision(policy, ["notify_tenant"])
    puid = statement_of_reasons(one, policy)["puid"]
    assert puid == statement_of_reasons(one, policy)["puid"]
    assert puid != statement_of_reasons(replace(one, id="post-18"), policy)["puid"]


def test_a_decision_that_does_nothing_has_no_statement() -> None:
    policy = Policy.load("hosting-provider")
    for made, says in (
        (replace(decision(policy, []), tier="none"), "nothing to state"),
        (replace(decision(policy, ["notify_tenant"]), findings=()), "nothing to state"),
        (replace(decision(policy, ["notify_tenant"]), at=None), "time of the act"),
        (replace(decision(policy, ["notify_tenant"]), at=AT.replace(year=2019)), "application_date must lie from"),
        (replace(decision(policy, ["notify_tenant"]), policy_sha256="0" * 64), "must be the one that decided"),
    ):
        with pytest.raises(InputError, match=says):
            statement_of_reasons(made, policy)
    with pytest.raises(InputError, match="must be one of the policy's"):
        statement_of_reasons(decision(policy, ["notify_tenant"]), policy, actions=["burn"])


GOOD: dict[str, Any] = {
    "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
    "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
    "incompatible_content_ground": "rule 3",
    "incompatible_content_explanation": "it reads as a threat",
    "content_type": ["CONTENT_TYPE_TEXT"],
    "category": "STATEMENT_CATEGORY_VIOLENCE",
    "category_specification": ["KEYWORD_OTHER"],
    "category_specification_other": "threat",
    "territorial_scope": ["DE", "FR"],
    "content_language": "EN",
    "content_date": "2021-01-08",
    "application_date": "2021-01-09",
    "decision_facts": "facts",
    "source_type": "SOURCE_VOLUNTARY",
    "automated_detection": "Yes",
    "automated_decision": "AUTOMATED_DECISION_PARTIALLY",
    "puid": "abc-123_X",
}
GONE = object()
BROKEN: list[tuple[str, Any, str]] = [
    ("decision_visibility", GONE, "decision_visibility"),
    ("decision_visibility", "DECISION_VISIBILITY_CONTENT_REMOVED", "decision_visibility"),
    ("decision_visibility", ["DECISION_VISIBILITY_GONE"], "decision_visibility"),
    ("decision_visibility", ["DECISION_VISIBILITY_OTHER"], "decision_visibility_other"),
    ("decision_visibility_other", "x" * 501, "decision_visibility_other"),
    ("decision_monetary", "DECISION_MONETARY_OTHER", "decision_monetary_other"),
    ("decision_monetary", "DECISION_MONETARY_FINE", "decision_monetary"),
    ("decision_provision", "TOTAL_SUSPENSION", "decision_provision"),
    ("decision_account", "DECISION_ACCOUNT_WARNED", "decision_account"),
    ("account_type", "ACCOUNT_TYPE_ROBOT", "account_type"),
    ("decision_ground", GONE, "decision_ground"),
    ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT", "illegal_content_legal_ground"),
    ("decision_ground_reference_url", "not an address", "decision_ground_reference_url"),
    ("incompatible_content_ground", "   ", "incompatible_content_ground"),
    ("incompatible_content_explanation", "x" * 2001, "incompatible_content_explanation"),
    ("incompatible_content_illegal", "Perhaps", "incompatible_content_illegal"),
    ("content_type", [], "content_type"),
    ("content_type", ["CONTENT_TYPE_OTHER"], "content_type_other"),
    ("category", "STATEMENT_CATEGORY_THREATS", "category"),
    ("category_addition", ["STATEMENT_CATEGORY_PIRACY"], "category_addition"),
    ("category_specification", ["KEYWORD_THREAT"], "category_specification"),
    ("territorial_scope", ["US"], "territorial_scope"),
    ("content_language", "en", "content_language"),
    ("content_date", "1999-12-31", "content_date"),
    ("content_date", "2021-02-30", "content_date"),
    ("application_date", "2019-12-31", "application_date"),
    ("application_date", "2021-01-09-10", "application_date"),
    ("end_date_visibility_restriction", "2021-01-08", "end_date_visibility_restriction"),
    ("decision_facts", "x" * 5001, "decision_facts"),
    ("source_type", "SOURCE_MACHINE", "source_type"),
    ("automated_detection", True, "automated_detection"),
    ("automated_decision", "Yes", "automated_decision"),
    ("puid", "has a space", "puid"),
    ("puid", "x" * 501, "puid"),
    ("content_id", {"EAN-13": "123"}, "content_id"),
    ("verdict", "guilty", "verdict"),
]


def test_the_sound_statement_is_sound() -> None:
    assert check_statement(GOOD) == ()


@pytest.mark.parametrize(("field", "value", "named"), BROKEN, ids=[f"{n}-{f}" for n, (f, *_) in enumerate(BROKEN)])
def test_a_broken_statement_names_the_field(field: str, value: Any, named: str) -> None:
    broken = {name: kept for name, kept in GOOD.items() if name != field}
    if value is not GONE:
        broken[field] = value
    assert named in {fault.field for fault in check_statement(broken)}


def test_the_enumerations_have_the_sizes_of_the_published_schema() -> None:
    assert len(dsa.KEYWORDS) == 16
    assert len(dsa.COUNTRIES) == 30
    assert len(dsa.EU) == 27
    assert len(dsa.LANGUAGES) == 184
    assert len(dsa.VALUES["decision_visibility"]) == 7
    assert len(dsa.VALUES["category_specification"]) == len(set(dsa.VALUES["category_specification"]))


@pytest.mark.parametrize("policy", PACKS, ids=lambda policy: f"{policy.name}-{policy.version}")
def test_a_notice_says_what_which_rule_which_words_and_how_to_appeal_but_no_score(policy: Policy) -> None:
    text = account_notice(decision(policy, list(policy.actions)), policy)
    clause = policy.categories[next(iter(policy.categories))].clause
    for part in ("reads as", clause, "“zorp”", "software", "contest"):
        assert part in text
    for number in ("0.9", "91", "0.8", "1.5"):
        assert number not in text
