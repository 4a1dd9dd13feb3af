"""The features as a scikit-learn transformer: texts in, sparse matrix out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin

from tsclassify.errors import InputError
from tsclassify.features.spec import FeatureSpec
from tsclassify.features.texts import encode_texts
from tsclassify.kernel.extract import extract
from tsclassify.text.lexicon import Lexicon

__all__ = ["HashedNgrams"]


class HashedNgrams(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Hashed features of posts, as the kernel sums them.

    Parameters
    ----------
    spec
        A ``FeatureSpec``, or None for the default one.
    lexicon
        A ``Lexicon``, or None for an empty one.

    Attributes
    ----------
    n_features_out_
        Number of buckets.

    Notes
    -----
    Stateless: ``fit`` only checks the parameters, so ``transform`` of a text never depends on other texts.
    """

    def __init__(self, spec: FeatureSpec | None = None, lexicon: Lexicon | None = None) -> None:
        self.spec = spec
        self.lexicon = lexicon

    def _resolve(self) -> tuple[FeatureSpec, Lexicon]:
        spec = FeatureSpec() if self.spec is None else self.spec
        lexicon = Lexicon() if self.lexicon is None else self.lexicon
        if not isinstance(spec, FeatureSpec):
            raise InputError(f"HashedNgrams: spec must be a FeatureSpec, got {type(spec).__name__}")
        if not isinstance(lexicon, Lexicon):
            raise InputError(f"HashedNgrams: lexicon must be a Lexicon, got {type(lexicon).__name__}")
        return spec, lexicon

    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Check the parameters and that `X` is a list of texts."""
        spec, _ = self._resolve()
        if isinstance(X, (str, bytes, Mapping)):
            raise InputError(f"HashedNgrams: X must be a list of texts, got {type(X).__name__}")
        self.n_features_out_ = spec.n_buckets
        return self

    def transform(self, X: Iterable[str]) -> csr_matrix:
        """Features of each text: CSR matrix of float32, shape (n, 2**bits), indices sorted and distinct.

        Raises
        ------
        InputError
            When `X` is a bare string or holds something that is not a text, named by its position.
        """
        spec, lexicon = self._resolve()
        data, offsets = encode_texts(X, place="HashedNgrams")
        values, columns, ends, _ = extract(data, offsets, spec, lexicon)
        matrix = csr_matrix((values, columns, ends), shape=(len(offsets) - 1, spec.n_buckets))
        matrix.sum_duplicates()
        return matrix

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Column names: ``bucket_0`` and so on."""
        return np.array([f"bucket_{k}" for k in range(self._resolve()[0].n_buckets)], dtype=object)
