"""Public data files on disk: found, checked by sha256, fetched when asked to. Nothing else touches the network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tsclassify.data.registry import BASE_URL, PublicFile, registered_files, source_names
from tsclassify.errors import DataError, InputError, needs

__all__ = ["check_file", "data_folder", "fetch", "files_of", "read_checked", "verify"]

_FETCH_HINT = "run `tsclassify data fetch`, or set TSCLASSIFY_DATA to a folder that holds the files"


@needs("data")
def data_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Folder that holds the public files.

    Parameters
    ----------
    root
        The folder, if given; otherwise ``TSCLASSIFY_DATA``, otherwise the user's cache.
    """
    given = root if root is not None else os.environ.get("TSCLASSIFY_DATA")
    if given:
        return Path(given)
    import pooch

    return Path(pooch.os_cache("tsclassify")) / "data"


def files_of(names: Iterable[str] = (), *, use: str | None = None) -> tuple[PublicFile, ...]:
    """Registered files of the named data sets; of all when none is named.

    Raises
    ------
    InputError
        When a name is not in the registry, or ``use`` is neither ``train`` nor ``eval``.
    """
    if isinstance(names, str):
        raise InputError(f"data sets: names must be a list of names, got the string {names!r}")
    wanted = tuple(names)
    unknown = [name for name in wanted if name not in source_names()]
    if unknown:
        raise InputError(
            f"data sets: name must be in the registry, got {', '.join(unknown)}",
            hint=f"known are {', '.join(source_names())}",
        )
    if use not in (None, "train", "eval"):
        raise InputError(f"data sets: use must be train or eval, got {use!r}")
    return tuple(
        file for file in registered_files() if (not wanted or file.name in wanted) and (use is None or file.use == use)
    )


def read_checked(file: PublicFile, root: str | os.PathLike[str] | None = None) -> bytes:
    """Bytes of a public file whose sha256 is the registered one.

    Raises
    ------
    DataError
        When the file is missing, not readable or altered.
    """
    path = data_folder(root) / file.path_here
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{file.path_here}: file must be present, got none in {path.parent}", hint=_hint(file)
        ) from None
    except OSError as error:
        raise DataError(f"{file.path_here}: file must be readable, got {error.strerror or error}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise DataError(
            f"{file.path_here}: sha256 must be {file.sha256[:12]}..., got {found[:12]}... "
            f"({len(content)} bytes for {file.n_bytes})",
            hint=_hint(file),
        )
    return content


def check_file(file: PublicFile, root: str | os.PathLike[str] | None = None) -> DataError | None:
    """The fault of a file, or None when it is as registered."""
    try:
        read_checked(file, root)
    except DataError as error:
        return error
    return None


def verify(
    names: Iterable[str] = (), *, use: str | None = None, root: str | os.PathLike[str] | None = None
) -> tuple[int, list[DataError]]:
    """Check files against the registry.

    A file that users cannot fetch counts only when it is there or its data set is named.

    Returns
    -------
    tuple
        Number of files as registered, and one error for each that is missing or altered.
    """
    wanted = tuple(names)
    n_good, faults = 0, []
    for file in files_of(wanted, use=use):
        if not file.is_fetchable and file.name not in wanted and not (data_folder(root) / file.path_here).exists():
            continue
        fault = check_file(file, root)
        if fault is None:
            n_good += 1
        else:
            faults.append(fault)
    return n_good, faults


def fetch(
    files: Sequence[PublicFile],
    *,
    root: str | os.PathLike[str] | None = None,
    base_url: str = BASE_URL,
    timeout: float = 60.0,
    on_file: Callable[[PublicFile, str], None] | None = None,
) -> Path:
    """Download files that are not there yet, each checked before it gets its name.

    Parameters
    ----------
    files
        What to fetch; files without a public address are passed over (``on_file`` is told).
    root
        Folder to fill; the user's cache when none is given. With ``TSCLASSIFY_DATA`` set and no ``root``, nothing is
        downloaded: that folder is checked instead.
    base_url
        Address that the repositories lie below.
    timeout
        Seconds to wait for the server.
    on_file
        Called with each file and ``"present"``, ``"fetched"`` or ``"not fetchable"``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        At the first file that cannot be had as registered.
    """
    is_offline = root is None and bool(os.environ.get("TSCLASSIFY_DATA"))
    folder = data_folder(root)
    for file in files:
        fault = check_file(file, folder)
        if fault is None:
            state = "present"
        elif not file.is_fetchable:
            state = "not fetchable"
        elif is_offline:
            raise DataError(fault.message, hint="unset TSCLASSIFY_DATA to download into the cache")
        else:
            _download(file, folder, base_url, timeout)
            state = "fetched"
        if on_file is not None:
            on_file(file, state)
    return folder


@needs("data fetch")
def _download(file: PublicFile, folder: Path, base_url: str, timeout: float) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    target = folder / file.path_here
    try:
        pooch.retrieve(
            file.url(base_url),
            known_hash=f"sha256:{file.sha256}",
            fname=target.name,
            path=target.parent,
            downloader=pooch.HTTPDownloader(timeout=timeout),
        )
    except requests.RequestException as error:
        status = getattr(error.response, "status_code", None)
        got = f"status {status}" if status is not None else type(error).__name__
        raise DataError(
            f"{file.path_here}: {file.repository} must answer with the file, got {got}",
            hint="check the network, then run `tsclassify data fetch` again; files already fetched are kept",
        ) from error
    except ValueError as error:
        # pooch reports a wrong checksum as ValueError and removes what it downloaded
        raise DataError(
            f"{file.path_here}: downloaded file must have sha256 {file.sha256[:12]}..., got another one",
            hint=f"it was {file.path_there} of {file.repository} at {file.commit[:12]}",
        ) from error
    except OSError as error:
        raise DataError(f"{file.path_here}: folder must be writable, got {error.strerror or error}") from error


def _hint(file: PublicFile) -> str:
    return _FETCH_HINT if file.is_fetchable else f"{file.name} is not fetched by users: {file.note}"
