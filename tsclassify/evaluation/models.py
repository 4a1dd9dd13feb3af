"""Adapters: anything that scores texts, seen as one function from texts to a (n, K) array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.records import ModelInfo

__all__ = ["ModelAdapter", "as_scorer", "from_callable", "from_dicts", "from_sklearn"]

_BATCH = 4096


@dataclass(frozen=True, slots=True, eq=False)
class ModelAdapter:
    """A model under measurement.

    Attributes
    ----------
    name
        Shown in tables.
    categories
        Names of its K columns.
    function
        Texts to an array-like of shape (n, K), values in [0, 1].
    priors
        Category to the share of positives at which its scores are calibrated; empty when it states none.
    info
        What a bundle states about itself; None for others.
    model
        The object the caller passed: asked for explanations and decisions where it offers them.
    """

    name: str
    categories: tuple[str, ...]
    function: Callable[[Sequence[str]], Any]
    priors: Mapping[str, float] = field(default_factory=dict)
    info: ModelInfo | None = None
    model: Any = None

    def score(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Scores of `texts`, float32, shape (n, K).

        Raises
        ------
        InputError
            When the model returns another shape, or values outside [0, 1].
        """
        parts = [np.empty((0, len(self.categories)), dtype=np.float32)]
        for batch in _batches(texts):
            values = np.asarray(self.function(batch), dtype=np.float32)
            if values.ndim == 1:
                values = values[:, None]
            if values.shape != (len(batch), len(self.categories)):
                raise InputError(
                    f"{self.name}: scores must have shape ({len(batch)}, {len(self.categories)}), got {values.shape}"
                )
            if not bool(((values >= 0) & (values <= 1)).all()):
                raise InputError(f"{self.name}: scores must lie in [0, 1] and not be NaN")
            parts.append(values)
            if progress is not None:
                progress(len(batch))
        return np.concatenate(parts)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(texts), _BATCH):
        yield texts[first : first + _BATCH]


def as_scorer(model: Any, *, name: str = "") -> ModelAdapter:
    """See any model as a ``ModelAdapter``.

    Parameters
    ----------
    model
        A ``ModelAdapter``, a ``Classifier``, or any object with ``score(texts)`` that returns an object with
        ``categories`` and ``probabilities``, or a mapping of category to n scores.
    name
        Name in tables; empty takes the bundle's or the type's.

    Raises
    ------
    InputError
        When the object has no ``score``.
    """
    if isinstance(model, ModelAdapter):
        return model
    if not callable(getattr(model, "score", None)):
        raise InputError(
            f"evaluate: model must have score(texts), got {type(model).__name__}",
            hint="wrap it with from_sklearn, from_dicts or from_callable of tsclassify.evaluation",
        )
    probe = model.score(["a"])
    categories = _names(probe)
    info = getattr(model, "info", None)
    info = info if isinstance(info, ModelInfo) else None

    def function(texts: Sequence[str]) -> Any:
        return _array(model.score(list(texts)), categories)

    return ModelAdapter(
        name=name or (info.name if info else "") or str(getattr(model, "name", "") or type(model).__name__),
        categories=categories,
        function=function,
        priors=dict(getattr(probe, "priors", None) or (info.priors if info else {})),
        info=info,
        model=model,
    )


def _names(scores: Any) -> tuple[str, ...]:
    if isinstance(scores, Mapping):
        return tuple(str(key) for key in scores)
    categories = getattr(scores, "categories", None)
    if categories is None:
        raise InputError(
            f"evaluate: score(texts) must return categories with their probabilities, got {type(scores).__name__}",
            hint="wrap it with from_callable(function, categories=...)",
        )
    return tuple(categories)


def _array(scores: Any, categories: tuple[str, ...]) -> Any:
    if isinstance(scores, Mapping):
        return np.stack([np.asarray(scores[name], dtype=np.float32).reshape(-1) for name in categories], axis=1)
    return scores.probabilities


def from_callable(
    function: Callable[[Sequence[str]], Any], *, categories: Sequence[str] | str, name: str = ""
) -> ModelAdapter:
    """A function from texts to scores of shape (n,) or (n, K)."""
    names = (categories,) if isinstance(categories, str) else tuple(categories)
    return ModelAdapter(name or getattr(function, "__name__", "callable"), names, function)


def from_dicts(
    function: Callable[[Sequence[str]], Mapping[str, Any]],
    *,
    columns: Mapping[str, str],
    name: str = "",
) -> ModelAdapter:
    """A function from texts to a mapping of its own labels to n scores (or to one float for one text).

    Parameters
    ----------
    function
        Called with a list of texts.
    columns
        Our category to its label, for example ``{"violent_threat": "threat"}``.
    name
        Name in tables.
    """
    names = tuple(columns)

    def scored(texts: Sequence[str]) -> NDArray[np.float32]:
        answer = function(list(texts))
        missing = [label for label in columns.values() if label not in answer]
        if missing:
            raise InputError(f"{name or 'peer'}: scores must hold {missing[0]!r}, got {sorted(answer)}")
        return np.stack([np.asarray(answer[columns[key]], dtype=np.float32).reshape(-1) for key in names], axis=1)

    return ModelAdapter(name or getattr(function, "__name__", "peer"), names, scored)


def from_sklearn(pipelines: Any, *, categories: Sequence[str] | str = (), name: str = "scikit-learn") -> ModelAdapter:
    """Fitted scikit-learn pipelines over texts.

    Parameters
    ----------
    pipelines
        A mapping of category to a fitted binary classifier, or one fitted binary or multi-label classifier
        together with `categories`. Each needs ``predict_proba``.
    categories
        Category, or categories in column order, of a single classifier.
    name
        Name in tables.
    """
    if isinstance(pipelines, Mapping):
        names = tuple(pipelines)

        def by_category(texts: Sequence[str]) -> NDArray[np.float32]:
            return np.stack([pipelines[key].predict_proba(list(texts))[:, 1] for key in names], axis=1)

        return ModelAdapter(name, names, by_category)
    names = (categories,) if isinstance(categories, str) else tuple(categories)

    def together(texts: Sequence[str]) -> NDArray[np.float32]:
        answer = pipelines.predict_proba(list(texts))
        if isinstance(answer, list):
            return np.stack([part[:, 1] for part in answer], axis=1)
        column: NDArray[np.float32] = np.asarray(answer, dtype=np.float32)
        return column[:, 1:] if len(names) == 1 else column

    return ModelAdapter(name, names, together)
