"""Checks that need the whole file: names that must exist, tiers that could never be reached, rules that would excuse.

They read the raw tree, not the typed document, so that they still run when another part of the file is malformed:
whatever has the wrong type is left to the types.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable
from typing import Any, Final

from tsclassify.policy import schema
from tsclassify.policy.check_cases import check_cases
from tsclassify.policy.conditions import ITEM_KINDS, kinds_of, spell_out_fact
from tsclassify.policy.facts import OWN_FIELDS, type_fault
from tsclassify.policy.faults import MAX_HINTS, Fault, nearest, shown
from tsclassify.policy.platform import Indicators, PlatformReview
from tsclassify.policy.raw import is_number, mapping, meant, names_in, raw_leaves, rules
from tsclassify.policy.strict_yaml import Path, Tree
from tsclassify.policy.translate import mark_of
from tsclassify.taxonomy import CATEGORIES, SIGNALS

__all__ = ["Checker", "check"]

_RESERVED: Final = ("review", "none")
_SCOPES: Final = {
    "provider": ("item", "tenant"),
    "app_store": ("item", "app"),
    "platform": ("item", "account"),
    "community": ("item", "account"),
}

_OWN: Final = ("text", "id", "actor", "tenant", "at", "signals", "scores", "language")

Say = Callable[..., None]


class _Malformed(Exception):
    """A condition that the types refuse."""


def _truth(condition: Any, leaf: Callable[[str, Any, bool], int], *, negated: bool = False) -> int:
    """Kleene truth of a raw condition; `leaf` gets the kind, what it names, and the polarity."""
    condition = spell_out_fact(condition)
    if not isinstance(condition, dict):
        raise _Malformed
    kinds = kinds_of(condition, ITEM_KINDS)
    if len(kinds) != 1:
        raise _Malformed
    kind, value = kinds[0], condition[kinds[0]]
    if kind == "not":
        return 2 - _truth(value, leaf, negated=not negated)
    if kind in ("all", "any"):
        if not isinstance(value, tuple) or not value:
            raise _Malformed
        states = [_truth(part, leaf, negated=negated) for part in value]
        return min(states) if kind == "all" else max(states)
    return leaf(kind, value, negated)


def _texts(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(part, str) for part in value)


class Checker:
    """The checks of one file; ``faults`` grows as they run."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.data = meant(tree.data, schema.Document)
        self.faults: list[Fault] = []
        self.categories = mapping(self.data.get("categories"))
        self.tiers = rules(self.data.get("tiers"), schema.Tier)
        self.contexts = rules(self.data.get("contexts"), schema.Context)
        self.actions = mapping(self.data.get("actions"))
        self.clauses = mapping(self.data.get("clauses"))
        self.facts = mapping(self.data.get("facts"))
        self.overlays = rules(self.data.get("overlays"), schema.Overlay)
        self.steps = rules(meant(self.data.get("ladder"), schema.Ladder).get("steps"), schema.Step)
        review = meant(self.data.get("platform_review"), PlatformReview)
        self.indicators = meant(review.get("indicators"), Indicators)
        # A misspelt category is one fault, at its definition; what asks for the right name is not at fault.
        self.category_names = [*self.categories]
        for name in self.categories:
            if name not in CATEGORIES:
                self.category_names += difflib.get_close_matches(name, CATEGORIES, n=1, cutoff=0.6)
        self.tier_ids = [tier["id"] for _, tier in self.tiers if isinstance(tier.get("id"), str)]
        self.step_ids = [step["id"] for _, step in self.steps if isinstance(step.get("id"), str)]
        self.outcomes = [*self.tier_ids, *_RESERVED]

    def say(self, path: Path, message: str, hint: str = "", *, on_key: bool = False) -> None:
        self.faults.append(Fault.at(mark_of(self.tree, path, on_key=on_key), path, message, hint))

    def known(
        self, name: Any, path: Path, what: str, known: Iterable[str], *, on_key: bool = False, otherwise: str = ""
    ) -> bool:
        """Whether a name exists; a fault when not. Values that are no names are left to the types."""
        names = list(known)
        if not isinstance(name, str) or name in names:
            return isinstance(name, str)
        listed = f"one of {', '.join(names[:12])}" if names else "defined in this file"
        hint = (nearest(name, names) if len(self.faults) < MAX_HINTS else "") or otherwise
        self.say(path, f"{what} must be {listed}, got {shown(name)}", hint, on_key=on_key)
        return False

    def unique(self, ids: Iterable[tuple[Any, Path]], what: str, reserved: tuple[str, ...] = ()) -> None:
        seen: dict[str, int] = {}
        for name, path in ids:
            if not isinstance(name, str):
                continue
            line = mark_of(self.tree, path).line
            if name in reserved:
                self.say(path, f"{what} must not be {' or '.join(reserved)}, got {shown(name)}")
            elif name in seen:
                self.say(path, f"{what} must be unique, got {shown(name)} again", f"first on line {seen[name]}")
            seen.setdefault(name, line)

    def check_categories(self) -> None:
        used = {
            name
            for _, tier in self.tiers
            for leaf, path, _ in raw_leaves(tier.get("when"), ())
            for kind in ("act", "review")
            for name, _ in names_in(leaf.get(kind), path)
        }
        for name, rule in self.categories.items():
            path: Path = ("categories", name)
            # a category of one's own model is known by what the policy says it means
            known = (*CATEGORIES, name) if mapping(rule).get("means") is not None else CATEGORIES
            hint = "a category of a model of your own needs means"
            is_known = self.known(name, path, "category", known, on_key=True, otherwise=hint)
            if not is_known or not isinstance(rule, dict):
                continue
            self.known(rule.get("clause"), (*path, "clause"), "clause", self.clauses)
            review, act = rule.get("review"), rule.get("act")
            if is_number(review) and is_number(act) and review > act:
                self.say((*path, "review"), f"review must be at most act, got {review:g} above {act:g}")
            for level, asked in (("review", review), ("act", act)):
                self.check_point(asked, (*path, level), level)
            if "act" in rule and act is not None and name not in used and self.tiers:
                hint = "give it act: null if it may only ever send to a person"
                self.say(path, f"category must be asked by a tier, got none that asks {shown(name)}", hint, on_key=True)

    def check_point(self, asked: Any, path: Path, level: str) -> None:
        if not isinstance(asked, dict) or set(asked) - {"precision", "recall", "else"}:
            return
        # The types read null as a measure left out.
        given = [key for key in ("precision", "recall") if asked.get(key) is not None]
        if len(given) != 1:
            self.say(path, f"operating point must ask precision or recall, got {' and '.join(given) or 'neither'}")
        if level == "review" and asked.get("else") == "review_only":
            hint = "write best or a number"
            self.say((*path, "else"), "fallback of review must be a threshold, got 'review_only'", hint)

    def check_tiers(self) -> None:
        self.unique(((tier.get("id"), ("tiers", i, "id")) for i, tier in self.tiers), "tier id", _RESERVED)
        never_acts = {
            name
            for name, rule in self.categories.items()
            if isinstance(rule, dict) and "act" in rule and rule["act"] is None
        }
        earlier: list[tuple[Any, Any]] = []
        for i, tier in self.tiers:
            path: Path = ("tiers", i, "when")
            when = tier.get("when")
            names_ok = self.check_leaves(when, path)
            self.check_does(tier, ("tiers", i))
            same = next((name for name, other in earlier if other == when), None)
            if same is not None:
                self.say(path, f"condition must differ from that of a more severe tier, got that of {shown(same)}")
            earlier.append((tier.get("id"), when))
            if names_ok and same is None:
                self.check_reachable(when, path, never_acts)

    def check_reachable(self, when: Any, path: Path, never_acts: set[str]) -> None:
        def at_worst(kind: str, value: Any, negated: bool) -> int:
            return 0 if kind in ("act", "review", "score") else 1

        def at_best(kind: str, value: Any, negated: bool) -> int:
            if kind == "act" and all(name in never_acts for name, _ in names_in(value, ())):
                return 1
            return 0 if negated else 2

        try:
            if _truth(when, at_worst) != 0:
                hint = "join it by all with an act or review condition"
                self.say(path, "tier must rest on a category, got a condition that can hold without any", hint)
            elif _truth(when, at_best) != 2:
                message = "tier must be able to hold, got a condition on a category whose act is null"
                self.say(path, message, "ask review instead of act, or give the category a threshold")
        except _Malformed:
            return

    def check_leaves(self, condition: Any, path: Path, *, scores: bool = True) -> bool:
        """Names in an item condition; False when one is unknown."""
        fine = True
        for leaf, place, negated in raw_leaves(condition, path):
            fine &= self.check_fact_leaf(leaf, place)
            for kind in ("act", "review", "score"):
                if kind not in leaf or (kind != "score" and "score" in leaf):
                    continue
                for name, where in names_in(leaf[kind], (*place, kind)) if kind != "score" else ():
                    fine &= self.known(name, where, "category", self.category_names)
                if not scores:
                    message = "an exception must ask signals or fields, got a score"
                    self.say(place, message, "ask the score in unless, or in a tier")
                    fine = False
                elif negated:
                    message = f"{kind} must not stand under not: a higher score would soften the decision"
                    self.say(place, message, "turn the condition round, or ask a signal")
                    fine = False
            for name, where in names_in(leaf.get("signal"), (*place, "signal")):
                fine &= self.known(name, where, "signal", SIGNALS)
        return fine

    def check_fact_leaf(self, leaf: dict[str, Any], place: Path) -> bool:
        """A leaf over a field against the field's declaration; False when it cannot be so."""
        n_faults = len(self.faults)
        name = leaf.get("score", leaf.get("meta"))
        if not isinstance(name, str):
            return True
        ends = [leaf[key] for key in ("at_least", "below") if is_number(leaf.get(key))]
        if len(ends) == 2 and ends[0] >= ends[1]:
            self.say((*place, "below"), f"below must be more than at_least, got {ends[1]:g} and {ends[0]:g}")
        limits = [leaf[key] for key in ("review", "act") if is_number(leaf.get(key))]
        if "score" in leaf and len(limits) == 2 and limits[0] > limits[1]:
            self.say((*place, "review"), f"review must be at most act, got {limits[0]:g} above {limits[1]:g}")
        self.check_asked_type(leaf, name, place)
        return len(self.faults) == n_faults

    def check_asked_type(self, leaf: dict[str, Any], name: str, place: Path) -> None:
        wanted = "score" if "score" in leaf else "number" if {"at_least", "below"} & set(leaf) else ""
        wanted = "time" if {"older_than", "younger_than"} & set(leaf) else wanted
        fact = mapping(self.facts.get(name))
        kind = fact.get("type")
        where = (*place, "score" if "score" in leaf else "meta")
        if not fact:
            if wanted and name not in OWN_FIELDS:
                hint = nearest(name, self.facts) or f"add {name}: {{type: {wanted}}} under facts"
                self.say(where, f"field must be declared under facts, got {shown(name)}", hint)
            return
        if kind not in ("string", "bool", "number", "time", "score"):
            return
        if wanted and kind != wanted:
            self.say(where, f"field must be declared as {wanted} to be asked this, got {kind}")
        elif not wanted and kind in ("time", "score"):
            self.say(where, f"field must be asked what a {kind} can be, got a list of values")
        elif not wanted:
            declared = schema.Fact(type=kind, values=fact.get("values") if _texts(fact.get("values")) else None)
            values = leaf.get("in")
            for i, value in enumerate(values if isinstance(values, tuple) else ()):
                message, hint = type_fault(declared, value)
                if message:
                    self.say((*place, "in", i), f"value {message.split(', got')[0]}, got {shown(value)}", hint)

    def check_facts(self) -> None:
        for name, fact in self.facts.items():
            if name in _OWN:
                self.say(("facts", name), f"field must not be a part of every item, got {shown(name)}", on_key=True)
            values, kind = mapping(fact).get("values"), mapping(fact).get("type")
            if values is not None and kind != "string":
                self.say(("facts", name, "values"), f"values must be those of a string, got a fact of type {kind}")

    def check_overlays(self) -> None:
        self.unique(((overlay.get("id"), ("overlays", i, "id")) for i, overlay in self.overlays), "overlay id")
        for i, overlay in self.overlays:
            path: Path = ("overlays", i)
            self.check_leaves(overlay.get("when"), (*path, "when"), scores=False)
            for leaf, place, _ in raw_leaves(overlay.get("when"), (*path, "when")):
                if "signal" in leaf:
                    self.say(place, "an overlay must ask fields of the item, got a signal", "ask it in a tier")
            for name, rule in mapping(overlay.get("categories")).items():
                where = (*path, "categories", name)
                if not self.known(name, where, "category", self.categories, on_key=True) or not isinstance(rule, dict):
                    continue
                merged = {**mapping(self.categories[name]), **rule}
                review, act = merged.get("review"), merged.get("act")
                if is_number(review) and is_number(act) and review > act:
                    self.say(where, f"review must be at most act, got {review:g} above {act:g}", on_key=True)
                for level in rule:
                    if level in ("review", "act"):
                        self.check_point(rule[level], (*where, level), level)
                if "review" in rule and rule["review"] is None:
                    self.say((*where, "review"), "review must be a threshold, got nothing", "leave it out")

    def check_maturity(self) -> None:
        waiting = [tier.get("id") for _, tier in self.tiers if tier.get("maturity") in ("experimental", "test")]
        if self.tiers and len(waiting) == len(self.tiers):
            self.say(("tiers",), "a policy must have a stable tier, got none", "write rollout: {mode: shadow} instead")
        for i, context in self.contexts:
            for key in ("lowers", "floor"):
                for tier, target in mapping(context.get(key)).items():
                    if target in waiting:
                        message = f"result must be a stable tier, got {shown(target)}, which is only recorded"
                        self.say(("contexts", i, key, tier), message)

    def check_does(self, rule: dict[str, Any], path: Path) -> None:
        for name, where in names_in(rule.get("do"), (*path, "do")):
            self.known(name, where, "action", self.actions)
        if rule.get("clause") is not None:
            self.known(rule["clause"], (*path, "clause"), "clause", self.clauses)

    def check_contexts(self) -> None:
        self.unique(((context.get("id"), ("contexts", i, "id")) for i, context in self.contexts), "context id")
        for i, context in self.contexts:
            path: Path = ("contexts", i)
            self.check_leaves(context.get("when"), (*path, "when"), scores=False)
            self.check_leaves(context.get("unless"), (*path, "unless"))
            for tier, target in mapping(context.get("lowers")).items():
                place = (*path, "lowers", tier)
                if not self.known(tier, place, "tier", self.outcomes[:-1], on_key=True):
                    continue
                if tier == "review" and not self.may_only_review():
                    message = "review must come from a category whose act is null, got a policy without one"
                    self.say(place, message, "lower the tiers instead", on_key=True)
                    continue
                if self.known(target, place, "result", self.outcomes) and self.rank(target) <= self.rank(tier):
                    milder = ", ".join(self.outcomes[self.rank(tier) + 1 :])
                    self.say(place, f"result must be milder than {tier} ({milder}), got {shown(target)}")
            for tier, lowest in mapping(context.get("floor")).items():
                place = (*path, "floor", tier)
                if self.known(tier, place, "tier", self.tier_ids, on_key=True):
                    self.known(lowest, place, "floor", self.outcomes[:-1])

    def may_only_review(self) -> bool:
        """Whether a category may only review, or may come to it as the bundle cannot reach its operating point."""
        acts = [rule.get("act", 0) for rule in self.categories.values() if isinstance(rule, dict)]
        return any(act is None or mapping(act).get("else") == "review_only" for act in acts)

    def rank(self, outcome: str) -> int:
        return self.outcomes.index(outcome)

    def check_actions(self) -> None:
        scopes = _SCOPES.get(str(self.data.get("kind")))
        for name, action in self.actions.items():
            scope = mapping(action).get("scope")
            if (
                scopes
                and isinstance(scope, str)
                and scope in ("item", "account", "tenant", "app")
                and scope not in scopes
            ):
                kind = self.data["kind"]
                message = f"scope must be {' or '.join(scopes)} in a policy of kind {kind}, got {shown(scope)}"
                self.say(("actions", name, "scope"), message)

    def check_ladder(self) -> None:
        ids = ((step.get("id"), ("ladder", "steps", i, "id")) for i, step in self.steps)
        self.unique(ids, "step id", ("none", "latest"))
        for i, step in self.steps:
            path: Path = ("ladder", "steps", i)
            self.check_does(step, path)
            milder = self.step_ids[: self.step_ids.index(step["id"])] if step.get("id") in self.step_ids else []
            for leaf, place, _ in raw_leaves(step.get("when"), (*path, "when")):
                for kind in ("unresolved", "taken", "cure_expired"):
                    for name, where in names_in(leaf.get(kind), (*place, kind)):
                        if name != "latest" or kind != "cure_expired":
                            self.known(name, where, "milder step", milder)
                if "count" in leaf:
                    self.known(leaf["count"], (*place, "count"), "tier", self.tier_ids)
                self.check_review_leaf(leaf, place)

    def check_review_leaf(self, leaf: dict[str, Any], place: Path) -> None:
        if "indicator" in leaf:
            self.known(leaf["indicator"], (*place, "indicator"), "indicator", self.indicators)
        if "finding" in leaf and self.data.get("platform_review") is None:
            hint = "add the key platform_review"
            self.say((*place, "finding"), "finding must come from a platform review, got a policy without one", hint)

    def check_platform(self) -> None:
        process = mapping(mapping(self.data.get("platform_review")).get("effective_process"))
        for key in ("effective", "not_effective"):
            for leaf, place, _ in raw_leaves(process.get(key), ("platform_review", "effective_process", key)):
                self.check_review_leaf(leaf, place)

    def check_effective(self) -> None:
        effective = mapping(self.data.get("effective"))
        try:
            since, until = (dt.date.fromisoformat(effective[key]) for key in ("from", "until"))
        except (KeyError, TypeError, ValueError):
            return
        if until < since:
            self.say(("effective", "until"), f"until must not lie before from, got {until} before {since}")


def check(tree: Tree) -> list[Fault]:
    """Faults of a parsed file that no type can see."""
    checker = Checker(tree)
    if not isinstance(tree.data, dict):
        return []
    checker.check_effective()
    checker.check_categories()
    checker.check_facts()
    checker.check_tiers()
    checker.check_overlays()
    checker.check_maturity()
    checker.check_contexts()
    checker.check_actions()
    checker.check_ladder()
    checker.check_platform()
    check_cases(checker)
    return checker.faults
