"""What can be proved of a policy over all possible items: what nothing reaches, and how two policies differ.

The ladder and the platform review are not analysed: they ask counts and times, not items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tsclassify.policy.cases import stand_in
from tsclassify.policy.compare import merged_tiers
from tsclassify.policy.conditions import FactLeaf, Signal, leaves
from tsclassify.policy.diagram import Diagram
from tsclassify.policy.domain import Domain, Item
from tsclassify.policy.facts import OWN_FIELDS
from tsclassify.policy.schema import OperatingPointAsked
from tsclassify.policy.thresholds import resolve
from tsclassify.records import ModelInfo, Truth
from tsclassify.wording import joined

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy
    from tsclassify.policy.outcome import Outcome
    from tsclassify.policy.schema import Step, Tier

__all__ = ["WARNINGS", "Difference", "Proof", "Remark", "difference", "proofs", "remarks", "states_of"]

WARNINGS: Final[Mapping[str, str]] = {
    "tier_never_holds": "no item makes the tier's condition true",
    "tier_shadowed": "stricter tiers leave nothing to the tier: without it every item is decided the same",
    "tier_always_lowered": "exceptions lower every item at the tier",
    "tier_out_of_reach": "the model at hand cannot make the tier's condition true; an item that states a signal can",
    "exception_idle": "without the exception every item is decided the same",
    "exception_out_of_reach": "the model at hand cannot establish the exception; an item that states a signal can",
    "signal_out_of_reach": "the model at hand never says that the signal is there",
    "no_review_band": "the review threshold equals the act threshold: no score is left to a person",
    "never_acts": "the model at hand does not reach the operating point, and the category only reviews",
    "field_undeclared": "a condition reads a field that is not under facts: its type is not checked",
    "clause_unused": "no category, tier or step rests on the clause",
    "action_unused": "no tier or step recommends the action",
    "argued_in_vain": "the file argues a warning that does not arise",
}
"""Every warning of ``policy check``, with what it means."""


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """Something that the owner of a policy should know, and no fault.

    Attributes
    ----------
    warning
        One of ``WARNINGS``.
    place
        Path of keys, such as ``tiers.emergency``.
    message
        What is so.
    example
        An item that shows it, as a test case writes it, or empty.
    reason
        Why the file puts up with it, or empty.
    """

    warning: str
    place: str
    message: str
    example: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """An item that two policies decide differently.

    Attributes
    ----------
    item
        The plainest one.
    before, after
        Tier, and whether a person looks, by each policy.
    """

    item: Item
    before: tuple[str, bool]
    after: tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim over all items, proved or refuted.

    Attributes
    ----------
    claim
        What is claimed.
    example
        An item that refutes it, with what the policies say of it; empty when the claim is proved.
    """

    claim: str
    example: str = ""

    @property
    def is_proved(self) -> bool:
        return not self.example


def states_of(info: ModelInfo) -> dict[str, tuple[Truth, ...]]:
    """Signal to the truths that a model can say: one whose band lies above 1 is never true."""
    states = {}
    for name, band in info.signal_bands.items():
        able = {
            Truth.FALSE: band.no_below > 0.0,
            Truth.UNKNOWN: band.yes_from > band.no_below,
            Truth.TRUE: band.yes_from <= 1.0,
        }
        states[name] = tuple(state for state, can in able.items() if can)
    return states


# -- one policy ---------------------------------------------------------------------------------------


def remarks(policy: Policy, info: ModelInfo | None = None) -> list[Remark]:
    """What a policy asks for in vain, those remarks that the file argues with their reason.

    Parameters
    ----------
    info
        A bundle, for what its model cannot reach; None for a stand-in that reaches every operating point and signal.
    """
    told = sorted({*_by_document(policy), *_by_items(policy, info or stand_in(policy))})
    if info is not None:
        told += sorted(_by_model(policy, info, {remark.place for remark in told}))
    argued = {(entry.warning, entry.at): entry.reason for entry in policy.document.argued}
    arisen = {(remark.warning, remark.place) for remark in told}
    known = [
        Remark(one.warning, one.place, one.message, one.example, argued.get((one.warning, one.place), ""))
        for one in told
    ]
    of_model = {"tier_out_of_reach", "exception_out_of_reach", "signal_out_of_reach", "never_acts", "no_review_band"}
    for warning, place in argued:
        if (warning, place) not in arisen and (info is not None or warning not in of_model):
            message = f"{warning} is argued, and does not arise"
            known.append(Remark("argued_in_vain", place, message))
    return known


