"""The training pipeline: rows to a ``TrainedModel``, stage by stage, the same bytes every time."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError, needs
from tsclassify.features.scorer import PassageMix
from tsclassify.features.spec import FeatureSpec
from tsclassify.metrics import average_precision, expected_calibration_error
from tsclassify.model.calibration import calibrate, stack_calibrations
from tsclassify.model.linear import LinearHeads, RankedPairs, fit_heads, quantize
from tsclassify.model.trained import LANES, SIGNAL_LANES, TrainedModel
from tsclassify.model.wordclasses import lexicon_to_mapping, shipped_lexicon
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES, CONTEXTS, SIGNALS, VIOLENCE
from tsclassify.training.augment import disguised_copies
from tsclassify.training.calibration import fit_calibration
from tsclassify.training.language import fit_language
from tsclassify.training.operating import operating_points, signal_band
from tsclassify.training.passages import PassageRows, embedded, fit_passage_mix, read_passages
from tsclassify.training.stack import Stacker, check_source_heads, fit_stacker, least_weights, stacked
from tsclassify.training.training_set import TrainingSet, build_training_set, source_labels

if TYPE_CHECKING:
    import os

    from scipy.sparse import csr_matrix

    from tsclassify.text.lexicon import Lexicon

__all__ = ["coarser", "feature_scaling", "featurize", "load_config", "train"]

_REVIEWED_FROM: Final = 0.15
"""Signals are judged on posts whose highest violence score reaches this: those a person or a policy looks at."""

_FITS_AT_ONCE: Final = 2
"""Each holds the rows that it is fitted on: about a gigabyte."""

_LEAST_BITS: Final = 8
"""log2 of the smallest table of signals that a bundle may hold."""

Say = Callable[[str], None]


def load_config(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Read a training configuration; returns it with the sha256 of its bytes.

    Raises
    ------
    InputError
        When it is no TOML, or the signals cannot have so many bits.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        config = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"training configuration: must be TOML, got {error}") from error
    _check_bits(config)
    return config, hashlib.sha256(content).hexdigest()


def _check_bits(config: Mapping[str, Any]) -> None:
    """Refuse a table of signals that no bundle could hold, before hours of training."""
    tables = [config.get(name, {}) for name in ("signals", "features")]
    bits, most = [table.get("bits") if isinstance(table, Mapping) else None for table in tables]
    most = FeatureSpec().bits if most is None else most
    if type(bits) is not int or type(most) is not int or not _LEAST_BITS <= bits <= most:
        raise InputError(
            f"training configuration: bits of [signals] must be a whole number from {_LEAST_BITS} to those of "
            f"[features], {most!r}, got {bits!r}"
        )


def _check_complete(config: Mapping[str, Any]) -> None:
    """Refuse a configuration that lacks what the shipped one states, before hours of training."""
    whole, _ = load_config(shipped("seeds", "training.toml"))
    for name, table in whole.items():
        stated = config.get(name)
        if not isinstance(stated, Mapping if isinstance(table, Mapping) else type(table)):
            raise InputError(f"training configuration: {name} must be stated, got {stated!r}")
        if not isinstance(stated, Mapping) or name == "features":
            continue  # features that are not stated are at their defaults
        lacking = [key for key in table if key not in stated and key not in ("trust", "ordinary", "unread_sources")]
        if lacking:
            raise InputError(f"training configuration: {name} must state {lacking[0]}, got {', '.join(stated)}")
    missing = [name for name in CATEGORIES if name not in config["fit"]["c"]]
    if missing:
        raise InputError(
            f"training configuration: c of fit must state {missing[0]}, got {', '.join(config['fit']['c'])}"
        )
    check_source_heads(config["stack"]["heads"])


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


def coarser(features: csr_matrix, halvings: int) -> csr_matrix:
    """Features in ``2**-halvings`` as many buckets, neighbours joined: what a spec of fewer bits would give.

    A bucket is the highest bits of a hash, so that dropping its lowest bit is the same as one bit less.
    """
    from scipy import sparse

    if halvings < 0:
        raise InputError(f"training: bits of the signals must be at most those of the features, got {-halvings} more")
    joined = sparse.csr_matrix(
        (features.data.copy(), features.indices >> halvings, features.indptr.copy()),
        shape=(features.shape[0], features.shape[1] >> halvings),
    )
    joined.sum_duplicates()
    return joined


def coarser_passages(read: PassageRows, halvings: int) -> PassageRows:
    """Passages with features in ``2**-halvings`` as many buckets."""
    return replace(read, whole=coarser(read.whole, halvings), windows=coarser(read.windows, halvings))


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


@needs("train")
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

    _check_bits(config)
    _check_complete(config)
    memory = joblib.Memory(cache, verbose=0)
    rows = memory.cache(build_training_set)(dict(config["rows"]), data_root=data_root)
    say(f"rows: {rows.n_gold} labelled, {len(rows.texts) - rows.n_gold} with soft labels, {len(rows.dev)} dev")
    spec = FeatureSpec(**config["features"])
    lexicon = shipped_lexicon()
    copied = _copied(rows, config["rows"]["disguised_soft"])
    copies = disguised_copies([rows.texts[i] for i in copied], seed=config["seed"])
    features = memory.cache(featurize)((*rows.texts, *copies), spec, lexicon)
    say(f"features: {features.nnz / max(1, len(rows.texts)):.0f} a post in {spec.n_buckets} buckets")

    posts = _posts(rows, fold_of := _folds(rows.groups, config["fit"]["folds"], config["seed"]), config)
    read = memory.cache(read_passages)(posts.texts, spec, lexicon)
    dev_read = memory.cache(read_passages)(rows.dev, spec, lexicon)
    say(f"passages: {len(posts.texts)} posts, {len(read.owners)} windows of those with several segments")
    opinions = source_labels(rows.texts, config["stack"]["heads"], data_root=data_root)
    fit = memory.cache(_fit, ignore=["scaled"])
    key = (config_sha256, len(rows.texts), int(features.nnz))

    def cross_fit(
        kind: str, lanes: int, some: csr_matrix, read: PassageRows
    ) -> tuple[_CrossFitted, NDArray[np.float32]]:
        scaling = feature_scaling(some[: len(rows.texts)], power=config["fit"]["idf_power"])
        scaled = some.multiply(scaling[None, :]).tocsr().astype(np.float32)
        folds = _CrossFit(rows, copied, opinions, posts, read, scaled, scaling, fold_of, config, fit, key, say)
        return folds.run(kind, lanes), scaling

    categories, scaling = cross_fit("categories", LANES, features, read)
    halvings = spec.bits - config["signals"]["bits"]
    signals, _ = cross_fit("signals", SIGNAL_LANES, coarser(features, halvings), coarser_passages(read, halvings))

    stated = rows.n_stated
    gold = rows.categories[:stated] > 0.5
    oof, signal_oof = categories.oof[:stated], signals.oof[: rows.n_judged]
    calibration = stack_calibrations([fit_calibration(oof[:, k], gold[:, k]) for k in range(gold.shape[1])])
    scores = calibrate(calibration, oof).astype(np.float32)
    points = {
        name: operating_points(scores[:, k], gold[:, k], **config["operating_points"])
        for k, name in enumerate(CATEGORIES)
    }
    judged = calibrate(calibration, categories.oof[: rows.n_judged])
    reviewed = judged[:, : len(VIOLENCE)].max(axis=1) >= _REVIEWED_FROM
    signal_gold = rows.signals[: rows.n_judged][reviewed] > 0.5
    signal_calibration = stack_calibrations(
        [fit_calibration(signal_oof[reviewed, k], signal_gold[:, k]) for k in range(len(SIGNALS))]
    )
    signal_scores = calibrate(signal_calibration, signal_oof[reviewed]).astype(np.float32)
    bands = {
        name: signal_band(
            signal_scores[:, k],
            signal_gold[:, k],
            precision=config["signals"]["precision_of"].get(name, config["signals"]["precision"]),
            negative_share=config["signals"]["negative_share"],
            lost_share=config["signals"]["lost_share"],
        )
        for k, name in enumerate(SIGNALS)
    }
    priors = {name: float(gold[:, k].mean()) for k, name in enumerate(CATEGORIES)}
    priors |= {name: float(signal_gold[:, k].mean()) for k, name in enumerate(SIGNALS)}
    language = fit_language(rows, spec, lexicon, scaling, config, data_root=data_root)
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
    dev_scores = calibrate(calibration, dev_read.logits(categories.final, categories.passages)).astype(np.float32)
    found_read = memory.cache(read_passages)(rows.found_dev.texts, spec, lexicon)
    found_scores = calibrate(calibration, found_read.logits(categories.final, categories.passages)).astype(np.float32)
    figures = {
        "dev": _judge(rows.dev_categories, dev_scores, CATEGORIES),
        "found_dev": _judge(rows.found_dev.categories, found_scores, CATEGORIES),
        "cross_fitted": _judge(gold, scores, CATEGORIES),
        "signals": _judge(signal_gold, signal_scores, SIGNALS),
        "language": language.figures,
        "random_sample_share": _random_shares(rows),
        "source_heads": {
            "n_heads": len(config["stack"]["heads"]),
            "weights": categories.mix.named([head["name"] for head in config["stack"]["heads"]])
            if categories.mix is not None
            else {},
        },
        "n_rows": {
            "labelled": rows.n_gold,
            "stated": stated,
            "soft": len(rows.texts) - rows.n_gold,
            "dev": len(rows.dev),
        },
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
        passages=_lanes(categories.passages, LANES, language.passages),
        signal_passages=_lanes(signals.passages, SIGNAL_LANES),
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


@dataclass(frozen=True, slots=True, eq=False)
class _Posts:
    """What the mix of passages is fitted on: the gold rows, then some of them within innocent text.

    ``base`` is the gold row of each, whose labels and fold it shares.
    """

    texts: tuple[str, ...]
    base: NDArray[np.int64]
    weights: NDArray[np.float64]


def _posts(rows: TrainingSet, fold_of: NDArray[np.int64], config: Mapping[str, Any]) -> _Posts:
    settings = config["passages"]
    rng = np.random.default_rng(config["seed"])
    gold = rows.categories[: rows.n_gold]
    stated = np.arange(rows.n_gold) < rows.n_stated
    is_violent = gold[:, : len(VIOLENCE)].max(axis=1) > 0.5
    half = settings["n_embedded"] // 2
    chosen = np.concatenate(
        [
            rng.permutation(np.flatnonzero(stated & is_violent))[:half],
            rng.permutation(np.flatnonzero(stated & ~is_violent))[:half],
        ]
    )
    innocent = np.flatnonzero(gold.max(axis=1) < 0.5)
    innocent = innocent[[len(rows.texts[row]) >= settings["least_letters"] for row in innocent.tolist()]]
    within = embedded(
        [rows.texts[row] for row in chosen.tolist()],
        [rows.texts[row] for row in innocent.tolist()],
        fold_of=fold_of[chosen],
        innocent_fold=fold_of[innocent],
        words=settings["words"],
        seed=config["seed"],
    )
    weights = np.concatenate([np.ones(rows.n_gold), np.full(len(chosen), settings["embedded_weight"])])
    return _Posts((*rows.texts[: rows.n_gold], *within), np.concatenate([np.arange(rows.n_gold), chosen]), weights)


def _lanes(mix: PassageMix, n_lanes: int, last: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The mix for all lanes of a table; lanes without a head read posts as a whole."""
    lanes = PassageMix.of_whole_posts(n_lanes).rows()
    rows = mix.rows()
    lanes[:, : rows.shape[1]] = rows
    if last is not None:
        lanes[:, rows.shape[1]] = last
    return lanes


