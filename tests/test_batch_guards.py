"""Guards in batch and in the API: the breaker opens, stays open, and holds the same rows however the work is cut."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tsclassify as ts
from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from tsclassify.batch import BatchSummary, StoppedError, score_jsonl
from tsclassify.engines.splits import guarded, joined, plan_splits, run_split
from tsclassify.errors import InputError
from tsclassify.io.sources import find_sources
from tsclassify.policy import Breaker, Policy
from tsclassify.policy.schema import Guards

QUIET = 600
"""Posts before the loud ones begin."""


GUARDS = {"max_share_of_items": 0.2, "over_items": 200}


def guarded_policy() -> Policy:
    """Acts on at most a fifth of the last 200 items."""
    return fake_policy(guards=GUARDS)


def shadow_policy() -> Policy:
    return fake_policy(guards=GUARDS, rollout={"mode": "shadow"})


def score(source, out, **options) -> BatchSummary:
    settings = {"policy": guarded_policy(), "model": FakeClassifier(), "workers": 1, "keep_job": True} | options
    return score_jsonl(source, out, **settings)


def results(out: Path) -> list[dict]:
    return [json.loads(line)["tsclassify"] for line in out.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quiet posts, then posts of which many are acted on, with lines that are refused in their midst."""
    quiet = [{"id": f"q{row}", "text": f"river picnic {row}"} for row in range(QUIET)]
    path = tmp_path_factory.mktemp("guards") / "in.jsonl"
    path.write_bytes(jsonl(quiet) + b"\nbroken\n" + jsonl(posts(900)) + b'{"id":"x"}\n' + jsonl(quiet[:50]))
    return path


@pytest.fixture(scope="module")
def whole(source: Path) -> tuple[bytes, BatchSummary]:
    out = source.with_name("whole.jsonl")
    summary = score(source, out)
    return out.read_bytes(), summary


@pytest.fixture(scope="module")
def free(source: Path) -> list[dict]:
    """What a policy without guards says."""
    out = source.with_name("free.jsonl")
    summary = score(source, out, policy=fake_policy())
    assert (summary.n_held, summary.guard) == (0, None)
    return results(out)


def first_breach(free: list[dict]) -> int:
    """Row at which more than a fifth of the last 200 items are acted on, counted plainly."""
    acts = [result["tier"] == "violation" for result in free]
    return next(row for row in range(199, len(acts)) if acts[row] and sum(acts[row - 199 : row + 1]) / 200 > 0.2)


def test_breaker_opens_at_the_breach_and_stays_open(source: Path, whole, free: list[dict]) -> None:
    held = results(source.with_name("whole.jsonl"))
    row = first_breach(free)
    assert row > QUIET
    for at, (mine, other) in enumerate(zip(held, free, strict=True)):
        acts = other["tier"] == "violation"
        if at >= row and acts:
            assert mine == {**other, "review": True, "held": True}
            assert list(mine)[:3] == ["tier", "review", "held"]
        else:
            assert mine == other
    n_held = sum(result.get("held", False) for result in held)
    summary = whole[1]
    assert n_held > 50
    assert summary.n_held == n_held
    assert summary.n_reviews == sum(result["review"] for result in held)
    assert summary.tiers["violation"] == sum(result["tier"] == "violation" for result in free)
    assert summary.guard is not None
    assert summary.guard == {"guard": "max_share_of_items", "value": 41 / 200, "limit": 0.2, "n_items": row + 1}
    assert summary.to_dict()["n_held"] == n_held


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("block_bytes", [90, 4_000, 1 << 21])
def test_held_rows_do_not_depend_on_threads_or_block_size(
    source: Path, whole, tmp_path: Path, workers: int, block_bytes: int
) -> None:
    summary = score(source, tmp_path / "out.jsonl", workers=workers, block_bytes=block_bytes)
    assert (tmp_path / "out.jsonl").read_bytes() == whole[0]
    assert (summary.n_held, summary.guard) == (whole[1].n_held, whole[1].guard)


