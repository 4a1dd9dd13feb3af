"""Batch scoring: files of posts in, the same posts with scores and decisions out."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tsclassify.batch.arrow import ArrowScorer
from tsclassify.batch.job import Job, StoppedError
from tsclassify.batch.plan import make_plan
from tsclassify.batch.summary import BatchSummary
from tsclassify.errors import InputError, needs
from tsclassify.io.blocks import BLOCK_BYTES
from tsclassify.io.sources import MAX_RATIO, find_sources
from tsclassify.io.strict import MAX_LINE_BYTES

if TYPE_CHECKING:
    import pyarrow

    from tsclassify.policy import Policy
    from tsclassify.policy.decider import Scoring

__all__ = ["ArrowScorer", "BatchSummary", "StoppedError", "make_plan", "score_arrow", "score_jsonl"]

_Path = str | os.PathLike[str]


@needs("score_jsonl")
def score_jsonl(
    inputs: _Path | Sequence[_Path],
    out: _Path,
    *,
    policy: Policy | _Path | None = None,
    model: Scoring | _Path | None = None,
    workers: int = 2,
    resume: bool = False,
    overwrite: bool = False,
    fields: Mapping[str, str] | None = None,
    select: Sequence[str] = (),
    rejects: _Path | None = None,
    max_line: int = MAX_LINE_BYTES,
    max_ratio: float = MAX_RATIO,
    block_bytes: int = BLOCK_BYTES,
    progress: bool = False,
    keep_job: bool = False,
    stop: threading.Event | None = None,
) -> BatchSummary:
    """Score, and with a policy decide, every post of some files.

    Every accepted line is written back as it stood, in order, with one more field at its end: the result. A line
    that is not accepted goes to the rejects file with its number and the reason. The output appears under its name
    when it is whole.

    Parameters
    ----------
    inputs
        File, folder or ``-`` (stdin), or a list of them: JSONL, CSV, TSV, lines of plain text or a JSON array, plain
        or packed by gzip or zstd, in UTF-8 or UTF-16; or Parquet.
    out
        Output: JSONL; Parquet, CSV or TSV when the name ends so; or ``-`` (stdout).
    policy
        Policy, its name or its path; without one, posts are scored and nothing is decided.
    model
        Classifier, bundle folder or bundle name; the shipped bundle when None.
    workers
        Threads that score, 1 to 256. The output does not depend on it.
    resume
        Go on where a killed or stopped run of the same job left off; start when there is none. With `keep_job` a
        finished job is not done again.
    overwrite
        Replace an existing output.
    fields
        New names of text, id, actor, tenant, at, signals and result, for example ``{"text": "body"}``; a dotted one
        reaches into objects.
    select
        Write only items with these outcomes: ``review``, ``act``.
    rejects
        Rejects file; ``OUT.rejected.jsonl`` when None.
    max_line
        Longest line accepted, in bytes.
    max_ratio
        Largest unpacked over packed size of an input, looked at from 256 MiB on.
    block_bytes
        Bytes read at a time.
    progress
        Draw a progress bar when stderr is a terminal.
    keep_job
        Leave the job's record ``OUT.job.json`` beside the finished output.
    stop
        Set it from another thread to end the job in a state that `resume` goes on from.

    Returns
    -------
    BatchSummary
        Counts, rates, rejects, seconds, versions and hashes.

    Raises
    ------
    InputError
        When a file or a setting cannot be used.
    StoppedError
        When `stop` was set.
    """
    given = [inputs] if isinstance(inputs, str | os.PathLike) else _paths(inputs, "inputs")
    out = _paths([out], "output")[0]
    plan = make_plan(load_model(model), load_policy(policy), fields=fields, select=select, max_line=max_line)
    job = Job(
        plan,
        find_sources(given),
        os.fspath(out),
        rejects=None if rejects is None else os.fspath(rejects),
        workers=workers,
        block_bytes=block_bytes,
        max_ratio=max_ratio,
        stop=stop,
        progress=progress,
        keep_job=keep_job,
    )
    return job.run(resume=resume, overwrite=overwrite)


@needs("score_arrow")
def score_arrow(
    batch: pyarrow.RecordBatch,
    *,
    policy: Policy | _Path | None = None,
    model: Scoring | _Path | None = None,
    fields: Mapping[str, str] | None = None,
    select: Sequence[str] = (),
) -> pyarrow.RecordBatch:
    """Score, and with a policy decide, the rows of a record batch.

    For many batches, build an `ArrowScorer` once.

    Parameters
    ----------
    batch
        Rows with a text column.
    policy, model, fields, select
        As in `score_jsonl`.

    Returns
    -------
    pyarrow.RecordBatch
        The same rows and one more column, null where there is no text.

    Raises
    ------
    InputError
        When the text column is missing or holds no strings, or a setting cannot be used.
    """
    return ArrowScorer(make_plan(load_model(model), load_policy(policy), fields=fields, select=select))(batch)


def _paths(given: Sequence[_Path], what: str) -> list[_Path]:
    if not isinstance(given, Sequence) or not all(isinstance(path, str | os.PathLike) for path in given):
        raise InputError(f"score: {what} must be paths, got {type(given).__name__} of something else")
    return list(given)


def load_model(model: Scoring | _Path | None) -> Scoring:
    """A classifier, from itself, a path or a name."""
    if model is not None and not isinstance(model, str | os.PathLike):
        return model
    from tsclassify.classifier import load

    loaded: Scoring = load(model)
    return loaded


def load_policy(policy: Policy | _Path | None) -> Policy | None:
    """A policy, from itself, a path or a name."""
    if policy is None:
        return None
    from tsclassify.policy import as_policy

    return as_policy(policy)
