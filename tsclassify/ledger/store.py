"""The file of a ledger: its tables, its hash chain, the one connection, and one sentence for each refusal of SQLite.

``EventStore`` owns the connection; the named queries over it are in ``queries``. Row n carries
``hash(n) = sha256(hash(n-1) + sha256(body) + header)``, where the header is the JSON list of the chained columns and
the body is JSON (it lies packed in the file), so that a change of any of them breaks the chain from that row on. The
hash of a body does not depend on where the row comes to stand: it is computed before the lock is taken. Two columns
behind the hash, ``awaits`` and ``text``, repeat what the body says, so that an index can serve them; ``verify``
compares them with the body.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from tsclassify.errors import LedgerError

__all__ = [
    "APPLICATION_ID",
    "COLUMNS",
    "GENESIS",
    "SCHEMA",
    "EventStore",
    "Row",
    "chain",
    "digest",
    "translated",
]

APPLICATION_ID: Final = 0x7473636C
"""Marks the file as a ledger of this library: the letters ``tscl``."""
SCHEMA: Final = 3
GENESIS: Final = bytes(32)
"""What the first row is chained to."""

_PAGE: Final = 8192
"""Bytes of a page in a new file."""
_LOG: Final = 64 << 20
"""Bytes of the log at which it is copied into the file."""

CHAINED: Final = ("seq", "kind", "at", "known", "id", "actor", "tenant", "tier", "basis", "ref")
"""Columns of the header."""
COLUMNS: Final = (*CHAINED, "body", "hash", "awaits", "text")
"""All columns; ``awaits`` is the tier that a decision leaves to a person, ``text`` the start of its text's hash."""
Row = tuple[Any, ...]

_ROW: Final = f"({', '.join('?' * len(COLUMNS))})"
_INSERT: Final = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES {_ROW}"  # noqa: S608

ROWS_AT_ONCE: Final = 256
"""Rows in one statement: a fifth less time than a statement for each row (``benchmarks/ledger.py``)."""
_VALUES: Final = ROWS_AT_ONCE * len(COLUMNS)
_INSERT_ROWS: Final = _INSERT + f", {_ROW}" * (ROWS_AT_ONCE - 1)

_CREATE: Final = """
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  known INTEGER NOT NULL,
  id TEXT,
  actor TEXT,
  tenant TEXT,
  tier TEXT,
  basis TEXT,
  ref INTEGER,
  body BLOB NOT NULL,
  hash BLOB NOT NULL,
  awaits TEXT,
  text BLOB
);
CREATE INDEX event_actor ON event (actor) WHERE actor IS NOT NULL AND tier IS NOT 'none';
CREATE INDEX event_tenant ON event (tenant, basis, at, known, tier) WHERE tenant IS NOT NULL AND kind = 'decision';
CREATE INDEX event_around ON event (tenant, kind) WHERE kind <> 'decision';
CREATE INDEX event_id ON event (id) WHERE id IS NOT NULL;
CREATE INDEX event_ref ON event (ref, kind, known) WHERE ref IS NOT NULL;
CREATE INDEX event_awaits ON event (tenant, awaits, known) WHERE awaits IS NOT NULL;
CREATE TABLE post (sha256 TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT raise(ABORT, 'a ledger only grows'); END;
CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT raise(ABORT, 'a ledger only grows'); END;
"""

_HEADER: Final = msgspec.json.Encoder()


def digest(body: bytes | bytearray) -> bytes:
    """Hash of a body, the part of a row's hash that can be computed ahead."""
    return hashlib.sha256(body).digest()


def chain(before: bytes, header: tuple[object, ...], body_hash: bytes) -> bytes:
    """Hash of a row, from the hash of the row before, its columns ``seq`` to ``ref`` and the hash of its body."""
    return hashlib.sha256(before + body_hash + _HEADER.encode(header)).digest()


@contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """Turn SQLite's errors into one sentence that says what to do."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        # Of a closed file, or of another thread: SQLite gives these no code.
        place = f"{Path(path).name}: "
        if "closed" in str(error):
            raise LedgerError(place + "ledger must be open, got a closed one", hint="open it again") from error
        if "thread" in str(error):
            sentence = "ledger must be used in the thread that opened it, got another one"
            raise LedgerError(place + sentence, hint="open it once in each thread") from error
        raise
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        place = f"{Path(path).name}: "
        if name.startswith("SQLITE_FULL"):
            sentence, hint = "disk must have room for the batch, got a full one", "nothing of the batch was recorded"
        elif name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
            sentence, hint = "ledger must be writable, got a read-only file", "open it with read_only=True to read"
        elif name.startswith("SQLITE_BUSY"):
            sentence, hint = "ledger must be free within 30 s, got another writer", "try again"
        elif name.startswith("SQLITE_CANTOPEN"):
            sentence, hint = "ledger must be a file that can be opened, got none", "check the folder and its rights"
        elif name.startswith("SQLITE_NOTADB"):
            sentence, hint = "file must be a ledger, got something that is not SQLite", ""
        elif name.startswith("SQLITE_CORRUPT"):
            sentence, hint = "file must be sound, got a damaged SQLite file", "run: tsclassify ledger verify"
        elif "a ledger only grows" in str(error):
            sentence, hint = "recorded events must stay as they are, got a change", "record a void instead"
        elif name.startswith("SQLITE_IOERR"):
            sentence, hint = "file must be readable and writable, got an input/output error", ""
        else:
            raise
        raise LedgerError(place + sentence, hint=hint) from error


def _connect(path: Path, *, create: bool, read_only: bool, busy_s: float = 30.0) -> sqlite3.Connection:
    """Open the file, look what it is, and only then use it.

    Raises
    ------
    LedgerError
        When it is missing, no ledger, from a newer version, or cannot be opened.
    """
    if path.is_dir():
        raise LedgerError(f"{path.name}: ledger must be a file, got a folder")
    if path.exists() and not path.is_file():
        raise LedgerError(f"{path.name}: ledger must be a plain file, got a device or a pipe")
    if not path.exists() and (read_only or not create):
        raise LedgerError(f"{path.name}: ledger must exist, got no such file")
    with translated(path):
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=busy_s, isolation_level=None
        )
        try:
            _settle(connection, path, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _settle(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (tables or read_only):
        raise LedgerError(f"{path.name}: file must be a ledger, got another SQLite database")
    if application == APPLICATION_ID and version != SCHEMA:
        raise LedgerError(
            f"{path.name}: ledger schema must be {SCHEMA}, got {version}",
            hint="use a newer tsclassify"
            if version > SCHEMA
            else "export it with the tsclassify that wrote it, and import the export into a new ledger",
        )
    if not read_only:
        # Accounts come in any order, so that a batch touches most pages of their index. Larger pages, and a log that
        # is copied into the file every 64 MiB and not after each batch, write those pages fewer times.
        connection.execute(f"PRAGMA page_size={_PAGE}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_LOG // _PAGE}")
        # FULL syncs the log at every commit: a committed batch outlives a crash of the machine, not only of us.
        connection.execute("PRAGMA synchronous=FULL")
        if application != APPLICATION_ID:
            _create(connection)
    connection.execute("PRAGMA cache_size=-131072")
    # With this, INSERT OR REPLACE meets the trigger that refuses a delete.
    connection.execute("PRAGMA recursive_triggers=ON")
    connection.execute("PRAGMA temp_store=MEMORY")


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, unless another process did so while this one waited for the lock."""
    with _transaction(connection):
        if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
            return
        for statement in _statements(_CREATE):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={SCHEMA}")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _statements(script: str) -> Iterator[str]:
    """Split a script, so that it runs inside one transaction (``executescript`` would commit first)."""
    part = ""
    for line in script.splitlines():
        part += line + "\n"
        if sqlite3.complete_statement(part):
            yield part
            part = ""


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One writer at a time from the first read on: the end of the chain is read under the lock."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class EventStore:
    """The rows of one ledger: owns the connection, chains nothing and reads no body.

    Parameters
    ----------
    path
        The file.
    create, read_only
        As ``Ledger.open`` has them.

    Attributes
    ----------
    max_values
        Most values in one statement: an SQLite of before 2020 takes 999.

    Raises
    ------
    LedgerError
        When the file is missing, no ledger, from another version, or cannot be opened.
    """

    def __init__(self, path: Path, *, create: bool, read_only: bool) -> None:
        self.path = path
        self._connection = _connect(path, create=create, read_only=read_only)
        self.max_values = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)

    def close(self) -> None:
        """Close the file; a closed store refuses everything."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One writer at a time, from the first read on, committed as a whole or not at all."""
        with translated(self.path), _transaction(self._connection):
            yield

    def select(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, or the effect of a statement."""
        with translated(self.path):
            return self._connection.execute(query, values).fetchall()

    def one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with translated(self.path):
            row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    def iterate(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one by one, for those that do not fit in memory."""
        with translated(self.path):
            yield from self._connection.execute(query, values)

    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last row; 0 and the genesis hash when there is none."""
        row = self.one("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
        return (0, GENESIS) if row is None else (int(row[0]), bytes(row[1]))

    def check_open(self) -> None:
        """Refuse a closed store in one sentence."""
        with translated(self.path):
            _ = self._connection.total_changes

    def rows(self) -> Iterator[Row]:
        """Every row with all columns, in order; SQLite's own errors pass, for ``verify`` to name the row."""
        yield from self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM event ORDER BY seq")  # noqa: S608

    def insert(self, values: Sequence[Any]) -> None:
        """Insert chained rows, given as their values one row after the other, inside a transaction."""
        done = 0
        if self.max_values >= _VALUES:
            for done in range(_VALUES, len(values) + 1, _VALUES):
                self._connection.execute(_INSERT_ROWS, values[done - _VALUES : done])
        # The same iterator for each column takes one row after the other.
        self._connection.executemany(_INSERT, zip(*[iter(values[done:])] * len(COLUMNS), strict=True))

    def is_sound(self) -> bool:
        """True when SQLite finds every index to match its rows."""
        return bool(self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")

    def backup(self, path: Path) -> None:
        """Copy the file as it stands, while others may write to it."""
        with translated(path), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            # The copy stands alone: without the log it is one file that can be moved.
            copy.execute("PRAGMA journal_mode=DELETE")
