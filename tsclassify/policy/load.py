"""A policy from a file: read, checked whole, all faults at once; which version is in force on a date."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tsclassify.errors import BundleError, PolicyError
from tsclassify.policy import schema
from tsclassify.policy.checks import check
from tsclassify.policy.faults import MAX_FAULTS, Fault, nearest, render
from tsclassify.policy.platform import PlatformReview
from tsclassify.policy.strict_yaml import MAX_BYTES, Tree, parse
from tsclassify.policy.testcase import TestCase
from tsclassify.policy.translate import faults_of
from tsclassify.resources import shipped

__all__ = ["Policy", "as_policy", "shipped_names"]


def shipped_names() -> tuple[str, ...]:
    """Names of the shipped packs."""
    try:
        folder = shipped("seeds", "policies")
    except BundleError:
        return ()
    return tuple(sorted(path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".yaml"))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"policy: file must be readable, got {path}: {error.strerror}") from None


def _candidates(name: str | Path) -> list[Path]:
    """The files that may hold the policy asked for: one, or all versions in a folder."""
    path = Path(name)
    if (
        isinstance(name, str)
        and path.suffix not in {".yaml", ".yml"}
        and path.parent == Path(".")
        and not path.is_dir()
    ):
        names = shipped_names()
        if name not in names:
            raise PolicyError(
                f"policy: name must be one of {', '.join(names)} or a path, got {name[:80]!r}",
                hint=nearest(name, names),
            )
        folder = shipped("seeds", "policies")
        path = folder / name if (folder / name).is_dir() else folder / f"{name}.yaml"
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and file.is_file())
        if not files:
            raise PolicyError(f"policy: folder must hold .yaml files, got none in {path}")
        return files
    return [path]


def _date(as_of: dt.date | str) -> dt.date:
    if isinstance(as_of, dt.datetime):
        return as_of.date()
    if isinstance(as_of, dt.date):
        return as_of
    try:
        return dt.datetime.fromisoformat(as_of).date()
    except (TypeError, ValueError):
        raise PolicyError(f"policy: as_of must be a date such as 2021-01-10, got {str(as_of)[:40]!r}") from None


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy that has passed every check; immutable.

    Attributes
    ----------
    name, version, kind
        As the file gives them.
    sha256
        Hash of the file's bytes.
    source, source_sha256
        The published terms, and the hash of their text when the policy states one (else empty).
    effective, languages, clauses, categories, tiers, contexts, actions, ladder, platform_review, appeals, guards,
    rollout, tests
        The parts of the file, as ``tsclassify.policy.schema`` types them.
    place
        Name of the file.
    """

    document: schema.Document
    sha256: str
    place: str = ""

    @property
    def name(self) -> str:
        return self.document.policy

    @property
    def version(self) -> str:
        return self.document.version

    @property
    def kind(self) -> str:
        return self.document.kind

    @property
    def source(self) -> schema.Source:
        return self.document.source

    @property
    def source_sha256(self) -> str:
        return self.document.source.sha256 or ""

    @property
    def effective(self) -> schema.Effective:
        return self.document.effective

    @property
    def languages(self) -> schema.Languages:
        return self.document.languages

    @property
    def clauses(self) -> Mapping[str, str]:
        return self.document.clauses

    @property
    def categories(self) -> Mapping[str, schema.Category]:
        return self.document.categories

    @property
    def tiers(self) -> tuple[schema.Tier, ...]:
        return self.document.tiers

    @property
    def contexts(self) -> tuple[schema.Context, ...]:
        return self.document.contexts

    @property
    def actions(self) -> Mapping[str, schema.ActionRule]:
        return self.document.actions

    @property
    def ladder(self) -> schema.Ladder | None:
        return self.document.ladder

    @property
    def platform_review(self) -> PlatformReview | None:
        return self.document.platform_review

    @property
    def appeals(self) -> schema.Appeals | None:
        return self.document.appeals

    @property
    def guards(self) -> schema.Guards:
        return self.document.guards

    @property
    def rollout(self) -> schema.Rollout:
        return self.document.rollout

    @property
    def tests(self) -> tuple[TestCase, ...]:
        return self.document.tests

    @property
    def subject(self) -> str:
        """Whom the ladder is about: ``tenant``, ``app`` or ``account``."""
        return {"provider": "tenant", "app_store": "app"}.get(self.kind, "account")

    @property
    def tier_names(self) -> tuple[str, ...]:
        """Tier ids, most severe first, then ``review`` and ``none``: an index into it is a tier code."""
        return (*(tier.id for tier in self.tiers), "review", "none")

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, version={self.version!r}, kind={self.kind!r}, sha256={self.sha256[:12]!r})"

    @classmethod
    def load(cls, name: str | Path, *, as_of: dt.date | str | None = None) -> Policy:
        """Read a shipped pack by name, or a file, or a folder that holds versions of one policy.

        Parameters
        ----------
        name
            ``"hosting-provider"`` and the like, or a path.
        as_of
            The version in force on this date; without it the newest.

        Raises
        ------
        PolicyError
            With every fault of the file, or when no version is in force on the date.

        Examples
        --------
        >>> Policy.load("hosting-provider", as_of="2021-01-10").version
        '2021.01.0'
        """
        if not isinstance(name, str | os.PathLike):
            raise PolicyError(f"policy: must be a name or a path, got {type(name).__name__}")
        versions = []
        for path in _candidates(name):
            data = _read(path)
            tree = parse(data)
            since = until = None
            if isinstance(tree.data, dict) and isinstance(tree.data.get("effective"), dict):
                since, until = (_iso(tree.data["effective"].get(key)) for key in ("from", "until"))
            versions.append((since or dt.date.min, until or dt.date.max, path, data, tree))
        versions.sort(key=lambda version: version[:3])
        if as_of is not None:
            day = _date(as_of)
            in_force = [version for version in versions if version[0] <= day <= version[1]]
            if not in_force:
                known = ", ".join(f"{since}" for since, *_ in versions)
                raise PolicyError(
                    f"policy: a version must be in force on {day}, got none of {str(name)!r}",
                    hint=f"versions begin on {known}",
                )
            versions = in_force
        _, _, path, data, tree = versions[-1]
        return cls._build(data, tree, str(path))

    @classmethod
    def parse(cls, text: str | bytes, *, place: str = "policy.yaml") -> Policy:
        """Read a policy from its text.

        Raises
        ------
        PolicyError
            With every fault.
        """
        data = text.encode() if isinstance(text, str) else text
        return cls._build(data, parse(data), place)

    @classmethod
    def _build(cls, data: bytes, tree: Tree, place: str) -> Policy:
        document, faults = _validate(tree)
        if document is None or faults:
            lines = data[:MAX_BYTES].decode("utf-8", errors="replace").splitlines()
            told = tuple(fault.in_file(place, lines) for fault in faults)
            raise PolicyError(render(told), faults=told)
        return cls(document=document, sha256=hashlib.sha256(data).hexdigest(), place=place)

    def replaced(self, document: schema.Document) -> Policy:
        """This policy with another document; for mutation, which never reaches a file."""
        return replace(self, document=document)


