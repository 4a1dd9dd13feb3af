"""The indicators of a platform review. Each is a claim of trouble: true when shown, false when its absence is shown.

What is too thin to say either way is unknown, and nothing is ever called in order for want of evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tsclassify.ledger.moments import DAY
from tsclassify.policy.platform import INDICATORS
from tsclassify.review import process, rates
from tsclassify.review.observed import Case, Days, Indicator, Labelled, daily
from tsclassify.review.trend import look_before
from tsclassify.standing.ladder import LadderEvaluator

if TYPE_CHECKING:
    from tsclassify.policy import Policy

__all__ = ["measure"]

_AT_LOOKS: Final = frozenset({"steady_increase", "growing_volume", "high_rate"})


def measure(
    evaluator: LadderEvaluator,
    policy: Policy,
    now: int,
    *,
    labelled: Labelled | None = None,
    looks: dict[int, dict[str, Indicator]] | None = None,
) -> tuple[Indicator, ...]:
    """Every indicator that the policy sets up, at a moment.

    Rates and volumes are those of the last scheduled look, kept in `looks` between calls; notices are taken as
    they stand now.
    """
    review = policy.platform_review
    if review is None:
        return ()
    look = look_before(now // DAY, review.looks.every)
    kept = (looks if looks is not None else {}).setdefault(look, {})
    asked = [(name, limits) for name in INDICATORS if (limits := getattr(review.indicators, name)) is not None]
    fresh = any(name not in kept for name, _ in asked if name in _AT_LOOKS)
    days = daily(evaluator.history, look) if fresh else Days(look, np.empty(0), np.empty(0))
    case = Case(evaluator, policy, now, look, days, labelled)
    found = []
    for name, limits in asked:
        if name not in kept:
            indicator = _MEASURES[name](case, name, limits)
            if name not in _AT_LOOKS:
                found.append(indicator)
                continue
            kept[name] = indicator
        found.append(kept[name])
    return tuple(found)


_MEASURES: Final[Mapping[str, Callable[[Case, str, Any], Indicator]]] = {
    "steady_increase": rates.steady_increase,
    "growing_volume": rates.growing_volume,
    "high_rate": rates.high_rate,
    "unmet_notices": process.unmet_notices,
    "slow_response": process.slow_response,
    "large_backlog": process.large_backlog,
    "growing_backlog": process.growing_backlog,
    "found_by_others": process.found_by_others,
    "missing_controls": process.missing_controls,
}
