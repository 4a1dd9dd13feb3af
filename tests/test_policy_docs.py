"""The pages on the policy language: every key is there with its meaning and an example, and the examples work.

``UPDATE_SNAPSHOTS=1 pytest tests/test_policy_docs.py`` writes the tables anew from the docstrings of the models.
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import tsclassify as ts
from tsclassify.policy import Policy, conditions, platform, schema, testcase
from tsclassify.policy.analysis import remarks
from tsclassify.policy.cases import run_cases
from tsclassify.policy.mutants import survivors

DOCS = Path(__file__).resolve().parents[1] / "docs"
FORMAT = DOCS / "policy-format.md"
TUTORIAL = DOCS / "writing-a-policy.md"
_MARK = re.compile(r"<!-- keys: ([A-Za-z ]+) -->\n(?:\n(?:\|[^\n]*\n)+)?")
# The last three are told with the ladder's.
_ABSTRACT = {"Node", "Condition", "FactLeaf", "ReviewAll", "ReviewAny", "ReviewNot"}

MODELS: dict[str, type[BaseModel]] = {
    name: model
    for module in (conditions, platform, schema, testcase)
    for name, model in inspect.getmembers(module, inspect.isclass)
    if issubclass(model, BaseModel)
    and model.__module__.startswith("tsclassify.policy")
    and name not in _ABSTRACT
    and not name.startswith("_")
}


def keys_of(name: str) -> list[tuple[str, str]]:
    """Keys of a model as they are written, with their meaning."""
    return [
        (info.alias or field, " ".join((info.description or "").split()).replace("``", "`"))
        for field, info in MODELS[name].model_fields.items()
    ]


def table(names: list[str]) -> str:
    heading = (
        "| key | of | meaning |\n| --- | --- | --- |\n" if len(names) > 1 else "| key | meaning |\n| --- | --- |\n"
    )
    rows = []
    for name in names:
        title = re.sub(r"^(item|ladder) ", "", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
        for key, meaning in keys_of(name):
            of = f" {title} |" if len(names) > 1 else ""
            required = "" if not MODELS[name].model_fields[_field(name, key)].is_required() else " *"
            rows.append(f"| `{key}`{required} |{of} {meaning} |\n")
    return heading + "".join(rows)


def _field(name: str, key: str) -> str:
    return next(field for field, info in MODELS[name].model_fields.items() if (info.alias or field) == key)


def yaml_blocks(path: Path) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def test_tables_say_what_the_models_say() -> None:
    text = FORMAT.read_text(encoding="utf-8")
    fresh = _MARK.sub(lambda mark: f"<!-- keys: {mark[1]} -->\n\n{table(mark[1].split())}", text)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FORMAT.write_text(fresh, encoding="utf-8")
        text = fresh
    assert text == fresh


def test_every_model_has_a_table() -> None:
    told = {name for mark in _MARK.finditer(FORMAT.read_text(encoding="utf-8")) for name in mark[1].split()}
    assert told == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_every_key_has_a_meaning_and_stands_in_an_example(name: str) -> None:
    examples = "\n".join(yaml_blocks(FORMAT))
    for key, meaning in keys_of(name):
        assert meaning.endswith("."), f"{name}.{key} has no meaning"
        assert re.search(rf"(?:^|[\s{{\[]){re.escape(key)}(?::|\]|,|}})", examples, re.MULTILINE), f"{name}.{key}"


def test_the_example_file_is_a_policy_whose_cases_pass() -> None:
    policy = Policy.parse(yaml_blocks(FORMAT)[1])
    assert [result.name for result in run_cases(policy) if result.differences] == []


def test_the_first_policy_of_the_page_has_ten_lines_and_decides() -> None:
    text = yaml_blocks(FORMAT)[0]
    assert len(text.splitlines()) == 10
    policy = Policy.parse(text)
    assert remarks(policy) == []
    assert ts.load().decide({"text": "I will burn your house down"}, policy).tier == "violation"


def test_the_tutorial_ends_in_a_policy_that_leaves_no_mutant() -> None:
    policy = Policy.parse(yaml_blocks(TUTORIAL)[-1])
    assert [result.name for result in run_cases(policy) if result.differences] == []
    alive, total = survivors(policy)
    assert [mutant.label for mutant in alive] == []
    assert total > 20


def test_each_step_of_the_tutorial_grows_into_the_last() -> None:
    *steps, whole = yaml_blocks(TUTORIAL)
    lines = {line.strip() for line in whole.splitlines()}
    for step in steps:
        missing = [line for line in step.splitlines() if line.strip() not in lines and line.strip()]
        assert missing == []
