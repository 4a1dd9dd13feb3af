"""The language head: does some passage of a post read as another language than English, the one that was tested."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.data import raw_rows
from tsclassify.features.texts import encode_texts
from tsclassify.kernel.extract import extract_windows
from tsclassify.model.calibration import calibrate
from tsclassify.model.linear import fit_heads, quantize
from tsclassify.records import SignalBand
from tsclassify.resources import shipped
from tsclassify.training.calibration import fit_calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.sparse import csr_matrix

    from tsclassify.features.spec import FeatureSpec
    from tsclassify.text.lexicon import Lexicon
    from tsclassify.training.training_set import TrainingSet

__all__ = ["LanguageHead", "fit_language"]

_FOLDS: Final = 4
_EPOCHS: Final = 10
_SURE: Final = 20.0
"""A post without a passage of enough words counts as this far on the English side, in logits."""


@dataclass(frozen=True, slots=True, eq=False)
class LanguageHead:
    """One lane of the table, with its band.

    Attributes
    ----------
    weights, scale, bias
        int8, shape (buckets,); logit = bias + scale * sum, high for other languages.
    passages
        The lane's part of ``PassageMix.rows``, shape (5,): it reads windows only.
    calibration
        For ``calibrate``, one head, of the negated logit.
    band
        Below it a post reads as another language, else as English; its two ends are one.
    figures
        What posts that were held out measure.
    """

    weights: NDArray[np.int8]
    scale: float
    bias: float
    passages: NDArray[np.float64]
    calibration: Mapping[str, NDArray[np.float64]]
    band: SignalBand
    figures: Mapping[str, float]


def fit_language(
    rows: TrainingSet,
    spec: FeatureSpec,
    lexicon: Lexicon,
    scaling: NDArray[np.float32],
    config: Mapping[str, Any],
    *,
    data_root: str | os.PathLike[str] | None = None,
) -> LanguageHead:
    """Fit the head on windows of posts in many languages against windows of English training posts.

    Parameters
    ----------
    rows
        English training posts; a random part is used.
    spec, lexicon
        What the features are.
    scaling
        Scale of each bucket in training.
    config
        The whole configuration; its ``seed`` and table ``language`` are used.
    data_root
        Folder of the public files.
    """
    settings = config["language"]
    rng = np.random.default_rng(config["seed"])
    chosen = np.sort(rng.choice(len(rows.texts), min(settings["n_english"], len(rows.texts)), replace=False))
    written = _posts("train.jsonl")
    english = [rows.texts[i] for i in chosen.tolist()] + [text for language, text in written if language == "en"]
    foreign = [text for language, text in written if language != "en"]
    foreign += [row.text for row in raw_rows("tatoeba", root=data_root) if row.label not in ("en", "eng")]
    names = [*_column("english_names_train.tsv"), *_column("english_chat_train.tsv")]
    threats = _column("foreign_threats_train.tsv")
    texts = [*english, *names, *foreign, *threats]
    is_english = np.arange(len(texts)) < len(english) + len(names)
    weight = np.ones(len(texts))
    weight[len(english) : len(english) + len(names)] = settings["names_weight"]
    weight[len(texts) - len(threats) :] = settings["threats_weight"]
    # the two sides weigh the same: which language a post has is not to be guessed from how many posts there are
    weight[~is_english] *= weight[is_english].sum() / weight[~is_english].sum()

    windows, owners = _windows(texts, spec, lexicon, settings["least_words"])
    scaled = windows.multiply(scaling[None, :]).tocsr().astype(np.float32)
    targets = (~is_english[owners]).astype(np.float32)[:, None]
    weights = weight[owners].astype(np.float32)[:, None]
    fold = rng.permutation(len(texts))[owners] % _FOLDS
    logits = np.zeros(len(owners))
    kept = np.ones(len(owners), dtype=bool)
    for turn in range(2):
        for k in range(_FOLDS):
            some = np.flatnonzero((fold != k) & kept)
            heads = fit_heads(
                scaled[some], targets[some], weights[some], c=settings["c"], epochs=_EPOCHS, seed=config["seed"]
            )
            logits[fold == k] = (scaled[fold == k] @ heads.weights + heads.bias)[:, 0]
        if not turn:
            # a few posts of English sources are in another language: those that read most so are left out
            mine = is_english[owners]
            kept = ~mine | (logits <= np.quantile(logits[mine], 1.0 - settings["unclean_share"]))
    heads = fit_heads(scaled[kept], targets[kept], weights[kept], c=settings["c"], epochs=_EPOCHS, seed=config["seed"])
    table, scales = quantize(heads.weights * scaling[:, None], 1)
    clean = np.ones(len(texts), dtype=bool)
    clean[owners[~kept]] = False
    posts = -_strongest(logits, owners, len(texts))
    judged = np.flatnonzero(clean)
    calibration = fit_calibration(posts[judged], is_english[judged].astype(np.float64), weight[judged])
    scores = calibrate(calibration, posts[judged][:, None])[:, 0]
    limit = float(np.quantile(scores[is_english[judged]], settings["lost_english_share"]))
    figures = _figures(spec, lexicon, settings, table, float(scales[0]), float(heads.bias[0]), calibration, limit)
    passages = np.array([0.0, 1.0, 0.0, 0.0, settings["least_words"]])
    return LanguageHead(
        table[:, 0], float(scales[0]), float(heads.bias[0]), passages, calibration, SignalBand(limit, limit), figures
    )


def _windows(
    texts: Sequence[str], spec: FeatureSpec, lexicon: Lexicon, least_words: int
) -> tuple[csr_matrix, NDArray[np.int64]]:
    """Features of the windows that have enough words, and the text of each."""
    from scipy.sparse import csr_matrix

    values, columns, ends, owners, words = extract_windows(*encode_texts(texts), spec, lexicon)
    matrix = csr_matrix((values, columns, ends), shape=(len(owners), spec.n_buckets))
    some = np.flatnonzero(words >= least_words)
    return matrix[some], owners[some]


def _strongest(logits: NDArray[np.float64], owners: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Highest logit among the windows of each of n texts."""
    highest = np.full(n, -_SURE)
    np.maximum.at(highest, owners, logits)
    return highest


