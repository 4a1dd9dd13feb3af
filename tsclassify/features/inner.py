"""A compiler for functions that only compiled code calls: they get no machine code of their own.

Numba optimizes each function with all that it calls, makes machine code of it, and does so again in each caller. Inner
functions are linked as they are, so that all of an entry is optimized once, with the entry. That saves a third of the
time to compile the kernel, at the same speed of what is made.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

__all__ = ["InnerCompiler"]


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


class InnerCompiler(Compiler):  # type: ignore[misc]
    """Numba's own pipeline, but for its last step."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_InnerLowering, text) if made is NativeLowering else (made, text) for made, text in passes.passes
        ]
        passes._finalized = False
        passes.finalize()
        return [passes]
