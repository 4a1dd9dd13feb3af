"""Training: fits, weights, soft labels, word classes, and which rows are used."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from tests.test_features import LEXICON, SPECS
from tsclassify.data import (
    annotated_rows,
    drawn,
    everyday_rows,
    exclusion_key,
    exclusions,
    found_rows,
    registered_files,
    written_rows,
)
from tsclassify.data.raw import text_sha256
from tsclassify.errors import BundleError, DataError, InputError
from tsclassify.features.hashed import HashedNgrams
from tsclassify.features.spec import FeatureSpec
from tsclassify.metrics import average_precision
from tsclassify.model.linear import RankedPairs, fit_heads, quantize
from tsclassify.model.trained import TrainedModel
from tsclassify.model.wordclasses import lexicon_from_mapping, lexicon_to_mapping, shipped_lexicon
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES
from tsclassify.text.normalize import normalize
from tsclassify.training import training_set
from tsclassify.training.augment import disguised_copies
from tsclassify.training.pipeline import coarser, feature_scaling, load_config, train
from tsclassify.training.soft import read_soft_labels, soft_key, write_soft_labels
from tsclassify.training.training_set import (
    TrainingSet,
    build_training_set,
    gold_columns,
    minimal_pairs,
    reread,
    trusting,
)


def _problem() -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(0)
    features = sparse.random(1500, 120, 0.1, format="csr", dtype=np.float32, random_state=1)
    truth = features @ rng.normal(size=(120, 2)) * 3
    return features, (truth > rng.logistic(size=truth.shape)).astype(np.float32)


def test_heads_reach_the_optimum_of_the_ridge_problem() -> None:
    features, targets = _problem()
    weights = np.ones_like(targets)
    heads = fit_heads(features, targets, weights, c=1.0, epochs=60, seed=0)
    z = features @ heads.weights + heads.bias
    residual = targets - 1 / (1 + np.exp(-z))
    assert np.abs(features.T @ residual - heads.weights).max() < 0.02


def test_soft_targets_pull_probabilities_to_them() -> None:
    features = sparse.csr_matrix(np.ones((200, 1), dtype=np.float32))
    targets = np.full((200, 1), 0.3, dtype=np.float32)
    heads = fit_heads(features, targets, np.ones_like(targets), c=10.0, epochs=30, seed=0)
    z = float((features @ heads.weights + heads.bias)[0, 0])
    assert 1 / (1 + np.exp(-z)) == pytest.approx(0.3, abs=0.02)


def test_a_weight_of_zero_leaves_a_label_out() -> None:
    features, targets = _problem()
    weights = np.ones_like(targets)
    weights[700:, 1] = 0.0
    half = fit_heads(features[:700], targets[:700], np.ones((700, 2)), c=1.0, epochs=60, seed=0)
    masked = fit_heads(features, targets, weights, c=1.0, epochs=60, seed=0)
    assert np.abs(half.weights[:, 1] - masked.weights[:, 1]).max() < 0.02


def test_pairs_put_the_higher_row_first() -> None:
    features = sparse.csr_matrix(np.array([[1, 1, 0], [1, 0, 1]], dtype=np.float32))
    targets = np.zeros((2, 1), dtype=np.float32)
    one = np.array([0])
    pairs = RankedPairs(one, one + 1, one, weight=5.0)
    heads = fit_heads(features, targets, np.ones((2, 1)), c=1.0, epochs=30, seed=0, pairs=pairs)
    z = features @ heads.weights
    assert z[0, 0] > z[1, 0] + 0.5


def test_the_same_seed_gives_the_same_bytes() -> None:
    features, targets = _problem()
    twice = [fit_heads(features, targets, np.ones_like(targets), c=1.0, epochs=5, seed=4) for _ in range(2)]
    assert twice[0].weights.tobytes() == twice[1].weights.tobytes()


def test_quantized_weights_are_within_half_a_step() -> None:
    weights = np.random.default_rng(0).normal(size=(500, 3))
    table, scales = quantize(weights, 8)
    assert table.dtype == np.int8
    assert (table[:, 3:] == 0).all()
    assert (np.abs(table[:, :3] * scales[:3] - weights) <= scales[:3] / 2 + 1e-12).all()


def test_feature_scaling_prefers_rare_columns() -> None:
    features = sparse.csr_matrix(np.array([[1, 1], [1, 0], [1, 0], [1, 0]], dtype=np.float32))
    scale = feature_scaling(features, power=1.0)
    assert scale[1] > scale[0]


@pytest.mark.parametrize("name", sorted(SPECS))
@pytest.mark.parametrize("halvings", [0, 1, 3])
def test_joined_buckets_are_the_features_of_fewer_bits(name: str, halvings: int) -> None:
    # so few buckets that many features meet, beside each other and in one
    wide = replace(SPECS[name], bits=14)
    texts = ["", "alice will kill zorp", *(row.text for row in written_rows(split="dev"))][:80]
    before = HashedNgrams(wide, LEXICON).transform(texts)
    stored = before.copy()
    joined = coarser(before, halvings)
    narrow = HashedNgrams(replace(wide, bits=14 - halvings), LEXICON).transform(texts)
    assert joined.shape == narrow.shape
    np.testing.assert_allclose(joined.toarray(), narrow.toarray(), rtol=1e-6)
    assert (before != stored).nnz == 0
    assert halvings == 0 or joined.nnz < before.nnz


def test_a_small_table_of_signals_scores_as_if_it_were_wide() -> None:
    rng = np.random.default_rng(3)
    spec = FeatureSpec(bits=12)
    small = rng.integers(-127, 128, (1 << 9, 16)).astype(np.int8)
    fields = dict.fromkeys(field.name for field in dataclasses.fields(TrainedModel))
    wide = TrainedModel(**{**fields, "spec": spec, "signal_weights": small}).wide_signal_weights()
    assert (wide.shape, wide.dtype) == ((1 << 12, 16), np.int8)
    features = HashedNgrams(spec, LEXICON).transform(["alice will kill zorp", "not a word of it"])
    sums = coarser(features, 3) @ small.astype(np.float64)
    np.testing.assert_allclose(features @ wide.astype(np.float64), sums, rtol=1e-6, atol=1e-6)
    whole = TrainedModel(**{**fields, "spec": spec, "signal_weights": wide}).wide_signal_weights()
    assert np.array_equal(whole, wide)


@pytest.mark.parametrize("bits", ["7", "25", "-1", "18.0", "true", '"18"', None])
def test_signal_bits_that_no_bundle_can_hold_are_refused_before_training(tmp_path: Path, bits: str | None) -> None:
    shipped_one = shipped("seeds", "training.toml").read_text(encoding="utf-8")
    config, _ = load_config(shipped("seeds", "training.toml"))
    stated = f"bits = {config['signals']['bits']} "
    head, signals = shipped_one.split("[signals]")
    assert signals.count(stated) == 1
    changed = signals.replace(stated, "" if bits is None else f"bits = {bits} ")
    (tmp_path / "training.toml").write_text(f"{head}[signals]{changed}", encoding="utf-8")
    wrong = tomllib.loads((tmp_path / "training.toml").read_text(encoding="utf-8"))
    most = config["features"]["bits"]
    message = rf"bits of \[signals\] must be a whole number from 8 to those of \[features\], {most}, got"
    with pytest.raises(InputError, match=message):
        load_config(tmp_path / "training.toml")
    with pytest.raises(InputError, match=message):
        train(wrong, "", data_root=tmp_path)


@pytest.mark.parametrize("bits", [8, 19])
def test_signal_bits_may_be_as_few_as_eight_and_as_many_as_those_of_the_features(tmp_path: Path, bits: int) -> None:
    (tmp_path / "training.toml").write_text(f"[features]\nbits = 19\n[signals]\nbits = {bits}\n", encoding="utf-8")
    assert load_config(tmp_path / "training.toml")[0]["signals"]["bits"] == bits


def test_average_precision_equals_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(5)
    scores = np.round(rng.random(500), 2)
    gold = rng.random(500) < scores
    assert average_precision(gold, scores) == pytest.approx(average_precision_score(gold, scores))


def test_soft_labels_survive_the_file(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((5, 21))
    keys = [soft_key(f"zorp {i}") for i in range(5)]
    for name in ("a.npz", "b.npz"):
        write_soft_labels(tmp_path / name, keys, values)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = read_soft_labels(tmp_path / "a.npz")
    assert all(np.abs(read[key] - value).max() < 0.005 for key, value in zip(keys, values, strict=True))


def test_a_truncated_soft_label_file_is_refused(tmp_path: Path) -> None:
    write_soft_labels(tmp_path / "a.npz", [1], np.zeros((1, 21)))
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:100])
    with pytest.raises(DataError, match=r"^b\.npz: soft labels must be readable"):
        read_soft_labels(tmp_path / "b.npz")


def test_shipped_word_classes_survive_the_bundle_form() -> None:
    lexicon = shipped_lexicon()
    again = lexicon_from_mapping(lexicon_to_mapping(lexicon))
    assert again.words == dict(sorted(lexicon.words.items()))
    assert again.folds == lexicon.folds
    assert {again.modes[group] for group in ("name", "side", "group")} == {"mask"}


def test_a_word_class_without_mode_is_refused() -> None:
    with pytest.raises(BundleError, match="must be mode/group"):
        lexicon_from_mapping({"zorp": "name"})


def test_disguised_copies_change_words_and_repeat() -> None:
    texts = ["the committee meets again on thursday evening"] * 8
    copies = disguised_copies(texts, seed=1)
    assert copies == disguised_copies(texts, seed=1)
    assert sum(copy != text for copy, text in zip(copies, texts, strict=True)) >= 6


def test_disguises_put_pictures_into_words_and_after_them() -> None:
    copies = disguised_copies(["committee meets"] * 400, seed=1)
    assert any(re.search(r"[a-z][\U0001F380-\U0001F63F][a-z]", copy) for copy in copies)
    assert any(re.search(r"committee [\U0001F380-\U0001F63F]", copy) for copy in copies)
    pictures = [sign for copy in copies for sign in copy if ord(sign) > 0x1F000]
    assert len(set(pictures)) > 60


def test_signs_that_are_not_seen_leave_the_words_of_a_copy() -> None:
    every = disguised_copies(["committee meets"] * 60, seed=1)
    copies = [copy for copy in every if any(sign in copy for sign in "\u200b\u200c\u200d\u2060")]
    assert len(copies) >= 8
    assert {normalize(copy).text for copy in copies} == {"committee meets"}
    assert sum(normalize(copy).is_disguised for copy in copies) > len(copies) / 2


def test_a_source_is_trusted_by_the_share_that_is_stated() -> None:
    value = np.full(21, 0.2, dtype=np.float32)
    hate = CATEGORIES.index("hate")
    rules = [{"label": "hd", "category": "hate", "share": 0.75, "weight": 1.0}]
    for label, wanted in (("hd+vo", 0.8), ("vo", 0.05), ("none", 0.05)):
        mixed = trusting(value, label, rules)
        assert mixed[hate] == pytest.approx(wanted)
        assert np.delete(mixed, hate) == pytest.approx(np.delete(value, hate))
    assert value[hate] == np.float32(0.2)
    assert trusting(value, "hd", []).tolist() == value.tolist()


def test_minimal_pairs_name_the_threat_first() -> None:
    rows = written_rows()
    gold, _ = gold_columns(rows)
    pairs = minimal_pairs(rows, gold)
    assert len(pairs) > 300
    assert all(gold[higher, k] and not gold[lower, :5].any() for higher, lower, k in pairs)


@pytest.fixture(scope="module")
def rows(public_data: Path) -> TrainingSet:
    config, _ = load_config(shipped("seeds", "training.toml"))
    return build_training_set(config["rows"], data_root=public_data)


def test_no_row_that_measures_is_trained_on(public_data: Path, rows: TrainingSet) -> None:
    used = {exclusion_key(text) for text in rows.texts}
    dev = annotated_rows(root=public_data, split="dev") + written_rows(split="dev")
    dev += found_rows(root=public_data, split="dev")
    held_out = annotated_rows(root=public_data, use="eval")
    assert not used & {exclusion_key(row.text) for row in (*dev, *held_out)}
    assert not used & exclusions()
    allowed = {file.name for file in registered_files() if file.use == "train"} | {"written", "contrasts"}
    assert {source["name"] for source in rows.sources} <= allowed | {"everyday", "composed"}


def test_found_rows_that_are_held_out_are_reported_on_with_their_labels(public_data: Path, rows: TrainingSet) -> None:
    dev = found_rows(root=public_data, split="dev")
    assert rows.found_dev.ids == tuple(row.id for row in dev)
    assert rows.found_dev.texts == tuple(row.text for row in dev)
    assert rows.found_dev.categories.tolist() == gold_columns(dev)[0].tolist()
    assert rows.found_dev.categories.any(axis=0).all()


def test_rows_drawn_at_random_say_so_whoever_labelled_them(rows: TrainingSet) -> None:
    picked = dict(zip(rows.texts, rows.picked, strict=False))
    known = {text_sha256(text): how for text, how in picked.items()}
    asked = {sha256: source for sha256, source in drawn().items() if sha256 in known}
    assert len(asked) > 400
    assert {sha256: known[sha256] for sha256 in asked} == {sha256: f"rand_{name}" for sha256, name in asked.items()}
    stated = set(rows.picked[: rows.n_stated])
    assert {"rand_tatoeba", "rand_ubuntu_irc", "rand_crisislex_t6"} <= set(rows.picked) - stated


def test_a_kind_of_row_at_weight_zero_is_left_out_and_the_others_weigh_what_is_stated(public_data: Path) -> None:
    config, _ = load_config(shipped("seeds", "training.toml"))
    stated = {"found_weight": 0.25, "everyday_weight": 0.75, "further_weight": 0.0, "contrast_weight": 0.0}
    stated |= {"composed_weight": 0.0, "ordinary": [], "unread_sources": []}
    some = build_training_set({**config["rows"], **stated, "soft_labels": ""}, data_root=public_data)
    names = {source["name"] for source in some.sources}
    assert ("everyday" in names, "contrasts" in names) == (True, False)
    assert set(some.weights[some.n_stated :].tolist()) == {0.25, 0.75}
    assert len(some.texts) == some.n_gold
    assert min(len(found_rows(root=public_data, split="train")), len(everyday_rows())) < some.n_gold - some.n_stated


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ("T/p3/-", "T/p3si/-", "T/p3si/-"),
        ("T/p3/-", "N/-/j", "T/p3/j"),
        ("N/-/-", "N/-/rd", "N/-/rd"),
        ("N/-/-", "T/p3s/r", "N/-/r"),
        ("IH/g2/r", "I/g3/-", "IH/g3/-"),
    ],
)
def test_a_second_reading_changes_attributes_and_context_only(
    first: str, second: str, merged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(written_rows()[0], code=first, sha256="zorp")
    monkeypatch.setattr(training_set, "read_again", lambda: {"zorp": second})
    assert reread(row).code == merged
    assert reread(replace(row, sha256="blick")).code == first


def test_what_training_stacks_a_bundle_can_hold() -> None:
    """Stacked calibrations are finite and hold the three stated arrays only: a bundle refuses anything else."""
    from tsclassify.model.calibration import calibrate, prepared, stack_calibrations

    one = {"knots": np.array([[-1.0, 0.5, 2.0]]), "values": np.array([[-2.0, 0.0, 3.0]]), "slopes": np.ones((1, 2))}
    two = {"knots": np.array([[0.0, 1.0]]), "values": np.array([[0.0, 2.0]]), "slopes": np.array([[0.5, 1.5]])}
    stacked = stack_calibrations([one, two])
    assert set(stacked) == {"knots", "values", "slopes"}
    assert all(np.isfinite(values).all() for values in stacked.values())
    logits = np.linspace(-5, 5, 600).reshape(300, 2)
    fast = np.vstack([calibrate(prepared(stacked), row[None]) for row in logits])
    assert np.array_equal(fast, calibrate(stacked, logits))


def test_disguised_copies_are_of_all_labelled_rows_and_of_evenly_spread_others() -> None:
    from types import SimpleNamespace
    from typing import Any, cast

    from tsclassify.training.pipeline import _copied

    rows = cast(Any, SimpleNamespace(texts=["a"] * 110, n_gold=10))
    assert _copied(rows, 4).tolist() == [*range(10), 10, 35, 60, 85]
    assert _copied(rows, 0).tolist() == list(range(10))
    assert _copied(rows, 500).tolist() == list(range(110))
