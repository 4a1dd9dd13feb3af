"""A job record is not believed: outputs, partial files and inputs are looked at before a run goes on."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from test_batch import StopsAfter
from tsclassify.batch import StoppedError, job, score_jsonl
from tsclassify.errors import InputError

TESTS = Path(__file__).parent
BAD = b"zorp\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(posts(400)) + BAD)
    return path


def score(source: Any, out: Path, **options: Any) -> Any:
    settings = {
        "policy": fake_policy(),
        "model": FakeClassifier(),
        "workers": 1,
        "block_bytes": 20_000,
        "keep_job": True,
    }
    return score_jsonl(source, out, **(settings | options))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def stopped(source: Any, out: Path) -> None:
    stop = threading.Event()
    with pytest.raises(StoppedError):
        score(source, out, model=StopsAfter(3, stop.set), stop=stop)


def broken_off(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A job that ends right before one of its last steps."""

    def end(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, end)
        with pytest.raises(KeyboardInterrupt):
            score(source, out)


def test_second_job_is_refused_while_a_parquet_output_is_converted(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsclassify.batch.tables import TableOutput

    out = tmp_path / "out.parquet"
    convert, refused = TableOutput.convert, list[str]()

    def convert_and_race(*given: Any) -> None:
        for options in ({"resume": True}, {"overwrite": True}, {}):
            with pytest.raises(InputError, match="must be written by one job, got a second one") as error:
                score(source, out, **options)
            refused.append(error.value.message)
        convert(*given)

    monkeypatch.setattr(TableOutput, "convert", convert_and_race)
    score(source, out)
    assert len(refused) == 3
    assert pq.read_table(out).num_rows == 400
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.jsonl",
        "out.parquet",
        "out.parquet.job.json",
        "out.parquet.rejected.jsonl",
    ]


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize(
    "place", ["tsclassify.batch.tables.TableOutput.convert", "tsclassify.io.outputs.JobFiles.finish"]
)
def test_a_job_that_ended_between_its_last_steps_goes_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    whole, out = tmp_path / f"whole{name}", tmp_path / name
    score(source, whole)
    if name == "out.jsonl" and "convert" in place:
        place = "tsclassify.io.outputs.JobFiles.finish"
    broken_off(source, out, monkeypatch, place)
    score(source, out, resume=True)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
