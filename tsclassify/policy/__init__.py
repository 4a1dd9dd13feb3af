"""The policy language: written terms as data that can be checked, tested, compared and read.

Terms become a file, a file becomes a ``Policy`` or a list of ``Fault``. ``Decider`` holds a policy to one model:
``ItemColumns`` go in, ``DecisionColumns`` come out, and ``Decider.record`` makes the full record of one row.
``Breaker`` stops a bad release, and ``due_step`` reads the ladder from a ``LadderState``.
"""

from __future__ import annotations

from tsclassify.policy.breaker import Breaker
from tsclassify.policy.columns import DecisionColumns, ItemColumns
from tsclassify.policy.decider import Decider
from tsclassify.policy.faults import Fault
from tsclassify.policy.ladder import LadderState, due_step, step_states
from tsclassify.policy.load import Policy, as_policy, shipped_names

__all__ = [
    "Breaker",
    "Decider",
    "DecisionColumns",
    "Fault",
    "ItemColumns",
    "LadderState",
    "Policy",
    "as_policy",
    "due_step",
    "shipped_names",
    "step_states",
]
