"""From logits to probabilities: a strictly rising, piecewise linear map of the logit, one per head."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibrate", "for_one", "prepared", "sigmoid", "stack_calibrations", "uncalibrate"]

_FEW_ROWS: Final = 32
"""Up to here the calls cost more than the arithmetic, so that the way with the fewest calls is the fastest."""

_BLOCK_ROWS: Final = 1024
"""Rows mapped at a time, so that their arrays stay in a cache."""


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
    knots, values, slopes = parameters["knots"], parameters["values"], parameters["slopes"]
    x = np.ascontiguousarray(logits, dtype=np.float64)
    if len(x) <= _FEW_ROWS and "part_slopes" in parameters:
        # the same parts, added in the same order, so the same bits
        parts = x - parameters["part_knots"]
        np.maximum(parts, parameters["part_floors"], out=parts)
        np.minimum(parts, parameters["part_ceilings"], out=parts)
        parts *= parameters["part_slopes"]
        parts[0] += values[:, 0]
        return sigmoid(np.add.reduce(parts, axis=0))
    if "line_knots" in parameters:
        made = np.empty_like(x)
        for first in range(0, len(x), _BLOCK_ROWS):
            made[first : first + _BLOCK_ROWS] = sigmoid(_by_line(parameters, x[first : first + _BLOCK_ROWS]))
        return made
    # a sum of rising parts over all heads at once: one post costs as many numpy calls as a million
    mapped = np.minimum(x - knots[:, 0], 0.0) * slopes[:, 0] + values[:, 0]
    for m in range(knots.shape[1] - 1):
        width = knots[:, m + 1] - knots[:, m]
        slope = (values[:, m + 1] - values[:, m]) / width
        mapped += np.minimum(np.maximum(x - knots[:, m], 0.0), width) * slope
    mapped += np.maximum(x - knots[:, -1], 0.0) * slopes[:, 1]
    return sigmoid(mapped)


def _by_line(parameters: Mapping[str, NDArray[np.float64]], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The map of logits, of each by the one line that holds between the knots around it."""
    knots = parameters["line_knots"]
    # as many knots as do not lie above a logit, so many lines lie before its own
    at = (x >= parameters["knots_by_place"]).sum(axis=0, dtype=np.intp)
    at += np.arange(0, len(knots), len(knots) // x.shape[1])
    mapped: NDArray[np.float64] = x - knots[at]
    mapped *= parameters["line_slopes"][at]
    mapped += parameters["line_bases"][at]
    return mapped


def uncalibrate(
    parameters: Mapping[str, NDArray[np.float64]], probabilities: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Logits at which ``calibrate`` gives these probabilities, each in (0, 1); shape (n, K)."""
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-12, 1.0 - 1e-12)
    mapped = np.log(clipped) - np.log1p(-clipped)
    knots, values, slopes = parameters["knots"], parameters["values"], parameters["slopes"]
    logits = np.empty_like(mapped)
    for k in range(mapped.shape[1]):
        y = mapped[:, k]
        inner = np.interp(y, values[k], knots[k])
        below = np.minimum(y - values[k, 0], 0.0) / slopes[k, 0]
        above = np.maximum(y - values[k, -1], 0.0) / slopes[k, 1]
        logits[:, k] = inner + below + above
    return logits


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


def prepared(parameters: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """The same map with its rising parts made once, for fast calls of ``calibrate``; not for a bundle.

    The parts lie below the knots, between them and above: arrays of shape (M + 1, 1, K). Of the lines those of one head
    follow those of another: arrays of shape (K * (M + 1),).
    """
    knots, values, slopes = parameters["knots"], parameters["values"], parameters["slopes"]
    widths = knots[:, 1:] - knots[:, :-1]
    none = np.zeros((len(knots), 1))
    parts = {
        "part_knots": [knots[:, :1], knots],
        "part_floors": [none - np.inf, np.zeros_like(knots)],
        "part_ceilings": [none, widths, none + np.inf],
        "part_slopes": [slopes[:, :1], (values[:, 1:] - values[:, :-1]) / widths, slopes[:, 1:]],
    }
    made = {name: np.ascontiguousarray(np.concatenate(arrays, axis=1).T[:, None]) for name, arrays in parts.items()}
    lines = np.array(_lines(parameters)).reshape(-1, 3).T
    made |= {name: np.ascontiguousarray(lines[k]) for k, name in enumerate(("line_bases", "line_knots", "line_slopes"))}
    return {**parameters, **made, "knots_by_place": np.ascontiguousarray(knots.T[:, None])}


def _lines(parameters: Mapping[str, NDArray[np.float64]]) -> list[list[tuple[float, float, float]]]:
    """Of each head, for each place below, between and above its knots: what the map is at a knot, it, and the slope.

    Of the rising parts of a head those below a logit are whole and those above are nothing, so that all but one can be
    summed up once, in the order in which ``calibrate`` adds them.
    """
    lines = []
    for below, heights, (first, last) in zip(
        parameters["knots"].tolist(), parameters["values"].tolist(), parameters["slopes"].tolist(), strict=True
    ):
        base = heights[0]
        line = [(base, below[0], first)]
        for (low, high), (bottom, top) in zip(pairwise(below), pairwise(heights), strict=True):
            slope = (top - bottom) / (high - low)
            line.append((base, low, slope))
            base += (high - low) * slope
        lines.append([*line, (base, below[-1], last)])
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
