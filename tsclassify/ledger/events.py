"""What a ledger records: decisions, and eight kinds of events around them.

Every event carries the time of the act (``at``) and may carry when it became known (``recorded_at``). A fold at
time T sees the events whose later of the two is at most T: a post found in February does not make a step due
in December.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import msgspec

from tsclassify.decision import Decision
from tsclassify.errors import InputError
from tsclassify.ledger.moments import moment

__all__ = [
    "KINDS",
    "Appeal",
    "Attestation",
    "Event",
    "HumanAction",
    "Notice",
    "Removal",
    "Response",
    "Tally",
    "Void",
    "decode",
    "encode_into",
    "event_from_dict",
    "event_to_dict",
    "kind_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What all events share.

    Attributes
    ----------
    at
        Time of the act, aware.
    recorded_at
        When it became known, or None for at once.
    tenant, actor
        The hosted platform and the account concerned, or None.
    by
        Who acted: a reviewer's id, or ``tenant``, ``provider``, ``author``.
    note
        A sentence for people; never the text of an item.
    source
        Where the fact is from, for a log built from reports.
    invented
        True when the event fills a gap that no source speaks of.
    """

    at: dt.datetime
    recorded_at: dt.datetime | None = None
    tenant: str | None = None
    actor: str | None = None
    by: str = ""
    note: str = ""
    source: str = ""
    invented: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(_Common):
    """The provider tells a tenant or an account that a step is taken, about some items.

    Attributes
    ----------
    id
        Id of the notice, new in this ledger.
    step
        Step of the policy's ladder that the notice takes.
    items
        Ids of the items cited as evidence.
    deadline_at
        By when they have to be dealt with; None takes the step's cure period.
    """

    id: str
    step: str = "notice"
    items: tuple[str, ...] = ()
    deadline_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(_Common):
    """A tenant answers a notice.

    Attributes
    ----------
    notice
        Id of the notice.
    says
        ``acknowledged``, ``plan``, ``disputed`` or ``done``.
    """

    notice: str
    says: str = "acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal(_Common):
    """An item was taken down (``by`` says who did it).

    Attributes
    ----------
    item
        Id of the item.
    """

    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal(_Common):
    """An appeal against the decision on an item; a granted one voids it.

    Attributes
    ----------
    item
        Id of the item.
    outcome
        ``open``, ``granted`` or ``denied``.
    """

    item: str
    outcome: str = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Void(_Common):
    """An earlier event does not count any more.

    Attributes
    ----------
    seq
        Row of the voided event.
    reason
        Why, in a few words.
    """

    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation(_Common):
    """A tenant, or somebody who looked, states that a control exists, or how large a queue is.

    Attributes
    ----------
    control
        A control that the policy names (``terms``, ``filter``, ``report``, ``block``, ``contact``, ...), or
        ``open_reports`` and ``closed_reports`` (a day) for a queue.
    holds
        True when the control is in place; None for a count.
    value
        The count.
    """

    control: str
    holds: bool | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanAction(_Common):
    """A person approves, declines, takes or lifts a step; ``by`` names the person.

    Attributes
    ----------
    action
        ``approve``, ``decline``, ``take`` or ``lift``.
    step
        Step of the policy's ladder.
    """

    action: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(_Common):
    """Items that were screened and found clean, counted and not recorded one by one; ``at`` ends the period.

    Attributes
    ----------
    n_items
        How many.
    """

    n_items: int


Event = Notice | Response | Removal | Appeal | Void | Attestation | HumanAction | Tally

KINDS: Final[Mapping[str, type]] = {
    "decision": Decision,
    "notice": Notice,
    "response": Response,
    "removal": Removal,
    "appeal": Appeal,
    "void": Void,
    "attestation": Attestation,
    "human_action": HumanAction,
    "tally": Tally,
}
_NAMES: Final = {cls: name for name, cls in KINDS.items()}

_ALLOWED: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("appeal", "outcome"): frozenset({"open", "granted", "denied"}),
    ("human_action", "action"): frozenset({"approve", "decline", "take", "lift"}),
    ("response", "says"): frozenset({"acknowledged", "plan", "disputed", "done"}),
}


def _plain(value: Any) -> Any:
    """What msgspec cannot write itself: any mapping becomes a dict."""
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(type(value).__name__)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
_DECODERS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(cls) for name, cls in KINDS.items()
}


def kind_of(event: Event | Decision) -> str:
    """Name of an event's kind.

    Raises
    ------
    InputError
        When the object is neither a decision nor an event.
    """
    try:
        return _NAMES[type(event)]
    except KeyError:
        raise InputError(
            f"ledger: event must be a Decision or one of {len(KINDS) - 1} event kinds, got {type(event).__name__}"
        ) from None


def encode_into(event: Event | Decision, buffer: bytearray) -> None:
    """Make the buffer hold the stored body: JSON in the order of the class.

    A buffer used again and again spares the growing of a new one, a third of the time.
    """
    _ENCODER.encode_into(event, buffer)


def decode(kind: str, body: bytes) -> Event | Decision:
    """The event that a stored body holds."""
    event: Event | Decision = _DECODERS[kind].decode(body)
    return event


def check(event: Event, kind: str) -> None:
    """Refuse an event with words that are not the ledger's, a time without offset, or that cannot be read again."""
    for name in ("at", "recorded_at", "deadline_at"):
        value = getattr(event, name, None)
        if value is not None or name == "at":
            moment(value, f"ledger: {kind} {name}")  # type: ignore[arg-type]
    try:
        decode(kind, _ENCODER.encode(event))
    except (msgspec.MsgspecError, TypeError, NotImplementedError, UnicodeError) as error:
        # A row cannot be taken out again, so one that nobody can read must not get in.
        raise InputError(f"ledger: {kind} must fit its fields, got a fault: {_lower(str(error))}") from None
    for (owner, name), allowed in _ALLOWED.items():
        if owner == kind and getattr(event, name) not in allowed:
            raise InputError(f"ledger: {kind} {name} must be one of {', '.join(sorted(allowed))}")
    if isinstance(event, Attestation) and (event.holds is None) == (event.value is None):
        raise InputError("ledger: attestation must say that a control holds or not, or carry a count")
    if isinstance(event, Tally) and not event.n_items >= 0:
        raise InputError(f"ledger: tally n_items must be 0 or more, got {event.n_items}")


def event_to_dict(event: Event | Decision) -> dict[str, Any]:
    """The JSON form of one event: its kind, then its fields without those left at their default."""
    kind = kind_of(event)
    if isinstance(event, Decision):
        return {"kind": kind, "decision": msgspec.to_builtins(event, enc_hook=_plain)}
    row = {field.name: value for field in fields(event) if (value := getattr(event, field.name)) != field.default}
    return {"kind": kind, **msgspec.to_builtins(row)}


def event_from_dict(row: Mapping[str, Any], place: str = "event") -> Event | Decision:
    """One event from its JSON form.

    Raises
    ------
    InputError
        When the kind is unknown, a field is missing, of the wrong type, or not of this kind.
    """
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{place}: kind must be one of {', '.join(KINDS)}")
    cls = KINDS[kind]
    if kind == "decision":
        payload = row.get("decision")
    else:
        payload = {name: value for name, value in row.items() if name != "kind"}
        unknown = sorted(set(payload) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"{place}: {kind} must not have the field {unknown[0]}")
    try:
        event: Event | Decision = msgspec.convert(payload, cls)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: {kind} must fit its fields, got a fault: {_lower(str(error))}") from None
    if not isinstance(event, Decision):
        check(event, kind)
    return event


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
