"""The policy file as typed, immutable models: every key of the language, with what it means.

What needs the whole file to judge (a tier that names an unknown category, say) is in ``checks``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, Tag

from tsclassify.policy.conditions import FactLeaf, ItemCondition, LadderCondition, Node, leaves
from tsclassify.policy.platform import PlatformReview
from tsclassify.policy.scalars import Date, Duration, Name, Names, Probability, Text, Url, number_or_word
from tsclassify.policy.testcase import TestCase

__all__ = [
    "ActionRule",
    "Appeals",
    "Argued",
    "Category",
    "Context",
    "Document",
    "Dsa",
    "DsaCategory",
    "Effective",
    "Fact",
    "Guards",
    "KnownHit",
    "Ladder",
    "Languages",
    "Measured",
    "Needs",
    "OperatingPointAsked",
    "Overlay",
    "OverlayThresholds",
    "Rollout",
    "Source",
    "Step",
    "Threshold",
    "Tier",
    "json_schema",
]


L = TypeVar("L")


class Effective(Node):
    """When this version is in force."""

    since: Date = Field(alias="from")
    """First day."""
    until: Date | None = None
    """Last day; empty while in force."""


class Source(Node):
    """The published terms that the policy encodes."""

    title: Text
    """Title of the published text."""
    clause: Text
    """What the terms forbid, in our own words."""
    url: Url
    """Where it is published."""
    date: Date
    """Date that the published text carries."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hash of the published text as it was read, when a copy is kept."""


class Languages(Node):
    """Languages in which the model was tested; a text in another one is never called clean."""

    tested: Names
    """Language codes."""
    otherwise: Literal["review", "score"] = "review"
    """An untested language: ``review`` (all that is asked of its text is unknown) or ``score`` (decide by score)."""
    undetermined: Literal["review", "score"] = "review"
    """A text whose language cannot be told, such as a very short one."""


class OperatingPointAsked(Node):
    """A threshold asked for by what it must achieve, looked up in the bundle's measured table."""

    precision: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """The lowest threshold whose measured precision is at least this."""
    recall: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """The highest threshold whose measured recall is at least this."""
    fallback: number_or_word(("review_only", "best")) | None = Field(default=None, alias="else")  # type: ignore[valid-type]
    """When the bundle cannot reach it: ``review_only`` (never act), ``best`` (the nearest it reaches) or a number."""


Threshold = Annotated[
    Annotated[Probability, Tag("<number>")] | Annotated[OperatingPointAsked, Tag("<point>")],
    Discriminator(lambda value: "<point>" if isinstance(value, (dict, OperatingPointAsked)) else "<number>"),
]
"""A number at the bundle's stated prior, or an operating point."""


class DsaCategory(Node):
    """Where a finding belongs in the EU DSA Transparency Database, when not by the taxonomy's own crosswalk."""

    category: Annotated[str, Field(pattern=r"^STATEMENT_CATEGORY_[A-Z_]+$")]
    """A ``STATEMENT_CATEGORY_`` value."""
    keywords: tuple[Annotated[str, Field(pattern=r"^KEYWORD_[A-Z_]+$")], ...] = ()
    """``KEYWORD_`` values."""


class Category(Node):
    """A category with its two thresholds and the clause that it falls under."""

    review: Threshold
    """A person looks from this score on: a number, or an operating point."""
    act: Threshold | None
    """The policy acts from this score on: a number, an operating point, or null for never."""
    clause: Name
    """A key of ``clauses``."""
    means: Text | None = None
    """What it stands for: for a category that the policy's own model adds to the seven, and only then needed."""
    dsa: DsaCategory | None = None
    """Where it belongs in the DSA Transparency Database."""


class Fact(Node):
    """A field that comes with items, as the policy reads it; a value of another type is refused at ``decide``."""

    type: Literal["string", "bool", "number", "time", "score"]
    """What its values are: one of ``values``, true or false, a number, a time (ISO 8601), or a score
    from 0 to 1 (of another classifier; true and false, as a person labels, are 1 and 0)."""
    values: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Every value that a string may have; left out, it may be any."""
    means: Text | None = None
    """What the field stands for, and who writes it."""


class OverlayThresholds(Node):
    """Thresholds of a category where an overlay applies; one left out stays as it is."""

    review: Threshold | None = None
    """In place of the category's own."""
    act: Threshold | None = None
    """In place of the category's own; null for never."""


class Overlay(Node):
    """Other thresholds for some surfaces, tenants or accounts."""

    id: Name
    """Its name."""
    when: ItemCondition
    """Condition over fields of the item, ``tenant`` and ``actor`` among them; it applies where this is true."""
    categories: Annotated[dict[str, OverlayThresholds], Field(min_length=1)]
    """Category to its thresholds there."""


class Measured(Node):
    """What a tier was measured to do on labelled items."""

    precision: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Share of the items at this tier that carry the label of a category that the tier asks."""
    recall: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Share of the items with such a label that come to this tier or a more severe one."""
    per_10k: Annotated[float, Field(ge=0.0, le=10_000.0)] | None = None
    """Items at this tier among 10,000 ordinary posts."""
    on: Text
    """The rows, the model and the date of the measurement."""


