"""Measure a model: metrics with intervals, equal treatment, robustness, suites, peers, gates, the report."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from tsclassify.evaluate.compare import Comparison, compare
from tsclassify.evaluate.disguise import DISGUISES, STRENGTHS, disguise
from tsclassify.evaluate.gates import Gate, read_gates
from tsclassify.evaluate.labelled import Labelled, read_labelled
from tsclassify.evaluate.models import as_scorer, from_callable, from_dicts, from_sklearn
from tsclassify.evaluate.report import Problem, Report, Table
from tsclassify.evaluate.run import evaluate
from tsclassify.evaluate.suites import Suite, load_suite
from tsclassify.evaluate.swaps import SwapList, load_swaps

__all__ = [
    "DISGUISES",
    "STRENGTHS",
    "Comparison",
    "Gate",
    "Labelled",
    "Problem",
    "Report",
    "Suite",
    "SwapList",
    "Table",
    "as_scorer",
    "compare",
    "disguise",
    "evaluate",
    "from_callable",
    "from_dicts",
    "from_sklearn",
    "load_suite",
    "load_swaps",
    "read_gates",
    "read_labelled",
]


class _CallableModule(ModuleType):
    """``tsclassify.evaluate(...)`` must work although importing this package puts the module under that name."""

    def __call__(self, *args: Any, **options: Any) -> Report:
        return evaluate(*args, **options)


sys.modules[__name__].__class__ = _CallableModule
