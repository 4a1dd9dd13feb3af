"""``tsclassify explain``: which words make up a score."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command()
@click.argument("text")
@click.option("--category", "-c", default=None, help="Category or signal; the highest-scoring category when left out.")
@click.option("--model", "model_path", default=None, help="Bundle folder or name.")
@click.option("--top", default=12, show_default=True, type=click.IntRange(1), help="How many pieces to list.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole explanation as JSON.")
def command(text: str, category: str | None, model_path: str | None, top: int, as_json: bool) -> None:
    """Show which words make up a score. TEXT is one post, or - to read it from standard input.

    Example: tsclassify explain "see you at the depot tomorrow" --category violent_threat
    """
    import sys

    from tsclassify.classifier import load
    from tsclassify.errors import InputError
    from tsclassify.terminal import plain_json

    if text == "-":
        try:
            text = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise InputError(f"explain: input must be UTF-8, got an invalid byte at offset {error.start}") from None
    classifier = load(model_path)
    if category is None:
        scores = classifier.score([text])
        category = max(classifier.categories, key=lambda name: float(scores[name][0]))
    explanation = classifier.explain(text, category)
    if as_json:
        click.echo(plain_json(explanation.to_dict()))
        return
    from tsclassify.cli.tables import print_table

    click.echo(
        f"{explanation.category}: score {explanation.score:.4f}, logit {explanation.logit:+.4f} "
        f"= bias {explanation.bias:+.4f} + {len(explanation.pieces)} pieces"
    )
    rows = [
        (f"{piece.contribution:+.4f}", piece.kind, f"{piece.start}-{piece.end}", piece.text)
        for piece in explanation.pieces[:top]
    ]
    rest = explanation.pieces[top:]
    if rest:
        rows.append((f"{sum(piece.contribution for piece in rest):+.4f}", "", "", f"{len(rest)} smaller pieces"))
    print_table(("adds", "kind", "where", "words"), rows, left=(1, 2, 3))
