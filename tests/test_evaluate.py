"""Evaluation: planted faults are named, a clean model raises none, figures do not depend on anything but the data."""

from __future__ import annotations

import csv
import html.parser
import inspect
import itertools
import json
import re
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import tsclassify as ts
from tsclassify.errors import GateError, InputError
from tsclassify.evaluation import (
    DISGUISES,
    STRENGTHS,
    Report,
    as_scorer,
    compare,
    disguise,
    evaluate,
    from_callable,
    from_dicts,
    from_sklearn,
    load_suite,
    load_swaps,
    read_gates,
    read_labelled,
)
from tsclassify.evaluation.suites import suite_rows
from tsclassify.evaluation.swaps import SWAP_LISTS, row_counterfactuals, template_counterfactuals
from tsclassify.records import ModelInfo, OperatingPoint
from tsclassify.scores import Scores

CATEGORIES = ("violent_threat", "incitement")
_VIOLENT = re.compile(r"\b(shoot|burn|kill|stab)\b", re.IGNORECASE)
_PLACES = ("bakery", "harbour", "library", "station", "market", "river", "garden", "tower")


class KeywordModel:
    """A model that a reader can check: 0.8 for a violent word, 0.05 without; calibrated on `_rows`."""

    def __init__(self, change: Callable[[str, np.ndarray], np.ndarray] | None = None) -> None:
        self.change = change
        self.info = ModelInfo(
            name="keyword",
            sha256="0" * 64,
            categories=CATEGORIES,
            signals=(),
            priors={},
            operating_points={"incitement": (OperatingPoint(0.5, 0.8, 0.6, 100, 20, 0.7, 0.9, 0.5, 0.7),)},
            signal_bands={},
        )

    def score(self, texts: Sequence[str]) -> Scores:
        out = np.empty((len(texts), 2), dtype=np.float32)
        for i, text in enumerate(texts):
            base = 0.8 if _VIOLENT.search(text) else 0.05
            row = np.array([base, base / 2], dtype=np.float64)
            out[i] = self.change(text, row) if self.change is not None else row
        return Scores(CATEGORIES, out)