class KnownHit(Node):
    """An innocent post of the baseline on which the policy acts, and why that is put up with."""

    text: Text
    """The post, as it stands in the baseline."""
    reason: Text
    """Why."""


class Argued(Node):
    """A warning of ``policy check`` that the policy puts up with, and why."""

    warning: Name
    """Name of the warning."""
    at: Text
    """What it is about, as the warning names it, such as ``tiers.emergency``."""
    reason: Text
    """Why."""


class Tier(Node):
    """A degree of severity, with the condition for it and what is recommended."""

    id: Name
    """Its name."""
    when: ItemCondition
    """Condition over categories, signals and metadata."""
    do: tuple[Name, ...] = ()
    """Actions recommended, keys of ``actions``."""
    within: Duration | None = None
    """Time to do it, from the decision."""
    clause: Name | None = None
    """A key of ``clauses``, when not the categories' own."""
    title: Text | None = None
    """What the tier stands for, in words that a person who was sanctioned can read."""
    maturity: Literal["experimental", "test", "stable"] = "stable"
    """``experimental``: its condition is recorded, nothing more. ``test``: the same, and ``policy shadow`` counts what
    it would have done. ``stable``: it decides, and has cases of both sides."""
    measured: Measured | None = None
    """What it was measured to do; ``policy test --labelled`` holds it to that."""

    @property
    def is_live(self) -> bool:
        """Whether it decides, and is not only recorded."""
        return self.maturity == "stable"


class Context(Node):
    """An exception: when true it lowers tiers, when unknown it never does and a person looks."""

    id: Name
    """Its name."""
    when: ItemCondition
    """Condition over signals and metadata; scores may not be asked here."""
    lowers: Annotated[dict[str, str], Field(min_length=1)]
    """Tier (or ``review``) to what it becomes: a less severe tier, ``review`` or ``none``."""
    floor: dict[str, str] = Field(default_factory=dict)
    """Tier to the lowest result while that tier's condition is true or unknown."""
    unless: ItemCondition | None = None
    """Defeats the exception when true."""
    on_unknown: Literal["hold", "proceed"] = "hold"
    """While it cannot be told: ``hold`` the actions until a person has looked, or ``proceed`` and one looks later."""
    title: Text | None = None
    """What the exception is for."""


class Needs(Node):
    """Obligations that a recommendation carries; the record says whether they were met."""

    evidence: Annotated[int, Field(ge=1)] | None = None
    """Items to list as evidence."""
    humans: Annotated[int, Field(ge=1, le=9)] | None = None
    """People who have to agree."""

    def amounts(self) -> dict[str, int]:
        """Obligation to amount, those that are set."""
        pairs = {"evidence": self.evidence, "humans": self.humans}
        return {name: amount for name, amount in pairs.items() if amount is not None}


class Step(Node):
    """A step of the enforcement ladder, due when its condition is true."""

    id: Name
    """Its name."""
    when: LadderCondition
    """Condition over strikes, steps taken and the platform review."""
    do: tuple[Name, ...] = ()
    """Actions recommended, keys of ``actions``."""
    needs: Needs = Needs()
    """Obligations before it may be taken."""
    cure: Duration | None = None
    """Time given to put things right."""
    within: Duration | None = None
    """The policy owner's own deadline: a step due for longer with nothing recorded is overdue."""
    lasts: Duration | None = None
    """How long the measure lasts; empty for until revoked."""
    clause: Name | None = None
    """A key of ``clauses``."""
    title: Text | None = None
    """What the step is, in plain words."""


