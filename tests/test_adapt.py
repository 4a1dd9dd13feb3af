"""A model of one's own: adapted heads, added categories, own calibration, and scikit-learn around them."""

from __future__ import annotations

import csv
import json
import pickle
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import tsclassify as ts
from tests.test_bundle import refused, reseal
from tsclassify.adapt.rows import read_rows
from tsclassify.cli import cli
from tsclassify.taxonomy import CATEGORIES

MEANS = "shares where somebody lives"
WHO = ("she", "he", "that teacher", "my old boss", "the referee", "this streamer")
STREETS = ("elm street", "maple road", "mill lane", "harbour road", "station street")
SHARES = (
    "{who} lives at {n} {street}, go and say hello",
    "found it: {who} lives in the red house at number {n} on {street}",
    "home address of {who} is {n} {street}, second floor",
    "if you want to visit, {who} sleeps at {n} {street}",
)
OTHERS = (
    "the bakery at {n} {street} opens at seven",
    "{who} sold {n} tickets at the hall on {street}",
    "we moved the meeting with {who} to {street}, room {n}",
    "{who} ran {n} miles along {street} this morning",
)


def own_rows(seed: int = 0, n: int = 360) -> list[dict[str, Any]]:
    """Posts that share an address, and posts that only name one; about a third each is held back by `n`."""
    every = [
        {"text": text.format(who=who, n=3 * i + 2, street=street), "labels": ["doxxing"] if text in SHARES else []}
        for i, (text, who, street) in enumerate(product((*SHARES, *OTHERS), WHO, STREETS))
    ]
    order = np.random.default_rng(seed).permutation(len(every) * 2)
    return [every[i % len(every)] for i in order[:n]]