def _rows(n: int = 4000, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        violent = rng.random() < 0.3
        word = rng.choice(["shoot", "burn", "stab"]) if violent else rng.choice(["paint", "visit", "photograph"])
        chance = 0.8 if violent else 0.05
        rows.append(
            {
                "id": f"r{i}",
                "text": f"we will {word} the {rng.choice(_PLACES)} number {i}",
                "violent_threat": bool(rng.random() < chance),
                "incitement": bool(rng.random() < chance / 2),
                "source": "a" if i % 3 else "b",
            }
        )
    return rows


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return _rows()


@pytest.fixture(scope="module")
def clean(rows: list[dict[str, Any]]) -> Report:
    return evaluate(KeywordModel(), rows, n_boot=200, max_rows=300, prevalence=0.001)


def _codes(report: Report) -> set[str]:
    return {problem.code for problem in report.problems}


# -- problems are named ---------------------------------------------------------------------------------


def test_clean_model_raises_neither_bias_nor_miscalibration(clean: Report) -> None:
    assert not _codes(clean) & {"bias", "neutrality", "identity_ranking", "miscalibration"}


def test_model_that_fires_on_one_identity_word_is_named(rows: list[dict[str, Any]]) -> None:
    def fires(text: str, row: np.ndarray) -> np.ndarray:
        return np.maximum(row, 0.9) if re.search(r"\batheists?\b", text, re.IGNORECASE) else row

    report = evaluate(KeywordModel(fires), rows, n_boot=50, disguises=False)
    biased = [problem.message for problem in report.problems if problem.code == "bias"]
    assert len(biased) == 1
    assert "'atheist'" in biased[0]
    assert "raises" in biased[0]
    assert "'atheist'" in report.to_dict()["problems"][0]["message"]
    assert report.value("swaps", "flips", swap="identity", source="templates", category="decision") > 0


def test_model_that_favours_one_political_side_is_named(rows: list[dict[str, Any]]) -> None:
    right = load_swaps("politics").terms()["right"]
    pattern = re.compile("|".join(map(re.escape, right)), re.IGNORECASE)

    def favours(text: str, row: np.ndarray) -> np.ndarray:
        return row * 0.6 if pattern.search(text) else row

    report = evaluate(KeywordModel(favours), rows, n_boot=50, disguises=False, swaps=("politics",))
    messages = " ".join(problem.message for problem in report.problems)
    assert "politics swaps" in messages
    assert "'right'" in messages


def test_planted_miscalibration_is_named_with_its_direction(rows: list[dict[str, Any]]) -> None:
    def overconfident(text: str, row: np.ndarray) -> np.ndarray:
        return np.array([min(1.0, row[0] + 0.12), row[1]])

    report = evaluate(KeywordModel(overconfident), rows, n_boot=50, disguises=False)
    named = [problem.message for problem in report.problems if problem.code == "miscalibration"]
    assert len(named) == 1
    assert "violent_threat" in named[0]
    assert "too high" in named[0]


def test_group_whose_innocent_posts_score_high_is_named_in_the_ranking_table() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(1200):
        group = "hindus" if i % 4 == 0 else "people"
        violent = bool(rng.random() < 0.3)
        rows.append({"text": f"{i} {'shoot' if violent else 'greet'} the {group}", "violent_threat": violent})

    def fires(text: str, row: np.ndarray) -> np.ndarray:
        return np.maximum(row, 0.85) if "hindus" in text else row

    report = evaluate(KeywordModel(fires), rows, n_boot=20, swaps=("names",), disguises=False)
    assert "identity_ranking" in _codes(report)
    assert report.value("identity", "bpsn_auc", group="hindu", category="violent_threat") < 0.8


# -- figures --------------------------------------------------------------------------------------------


def test_tables_equal_scikit_learn_on_the_same_scores(rows: list[dict[str, Any]], clean: Report) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = KeywordModel().score([row["text"] for row in rows])
    for category in CATEGORIES:
        gold = [row[category] for row in rows]
        assert clean.value("ranking", "ap", category=category) == pytest.approx(
            average_precision_score(gold, scores[category]), abs=1e-9
        )
        assert clean.value("ranking", "auc", category=category) == pytest.approx(
            roc_auc_score(gold, scores[category]), abs=1e-9
        )


def test_alert_volume_follows_the_stated_formula(clean: Report) -> None:
    row = clean["operating_points"].where(category="violent_threat")[0]
    expected = 10_000 * (row["recall"] * 0.001 + row["false_alarm_rate"] * 0.999)
    assert row["alerts"] == pytest.approx(expected)
    assert row["alerts_low"] < row["alerts"] < row["alerts_high"]
    assert "10,000 x (recall x prevalence" in clean["operating_points"].note


def test_operating_points_of_the_bundle_are_measured(clean: Report) -> None:
    assert clean.value("operating_points", "point", category="incitement") == "operating point"
    assert clean.value("operating_points", "point", category="violent_threat") == "even odds"


def test_same_seed_gives_the_same_report_and_another_seed_other_intervals(rows: list[dict[str, Any]]) -> None:
    one, two, three = (evaluate(KeywordModel(), rows[:500], seed=seed, n_boot=60, max_rows=50) for seed in (1, 1, 2))
    assert one.to_dict() == two.to_dict()
    assert one.value("ranking", "auc_low", category="incitement") != three.value(
        "ranking", "auc_low", category="incitement"
    )


def test_missing_labels_are_left_out_per_category() -> None:
    rows = [
        {"text": "shoot", "violent_threat": True, "incitement": None},
        {"text": "paint", "violent_threat": False, "incitement": False},
        {"text": "stab", "violent_threat": None, "incitement": True},
    ]
    report = evaluate(KeywordModel(), rows, n_boot=5, disguises=False, swaps=(), suites=())
    assert report.value("ranking", "n_items", category="violent_threat") == 2
    assert report.value("ranking", "n_items", category="incitement") == 2


def test_innocent_rows_alone_give_false_alarms_and_no_invented_figures(tmp_path: Path) -> None:
    rows = [{"text": f"shoot {i}" if i % 50 == 0 else f"paint {i}", "violent_threat": False} for i in range(500)]

    class Stated(KeywordModel):
        def score(self, texts: Sequence[str]) -> Scores:
            plain = super().score(texts)
            return Scores(CATEGORIES, plain.probabilities, priors={"violent_threat": 0.05})

    report = evaluate(Stated(), rows, n_boot=50)
    assert report.value("operating_points", "false_alarm_rate", category="violent_threat") == 0.02
    assert np.isnan(report.value("ranking", "ap", category="violent_threat"))
    assert np.isnan(report.value("ranking", "ece", category="violent_threat"))
    assert "miscalibration" not in _codes(report)
    assert "nan" not in report.save(tmp_path / "r.html").read_text(encoding="utf-8").lower().replace("finan", "")
    assert Report.load(report.save(tmp_path / "r.json")).value("ranking", "ap", category="violent_threat") is None


def test_minimal_pairs_count_ties_as_half() -> None:
    rows = [
        {"text": "shoot", "violent_threat": True, "pair": 1},
        {"text": "paint", "violent_threat": False, "pair": 1},
        {"text": "stab a", "violent_threat": True, "pair": "x"},
        {"text": "stab b", "violent_threat": False, "pair": "x"},
        {"text": "alone", "violent_threat": False, "pair": None},
    ]
    report = evaluate(KeywordModel(), rows, n_boot=5, disguises=False, swaps=(), suites=())
    assert report.value("pairs", "ordered", category="violent_threat") == 0.75
    assert report.value("pairs", "n_pairs", category="any violence") == 2


def test_slices_cover_source_length_and_what_the_caller_names(rows: list[dict[str, Any]]) -> None:
    report = evaluate(
        KeywordModel(),
        rows[:600],
        n_boot=20,
        disguises=False,
        swaps=(),
        suites=(),
        slices={"odd": lambda text: int(text.split()[-1]) % 2},
    )
    assert {row["slice"] for row in report["slices"]} == {"source", "length", "odd"}
    assert sum(row["n_items"] for row in report["slices"].where(slice="source", category="incitement")) == 600


@pytest.mark.parametrize("form", ["rows", "frame", "dataset", "jsonl", "gz", "parquet", "labels", "list", "code"])
def test_every_form_of_data_gives_the_same_gold(form: str, tmp_path: Path) -> None:
    rows = [
        {"id": "1", "text": "shoot", "violent_threat": True, "incitement": False},
        {"id": "2", "text": "paint", "violent_threat": False, "incitement": False},
    ]
    data: Any = rows
    if form == "frame":
        import pandas as pd

        data = pd.DataFrame(rows)
    elif form == "dataset":
        import datasets

        data = datasets.Dataset.from_list(rows)
    elif form in ("jsonl", "gz"):
        import gzip

        data = tmp_path / ("rows.jsonl" + (".gz" if form == "gz" else ""))
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        data.write_bytes(gzip.compress(content) if form == "gz" else content)
    elif form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        data = tmp_path / "rows.parquet"
        pq.write_table(pa.Table.from_pylist(rows), data)
    elif form == "labels":
        data = [
            {"id": row["id"], "text": row["text"], "labels": {name: row[name] for name in CATEGORIES}} for row in rows
        ]
    elif form == "list":
        data = [
            {"id": row["id"], "text": row["text"], "labels": [name for name in CATEGORIES if row[name]]} for row in rows
        ]
    elif form == "code":
        data = [{"id": "1", "text": "shoot", "code": "T/p3/-"}, {"id": "2", "text": "paint", "code": "N/-/-"}]
    read = read_labelled(data, categories=CATEGORIES)
    assert read.ids == ("1", "2")
    assert read.gold.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ([{"text": "a"}], "gold labels"),
        ([{"violent_threat": True}], "must have text"),
        ([{"text": 3, "violent_threat": True}], "text of row 0"),
        ([{"text": "secret words", "violent_threat": "maybe"}], "row 0"),
        ([3], "must be a mapping"),
        (3, "must be a datasets.Dataset"),
        ("no-such-file.jsonl", "must be there"),
    ],
)
def test_data_that_cannot_be_read_is_refused_without_its_text(data: Any, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        evaluate(KeywordModel(), data)
    assert "secret words" not in str(caught.value)


def test_a_model_that_cannot_score_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="must have score"):
        as_scorer(object())
    wrong = from_callable(lambda texts: np.zeros(len(texts) + 1), categories="incitement")
    with pytest.raises(InputError, match="shape"):
        wrong.score(["a"])
    outside = from_callable(lambda texts: np.full(len(texts), 2.0), categories="incitement")
    with pytest.raises(InputError, match="in \\[0, 1\\]"):
        outside.score(["a"])


