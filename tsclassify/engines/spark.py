"""Spark: the record-batch function in ``mapInArrow``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tsclassify.engines.recipe import Recipe
from tsclassify.engines.splits import Part, Split, run_split
from tsclassify.errors import needs

__all__ = ["score_dataframe", "score_splits"]

_PART_SCHEMA = "index long, output binary, rejected binary, counts string, acts binary"


def score_dataframe(frame: Any, **settings: Any) -> Any:
    """Add the result column to a Spark data frame.

    Parameters
    ----------
    frame
        ``pyspark.sql.DataFrame`` with a text column.
    settings
        ``model``, ``policy``, ``fields`` and ``select`` as in ``score_jsonl``; paths must be seen by all workers.

    Returns
    -------
    pyspark.sql.DataFrame
        The same rows and columns, and the column ``tsclassify``.

    Raises
    ------
    InputError
        When a setting cannot be used.
    MissingPackageError
        When Spark is not installed.
    """
    types = _spark_types()
    from tsclassify.batch.arrow import result_type

    recipe = Recipe.of(**settings)
    plan = recipe.plan()

    def score(batches: Iterator[Any]) -> Iterator[Any]:
        scorer = recipe.scorer()
        for batch in batches:
            yield scorer(batch)

    name = plan.fields.result
    kept = [field for field in frame.schema.fields if field.name != name]
    from pyspark.sql.types import StructField, StructType

    return frame.mapInArrow(score, StructType([*kept, StructField(name, types.from_arrow_type(result_type(plan)))]))


def score_splits(splits: Sequence[Split], recipe: Recipe, session: Any = None) -> Iterator[Part]:
    """Score ranges of files on Spark's cores; parts come in order."""
    _spark_types()
    from pyspark.sql import SparkSession

    spark = session if session is not None else SparkSession.builder.appName("tsclassify").getOrCreate()

    def score(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        plan = recipe.plan()
        for batch in batches:
            for row in batch.to_pylist():
                yield pa.RecordBatch.from_pylist([asdict(run_split(Split(**row), plan))])

    schema = "index long, source string, path string, start long, stop long"
    frame = spark.createDataFrame([tuple(asdict(split).values()) for split in splits], schema)
    # One range of splits per partition, so that walking the partitions in order gives the splits in order.
    placed = frame.repartitionByRange(len(splits), "index").sortWithinPartitions("index")
    for row in placed.mapInArrow(score, _PART_SCHEMA).toLocalIterator(prefetchPartitions=True):
        yield Part(row["index"], bytes(row["output"]), bytes(row["rejected"]), row["counts"], bytes(row["acts"]))


def _spark_types() -> Any:
    # Spark would start "python3" of the path, which may lack this package.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with needs("engine"):
        from pyspark.sql.pandas import types
    return types
