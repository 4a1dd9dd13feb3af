"""What a ledger records: decisions, and the events around them.

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
    "ITEM_KINDS",
    "KINDS",
    "Appeal",
    "Attestation",
    "Edited",
    "Event",
    "HumanAction",
    "Notice",
    "Removal",
    "Reported",
    "Response",
    "Restored",
    "Reviewed",
    "Tally",
    "TenantRenamed",
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
    reason
        Why it was granted or denied, in a few words that the account is told.
    """

    item: str
    outcome: str = "open"
    reason: str = ""


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
    """A person approves, declines, takes or lifts a step, or an action on one item; ``by`` names the person.

    Attributes
    ----------
    action
        ``approve``, ``decline``, ``take`` or ``lift``.
    step
        Step of the policy's ladder; with an item, id of the action.
    item
        Id of the item that the action is about, or None for a step.
    role
        What the person is, such as ``moderator`` or ``duty officer``; a notice names roles, never people.
    """

    action: str
    step: str
    item: str | None = None
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(_Common):
    """Items that were screened and found clean, counted and not recorded one by one; ``at`` ends the period.

    Attributes
    ----------
    n_items
        How many.
    """

    n_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(_Common):
    """A person ruled on an item; the ruling stands against later automatic decisions on the same text.

    Attributes
    ----------
    item
        Id of the item.
    outcome
        ``upheld``, ``cleared`` or ``changed`` (to ``tier``).
    reason
        Code of the reason, such as ``quotation``.
    tier
        Tier that the person gave; None is the decision's own when upheld, and none when cleared.
    text_sha256
        Hash of the text ruled on; empty takes that of the latest decision.
    role
        What the person is, such as ``moderator``.
    categories
        Categories that the person saw in the text, for those who label.
    sample
        Name of the quality sample that the ruling belongs to; such a ruling is a label and changes nothing.
    """

    item: str
    outcome: str
    reason: str
    tier: str | None = None
    text_sha256: str = ""
    role: str = ""
    categories: tuple[str, ...] | None = None
    sample: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(_Common):
    """Somebody reported an item; ``by`` is the reporter, a pseudonym.

    Attributes
    ----------
    item
        Id of the item.
    source
        ``user``, ``trusted_flagger``, ``authority`` or ``article_16`` (a notice in the form of Art. 16 DSA).
    reason
        What it was reported for, in a few words.
    """

    item: str
    source: str = "user"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited(_Common):
    """The text of an item was changed; the strike of the earlier text stays until a person lifts it.

    Attributes
    ----------
    item
        Id of the item.
    text_sha256
        Hash of the new text.
    """

    item: str
    text_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored(_Common):
    """An item that was taken down is up again.

    Attributes
    ----------
    item
        Id of the item.
    """

    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRenamed(_Common):
    """A tenant goes by a new name, ``tenant``; what was recorded under the earlier one stays its own.

    Attributes
    ----------
    was
        The earlier name.
    """

    was: str


Event = (
    Notice
    | Response
    | Removal
    | Appeal
    | Void
    | Attestation
    | HumanAction
    | Tally
    | Reviewed
    | Reported
    | Edited
    | Restored
    | TenantRenamed
)

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
    "reviewed": Reviewed,
    "reported": Reported,
    "edited": Edited,
    "restored": Restored,
    "tenant_renamed": TenantRenamed,
}
ITEM_KINDS: Final = frozenset({"removal", "appeal", "human_action", "reviewed", "reported", "edited", "restored"})
"""Kinds that speak of an item by its id."""
_NAMES: Final = {cls: name for name, cls in KINDS.items()}

_ALLOWED: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("appeal", "outcome"): frozenset({"open", "granted", "denied"}),
    ("human_action", "action"): frozenset({"approve", "decline", "take", "lift"}),
    ("response", "says"): frozenset({"acknowledged", "plan", "disputed", "done"}),
    ("reviewed", "outcome"): frozenset({"upheld", "cleared", "changed"}),
    ("reported", "source"): frozenset({"user", "trusted_flagger", "authority", "article_16"}),
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
    if isinstance(event, Reviewed):
        _check_ruling(event)
    if isinstance(event, TenantRenamed) and event.tenant in {None, event.was}:
        raise InputError("ledger: tenant_renamed must have a tenant, the new name, that is not the earlier one")
    if isinstance(event, Tally) and not event.n_items >= 0:
        raise InputError(f"ledger: tally n_items must be 0 or more, got {event.n_items}")


def _check_ruling(event: Reviewed) -> None:
    if not event.by.strip():
        raise InputError("ledger: reviewed must say who ruled, got no by")
    if event.outcome == "changed" and event.tier is None:
        raise InputError("ledger: reviewed as changed must have the tier that the person gave, got none")
    if event.outcome == "cleared" and event.tier is not None:
        raise InputError("ledger: reviewed as cleared must have no tier, got one", hint="use changed")


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
