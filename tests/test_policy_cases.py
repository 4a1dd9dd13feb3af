"""Cases through the model, todo, coverage, the baseline, and what ``policy test`` writes into a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policy_fakes import INFO
from tsclassify.cli import main
from tsclassify.errors import InputError, PolicyError
from tsclassify.policy import ItemColumns, Policy, shipped_names
from tsclassify.policy.baseline import innocent_posts, measure_tiers, run_baseline
from tsclassify.policy.cases import run_cases
from tsclassify.policy.coverage import coverage
from tsclassify.policy.rewrite import with_known_hits, with_measured, with_todos
from tsclassify.records import Truth
from tsclassify.taxonomy import CATEGORIES, SIGNALS

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
tiers:
  - {id: grave, when: {all: [{act: violent_threat}, {signal: severe}]}, do: [remove]}
  - id: violation
    when: {act: violent_threat}
    do: [remove]
contexts:
  - {id: play, when: {signal: fictional}, lowers: {violation: none}}
actions: {remove: {scope: item, says: we remove it}}
"""


class Reader:
    """A model that reads ``zorp`` as a threat, and as a severe one with ``blick``."""

    info = INFO

    def item_columns(self, items: Any, policy: Policy) -> ItemColumns:
        n = len(items)
        scores = np.zeros((n, len(CATEGORIES)), dtype=np.float32)
        signals = {name: np.zeros(n, dtype=np.int8) for name in SIGNALS}
        for row, item in enumerate(items):
            scores[row, 0] = 0.9 if "zorp" in item["text"] else 0.5 if "maybe" in item["text"] else 0.0
            signals["severe"][row] = 2 if "blick" in item["text"] else 0
            for name, state in item.get("signals", {}).items():
                signals[name][row] = Truth.of(state)
        return ItemColumns(
            CATEGORIES, scores, signals, np.full(n, 2, dtype=np.int8), ids=[str(row) for row in range(n)]
        )


def policy_with(tests: str) -> Policy:
    return Policy.parse(HEAD + "tests:\n" + tests)


def states(tests: str) -> dict[str, str]:
    return {result.name: result.state for result in run_cases(policy_with(tests), classifier=Reader())}


def test_text_goes_through_the_model_unless_the_test_says_given() -> None:
    found = run_cases(
        policy_with(
            "  - {name: read, item: {text: zorp}, expect: {tier: violation}}\n"
            "  - name: stated\n    item: {text: a river}\n    given: {scores: {violent_threat: act}}\n"
            "    expect: {tier: violation}\n"
            "  - {name: bare, given: {scores: {violent_threat: act}, signals: {severe: true}}, expect: {tier: grave}}\n"
            "  - {name: own, item: {text: zorp, signals: {severe: true}}, expect: {tier: grave}}\n"
        ),
        classifier=Reader(),
    )
    assert [(result.by, result.state) for result in found] == [
        ("model", "pass"), ("scores", "pass"), ("scores", "pass"), ("model", "pass"),
    ]  # fmt: skip


