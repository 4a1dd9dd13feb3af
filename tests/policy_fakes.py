"""Small stand-ins for a model, and random policies and items, for the tests of the policy language."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tsclassify.errors import PolicyError
from tsclassify.policy import Decider, ItemColumns, Policy
from tsclassify.policy.conditions import Meta
from tsclassify.records import ModelInfo, OperatingPoint, Truth
from tsclassify.taxonomy import CATEGORIES, SIGNALS

TABLE = tuple(
    OperatingPoint(t / 10, t / 10, 1 - t / 10, 1000, 300, t / 10, t / 10, 1 - t / 10, 1 - t / 10) for t in range(11)
)
INFO = ModelInfo(
    name="fake",
    sha256="f" * 64,
    categories=CATEGORIES,
    signals=SIGNALS,
    priors=dict.fromkeys(CATEGORIES, 0.1),
    operating_points=dict.fromkeys(CATEGORIES, TABLE),
    signal_bands={},
)

POOL = ("violent_threat", "incitement", "glorification")
SIGNS = ("specific", "reported", "joking")
SURFACES = ("game", "news")


def columns(rows: list[dict[str, Any]], categories: tuple[str, ...] = CATEGORIES) -> ItemColumns:
    """Columns of items ``{"scores": {...}, "signals": {name: 0, 1 or 2}, "language": 0, 1 or 2, field: value}``."""
    n = len(rows)
    scores = np.zeros((n, len(categories)), dtype=np.float32)
    for i, row in enumerate(rows):
        for name, value in row.get("scores", {}).items():
            scores[i, categories.index(name)] = value
    signals = {
        name: np.array([row.get("signals", {}).get(name, Truth.FALSE) for row in rows], dtype=np.int8)
        for name in SIGNALS
    }
    fields = sorted({name for row in rows for name in row} - {"scores", "signals", "language"})
    meta = {}
    for name in fields:
        meta[name] = np.empty(n, dtype=object)
        meta[name][:] = [row.get(name) for row in rows]
    language = np.array([row.get("language", Truth.TRUE) for row in rows], dtype=np.int8)
    return ItemColumns(categories, scores, signals, language, meta, ids=[str(i) for i in range(n)])


def tiers_of(policy: Policy, rows: list[dict[str, Any]]) -> list[str]:
    result = Decider(policy, INFO).decide(columns(rows))
    return [result.name(i) for i in range(len(rows))]


@st.composite
def _item_condition(draw: st.DrawFn, depth: int, *, scores: bool, signals: bool = True) -> dict[str, Any]:
    kinds = ["signal", "meta"] if signals else []
    kinds += ["act", "review"] if scores else []
    if depth:
        kinds += ["all", "any", "not"] if signals else ["all", "any"]
    kind = draw(st.sampled_from(kinds))
    if kind in ("all", "any"):
        parts = st.lists(_item_condition(depth - 1, scores=scores, signals=signals), min_size=1, max_size=3)
        return {kind: draw(parts)}
    if kind == "not":
        return {"not": draw(_item_condition(depth - 1, scores=False))}
    if kind == "meta":
        values = draw(st.lists(st.sampled_from(SURFACES), min_size=1, max_size=2, unique=True))
        return {"meta": "surface", "in": values, "if_missing": draw(st.sampled_from(["unknown", False]))}
    names = POOL if kind in ("act", "review") else SIGNS
    return {kind: draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Valid policies of one to three tiers and up to three exceptions, over three categories and three signals."""
    acts = draw(st.lists(st.sampled_from([None, 0.6, 0.8]), min_size=3, max_size=3).filter(any))
    categories = {name: {"review": 0.4, "act": act, "clause": "R.1"} for name, act in zip(POOL, acts, strict=True)}
    acting = [name for name, act in zip(POOL, acts, strict=True) if act]
    n_tiers = draw(st.integers(1, 3))
    tiers = []
    for i in range(n_tiers):
        base: dict[str, Any] = {draw(st.sampled_from(["act", "review"])): acting if i == n_tiers - 1 else [acting[0]]}
        extra = draw(_item_condition(2, scores=True))
        join = {"all": [base, extra]} if draw(st.integers(0, 2)) == 2 else base
        tiers.append({"id": f"t{i}", "when": join, "do": ["act"]})
    outcomes = [*(f"t{i}" for i in range(n_tiers)), "review", "none"]
    sources = outcomes[:-1] if None in acts else outcomes[:-2]
    contexts = []
    for i in range(draw(st.sampled_from([2, 1, 3, 0]))):
        lowered = draw(st.lists(st.sampled_from(sources), min_size=1, max_size=3, unique=True))
        lowers = {name: draw(st.sampled_from(outcomes[outcomes.index(name) + 1 :])) for name in lowered}
        context: dict[str, Any] = {"id": f"c{i}", "when": draw(_item_condition(1, scores=False)), "lowers": lowers}
        if draw(st.integers(0, 2)) == 2:
            context["floor"] = {draw(st.sampled_from(outcomes[:-2])): draw(st.sampled_from(outcomes[:-1]))}
        if draw(st.integers(0, 2)) == 2:
            context["unless"] = draw(_item_condition(1, scores=True))
        contexts.append(context)
    document = {
        "policy": "random",
        "version": "1.0.0",
        "kind": "platform",
        "effective": {"from": "2024-01-01"},
        "source": {"title": "t", "clause": "c", "url": "https://example.org", "date": "2024-01-01"},
        "clauses": {"R.1": "no threats"},
        "languages": {
            "tested": ["en"],
            "otherwise": draw(st.sampled_from(["review", "score"])),
            "undetermined": draw(st.sampled_from(["review", "score"])),
        },
        "categories": categories,
        "tiers": tiers,
        "contexts": contexts,
        "actions": {"act": {"scope": "item", "says": "we act"}},
    }
    try:
        return Policy.parse(json.dumps(document))  # JSON is YAML
    except PolicyError as error:
        # The strategy cannot avoid a tier that can never hold, repeats another or leaves a category unasked.
        allowed = ("tier must", "condition must differ", "category must be asked", "must not stand under not")
        for fault in error.faults:
            if not fault.message.split(" ", 1)[1].startswith(("must", "id must")) and not any(
                words in fault.message for words in allowed
            ):
                raise
        from hypothesis import reject

        reject()


