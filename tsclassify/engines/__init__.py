"""Scoring on more than one machine: Ray Data and Spark run the same function on the same record batches.

``tsclassify.engines.ray.score_dataset`` and ``tsclassify.engines.spark.score_dataframe`` add the result column to a
data set that the engine holds. ``score_files`` scores JSONL files through an engine into one file, with the same
bytes as a local job.
"""

from __future__ import annotations

from tsclassify.engines.files import score_files
from tsclassify.engines.recipe import Recipe

__all__ = ["Recipe", "score_files"]
