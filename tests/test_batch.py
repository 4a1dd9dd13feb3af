"""Batch scoring, on posts that we wrote and a classifier whose answers can be read off the text."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zstandard

from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from tsclassify.batch import StoppedError, score_jsonl
from tsclassify.errors import InputError

BAD = b'zorp\n\n{"text":"\xff"}\n{"id":"x"}\n'


def score(source, out, **options):
    """score_jsonl with the fakes."""
    settings = {"policy": fake_policy(), "model": FakeClassifier(), "workers": 1, "keep_job": True} | options
    return score_jsonl(source, out, **settings)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 posts, some written in ASCII, with bad lines in their midst and no line feed at the end."""
    path = tmp_path_factory.mktemp("sample") / "in.jsonl"
    path.write_bytes(jsonl(posts(1000)) + BAD + jsonl(posts(499, 1), ascii_only=True) + b'{"text":"the zorp end"}')
    return path


@pytest.fixture(scope="module")
def expected(sample: Path) -> bytes:
    out = sample.with_name("expected.jsonl")
    score(sample, out)
    return out.read_bytes()


def test_every_byte_of_an_accepted_line_is_kept_and_one_field_added(sample: Path, expected: bytes) -> None:
    lines = [line for line in sample.read_bytes().split(b"\n") if line not in BAD.split(b"\n")]
    scored = expected.split(b"\n")[:-1]
    assert len(lines) == len(scored) == 1500
    for line, result in zip(lines, scored, strict=True):
        assert result.startswith(line[:-1] + b',"tsclassify":{')
        assert json.loads(result).keys() == json.loads(line).keys() | {"tsclassify"}


def test_result_says_what_the_policy_decided(sample: Path, expected: bytes) -> None:
    classifier, policy = FakeClassifier(), fake_policy()
    from tsclassify.batch.plan import make_plan

    plan = make_plan(classifier, policy)
    for line in expected.splitlines()[:200]:
        item = json.loads(line)
        import numpy as np

        raw = item["text"].encode()
        data, offsets = np.frombuffer(raw, np.uint8), np.array([0, len(raw)])
        decided = plan.decide(data, offsets, {}, lambda names, rows: {}, list)
        result = item["tsclassify"]
        assert result["tier"] == policy.tier_names[decided.tiers[0]]
        assert result["review"] == bool(decided.reviews[0])
        for k, name in enumerate(classifier.info.categories):
            assert result["scores"][name] == pytest.approx(decided.scores[0, k], abs=6e-7)
            assert result.get("findings", {}).get(name) == (None, "review", "act")[decided.levels[0, k]]
        assert ("signals" in result) == bool(decided.levels.any())
        assert result["model"] == "fake@ffffffffffff"
        assert result["policy"] == f"fake-policy@1.0.0@{policy.sha256[:12]}"


def test_threads_take_turns_at_signals(sample: Path, tmp_path: Path, expected: bytes) -> None:
    """What a thread remembers for signals takes memory; four threads share one."""
    busy: list[int] = []
    most: list[int] = []

    class Watched(FakeClassifier):
        def signal_states_utf8(self, data, offsets, rows):
            busy.append(0)
            most.append(len(busy))
            time.sleep(0.002)
            states = super().signal_states_utf8(data, offsets, rows)
            busy.pop()
            return states

    out = tmp_path / "out.jsonl"
    score(sample, out, model=Watched(), workers=4, block_bytes=4_000)
    assert max(most) == 1
    assert len(most) > 10
    score(sample, out, model=Watched(), workers=8, block_bytes=4_000, overwrite=True)
    assert max(most) == 2
    assert out.read_bytes() == expected


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("block_bytes", [90, 4_000, 1 << 21])
def test_output_does_not_depend_on_threads_or_block_size(
    sample: Path, expected: bytes, tmp_path: Path, workers: int, block_bytes: int
) -> None:
    out = tmp_path / "out.jsonl"
    score(sample, out, workers=workers, block_bytes=block_bytes)
    assert out.read_bytes() == expected
    rejected = [json.loads(line) for line in (tmp_path / "out.jsonl.rejected.jsonl").read_bytes().splitlines()]
    assert [(record["line"], record["reason"]) for record in rejected] == [
        (1001, "not_json"),
        (1003, "not_utf8"),
        (1004, "no_text"),
    ]


