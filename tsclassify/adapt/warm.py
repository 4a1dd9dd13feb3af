"""Warm start: heads that begin at a base's and change as far as own labels, cross-fitted, bear out.

The logit of a head is ``base logits @ start + offset + features @ change``. ``start`` and ``offset`` are few numbers;
``change`` is a weight a feature, drawn to 0 by a ridge whose strength is chosen on rows that the fit has not seen. All
three are linear in the features, so that what comes out is one head again and is explained exactly like the base's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.features.scorer import PassageMix
from tsclassify.model.linear import fit_heads
from tsclassify.training.logistic import fit_bounded
from tsclassify.training.passages import PassageRows, fit_passage_mix
from tsclassify.training.pipeline import feature_scaling

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from tsclassify.model.trained import TrainedModel

__all__ = ["Heads", "WarmFit", "base_heads", "base_mix", "warm_fit"]

_STRENGTHS: Final = (0.02, 0.1, 0.5, 2.5)
"""Inverse strengths of the ridge that are tried, beside no change at all."""

_EPOCHS: Final = 8
_FOLDS: Final = 4
_CHOSEN_ON: Final = 8_000
"""Rows on which the strength is chosen, and on which the few numbers of a start are fitted: more do not move it."""

_START_RIDGE: Final = 10.0
"""Draws the start to the base's own head, for logits of variance 1."""

_FEW_SEVERAL: Final = 50
"""Posts of several passages below which a new head mixes them as ``fit_passage_mix`` starts."""

_FITS_AT_ONCE: Final = 2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """Linear heads: float32 weights (buckets, K) and float64 bias (K,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float64]

    def logits(self, features: csr_matrix) -> NDArray[np.float64]:
        """Shape (n, K)."""
        return np.asarray(features @ self.weights, dtype=np.float64) + self.bias


@dataclass(frozen=True, slots=True, eq=False)
class WarmFit:
    """H adapted heads.

    Attributes
    ----------
    heads
        Fitted on all rows.
    passages
        How passages make up their logits.
    oof
        Logits of rows by heads that have not seen them: float64, shape (n, H).
    strengths
        The chosen inverse strength of each head's ridge; 0 for no change of the start.
    """

    heads: Heads
    passages: PassageMix
    oof: NDArray[np.float64]
    strengths: NDArray[np.float64]


def _lanes(model: TrainedModel) -> list[int]:
    return [lane for table, lane in model.heads().values() if table == 0]


def base_heads(model: TrainedModel) -> Heads:
    """The category heads of a bundle, in column order."""
    lanes = _lanes(model)
    scales = model.weight_scales[lanes].astype(np.float32)
    return Heads(model.weights[:, lanes].astype(np.float32) * scales, model.bias[lanes])


def base_mix(model: TrainedModel) -> PassageMix:
    """How a bundle's category heads mix passages."""
    return PassageMix.from_rows(model.passages[:, _lanes(model)])


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """``base logits @ slopes + offset``: shapes (J, H) and (H,)."""

    slopes: NDArray[np.float64]
    offset: NDArray[np.float64]

    def logits(self, base: NDArray[np.float64]) -> NDArray[np.float64]:
        return base @ self.slopes + self.offset


def warm_fit(
    read: PassageRows, gold: NDArray[np.int8], columns: list[int | None], base: TrainedModel, *,
    groups: NDArray[np.int64], seed: int, say: Say,
) -> WarmFit:  # fmt: skip
    """Fit heads from a base's.

    Parameters
    ----------
    read
        n posts.
    gold
        Shape (n, H): 1, 0, or -1 for unknown.
    columns
        For each head the base's column that it adapts, or None when it is new.
    base
        The base.
    groups
        Number of each post, shape (n,): posts of one number lie in one fold.
    seed
        Seed of folds and orders.
    say
        Called with a line after each stage.
    """
    return _Fit(read, gold, columns, base, groups, seed).run(say)


