"""Conditions as data: what a tier, a context or a ladder step asks, and the one evaluator for all of them.

Kleene's three values are the int8 of ``Truth``: *and* is a minimum, *or* a maximum, *not* is ``2 - x``. The
evaluator therefore serves a single item, a column of a million items and the state of an account alike: the
caller gives a function from a leaf to its truth (an int or an int8 array) and gets back the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Annotated, Any, ClassVar, Literal, TypeVar

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

from tsclassify.policy.scalars import Duration, Name, Names

__all__ = [
    "ITEM_KINDS",
    "LADDER_KINDS",
    "REVIEW_KINDS",
    "Act",
    "Attested",
    "Count",
    "CureExpired",
    "Finding",
    "Indicator",
    "ItemCondition",
    "LadderCondition",
    "Meta",
    "Node",
    "Review",
    "ReviewCondition",
    "Signal",
    "Taken",
    "Unresolved",
    "evaluate",
    "leaves",
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


class Meta(Condition):
    """A field that came with the item, such as the surface on which it was posted."""

    meta: Name
    """Name of the field."""
    values: Annotated[tuple[MetaValue, ...], Field(min_length=1)] = Field(alias="in")
    """Values of which one is enough."""
    if_missing: Literal["unknown", False] = "unknown"
    """What holds when the item has no such field: ``unknown`` (a person looks) or ``false``."""


class Count(Condition):
    """Strikes in the ladder's window."""

    count: Name
    """A tier; an item decided at this tier or a more severe one counts."""
    at_least: Annotated[int, Field(ge=1)] = 1
    """How many."""
    within: Duration | None = None
    """A window of its own, instead of the ladder's."""


class Unresolved(Condition):
    """Steps of one kind that were taken and are not answered: by removals, or by a response where no item is cited."""

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

    Written ``cure_expired`` alone (of the latest step that gave time) or ``{cure_expired: STEP}``.
    """

    cure_expired: Name = "latest"
    """A step, or ``latest``."""


class Attested(Condition):
    """Controls that the subject has attested, such as a report button; one not spoken of is unknown."""

    attested: Names
    """One control, or a list of which all must be attested."""


class ItemAll(Condition):
    """True when all parts are true, false when one is false, else unknown."""

    operator: ClassVar[str] = "all"
    conditions: Annotated[tuple[ItemCondition, ...], Field(min_length=1)] = Field(alias="all")
    """The parts."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.conditions


class ItemAny(Condition):
    """True when one part is true, false when all are false, else unknown."""

    operator: ClassVar[str] = "any"
    conditions: Annotated[tuple[ItemCondition, ...], Field(min_length=1)] = Field(alias="any")
    """The parts."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.conditions


class ItemNot(Condition):
    """True when the part is false, false when it is true, else unknown."""

    operator: ClassVar[str] = "not"
    condition: ItemCondition = Field(alias="not")
    """The part."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.condition,)


class LadderAll(Condition):
    """True when all parts are true, false when one is false, else unknown."""

    operator: ClassVar[str] = "all"
    conditions: Annotated[tuple[LadderCondition, ...], Field(min_length=1)] = Field(alias="all")
    """The parts."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.conditions


class LadderAny(Condition):
    """True when one part is true, false when all are false, else unknown."""

    operator: ClassVar[str] = "any"
    conditions: Annotated[tuple[LadderCondition, ...], Field(min_length=1)] = Field(alias="any")
    """The parts."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.conditions


class LadderNot(Condition):
    """True when the part is false, false when it is true, else unknown."""

    operator: ClassVar[str] = "not"
    condition: LadderCondition = Field(alias="not")
    """The part."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.condition,)


class ReviewAll(Condition):
    """True when all parts are true, false when one is false, else unknown."""

    operator: ClassVar[str] = "all"
    conditions: Annotated[tuple[ReviewCondition, ...], Field(min_length=1)] = Field(alias="all")
    """The parts."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.conditions


class ReviewAny(Condition):
    """True when one part is true, false when all are false, else unknown."""

    operator: ClassVar[str] = "any"
    conditions: Annotated[tuple[ReviewCondition, ...], Field(min_length=1)] = Field(alias="any")
    """The parts."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.conditions


class ReviewNot(Condition):
    """True when the part is false, false when it is true, else unknown."""

    operator: ClassVar[str] = "not"
    condition: ReviewCondition = Field(alias="not")
    """The part."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.condition,)


ITEM_KINDS = ("all", "any", "not", "act", "review", "signal", "meta")
LADDER_KINDS = (
    "all", "any", "not", "count", "unresolved", "finding", "indicator", "taken", "cure_expired", "attested",
)  # fmt: skip
REVIEW_KINDS = ("all", "any", "not", "indicator", "attested")


def _kind(value: Any, kinds: tuple[str, ...]) -> str | None:
    """Tag of a raw condition: the one key that says what it asks, in angle brackets as no key is."""
    if isinstance(value, Condition):
        value = value.model_dump(by_alias=True)
    if not isinstance(value, dict):
        return None
    found = [kind for kind in kinds if kind in value]
    return f"<{found[0]}>" if len(found) == 1 else None


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
    | Annotated[Meta, Tag("<meta>")],
    Discriminator(lambda value: _kind(value, ITEM_KINDS)),
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
