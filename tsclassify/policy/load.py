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

from tsclassify.errors import PolicyError
from tsclassify.policy import schema
from tsclassify.policy.checks import check
from tsclassify.policy.extends import merged
from tsclassify.policy.faults import MAX_FAULTS, Fault, nearest, render
from tsclassify.policy.platform import PlatformReview
from tsclassify.policy.shelf import Reference, candidates, read_file, shipped_names
from tsclassify.policy.strict_yaml import MAX_BYTES, Tree, parse
from tsclassify.policy.testcase import TestCase
from tsclassify.policy.translate import faults_of

__all__ = ["Policy", "as_policy", "shipped_names"]


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
            ``"hosting-provider"`` and the like, or a path; with a version and the first digits of the hash, as a
            record carries them: ``"hosting-provider@2021.07.0@26dc10a2"``.
        as_of
            The version in force on this date; without it the newest.

        Raises
        ------
        PolicyError
            With every fault of the file, or when no version is in force on the date, has the version that is asked
            for, or has its hash.

        Examples
        --------
        >>> Policy.load("hosting-provider", as_of="2021-01-10").version
        '2021.01.0'
        """
        if not isinstance(name, str | os.PathLike):
            raise PolicyError(f"policy: must be a name or a path, got {type(name).__name__}")
        asked = Reference.parse(name) if isinstance(name, str) else Reference(str(name))
        versions = [_Version.read(path) for path in candidates(asked.name if asked.name != str(name) else name)]
        versions.sort(key=lambda version: (version.since, version.until, version.path))
        if asked.version:
            versions = _of_version(versions, asked)
        if as_of is not None:
            versions = _in_force(versions, _date(as_of), str(name))
        policy = cls._build(versions[-1].data, versions[-1].tree, str(versions[-1].path))
        if not policy.sha256.startswith(asked.sha256):
            raise PolicyError(
                f"policy: {policy.name} {policy.version} must have the hash {asked.sha256[:12]} that is asked for, "
                f"got {policy.sha256[:12]}",
                hint="the file has changed since; take the one of that time from where it is kept",
            )
        return policy

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
        extended = isinstance(tree.data, dict) and tree.data.get("extends")
        base = _base(extended, place) if isinstance(extended, str) and not tree.faults else None
        if base is not None:
            tree = merged(parse(base.data), tree)
        document, faults = _validate(tree)
        if document is None or faults:
            lines = data[:MAX_BYTES].decode("utf-8", errors="replace").splitlines()
            told = tuple(fault.in_file(place, lines) for fault in faults)
            raise PolicyError(render(told), faults=told)
        # What a file says that extends another hangs on both.
        of_base = b"" if base is None else b"\0" + hashlib.sha256(base.data).digest()
        return cls(document=document, sha256=hashlib.sha256(data + of_base).hexdigest(), place=place)

    def replaced(self, document: schema.Document) -> Policy:
        """This policy with another document; for mutation, which never reaches a file."""
        return replace(self, document=document)


@dataclass(frozen=True, slots=True)
class _Version:
    """A file that was read and not yet checked, with the days from which and until which it says to be in force."""

    path: Path
    data: bytes
    tree: Tree
    since: dt.date
    until: dt.date

    @classmethod
    def read(cls, path: Path) -> _Version:
        data = read_file(path)
        tree = parse(data)
        effective = tree.data.get("effective") if isinstance(tree.data, dict) else None
        days = effective if isinstance(effective, dict) else {}
        since, until = (_iso(days.get(key)) for key in ("from", "until"))
        return cls(path, data, tree, since or dt.date.min, until or dt.date.max)

    @property
    def version(self) -> str:
        return str(self.tree.data.get("version", "")) if isinstance(self.tree.data, dict) else ""


def _of_version(versions: list[_Version], asked: Reference) -> list[_Version]:
    """The files of the version that is asked for."""
    same = [version for version in versions if version.version == asked.version]
    if not same:
        known = ", ".join(version.version for version in versions)
        raise PolicyError(
            f"policy: {asked.name} must have the version {asked.version} that is asked for, got only {known}",
            hint=nearest(asked.version, known.split(", ")),
        )
    return same


def _in_force(versions: list[_Version], day: dt.date, name: str) -> list[_Version]:
    """The files that are in force on a day."""
    in_force = [version for version in versions if version.since <= day <= version.until]
    if not in_force:
        known = ", ".join(f"{version.since}" for version in versions)
        raise PolicyError(
            f"policy: a version must be in force on {day}, got none of {name!r}", hint=f"versions begin on {known}"
        )
    return in_force


def _base(extended: str, place: str) -> _Version:
    """The file that another one extends: beside it, or a shipped pack (with its version).

    Raises
    ------
    PolicyError
        When it cannot be read, has faults of its own, or extends a third file.
    """
    asked = Reference.parse(extended)
    if Path(extended).suffix in {".yaml", ".yml"}:
        if Path(extended).name != extended:
            raise PolicyError(f"{place}: extends must name a file beside this one or a shipped pack, got a path")
        found = _Version.read(Path(place).parent / extended)
    else:
        versions = [_Version.read(path) for path in candidates(asked.name)]
        found = max(_of_version(versions, asked) if asked.version else versions, key=lambda version: version.since)
    if isinstance(found.tree.data, dict) and "extends" in found.tree.data:
        raise PolicyError(f"{place}: extends must name a file that stands alone, got one that extends another")
    Policy.parse(found.data, place=str(found.path))
    return found


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
