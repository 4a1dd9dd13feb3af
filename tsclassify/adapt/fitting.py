"""``fit``: a bundle whose heads are adapted to own labels, with categories of one's own beside the seven."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.adapt.card import bundle_texts
from tsclassify.adapt.rows import LEAST, enough, read_rows
from tsclassify.adapt.warm import Heads, WarmFit, base_heads, base_mix, warm_fit
from tsclassify.classifier import Classifier, load, locate_bundle
from tsclassify.errors import InputError, needs
from tsclassify.evaluation.bootstrap import bootstrap, interval
from tsclassify.evaluation.labelled import LabelledData
from tsclassify.features.scorer import PassageMix
from tsclassify.metrics import average_precision, expected_calibration_error
from tsclassify.model.bundle import read_bundle, write_bundle
from tsclassify.model.calibration import calibrate as calibrated
from tsclassify.model.calibration import stack_calibrations
from tsclassify.model.linear import quantize
from tsclassify.model.trained import LANES, TrainedModel
from tsclassify.model.wordclasses import lexicon_from_mapping
from tsclassify.records import OperatingPoint
from tsclassify.resources import shipped
from tsclassify.taxonomy import check_added
from tsclassify.training.calibration import fit_calibration
from tsclassify.training.operating import operating_points
from tsclassify.training.passages import PassageRows, read_passages

__all__ = ["bundle_name", "fit", "points_of", "put_heads", "with_head_room"]

_DRAWS: Final = 300
_MANY_ROWS: Final = 50_000
_FEW_DRAWS: Final = 60
"""Bootstrap draws of more than ``_MANY_ROWS`` posts, whose intervals are narrow."""

Say = Callable[[str], None]


@needs("fit")
def fit(
    rows: Any,
    *,
    out: str | os.PathLike[str],
    base: str | os.PathLike[str] | None = None,
    categories: Mapping[str, str] | None = None,
    seed: int = 7,
    say: Say = lambda line: None,
) -> Classifier:
    """Adapt a model to own labelled posts, and add own categories.

    Parameters
    ----------
    rows
        A data frame, a ``datasets.Dataset``, a sequence of mappings, or the path of a JSONL, CSV, TSV or Parquet file.
        Every row has ``text``; its labels are ``labels`` (a list of the categories that hold, in CSV joined by ``|``),
        or ``label`` (one category, or ``none``), or one field a category (true, false, 0, 1, or nothing for unknown).
    out
        Folder of the bundle to be written; its name is that of the model.
    base
        Bundle that the heads begin at; the shipped one when left out.
    categories
        Name to meaning of each category to be added. Every row with ``labels`` or ``label`` says whether it holds.
    seed
        Seed of folds and orders: the same rows and seed give the same bundle.
    say
        Called with a line after each stage.

    Returns
    -------
    Classifier
        The bundle written, loaded. ``model.figures["fit"]`` says for each category what its labels were and what
        cross-fitting measured, beside the base.

    Raises
    ------
    InputError
        When rows cannot be read, a label is of no category, or there are too few labels.
    BundleError
        When the base cannot be read or `out` not be written.

    Notes
    -----
    Heads without labels stay as they are, and so do signals and the language head. Figures, calibration and operating
    points rest on the rows given, each scored by heads that have not seen it. Rows that the base was trained on make
    it look better than it is.
    """
    name = bundle_name(out, "fit")
    added = dict(categories or {})
    start, base_sha256 = read_bundle(locate_bundle(base))
    check_added("fit", {key: meaning for key, meaning in added.items() if key not in start.added})
    model = with_head_room(replace(start, added={**start.added, **added}))
    data = read_rows(rows, model.categories, added=tuple(added), place="fit")
    chosen = _chosen(data, start, say)
    say(f"rows: {len(data)}, with labels of {', '.join(chosen)}")
    read = read_passages(data.texts, model.spec, lexicon_from_mapping(model.lexicon))
    say(f"features: {read.whole.nnz // max(1, len(data))} a post")
    columns = [model.categories.index(category) for category in chosen]
    gold = data.gold[:, columns]
    own = [column if model.categories[column] in start.categories else None for column in columns]
    _, groups = np.unique(np.array([_digest(text) for text in data.texts]), return_inverse=True)
    warm = warm_fit(read, gold, own, start, groups=groups, seed=seed, say=say)
    say("heads fitted")
    calibration = [fit_calibration(*_told(warm.oof[:, k], gold[:, k])) for k in range(len(chosen))]
    scores = calibrated(stack_calibrations(calibration), warm.oof).astype(np.float32)
    points = {category: points_of(scores[:, k], gold[:, k]) for k, category in enumerate(chosen)}
    counts = enough(data)
    figures = {
        "base": {"name": start.name, "sha256": base_sha256},
        "fit": _figures(chosen, warm, gold, scores, own, _base_scores(start, read)),
        "kept": {key: list(counts.get(key, (0, 0))) for key in start.categories if key not in chosen},
        "n_rows": {"labelled": len(data)},
    }
    made = replace(
        _with_heads(model, columns, warm),
        name=name,
        calibration=_with_calibration(model, columns, calibration),
        priors={**model.priors, **{key: float((gold[:, k] == 1).sum() / (gold[:, k] >= 0).sum())
                                   for k, key in enumerate(chosen)}},
        operating_points={**model.operating_points, **points},
        figures=figures,
        sources=(*start.sources, _source(data)),
        seed=seed,
        config_sha256=_digest(json.dumps([base_sha256, data.sha256, seed, added], sort_keys=True)),
    )  # fmt: skip
    write_bundle(made, out, texts=bundle_texts(made))
    return load(out)


def bundle_name(out: str | os.PathLike[str], place: str) -> str:
    """Name of a bundle, that of its folder.

    Raises
    ------
    InputError
        When there is none.
    """
    if not isinstance(out, str | os.PathLike) or not Path(os.fspath(out)).name:
        raise InputError(f"{place}: out must be the folder of a bundle, got {out!r:.60}")
    return Path(os.fspath(out)).name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _source(data: LabelledData) -> dict[str, Any]:
    return {
        "name": "own rows", "repository": "", "commit": "", "path": "", "sha256": data.sha256,
        "licence": "as their owner says", "use": "train", "n_rows": len(data),
    }  # fmt: skip


def _chosen(data: LabelledData, base: TrainedModel, say: Say) -> list[str]:
    """Categories with labels enough.

    Raises
    ------
    InputError
        When a new category has too few, or no category has enough.
    """
    counts = enough(data)
    chosen = []
    for name in data.categories:
        positive, negative = counts.get(name, (0, 0))
        if min(positive, negative) >= LEAST:
            chosen.append(name)
        elif name not in base.categories:
            raise InputError(
                f"fit: {name} must have at least {LEAST} posts with it and as many without, "
                f"got {positive} and {negative}"
            )
        elif positive + negative:
            say(
                f"{name}: kept as in the base; {positive} posts with it and {negative} without, at least {LEAST} needed"
            )
    if not chosen:
        raise InputError(
            f"fit: some category must have at least {LEAST} posts with it and {LEAST} without, got none",
            hint="label more posts, or name the fields of labels after categories",
        )
    return chosen


def with_head_room(model: TrainedModel) -> TrainedModel:
    """The model with a silent lane for each added category that has none yet."""
    more = LANES + len(model.added) - model.weights.shape[1]
    padding = ((0, 0), (0, more))
    line = {"knots": np.array([[0.0]]), "values": np.array([[0.0]]), "slopes": np.ones((1, 2))}
    calibration = stack_calibrations([model.calibration, *[line] * more])
    return replace(
        model,
        weights=np.pad(model.weights, padding),
        weight_scales=np.pad(model.weight_scales, (0, more), constant_values=1.0),
        bias=np.pad(model.bias, (0, more)),
        passages=np.pad(model.passages, padding),
        calibration=calibration,
    )


def _with_heads(model: TrainedModel, columns: list[int], warm: WarmFit) -> TrainedModel:
    lanes = [lane for table, lane in model.heads().values() if table == 0]
    return put_heads(model, [lanes[column] for column in columns], warm.heads, warm.passages)


def put_heads(model: TrainedModel, lanes: list[int], heads: Heads, mix: PassageMix) -> TrainedModel:
    """The model with other heads in some of its lanes."""
    table, scales = quantize(heads.weights, len(lanes))
    weights, passages = model.weights.copy(), model.passages.copy()
    weight_scales, bias = model.weight_scales.copy(), model.bias.copy()
    weights[:, lanes], weight_scales[lanes], bias[lanes], passages[:, lanes] = table, scales, heads.bias, mix.rows()
    return replace(model, weights=weights, weight_scales=weight_scales, bias=bias, passages=passages)


def _with_calibration(
    model: TrainedModel, columns: list[int], heads: list[dict[str, NDArray[np.float64]]]
) -> dict[str, NDArray[np.float64]]:
    fitted = dict(zip(columns, heads, strict=True))
    return stack_calibrations(
        [
            fitted.get(k, {name: values[k : k + 1] for name, values in model.calibration.items()})
            for k in range(len(model.categories))
        ]
    )


def _told(logits: NDArray[np.float64], gold: NDArray[np.int8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return logits[gold >= 0], gold[gold >= 0].astype(np.float64)


def points_of(scores: NDArray[np.float32], gold: NDArray[np.int8]) -> tuple[OperatingPoint, ...]:
    """Operating points at the precisions and recalls that the shipped bundle states."""
    with shipped("seeds", "training.toml").open("rb") as file:
        asked = tomllib.load(file)["operating_points"]
    return operating_points(scores[gold >= 0], gold[gold >= 0] == 1, **asked)


def _base_scores(base: TrainedModel, read: PassageRows) -> NDArray[np.float32]:
    """The base's own scores of the rows; shape (n, J)."""
    return calibrated(base.calibration, read.logits(base_heads(base), base_mix(base))).astype(np.float32)


