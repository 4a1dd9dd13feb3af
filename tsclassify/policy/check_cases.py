"""Checks of the cases inside a policy file: what they name must exist, and what they expect must have a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tsclassify.items import time_of
from tsclassify.policy.facts import OWN_FIELDS, type_fault
from tsclassify.policy.faults import nearest, shown
from tsclassify.policy.platform import INDICATORS
from tsclassify.policy.raw import entries, mapping, names_in
from tsclassify.policy.schema import Fact
from tsclassify.policy.strict_yaml import Path
from tsclassify.policy.testcase import SCORE_WORDS, TestItem
from tsclassify.taxonomy import SIGNALS

if TYPE_CHECKING:
    from tsclassify.policy.checks import Checker

__all__ = ["check_cases"]


class _Cases:
    """The checks of the cases of one file, whose faults go to `file`."""

    def __init__(self, file: Checker) -> None:
        self.file = file

    def check_all(self) -> None:
        tests = entries(self.file.data.get("tests"))
        self.file.unique(((test.get("name"), ("tests", i, "name")) for i, test in tests), "test name")
        for i, test in tests:
            path: Path = ("tests", i)
            expect = mapping(test.get("expect"))
            if isinstance(test.get("expect"), dict) and not expect:
                self.file.say((*path, "expect"), "a test must expect something, got an empty mapping")
            if "item" not in test and "history" not in test and "given" not in test:
                self.file.say(path, "a test must have an item, a history or what is given, got none of them")
            self.check_test_item(test, path)
            self.check_said(mapping(test.get("given")), (*path, "given"))
            said = bool({"scores", "signals", "language"} & set(mapping(test.get("given"))))
            if "todo" in test and (said or "text" not in mapping(test.get("item"))):
                message = "todo must stand in a test whose text goes through the model, got another one"
                self.file.say((*path, "todo"), message, on_key=True)
            self.check_history(test, path)
            for key in ("tier", "at_least", "at_most", "not_tier"):
                for name, where in names_in(expect.get(key), (*path, "expect", key)):
                    self.file.known(name, where, "tier", self.file.outcomes)
            for name, where in names_in(expect.get("actions"), (*path, "expect", "actions")):
                self.file.known(name, where, "action", self.file.actions)
            known = [str(context.get("id")) for _, context in self.file.contexts]
            for name in mapping(expect.get("contexts")):
                self.file.known(name, (*path, "expect", "contexts", name), "context", known, on_key=True)
            if "step" in expect:
                self.file.known(expect["step"], (*path, "expect", "step"), "step", [*self.file.step_ids, "none"])
            asked = [key for key in expect if key not in ("step", "finding")]
            if asked and "item" not in test and not said:
                self.file.say(
                    (*path, "expect", asked[0]),
                    f"{asked[0]} must come from an item, got a test without one",
                    on_key=True,
                )

    def check_test_item(self, test: dict[str, Any], path: Path) -> None:
        item = test.get("item")
        if not isinstance(item, dict):
            return
        place = (*path, "item")
        given = mapping(test.get("given"))
        is_given = bool({"scores", "signals", "language"} & set(given))
        if "text" not in item and "scores" not in item and not is_given:
            self.file.say(place, "item must have a text or scores, got neither")
        if "text" in item and "scores" in item:
            hint = "move scores and signals to given, or leave them out to ask the model"
            self.file.say((*place, "scores"), "scores must not stand beside a text, got both", hint, on_key=True)
        if is_given and "scores" in item:
            self.file.say((*place, "scores"), "scores must stand in given alone, got them twice", on_key=True)
        self.check_said(item, place)
        if isinstance(item.get("at"), str) and time_of(item["at"]) is None:
            self.file.say((*place, "at"), "at must be a time (ISO 8601), got another string")
        keys = list(TestItem.model_fields)
        for name in item:
            if name in self.file.facts:
                self.check_field(name, item[name], (*place, name))
                continue
            hint = nearest(name, keys)
            if name not in keys and hint and name not in OWN_FIELDS:
                self.file.say((*place, name), f"field must not be a misspelt key, got {shown(name)}", hint, on_key=True)

    def check_said(self, said: dict[str, Any], place: Path) -> None:
        """Scores and signals that a test states."""
        for name, score in mapping(said.get("scores")).items():
            if not self.file.known(name, (*place, "scores", name), "category", self.file.category_names, on_key=True):
                continue
            never = mapping(self.file.categories.get(name)).get("act", 0) is None
            if never and score in SCORE_WORDS[:2]:
                self.file.say((*place, "scores", name), f"{name} must have an act threshold, got act: null")
        for name in mapping(said.get("signals")):
            self.file.known(name, (*place, "signals", name), "signal", SIGNALS, on_key=True)

    def check_field(self, name: str, value: Any, place: Path) -> None:
        try:
            fact = Fact.model_validate(self.file.facts[name])
        except ValidationError:
            return  # told at its declaration
        message, hint = type_fault(fact, value) if value is not None else ("", "")
        if message:
            self.file.say(place, f"field {message}", hint)

    def check_history(self, test: dict[str, Any], path: Path) -> None:
        for i, event in entries(test.get("history")):
            place = (*path, "history", i)
            if len({"tier", "step"} & set(event)) != 1:
                self.file.say(place, "event must have a tier or a step, got both or neither")
            if "tier" in event:
                self.file.known(event["tier"], (*place, "tier"), "tier", self.file.tier_ids)
            if "step" in event:
                self.file.known(event["step"], (*place, "step"), "step", self.file.step_ids)
        given = mapping(test.get("given"))
        for name in mapping(given.get("indicators")):
            known = self.file.indicators or INDICATORS
            self.file.known(name, (*path, "given", "indicators", name), "indicator", known, on_key=True)


def check_cases(file: Checker) -> None:
    """Check the key ``tests`` of a file."""
    _Cases(file).check_all()
