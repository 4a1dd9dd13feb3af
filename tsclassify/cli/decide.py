"""``tsclassify decide``: what a policy makes of one post, or of a file of them, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import click

__all__ = ["command", "item_of", "posts_of"]

_POSTS_AT_ONCE = 256
_PARTS = ("text", "id", "actor", "tenant", "at", "signals", "result")


def posts_of(path: str, fields: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The item of every post in a file, under the names that ``Classifier.decide`` takes.

    Raises
    ------
    InputError
        When a line is none that ``tsclassify score`` accepts.
    """
    from tsclassify.io.fields import check_names
    from tsclassify.io.rows import json_object, lines_of_file

    text = fields.get("text", "text")
    place = "standard input" if path == "-" else Path(path).name
    named = False
    for number, line in lines_of_file(path, text=text):
        if not named:
            check_names([json_object(line, f"{place}:{number}")], place, text)
            named = True
        yield item_of(line, f"{place}:{number}", fields)


def item_of(line: bytes, place: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """The item of one line.

    Raises
    ------
    InputError
        When ``tsclassify score`` would reject it.
    """
    from tsclassify.errors import InputError
    from tsclassify.io.fields import value_at
    from tsclassify.io.rows import json_object
    from tsclassify.io.strict import Fields, LineFault, parse_line

    for part in fields:
        if part not in _PARTS:
            raise InputError(f"fields: name must be one of {', '.join(_PARTS)}, got {part!r}")
    wanted = Fields(**{part: name for part, name in fields.items() if part != "meta"})  # type: ignore[arg-type]
    try:
        parse_line(line, wanted)
    except LineFault as fault:
        raise InputError(f"{place}: line must be one that score accepts, got {fault}") from None
    row = json_object(line, place)
    parts = {part: getattr(wanted, part) for part in ("text", "id", "actor", "tenant", "at", "signals")}
    others = {name: value for name, value in row.items() if name not in {*parts.values(), wanted.result}}
    values = {part: value_at(row, name) for part, name in parts.items()}
    return others | {part: value for part, value in values.items() if value is not None}


@click.command(name="decide")
@click.argument("what", metavar="TEXT|FILE")
@click.option("-p", "--policy", "policy_name", required=True, help="Policy that decides: a shipped name or a file.")
@click.option("-m", "--model", help="Bundle: a folder or a shipped name.")
@click.option("--fields", default="", metavar="PART=NAME,...", help="Names in a file, e.g. text=body,id=user.id.")
@click.option("--json", "as_json", is_flag=True, help="Print whole records, one a line, for `tsclassify why`.")
def command(what: str, policy_name: str, model: str | None, fields: str, as_json: bool) -> None:
    """Decide one post, or every post of a file, by a policy, and say why.

    TEXT is a post; FILE is any file that `tsclassify score` reads, or - for standard input. The guards of the policy
    apply to a file as they do to `tsclassify score`.

    Example: tsclassify decide "see you at the depot tomorrow" -p hosting-provider
    """
    from tsclassify.classifier import load
    from tsclassify.cli.naming import parse_fields
    from tsclassify.policy import Breaker, Policy
    from tsclassify.terminal import plain_json, plain_page

    classifier, policy = load(model), Policy.load(policy_name)
    is_file = what == "-" or _is_file(what)
    posts = posts_of(what, parse_fields(fields)) if is_file else iter([{"text": what}])
    breaker = Breaker(policy.guards)
    while batch := list(islice(posts, _POSTS_AT_ONCE)):
        for decision in classifier.decide_many(batch, policy, breaker=breaker):
            if as_json:
                click.echo(plain_json(decision.to_dict()))
            else:
                click.echo(plain_page(f"{decision.why()}\n"))


def _is_file(what: str) -> bool:
    try:
        return Path(what).is_file()
    except (OSError, ValueError):
        return False  # longer than a name may be, or with a sign that none may have
