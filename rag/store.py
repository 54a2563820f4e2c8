"""The truth: documents, passages, morphemes and vectors in one SQLite file.

Whatever is written is written in one transaction that also raises the generation, so a crash at any instant leaves the
old state or the new one, and every reader can tell that something has changed. FAISS and BM25 files are derived from
here and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rag.changes import Changes, forget_old_changes, note_change
from rag.errors import (
    DocumentNotFoundError,
    DuplicateIdError,
    LibraryBusyError,
    LibraryCorruptError,
    LibraryMissingError,
    ModelMismatchError,
    StorageError,
)
from rag.rows import passage_of, problem_of, row_of
from rag.schema import connect, connect_read_only
from rag.types import Document, DocumentInfo, IndexedPassage, Mark

FILE_NAME = "library.db"

_PASSAGE = 'key, document, start, "end", sentences, vector, sentence_vectors, heading'


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to write, its original bytes and its passages."""

    document: Document
    original: bytes
    passages: Sequence[IndexedPassage]


class Store:
    """The library file. Safe to use from several threads and, through SQLite's own locks, several processes."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> Store:
        """Open the library in ``folder``.

        Raises:
            LibraryMissingError: there is none and ``create`` is False.
            LibraryCorruptError, LibraryTooNewError, LibraryBusyError, StorageError: it cannot be used.

        """
        path = folder / FILE_NAME
        if not create and not path.is_file():
            raise LibraryMissingError(path=folder)
        with _translated(folder):
            if not create and path.stat().st_size == 0:
                raise LibraryCorruptError(path=folder, detail="the file is empty")
            if path.is_file() and not os.access(folder, os.W_OK):
                return cls(folder, connect_read_only(path))
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder, connect(path))

    def close(self) -> None:
        """Close the file. Using the store afterwards is an error."""
        with self._lock:
            self._connection.close()

    # Reading

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment, whatever other threads and processes write meanwhile."""
        with self._lock, _translated(self.folder):
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN")
            with self._connection:
                yield

    def generation(self) -> int:
        """A number that every change raises, by a random step: two libraries, or a library and a backup of it that went
        another way, never come to the same one.
        """
        return int(self._meta("generation") or 0)

    def model(self) -> tuple[str, int] | None:
        """Name and dimension of the embedding model the vectors come from; None before the first document."""
        name, dimension = self._meta("model"), self._meta("dimension")
        return (name, int(dimension)) if name is not None and dimension is not None else None

    def is_seeded(self) -> bool:
        """Whether the first documents were put in once, be they there still or not."""
        return self._meta("seeded") is not None

    def _meta(self, key: str) -> str | None:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def count(self) -> int:
        """The number of documents."""
        row = self._one("SELECT count(*) FROM document")
        return int(row[0]) if row else 0

    def documents(self) -> list[DocumentInfo]:
        """All documents, in the order they were added."""
        rows = self._all(
            """SELECT id, title, coalesce(collection, ''), coalesce(name, ''), length(text)
               FROM document LEFT JOIN source ON source.document = document.id
               GROUP BY id ORDER BY document.rowid"""
        )
        return [DocumentInfo(*row) for row in rows]

    def document(self, id: str) -> Document:
        """The document.

        Raises:
            DocumentNotFoundError: there is none of this id.

        """
        row = self._one(
            """SELECT id, title, text, sha256, coalesce(collection, ''), coalesce(name, ''), date, marks
               FROM document LEFT JOIN source ON source.document = document.id WHERE id = ?""",
            id,
        )
        if row is None:
            raise DocumentNotFoundError(id=id)
        id, title, text, sha256, collection, name, date, marks = row
        with _decoded(self.folder):
            labels = tuple(Mark(offset, label) for offset, label in json.loads(marks))
        return Document(id, title, text, sha256, collection, name, date, labels)

    def original(self, id: str) -> bytes:
        """The bytes the document was loaded from.

        Raises:
            DocumentNotFoundError: there is none of this id.

        """
        row = self._one("SELECT original FROM document WHERE id = ?", id)
        if row is None:
            raise DocumentNotFoundError(id=id)
        return bytes(row[0])

    def source(self, collection: str, name: str) -> tuple[str, str] | None:
        """Id and sha256 of the document that came from this source, if any."""
        row = self._one(
            """SELECT id, sha256 FROM document JOIN source ON source.document = document.id
               WHERE collection = ? AND name = ?""",
            collection,
            name,
        )
        return (str(row[0]), str(row[1])) if row else None

    def sources_below(self, collection: str, prefix: str) -> set[str]:
        """The names of a collection that begin with ``prefix``."""
        rows = self._all(
            "SELECT name FROM source WHERE collection = ? AND substr(name, 1, ?) = ?", collection, len(prefix), prefix
        )
        return {str(name) for (name,) in rows}

    def keys(self) -> npt.NDArray[np.int64]:
        """The keys of all passages, rising, (n,) int64."""
        # The index of their documents holds the keys too, in a hundredth of the pages of the table.
        rows = self._all("SELECT key FROM passage INDEXED BY passage_document")
        return np.sort(np.array([key for (key,) in rows], dtype=np.int64))

    def keys_of(self, documents: Collection[str]) -> npt.NDArray[np.int64]:
        """The keys of the passages of these documents, rising, (n,) int64; ids that are not there have none."""
        found = [self._all("SELECT key FROM passage WHERE document = ?", id) for id in documents]
        return np.array(sorted(key for rows in found for (key,) in rows), dtype=np.int64)

    def was_at(self, generation: int) -> bool:
        """Whether ``changes_since`` can tell what has changed since."""
        return self._one("SELECT 1 FROM change WHERE generation = ?", generation) is not None

    def changes_since(self, generation: int) -> Changes | None:
        """What has come and gone since ``generation``, or None if this library was never there, or too long ago."""
        row = self._one("SELECT last_key, last_removal FROM change WHERE generation = ?", generation)
        if row is None:
            return None
        come = self._all("SELECT key FROM passage WHERE key > ? ORDER BY key", row[0])
        gone = self._all("SELECT key FROM removal WHERE number > ? ORDER BY key", row[1])
        return Changes(*(np.array([key for (key,) in keys], np.int64) for keys in (come, gone)))

    def passages(self, keys: Sequence[int]) -> list[IndexedPassage]:
        """The passages of these keys, in this order; keys that are gone are left out."""
        rows: dict[int, IndexedPassage] = {}
        for at in range(0, len(keys), 500):  # SQLite allows a limited number of parameters
            some = [int(key) for key in keys[at : at + 500]]
            found = self._all(
                f"""SELECT {_PASSAGE}, substr(text, start + 1, "end" - start)
                    FROM (SELECT passage.*, text FROM passage JOIN document ON passage.document = document.id
                          WHERE key IN ({_marks(some)}))""",
                *some,
            )
            with _decoded(self.folder):
                rows.update((row[0], passage_of(row)) for row in found)
        return [rows[int(key)] for key in keys if int(key) in rows]

    def vectors(self, keys: Sequence[int]) -> npt.NDArray[np.float32]:
        """The passage vectors of these keys, (n, dimension) float32, in this order.

        Raises:
            KeyError: a key is not there.

        """
        if len(keys) == 0:
            _, dimension = self.model() or ("", 0)
            return np.zeros((0, dimension), np.float32)
        found: dict[int, bytes] = {}
        for at in range(0, len(keys), 500):
            some = [int(key) for key in keys[at : at + 500]]
            found.update(self._all(f"SELECT key, vector FROM passage WHERE key IN ({_marks(some)})", *some))
        with _decoded(self.folder):
            return np.stack([np.frombuffer(found[int(key)], "<f4") for key in keys])

    def morphemes(self, keys: Sequence[int]) -> Iterator[list[str]]:
        """The morphemes of the passages of these keys, in this order, those of their documents' titles first.

        Raises:
            KeyError: a key is not there.

        """
        for at in range(0, len(keys), 500):  # a few at a time: of a million passages they would take gigabytes
            some = [int(key) for key in keys[at : at + 500]]
            rows = self._all(f"SELECT key, heading, sentences FROM passage WHERE key IN ({_marks(some)})", *some)
            found = {key: (heading, sentences) for key, heading, sentences in rows}
            for key in some:
                heading, sentences = found[key]
                with _decoded(self.folder):
                    unpacked = [form for _, _, forms in json.loads(sentences) for form in forms.split()]
                yield heading.split() + unpacked

    # Writing

    def write(self, new: Sequence[NewDocument], *, model: tuple[str, int]) -> list[str]:
        """Add documents, each replacing what its source held before, in one transaction. Returns their ids.

        Raises:
            ModelMismatchError: another process has rebuilt the library with another model meanwhile.
            DuplicateIdError: another source holds a different document under one of the ids.
            StorageError, LibraryBusyError: nothing was changed.

        """
        with self._transaction() as connection:
            if (stored := self.model()) is not None and stored != model:
                raise ModelMismatchError(path=self.folder, stored=stored[0], current=model[0])
            _set_model(connection, model)
            for item in new:
                self._write_one(connection, item)
        return [item.document.id for item in new]

    def _write_one(self, connection: sqlite3.Connection, item: NewDocument) -> None:
        document = item.document
        _drop_source(connection, document.collection, document.name)
        other = connection.execute(
            "SELECT collection, name, sha256 FROM source JOIN document ON document = id WHERE id = ?", (document.id,)
        ).fetchone()
        if other is not None and other[2] != document.sha256:
            raise DuplicateIdError(path=document.name, id=document.id, other=other[1])
        if other is None:
            marks = json.dumps([[mark.offset, mark.label] for mark in document.marks], ensure_ascii=False)
            hashes = document.sha256, _sha256(document.text.encode())
            connection.execute(
                """INSERT INTO document (id, title, text, sha256, text_sha256, date, marks, original)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (document.id, document.title, document.text, *hashes, document.date, marks, item.original),
            )
            _insert_passages(connection, document.id, item.passages)
        connection.execute("INSERT INTO source VALUES (?, ?, ?)", (document.collection, document.name, document.id))

    def link(self, collection: str, name: str, id: str) -> None:
        """Note that this source holds the document too; what it held before goes if nothing else holds it."""
        with self._transaction() as connection:
            held = self.source(collection, name)
            if held is None or held[0] != id:
                _drop_source(connection, collection, name)
                connection.execute("INSERT INTO source VALUES (?, ?, ?)", (collection, name, id))

    def unlink(self, collection: str, names: Sequence[str]) -> None:
        """Forget sources; documents that came from nowhere else go with them."""
        with self._transaction() as connection:
            for name in names:
                _drop_source(connection, collection, name)

    def remove(self, id: str) -> None:
        """Remove a document with all its sources.

        Raises:
            DocumentNotFoundError: there is none of this id.

        """
        with self._transaction() as connection:
            if connection.execute("DELETE FROM document WHERE id = ?", (id,)).rowcount == 0:
                raise DocumentNotFoundError(id=id)

    def replace_passages(
        self, passages: Mapping[str, Sequence[IndexedPassage]], *, model: tuple[str, int], generation: int
    ) -> None:
        """Put new passages in the place of all there are, in one transaction: documents and sources stay.

        Raises:
            LibraryBusyError: the library is no longer at ``generation``, which the passages were made from.

        """
        with self._transaction() as connection:
            if self.generation() != generation:
                raise LibraryBusyError(path=self.folder)
            connection.execute("DELETE FROM passage")
            connection.execute("DELETE FROM removal")  # all is new: no derived index can be brought up to date,
            connection.execute("DELETE FROM change")  # and none need know what is gone
            for id, some in passages.items():
                _insert_passages(connection, id, some)
            _set_model(connection, model)

    def mark_seeded(self) -> None:
        """Note that the first documents were put in, so that they do not come back once removed."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('seeded', '1')")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """For as long as this lasts no other thread or process writes. Nothing in the library is written inside either.

        Raises:
            LibraryBusyError, StorageError: another process goes on writing, or the library cannot be written.

        """
        with self._lock, _translated(self.folder):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    # Checking

    def problems(self) -> list[str]:
        """What is wrong with the file, in English, a line each; nothing when it is sound."""
        with self.snapshot():
            found = [f"sqlite: {row[0]}" for row in self._all("PRAGMA integrity_check") if row[0] != "ok"]
            found += [f"sqlite: broken reference in {row[0]}" for row in self._all("PRAGMA foreign_key_check")]
            for info in self.documents():
                try:
                    found += [f"{info.id}{problem}" for problem in self._problems_of(info.id)]
                except LibraryCorruptError as error:
                    found.append(f"{info.id}: cannot be read: {error.fields['detail']}")
        return found

    def _problems_of(self, id: str) -> Iterator[str]:
        document = self.document(id)
        if _sha256(self.original(id)) != document.sha256:
            yield ": the original bytes are not those that were added"
        if (_sha256(document.text.encode()),) != self._one("SELECT text_sha256 FROM document WHERE id = ?", id):
            yield ": the text is not the one that was added"
        keys = [key for (key,) in self._all("SELECT key FROM passage WHERE document = ? ORDER BY key", id)]
        if not keys:
            yield ": has no passages"
        _, dimension = self.model() or ("", 0)
        for passage in self.passages(keys):
            if (problem := problem_of(passage, document, dimension)) is not None:
                yield f", passage {passage.key}: {problem}"

    # Plumbing

    def _all(self, statement: str, *parameters: object) -> list[Any]:
        with self._lock, _translated(self.folder):
            return self._connection.execute(statement, parameters).fetchall()

    def _one(self, statement: str, *parameters: object) -> Any:
        rows = self._all(statement, *parameters)
        return rows[0] if rows else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self.folder):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield self._connection
                note_change(self._connection)
                forget_old_changes(self._connection)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _set_model(connection: sqlite3.Connection, model: tuple[str, int]) -> None:
    name, dimension = model
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)", [("model", name), ("dimension", str(dimension))]
    )


