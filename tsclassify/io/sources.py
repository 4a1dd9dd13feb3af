"""Input files as streams of bytes: plain, gzip and zstd, told apart by their first bytes, with limits on unpacking."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from tsclassify.errors import InputError

__all__ = [
    "MAX_RATIO",
    "RATIO_FLOOR",
    "ByteStream",
    "Source",
    "find_sources",
    "io_fault",
    "open_stream",
    "sniff",
    "standard_input",
]

MAX_RATIO: Final = 1000.0
"""Largest unpacked size over packed size, beyond `RATIO_FLOOR`; posts pack 3 to 50 times, a bomb 1,000 and more."""

RATIO_FLOOR: Final = 256 << 20
"""Unpacked bytes below which the ratio is not looked at."""

# A zstd frame may turn 3 bytes into 128 KiB: feeding 1 KiB at a time bounds one step to about 44 MB.
_ZSTD_FEED: Final = 1 << 10
_ZSTD_WINDOW: Final = 1 << 27

_SUFFIXES: Final = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".jsonl.zst", ".ndjson.zst", ".parquet")
_BOM: Final = b"\xef\xbb\xbf"


class ByteStream(Protocol):
    """What the line reader needs of a stream."""

    def read(self, size: int = ..., /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """One input.

    Attributes
    ----------
    name
        What rejects and errors call it: the path as given, below a folder the path inside it; ``-`` is stdin.
    path
        The file, or None for stdin.
    size
        Bytes on disk, or None for stdin.
    """

    name: str
    path: Path | None
    size: int | None


def io_fault(place: str, error: OSError) -> InputError:
    """One sentence for a failed file operation."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{place}: file not found")
    reason = (error.strerror or type(error).__name__).lower()
    hints = {
        "no space left on device": "free some space, then run the same command with --resume",
        "permission denied": "choose a path that this user may use",
    }
    return InputError(f"{place}: must be usable, got {reason}", hint=hints.get(reason, ""))


def find_sources(inputs: Iterable[str | os.PathLike[str]]) -> list[Source]:
    """The input files, folders unfolded in the order of their names.

    Parameters
    ----------
    inputs
        Files, folders, or ``-`` for stdin. Of a folder, files ending in .jsonl, .ndjson (also .gz, .zst) and
        .parquet count, rejects files do not.

    Raises
    ------
    InputError
        When there is no such file, a folder holds none, or no input is given.
    """
    found: list[Source] = []
    for given in inputs:
        name = os.fspath(given)
        path = Path(name)
        if name == "-":
            found.append(Source("-", None, None))
        elif path.is_dir():
            inside = sorted(
                file
                for file in path.rglob("*")
                if file.name.endswith(_SUFFIXES)
                and not file.name.endswith(".rejected.jsonl")
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
                and file.is_file()
            )
            if not inside:
                raise InputError(f"{name}: folder must hold {', '.join(_SUFFIXES)} files, got none")
            found += [Source(os.path.join(name, file.relative_to(path)), file, _size(file)) for file in inside]
        else:
            found.append(Source(name, path, _size(path)))
    if not found:
        raise InputError("score: at least one input must be given, got none")
    if sum(source.path is None for source in found) > 1:
        raise InputError("score: stdin must be given once, got it twice")
    return found


def _size(path: Path) -> int | None:
    try:
        status = path.stat()
    except OSError as error:
        raise io_fault(str(path), error) from None
    return status.st_size if path.is_file() else None


def sniff(source: Source) -> str:
    """``parquet`` or ``lines``, by the first bytes; stdin and pipes are lines."""
    if source.size is None or source.path is None:
        return "lines"
    try:
        with source.path.open("rb") as file:
            return "parquet" if file.read(4) == b"PAR1" else "lines"
    except OSError as error:
        raise io_fault(source.name, error) from None


