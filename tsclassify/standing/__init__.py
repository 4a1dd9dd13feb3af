"""From the ledger to one account or tenant: its history, the steps of the ladder, and the notices about them."""

from __future__ import annotations

from tsclassify.standing.notices import account_notice, tenant_notice
from tsclassify.standing.standing import Reversal, Standing, StepState, Strike

__all__ = ["Reversal", "Standing", "StepState", "Strike", "account_notice", "tenant_notice"]
