"""Compiling with numba: machine code is kept on disk where that is possible, and made anew where it is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numba
from numba.core import event
from numba.np import linalg

__all__ = ["callback", "jit"]

_said: list[str] = []


class _Teller(event.Listener):  # type: ignore[misc]
    """Says on stderr what is compiled before it is: it takes seconds, and happens once on a machine."""

    def __init__(self) -> None:
        self._depth = 0

    def on_start(self, event: Any) -> None:
        self._depth += 1
        function = event.data["dispatcher"].py_func
        if self._depth == 1 and sys.stderr is not None and function.__module__.startswith("tsclassify."):
            place = function.__module__.removeprefix("tsclassify.")
            sys.stderr.write(f"tsclassify: compiling {place}, once\n")
            sys.stderr.flush()

    def on_end(self, event: Any) -> None:
        self._depth -= 1


event.register("numba:compile", _Teller())


def _put_off_scipy() -> None:
    """Let numba load scipy's linear algebra where it is called, not before anything at all is compiled or loaded.

    To know whether it is there, ``numba.np.arraymath`` loads it: a tenth of a second and 16 MB in every process, for
    what no code here calls. Whatever does call it has numba ask again.
    """
    if "numba.np.arraymath" in sys.modules or find_spec("scipy") is None:
        return
    asked = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        from numba.np import arraymath
    finally:
        linalg.ensure_blas = asked
    arraymath.ensure_blas = asked


_put_off_scipy()


def jit(function: Any, **options: Any) -> Any:
    """Compile without Python objects and without the interpreter's lock, and keep the result on disk.

    Parameters
    ----------
    function
        What to compile.
    options
        Further options of ``numba.njit``, for example ``inline``.

    Notes
    -----
    Numba keeps machine code in ``NUMBA_CACHE_DIR``, else beside the module, else in the user's cache folder. Where
    none can be written (a read-only installation and no home folder) code is compiled in every process, and that is
    said once. A folder that others can write is never used, since loading a cache runs it.
    """
    return _kept(lambda cache: numba.njit(function, nogil=True, cache=cache, **options))


def callback(function: Any, signature: str, **options: Any) -> Any:
    """Compile a function that compiled code calls by its ``address``; kept on disk as by ``jit``."""
    return _kept(lambda cache: numba.cfunc(signature, nopython=True, cache=cache, **options)(function))


def _kept(make: Callable[[bool], Any]) -> Any:
    try:
        return make(True)
    except RuntimeError:
        if not _said:
            _said.append("said")
            sys.stderr.write("tsclassify: no writable cache folder, so code is compiled in every process\n")
        return make(False)
