"""What a worker needs to build its scorer: small, picklable, and made into a model once a process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tsclassify.batch import load_model, load_policy
from tsclassify.batch.arrow import ArrowScorer
from tsclassify.batch.plan import Plan, make_plan
from tsclassify.errors import InputError
from tsclassify.io.strict import MAX_LINE_BYTES

if TYPE_CHECKING:
    from tsclassify.policy import Policy
    from tsclassify.policy.decider import Scoring

__all__ = ["Recipe"]

_built: dict[Recipe, Plan] = {}


@dataclass(frozen=True)
class Recipe:
    """Model, policy and settings by name, to be looked up where the work is done.

    Attributes
    ----------
    model
        Bundle folder or name that every worker can reach; the shipped bundle when None. A classifier that can be
        pickled works too, but travels with every task.
    policy
        Policy name or path, a policy that can be pickled, or None.
    fields
        New names as pairs, for example ``(("text", "body"),)``.
    select
        Of ``review`` and ``act``.
    max_line
        Longest line accepted, in bytes.
    hashes
        Labels of the model and the policy that a worker has to find; not checked when None.
    """

    model: str | Scoring | None = None
    policy: str | Policy | None = None
    fields: tuple[tuple[str, str], ...] = ()
    select: tuple[str, ...] = ()
    max_line: int = MAX_LINE_BYTES
    hashes: tuple[str, str] | None = None

    @classmethod
    def of(
        cls,
        *,
        model: str | os.PathLike[str] | Scoring | None = None,
        policy: str | os.PathLike[str] | Policy | None = None,
        fields: Mapping[str, str] | None = None,
        select: Sequence[str] = (),
        max_line: int = MAX_LINE_BYTES,
    ) -> Recipe:
        """A recipe from what ``score_jsonl`` takes; faults in it are found here, not on a worker."""
        recipe = cls(
            model=_name(model),
            policy=_name(policy),
            fields=tuple(sorted((fields or {}).items())),
            select=tuple(select),
            max_line=max_line,
        )
        plan = recipe.plan()
        return replace(recipe, hashes=(plan.model_label, plan.policy_label))

    def plan(self) -> Plan:
        """The job's settings with model and policy loaded; once per process for named ones."""
        if not (isinstance(self.model, str | None) and isinstance(self.policy, str | None)):
            return self._make()
        if self not in _built:
            _built[self] = self._make()
        return _built[self]

    def _make(self) -> Plan:
        plan = make_plan(
            load_model(self.model),
            load_policy(self.policy),
            fields=dict(self.fields),
            select=self.select,
            max_line=self.max_line,
        )
        found = (plan.model_label, plan.policy_label)
        if self.hashes is not None and found != self.hashes:
            raise InputError(f"engine: worker must have {' and '.join(self.hashes)}, got {' and '.join(found)}")
        return plan

    def scorer(self) -> ArrowScorer:
        """The one function on a record batch."""
        return ArrowScorer(self.plan())


def _name(given: Any) -> Any:
    """A path as an absolute string, so that a worker in another folder finds it; names and objects as they are."""
    if isinstance(given, str | os.PathLike):
        text = os.fspath(given)
        return os.path.abspath(text) if os.path.exists(text) else text
    return given
