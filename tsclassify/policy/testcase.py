"""A test case inside a policy file: an item, or the state of an account, and what must come of it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from tsclassify.policy.conditions import Node
from tsclassify.policy.scalars import Duration, Name, Names, Text, number_or_word

__all__ = ["SCORE_WORDS", "Event", "Expectation", "Given", "TestCase", "TestItem"]

SCORE_WORDS = ("act", "under_act", "review", "under_review")
ScoreAsked: TypeAlias = number_or_word(SCORE_WORDS)  # type: ignore[valid-type]


class TestItem(Node):
    """An item: a text for the model, or scores and signals as if a model had given them; other keys are metadata."""

    __test__ = False  # pytest takes classes named Test for its own
    model_config = ConfigDict(extra="allow")

    text: Text | None = None
    """The post. Without ``scores`` it goes through the model; with them it is for the reader."""
    scores: dict[str, ScoreAsked] | None = None
    """Category to score: a number, or ``act``, ``under_act``, ``review``, ``under_review`` for the value at, or just
    under, that threshold. Categories left out score 0."""
    signals: dict[str, bool | None] = Field(default_factory=dict)
    """Signal to true, false or null (unknown); over the model's. With ``scores``, signals left out are false."""
    language: Literal["tested", "untested", "undetermined"] | None = None
    """Over the model's finding; with ``scores`` it is ``tested`` when left out."""

    @property
    def meta(self) -> dict[str, Any]:
        """All other keys."""
        return dict(self.__pydantic_extra__ or {})


class Event(Node):
    """Something that happened to the account, tenant or app before now."""

    ago: Duration
    """How long before now."""
    tier: Name | None = None
    """An item was decided at this tier."""
    step: Name | None = None
    """This step was taken."""
    resolved: bool = False
    """The step has been answered: by removals of the items it cites, or by a response where it cites none."""
    voided: bool = False
    """An appeal was granted: it does not count."""


class Given(Node):
    """What the platform review has found."""

    finding: Literal["effective", "not_effective", "undetermined"] | None = None
    """The finding; left out, it follows from the indicators, or there was no review when those are left out too."""
    indicators: dict[str, bool | None] = Field(default_factory=dict)
    """Indicator to true, false or null; one left out is unknown."""
    attested: dict[str, bool] = Field(default_factory=dict)
    """Control to whether it was attested."""


class Expectation(Node):
    """What must come of it; every key given has to hold."""

    tier: Name | None = None
    """Exactly this tier, ``review`` or ``none``."""
    not_tier: Names | None = None
    """None of these."""
    at_least: Name | None = None
    """This tier or a more severe one."""
    at_most: Name | None = None
    """This tier or a less severe one."""
    review: bool | None = None
    """Whether a person has to look."""
    actions: tuple[Name, ...] | None = None
    """Exactly these actions, in this order."""
    contexts: dict[str, Literal["true", "false", "unknown"]] | None = None
    """Context to its truth."""
    step: Name | None = None
    """The step that is due, or ``none``."""
    finding: Literal["effective", "not_effective", "undetermined"] | None = None
    """What the platform review finds from the indicators given."""


class TestCase(Node):
    """A case that has to hold."""

    __test__ = False

    name: Text
    """A claim, such as ``news about a bomb threat is not a violation``."""
    item: TestItem | None = None
    """The item to decide. In a ladder case its tier counts as a strike now."""
    history: tuple[Event, ...] = ()
    """What happened before now."""
    given: Given | None = None
    """What the platform review has found."""
    expect: Expectation
    """What must come of it."""
