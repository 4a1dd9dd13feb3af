"""README and docs: their code runs, their commands exist, their links lead somewhere, their tables are true."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import tsclassify as ts
from tsclassify import decision, records
from tsclassify.cli import main
from tsclassify.data import corpus, registry
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES, SIGNALS, parse_code

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_IDS = [path.relative_to(ROOT).as_posix() for path in PAGES]
_BLOCK = re.compile(r"^```([a-z]*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    mark: str
    code: str
    line: int


def _blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2].strip(), found[3], text.count("\n", 0, found.start()) + 2)
        for found in _BLOCK.finditer(text)
    ]


def _prose(path: Path) -> str:
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


@cache
def _commands_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_commands", ROOT / "docs" / "commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- code


@pytest.mark.parametrize("path", PAGES, ids=_IDS)
def test_python_of_the_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__docs__"}
    for block in _blocks(path):
        if block.language == "python":
            # line numbers of the page, so that a failure points into it
            code = compile("\n" * (block.line - 1) + block.code, str(path), "exec")
            if block.mark != "no-run":
                exec(code, names)  # noqa: S102 - the pages are part of this repository


@pytest.mark.parametrize("path", PAGES, ids=_IDS)
def test_every_block_names_its_language(path: Path) -> None:
    known = {"python", "console", "text", "yaml", "json", "sql", "toml"}
    assert {block.language for block in _blocks(path)} <= known
    assert {block.mark for block in _blocks(path)} <= {"", "no-run", "run"}


# --- commands


def _typed_commands(path: Path) -> list[str]:
    lines = "\n".join(block.code for block in _blocks(path) if block.language == "console").replace("\\\n", " ")
    return [
        part.strip()
        for line in lines.splitlines()
        if line.startswith("$ ")
        for part in line[2:].split("  #")[0].split("|")
        if " tsclassify " in f" {part.strip()} "
    ]


def _fault_of(words: Sequence[str]) -> str | None:
    """What is wrong with a typed command, without running it."""
    contexts = dict(_commands_module().commands())
    name = "tsclassify"
    rest = list(words[words.index("tsclassify") + 1 :])
    while rest and f"{name} {rest[0]}" in contexts:
        name = f"{name} {rest.pop(0)}"
    if name == "tsclassify" and rest and not rest[0].startswith("-"):
        return f"no command {rest[0]}"
    options = {option for param in contexts[name].command.params for option in param.opts + param.secondary_opts}
    unknown = [
        word for word in rest if word.startswith("-") and word != "-" and word.split("=")[0] not in options | {"--help"}
    ]
    return f"{name} has no {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("path", PAGES, ids=_IDS)
def test_typed_commands_exist_with_their_options(path: Path) -> None:
    faults = [
        f"{typed}: {fault}"
        for typed in _typed_commands(path)
        if (fault := _fault_of(shlex.split(typed.split(" > ")[0]))) is not None
    ]
    assert not faults


def test_unknown_command_and_option_would_be_found() -> None:
    assert _fault_of(["tsclassify", "nosuch"]) == "no command nosuch"
    assert _fault_of(["tsclassify", "data", "fetch", "--nosuch"]) == "tsclassify data fetch has no --nosuch"
    assert _fault_of(["tsclassify", "data", "fetch", "--use", "train"]) is None


def test_every_command_is_documented_as_its_help_says() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    # in a process of its own: click keeps the help option of whichever call came first
    code = "import commands, sys; sys.stdout.write(commands.rendered(commands.PAGE.read_text(encoding='utf-8')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "docs", capture_output=True, encoding="utf-8", check=True
    )
    fresh = done.stdout
    # blanks and line ends differ between versions of click
    is_fresh = page.split() == fresh.split()
    assert is_fresh, "run `python docs/commands.py`"


def test_every_command_has_an_example_in_its_help_and_in_the_page() -> None:
    contexts = dict(_commands_module().commands())
    top = {name: context for name, context in contexts.items() if name.count(" ") == 1}
    assert [name for name, context in top.items() if "Example:" not in (context.command.help or "")] == []
    typed = _typed_commands(ROOT / "docs" / "cli.md")
    leaves = [name for name in contexts if not any(other.startswith(f"{name} ") for other in contexts)]
    assert [name for name in leaves if not any(command.startswith(name) for command in typed)] == []


def _blocks_to_run() -> list[tuple[str, str]]:
    return [
        (f"{path.name}:{block.line}", block.code)
        for path in PAGES
        for block in _blocks(path)
        if block.language == "console" and block.mark == "run"
    ]


@pytest.mark.parametrize(("place", "code"), _blocks_to_run(), ids=[place for place, _ in _blocks_to_run()])
def test_commands_of_the_block_run_one_after_another(
    place: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(shipped("seeds", "posts.jsonl"), tmp_path / "posts.jsonl")
    for line in code.splitlines():
        status = main(shlex.split(line.removeprefix("$ tsclassify ")))
        assert status == 0, f"{place}: {line}: {capsys.readouterr().err}"


# --- links and words


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=_IDS)
def test_links_of_the_page_lead_somewhere(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(path)):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in _anchors(goal)):
            broken.append(target)
    assert not broken


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    missing = [
        path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md" and path.name not in index
    ]
    assert not missing


@pytest.mark.parametrize("path", PAGES, ids=_IDS)
def test_page_keeps_to_the_words_of_the_concepts(path: Path) -> None:
    prose = _prose(path).split("## Words that are not used")[0].lower()
    # a ruling of a person is stored as `upheld`; an appeal is granted or denied
    prose = prose.replace("`upheld`", "")
    found = set(re.findall(r"\b(verdicts?|upheld|confidence|intent to kill)\b", prose))
    assert not found


def test_concepts_define_the_words_of_the_public_records() -> None:
    prose = _prose(ROOT / "docs" / "concepts.md")
    defined = {word.lower().removesuffix("s") for word in re.findall(r"\*\*([^*]+?)\.?\*\*", prose)}
    public = {name: getattr(ts, name) for name in ts.__all__}
    public |= {name: getattr(module, name) for module in (records, decision) for name in module.__all__}
    classes = {name for name, value in public.items() if isinstance(value, type) and not issubclass(value, Exception)}
    words = {re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().removesuffix("s") for name in classes}
    assert len(words) > 15
    assert sorted(words - defined) == []


# --- tables


def _rows(path: Path, first: str) -> list[list[str]]:
    """Cells of the table whose header starts with ``first``."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def _kappa(first: list[bool], second: list[bool]) -> float:
    n = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    one, two = sum(first) / n, sum(second) / n
    by_chance = one * two + (1 - one) * (1 - two)
    return (agreed - by_chance) / (1 - by_chance)


