"""Migrations: once each, all or nothing, data kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import schema
from rag.schema import MIGRATIONS, ensure_schema, schema_version

TRIGGER = """
    CREATE TRIGGER named AFTER INSERT ON document
    BEGIN
        UPDATE document SET title = title || ';' WHERE id = new.id; -- a comment; with a semicolon
        UPDATE document SET text = '|' WHERE id = new.id;
    END;
"""
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
    assert tables(connection) >= {"meta", "document", "source", "passage", "migration", "change", "removal"}
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


def a_document_in(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO document VALUES ('a', '제목', '글', 'sha', 'sha of 글', NULL, '[]', x'00')")


def test_triggers_are_one_statement(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("trigger", TRIGGER)))
    ensure_schema(connection)
    a_document_in(connection)
    assert connection.execute("SELECT title, text FROM document").fetchall() == [("제목;", "|")]


def test_a_statement_without_an_end_is_not_passed_over(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("trigger", TRIGGER.replace("END;", ""))))
    with pytest.raises(sqlite3.Error, match="syntax error"):
        ensure_schema(connection)
    assert schema_version(connection) == len(MIGRATIONS)


def test_library_of_the_second_schema_keeps_its_data_and_begins_to_tell_changes(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", MIGRATIONS[:2])
        ensure_schema(connection)
    a_document_in(connection)
    passages = [(key, "a", 0, 1, "[]", b"\0", b"\0", "제목") for key in (1, 2, 7)]
    connection.executemany("INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?, ?, ?)", passages)
    connection.execute("DELETE FROM passage WHERE key = 7")  # before anybody took note
    connection.execute("UPDATE meta SET value = '12345' WHERE key = 'generation'")
    ensure_schema(connection)
    assert connection.execute("SELECT * FROM passage").fetchall() == passages[:2]
    assert connection.execute("SELECT * FROM change").fetchall() == [(12345, 7, 0)]
    assert connection.execute("SELECT * FROM removal").fetchall() == []


def test_removals_are_noted_when_the_document_goes_too(connection: sqlite3.Connection) -> None:
    ensure_schema(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    a_document_in(connection)
    for key in (3, 5, 9):
        connection.execute("INSERT INTO passage VALUES (?, 'a', 0, 1, '[]', x'00', x'00', '')", (key,))
    connection.execute("DELETE FROM passage WHERE key = 5")
    connection.execute("DELETE FROM document")
    numbers, keys = zip(*connection.execute("SELECT number, key FROM removal ORDER BY number"), strict=True)
    assert numbers == (1, 2, 3)
    assert (keys[0], {*keys[1:]}) == (5, {3, 9})


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
