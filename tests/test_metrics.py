"""Metrics: equal to scikit-learn's, right on hand-worked cases, honest at the edges; intervals cover."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tsclassify import metrics
from tsclassify.errors import InputError
from tsclassify.evaluation.bootstrap import bootstrap, interval
from tsclassify.evaluation.calibration import calibration_check
from tsclassify.evaluation.fairness import auc_interval

_FIGURE = Path(__file__).parent / "snapshots" / "interval_coverage.json"


@st.composite
def _labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 80))
    gold = draw(hnp.arrays(np.bool_, n))
    # few distinct values, so that ties are the rule
    scores = draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1.0])))
    return gold, scores


@given(_labelled())
def test_ranking_metrics_equal_scikit_learn_with_ties(rows: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    gold, scores = rows
    if gold.any():
        assert metrics.average_precision(gold, scores) == pytest.approx(average_precision_score(gold, scores), abs=1e-9)
    else:
        assert np.isnan(metrics.average_precision(gold, scores))
    if gold.any() and not gold.all():
        assert metrics.roc_auc(gold, scores) == pytest.approx(roc_auc_score(gold, scores), abs=1e-9)
    else:
        assert np.isnan(metrics.roc_auc(gold, scores))


def test_weighted_ranking_metrics_equal_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(3)
    gold, scores, weights = rng.random(500) < 0.2, rng.random(500).round(2), rng.integers(0, 4, 500).astype(float)
    assert metrics.average_precision(gold, scores, weights=weights) == pytest.approx(
        average_precision_score(gold, scores, sample_weight=weights), abs=1e-9
    )
    assert metrics.roc_auc(gold, scores, weights=weights) == pytest.approx(
        roc_auc_score(gold, scores, sample_weight=weights), abs=1e-9
    )


@given(_labelled(), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_counts_at_a_threshold_equal_scikit_learn(rows: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    from sklearn.metrics import confusion_matrix

    gold, scores = rows
    cell = metrics.counts_at(gold, scores, threshold)
    expected = confusion_matrix(gold, scores >= threshold, labels=[False, True]).ravel()
    assert (cell.true_negative, cell.false_positive, cell.false_negative, cell.true_positive) == tuple(expected)


def test_precision_recall_f1_and_brier_equal_scikit_learn() -> None:
    from sklearn.metrics import brier_score_loss, f1_score, precision_recall_curve, precision_score, recall_score

    rng = np.random.default_rng(5)
    gold, scores = rng.random(400) < 0.3, rng.random(400).round(2)
    cell = metrics.counts_at(gold, scores, 0.6)
    assert cell.precision == pytest.approx(precision_score(gold, scores >= 0.6), abs=1e-9)
    assert cell.recall == pytest.approx(recall_score(gold, scores >= 0.6), abs=1e-9)
    assert cell.f1 == pytest.approx(f1_score(gold, scores >= 0.6), abs=1e-9)
    assert metrics.brier_score(gold, scores) == pytest.approx(brier_score_loss(gold, scores), abs=1e-9)
    precision, recall, thresholds = metrics.precision_recall_curve(gold, scores)
    theirs = precision_recall_curve(gold, scores)
    np.testing.assert_allclose(precision, theirs[0][:-1][::-1], atol=1e-9)
    np.testing.assert_allclose(recall, theirs[1][:-1][::-1], atol=1e-9)
    np.testing.assert_allclose(thresholds, theirs[2][::-1], atol=1e-9)


def test_reliability_bins_equal_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(7)
    scores = rng.random(3000)
    gold = rng.random(3000) < scores**1.3
    share, mean = calibration_curve(gold, scores, n_bins=15)
    table = metrics.reliability(gold, scores)
    np.testing.assert_allclose(table.positive_share, share, atol=1e-9)
    np.testing.assert_allclose(table.mean_score, mean, atol=1e-9)


def test_hand_worked_case() -> None:
    gold = [True, False, True, False]
    scores = [0.9, 0.8, 0.7, 0.1]
    # hits at ranks 1 and 3: (1/1 + 2/3) / 2; pairs in order: 3 of 4
    assert metrics.average_precision(gold, scores) == pytest.approx(5 / 6)
    assert metrics.roc_auc(gold, scores) == pytest.approx(3 / 4)
    cell = metrics.counts_at(gold, scores, 0.7)
    assert (cell.precision, cell.recall, cell.false_alarm_rate) == (pytest.approx(2 / 3), 1.0, 0.5)
    # each row alone in its bin: (0.1 + 0.8 + 0.3 + 0.1) / 4
    assert metrics.expected_calibration_error(gold, scores) == pytest.approx(1.3 / 4)


def test_score_equal_to_threshold_acts() -> None:
    assert metrics.counts_at([True], [0.5], 0.5).true_positive == 1


def test_undefined_metrics_are_nan_not_a_passing_default() -> None:
    assert np.isnan(metrics.average_precision([False, False], [0.1, 0.2]))
    assert np.isnan(metrics.roc_auc([True], [0.2]))
    assert np.isnan(metrics.expected_calibration_error([], []))
    assert np.isnan(metrics.counts_at([True], [0.1], 0.5).precision)


@pytest.mark.parametrize(
    ("gold", "scores", "word"),
    [
        ([True], [0.1, 0.2], "shape"),
        ([True, False], [0.1, float("nan")], "finite"),
        ([2, 0], [0.1, 0.2], "true or false"),
    ],
)
def test_what_cannot_be_measured_is_refused(gold: list[int], scores: list[float], word: str) -> None:
    with pytest.raises(InputError, match=word):
        metrics.average_precision(gold, scores)


def test_wilson_interval_matches_the_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, and 0 of 20
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert metrics.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_rows_weighted_to_a_prior_hold_it() -> None:
    gold = np.array([True] * 30 + [False] * 70)
    weights = metrics.prior_weights(gold, 0.02)
    assert np.average(gold, weights=weights) == pytest.approx(0.02)
    assert weights.mean() == pytest.approx(1.0)


# -- bootstrap ------------------------------------------------------------------------------------------


def _binormal(rng: np.random.Generator, n: int, prevalence: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    gold = (rng.random(n) < prevalence).astype(np.int8)
    logits = rng.normal(size=n) - 1.0 + 1.5 * gold
    return gold, (1 / (1 + np.exp(-logits))).astype(np.float32)


def test_draws_equal_weighted_metrics_of_the_same_resample() -> None:
    rng = np.random.default_rng(0)
    gold, scores = _binormal(rng, 300)
    scores = scores.round(1)
    draws = bootstrap(gold[:, None], scores[:, None], thresholds=[[0.5, 0.2]], n_draws=400, seed=4)
    # a draw's figures must be those of some resample: its cells add up, and averages sit at the full rows'
    n = draws.positives[:, 0] + draws.negatives[:, 0]
    assert (n == 300).all()
    assert (draws.hits[0][:, 1] >= draws.hits[0][:, 0]).all()
    assert draws.ap.mean() == pytest.approx(metrics.average_precision(gold, scores), abs=0.02)
    assert draws.auc.mean() == pytest.approx(metrics.roc_auc(gold, scores), abs=0.005)
    assert draws.recall(0)[:, 0].mean() == pytest.approx(metrics.counts_at(gold, scores, 0.5).recall, abs=0.02)


def test_a_draw_without_resampling_gives_the_point_estimates() -> None:
    # one group holds every row: each draw is the data itself, so draws equal the metrics exactly
    rng = np.random.default_rng(1)
    gold, scores = _binormal(rng, 250)
    scores = scores.round(1)
    draws = bootstrap(
        gold[:, None],
        scores[:, None],
        thresholds=[[float(np.float32(threshold)) for threshold in (0.9, 0.1, 0.5)]],
        priors=[0.03],
        groups=np.zeros(250, dtype=np.int64),
        n_draws=3,
    )
    weights = metrics.prior_weights(gold, 0.03)
    assert draws.ap[:, 0] == pytest.approx(metrics.average_precision(gold, scores), abs=1e-12)
    assert draws.auc[:, 0] == pytest.approx(metrics.roc_auc(gold, scores), abs=1e-12)
    assert draws.ece[:, 0] == pytest.approx(metrics.expected_calibration_error(gold, scores, weights=weights), abs=1e-9)
    for c, threshold in enumerate((0.9, 0.1, 0.5)):
        cell = metrics.counts_at(gold, scores, float(np.float32(threshold)))
        assert draws.precision(0)[:, c] == pytest.approx(cell.precision)
        assert draws.f1(0)[:, c] == pytest.approx(cell.f1)
        assert draws.false_alarm_rate(0)[:, c] == pytest.approx(cell.false_alarm_rate)


def test_draws_do_not_depend_on_threads_and_change_with_the_seed() -> None:
    rng = np.random.default_rng(2)
    gold, scores = _binormal(rng, 200)
    one = bootstrap(gold[:, None], scores[:, None], n_draws=100, seed=9, threads=1)
    two = bootstrap(gold[:, None], scores[:, None], n_draws=100, seed=9, threads=3)
    other = bootstrap(gold[:, None], scores[:, None], n_draws=100, seed=10)
    np.testing.assert_array_equal(one.ap, two.ap)
    assert not np.array_equal(one.ap, other.ap)


def test_missing_labels_are_left_out_per_category() -> None:
    gold = np.array([[1, 1], [0, -1], [1, 0], [0, -1]], dtype=np.int8)
    scores = np.array([[0.9, 0.9], [0.1, 0.95], [0.8, 0.1], [0.2, 0.99]], dtype=np.float32)
    draws = bootstrap(gold, scores, groups=np.zeros(4, dtype=np.int64), n_draws=1)
    assert draws.auc.tolist() == [[1.0, 1.0]]
    assert draws.negatives.tolist() == [[2, 1]]


def test_resampling_groups_widens_the_interval_of_repeated_rows() -> None:
    rng = np.random.default_rng(6)
    gold, scores = _binormal(rng, 150)
    gold, scores = np.repeat(gold, 8), np.repeat(scores, 8)
    alone = interval(bootstrap(gold[:, None], scores[:, None], n_draws=400).auc[:, 0])
    together = interval(
        bootstrap(gold[:, None], scores[:, None], groups=np.repeat(np.arange(150), 8), n_draws=400).auc[:, 0]
    )
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_few_successes_get_a_wilson_interval_that_does_not_claim_certainty() -> None:
    assert interval(np.ones(100), share=(8, 8)) == metrics.wilson(8, 8)
    assert interval(np.linspace(0, 1, 1001), share=(500, 1000)) == pytest.approx((0.025, 0.975))


@pytest.mark.slow
def test_intervals_cover_the_truth_in_93_to_97_percent_of_2000_simulations() -> None:
    """The figure is stored; the test fails when it leaves 93 to 97 %, or differs from the stored one."""
    coverage = _coverage(n_simulations=2000, n_rows=1000, n_boot=1000)
    if os.environ.get("TSCLASSIFY_STORE_FIGURES"):
        _FIGURE.write_text(json.dumps(coverage, indent=1) + "\n", encoding="utf-8")
    assert all(0.93 <= share <= 0.97 for share in coverage.values()), coverage
    assert coverage == json.loads(_FIGURE.read_text(encoding="utf-8"))


def test_stored_coverage_lies_between_93_and_97_percent() -> None:
    coverage = json.loads(_FIGURE.read_text(encoding="utf-8"))
    assert set(coverage) == {"ap", "auc", "precision", "recall", "f1", "false_alarm_rate", "auc_delong"}
    assert all(0.93 <= share <= 0.97 for share in coverage.values())


def test_documented_coverage_is_the_stored_one() -> None:
    shares = json.loads(_FIGURE.read_text(encoding="utf-8")).values()
    text = (Path(__file__).resolve().parents[1] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert f"{min(shares):.1%} to\n{max(shares):.1%}".replace("%", " %") in text


def _coverage(*, n_simulations: int, n_rows: int, n_boot: int) -> dict[str, float]:
    rng = np.random.default_rng(20260)
    big_gold, big_scores = _binormal(rng, 4_000_000)
    cell = metrics.counts_at(big_gold, big_scores, 0.5)
    truth = {
        "ap": metrics.average_precision(big_gold, big_scores),
        "auc": metrics.roc_auc(big_gold, big_scores),
        "precision": cell.precision,
        "recall": cell.recall,
        "f1": cell.f1,
        "false_alarm_rate": cell.false_alarm_rate,
        "auc_delong": metrics.roc_auc(big_gold, big_scores),
    }
    covered = dict.fromkeys(truth, 0)
    for simulation in range(n_simulations):
        gold, scores = _binormal(rng, n_rows)
        draws = bootstrap(
            gold[:, None], scores[:, None], thresholds=[[0.5]], n_draws=n_boot, seed=simulation, threads=1
        )
        one = metrics.counts_at(gold, scores, 0.5)
        flagged, positives = one.true_positive + one.false_positive, one.true_positive + one.false_negative
        ends = {
            "ap": interval(draws.ap[:, 0]),
            "auc": interval(draws.auc[:, 0]),
            "precision": interval(draws.precision(0)[:, 0], share=(one.true_positive, flagged)),
            "recall": interval(draws.recall(0)[:, 0], share=(one.true_positive, positives)),
            "f1": interval(draws.f1(0)[:, 0]),
            "false_alarm_rate": interval(
                draws.false_alarm_rate(0)[:, 0], share=(one.false_positive, n_rows - positives)
            ),
            "auc_delong": auc_interval(gold == 1, scores)[1:],
        }
        for name, (low, high) in ends.items():
            covered[name] += low <= truth[name] <= high
    return {name: count / n_simulations for name, count in covered.items()}


# -- calibration ----------------------------------------------------------------------------------------


def test_calibrated_scores_pass_the_check_and_shifted_ones_fail() -> None:
    rng = np.random.default_rng(8)
    scores = rng.beta(0.5, 4, size=8000)
    gold = rng.random(8000) < scores
    clean = calibration_check(gold, scores)
    assert clean.p_value > 0.01
    assert clean.ece == pytest.approx(clean.ece_expected, abs=0.01)
    shifted = 1 / (1 + np.exp(-(np.log(scores / (1 - scores)) + 1.0)))
    planted = calibration_check(gold, shifted)
    assert planted.p_value < 0.001
    assert planted.mean_score > planted.positive_share


def test_scores_calibrated_at_a_rarer_prior_pass_on_enriched_rows() -> None:
    # a stream with 2 % positives, of which all positives but few negatives were labelled
    rng = np.random.default_rng(11)
    scores = rng.beta(0.4, 19.6, size=200_000)
    gold = rng.random(200_000) < scores
    keep = gold | (rng.random(200_000) < 0.1)
    prior = float(gold.mean())
    at_prior = calibration_check(gold[keep], scores[keep], prior=prior)
    as_they_are = calibration_check(gold[keep], scores[keep])
    assert at_prior.p_value > 0.01
    assert at_prior.ece < 0.01
    assert as_they_are.ece > 0.05


def test_delong_interval_agrees_with_the_bootstrap() -> None:
    rng = np.random.default_rng(12)
    gold, scores = _binormal(rng, 800)
    auc, low, high = auc_interval(gold == 1, scores)
    drawn = interval(bootstrap(gold[:, None], scores[:, None], n_draws=1000).auc[:, 0])
    assert auc == pytest.approx(metrics.roc_auc(gold, scores), abs=1e-12)
    assert (low, high) == pytest.approx(drawn, abs=0.01)
