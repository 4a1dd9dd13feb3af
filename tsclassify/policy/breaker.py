"""The circuit breaker of a policy's ``guards``: a bad release must not act on thousands before a person looks.

Use, in batch and in the API alike::

    breaker = Breaker(policy.guards)             # or Breaker.from_dict(policy.guards, saved) after a restart
    held = breaker.admit(result.acts, at_s)      # bool (n,): rows whose actions are withheld
    ...
    breaker.open_since                           # None, or what tripped it
    breaker.reset()                              # a person has looked

``result`` is a ``DecisionColumns``; ``at_s`` holds the times at which the decisions are made, in seconds, passed in by
the caller and never read from a clock (None when there are none: the hourly guard then never trips). Rows are taken in
order, so feed batches in order. In shadow mode nothing is acted on and nothing is held. A row that is held keeps its
tier; its record has ``mode="review_only"``, no actions, and ``review`` set (``Decision.held_for_review()``).

Once tripped the breaker stays open until ``reset``: what is wrong does not get right with time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError

if TYPE_CHECKING:
    from tsclassify.policy.schema import Guards

__all__ = ["Breaker"]

_HOUR_S = 3600.0

_Breach = tuple[float, str, float, float]
"""Row (infinite for none), guard, value, limit."""
_NO_BREACH: _Breach = (math.inf, "", 0.0, 0.0)


class Breaker:
    """State of the guards of one stream of decisions.

    Parameters
    ----------
    guards
        ``policy.guards``.

    Attributes
    ----------
    open_since
        None while closed; else a mapping with ``guard`` (its key), ``value``, ``limit`` and ``n_items`` seen.
    n_items, n_held
        Rows seen, and rows whose actions were withheld.

    Examples
    --------
    >>> from tsclassify.policy.schema import Guards
    >>> breaker = Breaker(Guards(max_actions_per_hour=2))
    >>> breaker.admit(np.array([True, True, True, False]), [0.0, 10.0, 20.0, 30.0]).tolist()
    [False, False, True, False]
    """

    def __init__(self, guards: Guards) -> None:
        self.guards = guards
        self.open_since: dict[str, Any] | None = None
        self.n_items = 0
        self.n_held = 0
        self._times: deque[float] = deque()
        self._recent: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    def admit(
        self, acts: NDArray[np.bool_], at_s: Sequence[float] | NDArray[np.float64] | None = None
    ) -> NDArray[np.bool_]:
        """Which rows of a batch to hold.

        Parameters
        ----------
        acts
            bool, shape (n,): the decision recommends actions.
        at_s
            float, shape (n,): when each decision is made, in seconds; times that run backwards count as the latest.

        Returns
        -------
        array
            bool, shape (n,): the acting rows from the breach on.

        Raises
        ------
        InputError
            When the two differ in length, or a time is not finite.
        """
        acts = np.asarray(acts, dtype=np.bool_)
        times = None if at_s is None else np.asarray(at_s, dtype=np.float64)
        if times is not None and (times.shape != acts.shape or not bool(np.isfinite(times).all())):
            raise InputError(f"breaker: at_s must be {len(acts)} finite times, got shape {times.shape}")
        held = np.zeros(len(acts), dtype=np.bool_)
        first = 0
        if self.open_since is None:
            breaches = [self._share_breach(acts), self._hour_breach(acts, times)]
            row, guard, value, limit = min(breaches, key=lambda breach: breach[0])
            first = len(acts) if math.isinf(row) else int(row)
            if first < len(acts):
                n_items = self.n_items + first + 1
                self.open_since = {"guard": guard, "value": value, "limit": limit, "n_items": n_items}
        held[first:] = acts[first:]
        self.n_items += len(acts)
        self.n_held += int(held.sum())
        return held

    def _share_breach(self, acts: NDArray[np.bool_]) -> _Breach:
        """The first row at which the share of the last ``over_items`` items is too high."""
        limit, width = self.guards.max_share_of_items, self.guards.over_items
        if limit is None:
            return _NO_BREACH
        flags = np.concatenate((self._recent, acts))
        running = np.concatenate(([0], np.cumsum(flags)))
        ends = np.arange(len(self._recent) + 1, len(flags) + 1)
        shares = (running[ends] - running[np.maximum(ends - width, 0)]) / width
        self._recent = flags[-(width - 1) :]
        over = np.flatnonzero((ends >= width) & (shares > limit) & acts)
        if not len(over):
            return _NO_BREACH
        return int(over[0]), "max_share_of_items", float(shares[over[0]]), limit

    def _hour_breach(self, acts: NDArray[np.bool_], times: NDArray[np.float64] | None) -> _Breach:
        """The first row that would be one too many within an hour."""
        limit = self.guards.max_actions_per_hour
        if limit is None or times is None:
            return _NO_BREACH
        for row in np.flatnonzero(acts):
            now = float(times[row])
            if self._times:
                now = max(now, self._times[-1])
            while self._times and self._times[0] <= now - _HOUR_S:
                self._times.popleft()
            if len(self._times) >= limit:
                return int(row), "max_actions_per_hour", len(self._times) + 1, limit
            self._times.append(now)
        return _NO_BREACH

    def reset(self) -> None:
        """Close the breaker: a person has looked. Counting starts afresh."""
        self.open_since = None
        self._times.clear()
        self._recent = self._recent[:0]

    def to_dict(self) -> dict[str, Any]:
        """The state, for a restart."""
        return {
            "open_since": self.open_since,
            "n_items": self.n_items,
            "n_held": self.n_held,
            "times": list(self._times),
            "recent_items": len(self._recent),
            "recent_acts": np.flatnonzero(self._recent).tolist(),
        }

    @classmethod
    def from_dict(cls, guards: Guards, state: Mapping[str, Any]) -> Breaker:
        """A breaker that goes on where ``to_dict`` left off."""
        breaker = cls(guards)
        breaker.open_since = state["open_since"]
        breaker.n_items, breaker.n_held = state["n_items"], state["n_held"]
        breaker._times = deque(state["times"])
        breaker._recent = np.zeros(state["recent_items"], dtype=np.bool_)
        breaker._recent[state["recent_acts"]] = True
        return breaker
