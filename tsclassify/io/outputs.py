"""Output files that appear whole or not at all, and the job record that lets a killed run go on.

While a job runs it holds ``OUT.job.lock`` and writes ``OUT.partial`` and ``OUT.rejected.jsonl.partial``; the record
``OUT.job.json`` says which bytes of each belong to finished blocks. When it ends, the partial files are renamed and the
record stays as the receipt: what was read, by which model and policy, and what came out. A record is never believed
about a file: a later run looks at the bytes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from tsclassify.errors import InputError
from tsclassify.io.sources import io_fault

__all__ = ["JobFiles", "Written", "check_output", "new_file", "ready_path", "write_whole"]

_RECORD_FORMAT: Final = 2
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_OWN: Final = 0o600
"""Outputs hold posts."""

_KNOWN_BY: Final = 16
"""First bytes by which a small file is known to be of this program."""

_READ_BYTES: Final = 1 << 20
_AGAIN: Final = "start again without --resume and with --force"


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


def new_file(path: Path, begins: bytes = b"", mode: int = 0o666) -> BinaryIO:
    """Open a temporary file that nobody else has; what lies there is never followed or waited for.

    Parameters
    ----------
    path
        Where.
    begins
        How every file that this program leaves there begins; one that begins otherwise belongs to somebody else.
    mode
        Who may use it, unless the user's umask is stricter.

    Raises
    ------
    InputError
        When a file of somebody else has this name.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _NO_LINK | _NO_WAIT), "rb") as file:
            is_ours = stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(len(begins)) in (b"", begins)
    except FileNotFoundError:
        is_ours = True
    except OSError:
        # a link is none of ours, and is not followed
        is_ours = False
    if not is_ours:
        raise InputError(f"{path}: temporary file must be of this program, got another", hint="move it or remove it")
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK, mode), "w+b")


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old bytes or the new ones, also after a power cut."""
    check_output(path)
    temporary = path.with_name(path.name + ".new")
    try:
        with new_file(temporary, data[:_KNOWN_BY]) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise io_fault(str(path), error) from None


def ready_path(partial: Path) -> Path:
    """Where the table is made that takes the place of a partial output."""
    return partial.with_name(partial.name + ".ready")


@dataclass(frozen=True, slots=True)
class Written:
    """What a file has to hold: its size, and the sha256 of its bytes in hex."""

    size: int = 0
    sha256: str = hashlib.sha256().hexdigest()

    @classmethod
    def of(cls, path: Path) -> Self:
        """What a file holds."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                return cls(file.tell(), digest)
        except OSError as error:
            raise io_fault(str(path), error) from None

    def check(self, path: Path, said: str) -> None:
        """Refuse a file that holds something else."""
        if not path.exists() or Written.of(path) != self:
            raise InputError(f"{path}: {said} must be as the job left it, got another or none", hint=_AGAIN)


