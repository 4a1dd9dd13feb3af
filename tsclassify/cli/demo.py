"""``tsclassify demo``: decide the shipped example posts and print why."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command()
@click.option("--policy", "policy_name", default="hosting-provider", show_default=True, help="Pack name or file.")
@click.option("--all", "show_all", is_flag=True, help="Also list the posts that nothing is done about.")
def command(policy_name: str, show_all: bool) -> None:
    """Score the shipped example posts, decide them by a policy, and print each decision with its words.

    Example: tsclassify demo --policy community --all
    """
    import json
    import sys

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tsclassify.classifier import load
    from tsclassify.cli.display import tier_style
    from tsclassify.policy import Policy
    from tsclassify.resources import shipped
    from tsclassify.terminal import plain

    lines = shipped("seeds", "posts.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    classifier = load()
    policy = Policy.load(policy_name)
    decisions = classifier.decide_many(items, policy)
    # rich takes 80 columns where there is no terminal, which folds posts to shreds
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, width in (("id", None), ("decision", None), ("why", None), ("post", None)):
        table.add_column(name, overflow="fold", ratio=3 if name in {"post", "why"} else None, width=width)
    shown = [
        (item, decision)
        for item, decision in zip(items, decisions, strict=True)
        if show_all or decision.tier != "none" or decision.review
    ]
    for item, decision in shown:
        style = tier_style(decision, policy)
        label = decision.tier + (" + review" if decision.review and decision.tier != "review" else "")
        reasons = "\n".join(
            f"{finding.category} {finding.score:.2f} ({finding.level} ≥ {finding.threshold:.2f}): "
            + ", ".join(plain(piece.text) for piece in finding.pieces[:3])
            for finding in decision.findings
        )
        table.add_row(decision.id or "", Text(label, style=style), reasons, plain(item["text"]))
    console.print(table)
    counts: dict[str, int] = {}
    for decision in decisions:
        counts[decision.tier] = counts.get(decision.tier, 0) + 1
    summary = ", ".join(f"{count} {tier}" for tier, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    console.print(
        f"{len(items)} posts by {policy.name} {policy.version} ({policy.rollout.mode}), model {classifier.info.name} "
        f"{classifier.info.sha256[:12]}: {summary}"
    )
    first = next((decision for _, decision in shown if decision.tier not in {"none", "review"}), None)
    if first is not None:
        console.print(f"\nWhy {first.id}:", style="bold")
        console.print(plain(first.why()))
