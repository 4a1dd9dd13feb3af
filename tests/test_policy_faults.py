"""Every fault of a policy file is found, at its line, in one sentence; the rendered texts are kept as snapshots.

``UPDATE_SNAPSHOTS=1 pytest tests/test_policy_faults.py`` writes them anew, to be read before they are committed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tsclassify.errors import PolicyError
from tsclassify.policy import Fault, Policy
from work import n_calls

SNAPSHOTS = Path(__file__).parent / "snapshots" / "policy"
BASE = (SNAPSHOTS / "base.yaml").read_text(encoding="utf-8")

# name: (what stands in the base policy, what it becomes)
FAULTS = {
    "action_unknown": ("do: [remove, suspend]", "do: [remove, suspnd]"),
    "anchor": ("rollout: {mode: shadow}", "rollout: &a {mode: shadow}"),
    "alias": ("rollout: {mode: shadow}", "rollout: *a"),
    "category_of_tier_unknown": ("when: {any: [{act: violent_threat}", "when: {any: [{act: violent_thread}"),
    "category_unknown": ("  glorification: {review", "  glorificaton: {review"),
    "category_not_asked": ("act: null, clause: R.2", "act: 0.9, clause: R.2"),
    "clause_unknown": ("act: null, clause: R.2", "act: null, clause: R.3"),
    "condition_asks_nothing": ("{signal: specific}", "{sginal: specific}"),
    "condition_asks_two_things": ("{signal: specific}", "{signal: specific, act: incitement}"),
    "condition_empty": ("{signal: specific}", "{}"),
    "condition_not_a_mapping": ("    unless: {signal: imminent}", "    unless: imminent"),
    "condition_list_empty": ("{any: [{signal: reported}, {meta: surface, in: [news]}]}", "{any: []}"),
    "condition_score_in_exception": ("{any: [{signal: reported},", "{any: [{act: incitement},"),
    "condition_score_under_not": ("{all: [{act: [violent_threat, incitement]}, {signal: specific}]}",
                                  "{all: [{act: incitement}, {not: {act: violent_threat}}]}"),
    "condition_same_as_above": ("when: {any: [{act: violent_threat}, {act: incitement}]}",
                                "when: {all: [{act: [violent_threat, incitement]}, {signal: specific}]}"),
    "context_of_test_unknown": ("contexts: {reported: 'false'}", "contexts: {reportd: 'false'}"),
    "context_result_not_milder": ("lowers: {violation: review,", "lowers: {violation: severe,"),
    "context_result_unknown": ("lowers: {violation: review,", "lowers: {violation: reviw,"),
    "context_tier_unknown": ("floor: {severe: review}", "floor: {sever: review}"),
    "count_zero": ("{count: violation, at_least: 2}", "{count: violation, at_least: 0}"),
    "date": ("effective: {from: 2024-01-01,", "effective: {from: 2024-13-01,"),
    "date_before": ("until: 2024-12-31", "until: 2023-12-31"),
    "duration": ("within: 1h", "within: 1 hour"),
    "expect_empty": ("expect: {step: warn}", "expect: {}"),
    "expect_item_missing": ("expect: {step: warn}", "expect: {step: warn, tier: violation}"),
    "event_without_what": ("{ago: 5d, tier: violation}", "{ago: 5d}"),
    "fallback_of_review": ("{recall: 0.9}", "{recall: 0.9, else: review_only}"),
    "fallback_word": ("else: review_only", "else: reviewonly"),
    "finding_word": ("{finding: not_effective}", "{finding: ineffective}"),
    "guard_share": ("max_share_of_items: 0.05", "max_share_of_items: 1.5"),
    "indicator_unknown": ("not_effective: {indicator: missing_controls}", "not_effective: {indicator: slow_response}"),
    "key_duplicate": ("rollout: {mode: shadow}", "rollout: {mode: shadow}\nkind: platform"),
    "key_missing": ("policy: sample\n", ""),
    "key_missing_inside": ("{more_than: 0.01}", "{}"),
    "key_misspelt": ("appeals:", "apeals:"),
    "key_misspelt_inside": ("cure: 24h", "cures: 24h"),
    "key_not_a_string": ("  R.2: no praise of violence", "  R.2: no praise of violence\n  3: no spam"),
    "key_unlike_any": ("appeals: {open_for: 30d}", "appeals: {open_for: 30d, wibble: 1}"),
    "kind": ("kind: platform\n", "kind: plattform\n"),
    "merge_key": ("guards: {max_share_of_items: 0.05}", "guards: {<<: {max_share_of_items: 0.05}}"),
    "name": ("policy: sample", "policy: 9 lives"),
    "number_as_text": ("act: 0.80, clause: R.1", "act: '0.80', clause: R.1"),
    "number_nan": ("act: 0.80, clause: R.1", "act: .nan, clause: R.1"),
    "operating_point_both": ("{recall: 0.9}", "{recall: 0.9, precision: 0.5}"),
    "operating_point_neither": ("{recall: 0.9}", "{else: best}"),
    "operating_point_null": ("{recall: 0.9}", "{precision: null, recall: null}"),
    "review_above_act": ("{review: 0.30, act: 0.80,", "{review: 0.90, act: 0.80,"),
    "scope_of_kind": ("{scope: account, says: we suspend", "{scope: tenant, says: we suspend"),
    "score_of_test": ("scores: {violent_threat: act}", "scores: {violent_threat: acts}"),
    "score_over_one": ("{review: 0.30, act: 0.80,", "{review: 0.30, act: 80,"),
    "second_document": ("rollout: {mode: shadow}", "rollout: {mode: shadow}\n---\na: 1"),
    "signal_unknown": ("{signal: specific}", "{signal: specfic}"),
    "step_later": ("{taken: warn}", "{taken: ban}"),
    "step_of_test_unknown": ("expect: {step: warn}", "expect: {step: warning}"),
    "syntax": ("languages: {tested: [en],", "languages: {tested: [en,"),
    "tab": ("  title: House rules", "\ttitle: House rules"),
    "tag": ("rollout: {mode: shadow}", "rollout: !!python/object:os.system {mode: shadow}"),
    "test_name_twice": ("name: two violations call for a warning", "name: a threat is a violation"),
    "test_without_anything": ("    item: {scores: {violent_threat: act}, surface: wall}\n"
    "    expect: {tier: violation, contexts: {reported: 'false'}}",
                              "    expect: {step: none}"),
    "test_key_misspelt": ("surface: wall}", "signal: {reported: true}}"),
    "tier_id_reserved": ("  - id: severe\n", "  - id: review\n"),
    "tier_id_twice": ("  - id: severe\n", "  - id: violation\n"),
    "tier_never": ("when: {any: [{act: violent_threat}, {act: incitement}]}", "when: {any: [{act: glorification}]}"),
    "tier_without_category": ("when: {any: [{act: violent_threat}, {act: incitement}]}",
                              "when: {any: [{act: [violent_threat, incitement]}, {signal: imminent}]}"),
    "tier_of_count_unknown": ("{count: violation, at_least: 2}", "{count: violatoin, at_least: 2}"),
    "url": ("url: https://example.org/rules", "url: example.org/rules"),
    "version": ("version: 2024.1.0", "version: 2024.1"),
    "word_of_two": ("otherwise: review,", "otherwise: no,"),
}  # fmt: skip

# One slip that makes several faults by its nature: a tier that is renamed leaves those that name it behind.
SEVERAL = {"tier_id_reserved": 3, "tier_id_twice": 2}
# A missing key is told at the mapping that lacks it, a repeated one where it is repeated, an unclosed bracket where
# the reader noticed.
ELSEWHERE = {
    "key_missing", "syntax", "second_document", "key_duplicate", "key_not_a_string", "test_without_anything",
    "tier_id_twice",
}  # fmt: skip


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text, place="sample.yaml")
    return caught.value.faults


def broken(name: str) -> str:
    old, new = FAULTS[name]
    assert BASE.count(old) >= 1, f"{old!r} is no longer in the base policy"
    return BASE.replace(old, new, 1)


def test_the_base_policy_has_no_fault() -> None:
    assert Policy.parse(BASE).name == "sample"


def test_at_least_forty_faults_are_pinned() -> None:
    assert len(FAULTS) >= 40


@pytest.mark.parametrize("name", FAULTS)
def test_rendered_fault_is_the_snapshot(name: str) -> None:
    faults = faults_of(broken(name))
    rendered = "\n".join(str(fault) for fault in faults) + "\n"
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(rendered, encoding="utf-8")
    assert rendered == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FAULTS)
def test_fault_lies_on_the_line_that_was_broken(name: str) -> None:
    text = broken(name)
    changed = [i for i, (a, b) in enumerate(zip(BASE.splitlines(), text.splitlines(), strict=False), 1) if a != b]
    faults = faults_of(text)
    lines = {fault.line for fault in faults}
    if name not in ELSEWHERE:
        assert lines & set(changed[:2]), (lines, changed)
    assert len(faults) == SEVERAL.get(name, 1)


def test_snapshots_and_faults_are_the_same_set() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_messages_keep_to_the_house_form(name: str) -> None:
    for fault in faults_of(broken(name)):
        assert re.match(r"[a-z{]", fault.message), fault.message
        assert not fault.message.endswith(".")
        assert ", got " in fault.message or "must not" in fault.message or "would soften" in fault.message
        assert fault.file == "sample.yaml"


def test_ten_planted_faults_are_told_as_ten_at_their_lines() -> None:
    planted = ["duration", "kind", "signal_unknown", "guard_share", "clause_unknown", "key_misspelt_inside",
               "review_above_act", "url", "fallback_word", "step_of_test_unknown"]  # fmt: skip
    text = BASE
    for name in planted:
        old, new = FAULTS[name]
        assert old in text
        text = text.replace(old, new, 1)
    expected = {i for i, (a, b) in enumerate(zip(BASE.splitlines(), text.splitlines(), strict=True), 1) if a != b}
    faults = faults_of(text)
    assert len(faults) == 10
    assert {fault.line for fault in faults} == expected


def test_faults_come_in_file_order() -> None:
    text = BASE.replace("within: 1h", "within: soon").replace("kind: platform\n", "kind: x\n")
    faults = faults_of(text)
    assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)


def test_misspelt_section_is_one_fault_not_one_for_each_name_in_it() -> None:
    assert len(faults_of(BASE.replace("\nactions:", "\nactons:"))) == 1
    assert len(faults_of(BASE.replace("\ncategories:", "\ncategoris:"))) == 1


def test_error_lists_all_faults_in_its_text() -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(
            BASE.replace("within: 1h", "within: soon").replace("kind: platform\n", "kind: x\n"), place="p.yaml"
        )
    assert str(caught.value).count("p.yaml:") == 2


def test_misspelt_keys_cost_no_new_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    from tsclassify.policy import translate

    made: list[int] = []
    real = translate.Document.model_json_schema
    monkeypatch.setattr(translate.Document, "model_json_schema", lambda: made.append(1) or real())
    translate._schema.cache_clear()
    for _ in range(3):
        with pytest.raises(PolicyError, match="key must be one that the language has"):
            Policy.parse("policy: zorp\nzorp: 1\nblick: 2\n")
    assert made == [1]


def test_a_finding_needs_a_platform_review_that_is_not_null() -> None:
    text = re.sub(r"^platform_review:\n(  .*\n)+", "platform_review: null\n", BASE, flags=re.MULTILINE)
    text = text.replace(", {indicator: high_rate}", "")
    assert "platform_review: null" in text
    (fault,) = faults_of(text)
    assert fault.message == "finding must come from a platform review, got a policy without one"


def test_a_measure_that_is_null_is_one_left_out() -> None:
    text = BASE.replace("{recall: 0.9}", "{recall: 0.9, precision: null}")
    asked = Policy.parse(text).categories["incitement"].review
    assert (asked.recall, asked.precision) == (0.9, None)


def many(n: int, line: str) -> str:
    return "".join(line.format(k) for k in range(n))


def test_unknown_names_take_work_in_proportion_and_are_told_up_to_a_thousand() -> None:
    """Each was compared with every known name, which took a quarter of an hour for half a megabyte."""

    def unknown(n: int) -> str:
        tiers = many(
            n,
            "  - {{id: t{0}, when: {{all: [{{act: incitement}}, {{meta: m, in: [{0}]}}]}}, do: [akt_{0}, ack_{0}]}}\n",
        )
        text = BASE.replace("tiers:\n", f"tiers:\n{tiers}")
        return text.replace("actions:\n", "actions:\n" + many(n, "  act_{0}: {{scope: item, says: x}}\n"))

    faults = faults_of(unknown(900))
    assert n_calls(lambda: faults_of(unknown(900))) < 3 * n_calls(lambda: faults_of(unknown(300)))
    assert len(faults) == 1001
    assert faults[-1].message == "file must have at most 1,000 faults, got more"
    assert sum("did you mean" in fault.hint for fault in faults) == 50


def test_a_crowded_list_or_mapping_is_refused() -> None:
    clauses = many(1001, "  C.{0}: x\n")
    (fault,) = faults_of(BASE.replace("clauses:\n", f"clauses:\n{clauses}"))
    assert fault.message == "a list or a mapping must have at most 1,000 entries, got more"
    actions = ", ".join(["remove"] * 1000)
    Policy.parse(BASE.replace("do: [remove, suspend]", f"do: [{actions}]"))
    actions += ", remove"
    (fault,) = faults_of(BASE.replace("do: [remove, suspend]", f"do: [{actions}]"))
    assert fault.message == "a list or a mapping must have at most 1,000 entries, got more"


def test_a_fault_shows_nothing_that_a_terminal_would_obey() -> None:
    for hostile in ("\x1b[2J", "\u202e", "\u2066", "\x9b"):
        text = BASE.replace("kind: platform", f'"zorp\\u{ord(hostile[0]):04x}": 1 # {hostile}\nkind: platform')
        with pytest.raises(PolicyError) as caught:
            Policy.parse(text)
        assert not set(hostile[0]) & set(str(caught.value))
        assert hostile[0] not in str(caught.value.faults[0])
