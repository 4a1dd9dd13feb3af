"""Conditions as data: what a tier, a context or a ladder step asks, and the one evaluator for all of them.

Kleene's three values are the int8 of ``Truth``: *and* is a minimum, *or* a maximum, *not* is ``2 - x``. The
evaluator therefore serves a single item, a column of a million items and the state of an account alike: the
caller gives a function from a leaf to its truth (an int or an int8 array) and gets back the same kind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from tsclassify.policy.scalars import Duration, Name, Names, Probability, duration_text

__all__ = [
    "ITEM_KINDS",
    "LADDER_KINDS",
    "REVIEW_KINDS",
    "Act",
    "Age",
    "Attested",
    "Count",
    "CureExpired",
    "FactLeaf",
    "Finding",
    "Indicator",
    "ItemCondition",
    "LadderCondition",
    "Meta",
    "Node",
    "Range",
    "Review",
    "ReviewCondition",
    "Score",
    "Signal",
    "Taken",
    "Unresolved",
    "categories_of",
    "evaluate",
    "kinds_of",
    "leaves",
    "spell_out_fact",
]

T = TypeVar("T")

_JOIN: dict[str, Callable[[Any, Any], Any]] = {"all": np.minimum, "any": np.maximum}


class Node(BaseModel):
    """A piece of a policy: immutable, strict, no key that is not listed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        serialize_by_alias=True,
    )


class Condition(Node):
    """A node of a condition; ``operator`` is ``all``, ``any``, ``not``, or empty for a leaf."""

    operator: ClassVar[str] = ""

    @property
    def parts(self) -> tuple[Any, ...]:
        """The conditions below this one; none for a leaf."""
        return ()


def _meta_value(value: Any) -> Any:
    if isinstance(value, (str, int, bool)):
        return value
    raise PydanticCustomError("meta_value", "must be a string, a whole number, true or false")


MetaValue = Annotated[
    str | int | bool, PlainValidator(_meta_value), WithJsonSchema({"type": ["string", "integer", "boolean"]})
]


Number = Annotated[float, Field(allow_inf_nan=False)]


class Act(Condition):
    """A category's score against its act threshold: true from it on, unknown from the review threshold on."""

    act: Names
    """One category, or a list of which one is enough."""


class Review(Condition):
    """A category's score against its review threshold: true from it on, false below."""

    review: Names
    """One category, or a list of which one is enough."""


class Signal(Condition):
    """What the model (or the item) says of the text: true, false or unknown."""

    signal: Names
    """One signal, or a list of which one is enough."""


class FactLeaf(Condition):
    """A leaf over a field that came with the item."""

    if_missing: Literal["unknown", False] = "unknown"
    """What holds when the item has no such field: ``unknown`` (a person looks) or ``false``."""

    @property
    def field(self) -> str:
        """Name of the field."""
        raise NotImplementedError


class Meta(FactLeaf):
    """A field that came with the item, such as the surface on which it was posted."""

    meta: Name
    """Name of the field."""
    values: Annotated[tuple[MetaValue, ...], Field(min_length=1)] = Field(alias="in")
    """Values of which one is enough."""

    @property
    def field(self) -> str:
        return self.meta


def _end_words(end: float | dt.timedelta | None) -> str | None:
    if end is None:
        return None
    return duration_text(end) if isinstance(end, dt.timedelta) else f"{end:g}"


class _Between(FactLeaf):
    """A leaf over a field with a lowest value for which it holds, and one from which it no longer does."""

    at_least: Any = None
    below: Any = None

    @property
    def ends(self) -> tuple[str | None, str | None]:
        """Both ends as a person writes them; None where there is none."""
        return _end_words(self.at_least), _end_words(self.below)


class Range(_Between):
    """A number that came with the item, such as how often it was reported."""

    meta: Name
    """Name of the field, declared as a number."""
    at_least: Number | None = None
    """Lowest number for which it holds."""
    below: Number | None = None
    """Lowest number for which it no longer holds."""

    @property
    def field(self) -> str:
        return self.meta


class Age(_Between):
    """A time that came with the item, against the time of the act (``at``), which is unknown without one."""

    meta: Name
    """Name of the field, declared as a time."""
    at_least: Duration | None = Field(default=None, alias="older_than")
    """It lies at least this long before the act."""
    below: Duration | None = Field(default=None, alias="younger_than")
    """It lies less than this before the act."""

    @property
    def field(self) -> str:
        return self.meta


class Score(FactLeaf):
    """A score of another classifier, or a label that a person gave."""

    score: Name
    """Name of the field, declared as a score."""
    act: Probability
    """It holds from this score on."""
    review: Probability | None = None
    """It may hold from this score on; left out, it is false below ``act``."""

    @property
    def field(self) -> str:
        return self.score


