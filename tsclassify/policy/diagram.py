"""Functions over all possible items, as multi-valued decision diagrams: what makes a policy's answers provable.

A policy tells few things apart: a score lies between two thresholds, a signal has three values, a field one of few
kinds. A function over these facts is a diagram: a node asks one variable and has one branch for each of its values;
equal parts are one node, so that two functions are equal just when they are the same node (Source: Bryant 1986,
*Graph-Based Algorithms for Boolean Function Manipulation*; with more than two values: Srinivasan et al. 1990).

``Diagram`` answers to numpy's operators and to ``np.where``, so that ``decide_facts`` runs on it as it runs on columns:
what is proved is the very function that decides.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tsclassify.errors import InputError

__all__ = ["Diagram", "Space"]

_OPERATIONS: Final[dict[Any, Callable[[int, int], int]]] = {
    np.minimum: min,
    np.maximum: max,
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.bitwise_or: operator.or_,
    np.bitwise_and: operator.and_,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
}

MAX_NODES: Final = 2_000_000
"""Nodes after which a policy is given up as too large to analyse; the largest pack takes a fiftieth."""


class Space:
    """The variables of some diagrams, and the table of their nodes.

    Parameters
    ----------
    sizes
        Number of values of each variable, in the order in which nodes ask them.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        # A terminal stands below all variables; its only child is its value.
        self._nodes: list[tuple[int, tuple[int, ...]]] = []
        self._ids: dict[tuple[int, tuple[int, ...]], int] = {}
        self._applied: dict[tuple[Any, int, int], int] = {}
        self._chosen: dict[tuple[int, int, int], int] = {}

    def _node(self, variable: int, children: tuple[int, ...]) -> int:
        key = (variable, children)
        number = self._ids.get(key)
        if number is None:
            if len(self._nodes) >= MAX_NODES:
                raise InputError(
                    f"policy analyze: policy must tell apart what {MAX_NODES:,} nodes can hold, got more",
                    hint="split long conditions, or drop categories and signals that the question does not need",
                )
            number = self._ids[key] = len(self._nodes)
            self._nodes.append(key)
        return number

    def _branch(self, variable: int, children: tuple[int, ...]) -> int:
        first = children[0]
        return first if all(child == first for child in children) else self._node(variable, children)

    def constant(self, value: int) -> Diagram:
        """The function that is `value` for every item."""
        return Diagram(self, self._node(len(self.sizes), (int(value),)))

    def of_variable(self, variable: int, values: Sequence[int]) -> Diagram:
        """The function that is ``values[i]`` where a variable has its value `i`."""
        leaves = tuple(self.constant(value).root for value in values)
        return Diagram(self, self._branch(variable, leaves))

    def lifted(self, value: Any) -> Diagram:
        """A diagram as it is, and a number (or an array of one) as a constant."""
        return value if isinstance(value, Diagram) else self.constant(int(np.asarray(value).reshape(-1)[0]))

    def _value(self, node: int) -> int | None:
        """The value of a terminal, else None."""
        variable, children = self._nodes[node]
        return children[0] if variable == len(self.sizes) else None

    def _children(self, node: int, variable: int) -> tuple[int, ...]:
        """The branches of a node at a variable: all the same when it does not ask it."""
        asked, children = self._nodes[node]
        return children if asked == variable else (node,) * self.sizes[variable]

    def apply(self, operation: Any, left: int, right: int) -> int:
        """The node of an operation, value by value."""
        key = (operation, left, right)
        known = self._applied.get(key)
        if known is not None:
            return known
        variable = min(self._nodes[left][0], self._nodes[right][0])
        if variable == len(self.sizes):
            value = _OPERATIONS[operation](self._nodes[left][1][0], self._nodes[right][1][0])
            result = self._node(variable, (int(value),))
        else:
            pairs = zip(self._children(left, variable), self._children(right, variable), strict=True)
            result = self._branch(variable, tuple([self.apply(operation, a, b) for a, b in pairs]))
        self._applied[key] = result
        return result

    def where(self, condition: int, yes: int, no: int) -> int:
        """The node of `yes` where the condition is not 0, of `no` elsewhere."""
        if yes == no:
            return yes
        value = self._value(condition)
        if value is not None:
            return yes if value else no
        key = (condition, yes, no)
        known = self._chosen.get(key)
        if known is None:
            variable = min(self._nodes[node][0] for node in key)
            branches = zip(*(self._children(node, variable) for node in key), strict=True)
            known = self._branch(variable, tuple([self.where(*branch) for branch in branches]))
            self._chosen[key] = known
        return known

    def values(self, root: int) -> frozenset[int]:
        """Every value that a function takes."""
        seen, stack, found = {root}, [root], set()
        while stack:
            variable, children = self._nodes[stack.pop()]
            if variable == len(self.sizes):
                found.add(children[0])
                continue
            for child in children:
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
        return frozenset(found)

    def plainest(
        self, root: int, wanted: Collection[int], efforts: Sequence[Sequence[int]]
    ) -> tuple[tuple[int, ...], int] | None:
        """Values of all variables for which a function takes a wanted value, and that value; None for none.

        Of all such combinations it is one of the least effort.

        Parameters
        ----------
        efforts
            Effort of each value of each variable; the first value takes none.
        """
        best: dict[int, tuple[int, int] | None] = {}  # node to (effort, branch)

        def effort(node: int) -> int | None:
            if node not in best:
                variable, children = self._nodes[node]
                if variable == len(self.sizes):
                    best[node] = (0, 0) if children[0] in wanted else None
                else:
                    ways = [
                        (below + efforts[variable][branch], branch)
                        for branch, child in enumerate(children)
                        if (below := effort(child)) is not None
                    ]
                    best[node] = min(ways, default=None)
            known = best[node]
            return None if known is None else known[0]

        if effort(root) is None:
            return None
        values, node = [0] * len(self.sizes), root
        while self._value(node) is None:
            variable, children = self._nodes[node]
            way = best[node]
            branch = way[1] if way is not None else 0
            values[variable], node = branch, children[branch]
        return tuple(values), self._nodes[node][1][0]


class Diagram(NDArrayOperatorsMixin):
    """A function from items to whole numbers, in the place of a column of them."""

    def __init__(self, space: Space, root: int) -> None:
        self.space, self.root = space, root

    def __len__(self) -> int:
        return 1

    def __hash__(self) -> int:
        return hash(self.root)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_: Any) -> Any:
        if method != "__call__" or ufunc not in _OPERATIONS:
            return NotImplemented
        left, right = (self.space.lifted(value).root for value in inputs)
        return Diagram(self.space, self.space.apply(ufunc, left, right))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is not np.where:
            return NotImplemented
        condition, yes, no = (self.space.lifted(value).root for value in args)
        return Diagram(self.space, self.space.where(condition, yes, no))

    def astype(self, dtype: Any, copy: bool = True) -> Diagram:
        """The same: whole numbers have one type here."""
        return self

    def any(self) -> bool:
        """Whether it is other than 0 for some item."""
        return self.values() != {0}

    def values(self) -> frozenset[int]:
        """Every value that it takes."""
        return self.space.values(self.root)

    def is_same(self, other: Diagram) -> bool:
        """Whether it has the same value for every item."""
        return self.root == other.root