def _figures(
    names: list[str], warm: WarmFit, gold: NDArray[np.int8], scores: NDArray[np.float32], own: list[int | None],
    base: NDArray[np.float32],
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """What cross-fitting measured of each head, beside the base on the same rows and draws."""
    n_draws = _FEW_DRAWS if len(gold) > _MANY_ROWS else _DRAWS
    draws = bootstrap(gold, scores, n_draws=n_draws, seed=0).ap
    adapted = [k for k, column in enumerate(own) if column is not None]
    of_base = base[:, [column for column in own if column is not None]]
    base_draws = bootstrap(gold[:, adapted], of_base, n_draws=n_draws, seed=0).ap if adapted else draws[:, :0]
    figures: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(names):
        told = gold[:, k] >= 0
        positive = gold[told, k] == 1
        low, high = interval(draws[:, k])
        row = {
            "n_items": int(told.sum()), "n_positive": int(positive.sum()), "strength": float(warm.strengths[k]),
            "ap": average_precision(positive, scores[told, k]), "ap_low": low, "ap_high": high,
            "ece": expected_calibration_error(positive, scores[told, k]),
        }  # fmt: skip
        if k in adapted:
            place = adapted.index(k)
            row["base_ap"] = average_precision(positive, of_base[told, place])
            row["gain"] = row["ap"] - row["base_ap"]
            row["gain_low"], row["gain_high"] = interval(draws[:, k] - base_draws[:, place])
        figures[name] = {key: value if isinstance(value, int) else round(value, 4) for key, value in row.items()}
    return figures
