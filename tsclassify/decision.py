"""The decision record: what a policy says of one item, and everything needed to say why, years later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tsclassify.errors import InputError
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
    clause, clause_text
        The clause of the written terms that the policy cites, and what it forbids.
    pieces
        The words that raised the score most, largest first.
    act_threshold
        Where the policy acts in this category, or None where it only ever sends to a person.
    basis
        What was measured at the threshold, when it was asked for as an operating point.
    start, end
        The passage in which the category is strongest, in code points of the original text; both 0 when it is unknown.
    passage
        Its words, for ``Decision.why``; left out of ``to_dict``, which never holds whole sentences.
    """

    category: str
    level: str
    score: float
    threshold: float
    clause: str = ""
    pieces: tuple[Piece, ...] = ()
    clause_text: str = ""
    act_threshold: float | None = None
    basis: str = ""
    start: int = 0
    end: int = 0
    passage: str = field(default="", repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "level": self.level,
            "score": self.score,
            "threshold": self.threshold,
            "clause": self.clause,
            "clause_text": self.clause_text,
            "act_threshold": self.act_threshold,
            "basis": self.basis,
            "start": self.start,
            "end": self.end,
            "pieces": [piece.to_dict() for piece in self.pieces],
        }


class ContextNote(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
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
    title
        What the exception is for.
    trace
        Nodes of ``when`` and, if the context has one, of ``unless``.
    """

    id: str
    state: Truth
    effect: str = "none"
    from_tier: str = ""
    to_tier: str = ""
    title: str = ""
    trace: tuple[TraceNode, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "state": self.state.name.lower(),
            "effect": self.effect,
            "from_tier": self.from_tier,
            "to_tier": self.to_tier,
            "title": self.title,
            "trace": [node.to_dict() for node in self.trace],
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
    says
        What is done, in plain words.
    internal
        True when nobody outside is told of it.
    """

    id: str
    scope: str = "item"
    within_s: int | None = None
    needs: Mapping[str, int] = field(default_factory=dict)
    says: str = ""
    internal: bool = False

    @property
    def is_free(self) -> bool:
        """True when it waits for no person and needs no evidence beyond the item itself."""
        return not self.needs.get("humans") and self.needs.get("evidence", 0) <= 1

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "scope": self.scope,
            "within_s": self.within_s,
            "needs": dict(self.needs),
            "says": self.says,
            "internal": self.internal,
        }


