"""``tsclassify why``: why one item of a decided file was decided as it was."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="why")
@click.argument("decided")
@click.option("--id", "item_id", required=True, help="Id of the item.")
@click.option("-p", "--policy", "policy_name", help="Policy; the one that the file names, if left out.")
@click.option("-m", "--model", help="Bundle; the one that the file names, if left out.")
@click.option("--fields", default="", metavar="PART=NAME,...", help="Names in the file, e.g. text=body,id=user.id.")
def command(decided: str, item_id: str, policy_name: str | None, model: str | None, fields: str) -> int:
    """Say why an item of DECIDED was decided as it was: words, signals, threshold, clause.

    DECIDED is what `tsclassify score --policy` or `tsclassify decide --json` wrote. The post is decided anew, by the
    model and the policy that the file names, and a decision that differs from the stored one is told, with exit
    status 3.

    Example: tsclassify why decided.jsonl --id 7
    """
    from tsclassify.classifier import load
    from tsclassify.cli.decide import item_of
    from tsclassify.cli.naming import parse_fields
    from tsclassify.decision import Decision
    from tsclassify.errors import InputError
    from tsclassify.io.fields import value_at
    from tsclassify.io.rows import json_object, lines_of_file
    from tsclassify.policy import as_policy
    from tsclassify.terminal import plain_page

    renamed = parse_fields(fields)
    wanted = renamed.get("id", "id")
    for number, line in lines_of_file(decided, text=renamed.get("text", "text")):
        row = json_object(line, f"{decided}:{number}")
        if str(value_at(row, wanted)) != item_id:
            continue
        if "trace" in row and "tier" in row:
            click.echo(plain_page(Decision.from_dict(row).why()))
            return 0
        found = row.get(renamed.get("result", "tsclassify"))
        if not isinstance(found, dict):
            raise InputError(f"{decided}:{number}: item must be decided, got none", hint="score it with --policy first")
        policy_name = policy_name or found.get("policy")
        if policy_name is None:
            raise InputError(f"{decided}:{number}: item must be decided, got scores alone", hint="add --policy NAME")
        item = item_of(line, f"{decided}:{number}", renamed)
        decision = load(model or found.get("model")).decide(item, as_policy(policy_name))
        click.echo(plain_page(decision.why()))
        if found.get("tier", decision.tier) != decision.tier:
            click.echo(f"tsclassify: stored tier is {found['tier']!r}, decided anew it is {decision.tier!r}", err=True)
            return 3
        return 0
    raise InputError(f"{decided}: an item must have the id {item_id!r}, got none")
