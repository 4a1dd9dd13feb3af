"""The ledger: decisions and the events around them, in one file that only grows and that can be checked."""

from __future__ import annotations

from tsclassify.ledger.case import Case, load_case
from tsclassify.ledger.events import (
    Appeal,
    Attestation,
    HumanAction,
    Notice,
    Removal,
    Response,
    Tally,
    Void,
)
from tsclassify.ledger.ledger import Ledger
from tsclassify.ledger.rows import Recorded, Stored

__all__ = [
    "Appeal",
    "Attestation",
    "Case",
    "HumanAction",
    "Ledger",
    "Notice",
    "Recorded",
    "Removal",
    "Response",
    "Stored",
    "Tally",
    "Void",
    "load_case",
]
