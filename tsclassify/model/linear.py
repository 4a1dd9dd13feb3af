"""Fitting: logistic regression of many heads at once over one sparse matrix, and int8 weights from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.compiled import jit

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["LinearHeads", "RankedPairs", "fit_heads", "quantize"]

_BIAS_FEATURE: Final = 2.0
"""Value of the constant feature: the larger, the less the ridge holds the bias."""


@dataclass(frozen=True, slots=True, eq=False)
class RankedPairs:
    """Rows that must come before others: ``higher[i]`` before ``lower[i]`` on head ``heads[i]``.

    Attributes
    ----------
    higher, lower
        Row numbers, shape (p,).
    heads
        Head numbers, shape (p,).
    weight
        Weight of a pair's logistic loss beside that of a row.
    """

    higher: NDArray[np.int64]
    lower: NDArray[np.int64]
    heads: NDArray[np.int64]
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class LinearHeads:
    """Fitted heads: logits = ``features @ weights + bias``.

    Attributes
    ----------
    weights
        float32, shape (d, K).
    bias
        float64, shape (K,).
    last_change
        Mean absolute change of a dual variable in the last epoch; near 0 when converged.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float64]
    last_change: float


def fit_heads(
    features: csr_matrix,
    targets: NDArray[np.float32],
    row_weights: NDArray[np.float32],
    *,
    c: float | NDArray[np.float64],
    epochs: int,
    seed: int,
    pairs: RankedPairs | None = None,
    offsets: NDArray[np.float32] | None = None,
) -> LinearHeads:
    """Fit K heads: weighted logistic losses plus ``|w|^2 / (2 c)`` per head, by dual coordinate ascent.

    Parameters
    ----------
    features
        CSR float32, shape (n, d).
    targets
        In [0, 1], shape (n, K): hard or soft labels.
    row_weights
        Shape (n, K), at least 0; 0 leaves a label out, so heads may have labels for different rows.
    c
        Inverse strength of the ridge, one number or one per head.
    epochs
        Passes over the rows.
    seed
        Seed of the order of rows in each pass.
    pairs
        Rows to be ranked, each adding ``weight * log(1 + exp(-(z_higher - z_lower)))``: a row that is the
        difference of two.
    offsets
        Shape (n, K): known parts of the logits, around which the heads are fitted; none when not given.

    Returns
    -------
    LinearHeads

    Notes
    -----
    At the optimum ``w = c * sum_i a_i x_i`` with ``a_i = weight_i * (target_i - sigmoid(z_i))``, which holds for
    soft targets too. Each step solves this equation for one ``a_i`` with all others fixed. One thread, one seeded
    order: the same bytes every time. Source: Shalev-Shwartz and Zhang 2013, Stochastic Dual Coordinate Ascent;
    the pair term: Burges et al. 2005 (RankNet).
    """
    from scipy import sparse

    n_rows, n_heads = targets.shape
    matrix = features
    wanted = targets.astype(np.float32)
    weights = row_weights.astype(np.float32)
    given = np.zeros_like(wanted) if offsets is None else np.ascontiguousarray(offsets, dtype=np.float32)
    constant = np.full(n_rows, _BIAS_FEATURE, dtype=np.float32)
    if pairs is not None and len(pairs.heads):
        n_pairs = len(pairs.heads)
        matrix = sparse.vstack([features, features[pairs.higher] - features[pairs.lower]], format="csr")
        ranked = np.zeros((n_pairs, n_heads), dtype=np.float32)
        ranked[np.arange(n_pairs), pairs.heads] = pairs.weight
        wanted = np.concatenate([wanted, np.ones((n_pairs, n_heads), dtype=np.float32)])
        weights = np.concatenate([weights, ranked])
        given = np.concatenate([given, np.zeros((n_pairs, n_heads), dtype=np.float32)])
        constant = np.concatenate([constant, np.zeros(n_pairs, dtype=np.float32)])
    values = np.ascontiguousarray(matrix.data, dtype=np.float32)
    ends = matrix.indptr.astype(np.int64)
    columns = matrix.indices.astype(np.int32)
    squares = (
        np.asarray(matrix.multiply(matrix).sum(axis=1), dtype=np.float64).ravel() + constant.astype(np.float64) ** 2
    )
    strength = np.ascontiguousarray(np.broadcast_to(np.asarray(c, dtype=np.float64), (n_heads,)))
    table = np.zeros((features.shape[1], n_heads), dtype=np.float32)
    bias = np.zeros(n_heads, dtype=np.float64)
    dual = np.zeros((len(constant), n_heads), dtype=np.float32)
    rng = np.random.default_rng(seed)
    change = 0.0
    for _ in range(epochs):
        order = rng.permutation(len(constant))
        change = _epoch(
            ends, columns, values, constant, squares, wanted, weights, given, dual, table, bias, strength, order
        )
    return LinearHeads(table, bias * _BIAS_FEATURE, change / max(1, len(constant)))


