"""What a fuzz target is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = ["Target", "Unavailable"]


class Unavailable(Exception):
    """The target cannot run here; the message says why."""


@dataclass
class Target:
    """Where cases come from, and what they go through.

    Attributes
    ----------
    corpus
        What cases are mutated from.
    check
        Raises when a promise is broken for a case.
    together
        The same for a group of cases at once, where that is cheaper.
    make
        Makes a case from a random generator, in the place of a mutation of the corpus.
    group
        Cases that are checked at a time.
    counts
        What became of the cases.
    """

    corpus: Sequence[bytes]
    check: Callable[[bytes], object]
    together: Callable[[list[bytes]], object] | None = None
    make: Callable[[random.Random], bytes] | None = None
    group: int = 1
    counts: Counter[str] = field(default_factory=Counter)

    def check_all(self, cases: list[bytes]) -> None:
        """Check a group of cases."""
        if self.together is not None and len(cases) > 1:
            self.together(cases)
            return
        for case in cases:
            self.check(case)
