"""The model as scikit-learn estimators: ``make_pipeline(TextFeatures(), LinearHeads())``."""

from __future__ import annotations

import functools
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from tsclassify.classifier import locate_bundle
from tsclassify.errors import InputError
from tsclassify.features.hashed import HashedNgrams
from tsclassify.features.spec import FeatureSpec
from tsclassify.model.bundle import read_bundle
from tsclassify.model.calibration import sigmoid
from tsclassify.model.linear import fit_heads
from tsclassify.model.wordclasses import lexicon_from_mapping
from tsclassify.text.lexicon import Lexicon
from tsclassify.training.pipeline import feature_scaling

__all__ = ["LinearHeads", "TextFeatures"]

_EVEN: Final = 0.5


@functools.lru_cache(maxsize=1)
def _shipped_features() -> tuple[FeatureSpec, Lexicon]:
    model, _ = read_bundle(locate_bundle())
    return model.spec, lexicon_from_mapping(model.lexicon)


class TextFeatures(HashedNgrams):
    """The features of a bundle as a transformer: texts in, sparse matrix out.

    Parameters
    ----------
    spec
        What the features are (``tsclassify.features.spec.FeatureSpec``); those of the shipped bundle when None.
    lexicon
        Word classes (``tsclassify.text.lexicon.Lexicon``); those of the shipped bundle when None.

    Attributes
    ----------
    n_features_out_
        Number of columns.

    Examples
    --------
    >>> TextFeatures().fit_transform(["see you at the picnic"]).shape[0]
    1
    """

    def resolved(self) -> tuple[FeatureSpec, Lexicon]:
        """The features that it makes: ``spec`` and ``lexicon``, or the shipped ones."""
        if self.spec is None or self.lexicon is None:
            spec, lexicon = _shipped_features()
            made = HashedNgrams(self.spec or spec, self.lexicon or lexicon)
            return made._resolve()
        return super()._resolve()

    def _resolve(self) -> tuple[FeatureSpec, Lexicon]:
        return self.resolved()


class LinearHeads(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression of one head a category, over the same columns.

    Parameters
    ----------
    c
        Inverse strength of the ridge.
    epochs
        Passes over the rows.
    idf_power
        Columns are scaled by their inverse document frequency to this power; the scale is folded into ``coef_``.
    seed
        Seed of the order of rows.

    Attributes
    ----------
    classes_
        Of one label a row the labels, sorted; of a table of labels the names of its columns, or their numbers.
    coef_, intercept_
        float32, shape (K, columns), and float64, shape (K,); one head for two classes.
    prior_
        Share of positives of each head in training, shape (K,).
    is_named_
        Whether ``classes_`` are names of columns: such a pipeline can become a bundle (``tsclassify.calibrate``).
    n_features_in_
        Number of columns.
    """

    def __init__(self, c: float = 1.0, epochs: int = 10, idf_power: float = 1.0, seed: int = 7) -> None:
        self.c = c
        self.epochs = epochs
        self.idf_power = idf_power
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the heads.

        Parameters
        ----------
        X
            Shape (n, columns), sparse or dense.
        y
            One label a row, shape (n,), of two classes or more; or a table of 0 and 1, shape (n, K), best a data frame
            whose columns are categories.

        Raises
        ------
        InputError
            When a parameter or the labels cannot be used.
        """
        if not (isinstance(self.c, int | float) and self.c > 0):
            raise InputError(f"LinearHeads: c must be above 0, got {self.c!r}")
        if not (isinstance(self.epochs, int) and self.epochs >= 1):
            raise InputError(f"LinearHeads: epochs must be a whole number from 1, got {self.epochs!r}")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32)
        names = getattr(y, "columns", None)
        if np.asarray(y).dtype.kind == "f":
            assert_all_finite(np.asarray(y), input_name="y")
        self._is_table = names is not None or type_of_target(y, input_name="y") == "multilabel-indicator"
        self.is_named_ = names is not None
        if self._is_table:
            table = check_array(y, accept_sparse="csr", dtype=np.float32, input_name="y")
            targets = table.toarray() if sparse.issparse(table) else table
            if not np.isin(targets, (0.0, 1.0)).all():
                raise InputError("LinearHeads: y must hold 0 and 1, got other numbers")
            self.classes_ = np.arange(targets.shape[1]) if names is None else np.array([str(name) for name in names])
        else:
            y = column_or_1d(y, warn=True)
            check_classification_targets(y)
            self.classes_, place = np.unique(y, return_inverse=True)
            if len(self.classes_) < 2:
                raise InputError(f"LinearHeads: y must have at least two classes, got {len(self.classes_)} class")
            every = np.eye(len(self.classes_), dtype=np.float32)[place]
            targets = every[:, 1:] if len(self.classes_) == 2 else every
        check_consistent_length(X, targets)
        features = sparse.csr_matrix(X)
        scaling = feature_scaling(features, power=self.idf_power)
        scaled = features.multiply(scaling[None, :]).tocsr().astype(np.float32)
        heads = fit_heads(scaled, targets, np.ones_like(targets), c=float(self.c), epochs=self.epochs, seed=self.seed)
        self.coef_ = np.ascontiguousarray((heads.weights * scaling[:, None]).T)
        self.intercept_ = heads.bias
        self.prior_ = np.clip(targets.mean(axis=0, dtype=np.float64), 1e-6, 1 - 1e-6)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits: shape (n,) for two classes, else (n, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        logits = np.asarray(X @ self.coef_.T.astype(np.float64)) + self.intercept_
        return logits[:, 0] if not self._is_table and len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities, shape (n, K): of one label a row they add up to 1, of a table each column stands alone."""
        made = sigmoid(self.decision_function(X))
        if self._is_table:
            return made
        if made.ndim == 1:
            return np.stack([1.0 - made, made], axis=1)
        shares: NDArray[np.float64] = made / made.sum(axis=1, keepdims=True)
        return shares

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest label of each row, or a table of 0 and 1."""
        made = self.predict_proba(X)
        if self._is_table:
            return (made >= _EVEN).astype(np.int64)
        labels: NDArray[Any] = self.classes_[np.argmax(made, axis=1)]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags
