"""Hostile files around a ledger: lines without end, nesting without end, times that no clock shows, lost names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tsclassify.cli import main
from tsclassify.errors import InputError, LedgerError
from tsclassify.evaluation.labelled import read_labelled as labelled_posts
from tsclassify.evaluation.report import Report
from tsclassify.io import rows
from tsclassify.ledger.moments import aware
from tsclassify.review import read_labelled
from tsclassify.standing import Ledger

AT = "2021-01-05T10:00:00+00:00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "l.db") as book:
        book.removal("1", at=AT, tenant="acme")
        book.removal("2", at=AT, tenant="acme")
        book.export(tmp_path / "l.jsonl")
    return tmp_path / "l.db"


def test_an_export_is_not_written_over_its_ledger(path: Path) -> None:
    before = path.read_bytes()
    with Ledger.open(path, read_only=True) as book, pytest.raises(LedgerError, match="must be a file of its own"):
        book.export(path)
    (path.parent / "link").symlink_to(path)
    assert main(["ledger", "export", str(path), "-o", str(path.parent / "link")]) == 1
    assert path.read_bytes() == before


def test_a_page_is_not_written_over_its_ledger(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = path.read_bytes()
    given = ["review", str(path), "--tenant", "acme", "--policy", "hosting-provider", "--as-of", "2021-01-09"]
    assert main([*given, "-o", str(path)]) == 1
    assert "page must not be an input" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_pipes_are_neither_replaced_nor_waited_for(path: Path, tmp_path: Path) -> None:
    for name in ("pipe", "x.jsonl.part"):
        os.mkfifo(tmp_path / name)
    with Ledger.open(path, read_only=True) as book:
        with pytest.raises(LedgerError, match="must be a plain file"):
            book.export(tmp_path / "pipe")
        assert book.export(tmp_path / "x.jsonl") == 2
    with pytest.raises(LedgerError, match="must be a plain file"):
        Ledger.open(tmp_path / "pipe", read_only=True)
    assert (tmp_path / "pipe").is_fifo()


def test_the_temporary_file_of_an_export_is_not_written_through_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("keep")
    (tmp_path / "x.jsonl.part").symlink_to(tmp_path / "victim")
    with Ledger.open(path, read_only=True) as book:
        book.export(tmp_path / "x.jsonl")
    assert (tmp_path / "victim").read_text() == "keep"


def test_an_import_into_a_ledger_that_has_events_names_a_missing_file(path: Path, tmp_path: Path) -> None:
    with Ledger.open(path) as book, pytest.raises(LedgerError, match=r"gone\.jsonl: export must be readable"):
        book.import_(tmp_path / "gone.jsonl")


def test_a_line_without_end_is_not_read_to_it(path: Path, tmp_path: Path) -> None:
    with (tmp_path / "sparse.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    says = rf"sparse\.jsonl:1: line must have at most {rows.MAX_ROW_BYTES:,} bytes, got more"
    with Ledger.open(tmp_path / "new.db") as book, pytest.raises(LedgerError, match=says):
        book.import_(tmp_path / "sparse.jsonl")
    with Ledger.open(path) as book, pytest.raises(LedgerError, match=says):
        book.import_(tmp_path / "sparse.jsonl")
    with pytest.raises(InputError, match=says):
        read_labelled(tmp_path / "sparse.jsonl")


def test_nesting_without_end_is_refused(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = (tmp_path / "l.jsonl").read_text().splitlines()[0]
    (tmp_path / "deep.jsonl").write_text(first.replace('"body":', '"body":' + "[" * 200_000) + "\n")
    with Ledger.open(tmp_path / "new.db") as book, pytest.raises(LedgerError, match="line must be an exported row"):
        book.import_(tmp_path / "deep.jsonl")
    (tmp_path / "deep.jsonl").write_text('{"kind":"removal","x":' + "[" * 200_000 + "]" * 200_000 + "}\n")
    assert main(["ledger", "record", str(path), str(tmp_path / "deep.jsonl")]) == 1
    assert capsys.readouterr().err == "tsclassify: deep.jsonl:1: line must be a JSON object\n"


def test_nesting_without_end_is_refused_wherever_lines_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep.jsonl").write_text('{"text":"zorp","gold":' + "[" * 200_000 + "\n")
    packs = ["hosting-provider", "community"]
    assert main(["policy", "diff", *packs, "--on", str(tmp_path / "deep.jsonl")]) == 1
    assert "deep.jsonl:1: line must be JSON, got something else" in capsys.readouterr().err
    with pytest.raises(InputError, match="line must be JSON, got something else"):
        labelled_posts(tmp_path / "deep.jsonl")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(InputError):
        Report.load(tmp_path / "deep.json")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_outside_the_years_of_utc_is_refused_since_its_row_could_never_be_exported(path: Path, at: str) -> None:
    with Ledger.open(path) as book:
        with pytest.raises(InputError, match="time must lie in the years 1 to 9999 of UTC"):
            book.removal("3", at=at, tenant="acme")
        assert len(book) == 2


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_the_first_and_the_last_moment_can_be_exported(path: Path, tmp_path: Path, at: str) -> None:
    with Ledger.open(path) as book:
        book.removal("3", at=at, tenant="acme")
        assert book.export(tmp_path / "x.jsonl") == 3


def test_an_end_beyond_the_calendar_is_its_end() -> None:
    assert (aware(1 << 62).year, aware(-(1 << 62)).year) == (9999, 1)
