"""Statements of reasons pass the database's rules, say nothing private, and broken ones name the field."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tsclassify.crosswalk import load_crosswalk
from tsclassify.decision import Action, Decision, Finding
from tsclassify.dsa import check_statement, statement_of_reasons
from tsclassify.dsa import fields as dsa
from tsclassify.dsa.statement import CROSSWALK
from tsclassify.errors import InputError
from tsclassify.policy import Policy, shipped_names
from tsclassify.records import Piece
from tsclassify.standing import Ledger, account_notice, appeal_letter, reporter_letter
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


def restricting(policy: Policy) -> list[str]:
    return [name for name, rule in policy.actions.items() if rule.dsa is not None]


@pytest.mark.parametrize("policy", PACKS, ids=lambda policy: f"{policy.name}-{policy.version}")
def test_statements_of_every_action_pass(policy: Policy) -> None:
    for action in policy.actions:
        for category in policy.categories:
            made = decision(policy, [action], [category])
            if action not in restricting(policy):
                with pytest.raises(InputError, match="must restrict something"):
                    statement_of_reasons(made, policy)
                continue
            statement = statement_of_reasons(made, policy, ends_at=AT + dt.timedelta(days=7))
            assert check_statement(statement) == ()
            assert statement["application_date"] == "2021-01-08"
    whole = statement_of_reasons(decision(policy, list(policy.actions), list(policy.categories)), policy)
    assert check_statement(whole) == ()


@pytest.mark.parametrize("policy", PACKS, ids=lambda policy: f"{policy.name}-{policy.version}")
def test_a_statement_holds_no_words_names_or_scores(policy: Policy) -> None:
    text = json.dumps(statement_of_reasons(decision(policy, restricting(policy)), policy))
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


def test_the_statement_and_the_crosswalk_say_the_same() -> None:
    table = load_crosswalk("eu-dsa")
    for ours, (category, keyword, _, relation) in CROSSWALK.items():
        first = table.theirs(ours)[0]
        name, _, word = first.theirs.partition("/")
        assert category == f"STATEMENT_CATEGORY_{name}"
        assert keyword == (f"KEYWORD_{word}" if word else "KEYWORD_OTHER")
        assert relation == (first.relation if word else "none")


SOCIAL = Policy.load("social-platform")


def test_the_same_decision_gives_the_same_puid_and_another_one_another() -> None:
    one = decision(SOCIAL, ["remove_post"])
    puid = statement_of_reasons(one, SOCIAL)["puid"]
    assert puid == statement_of_reasons(one, SOCIAL)["puid"]
    assert puid != statement_of_reasons(replace(one, id="post-18"), SOCIAL)["puid"]


def test_a_decision_that_does_nothing_has_no_statement() -> None:
    removed = decision(SOCIAL, ["remove_post"])
    for made, says in (
        (replace(decision(SOCIAL, []), tier="none"), "must restrict something"),
        (decision(SOCIAL, ["warn"]), "must restrict something"),
        (replace(removed, findings=()), "nothing to state"),
        (replace(removed, at=None), "time of the act"),
        (replace(removed, at=AT.replace(year=2019)), "application_date must lie from"),
        (replace(removed, policy_sha256="0" * 64), "must be the one that decided"),
        (replace(removed, review=True), "a person has to look first, got nobody on record"),
        (replace(removed, mode="shadow"), "shadow mode"),
    ):
        with pytest.raises(InputError, match=says):
            statement_of_reasons(made, SOCIAL)
    with pytest.raises(InputError, match="must be one of the policy's"):
        statement_of_reasons(removed, SOCIAL, actions=["burn"])


def needing(policy: Policy, action: str, humans: int) -> Decision:
    made = decision(policy, [])
    rule = policy.actions[action]
    return replace(
        made, actions=(Action(action, rule.scope, None, {"humans": humans}, rule.says),), text_sha256="1" * 64
    )


def test_who_decided_is_told_from_the_ledger_and_never_from_what_the_policy_asks(tmp_path: Path) -> None:
    made = needing(SOCIAL, "suspend_account", 2)
    later = AT + dt.timedelta(hours=3)
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(made)
        for by in ("H1 ", "h1"):
            ledger.human_action("approve", "suspend_account", item="post-17", by=by, role="moderator", at=AT)
            for call in (account_notice, statement_of_reasons):
                with pytest.raises(InputError, match="needs the approval of 2 people, got 1 on record"):
                    call(made, SOCIAL, ledger=ledger)
        ledger.human_action("approve", "suspend_account", item="post-17", by="h2", role="duty officer", at=later)
        statement = statement_of_reasons(made, SOCIAL, ledger=ledger)
        assert statement["automated_decision"] == "AUTOMATED_DECISION_PARTIALLY"
        text = account_notice(made, SOCIAL, ledger=ledger)
        assert "Who decided: two people (moderator and duty officer)" in text
        assert "from 08 January 2021, 13:00 UTC" in text


def test_source_and_automation_of_a_statement_come_from_the_record(tmp_path: Path) -> None:
    made = replace(decision(SOCIAL, ["remove_post"]), text_sha256="1" * 64)
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(made)
        alone = statement_of_reasons(made, SOCIAL, ledger=ledger)
        assert (alone["source_type"], alone["automated_decision"]) == ("SOURCE_VOLUNTARY", "AUTOMATED_DECISION_FULLY")
        ledger.reported("post-17", at=AT, source="article_16", by="r1")
        ledger.reviewed("post-17", "upheld", by="h1", reason="r", at=AT, role="moderator")
        told = statement_of_reasons(made, SOCIAL, ledger=ledger)
        assert (told["source_type"], told["automated_decision"]) == (
            "SOURCE_ARTICLE_16",
            "AUTOMATED_DECISION_PARTIALLY",
        )
        ledger.reviewed("post-17", "cleared", by="h2", reason="r", at=AT + dt.timedelta(hours=1))
        with pytest.raises(InputError, match="must restrict something, got tier none"):
            statement_of_reasons(made, SOCIAL, ledger=ledger)


def test_an_internal_action_is_never_told() -> None:
    made = decision(SOCIAL, ["remove_post", "refer_law_enforcement"])
    for told in (account_notice(made, SOCIAL), json.dumps(statement_of_reasons(made, SOCIAL))):
        assert "police" not in told


def test_illegal_content_is_a_ground_of_its_own_and_each_restriction_may_end_by_itself() -> None:
    made = decision(SOCIAL, ["remove_post", "suspend_account"])
    end = AT + dt.timedelta(days=7)
    statement = statement_of_reasons(
        made, SOCIAL, illegal_ground="section 1 of a law", ends_at={"decision_account": end}
    )
    assert statement["decision_ground"] == "DECISION_GROUND_ILLEGAL_CONTENT"
    assert statement["end_date_account_restriction"] == "2021-01-15"
    assert "end_date_visibility_restriction" not in statement


def test_an_author_is_told_what_the_hosted_platform_was_asked() -> None:
    policy = Policy.load("hosting-provider")
    text = account_notice(decision(policy, ["notify_tenant"]), policy)
    assert "What acme-forum was asked: we send the customer the item" in text
    assert "It is acme-forum that decides" in text


def test_the_sentence_concerned_is_quoted_where_the_text_is_at_hand() -> None:
    text = account_notice(decision(SOCIAL, ["remove_post"]), SOCIAL, text="zorp you all. A fine day.")
    assert "The sentence concerned: “zorp you all.”" in text


def test_letters_tell_the_reporter_and_the_account_of_the_outcome(tmp_path: Path) -> None:
    made = replace(decision(SOCIAL, ["remove_post"]), text_sha256="1" * 64)
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.record(made)
        ledger.reported("post-17", at=AT, source="article_16", by="r1")
        letter = reporter_letter(ledger, "post-17", SOCIAL, by="R1")
        assert "we remove the post" in letter
        assert "software alone" in letter
        with pytest.raises(InputError, match="got no such report"):
            reporter_letter(ledger, "post-17", SOCIAL, by="r2")
        ledger.reviewed("post-17", "upheld", by="h1", reason="r", at=AT)
        ledger.appeal("post-17", at=AT + dt.timedelta(days=1))
        with pytest.raises(InputError, match="must have been answered"):
            appeal_letter(ledger, "post-17", SOCIAL)
        ledger.appeal("post-17", at=AT + dt.timedelta(days=2), outcome="denied", by="H1", reason="it is a threat")
        with pytest.raises(InputError, match="a person who did not decide, got one who did"):
            appeal_letter(ledger, "post-17", SOCIAL)
        ledger.appeal("post-17", at=AT + dt.timedelta(days=3), outcome="granted", by="h2", reason="it quotes a song")
        answer = appeal_letter(ledger, "post-17", SOCIAL)
        assert "no longer counts" in answer
        assert "it quotes a song" in answer


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
