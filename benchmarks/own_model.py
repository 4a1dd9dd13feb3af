"""What a model of one's own gains and costs: ``python benchmarks/own_model.py quality|speed OUT.json``.

``quality`` holds one source out of a base (its category heads are fitted anew on the labelled rows of all other
sources, signals stay), adapts that base to 2,000 labelled rows of the source with ``tsclassify.fit``, and measures the
base, the adapted model and scikit-learn's TF-IDF with logistic regression on the source's dev rows, with paired
bootstrap intervals. ``speed`` times ``fit`` on 5,000 and on 200,000 rows. Public files are found by
``TSCLASSIFY_DATA``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import tsclassify as ts
from tsclassify.data import annotated_rows
from tsclassify.data.raw import raw_rows
from tsclassify.evaluation.bootstrap import bootstrap, interval
from tsclassify.metrics import average_precision
from tsclassify.model.wordclasses import lexicon_from_mapping
from tsclassify.taxonomy import CATEGORIES, parse_code

HELD_OUT = "threatgram101"
N_ROWS = 2000
LEAST_POSITIVE = 20
SEED = 11


def gold_of(rows: list[Any]) -> Any:
    return np.array([parse_code(row.code)[0] for row in rows], dtype=np.int8)


def as_rows(rows: list[Any]) -> list[dict[str, Any]]:
    return [{"text": row.text, "code": row.code} for row in rows]


def base_without(rows: list[Any], base: str | None, folder: Path) -> ts.Classifier:
    """A bundle whose category heads have seen these rows only."""
    import pandas as pd
    from sklearn.pipeline import make_pipeline

    order = np.random.default_rng(SEED).permutation(len(rows))
    part = len(rows) // 5
    fitted, measured = [rows[i] for i in order[part:]], [rows[i] for i in order[:part]]
    model = ts.load(base).model
    features = ts.TextFeatures(model.spec, lexicon_from_mapping(model.lexicon))
    pipeline = make_pipeline(features, ts.LinearHeads(c=3.0))
    pipeline.fit([row.text for row in fitted], pd.DataFrame(gold_of(fitted), columns=CATEGORIES))
    return ts.calibrate(as_rows(measured), model=pipeline, base=base, out=folder)


def rival(texts: list[str], gold: Any, measured: list[str]) -> Any:
    """TF-IDF of words and letters with logistic regression, as notebooks have it: float32 (n, K)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union

    union = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
    )
    known, new = union.fit_transform(texts), union.transform(measured)
    columns = [
        LogisticRegression(C=4, max_iter=1000).fit(known, gold[:, k]).predict_proba(new)[:, 1]
        for k in range(gold.shape[1])
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def quality(base: str | None) -> dict[str, Any]:
    rows = [row for row in annotated_rows() if row.use == "train"]
    others = [row for row in rows if row.source != HELD_OUT and row.split == "train"]
    own = [row for row in rows if row.source == HELD_OUT and row.split == "train"]
    dev = [row for row in rows if row.source == HELD_OUT and row.split == "dev"]
    own = [own[i] for i in np.random.default_rng(SEED).permutation(len(own))[:N_ROWS]]
    texts, gold = [row.text for row in dev], gold_of(dev)
    with tempfile.TemporaryDirectory() as folder:
        start = base_without(others, base, Path(folder) / "without")
        adapted = ts.fit(as_rows(own), base=Path(folder) / "without", out=Path(folder) / "adapted")
        scores = {
            "base": start.score(texts).probabilities,
            "adapted": adapted.score(texts).probabilities,
            "tfidf_lr": rival([row.text for row in own], gold_of(own), texts),
        }
    chosen = [k for k in range(len(CATEGORIES)) if min(gold[:, k].sum(), gold_of(own)[:, k].sum()) >= LEAST_POSITIVE]
    draws = {
        name: bootstrap(gold[:, chosen], made[:, chosen], n_draws=1000, seed=1).ap for name, made in scores.items()
    }
    found: dict[str, Any] = {"held_out": HELD_OUT, "n_rows": len(own), "n_dev": len(dev)}
    columns = [(CATEGORIES[k], [place]) for place, k in enumerate(chosen)]
    for name, places in [*columns, ("macro", list(range(len(chosen))))]:
        row: dict[str, Any] = {"n_positive": int(gold[:, [chosen[place] for place in places]].sum())}
        for model, made in scores.items():
            row[model] = float(
                np.mean([average_precision(gold[:, chosen[p]] == 1, made[:, chosen[p]]) for p in places])
            )
        for other in ("base", "tfidf_lr"):
            gaps = (draws["adapted"][:, places] - draws[other][:, places]).mean(axis=1)
            row[f"over_{other}"] = [row["adapted"] - row[other], *interval(gaps)]
        found[name] = row
    return found


def speed(base: str | None) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    clf = ts.load(base)
    texts = [row.text for source in ("jigsaw", "civil_comments", "dynahate") for row in raw_rows(source)]
    texts += [row.text for row in islice(raw_rows("goemotions"), max(0, 200_000 - len(texts)))]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in (1000, 5000, 200_000):
            some = [texts[i] for i in rng.permutation(len(texts))[:n]]
            scores = clf.score(some).probabilities
            # labels of three heads, as noisy as people's
            flipped = rng.random(scores.shape) < 0.02
            gold = (scores > 0.4) ^ flipped
            rows = [
                {"text": text, "incitement": int(row[2]), "hate": int(row[5]), "abuse": int(row[6])}
                for text, row in zip(some, gold, strict=True)
            ]
            wall, cpu = time.perf_counter(), time.process_time()
            ts.fit(rows, base=base, out=Path(folder) / "own")
            found[f"{len(some)} rows"] = [time.perf_counter() - wall, time.process_time() - cpu]
            sys.stdout.write(f"{len(some)} rows: {found[f'{len(some)} rows']}\n")
            sys.stdout.flush()
    return found


def main(argv: list[str]) -> int:
    what, out, *base = argv
    found = {"quality": quality, "speed": speed}[what](base[0] if base else None)
    before = json.loads(Path(out).read_text(encoding="utf-8")) if Path(out).is_file() else {}
    Path(out).write_text(json.dumps({**before, what: found}, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
