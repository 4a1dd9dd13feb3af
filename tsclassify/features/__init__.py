"""Hashed features of posts and the scorer over them."""

from tsclassify.features.reference import Feature, features_of
from tsclassify.features.scorer import Scorer
from tsclassify.features.spec import FeatureSpec
from tsclassify.features.texts import encode_texts

__all__ = ["Feature", "FeatureSpec", "Scorer", "encode_texts", "features_of"]
