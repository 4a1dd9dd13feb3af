"""What training hands over, and what a bundle holds: arrays and figures of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.records import OperatingPoint, SignalBand
from tsclassify.taxonomy import CATEGORIES, SIGNALS

if TYPE_CHECKING:
    from tsclassify.features.spec import FeatureSpec

__all__ = ["LANES", "SIGNAL_LANES", "TrainedModel"]

LANES = 8
"""int8 lanes of one bucket: seven categories in ``CATEGORIES`` order, then the language head. A model's own categories
follow, one lane each.

The language head is high for other languages, so that a post's strongest window is its most foreign one."""

SIGNAL_LANES = 16
"""int8 lanes of one bucket of the signal table: 14 signals in ``SIGNALS`` order, two unused."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A trained linear model: everything that scoring, explaining and judging it needs.

    Attributes
    ----------
    name
        Bundle name, for example ``en-v1``.
    spec
        How text becomes features.
    lexicon
        Normalized word to word-class name.
    weights
        int8, shape (buckets, L): seven category lanes, the language lane, then a lane for each added category.
    weight_scales, bias
        float64, shape (L,): logit = bias + weight_scale * sum of (value * weight).
    signal_weights, signal_scales, signal_bias
        int8 (some, 16), where ``some`` is ``buckets`` or a smaller power of two; float64 (16,); float64 (16,).
    passages, signal_passages
        How logits of passages make up those of posts, as ``PassageMix.rows``: float64, shapes (5, L) and (5, 16).
    calibration, signal_calibration, language_calibration
        Arrays that ``tsclassify.model.calibration.calibrate`` takes, by name.
    priors
        Category or signal to the share of positives at which scores are calibrated.
    operating_points
        Category to its table, by rising threshold.
    signal_bands
        Signal to its band.
    language_band
        Below ``no_below`` the text reads as another language, from ``yes_from`` as English.
    figures
        What was measured in training, JSON-able; for example ``figures["dev"]["incitement"]["ap"]``.
    sources
        One mapping per data file used: name, repository, commit, path, sha256, licence, use, n_rows.
    seed, config_sha256
        Seed of all random choices; hash of the configuration file.
    languages
        Language codes that the model was tested on.
    added
        Categories beside the seven, in the order of their lanes, to what each means.
    """

    name: str
    spec: FeatureSpec
    lexicon: Mapping[str, str]
    weights: NDArray[np.int8]
    weight_scales: NDArray[np.float64]
    bias: NDArray[np.float64]
    signal_weights: NDArray[np.int8]
    signal_scales: NDArray[np.float64]
    signal_bias: NDArray[np.float64]
    passages: NDArray[np.float64]
    signal_passages: NDArray[np.float64]
    calibration: Mapping[str, NDArray[np.float64]]
    signal_calibration: Mapping[str, NDArray[np.float64]]
    language_calibration: Mapping[str, NDArray[np.float64]]
    priors: Mapping[str, float]
    operating_points: Mapping[str, tuple[OperatingPoint, ...]]
    signal_bands: Mapping[str, SignalBand]
    language_band: SignalBand
    figures: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Mapping[str, Any], ...] = ()
    seed: int = 0
    config_sha256: str = ""
    languages: tuple[str, ...] = ("en",)
    added: Mapping[str, str] = field(default_factory=dict)

    @property
    def categories(self) -> tuple[str, ...]:
        """Category names in column order: the seven, then those added."""
        return (*CATEGORIES, *self.added)

    def heads(self) -> dict[str, tuple[int, int]]:
        """Category or signal to its table (0 or 1) and lane there."""
        lanes = [*range(len(CATEGORIES)), *range(LANES, LANES + len(self.added))]
        categories = {name: (0, lane) for name, lane in zip(self.categories, lanes, strict=True)}
        return categories | {name: (1, lane) for lane, name in enumerate(SIGNALS)}

    def wide_signal_weights(self) -> NDArray[np.int8]:
        """Signal weights with one row per bucket: int8, shape (buckets, 16).

        A bucket is the highest bits of a hash, so each row of a smaller table stands for neighbouring buckets.
        """
        return np.repeat(self.signal_weights, self.spec.n_buckets // len(self.signal_weights), axis=0)