def test_a_generator_of_rows_is_read_once() -> None:
    model = ts.load()
    rows = [{"text": f"they will burn depot {n}", "incitement": n % 2 == 0, "joking": n % 3 == 0} for n in range(30)]
    listed, generated = (
        evaluate(model, data, n_boot=5, disguises=False, swaps=(), suites=()) for data in (rows, (row for row in rows))
    )
    assert generated["signals"].where(signal="joking")[0]["n_positive"] == 10
    assert generated.to_dict() == listed.to_dict()


def test_evaluate_is_a_plain_function() -> None:
    assert inspect.isfunction(ts.evaluate)
    report = ts.evaluate(
        KeywordModel(), [{"text": "shoot", "incitement": True}], n_boot=2, disguises=False, swaps=(), suites=()
    )
    assert isinstance(report, ts.Report)


# -- peers ----------------------------------------------------------------------------------------------


def test_peer_identical_to_the_model_differs_by_exactly_nothing(rows: list[dict[str, Any]]) -> None:
    report = evaluate(
        KeywordModel(), rows[:400], peers={"twin": KeywordModel()}, n_boot=50, disguises=False, swaps=(), suites=()
    )
    for row in report["peers"]:
        assert (row["ap_difference"], row["ap_difference_low"], row["ap_difference_high"]) == (0.0, 0.0, 0.0)


