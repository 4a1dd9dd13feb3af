"""Hostile Parquet: bombs, values that no JSON holds, columns of one name, damaged footers."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_fakes import FakeClassifier, fake_policy
from tsclassify.batch import score_jsonl, tables
from tsclassify.errors import InputError

TEXTS = pa.array(["a zorp", "a river"])


def score(source: Path, out: Path, **options: Any) -> Any:
    return score_jsonl(
        source, out, **({"policy": fake_policy(), "model": FakeClassifier(), "workers": 1, "keep_job": True} | options)
    )


def written(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table({"text": TEXTS} | columns), folder / "in.parquet", **options)
    return folder / "in.parquet"


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize("names", [["text", "text"], ["text", "x", "x"]])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, names: list[str], name: str) -> None:
    pq.write_table(pa.Table.from_arrays([TEXTS] * len(names), names=names), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"in\.parquet: columns must have names of their own, got one twice"):
        score(tmp_path / "in.parquet", tmp_path / name)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**62, 1], pa.timestamp("us")),
        pa.array([1, 2], pa.timestamp("us", "Mars/Zorp")),
        pa.array([2**31 - 1, 1], pa.date32()),
        pa.array([2**62, 1], pa.duration("s")),
    ],
    ids=str,
)
def test_a_value_that_json_cannot_hold_is_one_sentence_and_stays_in_parquet(tmp_path: Path, values: pa.Array) -> None:
    source = written(tmp_path, {"x": values})
    with pytest.raises(InputError, match=r"in\.parquet: rows 1 to 2 must hold values that JSON can hold, got others"):
        score(source, tmp_path / "out.jsonl")
    assert score(source, tmp_path / "out.parquet").n_items == 2
    assert pq.read_table(tmp_path / "out.parquet").column("x").equals(pa.chunked_array([values]))


@pytest.mark.parametrize("values", [[1, 2], ["abc", "d"], [[1], [2]]])
def test_signals_that_are_no_booleans_are_one_sentence(tmp_path: Path, values: list[Any]) -> None:
    with pytest.raises(InputError, match="signals must be a struct or a map of booleans, got"):
        score(written(tmp_path, {"signals": pa.array(values)}), tmp_path / "out.parquet")


def test_a_rejected_row_may_hold_broken_utf8_elsewhere(tmp_path: Path) -> None:
    broken = pa.array([b"\xff", b"a"], pa.binary()).view(pa.string())
    summary = score(written(tmp_path, {"text": broken, "id": broken}), tmp_path / "out.parquet")
    assert (summary.n_items, summary.n_rejected) == (1, 1)
    record = json.loads((tmp_path / "out.parquet.rejected.jsonl").read_bytes())
    assert record["reason"] == "no_text"


def test_a_damaged_footer_is_refused_or_harmless_wherever_it_is_damaged(tmp_path: Path) -> None:
    whole = written(tmp_path, {"x": TEXTS}).read_bytes()
    size = int.from_bytes(whole[-8:-4], "little") + 8
    for at in range(len(whole) - size, len(whole) - 8, 7):
        (tmp_path / "in.parquet").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        for name in ("out.jsonl", "out.parquet"):
            with contextlib.suppress(InputError):
                score(tmp_path / "in.parquet", tmp_path / name, overwrite=True)


def test_a_column_with_a_dictionary_comes_out_as_its_values(tmp_path: Path) -> None:
    source = written(tmp_path, {"lang": pa.array(["en", "en"]).dictionary_encode()})
    assert score(source, tmp_path / "out.parquet").n_items == 2
    assert pq.read_table(tmp_path / "out.parquet").column("lang").to_pylist() == ["en", "en"]
    assert score(source, tmp_path / "out.jsonl").n_items == 2


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize("bomb", ["page", "rows", "dictionary"])
def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: str, name: str
) -> None:
    monkeypatch.setattr(tables, "RATIO_FLOOR", 1 << 20)
    columns = {
        "page": pa.array(["z" * 50_000_000]),
        "rows": pa.nulls(20_000_000, pa.string()),
        "dictionary": pa.DictionaryArray.from_arrays(pa.array([0] * 8000, pa.int32()), ["zorp " * 100_000]),
    }
    pq.write_table(pa.table({"text": columns[bomb]}), tmp_path / "in.parquet", compression="zstd")
    assert (tmp_path / "in.parquet").stat().st_size < 60_000
    with pytest.raises(InputError, match="unpacked size must be at most 1000 times the packed size, got more"):
        score(tmp_path / "in.parquet", tmp_path / name)
    if bomb == "page":
        assert score(tmp_path / "in.parquet", tmp_path / name, overwrite=True, max_ratio=1e9).n_lines == 1


def test_memory_that_runs_out_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_batch: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(tables, "_rows", full)
    with pytest.raises(InputError, match=r"in\.parquet: rows 1 to 2 must fit into the memory there is, got more"):
        score(written(tmp_path, {}), tmp_path / "out.jsonl")
