"""Simulated tenants with a known truth, to find out how often a review is wrong.

A tenant has traffic, a violation rate that may change on a day, and a way of answering notices. Everything comes
from the seed: the same arguments give the same events.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.decision import Decision
from tsclassify.errors import InputError
from tsclassify.ledger import events as ev
from tsclassify.review.observed import Days

if TYPE_CHECKING:
    from tsclassify.policy import Policy

__all__ = ["Tenant", "simulate", "simulate_days"]

_EVIDENCE_A_NOTICE: Final = 3
"""Items cited in one simulated notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """How a simulated tenant behaves.

    Attributes
    ----------
    items_per_day
        Mean number of items a day; weekends have a third less.
    rate
        Share of items in violation.
    change_day
        Day from which on the two factors hold, or None.
    rate_factor, volume_factor
        What multiplies the rate and the traffic from then on.
    bursts
        Variance of the day's rate in units of its square: 0 for independent violations, 0.3 for bursty ones.
    removed_share
        Share of notified items that the tenant ever removes.
    removal_hours
        Mean time to remove those.
    found_share
        Share of violations that it removes before anybody tells it.
    notices_per_day
        Mean number of notices that the provider sends.
    controls
        Controls that it attests on the first day.
    """

    items_per_day: float = 300.0
    rate: float = 0.01
    change_day: int | None = None
    rate_factor: float = 1.0
    volume_factor: float = 1.0
    bursts: float = 0.0
    removed_share: float = 0.99
    removal_hours: float = 4.0
    found_share: float = 0.6
    notices_per_day: float = 0.5
    controls: tuple[str, ...] = ("terms", "filter", "report", "block", "contact")

    def __post_init__(self) -> None:
        for name in ("rate", "removed_share", "found_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"simulate: {name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("items_per_day", "rate_factor", "volume_factor", "bursts", "removal_hours", "notices_per_day"):
            if not getattr(self, name) >= 0:
                raise InputError(f"simulate: {name} must be 0 or more, got {getattr(self, name)}")


def simulate_days(tenant: Tenant, n_days: int, rng: np.random.Generator, *, first: int = 0) -> Days:
    """Items and violations a day, without the events: for error rates over thousands of tenants."""
    day = np.arange(n_days)
    after = np.zeros(n_days, bool) if tenant.change_day is None else day >= tenant.change_day
    weekend = np.where((day + first + 3) % 7 >= 5, 2 / 3, 1.0)
    traffic = tenant.items_per_day * weekend * np.where(after, tenant.volume_factor, 1.0)
    rate = tenant.rate * np.where(after, tenant.rate_factor, 1.0)
    if tenant.bursts > 0:
        rate = rate * rng.gamma(1 / tenant.bursts, tenant.bursts, n_days)
    items = rng.poisson(traffic)
    violations = rng.binomial(items, np.minimum(rate, 1.0))
    return Days(first, items.astype(np.float64), violations.astype(np.float64))


def simulate(
    tenant: Tenant,
    policy: Policy,
    *,
    name: str,
    start: dt.datetime,
    n_days: int,
    seed: int,
    every_item: bool = False,
) -> Iterator[Decision | ev.Event]:
    """Events of one tenant in order of time, ready for `Ledger.record_many`.

    Parameters
    ----------
    tenant
        How it behaves.
    policy
        Its least severe tier is that of all violations, and its first step that of all notices.
    name
        Name of the tenant in the events.
    start
        A midnight, aware.
    n_days, seed
        Length, and the seed of every random number.
    every_item
        Record clean items one by one instead of by a daily tally.

    Yields
    ------
    Decision or Event
    """
    rng = np.random.default_rng(seed)
    days = simulate_days(tenant, n_days, rng, first=(start - _EPOCH).days)
    for control in tenant.controls:
        yield ev.Attestation(control=control, holds=True, at=start, tenant=name, by="tenant")
    template = _template(policy, name)
    tier = policy.tiers[-1].id
    step = policy.ladder.steps[0].id if policy.ladder else "notice"
    waiting: list[ev.Event] = []
    fresh: list[str] = []
    for index in range(n_days):
        midnight = start + dt.timedelta(days=index)
        n_items, n_violations = int(days.items[index]), int(days.violations[index])
        seconds = np.sort(rng.integers(0, 86_400, n_items if every_item else n_violations))
        bad = _bad(rng, n_items, n_violations, every_item=every_item)
        today: list[Decision | ev.Event] = []
        for number, (second, is_bad) in enumerate(zip(seconds.tolist(), bad.tolist(), strict=True)):
            item = f"{name}-{index}-{number}"
            at = midnight + dt.timedelta(seconds=second)
            actor = f"{name}-u{int(rng.integers(0, 5000))}"
            today.append(replace(template, id=item, at=at, actor=actor, tier=tier if is_bad else "none"))
            if is_bad and rng.random() < tenant.found_share:
                waiting.append(_removal(rng, item, at, name, mean_hours=2.0))
            elif is_bad:
                fresh.append(item)
        if not every_item:
            closing = midnight + dt.timedelta(days=1, microseconds=-1)
            today.append(ev.Tally(n_items=n_items - n_violations, at=closing, tenant=name))
        for number in range(int(rng.poisson(tenant.notices_per_day))):
            if len(fresh) < _EVIDENCE_A_NOTICE:
                break
            cited, fresh = fresh[:_EVIDENCE_A_NOTICE], fresh[_EVIDENCE_A_NOTICE:]
            at = midnight + dt.timedelta(hours=23, minutes=number)
            today.append(ev.Notice(id=f"{name}-n{index}-{number}", step=step, items=tuple(cited), at=at, tenant=name))
            waiting += [
                _removal(rng, item, at, name, mean_hours=tenant.removal_hours)
                for item in cited
                if rng.random() < tenant.removed_share
            ]
        end = midnight + dt.timedelta(days=1)
        today += [event for event in waiting if event.at < end]
        waiting = [event for event in waiting if event.at >= end]
        yield from sorted(today, key=lambda event: event.at or midnight)


_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _bad(rng: np.random.Generator, n_items: int, n_violations: int, *, every_item: bool) -> NDArray[np.bool_]:
    if not every_item:
        return np.ones(n_violations, bool)
    bad = np.zeros(n_items, bool)
    bad[rng.choice(n_items, n_violations, replace=False)] = True
    return bad


def _removal(rng: np.random.Generator, item: str, at: dt.datetime, name: str, *, mean_hours: float) -> ev.Removal:
    wait = dt.timedelta(hours=float(rng.exponential(mean_hours)))
    return ev.Removal(item=item, at=at + wait, tenant=name, by="tenant")


def _template(policy: Policy, name: str) -> Decision:
    return Decision(
        id="",
        tier="none",
        actions=(),
        review=False,
        findings=(),
        contexts=(),
        trace=(),
        scores={},
        signals={},
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        model_name="simulated",
        model_sha256="0" * 64,
        tenant=name,
    )