def test_peer_that_guesses_is_worse_beyond_its_paired_interval(rows: list[dict[str, Any]]) -> None:
    guess = from_dicts(
        lambda texts: {"threat": [(hash(len(text)) % 97) / 97 for text in texts]},
        columns={"violent_threat": "threat"},
        name="guess",
    )
    report = evaluate(
        KeywordModel(), rows[:800], peers={"guess": guess}, n_boot=100, disguises=False, swaps=(), suites=()
    )
    row = report["peers"].where(peer="guess")[0]
    assert row["category"] == "violent_threat"
    assert row["ap_difference_low"] > 0


def test_scikit_learn_adapters_give_one_column_per_category() -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, gold = ["shoot him", "paint it", "stab him", "visit it"], [1, 0, 1, 0]
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, gold)
    one = from_sklearn(pipeline, categories="violent_threat").score(texts)
    many = from_sklearn({"violent_threat": pipeline, "incitement": pipeline}).score(texts)
    assert one.shape == (4, 1)
    np.testing.assert_array_equal(one[:, 0], many[:, 1])


# -- swaps, disguises, suites -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SWAP_LISTS)
def test_shipped_swap_lists_have_templates_and_distinct_twins(name: str) -> None:
    swaps = load_swaps(name)
    twins = template_counterfactuals(swaps)
    assert {one.groups for one in twins}
    for one in twins:
        assert len(set(one.texts)) == len(one.texts) == len(one.groups) >= 2


def test_political_templates_treat_both_sides_alike() -> None:
    for one in template_counterfactuals(load_swaps("politics")):
        assert one.groups == ("left", "right")


def test_rows_are_swapped_both_ways_with_their_case_kept() -> None:
    swaps = load_swaps("politics")
    (one,) = row_counterfactuals(swaps, ["7"], ["DEMOCRATS and republicans argue; Democratsville stays"])
    assert one.texts[1] == "REPUBLICANS and democrats argue; Democratsville stays"
    (two,) = row_counterfactuals(swaps, ["8"], ["Joe Biden met Trump"])
    assert two.texts[1] == "Donald Trump met Biden"


def test_an_article_is_not_said_twice_in_a_twin() -> None:
    (one,) = row_counterfactuals(load_swaps("politics"), ["7"], ["The BLM march, and BLM alone"])
    assert one.texts[1] == "The TEA PARTY march, and THE TEA PARTY alone"
    texts = [text for name in SWAP_LISTS for one in template_counterfactuals(load_swaps(name)) for text in one.texts]
    assert not [text for text in texts if "the the " in text.lower()]


