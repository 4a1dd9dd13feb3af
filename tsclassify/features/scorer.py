"""The scorer: packed int8 weights over the features of a post, by the compiled kernel or, for a few texts, without it.

A post is read whole and by passage: its logit is a mix of that of the whole post and that of its strongest window.

Both paths add the same integers and repeat the same float arithmetic, so their logits are equal bit for bit.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.features.reading import PostReading
from tsclassify.features.spec import FeatureSpec
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.passages import BLOCK_BYTES, block_ends

if TYPE_CHECKING:
    from tsclassify.kernel.layout import State

__all__ = ["HeadTable", "PassageMix", "Scorer"]

_PLAIN_TEXTS: Final = 48
"""Texts that a process scores without the kernel: loading it takes as long as a thousand of them (benchmarks)."""

_PLAIN_BYTES: Final = 16_384
_CHUNK: Final = 4096
_HEADS: Final = 8
_MOST_BYTES: Final = 1 << 32
"""The kernel keeps the offset of a row in 32 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class PassageMix:
    """How the logit of a post comes of that of the whole post and that of its strongest window; one number a head.

    Attributes
    ----------
    whole, strongest
        Shares of the two logits in a post of several segments, at least 0. In a post of one segment both are the same
        and count once.
    doubling
        What each doubling of the number of segments adds.
    shift
        What is added to every post of several segments.
    least_words
        A head with a number above 0 reads windows only, those with at least so many words, in every post; without such
        a window its logit is ``LOWEST``.
    """

    whole: NDArray[np.float64]
    strongest: NDArray[np.float64]
    doubling: NDArray[np.float64]
    shift: NDArray[np.float64]
    least_words: NDArray[np.float64]

    @classmethod
    def of_whole_posts(cls, n_heads: int) -> PassageMix:
        """The mix of heads that read posts as a whole."""
        none = np.zeros(n_heads)
        return cls(np.ones(n_heads), none, none, none, none)

    @classmethod
    def from_rows(cls, rows: NDArray[np.float64]) -> PassageMix:
        """The mix whose fields, in order, are the rows."""
        return cls(*rows)

    def rows(self) -> NDArray[np.float64]:
        """The fields in order: float64, shape (5, heads)."""
        return np.array([self.whole, self.strongest, self.doubling, self.shift, self.least_words], dtype=np.float64)

    def head_rows(self) -> NDArray[np.float64]:
        """As the kernel takes it: shares in posts of one segment, four rows, and of several; then the least words."""
        reads_windows = (self.least_words > 0).astype(np.float64)
        none = np.zeros_like(reads_windows)
        single = [1.0 - reads_windows, reads_windows, none, none]
        return np.array([*single, *self.rows()], dtype=np.float64)


class HeadTable:
    """Weights with their final arithmetic, in both forms."""

    def __init__(
        self, spec: FeatureSpec, weights: Any, scales: Any, bias: Any, passages: PassageMix | None, place: str
    ) -> None:
        array = np.asarray(weights)
        if array.dtype != np.int8 or array.ndim != 2 or array.shape[0] != spec.n_buckets:
            raise InputError(
                f"{place}: weights must be int8 of shape ({spec.n_buckets}, heads), got {array.dtype} {array.shape}"
            )
        self.n_heads = array.shape[1]
        padded = -self.n_heads % _HEADS
        if array.shape[0] * (self.n_heads + padded) > _MOST_BYTES:
            raise InputError(f"{place}: weights must take at most 2**32 bytes, got shape {array.shape}")
        self.weights = np.pad(array, ((0, 0), (0, padded))) if padded else np.ascontiguousarray(array)
        mixing = (PassageMix.of_whole_posts(self.n_heads) if passages is None else passages).head_rows()
        rows = [np.asarray(values, dtype=np.float64) for values in (scales, bias, *mixing)]
        self.heads: NDArray[np.float64] = np.zeros((len(rows), self.n_heads + padded), dtype=np.float64)
        for number, values in enumerate(rows):
            if values.shape != (self.n_heads,) or not np.isfinite(values).all():
                raise InputError(f"{place}: scales and bias must be {self.n_heads} finite numbers, got {values.shape}")
            self.heads[number, : self.n_heads] = values

    def place(self) -> None:
        """Move the weights to where a row never lies across two cache lines."""
        from tsclassify.kernel.intrinsics import aligned

        placed = aligned(self.weights.size, np.int8).reshape(self.weights.shape)
        placed[:] = self.weights
        self.weights = placed