@jit
def _epoch(  # noqa: C901 (compiled: a call inside the loops would cost)
    ends: Any,
    columns: Any,
    values: Any,
    constant: Any,
    squares: Any,
    wanted: Any,
    weights: Any,
    given: Any,
    dual: Any,
    table: Any,
    bias: Any,
    strength: Any,
    order: Any,
) -> float:
    """One pass over the rows; returns the summed absolute change of the dual variables."""
    n_heads = table.shape[1]
    z = np.empty(n_heads, dtype=np.float64)
    step = np.empty(n_heads, dtype=np.float64)
    moved = 0.0
    for i in order:
        for k in range(n_heads):
            z[k] = given[i, k] + bias[k] * constant[i]
        for p in range(ends[i], ends[i + 1]):
            for k in range(n_heads):
                z[k] += values[p] * table[columns[p], k]
        changed = False
        for k in range(n_heads):
            step[k] = 0.0
            weight = np.float64(weights[i, k])
            if weight <= 0.0:
                continue
            reach = strength[k] * squares[i]
            old = np.float64(dual[i, k])
            target = np.float64(wanted[i, k])
            # the solution lies between a sigmoid of 1 and one of 0; Newton steps, halving where they leave it
            low, high = weight * (target - 1.0), weight * target
            a = min(high, max(low, old))
            for _ in range(12):
                s = 1.0 / (1.0 + math.exp(-min(60.0, max(-60.0, z[k] + reach * (a - old)))))
                gap = a - weight * (target - s)
                if gap > 0.0:
                    high = a
                else:
                    low = a
                if abs(gap) < 1e-4 * weight:
                    break
                newton = a - gap / (1.0 + weight * reach * s * (1.0 - s))
                a = newton if low < newton < high else 0.5 * (low + high)
            if a != old:
                dual[i, k] = np.float32(a)
                step[k] = strength[k] * (np.float64(dual[i, k]) - old)
                moved += abs(a - old)
                changed = True
        if changed:
            for p in range(ends[i], ends[i + 1]):
                for k in range(n_heads):
                    table[columns[p], k] += np.float32(step[k] * values[p])
            for k in range(n_heads):
                bias[k] += step[k] * constant[i]
    return moved


def quantize(weights: NDArray[np.floating], lanes: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Round weights to int8 with one scale per head.

    Parameters
    ----------
    weights
        Shape (buckets, K).
    lanes
        Lanes of the table, at least K; further ones stay 0.

    Returns
    -------
    tuple
        int8 (buckets, lanes) in [-127, 127] and float64 scales (lanes,) with ``weights ~ int8 * scale``.

    Notes
    -----
    The scale is the largest absolute weight over 127: a clipped scale costs 0.02 average precision where this
    one costs at most 0.0002 (docs/model.md).
    """
    table = np.zeros((weights.shape[0], lanes), dtype=np.int8)
    scales = np.ones(lanes, dtype=np.float64)
    for k in range(weights.shape[1]):
        column = weights[:, k].astype(np.float64)
        largest = float(np.abs(column).max(initial=0.0))
        if largest > 0.0:
            scales[k] = largest / 127.0
            table[:, k] = np.rint(column / scales[k]).astype(np.int8)
    return table, scales
