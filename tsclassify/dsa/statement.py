"""Statements of reasons in the field names of the EU DSA Transparency Database, from the decision record alone.

A statement is public: it holds no words of the post, no account, no tenant and no score.
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
from tsclassify.ledger.moments import moment
from tsclassify.records import Truth

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.policy import Policy

__all__ = ["CROSSWALK", "FieldFault", "check_statement", "statement_of_reasons"]

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
    "hate": ("STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH", "KEYWORD_HATE_SPEECH", "", "narrower"),
    "abuse": ("STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "KEYWORD_OTHER", "abuse without a threat", "none"),
}
"""Category to the DSA category, keyword, words for ``KEYWORD_OTHER``, and how the keyword relates to ours."""

_WORDS: Final[Mapping[str, str]] = {
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
    actions: Sequence[str] | None = None,
    applied_at: dt.datetime | str | None = None,
    ends_at: dt.datetime | str | None = None,
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
    actions
        Ids of the actions taken; None takes those that the decision recommends.
    applied_at
        When the restriction starts; None takes the time of the act.
    ends_at
        When it ends; None is for an indefinite one.
    territory
        Country codes in which it applies, by default the whole European Economic Area.
    is_automated
        True when no person looked. None says "partly automated" when an obligation calls for people, else "fully".

    Returns
    -------
    dict
        Field to value; fields that do not apply are left out.

    Raises
    ------
    InputError
        When there is nothing to state, or the database would refuse the statement; every field is named.

    Notes
    -----
    An action that restricts nothing in the database's terms, such as a notice that asks for removal, is stated as
    ``DECISION_VISIBILITY_OTHER`` with its words.
    """
    from tsclassify.decision import Decision as Record
    from tsclassify.policy import as_policy

    if not isinstance(decision, Record):
        raise InputError(f"statement: decision must be a Decision, got {type(decision).__name__}")
    policy = as_policy(policy)
    _same_policy(decision, policy)
    taken = [action.id for action in decision.actions] if actions is None else list(actions)
    unknown = [action for action in taken if action not in policy.actions]
    if unknown:
        raise InputError(f"statement: action must be one of the policy's, got {unknown[0]!r}")
    acting = [finding for finding in decision.findings if finding.level == "act"] or list(decision.findings)
    if not taken or not acting:
        raise InputError(f"statement: decision must act on a finding, got tier {decision.tier} with nothing to state")
    if decision.at is None:
        raise InputError("statement: decision must have the time of the act, got none")
    start = decision.at if applied_at is None else moment(applied_at, "statement: applied_at")
    rules = [policy.actions[action] for action in taken]
    statement: dict[str, Any] = {
        **_restriction(rules),
        **_ground(decision, policy, acting),
        **_category(policy, [finding.category for finding in acting]),
        "content_type": ["CONTENT_TYPE_APP" if any(rule.scope == "app" for rule in rules) else "CONTENT_TYPE_TEXT"],
        "content_date": _date(decision.at),
        "application_date": _date(start),
        "territorial_scope": sorted(territory),
        "decision_facts": _facts(decision, policy, rules, acting),
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": _automated(rules, is_automated),
        "puid": _puid(decision, taken, start),
    }
    if decision.language is Truth.TRUE and len(policy.languages.tested) == 1:
        statement["content_language"] = policy.languages.tested[0].upper()
    if ends_at is not None:
        end = _date(moment(ends_at, "statement: ends_at"))
        statement.update({_END[name]: end for name in dsa.RESTRICTIONS if name in statement})
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
    if not found:
        words = "; ".join(dict.fromkeys(rule.says for rule in rules))
        return {"decision_visibility": ["DECISION_VISIBILITY_OTHER"], "decision_visibility_other": _cut(words, 500)}
    if any(rule.scope in {"tenant", "app"} for rule in rules):
        found["account_type"] = "ACCOUNT_TYPE_BUSINESS"
    return found


def _ground(decision: Decision, policy: Policy, acting: Sequence[Any]) -> dict[str, Any]:
    clauses = dict.fromkeys(finding.clause for finding in acting if finding.clause)
    words = "; ".join(f"{clause}: {policy.clauses[clause]}" for clause in clauses if clause in policy.clauses)
    reads = _and([_WORDS.get(category, category.replace("_", " ")) for category in _unique(acting)])
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
    reads = _and([_WORDS.get(category, category.replace("_", " ")) for category in _unique(acting)])
    signals = [name.replace("_", " ") for name, state in decision.signals.items() if state == "true"]
    parts = [
        f"A model that scores text found that the post reads as {reads}.",
        f"The policy {policy.name} {policy.version} places it at tier {decision.tier.replace('_', ' ')}.",
    ]
    if signals:
        parts.append(f"The text was also found to be or to have: {', '.join(signals)}.")
    lowered = [note for note in decision.contexts if note.effect == "lowered"]
    parts += [f"The context {note.id.replace('_', ' ')} was taken into account." for note in lowered]
    parts.append("What was done: " + "; ".join(dict.fromkeys(rule.says for rule in rules)) + ".")
    return _cut(" ".join(parts), 5000)


def _automated(rules: Sequence[Any], is_automated: bool | None) -> str:
    if is_automated is None:
        is_automated = not any(rule.needs.humans for rule in rules)
    return "AUTOMATED_DECISION_FULLY" if is_automated else "AUTOMATED_DECISION_PARTIALLY"


def _puid(decision: Decision, actions: Sequence[str], start: dt.datetime) -> str:
    """A name for the statement that repeats for the same decision and tells nothing about it."""
    parts = (
        decision.tenant, decision.id, decision.text_sha256, decision.policy_sha256, decision.model_sha256,
        *actions, start.astimezone(dt.UTC).isoformat(),
    )  # fmt: skip
    return hashlib.sha256("\x1f".join(part or "" for part in parts).encode("utf-8", "surrogatepass")).hexdigest()


def _unique(findings: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(finding.category for finding in findings))


def _and(words: Sequence[str]) -> str:
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
