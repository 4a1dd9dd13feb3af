"""Files as people have them: other kinds, other names, other encodings, and flat tables out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from batch_fakes import FakeClassifier, fake_policy
from tsclassify.batch import score_jsonl
from tsclassify.cli import cli
from tsclassify.errors import InputError
from tsclassify.io.formats import as_lines
from tsclassify.items import act_time

TEXTS = ["hello, you", 'we will "burn" the zorp depot\nwith all in it', "naïve – ok"]


def write_table(
    path: Path, delimiter: str = ",", encoding: str = "utf-8", names: tuple[str, ...] = ("id", "text")
) -> Path:
    made = io.StringIO()
    writer = csv.writer(made, delimiter=delimiter)
    writer.writerow(names)
    writer.writerows([[f"00{number}", text] for number, text in enumerate(TEXTS)])
    path.write_bytes(made.getvalue().encode(encoding))
    return path


def scored(source: Path, out: Path, **options: object) -> list[dict]:
    score_jsonl(source, out, model=FakeClassifier(), policy=fake_policy(), workers=1, **options)
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def lines(data: bytes, name: str, text: str = "text") -> list:
    stream = as_lines(io.BytesIO(data), name, text)
    read = b""
    while piece := stream.read(7):
        read += piece
    return [json.loads(line) for line in read.splitlines() if line.strip()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(("name", "delimiter"), [("in.csv", ","), ("in.tsv", "\t"), ("in.csv", ";"), ("in", "|")])
def test_tables_in_any_encoding_give_their_texts(tmp_path: Path, name: str, delimiter: str, encoding: str) -> None:
    items = scored(write_table(tmp_path / name, delimiter, encoding), tmp_path / "out.jsonl")
    assert [item["text"] for item in items] == TEXTS
    assert [item["id"] for item in items] == ["000", "001", "002"]


def test_a_packed_table_is_read(tmp_path: Path) -> None:
    plain = write_table(tmp_path / "in.csv")
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert len(scored(tmp_path / "in.csv.gz", tmp_path / "out.jsonl")) == 3


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'[{"text":"a"},{"text":"b"}]', "in.json"),
        (b'[\n {"text": "a",\n  "id": 1},\n {"text": "b"}\n]\n', "in.json"),
        (b'{"text":\n "a"}\n{"text":\n "b"}', "in.json"),
        (b'[{"text":"a"},{"text":"b"}]', "-"),
        (b"a\r\n\r\nb\n", "in.txt"),
        (b"a\nb", "-"),
        (b'{"text":"a"}\n{"text":"b"}\n', "-"),
        ('{"text":"a"}\n{"text":"b"}\n'.encode("utf-16"), "in.jsonl"),
        (b"text,id\na,1\nb,2\n", "-"),
    ],
)
def test_every_kind_of_file_becomes_lines(data: bytes, name: str) -> None:
    assert [row["text"] for row in lines(data, name)] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b'text\n"a\n' + b"b\n" * 10, "in.csv", None),
        (b"text,text\na,b\n", "in.csv", "columns must have names of their own"),
        (b'[{"text":"a"},{"text":', "in.json", "JSON must be whole, got a fault in value 2"),
        (b'[{"text":"a"} zorp]', "in.json", "JSON must be whole"),
        ("a".encode("utf-16") + b"\x00\xd8", "in.txt", "text must be UTF-16 throughout"),
    ],
)
def test_a_broken_file_is_one_sentence(data: bytes, name: str, said: str | None) -> None:
    if said is None:
        assert lines(data, name)[0]["text"].startswith("a")
        return
    with pytest.raises(InputError, match=said):
        lines(data, name)


def test_cells_that_are_numbers_are_such_and_names_are_not() -> None:
    (row,) = lines(b"text,id,followers,rate,verified,zip\n12,007,5,1.5,TRUE,0815\n", "in.csv")
    assert row == {"text": "12", "id": "007", "followers": 5, "rate": 1.5, "verified": True, "zip": "0815"}


def test_a_row_with_too_many_cells_is_rejected_and_kept(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"text,id\nhello,1\nhello,2,3\nhello\n")
    assert len(scored(tmp_path / "in.csv", tmp_path / "out.jsonl")) == 2
    (record,) = (tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()
    assert json.loads(record)["line"] == 2
    assert json.loads(record)["raw"] == '["hello", "2", "3"]'


# --- names


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"body": "zorp", "author": "u", "id": 1},
            'no line has "text"; found body, author, id\nhint: try --fields text=body',
        ),
        ({"data": {"full_text": "zorp"}}, "hint: try --fields text=data.full_text"),
        ({"a b c": 1, "zorp": 2}, "found zorp\nhint: try --fields text=NAME"),
        ({"Comment": "zorp"}, "hint: try --fields text=Comment"),
    ],
)
def test_a_file_without_the_text_field_is_refused_before_anything_is_written(
    tmp_path: Path, row: dict, said: str
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError) as caught:
        scored(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert said in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_standard_input_without_the_text_field_leaves_nothing_behind(tmp_path: Path) -> None:
    arguments = ["score", "-", "-o", str(tmp_path / "out.jsonl")]
    code = f"import sys; from tsclassify.cli import main; sys.exit(main({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], input=b'{"body":"x"}\n', capture_output=True, check=False)
    assert done.returncode == 1
    assert b"try --fields text=body" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_text_of_a_table_without_names_is_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"see you at the zorp,u1\nhello there,u2\n")
    with pytest.raises(InputError) as caught:
        scored(tmp_path / "in.csv", tmp_path / "out.jsonl")
    assert "see you" not in str(caught.value)


def test_dotted_names_reach_into_objects_and_lose_to_names_with_dots(tmp_path: Path) -> None:
    rows = [
        {"data": {"body": "zorp é", "user": {"id": 7}}, "n": 1},
        {"data": {"body": "other"}, "data.body": "zorp"},
        {"data": "none"},
    ]
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    fields = {"text": "data.body", "id": "data.user.id"}
    items = scored(tmp_path / "in.jsonl", tmp_path / "out.jsonl", fields=fields)
    assert [{name: value for name, value in item.items() if name != "tsclassify"} for item in items] == rows[:2]
    one = scored_text(tmp_path, "zorp é")
    assert items[0]["tsclassify"]["scores"] == one["scores"]


def scored_text(tmp_path: Path, text: str) -> dict:
    (tmp_path / "one.jsonl").write_text(json.dumps({"text": text}) + "\n")
    return scored(tmp_path / "one.jsonl", tmp_path / "one.out.jsonl")[0]["tsclassify"]


def test_a_given_name_that_no_line_has_is_told(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text":"hello","user":"u"}\n')
    fields = {"actor": "user", "id": "zorp"}
    summary = score_jsonl(tmp_path / "in.jsonl", tmp_path / "o.jsonl", model=FakeClassifier(), fields=fields)
    assert summary.never_found == ("id=zorp",)


# --- flat outputs


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_flat_output_has_the_fields_and_a_column_for_each_part(tmp_path: Path, suffix: str) -> None:
    source = write_table(tmp_path / "in.csv", names=("id", "text"))
    summary = score_jsonl(
        source, tmp_path / f"out{suffix}", model=FakeClassifier(), policy=fake_policy(), block_bytes=20, workers=2
    )
    with (tmp_path / f"out{suffix}").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="," if suffix == ".csv" else "\t"))
    nested = scored(source, tmp_path / "out.jsonl")
    assert summary.n_written == len(rows) == 3
    for row, item in zip(rows, nested, strict=True):
        result = item.pop("tsclassify")
        assert {name: row[name] for name in item} == item
        assert row["tier"] == result["tier"]
        assert row["review"] == str(result["review"]).lower()
        assert {name: float(row[name]) for name in result["scores"]} == result["scores"]
        assert row["findings"] == " ".join(f"{name}:{level}" for name, level in result.get("findings", {}).items())


def test_a_flat_output_keeps_every_field_and_digit(tmp_path: Path) -> None:
    rows = ['{"text":"hello","n":12345678901234567890.10}', '{"text":"zorp","deep":{"a":[1]},"tier":"mine"}']
    (tmp_path / "in.jsonl").write_text("\n".join(rows))
    score_jsonl(tmp_path / "in.jsonl", tmp_path / "out.csv", model=FakeClassifier(), policy=fake_policy())
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert found[0]["n"] == "12345678901234567890.10"
    assert json.loads(found[1]["deep"]) == {"a": [1]}
    assert (found[1]["tier"], found[0]["tier"]) == ("mine", "")
    assert found[0]["tsclassify_tier"]


def test_parquet_has_flat_columns_beside_the_nested_one(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    source = write_table(tmp_path / "in.csv")
    for out in ("one.parquet", "two.parquet"):
        score_jsonl(source, tmp_path / out, model=FakeClassifier(), policy=fake_policy())
        table = pq.read_table(tmp_path / out)
        source = tmp_path / out  # scored again, the columns are replaced
    nested = table.column("tsclassify").to_pylist()
    assert table.column("tier").to_pylist() == [result["tier"] for result in nested]
    assert len(set(table.column_names)) == len(table.column_names)
    assert "tsclassify_tier" not in table.column_names


# --- results


def test_truth_values_are_booleans_and_null(tmp_path: Path) -> None:
    result = scored_text(tmp_path, "zorp")
    assert result["language"] in (True, False, None)
    assert set(map(type, result["signals"].values())) <= {bool, type(None)}


def test_the_job_s_record_goes_unless_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text":"hello"}\n')
    scored(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
    scored(tmp_path / "in.jsonl", tmp_path / "kept.jsonl", keep_job=True)
    assert (tmp_path / "kept.jsonl.job.json").exists()


# --- times


@pytest.mark.parametrize(
    "at",
    [
        "2021-01-08T10:00:00Z",
        "2021-01-08T10:00:00",
        "2021-01-08T11:00:00+01:00",
        1610100000,
        1610100000000,
        "1610100000",
    ],
)
def test_a_time_is_read_by_one_rule(at: object) -> None:
    found = act_time(at)
    assert found is not None
    assert found.timestamp() == 1610100000


@pytest.mark.parametrize("at", ["soon", True, float("inf"), float("nan"), 1e300, [], {}])
def test_what_is_no_time_is_none(at: object) -> None:
    assert act_time(at) is None


# --- the shell


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.csv"
    path.write_text(
        "body,uid,when\nwe will burn the depot down tonight with all of you,7,1610100000\nhello,8,2021-01-08\n"
    )
    return path


FIELDS = "text=body,id=uid,at=when"


def test_decide_and_why_say_the_same(posts: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    said = runner.invoke(
        cli, ["decide", str(posts), "-p", "hosting-provider", "--fields", FIELDS], catch_exceptions=False
    )
    assert "Item 7" in said.output
    out = tmp_path / "decided.jsonl"
    scoring = ["score", str(posts), "-o", str(out), "-p", "hosting-provider", "--fields", FIELDS]
    assert runner.invoke(cli, scoring, catch_exceptions=False, standalone_mode=False).return_value == 0
    why = runner.invoke(cli, ["why", str(out), "--id", "7", "--fields", FIELDS], catch_exceptions=False)
    assert why.output.strip() in said.output


def test_why_reads_whole_records_too(posts: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    given = ["decide", str(posts), "-p", "hosting-provider", "--fields", FIELDS, "--json"]
    (tmp_path / "records.jsonl").write_text(runner.invoke(cli, given, catch_exceptions=False).output)
    why = runner.invoke(cli, ["why", str(tmp_path / "records.jsonl"), "--id", "8"], catch_exceptions=False)
    assert why.output.startswith("Item 8: no tier applies")
    with pytest.raises(InputError, match="an item must have the id '9', got none"):
        runner.invoke(cli, ["why", str(tmp_path / "records.jsonl"), "--id", "9"], catch_exceptions=False)


def test_the_ledger_takes_what_score_takes(posts: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    given = ["ledger", "record", str(tmp_path / "l.db"), str(posts), "-p", "hosting-provider", "--fields", FIELDS]
    assert runner.invoke(cli, given, catch_exceptions=False).output.startswith("2 recorded")
    with pytest.raises(InputError, match="try --fields text=body"):
        runner.invoke(cli, given[:-2], catch_exceptions=False)


def test_tables_that_are_piped_are_tab_separated_and_whole() -> None:
    listed = CliRunner().invoke(cli, ["model", "list"], catch_exceptions=False).output.splitlines()
    assert listed[0].split("\t") == ["name", "sha256", "size", "languages", "folder"]
    assert listed[1].startswith("en-v1\t")
    shown = CliRunner().invoke(cli, ["explain", "see you at the depot"], catch_exceptions=False).output.splitlines()
    assert shown[1].split("\t") == ["adds", "kind", "where", "words"]


def test_a_closed_pipe_ends_in_silence() -> None:
    code = "import sys; from tsclassify.cli import main; sys.exit(main(['model', 'show']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_evaluation_reads_tables_under_other_names(tmp_path: Path) -> None:
    import tsclassify as ts
    from tsclassify.evaluation import read_labelled

    (tmp_path / "rows.csv").write_text("body,hate\nhello,0\nzorp,1\n")
    rows = read_labelled(tmp_path / "rows.csv", fields={"text": "body"})
    assert rows.texts == ("hello", "zorp")
    assert rows.gold[:, 0].tolist() == [0, 1]
    with pytest.raises(InputError, match="--fields text=body"):
        ts.evaluate(ts.load(), tmp_path / "rows.csv")
