"""Finding policies: what a record carries, locks, lists, and files that extend another."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

import tsclassify as ts
from tsclassify.cli import main
from tsclassify.errors import BundleError, PolicyError
from tsclassify.policy import Policy, as_policy
from tsclassify.policy.lock import LOCK_NAME, Lock, files_under
from tsclassify.policy.shelf import Reference, shipped_folder

BASE = (Path(__file__).parent / "snapshots" / "policy" / "base.yaml").read_text(encoding="utf-8")


# --- references


def test_policy_is_found_by_what_a_record_carries() -> None:
    old = Policy.load("hosting-provider", as_of="2021-01-10")
    label = f"hosting-provider@{old.version}@{old.sha256[:12]}"
    for text in (
        label,
        f"{label}…",
        f"{label}...",
        f"hosting-provider@{old.version}",
        f"hosting-provider@{old.version}@{old.sha256}",
    ):
        assert Policy.load(text).sha256 == old.sha256
    newest = Policy.load("hosting-provider")
    assert Policy.load(f"hosting-provider@{newest.sha256[:8]}").sha256 == newest.sha256


def test_every_version_and_hash_that_is_not_there_is_told() -> None:
    with pytest.raises(
        PolicyError, match=r"must have the version 2020\.1\.0 that is asked for, got only 2021\.01\.0, 2021"
    ):
        Policy.load("hosting-provider@2020.1.0")
    with pytest.raises(PolicyError, match=r"hosting-provider 2021\.07\.0 must have the hash 000000000000"):
        Policy.load("hosting-provider@2021.07.0@000000000000")


def test_file_is_found_by_path_and_hash_and_one_with_a_sign_in_its_name_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(BASE)
    sha256 = hashlib.sha256(BASE.encode()).hexdigest()
    assert Policy.load(f"{path}@2024.1.0@{sha256[:10]}").sha256 == sha256
    with pytest.raises(PolicyError, match="must have the hash"):
        Policy.load(f"{path}@2024.1.0@ffff")
    odd = tmp_path / "p@2024.1.0"
    odd.mkdir()
    (odd / "a.yaml").write_text(BASE)
    assert Policy.load(str(odd)).version == "2024.1.0"
    assert Reference.parse("a@b@c") == Reference("a@b@c")


def test_bundle_is_found_by_name_and_hash() -> None:
    sha256 = ts.load().info.sha256
    assert ts.load(f"en-v1@{sha256[:4]}").info.sha256 == sha256
    assert ts.load(f"en-v1@{sha256}").info.sha256 == sha256
    wrong = "0000" if not sha256.startswith("0000") else "1111"
    with pytest.raises(BundleError, match=f"en-v1 must have the hash '{wrong}'"):
        ts.load(f"en-v1@{wrong}")


def test_decision_is_replayed_from_what_its_record_names() -> None:
    clf = ts.load()
    item = {"text": "I will burn your house down", "signals": {"joking": False}}
    first = clf.decide(item, "hosting-provider")
    policy = f"{first.policy_name}@{first.policy_version}@{first.policy_sha256}"
    again = ts.load(f"{first.model_name}@{first.model_sha256}").decide(item, policy)
    assert again == first
    assert clf.decide_many([item], "hosting-provider") == [first]


def test_policy_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(BASE)
    first = as_policy(path)
    assert as_policy(path) is first
    path.write_text(BASE.replace("act: 0.80, clause: R.1", "act: 0.85, clause: R.1") + "\n")
    os.utime(path, ns=(1, 1))
    assert as_policy(str(path)).sha256 != first.sha256
    assert as_policy(first) is first
    with pytest.raises(PolicyError, match="must be a policy, a name or a path, got int"):
        as_policy(3)  # type: ignore[arg-type]


# --- locks


def run(*argv: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(["policy", *argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_every_shipped_pack_is_locked() -> None:
    folder = shipped_folder()
    lock = Lock.read(folder / LOCK_NAME)
    policies = [Policy.load(path) for path in files_under(folder)]
    assert [policy.name for policy in policies if lock.state(policy) != "locked"] == []


def test_change_without_a_new_version_fails_check_and_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sample" / "a.yaml"
    path.parent.mkdir()
    path.write_text(BASE)
    assert run("lock", str(tmp_path), capsys=capsys)[1].endswith("1 versions locked, 1 of them new\n")
    assert run("check", "--no-model", str(path), capsys=capsys)[0] == 0
    path.write_text(BASE.replace("act: 0.80, clause: R.1", "act: 0.85, clause: R.1"))
    status, _, err = run("check", "--no-model", str(path), capsys=capsys)
    assert status == 1
    assert "sample 2024.1.0 must have the hash" in err
    assert run("lock", str(tmp_path), capsys=capsys)[0] == 1
    assert run("lock", "--again", str(tmp_path), capsys=capsys)[0] == 0
    assert run("check", "--no-model", str(path), capsys=capsys)[0] == 0
    path.write_text(BASE.replace("act: 0.80, clause: R.1", "act: 0.86, clause: R.1"))
    path.write_text(path.read_text().replace("version: 2024.1.0", "version: 2024.1.1"))
    assert run("check", "--no-model", str(path), capsys=capsys)[0] == 0
    assert run("lock", str(tmp_path), capsys=capsys)[1].endswith("2 versions locked, 1 of them new\n")


def test_lock_with_a_broken_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("# head\nsample 1.0.0\n")
    with pytest.raises(PolicyError, match=r"policies\.lock:2: line must be a policy"):
        Lock.read(tmp_path / LOCK_NAME)


def test_list_names_versions_dates_and_locks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("list", "--as-of", "2021-01-10", "--json", capsys=capsys)
    rows: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(row["version"], row["in_force"]) for row in rows if row["policy"] == "hosting-provider"] == [
        ("2021.01.0", True),
        ("2021.07.0", False),
    ]
    assert {row["lock"] for row in rows} == {"locked"}
    assert all(Policy.load(row["reference"]).name == row["policy"] for row in rows)
    assert run("list", capsys=capsys)[1].splitlines()[0].split()[:3] == ["policy", "version", "kind"]


# --- extends

CHILD = """
extends: base.yaml
policy: stricter
version: 2024.2.0
categories:
  violent_threat: {act: 0.7}