class JobFiles:
    """The files of one batch job.

    Parameters
    ----------
    out
        Final output.
    rejects
        Final rejects file; ``OUT.rejected.jsonl`` when None. Absent when nothing was rejected.
    mode
        Who may use these files, which hold posts; None is the user alone, less where the umask is stricter.
    """

    def __init__(self, out: Path, rejects: Path | None = None, mode: int | None = None) -> None:
        if not (out.name and (rejects is None or rejects.name)):
            raise InputError(f"{out}: output and rejects must be files, got a folder or no name")
        if mode is not None and not 0 < mode <= 0o777:
            raise InputError(f"mode: must be permissions such as 0640, got {mode:o}")
        self.out = out
        self.rejects = rejects if rejects is not None else out.with_name(out.name + ".rejected.jsonl")
        self.record_path = out.with_name(out.name + ".job.json")
        self.mode = mode
        self._lock_path = out.with_name(out.name + ".job.lock")
        self._lock: int | None = None
        self._paths = tuple(path.with_name(path.name + ".partial") for path in (self.out, self.rejects))
        self._files: list[BinaryIO] = []
        self._digests = [hashlib.sha256(), hashlib.sha256()]
        self._sizes = [0, 0]

    @property
    def partial(self) -> Path:
        """Where the output grows."""
        return self._paths[0]

    @property
    def written(self) -> tuple[Written, Written]:
        """What was written so far: of the output and of the rejects."""
        one, other = (
            Written(size, digest.hexdigest()) for size, digest in zip(self._sizes, self._digests, strict=True)
        )
        return one, other

    def check(self, inputs: Iterable[Path], summary: Path | None = None) -> None:
        """Refuse what would write over an input, over another output, or over what is no file.

        Raises
        ------
        InputError
            Before anything is written.
        """
        sources = list(inputs)
        written = [self.out, *self._paths, self.record_path, self._lock_path]
        check_output(self.out, inputs=sources)
        check_output(self.rejects, inputs=sources, others=written, what="rejects file")
        for path in written[1:]:
            check_output(path, inputs=sources)
        if summary is not None:
            check_output(summary, inputs=sources, others=[self.rejects, *written], what="summary")

    def lock(self) -> None:
        """Keep every other job off these files until `close`; call it before the record is read.

        Raises
        ------
        InputError
            When another job holds them.
        """
        path = self._lock_path
        while self._lock is None:
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | _NO_WAIT, _OWN)
            except OSError as error:
                raise io_fault(str(path), error) from None
            try:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode) or status.st_size:
                    raise InputError(f"{path}: lock must be an empty file, got another", hint="move it or remove it")
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # the job before may have removed it meanwhile
                if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                    self._lock, handle = handle, -1
            except BlockingIOError:
                raise InputError(f"{self.out}: must be written by one job, got a second one") from None
            except OSError as error:
                raise io_fault(str(path), error) from None
            finally:
                if handle >= 0:
                    os.close(handle)

    def taken(self) -> Path | None:
        """The output, the rejects file or a partial one of another run, when there is one."""
        return next((path for path in (self.out, self.rejects, *self._paths) if os.path.lexists(path)), None)

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

    def open(self, written: tuple[Written, Written] | None) -> None:
        """Open the partial files, cut to what was written (output, rejects), or new ones when None.

        Raises
        ------
        InputError
            When a file cannot be opened, or holds something else than was written.
        """
        for number, (path, before) in enumerate(zip(self._paths, written or (Written(), Written()), strict=True)):
            if written is None and path.is_file():
                path.unlink()
            new = os.O_CREAT if not before.size else 0
            try:
                handle = os.open(path, os.O_RDWR | new | _NO_LINK, _OWN if self.mode is None else self.mode)
                file = os.fdopen(handle, "r+b", buffering=0)
            except FileNotFoundError:
                raise InputError(f"{path}: partial output must be there to go on, got none", hint=_AGAIN) from None
            except OSError as error:
                raise io_fault(str(path), error) from None
            self._files.append(file)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{path}: partial output must be a plain file, got a device or a pipe")
            if self.mode is not None:
                os.fchmod(file.fileno(), self.mode)
            self._digests[number] = _digest_up_to(file, before.size)
            self._sizes[number] = before.size
            if self._digests[number].hexdigest() != before.sha256:
                raise InputError(
                    f"{path}: must hold the {before.size} bytes that were written to go on, got others", hint=_AGAIN
                )
            file.truncate(before.size)
            file.seek(before.size)

    def write(self, output: Any, rejected: bytes) -> None:
        """Append to the output (any buffer of bytes) and to the rejects."""
        for number, (path, file, data) in enumerate(zip(self._paths, self._files, (output, rejected), strict=True)):
            view = memoryview(data)
            self._digests[number].update(view)
            self._sizes[number] += view.nbytes
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

    def check_partial(self, written: tuple[Written, Written]) -> None:
        """Refuse partial files of a job at its end that hold something else than was written."""
        for path, expected in zip(self._paths, written, strict=True):
            expected.check(path, "partial output")

    def finish(self, expected: tuple[Written, Written], made: Path | None = None, *, check: bool) -> None:
        """Give the files their final names; may be called again after a kill in its midst.

        Parameters
        ----------
        expected
            What the output and the rejects file have to hold.
        made
            What takes the place of the partial output, which is then removed.
        check
            Whether to look at what they hold, as after a kill.
        """
        temporaries = (made or self._paths[0], self._paths[1])
        steps = list(zip(temporaries, (self.out, self.rejects), expected, strict=True))
        for path, final, part in steps:
            if part.size and (check or not path.exists()):
                part.check(path if path.exists() else final, "output")
        for path, final, part in steps:
            try:
                if path.exists() and (part.size or final == self.out):
                    path.replace(final)
                elif not part.size and final == self.rejects:
                    path.unlink(missing_ok=True)
                    final.unlink(missing_ok=True)
            except OSError as error:
                raise io_fault(str(final), error) from None
        if made is not None:
            self._paths[0].unlink(missing_ok=True)
        self._close_files()
        _sync_folder(self.out.parent)

    def discard(self) -> None:
        """Remove the partial files and the job record."""
        self._close_files()
        for path in (*self._paths, self.record_path):
            path.unlink(missing_ok=True)

    def check_finished(self, expected: tuple[Written, Written]) -> None:
        """Refuse an output and a rejects file that are not what a finished job left."""
        expected[0].check(self.out, "output")
        if expected[1].size:
            expected[1].check(self.rejects, "rejects file")

    def _close_files(self) -> None:
        for file in self._files:
            file.close()
        self._files = []

    def close(self) -> None:
        """Close what is open and let other jobs in; partial files stay for a later run."""
        self._close_files()
        if self._lock is not None:
            self._lock_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def _digest_up_to(file: Any, size: int) -> Any:
    """sha256 object over the first bytes of a file; over fewer where it is shorter."""
    digest = hashlib.sha256()
    while size:
        data = file.read(min(size, _READ_BYTES))
        if not data:
            break
        digest.update(data)
        size -= len(data)
    return digest


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        # Some file systems refuse to sync a folder; the rename itself stays atomic.
        return
    finally:
        os.close(handle)
