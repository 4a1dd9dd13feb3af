"""The policy language: written terms as data that can be checked, tested, compared and read."""

from __future__ import annotations

from tsclassify.policy.faults import Fault
from tsclassify.policy.load import Policy

__all__ = ["Fault", "Policy"]
