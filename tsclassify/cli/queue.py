"""``tsclassify queue``: what waits for a person."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="queue")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.option("--policy", "-p", "policy_name", required=True, help="A shipped pack or a path.")
@click.option("--at", required=True, help="The moment, like 2021-01-08T10:00:00Z.")
@click.option("--tenant", help="Only items of this tenant.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many items.")
@click.option("--json", "as_json", is_flag=True, help="Print one record a line.")
def command(ledger: str, policy_name: str, at: str, tenant: str | None, limit: int, as_json: bool) -> None:
    """List the items of LEDGER that a person has to look at, most urgent first.

    Example: tsclassify queue ledger.db --policy hosting-provider --at 2021-01-08T10:00:00Z
    """
    import msgspec

    from tsclassify.policy import Policy
    from tsclassify.standing import Ledger
    from tsclassify.terminal import plain

    with Ledger.open(ledger, read_only=True) as book:
        rows = book.queue(Policy.load(policy_name, as_of=at[:10]), at=at, tenant=tenant, limit=limit)
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row.to_dict()).decode())
        return
    for row in rows:
        when = "no deadline" if row.deadline_at is None else f"by {row.deadline_at:%Y-%m-%d %H:%M}"
        late = " OVERDUE" if row.is_overdue else ""
        owner = f" ({row.tenant})" if row.tenant else ""
        reports = f", {row.n_reports} reports" if row.n_reports else ""
        # Names in a ledger are those of others.
        click.echo(
            plain(f"{when}{late}  {row.id}{owner}: {row.open_tier}, score {row.score:.2f}{reports}; {row.awaits}")
        )
    if not rows:
        click.echo("nothing waits for a person")
