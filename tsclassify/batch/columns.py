"""Results as flat columns, one value in each: what they are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tsclassify.batch.plan import Plan

__all__ = ["column_names", "findings_text"]


def column_names(plan: Plan, taken: Collection[str]) -> dict[str, str]:
    """Part of a result to the name of its column; one that the items have already gets the result's name before it."""
    parts = ["tier", "review", "findings"] if plan.policy is not None else []
    parts += ["language", *plan.info.categories]
    return {part: f"{plan.fields.result}_{part}" if part in taken else part for part in parts}


def findings_text(findings: Mapping[str, str | None] | None) -> str:
    """Categories with the level that they reached: ``"incitement:act hate:review"``."""
    return " ".join(f"{name}:{level}" for name, level in (findings or {}).items() if level is not None)
