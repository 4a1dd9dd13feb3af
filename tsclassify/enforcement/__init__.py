"""From decisions to accounts and whole platforms: the ledger, standings, platform reviews, notices, statements."""

from __future__ import annotations

from tsclassify.enforcement.events import (
    Appeal,
    Attestation,
    HumanAction,
    Notice,
    Removal,
    Response,
    Tally,
    Void,
)
from tsclassify.enforcement.ledger import Ledger, Recorded, Stored
from tsclassify.enforcement.standing import Reversal, Standing, StepState, Strike

__all__ = [
    "Appeal",
    "Attestation",
    "HumanAction",
    "Ledger",
    "Notice",
    "Recorded",
    "Removal",
    "Response",
    "Reversal",
    "Standing",
    "StepState",
    "Stored",
    "Strike",
    "Tally",
    "Void",
]
