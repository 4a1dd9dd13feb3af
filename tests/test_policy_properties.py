"""What holds for every policy and every item, over random policies."""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_fakes import INFO, POOL, SIGNS, columns, completions, items, policies
from tsclassify.errors import InputError
from tsclassify.policy import Decider, ItemColumns, Policy, decider
from tsclassify.policy.outcome import decide_facts
from tsclassify.records import Truth
from tsclassify.taxonomy import CATEGORIES
from work import n_calls


def decided(policy: Policy, row: dict[str, Any]) -> tuple[int, bool]:
    """Severity code (smaller is more severe) and review of one item."""
    result = Decider(policy, INFO).decide(columns([row]))
    return int(result.tier[0]), bool(result.review[0])


@settings(derandomize=True, max_examples=150)
@given(policies(), items(), st.sampled_from(POOL), st.sampled_from([0.4, 0.6, 0.8, 0.9, 1.0]))
def test_raising_a_score_never_softens_a_decision(policy: Policy, row: dict[str, Any], name: str, to: float) -> None:
    raised = {**row, "scores": {**row["scores"], name: max(to, row["scores"][name])}}
    assert decided(policy, raised)[0] <= decided(policy, row)[0]


@settings(derandomize=True, max_examples=150)
@given(policies(), items())
def test_an_unknown_never_excuses(policy: Policy, row: dict[str, Any]) -> None:
    """The outcome is never milder than every outcome that the facts could turn out to give; and when they could give
    a harsher one, a person looks."""
    code, review = decided(policy, row)
    codes = [decided(policy, other)[0] for other in completions(policy, row)]
    assert code <= max(codes)
    if min(codes) < code:
        assert review


@settings(derandomize=True, max_examples=150)
@given(policies(), items())
def test_an_unknown_exception_never_lowers(policy: Policy, row: dict[str, Any]) -> None:
    result = Decider(policy, INFO).decide(columns([row]))
    kept = tuple(c for c in policy.contexts if result.contexts[c.id][0] == Truth.TRUE)
    without = policy.replaced(policy.document.model_copy(update={"contexts": kept}))
    assert decided(policy, row)[0] <= decided(without, row)[0]


@settings(derandomize=True, max_examples=80)
@given(policies(), items())
def test_an_exception_that_could_lower_sends_to_a_person(policy: Policy, row: dict[str, Any]) -> None:
    code, review = decided(policy, row)
    milder = [decided(policy, other)[0] for other in completions(policy, row)]
    if milder and max(milder) > code and code < len(policy.tier_names) - 2:
        assert review


@settings(derandomize=True, max_examples=80)
@given(policies(), items())
def test_an_untested_language_is_never_called_clean(policy: Policy, row: dict[str, Any]) -> None:
    row = {**row, "language": Truth.FALSE, "surface": "wall"}
    if policy.languages.otherwise == "review" and not policy.contexts:
        assert decided(policy, row)[1]


@settings(derandomize=True, max_examples=80)
@given(policies(), st.lists(items(), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_columns_decide_as_one_by_one_in_any_order(policy: Policy, rows: list[dict[str, Any]], random: Any) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    together = Decider(policy, INFO).decide(columns(rows))
    shuffled = Decider(policy, INFO).decide(columns([rows[i] for i in order]))
    for place, i in enumerate(order):
        alone = decided(policy, rows[i])
        assert alone == (int(together.tier[i]), bool(together.review[i]))
        assert alone == (int(shuffled.tier[place]), bool(shuffled.review[place]))


@settings(derandomize=True, max_examples=80)
@given(policies(), items())
def test_order_of_rules_does_not_matter(policy: Policy, row: dict[str, Any]) -> None:
    document = policy.document
    turned = document.model_copy(
        update={
            "contexts": document.contexts[::-1],
            "categories": dict(reversed(document.categories.items())),
            "tiers": tuple(
                tier.model_copy(
                    update={"when": tier.when.model_copy(update={"conditions": tier.when.conditions[::-1]})}
                )
                if tier.when.operator in ("all", "any")
                else tier
                for tier in document.tiers
            ),
        }
    )
    assert decided(policy, row) == decided(policy.replaced(turned), row)


def asked_anew(policy: Policy, cols: ItemColumns) -> list[tuple[int, ...]]:
    """Tier, review and exceptions of each item, by ``decide_facts`` alone."""
    fresh = Decider(policy, INFO)
    only_review = [category for category, (_, act) in fresh.thresholds.items() if act is None]
    numbers = decide_facts(policy, fresh.facts(cols, fresh.thresholds.levels(cols)), only_review).numbers()
    return list(map(tuple, numbers.T.tolist()))


def cached(decider: Decider, cols: ItemColumns) -> list[tuple[int, ...]]:
    made = decider.decide(cols)
    numbers = np.stack([made.tier, made.review, *made.contexts.values()])
    return list(map(tuple, numbers.T.tolist()))


def assert_cached_rightly(
    decider: Decider, rows: list[dict[str, Any]], signals: tuple[str, ...] = INFO.signals
) -> None:
    cols = columns(rows)
    cols = replace(cols, signals={name: cols.signals[name] for name in signals})
    busy = reduce(
        np.bitwise_or, decider.thresholds.levels(cols).values(), decider.untested(cols.language).view(np.int8)
    )
    for fresh, kept, counts in zip(asked_anew(decider.policy, cols), cached(decider, cols), busy, strict=True):
        # exceptions are unknown where no category reaches its review threshold: nothing asks for them
        assert kept == (fresh if counts else (*fresh[:2], *[int(Truth.UNKNOWN)] * len(decider.policy.contexts)))


@pytest.mark.parametrize("size", [3, 4096])
@settings(derandomize=True, max_examples=60)
@given(
    policy=policies(),
    blocks=st.lists(st.lists(items(), min_size=1, max_size=6), min_size=2, max_size=4),
    signals=st.permutations(SIGNS).flatmap(lambda names: st.integers(0, 3).map(lambda n: tuple(names[:n]))),
)
def test_blocks_are_decided_as_if_nothing_were_remembered(
    size: int, policy: Policy, blocks: list[list[dict[str, Any]]], signals: tuple[str, ...]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decider, "_CACHE_SIZE", size)
        one = Decider(policy, INFO)
        for rows in blocks + blocks[::-1]:
            assert_cached_rightly(one, rows)
            assert_cached_rightly(one, rows, signals)


def test_threads_that_forget_for_each_other_decide_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decider, "_CACHE_SIZE", 8)
    monkeypatch.setattr(decider, "_N_SETS", 2)
    rng = np.random.default_rng(11)
    other = Policy.load("social-platform")
    shared = Decider(other, INFO)

    def work(seed: int) -> int:
        random = np.random.default_rng(seed)
        for _ in range(60):
            cols, wanted = blocks[int(random.integers(len(blocks)))]
            assert shared.decide(cols).tier.tolist() == wanted
        return seed

    blocks = []
    for number in range(12):
        n = int(rng.integers(2, 40))
        names = INFO.signals[: len(INFO.signals) - number % 4]
        cols = ItemColumns(
            CATEGORIES,
            rng.random((n, len(CATEGORIES))).astype(np.float32),
            {name: rng.integers(0, 3, n).astype(np.int8) for name in names},
            np.full(n, 2, dtype=np.int8),
        )
        blocks.append((cols, [numbers[0] for numbers in asked_anew(other, cols)]))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(work, range(4))) == list(range(4))
    finally:
        sys.setswitchinterval(before)


