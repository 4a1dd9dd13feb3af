"""Scores posts for incitement and threats, explains every score, decides by a written policy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tsclassify._version import __version__ as __version__
from tsclassify.errors import needs

if TYPE_CHECKING:
    from tsclassify.adapt import calibrate as calibrate
    from tsclassify.adapt import fit as fit
    from tsclassify.batch import score_jsonl as score_jsonl
    from tsclassify.classifier import Classifier as Classifier
    from tsclassify.classifier import load as load
    from tsclassify.decision import Decision as Decision
    from tsclassify.dsa import statement_of_reasons as statement_of_reasons
    from tsclassify.estimators import LinearHeads as LinearHeads
    from tsclassify.estimators import TextFeatures as TextFeatures
    from tsclassify.evaluation import Report as Report
    from tsclassify.evaluation import evaluate as evaluate
    from tsclassify.policy import Breaker as Breaker
    from tsclassify.policy import Policy as Policy
    from tsclassify.records import Explanation as Explanation
    from tsclassify.records import Piece as Piece
    from tsclassify.review import PlatformReview as PlatformReview
    from tsclassify.review import review_platform as review_platform
    from tsclassify.scores import Scores as Scores
    from tsclassify.standing import Ledger as Ledger

_HOMES = {
    "Breaker": "tsclassify.policy",
    "BundleError": "tsclassify.errors",
    "Classifier": "tsclassify.classifier",
    "DataError": "tsclassify.errors",
    "Decision": "tsclassify.decision",
    "Explanation": "tsclassify.records",
    "GateError": "tsclassify.errors",
    "InputError": "tsclassify.errors",
    "Ledger": "tsclassify.standing",
    "LedgerError": "tsclassify.errors",
    "LinearHeads": "tsclassify.estimators",
    "Piece": "tsclassify.records",
    "PlatformReview": "tsclassify.review",
    "Policy": "tsclassify.policy",
    "PolicyError": "tsclassify.errors",
    "Report": "tsclassify.evaluation",
    "Scores": "tsclassify.scores",
    "TextFeatures": "tsclassify.estimators",
    "TsclassifyError": "tsclassify.errors",
    "calibrate": "tsclassify.adapt",
    "evaluate": "tsclassify.evaluation",
    "fit": "tsclassify.adapt",
    "load": "tsclassify.classifier",
    "review_platform": "tsclassify.review",
    "score_jsonl": "tsclassify.batch",
    "statement_of_reasons": "tsclassify.dsa",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use, so that ``import tsclassify`` stays light."""
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'tsclassify' has no attribute {name!r}") from None
    with needs(name):
        value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
