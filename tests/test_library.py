"""The library in other people's programs: pickles, pools, data frames, wrong types."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsclassify as ts
from tsclassify.errors import BundleError, InputError
from tsclassify.taxonomy import CATEGORIES

TEXTS = ["see you at the picnic", "we will burn the zorp depot down tonight"]


@pytest.fixture(scope="module")
def clf() -> ts.Classifier:
    return ts.load()


# --- pickles


def test_a_pickle_is_a_path_and_a_hash(clf: ts.Classifier) -> None:
    again = pickle.loads(pickle.dumps(clf))  # noqa: S301
    assert len(pickle.dumps(clf)) < 1000
    assert np.array_equal(again.score(TEXTS).probabilities, clf.score(TEXTS).probabilities)
    assert copy.deepcopy(clf).info.sha256 == copy.copy(clf).info.sha256 == clf.info.sha256


def test_a_pickle_of_a_bundle_that_was_replaced_is_refused(clf: ts.Classifier) -> None:
    function, (source, sha256) = clf.__reduce__()
    with pytest.raises(BundleError, match="en-v1 must have the hash"):
        function(source, sha256[::-1])


def test_a_model_in_memory_is_not_pickled(clf: ts.Classifier) -> None:
    with pytest.raises(InputError, match="must lie in a bundle to be pickled"):
        pickle.dumps(ts.Classifier(clf.model, "0" * 64))


def test_other_processes_score_the_same(clf: ts.Classifier) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        theirs = pool.submit(clf.score, TEXTS).result()
    assert np.array_equal(theirs.probabilities, clf.score(TEXTS).probabilities)


def test_datasets_map_and_joblib_take_a_classifier(clf: ts.Classifier, tmp_path: Path) -> None:
    import datasets
    import joblib

    def flagged(batch: dict[str, list[str]]) -> dict[str, list[float]]:
        return {"incitement": clf.score(batch["text"])["incitement"].tolist()}

    rows = datasets.Dataset.from_dict({"text": TEXTS}).map(flagged, batched=True)
    assert rows["incitement"] == clf.score(TEXTS)["incitement"].tolist()
    joblib.dump(clf, tmp_path / "clf.joblib")
    assert joblib.load(tmp_path / "clf.joblib").info == clf.info


def test_a_bundle_is_loaded_by_what_a_record_carries(clf: ts.Classifier) -> None:
    name = f"{clf.info.name}@{clf.info.sha256[:12]}"
    assert ts.load(name).info.sha256 == clf.info.sha256
    with pytest.raises(BundleError, match="must have the hash"):
        ts.load(f"{clf.info.name}@000000000000")


def test_warm_up_loads_the_kernels_for_posts_and_signals() -> None:
    fresh = ts.load()
    assert fresh._scorer._kernel is None
    fresh.warm_up()
    assert fresh._scorer._kernel is not None


# --- scores as rows, frames and under other names


def test_scores_are_rows_and_columns(clf: ts.Classifier) -> None:
    scores = clf.score(TEXTS)
    assert scores[1] == scores.to_dicts()[1] == list(scores)[-1] == scores[-1] == scores[np.int64(1)]
    assert type(scores[0]["incitement"]) is float
    assert scores[0:1].to_dicts() == [scores[0]]
    with pytest.raises(IndexError):
        scores[2]
    with pytest.raises(InputError, match="got float"):
        scores[0.5]  # type: ignore[call-overload]


def test_a_series_keeps_its_index(clf: ts.Classifier) -> None:
    import pandas as pd

    series = pd.Series(TEXTS, index=["b", "a"])
    assert list(clf.score(series).to_pandas().index) == ["b", "a"]
    assert list(clf.signals(series[::-1]).to_pandas().index) == ["a", "b"]
    assert list(clf.score(series)[1:].to_pandas().index) == ["a"]
    assert list(clf.score(series).at_prior(0.01).to_pandas().index) == ["b", "a"]


def test_flagged_is_a_score_at_even_odds() -> None:
    scores = ts.Scores(("a", "b"), np.array([[0.49, 0.5], [0.1, 0.2]], dtype=np.float32))
    assert scores.flagged.tolist() == [True, False]


@pytest.mark.parametrize("name", ["perspective", "openai", "azure", "jigsaw", "mlcommons", "eu-dsa", "dsa"])
def test_other_taxonomies_are_named_with_their_relation(name: str) -> None:
    values = np.linspace(0.1, 0.7, 7, dtype=np.float32)[np.newaxis]
    named = ts.Scores(CATEGORIES, values).as_taxonomy(name)
    assert named
    for column, relation in named.values():
        assert column.shape == (1,)
        assert column.dtype == np.float32
        assert relation in {"exact", "broader", "narrower"}


def test_a_category_without_a_counterpart_is_left_out() -> None:
    values = np.zeros((1, 7), dtype=np.float32)
    values[0, CATEGORIES.index("facility_threat")] = 0.9
    named = ts.Scores(CATEGORIES, values).as_taxonomy("perspective")
    assert "PROFANITY" not in named
    # their definition of a threat names people, so ours on places does not count
    assert named["THREAT"][0].tolist() == [0.0]
    assert named["IDENTITY_ATTACK"][1] == "exact"


def test_signals_have_no_other_names(clf: ts.Classifier) -> None:
    with pytest.raises(InputError, match="columns must be categories"):
        clf.signals(TEXTS).as_taxonomy("openai")
    with pytest.raises(InputError, match="crosswalk"):
        clf.score(TEXTS).as_taxonomy("zorp")


# --- reports


def test_a_printed_report_fits_a_screen() -> None:
    from tsclassify.evaluation import Problem, Table

    row = {"category": "hate", "n_positive": 1234, "ap": 0.5, "ap_low": 0.4, "ap_high": 0.6, "auc": 0.9}
    problem = Problem("zorp", "hate: " + "a long sentence " * 30, "ranking")
    report = ts.Report(
        {"model": "m", "n_items": 5000}, {"ranking": Table("ranking", "t", "", (row,))}, {}, (problem,) * 60
    )
    lines = str(report).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert "0.400–0.600" in lines[2]
    assert len(repr(report)) < 100


# --- wrong types

WRONG: tuple[Any, ...] = (None, 3, 2.5, True, "zorp", b"zorp", [], [3], {}, {"text": 3}, object(), ("a", "b"), range(2))


def _calls(clf: ts.Classifier) -> dict[str, Any]:
    policy = ts.Policy.load("hosting-provider")
    item = {"id": "1", "text": TEXTS[1], "at": "2021-01-08T10:00:00Z", "actor": "u7", "tenant": "acme"}
    scores = clf.score(TEXTS)
    decision = clf.decide(item, policy)
    return {
        "load": ts.load,
        "score": clf.score,
        "signals": clf.signals,
        "language": clf.language,
        "explain text": lambda wrong: clf.explain(wrong, "hate"),
        "explain category": lambda wrong: clf.explain("zorp", wrong),
        "decide item": lambda wrong: clf.decide(wrong, policy),
        "decide policy": lambda wrong: clf.decide(item, wrong),
        "decide_many items": lambda wrong: clf.decide_many(wrong, policy),
        "decide_many breaker": lambda wrong: clf.decide_many([item], policy, breaker=wrong),
        "decide_many times": lambda wrong: clf.decide_many([item], policy, at_s=wrong),
        "Policy.load": ts.Policy.load,
        "Policy.load as_of": lambda wrong: ts.Policy.load("hosting-provider", as_of=wrong),
        "Breaker": ts.Breaker,
        "Classifier": lambda wrong: ts.Classifier(wrong, "0" * 64),
        "Scores": lambda wrong: ts.Scores(("a",), wrong),
        "Scores[]": lambda wrong: scores[wrong],
        "at_prior": scores.at_prior,
        "states": scores.states,
        "as_taxonomy": scores.as_taxonomy,
        "statement": lambda wrong: ts.statement_of_reasons(wrong, policy),
        "statement policy": lambda wrong: ts.statement_of_reasons(decision, wrong),
        "evaluate model": lambda wrong: ts.evaluate(wrong, [{"text": "zorp", "hate": True}]),
        "evaluate rows": lambda wrong: ts.evaluate(clf, wrong),
        "evaluate policy": lambda wrong: ts.evaluate(clf, [{"text": "zorp", "hate": True}], policy=wrong or 3),
        "score_jsonl": lambda wrong: ts.score_jsonl(wrong, "/nowhere/out.jsonl"),
        "score_jsonl out": lambda wrong: ts.score_jsonl("/nowhere/in.jsonl", wrong),
        "Ledger.open": lambda wrong: ts.Ledger.open(wrong, create=False),
        "review_platform": lambda wrong: ts.review_platform(wrong, policy, tenant="acme", at="2021-01-08T10:00:00Z"),
        "Report.load": ts.Report.load,
    }


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: type(value).__name__ + "_" + str(value)[:6])
def test_a_wrong_type_is_told_in_words(
    clf: ts.Classifier, wrong: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = []
    for name, call in _calls(clf).items():
        try:
            call(wrong)
        except (ts.TsclassifyError, IndexError):
            pass
        except Exception as error:
            raw.append(f"{name}: {type(error).__name__}: {error}")
    assert raw == []