class Scorer:
    """Logits of posts from packed int8 weights.

    Parameters
    ----------
    spec, lexicon
        What the features are.
    weights
        int8, shape (2**bits, heads): one head per category, and further ones; eight heads cost as much as one.
    scales, bias
        float, shape (heads,): ``logit = bias + scale * (sum of family norm * sum of int8 rows)``.
    signal_weights, signal_scales, signal_bias
        The same for the second table, read only for the rows asked for; or None.
    passages, signal_passages
        How the logits of passages make up those of posts; None to read posts as a whole.

    Raises
    ------
    InputError
        When shapes or types do not fit, or the spec has ``dedup="feature"``.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        lexicon: Lexicon,
        weights: Any,
        scales: Any,
        bias: Any,
        signal_weights: Any = None,
        signal_scales: Any = None,
        signal_bias: Any = None,
        *,
        passages: PassageMix | None = None,
        signal_passages: PassageMix | None = None,
    ) -> None:
        if spec.dedup == "feature":
            raise InputError("scorer: dedup of the feature spec must be 'none' or 'word', got 'feature'")
        self.spec = spec
        self.lexicon = lexicon
        self.parts = [HeadTable(spec, weights, scales, bias, passages, "scorer")]
        if signal_weights is not None:
            self.parts.append(
                HeadTable(spec, signal_weights, signal_scales, signal_bias, signal_passages, "scorer signals")
            )
        self._kernel: Any = None
        self._miss: Any = None
        self._states: tuple[list[State], ...] = tuple([] for _ in self.parts)
        self._lock = threading.Lock()
        self._n_plain = 0
        self._width = self.parts[0].heads.shape[1]

    def logits(self, data: NDArray[np.uint8], offsets: NDArray[np.int64], *, threads: int = 1) -> NDArray[np.float32]:
        """Logits of all posts.

        Parameters
        ----------
        data
            uint8: UTF-8 of all posts; invalid bytes read as an unknown sign.
        offsets
            int64, shape (n + 1,): post i is ``data[offsets[i]:offsets[i + 1]]``.
        threads
            How many threads share the work; the result does not depend on it.

        Returns
        -------
        numpy.ndarray
            float32, shape (n, heads).
        """
        whole = len(offsets) == 2 and offsets[0] == 0 and offsets[1] == len(data)
        if self._kernel is not None and whole and data.dtype == np.uint8 and len(data) <= BLOCK_BYTES:
            return self.logits_one(data.tobytes())[np.newaxis]
        return self._run(0, data, offsets, None, threads)

    def signal_logits(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], rows: NDArray[np.int64], *, threads: int = 1
    ) -> NDArray[np.float32]:
        """Logits of the second table for the posts numbered in `rows` only: float32, shape (len(rows), heads)."""
        if len(self.parts) < 2:
            raise InputError("scorer: signals must have weights, got none")
        return self._run(1, data, offsets, np.ascontiguousarray(rows, dtype=np.int64), threads)

    def logits_one(self, text: bytes) -> NDArray[np.float32]:
        """Logits of one post in UTF-8: float32, shape (heads,)."""
        if self._kernel is None or len(text) > BLOCK_BYTES:
            one = np.array([0, len(text)], dtype=np.int64)
            first: NDArray[np.float32] = self._run(0, np.frombuffer(text, dtype=np.uint8), one, None, 1)[0]
            return first
        state = self._take(0)
        out = np.empty((1, self._width), dtype=np.float32)
        tail = np.frombuffer(text + _PADDING, dtype=np.uint8)
        state.one[1] = len(text)
        self._kernel(_NOTHING, state.one, _FIRST, tail, 0, out, state.words)
        self._states[0].append(state)
        return out[0, : self.parts[0].n_heads]

    def warm_up(self) -> None:
        """Load the kernel now, compiling it when it is not in the cache."""
        if self._kernel is not None:
            return
        with self._lock:
            if self._kernel is None:
                self._kernel = self._load()

    def _load(self) -> Any:
        from tsclassify.kernel import layout, passages, scan

        self._tables = layout.make_tables(self.spec, self.lexicon)
        for table in self.parts:
            table.place()
        kernel = passages.make_entry()
        folder = kernel.stats.cache_path
        # without a folder, that was said already when the kernel was made
        if folder is not None and not any(Path(folder).glob("passages.make_entry*.nbc")):
            sys.stderr.write("tsclassify: compiling the scoring kernel, once\n")
            sys.stderr.flush()
        self._miss = scan.make_miss()
        return kernel

    def _take(self, part: int) -> State:
        """Caches and scratch buffers for one table: those that no thread uses, or new ones."""
        try:
            return self._states[part].pop()
        except IndexError:
            from tsclassify.kernel.layout import State
        table = self.parts[part]
        return State(self._tables, table.weights, table.heads, miss=self._miss.address)

    def _run(self, part: int, data: Any, offsets: Any, rows: Any, threads: int) -> NDArray[np.float32]:
        data, offsets = _checked(data, offsets)
        if rows is None:
            rows = np.arange(len(offsets) - 1, dtype=np.int64)
        elif len(rows) and not (rows.min() >= 0 and rows.max() < len(offsets) - 1):
            raise InputError(f"scorer: rows must lie in 0 to {len(offsets) - 2}, got {rows.min()} to {rows.max()}")
        table = self.parts[part]
        out = np.empty((len(rows), table.heads.shape[1]), dtype=np.float32)
        if self._kernel is None:
            size = int((offsets[rows + 1] - offsets[rows]).sum()) if len(rows) else 0
            if size <= _PLAIN_BYTES and self._n_plain + len(rows) <= _PLAIN_TEXTS:
                self._n_plain += len(rows)
                return self._plain(table, data, offsets, rows)
            self.warm_up()
        offsets, blocks, firsts = _blocks(data, offsets, rows)
        tail = _tail(data, offsets)
        if threads <= 1 or len(rows) <= _CHUNK:
            self._chunk(part, data, offsets, blocks, tail, out)
        else:
            spans = range(0, len(rows), _CHUNK)
            with ThreadPoolExecutor(threads) as pool:
                list(
                    pool.map(
                        lambda at: self._chunk(
                            part,
                            data,
                            offsets,
                            blocks[firsts[at] : firsts[min(at + _CHUNK, len(rows))]],
                            tail,
                            out[at : at + _CHUNK],
                        ),
                        spans,
                    )
                )
        return out[:, : table.n_heads]

    def _chunk(self, part: int, data: Any, offsets: Any, rows: Any, tail: Any, out: Any) -> None:
        state = self._take(part)
        self._kernel(data, offsets, rows, *tail, out, state.words)
        self._states[part].append(state)

    def _plain(self, table: HeadTable, data: Any, offsets: Any, rows: Any) -> NDArray[np.float32]:
        """The same sums and the same float steps as the kernel, post by post."""
        out = np.empty((len(rows), table.n_heads), dtype=np.float32)
        for number, row in enumerate(rows.tolist()):
            text = data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8", "replace")
            out[number] = PostReading(text, self.spec, self.lexicon).logits(table)
        return out


def _blocks(data: Any, offsets: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Offsets of all blocks, the numbers of those of `rows` as the kernel takes them, and where each row's begin."""
    if not len(rows) or int((offsets[rows + 1] - offsets[rows]).max()) <= BLOCK_BYTES:
        return offsets, rows, np.arange(len(rows) + 1)
    from tsclassify.kernel.passages import GOES_ON

    ends, first_of = [np.array([offsets[0]], dtype=np.int64)], np.zeros(len(offsets), dtype=np.int64)
    counts = np.ones(len(offsets) - 1, dtype=np.int64)
    start = 0
    for row in np.flatnonzero(np.diff(offsets) > BLOCK_BYTES).tolist():
        of_row = block_ends(data, int(offsets[row]), int(offsets[row + 1]))
        ends += [offsets[start + 1 : row + 1], np.array(of_row, dtype=np.int64)]
        counts[row] = len(of_row)
        start = row + 1
    ends.append(offsets[start + 1 :])
    np.cumsum(counts, out=first_of[1:])
    chosen = [
        np.arange(first_of[row], first_of[row + 1]) + np.where(np.arange(counts[row]) < counts[row] - 1, GOES_ON, 0)
        for row in rows.tolist()
    ]
    firsts = np.concatenate([[0], np.cumsum(counts[rows])])
    return np.concatenate(ends), np.concatenate(chosen).astype(np.int64), firsts


