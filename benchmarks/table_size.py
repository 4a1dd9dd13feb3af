"""How large the weight table must be and how finely a weight must be kept: average precision on held-out rows.

``python benchmarks/table_size.py fit`` trains the category heads on four fifths of the training rows (rows of one
group stay together) with tables of 2^16 to 2^20 buckets, and measures the fifth with float, int8 and 4-bit weights; dev
rows are not looked at. ``python benchmarks/table_size.py speed`` times the kernel on tables of these sizes, taking
turns. Both write into ``docs/figures/table_size.json``; ``python benchmarks/fill_docs.py`` shows it. Settings are those
of ``seeds/training.toml``, without the disguised copies. Public files are found by ``TSCLASSIFY_DATA``.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

FIGURES = Path("docs/figures/table_size.json")
BITS = (16, 17, 18, 19, 20)
N_FOLDS = 5
CLIPPED_AT = 0.999
"""Share of the weights that are not 0 which a clipped scale can hold."""


def kept(weights: Any, levels: int, share: float) -> Any:
    """Weights as whole numbers up to `levels` times one scale a head, back as floats.

    `share` of the weights other than 0 fit the scale; the rest are clipped.
    """
    found = np.empty_like(weights, dtype=np.float32)
    for k in range(weights.shape[1]):
        sizes = np.abs(weights[:, k])
        scale = float(np.quantile(sizes[sizes > 0], share)) / levels
        found[:, k] = np.clip(np.rint(weights[:, k] / scale), -levels, levels) * scale
    return found


def fit() -> list[dict[str, Any]]:
    """Macro average precision on the held-out fifth by table size and kind of weight."""
    from scipy import sparse

    from tsclassify.features.spec import FeatureSpec
    from tsclassify.metrics import average_precision
    from tsclassify.model.linear import RankedPairs, fit_heads
    from tsclassify.model.wordclasses import shipped_lexicon
    from tsclassify.training.pipeline import feature_scaling, featurize, load_config
    from tsclassify.training.training_set import build_training_set

    config, _ = load_config("seeds/training.toml")
    rows = build_training_set(config["rows"], data_root=os.environ.get("TSCLASSIFY_DATA"))
    spec = replace(FeatureSpec(**config["features"]), bits=max(BITS))
    finest = featurize(rows.texts, spec, shipped_lexicon())
    shuffled = np.random.default_rng(config["seed"]).permutation(int(rows.groups.max()) + 1)
    fold_of = shuffled[rows.groups] % N_FOLDS
    held = np.flatnonzero(fold_of == 0)
    chosen = np.concatenate([np.flatnonzero(fold_of != 0), np.arange(rows.n_gold, len(rows.texts))])
    place = np.full(len(rows.texts), -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    known = [(place[a], place[b], k) for a, b, k in rows.pairs if place[a] >= 0 and place[b] >= 0]
    higher, lower, heads_of = np.array(known, dtype=np.int64).reshape(len(known), 3).T
    pairs = RankedPairs(higher, lower, heads_of, float(config["fit"]["pair_weight"]))
    gold = rows.categories[held] > 0.5
    weights_of = np.repeat(rows.weights[chosen, None], gold.shape[1], axis=1)
    table = []
    for bits in BITS:
        began = time.process_time()
        # a bucket is the highest bits of a hash: one bit less joins two neighbours
        features = sparse.csr_matrix(
            (finest.data.copy(), finest.indices >> (max(BITS) - bits), finest.indptr.copy()),
            shape=(len(rows.texts), 1 << bits),
        )
        features.sum_duplicates()
        scaling = feature_scaling(features, power=config["fit"]["idf_power"])
        scaled = features[chosen].multiply(scaling[None, :]).tocsr().astype(np.float32)
        heads = fit_heads(
            scaled,
            rows.categories[chosen],
            weights_of,
            c=config["fit"]["c"],
            epochs=config["fit"]["epochs"],
            seed=config["seed"],
            pairs=pairs if len(known) else None,
        )
        weights = heads.weights * scaling[:, None]
        kinds = {
            "float": weights,
            "int8": kept(weights, 127, 1.0),
            "int8, clipped": kept(weights, 127, CLIPPED_AT),
            "4 bits": kept(weights, 7, 1.0),
            "4 bits, clipped": kept(weights, 7, CLIPPED_AT),
        }
        row: dict[str, Any] = {"bits": bits, "used": round(float((weights != 0).any(axis=1).mean()), 4)}
        for name, form in kinds.items():
            logits = np.asarray(features[held] @ form) + heads.bias
            every = [average_precision(gold[:, k], logits[:, k]) for k in range(gold.shape[1])]
            row[name] = round(float(np.mean(every)), 4)
        row["cpu_seconds"] = round(time.process_time() - began)
        print(row, len(held), len(chosen), flush=True)
        table.append({**row, "n_held": len(held), "n_fitted": len(chosen)})
    return table


def speed(rounds: int = 9) -> dict[str, float]:
    """Kernel time by table size over that of the middle one; the size decides, so the weights are drawn."""
    from itertools import islice

    from tsclassify.data import raw_rows
    from tsclassify.features.scorer import Scorer
    from tsclassify.features.spec import FeatureSpec
    from tsclassify.features.texts import encode_texts
    from tsclassify.model.wordclasses import shipped_lexicon
    from tsclassify.training.pipeline import load_config

    config, _ = load_config("seeds/training.toml")
    sources = ("civil_comments_sample", "goemotions", "gab_hate_corpus", "dynahate")
    root = os.environ.get("TSCLASSIFY_DATA")
    texts = [row.text for source in sources for row in islice(raw_rows(source, root=root), 4000)]
    data, offsets = encode_texts(texts)
    rng = np.random.default_rng(0)
    scorers = {}
    for bits in BITS:
        spec = replace(FeatureSpec(**config["features"]), bits=bits)
        table = rng.integers(-127, 128, (1 << bits, 8), dtype=np.int8)
        scorers[bits] = Scorer(spec, shipped_lexicon(), table, np.ones(8), np.zeros(8))
        scorers[bits].logits(data, offsets)
    ratios: dict[int, list[float]] = {bits: [] for bits in BITS}
    for _ in range(rounds):
        took = {}
        for bits, scorer in scorers.items():
            began = time.process_time()
            scorer.logits(data, offsets)
            took[bits] = time.process_time() - began
        for bits in BITS:
            ratios[bits].append(took[bits] / took[18])
    return {str(bits): round(statistics.median(values), 3) for bits, values in ratios.items()}


def main() -> int:
    part = sys.argv[1]
    made: Any = fit() if part == "fit" else speed()
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    figures[part] = made
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
