"""The cases inside a policy file, run.

A case whose item has a text goes through the real model: it tests model and policy together, and says what a user would
see. A case that says what is ``given`` is decided as if a model had said so, at thresholds of a stand-in bundle that
reaches every operating point: it tests the policy alone, and says the same whatever model is shipped.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tsclassify.items import time_of
from tsclassify.policy.columns import DecisionColumns, ItemColumns
from tsclassify.policy.decider import Decider
from tsclassify.policy.ladder import due_step, process_finding, state_of
from tsclassify.policy.load import Policy
from tsclassify.policy.testcase import Event, Expectation, TestCase, TestItem
from tsclassify.policy.thresholds import Thresholds, resolve
from tsclassify.records import ModelInfo, OperatingPoint, Truth
from tsclassify.taxonomy import SIGNALS

__all__ = ["CaseResult", "ColumnsOf", "run_cases", "stand_in"]

ColumnsOf = Callable[[Sequence[dict[str, Any]], Policy], ItemColumns]
"""Items and a policy to columns: ``Classifier.item_columns``."""

_UNDER: Final = 0.005
"""How far "just under" a threshold is: less than the 0.02 by which mutation nudges, more than float32 rounds."""
_LANGUAGE: Final = {"tested": Truth.TRUE, "untested": Truth.FALSE, "undetermined": Truth.UNKNOWN}


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case.

    Attributes
    ----------
    name
        The case's name.
    by
        ``scores``, ``model`` or ``ladder``: what it was run on.
    differences
        What was expected and what came, one sentence each; empty when it passed.
    skipped
        Why it was not run, or empty.
    tier
        The tier that came, or empty.
    todo
        Why the file expects it to fail, or empty.
    contexts
        Exceptions that hold.
    step
        The step that is due, or empty where none was asked.
    """

    name: str
    by: str
    differences: tuple[str, ...] = ()
    skipped: str = ""
    tier: str = ""
    todo: str = ""
    contexts: tuple[str, ...] = ()
    step: str = ""

    @property
    def passed(self) -> bool:
        return not self.differences and not self.skipped

    @property
    def state(self) -> str:
        """``pass``, ``fail``, ``todo`` (fails as the file says), ``promote`` (passes and says todo) or ``skip``."""
        if self.skipped:
            return "skip"
        if self.todo:
            return "todo" if self.differences else "promote"
        return "fail" if self.differences else "pass"


def stand_in(*policies: Policy) -> ModelInfo:
    """A bundle in which precision 0.95 is reached at 0.95, recall 0.90 at 0.10, and so on, for every category."""
    table = tuple(
        OperatingPoint(
            threshold=k / 1000,
            precision=k / 1000,
            recall=1 - k / 1000,
            n_items=1000,
            n_positive=500,
            precision_low=k / 1000,
            precision_high=k / 1000,
            recall_low=1 - k / 1000,
            recall_high=1 - k / 1000,
        )
        for k in range(1001)
    )
    categories = tuple(dict.fromkeys(category for policy in policies for category in policy.categories))
    return ModelInfo(
        name="stand-in",
        sha256="stand-in",
        categories=categories,
        signals=SIGNALS,
        priors=dict.fromkeys(categories, 0.5),
        operating_points=dict.fromkeys(categories, table),
        signal_bands={},
    )


def _score(asked: float | str, pair: tuple[float, float | None]) -> float:
    """The score that a case asks for, at the thresholds of the policy as it is written."""
    if not isinstance(asked, str):
        return float(asked)
    limit = pair[0] if asked.endswith("review") else pair[1]
    if limit is None:
        return 1.0
    return max(limit - _UNDER, 0.0) if asked.startswith("under") else limit


def scored_columns(items: Sequence[TestItem], policy: Policy, thresholds: Thresholds) -> ItemColumns:
    """Columns of items that give their own scores."""
    categories = tuple(policy.categories)
    n = len(items)
    scores = np.zeros((n, len(categories)), dtype=np.float32)
    signals = {name: np.zeros(n, dtype=np.int8) for name in SIGNALS}
    language = np.full(n, Truth.TRUE, dtype=np.int8)
    names = sorted({name for item in items for name in item.meta})
    meta = {name: np.empty(n, dtype=object) for name in names}
    for row, item in enumerate(items):
        for category, asked in (item.scores or {}).items():
            scores[row, categories.index(category)] = _score(asked, thresholds[category])
        for name, value in item.signals.items():
            signals[name][row] = Truth.of(value)
        language[row] = _LANGUAGE[item.language or "tested"]
        for name in names:
            meta[name][row] = item.meta.get(name)
    return ItemColumns(categories, scores, signals, language, meta, ats=[time_of(item.at) for item in items])


def texts_columns(items: Sequence[TestItem], policy: Policy, columns_of: ColumnsOf) -> ItemColumns:
    """Columns of items whose text goes through the model."""
    rows = [{"text": item.text, "signals": dict(item.signals), **item.meta} for item in items]
    columns = columns_of(rows, policy)
    language = columns.language.copy()
    for row, item in enumerate(items):
        if item.language is not None:
            language[row] = _LANGUAGE[item.language]
    return replace(columns, language=language, ats=[time_of(item.at) for item in items])


