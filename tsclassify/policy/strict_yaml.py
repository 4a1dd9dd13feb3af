"""YAML as data and nothing else: 1.2-core scalars, no aliases, no tags, no duplicate keys, bounded size and depth.

YAML 1.1 reads ``no`` as false and ``12:30`` as 750; here both are the strings that were written. The tree is built
from libyaml's events by a loop, so that a hostile file costs no recursion, and each value keeps its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from tsclassify.policy.faults import Fault, Mark

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_ENTRIES", "MAX_NODES", "Tree", "parse"]

MAX_BYTES: Final = 512 * 1024
MAX_DEPTH: Final = 24
MAX_NODES: Final = 50_000
MAX_ENTRIES: Final = 1000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_BASED: Final = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
# What moves, hides or turns other text where a policy is shown; joiners, which some scripts need, are none of it.
_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CORE: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Tree:
    """A parsed file.

    Attributes
    ----------
    data
        dict, tuple, str, int, float, bool and None.
    values, keys
        Path to the place of the value, and of its key.
    faults
        What was refused while reading.
    """

    data: Any = None
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being read; ``key`` is the key that waits for its value."""

    container: Any
    path: Path
    key: str | None = None
    seen_key: bool = False
    skip: bool = False


class _Stop(Exception):
    """Reading cannot go on."""


def _scalar(event: Any) -> Any:
    """The value of a scalar by the core schema of YAML 1.2; quoted and block scalars are strings."""
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _CORE:
        return _CORE[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        # ".5" is a number, ".inf" and ".nan" are Python's words behind a dot.
        return float(text if any(c.isdigit() for c in text) else text.replace(".", ""))
    return text


class _Builder:
    """Puts events together; one fault per thing refused, going on wherever that makes sense."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.stack: list[_Open] = []
        self.n_nodes = 0
        self.n_documents = 0

    def fault(self, mark: Any, message: str, *, hint: str = "", path: Path = ()) -> None:
        self.tree.faults.append(Fault.at(Mark(mark.line + 1, mark.column + 1), path, message, hint))

    def stop(self, mark: Any, message: str, *, hint: str = "") -> None:
        self.fault(mark, message, hint=hint)
        raise _Stop

    def feed(self, event: Any) -> None:
        mark = event.start_mark
        if isinstance(event, yaml.DocumentStartEvent):
            self.n_documents += 1
            if self.n_documents > 1:
                self.stop(mark, "file must hold one YAML document, got a second one")
        elif isinstance(event, yaml.AliasEvent):
            self.stop(mark, "value must be written out, got an alias", hint="a policy has no anchors or aliases")
        elif isinstance(event, yaml.NodeEvent):
            self.node(event, mark)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.close()

    def node(self, event: Any, mark: Any) -> None:
        if event.anchor is not None:
            self.stop(mark, "value must be written out, got an anchor", hint="a policy has no anchors or aliases")
        if event.tag is not None and event.tag != "!":
            self.stop(mark, f"value must have no tag, got {event.tag[:60]!r}")
        if self.stack and not self.stack[-1].seen_key and len(self.stack[-1].container) >= MAX_ENTRIES:
            self.stop(mark, f"a list or a mapping must have at most {MAX_ENTRIES:,} entries, got more")
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            self.stop(mark, f"file must hold at most {MAX_NODES:,} values, got more")
        if isinstance(event, yaml.ScalarEvent):
            if _STEERING.search(event.value):
                place = self.stack[-1].path if self.stack else ()
                self.fault(mark, "text must hold no control or bidi characters, got one", path=place)
            top = self.stack[-1] if self.stack else None
            if top is not None and isinstance(top.container, dict) and not top.seen_key:
                self.key(top, event, mark)
            else:
                self.place(_scalar(event), mark)
            return
        if len(self.stack) >= MAX_DEPTH:
            self.stop(mark, f"values must be nested at most {MAX_DEPTH} deep, got more")
        if self.stack and isinstance(self.stack[-1].container, dict) and not self.stack[-1].seen_key:
            self.stop(mark, "key must be a string, got a list or a mapping", hint="is a bracket or a colon missing?")
        container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self.path()
        self.tree.values.setdefault(path, Mark(mark.line + 1, mark.column + 1))
        self.stack.append(_Open(container, path))

    def path(self) -> Path:
        """Path of the value that comes next."""
        if not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.path, len(top.container) if isinstance(top.container, list) else str(top.key))

    def key(self, top: _Open, event: Any, mark: Any) -> None:
        key = _scalar(event)
        top.seen_key, top.skip = True, False
        if not isinstance(key, str):
            self.fault(mark, f"key must be a string, got {event.value[:40]!r}", hint="put it in quotes", path=top.path)
            top.key, top.skip = event.value, True
            return
        path = (*top.path, key)
        if key in top.container:
            first = self.tree.keys[path].line
            self.fault(
                mark, f"key must be given once, got {key[:40]!r} again", hint=f"first on line {first}", path=path
            )
            top.key, top.skip = key, True
            return
        top.key = key
        self.tree.keys[path] = Mark(mark.line + 1, mark.column + 1)

    def place(self, value: Any, mark: Any) -> None:
        if mark is not None:
            self.tree.values.setdefault(self.path(), Mark(mark.line + 1, mark.column + 1))
        if not self.stack:
            self.tree.data = value
            return
        top = self.stack[-1]
        if isinstance(top.container, list):
            top.container.append(value)
            return
        if not top.skip:
            top.container[top.key] = value
        top.seen_key = False

    def close(self) -> None:
        done = self.stack.pop()
        value = tuple(done.container) if isinstance(done.container, list) else done.container
        self.place(value, None)


def parse(data: bytes) -> Tree:
    """Read a policy file.

    Parameters
    ----------
    data
        The file's bytes, UTF-8.

    Returns
    -------
    Tree
        With ``faults`` when something was refused; what could be read is in ``data`` all the same, unless the
        reading had to stop, when ``data`` is None.
    """
    if len(data) > MAX_BYTES:
        message = f"file must have at most {MAX_BYTES // 1024} KiB, got {len(data) // 1024} KiB"
        return Tree(faults=[Fault.at(Mark(1, 1), (), message)])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"file must be UTF-8, got byte 0x{data[error.start]:02x} at offset {error.start}"
        return Tree(faults=[Fault.at(Mark(line, 1), (), message)])
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.feed(event)
    except _Stop:
        builder.tree.data = None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)
        lines = text.splitlines()
        written = lines[where.line - 1] if where.line <= len(lines) else ""
        hint = "indent with blanks, not tabs" if "\t" in written else ""
        builder.tree.faults.append(Fault.at(where, (), f"file must be YAML, got an error: {error.problem}", hint))
        builder.tree.data = None
    except yaml.YAMLError as error:
        reason = str(getattr(error, "reason", error)).splitlines()[0]
        builder.tree.faults.append(Fault.at(Mark(1, 1), (), f"file must be YAML, got an error: {reason}"))
        builder.tree.data = None
    else:
        if not builder.n_documents:
            builder.tree.faults.append(Fault.at(Mark(1, 1), (), "file must hold a policy, got nothing"))
    return builder.tree
