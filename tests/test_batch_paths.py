"""Nothing that exists is lost to an output: inputs, other outputs, files of the user, pipes and devices."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from test_batch_cli import run
from tsclassify.batch import score_jsonl
from tsclassify.errors import InputError
from tsclassify.io.outputs import write_whole

BAD = b"zorp\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(posts(50)) + BAD)
    return path


def score(source: Path, out: Path, **options: Any) -> Any:
    return score_jsonl(
        source, out, **({"policy": fake_policy(), "model": FakeClassifier(), "workers": 1, "keep_job": True} | options)
    )


@pytest.mark.parametrize("name", ["in.jsonl", "out.jsonl", "out.jsonl.partial", "out.jsonl.job.json", "a/../in.jsonl"])
def test_a_summary_or_a_rejects_file_is_never_written_over_another(source: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    before = source.read_bytes()
    out = tmp_path / "out.jsonl"
    for option in ("--summary", "--rejects"):
        done = run("score", source, "-o", out, option, tmp_path / name)
        assert done.returncode == 1
        assert b"must not be an input" in done.stderr or b"must be a file of its own" in done.stderr
        assert source.read_bytes() == before
        assert not out.exists()


def test_a_summary_is_not_the_rejects_file(source: Path, tmp_path: Path) -> None:
    done = run("score", source, "-o", tmp_path / "out.jsonl", "--summary", tmp_path / "out.jsonl.rejected.jsonl")
    assert (done.returncode, b"summary must be a file of its own" in done.stderr) == (1, True)


def test_a_summary_of_what_goes_to_stdout_is_no_input(source: Path) -> None:
    done = run("score", source, "--summary", source)
    assert (done.returncode, b"summary must not be an input" in done.stderr) == (1, True)


@pytest.mark.parametrize("lines", [jsonl(posts(5)), jsonl(posts(5)) + BAD])
def test_a_file_of_the_user_is_no_rejects_file_unless_forced(source: Path, tmp_path: Path, lines: bytes) -> None:
    source.write_bytes(lines)
    notes = tmp_path / "notes.txt"
    notes.write_text("keep")
    with pytest.raises(InputError, match=r"notes\.txt: output must not exist, got a file"):
        score(source, tmp_path / "out.jsonl", rejects=notes)
    assert notes.read_text() == "keep"
    score(source, tmp_path / "out.jsonl", rejects=notes, overwrite=True)
    assert notes.exists() == lines.endswith(BAD)


@pytest.mark.parametrize("part", ["out", "rejects", "partial", "record", "summary"])
def test_a_pipe_is_neither_replaced_nor_waited_for(source: Path, tmp_path: Path, part: str) -> None:
    """As ``--rejects /dev/null`` would have removed the device, for a user who may."""
    names = {"partial": "out.jsonl.partial", "record": "out.jsonl.job.json", "out": "out.jsonl"}
    pipe = tmp_path / names.get(part, part)
    os.mkfifo(pipe)
    rejects = pipe if part == "rejects" else None
    with pytest.raises(InputError, match="must be a plain file, got a device or a pipe"):
        write_whole(pipe, b"{}") if part == "summary" else score(
            source, tmp_path / "out.jsonl", rejects=rejects, resume=True
        )
    assert pipe.is_fifo()


def test_a_temporary_file_is_not_written_through_a_link(source: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / "out.jsonl.job.json.new").symlink_to(victim)
    score(source, tmp_path / "out.jsonl")
    (tmp_path / "out.parquet.partial.parquet").symlink_to(victim)
    score(source, tmp_path / "out.parquet")
    assert victim.read_text() == "keep"


@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_a_name_that_is_a_folder_is_one_sentence(source: Path, tmp_path: Path, name: str) -> None:
    for options in (["-o", name], ["-o", tmp_path / "out.jsonl", "--summary", name]):
        done = run("score", source, *options)
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert b"must be" in done.stderr


# -- job records --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("record")
    (folder / "in.jsonl").write_bytes(jsonl(posts(50)) + BAD)
    score(folder / "in.jsonl", folder / "out.jsonl")
    made: dict[str, Any] = json.loads((folder / "out.jsonl.job.json").read_bytes())
    return made


DAMAGE: list[dict[str, Any]] = [
    {"written": [-5, 0]}, {"written": ["a", 1]}, {"written": [1]}, {"written": [2**70, 0]},
    {"place": {"source": 9}}, {"place": {"source": -1}}, {"place": {"zorp": 1}}, {"place": None},
    {"place": {"offset": 1e300}}, {"counts": {"zorp": 1}}, {"counts": {"lines": "many"}}, {"inputs": 3},
    {"guards": 5}, {"job": None}, {"state": 5}, {"state": "zorp"}, {"summary": {}},
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_damaged_job_record_is_refused_in_one_sentence(
    source: Path, tmp_path: Path, record: dict[str, Any], damage: dict[str, Any]
) -> None:
    changed = copy.deepcopy(record) | {"state": "running", "summary": None} | damage
    (tmp_path / "out.jsonl.job.json").write_text(json.dumps(changed))
    with pytest.raises(InputError, match="job record must be whole, got a damaged one"):
        score(source, tmp_path / "out.jsonl", resume=True)


@pytest.mark.parametrize("raw", [b"", b"[" * 100_000, b'{"format":1', b"[1]", b"\xff", b'{"format":2}'])
def test_a_job_record_that_is_none_is_refused(source: Path, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "out.jsonl.job.json").write_bytes(raw)
    with pytest.raises(InputError, match="job record must be whole and of format 1"):
        score(source, tmp_path / "out.jsonl", resume=True)


def test_an_undamaged_record_is_gone_on_from(source: Path, tmp_path: Path, record: dict[str, Any]) -> None:
    changed = copy.deepcopy(record) | {
        "state": "running", "summary": None, "written": [0, 0], "place": {}, "counts": {}, "inputs": [],
    }  # fmt: skip
    changed["job"]["sources"] = [{"name": str(source), "size": source.stat().st_size}]
    (tmp_path / "out.jsonl.job.json").write_text(json.dumps(changed))
    assert score(source, tmp_path / "out.jsonl", resume=True).n_items == 50
