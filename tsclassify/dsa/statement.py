"""Statements of reasons in the field names of the EU DSA Transparency Database, from the record alone.

A statement is public: it holds no words of the post, no account, no tenant and no score. It tells only of restrictions
that were taken: one that still waits for a person is refused. The duty to file binds online platforms; a provider that
only hosts gives reasons to the person concerned and files nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tsclassify.dsa import fields as dsa
from tsclassify.errors import InputError
from tsclassify.ledger import events as ev
from tsclassify.ledger.item import ItemRecord, TakenAction, read_item, record_of
from tsclassify.ledger.moments import moment
from tsclassify.records import Truth

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy

__all__ = [
    "CROSSWALK",
    "WORDS",
    "FieldFault",
    "and_",
    "check_statement",
    "stated_actions",
    "statement_of_reasons",
    "unique",
]

CROSSWALK: Final[Mapping[str, tuple[str, str, str, str]]] = {
    # The violence category has no keyword for a threat to one person: KEYWORD_OTHER with words says so, where
    # KEYWORD_INCITEMENT_VIOLENCE_HATRED would state a call that nobody made.
    "violent_threat": ("STATEMENT_CATEGORY_VIOLENCE", "KEYWORD_OTHER", "threat of physical violence", "none"),
    "facility_threat": (
        "STATEMENT_CATEGORY_VIOLENCE",
        "KEYWORD_OTHER",
        "threat of violence against a building, a site or infrastructure",
        "none",
    ),
    "incitement": ("STATEMENT_CATEGORY_VIOLENCE", "KEYWORD_INCITEMENT_VIOLENCE_HATRED", "", "broader"),
    "harm_wish": ("STATEMENT_CATEGORY_VIOLENCE", "KEYWORD_OTHER", "wish that somebody comes to harm", "none"),
    "glorification": ("STATEMENT_CATEGORY_VIOLENCE", "KEYWORD_OTHER", "praise of violence", "none"),
    # The keyword for hate speech means illegal incitement to hatred, which no model can find.
    "hate": (
        "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
        "KEYWORD_OTHER",
        "attack on people for who they are",
        "none",
    ),
    "abuse": ("STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "KEYWORD_OTHER", "abuse without a threat", "none"),
}
"""Category to the DSA category, keyword, words for ``KEYWORD_OTHER``, and how the keyword relates to ours."""

WORDS: Final[Mapping[str, str]] = {
    "violent_threat": "a threat of physical violence",
    "facility_threat": "a threat of violence against a building, a site or infrastructure",
    "incitement": "a call on others to do violence",
    "harm_wish": "a wish that somebody comes to harm",
    "glorification": "praise of violence",
    "hate": "an attack on people for who they are",
    "abuse": "abuse",
}

_PUID: Final = re.compile(r"[A-Za-z0-9_-]+")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_EAN: Final = re.compile(r"[0-9]{13}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field that the database would refuse.

    Attributes
    ----------
    field
        Its name.
    says
        What it must be.
    """

    field: str
    says: str

    def __str__(self) -> str:
        return f"{self.field} {self.says}"


