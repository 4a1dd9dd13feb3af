"""From logits to probabilities: a strictly rising, piecewise linear map of the logit, one per head."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibrate", "for_one", "prepared", "sigmoid", "stack_calibrations"]

_BLOCK_ROWS: Final = 1024
"""Rows that are mapped at a time, so that their arrays stay in a processor's cache."""


def sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """``1 / (1 + exp(-z))``, without overflow."""
    e = np.exp(-np.abs(z))
    positive: NDArray[np.float64] = np.where(z >= 0, 1.0, e) / (1.0 + e)
    return positive


def calibrate(parameters: Mapping[str, NDArray[np.float64]], logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities at the stated prior.

    Parameters
    ----------
    parameters
        ``knots`` and ``values``, float64, shape (K, M), both strictly rising along each row: the map sends
        logit ``knots[k, m]`` to logit ``values[k, m]``, is linear between, and goes on with the slopes
        ``slopes[k, 0]`` below the first knot and ``slopes[k, 1]`` above the last.
    logits
        Shape (n, K).

    Returns
    -------
    ndarray
        float64, shape (n, K), in (0, 1). A higher logit never gets a lower probability.

    Examples
    --------
    >>> line = {"knots": np.array([[0.0, 1.0]]), "values": np.array([[0.0, 1.0]]), "slopes": np.ones((1, 2))}
    >>> calibrate(line, np.array([[0.0]])).item()
    0.5
    """
    lines = parameters if "line_knots" in parameters else prepared(parameters)
    x = np.ascontiguousarray(logits, dtype=np.float64)
    probabilities = np.empty_like(x)
    for first in range(0, len(x), _BLOCK_ROWS):
        block = x[first : first + _BLOCK_ROWS]
        # a head has one line more than knots: the line of a logit comes after those of the knots that do not exceed it
        line = (block >= lines["knots_by_rank"]).sum(axis=0, dtype=np.intp)
        line += lines["first_lines"]
        mapped = block - lines["line_knots"][line]
        mapped *= lines["line_slopes"][line]
        mapped += lines["line_values"][line]
        probabilities[first : first + _BLOCK_ROWS] = sigmoid(mapped)
    return probabilities


def stack_calibrations(heads: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """One set of arrays from several; heads with fewer knots get further ones along their last slope."""
    width = max(head["knots"].shape[1] for head in heads)
    knots, values = [], []
    for head in heads:
        missing = np.arange(1, width - head["knots"].shape[1] + 1, dtype=np.float64)
        last, rise = head["knots"][:, -1:], missing * head["slopes"][:, 1:]
        knots.append(np.concatenate([head["knots"], last + missing], axis=1))
        values.append(np.concatenate([head["values"], head["values"][:, -1:] + rise], axis=1))
    return {
        "knots": np.concatenate(knots),
        "values": np.concatenate(values),
        "slopes": np.concatenate([head["slopes"] for head in heads]),
    }


def prepared(parameters: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[Any]]:
    """The same map with its lines computed once, for repeated calls of ``calibrate``; not for a bundle.

    The lines of all heads follow each other in arrays of shape (K * (M + 1),); ``first_lines`` says where a
    head begins.
    """
    knots = parameters["knots"]
    values, places, slopes = np.array(_lines(parameters)).reshape(-1, 3).T
    return {
        **parameters,
        "line_values": np.ascontiguousarray(values),
        "line_knots": np.ascontiguousarray(places),
        "line_slopes": np.ascontiguousarray(slopes),
        "first_lines": np.arange(len(knots), dtype=np.intp) * (knots.shape[1] + 1),
        "knots_by_rank": np.ascontiguousarray(knots.T[:, None]),
    }


def _lines(parameters: Mapping[str, NDArray[np.float64]]) -> list[list[tuple[float, float, float]]]:
    """For each head the lines below, between and above its knots: value at a knot, that knot, and slope."""
    lines = []
    for knots, values, (first, last) in zip(
        parameters["knots"].tolist(), parameters["values"].tolist(), parameters["slopes"].tolist(), strict=True
    ):
        value = values[0]
        line = [(value, knots[0], first)]
        for (low, high), (bottom, top) in zip(pairwise(knots), pairwise(values), strict=True):
            slope = (top - bottom) / (high - low)
            line.append((value, low, slope))
            # summed up rather than read from `values`: the value at a knot is where the line before it ends
            value += (high - low) * slope
        lines.append([*line, (value, knots[-1], last)])
    return lines


def for_one(parameters: Mapping[str, NDArray[np.float64]]) -> Callable[[Sequence[float]], list[float]]:
    """``calibrate`` for a single post, from K logits to K probabilities: the same bits without calls on arrays."""
    knots, lines = parameters["knots"].tolist(), _lines(parameters)

    def calibrated(logits: Sequence[float]) -> list[float]:
        mapped = []
        for x, below, line in zip(logits, knots, lines, strict=True):
            base, knot, slope = line[bisect_right(below, x)]
            mapped.append(base + (x - knot) * slope)
        # numpy's exponential, since that of Python may differ in the last bit
        powers = np.exp(np.array([-abs(z) for z in mapped])).tolist()
        return [(1.0 if z >= 0 else e) / (1.0 + e) for z, e in zip(mapped, powers, strict=True)]

    return calibrated
