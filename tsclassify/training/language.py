"""The language head: does a post read as English, the only language the model was tested on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.model.calibration import calibrate
from tsclassify.model.linear import fit_heads, quantize
from tsclassify.records import SignalBand
from tsclassify.resources import shipped

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from tsclassify.training.calibration import fit_calibration
from tsclassify.training.training_set import TrainingSet

__all__ = ["LanguageHead", "fit_language"]

_N_ENGLISH: Final = 6000
_C: Final = 4.0
_EPOCHS: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class LanguageHead:
    """One lane of the table, with its band.

    Attributes
    ----------
    weights, scale, bias
        int8, shape (buckets,); logit = bias + scale * sum.
    calibration
        For ``calibrate``, one head.
    band
        Below ``no_below`` a post reads as another language, from ``yes_from`` as English.
    figures
        What posts in sixty languages that were held out measure.
    """

    weights: NDArray[np.int8]
    scale: float
    bias: float
    calibration: Mapping[str, NDArray[np.float64]]
    band: SignalBand
    figures: Mapping[str, float]


def fit_language(
    rows: TrainingSet,
    featurize: Callable[[Sequence[str]], csr_matrix],
    scaling: NDArray[np.float32],
    config: Mapping[str, Any],
) -> LanguageHead:
    """Fit the head on posts written in sixty languages against English training posts.

    Parameters
    ----------
    rows
        English training posts; a random part is used.
    featurize
        Texts to features, shape (n, buckets).
    scaling
        Scale of each bucket in training.
    config
        The whole configuration; its ``seed`` and table ``language`` are used.
    """
    rng = np.random.default_rng(config["seed"])
    english = [rows.texts[i] for i in np.sort(rng.choice(rows.n_gold, min(_N_ENGLISH, rows.n_gold), replace=False))]
    posts = _posts("train.jsonl")
    foreign = [text for language, text in posts if language != "en"]
    english += [text for language, text in posts if language == "en"]
    texts = english + foreign
    gold = np.array([True] * len(english) + [False] * len(foreign))
    features = featurize(texts)
    scaled = features.multiply(scaling[None, :]).tocsr().astype(np.float32)
    # the two sides weigh the same: which language a post has is not to be guessed from how many posts there are
    weights = np.where(gold, 1.0, gold.sum() / max(1, (~gold).sum())).astype(np.float32)[:, None]
    targets = gold.astype(np.float32)[:, None]
    fold = rng.permutation(len(texts)) % 4
    logits = np.zeros((len(texts), 1))
    for k in range(4):
        some = np.flatnonzero(fold != k)
        heads = fit_heads(scaled[some], targets[some], weights[some], c=_C, epochs=_EPOCHS, seed=config["seed"])
        logits[fold == k] = scaled[fold == k] @ heads.weights + heads.bias
    heads = fit_heads(scaled, targets, weights, c=_C, epochs=_EPOCHS, seed=config["seed"])
    table, scales = quantize(heads.weights * scaling[:, None], 1)
    calibration = fit_calibration(logits[:, 0], gold.astype(np.float64), weights[:, 0])
    settings = config["language"]
    scores = calibrate(calibration, logits)[:, 0]
    band = SignalBand(
        no_below=float(np.quantile(scores[gold], settings["lost_english_share"])),
        yes_from=float(np.quantile(scores[~gold], 1.0 - settings["passed_foreign_share"])),
    )
    band = SignalBand(min(band.no_below, band.yes_from), max(band.no_below, band.yes_from))
    held = _posts("heldout.jsonl")
    sums = featurize([text for _, text in held]) @ table.astype(np.float32)
    held_scores = calibrate(calibration, sums * scales[0] + heads.bias)[:, 0]
    is_english = np.array([language == "en" for language, _ in held])
    figures = {
        "english_passed": round(float((held_scores[is_english] >= band.yes_from).mean()), 4),
        "english_refused": round(float((held_scores[is_english] < band.no_below).mean()), 4),
        "foreign_passed": round(float((held_scores[~is_english] >= band.yes_from).mean()), 4),
        "foreign_refused": round(float((held_scores[~is_english] < band.no_below).mean()), 4),
        "n_english": int(is_english.sum()),
        "n_foreign": int((~is_english).sum()),
    }
    return LanguageHead(table[:, 0], float(scales[0]), float(heads.bias[0]), calibration, band, figures)


def _posts(name: str) -> list[tuple[str, str]]:
    with shipped("seeds", "language", name).open(encoding="utf-8") as lines:
        return [(post["lang"], post["text"]) for post in map(json.loads, lines)]
