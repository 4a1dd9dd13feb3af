"""Arrow and Parquet: the record-batch function, files in and out, and the same answers as JSONL."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_fakes import FakeClassifier, fake_policy, jsonl, posts
from tsclassify.batch import StoppedError, score_jsonl
from tsclassify.batch.arrow import ArrowScorer, texts_of
from tsclassify.batch.plan import make_plan
from tsclassify.errors import InputError

ITEMS = posts(700)


def score(source, out, **options):
    settings = {"policy": fake_policy(), "model": FakeClassifier(), "workers": 1, "keep_job": True} | options
    return score_jsonl(source, out, **settings)


def without_nulls(result: dict) -> dict:
    """A struct's members that JSON output would write, scores to six decimals."""
    kept = {name: value for name, value in result.items() if value is not None}
    if "findings" in kept:
        kept["findings"] = {name: level for name, level in kept["findings"].items() if level}
    kept["scores"] = {name: math.floor(value * 1e6 + 0.5) / 1e6 for name, value in kept["scores"].items()}
    return kept


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Results of the JSONL path."""
    folder = tmp_path_factory.mktemp("expected")
    (folder / "in.jsonl").write_bytes(jsonl(ITEMS))
    score(folder / "in.jsonl", folder / "out.jsonl")
    results = [json.loads(line)["tsclassify"] for line in (folder / "out.jsonl").read_bytes().splitlines()]
    # JSONL writes null for what is unknown, as Arrow does for what does not apply
    return [{name: value for name, value in result.items() if value is not None} for result in results]


@pytest.fixture
def scorer() -> ArrowScorer:
    return ArrowScorer(make_plan(FakeClassifier(), fake_policy()))


KINDS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("kind", KINDS)
def test_record_batch_gets_the_results_of_lines(scorer: ArrowScorer, expected: list[dict], kind: pa.DataType) -> None:
    texts = pa.array([item["text"] for item in ITEMS], pa.string())
    column = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
    batch = pa.RecordBatch.from_arrays([column, pa.array(range(len(ITEMS)))], names=["text", "n"])
    for start, stop in [(0, 700), (13, 500)]:
        scored = scorer(batch.slice(start, stop - start))
        assert scored.schema.names == ["text", "n", "tsclassify"]
        results = [without_nulls(result) for result in scored.column("tsclassify").to_pylist()]
        assert results == expected[start:stop]


def test_row_without_a_text_gets_a_null_result(scorer: ArrowScorer) -> None:
    column = pa.array([b"zorp", None, b"a\xff", b""], pa.binary()).view(pa.string())
    results = scorer(pa.RecordBatch.from_arrays([column], names=["text"])).column("tsclassify").to_pylist()
    assert [result is None for result in results] == [False, True, True, False]


def test_texts_are_read_without_their_neighbours() -> None:
    texts = texts_of(pa.array(["a", None, "bc", "", "d"]).slice(1, 3))
    assert texts.data.tobytes() == b"bc"
    np.testing.assert_array_equal(texts.offsets, [0, 2, 2])
    np.testing.assert_array_equal(texts.valid, [False, True, True])


def test_batch_without_texts_is_refused(scorer: ArrowScorer) -> None:
    with pytest.raises(InputError, match="column 'text' must be there"):
        scorer(pa.RecordBatch.from_arrays([pa.array([1])], names=["n"]))
    with pytest.raises(InputError, match="must hold strings, got int64"):
        scorer(pa.RecordBatch.from_arrays([pa.array([1])], names=["text"]))


def test_stated_signals_of_a_struct_column_win(scorer: ArrowScorer) -> None:
    signals = pa.array([{"specific": True}, {"specific": False}, {"specific": None}, None])
    batch = pa.RecordBatch.from_arrays([pa.array(["zorp"] * 4), signals], names=["text", "signals"])
    states = [result["signals"]["specific"] for result in scorer(batch).column("tsclassify").to_pylist()]
    assert states[:2] == [True, False]
    assert states[2] == states[3]


def test_parquet_in_and_out_give_the_results_of_jsonl(tmp_path: Path, expected: list[dict]) -> None:
    table = pa.Table.from_pylist(ITEMS)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=99)
    score(tmp_path / "in.parquet", tmp_path / "one.parquet", workers=2)
    one = pq.read_table(tmp_path / "one.parquet")
    assert one.select(table.column_names).equals(table)
    assert [without_nulls(result) for result in one.column("tsclassify").to_pylist()] == expected
    score(tmp_path / "in.parquet", tmp_path / "two.jsonl")
    two = [json.loads(line) for line in (tmp_path / "two.jsonl").read_bytes().splitlines()]
    assert [without_nulls(item.pop("tsclassify")) for item in two] == expected
    assert two == ITEMS
    (tmp_path / "in.jsonl").write_bytes(jsonl(ITEMS))
    score(tmp_path / "in.jsonl", tmp_path / "three.parquet", workers=2, block_bytes=10_000)
    three = pq.read_table(tmp_path / "three.parquet")
    assert three.column("tsclassify").equals(one.column("tsclassify"))
    assert [json.loads(item) for item in three.column("item").to_pylist()] == ITEMS
    assert three.column("id").to_pylist() == [item["id"] for item in ITEMS]


def test_rows_without_a_text_are_rejected_with_their_number(tmp_path: Path) -> None:
    column = pa.array([b"zorp", None, b"a\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column, "id": [1, 2, 3]}), tmp_path / "in.parquet")
    for name in ("out.jsonl", "out.parquet"):
        summary = score(tmp_path / "in.parquet", tmp_path / name)
        assert (summary.n_items, summary.n_rejected) == (1, 2)
        records = (tmp_path / f"{name}.rejected.jsonl").read_bytes().splitlines()
        assert [json.loads(record)["line"] for record in records] == [2, 3]


def test_stopped_parquet_job_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(ITEMS))
    score(tmp_path / "in.jsonl", tmp_path / "one.parquet", block_bytes=9_000)
    stop = threading.Event()

    class Stopping(FakeClassifier):
        left = 4

        def measure_utf8(self, data, offsets):
            self.left -= 1
            if self.left == 0:
                stop.set()
            return super().measure_utf8(data, offsets)

    with pytest.raises(StoppedError):
        score(tmp_path / "in.jsonl", tmp_path / "two.parquet", block_bytes=9_000, model=Stopping(), stop=stop)
    score(tmp_path / "in.jsonl", tmp_path / "two.parquet", block_bytes=5_000, resume=True, workers=2)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_damaged_parquet_gives_one_sentence(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["zorp"] * 1000}), tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "in.parquet").write_bytes(data[: len(data) // 2])
    for name in ("out.jsonl", "out.parquet"):
        with pytest.raises(InputError, match=r"in\.parquet: Parquet must be whole"):
            score(tmp_path / "in.parquet", tmp_path / name)
        assert not (tmp_path / name).exists()


def test_duckdb_runs_the_record_batch_function(scorer: ArrowScorer, expected: list[dict]) -> None:
    def tier(texts: pa.ChunkedArray) -> pa.Array:
        batch = pa.RecordBatch.from_arrays([texts.combine_chunks()], names=["text"])
        return scorer(batch).column("tsclassify").field("tier")

    posts_table = pa.Table.from_pylist(ITEMS)  # noqa: F841 - read by DuckDB
    with duckdb.connect() as connection:
        connection.create_function("tier", tier, ["VARCHAR"], "VARCHAR", type="arrow")
        found = connection.sql("SELECT tier(text) AS t, count(*) AS n FROM posts_table GROUP BY t").fetchall()
    assert dict(found) == {t: sum(r["tier"] == t for r in expected) for t in {r["tier"] for r in expected}}


@pytest.mark.filterwarnings("ignore")
def test_datasets_map_runs_the_record_batch_function(scorer: ArrowScorer, expected: list[dict]) -> None:
    import datasets

    datasets.disable_progress_bars()
    dataset = datasets.Dataset.from_list(ITEMS).with_format("arrow")

    def add(table: pa.Table) -> pa.Table:
        return pa.Table.from_batches([scorer(batch) for batch in table.combine_chunks().to_batches()])

    mapped = dataset.map(add, batched=True, batch_size=100, load_from_cache_file=False).with_format(None)
    assert [result["tier"] for result in mapped["tsclassify"]] == [result["tier"] for result in expected]
