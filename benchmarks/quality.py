"""Quality of a bundle beside the baseline and the teacher, on the same held-out rows; writes docs/figures/quality.json.

Run from the repository root::

    TSCLASSIFY_DATA=path/to/raw python benchmarks/quality.py --bundle models/en-v1 --annotated path/to/annotated.jsonl

Without ``--annotated`` the held-out rows are those that are found again in the public files; most ``eval`` rows come
from sources that are not among them. ``--teacher`` takes a ``.npz`` with ``ids`` and ``logits`` of the fine-tuned
transformer, and its logits on the public test sets as ``gab`` and ``edos``; without it the teacher's figures in the
file stay, if the baseline measures there what it measures now, so on the same rows. No text is written anywhere.

The baseline is trained on the rows that are drawn as the dev rows are, without the hard rows and the contrasts that
were added for training; "baseline, all rows" has those too.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import tsclassify as ts
from tsclassify.data import annotated_rows, exclusion_key, written_rows
from tsclassify.data.corpus import AnnotatedRow, text_sha256
from tsclassify.evaluation.disguise import DISGUISES, disguise
from tsclassify.evaluation.fairness import identity_table
from tsclassify.evaluation.labelled import LabelledData
from tsclassify.evaluation.swaps import load_swaps, row_counterfactuals, template_counterfactuals
from tsclassify.metrics import average_precision
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES
from tsclassify.training.pipeline import load_config
from tsclassify.training.training_set import build_training_set, gold_columns, minimal_pairs

Score = Callable[[Sequence[str]], np.ndarray]
_WS = re.compile(r"\s+")


def bundle_scorer(folder: str) -> tuple[Score, object]:
    """Probabilities of a bundle, by passage as it is used."""
    clf = ts.load(folder)

    def score(texts: Sequence[str]) -> np.ndarray:
        return np.asarray(clf.score(list(texts)).probabilities)

    return score, clf.model


def baseline_scorer(texts: Sequence[str], gold: np.ndarray) -> Score:
    """TF-IDF of words 1-2 and char_wb 2-5 with logistic regression, C=4, one per category."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
    features = sparse.hstack([words.fit_transform(texts), pieces.fit_transform(texts)], format="csr").astype(np.float32)
    heads = [LogisticRegression(C=4.0, solver="liblinear").fit(features, gold[:, k]) for k in range(gold.shape[1])]

    def score(some: Sequence[str]) -> np.ndarray:
        matrix = sparse.hstack([words.transform(some), pieces.transform(some)], format="csr").astype(np.float32)
        return np.stack([head.predict_proba(matrix)[:, 1] for head in heads], axis=1).astype(np.float32)

    return score


def read_public(root: Path) -> dict[str, object]:
    """Texts of the public test sets that measure ranking and false alarms."""

    def rows(name: str, **keys: str) -> list[dict[str, str]]:
        with (root / name).open(newline="", encoding="utf-8", errors="replace") as lines:
            return list(csv.DictReader(lines, **keys))  # type: ignore[arg-type]

    def clean(text: str) -> str:
        return _WS.sub(" ", text).strip()

    edos = [row for row in rows("edos/edos_labelled_aggregated.csv") if row["split"] == "test"]
    gab = rows("gab_hate_corpus/ghc_test.tsv", delimiter="\t")
    prompts = {row["prompt"]: row["type"] for row in rows("xstest/xstest_v2_completions_llama2orig.csv")}
    with (root / "ag_news/ag_news_test.csv").open(newline="", encoding="utf-8") as lines:
        news = [clean(" ".join(row[1:])) for row in csv.reader(lines)]
    return {
        "edos": ([clean(row["text"]) for row in edos], np.array([row["label_category"][:2] == "1." for row in edos])),
        "gab": ([clean(row["text"]) for row in gab], np.array([[row["hd"] == "1", row["cv"] == "1"] for row in gab])),
        "alarms": {
            "social_sentinel": [clean(r["text"]) for r in rows("social_sentinel/social_sentinel_flag_language.csv")],
            "ag_news": news,
            "xstest_safe": [clean(text) for text, kind in prompts.items() if not kind.startswith("contrast")],
            "conda": [clean(row["utterance"]) for row in rows("conda/CONDA_valid.csv") if clean(row["utterance"])],
            "civil_comments_safe": [clean(row["text"]) for row in rows("civil_comments_sample/safe.csv")],
        },
    }


