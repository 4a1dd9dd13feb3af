"""From the ledger to one account or tenant: its history, the steps of the ladder, and the notices about them."""

from __future__ import annotations

from tsclassify.standing.ledger import Ledger
from tsclassify.standing.notices import account_notice, appeal_letter, reporter_letter, tenant_notice
from tsclassify.standing.queue import QueueItem
from tsclassify.standing.standing import Reversal, Standing, StepState, Strike

__all__ = [
    "Ledger",
    "QueueItem",
    "Reversal",
    "Standing",
    "StepState",
    "Strike",
    "account_notice",
    "appeal_letter",
    "reporter_letter",
    "tenant_notice",
]
