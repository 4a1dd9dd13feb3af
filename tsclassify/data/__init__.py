"""Public data sets pinned by commit and sha256, annotation labels by hash, and the posts written for the project."""

from __future__ import annotations

from tsclassify.data.corpus import (
    annotated_rows,
    composed_rows,
    contrast_rows,
    drawn,
    everyday_rows,
    found_rows,
    further_rows,
    labels,
    read_again,
    written_rows,
)
from tsclassify.data.files import data_folder, fetch, files_of, verify
from tsclassify.data.load import load_annotated, load_raw, load_written
from tsclassify.data.raw import english_rows, exclusion_key, exclusions, raw_rows
from tsclassify.data.registry import PublicFile, registered_files, source_names

__all__ = [
    "PublicFile",
    "annotated_rows",
    "composed_rows",
    "contrast_rows",
    "data_folder",
    "drawn",
    "english_rows",
    "everyday_rows",
    "exclusion_key",
    "exclusions",
    "fetch",
    "files_of",
    "found_rows",
    "further_rows",
    "labels",
    "load_annotated",
    "load_raw",
    "load_written",
    "raw_rows",
    "read_again",
    "registered_files",
    "source_names",
    "verify",
    "written_rows",
]
