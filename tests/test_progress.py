"""A progress bar counts on a terminal, and is nothing elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tsclassify.progress import Progress


@pytest.mark.parametrize(("shown", "after_s"), [(False, 0.0), (None, 0.0), (True, 3600.0)])
def test_nothing_is_drawn_off_a_terminal_or_before_its_time(
    shown: bool | None, after_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress(shown, after_s=after_s) as progress:
        progress.stage("scoring", 2)(1)
    assert capsys.readouterr().err == ""


def test_a_stage_shows_its_steps_or_what_is_said_of_them() -> None:
    code = (
        "from tsclassify.progress import Progress\n"
        "with Progress(True) as progress:\n"
        "    counted, told = progress.stage('scoring', 2000), progress.stage('reading', 0)\n"
        "    counted(1500); told(10, '7 lines'); progress.bars().refresh()\n"
    )
    environment = {**os.environ, "TERM": "xterm", "FORCE_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "1,500/2,000" in done.stderr
    assert "7 lines" in done.stderr
    assert done.stdout == ""


def test_a_short_job_does_not_import_what_draws() -> None:
    code = (
        "import sys\n"
        "from tsclassify.progress import Progress\n"
        "with Progress(True, after_s=3600) as progress:\n"
        "    progress.stage('scoring', 2)(1)\n"
        "print('rich' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
