"""Source heads: bounded fits, what they add to a category's head, and which labels they are fitted on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsclassify.data import raw_rows
from tsclassify.errors import InputError
from tsclassify.model.calibration import sigmoid
from tsclassify.model.linear import LinearHeads
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES
from tsclassify.training.logistic import fit_bounded
from tsclassify.training.pipeline import load_config, train
from tsclassify.training.stack import Stacker, check_source_heads, fit_stacker, least_weights, stacked
from tsclassify.training.training_set import source_labels


def _problem(seed: int, n: int = 800, m: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = np.vstack([np.ones(n), rng.normal(size=(m - 1, n))])
    truth = rng.normal(size=m)
    return design, (rng.random(n) < sigmoid(truth @ design)).astype(float), truth


@pytest.mark.parametrize("seed", range(6))
def test_a_bounded_fit_meets_the_conditions_of_an_optimum(seed: int) -> None:
    design, target, _ = _problem(seed)
    ridge, centre = np.diag([0.0, 2.0, 2.0, 2.0, 2.0]), np.array([0.0, 0.1, 0.0, -0.2, 0.0])
    lowest = np.array([-np.inf, 0.2, 0.0, -0.1, 0.3])
    theta = fit_bounded(
        design, target, np.ones(len(target)), ridge=ridge, centre=centre, lowest=lowest, start=np.full(5, 0.5)
    )
    gradient = design @ (sigmoid(theta @ design) - target) + ridge @ (theta - centre)
    at_bound = theta == lowest
    assert (theta >= lowest).all()
    assert np.abs(gradient[~at_bound]).max() < 1e-3
    assert (gradient[at_bound] > -1e-3).all()
    assert np.array_equal(theta, np.maximum(np.round(theta, 6), lowest))


def test_some_coefficients_reach_their_bound_and_some_do_not() -> None:
    bound = free = 0
    for seed in range(6):
        design, target, truth = _problem(seed)
        lowest = np.array([-np.inf, 0, 0, 0, 0])
        theta = fit_bounded(
            design, target, np.ones(len(target)),
            ridge=np.zeros((5, 5)), centre=np.zeros(5), lowest=lowest, start=np.full(5, 0.5),
        )  # fmt: skip
        bound += int((theta[1:] == 0)[truth[1:] < -0.5].sum())
        free += int((theta[1:] > 0)[truth[1:] > 0.5].sum())
    assert bound >= 3
    assert free >= 3


def _logits(n: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(n, 2)) * 2 - 1
    own = truth + rng.normal(size=(n, 2))
    others = np.stack([3 * truth[:, 0] + rng.normal(size=n), rng.normal(size=n), -truth[:, 1]], axis=1) + 5
    return own, others, rng.random((n, 2)) < sigmoid(truth)


def test_a_source_that_knows_better_gets_weight_and_one_that_knows_nothing_gets_next_to_none() -> None:
    own, others, gold = _logits()
    mix = fit_stacker(own, others, gold, np.zeros((3, 2)), ridge=1.0)
    assert mix.weights[0, 0] > 0.2
    assert mix.weights[1].max() < 0.05
    # what speaks against a category is left out, not turned round
    assert mix.weights[2, 1] == 0
    assert (mix.weights >= 0).all()


def test_a_stated_weight_is_the_least() -> None:
    own, others, gold = _logits()
    least = np.zeros((3, 2))
    least[1, 0] = 0.4
    mix = fit_stacker(own, others, gold, least, ridge=1.0)
    assert mix.weights[1, 0] == pytest.approx(0.4, abs=0.02)
    assert mix.weights[1, 1] < 0.05


def test_mixed_heads_are_the_sum_of_logits() -> None:
    rng = np.random.default_rng(1)
    own = LinearHeads(rng.normal(size=(30, 2)).astype(np.float32), rng.normal(size=2), 0.0)
    others = LinearHeads(rng.normal(size=(30, 3)).astype(np.float32), rng.normal(size=3), 0.0)
    mix = Stacker(
        np.array([1.2, 0.9]), np.array([0.1, -0.4]), np.abs(rng.normal(size=(3, 2))) * [[1, 0], [0, 1], [1, 1]]
    )
    x = rng.normal(size=(10, 30))
    both = stacked(own, others, mix)
    wanted = (x @ own.weights + own.bias) * mix.slope + mix.offset + (x @ others.weights + others.bias) @ mix.weights
    assert np.allclose(x @ both.weights + both.bias, wanted, atol=1e-4)


def test_a_least_weight_names_a_category() -> None:
    heads = [{"name": "zorp", "at_least": {"hate": 0.4}}, {"name": "blick"}]
    least = least_weights(heads)
    assert least[0, CATEGORIES.index("hate")] == 0.4
    assert least.sum() == 0.4
    message = "at_least of 'zorp' must name categories, got 'hat'"
    with pytest.raises(InputError, match=message):
        least_weights([{"name": "zorp", "at_least": {"hat": 0.4}}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "social_sentinel"}, "source of 'zorp' must be one of .*, got 'social_sentinel'"),
        ({"label": "("}, "label of 'zorp' must be a regular expression"),
        ({"label": 1}, "source head 0 must have name, source and label"),
        ({"at_least": {"hat": 1.0}}, "must name categories, got 'hat'"),
    ],
)
def test_a_source_head_that_cannot_be_fitted_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_source_heads([{"name": "zorp", "source": "edos", "label": "^1"} | change])


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda config: config.pop("stack"), "stack must be stated, got None"),
        (lambda config: config["fit"].pop("epochs"), "fit must state epochs"),
        (lambda config: config["fit"]["c"].pop("hate"), "c of fit must state hate"),
        (lambda config: config.pop("seed"), "seed must be stated"),
    ],
)
def test_an_incomplete_configuration_is_refused_before_training(
    tmp_path: Path, cut: Callable[[dict[str, Any]], Any], message: str
) -> None:
    config, _ = load_config(shipped("seeds", "training.toml"))
    cut(config)
    with pytest.raises(InputError, match=message):
        train(config, "", data_root=tmp_path)


def test_every_source_head_finds_texts_with_and_without_its_label(public_data: Path) -> None:
    config, _ = load_config(shipped("seeds", "training.toml"))
    heads = config["stack"]["heads"]
    sources = sorted({head["source"] for head in heads})
    texts = [row.text for source in sources for row in raw_rows(source, root=public_data)]
    labels = source_labels([*texts, "a post of ours"], heads, data_root=public_data)
    assert labels.shape == (len(texts) + 1, len(heads))
    assert (labels[-1] == -1).all()
    for number, head in enumerate(heads):
        assert (labels[:, number] == 1).sum() > 100, head["name"]
        assert (labels[:, number] == 0).sum() > 1000, head["name"]


def test_source_labels_are_those_of_the_texts_asked_for(public_data: Path) -> None:
    rows = list(raw_rows("dynahate", root=public_data))[:50]
    heads = [{"source": "dynahate", "label": "^hate$"}, {"source": "edos", "label": "^[1-4]"}]
    labels = source_labels([row.text for row in rows], heads, data_root=public_data)
    assert labels[:, 0].tolist() == [int(row.label == "hate") for row in rows]
    assert (labels[:, 1] == -1).all()


def test_weights_are_named_by_category_the_largest_first() -> None:
    weights = np.zeros((3, len(CATEGORIES)))
    weights[:, CATEGORIES.index("hate")] = [0.1, 0.0, 0.3]
    named = Stacker(np.ones(len(CATEGORIES)), np.zeros(len(CATEGORIES)), weights).named(["a", "b", "c"])
    assert list(named["hate"].items()) == [("c", 0.3), ("a", 0.1)]
    assert named["abuse"] == {}
