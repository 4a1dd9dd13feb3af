"""What all tests share: where the public data is, and how property tests are run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_NO_PUBLIC_DATA = "public data is not here: set TSCLASSIFY_DATA or run `tsclassify data fetch`"

# Property tests draw the same examples in every run, so that a red run can be repeated; deadlines are off
# because the machines that run them are shared.
settings.register_profile("default", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def _public_data() -> Path | None:
    given = os.environ.get("TSCLASSIFY_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data" / "raw"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Folder of the public data files; the test is skipped, with the reason, where there is none."""
    folder = _public_data()
    if folder is None:
        pytest.skip(_NO_PUBLIC_DATA)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that ask for public data, so that they can be chosen or counted."""
    for item in items:
        if "public_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.public_data)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests on public data did not run, and why."""
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if _NO_PUBLIC_DATA in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(f"tests on public data not run: {len(skipped)} ({_NO_PUBLIC_DATA})")
