"""Notices and letters in plain language, rendered from the ledger: what was done, by whom, when, and how to contest it.

They never show a score: a number that a person cannot check invites bargaining over the number. They tell only of what
was taken: where a person is still to look, or approvals are missing, they are refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsclassify.dsa.statement import WORDS, and_, stated_actions, unique
from tsclassify.errors import InputError
from tsclassify.ledger import events as ev
from tsclassify.ledger.item import ItemRecord, TakenAction, people_of, person, read_item, record_of
from tsclassify.ledger.moments import moment

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.ledger.ledger import EventLog
    from tsclassify.policy import Policy
    from tsclassify.review.result import PlatformReview

__all__ = ["account_notice", "appeal_letter", "reporter_letter", "tenant_notice"]

_COUNTS = ("nobody", "one person", "two people", "three people", "four people", "five people")


def account_notice(
    decision: Decision,
    policy: Policy,
    *,
    ledger: EventLog | None = None,
    actions: Sequence[str] | None = None,
    at: dt.datetime | str | None = None,
    text: str | None = None,
    territory: str = "",
    ends_at: dt.datetime | str | None = None,
) -> str:
    """What an account is told about one of its items.

    Parameters
    ----------
    decision
        The record; its words are quoted, since they are the account's own.
    policy
        The policy that made it.
    ledger
        Where the decision is recorded: who took part and when is told from it. Without one nobody counts as having
        looked.
    actions
        Ids of the actions to tell, of those that were taken; None tells all but the internal ones.
    at
        When the notice is sent, from which the time to appeal runs; None takes when the action was taken.
    text
        The text of the post, to quote the sentence concerned; None takes the one that the ledger keeps, if any.
    territory
        Where it applies, in words; empty is everywhere.
    ends_at
        When it ends; None is for until further notice.

    Raises
    ------
    InputError
        When a person is still to look, approvals are missing, or nothing was taken: one sentence names what is missing.
    """
    record = record_of(decision)
    if ledger is not None and decision.id is not None:
        record = read_item(ledger, decision.id, policy=policy, tenant=decision.tenant)
        text = ledger.text(decision.text_sha256) if text is None and decision.text_sha256 else text
    acting = [finding for finding in decision.findings if finding.level == "act"] or list(decision.findings)
    if not acting:
        raise InputError(f"notice: decision must act on a finding, got tier {record.tier}")
    taken = stated_actions(record, policy, actions, "notice")
    if not taken:
        raise InputError(f"notice: decision must act on a finding, got tier {record.tier} with nothing that was done")
    rules = [(each, policy.actions[each.action.id]) for each in taken]
    asked = [each for each, rule in rules if rule.scope in {"tenant", "app"}]
    own = [each for each, rule in rules if rule.scope not in {"tenant", "app"}]
    when = max((each.at for each in taken if each.at is not None), default=decision.at)
    reads = and_([WORDS.get(category, category.replace("_", " ")) for category in unique(acting)])
    lines = [f"Your post{_of(decision)} was found to break {_whose(policy)} rules."]
    if own:
        done = "; ".join(dict.fromkeys(policy.actions[each.action.id].says for each in own))
        lines.append(f"What was done: {done}.{_span(when, territory, ends_at)}")
    if asked:
        name = decision.tenant or "the service that shows it"
        done = "; ".join(dict.fromkeys(policy.actions[each.action.id].says for each in asked))
        lines.append(f"What {name} was asked: {done}. It is {name} that decides about your post and answers you.")
    lines.append(f"What was found: it reads as {reads}.")
    lines += _quoted(decision, acting, text)
    for clause in dict.fromkeys(finding.clause for finding in acting if finding.clause):
        lines.append(
            f"The rule, in {policy.source.title} ({clause}): {policy.clauses.get(clause, policy.source.clause)}."
        )
    lines.append(_found(record))
    lines.append(_decided(taken, record))
    lines += _contest(policy, when if at is None else moment(at, "notice: at"))
    return "\n".join(lines) + "\n"


def tenant_notice(
    review: PlatformReview, policy: Policy, *, step: str | None = None, deadline_at: dt.datetime | str | None = None
) -> str:
    """What a hosted platform is told when a step is taken.

    Parameters
    ----------
    review
        The review that the step rests on.
    policy
        The policy of the review.
    step
        Step id; None takes the next step.
    deadline_at
        By when things have to be put right; None counts the step's own time from the review.

    Raises
    ------
    InputError
        When no step is due, the one asked for is not, or its approvals or evidence are missing.
    """
    chosen = review.next_step if step is None else next((s for s in review.steps if s.id == step), None)
    if chosen is None or policy.ladder is None:
        got = "none" if step is None else f"no step {step!r}"
        raise InputError(f"notice: review must have a step that is due, got {got}")
    if chosen.due.name != "TRUE":
        raise InputError(f"notice: step {chosen.id} must be due, got a condition that is {chosen.due.name.lower()}")
    if chosen.missing:
        missing = " and ".join(f"{amount} more {_needed(name, amount)}" for name, amount in chosen.missing.items())
        raise InputError(f"notice: step {chosen.id} must have what it needs, got {missing} missing")
    rule = next(rule for rule in policy.ladder.steps if rule.id == chosen.id)
    lines = [f"Notice under {policy.source.title}: {chosen.title}."]
    lines.append(f"The terms say: {policy.source.clause}.")
    days = (review.at - review.since).days
    lines.append(
        f"In the {days} days to {review.at:%d %B %Y, %H:%M} UTC, {review.n_violations:,} of {review.n_items:,} items "
        "that we saw break them."
        if review.n_items
        else "What we found is listed below."
    )
    lines += [f"- {indicator.says}" for indicator in review.indicators if indicator.state.name == "TRUE"]
    if review.evidence:
        shown = review.evidence[: max(10, chosen.needs.get("evidence", 0))]
        lines.append(f"Items that are still up ({len(shown)}): " + ", ".join(shown) + ".")
    if rule.cure is not None:
        limit = review.at + rule.cure if deadline_at is None else moment(deadline_at, "notice: deadline_at")
        lines.append(
            f"Remove them by {limit.astimezone(dt.UTC):%d %B %Y, %H:%M} UTC, and tell us what you do to find such "
            "posts yourself."
        )
    told = [policy.actions[action] for action in rule.do if not policy.actions[action].internal]
    if told:
        lines.append("What we do: " + "; ".join(action.says for action in told) + ".")
    people = max(chosen.has.get("humans", 0), 0)
    if people:
        lines.append(f"This was agreed to by {_count(people)}; software counted the posts.")
    if rule.lasts is not None:
        lines.append(f"It ends on {(review.at + rule.lasts).astimezone(dt.UTC):%d %B %Y}.")
    lines += _contest(policy, review.at)
    return "\n".join(lines) + "\n"


def reporter_letter(ledger: EventLog, item: str, policy: Policy, *, by: str, tenant: str | None = None) -> str:
    """What somebody who reported an item is told of the outcome (Art. 16(5) DSA).

    Parameters
    ----------
    ledger, item, tenant
        Where and what was reported.
    policy
        The policy that decided.
    by
        The reporter, as recorded.

    Raises
    ------
    InputError
        When the person has reported nothing, or nobody has decided yet.
    """
    record = read_item(ledger, item, policy=policy, tenant=tenant)
    reports = [event for event in record.of_kind(ev.Reported) if person(event.by) == person(by)]
    if not reports:
        raise InputError("letter: reporter must have reported the item, got no such report")
    if record.missing and record.ruling is None:
        raise InputError(f"letter: report must have been decided on, got one that waits: {record.missing}")
    lines = [f"You reported a post on {reports[0].at.astimezone(dt.UTC):%d %B %Y}. Thank you."]
    taken = stated_actions(record, policy, None, "letter") if record.taken else []
    if taken:
        done = "; ".join(dict.fromkeys(policy.actions[each.action.id].says for each in taken))
        lines.append(f"What came of it: it was found to break our rules, and this was done: {done}.")
    else:
        lines.append("What came of it: it was not found to break our rules, and it stays.")
    lines.append(_decided(taken, record))
    lines += _contest(policy, record.decided_at)
    return "\n".join(lines) + "\n"


def appeal_letter(ledger: EventLog, item: str, policy: Policy, *, tenant: str | None = None) -> str:
    """What an account is told of the outcome of its appeal.

    Raises
    ------
    InputError
        When no appeal was answered, or the answer is from a person who took the decision although the policy asks for
        another one.
    """
    record = read_item(ledger, item, policy=policy, tenant=tenant)
    answers = [event for event in record.of_kind(ev.Appeal) if event.outcome != "open"]
    if not answers:
        raise InputError("letter: appeal must have been answered, got none that was")
    answer = answers[-1]
    other = policy.appeals is not None and policy.appeals.reviewer == "not_the_decider"
    if other and person(answer.by) in people_of(record):
        raise InputError("letter: appeal must be answered by a person who did not decide, got one who did")
    asked = next((event for event in record.of_kind(ev.Appeal) if event.outcome == "open"), answer)
    lines = [
        f"Your appeal of {asked.at.astimezone(dt.UTC):%d %B %Y} about your post{_of(record.decision)} was answered."
    ]
    if answer.outcome == "granted":
        lines.append("You were right: the decision is taken back, and it no longer counts against your account.")
        lines.append("If the post was taken down, it is put up again.")
    else:
        lines.append("The decision stays as it is.")
    if answer.reason:
        lines.append(f"The reason: {answer.reason}.")
    who = "a person who did not take the decision" if other else "a person"
    lines.append(f"Your appeal was read by {who}.")
    if answer.outcome != "granted":
        lines.append(_outside())
    return "\n".join(lines) + "\n"


# ---- parts


def _whose(policy: Policy) -> str:
    return (
        "the hosting provider's"
        if policy.kind == "provider"
        else "the app store's"
        if policy.kind == "app_store"
        else "our"
    )


def _of(decision: Decision) -> str:
    day = "" if decision.at is None else f" of {decision.at.astimezone(dt.UTC):%d %B %Y}"
    return day + (f" (reference {decision.id})" if decision.id else "")


def _span(when: dt.datetime | None, territory: str, ends_at: dt.datetime | str | None) -> str:
    since = "" if when is None else f" from {when.astimezone(dt.UTC):%d %B %Y, %H:%M} UTC"
    end = "until further notice"
    if ends_at is not None:
        end = f"until {moment(ends_at, 'notice: ends_at').astimezone(dt.UTC):%d %B %Y}"
    return f" This holds{since} {end}, {territory or 'everywhere'}."


def _quoted(decision: Decision, acting: Sequence[object], text: str | None) -> list[str]:
    """The sentence concerned where the text is at hand, else the words that weighed most."""
    pieces = [piece for finding in decision.findings for piece in finding.pieces if piece.text.strip()]
    if text is not None and pieces:
        top = max(pieces, key=lambda piece: piece.contribution)
        if 0 <= top.start < top.end <= len(text):
            return [f"The sentence concerned: “{_sentence(text, top.start, top.end)}”"]
    words = list(dict.fromkeys(piece.text for piece in pieces))
    return ["The words that weighed most: " + ", ".join(f"“{word}”" for word in words[:5]) + "."] if words else []


def _sentence(text: str, start: int, end: int) -> str:
    """The sentence around a span, cut at 300 characters."""
    first = max((text.rfind(mark, 0, start) + 1 for mark in ".!?\n"), default=0)
    ends = [place for mark in ".!?\n" if (place := text.find(mark, end)) != -1]
    sentence = " ".join(text[first : min(ends, default=len(text) - 1) + 1].split())
    return sentence if len(sentence) <= 300 else sentence[:299] + "…"


def _found(record: ItemRecord) -> str:
    sources = {event.source for event in record.of_kind(ev.Reported)}
    if "authority" in sources:
        how = "after a report by an authority"
    elif "trusted_flagger" in sources:
        how = "after a report by a trusted flagger"
    elif sources:
        how = "after a report by a user"
    else:
        how = "on our own initiative"
    return f"How it was found: {how}, with software that reads text."


def _decided(taken: Sequence[TakenAction], record: ItemRecord) -> str:
    people = max((each.people for each in taken), default=0)
    if not taken and record.ruling is not None:
        people = 1
    if people == 0:
        return "Who decided: software alone; no person has looked at it yet."
    roles = list(dict.fromkeys(role for each in taken for role in each.roles))
    who = _count(people) + (f" ({and_(roles)})" if roles else "")
    return f"Who decided: {who}, with the help of software."


def _count(people: int) -> str:
    return _COUNTS[people] if people < len(_COUNTS) else f"{people} people"


def _needed(name: str, amount: int) -> str:
    words = {"humans": "approval", "evidence": "item of evidence"}.get(name, name)
    return words if amount == 1 else "items of evidence" if name == "evidence" else words + "s"


def _contest(policy: Policy, start: dt.datetime | None) -> list[str]:
    rule = policy.appeals
    if rule is None:
        return ["How to contest this: answer this notice.", _outside()]
    until = "" if start is None else f" until {(start + rule.open_for).astimezone(dt.UTC):%d %B %Y}"
    how = rule.contact or "answer this notice"
    where = f" ({rule.address})" if rule.address else ""
    other = " A person who did not take this decision will look again." if rule.reviewer == "not_the_decider" else ""
    return [f"How to contest this{until}: {how}{where}.{other}", _outside()]


def _outside() -> str:
    return "You can also turn to a certified body for out-of-court settlement, or to a court."