def test_what_a_policy_remembers_of_blocks_is_bounded() -> None:
    one = Decider(Policy.load("social-platform"), INFO)
    scores = np.full((3, len(CATEGORIES)), 0.9, dtype=np.float32)
    states, language = np.ones(3, dtype=np.int8), np.full(3, 2, dtype=np.int8)
    for chosen in itertools.combinations(INFO.signals, 3):
        one.decide(ItemColumns(CATEGORIES, scores, dict.fromkeys(chosen, states), language))
        assert len(one._base.outcomes) <= decider._N_SETS


@settings(derandomize=True, max_examples=60)
@given(policies(), st.lists(items(), min_size=1, max_size=4))
def test_records_and_traces_agree_with_the_columns(policy: Policy, rows: list[dict[str, Any]]) -> None:
    cols = columns(rows)
    one = Decider(policy, INFO)
    result = one.decide(cols)
    for i in range(len(rows)):
        record = one.record(result, cols, i, pieces=lambda row, category: ())
        assert (record.tier, record.review) == (result.name(i), bool(result.review[i]))
        true_tiers = [node.label.removeprefix("tier: ") for node in record.trace if node.state is Truth.TRUE]
        if record.tier not in ("review", "none") and not any(note.effect == "lowered" for note in record.contexts):
            assert true_tiers[0] == record.tier
        assert record.why()
        assert type(record).from_dict(record.to_dict()) == record


@pytest.mark.parametrize("pack", ["hosting-provider", "social-platform"])
def test_deciding_columns_takes_no_call_per_item(pack: str) -> None:
    """The worst case: every item reaches a review threshold."""
    rng = np.random.default_rng(0)
    n = 20_000
    cols = ItemColumns(
        CATEGORIES,
        rng.random((n, len(CATEGORIES))).astype(np.float32),
        {name: rng.integers(0, 3, n).astype(np.int8) for name in INFO.signals},
        np.full(n, 2, dtype=np.int8),
    )
    policy = Policy.load(pack)
    decider = Decider(policy, INFO)
    decider.decide(cols)
    assert n_calls(lambda: decider.decide(cols)) < n


@pytest.mark.parametrize("value", [float("nan"), -0.01, 1.01, float("inf")])
def test_scores_outside_their_range_are_refused(value: float) -> None:
    scores = np.zeros((3, len(CATEGORIES)), dtype=np.float32)
    scores[1, 2] = value
    with pytest.raises(InputError, match="must lie in"):
        ItemColumns(CATEGORIES, scores, {}, np.full(3, 2, dtype=np.int8))


def test_columns_of_the_wrong_shape_or_type_are_refused() -> None:
    scores = np.zeros((2, len(CATEGORIES)), dtype=np.float32)
    language = np.full(2, 2, dtype=np.int8)
    with pytest.raises(InputError, match="float32"):
        ItemColumns(CATEGORIES, scores.astype(np.float64), {}, language)
    with pytest.raises(InputError, match="shape"):
        ItemColumns(CATEGORIES, scores[:, :3], {}, language)
    with pytest.raises(InputError, match="reported must be int8"):
        ItemColumns(CATEGORIES, scores, {"reported": np.array([True, False])}, language)
    with pytest.raises(InputError, match="truth values"):
        ItemColumns(CATEGORIES, scores, {"reported": np.array([0, 3], dtype=np.int8)}, language)
    with pytest.raises(InputError, match="must have 2 values"):
        ItemColumns(CATEGORIES, scores, {}, language, {"surface": np.array([None], dtype=object)})
