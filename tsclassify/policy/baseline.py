"""The baseline: innocent posts that no policy should act on, and labelled rows on which tiers keep their word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsclassify.errors import InputError
from tsclassify.metrics import wilson
from tsclassify.policy.compare import read_scored
from tsclassify.policy.conditions import categories_of
from tsclassify.policy.decider import Decider
from tsclassify.resources import shipped

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy

__all__ = ["Baseline", "Hit", "TierMeasure", "innocent_posts", "measure_tiers", "run_baseline"]


@dataclass(frozen=True, slots=True)
class Hit:
    """An innocent post that a policy does not leave alone.

    Attributes
    ----------
    text, kind
        The post, and which kind of post it is.
    tier
        What it is decided as.
    acts
        Whether that tier recommends actions.
    reason
        Why the policy puts up with it, or empty.
    """

    text: str
    kind: str
    tier: str
    acts: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A policy on innocent posts.

    Attributes
    ----------
    n_posts
        Posts tried.
    hits
        Those that are not left alone.
    stale
        Texts that the policy lists as known hits, and that it does not act on (any more).
    """

    n_posts: int
    hits: tuple[Hit, ...]
    stale: tuple[str, ...]

    @property
    def new(self) -> tuple[Hit, ...]:
        """Hits that the policy acts on and does not list."""
        return tuple(hit for hit in self.hits if hit.acts and not hit.reason)

    def per_10k(self, tier: str) -> float:
        """Posts at a tier among 10,000 innocent ones."""
        return 1e4 * sum(hit.tier == tier for hit in self.hits) / max(self.n_posts, 1)


def innocent_posts(path: str | Path | None = None) -> list[tuple[str, str]]:
    """Kind and text of the innocent posts of a suite; of the shipped one when no path is given.

    Raises
    ------
    InputError
        When the file has no columns ``kind``, ``expected`` and ``text``.
    """
    file = shipped("seeds", "suites", "everyday.tsv") if path is None else Path(path)
    try:
        head, *rows = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: baseline must be readable UTF-8, got {type(error).__name__}") from None
    columns = head.split("\t")
    if not {"kind", "expected", "text"} <= set(columns):
        raise InputError(f"{file}: baseline must have columns kind, expected and text, got {len(columns)} others")
    parts = [dict(zip(columns, row.split("\t"), strict=False)) for row in rows if row]
    innocent = [row for row in parts if row.get("expected") == "none"]
    return [(row["kind"], row.get("text", "").replace("\\n", "\n")) for row in innocent]


def run_baseline(policy: Policy, classifier: Any, posts: Sequence[tuple[str, str]] | None = None) -> Baseline:
    """Decide the innocent posts.

    Parameters
    ----------
    classifier
        Anything with ``item_columns(items, policy)`` and ``info``.
    posts
        Kind and text; those of the shipped suite when None.
    """
    posts = innocent_posts() if posts is None else posts
    known = {hit.text: hit.reason for hit in policy.document.known_hits}
    decider = Decider(policy, classifier.info)
    result = decider.decide(classifier.item_columns([{"text": text} for _, text in posts], policy))
    none = len(result.tier_names) - 1
    acts = result.acts
    hits = [
        Hit(text, kind, result.name(row), bool(acts[row]), known.get(text, "") if acts[row] else "")
        for row, (kind, text) in enumerate(posts)
        if result.tier[row] != none
    ]
    acted = {hit.text for hit in hits if hit.acts}
    return Baseline(len(posts), tuple(hits), tuple(text for text in known if text not in acted))


@dataclass(frozen=True, slots=True)
class TierMeasure:
    """A tier on labelled rows.

    Attributes
    ----------
    tier
        Its id.
    n_items, n_right, n_positive
        Rows at it, those of them with a label in a category that the tier asks, and all rows with such a label.
    n_found
        Rows with such a label that come to this tier or a more severe one.
    stated
        Precision that the policy states, or None.
    """

    tier: str
    n_items: int
    n_right: int
    n_positive: int
    n_found: int
    stated: float | None = None

    @property
    def precision(self) -> float | None:
        return self.n_right / self.n_items if self.n_items else None

    @property
    def recall(self) -> float | None:
        return self.n_found / self.n_positive if self.n_positive else None

    @property
    def keeps_word(self) -> bool:
        """Whether the stated precision is not above the 95 % interval of the measured one."""
        if self.stated is None or not self.n_items:
            return True
        return self.stated <= wilson(self.n_right, self.n_items)[1]


def measure_tiers(policy: Policy, classifier: Any, path: str | Path) -> list[TierMeasure]:
    """Measure every stable tier on labelled rows.

    Parameters
    ----------
    path
        JSONL with ``text`` and ``gold`` (list of categories) or ``code``, as for ``policy diff``.

    Raises
    ------
    InputError
        When no row has labels.
    """
    rows = read_scored(path, policy, item_columns=classifier.item_columns)
    if rows.gold is None:
        raise InputError(f"{path}: rows must have labels (gold or code), got none")
    result = Decider(policy, classifier.info).decide(rows.columns)
    tier, gold = result.tier[rows.labelled], rows.gold[rows.labelled]
    measures = []
    for code, rule in enumerate(policy.tiers):
        asked = categories_of(rule.when)
        if not rule.is_live or not asked:
            continue
        positive = np.any(gold[:, [rows.columns.categories.index(name) for name in asked]], axis=1)
        at, found = tier == code, tier <= code
        stated = None if rule.measured is None else rule.measured.precision
        measures.append(
            TierMeasure(
                rule.id,
                int(at.sum()),
                int((at & positive).sum()),
                int(positive.sum()),
                int((found & positive).sum()),
                stated,
            )
        )
    return measures
