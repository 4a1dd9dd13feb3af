"""``tsclassify ledger``: record, verify, export, import, void, and show how a subject stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tsclassify.cli.naming import parse_fields
from tsclassify.errors import GateError, InputError

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.ledger.events import Event
    from tsclassify.policy import Breaker

__all__ = ["command"]

_POSTS_AT_ONCE = 512


@click.group(name="ledger")
def command() -> None:
    """Record decisions and events, check the chain, show how an account stands.

    Example: tsclassify ledger verify ledger.db
    """


def _rows(path: str, fields: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and object of every line of a file, or of standard input for ``-``; a fault names its line.

    Events stand as they are; a post has the names that ``Classifier.decide`` takes.
    """
    from tsclassify.cli.decide import item_of
    from tsclassify.io.fields import check_names, value_at
    from tsclassify.io.rows import json_object, lines_of_file

    name = "standard input" if path == "-" else Path(path).name
    text = fields.get("text", "text")
    for number, raw in lines_of_file(path, text=text):
        place = f"{name}:{number}"
        row = json_object(raw, place)
        if "kind" not in row:
            check_names([row], place, text)
        is_post = "kind" not in row and value_at(row, text) is not None
        yield place, item_of(raw, place, fields) if is_post else row


class _Decider:
    """Full decisions of posts, some hundreds at a time, by one policy under its guards."""

    def __init__(self, policy_name: str | None, model: str | None) -> None:
        self._policy_name = policy_name
        self._model = model
        self.breaker: Breaker | None = None
        """Counts over all posts of the file, in order, whatever stands between them."""

    def decide(self, rows: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Decision]]:
        from tsclassify.classifier import load
        from tsclassify.policy import Breaker, Policy

        remaining = iter(rows)
        if self._policy_name is None:
            place, _ = next(remaining)
            raise InputError(f"{place}: post must be decided to be recorded, got no policy", hint="add --policy NAME")
        classifier, policy = load(self._model), Policy.load(self._policy_name)
        if self.breaker is None:
            self.breaker = Breaker(policy.guards)
        while batch := list(islice(remaining, _POSTS_AT_ONCE)):
            items = [row for _, row in batch]
            # Without the times of the decisions the hourly guard rests: a file says when posts were written.
            decisions = classifier.decide_many(items, policy, breaker=self.breaker)
            yield from zip([place for place, _ in batch], decisions, strict=True)

    def guard_sentence(self) -> str:
        """One line for people on the guard that tripped; empty while none did."""
        if self.breaker is None or self.breaker.open_since is None:
            return ""
        tripped = self.breaker.open_since
        return (
            f"guard {tripped['guard']} tripped at post {tripped['n_items']:,} "
            f"({tripped['value']:.2%} acted on, at most {tripped['limit']:.2%} allowed): the actions of "
            f"{self.breaker.n_held:,} posts are withheld, and none is a strike, until a person has looked"
        )


def _events(path: str, decider: _Decider, fields: dict[str, str]) -> Iterator[Event | Decision]:
    """Events as they stand; posts (lines with ``text`` and no ``kind``) decided by the policy, in order."""
    from tsclassify.ledger.events import event_from_dict

    for is_post, group in groupby(_rows(path, fields), key=lambda pair: "text" in pair[1] and "kind" not in pair[1]):
        if not is_post:
            for place, row in group:
                yield event_from_dict(row, place)
            continue
        for place, decision in decider.decide(group):
            for field in ("id", "at"):
                if getattr(decision, field) is None:
                    raise InputError(f"{place}: post must have {field} to be recorded, got none")
            yield decision


