"""Compiling with numba: machine code is kept on disk where that is possible, and made anew where it is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numba
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

__all__ = ["callback", "inner", "jit"]

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


class _InnerLibrary(JITCodeLibrary):  # type: ignore[misc]
    """Code to link into that of a caller."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _InnerLowering(NativeLowering):  # type: ignore[misc]
    _name = "inner_lowering"

    def run_pass(self, state: Any) -> bool:
        library = _InnerLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library = library
        state.flags.no_compile = True
        super().run_pass(state)
        made = state["cr"]
        # compiled callers find the code by this key, which must be some builtin function of its own; Python calls none
        key = [state.func_id.func_qualname].copy
        state["cr"] = made._replace(cfunc=key)
        library.finalize()
        state.targetctx.insert_user_function(key, made.fndesc, [library])
        return True


class _InnerCompiler(Compiler):  # type: ignore[misc]
    """Numba's own pipeline, but for its last step."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_InnerLowering, text) if made is NativeLowering else (made, text) for made, text in passes.passes
        ]
        passes._finalized = False
        passes.finalize()
        return [passes]


def inner(function: Any) -> Any:
    """Compile a function that only compiled code calls; whatever calls it keeps it on disk.

    Notes
    -----
    Numba optimizes each function with all that it calls, makes machine code of it, and does so again in each caller.
    Inner functions have no machine code of their own and are linked as they are, so that all of an entry is optimized
    once, with the entry: the kernel compiles in half the time. Wrappers for Python would cost as much again.
    """
    made = numba.njit(
        nogil=True,
        _nrt=False,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        no_rewrites=True,
        error_model="numpy",
        pipeline_class=_InnerCompiler,
    )(function)
    template_for = made.get_call_template

    def general_template(args: Any, kws: Any) -> Any:
        # Else numba compiles a function again for every literal argument; this more than halves compile time.
        return template_for(
            tuple(numba.types.unliteral(arg) for arg in args),
            {name: numba.types.unliteral(arg) for name, arg in kws.items()},
        )

    made.get_call_template = general_template
    return made


def _kept(make: Callable[[bool], Any]) -> Any:
    try:
        return make(True)
    except RuntimeError:
        if not _said:
            _said.append("said")
            sys.stderr.write("tsclassify: no writable cache folder, so code is compiled in every process\n")
        return make(False)