def statement_of_reasons(
    decision: Decision,
    policy: Policy | str | os.PathLike[str],
    *,
    ledger: EventLog | None = None,
    actions: Sequence[str] | None = None,
    illegal_ground: str = "",
    applied_at: dt.datetime | str | None = None,
    ends_at: dt.datetime | str | Mapping[str, dt.datetime | str] | None = None,
    territory: Sequence[str] = dsa.COUNTRIES,
    is_automated: bool | None = None,
) -> dict[str, Any]:
    """A statement of reasons, validated against the database's published rules.

    Parameters
    ----------
    decision
        The record of a decision that acts; it must say when the act was.
    policy
        The policy that made it, or what ``Policy.load`` takes.
    ledger
        Where the decision is recorded: people's rulings and approvals, reports and times are taken from it. Without
        one no person counts as having looked.
    actions
        Ids of the actions to state, of those that were taken; None states all that restrict something.
    illegal_ground
        The law that the content breaks, in words: the ground is then illegal content, else the policy's own terms.
    applied_at
        When the restriction starts; None takes when it was taken.
    ends_at
        When it ends, for every restriction, or a mapping from a restriction (``decision_account``) to its end; None
        is for an indefinite one.
    territory
        Country codes in which it applies, by default the whole European Economic Area.
    is_automated
        True when no person took part, False when software took none. None tells it from the record: fully automated
        when nobody is on record, else partly, since the software found it.

    Returns
    -------
    dict
        Field to value; fields that do not apply are left out.

    Raises
    ------
    InputError
        When something is missing before the restriction counts as taken, when nothing that was taken restricts
        anything (notices and escalations do not), or when the database would refuse the statement; every field is
        named.
    """
    from tsclassify.decision import Decision as Record
    from tsclassify.policy import as_policy

    if not isinstance(decision, Record):
        raise InputError(f"statement: decision must be a Decision, got {type(decision).__name__}")
    policy = as_policy(policy)
    _same_policy(decision, policy)
    if decision.at is None:
        raise InputError("statement: decision must have the time of the act, got none")
    record = record_of(decision)
    if ledger is not None and decision.id is not None:
        record = read_item(ledger, decision.id, policy=policy, tenant=decision.tenant)
    acting = [finding for finding in decision.findings if finding.level == "act"] or list(decision.findings)
    if not acting:
        raise InputError(f"statement: decision must act on a finding, got tier {record.tier} with nothing to state")
    stated = stated_actions(record, policy, actions, "statement")
    stated = [each for each in stated if policy.actions[each.action.id].dsa is not None]
    if not stated:
        raise InputError(
            f"statement: action must restrict something, got tier {record.tier} with none that does",
            hint="notices and escalations are no restrictions",
        )
    taken = [each.action.id for each in stated]
    start = _start(stated, decision) if applied_at is None else moment(applied_at, "statement: applied_at")
    rules = [policy.actions[action] for action in taken]
    statement: dict[str, Any] = {
        **_restriction(rules),
        **_ground(policy, acting, illegal_ground),
        **_category(policy, [finding.category for finding in acting]),
        "content_type": ["CONTENT_TYPE_APP" if any(rule.scope == "app" for rule in rules) else "CONTENT_TYPE_TEXT"],
        "content_date": _date(decision.at),
        "application_date": _date(start),
        "territorial_scope": sorted(territory),
        "decision_facts": _facts(decision, policy, rules, acting),
        "source_type": _source(record),
        "automated_detection": "Yes",
        "automated_decision": _automated(record, is_automated),
        "puid": _puid(decision, taken, start),
    }
    if decision.language is Truth.TRUE and len(policy.languages.tested) == 1:
        statement["content_language"] = policy.languages.tested[0].upper()
    for name in dsa.RESTRICTIONS:
        end = ends_at.get(name) if isinstance(ends_at, Mapping) else ends_at
        if end is not None and name in statement:
            statement[_END[name]] = _date(moment(end, "statement: ends_at"))
    faults = check_statement(statement)
    if faults:
        raise InputError("statement: " + "; ".join(map(str, faults)))
    return statement


_END: Final = {
    "decision_visibility": "end_date_visibility_restriction",
    "decision_monetary": "end_date_monetary_restriction",
    "decision_provision": "end_date_service_restriction",
    "decision_account": "end_date_account_restriction",
}


def _same_policy(decision: Decision, policy: Policy) -> None:
    if (decision.policy_name, decision.policy_sha256) != (policy.name, policy.sha256):
        raise InputError(
            f"statement: policy must be the one that decided, {decision.policy_name} {decision.policy_version}, "
            f"got {policy.name} {policy.version}"
        )


def _date(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).date().isoformat()


def _restriction(rules: Sequence[Any]) -> dict[str, Any]:
    """What the actions restrict; of two restrictions of one kind the more severe."""
    found: dict[str, Any] = {}
    visibility: list[str] = []
    for rule in rules:
        if rule.dsa is None:
            continue
        visibility += [value for value in rule.dsa.decision_visibility if value not in visibility]
        for name in dsa.RESTRICTIONS[1:]:
            value = getattr(rule.dsa, name)
            order = dsa.VALUES[name]
            if value is not None and order.index(value) >= order.index(found.get(name, value)):
                found[name] = value
    if visibility:
        found["decision_visibility"] = visibility
    if any(rule.scope in {"tenant", "app"} for rule in rules):
        found["account_type"] = "ACCOUNT_TYPE_BUSINESS"
    return found


def stated_actions(record: ItemRecord, policy: Policy, actions: Sequence[str] | None, place: str) -> list[TakenAction]:
    """Actions that may be told: those that were taken and are not internal.

    Raises
    ------
    InputError
        When an action asked for was not taken, or anything is missing before one is.
    """
    asked = None if actions is None else list(actions)
    unknown = [action for action in asked or () if action not in policy.actions]
    if unknown:
        raise InputError(f"{place}: action must be one of the policy's, got {unknown[0]!r}")
    told = {name for name in policy.actions if not policy.actions[name].internal}
    taken = [each for each in record.taken if each.action.id in told and (asked is None or each.action.id in asked)]
    not_taken = [name for name in asked or () if name not in {each.action.id for each in taken}]
    names_missing = [part for part in record.missing.split("; ") if part and part.partition(" ")[0] in told]
    if record.missing and (not record.taken or not_taken or (asked is None and names_missing)):
        raise InputError(f"{place}: what is told must have been done: {record.missing}", hint="pass ledger=...")
    if not_taken:
        raise InputError(f"{place}: action must have been taken, got {not_taken[0]} at tier {record.tier}")
    return taken


