"""The decision record: what a policy says of one item, and everything needed to say why, years later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tsclassify.records import SCHEMA_VERSION, Piece, Truth

__all__ = ["Action", "ContextNote", "Decision", "Finding", "TraceNode"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A category whose score reached the policy's review or act threshold.

    Attributes
    ----------
    category
        Category name.
    level
        ``act`` or ``review``.
    score
        Calibrated probability.
    threshold
        The threshold reached, at ``level``.
    clause
        The clause of the written terms that the policy cites.
    pieces
        The words that raised the score most, largest first.
    """

    category: str
    level: str
    score: float
    threshold: float
    clause: str = ""
    pieces: tuple[Piece, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "level": self.level,
            "score": self.score,
            "threshold": self.threshold,
            "clause": self.clause,
            "pieces": [piece.to_dict() for piece in self.pieces],
        }


@dataclass(frozen=True, slots=True)
class ContextNote:
    """One context of the policy, as it stood for this item.

    Attributes
    ----------
    id
        Context id in the policy.
    state
        Truth of its condition.
    effect
        ``lowered`` (it changed the tier), ``defeated`` (its ``unless`` held), ``review`` (unknown, so a
        person looks) or ``none``.
    from_tier, to_tier
        Tier before and after, when lowered.
    """

    id: str
    state: Truth
    effect: str = "none"
    from_tier: str = ""
    to_tier: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "state": self.state.name.lower(),
            "effect": self.effect,
            "from_tier": self.from_tier,
            "to_tier": self.to_tier,
        }


@dataclass(frozen=True, slots=True)
class Action:
    """A recommended action with its obligations.

    Attributes
    ----------
    id, scope
        Action id in the policy; who or what it applies to: ``item``, ``account``, ``tenant`` or ``app``.
    within_s
        Seconds from the decision to the deadline, or None.
    needs
        Obligation to amount, for example ``{"humans": 2, "evidence": 25}``.
    """

    id: str
    scope: str = "item"
    within_s: int | None = None
    needs: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "scope": self.scope, "within_s": self.within_s, "needs": dict(self.needs)}


@dataclass(frozen=True, slots=True)
class TraceNode:
    """One node of a condition with its truth value for this item.

    Attributes
    ----------
    label
        What the node asks, for example ``act: incitement`` or ``all``.
    state
        Its truth.
    detail
        What it rests on, for example ``0.912 >= 0.800``.
    children
        Nodes below it.
    """

    label: str
    state: Truth
    detail: str = ""
    children: tuple[TraceNode, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "state": self.state.name.lower(),
            "detail": self.detail,
            "children": [child.to_dict() for child in self.children],
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy says of one item.

    Attributes
    ----------
    id, actor, tenant, at
        From the item: its id, account, hosted platform and time of the act (aware), or None.
    tier
        Tier id of the policy, or ``review`` or ``none``.
    actions
        Recommended actions, in policy order.
    review
        True when a person has to look.
    findings
        Categories that reached a threshold, most severe first.
    contexts
        Every context that the policy has, as it stood.
    trace
        One node per tier, most severe first.
    scores
        Category to score.
    signals
        Signal to ``true``, ``false`` or ``unknown``.
    language
        Truth of "the text is in a language that the policy calls tested".
    policy_name, policy_version, policy_sha256, source_sha256
        The policy, the hash of its file, and the hash of the published text it encodes (or empty).
    model_name, model_sha256
        The bundle.
    text_sha256
        Hash of the text; the record holds no text but the words in ``findings``.
    mode
        ``enforce`` or ``shadow``.
    change
        The smallest change that would have altered the outcome, in a sentence.
    """

    id: str | None
    tier: str
    actions: tuple[Action, ...]
    review: bool
    findings: tuple[Finding, ...]
    contexts: tuple[ContextNote, ...]
    trace: tuple[TraceNode, ...]
    scores: Mapping[str, float]
    signals: Mapping[str, str]
    policy_name: str
    policy_version: str
    policy_sha256: str
    model_name: str
    model_sha256: str
    actor: str | None = None
    tenant: str | None = None
    at: dt.datetime | None = None
    language: Truth = Truth.TRUE
    source_sha256: str = ""
    text_sha256: str = ""
    mode: str = "enforce"
    change: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with ``schema_version``; ``at`` in ISO 8601 with offset."""
        return {
            "schema_version": SCHEMA_VERSION,
            "id": self.id,
            "actor": self.actor,
            "tenant": self.tenant,
            "at": self.at.isoformat() if self.at is not None else None,
            "tier": self.tier,
            "review": self.review,
            "actions": [action.to_dict() for action in self.actions],
            "findings": [finding.to_dict() for finding in self.findings],
            "contexts": [note.to_dict() for note in self.contexts],
            "trace": [node.to_dict() for node in self.trace],
            "scores": dict(self.scores),
            "signals": dict(self.signals),
            "language": self.language.name.lower(),
            "policy": {
                "name": self.policy_name,
                "version": self.policy_version,
                "sha256": self.policy_sha256,
                "source_sha256": self.source_sha256,
            },
            "model": {"name": self.model_name, "sha256": self.model_sha256},
            "text_sha256": self.text_sha256,
            "mode": self.mode,
            "change": self.change,
        }
