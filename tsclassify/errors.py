"""Every error that the library raises on purpose.

::

    TsclassifyError
    ├── InputError          what the caller passed: texts, items, files, lines (also a ValueError)
    ├── DataError           a public data file is missing, altered or not reachable
    ├── BundleError         a model bundle is missing, altered, truncated or newer than this code
    ├── PolicyError         a policy file has faults; ``faults`` lists all of them
    ├── LedgerError         a ledger is missing, broken or refuses an event
    └── GateError           an evaluation gate failed

Messages read ``place: subject must be constraint, got value``; what there is to do follows after ``hint:``.
They never hold the text of an item, a span of it or a handle: only ids, offsets and lengths.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "DataError",
    "GateError",
    "InputError",
    "LedgerError",
    "PolicyError",
    "TsclassifyError",
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
