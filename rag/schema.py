"""The tables of ``library.db`` and how they came to be.

Migrations are named, run in order, each in one transaction that also records it; running them again does nothing.
``PRAGMA user_version`` holds their count, so that an older program refuses a newer library instead of harming it.
"""

from __future__ import annotations

import sqlite3

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
        CREATE TABLE change (        -- a row a transaction: a derived index of a generation that stands here can be brought up to date
            generation INTEGER PRIMARY KEY,
            last_key INTEGER NOT NULL,     -- passages with greater keys came later
            last_removal INTEGER NOT NULL  -- removals with greater numbers came later
        );
        CREATE TABLE removal (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            key INTEGER NOT NULL  -- of a passage that is gone
        );
        CREATE TRIGGER passage_removed AFTER DELETE ON passage
            BEGIN INSERT INTO removal (key) VALUES (old.key) | END;
        INSERT INTO change VALUES (
            (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'),
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'passage'), 0),
            0
        );
        """,
    ),
)


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


def _statements(script: str) -> list[str]:
    # executescript() would commit first and so lose the transaction. No statement here holds a semicolon in a string; inside of a
    # trigger one is written as a bar.
    without_comments = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [statement.replace("|", ";") for statement in without_comments.split(";") if statement.strip()]