def _tier_differences(policy: Policy, expect: Expectation, tier: str) -> list[str]:
    names = policy.tier_names
    found = []
    if expect.tier is not None and tier != expect.tier:
        found.append(f"tier must be {expect.tier}, got {tier}")
    if expect.not_tier is not None and tier in expect.not_tier:
        found.append(f"tier must not be {' or '.join(expect.not_tier)}, got {tier}")
    for name, limit in (("at_least", expect.at_least), ("at_most", expect.at_most)):
        if limit is None:
            continue
        sign = 1 if name == "at_least" else -1
        # A mutant may lack the tier that a case names; then nothing is at least or at most it.
        if limit not in names or sign * (names.index(tier) - names.index(limit)) > 0:
            found.append(f"tier must be {name.replace('_', ' ')} {limit}, got {tier}")
    return found


def _item_differences(policy: Policy, expect: Expectation, result: DecisionColumns, row: int) -> list[str]:
    tier = result.name(row)
    found = _tier_differences(policy, expect, tier)
    if expect.review is not None and bool(result.review[row]) != expect.review:
        found.append(f"review must be {str(expect.review).lower()}, got {str(not expect.review).lower()}")
    if expect.actions is not None:
        got = next((rule.do for rule in policy.tiers if rule.id == tier), ())
        if got != expect.actions:
            found.append(f"actions must be {', '.join(expect.actions) or 'none'}, got {', '.join(got) or 'none'}")
    for context, state in (expect.contexts or {}).items():
        column = result.contexts.get(context)
        name = "none" if column is None else Truth(int(column[row])).name.lower()
        if name != state:
            found.append(f"context {context} must be {state}, got {name}")
    return found


def _ladder_differences(policy: Policy, case: TestCase, tier: str) -> list[str]:
    found = []
    if case.expect.step is not None:
        now = (Event(ago=dt.timedelta(0), tier=tier),) if tier not in ("", "review", "none") else ()
        due = due_step(policy, state_of(policy, (*case.history, *now), case.given))
        name = "none" if due is None else due.id
        if name != case.expect.step:
            found.append(f"step must be {case.expect.step}, got {name}")
    if case.expect.finding is not None:
        given = case.given
        indicators = {name: Truth.of(value) for name, value in given.indicators.items()} if given else {}
        attested = {name: Truth.of(value) for name, value in given.attested.items()} if given else {}
        name = process_finding(policy, indicators, attested)
        if name != case.expect.finding:
            found.append(f"finding must be {case.expect.finding}, got {name}")
    return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """Cases with their columns: made once, decided by the policy and by each of its mutants.

    Attributes
    ----------
    scored, read
        Indices of the cases that give scores, and of those whose text goes through the model.
    scored_columns, read_columns
        Their columns, or None when there are none.
    info, read_info
        The stand-in bundle, and the real one or None.
    """

    cases: tuple[TestCase, ...]
    scored: tuple[int, ...]
    read: tuple[int, ...]
    scored_columns: ItemColumns
    read_columns: ItemColumns | None
    info: ModelInfo
    read_info: ModelInfo | None


def prepare(policy: Policy, columns_of: ColumnsOf | None, read_info: ModelInfo | None) -> Prepared:
    """Score the cases of a policy, once."""
    stated = {i: case.stated for i, case in enumerate(policy.tests)}
    items = {i: stated[i] or case.item for i, case in enumerate(policy.tests) if stated[i] or case.item}
    scored = tuple(i for i in items if stated[i] is not None)
    read = tuple(i for i in items if stated[i] is None)
    info = stand_in(policy)
    thresholds = resolve(policy, info)
    texts = [item for i in read if (item := items[i]) is not None]
    return Prepared(
        cases=policy.tests,
        scored=scored,
        read=read,
        scored_columns=scored_columns([item for i in scored if (item := items[i]) is not None], policy, thresholds),
        read_columns=texts_columns(texts, policy, columns_of) if columns_of is not None and texts else None,
        info=info,
        read_info=read_info,
    )


def run_prepared(policy: Policy, prepared: Prepared) -> list[CaseResult]:
    """Results of all cases by a policy, or by a mutant of the one that they were prepared for."""
    place: dict[int, tuple[DecisionColumns, int, str]] = {}
    result = Decider(policy, prepared.info).decide(prepared.scored_columns)
    place.update({i: (result, row, "scores") for row, i in enumerate(prepared.scored)})
    if prepared.read_columns is not None and prepared.read_info is not None:
        result = Decider(policy, prepared.read_info).decide(prepared.read_columns)
        place.update({i: (result, row, "model") for row, i in enumerate(prepared.read)})
    results = []
    for i, case in enumerate(prepared.cases):
        if i not in place and case.item is not None:
            skipped = "no bundle to score the text with"
            results.append(CaseResult(case.name, "model", skipped=skipped, todo=case.todo or ""))
            continue
        differences, tier, by = [], "", "ladder"
        contexts: tuple[str, ...] = ()
        if i in place:
            columns, row, by = place[i]
            tier = columns.name(row)
            contexts = tuple(name for name, states in columns.contexts.items() if states[row] == Truth.TRUE)
            differences = _item_differences(policy, case.expect, columns, row)
        differences += _ladder_differences(policy, case, tier)
        step = case.expect.step or ""
        results.append(CaseResult(case.name, by, tuple(differences), "", tier, case.todo or "", contexts, step))
    return results


def run_cases(policy: Policy, *, classifier: Any = None) -> list[CaseResult]:
    """Run the cases in a policy file.

    Parameters
    ----------
    classifier
        Anything with ``item_columns(items, policy)`` and ``info``, for the cases that give a text only; without one
        those are skipped, and say so.

    Returns
    -------
    list of CaseResult
        In file order.
    """
    columns_of = None if classifier is None else classifier.item_columns
    return run_prepared(policy, prepare(policy, columns_of, None if classifier is None else classifier.info))
