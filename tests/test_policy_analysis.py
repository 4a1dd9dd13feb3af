"""Proofs over all items agree with trying every item, and say what a policy asks in vain."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from policy_fakes import INFO, columns
from tsclassify.errors import PolicyError
from tsclassify.policy import Decider, DecisionColumns, ItemColumns, Policy, shipped_names
from tsclassify.policy.analysis import WARNINGS, difference, proofs, remarks, states_of
from tsclassify.policy.cases import prepare, run_prepared, stand_in
from tsclassify.policy.domain import Domain
from tsclassify.policy.mutants import mutants
from tsclassify.records import SignalBand, Truth

CATS = ("violent_threat", "incitement")
SIGNS = ("specific", "reported")
SCORES = (0.0, 0.4, 0.6, 0.8)
FIELDS: dict[str, tuple[Any, ...]] = {"surface": (None, "game", "news", "wall"), "reports": (None, 0, 2, 3, 6, 7)}


def condition(rng: random.Random, depth: int, *, scores: bool) -> dict[str, Any]:
    kind = rng.choice(
        ["signal", "meta", "range", *(["act", "review"] if scores else []), *(["all", "any", "not"] * depth)]
    )
    if kind in ("all", "any"):
        return {kind: [condition(rng, depth - 1, scores=scores) for _ in range(rng.randint(1, 3))]}
    if kind == "not":
        return {"not": condition(rng, depth - 1, scores=False)}
    missing = rng.choice(["unknown", False])
    if kind == "meta":
        return {"meta": "surface", "in": rng.sample(["game", "news"], rng.randint(1, 2)), "if_missing": missing}
    if kind == "range":
        return {"reports": {rng.choice(["at_least", "below"]): rng.choice([3, 7]), "if_missing": missing}}
    return {kind: rng.sample(SIGNS if kind == "signal" else CATS, rng.randint(1, 2))}


def random_policy(rng: random.Random) -> Policy:
    """A valid policy of up to three tiers, three exceptions and one overlay over two categories, signals and fields."""
    while True:
        acts = [rng.choice([None, 0.6, 0.8]) for _ in CATS]
        acting = [name for name, act in zip(CATS, acts, strict=True) if act]
        if not acting:
            continue
        n = rng.randint(1, 3)
        tiers = []
        for i in range(n):
            base: dict[str, Any] = {rng.choice(["act", "review"]): acting if i == n - 1 else rng.sample(acting, 1)}
            when = {"all": [base, condition(rng, 2, scores=True)]} if rng.random() < 0.6 else base
            tiers.append({"id": f"t{i}", "when": when, "do": ["act"]})
        outcomes = [*(f"t{i}" for i in range(n)), "review", "none"]
        contexts = []
        for i in range(rng.randint(0, 3)):
            lowered = rng.sample(outcomes[:-1] if None in acts else outcomes[:-2], 1)
            lowers = {name: rng.choice(outcomes[outcomes.index(name) + 1 :]) for name in lowered}
            context: dict[str, Any] = {"id": f"c{i}", "when": condition(rng, 1, scores=False), "lowers": lowers}
            if rng.random() < 0.3:
                context["floor"] = {rng.choice(outcomes[:-2]): rng.choice(outcomes[:-1])}
            if rng.random() < 0.3:
                context["unless"] = condition(rng, 1, scores=True)
            contexts.append(context)
        overlay = {
            "id": "o",
            "when": {"meta": "surface", "in": ["game"]},
            "categories": {rng.choice(acting): {"act": rng.choice([None, 0.8]), "review": 0.6}},
        }
        document = {
            "policy": "random",
            "version": "1.0.0",
            "kind": "platform",
            "effective": {"from": "2024-01-01"},
            "source": {"title": "t", "clause": "c", "url": "https://example.org", "date": "2024-01-01"},
            "clauses": {"R.1": "no threats"},
            "languages": {"tested": ["en"], "otherwise": rng.choice(["review", "score"]), "undetermined": "score"},
            "facts": {"surface": {"type": "string"}, "reports": {"type": "number"}},
            "categories": {
                name: {"review": 0.4, "act": act, "clause": "R.1"} for name, act in zip(CATS, acts, strict=True)
            },
            "overlays": [overlay] if rng.random() < 0.4 else [],
            "tiers": tiers,
            "contexts": contexts,
            "actions": {"act": {"scope": "item", "says": "we act"}},
        }
        try:
            return Policy.parse(json.dumps(document))
        except PolicyError:
            continue  # a tier that can never hold, or repeats another: refused at load


def every_item() -> ItemColumns:
    """All items that such policies tell apart."""
    rows = list(itertools.product(SCORES, SCORES, range(3), range(3), (2, 1, 0), FIELDS["surface"], FIELDS["reports"]))
    parts = list(zip(*rows, strict=True))
    meta = {name: np.array(parts[5 + place], dtype=object) for place, name in enumerate(FIELDS)}
    return ItemColumns(
        CATS,
        np.array(parts[:2], dtype=np.float32).T.copy(),
        {name: np.array(parts[2 + place], dtype=np.int8) for place, name in enumerate(SIGNS)},
        np.array(parts[4], dtype=np.int8),
        meta,
    )


EVERY = every_item()


def decided(policy: Policy) -> DecisionColumns:
    return Decider(policy, INFO).decide(EVERY)


def tier_states(policy: Policy) -> dict[str, Any]:
    """The truth of every tier for every item, from the trace's own source: the rules without exceptions."""
    decider = Decider(policy, INFO)
    found = {}
    for tier in policy.tiers:
        rest = [other.model_copy(update={"maturity": "test"}) for other in policy.tiers if other.id != tier.id]
        alone = policy.document.model_copy(
            update={"tiers": (tier.model_copy(update={"maturity": "experimental"}), *rest), "contexts": ()}
        )
        found[tier.id] = Decider(policy.replaced(alone), decider.info).decide(EVERY).recorded[tier.id]
    return found


