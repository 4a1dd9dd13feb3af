"""The ledger: decisions and the events around them, in one file that only grows and that can be checked."""

from __future__ import annotations

from tsclassify.ledger.case import Case, load_case
from tsclassify.ledger.events import (
    Appeal,
    Attestation,
    Edited,
    HumanAction,
    Notice,
    Removal,
    Reported,
    Response,
    Restored,
    Reviewed,
    Tally,
    TenantRenamed,
    Void,
)
from tsclassify.ledger.ledger import EventLog
from tsclassify.ledger.rows import Recorded, Stored

__all__ = [
    "Appeal",
    "Attestation",
    "Case",
    "Edited",
    "EventLog",
    "HumanAction",
    "Notice",
    "Recorded",
    "Removal",
    "Reported",
    "Response",
    "Restored",
    "Reviewed",
    "Stored",
    "Tally",
    "TenantRenamed",
    "Void",
    "load_case",
]