def test_todo_that_fails_is_listed_and_one_that_passes_fails_the_run() -> None:
    assert states(
        "  - {name: wrong, item: {text: river}, expect: {tier: violation}}\n"
        "  - {name: known, todo: unknown word, item: {text: river}, expect: {tier: violation}}\n"
        "  - {name: learned, todo: unknown word, item: {text: zorp}, expect: {tier: violation}}\n"
    ) == {"wrong": "fail", "known": "todo", "learned": "promote"}


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("item: {text: zorp, scores: {violent_threat: act}}", "scores must not stand beside a text"),
        ("todo: x, item: {scores: {violent_threat: act}}", "todo must stand in a test whose text goes through"),
        ("item: {scores: {}}, given: {scores: {}}", "scores must stand in given alone"),
        ("given: {scores: {hate: act}}", "category must be one of violent_threat"),
        ("given: {signals: {sever: true}}", "signal must be one of"),
    ],
)
def test_fault_of_a_test_is_told(test: str, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        policy_with(f"  - {{name: x, {test}, expect: {{tier: violation}}}}\n")


def test_coverage_counts_tiers_exceptions_and_actions_by_source() -> None:
    tests = (
        "  - {name: read, item: {text: zorp}, expect: {tier: violation}}\n"
        "  - {name: clean, item: {text: river}, expect: {tier: none}}\n"
        "  - {name: stated, given: {scores: {violent_threat: act}, signals: {fictional: true}}, expect: {tier: none}}\n"
    )
    policy = policy_with(tests)
    covered = coverage(policy, run_cases(policy, classifier=Reader()))
    assert covered.tiers == {"grave": (0, 0), "violation": (0, 1)}
    assert covered.contexts == {"play": (1, 0)}
    assert covered.actions == {"remove": (0, 1)}
    assert covered.one_sided == ("grave",)
    assert covered.untouched() == ["tiers.grave: no text through the model", "tiers.grave: no case"]


@pytest.mark.parametrize("name", shipped_names())
def test_every_tier_of_a_pack_has_a_text_and_cases_of_both_sides(name: str) -> None:
    policy = Policy.load(name)
    expected = {case.expect.tier for case in policy.tests if case.stated is None and case.item is not None}
    assert [tier.id for tier in policy.tiers if tier.id not in expected] == []
    assert coverage(policy, run_cases(policy)).one_sided == ()


# --- baseline and labelled rows

POSTS = [("garden", "a river"), ("game", "zorp the boss"), ("talk", "maybe later")]


def test_innocent_post_that_is_acted_on_is_new_until_it_is_listed() -> None:
    found = run_baseline(Policy.parse(HEAD), Reader(), POSTS)
    assert [(hit.kind, hit.tier, hit.acts) for hit in found.hits] == [
        ("game", "violation", True),
        ("talk", "review", False),
    ]
    assert [hit.text for hit in found.new] == ["zorp the boss"]
    assert round(found.per_10k("violation")) == 3333
    listed = "known_hits:\n  - {text: zorp the boss, reason: a boss of that name}\n  - {text: a river, reason: none}\n"
    found = run_baseline(Policy.parse(HEAD + listed), Reader(), POSTS)
    assert (found.new, found.stale) == ((), ("a river",))


def test_shipped_baseline_has_innocent_posts_of_many_kinds() -> None:
    posts = innocent_posts()
    assert len(posts) >= 600
    assert len({kind for kind, _ in posts}) >= 30


def test_baseline_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("kind\ttext\na\tb\n")
    with pytest.raises(InputError, match="must have columns kind, expected and text"):
        innocent_posts(tmp_path / "x.tsv")


def rows_file(tmp_path: Path) -> Path:
    rows = [{"text": "zorp", "gold": ["violent_threat"]}] * 3 + [{"text": "zorp", "gold": []}] * 7
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_tier_that_states_more_than_the_rows_show_breaks_its_word(tmp_path: Path) -> None:
    for stated, keeps in ((0.5, True), (0.9, False)):
        text = HEAD.replace(
            "    do: [remove]\n", f"    do: [remove]\n    measured: {{precision: {stated}, on: a day}}\n"
        )
        grave, violation = measure_tiers(Policy.parse(text), Reader(), rows_file(tmp_path))
        assert (grave.n_items, grave.precision) == (0, None)
        assert (violation.n_items, violation.precision, violation.recall) == (10, 0.3, 1.0)
        assert violation.keeps_word is keeps


# --- writing


def test_todos_are_set_and_taken_away_and_nothing_else_changes() -> None:
    text = HEAD + (
        "tests:  # cases\n"
        "  - {name: one, item: {text: river}, expect: {tier: violation}}  # a comment\n"
        "  - {name: two, todo: old, item: {text: zorp}, expect: {tier: violation}}\n"
        "  - name: three\n    todo: old\n    item: {text: zorp}\n    expect: {tier: violation}\n"
        "  - name: four\n    item: {text: river}\n    expect: {tier: violation}\n"
    )
    made = with_todos(text, {"one": "fake says none: no", "two": None, "three": None, "four": "fake says none"})
    assert made == HEAD + (
        "tests:  # cases\n"
        '  - {name: one, todo: "fake says none: no", item: {text: river}, expect: {tier: violation}}  # a comment\n'
        "  - {name: two, item: {text: zorp}, expect: {tier: violation}}\n"
        "  - name: three\n    item: {text: zorp}\n    expect: {tier: violation}\n"
        "  - name: four\n    todo: fake says none\n    item: {text: river}\n    expect: {tier: violation}\n"
    )
    assert with_todos(made, {"one": None, "two": "old", "four": None}) == text.replace("    todo: old\n", "")


def test_known_hits_are_replaced_and_taken_away() -> None:
    hits = [('a "quoted" post: #1\nnext', "fake takes it for violation"), ("no", "a word")]
    made = with_known_hits(HEAD, hits)
    assert [(hit.text, hit.reason) for hit in Policy.parse(made).document.known_hits] == hits
    assert with_known_hits(made, []).strip() == HEAD.strip()
    tests = "\ntests:\n  - {name: x, item: {text: zorp}, expect: {tier: violation}}\n"
    again = with_known_hits(made + tests, hits[:1])
    assert len(Policy.parse(again).document.known_hits) == 1
    assert again.endswith(tests[1:])


def test_figures_are_written_into_tiers_of_either_style() -> None:
    figures: dict[str, dict[str, float | str]] = {
        "grave": {"precision": 0.5, "on": "a day: some rows"},
        "violation": {"precision": 0.25, "per_10k": 3.0, "on": "a day"},
    }
    once = with_measured(HEAD, figures)
    policy = Policy.parse(once)
    assert [tier.measured.precision for tier in policy.tiers if tier.measured] == [0.5, 0.25]
    assert with_measured(once, figures) == once


def test_command_updates_a_file_until_it_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tsclassify.cli.policy

    monkeypatch.setattr(tsclassify.cli.policy, "_classifier", lambda bundle: Reader())
    suite = tmp_path / "suite.tsv"
    suite.write_text("kind\texpected\ttext\ngame\tnone\tzorp the boss\nplain\tacts\tzorp\n")
    path = tmp_path / "p.yaml"
    path.write_text(
        HEAD + "tests:\n"
        "  - {name: learned, todo: old, item: {text: zorp}, expect: {tier: violation}}\n"
        "  - {name: wrong, item: {text: river}, expect: {tier: violation}}\n"
        "  - {name: clean, item: {text: river}, expect: {tier: none}}\n"
        "  - {name: grave, item: {text: zorp blick}, expect: {tier: grave}}\n"
    )
    argv = ["policy", "test", str(path), "--no-mutation", "--baseline", str(suite)]
    assert main(argv) == 3
    told = capsys.readouterr()
    assert "1 failed and 0 surviving, 1 todo that pass, 1 new on the baseline" in " ".join(told.err.split())
    assert "PASSES, and says todo: learned" in told.out
    assert main([*argv, "--update-todo"]) == 0
    capsys.readouterr()
    assert main(argv) == 0
    told = capsys.readouterr()
    assert "todo: wrong: tier must be violation, got none (fake says none)" in told.out
    assert "3 of 4 cases pass, 1 todo; 2 of 2 tiers reached through the model" in told.out
    assert "it acts on 1 (1 known)" in told.out
