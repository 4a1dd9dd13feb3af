"""Ray and Spark in their local modes beside a local job: the same results, and posts per second.

Run: ``python benchmarks/engines.py --out FOLDER [--engine ray|spark] [--data RAW] [--lines 200000] [--cores 2]``, with
``tsclassify[ray]`` or ``tsclassify[spark]`` and Java installed; results go to ``FOLDER/engines-NAME.json``. The input
is public posts, as in ``benchmarks/batch.py``. Compared are the bytes of ``score_files`` with those of a local
job, and the results of ``score_dataset`` or ``score_dataframe``, field by field and bit by bit, with those of one
local call on all rows. Speed: wall seconds, and processor seconds of all processes, of ``score_files`` on the input
twice and on twice the input; the difference of the last two is free of the time in which workers start.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from batch import make_input
from soak import machine

POLICY = "hosting-provider"
TIMES = 2


def cpu_seconds() -> float:
    """Processor seconds of this process and all that it started, the ended ones included."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        number = int(path.parent.name)
        parents[number] = int(parts[1])
        spent[number] = sum(map(int, parts[11:15])) / os.sysconf("SC_CLK_TCK")
    ours = {os.getpid()}
    while True:
        more = {number for number, parent in parents.items() if parent in ours} - ours
        if not more:
            return sum(spent.get(number, 0.0) for number in ours)
        ours |= more


def started(engine: str, n_cores: int) -> Any:
    """A running engine on some cores of this machine."""
    if engine == "ray":
        import ray

        os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
        # Ray gives its workers the lowest priority, at which any other work on the machine starves them.
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - the name that Ray reads
        ray.init(
            num_cpus=n_cores,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=2 << 30,
        )
        return ray
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "4g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }
    builder = SparkSession.builder.master(f"local[{n_cores}]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def through_table(engine: str, running: Any, source: Path, out: Path) -> Any:
    """The input as the engine's own data set, scored and collected; an Arrow table in the order of ids."""
    import pyarrow.parquet as pq

    if engine == "ray":
        from tsclassify.engines.ray import score_dataset

        score_dataset(running.data.read_json(str(source)), policy=POLICY).write_parquet(str(out))
    else:
        from tsclassify.engines.spark import score_dataframe

        frame = running.read.json(str(source))
        score_dataframe(frame, policy=POLICY).write.mode("overwrite").parquet(str(out))
    return pq.read_table(str(out)).sort_by("id")


def flat(array: Any, name: str) -> dict[str, Any]:
    """The leaves of a struct array by path; what lies in a null struct is null."""
    import pyarrow as pa

    if not pa.types.is_struct(array.type):
        return {name: array}
    leaves: dict[str, Any] = {}
    for field, part in zip(array.type, array.flatten(), strict=True):
        leaves |= flat(part, f"{name}.{field.name}")
    return leaves


def differing(found: Any, local: Any) -> list[str]:
    """Fields of the result in which two tables of the same rows differ in any bit; ``id`` when the rows do."""
    mine, theirs = (flat(table.column("tsclassify").combine_chunks(), "result") for table in (local, found))
    differ = [name for name, part in mine.items() if name not in theirs or not theirs[name].equals(part)]
    ids = [table.column("id").cast("string") for table in (found, local)]
    return differ if ids[0].equals(ids[1]) else ["id", *differ]


def scored_at_once(table: Any) -> Any:
    """The rows of a table scored in one local call."""
    import pyarrow as pa

    from tsclassify.batch import score_arrow

    rows = table.drop_columns("tsclassify").combine_chunks()
    return pa.Table.from_batches([score_arrow(batch, policy=POLICY) for batch in rows.to_batches()])


def speeds(cost: list[tuple[float, float]], n_lines: int) -> dict[str, Any]:
    """Figures from wall and processor seconds of three passes, the last `TIMES` as long."""
    wall, cpu = (cost[2][k] - cost[1][k] for k in (0, 1))
    more = (TIMES - 1) * n_lines
    return {
        "wall_seconds": [round(one[0], 1) for one in cost],
        "cpu_seconds": [round(one[1], 1) for one in cost],
        "posts_per_second": round(more / wall),
        "posts_per_cpu_second": round(more / cpu),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["ray", "spark"], required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data")
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()

    import pyarrow.parquet as pq

    import tsclassify as ts
    from tsclassify.engines import score_files

    report: dict[str, Any] = {"engine": given.engine, "lines": given.lines, "cores": given.cores, "policy": POLICY}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source, large = folder / "in.jsonl", folder / "large.jsonl"
        report["bytes_a_line"] = round(make_input(source, given.lines, given.data))
        large.write_bytes(source.read_bytes() * TIMES)
        local_cost = []
        first = folder / "first.jsonl"
        first.write_bytes(b"".join(source.read_bytes().splitlines(keepends=True)[:2000]))
        for number, path in enumerate((first, source, large)):
            began, cpu = time.monotonic(), time.process_time()
            summary = ts.score_jsonl(path, folder / f"local{number}.jsonl", policy=POLICY, workers=given.cores)
            local_cost.append((time.monotonic() - began, time.process_time() - cpu))
        report["tiers"] = dict(summary.tiers)
        report["bytes_a_result"] = round((folder / "local2.jsonl").stat().st_size / summary.n_items)
        report["local"] = speeds(local_cost, given.lines)
        ts.score_jsonl(source, folder / "local.parquet", policy=POLICY, workers=given.cores)
        local = pq.read_table(folder / "local.parquet").sort_by("id")

        began = time.monotonic()
        running = started(given.engine, given.cores)
        report["start_seconds"] = round(time.monotonic() - began, 1)
        extra = {"session": running} if given.engine == "spark" else {}
        cost = []
        # The first pass starts workers, which Spark keeps; Ray starts them anew for each.
        for path, whole in ((source, "local1.jsonl"), (source, "local1.jsonl"), (large, "local2.jsonl")):
            began, cpu = time.monotonic(), cpu_seconds()
            score_files(path, folder / "engine.jsonl", engine=given.engine, policy=POLICY, overwrite=True, **extra)
            cost.append((time.monotonic() - began, cpu_seconds() - cpu))
            same = filecmp.cmp(folder / "engine.jsonl", folder / whole, shallow=False)
            report[f"same_bytes_{path.stem}"] = same
        report["through_engine"] = speeds(cost, given.lines)
        found = through_table(given.engine, running, source, folder / "table")
        alone = scored_at_once(local)
        report["rows"] = found.num_rows
        report["fields_that_differ"] = differing(found, alone)
        # Guards look at items in order, which only a job over files has; `held` and `review` may differ here.
        report["fields_that_guards_change"] = differing(alone, local)
        running.shutdown() if given.engine == "ray" else running.stop()
    report |= machine() | {"load": round(os.getloadavg()[0], 2)}
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"engines-{given.engine}.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    if not (report["same_bytes_in"] and report["same_bytes_large"]) or report["fields_that_differ"]:
        raise SystemExit("the engine's output differs from that of a local job")


if __name__ == "__main__":
    main()