@pytest.mark.parametrize("end", [".partial", ".rejected.jsonl.partial"])
def test_damaged_partial_output_is_refused_at_the_end_of_a_job(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: Any, end: str
) -> None:
    out = tmp_path / name
    broken_off(source, out, monkeypatch, "tsclassify.io.outputs.JobFiles.finish")
    partial = Path(f"{out}{end}")
    if name == "out.parquet" and end == ".partial":
        partial = Path(f"{partial}.ready")
    damage(partial)
    with pytest.raises(InputError, match="must be as the job left it, got another or none"):
        score(source, out, resume=True)
    assert not out.exists()


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_damaged_partial_output_is_refused_in_the_midst_of_a_job(source: Path, tmp_path: Path, damage: Any) -> None:
    out = tmp_path / "out.jsonl"
    stopped(source, out)
    damage(tmp_path / "out.jsonl.partial")
    with pytest.raises(InputError, match="to go on, got"):
        score(source, out, resume=True)


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("end", ["", ".rejected.jsonl"])
def test_a_finished_job_looks_at_its_outputs(source: Path, tmp_path: Path, name: str, damage: Any, end: str) -> None:
    out = tmp_path / name
    summary = score(source, out)
    assert score(source, out, resume=True).to_dict() == summary.to_dict()
    damage(Path(f"{out}{end}"))
    with pytest.raises(InputError, match="must be as the job left it"):
        score(source, out, resume=True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_replaced_input_of_the_same_size_is_refused(tmp_path: Path, packed: bool) -> None:
    inputs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path in inputs:
        data = jsonl(posts(400))
        # packed so that any content has the same size
        path.write_bytes(zstandard.compress(data, level=0) if packed else data)
    out = tmp_path / "out.jsonl"
    score(inputs, out)
    changed = jsonl(posts(400)).replace(b"p7", b"q7")
    inputs[0].write_bytes(zstandard.compress(changed, level=0)[: inputs[0].stat().st_size] if packed else changed)
    with pytest.raises(InputError, match=r"input must be|packed file must be whole|must have the same sources"):
        score(inputs, out, resume=True)


def test_an_earlier_input_that_was_replaced_is_refused(source: Path, tmp_path: Path) -> None:
    first, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    first.write_bytes(jsonl(posts(10)))
    stopped([first, source], out)
    flip(first)
    with pytest.raises(InputError, match=r"a\.jsonl: input must be the same"):
        score([first, source], out, resume=True)


@pytest.mark.parametrize("change", ["grow", "shrink"])
def test_an_input_that_changes_its_size_while_it_is_read_is_refused(source: Path, tmp_path: Path, change: str) -> None:
    size = source.stat().st_size

    def act() -> None:
        if change == "grow":
            with source.open("ab") as file:
                file.write(jsonl(posts(5)))
        else:
            os.truncate(source, size // 2)

    with pytest.raises(InputError, match=f"input must keep its size while it is read, got .* instead of {size}"):
        score(source, tmp_path / "out.jsonl", model=StopsAfter(1, act))
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    "name", ["out.jsonl.partial", "out.jsonl.rejected.jsonl.partial", "out.jsonl.job.json.new", "out.jsonl.job.lock"]
)
def test_a_file_of_the_user_named_like_a_temporary_one_is_kept(source: Path, tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.write_text("keep me")
    for options in ({}, {"resume": True}):
        with pytest.raises(InputError, match="must"):
            score(source, tmp_path / "out.jsonl", **options)
    assert mine.read_text() == "keep me"


def test_outputs_are_for_the_user_alone_unless_a_mode_is_given(source: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for name in ("a.jsonl", "a.parquet"):
            score(source, tmp_path / name)
            score(source, tmp_path / f"open-{name}", mode=0o644)
            for end in ("", ".rejected.jsonl"):
                assert stat.S_IMODE((tmp_path / f"{name}{end}").stat().st_mode) == 0o600
                assert stat.S_IMODE((tmp_path / f"open-{name}{end}").stat().st_mode) == 0o644
        os.umask(0o277)
        score(source, tmp_path / "b.jsonl")
        assert stat.S_IMODE((tmp_path / "b.jsonl").stat().st_mode) == 0o400
    finally:
        os.umask(before)


def test_a_job_that_waits_for_standard_input_ends_at_a_signal(tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "batch_main.py"), "score", "-", "-o", str(tmp_path / "out.jsonl"), "-q"]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "out.jsonl.partial").exists() and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    try:
        # not communicate, which would end the input
        running.wait(timeout=60)
    finally:
        running.kill()
        _, said = running.communicate()
    assert (running.returncode, b"job must run to its end" in said) == (128 + signal.SIGTERM, True)


def test_zstd_may_begin_with_a_frame_that_says_nothing(source: Path, tmp_path: Path) -> None:
    score(source, tmp_path / "plain.jsonl")
    packed = tmp_path / "in.jsonl.zst"
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"zorp"
    packed.write_bytes(skippable + zstandard.compress(source.read_bytes()) + skippable)
    score(packed, tmp_path / "packed.jsonl")
    assert (tmp_path / "packed.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()


def test_a_run_of_a_job_saves_what_it_wrote(source: Path, tmp_path: Path) -> None:
    assert job.CHECKPOINT_S > 0
    stopped(source, tmp_path / "out.jsonl")
    score(source, tmp_path / "out.jsonl", resume=True)
    score(source, tmp_path / "whole.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
