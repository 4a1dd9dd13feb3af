"""Compiling for the kernel: the shared token rules, the hash, and where compiled code is kept."""

from __future__ import annotations

import zlib
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np

from tsclassify import compiled
from tsclassify.features import hashing
from tsclassify.features.inner import InnerCompiler
from tsclassify.text import addresses, markup, rules, sequence, words

__all__ = ["RULES", "callback", "entry", "fingerprint", "jit", "mix", "offset_of"]

_MULTIPLIER = np.uint64(hashing.MULTIPLIER)
_SPREAD = np.uint64(hashing.SPREAD)
_HALF = np.uint64(32)


def entry(function: Any, *, counts_references: bool = False) -> Any:
    """Compile a function that Python calls, and keep the result on disk where that is possible.

    `function` must be a closure over ``fingerprint()``: the closure is part of the cache key, while numba itself
    looks only at the file of `function` and would run stale code after a change in another one. Without counts of
    references it may make no array and take no part of one.
    """
    return compiled.jit(function, _nrt=counts_references)


def callback(function: Any) -> Any:
    """Compile a function of five integers for calls by its address, and keep it as ``entry`` does.

    What is seldom called is compiled apart: within the entry it would crowd the registers of the hot loop.
    """
    return compiled.callback(function, "int64(int64, int64, int64, int64, int64)", _nrt=False)


def jit(function: Any) -> Any:
    """Compile without Python objects and without the interpreter's lock; kept on disk only within an entry."""
    # Only compiled code calls these: wrappers for Python and code of their own would cost four tenths of compile time.
    made = numba.njit(
        nogil=True,
        _nrt=False,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        no_rewrites=True,
        error_model="numpy",
        pipeline_class=InnerCompiler,
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


@jit
def mix(h: np.uint64, x: np.uint64) -> np.uint64:
    """``tsclassify.features.hashing.mix`` on unsigned words."""
    y = (h ^ x) * _MULTIPLIER
    return y ^ (y >> _HALF)


@jit
def offset_of(h: np.uint64, shift: np.uint64, stride: int) -> Any:
    """``tsclassify.features.hashing.bucket_of`` times `stride`, with ``shift = 64 - bits``."""
    return np.int64((h * _SPREAD) >> shift) * stride


def _compile_rules() -> dict[str, Any]:
    """Each rule as a compiled function that calls the other compiled ones."""
    scope: dict[str, Any] = {}
    for module in (words, markup, addresses, rules, sequence):
        scope |= vars(module)
    for rule in (*words.COMPILED, *markup.COMPILED, *addresses.COMPILED, *rules.COMPILED, *sequence.COMPILED):
        plain = FunctionType(rule.__code__, scope, rule.__name__)
        plain.__module__ = rule.__module__
        plain.__qualname__ = rule.__qualname__
        scope[rule.__name__] = jit(plain)
    return scope


RULES = _compile_rules()


def fingerprint() -> int:
    """A number that changes when a source of the kernel changes; numba itself looks at the entry's file only."""
    # all of both folders: constants of any module may be frozen into machine code, or size the buffers it writes
    folders = (Path(__file__).parent, Path(rules.__file__).parent)
    files = sorted(file for folder in folders for file in folder.glob("*.py"))
    stamps = []
    for file in (*files, Path(compiled.__file__)):
        state = file.stat()
        stamps.append((file.name, state.st_mtime_ns, state.st_size))
    return zlib.crc32(repr(stamps).encode())
