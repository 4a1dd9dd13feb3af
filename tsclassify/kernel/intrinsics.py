"""What numba lacks for the kernel: pointers, structs, vectors of eight heads, calls by address; and how it compiles.

A ``Buffer`` is a pointer to numbers or structs that is indexed like an array; a ``Struct`` is a pointer to named
fields. Neither knows its length or its owner, so passing one on costs one register and reading it one instruction,
where an array costs seven values, a wrap-around test and a reference count. Code that uses them trusts its indices:
each buffer is longer than what is written to it. Numbers read as int64, whatever their width, or as uint64 from a
buffer of ``WORDS``; a negative index does not count from the end.
"""

from __future__ import annotations

import inspect
import operator
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_builtin,
    lower_getattr_generic,
    lower_setattr_generic,
    models,
    register_model,
)
from numpy.typing import NDArray

from tsclassify import compiled
from tsclassify.features import hashing
from tsclassify.text import addresses, markup, passages, rules, sequence, words

__all__ = [
    "BYTES", "DOUBLES", "HEADS", "INT", "INTS", "INTS32", "LOWEST", "RULES", "WORD", "WORDS", "Buffer", "Struct",
    "add_rows", "add_words", "address_of", "aligned", "at_address", "call_at", "callback", "entry", "fill_logits",
    "fingerprint", "finish", "finish_wide", "jit", "load_word", "low_zeros", "marks_at", "matching_row", "mix",
    "mix_logits", "n_ones", "offset_of", "prefetch", "skip", "take_best", "widen",
]  # fmt: skip

HEADS: Final = 8
"""Heads that one vector instruction serves."""

INT: Final = types.int64
WORD: Final = types.uint64

_LINE: Final = 64
_PAGE: Final = 1 << 21
_I1 = ir.IntType(1)
_I8 = ir.IntType(8)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    if isinstance(address.type, ir.PointerType):
        return builder.bitcast(address, kind.as_pointer())
    return builder.inttoptr(address, kind.as_pointer())


class Buffer(types.Type):  # type: ignore[misc]
    """A pointer to items of `size` bytes: numbers that read as `item`, or structs."""

    def __init__(self, size: int, item: Any) -> None:
        self.size = size
        self.item = item
        self.kind = ir.DoubleType() if item == types.float64 else ir.IntType(8 * size if size <= 8 else 8)
        super().__init__(f"Buffer({size}, {item})")


class Struct(types.Type):  # type: ignore[misc]
    """A pointer to fields of eight bytes, or to buffers that lie within the struct.

    Parameters
    ----------
    title
        Its name; two structs of one name are one type.
    fields
        Name of each field, in order, to its type: ``INT``, ``WORD``, or a pointer to a ``Buffer`` or ``Struct``; or to
        (``Buffer``, bytes) for a buffer within the struct.

    Attributes
    ----------
    offsets
        Name of each field to where it begins, in bytes.
    size
        Bytes in all.
    """

    def __init__(self, title: str, fields: Mapping[str, Any]) -> None:
        self.title = title
        self.fields = dict(fields)
        self.offsets: dict[str, int] = {}
        self.size = 0
        for name, kind in self.fields.items():
            self.offsets[name] = self.size
            self.size += kind[1] if isinstance(kind, tuple) else 8
        super().__init__(f"Struct({title})")


BYTES: Final = Buffer(1, types.int64)
INTS32: Final = Buffer(4, types.int64)
INTS: Final = Buffer(8, types.int64)
WORDS: Final = Buffer(8, types.uint64)
DOUBLES: Final = Buffer(8, types.float64)


@register_model(Buffer)
class _BufferModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Buffer) -> None:
        super().__init__(manager, kind, kind.kind.as_pointer())


