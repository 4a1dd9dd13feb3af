"""Reading policies: strict scalars, hostile files, versions by date, shipped packs."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tsclassify.errors import PolicyError
from tsclassify.policy import Policy, shipped_names
from tsclassify.policy.strict_yaml import MAX_BYTES, parse
from tsclassify.resources import shipped
from work import n_calls

BASE = (Path(__file__).parent / "snapshots" / "policy" / "base.yaml").read_text(encoding="utf-8")


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = (
        "a: no\nb: 12:30\nc: yes\nd: 0o17\ne: 0x1F\nf: 1e3\ng: ~\nh: on\ni: 2021-01-10\nj: 1_000\nk: .5\nl: -.inf\n"
        "m: true\nn: '1'\no: |\n  1\np: 017\nq: +3\nr: null\ns: 1.\n"
    )
    assert parse(text.encode()).data == {
        "a": "no", "b": "12:30", "c": "yes", "d": 15, "e": 31, "f": 1000.0, "g": None, "h": "on", "i": "2021-01-10",
        "j": "1_000", "k": 0.5, "l": float("-inf"), "m": True, "n": "1", "o": "1\n", "p": 17, "q": 3, "r": None,
        "s": 1.0,
    }  # fmt: skip


def test_marks_point_at_keys_and_values() -> None:
    tree = parse(b"a:\n  - {b: 1, c: [2, 3]}\n")
    assert tree.keys["a", 0, "c"] == (2, 12)
    assert tree.values["a", 0, "c", 1] == (2, 19)


HOSTILE = {
    "billion_laughs": "\n".join(
        ["a: &a [x, x, x, x, x, x, x, x, x]"]
        + [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    ).encode(),
    "ten_megabytes": BASE.encode() + b"# padding\n" * 1_048_576,
    "deep_lists": b"a: " + b"[" * 100_000,
    "deep_mappings": "".join(f"{' ' * i}a:\n" for i in range(2_000)).encode(),
    "many_values": b"a: [" + b"1," * 100_000 + b"1]",
    "not_utf_8": b"policy: \xff\xfe",
    "nul": b"policy: a\x00b",
    "tabs": b"policy:\n\tname: x",
    "keys_not_strings": b"{1: a, true: b, null: c, [x]: d}",
    "mapping_as_key": b"{{a: 1}: 2}",
    "list_on_top": b"- a\n- b",
    "scalar_on_top": b"policy",
    "nothing": b"",
    "comment_only": b"# nothing here\n",
    "python_object": b"!!python/object/apply:os.system ['true']",
    "python_name": b"policy: !!python/name:os.system",
    "binary_tag": b"policy: !!binary aGk=",
    "merge": b"<<: {policy: x}",
    "two_documents": b"policy: a\n---\npolicy: b\n",
    "huge_number": b"version: " + b"9" * 10_000,
    "long_line": b"policy: " + b"x" * 200_000,
    "wrong_types": b"{policy: [1], version: {}, kind: 3, effective: soon, source: 1, clauses: [], languages: x, "
    b"categories: [1, 2], tiers: {a: b}, contexts: x, actions: [], ladder: 1, platform_review: [], tests: {}}",
    "wrong_types_inside": b"{tiers: [1, null, [], {id: [], when: [], do: {}}], "
    b"contexts: [{id: {}, lowers: [], floor: x}], "
    b"ladder: {steps: [1, {id: 1, when: cure_expired}]}, tests: [1, {item: 1, expect: [], history: x, given: 1}]}",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_with_little_work_and_plainly(name: str) -> None:
    def refuse() -> tuple[Any, ...]:
        with pytest.raises(PolicyError) as caught:
            Policy.parse(HOSTILE[name], place="hostile.yaml")
        return caught.value.faults

    faults = refuse()
    assert n_calls(refuse) < 50_000
    assert faults
    for fault in faults:
        assert "\n" not in fault.message
        assert len(fault.message) < 400


@pytest.mark.parametrize(
    "name",
    ["billion_laughs", "ten_megabytes", "deep_lists", "deep_mappings", "many_values", "not_utf_8", "nul", "tabs",
     "mapping_as_key", "nothing", "comment_only", "python_object", "python_name", "binary_tag", "two_documents"],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(name: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(HOSTILE[name])
    assert len(caught.value.faults) == 1


def test_file_of_more_than_the_limit_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"# x\n" * 5_000_000)
    with pytest.raises(PolicyError, match=f"at most {MAX_BYTES // 1024} KiB"):
        Policy.load(path)


def faults_or_none(text: str) -> int:
    """Number of faults; anything but a ``PolicyError`` is let through and fails the test."""
    try:
        Policy.parse(text)
    except PolicyError as error:
        return len(error.faults)
    return 0


@pytest.mark.parametrize("cut", range(0, len(BASE), 97))
def test_truncated_file_is_refused_or_still_a_policy(cut: int) -> None:
    # Cut late enough, what is left is a policy with fewer parts; before the tiers it never is.
    assert faults_or_none(BASE[:cut]) or "tiers:" in BASE[:cut]


def test_every_line_left_out_is_refused_or_still_a_policy() -> None:
    lines = BASE.splitlines(keepends=True)
    counts = [faults_or_none("".join(lines[:i] + lines[i + 1 :])) for i in range(len(lines))]
    assert sum(count > 0 for count in counts) > len(lines) / 2


def test_hash_is_that_of_the_file() -> None:
    path = shipped("seeds", "policies", "community.yaml")
    assert Policy.load("community").sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert Policy.load(path).sha256 == Policy.load("community").sha256


def test_version_in_force_is_chosen_by_date() -> None:
    assert Policy.load("hosting-provider").version == "2021.07.0"
    assert Policy.load("hosting-provider", as_of="2021-01-10").version == "2021.01.0"
    assert Policy.load("hosting-provider", as_of=dt.date(2021, 6, 30)).version == "2021.01.0"
    assert Policy.load("hosting-provider", as_of=dt.date(2021, 7, 1)).version == "2021.07.0"
    assert Policy.load("hosting-provider", as_of="2030-01-01T12:00:00Z").version == "2021.07.0"


def test_no_version_in_force_is_an_error() -> None:
    with pytest.raises(PolicyError, match="must be in force on 2010-01-01, got none of 'hosting-provider'"):
        Policy.load("hosting-provider", as_of="2010-01-01")
    with pytest.raises(PolicyError, match="as_of must be a date"):
        Policy.load("hosting-provider", as_of="someday")


def test_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.load("hosting-providr")
    assert caught.value.hint == "did you mean 'hosting-provider'?"


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="file must be readable"):
        Policy.load(tmp_path / "none.yaml")
    with pytest.raises(PolicyError, match=r"must hold \.yaml files"):
        Policy.load(tmp_path)


def test_folder_of_versions_is_loaded_like_a_pack(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE)
    (tmp_path / "b.yaml").write_text(
        BASE.replace("2024.1.0", "2025.1.0").replace("2024-01-01, until: 2024-12-31", "2025-01-01")
    )
    assert Policy.load(tmp_path).version == "2025.1.0"
    assert Policy.load(tmp_path, as_of="2024-05-05").version == "2024.1.0"


def test_shipped_packs_are_those_of_the_readme() -> None:
    assert shipped_names() == ("app-store", "community", "hosting-provider", "social-platform")


def test_policy_is_immutable() -> None:
    policy = Policy.load("community")
    with pytest.raises(AttributeError):
        policy.sha256 = "x"  # type: ignore[misc]
    with pytest.raises(Exception, match="frozen"):
        policy.tiers[0].id = "x"


def test_loading_a_pack_takes_work_in_proportion_to_its_length() -> None:
    data = shipped("seeds", "policies", "social-platform.yaml").read_bytes()
    Policy.parse(data)
    assert n_calls(lambda: Policy.parse(data)) < 10 * len(data)


@pytest.mark.parametrize("steering", ["\\x1b[2J", "\\u202e", "\\x9b", "\\0", "\\r", "\\u2066", "\\x7f"])
def test_text_that_would_steer_a_terminal_or_turn_a_page_is_refused(steering: str) -> None:
    for text in (f'policy: "zorp{steering}"', f'"zorp{steering}": 1', f'clauses: {{R.1: ["{steering}"]}}'):
        tree = parse(text.encode())
        assert [fault.message for fault in tree.faults] == ["text must hold no control or bidi characters, got one"]


def test_joiners_and_line_breaks_are_text() -> None:
    text = 'policy: "a\u200db\u200cc"\nsays: |\n  one\n  two\r\n'
    assert parse(text.encode()).faults == []


def test_a_pipe_among_the_versions_of_a_policy_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(PolicyError, match=r"folder must hold \.yaml files, got none"):
        Policy.load(tmp_path)
