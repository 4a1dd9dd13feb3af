"""Where policies are found: shipped packs by name, files, folders of versions, and what a record carries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tsclassify.errors import BundleError, PolicyError
from tsclassify.policy.faults import nearest
from tsclassify.policy.strict_yaml import MAX_BYTES
from tsclassify.resources import shipped

__all__ = ["Reference", "candidates", "read_file", "shipped_folder", "shipped_names"]

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_REFERENCE: Final = re.compile(
    r"(?P<name>[^@]+)(?:@(?P<version>[0-9]{1,4}(?:\.[0-9]{1,4}){2}))?(?:@(?P<sha256>[0-9a-f]{4,64})(?:\u2026|\.{3})?)?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A policy as it is asked for, or as a record carries it: ``name@version@sha256``, the last two left out or not.

    Attributes
    ----------
    name
        Name of a shipped pack, or a path.
    version
        Version, or empty.
    sha256
        The first digits of the hash, at least four, or empty.
    """

    name: str
    version: str = ""
    sha256: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference that a text writes; a file whose name holds ``@`` is itself."""
        match = _REFERENCE.fullmatch(text)
        if match is None or Path(text).exists():
            return cls(text)
        return cls(match["name"], match["version"] or "", match["sha256"] or "")


def shipped_folder() -> Path:
    """The folder of the shipped packs."""
    return shipped("seeds", "policies")


def shipped_names() -> tuple[str, ...]:
    """Names of the shipped packs."""
    try:
        folder = shipped_folder()
    except BundleError:
        return ()
    return tuple(sorted(path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".yaml"))


def read_file(path: Path) -> bytes:
    """The bytes of a policy file, and one more than it may have when it is too large."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"policy: file must be readable, got {path}: {error.strerror}") from None


def candidates(name: str | Path) -> list[Path]:
    """The files that may hold the policy asked for: one, or all versions in a folder."""
    path = Path(name)
    if isinstance(name, str) and path.suffix not in _SUFFIXES and path.parent == Path(".") and not path.is_dir():
        names = shipped_names()
        if name not in names:
            raise PolicyError(
                f"policy: name must be one of {', '.join(names)} or a path, got {name[:80]!r}",
                hint=nearest(name, names),
            )
        folder = shipped_folder()
        path = folder / name if (folder / name).is_dir() else folder / f"{name}.yaml"
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
        if not files:
            raise PolicyError(f"policy: folder must hold .yaml files, got none in {path}")
        return files
    return [path]
