"""Output files that appear whole or not at all, and the job record that lets a killed run go on.

While a job runs it writes ``OUT.partial`` and ``OUT.rejected.jsonl.partial``; the record ``OUT.job.json`` says how
many bytes of each belong to finished blocks. When it ends, the partial files are renamed and the record stays as
the receipt: what was read, by which model and policy, and what came out.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from tsclassify.errors import InputError
from tsclassify.io.sources import io_fault

__all__ = ["JobFiles", "check_output", "new_file", "write_whole"]

_RECORD_FORMAT: Final = 1
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def check_output(path: Path, *, inputs: Iterable[Path] = (), others: Iterable[Path] = (), what: str = "output") -> None:
    """Refuse to write to what is no plain file, or over a file that is needed.

    Parameters
    ----------
    path
        Where something is to be written.
    inputs
        What is read.
    others
        What else is written; need not exist.
    what
        What `path` is called in an error.

    Raises
    ------
    InputError
        When it is a folder, a device or a pipe, its folder is missing, or it is an input or another output.
    """
    if not path.name:
        raise InputError(f"{path}: {what} must be a file, got a folder or no name")
    try:
        if not path.parent.is_dir():
            raise InputError(f"{path}: folder must be there, got none")
        if path.is_dir():
            raise InputError(f"{path}: {what} must be a file, got a folder")
        if path.exists() and not path.is_file():
            # Putting a file in its place would remove the device, for root even /dev/null.
            raise InputError(f"{path}: {what} must be a plain file, got a device or a pipe")
        if any(_is_same(path, source) for source in inputs):
            raise InputError(f"{path}: {what} must not be an input, got the same file")
        if any(_is_same(path, other) for other in others):
            raise InputError(f"{path}: {what} must be a file of its own, got another output")
    except OSError as error:
        raise io_fault(str(path), error) from None


def _is_same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def new_file(path: Path) -> BinaryIO:
    """Open a temporary file that nobody else has: what lies there is removed, never followed or waited for."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o666), "w+b")


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old bytes or the new ones, also after a power cut."""
    check_output(path)
    temporary = path.with_name(path.name + ".new")
    try:
        with new_file(temporary) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise io_fault(str(path), error) from None


class JobFiles:
    """The files of one batch job.

    Parameters
    ----------
    out
        Final output.
    rejects
        Final rejects file; ``OUT.rejected.jsonl`` when None. Absent when nothing was rejected.
    """

    def __init__(self, out: Path, rejects: Path | None = None) -> None:
        if not (out.name and (rejects is None or rejects.name)):
            raise InputError(f"{out}: output and rejects must be files, got a folder or no name")
        self.out = out
        self.rejects = rejects if rejects is not None else out.with_name(out.name + ".rejected.jsonl")
        self.record_path = out.with_name(out.name + ".job.json")
        self._paths = tuple(path.with_name(path.name + ".partial") for path in (self.out, self.rejects))
        self._files: list[BinaryIO] = []

    @property
    def partial(self) -> Path:
        """Where the output grows."""
        return self._paths[0]

    def check(self, inputs: Iterable[Path], summary: Path | None = None) -> None:
        """Refuse what would write over an input, over another output, or over what is no file.

        Raises
        ------
        InputError
            Before anything is written.
        """
        sources = list(inputs)
        written = [self.out, *self._paths, self.record_path]
        check_output(self.out, inputs=sources)
        check_output(self.rejects, inputs=sources, others=written, what="rejects file")
        for path in written[1:]:
            # What else is wrong with these is told when they are opened.
            if any(_is_same(path, source) for source in sources):
                raise InputError(f"{path}: output must not be an input, got the same file")
        if summary is not None:
            check_output(summary, inputs=sources, others=[self.rejects, *written], what="summary")

    def taken(self) -> Path | None:
        """The output or the rejects file of an earlier run, when there is one."""
        return next((path for path in (self.out, self.rejects) if path.exists()), None)

    def record(self) -> dict[str, Any] | None:
        """The job record, or None when there is none.

        Raises
        ------
        InputError
            When it is damaged or of a newer format.
        """
        check_output(self.record_path, what="job record")
        try:
            record = json.loads(self.record_path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise io_fault(str(self.record_path), error) from None
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or record.get("format") != _RECORD_FORMAT:
            raise InputError(
                f"{self.record_path}: job record must be whole and of format {_RECORD_FORMAT}, got another",
                hint="remove it and start without --resume",
            )
        return record

    def open(self, sizes: tuple[int, int] | None) -> None:
        """Open the partial files, cut to `sizes` bytes (output, rejects), or empty when None.

        Raises
        ------
        InputError
            When a file cannot be opened, is shorter than the record says, or another job holds it.
        """
        for path, size in zip(self._paths, sizes or (0, 0), strict=True):
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
                file = os.fdopen(handle, "r+b", buffering=0)
            except OSError as error:
                self.close()
                raise io_fault(str(path), error) from None
            self._files.append(file)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                self.close()
                raise InputError(f"{path}: partial output must be a plain file, got a device or a pipe")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.close()
                raise InputError(f"{path}: must be written by one job, got a second one") from None
            have = os.fstat(file.fileno()).st_size
            if have < size:
                self.close()
                raise InputError(
                    f"{path}: must hold at least {size} bytes to go on, got {have}",
                    hint="start again without --resume and with --force",
                )
            file.truncate(size)
            file.seek(size)

    def write(self, output: Any, rejected: bytes) -> None:
        """Append to the output (any buffer of bytes) and to the rejects."""
        for path, file, data in zip(self._paths, self._files, (output, rejected), strict=True):
            view = memoryview(data)
            try:
                # A raw file may write less than asked, as at the end of a full disk.
                while view.nbytes:
                    view = view[file.write(view) :]
            except OSError as error:
                raise io_fault(str(path.with_suffix("")), error) from None

    def checkpoint(self, state: Mapping[str, Any], *, durable: bool = True) -> None:
        """Save the job record; with `durable`, what it counts is on the disk first."""
        if durable:
            for path, file in zip(self._paths, self._files, strict=True):
                try:
                    os.fsync(file.fileno())
                except OSError as error:
                    raise io_fault(str(path.with_suffix("")), error) from None
        record = {"format": _RECORD_FORMAT, **state}
        write_whole(self.record_path, json.dumps(record, indent=1).encode() + b"\n")

    def finish(self) -> None:
        """Give the files their final names; may be called again after a kill in its midst."""
        for path, final, is_output in zip(self._paths, (self.out, self.rejects), (True, False), strict=True):
            try:
                if not path.exists():
                    continue
                if is_output or path.stat().st_size:
                    path.replace(final)
                else:
                    path.unlink()
                    final.unlink(missing_ok=True)
            except OSError as error:
                raise io_fault(str(final), error) from None
        self.close()
        _sync_folder(self.out.parent)

    def discard(self) -> None:
        """Remove the partial files and the job record."""
        self.close()
        for path in (*self._paths, self.record_path):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close what is open; partial files stay for a later run."""
        for file in self._files:
            file.close()
        self._files = []


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        # Some file systems refuse to sync a folder; the rename itself stays atomic.
        return
    finally:
        os.close(handle)