def _figures(
    spec: FeatureSpec,
    lexicon: Lexicon,
    settings: Mapping[str, Any],
    table: NDArray[np.int8],
    scale: float,
    bias: float,
    calibration: Mapping[str, NDArray[np.float64]],
    limit: float,
) -> dict[str, float]:
    """Shares of held-out posts that read as another language, by kind, with their numbers."""
    held = _posts("heldout.jsonl")
    kinds = {
        "english": [text for language, text in held if language == "en"],
        "english_names": _column("english_names_heldout.tsv"),
        "foreign": [text for language, text in held if language != "en"],
        "foreign_threats": _column("foreign_threats_heldout.tsv"),
        "two_languages": _column("codeswitch_heldout.tsv"),
    }
    figures: dict[str, float] = {}
    for kind, texts in kinds.items():
        windows, owners = _windows(texts, spec, lexicon, settings["least_words"])
        logits = np.asarray(windows @ table.astype(np.float32))[:, 0] * scale + bias
        scores = calibrate(calibration, -_strongest(logits, owners, len(texts))[:, None])[:, 0]
        figures[f"{kind}_refused"] = round(float((scores < limit).mean()), 4)
        figures[f"n_{kind}"] = len(texts)
    return figures


def _posts(name: str) -> list[tuple[str, str]]:
    with shipped("seeds", "language", name).open(encoding="utf-8") as lines:
        return [(post["lang"], post["text"]) for post in map(json.loads, lines)]


def _column(name: str) -> list[str]:
    with shipped("seeds", "language", name).open(encoding="utf-8", newline="") as lines:
        return [row["text"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