def assert_agrees_with_trying_every_item(policy: Policy, other: Policy) -> None:
    ours, theirs = decided(policy), decided(other)
    domain = Domain([policy], INFO)
    outcome = domain.outcome(policy)
    assert outcome.code.values() == set(ours.tier.tolist())
    assert outcome.review.values() == set(ours.review.astype(int).tolist())
    same_tiers = np.array_equal(ours.tier, theirs.tier)
    found = difference(policy, other, INFO)
    assert (found is None) == (same_tiers and np.array_equal(ours.review, theirs.review))
    ranks = [result.tier.astype(int) * 2 + ~result.review for result in (ours, theirs)]
    milder = difference(policy, other, INFO, milder=True)
    assert (milder is None) == bool((ranks[1] <= ranks[0]).all())
    for one in (found, milder):
        if one is not None:
            row = {
                "scores": dict(one.item.scores),
                "signals": {name: int(state) for name, state in one.item.signals.items()},
                "language": int(one.item.language),
                **one.item.fields,
            }
            for policy_of, told in ((policy, one.before), (other, one.after)):
                result = Decider(policy_of, INFO).decide(columns([row]))
                assert (result.name(0), bool(result.review[0])) == told
    told = {(remark.warning, remark.place) for remark in remarks(policy)}
    states = tier_states(policy)
    for code, tier in enumerate(policy.tiers):
        holds, place = bool((states[tier.id] == Truth.TRUE).any()), f"tiers.{tier.id}"
        asleep = tier.model_copy(update={"maturity": "experimental"})
        tiers = (*policy.tiers[:code], asleep, *policy.tiers[code + 1 :])
        without = decided(policy.replaced(policy.document.model_copy(update={"tiers": tiers})))
        idle = np.array_equal(without.tier, ours.tier) and np.array_equal(without.review, ours.review)
        assert (("tier_never_holds", place) in told) == (not holds)
        assert (("tier_shadowed", place) in told) == (holds and idle)
        assert (("tier_always_lowered", place) in told) == (holds and not idle and not (ours.tier == code).any())
    for i, context in enumerate(policy.contexts):
        rest = (*policy.contexts[:i], *policy.contexts[i + 1 :])
        without = decided(policy.replaced(policy.document.model_copy(update={"contexts": rest})))
        idle = np.array_equal(without.tier, ours.tier) and np.array_equal(without.review, ours.review)
        assert (("exception_idle", f"contexts.{context.id}") in told) == idle


def changed(policy: Policy, rng: random.Random) -> Policy:
    """The policy with one rule changed that is about items."""
    every = [
        mutant.document
        for mutant in mutants(policy.document)
        if mutant.label.startswith(("contexts", "tiers")) and "does not do" not in mutant.label
    ]
    kept = [document for document in every if [tier.id for tier in document.tiers] == [t.id for t in policy.tiers]]
    return policy.replaced(rng.choice(kept)) if kept else policy