POLICY = """
policy: own
version: 1.0.0
kind: platform
effective: {{from: 2021-01-01}}
source: {{title: our own rules, clause: do not share homes, url: "https://example.org/rules", date: 2021-01-01}}
languages: {{tested: [en], otherwise: review}}
clauses: {{home: do not share where somebody lives}}
categories:
  doxxing: {{{means}review: 0.3, act: 0.6, clause: home}}
tiers:
  - {{id: private, when: {{act: doxxing}}, do: [remove]}}
actions:
  remove: {{scope: item, says: the post is removed}}
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> ts.Classifier:
    return ts.fit(own_rows(), categories={"doxxing": MEANS}, out=tmp_path_factory.mktemp("fit") / "mine")


@pytest.fixture(scope="module")
def folder(mine: ts.Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(path for path in tmp_path_factory.getbasetemp().glob("fit*/mine"))


def policy(path: Path) -> ts.Policy:
    path.write_text(POLICY.format(means=f"means: {MEANS}, "), encoding="utf-8")
    return ts.Policy.load(path)


# --- an added category


def test_an_added_category_stands_beside_the_seven(mine: ts.Classifier) -> None:
    assert mine.categories == (*CATEGORIES, "doxxing")
    scores = mine.score(["the nurse lives at 77 elm street, go and say hello", "the bakery opens at seven"])
    assert scores.probabilities.shape == (2, 8)
    assert scores["doxxing"][0] > 0.5 > scores["doxxing"][1]
    row = mine.model.figures["fit"]["doxxing"]
    assert row["ap_low"] <= row["ap"] <= row["ap_high"]
    assert mine.info.priors["doxxing"] == pytest.approx(row["n_positive"] / row["n_items"], abs=1e-4)
    assert mine.info.operating_points["doxxing"]


def test_heads_without_labels_score_bit_for_bit_as_the_base_does(mine: ts.Classifier) -> None:
    texts = [row["text"] for row in own_rows()] + ["I will burn your warehouse down tonight. We met at the lake. Bye."]
    base = ts.load()
    assert (mine.score(texts).probabilities[:, :7] == base.score(texts).probabilities).all()
    assert (mine.signals(texts).probabilities == base.signals(texts).probabilities).all()
    assert (mine.language(texts) == base.language(texts)).all()


def test_scores_of_added_categories_do_not_depend_on_the_batch(mine: ts.Classifier) -> None:
    texts = [row["text"] for row in own_rows()[:80]]
    together = mine.score(texts).probabilities
    assert (np.concatenate([mine.score([text]).probabilities for text in texts]) == together).all()


def test_an_added_category_is_explained_exactly(mine: ts.Classifier) -> None:
    text = "Look here. That doctor lives at 12 elm street, go and say hello. I had soup."
    explained = mine.explain(text, "doxxing")
    assert explained.bias + sum(piece.contribution for piece in explained.pieces) == pytest.approx(
        explained.logit, abs=1e-4
    )
    assert explained.score == mine.score([text])["doxxing"][0]
    assert "lives" in text[explained.start : explained.end]


def test_an_added_category_decides_under_a_policy_that_says_what_it_means(mine: ts.Classifier, tmp_path: Path) -> None:
    rules = policy(tmp_path / "own.yaml")
    items = [
        {"id": "1", "text": "the nurse lives at 77 elm street, go and say hello"},
        {"id": "2", "text": "the bakery at 9 elm street opens at seven"},
    ]
    first, second = mine.decide_many(items, rules)
    assert (first.tier, second.tier) == ("private", "none")
    assert first.findings[0].category == "doxxing"
    assert first.why()
    with pytest.raises(ts.PolicyError, match="doxxing"):
        ts.load().decide(items[0], rules)


def test_a_policy_must_say_what_a_category_of_its_own_means(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(POLICY.format(means=""), encoding="utf-8")
    with pytest.raises(ts.PolicyError, match="needs means"):
        ts.Policy.load(path)


def test_batch_and_policy_diff_carry_an_added_category(mine: ts.Classifier, folder: Path, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps({**row, "id": i}) + "\n" for i, row in enumerate(own_rows()[:60])))
    rules = policy(tmp_path / "own.yaml")
    ts.score_jsonl(posts, tmp_path / "scored.jsonl", policy=rules, model=folder)
    rows = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text(encoding="utf-8").splitlines()]
    alone = mine.score([row["text"] for row in rows])
    assert [row["tsclassify"]["scores"]["doxxing"] for row in rows] == pytest.approx(
        alone["doxxing"].tolist(), abs=1e-6
    )
    lines = [{**row, "gold": row["labels"]} for row in rows]
    posts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = CliRunner().invoke(
        cli, ["policy", "diff", *[str(tmp_path / "own.yaml")] * 2, "--on", str(posts), "--model", str(folder), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["gold"]["n_labelled"] == 60


def test_evaluation_measures_an_added_category(mine: ts.Classifier) -> None:
    report = ts.evaluate(mine, own_rows(seed=5, n=120), n_boot=50, disguises=False, swaps=(), suites=())
    assert report.value("ranking", "ap", category="doxxing") > 0.9


def test_the_same_rows_and_seed_give_the_same_bundle(mine: ts.Classifier, tmp_path: Path) -> None:
    again = ts.fit(own_rows(), categories={"doxxing": MEANS}, out=tmp_path / "mine")
    assert again.info.sha256 == mine.info.sha256


def test_a_bundle_of_ones_own_can_be_the_base_of_the_next(mine: ts.Classifier, folder: Path, tmp_path: Path) -> None:
    rows = [
        {"text": row["text"], "doxxing": int(bool(row["labels"])), "spam": int("tickets" in row["text"])}
        for row in own_rows(seed=2)
    ]
    more = ts.fit(rows, base=folder, categories={"spam": "sells something"}, out=tmp_path / "more")
    assert more.categories == (*CATEGORIES, "doxxing", "spam")
    assert more.model.figures["fit"]["doxxing"]["base_ap"] > 0.9
    assert "shares where somebody lives" in (tmp_path / "more" / "CARD.md").read_text(encoding="utf-8")


def test_a_forged_added_category_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    reseal(copy, lambda manifest: manifest.update(added={"hate": "x"}, categories=[*CATEGORIES, "hate"]))
    refused(copy, "must have a name of its own")
    reseal(copy, lambda manifest: manifest.update(added={"doxxing": "x", "b": "y"}))
    refused(copy, "categories and signals must be this library's")


# --- adapted heads


def test_an_adapted_head_follows_own_labels(tmp_path: Path) -> None:
    """On this forum "zorp" is abuse; the shipped head has never met it."""
    rows = [
        {"text": f"you are {word} number {i} of this thread", "abuse": int(word == "a zorp")}
        for i in range(60)
        for word in ("a zorp", "a friend", "the author")
    ]
    adapted = ts.fit(rows, out=tmp_path / "forum")
    texts = ["what a zorp you are", "what a friend you are"]
    assert adapted.categories == CATEGORIES
    gap, before = (np.subtract(*clf.score(texts)["abuse"]) for clf in (adapted, ts.load()))
    assert gap > before + 0.2
    row = adapted.model.figures["fit"]["abuse"]
    assert row["ap"] > row["base_ap"]
    assert row["gain_low"] <= row["gain"] <= row["gain_high"]
    text = "you zorp. " * 3
    explained = adapted.explain(text, "abuse")
    assert explained.bias + sum(piece.contribution for piece in explained.pieces) == pytest.approx(
        explained.logit, abs=1e-4
    )


# --- rows


def test_every_form_of_labels_says_the_same(tmp_path: Path) -> None:
    import pandas as pd

    rows = own_rows(n=50)
    texts, golds = [row["text"] for row in rows], [int(bool(row["labels"])) for row in rows]
    one_label = [{"text": t, "label": "doxxing" if g else "none"} for t, g in zip(texts, golds, strict=True)]
    table = pd.DataFrame({"text": texts, "doxxing": golds})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    with (tmp_path / "b.csv").open("w", newline="", encoding="utf-8") as file:
        made = csv.DictWriter(file, ["text", "labels"])
        made.writeheader()
        made.writerows({"text": row["text"], "labels": "|".join(row["labels"])} for row in rows)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    names = (*CATEGORIES, "doxxing")
    for source in (rows, one_label, table, *(tmp_path / name for name in ("a.csv", "b.csv", "a.parquet", "a.jsonl"))):
        data = read_rows(source, names, added=("doxxing",), place="fit")
        assert data.gold[:, 7].tolist() == golds
        assert (data.gold[:, :7] == -1).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a", "labels": ["doxing"]}], "label must be one of .*, got 'doxing'"),
        ([{"text": "a", "labels": "abuse"}], "labels of row 0 must be a list, got str"),
        ([{"text": "a", "labels": [], "label": "abuse"}], "must have labels or label, got both"),
        ([{"body": "a", "abuse": 1}], "rows must have text, got fields abuse, body"),
        ([{"text": "a", "abuse": i % 2} for i in range(30)], "at least 20 posts with it and 20 without"),
        ([], "rows must have text"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_in_one_sentence(rows: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ts.InputError, match=message):
        ts.fit(rows, out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ({"hate": "x"}, "must have a name of its own"),
        ({"Doxxing!": "x"}, "must be a name of a-z"),
        ({"doxxing": ""}, "meaning of doxxing must be a text"),
        ({"doxxing": MEANS, "other": "x"}, "other must have at least 20 posts"),
    ],
)
def test_categories_that_cannot_be_added_are_refused(categories: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ts.InputError, match=message):
        ts.fit(own_rows(n=60), categories=categories, out=tmp_path / "x")


# --- calibration


def test_calibration_takes_the_prior_of_the_stream_and_mends_the_scores(folder: Path, tmp_path: Path) -> None:
    rows = own_rows(seed=3)
    rare = [row for row in rows if not row["labels"]] * 4 + [row for row in rows if row["labels"]][:40]
    said: list[str] = []
    ours = ts.calibrate(rare, model=folder, out=tmp_path / "ours", say=said.append)
    row = ours.model.figures["calibrated"]["doxxing"]
    assert ours.info.priors["doxxing"] == pytest.approx(40 / len(rare))
    assert row["ece"] <= row["ece_before"] + 0.005
    assert "recall known to" in said[0]
    texts = [row["text"] for row in rows]
    order = np.argsort(ts.load(folder).score(texts)["doxxing"], kind="stable")
    assert (np.diff(ours.score(texts)["doxxing"][order]) >= -1e-6).all()
    assert (ours.score(texts)["hate"] == ts.load().score(texts)["hate"]).all()


def test_calibration_without_labels_enough_says_how_many_are_needed(tmp_path: Path) -> None:
    rows = [{"text": f"post {i}", "abuse": int(i == 3)} for i in range(40)]
    said: list[str] = []
    with pytest.raises(ts.InputError, match="at least 20 posts"):
        ts.calibrate(rows, out=tmp_path / "ours", say=said.append)
    assert said == ["abuse: kept as it was; 1 posts with it and 39 without, at least 20 needed of each"]


# --- scikit-learn


def pipeline() -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(ts.TextFeatures(), ts.LinearHeads())


def test_linear_heads_pass_the_checks_of_scikit_learn() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(ts.LinearHeads(epochs=20), on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


def test_text_features_pass_the_checks_of_scikit_learn_that_text_allows() -> None:
    from sklearn.exceptions import SkipTestWarning
    from sklearn.utils.estimator_checks import check_estimator

    # those that need rows of numbers are skipped with this warning
    with pytest.warns(SkipTestWarning, match="string=True"):
        results = check_estimator(ts.TextFeatures(), on_skip=None)
    assert any(result["status"] == "passed" for result in results)


def test_a_pipeline_is_cloned_searched_and_pickled() -> None:
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV

    rows = own_rows(n=120)
    texts, gold = [row["text"] for row in rows], np.array([bool(row["labels"]) for row in rows])
    search = GridSearchCV(clone(pipeline()), {"linearheads__c": [0.1, 1.0]}, cv=2, scoring="average_precision")
    search.fit(texts, gold)
    assert search.best_score_ > 0.9
    again = pickle.loads(pickle.dumps(search.best_estimator_))  # noqa: S301 (our own bytes)
    assert (again.predict_proba(texts) == search.predict_proba(texts)).all()
    assert (search.predict(texts) == gold).mean() > 0.9


def test_a_fitted_pipeline_becomes_a_bundle_with_its_scores(tmp_path: Path) -> None:
    import pandas as pd

    rows = own_rows()
    texts, gold = [row["text"] for row in rows], [int(bool(row["labels"])) for row in rows]
    made = pipeline().fit(texts, pd.DataFrame({"doxxing": gold, "abuse": [1 - one for one in gold]}))
    clf = ts.calibrate(own_rows(seed=4), model=made, out=tmp_path / "made")
    assert clf.categories == (*CATEGORIES, "doxxing")
    probe = ["the nurse lives at 77 elm street, go and say hello", "the bakery at 9 elm street opens at seven"]
    logits = [clf.explain(text, name).logit for text in probe for name in ("doxxing", "abuse")]
    assert logits == pytest.approx(made.decision_function(probe).ravel().tolist(), abs=0.1)


@pytest.mark.parametrize("how", ["unnamed", "unfitted", "other"])
def test_a_pipeline_that_cannot_become_a_bundle_is_refused(how: str, tmp_path: Path) -> None:
    rows = own_rows(n=60)
    made: Any = pipeline() if how != "other" else object()
    if how == "unnamed":
        made.fit([row["text"] for row in rows], [bool(row["labels"]) for row in rows])
    message = {"unnamed": "labels without names", "unfitted": "must be fitted", "other": "got object"}[how]
    with pytest.raises(ts.InputError, match=message):
        ts.calibrate(rows, model=made, out=tmp_path / "x")


# --- commands


def test_fit_and_calibrate_from_the_shell(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in own_rows()), encoding="utf-8")
    done = CliRunner().invoke(
        cli, ["fit", str(rows), "--out", str(tmp_path / "mine"), "--category", f"doxxing={MEANS}"]
    )
    assert done.exit_code == 0, done.output
    assert "doxxing" in done.stdout
    done = CliRunner().invoke(cli, ["calibrate", str(rows), "-m", str(tmp_path / "mine"), "-o", str(tmp_path / "ours")])
    assert done.exit_code == 0, done.output
    assert "doxxing" in done.stdout
    assert ts.load(tmp_path / "ours").info.name == "ours"
    done = CliRunner().invoke(cli, ["fit", str(rows), "--out", str(tmp_path / "x"), "--category", "doxxing"])
    assert done.exit_code == 2
    assert "NAME=MEANING" in done.output
