"""Tables of the command line: drawn on a terminal, tab-separated and never cut where they are piped on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from tsclassify.terminal import plain

__all__ = ["print_table"]


def print_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", left: Iterable[int] = (0,)
) -> None:
    """Print a table.

    Parameters
    ----------
    head, rows
        Column names and cells; cells are made harmless for a terminal.
    title
        Stands above it.
    left
        Columns of words, to the left; others are numbers, to the right.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        if title:
            click.echo(f"# {title}")
        for row in (head, *cells):
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    words = set(left)
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place in words else "right", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
