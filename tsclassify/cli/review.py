"""``tsclassify review``: what the ledger says of a hosted platform, and of its provider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsclassify.errors import InputError

if TYPE_CHECKING:
    from tsclassify.review import PlatformReview

__all__ = ["command"]


@click.command(name="review")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.option("--tenant", required=True, help="The hosted platform, or the app.")
@click.option("--policy", "policy_name", required=True, help="A shipped pack or a path.")
@click.option("--as-of", required=True, help="The moment, like 2021-01-09 or 2021-01-09T12:00:00Z.")
@click.option("--labelled", type=click.Path(dir_okay=False), help="JSONL with id and violation: corrects the rate.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the page with plots here.")
@click.option("--json", "as_json", is_flag=True, help="Print the record instead of the table.")
def command(
    ledger: str,
    tenant: str,
    policy_name: str,
    as_of: str,
    labelled: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Review a tenant of LEDGER: indicators, finding, next step, what is missing, what is overdue.

    Example: tsclassify review ledger.db --tenant acme --policy hosting-provider --as-of 2021-01-09
    """
    import msgspec

    from tsclassify.io.outputs import check_output
    from tsclassify.policy import Policy
    from tsclassify.review import read_labelled, review_platform
    from tsclassify.standing import Ledger

    at = f"{as_of}T00:00:00Z" if len(as_of) == 10 else as_of
    policy = Policy.load(policy_name, as_of=at[:10])
    sample = None if labelled is None else read_labelled(labelled)
    if output is not None:
        check_output(Path(output), inputs=[Path(name) for name in (ledger, labelled) if name is not None], what="page")
    with Ledger.open(ledger, read_only=True) as book:
        found = review_platform(book, policy, tenant=tenant, at=at, labelled=sample)
    if output is not None:
        try:
            found.save(output)
        except OSError as error:
            raise InputError(f"{Path(output).name}: page must be writable, got {error.strerror}") from None
    if as_json:
        click.echo(msgspec.json.encode(found.to_dict()).decode())
    else:
        _table(found)
        if output is not None:
            click.echo(f"page written to {output}")


def _table(found: PlatformReview) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tsclassify.terminal import plain

    def shown(text: str) -> Text:
        # Names in a ledger are those of others.
        return Text(plain(text))

    console = Console(highlight=False)
    console.print(
        shown(f"{found.tenant} under {found.policy_name} {found.policy_version}, as of {found.at:%Y-%m-%d %H:%M}")
    )
    table = Table("indicator", "state", "n", "what was found", "true when")
    for indicator in found.indicators:
        cells = (indicator.name, indicator.state.name.lower(), str(indicator.n), indicator.says, indicator.limit)
        table.add_row(*map(shown, cells))
    console.print(table)
    rests = f" (rests on {', '.join(found.rests_on)})" if found.rests_on else ""
    console.print(shown(f"finding: {found.finding}{rests}"))
    upcoming = found.next_step
    if upcoming is None:
        console.print(shown("next step: none"))
    else:
        missing = ", ".join(f"{amount} more {name}" for name, amount in found.missing.items()) or "nothing"
        console.print(shown(f"next step: {upcoming.id}, due since {upcoming.due_since:%Y-%m-%d}; missing: {missing}"))
    for late in found.overdue:
        console.print(shown(f"overdue: {late.says}"))
    for reversal in found.reversals:
        console.print(shown(f"to reverse: {reversal.step}, taken {reversal.taken_at:%Y-%m-%d}, no longer follows"))