_FIRST = np.zeros(1, dtype=np.int64)
_PADDING: Final = bytes(96)
"""Bytes that the kernel may read after a post."""

_NOTHING = np.frombuffer(b"", dtype=np.uint8)


def _tail(data: Any, offsets: Any) -> tuple[Any, int]:
    """The posts at the end of the buffer that lack the padding, copied with it, and the number of the first one."""
    first = int(np.searchsorted(offsets[1:], len(data) - len(_PADDING), side="right"))
    return np.frombuffer(data[offsets[first] : offsets[-1]].tobytes() + _PADDING, dtype=np.uint8), first


def _checked(data: Any, offsets: Any) -> tuple[Any, Any]:
    """Refuse offsets that would read outside the buffer: the kernel trusts them."""
    data = np.ascontiguousarray(data)
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    if data.dtype != np.uint8 or data.ndim != 1:
        raise InputError(f"scorer: data must be uint8 of one dimension, got {data.dtype} {data.shape}")
    if offsets.ndim != 1 or len(offsets) < 1:
        raise InputError(f"scorer: offsets must be of one dimension with n + 1 numbers, got shape {offsets.shape}")
    if data.flags.writeable:
        # one type of array, so that the kernel is compiled once
        data = data.view()
        data.flags.writeable = False
    if offsets[0] < 0 or offsets[-1] > len(data) or (len(offsets) > 1 and bool((np.diff(offsets) < 0).any())):
        raise InputError("scorer: offsets must rise and stay inside data, got some that do not")
    return data, offsets
