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
    """An item to decide; other keys are fields that come with it."""

    __test__ = False  # pytest takes classes named Test for its own
    model_config = ConfigDict(extra="allow")

    text: Text | None = None
    """The post. It goes through the real model, unless the test has ``given``."""
    scores: dict[str, ScoreAsked] | None = None
    """Of an item without a text: category to score, as in ``given``."""
    signals: dict[str, bool | None] = Field(default_factory=dict)
    """Signal to true, false or null (unknown), as the item states them; they count for more than the model's."""
    at: Text | None = None
    """Time of the act (ISO 8601)."""
    language: Literal["tested", "untested", "undetermined"] | None = None
    """Over the model's finding; with scores it is ``tested`` when left out."""

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
    category: Name | None = None
    """Category that the item was found in."""
    step: Name | None = None
    """This step was taken."""
    resolved: bool = False
    """The step has been answered: by removals of the items it cites, or by a response where it cites none. Without
    this it is unresolved once the time that the step gives is over."""
    voided: bool = False
    """An appeal was granted: it does not count."""


class Given(Node):
    """What a model or a platform review is taken to have said, so that the test is about the policy alone."""

    scores: dict[str, ScoreAsked] | None = None
    """Category to score: a number, or ``act``, ``under_act``, ``review``, ``under_review`` for the value at, or just
    under, that threshold. Categories left out score 0."""
    signals: dict[str, bool | None] = Field(default_factory=dict)
    """Signal to true, false or null (unknown). Signals left out are false."""
    language: Literal["tested", "untested", "undetermined"] | None = None
    """What the text is written in; ``tested`` when left out."""
    finding: Literal["effective", "not_effective", "undetermined"] | None = None
    """The finding; left out, it follows from the indicators, or there was no review when those are left out too."""
    indicators: dict[str, bool | None] = Field(default_factory=dict)
    """Indicator to true, false or null; one left out is unknown."""
    attested: dict[str, bool] = Field(default_factory=dict)
    """Control to whether it was attested."""

    @property
    def is_of_model(self) -> bool:
        """Whether it says what a model would."""
        return bool(self.model_fields_set & {"scores", "signals", "language"})


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
    todo: Text | None = None
    """Why the model gets it wrong today. Such a test is listed; once it passes, the run fails until the key goes."""
    item: TestItem | None = None
    """The item to decide. In a ladder case its tier counts as a strike now."""
    history: tuple[Event, ...] = ()
    """What happened before now."""
    given: Given | None = None
    """What the model, or the platform review, is taken to have said."""
    expect: Expectation
    """What must come of it."""

    @property
    def stated(self) -> TestItem | None:
        """The item with what a model is taken to have said of it, or None when its text goes through the model."""
        item, given = self.item, self.given
        if given is not None and given.is_of_model:
            said = {"scores": given.scores or {}, "language": given.language}
            base = item or TestItem()
            return base.model_copy(update={**said, "signals": {**given.signals, **base.signals}})
        return item if item is not None and item.scores is not None else None