class StopsAfter(FakeClassifier):
    """Asks the job to stop after some blocks."""

    def __init__(self, stop: threading.Event, n_blocks: int) -> None:
        super().__init__()
        self.stop, self.left = stop, n_blocks

    def measure_utf8(self, data, offsets):
        self.left -= 1
        if self.left <= 0:
            self.stop.set()
        return super().measure_utf8(data, offsets)


@pytest.mark.parametrize("n_blocks", [3, 9, 11, 13, 40])
@pytest.mark.parametrize("workers", [1, 2])
def test_resumed_job_holds_what_an_uninterrupted_one_holds(
    source: Path, whole, tmp_path: Path, n_blocks: int, workers: int
) -> None:
    out, stop = tmp_path / "out.jsonl", threading.Event()
    options = {"workers": workers, "block_bytes": 4_000, "resume": True}
    with pytest.raises(StoppedError):
        score(source, out, model=StopsAfter(stop, n_blocks), stop=stop, **options)
    state = json.loads((tmp_path / "out.jsonl.job.json").read_bytes())["guards"]
    assert 0 < state["n_items"] < whole[1].n_items
    summary = score(source, out, **options)
    assert summary.resumed
    assert out.read_bytes() == whole[0]
    assert (summary.n_held, summary.guard) == (whole[1].n_held, whole[1].guard)
    # a finished job says the same again
    assert score(source, out, **options) == summary


def test_shadow_mode_never_holds(source: Path, tmp_path: Path, free: list[dict]) -> None:
    summary = score(source, tmp_path / "out.jsonl", policy=shadow_policy())
    assert results(tmp_path / "out.jsonl") == free
    assert (summary.n_held, summary.guard) == (0, None)