def _start(stated: Sequence[TakenAction], decision: Decision) -> dt.datetime:
    times = [each.at for each in stated if each.at is not None]
    start = max(times) if times else decision.at
    if start is None:
        raise InputError("statement: decision must have the time of the act, got none")
    return start


def _source(record: ItemRecord) -> str:
    """Where the case came from: a notice before the decision, the most formal of several, or the provider itself."""
    sources = {event.source for event in record.of_kind(ev.Reported)}
    for source, value in (
        ("article_16", "SOURCE_ARTICLE_16"),
        ("trusted_flagger", "SOURCE_TRUSTED_FLAGGER"),
        ("authority", "SOURCE_TYPE_OTHER_NOTIFICATION"),
        ("user", "SOURCE_TYPE_OTHER_NOTIFICATION"),
    ):
        if source in sources:
            return value
    return "SOURCE_VOLUNTARY"


def _ground(policy: Policy, acting: Sequence[Any], illegal_ground: str) -> dict[str, Any]:
    clauses = dict.fromkeys(finding.clause for finding in acting if finding.clause)
    words = "; ".join(f"{clause}: {policy.clauses[clause]}" for clause in clauses if clause in policy.clauses)
    reads = and_([WORDS.get(category, category.replace("_", " ")) for category in unique(acting)])
    if illegal_ground:
        return {
            "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
            "illegal_content_legal_ground": _cut(illegal_ground, 500),
            "illegal_content_explanation": _cut(f"The text reads as {reads}. The law: {illegal_ground}.", 2000),
        }
    return {
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "decision_ground_reference_url": policy.source.url,
        "incompatible_content_ground": _cut(f"{policy.source.title}. {words or policy.source.clause}", 500),
        "incompatible_content_explanation": _cut(
            f"The text reads as {reads}. The terms say: {words or policy.source.clause}.", 2000
        ),
    }


def _category(policy: Policy, categories: Sequence[str]) -> dict[str, Any]:
    """The category of the first finding, those of the others in addition, and all keywords."""
    found: list[str] = []
    keywords: list[str] = []
    others: list[str] = []
    for name in dict.fromkeys(categories):
        own = policy.categories[name].dsa if name in policy.categories else None
        if own is not None:
            category, words, other = own.category, own.keywords, ""
        else:
            category, keyword, other, _ = CROSSWALK[name]
            words = (keyword,)
        found += [category] if category not in found else []
        keywords += [word for word in words if word not in keywords]
        others += [other] if other and other not in others else []
    statement: dict[str, Any] = {"category": found[0]}
    if len(found) > 1:
        statement["category_addition"] = found[1:]
    if keywords:
        statement["category_specification"] = keywords
    if "KEYWORD_OTHER" in keywords and others:
        statement["category_specification_other"] = _cut("; ".join(others), 500)
    return statement


def _facts(decision: Decision, policy: Policy, rules: Sequence[Any], acting: Sequence[Any]) -> str:
    reads = and_([WORDS.get(category, category.replace("_", " ")) for category in unique(acting)])
    signals = [name.replace("_", " ") for name, state in decision.signals.items() if state == "true"]
    parts = [
        f"A model that scores text found that the post reads as {reads}.",
        f"The policy {policy.name} {policy.version} places it at tier {decision.tier.replace('_', ' ')}.",
    ]
    if signals:
        parts.append(f"The text was also found to be or to have: {', '.join(signals)}.")
    lowered = [note for note in decision.contexts if note.effect == "lowered"]
    parts += [f"The context {note.id.replace('_', ' ')} was taken into account." for note in lowered]
    # Only of restrictions: what stays inside the house is told nobody.
    parts.append("What was done: " + "; ".join(dict.fromkeys(rule.says for rule in rules)) + ".")
    return _cut(" ".join(parts), 5000)


def _automated(record: ItemRecord, is_automated: bool | None) -> str:
    if is_automated is None:
        is_automated = not any(each.people for each in record.taken)
    return "AUTOMATED_DECISION_FULLY" if is_automated else "AUTOMATED_DECISION_PARTIALLY"