@command.command(name="record")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("events", type=click.Path(allow_dash=True))
@click.option("--policy", "-p", "policy_name", help="Policy that decides posts: a shipped pack or a path.")
@click.option("--model", help="Bundle folder or name that scores posts.")
@click.option("--fields", default="", metavar="PART=NAME,...", help="Names in the file, e.g. text=body,at=created.")
def record(ledger: str, events: str, policy_name: str | None, model: str | None, fields: str) -> None:
    """Record a file (or ``-``) in LEDGER: events as they stand, posts as a policy decides them.

    A post is a line with a text, in any file that ``tsclassify score`` reads; it needs ``id`` and ``at``. A time
    without an offset is in UTC, and a number is seconds (or milliseconds) since 1970. The
    same events again are skipped. When a guard of the policy trips, later posts that would be acted on are recorded
    for a person to look at.

    Example: tsclassify ledger record ledger.db posts.jsonl --policy hosting-provider
    """
    from tsclassify.standing import Ledger

    decider = _Decider(policy_name, model)
    with Ledger.open(ledger) as book:
        done = book.record_many(_events(events, decider, parse_fields(fields)))
        head = book.head
    if sentence := decider.guard_sentence():
        click.echo(f"tsclassify: {sentence}", err=True)
    click.echo(f"{done.n_recorded} recorded, {done.n_skipped} already there, {done.last_seq} in all, head {head}")


@command.command(name="verify")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.option("--head", help="A hash noted earlier: finds rows that were cut off.")
def verify(ledger: str, head: str | None) -> None:
    """Check every row of LEDGER against the chain; exit status 3 when one does not hold."""
    from tsclassify.standing import Ledger

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
    from tsclassify.standing import Ledger

    with Ledger.open(ledger, read_only=True) as book:
        click.echo(f"{book.export(output)} events written to {output}")


@command.command(name="import")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("source", type=click.Path(dir_okay=False))
def import_(ledger: str, source: str) -> None:
    """Take over the export SOURCE into LEDGER, checking its chain."""
    from tsclassify.standing import Ledger

    with Ledger.open(ledger) as book:
        click.echo(f"{book.import_(source)} events taken over, head {book.head}")


@command.command(name="void")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("item")
@click.option("--reason", required=True, help="Why, in a few words.")
@click.option("--at", required=True, help="When, like 2021-01-08T10:00:00Z.")
@click.option("--by", default="", help="Who.")
@click.option("--tenant", help="Whose item it is, where several have this id.")
def void(ledger: str, item: str, reason: str, at: str, by: str, tenant: str | None) -> None:
    """Void the decisions on ITEM in LEDGER; they stay on record and no longer count."""
    from tsclassify.standing import Ledger

    with Ledger.open(ledger, create=False) as book:
        done = book.void(item, reason=reason, at=at, by=by, tenant=tenant)
    click.echo(f"{done.n_recorded} voided")


@command.command(name="show")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("item")
@click.option("--tenant", help="Whose item it is, where several have this id.")
@click.option("--json", "as_json", is_flag=True, help="Print the record.")
def show(ledger: str, item: str, tenant: str | None, as_json: bool) -> None:
    """Everything that LEDGER holds about ITEM: the decision, what people did, what was taken, what is missing."""
    from tsclassify.ledger.item import read_item
    from tsclassify.standing import Ledger
    from tsclassify.terminal import plain

    with Ledger.open(ledger, read_only=True) as book:
        record = read_item(book, item, tenant=tenant)
    if as_json:
        click.echo(msgspec.json.encode(record.to_dict()).decode())
        return
    owner = f" of {record.decision.tenant}" if record.decision.tenant else ""
    lines = [f"{item}{owner}: tier {record.tier} by {record.decision.policy_name} {record.decision.policy_version}"]
    for taken in record.taken:
        when = "" if taken.at is None else f" on {taken.at:%Y-%m-%d %H:%M}"
        lines.append(f"  taken: {taken.action.id}{when}, {taken.people} people")
    lines += [f"  missing: {record.missing}"] if record.missing else []
    for seq, _, event in record.events:
        words = [f"{event.at:%Y-%m-%d %H:%M}", event_kind(event)]
        words += [
            str(getattr(event, name)) for name in ("outcome", "action", "step", "source") if getattr(event, name, "")
        ]
        words += [f"by {event.by}"] if event.by else []
        lines.append(f"  row {seq}: {' '.join(words)}")
    for line in lines:
        click.echo(plain(line))


