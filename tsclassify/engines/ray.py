"""Ray Data: the record-batch function as a stage of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tsclassify.engines.recipe import Recipe
from tsclassify.engines.splits import Part, Split, run_split
from tsclassify.errors import needs

__all__ = ["score_dataset", "score_splits"]


def _ray() -> Any:
    with needs("engine"):
        import ray
        import ray.data
    return ray


class _Scorer:
    """One per Ray worker: builds the model once, scores tables."""

    def __init__(self, recipe: Recipe) -> None:
        self._scorer = recipe.scorer()

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        batches = [self._scorer(batch) for batch in table.combine_chunks().to_batches()]
        return pa.Table.from_batches(batches, schema=self._scorer.schema(table.schema))


class _SplitScorer:
    """One per Ray worker: scores ranges of files."""

    def __init__(self, recipe: Recipe) -> None:
        self._plan = recipe.plan()

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        parts = [asdict(run_split(Split(**row), self._plan)) for row in table.to_pylist()]
        kinds = {"index": pa.int64(), "output": pa.large_binary(), "rejected": pa.large_binary(), "counts": pa.string()}
        kinds["acts"] = pa.binary()
        return pa.Table.from_pylist(parts, schema=pa.schema(list(kinds.items())))


def score_dataset(dataset: Any, *, concurrency: int | None = None, batch_size: int = 8192, **settings: Any) -> Any:
    """Add the result column to a Ray data set.

    Parameters
    ----------
    dataset
        ``ray.data.Dataset`` with a text column.
    concurrency
        Workers that hold the model; 1 when None.
    batch_size
        Rows that are scored at a time; results do not depend on it.
    settings
        ``model``, ``policy``, ``fields`` and ``select`` as in ``score_jsonl``.

    Returns
    -------
    ray.data.Dataset
        The same rows and columns, and the column ``tsclassify``.

    Raises
    ------
    InputError
        When a setting cannot be used.
    MissingPackageError
        When Ray is not installed.
    """
    _ray()
    return dataset.map_batches(
        _Scorer,
        fn_constructor_args=(Recipe.of(**settings),),
        batch_format="pyarrow",
        batch_size=batch_size,
        concurrency=concurrency or 1,
    )


def score_splits(splits: Sequence[Split], recipe: Recipe) -> Iterator[Part]:
    """Score ranges of files on all of Ray's cores; parts come in order."""
    ray = _ray()
    import pyarrow as pa

    context = ray.data.DataContext.get_current()
    before = context.execution_options.preserve_order
    context.execution_options.preserve_order = True
    try:
        table = pa.Table.from_pylist([asdict(split) for split in splits])
        dataset = ray.data.from_arrow([table.slice(k, 1) for k in range(len(splits))])
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        scored = dataset.map_batches(
            _SplitScorer,
            fn_constructor_args=(recipe,),
            batch_format="pyarrow",
            batch_size=1,
            concurrency=min(cores, len(splits)),
        )
        for row in scored.iter_rows():
            yield Part(**row)
    finally:
        context.execution_options.preserve_order = before