def compare_random_policies(seed: int, n: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    for _ in range(n):
        policy = random_policy(rng)
        assert_agrees_with_trying_every_item(policy, changed(policy, rng))


def test_proofs_agree_with_trying_every_item_of_random_policies() -> None:
    compare_random_policies(1, 60)


@pytest.mark.slow
def test_proofs_agree_with_trying_every_item_of_two_thousand_random_policies() -> None:
    compare_random_policies(2, 2000)


# --- remarks

HEAD = """
policy: sample
version: 2024.1.0
kind: platform
effective: {from: 2024-01-01}
source: {title: House rules, clause: no threats, url: https://example.org/rules, date: 2024-01-01}
clauses: {R.1: no threats, R.2: no spam}
languages: {tested: [en], undetermined: score}
categories:
  violent_threat: {review: 0.3, act: 0.8, clause: R.1}
  incitement: {review: 0.8, act: 0.8, clause: R.1}
actions: {remove: {scope: item, says: we remove it}, warn: {scope: account, says: we warn}}
tiers:
  - {id: never, when: {all: [{act: violent_threat}, {signal: specific}, {not: {signal: specific}}]}, do: [remove]}
  - {id: violation, when: {act: [violent_threat, incitement]}, do: [remove]}
  - {id: shadowed, when: {all: [{act: violent_threat}, {signal: severe}]}, do: [remove]}
contexts:
  - {id: idle, when: {meta: board, in: [games], if_missing: false}, lowers: {violation: review}}
  - id: board
    when: {meta: board, in: [games, chess], if_missing: false}
    lowers: {violation: review, shadowed: review}
"""


def test_every_kind_of_vain_rule_is_told_with_an_item() -> None:
    told = {(one.warning, one.place): one for one in remarks(Policy.parse(HEAD))}
    assert set(told) == {
        ("tier_never_holds", "tiers.never"),
        ("tier_shadowed", "tiers.shadowed"),
        ("exception_idle", "contexts.idle"),
        ("no_review_band", "categories.incitement"),
        ("field_undeclared", "facts.board"),
        ("clause_unused", "clauses.R.2"),
        ("action_unused", "actions.warn"),
    }
    assert "severe: true" in told["tier_shadowed", "tiers.shadowed"].example


def silent(*names: str) -> Any:
    """A bundle whose model never says some signals."""
    bands = {name: SignalBand(0.1, 1.5 if name in names else 0.6) for name in INFO.signals}
    return replace(INFO, signal_bands=bands)


def test_what_the_model_cannot_reach_is_told_with_the_signal_to_blame() -> None:
    info = silent("specific", "joking")
    assert states_of(info)["specific"] == (Truth.FALSE, Truth.UNKNOWN)
    told = {(one.warning, one.place): one for one in remarks(Policy.load("hosting-provider"), info)}
    emergency = told["tier_out_of_reach", "tiers.emergency"]
    assert emergency.message == "emergency is out of reach of the model fake, which never says specific"
    assert "specific: true" in emergency.example
    assert ("exception_out_of_reach", "contexts.hyperbole") in told
    assert ("tier_out_of_reach", "tiers.violation") not in told


def test_argued_warning_carries_its_reason_and_one_in_vain_is_told() -> None:
    argued = (
        "argued:\n"
        "  - {warning: clause_unused, at: clauses.R.2, reason: people enforce it}\n"
        "  - {warning: tier_shadowed, at: tiers.violation, reason: it is not}\n"
    )
    told = {(one.warning, one.place): one.reason for one in remarks(Policy.parse(HEAD + argued))}
    assert told["clause_unused", "clauses.R.2"] == "people enforce it"
    assert ("argued_in_vain", "tiers.violation") in told


@pytest.mark.parametrize("name", shipped_names())
def test_no_pack_asks_for_what_no_item_can_reach(name: str) -> None:
    unproved = {"tier_never_holds", "tier_shadowed", "tier_always_lowered", "exception_idle"}
    assert [one for one in remarks(Policy.load(name)) if one.warning in unproved] == []


def test_every_warning_has_its_meaning_in_the_docs() -> None:
    from pathlib import Path

    page = (Path(__file__).resolve().parents[1] / "docs" / "policy-format.md").read_text(encoding="utf-8")
    assert [name for name in WARNINGS if f"`{name}`" not in page] == []


# --- claims


def test_a_stricter_version_is_proved_never_milder_and_the_other_way_refuted() -> None:
    old = Policy.parse(HEAD)
    new = Policy.parse(HEAD.replace("act: 0.8, clause: R.1}\n  incitement", "act: 0.7, clause: R.1}\n  incitement"))
    claims = proofs(old, new, stand_in(old))
    assert [claim.is_proved for claim in claims] == [True, False, False]
    assert "violent_threat: 0.7" in claims[1].example


def test_a_refactored_policy_is_proved_equal() -> None:
    turned = HEAD.replace("{act: [violent_threat, incitement]}", "{any: [{act: incitement}, {act: violent_threat}]}")
    old, new = Policy.parse(HEAD), Policy.parse(turned)
    assert old.sha256 != new.sha256
    assert all(claim.is_proved for claim in proofs(old, new, stand_in(old)))


def test_tiers_that_exclude_each_other_are_proved_so() -> None:
    text = HEAD.replace("{not: {signal: specific}}]}", "{signal: joking}]}").replace(
        "{act: [violent_threat, incitement]}", "{all: [{act: [violent_threat, incitement]}, {not: {signal: joking}}]}"
    )
    claims = {claim.claim: claim for claim in proofs(Policy.parse(text), None, stand_in(Policy.parse(text)))}
    assert claims["never and violation never hold together"].is_proved
    assert "is both" in claims["violation and shadowed never hold together"].example


def test_survivor_without_a_telling_item_counts_for_nothing() -> None:
    """A mutant that decides every item alike is proved equal, not merely never told apart by chance."""
    policy = Policy.load("social-platform")
    prepared = prepare(policy, None, None)
    usual = [result.passed for result in run_prepared(policy, prepared)]
    for mutant in itertools.islice(mutants(policy.document), 0, None, 9):
        other = policy.replaced(mutant.document)
        if mutant.of_items and difference(policy, other, prepared.info) is None:
            assert [result.passed for result in run_prepared(other, prepared)] == usual