def _puid(decision: Decision, actions: Sequence[str], start: dt.datetime) -> str:
    """A name for the statement that repeats for the same decision and tells nothing about it."""
    parts = (
        decision.tenant, decision.id, decision.text_sha256, decision.policy_sha256, decision.model_sha256,
        *actions, start.astimezone(dt.UTC).isoformat(),
    )  # fmt: skip
    return hashlib.sha256("\x1f".join(part or "" for part in parts).encode("utf-8", "surrogatepass")).hexdigest()


def unique(findings: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(finding.category for finding in findings))


def and_(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


# ---- the published rules


def check_statement(statement: Mapping[str, Any]) -> tuple[FieldFault, ...]:
    """Every field that the database would refuse, and fields that it does not have.

    Parameters
    ----------
    statement
        Field to value; None and empty values count as left out.
    """
    given = {name: value for name, value in statement.items() if value not in (None, "", [], ()) and value != " "}
    given = {name: value for name, value in given.items() if not (isinstance(value, str) and not value.strip())}
    faults = [FieldFault(name, "must be a field of the database") for name in statement if name not in dsa.FIELDS]
    faults += _missing(given)
    for name, value in given.items():
        if name in dsa.VALUES:
            faults += _value_faults(name, value)
        if name in dsa.LENGTHS:
            faults += _text_faults(name, value, dsa.LENGTHS[name])
        if name in dsa.DATES:
            faults += _date_faults(name, value, given)
    faults += _special(given)
    return tuple(dict.fromkeys(faults))


def _missing(given: Mapping[str, Any]) -> list[FieldFault]:
    faults = [FieldFault(name, "must be given") for name in dsa.REQUIRED if name not in given]
    if not any(name in given for name in dsa.RESTRICTIONS):
        others = "one of " + ", ".join(dsa.RESTRICTIONS)
        faults += [FieldFault(name, f"must be given: {others}") for name in dsa.RESTRICTIONS]
    for name, (other, value) in dsa.WHEN.items():
        here = given.get(other)
        if (value in here if isinstance(here, (list, tuple)) else here == value) and name not in given:
            faults.append(FieldFault(name, f"must be given when {other} is {value}"))
    return faults


def _value_faults(name: str, value: Any) -> list[FieldFault]:
    if name in dsa.LISTS:
        if not isinstance(value, (list, tuple)):
            return [FieldFault(name, "must be a list")]
        wrong = [part for part in value if part not in dsa.VALUES[name]]
    else:
        wrong = [] if value in dsa.VALUES[name] else [value]
    return [FieldFault(name, f"must have a published value, got {str(part)[:60]!r}") for part in wrong[:1]]


def _text_faults(name: str, value: Any, length: int) -> list[FieldFault]:
    if not isinstance(value, str):
        return [FieldFault(name, "must be a text")]
    if len(value) > length:
        return [FieldFault(name, f"must have at most {length} characters, got {len(value)}")]
    return []


def _date_faults(name: str, value: Any, given: Mapping[str, Any]) -> list[FieldFault]:
    first, last = dsa.DATES[name]
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return [FieldFault(name, "must be a date like 2021-01-08")]
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return [FieldFault(name, "must be a date of the calendar")]
    start = given.get("application_date")
    if name.startswith("end_date") and isinstance(start, str) and value < start:
        return [FieldFault(name, "must not lie before application_date")]
    if not (first or value) <= value <= last:
        return [FieldFault(name, f"must lie from {first or 'application_date'} to {last}")]
    return []


def _special(given: Mapping[str, Any]) -> list[FieldFault]:
    faults = []
    puid, url, language = (given.get(name) for name in ("puid", "decision_ground_reference_url", "content_language"))
    if isinstance(puid, str) and not _PUID.fullmatch(puid):
        faults.append(FieldFault("puid", "must hold only letters, digits, hyphens and underscores"))
    if isinstance(url, str) and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc):
        faults.append(FieldFault("decision_ground_reference_url", "must be a web address"))
    if language is not None and language not in dsa.LANGUAGES:
        faults.append(FieldFault("content_language", "must be a two-letter code in capitals"))
    identifier = given.get("content_id")
    if identifier is not None and not isinstance(identifier, Mapping):
        faults.append(FieldFault("content_id", "must be a mapping"))
    codes = [given.get("content_id_ean")]
    codes += [identifier.get("EAN-13")] if isinstance(identifier, Mapping) else []
    if any(code is not None and not (isinstance(code, str) and _EAN.fullmatch(code)) for code in codes):
        faults.append(FieldFault("content_id", "must be a code of 13 digits"))
    return faults