def _by_document(policy: Policy) -> Iterator[Remark]:
    document = policy.document
    for leaf in document.item_leaves(FactLeaf):
        if leaf.field not in document.facts and leaf.field not in OWN_FIELDS:
            message = f"field {leaf.field} is read and not declared: a value of another type is silently no match"
            yield Remark("field_undeclared", f"facts.{leaf.field}", message)
    rules: list[Tier | Step] = [*policy.tiers, *(() if policy.ladder is None else policy.ladder.steps)]
    cited = {rule.clause for rule in policy.categories.values()} | {rule.clause for rule in rules}
    for clause in policy.clauses:
        if clause not in cited:
            yield Remark("clause_unused", f"clauses.{clause}", f"clause {clause} is published, and no rule rests on it")
    done = {action for rule in rules for action in rule.do}
    for action in policy.actions:
        if action not in done:
            yield Remark("action_unused", f"actions.{action}", f"action {action} is defined, and nothing recommends it")


def _by_items(policy: Policy, info: ModelInfo) -> Iterator[Remark]:
    domain = Domain([policy], info)
    outcome = domain.outcome(policy)
    yield from _tiers(policy, domain, outcome)
    for i, context in enumerate(policy.contexts):
        others = (*policy.contexts[:i], *policy.contexts[i + 1 :])
        without = domain.outcome(policy.replaced(policy.document.model_copy(update={"contexts": others})))
        if _is_same(outcome, without):
            message = f"exception {context.id} changes nothing: without it every item is decided the same"
            example = domain.item(_of(outcome.holds[context.id]), [Truth.TRUE])
            yield Remark(
                "exception_idle", f"contexts.{context.id}", message, "" if example is None else example.as_case()
            )
    thresholds = resolve(policy, info)
    for category, (review, act) in thresholds.items():
        asked = policy.categories[category].act
        if act is None and isinstance(asked, OperatingPointAsked):
            message = f"{category} never acts: {thresholds.notes[category, 'act']}"
            yield Remark("never_acts", f"categories.{category}", message)
        elif act is not None and review >= act:
            message = f"{category} has no review band: a person looks from {review:.3f}, the policy acts from {act:.3f}"
            yield Remark("no_review_band", f"categories.{category}", message, f"{{scores: {{{category}: {act:.6g}}}}}")


def _of(column: Any) -> Diagram:
    """A column of an outcome over diagrams."""
    diagram: Diagram = column
    return diagram


def _is_same(ours: Outcome, theirs: Outcome) -> bool:
    return _of(ours.code).is_same(_of(theirs.code)) and _of(ours.review).is_same(_of(theirs.review))


def _tiers(policy: Policy, domain: Domain, outcome: Outcome) -> Iterator[Remark]:
    codes = _of(outcome.code).values()
    for code, tier in enumerate(policy.tiers):
        if not tier.is_live:
            continue
        place = f"tiers.{tier.id}"
        example = domain.item(_of(outcome.tiers[tier.id]), [Truth.TRUE])
        if example is None:
            yield Remark("tier_never_holds", place, f"no item makes the condition of {tier.id} true")
            continue
        asleep = tier.model_copy(update={"maturity": "experimental"})
        tiers = (*policy.tiers[:code], asleep, *policy.tiers[code + 1 :])
        without = domain.outcome(policy.replaced(policy.document.model_copy(update={"tiers": tiers})))
        if _is_same(outcome, without):
            message = f"stricter tiers leave nothing to {tier.id}: without it every item is decided the same"
            yield Remark("tier_shadowed", place, message, example.as_case())
        elif code not in codes:
            message = f"every item at {tier.id} is lowered by an exception"
            yield Remark("tier_always_lowered", place, message, example.as_case())


def _by_model(policy: Policy, info: ModelInfo, told: set[str]) -> Iterator[Remark]:
    """What the model at hand cannot reach by itself, of what an item can that states its signals."""
    reached = states_of(info)
    silent = {name for name, states in reached.items() if Truth.TRUE not in states}
    domain = Domain([policy], info)
    free, bound = domain.outcome(policy), Domain([policy], info, reached).outcome(policy)
    for name in domain.signals:
        if name in silent:
            message = f"the model {info.name} never says {name}; only an item that states it does"
            yield Remark("signal_out_of_reach", f"signals.{name}", message)
    for tier in policy.tiers:
        place = f"tiers.{tier.id}"
        stated = domain.item(_of(free.tiers[tier.id]), [Truth.TRUE])
        if place not in told and stated is not None and Truth.TRUE not in _of(bound.tiers[tier.id]).values():
            message = f"{tier.id} is out of reach of the model {info.name}{_blamed(tier.when, silent)}"
            yield Remark("tier_out_of_reach", place, message, stated.as_case())
    for context in policy.contexts:
        place = f"contexts.{context.id}"
        if place not in told and Truth.TRUE not in _of(bound.holds[context.id]).values():
            message = f"exception {context.id} is out of reach of the model {info.name}{_blamed(context.when, silent)}"
            yield Remark("exception_out_of_reach", place, message)


