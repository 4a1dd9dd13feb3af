"""``tsclassify ledger``: record, verify, export, import, void, and show how a subject stands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from tsclassify.errors import GateError, InputError

__all__ = ["command"]


@click.group(name="ledger")
def command() -> None:
    """Record decisions and events, check the chain, show how an account stands.

    Example: tsclassify ledger verify ledger.db
    """


def _rows(path: str) -> Iterator[Any]:
    """Events of a JSONL file, or of standard input for ``-``; a fault names its line."""
    from tsclassify.enforcement.events import event_from_dict

    name = "standard input" if path == "-" else Path(path).name
    try:
        lines = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{name}: file must be readable, got {error.strerror or 'an error'}") from None
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeError):
                raise InputError(f"{name}:{number}: line must be a JSON object") from None
            yield event_from_dict(row, f"{name}:{number}")


@command.command(name="record")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("events", type=click.Path(allow_dash=True))
def record(ledger: str, events: str) -> None:
    """Record the EVENTS of a JSONL file (or ``-``) in LEDGER; the same events again are skipped."""
    from tsclassify.enforcement import Ledger

    with Ledger.open(ledger) as book:
        done = book.record_many(_rows(events))
        head = book.head
    click.echo(f"{done.n_recorded} recorded, {done.n_skipped} already there, {done.last_seq} in all, head {head}")


@command.command(name="verify")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.option("--head", help="A hash noted earlier: finds rows that were cut off.")
def verify(ledger: str, head: str | None) -> None:
    """Check every row of LEDGER against the chain; exit status 3 when one does not hold."""
    from tsclassify.enforcement import Ledger

    with Ledger.open(ledger, read_only=True) as book:
        found = book.verify(head=head)
    if not found:
        raise GateError(f"{Path(ledger).name}: {found}")
    click.echo(str(found))


@command.command(name="export")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="JSONL file to write.")
def export(ledger: str, output: str) -> None:
    """Write LEDGER as JSONL with every hash."""
    from tsclassify.enforcement import Ledger

    with Ledger.open(ledger, read_only=True) as book:
        click.echo(f"{book.export(output)} events written to {output}")


@command.command(name="import")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("source", type=click.Path(dir_okay=False))
def import_(ledger: str, source: str) -> None:
    """Take over the export SOURCE into LEDGER, checking its chain."""
    from tsclassify.enforcement import Ledger

    with Ledger.open(ledger) as book:
        click.echo(f"{book.import_(source)} events taken over, head {book.head}")


@command.command(name="void")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("item")
@click.option("--reason", required=True, help="Why, in a few words.")
@click.option("--at", required=True, help="When, like 2021-01-08T10:00:00Z.")
@click.option("--by", default="", help="Who.")
def void(ledger: str, item: str, reason: str, at: str, by: str) -> None:
    """Void the decisions on ITEM in LEDGER; they stay on record and no longer count."""
    from tsclassify.enforcement import Ledger

    with Ledger.open(ledger, create=False) as book:
        done = book.void(item, reason=reason, at=at, by=by)
    click.echo(f"{done.n_recorded} voided")


@command.command(name="replay")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("case")
@click.option("--policy", "policy_name", required=True, help="A shipped pack or a path.")
@click.option("--as-of", help="Take the policy version in force on this date; the newest if left out.")
def replay(ledger: str, case: str, policy_name: str, as_of: str | None) -> None:
    """Record a CASE, such as january-2021, in LEDGER as the policy would have decided it."""
    from tsclassify.enforcement import Ledger
    from tsclassify.enforcement.case import load_case
    from tsclassify.policy import Policy

    found = load_case(case)
    policy = Policy.load(policy_name, as_of=as_of)
    with Ledger.open(ledger) as book:
        n_events = found.record(book, policy)
    click.echo(f"{n_events} events of {found.tenant} recorded under {policy.name} {policy.version}")


@command.command(name="standing")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("subject")
@click.option("--policy", "policy_name", required=True, help="A shipped pack or a path.")
@click.option("--at", required=True, help="The moment, like 2021-01-08T10:00:00Z.")
@click.option("--json", "as_json", is_flag=True, help="Print the record.")
def standing(ledger: str, subject: str, policy_name: str, at: str, as_json: bool) -> None:
    """Strikes, steps due and steps to reverse of SUBJECT, an account or a tenant."""
    from tsclassify.enforcement import Ledger
    from tsclassify.policy import Policy

    with Ledger.open(ledger, read_only=True) as book:
        found = book.standing(subject, Policy.load(policy_name, as_of=at[:10]), at=at)
    if as_json:
        click.echo(msgspec.json.encode(found.to_dict()).decode())
        return
    click.echo(f"{found.subject} ({found.of}) under {found.policy_name} {found.policy_version}: step {found.step}")
    for strike in found.strikes:
        when, until = f"{strike.at:%Y-%m-%d %H:%M}", f"{strike.expires_at:%Y-%m-%d}"
        click.echo(f"  strike {when} {strike.tier}, {strike.n_acts} act(s), until {until}")
    upcoming = found.next_step
    if upcoming is not None:
        missing = ", ".join(f"{amount} more {name}" for name, amount in upcoming.missing.items()) or "nothing"
        since = "" if upcoming.due_since is None else f" since {upcoming.due_since:%Y-%m-%d}"
        click.echo(f"  next step: {upcoming.id}, due{since}; missing: {missing}")
    for reversal in found.reversals:
        click.echo(f"  to reverse: {reversal.step}, taken {reversal.taken_at:%Y-%m-%d}, no longer follows")
