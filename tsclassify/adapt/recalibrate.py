"""``calibrate``: what scores mean on one's own stream, and which thresholds reach what there; heads stay."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.adapt.card import bundle_texts
from tsclassify.adapt.fitting import bundle_name, points_of
from tsclassify.adapt.pipeline import model_of_pipeline
from tsclassify.adapt.rows import LEAST, enough, read_rows
from tsclassify.adapt.warm import base_heads, base_mix
from tsclassify.classifier import Classifier, load, locate_bundle
from tsclassify.errors import InputError, needs
from tsclassify.metrics import average_precision, expected_calibration_error
from tsclassify.model.bundle import read_bundle, write_bundle
from tsclassify.model.calibration import calibrate as calibrated
from tsclassify.model.calibration import stack_calibrations
from tsclassify.model.wordclasses import lexicon_from_mapping
from tsclassify.records import OperatingPoint
from tsclassify.training.logistic import fit_bounded
from tsclassify.training.passages import read_passages

__all__ = ["calibrate"]

_RIDGE: Final = 5.0
"""Draws the slope to 1: a few dozen positives move the offset, and the slope only when they insist."""

_LEAST_SLOPE: Final = 0.05
_WANTED: Final = 0.05
"""Half-width of an interval that the number of positives still lacking is told for."""

_NARROW: Final = 1.959964

Map = Mapping[str, NDArray[np.float64]]


@needs("calibrate")
def calibrate(
    rows: Any,
    *,
    out: str | os.PathLike[str],
    model: Any = None,
    base: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Classifier:
    """Calibrate a model on own labelled posts, or make a bundle of a fitted pipeline.

    Parameters
    ----------
    rows
        LabelledData posts as for ``fit``: a random sample of the stream, none of which the model was fitted on.
    out
        Folder of the bundle to be written; its name is that of the model.
    model
        A bundle, the shipped one when left out; or a fitted scikit-learn ``Pipeline`` of ``TextFeatures`` and
        ``LinearHeads``, whose heads replace those of the same name in `base` and are added to it otherwise.
    base
        Bundle that a pipeline's heads go into; the shipped one when left out.
    say
        Called with a line about each category.

    Returns
    -------
    Classifier
        The bundle written, loaded. Its priors are the shares of positives in the rows, its operating points are
        measured on them, with intervals; ``model.figures["calibrated"]`` says how well scores fit before and after.

    Raises
    ------
    InputError
        When rows cannot be read, no category has labels enough, or the pipeline cannot become a bundle.
    """
    name = bundle_name(out, "calibrate")
    if model is None or isinstance(model, str | os.PathLike):
        if base is not None:
            raise InputError("calibrate: base must be left out beside a bundle, got both", hint="base is for pipelines")
        start, sha256 = read_bundle(locate_bundle(model))
    else:
        start, sha256 = model_of_pipeline(model, base)
    data = read_rows(rows, start.categories, place="calibrate")
    counts = enough(data)
    chosen = [key for key, both in counts.items() if min(both) >= LEAST]
    for key in counts.keys() - set(chosen):
        positive, negative = counts[key]
        say(f"{key}: kept as it was; {positive} posts with it and {negative} without, at least {LEAST} needed of each")
    if not chosen:
        raise InputError(f"calibrate: some category must have at least {LEAST} posts with it and without, got none")
    read = read_passages(data.texts, start.spec, lexicon_from_mapping(start.lexicon))
    before = calibrated(start.calibration, read.logits(base_heads(start), base_mix(start)))
    maps = [{part: values[k : k + 1] for part, values in start.calibration.items()} for k in range(len(before[0]))]
    priors, points = dict(start.priors), dict(start.operating_points)
    figures: dict[str, dict[str, Any]] = {}
    for key in chosen:
        k = start.categories.index(key)
        told = data.gold[:, k] >= 0
        gold, old = data.gold[told, k], before[told, k]
        slope, offset = _straight(old, gold)
        maps[k] = _moved(maps[k], slope, offset)
        logits = np.log(old) - np.log1p(-old)
        scores = (1.0 / (1.0 + np.exp(-(slope * logits + offset)))).astype(np.float32)
        priors[key] = float((gold == 1).mean())
        points[key] = points_of(scores, gold)
        figures[key] = {
            "n_items": len(gold),
            "n_positive": int((gold == 1).sum()),
            "slope": round(slope, 4),
            "offset": round(offset, 4),
            "ap": round(average_precision(gold == 1, scores), 4),
            "ece_before": round(expected_calibration_error(gold == 1, old.astype(np.float32)), 4),
            "ece": round(expected_calibration_error(gold == 1, scores), 4),
        }
        say(_said(key, figures[key], points[key]))
    made = replace(
        start,
        name=name,
        calibration=stack_calibrations(maps),
        priors=priors,
        operating_points=points,
        figures={
            **{part: start.figures[part] for part in ("fit", "kept") if part in start.figures},
            "base": {"name": start.name, "sha256": sha256},
            "calibrated": figures,
            "calibrated_on": {"n_rows": len(data), "sha256": data.sha256},
        },
    )
    write_bundle(made, out, texts=bundle_texts(made))
    return load(out)


def _straight(scores: NDArray[np.float64], gold: NDArray[np.int8]) -> tuple[float, float]:
    """Slope and offset of the logit that fit the labels best; Platt's smoothed targets."""
    clipped = np.clip(scores, 1e-9, 1 - 1e-9)
    z = np.log(clipped) - np.log1p(-clipped)
    n_positive, n_negative = int((gold == 1).sum()), int((gold == 0).sum())
    target = np.where(gold == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    slope, offset = fit_bounded(
        np.stack([z, np.ones_like(z)]),
        target,
        np.ones_like(z),
        ridge=np.diag([_RIDGE, 0.0]),
        centre=np.array([1.0, 0.0]),
        lowest=np.array([_LEAST_SLOPE, -math.inf]),
        start=np.array([1.0, 0.0]),
    ).tolist()
    return slope, offset


def _moved(line: Map, slope: float, offset: float) -> dict[str, NDArray[np.float64]]:
    """The same map, then a straight line."""
    return {"knots": line["knots"], "values": slope * line["values"] + offset, "slopes": slope * line["slopes"]}


def _said(name: str, row: Mapping[str, Any], points: tuple[OperatingPoint, ...]) -> str:
    half = max(((point.recall_high - point.recall_low) / 2 for point in points), default=1.0)
    needed = math.ceil(_NARROW**2 * 0.25 / _WANTED**2)
    more = "" if half <= _WANTED else f"; {needed} would make that ±{_WANTED:.2f}"
    return (
        f"{name}: {row['n_positive']} of {row['n_items']} posts, calibration error {row['ece_before']:.3f} -> "
        f"{row['ece']:.3f}, recall known to ±{half:.2f} by {row['n_positive']} positives{more}"
    )
