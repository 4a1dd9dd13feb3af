"""What the sources' own labels add to the heads: a weighted sum of linear heads, which is one linear head again.

Each source has labels of its own readers, of another sense and noisier than ours. A *source head* is fitted on the
texts of one source and such a label, under a strong ridge. Of its logits, and those of the category's own head, a small
logistic regression on rows that neither has seen makes the sum. Source: Wolpert 1992, Stacked generalization; weights
at least 0: Breiman 1996, Stacked regressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.data import registered_files
from tsclassify.errors import InputError
from tsclassify.model.linear import LinearHeads
from tsclassify.taxonomy import CATEGORIES
from tsclassify.training.logistic import fit_bounded

__all__ = ["Stacker", "check_source_heads", "fit_stacker", "least_weights", "stacked"]


@dataclass(frozen=True, slots=True, eq=False)
class Stacker:
    """How the logit of each category is made: ``slope * own + offset + source logits @ weights``.

    Attributes
    ----------
    slope, offset
        float64, shape (K,).
    weights
        float64, shape (H, K), at least 0.
    """

    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    weights: NDArray[np.float64]

    def named(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Category to the weights of the source heads that it has, the largest first."""
        table = {}
        for k, category in enumerate(CATEGORIES):
            order = [j for j in np.argsort(-self.weights[:, k], kind="stable") if self.weights[j, k] > 0]
            table[category] = {names[j]: round(float(self.weights[j, k]), 4) for j in order}
        return table


def check_source_heads(heads: Sequence[Mapping[str, Any]]) -> None:
    """Refuse source heads that cannot be fitted.

    Raises
    ------
    InputError
        When one has no name, its source may not be trained on, its label is no regular expression, or ``at_least``
        names no category.
    """
    allowed = sorted({file.name for file in registered_files() if file.use == "train"})
    for number, head in enumerate(heads):
        if not all(isinstance(head.get(key), str) for key in ("name", "source", "label")):
            raise InputError(
                f"training configuration: source head {number} must have name, source and label, got {head}"
            )
        if head["source"] not in allowed:
            raise InputError(
                f"training configuration: source of {head['name']!r} must be one of {', '.join(allowed)}, "
                f"got {head['source']!r}"
            )
        try:
            re.compile(head["label"])
        except re.error as error:
            raise InputError(
                f"training configuration: label of {head['name']!r} must be a regular expression, got {error}"
            ) from error
    least_weights(heads)


def least_weights(heads: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Stated lower bounds of the weights, shape (H, K): 0 where a head's ``at_least`` names no category.

    Raises
    ------
    InputError
        When ``at_least`` names no category.
    """
    least = np.zeros((len(heads), len(CATEGORIES)))
    for number, head in enumerate(heads):
        for category, weight in head.get("at_least", {}).items():
            if category not in CATEGORIES:
                raise InputError(
                    f"training configuration: at_least of {head['name']!r} must name categories, got {category!r}"
                )
            least[number, CATEGORIES.index(category)] = weight
    return least


def fit_stacker(
    own: NDArray[np.float64],
    sources: NDArray[np.float64],
    gold: NDArray[np.bool_],
    least: NDArray[np.float64],
    *,
    ridge: float,
) -> Stacker:
    """Fit the weights on out-of-fold logits.

    Parameters
    ----------
    own, sources
        Logits of the category heads and of the source heads: shapes (n, K) and (n, H).
    gold
        Labels, shape (n, K).
    least
        Lowest weights, shape (H, K); the ridge draws towards them.
    ridge
        Strength, for source logits of variance 1.
    """
    mean, spread = sources.mean(axis=0), np.maximum(sources.std(axis=0), 1e-9)
    scaled = ((sources - mean) / spread).T
    n_sources, n_heads = least.shape
    penalty = np.diag([0.0, 0.0, *[ridge] * n_sources])
    slope, offset, weights = np.ones(n_heads), np.zeros(n_heads), np.zeros((n_sources, n_heads))
    for k in range(n_heads):
        low = least[:, k] * spread
        start = np.concatenate([[1.0, 0.0], low])
        theta = fit_bounded(
            np.vstack([own[:, k], np.ones(len(own)), scaled]),
            gold[:, k].astype(np.float64),
            np.ones(len(own)),
            ridge=penalty,
            centre=start,
            lowest=np.concatenate([[0.0, -np.inf], low]),
            start=start,
        )
        slope[k] = theta[0]
        weights[:, k] = theta[2:] / spread
        offset[k] = theta[1] - float((weights[:, k] * mean).sum())
    return Stacker(slope, offset, weights)


def stacked(own: LinearHeads, sources: LinearHeads, stacker: Stacker) -> LinearHeads:
    """The heads that the sum amounts to."""
    weights = own.weights * stacker.slope.astype(np.float32)
    bias = own.bias * stacker.slope + stacker.offset
    # a loop over the few weights that are not 0, in a fixed order
    for number, k in np.argwhere(stacker.weights > 0).tolist():
        weights[:, k] += np.float32(stacker.weights[number, k]) * sources.weights[:, number]
        bias[k] += stacker.weights[number, k] * sources.bias[number]
    return LinearHeads(weights, bias, own.last_change)
