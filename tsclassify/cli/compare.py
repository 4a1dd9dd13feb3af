"""``tsclassify compare``: what changes between two bundles, on which rows, at which thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]

_LISTED = 20


@click.command()
@click.argument("before")
@click.argument("after")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--policy", help="Policy by name or path: levels and decisions by its thresholds.")
@click.option("--markdown", is_flag=True, help="Print the text for a changelog's section Changed decisions.")
@click.option(
    "--posts", type=click.Path(path_type=Path), metavar="FILE", help="Write the changed posts, by id, as JSONL."
)
@click.option("--fields", default="", metavar="PART=NAME,...", help="Names in the data, e.g. text=body,id=user.id.")
@click.option("--max-posts", default=200, show_default=True, type=click.IntRange(0), help="Most changed posts listed.")
def command(
    before: str,
    after: str,
    data: Path,
    policy: str | None,
    markdown: bool,
    posts: Path | None,
    max_posts: int,
    fields: str,
) -> None:
    """Compare bundles BEFORE and AFTER on the posts in DATA; no text is printed, only ids.

    Example: tsclassify compare models/en-v1 models/en-v2 dev.jsonl --policy hosting-provider
    """
    from tsclassify.classifier import load
    from tsclassify.cli.naming import parse_fields
    from tsclassify.cli.tables import print_table
    from tsclassify.evaluation import compare
    from tsclassify.policy import Policy

    rules = Policy.load(policy) if policy is not None else None
    result = compare(load(before), load(after), data, policy=rules, max_posts=max_posts, fields=parse_fields(fields))
    if posts is not None:
        lines = (json.dumps(dict(row), ensure_ascii=False) for row in result.tables["posts"])
        posts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if markdown:
        click.echo(result.to_markdown(), nl=False)
        return
    click.echo(
        f"{result.names[0]} to {result.names[1]}: {result.n_changed:,} of {result.n_items:,} posts change their level"
    )
    for name in ("changes", "decisions", "posts"):
        if name not in result.tables or not len(result.tables[name]):
            continue
        table = result.tables[name]
        columns = [column for column in table.columns if name != "changes" or column in _CHANGES]
        words = [place for place, column in enumerate(columns) if not _number(table.rows[0].get(column))]
        print_table(
            [_HEADS.get(column, column.replace("_", " ")) for column in columns],
            [[_cell(row.get(column)) for column in columns] for row in table.rows[:_LISTED]],
            title=table.title,
            left=words,
        )
        if len(table) > _LISTED:
            click.echo(f"and {len(table) - _LISTED} more", err=True)


_CHANGES = (
    "category", "act_before", "act_after", "newly_act", "no_longer_act", "newly_review", "no_longer_review",
    "changed_right", "changed_labelled",
)  # fmt: skip
_HEADS = {
    "act_before": "act at",
    "act_after": "now at",
    "newly_act": "+act",
    "no_longer_act": "-act",
    "newly_review": "+look",
    "no_longer_review": "-look",
    "changed_right": "now right",
    "changed_labelled": "labelled",
}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "never" if value > 1 else f"{value:.4f}"
    return str(value)