class Ladder(Node):
    """How strikes add up, mildest step first."""

    window: Duration
    """Strikes older than this, by the time of the act, no longer count."""
    merge_within: Duration = dt.timedelta(hours=24)
    """Strikes of one subject closer together than this count once."""
    weights: dict[Name, Annotated[int, Field(ge=1, le=100)]] = Field(default_factory=dict)
    """Tier to how much a strike at it weighs in ``count``; a tier left out weighs 1."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    """Steps, mildest first; the last one due is the one recommended."""


class Dsa(Node):
    """The restriction that an action is, in the field names and values of the EU DSA Transparency Database."""

    decision_visibility: tuple[
        Literal[
            "DECISION_VISIBILITY_CONTENT_REMOVED",
            "DECISION_VISIBILITY_CONTENT_DISABLED",
            "DECISION_VISIBILITY_CONTENT_DEMOTED",
            "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
            "DECISION_VISIBILITY_CONTENT_INTERACTION_RESTRICTED",
            "DECISION_VISIBILITY_CONTENT_LABELLED",
        ],
        ...,
    ] = ()
    """Restrictions of visibility."""
    decision_monetary: Literal["DECISION_MONETARY_SUSPENSION", "DECISION_MONETARY_TERMINATION"] | None = None
    """Restriction of payments."""
    decision_provision: (
        Literal[
            "DECISION_PROVISION_PARTIAL_SUSPENSION",
            "DECISION_PROVISION_TOTAL_SUSPENSION",
            "DECISION_PROVISION_PARTIAL_TERMINATION",
            "DECISION_PROVISION_TOTAL_TERMINATION",
        ]
        | None
    ) = None
    """Restriction of the service."""
    decision_account: Literal["DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"] | None = None
    """Restriction of the account."""


class ActionRule(Node):
    """Something that the policy may recommend."""

    scope: Literal["item", "account", "tenant", "app"]
    """What it applies to."""
    says: Text
    """What is done, in plain words that a notice can quote."""
    needs: Needs = Needs()
    """Obligations before it may be done."""
    dsa: Dsa | None = None
    """The restriction it is; empty when it restricts nothing, as an escalation does."""
    internal: bool = False
    """True for what stays inside the house: no notice and no statement tells of it."""


class Appeals(Node):
    """How a decision may be contested."""

    open_for: Duration
    """How long after the decision."""
    answer_within: Duration | None = None
    """Time to answer."""
    reviewer: Literal["not_the_decider", "anyone"] = "not_the_decider"
    """Who may answer."""
    on_granted: Literal["void"] = "void"
    """A granted appeal voids the strike; steps that no longer follow are listed for reversal."""
    contact: Text | None = None
    """How to appeal, in plain words."""
    address: Text | None = None
    """Link or address to which an appeal goes; notices quote it."""


class Guards(Node):
    """A circuit breaker against a bad release of the model or the policy."""

    max_actions_per_hour: Annotated[int, Field(ge=1)] | None = None
    """More than this many items acted on within an hour, by the times passed in, is a breach; batch passes none."""
    max_share_of_items: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """More than this share of the last ``over_items`` items acted on is a breach."""
    over_items: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Items over which the share is taken; fewer are never a breach of it."""
    on_breach: Literal["review_only"] = "review_only"
    """From the breach until a person resets the guard, actions are withheld (``held``) and a person looks."""


class Rollout(Node):
    """Whether decisions are meant to be carried out."""

    mode: Literal["shadow", "enforce"]
    """``shadow`` records what would have been recommended."""


class Document(Node):
    """A policy file."""

    extends: Text | None = None
    """A file beside this one, or a shipped pack as ``name@version``, of which this file states only what differs."""
    policy: Name
    """Name of the policy."""
    version: Annotated[str, Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}$")]
    """Version, three numbers with dots."""
    kind: Literal["provider", "app_store", "platform", "community"]
    """Whose policy it is: its subject is a tenant, an app, an account or an account."""
    effective: Effective
    """When it is in force."""
    purpose: Text | None = None
    """In one line, what the policy is for and what it is not for."""
    source: Source
    """The published terms that it encodes."""
    clauses: Annotated[dict[Name, Text], Field(min_length=1)]
    """Clause name to what it forbids, in our own words; quoted in notices."""
    languages: Languages
    """Languages that the model was tested in."""
    categories: Annotated[dict[str, Category], Field(min_length=1)]
    """Categories of the model that the policy looks at."""
    facts: dict[Name, Fact] = Field(default_factory=dict)
    """Fields of items that conditions read, with their types."""
    overlays: tuple[Overlay, ...] = ()
    """Other thresholds for some surfaces or tenants; of several that apply, a later one counts."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    """Tiers, most severe first."""
    contexts: tuple[Context, ...] = ()
    """Exceptions."""
    actions: dict[Name, ActionRule] = Field(default_factory=dict)
    """Actions that tiers and steps recommend."""
    ladder: Ladder | None = None
    """How strikes add up."""
    platform_review: PlatformReview | None = None
    """How a whole platform is judged."""
    appeals: Appeals | None = None
    """How a decision may be contested."""
    guards: Guards = Guards()
    """Circuit breaker."""
    rollout: Rollout = Rollout(mode="enforce")
    """Shadow or enforce."""
    tests: tuple[TestCase, ...] = ()
    """Cases that ``policy test`` runs."""
    argued: tuple[Argued, ...] = ()
    """Warnings of ``policy check`` that are put up with."""
    known_hits: tuple[KnownHit, ...] = ()
    """Innocent posts of the baseline on which the policy acts; any other one fails ``policy test``."""

    def item_conditions(self) -> Iterator[Any]:
        """Every condition over items: of tiers, of exceptions with what defeats them, of overlays."""
        for tier in self.tiers:
            yield tier.when
        for context in self.contexts:
            yield context.when
            if context.unless is not None:
                yield context.unless
        for overlay in self.overlays:
            yield overlay.when

    def item_leaves(self, *kinds: type[L]) -> tuple[L, ...]:
        """The leaves of some kinds in the conditions over items, each once, in file order."""
        asked = (leaf for condition in self.item_conditions() for leaf, _ in leaves(condition))
        return tuple(dict.fromkeys(leaf for leaf in asked if isinstance(leaf, kinds)))

    def fields(self) -> tuple[str, ...]:
        """Names of the fields of an item that the conditions read."""
        return tuple(dict.fromkeys(leaf.field for leaf in self.item_leaves(FactLeaf)))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of policy files.

    It knows keys, types and ranges; what needs the whole file, ``policy check`` knows.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Document.model_json_schema(by_alias=True),
        "title": "tsclassify policy",
    }
