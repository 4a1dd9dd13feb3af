"""What a new policy would change, on items that are already scored: the backtest behind ``policy diff``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from tsclassify.errors import InputError
from tsclassify.policy.columns import DecisionColumns, ItemColumns
from tsclassify.policy.conditions import Condition
from tsclassify.policy.decider import Decider
from tsclassify.policy.page import condition_words
from tsclassify.policy.scalars import duration_text
from tsclassify.records import Truth
from tsclassify.taxonomy import CATEGORIES, SIGNALS, parse_code

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy
    from tsclassify.records import ModelInfo

__all__ = ["Comparison", "GoldComparison", "Move", "ScoredItems", "changed_keys", "compare", "read_scored"]

_TRUTH_WORDS: Final = {
    "true": Truth.TRUE, "false": Truth.FALSE, "unknown": Truth.UNKNOWN,
    True: Truth.TRUE, False: Truth.FALSE, None: Truth.UNKNOWN,
}  # fmt: skip
_OWN: Final = frozenset({"text", "id", "actor", "tenant", "at", "signals", "scores", "language", "tsclassify"})


@dataclass(frozen=True, slots=True, eq=False)
class ScoredItems:
    """Items with their scores, and gold labels where there are any.

    Attributes
    ----------
    columns
        n items.
    gold
        bool, shape (n, K) in the order of the columns' categories, or None when no item has labels.
    labelled
        bool, shape (n,): the item has gold labels.
    """

    columns: ItemColumns
    gold: NDArray[np.bool_] | None
    labelled: NDArray[np.bool_]

    @property
    def ids(self) -> Sequence[str | None]:
        return self.columns.ids or []


@dataclass(frozen=True, slots=True)
class Move:
    """Items that one policy puts in one tier and the other in another.

    Attributes
    ----------
    before, after
        Tier ids.
    n_items
        How many.
    examples
        Ids of the first few.
    """

    before: str
    after: str
    n_items: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoldComparison:
    """Acting of two policies against gold labels.

    Attributes
    ----------
    n_labelled, n_positive
        Labelled items, and those with a label in a category on which one of the policies acts.
    precision, recall
        Before and after; None where nothing was acted on, or nothing is positive.
    n_added, n_added_right
        Labelled items acted on after and not before, and how many of them are positive.
    n_dropped, n_dropped_right
        Those acted on before and not after.
    """

    n_labelled: int
    n_positive: int
    precision: tuple[float | None, float | None]
    recall: tuple[float | None, float | None]
    n_added: int
    n_added_right: int
    n_dropped: int
    n_dropped_right: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies on the same items.

    Attributes
    ----------
    n_items
        Items decided by both.
    tiers
        Tier id to its number of items before and after, most severe first; tiers of both policies.
    reviews
        Items that a person has to look at, before and after.
    moves
        Changes of tier, most frequent first.
    levels
        Category to counts ``(review before, review after, act before, act after)``.
    acting
        Items with recommended actions, before and after.
    stricter, milder
        Items whose tier becomes more severe, and less severe.
    gold
        Acting against gold labels, or None when no item has any.
    keys
        What differs in the files: key, before, after.
    """

    n_items: int
    tiers: Mapping[str, tuple[int, int]]
    reviews: tuple[int, int]
    moves: tuple[Move, ...]
    levels: Mapping[str, tuple[int, int, int, int]]
    acting: tuple[int, int]
    stricter: int
    milder: int
    gold: GoldComparison | None
    keys: tuple[tuple[str, str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "n_items": self.n_items,
            "tiers": {name: list(pair) for name, pair in self.tiers.items()},
            "reviews": list(self.reviews),
            "acting": list(self.acting),
            "moves": [
                {"before": move.before, "after": move.after, "n_items": move.n_items, "examples": list(move.examples)}
                for move in self.moves
            ],
            "levels": {name: list(counts) for name, counts in self.levels.items()},
            "stricter": self.stricter,
            "milder": self.milder,
            "gold": None if self.gold is None else asdict(self.gold),
            "keys": [list(row) for row in self.keys],
        }


def _gold(row: Mapping[str, Any], place: str) -> list[str] | None:
    """Labels of a row: ``gold`` (list of categories, or a mapping to bool) or ``code``."""
    if isinstance(row.get("code"), str):
        return [name for name, on in zip(CATEGORIES, parse_code(row["code"])[0], strict=True) if on]
    gold = row.get("gold")
    if gold is None:
        return None
    named = [name for name, on in gold.items() if on] if isinstance(gold, dict) else gold
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InputError(f"{place}: gold must name categories, got something else")
    return named


def _gold_table(golds: Sequence[list[str] | None], places: Sequence[str], categories: Sequence[str]) -> Any:
    """bool, shape (n, K), or None when no row has labels."""
    for place, named in zip(places, golds, strict=True):
        if named and not set(named) <= set(categories):
            raise InputError(f"{place}: gold must name categories, got something else")
    if all(named is None for named in golds):
        return None
    return np.array([[name in (named or ()) for name in categories] for named in golds], dtype=np.bool_)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                place = f"{path.name}:{number}"
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    raise InputError(f"{place}: line must be JSON, got something else") from None
                if not isinstance(row, dict):
                    raise InputError(f"{place}: line must be a JSON object, got {type(row).__name__}")
                yield place, row
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: file must be readable UTF-8, got {type(error).__name__}") from None


def read_scored(
    path: str | Path,
    policy: Policy,
    *,
    result: str = "tsclassify",
    item_columns: Callable[[Sequence[dict[str, Any]], Policy], ItemColumns] | None = None,
    gold: str | Path | None = None,
) -> ScoredItems:
    """Read items for a comparison.

    Parameters
    ----------
    path
        JSONL. A line has ``scores`` (category to number) and ``signals``, at the top or under `result`, as
        ``tsclassify score`` writes them; or a ``text``, when `item_columns` is given.
    policy
        The policy that tells which rows need signals, when texts are scored here.
    result
        Key under which ``tsclassify score`` wrote.
    item_columns
        ``Classifier.item_columns``; when given, every text is scored anew.
    gold
        JSONL with ``id`` and labels (``gold`` or ``code``), for labels that came in after scoring.

    Raises
    ------
    InputError
        When a line has neither scores nor a text that can be scored.
    """
    rows = list(_rows(Path(path)))
    late = {} if gold is None else {str(row.get("id")): _gold(row, place) for place, row in _rows(Path(gold))}
    golds = [late.get(str(row.get("id")), _gold(row, place)) for place, row in rows]
    places = [place for place, _ in rows]
    labelled = np.array([one is not None for one in golds], dtype=np.bool_)
    ids = [str(row.get("id", place)) for place, row in rows]
    if item_columns is not None:
        items = [{key: value for key, value in row.items() if key != result} for _, row in rows]
        scored = item_columns(items, policy)
        columns = ItemColumns(
            scored.categories, scored.probabilities, scored.signals, scored.language, scored.meta, ids=ids
        )
        return ScoredItems(columns, _gold_table(golds, places, scored.categories), labelled)
    n = len(rows)
    # the seven, and those of a model of one's own that the policy asks
    categories = tuple(dict.fromkeys([*CATEGORIES, *policy.categories]))
    scores = np.zeros((n, len(categories)), dtype=np.float32)
    signals = {name: np.full(n, Truth.UNKNOWN, dtype=np.int8) for name in SIGNALS}
    language = np.full(n, Truth.TRUE, dtype=np.int8)
    for i, (place, row) in enumerate(rows):
        found = row[result] if isinstance(row.get(result), dict) else row
        if not isinstance(found.get("scores"), dict):
            raise InputError(f"{place}: line must have scores, got none", hint="score the file first, or give --model")
        for name, value in found["scores"].items():
            if name in categories:
                scores[i, categories.index(name)] = value
        for name, value in (found.get("signals") or {}).items():
            if name in SIGNALS:
                signals[name][i] = _TRUTH_WORDS.get(value, Truth.UNKNOWN)
        language[i] = _TRUTH_WORDS.get(found.get("language", "true"), Truth.UNKNOWN)
    names = sorted({name for _, row in rows for name in row} - _OWN - {result})
    meta = {}
    for name in names:
        meta[name] = np.empty(n, dtype=object)
        meta[name][:] = [row.get(name) if not isinstance(row.get(name), (dict, list)) else None for _, row in rows]
    labels = _gold_table(golds, places, categories)
    return ScoredItems(ItemColumns(categories, scores, signals, language, meta, ids=ids), labels, labelled)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a document with its path: conditions in words, rules by id, so that a new one moves no other."""
    if isinstance(value, Condition):
        yield path, condition_words(value)
    elif isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            if name != "id":
                yield from _flat(getattr(value, name), f"{path}.{info.alias or name}")
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _flat(entry, f"{path}.{key}")
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for entry in value:
            yield from _flat(entry, f"{path}.{getattr(entry, 'id', '')}")
    elif isinstance(value, tuple):
        yield path, ", ".join(str(entry) for entry in value)
    elif isinstance(value, dt.timedelta):
        yield path, duration_text(value)
    elif value is not None:
        yield path, str(value)


def changed_keys(old: Policy, new: Policy) -> tuple[tuple[str, str, str], ...]:
    """Keys in which two policies differ, without their tests: path, before, after (empty when absent)."""
    apart = {"extends", "tests", "version", "effective", "source", "clauses", "policy"}
    sides = []
    for policy in (old, new):
        fields = [name for name in type(policy.document).model_fields if name not in apart]
        sides.append(dict(pair for name in fields for pair in _flat(getattr(policy.document, name), name)))
    before, after = sides
    keys = [*before, *(key for key in after if key not in before)]
    return tuple(
        (key, before.get(key, ""), after.get(key, "")) for key in keys if before.get(key, "") != after.get(key, "")
    )


def merged_tiers(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Tier ids of both policies, most severe first, review and none last."""
    merged = list(new[:-2])
    for i, name in enumerate(old[:-2]):
        if name not in merged:
            after = [merged.index(other) for other in old[:i] if other in merged]
            merged.insert(max(after, default=-1) + 1, name)
    return [*merged, "review", "none"]


def _quality(acts: NDArray[np.bool_], positive: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    hits = int((acts & positive).sum())
    n_acts, n_positive = int(acts.sum()), int(positive.sum())
    return (hits / n_acts if n_acts else None, hits / n_positive if n_positive else None)


def _against_gold(before: NDArray[np.bool_], after: NDArray[np.bool_], positive: NDArray[np.bool_]) -> GoldComparison:
    precision, recall = zip(_quality(before, positive), _quality(after, positive), strict=True)
    added, dropped = after & ~before, before & ~after
    return GoldComparison(
        n_labelled=len(positive),
        n_positive=int(positive.sum()),
        precision=precision,
        recall=recall,
        n_added=int(added.sum()),
        n_added_right=int((added & positive).sum()),
        n_dropped=int(dropped.sum()),
        n_dropped_right=int((dropped & positive).sum()),
    )


def compare(old: Policy, new: Policy, items: ScoredItems, info: ModelInfo, *, n_examples: int = 5) -> Comparison:
    """Decide the same items by two policies.

    Parameters
    ----------
    items
        Scored once, for both.
    info
        The bundle that scored them.
    n_examples
        Ids to name for each change.
    """
    before, after = (Decider(policy, info).decide(items.columns) for policy in (old, new))
    names = merged_tiers(before.tier_names, after.tier_names)
    index = {name: i for i, name in enumerate(names)}

    def codes(result: DecisionColumns) -> NDArray[np.int64]:
        table = np.array([index[name] for name in result.tier_names], dtype=np.int64)
        found: NDArray[np.int64] = table[result.tier]
        return found

    was, now = codes(before), codes(after)
    moves = []
    for pair in np.unique(was * len(names) + now):
        i, j = divmod(int(pair), len(names))
        if i != j:
            rows = np.flatnonzero((was == i) & (now == j))
            examples = tuple(str(items.ids[row]) for row in rows[:n_examples])
            moves.append(Move(names[i], names[j], len(rows), examples))
    levels = {}
    for category in dict.fromkeys([*old.categories, *new.categories]):
        counts = []
        for level in (1, 2):
            for result in (before, after):
                column = result.levels.get(category)
                counts.append(0 if column is None else int((column == level).sum()))
        levels[category] = (counts[0], counts[1], counts[2], counts[3])
    gold = None
    if items.gold is not None:
        acting = {name for policy in (old, new) for name, rule in policy.categories.items() if rule.act is not None}
        acting_columns = [k for k, name in enumerate(items.columns.categories) if name in acting]
        positive: NDArray[np.bool_] = np.any(items.gold[:, acting_columns], axis=1)[items.labelled]
        gold = _against_gold(before.acts[items.labelled], after.acts[items.labelled], positive)
    n = len(names)
    counts_of = [np.bincount(code, minlength=n) for code in (was, now)]
    return Comparison(
        n_items=len(was),
        tiers={name: (int(counts_of[0][i]), int(counts_of[1][i])) for i, name in enumerate(names)},
        reviews=(int(before.review.sum()), int(after.review.sum())),
        moves=tuple(sorted(moves, key=lambda move: (-move.n_items, move.before, move.after))),
        levels=levels,
        acting=(int(before.acts.sum()), int(after.acts.sum())),
        stricter=int((now < was).sum()),
        milder=int((now > was).sum()),
        gold=gold,
        keys=changed_keys(old, new),
    )
