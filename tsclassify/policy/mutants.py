"""Mutants of a policy: each differs from it in one place, and a policy's own cases ought to tell them apart.

A mutant that no case catches (a *survivor*) is a place where the terms could be changed and nobody would notice.
Mutated are: every threshold (up and down) and that of every overlay, every category's right to act, every tier,
context, step and part of a condition, every exception's effect, floor and defeat, every recommended action, every count
and time of the ladder, the languages, and the finding of the platform review. Not mutated, as no case can reach them:
the statistical limits inside ``platform_review.indicators``, ``guards``, deadlines (``within``), ``needs``, and texts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tsclassify.policy.analysis import difference
from tsclassify.policy.cases import ColumnsOf, prepare, run_prepared
from tsclassify.policy.conditions import (
    Act,
    Age,
    Attested,
    Count,
    FactLeaf,
    Meta,
    Range,
    Review,
    Score,
    Signal,
    Taken,
    Unresolved,
)
from tsclassify.policy.schema import OperatingPointAsked
from tsclassify.policy.thresholds import Thresholds, resolve

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy
    from tsclassify.policy.schema import Document

__all__ = ["Mutant", "mutants", "survivors"]

_NUDGE: Final = 0.02
"""How far a threshold is moved: a policy whose cases cannot see a change of 0.02 does not pin its thresholds."""
_STRETCH: Final = 0.05
"""Share by which a length of time is made longer or shorter."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed policy, and what was changed.

    Attributes
    ----------
    label
        Where and what.
    document
        The changed policy.
    example
        An item that the two policies decide differently, as a case would give it; or empty.
    """

    label: str
    document: Document
    example: str = ""

    @property
    def of_items(self) -> bool:
        """Whether it changes how items are decided, and not only the ladder or the platform review."""
        return not self.label.startswith(("ladder", "platform_review"))


def _nudged(value: float) -> Iterator[float]:
    for step in (_NUDGE, -_NUDGE):
        moved = round(min(max(value + step, 0.0), 1.0), 6)
        if moved != value:
            yield moved


def _thresholds(document: Document) -> Iterator[Mutant]:
    for name, rule in document.categories.items():
        for level in ("review", "act"):
            asked = getattr(rule, level)
            if isinstance(asked, OperatingPointAsked):
                key = "precision" if asked.precision is not None else "recall"
                for value in _nudged(getattr(asked, key)):
                    yield _category(
                        document, name, f"{level} {key} {value:g}", {level: asked.model_copy(update={key: value})}
                    )
            elif asked is not None:
                for value in _nudged(asked):
                    yield _category(document, name, f"{level} {value:g}", {level: value})
        if rule.act is None:
            yield _category(document, name, "acts from 0.9", {"act": 0.9})
        else:
            yield _category(document, name, "never acts", {"act": None})


def _category(document: Document, name: str, what: str, update: dict[str, Any]) -> Mutant:
    categories = {**document.categories, name: document.categories[name].model_copy(update=update)}
    return Mutant(f"categories.{name}: {what}", document.model_copy(update={"categories": categories}))


def _conditions(condition: Any) -> Iterator[tuple[str, Any]]:
    """Conditions that differ from this one in one part."""
    if condition.operator in ("all", "any"):
        parts = condition.conditions
        for i, part in enumerate(parts):
            if len(parts) > 1:
                left = (*parts[:i], *parts[i + 1 :])
                yield f"{condition.operator} without part {i + 1}", condition.model_copy(update={"conditions": left})
            for label, other in _conditions(part):
                changed = (*parts[:i], other, *parts[i + 1 :])
                yield f"part {i + 1}: {label}", condition.model_copy(update={"conditions": changed})
    elif condition.operator == "not":
        for label, other in _conditions(condition.condition):
            yield f"not {label}", condition.model_copy(update={"condition": other})
    else:
        yield from _leaves(condition)


def _leaves(leaf: Any) -> Iterator[tuple[str, Any]]:
    for kind, field in ((Act, "act"), (Review, "review"), (Signal, "signal"), (Taken, "taken"), (Attested, "attested")):
        names = getattr(leaf, field) if isinstance(leaf, kind) else ()
        for name in names if len(names) > 1 else ():
            yield f"{field} without {name}", leaf.model_copy(update={field: tuple(n for n in names if n != name)})
    if isinstance(leaf, Meta):
        for value in leaf.values if len(leaf.values) > 1 else ():
            left = tuple(other for other in leaf.values if other != value)
            yield f"{leaf.meta} without {value}", leaf.model_copy(update={"values": left})
    if isinstance(leaf, FactLeaf):
        yield from _field_leaves(leaf)
    if isinstance(leaf, (Count, Unresolved)):
        for n in (leaf.at_least - 1, leaf.at_least + 1):
            if n >= 1:
                yield f"at_least {n}", leaf.model_copy(update={"at_least": n})
    if isinstance(leaf, Count) and leaf.within is not None:
        for time in _stretched(leaf.within):
            yield f"within {time}", leaf.model_copy(update={"within": time})


def _field_leaves(leaf: FactLeaf) -> Iterator[tuple[str, Any]]:
    other = False if leaf.if_missing == "unknown" else "unknown"
    yield f"{leaf.field} missing is {str(other).lower()}", leaf.model_copy(update={"if_missing": other})
    for end in ("at_least", "below") if isinstance(leaf, (Range, Age)) else ():
        value = getattr(leaf, end)
        for moved in () if value is None else _moved(value):
            yield f"{leaf.field} {end} {moved}", leaf.model_copy(update={end: moved})
    if isinstance(leaf, Score):
        for level in ("review", "act"):
            value = getattr(leaf, level)
            for moved in () if value is None else _nudged(value):
                yield f"{leaf.score} {level} {moved:g}", leaf.model_copy(update={level: moved})


def _moved(end: float | dt.timedelta) -> Iterator[float | dt.timedelta]:
    """Ends of a range a little further out and in: whole numbers by one, others and times by a twentieth."""
    if isinstance(end, dt.timedelta):
        yield from _stretched(end)
        return
    step = 1 if float(end).is_integer() else abs(end) * _STRETCH
    yield from (end + step, end - step)


def _stretched(time: dt.timedelta) -> Iterator[dt.timedelta]:
    yield time * (1 + _STRETCH)
    yield time * (1 - _STRETCH)


def _tiers(document: Document) -> Iterator[Mutant]:
    ids = [tier.id for tier in document.tiers]
    outcomes = [*ids, "review", "none"]
    for i, tier in enumerate(document.tiers):
        label = f"tiers.{tier.id}"

        def rule(what: str, i: int = i, label: str = label, **update: Any) -> Mutant:
            tiers = (*document.tiers[:i], document.tiers[i].model_copy(update=update), *document.tiers[i + 1 :])
            return Mutant(f"{label}: {what}", document.model_copy(update={"tiers": tiers}))

        if len(ids) > 1:
            milder = outcomes[i + 1]
            contexts = tuple(
                context.model_copy(
                    update={
                        "lowers": {
                            name: milder if target == tier.id else target
                            for name, target in context.lowers.items()
                            if name not in (tier.id, milder if target == tier.id else "")
                        },
                        "floor": {
                            name: milder if lowest == tier.id else lowest
                            for name, lowest in context.floor.items()
                            if name != tier.id
                        },
                    }
                )
                for context in document.contexts
            )
            left = (*document.tiers[:i], *document.tiers[i + 1 :])
            yield Mutant(f"{label}: removed", document.model_copy(update={"tiers": left, "contexts": contexts}))
        if i + 1 < len(ids):
            after = document.tiers[i + 1]
            swapped = (*document.tiers[:i], after, tier, *document.tiers[i + 2 :])
            yield Mutant(f"{label}: less severe than {after.id}", document.model_copy(update={"tiers": swapped}))
        for what, when in _conditions(tier.when):
            yield rule(what, when=when)
        for action in tier.do:
            yield rule(f"does not do {action}", do=tuple(other for other in tier.do if other != action))


def _contexts(document: Document) -> Iterator[Mutant]:
    outcomes = [*(tier.id for tier in document.tiers if tier.is_live), "review", "none"]
    for i, context in enumerate(document.contexts):
        before, after = document.contexts[:i], document.contexts[i + 1 :]
        yield Mutant(f"contexts.{context.id}: removed", document.model_copy(update={"contexts": (*before, *after)}))
        updates: list[tuple[str, dict[str, Any]]] = []
        for tier, target in context.lowers.items():
            rest = {name: value for name, value in context.lowers.items() if name != tier}
            if rest:
                updates.append((f"does not lower {tier}", {"lowers": rest}))
            rank = outcomes.index(target)
            for other in outcomes[max(rank - 1, 0) : rank] + outcomes[rank + 1 : rank + 2]:
                if other != tier:
                    updates.append((f"lowers {tier} to {other}", {"lowers": {**context.lowers, tier: other}}))
        for tier in context.floor:
            rest = {name: value for name, value in context.floor.items() if name != tier}
            updates.append((f"no floor for {tier}", {"floor": rest}))
        updates += [(what, {"when": when}) for what, when in _conditions(context.when)]
        if context.unless is not None:
            updates.append(("never defeated", {"unless": None}))
            updates += [(f"unless: {what}", {"unless": unless}) for what, unless in _conditions(context.unless)]
        for what, update in updates:
            changed = (*before, context.model_copy(update=update), *after)
            yield Mutant(f"contexts.{context.id}: {what}", document.model_copy(update={"contexts": changed}))


def _overlays(document: Document) -> Iterator[Mutant]:
    for i, overlay in enumerate(document.overlays):
        before, after = document.overlays[:i], document.overlays[i + 1 :]
        label = f"overlays.{overlay.id}"
        yield Mutant(f"{label}: removed", document.model_copy(update={"overlays": (*before, *after)}))
        updates: list[tuple[str, dict[str, Any]]] = [(what, {"when": when}) for what, when in _conditions(overlay.when)]
        for name, rule in overlay.categories.items():
            for level in sorted(rule.model_fields_set):
                asked = getattr(rule, level)
                for value in _nudged(asked) if isinstance(asked, int | float) else ():
                    changed = {**overlay.categories, name: rule.model_copy(update={level: value})}
                    updates.append((f"{name} {level} {value:g}", {"categories": changed}))
        for what, update in updates:
            other = (*before, overlay.model_copy(update=update), *after)
            yield Mutant(f"{label}: {what}", document.model_copy(update={"overlays": other}))


def _ladder(document: Document) -> Iterator[Mutant]:
    ladder = document.ladder
    if ladder is None:
        return

    def changed(what: str, **update: Any) -> Mutant:
        other = ladder.model_copy(update=update)
        return Mutant(f"ladder: {what}", document.model_copy(update={"ladder": other}))

    for name in ("window", "merge_within"):
        for time in _stretched(getattr(ladder, name)):
            yield changed(f"{name} {time}", **{name: time})
    for i, step in enumerate(ladder.steps):
        before, after = ladder.steps[:i], ladder.steps[i + 1 :]
        if before or after:
            yield changed(f"{step.id} removed", steps=(*before, *after))
        updates = [(what, {"when": when}) for what, when in _conditions(step.when)]
        updates += [(f"cure {time}", {"cure": time}) for time in (_stretched(step.cure) if step.cure else ())]
        for what, update in updates:
            yield changed(f"{step.id}: {what}", steps=(*before, step.model_copy(update=update), *after))


def _process(document: Document) -> Iterator[Mutant]:
    review = document.platform_review
    if review is None:
        return
    for key in ("effective", "not_effective"):
        for what, condition in _conditions(getattr(review.effective_process, key)):
            process = review.effective_process.model_copy(update={key: condition})
            other = review.model_copy(update={"effective_process": process})
            label = f"platform_review.effective_process.{key}: {what}"
            yield Mutant(label, document.model_copy(update={"platform_review": other}))


def _languages(document: Document) -> Iterator[Mutant]:
    for key in ("otherwise", "undetermined"):
        other = "score" if getattr(document.languages, key) == "review" else "review"
        languages = document.languages.model_copy(update={key: other})
        yield Mutant(f"languages: {key} {other}", document.model_copy(update={"languages": languages}))


def mutants(document: Document) -> Iterator[Mutant]:
    """Every mutant of a policy, in file order of what they change."""
    for source in (_languages, _thresholds, _overlays, _tiers, _contexts, _ladder, _process):
        yield from source(document)


def _score_words(thresholds: Thresholds) -> dict[str, dict[float, str]]:
    """Category to score to the word for it in a case."""
    return {
        name: {review: "review"} | ({} if act is None else {act: "act"}) for name, (review, act) in thresholds.items()
    }


def survivors(policy: Policy, *, classifier: Any = None) -> tuple[list[Mutant], int]:
    """The mutants that no case of the policy catches, and how many there are in all.

    Parameters
    ----------
    classifier
        As for ``run_cases``.

    Returns
    -------
    tuple
        Survivors, each with an item that would tell it from the policy when one was found; and the number of
        mutants, without those that no item can tell from the policy.

    Notes
    -----
    A mutant is caught when the result of a case (passed or not) differs from the policy's own. An item rule's mutant
    that is not caught may still decide every possible item as the policy does: it is then equivalent, and counts for
    nothing.
    """
    columns_of: ColumnsOf | None = None if classifier is None else classifier.item_columns
    prepared = prepare(policy, columns_of, None if classifier is None else classifier.info)
    usual = [result.passed for result in run_prepared(policy, prepared)]
    words = _score_words(resolve(policy, prepared.info))
    alive, total = [], 0
    for mutant in mutants(policy.document):
        total += 1
        other = policy.replaced(mutant.document)
        if [result.passed for result in run_prepared(other, prepared)] != usual:
            continue
        if mutant.of_items:
            found = difference(policy, other, prepared.info)
            if found is None:
                total -= 1
                continue
            tier, looks = found.before
            expected = f"expect: {{tier: {tier}, review: {str(looks).lower()}}}"
            mutant = replace(mutant, example=f"item: {found.item.as_case(words)}, {expected}")
        alive.append(mutant)
    return alive, total