def test_compiled_scanner_and_strict_parser_give_the_same_output(tmp_path: Path) -> None:
    data = jsonl(posts(3000)) + BAD
    (tmp_path / "in.jsonl").write_bytes(data)
    score(tmp_path / "in.jsonl", tmp_path / "one.jsonl")
    score(tmp_path / "in.jsonl", tmp_path / "two.jsonl", block_bytes=500)
    assert len(data) > 1 << 18
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_summary_counts_every_line_once(sample: Path, tmp_path: Path) -> None:
    summary = score(sample, tmp_path / "out.jsonl")
    assert (summary.n_lines, summary.n_items, summary.n_blank, summary.n_rejected) == (1504, 1500, 1, 3)
    assert summary.rejected == {"no_text": 1, "not_json": 1, "not_utf8": 1}
    assert sum(summary.tiers.values()) == 1500
    import hashlib

    assert summary.inputs[0]["sha256"] == hashlib.sha256(sample.read_bytes()).hexdigest()
    assert summary.job["policy"]["sha256"] == "a" * 64
    json.dumps(summary.to_dict())


def test_without_a_policy_only_scores_are_written(sample: Path, tmp_path: Path) -> None:
    score(sample, tmp_path / "out.jsonl", policy=None)
    first = json.loads((tmp_path / "out.jsonl").read_bytes().splitlines()[0])["tsclassify"]
    assert first.keys() == {"language", "scores", "model"}


