"""The file of a ledger: its tables, its hash chain, and one sentence for every way in which SQLite can refuse.

Row n carries ``hash(n) = sha256(hash(n-1) + sha256(body) + header)``, where the header is the JSON list of all other
columns and the body is JSON (it lies packed in the file), so that a change of any column of any row breaks the chain
from that row on. The hash of a body does not depend on where the row comes to stand: it is computed before the lock
is taken.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tsclassify.errors import LedgerError

__all__ = [
    "APPLICATION_ID",
    "COLUMNS",
    "GENESIS",
    "SCHEMA",
    "Row",
    "chain",
    "connect",
    "digest",
    "transaction",
    "translated",
]

APPLICATION_ID: Final = 0x7473636C
"""Marks the file as a ledger of this library: the letters ``tscl``."""
SCHEMA: Final = 2
GENESIS: Final = bytes(32)
"""What the first row is chained to."""

_PAGE: Final = 8192
"""Bytes of a page in a new file."""
_LOG: Final = 64 << 20
"""Bytes of the log at which it is copied into the file."""

COLUMNS: Final = ("seq", "kind", "at", "known", "id", "actor", "tenant", "tier", "basis", "ref", "body", "hash")
Row = tuple[int, str, int, int, str | None, str | None, str | None, str | None, str | None, int | None, bytes, bytes]

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
  hash BLOB NOT NULL
);
CREATE INDEX event_actor ON event (actor) WHERE actor IS NOT NULL AND tier IS NOT 'none';
CREATE INDEX event_tenant ON event (tenant, basis, at, known, tier) WHERE tenant IS NOT NULL AND kind = 'decision';
CREATE INDEX event_around ON event (tenant, kind) WHERE kind <> 'decision';
CREATE INDEX event_id ON event (id) WHERE id IS NOT NULL;
CREATE INDEX event_ref ON event (ref, kind, known) WHERE ref IS NOT NULL;
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


def connect(path: Path, *, create: bool, read_only: bool, busy_s: float = 30.0) -> sqlite3.Connection:
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
    with transaction(connection):
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
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One writer at a time from the first read on: the end of the chain is read under the lock."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