def _copied(rows: TrainingSet, n_soft: int) -> NDArray[np.int64]:
    """Rows that get a disguised copy: all labelled ones and `n_soft` others, evenly spread.

    The others are mostly innocent: without them a disguise would itself read as a sign of violence.
    """
    n_rows, n_gold = len(rows.texts), rows.n_gold
    n_soft = min(n_soft, n_rows - n_gold)
    spread = n_gold + (np.arange(n_soft) * (n_rows - n_gold)) // max(1, n_soft)
    return np.concatenate([np.arange(n_gold), spread]).astype(np.int64)


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
    c: float | tuple[float, ...],
    epochs: int,
    seed: int,
    key: tuple[Any, ...],
) -> LinearHeads:
    """One fit; ``key`` stands for the features in the cache."""
    del key
    strength = np.asarray(c, dtype=np.float64)
    return fit_heads(scaled[chosen], targets, weights, c=strength, epochs=epochs, seed=seed, pairs=pairs)


@dataclass(frozen=True, slots=True, eq=False)
class _CrossFitted:
    oof: NDArray[np.float64]
    final: _Fitted
    passages: PassageMix
    mix: Stacker | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _CrossFit:
    """Fits the heads once per fold for out-of-fold logits, then on all rows.

    Disguised copies of the rows ``copied`` stand behind all rows and share their labels. ``opinions`` are the sources'
    own labels of the rows.
    """

    rows: TrainingSet
    copied: NDArray[np.int64]
    opinions: NDArray[np.int8]
    posts: _Posts
    read: PassageRows
    scaled: csr_matrix
    scaling: NDArray[np.float32]
    fold_of: NDArray[np.int64]
    config: Mapping[str, Any]
    fit: Callable[..., LinearHeads]
    key: tuple[Any, ...]
    say: Say

    def run(self, kind: str, lanes: int) -> _CrossFitted:
        """Cross-fit one kind of heads, ``categories`` or ``signals``."""
        n_gold = self.rows.n_gold
        targets = self.rows.categories if kind == "categories" else self.rows.signals
        targets = np.concatenate([targets, targets[self.copied]])
        weights = self._weights(kind)
        told = self._told(kind)
        told[:n_gold] = True
        n_folds = int(self.fold_of.max()) + 1

        def fit(fold: int) -> tuple[LinearHeads, LinearHeads | None]:
            kept = told.copy()
            kept[:n_gold] &= self.fold_of != fold
            # what is left of the labelled rows weighs as much as all of them do beside the others in the end
            more = n_gold / np.count_nonzero(kept[:n_gold])
            own = self._one(kind, self._with_copies(kept), targets, weights, more)
            name = f"fold {fold + 1} of {n_folds}" if fold < n_folds else "all rows"
            self.say(f"{kind}: {name}, last change {own.last_change:.5f}")
            return own, self._sources(kept, more) if kind == "categories" else None

        # each fit is one thread, whose result depends on no other
        with ThreadPoolExecutor(_FITS_AT_ONCE) as pool:
            fits = list(pool.map(fit, range(n_folds + 1)))
        heads = [own for own, _ in fits]
        others = [sources for _, sources in fits if sources is not None]
        mixes: list[Stacker] = []
        if kind == "categories":
            mixes = self._mixes(heads, others)
            heads = [stacked(*three) for three in zip(heads, others, mixes, strict=True)]
        fitted = [_quantized(some, self.scaling, lanes) for some in heads]
        whole, best = (np.zeros((len(self.posts.base), targets.shape[1])) for _ in range(2))
        fold_of = self.fold_of[self.posts.base]
        for fold in range(n_folds):
            held = np.flatnonzero(fold_of == fold)
            whole[held], best[held] = self.read.take(held).pairs(fitted[fold])
        told = self._told(kind)[self.posts.base] & (self.posts.base < self.rows.n_stated)
        passages = fit_passage_mix(self.read, whole, best, targets[self.posts.base], self.posts.weights * told)
        self.say(f"{kind}: shares of whole posts {passages.whole.round(2)}, of windows {passages.strongest.round(2)}")
        oof = self.read.mixed(whole, best, passages)[:n_gold]
        return _CrossFitted(oof, fitted[-1], passages, mixes[-1] if mixes else None)

    def _sources(self, kept: NDArray[np.bool_], more: float) -> LinearHeads:
        """Source heads, fitted on the rows that are kept and have a label of their source."""
        settings = self.config["stack"]
        chosen = np.flatnonzero(kept & (self.opinions >= 0).any(axis=1))
        said = self.opinions[chosen]
        weights = np.where(chosen < self.rows.n_gold, more, 1.0)[:, None] * (said >= 0)
        return self.fit(
            self.scaled,
            chosen,
            (said == 1).astype(np.float32),
            weights.astype(np.float32),
            None,
            settings["c"],
            settings["epochs"],
            self.config["seed"],
            (*self.key, "sources"),
        )

    def _mixes(self, heads: list[LinearHeads], others: list[LinearHeads]) -> list[Stacker]:
        """What the source heads add to the heads of each fold, as learned on the other folds; then to those of all."""
        n_gold, stated = self.rows.n_gold, self.rows.n_stated
        own = np.zeros((n_gold, heads[0].weights.shape[1]))
        sources = np.zeros((n_gold, others[0].weights.shape[1]))
        for fold in range(len(heads) - 1):
            held = np.flatnonzero(self.fold_of == fold)
            own[held] = self.scaled[held] @ heads[fold].weights + heads[fold].bias
            sources[held] = self.scaled[held] @ others[fold].weights + others[fold].bias
        gold = self.rows.categories[:stated] > 0.5
        least = least_weights(self.config["stack"]["heads"])

        def mix(chosen: NDArray[np.int64]) -> Stacker:
            return fit_stacker(own[chosen], sources[chosen], gold[chosen], least, ridge=self.config["stack"]["ridge"])

        mixes = [mix(np.flatnonzero(self.fold_of[:stated] != fold)) for fold in range(len(heads))]
        self.say(f"categories: {int((mixes[-1].weights > 0).sum())} weights of {len(least)} source heads")
        return mixes

    def _with_copies(self, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Numbers of the rows kept, then of their copies."""
        return np.concatenate([np.flatnonzero(kept), len(kept) + np.flatnonzero(kept[self.copied])])

    def _told(self, kind: str) -> NDArray[np.bool_]:
        """Rows that have something to say to these heads: for signals, those with some violence."""
        if kind == "categories":
            return np.ones(len(self.rows.texts), dtype=np.bool_)
        told: NDArray[np.bool_] = self._violence() >= self.config["signals"]["least_violence"]
        return told

    def _violence(self) -> NDArray[np.float32]:
        highest: NDArray[np.float32] = self.rows.categories[:, : len(VIOLENCE)].max(axis=1)
        return highest

    def _one(
        self,
        kind: str,
        chosen: NDArray[np.int64],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        more: float,
    ) -> LinearHeads:
        """Fit on the rows chosen, labelled ones and their copies at ``more`` times their weight."""
        settings = self.config["fit"] if kind == "categories" else self.config["signals"]
        n_gold = self.rows.n_gold
        is_labelled = np.concatenate([np.arange(len(self.rows.texts)) < n_gold, self.copied < n_gold])[chosen]
        weighed = weights[chosen] * np.where(is_labelled, more, 1.0).astype(np.float32)[:, None]
        pairs = self._pairs(chosen, more) if kind == "categories" and settings["pair_weight"] > 0 else None
        return self.fit(
            self.scaled,
            chosen,
            targets[chosen],
            weighed,
            pairs,
            tuple(settings["c"][name] for name in CATEGORIES) if kind == "categories" else settings["c"],
            settings["epochs"],
            self.config["seed"],
            (*self.key, kind),
        )

    def _weights(self, kind: str) -> NDArray[np.float32]:
        weights = np.repeat(self.rows.weights[:, None], len(CATEGORIES if kind == "categories" else SIGNALS), axis=1)
        if kind == "signals":
            # attributes describe violence: on posts without any they say little, while a context makes them innocent
            n_attributes = len(SIGNALS) - len(CONTEXTS)
            weights[:, :n_attributes] *= 0.3 + 0.7 * self._violence()[:, None]
        settings = self.config["rows"]
        is_labelled = self.copied < self.rows.n_gold
        copies = np.where(is_labelled, settings["disguised_weight"], settings["disguised_soft_weight"])
        copies = copies * (self.rows.weights[self.copied] > 0)
        return np.concatenate([weights, np.repeat(copies[:, None], weights.shape[1], axis=1)]).astype(np.float32)

    def _pairs(self, chosen: NDArray[np.int64], more: float) -> RankedPairs:
        place = np.full(len(self.rows.texts) + len(self.copied), -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        known = [(place[a], place[b], k) for a, b, k in self.rows.pairs if place[a] >= 0 and place[b] >= 0]
        columns = np.array(known, dtype=np.int64).reshape(len(known), 3)
        return RankedPairs(columns[:, 0], columns[:, 1], columns[:, 2], self.config["fit"]["pair_weight"] * more)


def _judge(gold: NDArray[np.bool_], scores: NDArray[np.floating], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Average precision, calibration error and counts, per head."""
    table = {}
    for k, name in enumerate(names):
        table[name] = {
            "ap": round(average_precision(gold[:, k], scores[:, k]), 4),
            "ece": round(expected_calibration_error(gold[:, k], scores[:, k]), 4),
            "n_positive": int(gold[:, k].sum()),
            "n_items": len(gold),
        }
    return table


def _random_shares(rows: TrainingSet) -> dict[str, dict[str, float]]:
    """Share of positives among rows drawn at random from each source: priors of real streams."""
    shares: dict[str, dict[str, float]] = {}
    gold, picked = rows.categories[: rows.n_gold] > 0.5, np.array(rows.picked)
    for name in sorted(set(rows.picked)):
        if name.startswith("rand_"):
            here = gold[picked == name]
            shares[name.removeprefix("rand_")] = {
                "n_items": float(len(here)),
                **{category: round(float(here[:, k].mean()), 4) for k, category in enumerate(CATEGORIES)},
            }
    return shares
