"""What an install of requirements-core.txt must do, and what it says of each package that it lacks.

Run by ``test_core_install.py`` with the packages hidden, and in an environment that does not have them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ABSENT = {
    *("datasets", "jinja2", "joblib", "markupsafe", "pandas", "pooch", "pyarrow", "pyspark", "ray"),
    *("requests", "scipy", "sklearn", "torch", "transformers"),
}


class _Hiding:
    """A finder of modules that does not find the absent packages, though they are installed."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in ABSENT else self._finder.find_spec(name, path, target)


def core_works(folder: Path) -> None:
    """Score, explain, decide, record, batch; nothing but the core is imported."""
    import tsclassify as ts

    clf, policy = ts.load(), ts.Policy.load("hosting-provider")
    item = {"id": "1", "text": "I will burn your depot down tonight", "actor": "u7", "at": "2021-01-08T10:00:00Z"}
    assert clf.score([item["text"]])["violent_threat"][0] > 0.5
    assert clf.explain(item["text"], "violent_threat").pieces
    decision = clf.decide(item, policy)
    assert decision.tier != "none"
    assert decision.why()
    with ts.Ledger.open(folder / "ledger.db") as ledger:
        ledger.record(decision)
        assert ledger.standing("u7", policy, at="2021-01-09T10:00:00Z").strikes
    source = folder / "in.jsonl"
    source.write_text('{"id": "1", "text": "I will burn your depot down tonight"}\n', encoding="utf-8")
    assert ts.score_jsonl(source, folder / "out.jsonl", policy=policy).n_written == 1
    loaded = sorted(ABSENT & set(sys.modules))
    assert not loaded, loaded


def absent_packages_are_named(folder: Path) -> None:
    """Each call that needs more says so in one sentence."""
    import tsclassify as ts
    from tsclassify.cli import main
    from tsclassify.data.files import data_folder
    from tsclassify.engines import ray, spark
    from tsclassify.errors import MissingPackageError
    from tsclassify.training import teacher

    clf, policy = ts.load(), ts.Policy.load("hosting-provider")
    scores = clf.score(["zorp"])
    rows = [{"text": "zorp", "incitement": True}, {"text": "blick", "incitement": False}]
    report = ts.evaluate(clf, rows, n_boot=2, disguises=False, swaps=(), suites=())
    (folder / "in.parquet").write_bytes(b"PAR1zorpPAR1")
    ledger = ts.Ledger.open(folder / "other.db")
    calls: dict[str, Callable[[], object]] = {
        "Scores.to_pandas: package pandas": scores.to_pandas,
        "Scores.to_arrow: package pyarrow": scores.to_arrow,
        "Report.save: package jinja2": lambda: report.save(folder / "report.html"),
        "Report: package jinja2": report._repr_html_,
        "Table.to_pandas: package pandas": report["ranking"].to_pandas,
        "review_platform: package scipy": lambda: reviewed(ts, ledger, policy),
        "score_jsonl: package pyarrow": lambda: ts.score_jsonl(folder / "in.parquet", folder / "out.parquet"),
        "engine: package ray": lambda: ray.score_dataset(None),
        "engine: package pyspark": lambda: spark.score_dataframe(None),
        "teacher: package torch": lambda: teacher.fine_tune(["zorp"], None, teacher.TeacherSettings(folder)),  # type: ignore[arg-type]
        "data: package pooch": data_folder,
    }
    for start, call in calls.items():
        try:
            call()
        except MissingPackageError as error:
            said = str(error)
        else:
            raise AssertionError(f"{start}: nothing was said")
        assert said.startswith(f"{start} must be installed, got none\nhint: pip install "), said
    ledger.close()
    command = ["review", str(folder / "other.db"), "--tenant", "t", "--policy", "hosting-provider"]
    assert main([*command, "--as-of", "2021-05-01"]) == 1


def reviewed(ts: object, ledger: object, policy: object) -> object:
    """A review of a tenant with enough on record to need intervals."""
    import datetime as dt

    from tsclassify.review import Tenant, review_platform, simulate

    start = dt.datetime(2021, 1, 4, tzinfo=dt.UTC)
    ledger.record_many(simulate(Tenant(), policy, name="t", start=start, n_days=120, seed=1))  # type: ignore[attr-defined, arg-type]
    return review_platform(ledger, policy, tenant="t", at=start + dt.timedelta(days=118))  # type: ignore[arg-type]


if __name__ == "__main__":
    os.environ.pop("TSCLASSIFY_DATA", None)
    if "--hide" in sys.argv:
        sys.meta_path[:] = [_Hiding(finder) for finder in sys.meta_path]
    with tempfile.TemporaryDirectory() as name:
        core_works(Path(name))
        absent_packages_are_named(Path(name))
