"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Bar"]


class Bar:
    """Stages with a known length, shown one under another on stderr.

    Parameters
    ----------
    shown
        True or False; None shows it when stderr is a terminal.
    """

    def __init__(self, shown: bool | None) -> None:
        self._progress: Any = None
        if sys.stderr.isatty() if shown is None else shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description:<12}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> Bar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def stage(self, name: str, total: int) -> Callable[[int], None]:
        """A function that advances this stage by the given number of steps."""
        if self._progress is None:
            return _ignore
        progress = self._progress
        task = progress.add_task(name, total=total)

        def advance(steps: int) -> None:
            progress.update(task, advance=steps)

        return advance


def _ignore(steps: int) -> None:
    """No terminal, no bar."""
