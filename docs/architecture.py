"""Keep the module map in docs/architecture.md equal to the code: rooms in the order of the layers, and their imports.

``python docs/architecture.py`` rewrites what stands between ``<!-- modules -->`` and ``<!-- /modules -->``. Imports are
read from the syntax, those inside functions too; what only a type checker reads does not count.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "tsclassify"
PAGE = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r"(<!-- modules -->\n).*?(<!-- /modules -->)", re.DOTALL)


def module_files(root: Path) -> dict[str, Path]:
    """Dotted name of every module to its file."""
    names = {}
    for file in sorted((root / PACKAGE).rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def _statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements anywhere below a node, but for those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from _statements(ast.Module(node.orelse, []))
        else:
            yield from _statements(node)


def import_graph(root: Path) -> dict[str, set[str]]:
    """Every module to the modules of the package that it imports."""
    files = module_files(root)
    graph: dict[str, set[str]] = {}
    for name, file in files.items():
        targets = set()
        for statement in _statements(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(statement, ast.Import):
                targets |= {alias.name for alias in statement.names}
            else:
                for alias in statement.names:
                    member = f"{statement.module}.{alias.name}"
                    targets.add(member if member in files else str(statement.module))
        graph[name] = (targets & files.keys()) - {name}
    return graph


def loops(graph: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Groups of modules that reach each other by imports, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[tuple[str, ...]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for target in sorted(graph[name]):
            if target not in order:
                visit(target)
            if target in stack:
                lowest[name] = min(lowest[name], lowest[target])
        if lowest[name] == order[name]:
            first = stack.index(name)
            group = stack[first:]
            del stack[first:]
            if len(group) > 1:
                groups.append(tuple(sorted(group)))

    for name in graph:
        if name not in order:
            visit(name)
    return groups


def layers(root: Path) -> list[list[str]]:
    """Rooms of the layers contract, top first; those of one line do not import each other."""
    contract = configparser.ConfigParser()
    contract.read(root / ".importlinter", encoding="utf-8")
    lines = contract["importlinter:contract:layers"]["layers"].split("\n")
    return [re.split(r"\s*[|:]\s*", line.strip()) for line in lines if line.strip()]


def room_of(module: str) -> str:
    """The room that a module belongs to: the part of its name below the package."""
    return module.split(".")[1] if "." in module else module


def summary(file: Path) -> str:
    """First sentence of a module's docstring, without the full stop."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").rstrip(".").replace("|", "\\|")


def module_map(root: Path) -> str:
    """The map as Markdown: what each room is for and imports, then its modules."""
    files, graph = module_files(root), import_graph(root)
    rooms = [room for line in layers(root) for room in line]
    rank = {room: number for number, room in enumerate(rooms)}
    rows = ["| room | what it is for | imports |", "| --- | --- | --- |"]
    parts = []
    for room in rooms:
        modules = [name for name in files if room_of(name) == room]
        targets = {room_of(target) for name in modules for target in graph[name]} - {room}
        imports = ", ".join(f"`{target}`" for target in sorted(targets, key=rank.__getitem__)) or "none"
        rows.append(f"| `{room}` | {summary(files[f'{PACKAGE}.{room}'])} | {imports} |")
        inner = [name for name in modules if name != f"{PACKAGE}.{room}"]
        if inner:
            lines = [f"- `{name.removeprefix(f'{PACKAGE}.')}`: {summary(files[name])}" for name in inner]
            parts.append(f"\n### {room}\n\n" + "\n".join(lines))
    return "\n".join([*rows, *parts]) + "\n"


def rendered(page: str, root: Path) -> str:
    """The page with its map written anew."""
    body = module_map(root)
    return BLOCK.sub(lambda match: f"{match.group(1)}{body}{match.group(2)}", page)


def main() -> int:
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8"), ROOT), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
