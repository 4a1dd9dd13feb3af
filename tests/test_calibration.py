"""Calibration, operating points and signal bands."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsclassify.metrics import wilson
from tsclassify.model.calibration import (
    calibrate,
    for_one,
    prepared,
    stack_calibrations,
)
from tsclassify.training.calibration import fit_calibration
from tsclassify.training.operating import operating_points, signal_band


def _sample(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    logits = rng.normal(-2.0, 2.0, n)
    truth = rng.random(n) < 1.0 / (1.0 + np.exp(-(0.5 * logits - 0.7)))
    return logits, truth


@functools.cache
def _fitted(n: int) -> dict[str, np.ndarray]:
    return fit_calibration(*_sample(n))


def test_fitted_probabilities_match_observed_shares() -> None:
    logits, truth = _sample()
    scores = calibrate(fit_calibration(logits, truth), logits[:, None])[:, 0]
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.7)):
        here = (scores >= low) & (scores < high)
        assert abs(scores[here].mean() - truth[here].mean()) < 0.03


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30))
def test_a_higher_logit_never_gets_a_lower_probability(values: list[float]) -> None:
    fitted = _fitted(800)
    ordered = np.sort(np.array(values))[:, None]
    assert (np.diff(calibrate(fitted, ordered)[:, 0]) >= 0).all()


def test_stacked_heads_score_as_single_ones() -> None:
    logits, truth = _sample()
    heads = [fit_calibration(logits, truth), fit_calibration(np.round(logits), truth)]
    both = calibrate(stack_calibrations(heads), np.stack([logits, logits], axis=1))
    for k, head in enumerate(heads):
        assert np.allclose(both[:, k], calibrate(head, logits[:, None])[:, 0])


def test_one_post_and_a_million_get_the_same_bits() -> None:
    rng = np.random.default_rng(7)
    knots = np.sort(rng.normal(0, 2, (8, 6)), axis=1)
    heads = {
        "knots": knots,
        "values": np.cumsum(rng.uniform(0.01, 2, (8, 6)), axis=1) - 5,
        "slopes": rng.uniform(0.05, 2, (8, 2)),
    }
    logits = np.concatenate([rng.normal(0, 4, (2000, 8)).astype(np.float32), knots.T, [[-1e4] * 8, [1e4] * 8]])
    lines = prepared(heads)
    for part in (logits, knots.T, np.nextafter(knots.T, -9.0), np.nextafter(knots.T, 9.0), logits[:0]):
        many = calibrate(lines, np.repeat(part, 33, axis=0))[::33]
        assert np.array_equal(many, calibrate(heads, part))
        assert [for_one(heads)(row) for row in part.tolist()] == many.tolist()


def test_the_map_is_linear_between_its_knots_and_goes_on_with_its_slopes() -> None:
    heads = {
        "knots": np.array([[-1.0, 0.5, 2.0], [0.0, 1.0, 3.0]]),
        "values": np.array([[-2.0, 0.0, 3.0], [-1.0, 1.0, 1.5]]),
        "slopes": np.array([[0.5, 2.0], [1.0, 0.25]]),
    }
    logits = np.linspace(-5, 6, 111)
    for k in range(2):
        knots, values, (first, last) = heads["knots"][k], heads["values"][k], heads["slopes"][k]
        mapped = np.interp(logits, knots, values)
        mapped += np.minimum(logits - knots[0], 0) * first + np.maximum(logits - knots[-1], 0) * last
        assert np.allclose(calibrate(heads, np.stack([logits, logits], axis=1))[:, k], 1 / (1 + np.exp(-mapped)))


def test_wilson_interval_of_eight_in_ten() -> None:
    assert [round(end, 3) for end in wilson(8, 10)] == [0.490, 0.943]


def test_operating_points_hold_what_they_name() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(5000) < 0.2
    scores = np.clip(0.2 + 0.35 * truth + rng.normal(0, 0.15, 5000), 0, 1).astype(np.float32)
    points = operating_points(scores, truth, precisions=[0.9], recalls=[0.9])
    assert [p.threshold for p in points] == sorted(p.threshold for p in points)
    for p in points:
        acted = scores >= np.float32(p.threshold)
        assert p.precision == pytest.approx(truth[acted].mean())
        assert p.recall == pytest.approx(acted[truth].mean())
        assert p.precision_low <= p.precision <= p.precision_high
    assert points[0].recall >= 0.9
    assert points[-1].precision >= 0.9


def test_a_precision_that_is_not_reached_gives_no_point() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(2000) < 0.3
    assert operating_points(rng.random(2000), truth, precisions=[0.95], recalls=[]) == ()


def test_a_signal_without_evidence_is_always_unknown() -> None:
    rng = np.random.default_rng(2)
    truth = rng.random(2000) < 0.3
    band = signal_band(rng.random(2000), truth, precision=0.9, negative_share=0.99, lost_share=0.2)
    assert band.yes_from > 1.0
    assert band.no_below == 0.0


def test_a_sharp_signal_has_a_narrow_band() -> None:
    truth = np.arange(1000) % 2 == 0
    scores = np.where(truth, 0.9, 0.1)
    band = signal_band(scores, truth, precision=0.8, negative_share=0.95, lost_share=0.2)
    assert band.no_below <= band.yes_from
    assert band.yes_from == pytest.approx(0.9)


def test_a_rare_signal_is_not_false_because_it_is_rare() -> None:
    rng = np.random.default_rng(4)
    truth = rng.random(4000) < 0.02
    scores = np.clip(0.02 + 0.01 * truth + rng.normal(0, 0.01, 4000), 0, 1)
    band = signal_band(scores, truth, precision=0.9, negative_share=0.97, lost_share=0.2)
    assert (scores[truth] < band.no_below).mean() <= 0.2


_FIT = """
import hashlib
import numpy as np
from tests.test_calibration import _sample
from tsclassify.training.calibration import fit_calibration

fitted = fit_calibration(*_sample(20_000))
print(hashlib.sha256(b"".join(fitted[name].tobytes() for name in sorted(fitted))).hexdigest())
"""


def test_a_fit_does_not_depend_on_the_processor() -> None:
    """Where sums are taken in another order, as on older processors, the same bytes come out."""
    kinds = [
        {},
        {"OPENBLAS_CORETYPE": "Prescott"},
        {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    ]
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _FIT],
            env={**os.environ, **kind},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for kind in kinds
    ]
    assert len(set(runs)) == 1