def aps(gold: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Average precision per category with at least two positives, and their mean."""
    values = {
        name: round(average_precision(gold[:, k], scores[:, k]), 4)
        for k, name in enumerate(CATEGORIES)
        if gold[:, k].sum() > 1
    }
    return {**values, "macro": round(float(np.mean(list(values.values()))), 4)}


def macro_interval(gold: np.ndarray, ours: np.ndarray, other: np.ndarray, seed: int = 0) -> list[float]:
    """95 % bootstrap interval of the macro difference ours - other."""
    rng = np.random.default_rng(seed)
    gaps = []
    for _ in range(200):
        rows = rng.integers(0, len(gold), len(gold))
        gaps.append(aps(gold[rows], ours[rows])["macro"] - aps(gold[rows], other[rows])["macro"])
    return [round(float(end), 4) for end in np.quantile(gaps, [0.025, 0.975])]


def ordered(rows: Sequence[AnnotatedRow], gold: np.ndarray, scores: np.ndarray) -> dict[str, object]:
    """Share of minimal pairs with the threat above its innocent twin, by the categories that the threat carries."""
    heads: dict[tuple[int, int], list[int]] = {}
    for higher, lower, k in minimal_pairs(rows, gold):
        heads.setdefault((higher, lower), []).append(k)
    every = [scores[a, ks].max() > scores[b, ks].max() for (a, b), ks in heads.items()]
    site = [scores[a, 1] > scores[b, 1] for (a, b), ks in heads.items() if 1 in ks]
    return {
        "pairs": round(float(np.mean(every)), 4), "n_pairs": len(every),
        "facility_pairs": round(float(np.mean(site)), 4), "n_facility_pairs": len(site),
    }  # fmt: skip


def act_points(model: object) -> dict[str, float]:
    """Thresholds at which ``hosting-provider`` acts, as written in the pack."""
    from tsclassify.classifier import Classifier
    from tsclassify.policy import Decider, Policy

    info = Classifier(model, "0" * 64).info  # type: ignore[arg-type]
    thresholds = Decider(Policy.load("hosting-provider"), info).thresholds
    return {name: act for name, (_, act) in thresholds.items() if act is not None}


def swap_gaps(score: Score, texts: Sequence[str], acts: dict[str, float]) -> dict[str, dict[str, float]]:
    """Score gaps over the five violence categories when a party, name or identity group is swapped."""
    columns = [k for k, name in enumerate(CATEGORIES) if name in acts] or [0, 1, 2]
    limits = np.array([acts.get(CATEGORIES[k], 0.5) for k in columns])
    table = {}
    for name in ("politics", "names", "identity", "facilities"):
        swaps = load_swaps(name)
        for kind, twins in (
            ("templates", template_counterfactuals(swaps)),
            ("rows", row_counterfactuals(swaps, [str(i) for i in range(len(texts))], texts, limit=500)),
        ):
            if not twins:
                continue
            versions = [text for twin in twins for text in twin.texts]
            scores = score(versions)[:, columns]
            gaps, flips, at = [], [], 0
            for twin in twins:
                some = scores[at : at + len(twin.texts)]
                at += len(twin.texts)
                gaps.append(float((some.max(axis=0) - some.min(axis=0)).max()))
                acting = (some >= limits).any(axis=1)
                flips.append(bool(acting.any() != acting.all()))
            table[f"{name} {kind}"] = {
                "n": len(gaps), "mean_gap": round(float(np.mean(gaps)), 4),
                "largest_gap": round(float(np.max(gaps)), 4), "flips": round(float(np.mean(flips)), 4),
            }  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bundle", default="models/en-v1")
    parser.add_argument("--annotated", help="file with the texts of all annotated rows")
    parser.add_argument("--teacher", help="npz with ids and logits of the teacher")
    parser.add_argument("--out", default="docs/figures/quality.json")
    given = parser.parse_args()
    start = time.perf_counter()
    root = Path(os.environ["TSCLASSIFY_DATA"])
    if given.annotated:
        with open(given.annotated, encoding="utf-8") as lines:
            posts = [json.loads(line) for line in lines]
        rows = [
            AnnotatedRow(
                *(post[name] for name in ("id", "text", "source", "picked", "use", "split", "code")),
                text_sha256(post["text"]),
            )
            for post in posts
        ]
    else:
        rows = annotated_rows(root=root)
    rows += written_rows()
    gold = gold_columns(rows)[0]
    dev = np.array([i for i, row in enumerate(rows) if row.use == "train" and row.split == "dev"])
    held = np.array([i for i, row in enumerate(rows) if row.use == "eval"])
    score, model = bundle_scorer(given.bundle)
    config, _ = load_config(shipped("seeds", "training.toml"))
    train = build_training_set(config["rows"], data_root=root)
    base = baseline_scorer(train.texts[: train.n_stated], train.categories[: train.n_stated] > 0.5)
    base_all = baseline_scorer(train.texts[: train.n_gold], train.categories[: train.n_gold] > 0.5)
    scorers = {"ours": score, "baseline": base, "baseline, all rows": base_all}
    used = {exclusion_key(text) for text in train.texts}
    print(f"baseline fitted after {time.perf_counter() - start:.0f} s", flush=True)
    public = read_public(root)
    texts = [row.text for row in rows]
    some = np.concatenate([dev, held])
    by_model: dict[str, np.ndarray] = {}
    for name, scorer in scorers.items():
        by_model[name] = np.full((len(rows), len(CATEGORIES)), np.nan, dtype=np.float32)
        by_model[name][some] = scorer([texts[i] for i in some])
    taught = {}
    if given.teacher:
        with np.load(given.teacher) as archive:
            taught = {name: archive[name][:, : len(CATEGORIES)] for name in ("gab", "edos") if name in archive.files}
            known = dict(zip(archive["ids"].tolist(), archive["logits"], strict=True))
        by_model["teacher"] = np.array(
            [known.get(row.id, np.full(21, np.nan))[: len(CATEGORIES)] for row in rows], dtype=np.float32
        )
    acts = act_points(model)
    result: dict[str, object] = {"act_thresholds": acts, "models": {}}
    for name, scores in by_model.items():
        entry: dict[str, object] = {"dev": aps(gold[dev], scores[dev]), "eval": aps(gold[held], scores[held])}
        dev_rows = [rows[i] for i in dev]
        entry["order"] = ordered(dev_rows, gold[dev], scores[dev])
        result["models"][name] = entry  # type: ignore[index]
    edos_texts, edos_gold = public["edos"]  # type: ignore[misc]
    gab_texts, gab_gold = public["gab"]  # type: ignore[misc]
    on_public = {name: (scorer(edos_texts), scorer(gab_texts)) for name, scorer in scorers.items()}
    if len(taught) == 2:
        on_public["teacher"] = (taught["edos"], taught["gab"])
    for name, (edos, gab) in on_public.items():
        violence = [0, 2, 3]
        result["models"][name] |= {  # type: ignore[index]
            "edos_category_1": round(average_precision(edos_gold, edos[:, violence].max(axis=1)), 4),
            "gab_hd": round(average_precision(gab_gold[:, 0], gab[:, 5]), 4),
            "gab_cv": round(average_precision(gab_gold[:, 1], gab[:, [0, 2]].max(axis=1)), 4),
            "gab_cv_wish": round(average_precision(gab_gold[:, 1], gab[:, violence].max(axis=1)), 4),
        }
    result["public_positives"] = {
        "edos_category_1": int(edos_gold.sum()),
        "gab_hd": int(gab_gold[:, 0].sum()),
        "gab_cv": int(gab_gold[:, 1].sum()),
    }
    if not given.teacher and Path(given.out).exists():
        stored = json.loads(Path(given.out).read_text(encoding="utf-8"))["models"]
        now = result["models"]["baseline"]  # type: ignore[index]
        if "teacher" in stored and all(stored["baseline"][part] == now[part] for part in ("dev", "eval")):
            result["models"]["teacher"] = stored["teacher"]  # type: ignore[index]
    ours = by_model["ours"]
    result["dev_gain_interval"] = macro_interval(gold[dev], ours[dev], by_model["baseline"][dev])
    result["eval_gain_interval"] = macro_interval(gold[held], ours[held], by_model["baseline"][held])
    alarms = {}
    for name, every in public["alarms"].items():  # type: ignore[attr-defined]
        some_texts = [text for text in every if exclusion_key(text) not in used]
        scores = score(some_texts)
        hits = np.zeros(len(some_texts), dtype=bool)
        for category, act in acts.items():
            hits |= scores[:, CATEGORIES.index(category)] >= act
        alarms[name] = {"n": len(some_texts), "share": round(float(hits.mean()), 5)}
    result["false_alarms"] = alarms
    result["recall_at_act"] = {
        name: round(float((ours[dev][gold[dev][:, k], k] >= act).mean()), 4)
        for name, act in acts.items()
        for k in [CATEGORIES.index(name)]
    }
    result["precision_at_act"] = {
        name: round(float(gold[dev][ours[dev][:, k] >= act, k].mean()), 4)
        for name, act in acts.items()
        for k in [CATEGORIES.index(name)]
        if (ours[dev][:, k] >= act).any()
    }
    clean = aps(gold[dev], ours[dev])["macro"]
    innocent = [texts[i] for i in dev if not gold[i, :5].any()]
    disguised = {}
    for kind in DISGUISES:
        scores = score(disguise([texts[i] for i in dev], kind, "mid"))
        before, after = score(innocent), score(disguise(innocent, kind, "mid"))
        extra = np.zeros(len(innocent), dtype=bool)
        for category, act in acts.items():
            k = CATEGORIES.index(category)
            extra |= (after[:, k] >= act) & (before[:, k] < act)
        disguised[kind] = {
            "kept": round(aps(gold[dev], scores)["macro"] / clean, 4), "added_alarms": round(float(extra.mean()), 5)
        }  # fmt: skip
    result["disguised"] = disguised
    result["swaps"] = swap_gaps(score, [texts[i] for i in dev], acts)
    terms = load_swaps("identity").terms()
    ids = tuple(rows[i].id for i in dev)
    labelled = LabelledData(ids, tuple(texts[i] for i in dev), CATEGORIES, gold[dev].astype(np.int8), {}, "")
    named = identity_table(labelled, ours[dev], terms)
    result["identity"] = [] if named is None else [dict(row) for row in named.rows]
    result["ece"] = {name: row["ece"] for name, row in model.figures["dev"].items()}  # type: ignore[attr-defined]
    Path(given.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
