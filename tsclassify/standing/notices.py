"""Plain-language notices, rendered from the record alone: what, which clause, which words, how found, how to appeal.

They never show a score: a number that a person cannot check invites bargaining over the number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsclassify.dsa.statement import _WORDS, _and, _unique
from tsclassify.errors import InputError
from tsclassify.ledger.moments import moment

if TYPE_CHECKING:
    from tsclassify.decision import Decision
    from tsclassify.policy import Policy
    from tsclassify.review.result import PlatformReview

__all__ = ["account_notice", "tenant_notice"]


def account_notice(
    decision: Decision, policy: Policy, *, actions: Sequence[str] | None = None, at: dt.datetime | str | None = None
) -> str:
    """What an account is told about one of its items.

    Parameters
    ----------
    decision
        The record; its words are quoted, since they are the account's own.
    policy
        The policy that made it.
    actions
        Ids of the actions taken; None takes those recommended.
    at
        When it was decided, from which the time to appeal runs; None takes the time of the act.

    Raises
    ------
    InputError
        When the decision acts on nothing.
    """
    taken = [action.id for action in decision.actions] if actions is None else list(actions)
    acting = [finding for finding in decision.findings if finding.level == "act"] or list(decision.findings)
    if not taken or not acting:
        raise InputError(f"notice: decision must act on a finding, got tier {decision.tier}")
    reads = _and([_WORDS.get(category, category.replace("_", " ")) for category in _unique(acting)])
    lines = [f"Your post{_of(decision)} was found to break our rules."]
    lines.append(f"What we found: it reads as {reads}.")
    words = list(dict.fromkeys(piece.text for finding in acting for piece in finding.pieces if piece.text.strip()))
    if words:
        lines.append("The words that weighed most: " + ", ".join(f"“{word}”" for word in words[:5]) + ".")
    for clause in dict.fromkeys(finding.clause for finding in acting if finding.clause):
        lines.append(f"The rule: {clause}: {policy.clauses.get(clause, policy.source.clause)}.")
    lines.append("What we do: " + "; ".join(dict.fromkeys(policy.actions[action].says for action in taken)) + ".")
    lines.append("How it was found: by software that reads text" + _people(policy, taken) + ".")
    lines.append(_appeal(policy, decision.at if at is None else moment(at, "notice: at")))
    return "\n".join(lines) + "\n"


def tenant_notice(review: PlatformReview, policy: Policy, *, step: str | None = None) -> str:
    """What a hosted platform is told when a step is taken.

    Parameters
    ----------
    review
        The review that the step rests on.
    policy
        The policy of the review.
    step
        Step id; None takes the next step.

    Raises
    ------
    InputError
        When no step is due, or the one asked for is not.
    """
    chosen = review.next_step if step is None else next((s for s in review.steps if s.id == step), None)
    if chosen is None:
        raise InputError("notice: review must have a step that is due, got none")
    rule = next(rule for rule in (policy.ladder.steps if policy.ladder else ()) if rule.id == chosen.id)
    lines = [f"Notice under {policy.source.title}: {chosen.title}."]
    lines.append(f"The terms say: {policy.source.clause}.")
    lines.append(
        f"What we found in the time to {review.look_at:%d %B %Y}: "
        f"{review.n_violations} of {review.n_items} items that we saw break them."
        if review.n_items
        else "What we found is listed below."
    )
    lines += [f"- {indicator.says}" for indicator in review.indicators if indicator.state.name == "TRUE"]
    if review.evidence:
        shown = review.evidence[: max(10, chosen.needs.get("evidence", 0))]
        lines.append(f"Items ({len(shown)}): " + ", ".join(shown) + ".")
    if rule.cure is not None:
        hours = int(rule.cure.total_seconds() // 3600)
        lines.append(f"You have {hours} hours to remove them and to tell us what you do to find such posts yourself.")
    actions = "; ".join(policy.actions[action].says for action in rule.do)
    if actions:
        lines.append(f"What we do: {actions}.")
    lines.append(_appeal(policy, review.at))
    return "\n".join(lines) + "\n"


def _of(decision: Decision) -> str:
    day = "" if decision.at is None else f" of {decision.at.astimezone(dt.UTC):%d %B %Y}"
    return day + (f" (reference {decision.id})" if decision.id else "")


def _people(policy: Policy, actions: Sequence[str]) -> str:
    humans = max((policy.actions[action].needs.humans or 0 for action in actions), default=0)
    if humans == 0:
        return ""
    return ", and decided by " + ("a person" if humans == 1 else f"{humans} people")


def _appeal(policy: Policy, start: dt.datetime | None) -> str:
    rule = policy.appeals
    if rule is None:
        return "If you think this is wrong, answer this notice."
    until = "" if start is None else f" until {(start + rule.open_for).astimezone(dt.UTC):%d %B %Y}"
    how = rule.contact or "answer this notice"
    other = ", and somebody who did not make it will look again" if rule.reviewer == "not_the_decider" else ""
    return f"You can contest this{until}: {how}{other}."
