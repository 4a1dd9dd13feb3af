"""A fitted scikit-learn pipeline as a model: its heads in the place of a bundle's, or beside them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from tsclassify.adapt.fitting import put_heads, with_head_room
from tsclassify.adapt.warm import Heads
from tsclassify.classifier import locate_bundle
from tsclassify.errors import InputError
from tsclassify.estimators import LinearHeads, TextFeatures
from tsclassify.features.scorer import PassageMix
from tsclassify.model.bundle import read_bundle
from tsclassify.model.calibration import stack_calibrations
from tsclassify.model.trained import TrainedModel
from tsclassify.model.wordclasses import lexicon_from_mapping
from tsclassify.taxonomy import check_added

__all__ = ["model_of_pipeline"]


def model_of_pipeline(pipeline: Any, base: str | os.PathLike[str] | None) -> tuple[TrainedModel, str]:
    """A bundle's model with the heads of a pipeline, uncalibrated; and the sha256 of that bundle.

    Raises
    ------
    InputError
        When it is no fitted pipeline of ``TextFeatures`` and ``LinearHeads``, was not fitted on named categories, or
        reads other features than the base.
    """
    features, heads = _steps(pipeline)
    start, sha256 = read_bundle(locate_bundle(base))
    if features.resolved() != (start.spec, lexicon_from_mapping(start.lexicon)):
        raise InputError(
            f"calibrate: features of the pipeline must be those of {start.name}, got others",
            hint="leave spec and lexicon of TextFeatures at their defaults",
        )
    names = [str(name) for name in heads.classes_] if heads.is_named_ else []
    if not names:
        raise InputError(
            "calibrate: pipeline must be fitted on a data frame with one column a category, got labels without names"
        )
    added = {name: "a category of a fitted pipeline" for name in names if name not in start.categories}
    check_added("calibrate", added)
    model = with_head_room(replace(start, added={**start.added, **added}))
    lanes = [model.heads()[name][1] for name in names]
    # a pipeline reads posts whole
    mix = PassageMix.of_whole_posts(len(names))
    model = put_heads(model, lanes, Heads(heads.coef_.T, heads.intercept_), mix)
    line = {"knots": np.array([[0.0]]), "values": np.array([[0.0]]), "slopes": np.ones((1, 2))}
    maps = [
        line if name in names else {part: values[k : k + 1] for part, values in model.calibration.items()}
        for k, name in enumerate(model.categories)
    ]
    priors = {**model.priors, **dict(zip(names, heads.prior_.tolist(), strict=True))}
    points = {name: points for name, points in model.operating_points.items() if name not in names}
    return replace(model, calibration=stack_calibrations(maps), priors=priors, operating_points=points), sha256


def _steps(pipeline: Any) -> tuple[TextFeatures, LinearHeads]:
    steps = [step for _, step in getattr(pipeline, "steps", ())]
    if len(steps) != 2 or not isinstance(steps[0], TextFeatures) or not isinstance(steps[1], LinearHeads):
        raise InputError(
            "calibrate: model must be a bundle or a pipeline of TextFeatures and LinearHeads, "
            f"got {type(pipeline).__name__}"
        )
    if not hasattr(steps[1], "coef_"):
        raise InputError("calibrate: pipeline must be fitted, got one that is not")
    return steps[0], steps[1]
