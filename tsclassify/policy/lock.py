"""The lock of a folder of policies: version to hash, so that no file changes under the version that records name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tsclassify.errors import PolicyError

if TYPE_CHECKING:
    from tsclassify.policy.load import Policy

__all__ = ["LOCK_NAME", "Lock", "files_under", "lock_of"]

LOCK_NAME: Final = "policies.lock"
_HEAD: Final = "# policy, version, sha256; written by `tsclassify policy lock`\n"


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock file says.

    Attributes
    ----------
    path
        The file, which may not be there yet.
    hashes
        Name and version to the hash.
    """

    path: Path
    hashes: Mapping[tuple[str, str], str]

    @classmethod
    def read(cls, path: Path) -> Lock:
        """The lock of a file; empty when there is none.

        Raises
        ------
        PolicyError
            When a line is not a name, a version and a hash.
        """
        if not path.is_file():
            return cls(path, {})
        hashes = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split()
            if len(parts) != 3 or len(parts[2]) != 64:
                raise PolicyError(
                    f"{path}:{number}: line must be a policy, its version and its sha256, got another one"
                )
            hashes[parts[0], parts[1]] = parts[2]
        return cls(path, hashes)

    def fault(self, policy: Policy) -> str:
        """What is wrong with a policy by this lock; empty when it is as locked, or not locked."""
        locked = self.hashes.get((policy.name, policy.version))
        if locked is None or locked == policy.sha256:
            return ""
        return (
            f"{policy.place}: {policy.name} {policy.version} must have the hash {locked[:12]} that is locked, "
            f"got {policy.sha256[:12]}"
        )

    def state(self, policy: Policy) -> str:
        """``locked``, ``changed`` or ``not locked``."""
        if (policy.name, policy.version) not in self.hashes:
            return "not locked"
        return "changed" if self.fault(policy) else "locked"

    def with_policies(self, policies: Iterable[Policy], *, again: bool = False) -> Lock:
        """The lock with further versions.

        Parameters
        ----------
        again
            Whether a version may get another hash.

        Raises
        ------
        PolicyError
            When a version is locked with another hash.
        """
        hashes = dict(self.hashes)
        for policy in policies:
            fault = self.fault(policy)
            if fault and not again:
                raise PolicyError(fault, hint="give the file a new version")
            hashes[policy.name, policy.version] = policy.sha256
        return Lock(self.path, hashes)

    def write(self) -> None:
        """Write the file, sorted by name and version."""
        ordered = sorted(self.hashes, key=lambda key: (key[0], [int(part) for part in key[1].split(".")]))
        rows = "".join(f"{name} {version} {self.hashes[name, version]}\n" for name, version in ordered)
        self.path.write_text(_HEAD + rows, encoding="utf-8", newline="")


def lock_of(place: str | Path) -> Lock:
    """The lock of a policy's file: beside it or in the folder above, or the one that may come beside it."""
    folder = Path(place).resolve().parent
    for candidate in (folder, folder.parent):
        if (candidate / LOCK_NAME).is_file():
            return Lock.read(candidate / LOCK_NAME)
    return Lock(folder / LOCK_NAME, {})


def files_under(folder: Path) -> list[Path]:
    """The policy files of a folder and of the folders of versions in it, in order."""
    return sorted(
        path
        for pattern in ("*.yaml", "*.yml", "*/*.yaml", "*/*.yml")
        for path in folder.glob(pattern)
        if path.is_file()
    )
