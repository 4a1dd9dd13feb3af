"""The registry of public data files: where each comes from, its sha256, its licence and what it may be used for."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from urllib.parse import quote

from tsclassify.errors import InputError
from tsclassify.resources import shipped

__all__ = ["BASE_URL", "PublicFile", "registered_files", "source_names"]

BASE_URL = "https://raw.githubusercontent.com"


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One public file, pinned to a commit.

    Parameters
    ----------
    name
        Data set it belongs to, for example ``edos``; several files may share one.
    repository, commit, path_there
        Public repository, commit and path in it; all empty for a file that cannot be fetched.
    path_here
        Path below the data folder.
    n_bytes, sha256
        Size and checksum of the file.
    licence
        As stated by its publishers.
    use
        ``train`` (the licence allows a model trained on it to be passed on) or ``eval`` (may only measure).
    note
        What its own labels mean and how noisy they are.
    """

    name: str
    repository: str
    commit: str
    path_there: str
    path_here: str
    n_bytes: int
    sha256: str
    licence: str
    use: str
    note: str

    @property
    def is_fetchable(self) -> bool:
        """Whether a public address is known."""
        return bool(self.repository)

    def url(self, base_url: str = BASE_URL) -> str:
        """Address of the file below ``base_url``, percent-encoded.

        Examples
        --------
        >>> PublicFile("a", "o/r", "c0", "a dir/x.csv", "a/x.csv", 1, "", "CC0", "train", "").url("http://h")
        'http://h/o/r/c0/a%20dir/x.csv'
        """
        if not self.is_fetchable:
            raise InputError(f"{self.name}: public address must be known, got a file that is not fetched by users")
        return f"{base_url}/{quote(self.repository)}/{self.commit}/{quote(self.path_there)}"


@functools.cache
def registered_files() -> tuple[PublicFile, ...]:
    """All public files in registry order (``seeds/registry.tsv``)."""
    with shipped("seeds", "registry.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(
            PublicFile(
                name=row["name"],
                repository=row["github_repository"],
                commit=row["commit"],
                path_there=row["path_there"],
                path_here=row["path_here"],
                n_bytes=int(row["bytes"]),
                sha256=row["sha256"],
                licence=row["licence"],
                use=row["use"],
                note=row["note"],
            )
            for row in rows
        )


def source_names() -> tuple[str, ...]:
    """Names of the data sets, in registry order."""
    return tuple(dict.fromkeys(file.name for file in registered_files()))
