"""``tsclassify fit``: adapt a bundle to labelled posts of one's own."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["command"]


@click.command("fit")
@click.argument("rows", type=click.Path(exists=True, dir_okay=False))
@click.option("--out", "-o", required=True, type=click.Path(file_okay=False), help="Bundle folder to write.")
@click.option("--base", help="Bundle that the heads begin at: a folder or a name; the shipped one if not given.")
@click.option(
    "--category", "categories", multiple=True, metavar="NAME=MEANING", help="A category to be added; repeat for more."
)
@click.option("--seed", default=7, show_default=True, help="Seed of folds and orders.")
def command(rows: str, out: str, base: str | None, categories: tuple[str, ...], seed: int) -> None:
    """Adapt a bundle to labelled posts and add categories; ROWS is a JSONL, CSV, TSV or Parquet file.

    Every row has `text`, and its labels: `labels`, a list of the categories that hold (in CSV joined by |); or `label`,
    one of them or `none`; or a field a category, with true, false, 0, 1, or nothing for unknown.

    Example: tsclassify fit labelled.csv --out models/mine --category doxxing="shares where somebody lives"
    """
    from tsclassify.adapt import fit
    from tsclassify.terminal import plain

    named = dict(_pair(stated) for stated in categories)
    classifier = fit(
        rows, base=base, categories=named, out=out, seed=seed, say=lambda line: click.echo(plain(line), err=True)
    )
    click.echo(f"{'category':<18}{'positive':>10}{'of':>9}{'base AP':>9}{'AP':>7}   95 % interval    change")
    for name, row in classifier.model.figures["fit"].items():
        click.echo(f"{name:<18}{row['n_positive']:>10}{row['n_items']:>9}{_ranked(row)}")
    click.echo(f"bundle {classifier.info.sha256}")


def _ranked(row: dict[str, Any]) -> str:
    base = f"{row['base_ap']:>9.3f}" if "base_ap" in row else f"{'new':>9}"
    gain = f"{row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})" if "gain" in row else ""
    return f"{base}{row['ap']:>7.3f}   {row['ap_low']:.3f} to {row['ap_high']:.3f}   {gain}".rstrip()


def _pair(stated: str) -> tuple[str, str]:
    name, sign, meaning = stated.partition("=")
    if not sign or not name.strip() or not meaning.strip():
        raise click.BadParameter(f"must be NAME=MEANING, got {stated!r:.80}", param_hint="--category")
    return name.strip(), meaning.strip()
