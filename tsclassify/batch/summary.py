"""What a finished job says of itself: counts, rates, rejects, seconds, versions and hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tsclassify.batch.block import Counts
from tsclassify.batch.plan import Plan

__all__ = ["BatchSummary"]


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """A batch job's own account.

    Attributes
    ----------
    out, rejects
        Output path, and rejects path or None when every line was accepted; ``-`` is stdout.
    n_lines, n_items, n_written, n_blank, n_rejected
        Lines read, items scored, items written (fewer with a selection), blank lines, lines rejected. Without
        Parquet input, ``n_lines == n_items + n_blank + n_rejected``.
    rejected
        Reason to number of lines.
    n_reviews
        Items that a person has to look at.
    tiers
        Tier to number of items; empty without a policy.
    categories
        Category to ``review`` and ``act`` (items whose level is that) and their shares of the items scored.
    inputs
        Per input its name, unpacked bytes read and their sha256.
    job
        Versions, hashes and settings that shaped the output.
    seconds, items_per_second
        Of this run, after a resume of its own part only.
    resumed
        True when the job went on from a checkpoint.
    n_held
        Items whose actions a guard of the policy withholds; they count in ``n_reviews``.
    guard
        What tripped: ``guard``, its ``value`` and ``limit``, and ``n_items``, the item at which it did, counted
        from 1; None while no guard did.
    never_found
        Of the names that were given, those that no line has: ``"actor=user"``.
    """

    out: str
    rejects: str | None
    n_lines: int
    n_items: int
    n_written: int
    n_blank: int
    n_rejected: int
    rejected: Mapping[str, int]
    n_reviews: int
    tiers: Mapping[str, int]
    categories: Mapping[str, Mapping[str, float]]
    inputs: tuple[Mapping[str, Any], ...]
    job: Mapping[str, Any]
    seconds: float
    items_per_second: float
    resumed: bool
    n_held: int = 0
    guard: Mapping[str, Any] | None = None
    never_found: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, as `from_dict` reads it."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {"inputs": list(self.inputs), "never_found": list(self.never_found)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> BatchSummary:
        never_found = tuple(plain.get("never_found", ()))
        return cls(**{**plain, "inputs": tuple(plain["inputs"]), "never_found": never_found})

    @classmethod
    def of(
        cls,
        counts: Counts,
        plan: Plan,
        *,
        out: str,
        rejects: str | None,
        inputs: tuple[Mapping[str, Any], ...],
        job: Mapping[str, Any],
        seconds: float,
        n_this_run: int,
        resumed: bool,
        guard: Mapping[str, Any] | None = None,
    ) -> BatchSummary:
        """Put counts into words."""
        categories: dict[str, dict[str, float]] = {}
        if plan.policy is not None:
            for name in plan.info.categories:
                levels = {word: counts.levels[f"{name}.{word}"] for word in ("review", "act")}
                shares = {f"{word}_share": n / counts.items if counts.items else 0.0 for word, n in levels.items()}
                categories[name] = {**levels, **shares}
        n_rejected = sum(counts.rejected.values())
        return cls(
            out=out,
            rejects=rejects if n_rejected else None,
            n_lines=counts.lines,
            n_items=counts.items,
            n_written=counts.written,
            n_blank=counts.blank,
            n_rejected=n_rejected,
            rejected=dict(sorted(counts.rejected.items())),
            n_reviews=counts.reviews,
            tiers={tier: counts.tiers[tier] for tier in plan.tiers},
            categories=categories,
            inputs=inputs,
            job=job,
            seconds=round(seconds, 3),
            items_per_second=round(n_this_run / seconds, 1) if seconds > 0 else 0.0,
            resumed=resumed,
            n_held=counts.held,
            guard=guard,
            never_found=tuple(
                f"{part}={getattr(plan.fields, part)}"
                for part in plan.renamed
                if counts.items and not counts.found[part]
            ),
        )

    def guard_sentence(self) -> str:
        """One line for people on the guard that tripped; empty while none did."""
        if self.guard is None:
            return ""
        return (
            f"guard {self.guard['guard']} tripped at item {self.guard['n_items']:,} "
            f"({self.guard['value']:.2%} acted on, at most {self.guard['limit']:.2%} allowed): "
            f"the actions of {self.n_held:,} items are withheld until a person has looked"
        )

    def sentence(self) -> str:
        """One line for people."""
        parts = [f"{self.n_items:,} items scored"]
        if self.n_written != self.n_items:
            parts.append(f"{self.n_written:,} written")
        if self.tiers:
            parts += [f"{n:,} {tier}" for tier, n in self.tiers.items() if n]
            parts.append(f"{self.n_reviews:,} for review")
            if self.n_held:
                parts.append(f"{self.n_held:,} held")
        if self.n_rejected:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.rejected.items())
            parts.append(f"{self.n_rejected:,} lines rejected ({reasons})")
        return "; ".join(parts) + f"; {self.seconds:.1f} s"