tiers:
  - {id: middle, when: {all: [{act: violent_threat}, {signal: veiled}]}, do: [remove]}
  - {id: violation, within: 1h}
contexts:
  - {id: play, when: {signal: fictional}, lowers: {violation: review}}
tests:
  - {name: under the old threshold, item: {scores: {violent_threat: 0.75}}, expect: {tier: violation}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)
    return tmp_path


def test_file_that_extends_another_states_only_what_differs(folder: Path) -> None:
    base, child = Policy.load(folder / "base.yaml"), Policy.load(folder / "child.yaml")
    assert (child.name, child.version, child.kind) == ("stricter", "2024.2.0", base.kind)
    assert (child.categories["violent_threat"].review, child.categories["violent_threat"].act) == (0.3, 0.7)
    assert child.categories["incitement"] == base.categories["incitement"]
    ids = [tier.id for tier in base.tiers]
    at = ids.index("violation")
    assert [tier.id for tier in child.tiers] == [*ids[:at], "middle", *ids[at:]]
    violation = next(tier for tier in child.tiers if tier.id == "violation")
    assert (violation.when, violation.within.total_seconds()) == (base.tiers[at].when, 3600)  # type: ignore[union-attr]
    assert [context.id for context in child.contexts] == [*(context.id for context in base.contexts), "play"]
    assert len(child.tests) == len(base.tests) + 1


def test_hash_of_a_file_that_extends_another_hangs_on_both(folder: Path) -> None:
    first = Policy.load(folder / "child.yaml").sha256
    assert first != hashlib.sha256(CHILD.encode()).hexdigest()
    (folder / "base.yaml").write_text(BASE + "# a comment\n")
    assert Policy.load(folder / "child.yaml").sha256 != first


def test_fault_in_what_a_file_states_is_told_at_its_own_line(folder: Path) -> None:
    (folder / "child.yaml").write_text(CHILD.replace("{id: violation, within: 1h}", "{id: violation, within: soon}"))
    with pytest.raises(PolicyError) as caught:
        Policy.load(folder / "child.yaml")
    (fault,) = caught.value.faults
    assert (fault.line, fault.file) == (9, str(folder / "child.yaml"))
    assert "within: soon" in fault.excerpt


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: other.yaml", "file must be readable"),
        ("extends: ../base.yaml", "must name a file beside this one or a shipped pack"),
        ("extends: child.yaml", "must name a file that stands alone"),
        ("extends: hosting-providr", "name must be one of"),
        ("extends: hosting-provider@1.0.0", "must have the version 1.0.0"),
    ],
)
def test_file_that_extends_what_it_cannot_is_refused(folder: Path, text: str, told: str) -> None:
    (folder / "child.yaml").write_text(CHILD.replace("extends: base.yaml", text))
    with pytest.raises(PolicyError, match=told):
        Policy.load(folder / "child.yaml")


def test_shipped_pack_is_extended_by_name_and_version(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(
        "extends: hosting-provider@2021.07.0\npolicy: ours\nversion: 1.0.0\n"
        "categories: {incitement: {act: 0.9}}\ntests: []\n"
    )
    ours = Policy.load(path)
    assert ours.categories["incitement"].act == 0.9
    assert [tier.id for tier in ours.tiers] == [tier.id for tier in Policy.load("hosting-provider").tiers]
