"""``tsclassify calibrate``: calibrate a bundle on labelled posts of one's own."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("calibrate")
@click.argument("rows", type=click.Path(exists=True, dir_okay=False))
@click.option("--model", "-m", help="Bundle to calibrate: a folder or a name; the shipped one if not given.")
@click.option("--out", "-o", required=True, type=click.Path(file_okay=False), help="Bundle folder to write.")
def command(rows: str, model: str | None, out: str) -> None:
    """State priors and thresholds anew on labelled posts; heads stay. ROWS is a JSONL, CSV, TSV or Parquet file.

    The posts should be drawn at random from the stream that the bundle will score, and be none that it was fitted on.
    Labels are written as for `tsclassify fit`.

    Example: tsclassify calibrate labelled.csv --model en-v1 --out models/ours
    """
    from tsclassify.adapt import calibrate
    from tsclassify.terminal import plain

    classifier = calibrate(rows, model=model, out=out, say=lambda line: click.echo(plain(line), err=True))
    head = f"{'category':<18}{'prior':>9}{'threshold':>11}{'precision':>11}   {'95 % interval':<16}{'recall':>8}"
    click.echo(f"{head}   95 % interval")
    for name in classifier.model.figures["calibrated"]:
        for point in classifier.info.operating_points[name]:
            precision = f"{point.precision_low:.3f} to {point.precision_high:.3f}"
            click.echo(
                f"{name:<18}{classifier.info.priors[name]:>9.4f}{point.threshold:>11.4f}{point.precision:>11.3f}   "
                f"{precision:<16}{point.recall:>8.3f}   {point.recall_low:.3f} to {point.recall_high:.3f}"
            )
    click.echo(f"bundle {classifier.info.sha256}")