@register_model(Struct)
class _StructModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Struct) -> None:
        super().__init__(manager, kind, _I8.as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = Struct

    def generic_resolve(self, struct: Struct, name: str) -> Any:
        kind = struct.fields.get(name)
        return kind[0] if isinstance(kind, tuple) else kind


def _field(builder: Any, struct: Any, value: Any, name: str, kind: Any) -> Any:
    place = builder.gep(value, [ir.Constant(_I64, struct.offsets[name])])
    return builder.bitcast(place, kind.as_pointer())


@lower_getattr_generic(Struct)  # type: ignore[untyped-decorator]
def _get_field(context: Any, builder: Any, struct: Any, value: Any, name: str) -> Any:
    kind = struct.fields[name]
    if isinstance(kind, tuple):
        return _field(builder, struct, value, name, kind[0].kind)
    return builder.load(_field(builder, struct, value, name, context.get_value_type(kind)))


@lower_setattr_generic(Struct)  # type: ignore[untyped-decorator]
def _set_field(context: Any, builder: Any, sig: Any, args: Any, name: str) -> None:
    struct = sig.args[0]
    builder.store(args[1], _field(builder, struct, args[0], name, context.get_value_type(struct.fields[name])))


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Buffer):
            return signature(args[0].item, args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Buffer):
            return signature(types.none, args[0], types.int64, args[0].item)
        return None


@infer_global(len)
class _Len(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Buffer):
            return signature(types.int64, args[0])
        return None


@lower_builtin(len, Buffer)  # type: ignore[untyped-decorator]
def _length(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    # only of a buffer whose maker put the length before the first item
    return builder.load(builder.gep(args[0], [ir.Constant(_I64, -1)]))


def _item(builder: Any, buffer: Any, value: Any, k: Any) -> Any:
    """Pointer to item k."""
    if isinstance(buffer.item, Struct):
        k = builder.mul(k, ir.Constant(_I64, buffer.size))
    return builder.gep(value, [k])


@lower_builtin(operator.getitem, Buffer, types.int64)  # type: ignore[untyped-decorator]
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    buffer = sig.args[0]
    place = _item(builder, buffer, *args)
    if isinstance(buffer.item, Struct):
        return place
    value = builder.load(place)
    if buffer.size == 8:
        return value
    # bytes are counted from 0, other integers have a sign
    return builder.zext(value, _I64) if buffer.size == 1 else builder.sext(value, _I64)


@lower_builtin(operator.setitem, Buffer, types.int64, types.Any)  # type: ignore[untyped-decorator]
def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    size = sig.args[0].size
    value = args[2] if size == 8 else builder.trunc(args[2], ir.IntType(8 * size))
    builder.store(value, builder.gep(args[0], [args[1]]))
    return context.get_dummy_value()


def at_address(kind: Any) -> Any:
    """An intrinsic that reads an address as this ``Buffer`` or ``Struct``."""

    def make(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(kind))

        return kind(types.int64), generate

    make.__name__ = f"at_address_{kind}"
    return intrinsic(make)


@intrinsic  # type: ignore[untyped-decorator]
def address_of(typing_context: Any, thing: Any) -> Any:
    """Where an array, a buffer or a struct begins."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = args[0]
        if isinstance(sig.args[0], types.Array):
            data = context.make_array(sig.args[0])(context, builder, data).data
        return builder.ptrtoint(data, _I64)

    return types.int64(thing), generate


@intrinsic  # type: ignore[untyped-decorator]
def skip(typing_context: Any, buffer: Any, k: Any) -> Any:
    """The buffer from item k on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _item(builder, sig.args[0], *args)

    return buffer(buffer, types.int64), generate


def _addresses(builder: Any, args: Any) -> list[Any]:
    """The same values, pointers as integers."""
    return [builder.ptrtoint(arg, _I64) if isinstance(arg.type, ir.PointerType) else arg for arg in args]


def _instruction(result: Any) -> Callable[[Any], Any]:
    """Make an intrinsic of a function that emits instructions for integers; callers may pass pointers for addresses."""

    def decorate(emit: Any) -> Any:
        def make(typing_context: Any, *args: Any) -> Any:
            def generate(context: Any, builder: Any, sig: Any, values: Any) -> Any:
                value = emit(builder, *_addresses(builder, values))
                if isinstance(value, tuple):
                    return context.make_tuple(builder, sig.return_type, value)
                return context.get_dummy_value() if value is None else value

            kept = (Buffer, Struct)
            return result(*[kind if isinstance(kind, kept) or kind == WORD else INT for kind in args]), generate

        # numba calls `make` with the parameters of `emit`, its context in place of the builder
        make.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]
        make.__name__ = emit.__name__
        make.__doc__ = emit.__doc__
        return intrinsic(make)

    return decorate


@_instruction(types.none)
def prefetch(builder: Any, place: Any) -> None:
    """Start to load the cache line of an address, a buffer or a struct that will be read soon."""
    kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
    hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(hint, [_pointer(builder, place, _I8), _I32(0), _I32(3), _I32(1)])


