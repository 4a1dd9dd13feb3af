"""A short run of every fuzz target; ``make fuzz`` runs them long."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fuzz.__main__ import run
from tests.fuzz.targets import TARGETS

HANG = """
import hashlib, sys
from tests.fuzz import __main__ as program
from tests.fuzz.target import Target
program.SILENT_S = 1.0
seen = []
def check(case):
    seen.append(case)
    if len(seen) == 20:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
program.TARGETS["zorp"] = lambda: Target([b"a"], check)
program.run("zorp", 100, 1)
"""

N_CASES = {"policy": 800, "ledger": 600, "bundle": 400}


@pytest.mark.parametrize("name", TARGETS)
def test_target_survives_mutated_input(name: str) -> None:
    said = run(name, N_CASES.get(name, 1500), seed=1)
    if "not run" in said:
        pytest.skip(said)
    assert " cases, " in said


def test_compiled_code_that_hangs_is_ended_by_its_processor_time_and_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANG], capture_output=True, cwd=Path(__file__).parents[1], timeout=600, check=False
    )
    assert done.returncode == -signal.SIGVTALRM
    assert b"in check" in done.stderr
