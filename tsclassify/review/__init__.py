"""From the ledger to a whole platform: indicators, the finding that they carry, its page, and a simulated tenant."""

from __future__ import annotations

from tsclassify.review.result import Overdue, PlatformReview, read_labelled, review_platform
from tsclassify.review.simulate import Tenant, simulate

__all__ = ["Overdue", "PlatformReview", "Tenant", "read_labelled", "review_platform", "simulate"]
