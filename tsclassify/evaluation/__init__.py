"""Measure a model: metrics with intervals, equal treatment, robustness, suites, peers, gates, the report."""

from __future__ import annotations

from tsclassify.evaluation.compare import ModelComparison, compare
from tsclassify.evaluation.disguise import DISGUISES, STRENGTHS, disguise
from tsclassify.evaluation.gates import Gate, read_gates
from tsclassify.evaluation.labelled import LabelledData, read_labelled
from tsclassify.evaluation.models import as_scorer, from_callable, from_dicts, from_sklearn
from tsclassify.evaluation.report import Report
from tsclassify.evaluation.run import evaluate
from tsclassify.evaluation.suites import Suite, load_suite
from tsclassify.evaluation.swaps import SwapList, load_swaps
from tsclassify.evaluation.tables import Problem, Table

__all__ = [
    "DISGUISES",
    "STRENGTHS",
    "Gate",
    "LabelledData",
    "ModelComparison",
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
