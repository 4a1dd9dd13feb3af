"""Plain buffers for compiled code: a pointer to integers, indexed like an array, and vectors of eight lanes.

A ``Buffer`` knows neither its length nor its owner, so that it costs one register to pass on, one instruction to read
and next to nothing to compile, where an array costs seven values, a wrap-around test and a count of its references.
Indices are trusted: every buffer is longer than what is written to it. Items read as int64, whatever their width, or
as uint64 from buffers of ``"u8"``; a negative index is no index from the end.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model
from numpy.typing import NDArray

__all__ = [
    "LOWEST", "add_rows", "add_words", "address_of", "aligned", "call_at", "f8_at", "fill_logits", "finish",
    "finish_wide", "i1_at", "i4_at", "i8_at", "load_word", "low_zeros", "marks_at", "matching_row", "mix_logits",
    "n_ones", "prefetch", "take_best", "u8_at", "widen",
]  # fmt: skip

_LINE: Final = 64
_PAGE: Final = 1 << 21
_I1 = ir.IntType(1)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_LANES: Final = 8


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


class Buffer(types.Type):  # type: ignore[misc]
    """A pointer to numbers of `width` bits that read as `item`."""

    def __init__(self, width: int, item: Any) -> None:
        self.width = width
        self.item = item
        self.kind = ir.DoubleType() if item == types.float64 else ir.IntType(width)
        super().__init__(f"Buffer({width}, {item})")


@register_model(Buffer)
class _BufferModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Buffer) -> None:
        super().__init__(manager, kind, kind.kind.as_pointer())


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
    # only of a buffer that was made with its length before its first item
    return builder.load(builder.gep(args[0], [ir.Constant(_I64, -1)]))


@lower_builtin(operator.getitem, Buffer, types.int64)  # type: ignore[untyped-decorator]
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value = builder.load(builder.gep(args[0], [args[1]]))
    if sig.args[0].width == 64:
        return value
    # bytes are counted from 0, other integers have a sign
    return builder.zext(value, _I64) if sig.args[0].width == 8 else builder.sext(value, _I64)


@lower_builtin(operator.setitem, Buffer, types.int64, types.Any)  # type: ignore[untyped-decorator]
def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    width = sig.args[0].width
    value = args[2] if width == 64 else builder.trunc(args[2], ir.IntType(width))
    builder.store(value, builder.gep(args[0], [args[1]]))
    return context.get_dummy_value()


def _maker(kind: Buffer, name: str) -> Any:
    def make(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _pointer(builder, args[0], kind.kind)

        return kind(types.int64), generate

    make.__name__ = name
    make.__doc__ = f"A buffer of {kind.width // 8}-byte numbers at an address."
    return intrinsic(make)


i1_at = _maker(Buffer(8, types.int64), "i1_at")
i4_at = _maker(Buffer(32, types.int64), "i4_at")
i8_at = _maker(Buffer(64, types.int64), "i8_at")
u8_at = _maker(Buffer(64, types.uint64), "u8_at")
f8_at = _maker(Buffer(64, types.float64), "f8_at")


@intrinsic  # type: ignore[untyped-decorator]
def address_of(typing_context: Any, array: Any) -> Any:
    """Where the items of an array begin."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, _I64)

    return types.int64(array), generate


