"""Keep the reference in docs/cli.md equal to what ``--help`` says.

``python docs/commands.py`` rewrites what stands between ``<!-- commands -->`` and ``<!-- /commands -->``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

PAGE = Path(__file__).resolve().parent / "cli.md"
OPEN, CLOSE = "<!-- commands -->\n", "<!-- /commands -->"


def commands() -> Iterator[tuple[str, click.Context]]:
    """Every command and subcommand with its whole name, in the order of ``--help``."""
    from tsclassify.cli import cli

    # the settings of the real call: click remembers the help option that it made first
    settings = {**cli.context_settings, "terminal_width": 100, "max_content_width": 100}
    root = click.Context(cli, info_name="tsclassify", **settings)
    yield from _below(root, "tsclassify")


def _below(context: click.Context, name: str) -> Iterator[tuple[str, click.Context]]:
    yield name, context
    if not isinstance(context.command, click.Group):
        return
    for part in context.command.list_commands(context):
        command = context.command.get_command(context, part)
        if command is None:
            raise SystemExit(f"docs: command must be importable, got {name} {part}")
        yield from _below(click.Context(command, parent=context, info_name=part), f"{name} {part}")


def reference() -> str:
    """The help of every command as Markdown."""
    parts = []
    for name, context in commands():
        lines = (line.rstrip() for line in context.get_help().splitlines())
        parts.append(f"### {name}\n\n```text\n" + "\n".join(lines) + "\n```\n")
    return "\n".join(parts)


def rendered(page: str) -> str:
    """The page with its reference written anew."""
    head, _, rest = page.partition(OPEN)
    _, _, tail = rest.partition(CLOSE)
    return f"{head}{OPEN}{reference()}{CLOSE}{tail}"


def main() -> int:
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
