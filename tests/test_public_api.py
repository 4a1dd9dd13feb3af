"""The public API is a contract: these names, these fields, these refusals."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import tsclassify as ts
from tsclassify.records import Truth
from tsclassify.taxonomy import CATEGORIES, SIGNALS

ITEM = {
    "id": "1",
    "text": "I will burn your warehouse down tonight with all of you in it",
    "actor": "u7",
    "tenant": "acme",
    "at": "2021-01-08T10:00:00Z",
}

HEAVY = ("sklearn", "scipy", "numba", "datasets", "pandas", "pyarrow", "matplotlib", "torch", "pydantic", "rich")


@pytest.fixture(scope="module")
def clf() -> ts.Classifier:
    return ts.load()


@pytest.fixture(scope="module")
def policy() -> ts.Policy:
    return ts.Policy.load("hosting-provider")


def test_all_names_are_importable_and_sorted() -> None:
    assert ts.__all__ == sorted(ts.__all__)
    for name in ts.__all__:
        assert getattr(ts, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'verdict'"):
        _ = ts.verdict


def test_import_pulls_in_nothing_heavy() -> None:
    code = f"import sys, tsclassify; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scoring_never_imports_scikit_learn() -> None:
    code = (
        "import sys, tsclassify as ts; clf = ts.load(); clf.score(['hello'] * 100); clf.signals(['hello']); "
        "print([m for m in ('sklearn', 'scipy.sparse', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scores_have_the_contract_s_form(clf: ts.Classifier) -> None:
    scores = clf.score(["hello", "see you at the picnic"])
    assert clf.categories == CATEGORIES == scores.categories
    assert scores.probabilities.shape == (2, 7)
    assert scores.probabilities.dtype == np.float32
    assert scores["incitement"].shape == (2,)
    assert len(scores) == 2
    assert list(scores.to_pandas().columns) == list(CATEGORIES)
    assert scores.to_arrow().num_rows == 2
    assert "<table>" in scores._repr_html_()


def test_signals_have_three_states(clf: ts.Classifier) -> None:
    assert clf.signals(["hello"]).categories == SIGNALS
    for name, band in clf.info.signal_bands.items():
        values = np.zeros((3, len(SIGNALS)), dtype=np.float32)
        values[:, SIGNALS.index(name)] = [0.0, (band.no_below + band.yes_from) / 2, 1.0]
        signals = ts.Scores(SIGNALS, values, bands=clf.info.signal_bands)
        # a band without an upper end never says yes
        highest = Truth.TRUE if band.yes_from <= 1.0 else Truth.UNKNOWN
        assert signals.states(name).tolist() == [Truth.FALSE, Truth.UNKNOWN, highest]
    assert any(band.yes_from <= 1.0 for band in clf.info.signal_bands.values())


def test_explanation_adds_up_and_its_spans_lie_in_the_text(clf: ts.Classifier) -> None:
    text = "Ｉ will ＢＵＲＮ   y0ur w.a.r.e.h.o.u.s.e down 😀 tonight, n̲o̲b̲o̲d̲y̲ leaves"
    for category in (*CATEGORIES, *SIGNALS):
        explanation = clf.explain(text, category)
        total = explanation.bias + sum(piece.contribution for piece in explanation.pieces)
        assert total == pytest.approx(explanation.logit, abs=1e-4)
        for piece in explanation.pieces:
            assert 0 <= piece.start <= piece.end <= len(text)
            assert piece.text == text[piece.start : piece.end]


def test_explanation_agrees_with_the_score(clf: ts.Classifier) -> None:
    text = ITEM["text"]
    assert clf.explain(text, "violent_threat").score == clf.score([text])["violent_threat"][0]


def test_explanation_html_escapes_the_post(clf: ts.Classifier) -> None:
    page = clf.explain("<script>alert(1)</script> & more", "hate")._repr_html_()
    assert "<script>" not in page
    assert "&lt;" in page


def test_decision_has_the_contract_s_fields(clf: ts.Classifier, policy: ts.Policy) -> None:
    decision = clf.decide(ITEM, policy)
    assert (decision.id, decision.actor) == ("1", "u7")
    tier = next(tier for tier in policy.tiers if tier.id == decision.tier)
    assert tuple(action.id for action in decision.actions) == tier.do
    assert isinstance(decision.review, bool)
    assert "violent_threat" in {finding.category for finding in decision.findings}
    assert {f"tier: {tier.id}" for tier in policy.tiers} <= {node.label for node in decision.trace}
    assert {note.id for note in decision.contexts} == {context.id for context in policy.contexts}
    assert decision.policy_version == policy.version
    assert decision.model_sha256 == clf.info.sha256
    assert json.loads(json.dumps(decision.to_dict()))["id"] == "1"
    assert isinstance(decision.why(), str)
    assert decision.why()


def test_decide_many_equals_decide_one_by_one(clf: ts.Classifier, policy: ts.Policy) -> None:
    texts = ["have a nice day", str(ITEM["text"]), "", "they should all be shot", "the striker killed it last night"]
    items = [{**ITEM, "id": str(n), "text": text} for n, text in enumerate(texts)]
    together = [decision.to_dict() for decision in clf.decide_many(items, policy)]
    assert together == [clf.decide(item, policy).to_dict() for item in items]


@pytest.mark.parametrize("texts", ["a bare text", b"bytes", None, 7])
def test_what_is_no_list_of_texts_is_refused(clf: ts.Classifier, texts: object) -> None:
    with pytest.raises(ts.InputError, match=r"^score: texts must be a list of str, got"):
        clf.score(texts)


@pytest.mark.parametrize("element", [None, b"bytes", 7, ["nested"], float("nan")])
def test_an_element_that_is_no_text_is_named_by_position(clf: ts.Classifier, element: object) -> None:
    with pytest.raises(ts.InputError, match=r"^score: text 1 must be a str, got"):
        clf.score(["fine", element])


def test_a_lone_surrogate_is_refused_with_its_place(clf: ts.Classifier) -> None:
    with pytest.raises(ts.InputError, match="text 1 must be valid Unicode, got a lone surrogate at 2"):
        clf.score(["fine", "ab\ud800"])


def test_an_empty_list_gives_no_rows(clf: ts.Classifier, policy: ts.Policy) -> None:
    assert clf.score([]).probabilities.shape == (0, 7)
    assert clf.signals([]).probabilities.shape == (0, 14)
    assert clf.decide_many([], policy) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n" * 5000,
        "\x00",
        "a\x00b",
        "a" * 1_000_000,
        "word " * 200_000,
        "😀" * 10_000,
        "\u202e\u200b\ufeff",
        "ﷺ" * 3000,
    ],
    ids=["empty", "blank", "lines", "nul", "inner-nul", "1MB-word", "1MB-words", "emoji", "controls", "expanding"],
)
def test_hostile_texts_get_a_score(clf: ts.Classifier, text: str) -> None:
    values = clf.score([text]).probabilities
    assert values.shape == (1, 7)
    assert bool(((values >= 0) & (values <= 1)).all())


def test_scores_do_not_depend_on_batch_or_order(clf: ts.Classifier) -> None:
    texts = [
        f"post number {n} about the {word}" for n in range(40) for word in ("depot", "match", "wedding", "shooting")
    ]
    whole = clf.score(texts).probabilities
    single = np.vstack([clf.score([text]).probabilities for text in texts])
    backwards = clf.score(texts[::-1]).probabilities[::-1]
    assert np.array_equal(whole, single)
    assert np.array_equal(whole, backwards)


def test_an_unknown_category_is_refused_with_the_names(clf: ts.Classifier) -> None:
    with pytest.raises(ts.InputError, match=r"explain: category must be one of violent_threat, .*, got 'violence'"):
        clf.explain("text", "violence")
    with pytest.raises(ts.InputError, match="category must be one of"):
        clf.score(["text"])["violence"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "item 0 must have text of type str, got NoneType"),
        ({"text": b"x"}, "item 0 must have text of type str, got bytes"),
        ({"text": "x", "at": "yesterday"}, "at must be"),
        ({"text": "x", "signals": {"zorp": True}}, "signal must be one of"),
        ({"text": "x", "signals": {"joking": 1}}, "signal joking must be true, false or null, got int"),
        ({"text": "x", "signals": ["joking"]}, "signals must be a mapping, got list"),
        ({"text": "x", "actor": [7]}, "actor must be"),
        ("text", "item 0 must be a mapping, got str"),
    ],
)
def test_a_bad_item_is_refused_in_one_sentence(
    clf: ts.Classifier, policy: ts.Policy, item: object, message: str
) -> None:
    with pytest.raises(ts.InputError, match=message):
        clf.decide_many([item], policy)


def test_at_prior_lowers_scores_for_a_rarer_stream(clf: ts.Classifier) -> None:
    scores = clf.score([str(ITEM["text"])])
    rarer = scores.at_prior(0.0001)
    assert (rarer.probabilities <= scores.probabilities).all()
    back = rarer.at_prior(dict(scores.priors))
    assert np.allclose(back.probabilities, scores.probabilities, atol=1e-4)
    with pytest.raises(ts.InputError, match=r"prior of violent_threat must lie in \(0, 1\), got nan"):
        scores.at_prior(float("nan"))