def items() -> st.SearchStrategy[dict[str, Any]]:
    """Items whose scores lie on and beside every threshold, with any signals, surface and language."""
    scores = st.fixed_dictionaries(
        {name: st.sampled_from([1.0, 0.8, 0.79, 0.6, 0.59, 0.4, 0.39, 0.0, 1.0, 0.8]) for name in POOL}
    )
    signals = st.fixed_dictionaries({name: st.integers(0, 2) for name in SIGNS})
    return st.fixed_dictionaries(
        {
            "scores": scores,
            "signals": signals,
            "language": st.sampled_from([2, 2, 2, 2, 2, 2, 1, 0]),
            "surface": st.sampled_from([None, "game", "news", "wall"]),
        }
    )


def completions(policy: Policy, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The item with each unknown signal made true and false, and an unknown surface made any that is asked for."""
    unknown = [name for name, state in row["signals"].items() if state == Truth.UNKNOWN]
    found = []
    asks = policy.document.item_leaves(Meta)
    opens = row["surface"] is None and any(leaf.if_missing == "unknown" for leaf in asks)
    # A leaf for which a missing field is false must stay false: the surface then is none of the values asked for.
    closed = {value for leaf in asks if leaf.if_missing is False for value in leaf.values}
    surfaces = [s for s in ("game", "news", "wall") if s not in closed] if opens else [row["surface"]]
    for states in itertools.product((0, 2), repeat=len(unknown)):
        for surface in surfaces:
            signals = {**row["signals"], **dict(zip(unknown, states, strict=True))}
            found.append({**row, "signals": signals, "surface": surface})
    return found
