"""How a whole platform is judged: the indicators of a review and the finding that rests on them.

Every indicator is a claim of trouble: true when the trouble is shown, false when its absence is, unknown when the
evidence is thin. An indicator without its key is not computed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from tsclassify.policy.conditions import Node, ReviewCondition
from tsclassify.policy.scalars import Duration, Names, Probability

__all__ = ["INDICATORS", "EffectiveProcess", "Indicators", "Looks", "PlatformReview"]

_Ratio = Annotated[float, Field(gt=1.0, le=1000.0)]
_Alpha = Annotated[float, Field(gt=0.0, le=0.2)]


class SteadyIncrease(Node):
    """The violation rate (share of items) has risen against the baseline."""

    alpha: _Alpha = 0.05
    """Chance of a false alarm over a year of looks."""
    min_ratio: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    """Rate ratio that the interval's lower end has to exceed."""


class GrowingVolume(Node):
    """The number of violations per day has risen against the baseline, whatever the traffic."""

    alpha: _Alpha = 0.05
    """Chance of a false alarm over a year of looks."""
    min_ratio: _Ratio = 2.0
    """Ratio that the interval's lower end has to exceed."""


class HighRate(Node):
    """The violation rate itself is above what the terms tolerate."""

    more_than: Probability
    """Share of items that the interval's lower end has to exceed."""


class UnmetNotices(Node):
    """Too few notified items were removed by the deadline."""

    less_than: Probability
    """Share removed in time that the interval's upper end has to stay under."""
    deadline: Duration
    """Time to remove, from the notice."""
    min_notices: Annotated[int, Field(ge=1)] = 10
    """Fewer notices leave it undetermined."""


class SlowResponse(Node):
    """Notified items stay up for too long; open ones count at their age."""

    quantile: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Which quantile of the time to removal."""
    more_than: Duration
    """Time that it exceeds."""
    min_notices: Annotated[int, Field(ge=1)] = 10
    """Fewer notices leave it undetermined."""


class LargeBacklog(Node):
    """Open reports amount to more days of work than tolerated."""

    more_than_days: Annotated[float, Field(gt=0.0)]
    """Open reports divided by reports closed per day."""


class GrowingBacklog(Node):
    """Open reports grow over the window."""

    alpha: _Alpha = 0.05
    """Chance of a false alarm over a year of looks."""
    more_than_per_day: Annotated[float, Field(ge=0.0)] = 0.0
    """Reports per day that the slope's lower end has to exceed."""


class FoundByOthers(Node):
    """Too few violations were found by the platform itself before a notice."""

    less_than: Probability
    """Share found before notice that the interval's upper end has to stay under."""
    min_removals: Annotated[int, Field(ge=1)] = 10
    """Fewer removals leave it undetermined."""


class MissingControls(Node):
    """A control that the terms call for was attested to be absent."""

    required: Names
    """Controls, for example terms, filter, report, block, contact."""


class Indicators(Node):
    """The indicators that a review computes, each with its limits."""

    steady_increase: SteadyIncrease | None = None
    """The violation rate has risen."""
    growing_volume: GrowingVolume | None = None
    """The number of violations has risen."""
    high_rate: HighRate | None = None
    """The violation rate is above the tolerated one."""
    unmet_notices: UnmetNotices | None = None
    """Notices are not met by the deadline."""
    slow_response: SlowResponse | None = None
    """Removal takes too long."""
    large_backlog: LargeBacklog | None = None
    """Open reports pile up."""
    growing_backlog: GrowingBacklog | None = None
    """Open reports grow."""
    found_by_others: FoundByOthers | None = None
    """Violations are found by others first."""
    missing_controls: MissingControls | None = None
    """Required controls are absent."""

    def asked(self) -> Iterator[tuple[str, Node]]:
        """Pairs of name and limits, of those that are set, in the order of the language."""
        for name in INDICATORS:
            limits = getattr(self, name)
            if limits is not None:
                yield name, limits


INDICATORS: tuple[str, ...] = tuple(Indicators.model_fields)
"""Names of all indicators, in the order of the language."""


class Looks(Node):
    """When the review is looked at; repeated looks must not add up to false alarms."""

    every: Duration = dt.timedelta(days=7)
    """Time between looks."""
    correction: Literal["always_valid", "none"] = "always_valid"
    """``always_valid`` keeps the chance of a false alarm over a year of scheduled looks; ``none`` is for one look."""


class EffectiveProcess(Node):
    """When the process of a platform is effective, when it is not; else it is undetermined."""

    effective: ReviewCondition
    """True: the process is effective."""
    not_effective: ReviewCondition
    """True: it is not, whatever ``effective`` says."""


class PlatformReview(Node):
    """A review of a whole platform over a window, against the time before it."""

    window: Duration
    """The time that is judged, up to the review."""
    baseline: Duration
    """The time before the window, with which it is compared."""
    min_items: Annotated[int, Field(ge=1)]
    """Fewer items in the window leave every rate undetermined."""
    looks: Looks = Looks()
    """Schedule of looks."""
    indicators: Indicators
    """What is computed."""
    effective_process: EffectiveProcess
    """What the finding rests on."""
