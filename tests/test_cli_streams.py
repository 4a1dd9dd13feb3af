"""The command line when its streams are closed or full, and when names would steer a terminal."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batch_fakes import jsonl, posts
from test_bundle import reseal
from tsclassify.cli import main
from tsclassify.resources import shipped
from tsclassify.standing import Ledger

TESTS = Path(__file__).parent
SHELL = f"{sys.executable} {TESTS / 'batch_main.py'}"


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command line in which TS is the program."""
    return subprocess.run(["bash", "-c", command.replace("TS", SHELL)], capture_output=True, cwd=cwd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_bytes(jsonl(posts(5)))
    (tmp_path / "batch_fakes.py").symlink_to(TESTS / "batch_fakes.py")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("TS score - <&-", "standard input: must be open, got a closed one"),
        ("TS score in.jsonl -q >&-", "stdout: must be usable, got bad file descriptor"),
        ("TS score in.jsonl -q > /dev/full", "stdout: must be usable, got no space left on device"),
        ("TS policy show hosting-provider > /dev/full", "standard output: must be usable, got no space left on device"),
        ("TS policy show hosting-provider >&-", "standard output: must be usable, got bad file descriptor"),
        ("TS policy schema > /dev/full", "standard output: must be usable, got no space left on device"),
        ("TS simulate --days 1 > /dev/full", "standard output: must be usable, got no space left on device"),
    ],
)
def test_a_closed_or_full_stream_is_one_sentence(folder: Path, command: str, says: str) -> None:
    done = shell(command, folder)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[0] == f"tsclassify: {says}"
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_command_that_ends_its_output_ends_well(folder: Path) -> None:
    done = shell("TS simulate --days 1 | tail -n 1", folder)
    assert (done.stdout.startswith(b'{"kind":'), b"Traceback" in done.stderr) == (True, False)


def test_closed_streams_that_are_not_needed_do_no_harm(folder: Path) -> None:
    done = shell("TS score in.jsonl -o out.jsonl <&- >&- 2>&-", folder)
    assert done.returncode == 0
    assert len((folder / "out.jsonl").read_bytes().splitlines()) == 5


@pytest.mark.parametrize("name", ["\x1b[2Jzorp", "\u202ezorp", "zorp\x9b1m", "zorp\r"])
def test_a_name_in_an_error_does_nothing_to_a_terminal(folder: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(TESTS / "batch_main.py"), "score", f"{name}.jsonl"], capture_output=True, cwd=folder
    )
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "file not found" in said
    assert said.replace("\n", "").isprintable()


STEERING = "\x1b]0;zorp\x07\u202e\x9b31m"


def test_a_bundle_says_nothing_that_a_terminal_would_obey(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Path(shutil.copytree(shipped("models", "en-v1"), tmp_path / "copy"))
    (bundle / "CARD.md").write_text(f"# {STEERING}\n", encoding="utf-8")
    source = dict.fromkeys(("name", "licence", "use"), f"{STEERING}[red]zorp")
    reseal(bundle, lambda manifest: manifest.update(sources=[source]))
    raw = (bundle / "manifest.json").read_text(encoding="utf-8").replace("\\u202e", "\u202e")
    assert "\u202e" in raw
    (bundle / "manifest.json").write_text(raw, encoding="utf-8")
    sums = (bundle / "SHA256SUMS").read_text().splitlines()
    digest = hashlib.sha256(raw.encode()).hexdigest()
    sums = [f"{digest}  manifest.json" if line.endswith("manifest.json") else line for line in sums]
    (bundle / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    for more in ([], ["--card"], ["--json"]):
        assert main(["model", "show", str(bundle), *more]) == 0
        said = capsys.readouterr().out
        assert "zorp" in said
        # a piped table is parted by tabs
        assert said.replace("\n", "").replace("\t", "").isprintable()


def test_a_ledger_says_nothing_that_a_terminal_would_obey(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Ledger.open(tmp_path / "l.db") as book:
        at = "2021-01-05T10:00:00+00:00"
        book.notice(STEERING, items=[STEERING], at=at)
        book.human_action("take", STEERING, at=at, by=STEERING, tenant=STEERING)
    given = [str(tmp_path / "l.db"), "--policy", "hosting-provider"]
    assert main(["review", *given, "--tenant", STEERING, "--as-of", "2021-01-09"]) == 0
    assert main(["ledger", "standing", *given, STEERING, "--at", "2021-01-09T00:00:00Z"]) == 0
    said = capsys.readouterr().out
    assert "zorp" in said
    assert said.replace("\n", "").isprintable()