class Count(Condition):
    """Strikes in the ladder's window."""

    count: Name
    """A tier; an item decided at this tier or a more severe one counts."""
    at_least: Annotated[int, Field(ge=1)] = 1
    """How many."""
    within: Duration | None = None
    """A window of its own, instead of the ladder's."""
    category: Names | None = None
    """Count only acts on a finding in one of these categories."""


class Unresolved(Condition):
    """Steps of one kind whose time is over with something still standing that they cite, each by items of its own.

    A step that cites no item is answered by a response that says ``done``.
    """

    unresolved: Name
    """A step."""
    at_least: Annotated[int, Field(ge=1)] = 1
    """How many."""


class Finding(Condition):
    """The finding of the platform review: effective, not_effective or undetermined."""

    finding: Literal["effective", "not_effective", "undetermined"]
    """Which finding; another one is false, no review at all is unknown."""


class Indicator(Condition):
    """An indicator of the platform review; each one claims a trouble, and is unknown when evidence is thin."""

    indicator: Name
    """Name of an indicator that the policy sets up."""


class Taken(Condition):
    """Steps that were taken within the window, all of them."""

    taken: Names
    """One step, or a list of which all must have been taken."""


class CureExpired(Condition):
    """The time to put things right, given with a step, has run out with trouble unresolved.

    Written ``{cure_expired: STEP}``, or ``cure_expired`` alone for the most severe step that gave time. A later notice
    does not extend the time of an earlier one.
    """

    cure_expired: Name = "latest"
    """A step, or ``latest``: the most severe one that gave time."""


class Attested(Condition):
    """Controls that the subject has attested, such as a report button; one not spoken of is unknown."""

    attested: Names
    """One control, or a list of which all must be attested."""


class _Joined(Condition):
    """``all`` or ``any`` of some parts."""

    conditions: tuple[Any, ...]

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.conditions


class _Not(Condition):
    """``not`` of one part."""

    condition: Any

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.condition,)


class ItemAll(_Joined):
    """True when all parts are true, false when one is false, else unknown."""

    operator: ClassVar[str] = "all"
    conditions: Annotated[tuple[ItemCondition, ...], Field(min_length=1)] = Field(alias="all")
    """The parts."""


class ItemAny(_Joined):
    """True when one part is true, false when all are false, else unknown."""

    operator: ClassVar[str] = "any"
    conditions: Annotated[tuple[ItemCondition, ...], Field(min_length=1)] = Field(alias="any")
    """The parts."""


class ItemNot(_Not):
    """True when the part is false, false when it is true, else unknown."""

    operator: ClassVar[str] = "not"
    condition: ItemCondition = Field(alias="not")
    """The part."""


class LadderAll(_Joined):
    """True when all parts are true, false when one is false, else unknown."""

    operator: ClassVar[str] = "all"
    conditions: Annotated[tuple[LadderCondition, ...], Field(min_length=1)] = Field(alias="all")
    """The parts."""


class LadderAny(_Joined):
    """True when one part is true, false when all are false, else unknown."""

    operator: ClassVar[str] = "any"
    conditions: Annotated[tuple[LadderCondition, ...], Field(min_length=1)] = Field(alias="any")
    """The parts."""


class LadderNot(_Not):
    """True when the part is false, false when it is true, else unknown."""

    operator: ClassVar[str] = "not"
    condition: LadderCondition = Field(alias="not")
    """The part."""


class ReviewAll(_Joined):
    """True when all parts are true, false when one is false, else unknown."""

    operator: ClassVar[str] = "all"
    conditions: Annotated[tuple[ReviewCondition, ...], Field(min_length=1)] = Field(alias="all")
    """The parts."""


class ReviewAny(_Joined):
    """True when one part is true, false when all are false, else unknown."""

    operator: ClassVar[str] = "any"
    conditions: Annotated[tuple[ReviewCondition, ...], Field(min_length=1)] = Field(alias="any")
    """The parts."""


class ReviewNot(_Not):
    """True when the part is false, false when it is true, else unknown."""

    operator: ClassVar[str] = "not"
    condition: ReviewCondition = Field(alias="not")
    """The part."""


ITEM_KINDS = ("all", "any", "not", "act", "review", "signal", "meta", "score")
LADDER_KINDS = (
    "all", "any", "not", "count", "unresolved", "finding", "indicator", "taken", "cure_expired", "attested",
)  # fmt: skip
REVIEW_KINDS = ("all", "any", "not", "indicator", "attested")


def kinds_of(value: Any, kinds: tuple[str, ...]) -> list[str]:
    """The keys of a raw condition that say what it asks: one, when it is well formed."""
    found = [kind for kind in kinds if kind in value]
    # a score of another classifier has thresholds of its own
    return ["score"] if "score" in found and set(found) <= {"score", "act", "review"} else found


