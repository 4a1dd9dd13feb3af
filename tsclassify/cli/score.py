"""``tsclassify score``: score posts in files, decide them by a policy."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from tsclassify.cli.naming import parse_fields
from tsclassify.errors import InputError

__all__ = ["command"]

EXIT_REJECTED = 3
_SIGNAL_EXIT = 128


@click.command(name="score")
@click.argument("inputs", nargs=-1, required=True, metavar="IN...")
@click.option(
    "-o", "--out", default="-", show_default="stdout", help="Output: .jsonl, .csv, .tsv, .parquet or - (stdout)."
)
@click.option("-p", "--policy", help="Policy that decides: a shipped name or a file. Without one, only scores.")
@click.option("-m", "--model", help="Bundle: a folder or a shipped name.")
@click.option("-j", "--workers", default=2, show_default=True, help="Threads that score, 1 to 256.")
@click.option("--fields", default="", metavar="PART=NAME,...", help="Names in the input, e.g. text=body,id=user.id.")
@click.option("--select", default="", metavar="OUTCOMES", help="Write only these items: review, act or both.")
@click.option("--resume", is_flag=True, help="Go on where a stopped run of the same job left off.")
@click.option("--force", is_flag=True, help="Replace an existing output.")
@click.option("--rejects", help="File for rejected lines. [default: OUT.rejected.jsonl]")
@click.option("--summary", "summary_path", help="Write counts, rates, versions and hashes to this file.")
@click.option("--max-line", default=8 << 20, show_default=True, help="Longest line accepted, in bytes.")
@click.option("--max-ratio", default=1000.0, show_default=True, help="Largest unpacked over packed size of an input.")
@click.option("--engine", type=click.Choice(["local", "ray", "spark"]), default="local", show_default=True)
@click.option("--keep-job", is_flag=True, help="Leave OUT.job.json: with --resume a finished job is not done again.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    inputs: tuple[str, ...],
    out: str,
    policy: str | None,
    model: str | None,
    workers: int,
    fields: str,
    select: str,
    resume: bool,
    force: bool,
    rejects: str | None,
    summary_path: str | None,
    max_line: int,
    max_ratio: float,
    engine: str,
    quiet: bool,
    keep_job: bool,
) -> int:
    """Score posts in files, and decide them by a policy.

    IN is a file, a folder or - (stdin): JSONL, CSV, TSV, lines of plain text, a JSON array or Parquet, plain or packed
    by gzip or zstd. The text stands in the field "text", or in the one that --fields names. Every line is written
    back as it stood, in order, with one more field; lines that cannot be read go to OUT.rejected.jsonl. A .csv, .tsv
    or .parquet output has a column for each score. The output appears when it is whole; --resume goes on after a
    kill.

    Example: tsclassify score posts.jsonl -o scored.jsonl --policy hosting-provider

    Exit status: 0 done, 1 an error in one sentence, 2 wrong usage, 3 done but some lines were rejected, 130 or 143
    stopped by a signal.
    """
    if summary_path is not None:
        _check_summary(Path(summary_path), inputs, out, rejects)
    renamed = parse_fields(fields)
    selection = tuple(outcome.strip() for outcome in select.split(",") if outcome.strip())
    stop = threading.Event()
    caught: list[int] = []
    _stop_on_signals(stop, caught)
    from tsclassify.batch import StoppedError, score_jsonl

    if engine != "local":
        if resume:
            raise InputError("resume: engine must be local, got " + engine)
        from tsclassify.engines import score_files

        summary = score_files(
            list(inputs),
            out,
            engine=engine,
            policy=policy,
            model=model,
            fields=renamed,
            select=selection,
            overwrite=force,
            rejects=rejects,
            max_line=max_line,
        )
    else:
        try:
            summary = score_jsonl(
                list(inputs),
                out,
                policy=policy,
                model=model,
                workers=workers,
                resume=resume,
                overwrite=force,
                fields=renamed,
                select=selection,
                rejects=rejects,
                max_line=max_line,
                max_ratio=max_ratio,
                progress=not quiet,
                stop=stop,
                keep_job=keep_job,
            )
        except StoppedError as error:
            click.echo(f"tsclassify: {error}", err=True)
            return _SIGNAL_EXIT + (caught[0] if caught else signal.SIGTERM)
    if summary_path is not None:
        from tsclassify.io.outputs import write_whole

        write_whole(Path(summary_path), json.dumps(summary.to_dict(), indent=1).encode() + b"\n")
    if not quiet:
        click.echo(f"tsclassify: {summary.sentence()}", err=True)
    if summary.guard is not None:
        click.echo(f"tsclassify: {summary.guard_sentence()}", err=True)
    for pair in summary.never_found:
        click.echo(f"tsclassify: fields: no line has the field of {pair}", err=True)
    if summary.n_rejected:
        where = summary.rejects if summary.rejects is not None else "above"
        click.echo(f"tsclassify: {summary.n_rejected:,} lines rejected, see {where}", err=True)
        return EXIT_REJECTED
    return 0


def _check_summary(path: Path, inputs: tuple[str, ...], out: str, rejects: str | None) -> None:
    """Refuse a summary that would be written over something else, before hours of work and not after."""
    from tsclassify.io.outputs import JobFiles, check_output
    from tsclassify.io.sources import find_sources

    sources = [source.path for source in find_sources(inputs) if source.path is not None]
    if out == "-":
        check_output(path, inputs=sources, what="summary")
    else:
        JobFiles(Path(out), Path(rejects) if rejects else None).check(sources, path)


def _stop_on_signals(stop: threading.Event, caught: list[int]) -> None:
    """The first SIGINT or SIGTERM ends the job after the blocks in work; a second one kills as usual."""

    def ask(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    if threading.current_thread() is threading.main_thread() and sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, ask)