def test_every_side_and_name_reads_as_one_word() -> None:
    """Counterfactuals of the political and name templates have the same features.

    But for length, and for a side of two words at the start of a sentence or after a negation: there the first of the
    two has a feature of its own.
    """
    from tsclassify.features.reference import features_of
    from tsclassify.features.spec import FeatureSpec
    from tsclassify.model.wordclasses import shipped_lexicon
    from tsclassify.resources import shipped
    from tsclassify.training.pipeline import load_config

    config, _ = load_config(shipped("seeds", "training.toml"))
    spec, lexicon = FeatureSpec(**{**config["features"], "flags": False}), shipped_lexicon()
    differ = []
    for name in ("politics", "names"):
        for one in template_counterfactuals(load_swaps(name)):
            found = [
                [f for f in features_of(text, spec, lexicon) if f.kind not in {"start", "negated"}]
                for text in one.texts
            ]
            rows = {tuple(sorted(feature.bucket for feature in features)) for features in found}
            if len(rows) > 1:
                differ.append(one.texts)
    assert differ == []


def test_faulty_swap_list_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[sets]]\nid = "x"\ngroups.a = ["one"]\ngroups.b = ["two"]\ntemplates = []\n', encoding="utf-8")
    with pytest.raises(InputError, match="templates") as caught:
        load_swaps(path)
    assert "above" in caught.value.hint
    path.write_text('[[sets]]\nid = "x"\ngroups.a = ["one", "more"]\ngroups.b = ["two"]\n', encoding="utf-8")
    with pytest.raises(InputError, match="equally many"):
        load_swaps(path)
    with pytest.raises(InputError, match="must be one of"):
        load_swaps("nothing-of-the-kind")


@pytest.mark.parametrize("kind", DISGUISES)
def test_disguise_is_seeded_independent_of_neighbours_and_grows_with_strength(kind: str) -> None:
    texts = ["I will shoot the whole committee on Thursday morning", "ok", ""]
    worn = disguise(texts, kind, "mid", seed=3)
    assert worn == disguise(texts, kind, "mid", seed=3)
    assert worn[0] == disguise(texts[:1], kind, "mid", seed=3)[0]
    assert worn[0] != texts[0]
    assert worn[1:] == ["ok", ""]
    changed = [
        sum(
            a != b
            for a, b in zip(texts[0].split(" "), disguise(texts[:1], kind, name, seed=3)[0].split(" "), strict=False)
        )
        for name in STRENGTHS
    ]
    assert changed[0] <= changed[2]


def test_unknown_disguise_is_refused() -> None:
    with pytest.raises(InputError, match="kind"):
        disguise(["a"], "rot13", "mid")
    with pytest.raises(InputError, match="strength"):
        disguise(["a"], "leet", "extreme")


def test_keyword_model_loses_recall_when_words_are_disguised(clean: Report) -> None:
    assert clean.value("disguises", "recall_kept", disguise="spacing", strength="high", category="macro") < 0.8
    assert clean.value("disguises", "ap_kept", disguise="case", strength="high", category="macro") == 1.0


def test_shipped_suite_is_large_varied_and_paired() -> None:
    suite = load_suite("violence")
    names = {case.functionality for case in suite.cases}
    assert len(suite.cases) >= 400
    assert len(names) >= 25
    assert len({case.text for case in suite.cases}) == len(suite.cases)
    twins = {case.id: case for case in suite.cases}
    for case in suite.cases:
        assert twins[case.twin].twin == case.id
        assert twins[case.twin].positive is not case.positive
    for name in names:
        assert len({case.positive for case in suite.cases if case.functionality == name}) == 1


def test_suite_is_politically_balanced() -> None:
    suite = load_suite("violence")
    left = [case.text for case in suite.cases if case.functionality.endswith("_the_left")]
    right = [case.text for case in suite.cases if case.functionality.endswith("_the_right")]
    assert len(left) == len(right) == 20


def test_suite_shares_no_text_with_the_training_posts() -> None:
    path = Path(__file__).resolve().parents[1] / "seeds" / "written.jsonl"
    written = {json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()}
    assert not written & {case.text for case in load_suite("violence").cases}