def _blamed(condition: Any, silent: set[str]) -> str:
    found = [leaf for leaf, _ in leaves(condition) if isinstance(leaf, Signal)]
    names = dict.fromkeys(name for leaf in found for name in leaf.signal if name in silent)
    return f", which never says {joined(list(names), 'or')}" if names else ""


# -- two policies -------------------------------------------------------------------------------------


def difference(old: Policy, new: Policy, info: ModelInfo, *, milder: bool = False) -> Difference | None:
    """The plainest item that two policies decide differently, or None when it is proved that there is none.

    Parameters
    ----------
    milder
        Count only items that `new` decides more mildly: a less severe tier, or the same with nobody to look.
    """
    domain = Domain([old, new], info)
    names = merged_tiers(old.tier_names, new.tier_names)
    n = len(names)
    ours: Any = domain.outcome(old)
    theirs: Any = domain.outcome(new)
    ranks = [
        _ranked(domain, outcome.code, [names.index(name) for name in one.tier_names])
        for one, outcome in ((old, ours), (new, theirs))
    ]
    both: Any = (ranks[0] * n + ranks[1]) * 4 + (ours.review * 2 + theirs.review)
    actions = [{names.index(tier.id): tier.do for tier in one.tiers} for one in (old, new)]

    def parts(value: int) -> tuple[int, int, bool, bool]:
        pair, reviews = divmod(value, 4)
        return *divmod(pair, n), bool(reviews & 2), bool(reviews & 1)

    def differs(value: int) -> bool:
        was, now, looked, looks = parts(value)
        if milder:
            return now > was or (now == was and looked and not looks)
        return was != now or looked != looks or actions[0].get(was) != actions[1].get(now)

    found = domain.find(both, [value for value in both.values() if differs(value)])
    if found is None:
        return None
    item, value = found
    was, now, looked, looks = parts(value)
    return Difference(item, (names[was], looked), (names[now], looks))


def _ranked(domain: Domain, code: Any, ranks: Sequence[int]) -> Any:
    """Tier codes as ranks among the tiers of both policies."""
    ranked: Any = domain.space.constant(ranks[-1])
    for place, rank in enumerate(ranks):
        ranked = np.where(code == place, rank, ranked)
    return ranked


def proofs(old: Policy, new: Policy | None, info: ModelInfo) -> list[Proof]:
    """The claims of ``policy analyze``, proved or refuted.

    Parameters
    ----------
    new
        The policy to compare with, or None to ask which tiers of one policy exclude each other.
    """
    if new is None:
        return list(_disjoint(old, info))
    claims = []
    for milder, claim in ((True, f"{_label(new)} is never milder than {_label(old)}"),
                          (False, f"{_label(old)} and {_label(new)} decide every item the same")):  # fmt: skip
        found = difference(old, new, info, milder=milder)
        claims.append(Proof(claim, "" if found is None else _told(found)))
    back = difference(new, old, info, milder=True)
    claims.insert(1, Proof(f"{_label(old)} is never milder than {_label(new)}", "" if back is None else _told(back)))
    return claims


def _label(policy: Policy) -> str:
    return f"{policy.name} {policy.version}"


def _told(found: Difference) -> str:
    words = [
        tier + (" and a person looks" if looks and tier != "review" else "")
        for tier, looks in (found.before, found.after)
    ]
    return f"{found.item.as_case()} is {words[0]} before and {words[1]} after"


def _disjoint(policy: Policy, info: ModelInfo) -> Iterator[Proof]:
    domain = Domain([policy], info)
    outcome = domain.outcome(policy)
    for i, first in enumerate(policy.tiers):
        for second in policy.tiers[i + 1 :]:
            both = (outcome.tiers[first.id] == Truth.TRUE) & (outcome.tiers[second.id] == Truth.TRUE)
            item = domain.item(_of(both), [1])
            claim = f"{first.id} and {second.id} never hold together"
            yield Proof(claim, "" if item is None else f"{item.as_case()} is both")
