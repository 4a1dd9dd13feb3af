"""``tsclassify score`` as a process: exit statuses, streams, signals, and what hostile posts do to a terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batch_fakes import jsonl, posts

TESTS = Path(__file__).parent
PROGRAM = [sys.executable, str(TESTS / "batch_main.py")]


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, cwd=TESTS)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(posts(300)))
    return path


def test_score_writes_output_and_summary_and_exits_0(source: Path, tmp_path: Path) -> None:
    done = run("score", source, "-o", tmp_path / "out.jsonl", "-p", "any", "--summary", tmp_path / "s.json")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"tsclassify: 300 items scored; ")
    summary = json.loads((tmp_path / "s.json").read_bytes())
    assert summary["n_items"] == 300
    assert summary["job"]["policy"]["name"] == "fake-policy"
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 300


def test_stdin_to_stdout(source: Path, tmp_path: Path) -> None:
    piped = run("score", "-", "-q", stdin=source.read_bytes())
    assert (piped.returncode, piped.stderr) == (0, b"")
    run("score", source, "-o", tmp_path / "out.jsonl")
    assert piped.stdout == (tmp_path / "out.jsonl").read_bytes()


def test_rejected_lines_exit_3_and_are_said_on_stderr_without_control_characters(tmp_path: Path) -> None:
    hostile = '{"text": "\x1b]0;zorp\x07\u202e=cmd()"'.encode() + b"\n"
    done = run("score", "-", stdin=b'{"text":"river"}\n' + hostile)
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 1
    assert b"\x1b" not in done.stderr
    assert b"\x07" not in done.stderr
    assert "\u202e".encode() not in done.stderr
    assert b"1 lines rejected" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["gone.jsonl"], 1, b"gone.jsonl: file not found"),
        (["IN", "-o", "no/out.jsonl"], 1, b"folder must be there"),
        (["IN", "-o", "IN", "--force"], 1, b"output must not be an input"),
        (["IN", "--select", "act"], 1, b"a policy must be given"),
        (["IN", "--fields", "text"], 1, b"fields: must read PART=NAME"),
        (["IN", "--summary", "no/s.json"], 1, b"folder must be there"),
        (["IN", "-o", "-", "--resume"], 1, b"output must be a file"),
        (["IN", "--engine", "abacus"], 2, b"abacus"),
        (["IN", "--engine", "ray", "--resume"], 1, b"engine must be local, got ray"),
        ([], 2, b"Missing argument"),
    ],
)
def test_faults_are_one_sentence_with_an_exit_status(
    source: Path, arguments: list[str], status: int, message: bytes
) -> None:
    done = run("score", *[str(source) if argument == "IN" else argument for argument in arguments])
    assert done.returncode == status
    assert message in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_the_job_in_a_state_that_goes_on(tmp_path: Path, number: int, status: int) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(jsonl(posts(5_000)) * 20)
    assert run("score", source, "-o", tmp_path / "whole.jsonl", "-m", "quick").returncode == 0
    job = subprocess.Popen(
        [*PROGRAM, "score", str(source), "-o", str(out), "-m", "slow"], cwd=TESTS, stderr=subprocess.PIPE
    )
    partial = tmp_path / "out.jsonl.partial"
    while not (partial.exists() and partial.stat().st_size) and job.poll() is None:
        time.sleep(0.02)
    job.send_signal(number)
    _, said = job.communicate()
    assert job.returncode == status
    assert b"got a stop after" in said
    assert b"--resume" in said
    assert not out.exists()
    assert 0 < partial.stat().st_size < (tmp_path / "whole.jsonl").stat().st_size
    assert run("score", source, "-o", out, "-m", "quick", "--resume").returncode == 0
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_user_without_a_writable_cache_is_told_once(tmp_path: Path) -> None:
    code = (
        "import numba, sys; from numba.core import caching;"
        "caching.CacheImpl._locator_classes = [];"
        "import tsclassify.io.scan, tsclassify.io.splice;"
        "from tsclassify.io.lines import LineScanner; from tsclassify.io.strict import Fields;"
        "from tsclassify.io.blocks import Block;"
        'data = b\'{"text":"a"}\\n\';'
        "print(len(LineScanner(Fields(), small_bytes=0).scan(Block(data, 0, len(data), 1, 1))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path)
    assert done.stdout == b"1\n"
    assert done.stderr.count(b"no writable cache folder") == 1


def test_hostile_posts_do_nothing_in_a_spreadsheet_or_terminal(tmp_path: Path) -> None:
    texts = [
        "=HYPERLINK(1)",
        "\x1b[2J\x07",
        "\u202egnp.exe",
        "<script>alert(1)</script>",
        "\u0000",
        "\r\n",
    ]
    (tmp_path / "in.jsonl").write_bytes(jsonl([{"text": text} for text in texts], ascii_only=True))
    done = run("score", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl")
    assert done.returncode == 0
    written = (tmp_path / "out.jsonl").read_bytes()
    assert [json.loads(line)["text"] for line in written.splitlines()] == texts
    # Raw control characters are no JSON, so a line that would reach a terminal with one is refused.
    assert not any(byte < 0x20 and byte != 0x0A for byte in written)