def test_a_csv_in_hatecheck_layout_is_measured_per_functionality(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["", "functionality", "case_id", "test_case", "label_gold", "target_ident", "ref_case_id"])
        writer.writerow([0, "threat_dir_h", 1, "we shoot zorps", "hateful", "zorps", ""])
        writer.writerow([1, "threat_dir_h", 2, "we greet zorps badly", "hateful", "zorps", ""])
        writer.writerow([2, "ident_neutral_nh", 3, "we paint zorps", "non-hateful", "zorps", "1"])
    suite = load_suite(path)
    scores = KeywordModel().score([case.text for case in suite.cases]).probabilities
    table = suite_rows(suite, scores, CATEGORIES, [0.5, 0.5], [0.04, 0.04])
    by_name = {row["functionality"]: row for row in table}
    assert by_name["threat_dir_h"]["right"] == 0.5
    assert by_name["ident_neutral_nh"]["right"] == 1.0
    assert by_name["ident_neutral_nh"]["raised_to_review"] == 1.0
    assert by_name["all"]["twins_ordered"] == 1.0


def test_one_suite_or_list_needs_no_sequence(rows: list[dict[str, Any]]) -> None:
    report = evaluate(
        KeywordModel(), rows[:40], n_boot=2, disguises=False, suites="violence", swaps="politics", slices="source"
    )
    assert {row["suite"] for row in report["suites"]} == {"violence"}
    assert {row["swap"] for row in report["swaps"]} == {"politics"}


def test_missing_values_of_a_data_frame_are_missing_labels() -> None:
    import pandas as pd

    frame = pd.DataFrame({"text": ["shoot", "paint"], "incitement": pd.array([True, None], dtype="boolean")})
    assert read_labelled(frame, categories=["incitement"]).gold.tolist() == [[1], [-1]]


def test_suite_with_an_unknown_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("functionality,test_case,label_gold\nx,text,perhaps\n", encoding="utf-8")
    with pytest.raises(InputError, match="label_gold of case 1"):
        load_suite(path)


# -- the report -------------------------------------------------------------------------------------------


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]


