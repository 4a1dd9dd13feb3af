"""The training pipeline: rows to a ``TrainedModel``, stage by stage, the same bytes every time."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.features.spec import FeatureSpec
from tsclassify.model.augment import disguised_copies
from tsclassify.model.calibration import calibrate, fit_calibration, stack_calibrations
from tsclassify.model.language import fit_language
from tsclassify.model.linear import LinearHeads, RankedPairs, fit_heads, quantize
from tsclassify.model.operating import operating_points, signal_band
from tsclassify.model.trained import LANES, SIGNAL_LANES, TrainedModel
from tsclassify.model.training_set import TrainingSet, build_training_set
from tsclassify.model.wordclasses import lexicon_to_mapping, shipped_lexicon
from tsclassify.taxonomy import CATEGORIES, SIGNALS, VIOLENCE

if TYPE_CHECKING:
    import os

    from scipy.sparse import csr_matrix

    from tsclassify.text.lexicon import Lexicon

__all__ = ["average_precision", "feature_scaling", "featurize", "load_config", "train"]

_REVIEWED_FROM: Final = 0.15
"""Signals are judged on posts whose highest violence score reaches this: those a person or a policy looks at."""

Say = Callable[[str], None]


def load_config(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Read a training configuration; returns it with the sha256 of its bytes."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        return tomllib.loads(content.decode("utf-8")), hashlib.sha256(content).hexdigest()
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"training configuration: must be TOML, got {error}") from error


def featurize(texts: Sequence[str], spec: FeatureSpec, lexicon: Lexicon) -> csr_matrix:
    """Features of texts: CSR float32, shape (n, buckets)."""
    from tsclassify.features.hashed import HashedNgrams

    return HashedNgrams(spec, lexicon).transform(texts)


def feature_scaling(features: csr_matrix, *, power: float) -> NDArray[np.float32]:
    """Inverse document frequency of each bucket, of mean square 1 over the entries; float32, shape (buckets,).

    Training multiplies columns by it and folds it into the weights, so that scoring pays nothing for it: a ridge
    on scaled columns shrinks what is frequent more than what is rare.
    """
    n_posts, n_buckets = features.shape
    frequency = np.bincount(features.indices, minlength=n_buckets).astype(np.float64)
    scale = (np.log((n_posts + 1) / (frequency + 1)) + 1.0) ** power
    mean_square = float((frequency * scale**2).sum() / max(1.0, frequency.sum()))
    scaled: NDArray[np.float32] = (scale / np.sqrt(mean_square)).astype(np.float32)
    return scaled


def average_precision(gold: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Area under the precision-recall curve as a sum over ranks; ties share a rank. NaN without positives."""
    n_positive = int(gold.sum())
    if n_positive == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], gold[order]
    last = np.append(ranked[1:] != ranked[:-1], True)
    true = np.cumsum(hits)[last].astype(np.float64)
    seen = np.flatnonzero(last) + 1
    gained = np.diff(np.concatenate([[0.0], true]))
    return float((gained * true / seen).sum() / n_positive)


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Quantized heads: what scoring will use."""

    table: NDArray[np.int8]
    scales: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: csr_matrix) -> NDArray[np.float64]:
        """Logits of raw (unscaled) features with the int8 table; shape (n, K)."""
        k = len(self.bias)
        sums = features @ self.table[:, :k].astype(np.float32)
        return np.asarray(sums, dtype=np.float64) * self.scales[:k] + self.bias


def _quantized(heads: LinearHeads, scaling: NDArray[np.float32], lanes: int) -> _Fitted:
    table, scales = quantize(heads.weights * scaling[:, None], lanes)
    return _Fitted(table, scales, heads.bias)


def train(
    config: Mapping[str, Any],
    config_sha256: str,
    *,
    data_root: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    say: Say = lambda line: None,
) -> TrainedModel:
    """Train a model as the configuration says.

    Parameters
    ----------
    config, config_sha256
        What ``load_config`` returned.
    data_root
        Folder of the public files.
    cache
        Folder in which joblib keeps finished stages, so that a stopped run goes on; none when not given.
    say
        Called with a line after each stage.

    Returns
    -------
    TrainedModel
        Calibrated on out-of-fold scores of quantized heads; ``figures["dev"]`` holds what dev rows measure.
    """
    import joblib

    memory = joblib.Memory(cache, verbose=0)
    rows = memory.cache(build_training_set)(dict(config["rows"]), data_root=data_root)
    say(f"rows: {rows.n_gold} labelled, {len(rows.texts) - rows.n_gold} with soft labels, {len(rows.dev)} dev")
    spec = FeatureSpec(**config["features"])
    lexicon = shipped_lexicon()
    copies = disguised_copies(rows.texts[: rows.n_gold], seed=config["seed"])
    features = memory.cache(featurize)((*rows.texts, *copies), spec, lexicon)
    dev_features = memory.cache(featurize)(rows.dev, spec, lexicon)
    scaling = feature_scaling(features[: len(rows.texts)], power=config["fit"]["idf_power"])
    scaled = features.multiply(scaling[None, :]).tocsr().astype(np.float32)
    say(f"features: {features.nnz / max(1, len(rows.texts)):.0f} a post in {spec.n_buckets} buckets")

    fit = memory.cache(_fit, ignore=["scaled"])
    key = (config_sha256, len(rows.texts), int(features.nnz))
    fold_of = _folds(rows.groups, config["fit"]["folds"], config["seed"])
    out = _CrossFit(rows, features, scaled, scaling, fold_of, config, fit, key, say)
    categories = out.run("categories", LANES)
    signals = out.run("signals", SIGNAL_LANES)

    gold = rows.categories[: rows.n_gold] > 0.5
    calibration = stack_calibrations([fit_calibration(categories.oof[:, k], gold[:, k]) for k in range(gold.shape[1])])
    scores = calibrate(calibration, categories.oof).astype(np.float32)
    points = {
        name: operating_points(scores[:, k], gold[:, k], **config["operating_points"])
        for k, name in enumerate(CATEGORIES)
    }
    reviewed = scores[:, : len(VIOLENCE)].max(axis=1) >= _REVIEWED_FROM
    signal_gold = rows.signals[: rows.n_gold][reviewed] > 0.5
    signal_calibration = stack_calibrations(
        [fit_calibration(signals.oof[reviewed, k], signal_gold[:, k]) for k in range(len(SIGNALS))]
    )
    signal_scores = calibrate(signal_calibration, signals.oof[reviewed]).astype(np.float32)
    bands = {
        name: signal_band(
            signal_scores[:, k],
            signal_gold[:, k],
            precision=config["signals"]["precision"],
            negative_share=config["signals"]["negative_share"],
            lost_share=config["signals"]["lost_share"],
        )
        for k, name in enumerate(SIGNALS)
    }
    priors = {name: float(gold[:, k].mean()) for k, name in enumerate(CATEGORIES)}
    priors |= {name: float(signal_gold[:, k].mean()) for k, name in enumerate(SIGNALS)}
    language = fit_language(rows, lambda texts: featurize(texts, spec, lexicon), scaling, config)
    say("language head fitted")

    table = categories.final.table
    scales = categories.final.scales
    bias = np.zeros(LANES)
    bias[: len(CATEGORIES)] = categories.final.bias
    table[:, len(CATEGORIES)] = language.weights
    scales[len(CATEGORIES)] = language.scale
    bias[len(CATEGORIES)] = language.bias
    signal_bias = np.zeros(SIGNAL_LANES)
    signal_bias[: len(SIGNALS)] = signals.final.bias
    dev_scores = calibrate(calibration, categories.final.logits(dev_features)).astype(np.float32)
    figures = {
        "dev": _judge(rows.dev_categories, dev_scores, CATEGORIES),
        "cross_fitted": _judge(gold, scores, CATEGORIES),
        "signals": _judge(signal_gold, signal_scores, SIGNALS),
        "language": language.figures,
        "random_sample_share": _random_shares(rows, gold),
        "n_rows": {"labelled": rows.n_gold, "soft": len(rows.texts) - rows.n_gold, "dev": len(rows.dev)},
    }
    return TrainedModel(
        name=config["name"],
        spec=spec,
        lexicon=lexicon_to_mapping(lexicon),
        weights=table,
        weight_scales=scales,
        bias=bias,
        signal_weights=signals.final.table,
        signal_scales=signals.final.scales,
        signal_bias=signal_bias,
        calibration=calibration,
        signal_calibration=signal_calibration,
        language_calibration=language.calibration,
        priors=priors,
        operating_points=points,
        signal_bands=bands,
        language_band=language.band,
        figures=figures,
        sources=rows.sources,
        seed=config["seed"],
        config_sha256=config_sha256,
    )


def _folds(groups: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each gold row; rows of one group share it."""
    shuffled = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    return shuffled[groups] % n_folds


