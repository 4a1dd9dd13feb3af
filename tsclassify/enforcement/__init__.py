"""From decisions to accounts and whole platforms: the ledger, standings, platform reviews, notices, statements."""

from __future__ import annotations

from tsclassify.enforcement.case import Case, load_case
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
from tsclassify.enforcement.notices import account_notice, tenant_notice
from tsclassify.enforcement.review import Overdue, PlatformReview, read_labelled, review_platform
from tsclassify.enforcement.simulate import Tenant, simulate
from tsclassify.enforcement.standing import Reversal, Standing, StepState, Strike
from tsclassify.enforcement.statement import FieldFault, check_statement, statement_of_reasons

__all__ = [
    "Appeal",
    "Attestation",
    "Case",
    "FieldFault",
    "HumanAction",
    "Ledger",
    "Notice",
    "Overdue",
    "PlatformReview",
    "Recorded",
    "Removal",
    "Response",
    "Reversal",
    "Standing",
    "StepState",
    "Stored",
    "Strike",
    "Tally",
    "Tenant",
    "Void",
    "account_notice",
    "check_statement",
    "load_case",
    "read_labelled",
    "review_platform",
    "simulate",
    "statement_of_reasons",
    "tenant_notice",
]