def as_policy(policy: Policy | str | os.PathLike[str]) -> Policy:
    """A policy, or the one that ``Policy.load`` finds by a name or a path; a file is read again when it has changed."""
    if isinstance(policy, Policy):
        return policy
    if not isinstance(policy, (str, os.PathLike)):
        raise PolicyError(f"policy: must be a policy, a name or a path, got {type(policy).__name__}")
    name = os.fspath(policy)
    try:
        written = Path(name).stat()
        state = (written.st_mtime_ns, written.st_size)
    except (OSError, ValueError):
        state = None  # a shipped pack does not change while the program runs
    return _loaded(name, state)


@functools.lru_cache(maxsize=16)
def _loaded(name: str, _state: tuple[int, int] | None) -> Policy:
    return Policy.load(name)


def _iso(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _validate(tree: Tree) -> tuple[schema.Document | None, list[Fault]]:
    """The typed document, and all faults in file order without repetition."""
    faults = list(tree.faults)
    document = None
    if tree.data is not None:
        try:
            document = schema.Document.model_validate(tree.data)
        except ValidationError as error:
            faults += faults_of(error, tree)
        faults += check(tree)
    elif not faults:
        faults.append(Fault(1, 1, "", "file must hold a mapping, got nothing"))
    told = sorted(set(faults))
    if len(told) > MAX_FAULTS:
        last = told[MAX_FAULTS]
        told[MAX_FAULTS:] = [replace(last, message=f"file must have at most {MAX_FAULTS:,} faults, got more", hint="")]
    return document, told