def event_kind(event: Event) -> str:
    from tsclassify.ledger.events import kind_of

    return kind_of(event)


@command.command(name="list")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.option("--tenant", help="Only rows of this tenant.")
@click.option("--actor", help="Only rows of this account.")
@click.option("--kind", "kinds", multiple=True, help="Only rows of this kind; may be given several times.")
@click.option("--at", help="Only rows known by this moment.")
def list_(ledger: str, tenant: str | None, actor: str | None, kinds: tuple[str, ...], at: str | None) -> None:
    """List the rows of LEDGER in order: row, time, kind, whose, tier."""
    from tsclassify.ledger.moments import iso
    from tsclassify.standing import Ledger
    from tsclassify.terminal import plain

    with Ledger.open(ledger, read_only=True) as book:
        for row in book.events(tenant=tenant, actor=actor, kinds=list(kinds) or None, at=at):
            event: Any = row.event
            named = [str(getattr(event, name)) for name in ("id", "item", "notice") if getattr(event, name, None)]
            cells = [str(row.seq), iso(row.at) or "", row.kind, *named[:1], event.tenant or "-", row.tier or "-"]
            click.echo(plain("  ".join(cells)))


@command.command(name="head")
@click.argument("ledger", type=click.Path(dir_okay=False))
def head(ledger: str) -> None:
    """Print how many rows LEDGER has and the hash of the last: keep it where the ledger's owner cannot write."""
    from tsclassify.standing import Ledger

    with Ledger.open(ledger, read_only=True) as book:
        click.echo(f"{len(book)} {book.head}")


@command.command(name="backup")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("target", type=click.Path(dir_okay=False))
def backup(ledger: str, target: str) -> None:
    """Copy LEDGER to the new file TARGET while others may write to it, and check the copy."""
    from tsclassify.standing import Ledger

    with Ledger.open(ledger, read_only=True) as book:
        copy = book.backup(target)
    if not copy:
        raise GateError(f"{Path(target).name}: {copy}")
    click.echo(str(copy))


@command.command(name="replay")
@click.argument("ledger", type=click.Path(dir_okay=False))
@click.argument("case")
@click.option("--policy", "policy_name", required=True, help="A shipped pack or a path.")
@click.option("--as-of", help="Take the policy version in force on this date; the newest if left out.")
def replay(ledger: str, case: str, policy_name: str, as_of: str | None) -> None:
    """Record a CASE, such as january-2021, in LEDGER as the policy would have decided it."""
    from tsclassify.ledger.case import load_case
    from tsclassify.policy import Policy
    from tsclassify.standing import Ledger

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
    from tsclassify.policy import Policy
    from tsclassify.standing import Ledger

    with Ledger.open(ledger, read_only=True) as book:
        found = book.standing(subject, Policy.load(policy_name, as_of=at[:10]), at=at)
    if as_json:
        click.echo(msgspec.json.encode(found.to_dict()).decode())
        return
    from tsclassify.terminal import plain

    def say(text: str) -> None:
        # Names in a ledger are those of others.
        click.echo(plain(text))

    say(f"{found.subject} ({found.of}) under {found.policy_name} {found.policy_version}: step {found.step}")
    for strike in found.strikes:
        when, until = f"{strike.at:%Y-%m-%d %H:%M}", f"{strike.expires_at:%Y-%m-%d}"
        say(f"  strike {when} {strike.tier}, {strike.n_acts} act(s), until {until}")
    upcoming = found.next_step
    if upcoming is not None:
        missing = ", ".join(f"{amount} more {name}" for name, amount in upcoming.missing.items()) or "nothing"
        since = "" if upcoming.due_since is None else f" since {upcoming.due_since:%Y-%m-%d}"
        say(f"  next step: {upcoming.id}, due{since}; missing: {missing}")
    for reversal in found.reversals:
        say(f"  to reverse: {reversal.step}, taken {reversal.taken_at:%Y-%m-%d}, no longer follows")
