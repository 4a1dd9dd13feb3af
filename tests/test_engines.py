"""Ray and Spark in their local modes give what a local job gives, byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from tsclassify.batch import score_jsonl
from tsclassify.engines import score_files
from tsclassify.engines.recipe import Recipe
from tsclassify.engines.splits import joined, plan_splits, run_split
from tsclassify.errors import InputError
from tsclassify.io.sources import find_sources

TESTS = str(Path(__file__).parent)
SETTINGS = {"model": FakeClassifier(), "policy": fake_policy()}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two inputs with bad lines, and the output of a local job."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "in").mkdir()
    (folder / "in" / "a.jsonl").write_bytes(jsonl(posts(900)) + b"zorp\n\n" + jsonl(posts(600, 1)))
    (folder / "in" / "b.jsonl").write_bytes(b"blick\n" + jsonl(posts(40, 2))[:-1])
    score_jsonl(folder / "in", folder / "local.jsonl", workers=1, **SETTINGS)
    return folder


def same_as_local(folder: Path, out: Path) -> None:
    for suffix in ("", ".rejected.jsonl"):
        mine, local = Path(f"{out}{suffix}"), folder / f"local.jsonl{suffix}"
        assert mine.read_bytes() == local.read_bytes()


@pytest.mark.parametrize("split_bytes", [1_000, 50_000, 1 << 30])
def test_splits_joined_are_the_local_output(folder: Path, split_bytes: int) -> None:
    splits = plan_splits(find_sources([folder / "in"]), split_bytes)
    plan = Recipe(**SETTINGS).plan()
    parts = list(joined((run_split(split, plan) for split in splits), splits))
    assert b"".join(part[0] for part in parts) == (folder / "local.jsonl").read_bytes()
    assert b"".join(part[1] for part in parts) == (folder / "local.jsonl.rejected.jsonl").read_bytes()


def test_missing_or_misplaced_part_is_refused(folder: Path) -> None:
    splits = plan_splits(find_sources([folder / "in"]), 200_000)
    plan = Recipe(**SETTINGS).plan()
    parts = [run_split(split, plan) for split in splits]
    for wrong in (parts[:-1], parts[::-1]):
        with pytest.raises(InputError, match="every split must come back once"):
            list(joined(iter(wrong), splits))


def test_worker_with_another_model_is_refused() -> None:
    recipe = replace(Recipe.of(**SETTINGS), model=FakeClassifier("other"))
    with pytest.raises(InputError, match="worker must have fake@ffffffffffff and fake-policy"):
        recipe.scorer()


def test_engine_needs_files_of_lines(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a file, got a stream"):
        score_files("-", tmp_path / "out.jsonl", engine="ray", **SETTINGS)
    with pytest.raises(InputError, match="must be one of ray, spark"):
        score_files(folder / "in", tmp_path / "out.jsonl", engine="abacus", **SETTINGS)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="ray is not installed; pip install 'tsclassify[ray]'")
    pytest.importorskip("ray.data", reason="ray data is not installed; pip install 'tsclassify[ray]'")
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=200 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": TESTS}},
    )
    yield ray
    ray.shutdown()


def test_ray_files_are_the_local_output(ray, folder: Path, tmp_path: Path) -> None:
    score_files(folder / "in", tmp_path / "out.jsonl", engine="ray", split_bytes=50_000, **SETTINGS)
    same_as_local(folder, tmp_path / "out.jsonl")


def test_ray_dataset_gets_the_local_results(ray, folder: Path) -> None:
    from tsclassify.engines.ray import score_dataset

    items = posts(900)
    rows = score_dataset(ray.data.from_items(items, override_num_blocks=3), batch_size=64, **SETTINGS).take_all()
    local = [json.loads(line) for line in (folder / "local.jsonl").read_bytes().splitlines()[:900]]
    found = {row["id"]: row["tsclassify"] for row in rows}
    for item in local:
        result = found[item["id"]]
        assert result["tier"] == item["tsclassify"]["tier"]
        for name, value in item["tsclassify"]["scores"].items():
            assert result["scores"][name] == pytest.approx(value, abs=6e-7)


@pytest.fixture(scope="module")
def spark():
    pytest.importorskip("pyspark", reason="pyspark is not installed; pip install 'tsclassify[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs a Java runtime, and none is on the path")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [TESTS, os.environ.get("PYTHONPATH")]))
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_spark_files_are_the_local_output(spark, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    score_files(folder / "in", out, engine="spark", split_bytes=50_000, session=spark, **SETTINGS)
    same_as_local(folder, out)


def test_spark_frame_gets_the_local_results(spark, folder: Path) -> None:
    from tsclassify.engines.spark import score_dataframe

    frame = spark.createDataFrame([(item["id"], item["text"]) for item in posts(900)], "id string, text string")
    rows = score_dataframe(frame, **SETTINGS).collect()
    local = [json.loads(line) for line in (folder / "local.jsonl").read_bytes().splitlines()[:900]]
    found = {row["id"]: row["tsclassify"] for row in rows}
    for item in local:
        result = found[item["id"]]
        assert result["tier"] == item["tsclassify"]["tier"]
        for name, value in item["tsclassify"]["scores"].items():
            assert result["scores"][name] == pytest.approx(value, abs=6e-7)
