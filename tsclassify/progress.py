"""A progress bar on a terminal, and nothing elsewhere; rich is imported when the first bar is drawn."""

from __future__ import annotations

import sys
import time
from typing import Any

__all__ = ["Progress", "Stage"]


class Progress:
    """Stages of work, shown one under another on stderr.

    Parameters
    ----------
    shown
        True or False; None shows them when stderr is a terminal.
    after_s
        Seconds before anything is drawn, so that short work draws nothing.
    """

    def __init__(self, shown: bool | None, *, after_s: float = 0.0) -> None:
        self._shown = sys.stderr.isatty() if shown is None else shown
        self._from = time.monotonic() + after_s
        self._bars: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stage(self, name: str, total: int) -> Stage:
        """A stage of `total` steps; 0 when that is not known."""
        return Stage(self, name, total)

    def bars(self) -> Any:
        """What draws the bars; None where or while nothing is drawn."""
        if self._bars is None and self._shown and time.monotonic() >= self._from:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description:<12}"),
                BarColumn(),
                TextColumn("{task.fields[says]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        return self._bars

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class Stage:
    """One stage; call it with the steps that were done."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress, self._name, self._total = progress, name, total
        self._task: Any = None
        self._done = 0

    def __call__(self, steps: int, says: str | None = None) -> None:
        """Count `steps` more; `says` is shown beside the bar, the number of steps when left out."""
        self._done += steps
        bars = self._progress.bars()
        if bars is None:
            return
        # more steps than were known of: there is no end to show
        total = self._total if 0 < self._total >= self._done else None
        if self._task is None:
            self._task = bars.add_task(self._name, total=total, says="")
        words = f"{self._done:,}/{self._total:,}" if says is None else says
        bars.update(self._task, completed=self._done, total=total, says=words)
