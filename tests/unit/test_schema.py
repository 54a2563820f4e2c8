"""Migrations: once each, all or nothing, data kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import schema
from rag.schema import MIGRATIONS, ensure_schema, schema_version

ADD_COLUMN = ("0002 test", "ALTER TABLE document ADD COLUMN colour TEXT -- a comment; with a semicolon\n; SELECT 1")
BROKEN = ("0003 test", "CREATE TABLE half (x); INSERT INTO no_such_table VALUES (1)")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "library.db", isolation_level=None)
    yield connection
    connection.close()


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_new_library_gets_all_tables_and_says_so(connection: sqlite3.Connection) -> None:
    ensure_schema(connection)
    assert tables(connection) >= {"meta", "document", "source", "passage", "migration"}
    assert schema_version(connection) == len(MIGRATIONS)
    assert [name for (name,) in connection.execute("SELECT name FROM migration")] == [name for name, _ in MIGRATIONS]


def test_running_again_changes_nothing(connection: sqlite3.Connection) -> None:
    ensure_schema(connection)
    before = list(connection.iterdump())
    ensure_schema(connection)
    assert list(connection.iterdump()) == before


def test_older_library_keeps_its_data(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_schema(connection)
    connection.execute("INSERT INTO document VALUES ('a', '제목', '글', 'sha', 'sha of 글', NULL, '[]', x'00')")
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ADD_COLUMN))
    ensure_schema(connection)
    assert schema_version(connection) == len(MIGRATIONS) + 1
    kept = connection.execute("SELECT id, text, sha256, text_sha256, original, colour FROM document").fetchall()
    assert kept == [("a", "글", "sha", "sha of 글", b"\0", None)]


def test_failing_migration_leaves_no_trace_and_can_be_run_again(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, BROKEN))
    with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
        ensure_schema(connection)
    assert "half" not in tables(connection)
    assert schema_version(connection) == len(MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("0003 test", "CREATE TABLE half (x)")))
    ensure_schema(connection)
    assert "half" in tables(connection)


def test_passages_of_the_first_schema_have_no_heading(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", MIGRATIONS[:1])
        ensure_schema(connection)
    connection.execute("INSERT INTO document VALUES ('a', '제목', '글', 'sha', 'sha of 글', NULL, '[]', x'00')")
    connection.execute("INSERT INTO passage VALUES (1, 'a', 0, 1, '[[0, 1, \"글\"]]', x'00', x'00')")
    ensure_schema(connection)
    assert connection.execute("SELECT sentences, heading FROM passage").fetchall() == [('[[0, 1, "글"]]', "")]
