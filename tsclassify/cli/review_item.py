"""``tsclassify review-item``: what a person says of an item."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="review-item")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("item")
@click.option("--uphold", "outcome", flag_value="upheld", help="The decision stands (with --tier where it was open).")
@click.option("--clear", "outcome", flag_value="cleared", help="Nothing is wrong with it.")
@click.option("--change", "outcome", flag_value="changed", help="It belongs to another tier (--tier).")
@click.option("--tier", help="Tier that it belongs to.")
@click.option("--by", required=True, help="Who rules.")
@click.option("--role", default="", help="What that person is, such as moderator; notices name roles, not people.")
@click.option("--reason", required=True, help="Code of the reason, such as quotation.")
@click.option("--at", required=True, help="When, like 2021-01-08T10:00:00Z.")
@click.option("--tenant", help="Whose item it is, where several have this id.")
@click.option("--sample", default="", help="Name of a quality sample: the ruling is a label and changes nothing.")
def command(
    ledger: str,
    item: str,
    outcome: str | None,
    tier: str | None,
    by: str,
    role: str,
    reason: str,
    at: str,
    tenant: str | None,
    sample: str,
) -> None:
    """Record in LEDGER what a person says of ITEM; it stands against later automatic decisions on the same text.

    Example: tsclassify review-item ledger.db i7 --clear --by h1 --reason quotation --at 2021-01-08T10:00:00Z
    """
    from tsclassify.errors import InputError
    from tsclassify.standing import Ledger

    if outcome is None:
        raise InputError("review-item: ruling must be one of --uphold, --clear and --change, got none")
    with Ledger.open(ledger, create=False) as book:
        book.reviewed(item, outcome, by=by, reason=reason, at=at, tenant=tenant, tier=tier, role=role, sample=sample)
    click.echo(f"{item} {outcome}")
