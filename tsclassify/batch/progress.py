"""A progress bar on a terminal, drawn from the second second on; nothing is imported for a short job."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

__all__ = ["Progress"]

_DELAY_S: Final = 1.0


class Progress:
    """A bar over the bytes of the input.

    Parameters
    ----------
    wanted
        Draw one, if stderr is a terminal.
    total
        Bytes of all inputs as they lie on disk, or 0 when unknown; packed inputs run past it, so then no total
        is shown.
    """

    def __init__(self, wanted: bool, total: int) -> None:
        self._wanted = wanted and sys.stderr.isatty()
        self._total = total
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._done = 0

    def update(self, size: int, n_lines: int) -> None:
        """Say that `size` more bytes are done, `n_lines` lines in all."""
        self._done += size
        if not self._wanted:
            return
        if self._bar is None:
            if time.monotonic() - self._started < _DELAY_S:
                return
            self._open()
        total = self._total if self._done <= self._total else None
        self._bar.update(self._task, completed=self._done, total=total, lines=f"{n_lines:,} lines")

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("scoring"),
            BarColumn(),
            TextColumn("{task.fields[lines]}"),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("scoring", total=self._total or None, lines="")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