def test_an_earlier_result_is_replaced_where_it_stands(sample: Path, expected: bytes, tmp_path: Path) -> None:
    (tmp_path / "again.jsonl").write_bytes(expected)
    score(tmp_path / "again.jsonl", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == expected
    line = b'{"tsclassify": [1, {"x": "}"}] , "text":"river" }\r\n'
    (tmp_path / "one.jsonl").write_bytes(line)
    score(tmp_path / "one.jsonl", tmp_path / "two.jsonl")
    written = (tmp_path / "two.jsonl").read_bytes()
    assert written.startswith(b'{"tsclassify": {"tier":"none"')
    assert written.endswith(b'} , "text":"river" }\r\n')


def test_fields_are_renamed(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"body":"zorp river","text":17}\n')
    summary = score(tmp_path / "in.jsonl", tmp_path / "out.jsonl", fields={"text": "body", "result": "scored"})
    assert summary.n_items == 1
    assert json.loads((tmp_path / "out.jsonl").read_bytes()).keys() == {"body", "text", "scored"}


def test_stated_signals_win_over_the_model(tmp_path: Path) -> None:
    lines = [b'{"text":"zorp zorp","signals":{"specific":%s}}\n' % value for value in (b"true", b"false", b"null")]
    (tmp_path / "in.jsonl").write_bytes(b"".join(lines))
    score(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    results = [json.loads(line)["tsclassify"] for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [result["signals"]["specific"] for result in results] == [True, False, None]


@pytest.mark.parametrize(("select", "tiers"), [(["act"], {"violation"}), (["review", "act"], {"violation", "review"})])
def test_selection_keeps_only_what_matters(sample: Path, tmp_path: Path, select: list[str], tiers: set[str]) -> None:
    summary = score(sample, tmp_path / "out.jsonl", select=select)
    found = [json.loads(line)["tsclassify"] for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert len(found) == summary.n_written < summary.n_items
    assert {result["tier"] for result in found} == tiers


def test_inputs_packed_split_and_in_folders_give_the_same_output(
    sample: Path, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sample.read_bytes()
    cut = data.index(b"\n", len(data) // 2) + 1
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(data[:500]) + gzip.compress(data[500:cut]))
    pack = zstandard.ZstdCompressor().compress
    (folder / "b" / "c.jsonl.zst").write_bytes(pack(data[cut:-500]) + pack(data[-500:]))
    (folder / "old.rejected.jsonl").write_bytes(b"not an input\n")
    (folder / "notes.txt").write_bytes(b"not an input\n")
    score(folder, tmp_path / "one.jsonl", workers=2)
    assert (tmp_path / "one.jsonl").read_bytes() == expected
    score([folder / "a.jsonl.gz", folder / "b"], tmp_path / "two.jsonl")
    assert (tmp_path / "two.jsonl").read_bytes() == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + data)))
    score("-", tmp_path / "three.jsonl")
    assert (tmp_path / "three.jsonl").read_bytes() == expected


def test_runs_of_blank_short_and_huge_lines(tmp_path: Path) -> None:
    short = b'{"text":""}\n'
    huge = b'{"text":"' + b"zorp river " * 100_000 + b'"}\n'
    (tmp_path / "in.jsonl").write_bytes(b"\n" * 100_000 + short * 20_000 + huge + b" \t\r\n" * 9 + short)
    summary = score(tmp_path / "in.jsonl", tmp_path / "out.jsonl", max_line=2_000_000, policy=None)
    assert (summary.n_blank, summary.n_items, summary.n_rejected) == (100_009, 20_002, 0)


@pytest.mark.parametrize("block_bytes", [1_000, 1 << 21])
def test_line_over_the_limit_is_rejected_the_same_at_any_block_size(tmp_path: Path, block_bytes: int) -> None:
    huge = b'{"text":"' + b"a" * 50_000 + b'"}'
    (tmp_path / "in.jsonl").write_bytes(b'{"text":"a"}\n' + huge + b'\n{"text":"b"}\n' + huge)
    summary = score(tmp_path / "in.jsonl", tmp_path / "out.jsonl", max_line=10_000, block_bytes=block_bytes)
    assert (summary.n_items, summary.rejected) == (2, {"too_long": 2})
    import hashlib

    records = [json.loads(line) for line in (tmp_path / "out.jsonl.rejected.jsonl").read_bytes().splitlines()]
    shared = {"length": len(huge), "raw_sha256": hashlib.sha256(huge).hexdigest(), "reason": "too_long"}
    for record, line, offset in zip(records, (2, 4), (13, 13 + len(huge) + 1 + 13), strict=True):
        assert record == shared | {"line": line, "offset": offset, "source": str(tmp_path / "in.jsonl")} | {
            "detail": "the line is longer than the limit"
        }


# -- files that cannot be used ------------------------------------------------------------------------------


def is_one_sentence(error: pytest.ExceptionInfo[InputError]) -> bool:
    message = error.value.message
    return ("\n" not in message and message[0].islower() and not message.endswith(".")) or message.startswith("/")


def test_existing_output_is_refused_and_kept(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_bytes(b"precious")
    with pytest.raises(InputError, match="must not exist") as error:
        score(sample, tmp_path / "out.jsonl")
    assert is_one_sentence(error)
    assert (tmp_path / "out.jsonl").read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_truncated_archive_gives_one_sentence_and_no_output(
    sample: Path, expected: bytes, tmp_path: Path, pack: str, cut: float
) -> None:
    data = sample.read_bytes()
    packed = gzip.compress(data) if pack == "gz" else zstandard.ZstdCompressor().compress(data)
    source = tmp_path / "in.jsonl"
    source.write_bytes(packed[: int(len(packed) * cut)])
    with pytest.raises(InputError, match="packed file must be whole") as error:
        score(source, tmp_path / "out.jsonl", workers=2, block_bytes=5_000)
    assert is_one_sentence(error)
    assert not (tmp_path / "out.jsonl").exists()


def test_damaged_archive_gives_one_sentence(sample: Path, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(sample.read_bytes()))
    packed[len(packed) // 2] ^= 255
    (tmp_path / "in.gz").write_bytes(packed)
    with pytest.raises(InputError, match="packed file must be whole"):
        score(tmp_path / "in.gz", tmp_path / "out.jsonl")


def test_bomb_is_refused_after_a_bounded_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsclassify.io import sources

    monkeypatch.setattr(sources, "RATIO_FLOOR", 1 << 20)
    pack = zstandard.ZstdCompressor(level=19).compress
    (tmp_path / "in.zst").write_bytes(pack(b'{"text":"a"}\n' * 4_000_000))
    with pytest.raises(InputError, match="must be at most 1000 times"):
        score(tmp_path / "in.zst", tmp_path / "out.jsonl", policy=None)
    assert (tmp_path / "out.jsonl.partial").stat().st_size < 200 << 20


def test_vanished_input_and_missing_folder_are_named(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jsonl: file not found"):
        score(tmp_path / "gone.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(InputError, match="folder must be there"):
        score(sample, tmp_path / "no" / "out.jsonl")
    with pytest.raises(InputError, match="must hold"):
        score(tmp_path, tmp_path / "out.jsonl")
    with pytest.raises(InputError, match="got the same file"):
        score(sample, sample, overwrite=True)
    assert sample.stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers"),
        ({"fields": {"body": "text"}}, "fields: name must be one of"),
        ({"fields": {"text": "id"}}, "id twice"),
        ({"select": ["worst"]}, "select"),
        ({"select": ["act"], "policy": None}, "a policy must be given"),
        ({"max_line": 0}, "max_line"),
        ({"block_bytes": 0}, "block_bytes"),
        ({"max_ratio": float("nan")}, "max_ratio"),
    ],
)
def test_bad_setting_is_refused(sample: Path, tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score(sample, tmp_path / "out.jsonl", **options)
    assert os.listdir(tmp_path) == []


def test_read_only_folder_gives_one_sentence(sample: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write to a read-only folder")
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(InputError, match="permission denied"):
        score(sample, tmp_path / "out.jsonl")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 400 KB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_gives_one_sentence_and_can_be_resumed(sample: Path, expected: bytes, small_disk: Path) -> None:
    out = small_disk / "out.jsonl"
    assert len(expected) > 400_000
    with pytest.raises(InputError, match=r"out\.jsonl: must be usable, got no space left on device") as error:
        score(sample, out, block_bytes=20_000, workers=2)
    assert is_one_sentence(error)
    assert not out.exists()
    assert "--resume" in error.value.hint
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    summary = score(sample, out, block_bytes=20_000, resume=True)
    assert summary.resumed
    assert out.read_bytes() == expected


# -- stopping and going on ----------------------------------------------------------------------------------


class StopsAfter(FakeClassifier):
    """Sets an event, or raises, at the n-th block."""

    def __init__(self, n: int, action) -> None:
        super().__init__()
        self.left = n
        self.action = action

    def measure_utf8(self, data, offsets):
        self.left -= 1
        if self.left == 0:
            self.action()
        return super().measure_utf8(data, offsets)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("n", [1, 3, 9])
def test_stopped_job_goes_on_to_the_same_bytes(
    sample: Path, expected: bytes, tmp_path: Path, n: int, workers: int
) -> None:
    stop = threading.Event()
    out = tmp_path / "out.jsonl"
    with pytest.raises(StoppedError, match="got a stop after"):
        score(sample, out, model=StopsAfter(n, stop.set), stop=stop, block_bytes=20_000, workers=workers)
    assert not out.exists()
    with pytest.raises(InputError, match="unfinished job"):
        score(sample, out)
    summary = score(sample, out, resume=True, block_bytes=7_000)
    assert summary.resumed
    assert (summary.n_items, summary.n_rejected) == (1500, 3)
    assert out.read_bytes() == expected
    again = score(sample, out, resume=True)
    assert again == summary


def raise_interrupt() -> None:
    raise KeyboardInterrupt


def raise_fault() -> None:
    raise RuntimeError("a fault of the machine")


@pytest.mark.parametrize(("fault", "kind"), [(raise_interrupt, KeyboardInterrupt), (raise_fault, RuntimeError)])
def test_job_that_broke_off_goes_on_to_the_same_bytes(
    sample: Path, expected: bytes, tmp_path: Path, fault, kind: type[BaseException]
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(kind):
        score(sample, out, model=StopsAfter(5, fault), block_bytes=20_000, workers=2)
    score(sample, out, resume=True, block_bytes=20_000)
    assert out.read_bytes() == expected


def test_resume_refuses_another_job(sample: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    source = tmp_path / "in.jsonl"
    source.write_bytes(sample.read_bytes())
    out = tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        score(source, out, model=StopsAfter(3, stop.set), stop=stop, block_bytes=20_000)
    for options, name in [
        ({"policy": None}, "policy"),
        ({"model": FakeClassifier("other")}, "model"),
        ({"select": ["act"]}, "select"),
        ({"fields": {"id": "key"}}, "fields"),
    ]:
        with pytest.raises(InputError, match=f"must have the same {name}"):
            score(source, out, resume=True, **options)
    changed = bytearray(source.read_bytes())
    changed[200] ^= 1
    source.write_bytes(changed)
    with pytest.raises(InputError, match="input must be the same up to byte"):
        score(source, out, resume=True)
    (tmp_path / "out.jsonl.job.json").write_bytes(b"{")
    with pytest.raises(InputError, match="job record must be whole"):
        score(source, out, resume=True)


def test_second_job_on_the_same_output_is_refused(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    seen: list[str] = []

    def start_another() -> None:
        with pytest.raises(InputError, match="must be written by one job") as error:
            score(sample, out, overwrite=True)
        seen.append(error.value.message)

    score(sample, out, model=StopsAfter(1, start_another))
    assert len(seen) == 1
