"""Whether what a bundle states can be used: a bundle with true hashes may still hold nonsense."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import BundleError, InputError
from tsclassify.features.scorer import PassageMix
from tsclassify.model.trained import TrainedModel
from tsclassify.records import OperatingPoint, SignalBand
from tsclassify.taxonomy import SIGNALS, check_added

__all__ = ["CALIBRATION_PARTS", "check_model"]

CALIBRATION_PARTS: Final = ("knots", "values", "slopes")
"""Arrays of a calibration."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9-]{1,35}", re.ASCII)
_MAX_KNOTS: Final = 1024
_MAX_POINTS: Final = 100_000
_LARGEST: Final = 1e12
"""A logit is a float32: the bias plus a scale times a sum of at most some millions."""
_LARGEST_SHARE: Final = 1000.0
_NEVER: Final = 2.0
"""The end of a band may lie above every score: the signal is then never true."""


def check_model(bundle: str, model: TrainedModel) -> None:
    """Refuse a model whose parts do not fit together, so that nothing fails or misleads later.

    Raises
    ------
    BundleError
        One sentence naming the part.
    """
    for name in ("weight_scales", "bias", "signal_scales", "signal_bias"):
        if getattr(model, name).ndim != 1:
            raise BundleError(f"{bundle}/weights.npz: {name} must have one dimension, got {getattr(model, name).ndim}")
        if not bool((np.abs(getattr(model, name)) <= _LARGEST).all()):
            raise BundleError(f"{bundle}/weights.npz: {name} must be of a size that scores can hold, got a larger one")
    for name in ("passages", "signal_passages"):
        _check_passages(f"{bundle}/weights.npz: {name}", getattr(model, name))
    place = f"{bundle}/manifest.json"
    _check_heads(bundle, model)
    _check_names(f"{place}: priors", model.priors, model.categories, others=SIGNALS)
    for name, prior in model.priors.items():
        if not 0.0 < prior < 1.0:
            raise BundleError(f"{place}: prior of {name} must be between 0 and 1, got {prior!r}")
    _check_names(f"{place}: operating_points", model.operating_points, (), others=model.categories)
    for name, points in model.operating_points.items():
        _check_points(f"{place}: operating points of {name}", points)
    _check_names(f"{place}: signal_bands", model.signal_bands, SIGNALS)
    for name, band in {**model.signal_bands, "language_band": model.language_band}.items():
        _check_band(f"{place}: band of {name}", band)
    if not _NAME.fullmatch(model.name):
        raise BundleError(f"{place}: name must be letters, digits, _ - and ., at most 64, got {len(model.name)} others")
    for name in model.languages:
        if not isinstance(name, str) or not _LANGUAGE.fullmatch(name):
            raise BundleError(f"{place}: languages must be language codes, got {type(name).__name__}")
    if not isinstance(model.figures, Mapping) or not all(isinstance(source, Mapping) for source in model.sources):
        raise BundleError(f"{place}: figures and sources must be objects, got something else")


def _check_heads(bundle: str, model: TrainedModel) -> None:
    try:
        check_added(f"{bundle}/manifest.json: added", model.added)
    except InputError as error:
        raise BundleError(error.message) from None
    heads = {
        "calibration": len(model.categories),
        "signal_calibration": len(SIGNALS),
        "language_calibration": 1,
    }
    for name, n_heads in heads.items():
        _check_calibration(f"{bundle}/weights.npz: {name}", getattr(model, name), n_heads)


def _check_passages(place: str, rows: NDArray[np.float64]) -> None:
    if rows.ndim != 2 or rows.shape[0] != len(PassageMix.__slots__):
        raise BundleError(f"{place} must have five rows, got shape {rows.shape}")
    # shares below 0 would let a threat lower a score
    if not bool((rows[:2] >= 0).all() and (rows[4] >= 0).all() and (np.abs(rows) <= _LARGEST_SHARE).all()):
        raise BundleError(f"{place} must hold shares from 0 to {_LARGEST_SHARE:g}, got others")


def _check_calibration(place: str, arrays: Mapping[str, NDArray[Any]], n_heads: int) -> None:
    if set(arrays) != set(CALIBRATION_PARTS):
        raise BundleError(f"{place} must have knots, values and slopes, got others")
    knots, values, slopes = (arrays[name] for name in CALIBRATION_PARTS)
    if any(array.dtype != np.float64 or array.ndim != 2 for array in (knots, values, slopes)):
        raise BundleError(f"{place} must be float64 of two dimensions, got something else")
    fits = knots.shape == values.shape and slopes.shape == (n_heads, 2)
    if not (fits and knots.shape[0] == n_heads and 1 <= knots.shape[1] <= _MAX_KNOTS):
        raise BundleError(
            f"{place} must be for {n_heads} heads, got shapes {knots.shape}, {values.shape}, {slopes.shape}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        steps = [np.diff(knots, axis=1), np.diff(values, axis=1)]
        rises = steps[1] / steps[0]
    if not all(bool(((part > 0) & np.isfinite(part)).all()) for part in (*steps, rises, slopes)):
        raise BundleError(f"{place} must rise strictly and finitely, got a map that does not")


def _check_names(place: str, given: Any, needed: tuple[str, ...], *, others: tuple[str, ...] = ()) -> None:
    missing = set(needed) - set(given)
    if missing or not set(given) <= {*needed, *others}:
        raise BundleError(f"{place} must name this library's categories or signals, got others")


def _check_points(place: str, points: tuple[OperatingPoint, ...]) -> None:
    if len(points) > _MAX_POINTS:
        raise BundleError(f"{place} must be at most {_MAX_POINTS:,}, got {len(points):,}")
    before = -math.inf
    for point in points:
        shares = [getattr(point, name) for name in OperatingPoint.__slots__ if not name.startswith("n_")]
        if not all(_is_number(share) and 0.0 <= share <= 1.0 for share in shares):
            raise BundleError(f"{place} must hold shares from 0 to 1, got another value")
        counts = (point.n_positive, point.n_items)
        if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
            raise BundleError(f"{place} must count items in whole numbers, got something else")
        if point.threshold < before:
            raise BundleError(f"{place} must come by rising threshold, got {point.threshold!r} after {before!r}")
        before = point.threshold


def _check_band(place: str, band: SignalBand) -> None:
    ends = (band.no_below, band.yes_from)
    if not (all(_is_number(end) for end in ends) and 0.0 <= ends[0] <= ends[1] <= _NEVER):
        raise BundleError(f"{place} must be two rising scores, got something else")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