class _Fit:
    def __init__(
        self, read: PassageRows, gold: NDArray[np.int8], columns: list[int | None], base: TrainedModel,
        groups: NDArray[np.int64], seed: int,
    ) -> None:  # fmt: skip
        self.read, self.gold, self.columns, self.seed = read, gold, columns, seed
        self.base, self.mix = base_heads(base), base_mix(base)
        self.known = self.base.logits(read.whole)
        scaling = feature_scaling(read.whole, power=1.0)
        # only features that occur can change
        self.used, places = np.unique(read.whole.indices, return_inverse=True)
        self.scaling = scaling[self.used]
        self.scaled = read.whole.copy()
        self.scaled.indices = places.astype(np.int32)
        self.scaled = type(self.scaled)(
            (self.scaled.data * self.scaling[places], self.scaled.indices, self.scaled.indptr),
            shape=(len(gold), len(self.used)),
        )
        self.rng = np.random.default_rng(seed)
        self.fold_of = self.rng.permutation(int(groups.max()) + 1)[groups] % _FOLDS
        order = self.rng.permutation(len(gold))
        is_positive = (gold[order] == 1).any(axis=1)
        half = _CHOSEN_ON // 2
        self.order = np.concatenate(
            [order[is_positive][:half], order[~is_positive], order[is_positive][half:]], dtype=np.int64
        )
        """Rows as a choice of some takes them: up to half of it hold a category, so that rare ones are among them."""

    def run(self, say: Say) -> WarmFit:
        strengths = self.choose()
        say(f"change of each head: {', '.join(f'{c:g}' for c in strengths)} (0: none)")
        whole, best = (np.zeros(self.gold.shape) for _ in range(2))

        def fold(number: int) -> tuple[Heads, _Start]:
            return self.fit(np.flatnonzero(self.fold_of != number), strengths)

        with ThreadPoolExecutor(_FITS_AT_ONCE) as pool:
            fits = list(pool.map(fold, range(_FOLDS + 1)))
        for number, (heads, _) in enumerate(fits[:_FOLDS]):
            held = np.flatnonzero(self.fold_of == number)
            whole[held], best[held] = self.read.take(held).pairs(heads)
        heads, start = fits[-1]
        passages = self.mixes(start, whole, best)
        return WarmFit(heads, passages, self.read.mixed(whole, best, passages), strengths)

    def start(self, rows: NDArray[np.int64]) -> _Start:
        """Where the heads begin, by a few of the rows."""
        n_known = self.known.shape[1]
        slopes, offset = np.zeros((n_known, len(self.columns))), np.zeros(len(self.columns))
        told = np.zeros(len(self.gold), dtype=np.bool_)
        told[rows] = True
        for k, own in enumerate(self.columns):
            chosen = self.order[told[self.order] & (self.gold[self.order, k] >= 0)][:_CHOSEN_ON]
            known = self.known[chosen]
            mean, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
            centre = np.zeros(n_known + 1)
            if own is not None:
                centre[1 + own] = spread[own]
            theta = fit_bounded(
                np.vstack([np.ones(len(chosen)), ((known - mean) / spread).T]),
                (self.gold[chosen, k] == 1).astype(np.float64),
                np.ones(len(chosen)),
                ridge=np.diag([1e-6, *[_START_RIDGE] * n_known]),
                centre=centre,
                lowest=np.full(n_known + 1, -np.inf),
                start=centre,
            )
            slopes[:, k] = theta[1:] / spread
            offset[k] = theta[0] - (mean * slopes[:, k]).sum()
        return _Start(slopes, offset)

    def change(
        self, rows: NDArray[np.int64], start: NDArray[np.float64], strengths: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Weights and bias to be added, for H heads or several times as many; shapes (used, M) and (M,)."""
        times = len(strengths) // len(self.columns)
        gold = np.tile(self.gold[rows], times)
        heads = fit_heads(
            self.scaled[rows],
            (gold == 1).astype(np.float32),
            ((gold >= 0) & (strengths > 0)).astype(np.float32),
            c=np.maximum(strengths, 1e-9),
            epochs=_EPOCHS,
            seed=self.seed,
            offsets=np.tile(start, times).astype(np.float32),
        )
        return heads.weights, heads.bias

    def choose(self) -> NDArray[np.float64]:
        """The strength of each head with the smallest cross-fitted loss."""
        some = self.order[:_CHOSEN_ON]
        tried = np.repeat(np.array(_STRENGTHS), len(self.columns))
        loss = np.zeros((1 + len(_STRENGTHS), len(self.columns)))

        def fold(number: int) -> NDArray[np.float64]:
            rows, held = some[self.fold_of[some] != number], some[self.fold_of[some] == number]
            start = self.start(rows)
            weights, bias = self.change(rows, start.logits(self.known[rows]), tried)
            begun = start.logits(self.known[held])
            changed = np.asarray(self.scaled[held] @ weights, dtype=np.float64) + bias
            logits = np.concatenate([begun, np.tile(begun, len(_STRENGTHS)) + changed], axis=1)
            gold = np.tile(self.gold[held], 1 + len(_STRENGTHS))
            losses = (np.logaddexp(0.0, logits) - (gold == 1) * logits) * (gold >= 0)
            summed: NDArray[np.float64] = losses.sum(axis=0).reshape(loss.shape)
            return summed

        with ThreadPoolExecutor(_FITS_AT_ONCE) as pool:
            for part in pool.map(fold, range(_FOLDS)):
                loss += part
        chosen: NDArray[np.float64] = np.array([0.0, *_STRENGTHS])[np.argmin(loss, axis=0)]
        return chosen

    def fit(self, rows: NDArray[np.int64], strengths: NDArray[np.float64]) -> tuple[Heads, _Start]:
        """Heads as the kernel sums them, fitted on some of the rows."""
        start = self.start(rows)
        weights = self.base.weights @ start.slopes.astype(np.float32)
        bias = self.base.bias @ start.slopes + start.offset
        changed, shift = self.change(rows, start.logits(self.known[rows]), strengths)
        weights[self.used] += changed * self.scaling[:, None]
        return Heads(weights, bias + shift), start

    def mixes(self, start: _Start, whole: NDArray[np.float64], best: NDArray[np.float64]) -> PassageMix:
        """A head that adapts another mixes passages as that one does, at the scale that it has now."""
        several = self.read.doublings > 0
        rows = np.zeros((5, len(self.columns)))
        for k, own in enumerate(self.columns):
            if own is not None:
                shares, slope = self.mix.rows()[:, own], start.slopes[own, k]
                moved = start.offset[k] * (1.0 - shares[0] - shares[1])
                rows[:, k] = [shares[0], shares[1], slope * shares[2], slope * shares[3] + moved, shares[4]]
            elif (several & (self.gold[:, k] >= 0)).sum() < _FEW_SEVERAL:
                rows[:, k] = [0.5, 0.5, 0.0, 0.0, 0.0]
            else:
                told = (self.gold[:, k] >= 0).astype(np.float64)
                gold = (self.gold[:, k : k + 1] == 1).astype(np.float64)
                mix = fit_passage_mix(self.read, whole[:, k : k + 1], best[:, k : k + 1], gold, told)
                rows[:, k] = mix.rows()[:, 0]
        return PassageMix.from_rows(rows)