def test_agreement_table_is_what_the_labels_say() -> None:
    twice = [label for label in corpus.labels() if label.second_code]
    readings = [(sum(parse_code(label.code), ()), sum(parse_code(label.second_code), ())) for label in twice]
    expected = []
    for at, name in enumerate((*CATEGORIES, *SIGNALS)):
        first, second = [one[at] for one, _ in readings], [two[at] for _, two in readings]
        expected.append([f"`{name}`", f"{_kappa(first, second):.2f}", str(sum(first))])
    assert _rows(ROOT / "docs" / "taxonomy.md", "column") == expected


def test_categories_and_signals_are_all_in_the_taxonomy_page() -> None:
    page = (ROOT / "docs" / "taxonomy.md").read_text(encoding="utf-8")
    assert [name for name in (*CATEGORIES, *SIGNALS) if f"`{name}`" not in page] == []
    assert [row[0].strip("`") for row in _rows(ROOT / "docs" / "taxonomy.md", "category")] == sorted(
        CATEGORIES, key=("violent_threat", "incitement", *CATEGORIES).index
    )


def test_source_table_names_every_data_set_with_its_use() -> None:
    rows = _rows(ROOT / "docs" / "data.md", "source")
    uses = {file.name: file.use for file in registry.registered_files()}
    assert {row[0]: row[2] for row in rows} == uses


def test_source_table_counts_are_the_tested_ones() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        from test_data import _N_TEXTS
    finally:
        sys.path.remove(str(ROOT / "tests"))
    rows = _rows(ROOT / "docs" / "data.md", "source")
    assert {row[0]: int(row[1].replace(",", "")) for row in rows} == _N_TEXTS


def test_counts_of_shipped_files_are_true() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    counts = {
        name: path.read_text(encoding="utf-8").count("\n")
        for name in (
            "written.jsonl",
            "posts.jsonl",
            "labels/exclude.txt",
            "language/train.jsonl",
            "language/heldout.jsonl",
        )
        if (path := shipped("seeds", *name.split("/")))
    }
    counts["labels/annotated.tsv"] = len(corpus.labels())
    assert [name for name, count in counts.items() if not re.search(rf"\b{count:,}\b", page)] == []


def test_crosswalk_table_says_for_what_each_is_exact() -> None:
    from tsclassify.crosswalk import crosswalk_names, load_crosswalk

    rows = {row[0].strip("`"): row[1] for row in _rows(ROOT / "docs" / "taxonomy.md", "crosswalk")}
    exact = {
        name: ", ".join(entry.ours for entry in load_crosswalk(name).entries if entry.relation == "exact") or "none"
        for name in crosswalk_names()
    }
    assert rows == exact


def test_every_policy_key_is_documented() -> None:
    from tsclassify.policy import schema

    page = (ROOT / "docs" / "policy-format.md").read_text(encoding="utf-8")
    keys = {
        field.alias or name
        for model in vars(schema).values()
        if isinstance(model, type) and hasattr(model, "model_fields") and model.__module__ == schema.__name__
        for name, field in model.model_fields.items()
    }
    assert len(keys) > 30
    assert sorted(key for key in keys if f"`{key}`" not in page and f"{key}:" not in page) == []
