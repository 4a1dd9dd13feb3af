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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tsclassify.classifier import load, locate_bundle
    from tsclassify.terminal import escaped, plain, plain_page

    folder = locate_bundle(path)
    classifier = load(folder)
    if card or as_json:
        written = (folder / ("CARD.md" if card else "manifest.json")).read_text(encoding="utf-8")
        click.echo(plain_page(written) if card else escaped(written), nl=False)
        return
    info = classifier.info
    console = Console(highlight=False)
    console.print(Text(f"{info.name}  sha256 {info.sha256}  languages {', '.join(info.languages)}"))
    table = Table(box=None, pad_edge=False, title="operating points", title_justify="left")
    for name in ("category", "prior", "threshold", "precision", "95 % interval", "recall", "positives"):
        table.add_column(name, justify="left" if name == "category" else "right")
    for category in info.categories:
        for position, point in enumerate(info.operating_points.get(category, ())):
            table.add_row(
                category if position == 0 else "",
                f"{info.priors[category]:.4f}" if position == 0 else "",
                f"{point.threshold:.4f}",
                f"{point.precision:.3f}",
                f"{point.precision_low:.3f}–{point.precision_high:.3f}",
                f"{point.recall:.3f}",
                f"{point.n_positive} of {point.n_items}",
            )
    console.print(table)
    sources = Table(box=None, pad_edge=False, title="trained on", title_justify="left")
    for name in ("source", "licence", "use", "rows"):
        sources.add_column(name, justify="right" if name == "rows" else "left")
    for source in classifier.model.sources:
        said = (source.get(name, "") for name in ("name", "licence", "use", "n_rows"))
        sources.add_row(*(Text(plain(str(value))) for value in said))
    console.print(sources)
