"""The command line: one module per command, imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys

import click

from tsclassify._version import __version__
from tsclassify.errors import GateError, TsclassifyError, needs
from tsclassify.terminal import plain_page

__all__ = ["main"]

_COMMANDS = {
    "calibrate": ("tsclassify.cli.calibrate", "Calibrate a bundle on labelled posts of your own."),
    "compare": ("tsclassify.cli.compare", "What changes between two bundles, on which rows."),
    "data": ("tsclassify.cli.data", "List, fetch or verify the public data files."),
    "decide": ("tsclassify.cli.decide", "Decide a post or a file by a policy, and say why."),
    "demo": ("tsclassify.cli.demo", "Decide the shipped example posts and print why."),
    "evaluate": ("tsclassify.cli.evaluate", "Measure a model on labelled data; write the report."),
    "explain": ("tsclassify.cli.explain", "Show which words make up a score."),
    "fit": ("tsclassify.cli.fit", "Adapt a bundle to labelled posts of your own; add categories."),
    "ledger": ("tsclassify.cli.ledger", "Record, verify, export or import a ledger."),
    "model": ("tsclassify.cli.model", "Show what a bundle states about itself."),
    "policy": ("tsclassify.cli.policy", "Check, test, compare or show policies."),
    "queue": ("tsclassify.cli.queue", "List what waits for a person, most urgent first."),
    "review": ("tsclassify.cli.review", "Review a hosted platform from a ledger."),
    "review-item": ("tsclassify.cli.review_item", "Record what a person says of an item."),
    "score": ("tsclassify.cli.score", "Score posts in a file; decide them by a policy."),
    "simulate": ("tsclassify.cli.simulate", "Write a simulated event log for testing reviews."),
    "train": ("tsclassify.cli.train", "Train a bundle from the annotated data."),
    "why": ("tsclassify.cli.why", "Say why an item of a decided file was decided so."),
}

EXIT_ERROR = 1
EXIT_GATE = 3
EXIT_BROKEN_PIPE = 128 + 13


class _LazyGroup(click.Group):
    """Imports a command's module only when the command runs; ``--help`` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tsclassify")
def cli() -> None:
    """Score posts for incitement and threats, explain the scores, decide by a written policy.

    Example: tsclassify score posts.jsonl -o scored.jsonl --policy hosting-provider

    Exit status: 0 done, 1 an error in one sentence, 2 wrong usage, 3 a gate, a test or some lines failed.
    """


def _say(error: object) -> None:
    """Tell an error on stderr, without a character that a terminal would obey: names of files may hold any."""
    click.echo(f"tsclassify: {plain_page(str(error))}", err=True)


def _open_streams() -> None:
    """Put something in the place of a closed stream: what is told to nobody is dropped, results are not."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        # Opened for reading, so that the first result fails and a command without any does not.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; every error on purpose becomes one sentence on stderr and an exit status."""
    _open_streams()
    try:
        return _run(argv)
    finally:
        _drop_what_failed()


def _run(argv: list[str] | None) -> int:
    try:
        with needs("tsclassify"):
            result = cli.main(args=argv, prog_name="tsclassify", standalone_mode=False)
        _flush()
    except click.exceptions.Abort:
        click.echo("tsclassify: stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GateError as error:
        _say(error)
        return EXIT_GATE
    except TsclassifyError as error:
        _say(error)
        return EXIT_ERROR
    except (BrokenPipeError, SystemExit):
        # click leaves by an exit when a pipe is closed; the status is that of a program which the signal ends
        return EXIT_BROKEN_PIPE
    except FileNotFoundError as error:
        _say(f"{error.filename}: file not found")
        return EXIT_ERROR
    except OSError as error:
        # Files are named where they are used; what is left is mostly a full disk behind a redirection.
        place = "standard output" if error.filename is None else error.filename
        _say(f"{place}: must be usable, got {(error.strerror or type(error).__name__).lower()}")
        return EXIT_ERROR
    except MemoryError:
        _say("memory: must suffice for the input, got too little")
        return EXIT_ERROR
    return result if isinstance(result, int) else 0


def _flush() -> None:
    if not sys.stdout.closed:
        sys.stdout.flush()


def _drop_what_failed() -> None:
    """Drop what standard output did not take: the interpreter would try once more at its end, and complain."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
