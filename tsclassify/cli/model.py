"""``tsclassify model show``: what a bundle states about itself."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.group()
def command() -> None:
    """Look at a model bundle.

    Example: tsclassify model show en-v1
    """


@command.command()
@click.argument("path", required=False)
@click.option("--card", is_flag=True, help="Print the whole model card.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
def show(path: str | None, card: bool, as_json: bool) -> None:
    """Check a bundle and print what it states: data, priors, operating points. PATH is a folder or a name.

    Example: tsclassify model show en-v1
    """
    from tsclassify.classifier import load, locate_bundle
    from tsclassify.cli.tables import print_table
    from tsclassify.terminal import escaped, plain, plain_page

    folder = locate_bundle(path)
    classifier = load(folder)
    if card or as_json:
        written = (folder / ("CARD.md" if card else "manifest.json")).read_text(encoding="utf-8")
        click.echo(plain_page(written) if card else escaped(written), nl=False)
        return
    info = classifier.info
    click.echo(plain(f"{info.name}  sha256 {info.sha256}  languages {', '.join(info.languages)}"))
    rows = [
        (
            category,
            f"{info.priors[category]:.4f}",
            f"{point.threshold:.4f}",
            f"{point.precision:.3f}",
            f"{point.precision_low:.3f}–{point.precision_high:.3f}",
            f"{point.recall:.3f}",
            f"{point.n_positive} of {point.n_items}",
        )
        for category in info.categories
        for point in info.operating_points.get(category, ())
    ]
    head = ("category", "prior", "threshold", "precision", "95 % interval", "recall", "positives")
    print_table(head, rows, title="operating points")
    sources = [
        [str(source.get(name, "")) for name in ("name", "licence", "use", "n_rows")]
        for source in classifier.model.sources
    ]
    print_table(("source", "licence", "use", "rows"), sources, title="trained on", left=(0, 1, 2))


@command.command(name="list")
@click.argument("folder", required=False, type=click.Path(file_okay=False, exists=True))
def list_(folder: str | None) -> None:
    """List the shipped bundles, or those in FOLDER: name, hash, size, languages.

    Example: tsclassify model list
    """
    from pathlib import Path

    from tsclassify.classifier import load
    from tsclassify.cli.tables import print_table
    from tsclassify.resources import shipped

    place = shipped("models") if folder is None else Path(folder)
    rows = []
    for bundle in sorted(path.parent for path in place.glob("*/manifest.json")):
        info = load(bundle).info
        size = sum(file.stat().st_size for file in bundle.iterdir())
        rows.append((info.name, info.sha256[:12], f"{size / 1e6:.1f} MB", ", ".join(info.languages), str(bundle)))
    print_table(("name", "sha256", "size", "languages", "folder"), rows, left=(0, 1, 3, 4))
