"""The statistics of a review agree with scipy and keep what their intervals promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tsclassify.errors import InputError
from tsclassify.review.statistics import (
    corrected_share,
    difference,
    kaplan_meier,
    rate_ratio,
    share,
    survival_quantile,
)
from tsclassify.review.trend import spread_of


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (57, 1000), (1, 1)])
def test_share_agrees_with_scipy(k: int, n: int) -> None:
    ours = share(k, n)
    theirs = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_share_of_nothing_is_unknown() -> None:
    nothing = share(0, 0)
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def test_share_refuses_more_hits_than_trials() -> None:
    with pytest.raises(InputError, match="k must be in"):
        share(3, 2)


@pytest.mark.parametrize(("k1", "e1", "k0", "e0"), [(12, 100.0, 7, 300.0), (0, 1.0, 5, 1.0), (40, 10.0, 40, 30.0)])
def test_rate_ratio_lower_limit_is_where_the_binomial_test_turns(k1: int, e1: float, k0: int, e0: float) -> None:
    alpha = 0.01
    ours = rate_ratio(k1, e1, k0, e0, alpha=alpha)
    for ratio, rejected in ((ours.low * 0.999, True), (ours.low * 1.001, False)):
        if ratio == 0:
            continue
        p = ratio * e1 / (ratio * e1 + e0)
        p_value = stats.binomtest(k1, k1 + k0, p, alternative="greater").pvalue
        assert bool(p_value < alpha) is rejected


def test_overdispersed_counts_widen_the_ratio() -> None:
    plain, bursty = rate_ratio(40, 28, 60, 84), rate_ratio(40, 28, 60, 84, spread=3.0)
    assert bursty.low < plain.low < plain.value == pytest.approx(bursty.value)


def test_spread_of_independent_counts_is_near_one_and_of_bursts_is_not() -> None:
    rng = np.random.default_rng(7)
    exposure = np.full(112, 300.0)
    plain = [spread_of(rng.poisson(3.0, 112).astype(float), exposure, 84, 0.001) for _ in range(50)]
    bursty = [spread_of(5.0 * rng.poisson(0.6, 112), exposure, 84, 0.001) for _ in range(50)]
    assert np.median(plain) < 1.3
    assert np.median(bursty) > 3.5


def test_a_rise_is_not_taken_for_spread() -> None:
    rng = np.random.default_rng(7)
    exposure = np.full(112, 300.0)
    mean = np.linspace(5.0, 20.0, 112)
    found = [spread_of(rng.poisson(mean).astype(float), exposure, 84, 0.001) for _ in range(50)]
    assert np.median(found) < 1.4


def test_kaplan_meier_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    times = rng.integers(1, 12, 80).astype(float)
    ended = rng.random(80) < 0.6
    at, survival, _ = kaplan_meier(times, ended)
    theirs = stats.ecdf(stats.CensoredData(uncensored=times[ended], right=times[~ended])).sf
    assert np.allclose(survival, theirs.evaluate(at))


def test_quantile_without_running_cases_is_the_sample_quantile() -> None:
    times = np.arange(1.0, 101.0)
    found = survival_quantile(times, np.ones(100, bool), 0.5)
    assert found.value == 50.0
    assert 38 <= found.low <= 42
    assert 58 <= found.high <= 62


def test_who_ends_nothing_never_looks_fast() -> None:
    found = survival_quantile(np.linspace(0.1, 30, 50), np.zeros(50, bool), 0.5)
    assert math.isinf(found.value)
    assert math.isinf(found.high)
    assert 25 < found.low <= 30
    assert survival_quantile(np.full(3, 30.0), np.zeros(3, bool), 0.5).low == 0.0


def test_fast_ends_among_many_running_cases_do_not_pull_the_median_down() -> None:
    times = np.concatenate([np.full(10, 0.1), np.full(90, 40.0)])
    ended = np.concatenate([np.ones(10, bool), np.zeros(90, bool)])
    assert math.isinf(survival_quantile(times, ended, 0.5).value)


def test_quantile_interval_covers_under_censoring() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        life, age = rng.exponential(10.0, 60), rng.uniform(0, 30, 60)
        found = survival_quantile(np.minimum(life, age), life <= age, 0.5)
        covered += found.low <= 10 * math.log(2) <= found.high
    assert covered >= 0.92 * 400


def test_correction_recovers_the_true_share() -> None:
    # 10,000 items, 300 true; the model flags 400 of which 240 are true.
    rng = np.random.default_rng(5)
    truth = np.zeros(10_000, bool)
    truth[:300] = True
    flagged = np.zeros(10_000, bool)
    flagged[:240] = True
    flagged[300:460] = True
    covered = 0
    for _ in range(200):
        sample = np.concatenate([rng.choice(np.nonzero(flagged)[0], 100), rng.choice(np.nonzero(~flagged)[0], 400)])
        pick, flag = truth[sample], flagged[sample]
        found = corrected_share(400, 10_000, int(pick[flag].sum()), 100, int(pick[~flag].sum()), 400)
        covered += found.low <= 0.03 <= found.high
    assert covered >= 190


def test_difference_is_exact_at_the_ends() -> None:
    assert difference(5, 0).high == pytest.approx(5.0)
    assert difference(0, 0).n == 0
    assert difference(50, 20).low > 0