def _fit(
    scaled: csr_matrix,
    chosen: NDArray[np.int64],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    pairs: RankedPairs | None,
    c: float,
    epochs: int,
    seed: int,
    key: tuple[Any, ...],
) -> LinearHeads:
    """One fit; ``key`` stands for the features in the cache."""
    del key
    return fit_heads(scaled[chosen], targets, weights, c=c, epochs=epochs, seed=seed, pairs=pairs)


@dataclass(frozen=True, slots=True, eq=False)
class _CrossFitted:
    oof: NDArray[np.float64]
    final: _Fitted


@dataclass(frozen=True, slots=True, eq=False)
class _CrossFit:
    """Fits the heads once per fold for out-of-fold logits, then on all rows."""

    rows: TrainingSet
    features: csr_matrix
    scaled: csr_matrix
    scaling: NDArray[np.float32]
    fold_of: NDArray[np.int64]
    config: Mapping[str, Any]
    fit: Callable[..., LinearHeads]
    key: tuple[Any, ...]
    say: Say

    def run(self, kind: str, lanes: int) -> _CrossFitted:
        """Cross-fit one kind of heads, ``categories`` or ``signals``."""
        n_rows, n_gold = len(self.rows.texts), self.rows.n_gold
        targets = self.rows.categories if kind == "categories" else self.rows.signals
        # disguised copies of the labelled rows stand last and share their labels
        targets = np.concatenate([targets, targets[:n_gold]])
        weights = self._weights(kind)
        soft = np.arange(n_gold, n_rows)
        oof = np.zeros((n_gold, targets.shape[1]))
        for fold in range(int(self.fold_of.max()) + 1):
            held = np.flatnonzero(self.fold_of == fold)
            kept = np.flatnonzero(self.fold_of != fold)
            chosen = np.concatenate([kept, soft, n_rows + kept])
            heads = self._one(kind, chosen, targets, weights)
            oof[held] = _quantized(heads, self.scaling, lanes).logits(self.features[held])
            self.say(f"{kind}: fold {fold + 1} of {int(self.fold_of.max()) + 1}")
        heads = self._one(kind, np.arange(n_rows + n_gold), targets, weights)
        self.say(f"{kind}: all rows, last change {heads.last_change:.5f}")
        return _CrossFitted(oof, _quantized(heads, self.scaling, lanes))

    def _one(
        self, kind: str, chosen: NDArray[np.int64], targets: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> LinearHeads:
        settings = self.config["fit"] if kind == "categories" else self.config["signals"]
        pairs = self._pairs(chosen) if kind == "categories" and settings["pair_weight"] > 0 else None
        return self.fit(
            self.scaled,
            chosen,
            targets[chosen],
            weights[chosen],
            pairs,
            settings["c"],
            settings["epochs"],
            self.config["seed"],
            (*self.key, kind),
        )

    def _weights(self, kind: str) -> NDArray[np.float32]:
        weights = np.repeat(self.rows.weights[:, None], len(CATEGORIES if kind == "categories" else SIGNALS), axis=1)
        if kind == "signals":
            # attributes describe violence: on posts without any they say little
            violence = self.rows.categories[:, : len(VIOLENCE)].max(axis=1)
            weights = weights * (0.3 + 0.7 * violence[:, None])
        copies = np.full((self.rows.n_gold, weights.shape[1]), self.config["rows"]["disguised_weight"])
        return np.concatenate([weights, copies]).astype(np.float32)

    def _pairs(self, chosen: NDArray[np.int64]) -> RankedPairs:
        place = np.full(len(self.rows.texts) + self.rows.n_gold, -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        known = [(place[a], place[b], k) for a, b, k in self.rows.pairs if place[a] >= 0 and place[b] >= 0]
        columns = np.array(known, dtype=np.int64).reshape(len(known), 3)
        return RankedPairs(columns[:, 0], columns[:, 1], columns[:, 2], float(self.config["fit"]["pair_weight"]))


def _judge(gold: NDArray[np.bool_], scores: NDArray[np.floating], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Average precision, calibration error and counts, per head."""
    table = {}
    for k, name in enumerate(names):
        table[name] = {
            "ap": round(average_precision(gold[:, k], scores[:, k]), 4),
            "ece": round(_calibration_error(gold[:, k], scores[:, k]), 4),
            "n_positive": int(gold[:, k].sum()),
            "n_items": len(gold),
        }
    return table


def _calibration_error(gold: NDArray[np.bool_], scores: NDArray[np.floating], n_bins: int = 15) -> float:
    """Expected calibration error in bins of equal width. Source: Guo et al. 2017."""
    cell = np.minimum((scores * n_bins).astype(np.int64), n_bins - 1)
    gaps = np.bincount(cell, weights=scores.astype(np.float64) - gold, minlength=n_bins)
    return float(np.abs(gaps).sum() / max(1, len(gold)))


def _random_shares(rows: TrainingSet, gold: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """Share of positives among rows drawn at random from each source: priors of real streams."""
    shares: dict[str, dict[str, float]] = {}
    picked = np.array(rows.picked)
    for name in sorted(set(rows.picked)):
        if name.startswith("rand_"):
            here = gold[picked == name]
            shares[name.removeprefix("rand_")] = {
                "n_items": float(len(here)),
                **{category: round(float(here[:, k].mean()), 4) for k, category in enumerate(CATEGORIES)},
            }
    return shares
