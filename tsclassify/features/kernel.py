"""The scorer: packed int8 weights over the features of a post, by the compiled kernel or, for a few texts, without it.

Both paths add the same integers and repeat the same float arithmetic, so their logits are equal bit for bit.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError
from tsclassify.features.reference import sums_of
from tsclassify.features.spec import FeatureSpec
from tsclassify.text.lexicon import Lexicon

if TYPE_CHECKING:
    from tsclassify.features.state import State

__all__ = ["Scorer"]

_PLAIN_TEXTS: Final = 48
"""Texts that a process scores without the kernel: loading it takes as long as a thousand of them (benchmarks)."""

_PLAIN_BYTES: Final = 16_384
_CHUNK: Final = 4096
_LANES: Final = 8
_MOST_BYTES: Final = 1 << 32
"""The kernel keeps the offset of a row in 32 bits."""


class _Table:
    """Weights with their final arithmetic, in both forms."""

    def __init__(self, spec: FeatureSpec, weights: Any, scales: Any, bias: Any, place: str) -> None:
        array = np.asarray(weights)
        if array.dtype != np.int8 or array.ndim != 2 or array.shape[0] != spec.n_buckets:
            raise InputError(
                f"{place}: weights must be int8 of shape ({spec.n_buckets}, lanes), got {array.dtype} {array.shape}"
            )
        self.n_lanes = array.shape[1]
        padded = -self.n_lanes % _LANES
        if array.shape[0] * (self.n_lanes + padded) > _MOST_BYTES:
            raise InputError(f"{place}: weights must take at most 2**32 bytes, got shape {array.shape}")
        self.weights = np.pad(array, ((0, 0), (0, padded))) if padded else np.ascontiguousarray(array)
        self.lanes: NDArray[np.float64] = np.zeros((2, self.n_lanes + padded), dtype=np.float64)
        for number, values in enumerate((scales, bias)):
            values = np.asarray(values, dtype=np.float64)
            if values.shape != (self.n_lanes,) or not np.isfinite(values).all():
                raise InputError(f"{place}: scales and bias must be {self.n_lanes} finite numbers, got {values.shape}")
            self.lanes[number, : self.n_lanes] = values

    def place(self) -> None:
        """Move the weights to where a row never lies across two cache lines."""
        from tsclassify.features.buffers import aligned

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
        int8, shape (2**bits, lanes): one lane per category, and further heads; eight lanes cost as much as one.
    scales, bias
        float, shape (lanes,): ``logit = bias + scale * (sum of family norm * sum of int8 rows)``.
    signal_weights, signal_scales, signal_bias
        The same for the second table, read only for the rows asked for; or None.

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
    ) -> None:
        if spec.dedup == "feature":
            raise InputError("scorer: dedup of the feature spec must be 'none' or 'word', got 'feature'")
        self.spec = spec
        self.lexicon = lexicon
        self.parts = [_Table(spec, weights, scales, bias, "scorer")]
        if signal_weights is not None:
            self.parts.append(_Table(spec, signal_weights, signal_scales, signal_bias, "scorer signals"))
        self._kernel: Any = None
        self._learner: Any = None
        self._states: tuple[list[State], ...] = tuple([] for _ in self.parts)
        self._lock = threading.Lock()
        self._n_plain = 0
        self._width = self.parts[0].lanes.shape[1]

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
            float32, shape (n, lanes).
        """
        whole = len(offsets) == 2 and offsets[0] == 0 and offsets[1] == len(data)
        if self._kernel is not None and whole and data.dtype == np.uint8:
            return self.logits_one(data.tobytes())[np.newaxis]
        return self._run(0, data, offsets, None, threads)

    def signal_logits(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], rows: NDArray[np.int64], *, threads: int = 1
    ) -> NDArray[np.float32]:
        """Logits of the second table for the posts numbered in `rows` only: float32, shape (len(rows), lanes)."""
        if len(self.parts) < 2:
            raise InputError("scorer: signals must have weights, got none")
        return self._run(1, data, offsets, np.ascontiguousarray(rows, dtype=np.int64), threads)

    def logits_one(self, text: bytes) -> NDArray[np.float32]:
        """Logits of one post in UTF-8: float32, shape (lanes,)."""
        if self._kernel is None:
            one = np.array([0, len(text)], dtype=np.int64)
            first: NDArray[np.float32] = self.logits(np.frombuffer(text, dtype=np.uint8), one)[0]
            return first
        state = self._take(0)
        out = np.empty((1, self._width), dtype=np.float32)
        tail = np.frombuffer(text + _PADDING, dtype=np.uint8)
        state.one[1] = len(text)
        self._kernel(_NOTHING, state.one, _FIRST, tail, 0, out, state.words)
        self._states[0].append(state)
        return out[0, : self.parts[0].n_lanes]

    def warm_up(self) -> None:
        """Load the kernel now, compiling it when it is not in the cache."""
        if self._kernel is not None:
            return
        with self._lock:
            if self._kernel is None:
                self._kernel = self._load()

    def _load(self) -> Any:
        from tsclassify.features import accumulate, state

        self._tables = state.make_tables(self.spec, self.lexicon)
        for table in self.parts:
            table.place()
        kernel = accumulate.make_entry()
        folder = kernel.stats.cache_path
        # without a folder, that was said already when the kernel was made
        if folder is not None and not any(Path(folder).glob("accumulate.make_entry*.nbc")):
            sys.stderr.write("tsclassify: compiling the scoring kernel, once\n")
            sys.stderr.flush()
        self._learner = accumulate.make_learner()
        return kernel

    def _take(self, part: int) -> State:
        """A memo with scratch space for one table: one that no thread uses, or a new one."""
        try:
            return self._states[part].pop()
        except IndexError:
            from tsclassify.features.state import State
        table = self.parts[part]
        return State(self._tables, table.weights, table.lanes, learner=self._learner.address)

    def _run(self, part: int, data: Any, offsets: Any, rows: Any, threads: int) -> NDArray[np.float32]:
        data, offsets = _checked(data, offsets)
        if rows is None:
            rows = np.arange(len(offsets) - 1, dtype=np.int64)
        elif len(rows) and not (rows.min() >= 0 and rows.max() < len(offsets) - 1):
            raise InputError(f"scorer: rows must lie in 0 to {len(offsets) - 2}, got {rows.min()} to {rows.max()}")
        table = self.parts[part]
        out = np.empty((len(rows), table.lanes.shape[1]), dtype=np.float32)
        if self._kernel is None:
            size = int((offsets[rows + 1] - offsets[rows]).sum()) if len(rows) else 0
            if size <= _PLAIN_BYTES and self._n_plain + len(rows) <= _PLAIN_TEXTS:
                self._n_plain += len(rows)
                return self._plain(table, data, offsets, rows)
            self.warm_up()
        tail = _tail(data, offsets)
        if threads <= 1 or len(rows) <= _CHUNK:
            self._chunk(part, data, offsets, rows, tail, out)
        else:
            spans = range(0, len(rows), _CHUNK)
            with ThreadPoolExecutor(threads) as pool:
                list(
                    pool.map(
                        lambda at: self._chunk(
                            part, data, offsets, rows[at : at + _CHUNK], tail, out[at : at + _CHUNK]
                        ),
                        spans,
                    )
                )
        return out[:, : table.n_lanes]

    def _chunk(self, part: int, data: Any, offsets: Any, rows: Any, tail: Any, out: Any) -> None:
        state = self._take(part)
        self._kernel(data, offsets, rows, *tail, out, state.words)
        self._states[part].append(state)

    def _plain(self, table: _Table, data: Any, offsets: Any, rows: Any) -> NDArray[np.float32]:
        """The same sums and the same float steps as the kernel, post by post."""
        out = np.empty((len(rows), table.n_lanes), dtype=np.float32)
        scales, bias = table.lanes.tolist()
        for number, row in enumerate(rows.tolist()):
            text = data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8", "replace")
            sums, norms = sums_of(text, self.spec, self.lexicon, table.weights)
            totals = sums.tolist()
            for lane in range(table.n_lanes):
                value = 0.0
                for family in range(4):
                    value += norms[family] * totals[family][lane]
                out[number, lane] = bias[lane] + scales[lane] * value
        return out


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