@pytest.fixture(scope="module")
def page(clean: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = clean.save(tmp_path_factory.mktemp("report") / "report.html")
    return path.read_text(encoding="utf-8")


def test_page_asks_nothing_of_the_network_and_runs_no_script(page: str) -> None:
    parsed = _Page()
    parsed.feed(page)
    assert not [tag for tag, _ in parsed.tags if tag in {"script", "link", "img", "iframe", "object", "base"}]
    links = [attrs[name] for _, attrs in parsed.tags for name in ("href", "src", "xlink:href") if attrs.get(name)]
    assert links
    assert all(link is not None and link.startswith("#") for link in links)
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!#)", page)


def test_page_has_one_title_ordered_headings_and_described_plots(page: str) -> None:
    parsed = _Page()
    parsed.feed(page)
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    plots = [attrs for tag, attrs in parsed.tags if tag == "svg"]
    assert len(plots) >= 6
    assert all(attrs.get("role") == "img" and len(attrs.get("aria-label") or "") > 20 for attrs in plots)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert dict(next(attrs for tag, attrs in parsed.tags if tag == "html"))["lang"] == "en"
    assert all(attrs.get("scope") in {"col", "row"} for tag, attrs in parsed.tags if tag == "th")


def test_every_text_colour_has_enough_contrast_in_both_schemes(page: str) -> None:
    light, dark = re.findall(r":root \{ (--page.*?) \}", page)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", scheme))
        for ink in ("ink", "soft", "first", "second"):
            for ground in ("page", "panel", "warnpage"):
                assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * ch for ch in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_stored_report_renders_the_same_page(clean: Report, page: str, tmp_path: Path) -> None:
    path = clean.save(tmp_path / "report.json")
    loaded = Report.load(path)
    again = loaded.save(tmp_path / "again.html").read_text(encoding="utf-8")
    assert again == page
    assert loaded.to_dict() == clean.to_dict()


def test_text_of_errors_is_shown_only_on_request_and_escaped(tmp_path: Path) -> None:
    rows = [
        {"id": "e1", "text": "shoot <script>alert(1)</script>", "violent_threat": False},
        {"id": "e2", "text": "paint", "violent_threat": True},
    ]
    quiet = evaluate(KeywordModel(), rows, n_boot=5, disguises=False, swaps=(), suites=())
    shown = evaluate(KeywordModel(), rows, n_boot=5, disguises=False, swaps=(), suites=(), show_text=True)
    assert "alert(1)" not in json.dumps(quiet.to_dict())
    assert {row["id"] for row in quiet["errors"]} == {"e1", "e2"}
    page = shown.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script" not in page


def test_model_name_cannot_break_the_page(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    model = from_callable(lambda texts: np.zeros(len(texts)), categories="incitement", name='"><script>x</script>')
    report = evaluate(model, rows[:50], n_boot=5, disguises=False, swaps=(), suites=())
    assert "<script" not in report.save(tmp_path / "r.html").read_text(encoding="utf-8")


def test_report_shows_itself_in_a_notebook(clean: Report) -> None:
    assert "No problem" in clean._repr_html_() or "found" in clean._repr_html_()
    assert "violent_threat" in clean["ranking"]._repr_html_()
    assert clean.plots["reliability"].svg().count("<g transform") == len(clean.curves)
    assert list(clean["ranking"].to_pandas()["category"]) == [*CATEGORIES, "macro"]


def test_report_refuses_what_it_cannot_write_or_read(clean: Report, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.html or \.json"):
        clean.save(tmp_path / "report.pdf")
    with pytest.raises(InputError, match="writable"):
        clean.save(tmp_path / "missing" / "report.json")
    other = tmp_path / "other.json"
    other.write_text('{"schema": 99}', encoding="utf-8")
    with pytest.raises(InputError, match="schema"):
        Report.load(other)
    other.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="stored report"):
        Report.load(other)
    with pytest.raises(InputError, match="table must be one of"):
        clean["nothing"]


# -- gates and commands -----------------------------------------------------------------------------------


def _gates(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "gates.toml"
    path.write_text(content, encoding="utf-8")
    return path


_TWO_GATES = """
[[gate]]
name = "threats ranked well"
table = "ranking"
column = "ap"
where = {category = "violent_threat"}
at_least = %s
[[gate]]
name = "both ranked at all"
table = "ranking"
column = "auc"
at_least = 0.5
"""


def test_gates_name_the_one_that_fails(clean: Report, tmp_path: Path) -> None:
    assert clean.check(_gates(tmp_path, _TWO_GATES % "0.3")) == ()
    (failed,) = clean.check(_gates(tmp_path, _TWO_GATES % "0.99"))
    assert str(failed).startswith("threats ranked well: ranking.ap must be at least 0.99, got 0.")


def test_a_gate_on_a_figure_that_is_not_there_fails(clean: Report, tmp_path: Path) -> None:
    missing = '[[gate]]\nname = "m"\ntable = "pairs"\ncolumn = "ordered"\nat_least = 0\n'
    (failed,) = clean.check(_gates(tmp_path, missing))
    assert "no figure" in str(failed)


def test_all_faults_of_a_gates_file_are_told_at_once(tmp_path: Path) -> None:
    content = (
        '[[gate]]\ntable = "a"\n[[gate]]\ntable = "a"\ncolumn = "b"\nat_least = 1\nat_most = 2\n[[gate]]\nfoo = 1\n'
    )
    with pytest.raises(InputError) as caught:
        read_gates(_gates(tmp_path, content))
    assert [line for line in str(caught.value).splitlines() if "gate 1" in line]
    assert "gate 2 must have one of at_least and at_most, got 2" in str(caught.value)
    assert "gate 3" in str(caught.value)


def test_shipped_gates_can_be_read_and_name_tables_of_a_report(clean: Report) -> None:
    from tsclassify.resources import shipped

    gates = read_gates(shipped("seeds", "gates.toml"))
    assert len({gate.name for gate in gates}) == len(gates) >= 8
    assert {gate.table for gate in gates} <= {*clean.tables, "pairs"}


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """``load(name)`` gives the keyword model; names that end in 2 give a stricter one."""

    def stricter(text: str, row: np.ndarray) -> np.ndarray:
        return row * 0.5 if "bakery" in text else row

    stub = types.ModuleType("tsclassify.classifier")
    stub.load = lambda name: KeywordModel(stricter if str(name).endswith("2") else None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tsclassify.classifier", stub)


@pytest.mark.usefixtures("bundles")
def test_evaluate_command_exits_3_with_the_failing_gates_named(
    rows: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tsclassify.cli import main

    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows[:300]), encoding="utf-8")
    page, stored = tmp_path / "r.html", tmp_path / "r.json"
    common = ["evaluate", "keyword", str(data), "--draws", "20", "--no-disguises"]
    fails = [
        *common,
        "--fail-under",
        str(_gates(tmp_path, _TWO_GATES % "0.99")),
        "--html",
        str(page),
        "--json",
        str(stored),
    ]
    assert main(fails) == 3
    said = capsys.readouterr()
    assert "threats ranked well" in said.err
    assert "both ranked at all" not in said.err
    assert "violent_threat" in said.out
    assert page.is_file()
    assert Report.load(stored).meta["model"] == "keyword"
    assert main([*common, "--fail-under", str(_gates(tmp_path, _TWO_GATES % "0.3"))]) == 0
    assert "all 2 gates hold" in capsys.readouterr().err


@pytest.mark.usefixtures("bundles")
def test_faulty_gates_are_told_before_anything_is_measured(tmp_path: Path) -> None:
    from tsclassify.cli import main

    assert (
        main(["evaluate", "keyword", str(tmp_path / "none.jsonl"), "--fail-under", str(_gates(tmp_path, "x = 1"))]) == 1
    )


def test_gate_error_is_an_error_of_its_own() -> None:
    assert issubclass(GateError, ts.TsclassifyError)


def test_comparison_counts_changed_decisions_and_how_many_are_right(rows: list[dict[str, Any]]) -> None:
    def stricter(text: str, row: np.ndarray) -> np.ndarray:
        return row * 0.5 if "bakery" in text else row

    result = compare(KeywordModel(), KeywordModel(stricter), rows)
    affected = [row for row in rows if "bakery" in row["text"] and _VIOLENT.search(row["text"])]
    row = result.tables["changes"].where(category="violent_threat")[0]
    assert row["no_longer_act"] == result.n_changed == len(affected)
    assert row["newly_act"] == 0
    assert row["changed_right"] == sum(not one["violent_threat"] for one in affected)
    assert {one["id"] for one in result.tables["posts"]} <= {one["id"] for one in affected}
    assert f"{len(affected):,} of 4,000 posts" in result.to_markdown()


def test_comparison_needs_no_labels_and_finds_no_change_in_a_twin() -> None:
    result = compare(KeywordModel(), KeywordModel(), [{"text": "shoot"}, {"text": "paint"}])
    assert result.n_changed == 0
    assert result.tables["changes"].rows[0]["changed_right"] is None


@pytest.mark.usefixtures("bundles")
def test_compare_command_prints_ids_and_never_text(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    from tsclassify.cli.compare import command

    data, posts = tmp_path / "rows.jsonl", tmp_path / "posts.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows[:200]), encoding="utf-8")
    result = CliRunner().invoke(command, ["one", "v2", str(data), "--posts", str(posts)])
    assert result.exit_code == 0, result.output
    assert "posts change their level" in result.output
    assert "bakery" not in result.output + posts.read_text(encoding="utf-8")
    markdown = CliRunner().invoke(command, ["one", "v2", str(data), "--markdown"])
    assert markdown.output.startswith("`keyword` to `keyword`")


# -- the shipped bundle -----------------------------------------------------------------------------


def test_shipped_bundle_is_measured_under_a_shipped_policy() -> None:
    path = Path(__file__).resolve().parents[1] / "seeds" / "written.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    held_out = [row for row in rows if row["split"] == "dev"][:120]
    report = evaluate(ts.load(), held_out, policy="hosting-provider", n_boot=20, max_rows=50, swaps=("politics",))
    names = [row["tier"] for row in report["decisions"]]
    assert names[-2:] == ["review", "none"]
    assert report["slices"].where(slice="language", value="tested language")
    assert sum(row["n_items"] for row in report["decisions"]) == 120
    assert {row["point"] for row in report["operating_points"].where(category="violent_threat")} >= {"act", "review"}
    assert report["signals"].where(signal="target_facility")[0]["n_positive"] > 0
    assert report.meta["model_sha256"] == ts.load().info.sha256