def test_fewer_items_than_the_guard_looks_at_never_trip_it(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl([post | {"text": "zorp " + post["text"]} for post in posts(199)]))
    summary = score(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert summary.tiers["violation"] > 100
    assert (summary.n_held, summary.guard) == (0, None)


def test_held_rows_are_selected_for_review_and_not_as_acts(source: Path, whole, tmp_path: Path) -> None:
    held = [result for line in whole[0].splitlines() if "held" in (result := json.loads(line)["tsclassify"])]
    score(source, tmp_path / "act.jsonl", select=["act"])
    score(source, tmp_path / "review.jsonl", select=["review"])
    acts = results(tmp_path / "act.jsonl")
    assert acts
    assert not any("held" in result for result in acts)
    assert [result for result in results(tmp_path / "review.jsonl") if "held" in result] == held


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("block_bytes", [4_000, 1 << 21])
def test_parquet_holds_the_rows_that_jsonl_holds(
    source: Path, whole, tmp_path: Path, workers: int, block_bytes: int
) -> None:
    expected = [json.loads(line)["tsclassify"].get("held") for line in whole[0].splitlines()]
    options = {"workers": workers, "block_bytes": block_bytes}
    summary = score(source, tmp_path / "first.parquet", **options)
    table = pq.read_table(tmp_path / "first.parquet")
    found = table.column("tsclassify").combine_chunks().field("held").to_pylist()
    assert found == expected
    assert (summary.n_held, summary.guard) == (whole[1].n_held, whole[1].guard)
    again = score(tmp_path / "first.parquet", tmp_path / "second.parquet", **options)
    second = pq.read_table(tmp_path / "second.parquet").column("tsclassify").combine_chunks()
    assert second.field("held").to_pylist() == expected
    assert second.field("review").to_pylist() == [
        json.loads(line)["tsclassify"]["review"] for line in whole[0].splitlines()
    ]
    assert again.guard == whole[1].guard


@pytest.mark.parametrize("split_bytes", [1_000, 50_000, 1 << 30])
def test_splits_of_an_engine_hold_what_a_local_job_holds(source: Path, whole, split_bytes: int) -> None:
    from tsclassify.batch.plan import make_plan

    splits = plan_splits(find_sources([source]), split_bytes)
    plan = make_plan(FakeClassifier(), guarded_policy())
    breaker = plan.breaker()
    assert breaker is not None
    parts = (run_split(split, plan) for split in splits)
    done = list(joined(parts, splits, lambda split, part: guarded(split, part, plan, breaker)))
    assert b"".join(part[0] for part in done) == whole[0]
    assert sum(part[2].held for part in done) == whole[1].n_held
    assert breaker.open_since == whole[1].guard


def test_command_says_in_one_sentence_that_a_guard_tripped(
    source: Path, whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tsclassify.cli import main

    monkeypatch.setattr("tsclassify.batch.load_model", lambda name: FakeClassifier())
    monkeypatch.setattr("tsclassify.batch.load_policy", lambda name: guarded_policy())
    out = str(tmp_path / "out.jsonl")
    main(["score", str(source), "-o", out, "--policy", "any", "--summary", str(tmp_path / "summary.json"), "-q"])
    said = capsys.readouterr().err
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    assert f"tripped at item {summary['guard']['n_items']:,} (20.50% acted on, at most 20.00% allowed)" in said
    assert f"the actions of {whole[1].n_held:,} items are withheld until a person has looked" in said
    assert summary["n_held"] == whole[1].n_held
    assert summary["guard"] == whole[1].guard


# --- the API


ITEM = {"id": "1", "text": "I will burn your warehouse down tonight with all of you in it", "actor": "u7"}


@pytest.fixture(scope="module")
def clf() -> ts.Classifier:
    return ts.load()


def test_decide_many_withholds_actions_from_the_breach_on(clf: ts.Classifier) -> None:
    policy = ts.Policy.load("hosting-provider")
    calm = {"id": "2", "text": "see you at the picnic"}
    breaker = Breaker(Guards(max_actions_per_hour=2))
    first = clf.decide_many([ITEM, calm, ITEM], policy, breaker=breaker, at_s=[0.0, 1.0, 2.0])
    assert first == clf.decide_many([ITEM, calm, ITEM], policy)
    plain = clf.decide(ITEM, policy)
    assert plain.actions
    held, quiet = clf.decide_many([ITEM, calm], policy, breaker=breaker, at_s=[3.0, 4.0])
    assert held == plain.held_for_review()
    assert (held.tier, held.mode, held.actions, held.review) == (plain.tier, "review_only", (), True)
    assert quiet.mode == "enforce"
    # without times the hourly guard rests, but an open breaker stays open
    assert clf.decide_many([ITEM], policy, breaker=breaker)[0].mode == "review_only"
    breaker.reset()
    assert clf.decide_many([ITEM], policy, breaker=breaker) == [plain]


def test_decide_many_refuses_times_that_do_not_fit(clf: ts.Classifier) -> None:
    policy = ts.Policy.load("hosting-provider")
    with pytest.raises(InputError, match="at_s must be 1 finite times"):
        clf.decide_many([ITEM], policy, breaker=Breaker(policy.guards), at_s=[0.0, 1.0])


def test_shadow_mode_of_decide_many_holds_and_counts_nothing(clf: ts.Classifier, tmp_path: Path) -> None:
    from tsclassify.resources import shipped

    text = shipped("seeds", "policies", "community.yaml").read_text(encoding="utf-8")
    shadow = text.replace("mode: enforce", "mode: shadow")
    (tmp_path / "shadow.yaml").write_text(shadow, encoding="utf-8")
    policy = ts.Policy.load(tmp_path / "shadow.yaml")
    assert policy.rollout.mode == "shadow"
    breaker = Breaker(Guards(max_actions_per_hour=1))
    decisions = clf.decide_many([ITEM] * 3, policy, breaker=breaker, at_s=[0.0, 0.0, 0.0])
    assert {decision.mode for decision in decisions} == {"shadow"}
    assert (breaker.n_items, breaker.open_since) == (0, None)
