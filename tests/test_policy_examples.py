"""The example policies in ``examples/``: no faults, every case passes, no mutant survives, and claims hold."""

from __future__ import annotations

from pathlib import Path

import pytest

import tsclassify as ts
from tsclassify.policy import Policy
from tsclassify.policy.analysis import proofs, remarks
from tsclassify.policy.cases import run_cases, stand_in
from tsclassify.policy.mutants import survivors

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_example_passes_its_cases_and_leaves_no_mutant(path: Path) -> None:
    policy = Policy.load(path)
    assert [
        result.name for result in run_cases(policy, classifier=ts.load()) if result.state in ("fail", "promote")
    ] == []
    alive, total = survivors(policy)
    assert [mutant.label for mutant in alive] == []
    assert total > 50


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_example_asks_nothing_in_vain(path: Path) -> None:
    assert remarks(Policy.load(path)) == []


def test_examples_read_every_kind_of_field() -> None:
    kinds = {fact.type for path in FILES for fact in Policy.load(path).document.facts.values()}
    assert kinds == {"string", "bool", "number", "time", "score"}


def test_youth_section_is_proved_never_milder_than_the_forum() -> None:
    forum, young = Policy.load(EXAMPLES / "forum.yaml"), Policy.load(EXAMPLES / "forum-young.yaml")
    never_milder, *others = proofs(forum, young, stand_in(forum, young))
    assert never_milder.is_proved
    assert not any(proof.is_proved for proof in others)


def test_post_is_decided_by_the_fields_that_come_with_it() -> None:
    clf, policy = ts.load(), Policy.load(EXAMPLES / "public-platform.yaml")
    post = {"text": "we are at the harbour", "image_violence": 0.97}
    assert clf.decide(post, policy).tier == "depiction"
    assert clf.decide({**post, "ruling": "allowed"}, policy).tier == "none"
    with pytest.raises(ts.InputError, match="ruling must be one of violates, allowed"):
        clf.decide({**post, "ruling": "allow"}, policy)