class TraceNode(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One node of a condition with its truth value for this item.

    A decision has dozens of them: a struct is made and written several times faster than a dataclass.

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

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> TraceNode:
        """The node that ``to_dict`` wrote."""
        children = tuple(cls.from_dict(child) for child in form["children"])
        return cls(form["label"], Truth[form["state"].upper()], form["detail"], children)

    def reasons(self) -> tuple[TraceNode, ...]:
        """The leaves that this node's truth rests on: those that would have to change for it to change."""
        if not self.children:
            return (self,)
        if self.label == "not":
            return self.children[0].reasons()
        # "all" is true, and "any" false, by all of its parts; else by those that share its truth.
        by_all = self.state is (Truth.TRUE if self.label == "all" else Truth.FALSE)
        chosen = self.children if by_all else [child for child in self.children if child.state is self.state]
        return tuple(leaf for child in chosen for leaf in child.reasons())


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
        ``enforce``, ``shadow`` (recorded only) or ``review_only`` (a guard withheld the actions).
    change
        The smallest change that would have altered the outcome, in a sentence.
    tier_title
        What the tier stands for, in plain words.
    source_title, source_date, source_url
        The published terms that the policy encodes.
    appeal
        How the decision may be contested, in a sentence, or empty.
    withheld
        Actions that a guard withheld.
    proceeds
        True when the policy lets the actions go ahead while a person still has to look (``on_unknown: proceed``).
    policy_as_of
        Date that was asked for in place of the policy in force at the time of the act, or empty.
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
    tier_title: str = ""
    source_title: str = ""
    source_date: str = ""
    source_url: str = ""
    appeal: str = ""
    withheld: tuple[Action, ...] = ()
    proceeds: bool = False
    policy_as_of: str = ""

    @property
    def proposed(self) -> tuple[Action, ...]:
        """Actions that wait for people: for one who looks first, for approvals, or for more evidence than one item."""
        if self.mode == "shadow":
            return ()
        waits = self.review and not self.proceeds
        return self.withheld + tuple(action for action in self.actions if waits or not action.is_free)

    @property
    def due(self) -> tuple[Action, ...]:
        """Actions that wait for nobody; in shadow mode nothing is to be done, so none."""
        if self.mode == "shadow" or (self.review and not self.proceeds):
            return ()
        return tuple(action for action in self.actions if action.is_free)

    def why(self) -> str:
        """Why the item was treated as it was, in plain sentences, one paragraph for each question.

        For moderators, auditors and lawyers: it names scores, which a notice to the account never does.
        """
        from tsclassify.why import why

        return why(self)

    def held_for_review(self) -> Decision:
        """This decision with its actions withheld, as ``tsclassify.policy.Breaker`` demands it of a row."""
        return replace(self, actions=(), withheld=self.actions, review=True, mode="review_only")

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
            "proposed": [action.id for action in self.proposed],
            "due": [action.id for action in self.due],
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
                "source_title": self.source_title,
                "source_date": self.source_date,
                "source_url": self.source_url,
            },
            "model": {"name": self.model_name, "sha256": self.model_sha256},
            "text_sha256": self.text_sha256,
            "mode": self.mode,
            "change": self.change,
            "tier_title": self.tier_title,
            "appeal": self.appeal,
            "withheld": [action.to_dict() for action in self.withheld],
            "proceeds": self.proceeds,
            "policy_as_of": self.policy_as_of,
        }

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Decision:
        """The decision that ``to_dict`` wrote.

        Raises
        ------
        InputError
            When a key is missing, or the schema version is newer than this code.
        """
        version = form.get("schema_version")
        if version != SCHEMA_VERSION:
            raise InputError(f"decision: schema_version must be {SCHEMA_VERSION}, got {version!r}")
        try:
            return cls._from_dict(form)
        except KeyError as error:
            raise InputError(f"decision: key must be given, got no {error.args[0]!r}") from None

    @classmethod
    def _from_dict(cls, form: Mapping[str, Any]) -> Decision:
        policy, at = form["policy"], form["at"]
        return cls(
            id=form["id"],
            actor=form["actor"],
            tenant=form["tenant"],
            at=None if at is None else dt.datetime.fromisoformat(at),
            tier=form["tier"],
            review=form["review"],
            actions=tuple(Action(**action) for action in form["actions"]),
            withheld=tuple(Action(**action) for action in form["withheld"]),
            findings=tuple(
                Finding(**{**finding, "pieces": tuple(Piece(**piece) for piece in finding["pieces"])})
                for finding in form["findings"]
            ),
            contexts=tuple(
                ContextNote(
                    **{
                        **note,
                        "state": Truth[note["state"].upper()],
                        "trace": tuple(TraceNode.from_dict(node) for node in note["trace"]),
                    }
                )
                for note in form["contexts"]
            ),
            trace=tuple(TraceNode.from_dict(node) for node in form["trace"]),
            scores=dict(form["scores"]),
            signals=dict(form["signals"]),
            language=Truth[form["language"].upper()],
            policy_name=policy["name"],
            policy_version=policy["version"],
            policy_sha256=policy["sha256"],
            source_sha256=policy["source_sha256"],
            source_title=policy["source_title"],
            source_date=policy["source_date"],
            source_url=policy["source_url"],
            model_name=form["model"]["name"],
            model_sha256=form["model"]["sha256"],
            text_sha256=form["text_sha256"],
            mode=form["mode"],
            change=form["change"],
            tier_title=form["tier_title"],
            appeal=form["appeal"],
            proceeds=form.get("proceeds", False),
            policy_as_of=form.get("policy_as_of", ""),
        )
