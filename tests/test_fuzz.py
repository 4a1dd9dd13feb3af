"""A short run of every fuzz target; ``make fuzz`` runs them long."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fuzz.__main__ import run
from tests.fuzz.targets import TARGETS

N_CASES = {"policy": 800, "ledger": 600, "bundle": 400}


@pytest.mark.parametrize("name", TARGETS)
def test_target_survives_mutated_input(name: str) -> None:
    said = run(name, N_CASES.get(name, 1500), seed=1)
    if "not run" in said:
        pytest.skip(said)
    assert " cases, " in said
