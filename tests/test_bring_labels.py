"""Readers' codes on their way into the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tsclassify.data import everyday_rows

_REPOSITORY = Path(__file__).resolve().parents[1]
_SCRIPT = _REPOSITORY / "benchmarks" / "bring_labels.py"
_KEYS = tuple(sign * 64 for sign in "abcd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of readings, and one of labels that hold one row from before."""
    (tmp_path / "labels").mkdir()
    head = "sha256\tid\tsource\tpicked\tuse\tsplit\tcode\tsecond_code\n"
    _put(tmp_path, "labels/found.tsv", head + f"{_KEYS[3]}\tnf1\tedos\thigh\ttrain\ttrain\tN/-/-\t\n")
    _put(tmp_path, "labels/reread.tsv", "sha256\tcode\n")
    _put(tmp_path, "labels/drawn.tsv", "sha256\tsource\n")
    index = "".join(
        f"q{at}\t{key}\tgoemotions\trand_goemotions\ttrain\tdev\n" for at, key in enumerate(_KEYS[:3], start=1)
    )
    _put(tmp_path, "index.tsv", "id\tsha256\tsource\tpicked\tuse\tsplit\n" + index)
    own = everyday_rows()[0]
    _put(tmp_path, "reread_index.tsv", f"id\tsha256\n{own.id}\t{own.sha256}\n")
    drawn = "".join(f"{key}\tgoemotions\n" for key in (*_KEYS[:3], "e" * 64))
    _put(tmp_path, "drawn.tsv", "sha256\tsource\n" + drawn)
    return tmp_path


def _put(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")


def _bring(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_SCRIPT), str(folder), "--labels", str(folder / "labels")]
    return subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=True)


def _rows(folder: Path, name: str) -> list[list[str]]:
    lines = (folder / "labels" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


def test_readings_join_the_labels_that_were_there_and_second_ones_stand_beside_the_first(folder: Path) -> None:
    _put(folder, "out_b.tsv", "q1\tT/p3/-\nq2\tN/-/-\n")
    _put(folder, "out_double.tsv", "q1\tT/p2/-\nq2\tN/-/j\n")
    printed = _bring(folder).stdout
    assert [(row[1], *row[5:]) for row in _rows(folder, "found")] == [
        ("nf1", "train", "N/-/-", ""),
        ("q1", "dev", "T/p3/-", "T/p2/-"),
        ("q2", "dev", "N/-/-", "N/-/j"),
    ]
    assert "two readings of a found text: 2 texts" in printed
    assert "violent_threat   kappa  1.00  positive 1, 1" in printed
    assert "severe           kappa  0.00  positive 1, 0" in printed


def test_a_draw_counts_only_when_all_of_it_has_been_read(folder: Path) -> None:
    _put(folder, "out_b.tsv", "q1\tN/-/-\nq2\tN/-/-\n")
    _bring(folder)
    assert _rows(folder, "drawn") == []
    _put(folder, "out_c.tsv", "q3\tN/-/-\n")
    _bring(folder)
    assert [row[0] for row in _rows(folder, "drawn")] == list(_KEYS[:3])


def test_a_second_reading_of_a_labelled_text_is_kept_apart_and_a_later_run_replaces_it(folder: Path) -> None:
    own = everyday_rows()[0]
    for code in ("N/-/j", "N/-/f"):
        _put(folder, "out_sig.tsv", f"{own.id}\t{code}\n")
        _bring(folder)
        assert _rows(folder, "reread") == [[own.sha256, code]]
    assert len(_rows(folder, "found")) == 1


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("q1\tQ/-/-", "annotation code"),
        ("q9\tN/-/-", "id must be one of the index, got 'q9'"),
        ("q2\tT/p3/-", "id must stand once in a file, got 'q2' again"),
        ("q1 N/-/-", "line must be an id and a code, got 1 columns"),
    ],
)
def test_a_faulty_line_is_named_and_left_out(line: str, fault: str, folder: Path) -> None:
    _put(folder, "out_b.tsv", f"q2\tN/-/-\n{line}\n")
    found = _bring(folder)
    assert f"out_b.tsv, line 2: {fault}" in found.stderr
    assert [row[1:] for row in _rows(folder, "found")][1:] == [
        ["q2", "goemotions", "rand_goemotions", "train", "dev", "N/-/-", ""]
    ]
