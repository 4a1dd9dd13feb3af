"""Work on threads, results in order, no more in memory than the threads need."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tsclassify.errors import InputError

__all__ = ["in_order"]

Unit = TypeVar("Unit")
Result = TypeVar("Result")


def in_order(
    units: Iterator[Unit], work: Callable[[Unit], Result], *, workers: int, stop: threading.Event
) -> Generator[tuple[Unit, Result], None, None]:
    """Yield every unit with its result, in the order of the units.

    Parameters
    ----------
    units
        Read in the calling thread, at most ``workers + 1`` ahead of the results.
    work
        Called on threads; in the calling thread when `workers` is 1.
    workers
        Number of threads.
    stop
        When set, no further unit is read; those in work are still yielded.

    Notes
    -----
    A fault of the input and an interrupt come after the units read before them: those are yielded first.
    """
    if workers == 1:
        for unit in units:
            yield unit, work(unit)
            if stop.is_set():
                return
        return
    waiting: deque[tuple[Unit, Future[Result]]] = deque()
    fault: BaseException | None = None
    is_read = False
    with ThreadPoolExecutor(workers, thread_name_prefix="score") as pool:
        while True:
            while len(waiting) <= workers and not (is_read or stop.is_set()):
                try:
                    unit = next(units)
                except StopIteration:
                    is_read = True
                except (InputError, KeyboardInterrupt) as error:
                    fault, is_read = error, True
                else:
                    waiting.append((unit, pool.submit(work, unit)))
            if not waiting:
                break
            first, result = waiting.popleft()
            yield first, result.result()
    if fault is not None:
        raise fault
