"""``tsclassify train``: train a bundle from the annotated data."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("train")
@click.option("--out", "-o", required=True, type=click.Path(file_okay=False), help="Bundle folder to write.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False),
    help="Configuration; the shipped seeds/training.toml if not given.",
)
@click.option("--data", type=click.Path(exists=True, file_okay=False), help="Folder of the public files.")
@click.option(
    "--cache", type=click.Path(file_okay=False), help="Keep finished stages here, so that a stopped run goes on."
)
def command(out: str, config: str | None, data: str | None, cache: str | None) -> None:
    """Train a bundle from the annotated data and print what it measures on dev rows.

    The same data and configuration give the same bundle, byte for byte.

    Example: tsclassify train --out models/en-v1
    """
    from tsclassify.model.bundle import write_bundle
    from tsclassify.resources import shipped
    from tsclassify.taxonomy import CATEGORIES
    from tsclassify.training.card import bundle_texts
    from tsclassify.training.pipeline import load_config, train

    settings, config_sha256 = load_config(config or shipped("seeds", "training.toml"))
    model = train(settings, config_sha256, data_root=data, cache=cache, say=lambda line: click.echo(line, err=True))
    sha256 = write_bundle(model, out, texts=bundle_texts(model))
    dev = model.figures["dev"]
    click.echo(f"{'category':<18}{'dev AP':>8}{'ECE':>8}{'positive':>10}")
    for name in CATEGORIES:
        row = dev[name]
        click.echo(f"{name:<18}{row['ap']:>8.3f}{row['ece']:>8.3f}{row['n_positive']:>10}")
    macro = sum(dev[name]["ap"] for name in CATEGORIES) / len(CATEGORIES)
    click.echo(f"{'macro':<18}{macro:>8.3f}")
    click.echo(f"bundle {sha256}")
