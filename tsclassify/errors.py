"""Every error that the library raises on purpose.

::

    TsclassifyError
    ├── InputError          what the caller passed: texts, items, files, lines (also a ValueError)
    ├── DataError           a public data file is missing, altered or not reachable
    ├── BundleError         a model bundle is missing, altered, truncated or newer than this code
    ├── PolicyError         a policy file has faults; ``faults`` lists all of them
    ├── LedgerError         a ledger is missing, broken or refuses an event
    ├── GateError           an evaluation gate failed
    └── MissingPackageError a package is not installed that this call needs (also an ImportError)

Messages read ``place: subject must be constraint, got value``; what there is to do follows after ``hint:``.
They never hold the text of an item, a span of it or a handle: only ids, offsets and lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = [
    "BundleError",
    "DataError",
    "GateError",
    "InputError",
    "LedgerError",
    "MissingPackageError",
    "PolicyError",
    "TsclassifyError",
    "needs",
]


class TsclassifyError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message
        One sentence, lower-case start, no final period.
    hint
        What the reader can do, or empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class InputError(TsclassifyError, ValueError):
    """What the caller passed cannot be used."""


class DataError(TsclassifyError):
    """A public data file is missing, altered or not reachable."""


class BundleError(TsclassifyError):
    """A model bundle is missing, altered, truncated or newer than this code."""


class PolicyError(TsclassifyError):
    """A policy has faults.

    Parameters
    ----------
    message
        The rendered faults, or one sentence when there is one.
    faults
        The single faults (``tsclassify.policy.Fault``), in file order.
    """

    def __init__(self, message: str, *, hint: str = "", faults: tuple[object, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.faults = faults


class LedgerError(TsclassifyError):
    """A ledger is missing, broken or refuses an event."""


class GateError(TsclassifyError):
    """An evaluation gate failed."""


class MissingPackageError(TsclassifyError, ImportError):
    """A package is not installed that this call needs and scoring does not."""


_INSTALLED_BY: Final = {
    **dict.fromkeys(("datasets", "jinja2", "joblib", "pandas", "pooch", "pyarrow", "scipy"), ""),
    "markupsafe": "jinja2",
    "requests": "pooch",
    "sklearn": "scikit-learn",
    "torch": "tsclassify[teacher]",
    "transformers": "tsclassify[teacher]",
    "ray": "tsclassify[ray]",
    "pyspark": "tsclassify[spark]",
}
"""Import name of a package beyond the core install to what pip is asked for, where that is another name."""


@contextmanager
def needs(place: str) -> Iterator[None]:
    """Around code, or above a function, that imports packages beyond the core install.

    Raises
    ------
    MissingPackageError
        When one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if isinstance(error, MissingPackageError) or name not in _INSTALLED_BY:
            raise
        raise MissingPackageError(
            f"{place}: package {name} must be installed, got none", hint=f"pip install '{_INSTALLED_BY[name] or name}'"
        ) from error
