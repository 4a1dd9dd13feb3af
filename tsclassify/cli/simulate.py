"""``tsclassify simulate``: the events of a tenant that does not exist, to see what a review makes of them."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from tsclassify.errors import InputError

__all__ = ["command"]


@click.command(name="simulate")
@click.option("--tenant", "name", default="acme", show_default=True, help="Name of the tenant in the events.")
@click.option("--policy", "policy_name", default="hosting-provider", show_default=True, help="A pack or a path.")
@click.option("--start", default="2021-01-04", show_default=True, help="First day.")
@click.option("--days", default=180, show_default=True, type=click.IntRange(1, 4000), help="How many days.")
@click.option("--seed", default=0, show_default=True, help="Seed of every random number.")
@click.option("--items-per-day", default=300.0, show_default=True, help="Mean traffic.")
@click.option("--rate", default=0.01, show_default=True, help="Share of items in violation.")
@click.option("--change-day", type=int, help="Day from which on the two factors hold.")
@click.option("--rate-factor", default=1.0, show_default=True, help="Multiplies the rate from then on.")
@click.option("--volume-factor", default=1.0, show_default=True, help="Multiplies the traffic from then on.")
@click.option("--bursts", default=0.0, show_default=True, help="How bursty violations are; 0 for independent ones.")
@click.option("--removed-share", default=0.99, show_default=True, help="Share of notified items ever removed.")
@click.option("--removal-hours", default=4.0, show_default=True, help="Mean time to remove those.")
@click.option("--found-share", default=0.6, show_default=True, help="Share of violations removed before a notice.")
@click.option("--notices-per-day", default=0.5, show_default=True, help="Mean number of notices.")
@click.option("-o", "--output", default="-", show_default=True, type=click.Path(allow_dash=True), help="JSONL file.")
def command(
    name: str, policy_name: str, start: str, days: int, seed: int, output: str, **behaviour: float | int | None
) -> None:
    """Write a simulated event log for `tsclassify ledger record`.

    Example: tsclassify simulate --rate-factor 2 --change-day 120 -o events.jsonl
    """
    from tsclassify.ledger.events import event_to_dict
    from tsclassify.ledger.moments import moment
    from tsclassify.policy import Policy
    from tsclassify.review import Tenant, simulate

    first = moment(f"{start}T00:00:00Z", "simulate: start")
    events = simulate(
        Tenant(**behaviour),  # type: ignore[arg-type]
        Policy.load(policy_name),
        name=name,
        start=first,
        n_days=days,
        seed=seed,
    )
    encode = msgspec.json.Encoder().encode
    try:
        out = sys.stdout.buffer if output == "-" else Path(output).open("wb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{Path(output).name}: file must be writable, got {error.strerror}") from None
    n = 0
    with out:
        for event in events:
            out.write(encode(event_to_dict(event)) + b"\n")
            n += 1
    click.echo(f"{n} events", err=True)