@intrinsic  # type: ignore[untyped-decorator]
def load_word(typing_context: Any, address: Any) -> Any:
    """Eight bytes from any place, the first one lowest (little-endian machines)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], _I64), align=1)

    return types.uint64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def low_zeros(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one; 64 for 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_I1, 0))

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def n_ones(typing_context: Any, word: Any) -> Any:
    """Number of bits that are one."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for a cache line that will be read soon."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [_pointer(builder, args[0], ir.IntType(8)), _I32(0), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.none(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def marks_at(typing_context: Any, address: Any) -> Any:
    """Of 64 bytes, one bit each: which are blanks or controls (up to 32, and 127), and which end a line."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), 64)
        text = builder.load(_pointer(builder, args[0], vector), align=1)

        def is_byte(test: str, value: int) -> Any:
            return builder.icmp_unsigned(test, text, ir.Constant(vector, [value] * 64))

        blank = builder.or_(is_byte("<=", 32), is_byte("==", 127))
        line = builder.or_(is_byte("==", 10), is_byte("==", 13))
        bits = [builder.bitcast(mask, _I64) for mask in (blank, line)]
        return context.make_tuple(builder, sig.return_type, bits)

    return types.UniTuple(types.uint64, 2)(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def matching_row(typing_context: Any, line: Any, text: Any, kept: Any) -> Any:
    """Which of the two rows of 32 bytes in a cache line begins with the 24 bytes at `text`, or 0.

    Of those bytes the bits count that are set in the 32 bytes at `kept`.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        line, text, kept = args
        half, whole = ir.VectorType(_I64, 4), ir.VectorType(_I64, 8)
        wanted = builder.and_(
            builder.load(_pointer(builder, text, half), align=1), builder.load(_pointer(builder, kept, half), align=8)
        )
        both = ir.Constant(ir.VectorType(_I32, 8), [0, 1, 2, 3] * 2)
        twice = builder.shuffle_vector(wanted, ir.Constant(half, ir.Undefined), both)
        equal = builder.icmp_unsigned("==", twice, builder.load(_pointer(builder, line, whole), align=8))
        bits = builder.zext(builder.bitcast(equal, ir.IntType(8)), _I64)

        def is_row(mask: int) -> Any:
            return builder.icmp_unsigned("==", builder.and_(bits, _I64(mask)), _I64(mask))

        second = builder.select(is_row(0x70), builder.add(line, _I64(32)), _I64(0))
        return builder.select(is_row(0x07), line, second)

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def call_at(typing_context: Any, address: Any, state: Any, text: Any, pos: Any, end: Any, slot: Any) -> Any:
    """Call compiled code that takes four integers after its state, and gives one, by its address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I64, [_I64] * 5)
        return builder.call(_pointer(builder, args[0], kind), list(args[1:]))

    return types.int64(*[types.int64] * 6), generate


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


_BYTES8 = ir.VectorType(ir.IntType(8), _LANES)
_SUMS8 = ir.VectorType(_I32, _LANES)


def _row(builder: Any, address: Any) -> Any:
    """Eight int8 weights as int32."""
    return builder.sext(builder.load(_pointer(builder, address, _BYTES8), align=1), _SUMS8)


@intrinsic  # type: ignore[untyped-decorator]
def add_rows(typing_context: Any, table: Any, rows: Any, lo: Any, hi: Any, sums: Any) -> Any:
    """Add to eight int32 at `sums` the eight int8 at ``table + rows[k]`` for each k; `rows` holds int32 offsets."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        table, rows, lo, hi, sums = args
        place = _pointer(builder, sums, _SUMS8)
        base = _pointer(builder, rows, _I32)

        def body(k: Any, values: list[Any]) -> list[Any]:
            offset = builder.zext(builder.load(builder.gep(base, [k])), _I64)
            return [builder.add(values[0], _row(builder, builder.add(table, offset)))]

        total = _loop(builder, lo, hi, [builder.load(place, align=8)], body)[0]
        builder.store(total, place, align=8)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 5), generate


@intrinsic  # type: ignore[untyped-decorator]
def add_words(
    typing_context: Any, words: Any, count: Any, base: Any, stride: Any, own: Any, rows: Any, pieces: Any
) -> Any:
    """Add up what is remembered of words: for each number in the int32 at `words`, at ``base + stride * number``.

    Eight int8 at `own` from there are added to the int32 at `rows`, the eight int32 after them to those at `pieces`.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        words, count, base, stride, own, rows, pieces = args
        numbers = _pointer(builder, words, _I32)
        places = [_pointer(builder, rows, _SUMS8), _pointer(builder, pieces, _SUMS8)]
        first = builder.add(base, own)

        def body(k: Any, values: list[Any]) -> list[Any]:
            number = builder.zext(builder.load(builder.gep(numbers, [k])), _I64)
            at = builder.add(first, builder.mul(number, stride))
            kept = builder.load(_pointer(builder, builder.add(at, ir.Constant(_I64, 8)), _SUMS8), align=8)
            return [builder.add(values[0], _row(builder, at)), builder.add(values[1], kept)]

        start = [builder.load(place, align=8) for place in places]
        zero = ir.Constant(_I64, 0)
        for place, total in zip(places, _loop(builder, zero, count, start, body), strict=True):
            builder.store(total, place, align=8)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 7), generate


LOWEST: Final = -99.0
"""Where the strongest logit begins; it stays for a head that no window has enough words for."""

_DOUBLES8 = ir.VectorType(ir.DoubleType(), _LANES)
_FLOATS8 = ir.VectorType(ir.FloatType(), _LANES)
_WIDE8 = ir.VectorType(_I64, _LANES)


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    """One value in all eight lanes."""
    spread = ir.Constant(kind, ir.Undefined)
    for lane in range(_LANES):
        spread = builder.insert_element(spread, value, ir.Constant(_I32, lane))
    return spread


def _finisher(kind: Any, name: str) -> Any:
    def make(typing_context: Any, sums: Any, factors: Any, scales: Any, bias: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            sums, factors, scales, bias, out = args
            value = ir.Constant(_DOUBLES8, [0.0] * _LANES)
            for family in range(4):
                at = builder.add(sums, ir.Constant(_I64, kind.element.width * family))
                total = builder.sitofp(builder.load(_pointer(builder, at, kind), align=8), _DOUBLES8)
                at = builder.add(factors, ir.Constant(_I64, 8 * family))
                factor = builder.load(_pointer(builder, at, ir.DoubleType()), align=8)
                value = builder.fadd(value, builder.fmul(_spread(builder, factor, _DOUBLES8), total))
            scale = builder.load(_pointer(builder, scales, _DOUBLES8), align=8)
            start = builder.load(_pointer(builder, bias, _DOUBLES8), align=8)
            logits = builder.fadd(start, builder.fmul(scale, value))
            builder.store(builder.fptrunc(logits, _FLOATS8), _pointer(builder, out, _FLOATS8), align=4)
            return context.get_dummy_value()

        return types.none(*[types.int64] * 5), generate

    make.__name__ = name
    make.__doc__ = "Eight logits as float32: bias + scale * (sum over four families of factor * sum), in this order."
    return intrinsic(make)


finish = _finisher(_SUMS8, "finish")
finish_wide = _finisher(_WIDE8, "finish_wide")


@intrinsic  # type: ignore[untyped-decorator]
def widen(typing_context: Any, sums: Any, wide: Any) -> Any:
    """Add eight int32 at `sums` to the eight int64 at `wide`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _pointer(builder, args[1], _WIDE8)
        added = builder.sext(builder.load(_pointer(builder, args[0], _SUMS8), align=4), _WIDE8)
        builder.store(builder.add(builder.load(place, align=8), added), place, align=8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def fill_logits(typing_context: Any, out: Any) -> Any:
    """Eight logits of ``LOWEST``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(ir.Constant(_FLOATS8, [LOWEST] * _LANES), _pointer(builder, args[0], _FLOATS8), align=4)
        return context.get_dummy_value()

    return types.none(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def take_best(typing_context: Any, best: Any, made: Any, least: Any, words: Any) -> Any:
    """Of eight logits at `best` and at `made` the higher ones, to `best`, where `words` are at least those asked for.

    At `least` are eight float64, one for each lane.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        best, made, least, words = args
        place = _pointer(builder, best, _FLOATS8)
        one = builder.load(place, align=4)
        other = builder.load(_pointer(builder, made, _FLOATS8), align=4)
        count = _spread(builder, builder.sitofp(words, ir.DoubleType()), _DOUBLES8)
        enough = builder.fcmp_ordered(">=", count, builder.load(_pointer(builder, least, _DOUBLES8), align=8))
        higher = builder.and_(enough, builder.fcmp_ordered(">", other, one))
        builder.store(builder.select(higher, other, one), place, align=4)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 4), generate


@intrinsic  # type: ignore[untyped-decorator]
def mix_logits(typing_context: Any, whole: Any, best: Any, shares: Any, stride: Any, steps: Any, out: Any) -> Any:
    """Eight logits of a post: share * whole + share * best + (more * steps + shift), in this order of operations.

    The four rows of eight float64 begin at `shares`, `stride` bytes apart.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole, best, shares, stride, steps, out = args
        rows = []
        for _ in range(4):
            rows.append(builder.load(_pointer(builder, shares, _DOUBLES8), align=8))
            shares = builder.add(shares, stride)
        one, other = (
            builder.fpext(builder.load(_pointer(builder, place, _FLOATS8), align=4), _DOUBLES8)
            for place in (whole, best)
        )
        count = _spread(builder, builder.sitofp(steps, ir.DoubleType()), _DOUBLES8)
        value = builder.fadd(builder.fmul(rows[0], one), builder.fmul(rows[1], other))
        value = builder.fadd(value, builder.fadd(builder.fmul(rows[2], count), rows[3]))
        builder.store(builder.fptrunc(value, _FLOATS8), _pointer(builder, out, _FLOATS8), align=4)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 6), generate


def aligned(n: int, dtype: Any) -> NDArray[Any]:
    """`n` zeros that begin on a cache line, and on a large page where they fill one."""
    size = n * np.dtype(dtype).itemsize
    step = _PAGE if size >= _PAGE else _LINE
    raw = np.zeros(size + 2 * step, dtype=np.uint8)
    skip = -raw.ctypes.data % step
    return raw[skip : skip + size].view(dtype)
