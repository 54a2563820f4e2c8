"""The tables of ``library.db``, how they came to be, and connections to them.

Migrations are named, run in order, each in one transaction that also records it; running them again does nothing.
``PRAGMA user_version`` holds their count, so that an older program refuses a newer library instead of harming it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from rag.errors import LibraryTooNewError

BUSY_TIMEOUT = 10.0  # seconds to wait for another writer

MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "0001 documents, their sources, passages",
        """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE document (
            id TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            text TEXT NOT NULL,
            sha256 TEXT NOT NULL,       -- of the original bytes
            text_sha256 TEXT NOT NULL,  -- of the text in UTF-8, so that verify notices what the other cannot
            date TEXT,
            marks TEXT NOT NULL,      -- JSON [[offset, label], ...]
            original BLOB NOT NULL    -- the bytes that sha256 is of
        );
        CREATE TABLE source (         -- a document may have come from several places
            collection TEXT NOT NULL,
            name TEXT NOT NULL,
            document TEXT NOT NULL REFERENCES document (id) ON DELETE CASCADE,
            PRIMARY KEY (collection, name)
        ) WITHOUT ROWID;
        CREATE INDEX source_document ON source (document);
        CREATE TABLE passage (
            key INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: derived indexes are told apart by it
            document TEXT NOT NULL REFERENCES document (id) ON DELETE CASCADE,
            start INTEGER NOT NULL,
            "end" INTEGER NOT NULL,
            sentences TEXT NOT NULL,         -- JSON [[start, end, "morphemes parted by a space"], ...]
            vector BLOB NOT NULL,            -- float32, little-endian
            sentence_vectors BLOB NOT NULL   -- float16, little-endian, one row a sentence
        );
        CREATE INDEX passage_document ON passage (document);
        CREATE TABLE migration (name TEXT PRIMARY KEY, applied TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
        INSERT INTO meta VALUES ('generation', '0');
        """,
    ),
    (
        "0002 passages are found by their document's title too",
        """
        ALTER TABLE passage ADD COLUMN heading TEXT NOT NULL DEFAULT '';  -- morphemes parted by a space
        """,
    ),
    (
        "0003 what has changed since a generation can be told without reading all",
        """
        CREATE TABLE change (              -- a row a transaction, of the latest: see Store.changes_since
            generation INTEGER PRIMARY KEY,
            last_key INTEGER NOT NULL,     -- passages with greater keys came later
            last_removal INTEGER NOT NULL  -- removals with greater numbers came later
        );
        CREATE TABLE removal (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            key INTEGER NOT NULL  -- of a passage that is gone
        );
        CREATE TRIGGER passage_removed AFTER DELETE ON passage
        BEGIN
            INSERT INTO removal (key) VALUES (old.key);
        END;
        INSERT INTO change VALUES (
            (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'),
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'passage'), 0),
            0
        );
        """,
    ),
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the library file, or make it.

    Raises:
        LibraryTooNewError: a newer version has written it.
        sqlite3.Error: it cannot be read or written.

    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    return _prepared(connection, path.parent, "journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL")


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A library on a medium that cannot be written, such as a mounted image: all but writing works."""
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"  # without a log nobody else is writing either
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    return _prepared(connection, path.parent)


def _prepared(connection: sqlite3.Connection, folder: Path, *pragmas: str) -> sqlite3.Connection:
    """The connection, at the newest schema; closed when that cannot be, as with an older one that cannot be written."""
    try:
        if (version := schema_version(connection)) > len(MIGRATIONS):
            raise LibraryTooNewError(path=folder, version=version, supported=len(MIGRATIONS))
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        ensure_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def ensure_schema(connection: sqlite3.Connection) -> None:
    """Bring the library to the newest schema. Does nothing when it is there already.

    Raises:
        sqlite3.Error: the library cannot be read or written.

    """
    for number, (name, script) in enumerate(MIGRATIONS, 1):
        if schema_version(connection) >= number:
            continue
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if schema_version(connection) >= number:  # another process was quicker
                continue
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute("INSERT INTO migration (name) VALUES (?)", (name,))
            connection.execute(f"PRAGMA user_version = {number}")


def schema_version(connection: sqlite3.Connection) -> int:
    """How many migrations the library has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """The statements one by one: ``executescript`` would commit first and so lose the transaction."""
    # Without comments, as ALTER TABLE keeps one at its end and then fails to read itself. No string here holds two dashes.
    without_comments = "\n".join(line.partition("--")[0] for line in script.splitlines())
    statement = ""
    for piece in without_comments.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):  # else the semicolon is within a trigger or a string
            if statement.strip(" \n;"):
                yield statement
            statement = ""
    if statement:
        yield statement