@_instruction(WORD)
def load_word(builder: Any, address: Any) -> Any:
    """Eight bytes from any place, the first one lowest (little-endian machines)."""
    return builder.load(_pointer(builder, address, _I64), align=1)


@_instruction(INT)
def low_zeros(builder: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one; 64 for 0."""
    return builder.cttz(word, ir.Constant(_I1, 0))


@_instruction(INT)
def n_ones(builder: Any, word: Any) -> Any:
    """Number of bits that are one."""
    return builder.ctpop(word)


@_instruction(types.UniTuple(WORD, 2))
def marks_at(builder: Any, address: Any) -> Any:
    """Of 64 bytes, one bit each: which are blanks or controls (up to 32, and 127), and which end a line."""
    vector = ir.VectorType(_I8, 64)
    text = builder.load(_pointer(builder, address, vector), align=1)

    def is_byte(test: str, value: int) -> Any:
        return builder.icmp_unsigned(test, text, ir.Constant(vector, [value] * 64))

    blank = builder.or_(is_byte("<=", 32), is_byte("==", 127))
    line = builder.or_(is_byte("==", 10), is_byte("==", 13))
    return builder.bitcast(blank, _I64), builder.bitcast(line, _I64)


@_instruction(INT)
def matching_row(builder: Any, line: Any, text: Any, masks: Any) -> Any:
    """Which of the two rows of 32 bytes in a cache line begins with the 24 bytes at `text`, or 0.

    Of those bytes the bits count that are set in the 32 bytes at `masks`.
    """
    half, whole = ir.VectorType(_I64, 4), ir.VectorType(_I64, 8)
    wanted = builder.and_(
        builder.load(_pointer(builder, text, half), align=1), builder.load(_pointer(builder, masks, half), align=8)
    )
    both = ir.Constant(ir.VectorType(_I32, 8), [0, 1, 2, 3] * 2)
    twice = builder.shuffle_vector(wanted, ir.Constant(half, ir.Undefined), both)
    equal = builder.icmp_unsigned("==", twice, builder.load(_pointer(builder, line, whole), align=8))
    bits = builder.zext(builder.bitcast(equal, _I8), _I64)

    def is_row(mask: int) -> Any:
        return builder.icmp_unsigned("==", builder.and_(bits, _I64(mask)), _I64(mask))

    second = builder.select(is_row(0x70), builder.add(line, _I64(32)), _I64(0))
    return builder.select(is_row(0x07), line, second)


@_instruction(INT)
def call_at(builder: Any, callback: Any, state: Any, place: Any, pos: Any, end: Any, task: Any) -> Any:
    """Call a compiled callback by its address, with the state, a place, two integers and a task; gives an integer."""
    kind = ir.FunctionType(_I64, [_I64] * 5)
    return builder.call(_pointer(builder, callback, kind), [state, place, pos, end, task])


def _loop(builder: Any, lo: Any, hi: Any, start: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    """``for k in range(lo, hi): values = body(k, values)`` with the values in registers."""
    before = builder.block
    test = builder.append_basic_block("test")
    inside = builder.append_basic_block("inside")
    after = builder.append_basic_block("after")
    builder.branch(test)
    builder.position_at_end(test)
    k = builder.phi(_I64)
    k.add_incoming(lo, before)
    values = [builder.phi(value.type) for value in start]
    for phi, value in zip(values, start, strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", k, hi), inside, after)
    builder.position_at_end(inside)
    following = body(k, values)
    last = builder.block
    k.add_incoming(builder.add(k, ir.Constant(_I64, 1)), last)
    for phi, value in zip(values, following, strict=True):
        phi.add_incoming(value, last)
    builder.branch(test)
    builder.position_at_end(after)
    return values


_BYTES8 = ir.VectorType(_I8, HEADS)
_SUMS8 = ir.VectorType(_I32, HEADS)
_WIDE8 = ir.VectorType(_I64, HEADS)
_FLOATS8 = ir.VectorType(ir.FloatType(), HEADS)
_DOUBLES8 = ir.VectorType(ir.DoubleType(), HEADS)


def _load(builder: Any, address: Any, kind: Any, align: int = 8) -> Any:
    return builder.load(_pointer(builder, address, kind), align=align)


def _store(builder: Any, value: Any, address: Any, align: int = 8) -> None:
    builder.store(value, _pointer(builder, address, value.type), align=align)


def _row(builder: Any, address: Any) -> Any:
    """Eight int8 weights as int32."""
    return builder.sext(_load(builder, address, _BYTES8, 1), _SUMS8)


@_instruction(types.none)
def add_rows(builder: Any, table: Any, rows: Any, lo: Any, hi: Any, sums: Any) -> None:
    """Add to eight int32 at `sums` the eight int8 at ``table + rows[k]`` for each k; `rows` holds int32 offsets."""
    base = _pointer(builder, rows, _I32)

    def body(k: Any, values: list[Any]) -> list[Any]:
        offset = builder.zext(builder.load(builder.gep(base, [k])), _I64)
        return [builder.add(values[0], _row(builder, builder.add(table, offset)))]

    _store(builder, _loop(builder, lo, hi, [_load(builder, sums, _SUMS8)], body)[0], sums)


@_instruction(types.none)
def add_words(builder: Any, words: Any, count: Any, base: Any, stride: Any, own: Any, rows: Any, pieces: Any) -> None:
    """Add up what is cached of words: for each number in the int32 at `words`, at ``base + stride * number``.

    Eight int8 at `own` from there are added to the int32 at `rows`, the eight int32 after them to those at `pieces`.
    """
    numbers = _pointer(builder, words, _I32)
    first = builder.add(base, own)

    def body(k: Any, values: list[Any]) -> list[Any]:
        number = builder.zext(builder.load(builder.gep(numbers, [k])), _I64)
        at = builder.add(first, builder.mul(number, stride))
        cached = _load(builder, builder.add(at, ir.Constant(_I64, 8)), _SUMS8)
        return [builder.add(values[0], _row(builder, at)), builder.add(values[1], cached)]

    start = [_load(builder, place, _SUMS8) for place in (rows, pieces)]
    zero = ir.Constant(_I64, 0)
    for place, total in zip((rows, pieces), _loop(builder, zero, count, start, body), strict=True):
        _store(builder, total, place)


LOWEST: Final = -99.0
"""Where the strongest logit begins; it stays for a head that no window has enough words for."""


def _spread(builder: Any, value: Any) -> Any:
    """One float64 in all eight places; an integer is converted."""
    if isinstance(value.type, ir.IntType):
        value = builder.sitofp(value, ir.DoubleType())
    spread = ir.Constant(_DOUBLES8, ir.Undefined)
    for head in range(HEADS):
        spread = builder.insert_element(spread, value, ir.Constant(_I32, head))
    return spread


def _finisher(kind: Any, name: str) -> Any:
    def emit(builder: Any, sums: Any, factors: Any, scales: Any, bias: Any, out: Any) -> None:
        value = ir.Constant(_DOUBLES8, [0.0] * HEADS)
        for family in range(4):
            at = builder.add(sums, ir.Constant(_I64, kind.element.width * family))
            total = builder.sitofp(_load(builder, at, kind), _DOUBLES8)
            at = builder.add(factors, ir.Constant(_I64, 8 * family))
            factor = _spread(builder, _load(builder, at, ir.DoubleType()))
            value = builder.fadd(value, builder.fmul(factor, total))
        scaled = builder.fmul(_load(builder, scales, _DOUBLES8), value)
        logits = builder.fadd(_load(builder, bias, _DOUBLES8), scaled)
        _store(builder, builder.fptrunc(logits, _FLOATS8), out, 4)

    emit.__name__ = name
    emit.__doc__ = "Eight logits as float32: bias + scale * (sum over four families of factor * sum), in this order."
    return _instruction(types.none)(emit)


finish = _finisher(_SUMS8, "finish")
finish_wide = _finisher(_WIDE8, "finish_wide")


@_instruction(types.none)
def widen(builder: Any, sums: Any, wide: Any) -> None:
    """Add eight int32 at `sums` to the eight int64 at `wide`."""
    added = builder.sext(_load(builder, sums, _SUMS8, 4), _WIDE8)
    _store(builder, builder.add(_load(builder, wide, _WIDE8), added), wide)


@_instruction(types.none)
def fill_logits(builder: Any, out: Any) -> None:
    """Eight logits of ``LOWEST``."""
    _store(builder, ir.Constant(_FLOATS8, [LOWEST] * HEADS), out, 4)


@_instruction(types.none)
def take_best(builder: Any, best: Any, logits: Any, least: Any, words: Any) -> None:
    """Of eight logits at `best` and at `logits` the higher ones, to `best`, where `words` are at least those asked for.

    At `least` are eight float64, one for each head.
    """
    one, other = _load(builder, best, _FLOATS8, 4), _load(builder, logits, _FLOATS8, 4)
    enough = builder.fcmp_ordered(">=", _spread(builder, words), _load(builder, least, _DOUBLES8))
    higher = builder.and_(enough, builder.fcmp_ordered(">", other, one))
    _store(builder, builder.select(higher, other, one), best, 4)


@_instruction(types.none)
def mix_logits(builder: Any, whole: Any, best: Any, shares: Any, stride: Any, steps: Any, out: Any) -> None:
    """Eight logits of a post: share * whole + share * best + (more * steps + shift), in this order of operations.

    The four rows of eight float64 begin at `shares`, `stride` bytes apart.
    """
    rows = []
    for _ in range(4):
        rows.append(_load(builder, shares, _DOUBLES8))
        shares = builder.add(shares, stride)
    one, other = (builder.fpext(_load(builder, place, _FLOATS8, 4), _DOUBLES8) for place in (whole, best))
    value = builder.fadd(builder.fmul(rows[0], one), builder.fmul(rows[1], other))
    value = builder.fadd(value, builder.fadd(builder.fmul(rows[2], _spread(builder, steps)), rows[3]))
    _store(builder, builder.fptrunc(value, _FLOATS8), out, 4)


def aligned(n: int, dtype: Any) -> NDArray[Any]:
    """`n` zeros that begin on a cache line, and on a large page where they fill one."""
    size = n * np.dtype(dtype).itemsize
    step = _PAGE if size >= _PAGE else _LINE
    raw = np.zeros(size + 2 * step, dtype=np.uint8)
    skip = -raw.ctypes.data % step
    return raw[skip : skip + size].view(dtype)


# ---- Compiling

_MULTIPLIER = np.uint64(hashing.MULTIPLIER)
_SPREAD = np.uint64(hashing.SPREAD)
_HALF = np.uint64(32)


def entry(function: Any, *, counts_references: bool = False) -> Any:
    """Compile a function that Python calls, and keep the result on disk where that is possible.

    `function` must be a closure over ``fingerprint()``: the closure is part of the cache key, while numba itself
    looks only at the file of `function` and would run stale code after a change in another one. Without reference
    counts it may make no array and take no part of one.
    """
    return compiled.jit(function, _nrt=counts_references)


def callback(function: Any) -> Any:
    """Compile a function of five integers for calls by its address, and keep it as ``entry`` does.

    A callback is compiled apart: within the entry its code would crowd the registers of the hot loop.
    """
    return compiled.callback(function, "int64(int64, int64, int64, int64, int64)", _nrt=False)


def jit(function: Any) -> Any:
    """Compile without Python objects and without the interpreter's lock; kept on disk only within an entry."""
    return compiled.inner(function)


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
    """Each token rule as a compiled function that calls the other compiled ones."""
    modules = (words, markup, addresses, rules, sequence, passages)
    scope: dict[str, Any] = {}
    for module in modules:
        scope |= vars(module)
    for module in modules:
        for rule in module.COMPILED:
            plain = FunctionType(rule.__code__, scope, rule.__name__)
            plain.__module__ = rule.__module__
            plain.__qualname__ = rule.__qualname__
            scope[rule.__name__] = jit(plain)
    return scope


RULES: Final = _compile_rules()
"""Name to compiled function of every rule that the reference runs as it stands."""


def fingerprint() -> int:
    """A number that changes when a source of the kernel changes; numba itself looks at the entry's file only."""
    # all of these folders: constants of any module may be frozen into machine code, or size the buffers it writes
    folders = (Path(__file__).parent, Path(hashing.__file__).parent, Path(rules.__file__).parent)
    files = sorted(file for folder in folders for file in folder.glob("*.py"))
    stamps = []
    for file in (*files, Path(compiled.__file__)):
        state = file.stat()
        stamps.append((file.name, state.st_mtime_ns, state.st_size))
    return zlib.crc32(repr(stamps).encode())