def _kind(value: Any, kinds: tuple[str, ...]) -> str | None:
    """Tag of a raw condition: the one key that says what it asks, in angle brackets as no key is."""
    if isinstance(value, Condition):
        value = value.model_dump(by_alias=True, exclude_none=True)
    if not isinstance(value, dict):
        return None
    found = kinds_of(value, kinds)
    if found == ["meta"] and "in" not in value:
        if "older_than" in value or "younger_than" in value:
            return "<age>"
        if "at_least" in value or "below" in value:
            return "<range>"
    return f"<{found[0]}>" if len(found) == 1 else None


_COMPARISONS: Final = frozenset({"in", "at_least", "below", "older_than", "younger_than", "if_missing"})


def spell_out_fact(value: Any) -> Any:
    """``{reports: {at_least: 5}}`` means ``{meta: reports, at_least: 5}``."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, asked),) = value.items()
        if name not in ITEM_KINDS and isinstance(asked, dict) and asked and _COMPARISONS.issuperset(asked):
            return {"meta": name, **asked}
    return value


def _spell_out(value: Any) -> Any:
    """``cure_expired`` alone means ``{cure_expired: latest}``."""
    return {"cure_expired": "latest"} if value == "cure_expired" else value


ItemCondition = Annotated[
    Annotated[ItemAll, Tag("<all>")]
    | Annotated[ItemAny, Tag("<any>")]
    | Annotated[ItemNot, Tag("<not>")]
    | Annotated[Act, Tag("<act>")]
    | Annotated[Review, Tag("<review>")]
    | Annotated[Signal, Tag("<signal>")]
    | Annotated[Meta, Tag("<meta>")]
    | Annotated[Range, Tag("<range>")]
    | Annotated[Age, Tag("<age>")]
    | Annotated[Score, Tag("<score>")],
    Discriminator(lambda value: _kind(value, ITEM_KINDS)),
    BeforeValidator(spell_out_fact),
]
"""What a tier or a context asks of one item."""

LadderCondition = Annotated[
    Annotated[LadderAll, Tag("<all>")]
    | Annotated[LadderAny, Tag("<any>")]
    | Annotated[LadderNot, Tag("<not>")]
    | Annotated[Count, Tag("<count>")]
    | Annotated[Unresolved, Tag("<unresolved>")]
    | Annotated[Finding, Tag("<finding>")]
    | Annotated[Indicator, Tag("<indicator>")]
    | Annotated[Taken, Tag("<taken>")]
    | Annotated[CureExpired, Tag("<cure_expired>")]
    | Annotated[Attested, Tag("<attested>")],
    Discriminator(lambda value: _kind(value, LADDER_KINDS)),
    BeforeValidator(_spell_out),
]
"""What a step of the ladder asks of an account, a tenant or an app."""

ReviewCondition = Annotated[
    Annotated[ReviewAll, Tag("<all>")]
    | Annotated[ReviewAny, Tag("<any>")]
    | Annotated[ReviewNot, Tag("<not>")]
    | Annotated[Indicator, Tag("<indicator>")]
    | Annotated[Attested, Tag("<attested>")],
    Discriminator(lambda value: _kind(value, REVIEW_KINDS)),
]
"""What the finding of a platform review rests on."""

for _model in (ItemAll, ItemAny, ItemNot, LadderAll, LadderAny, LadderNot, ReviewAll, ReviewAny, ReviewNot):
    _model.model_rebuild()
del _model


def evaluate(condition: Any, leaf: Callable[[Any], T]) -> T:
    """The truth of a condition, given the truth of its leaves.

    Parameters
    ----------
    condition
        Any condition of this module.
    leaf
        Gives the truth of a leaf: an int of ``Truth``, or an int8 array of shape (n,).

    Returns
    -------
    int or array
        Of the kind that `leaf` returns.

    Notes
    -----
    Source: Kleene 1952, *Introduction to Metamathematics*, section 64, the strong connectives.

    Examples
    --------
    >>> any_of = ItemAny(conditions=(Signal(signal=("specific",)), Signal(signal=("imminent",))))
    >>> int(evaluate(any_of, lambda node: {"specific": 1, "imminent": 0}[node.signal[0]]))
    1
    """
    operator = condition.operator
    if not operator:
        return leaf(condition)
    states: list[Any] = [evaluate(part, leaf) for part in condition.parts]
    joined: Any = 2 - states[0] if operator == "not" else reduce(_JOIN[operator], states)
    found: T = joined
    return found


def leaves(condition: Any, *, negated: bool = False) -> Iterator[tuple[Any, bool]]:
    """Every leaf of a condition with whether it stands under an odd number of ``not``."""
    if not condition.operator:
        yield condition, negated
    for part in condition.parts:
        yield from leaves(part, negated=negated != (condition.operator == "not"))


def categories_of(condition: Any) -> tuple[str, ...]:
    """Categories whose scores a condition asks, each once."""
    asked = (leaf for leaf, _ in leaves(condition) if isinstance(leaf, (Act, Review)))
    return tuple(dict.fromkeys(name for leaf in asked for name in (leaf.act if isinstance(leaf, Act) else leaf.review)))