class _Counted(io.RawIOBase):
    """A raw stream that knows how many packed bytes were read."""

    def __init__(self, raw: Any, head: bytes) -> None:
        self._raw = raw
        self._head = head
        self.total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            size = min(len(self._head), len(buffer))
            buffer[:size] = self._head[:size]
            self._head = self._head[size:]
        else:
            size = self._raw.readinto(buffer)
        self.total += size
        return size

    def close(self) -> None:
        if self._raw is not getattr(sys.stdin, "buffer", None):
            self._raw.close()
        super().close()


class _ZstdStream:
    """Bounded reads of one or more zstd frames; a cut frame is an error, which the library's reader lets pass."""

    def __init__(self, raw: BinaryIO) -> None:
        import zstandard

        self._raw = raw
        self._decompressor: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._open = False
        self._feed = b""
        self._ready = bytearray()
        self._fault: type[Exception] = zstandard.ZstdError

    def read(self, size: int = -1, /) -> bytes:
        while len(self._ready) < size:
            if not self._feed:
                self._feed = self._raw.read(_ZSTD_FEED)
            if not self._feed:
                if self._open:
                    raise EOFError("the last frame is cut off")
                break
            try:
                self._ready += self._frame.decompress(self._feed)
            except self._fault as error:
                raise EOFError(str(error)) from None
            self._open = not self._frame.eof
            self._feed = b""
            if self._frame.eof:
                self._feed = self._frame.unused_data
                self._frame = self._decompressor.decompressobj()
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def close(self) -> None:
        self._raw.close()


class _Guarded:
    """A stream with its faults as sentences, its byte order mark skipped and its unpacking ratio limited."""

    def __init__(self, stream: ByteStream, counted: _Counted, name: str, packed: bool, max_ratio: float) -> None:
        self._stream = stream
        self._counted = counted
        self._name = name
        self._max_ratio = max_ratio if packed else float("inf")
        self._total = 0
        self._started = False

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._stream.read(size)
        except EOFError as error:
            raise InputError(f"{self._name}: packed file must be whole, got: {str(error).lower()}") from None
        except zlib.error:
            raise InputError(f"{self._name}: packed file must be whole, got damaged data") from None
        except gzip.BadGzipFile:
            raise InputError(f"{self._name}: packed file must be whole, got bytes that are no gzip member") from None
        except OSError as error:
            raise io_fault(self._name, error) from None
        self._total += len(data)
        if self._total > RATIO_FLOOR and self._total > self._max_ratio * self._counted.total:
            raise InputError(
                f"{self._name}: unpacked size must be at most {self._max_ratio:g} times the packed size, got more",
                hint="unpack the file yourself if you trust it",
            )
        if not self._started and data:
            self._started = True
            data = data.removeprefix(_BOM) or self.read(size)
        return data

    def close(self) -> None:
        self._stream.close()
        self._counted.close()


def standard_input() -> BinaryIO:
    """The bytes of standard input.

    Raises
    ------
    InputError
        When the process was started with it closed.
    """
    if sys.stdin is None:
        raise InputError("standard input: must be open, got a closed one")
    return sys.stdin.buffer


def open_stream(source: Source, *, max_ratio: float = MAX_RATIO) -> ByteStream:
    """Open an input for reading its unpacked bytes.

    Parameters
    ----------
    source
        The input.
    max_ratio
        Largest unpacked over packed size, looked at from 256 MiB on.

    Raises
    ------
    InputError
        When it cannot be opened; later reads raise it when the packed data is cut off, damaged or a bomb.
    """
    try:
        raw: Any = standard_input() if source.path is None else source.path.open("rb", buffering=0)
        head = raw.read(4)
    except OSError as error:
        raise io_fault(source.name, error) from None
    counted = _Counted(raw, head)
    stream: ByteStream
    if head[:2] == b"\x1f\x8b":
        stream = gzip.GzipFile(fileobj=io.BufferedReader(counted))
    elif head == b"\x28\xb5\x2f\xfd":
        stream = _ZstdStream(io.BufferedReader(counted))
    else:
        stream = io.BufferedReader(counted)
    return _Guarded(stream, counted, source.name, packed=not isinstance(stream, io.BufferedReader), max_ratio=max_ratio)
