"""JSONL files through an engine into one file, as a local job would write it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsclassify.batch.block import Counts
from tsclassify.batch.summary import BatchSummary
from tsclassify.engines.recipe import Recipe
from tsclassify.engines.splits import SPLIT_BYTES, Part, Split, guarded, joined, plan_splits
from tsclassify.errors import InputError
from tsclassify.io.outputs import JobFiles
from tsclassify.io.sources import find_sources
from tsclassify.io.strict import MAX_LINE_BYTES

if TYPE_CHECKING:
    from tsclassify.policy import Policy
    from tsclassify.policy.decider import Scoring

__all__ = ["score_files"]

_Path = str | os.PathLike[str]


def score_files(
    inputs: _Path | Sequence[_Path],
    out: _Path,
    *,
    engine: str,
    policy: Policy | _Path | None = None,
    model: Scoring | _Path | None = None,
    fields: Mapping[str, str] | None = None,
    select: Sequence[str] = (),
    overwrite: bool = False,
    rejects: _Path | None = None,
    max_line: int = MAX_LINE_BYTES,
    split_bytes: int = SPLIT_BYTES,
    session: Any = None,
) -> BatchSummary:
    """Score JSONL files by Ray Data or Spark into one JSONL file.

    The output has the same bytes as that of ``score_jsonl``. Workers read the files themselves, so every worker
    must see them under the same path; the driver writes, and scores again what a guard of the policy holds. It
    cannot be resumed; to write from the workers, use ``score_dataset`` or ``score_dataframe``.

    Parameters
    ----------
    inputs, out, policy, model, fields, select, overwrite, rejects, max_line
        As in ``score_jsonl``; JSONL files or folders of them, and a JSONL file.
    engine
        ``ray`` or ``spark``.
    split_bytes
        Bytes that a worker scores at a time.
    session
        Spark session to use; one is made on this machine when None.

    Raises
    ------
    InputError
        When a file or a setting cannot be used, or the engine is not installed.
    """
    started = time.monotonic()
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if os.fspath(out) == "-" or os.fspath(out).endswith(".parquet"):
        raise InputError(f"{os.fspath(out)}: an engine's file output must be a JSONL file, got another")
    if not split_bytes > 0:
        raise InputError(f"split_bytes: must be positive, got {split_bytes!r}")
    sources = find_sources(given)
    splits = plan_splits(sources, split_bytes)
    recipe = Recipe.of(model=model, policy=policy, fields=fields, select=select, max_line=max_line)
    plan = recipe.plan()
    files = JobFiles(Path(out), None if rejects is None else Path(rejects))
    files.check([source.path for source in sources if source.path is not None])
    taken = None if overwrite else files.taken()
    if taken is not None:
        raise InputError(f"{taken}: output must not exist, got a file", hint="add --force to replace it")
    counts = Counts()
    breaker = plan.breaker()
    guard = None if breaker is None else partial(guarded, plan=plan, breaker=breaker)
    files.open(None)
    try:
        for output, rejected, part_counts in joined(_parts(engine, splits, recipe, session), splits, guard):
            files.write(output, rejected)
            counts.add(part_counts)
        files.finish()
    finally:
        files.close()
    hashes = []
    for source in sources:
        with open(source.path or "", "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        hashes.append({"name": source.name, "read": source.size, "sha256": digest})
    return BatchSummary.of(
        counts,
        plan,
        out=os.fspath(out),
        rejects=str(files.rejects),
        inputs=tuple(hashes),
        job={**plan.fingerprint(), "engine": engine},
        seconds=time.monotonic() - started,
        n_this_run=counts.items,
        resumed=False,
        guard=None if breaker is None else breaker.open_since,
    )


def _parts(engine: str, splits: Sequence[Split], recipe: Recipe, session: Any) -> Iterator[Part]:
    if engine == "ray":
        from tsclassify.engines.ray import score_splits as by_ray

        return by_ray(splits, recipe)
    if engine == "spark":
        from tsclassify.engines.spark import score_splits as by_spark

        return by_spark(splits, recipe, session)
    raise InputError(f"engine: must be one of ray, spark, got {engine!r}")