def _drop_source(connection: sqlite3.Connection, collection: str, name: str) -> None:
    """Forget a source, and the document that came from it if that came from nowhere else."""
    of = "FROM source WHERE collection = ? AND name = ?"
    row = connection.execute(f"SELECT document {of}", (collection, name)).fetchone()
    connection.execute(f"DELETE {of}", (collection, name))
    if row is not None:
        connection.execute(
            "DELETE FROM document WHERE id = ? AND NOT EXISTS (SELECT 1 FROM source WHERE document = id)", row
        )


def _marks(some: Sequence[object]) -> str:
    return ",".join("?" * len(some))


def _insert_passages(connection: sqlite3.Connection, document: str, passages: Sequence[IndexedPassage]) -> None:
    connection.executemany(
        'INSERT INTO passage (document, start, "end", sentences, vector, sentence_vectors, heading)'
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [row_of(document, passage) for passage in passages],
    )


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """SQLite's and the system's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # Without a code it is Python's own: a text that is not UTF-8.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise LibraryBusyError(path=folder) from error
        if code == sqlite3.SQLITE_ERROR:  # "no such table": a database of something else
            raise LibraryCorruptError(path=folder, detail=error) from error
        raise StorageError(path=folder, detail=error) from error
    except sqlite3.ProgrammingError:  # used after it was closed
        raise
    except sqlite3.DatabaseError as error:
        raise LibraryCorruptError(path=folder, detail=error) from error
    except OSError as error:
        raise StorageError(path=folder, detail=error.strerror or error) from error


@contextmanager
def _decoded(folder: Path) -> Iterator[None]:
    """What only damage explains, JSON that is none or vectors of half a number, as our error."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise LibraryCorruptError(path=folder, detail=error) from error
