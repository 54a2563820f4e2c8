"""The library file: whole transactions, no reuse of keys, and an error of its own for everything that goes wrong."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rag.changes
import rag.schema
from rag.errors import (
    DocumentNotFoundError,
    DuplicateIdError,
    GeungeoError,
    LibraryBusyError,
    LibraryCorruptError,
    LibraryMissingError,
    LibraryTooNewError,
    ModelMismatchError,
    StorageError,
)
from rag.schema import MIGRATIONS, ensure_schema
from rag.store import FILE_NAME, NewDocument, Store
from rag.types import Document, IndexedPassage, Mark, Passage, Sentence

MODEL = ("tiny", 2)
SKY = "😀 하늘은 파랗다."  # an emoji is two units in UTF-16 and four bytes in UTF-8, and one character here


def a_document(id: str = "sky", text: str = SKY, name: str = "sky.txt", pieces: int = 1) -> NewDocument:
    """A document whose bytes are its text, cut into pieces of equal length, each one sentence pointing along (1, 0)."""
    size = len(text) // pieces
    original = text.encode()
    document = Document(
        id, "제목", text, hashlib.sha256(original).hexdigest(), "files", name, "2024-05-01", (Mark(0, "쪽 1"),)
    )
    passages = [
        IndexedPassage(
            Passage(id, start, start + size, text[start : start + size]),
            (Sentence(start, start + size, ("하늘", "파랗")),),
            np.array([1, 0], np.float32),
            np.array([[1, 0]], np.float16),
        )
        for start in range(0, size * pieces, size)
    ]
    return NewDocument(document, original, passages)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path, create=True)
    yield store
    store.close()


@pytest.fixture
def other(store: Store) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    connection = sqlite3.connect(store.folder / FILE_NAME, timeout=0, isolation_level=None)
    yield connection
    connection.close()


def texts(store: Store) -> dict[str, str]:
    return {info.id: store.document(info.id).text for info in store.documents()}


# Opening


def test_missing_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissingError):
        Store.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(LibraryCorruptError):
        Store.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_truncated_library(tmp_path: Path, store: Store) -> None:
    store.write([a_document(text="하늘" * 10_000, pieces=10)], model=MODEL)
    store.close()
    whole = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LibraryCorruptError):
        Store.open(tmp_path)


def test_library_of_a_newer_version_is_refused_unharmed(tmp_path: Path, store: Store) -> None:
    store.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(LibraryTooNewError, match=f"schema {len(MIGRATIONS) + 1};"):
        Store.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_creating_finishes_what_a_killed_process_began(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()  # SQLite makes the file before it writes to it
    store = Store.open(tmp_path, create=True)
    assert store.documents() == []
    store.close()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_folder_that_cannot_be_written() -> None:
    with pytest.raises(StorageError):
        Store.open(Path("/proc/geungeo"), create=True)  # not even root makes folders there


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        Store.open(tmp_path / "file", create=True)


def test_closed_store_is_not_called_a_damaged_library(store: Store) -> None:
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.documents()


# Reading what was written


def test_document_comes_back_as_it_went_in(tmp_path: Path, store: Store) -> None:
    new = a_document()
    assert store.write([new], model=MODEL) == ["sky"]
    store.close()
    again = Store.open(tmp_path)
    assert again.document("sky") == new.document
    assert again.original("sky") == SKY.encode()
    assert again.source("files", "sky.txt") == ("sky", new.document.sha256)
    assert again.model() == MODEL
    (passage,) = again.passages(again.keys().tolist())
    assert passage.passage == Passage("sky", 0, len(SKY), SKY)
    assert passage.sentences == new.passages[0].sentences
    assert passage.vector.tolist() == [1, 0]
    assert passage.sentence_vectors.tolist() == [[1, 0]]
    again.close()


def test_passages_come_in_the_order_of_the_keys_asked_for(store: Store) -> None:
    text = "".join(chr(ord("가") + i) for i in range(1200))
    store.write([a_document(text=text, pieces=1200)], model=MODEL)
    keys = store.keys().tolist()[::-1]
    assert "".join(p.passage.text for p in store.passages([*keys, 10**9])) == text[::-1]
    assert store.vectors(keys).shape == (1200, 2)


def test_morphemes_and_vectors_come_in_the_order_of_the_keys_asked_for(store: Store) -> None:
    (new,) = [a_document(text="가나다라" * 300, pieces=1200)]
    numbered = [
        replace(
            passage,
            sentences=(Sentence(n, n + 1, (f"낱말{n}",)),),
            vector=np.array([np.cos(n), np.sin(n)], np.float32),
        )
        for n, passage in enumerate(new.passages)
    ]
    store.write([replace(new, passages=numbered)], model=MODEL)
    keys = store.keys()[::-1].tolist()
    assert list(store.morphemes(keys)) == [[f"낱말{n}"] for n in reversed(range(1200))]
    assert np.array_equal(store.vectors(keys), np.stack([passage.vector for passage in numbered[::-1]]))


def test_there_are_no_morphemes_and_vectors_of_keys_that_are_gone(store: Store) -> None:
    store.write([a_document(pieces=2), a_document("sea", "바다", "sea.txt")], model=MODEL)
    first, second, sea = store.keys().tolist()
    store.remove("sky")
    for read in (store.vectors, lambda keys: list(store.morphemes(keys))):
        with pytest.raises(KeyError, match=str(second)):
            read([sea, second, first])


def test_nothing_asked_for_is_nothing(store: Store) -> None:
    assert store.vectors([]).shape == (0, 0)  # no model is known
    store.write([a_document()], model=MODEL)
    assert store.vectors([]).shape == (0, 2)
    assert list(store.morphemes([])) == []
    assert store.passages([]) == []


def test_unknown_id(store: Store) -> None:
    for call in (store.document, store.original, store.remove):
        with pytest.raises(DocumentNotFoundError):
            call("nobody")


# Writing


def test_changed_file_replaces_its_old_self_at_once(store: Store, other: sqlite3.Connection) -> None:
    store.write([a_document("old", "하늘은 파랗다.", pieces=2)], model=MODEL)
    seen: list[tuple[str, int]] = []

    def look(_statement: str) -> None:
        seen.extend(other.execute("SELECT document, count(*) FROM passage GROUP BY document"))

    store._connection.set_trace_callback(look)
    store.write([a_document("new", "바다도 아주 파랗다.", pieces=3)], model=MODEL)
    store._connection.set_trace_callback(None)
    look("")
    assert len(seen) > 5
    assert set(seen) == {("old", 2), ("new", 3)}
    assert seen == sorted(seen, reverse=True)  # first only the old one, then only the new one


def test_write_that_fails_midway_leaves_the_old_state(store: Store, other: sqlite3.Connection) -> None:
    store.write([a_document("old", "하늘은 파랗다.")], model=MODEL)
    before = store.generation()
    other.execute("CREATE TRIGGER fail BEFORE INSERT ON passage WHEN NEW.start > 0 BEGIN SELECT RAISE(FAIL, 'no'); END")
    with pytest.raises(GeungeoError):
        store.write([a_document("new", "바다도 파랗다!", pieces=2)], model=MODEL)
    assert texts(store) == {"old": "하늘은 파랗다."}
    assert store.generation() == before
    assert store.problems() == []


def test_same_content_from_two_sources_goes_with_the_last_of_them(store: Store) -> None:
    store.write([a_document(name="a.txt"), a_document(name="b.txt")], model=MODEL)
    store.link("notes", "c.txt", "sky")
    assert [info.id for info in store.documents()] == ["sky"]
    assert len(store.keys()) == 1
    store.unlink("files", ["a.txt", "b.txt"])
    assert store.count() == 1
    store.unlink("notes", ["c.txt"])
    assert (store.count(), len(store.keys())) == (0, 0)


def test_a_source_that_comes_to_hold_something_else_leaves_the_document_to_the_other_source(store: Store) -> None:
    store.write([a_document(name="a.txt"), a_document(name="b.txt")], model=MODEL)
    (key,) = store.keys().tolist()
    store.write([a_document("sea", "바다", "a.txt")], model=MODEL)
    assert texts(store) == {"sky": SKY, "sea": "바다"}
    assert store.source("files", "b.txt") == ("sky", hashlib.sha256(SKY.encode()).hexdigest())
    assert store.keys().tolist()[0] == key
    store.link("files", "b.txt", "sea")  # now nothing holds it
    assert texts(store) == {"sea": "바다"}


def test_removing_takes_all_sources_along(store: Store) -> None:
    store.write([a_document(name="a.txt"), a_document(name="b.txt")], model=MODEL)
    store.remove("sky")
    assert (store.count(), len(store.keys()), store.source("files", "b.txt")) == (0, 0, None)


def test_keys_are_never_used_twice(store: Store) -> None:
    store.write([a_document(pieces=3)], model=MODEL)
    first = store.keys()
    store.remove("sky")
    store.write([a_document(pieces=3)], model=MODEL)
    assert store.keys().min() > first.max()


def test_id_of_another_source_is_refused(store: Store) -> None:
    store.write([a_document()], model=MODEL)
    with pytest.raises(DuplicateIdError, match=r"sky in b\.txt is already used by sky\.txt"):
        store.write([a_document("sea", "바다", "c.txt"), a_document("sky", "다른 글", "b.txt")], model=MODEL)
    assert texts(store) == {"sky": SKY}


def test_every_change_raises_the_generation(store: Store) -> None:
    seen = [store.generation()]
    for change in (
        lambda: store.write([a_document()], model=MODEL),
        lambda: store.link("files", "b.txt", "sky"),
        lambda: store.unlink("files", ["b.txt"]),
        store.mark_seeded,
        lambda: store.replace_passages({"sky": a_document().passages}, model=MODEL, generation=seen[-1]),
        lambda: store.remove("sky"),
    ):
        change()
        seen.append(store.generation())
    assert seen == sorted(set(seen))


def test_libraries_with_the_same_past_are_told_apart(tmp_path: Path, store: Store) -> None:
    twin = Store.open(tmp_path / "twin", create=True)
    for each in (store, twin):
        each.write([a_document()], model=MODEL)
    assert store.generation() != twin.generation()
    twin.close()


def test_passages_made_from_an_older_state_are_not_written(store: Store) -> None:
    store.write([a_document()], model=MODEL)
    generation = store.generation()
    store.write([a_document("sea", "바다", "sea.txt")], model=MODEL)
    with pytest.raises(LibraryBusyError):
        store.replace_passages({"sky": a_document().passages}, model=("other", 2), generation=generation)
    assert (len(store.keys()), store.model()) == (2, MODEL)


def test_vectors_of_another_model_are_not_written_beside_those_there(tmp_path: Path, store: Store) -> None:
    store.write([a_document()], model=MODEL)
    second = Store.open(tmp_path)
    second.replace_passages({"sky": a_document().passages}, model=("other", 2), generation=second.generation())
    before = store.generation()
    for model in (MODEL, ("other", 3)):
        with pytest.raises(ModelMismatchError) as refused:
            store.write([a_document("sea", "바다", "sea.txt")], model=model)
        assert (refused.value.fields["stored"], refused.value.fields["current"]) == ("other", model[0])
    assert (texts(store), store.model(), store.generation()) == ({"sky": SKY}, ("other", 2), before)
    store.write([a_document("sea", "바다", "sea.txt")], model=("other", 2))
    assert store.count() == 2
    second.close()


def test_nobody_writes_while_one_has_the_library_for_itself(store: Store, other: sqlite3.Connection) -> None:
    store.write([a_document()], model=MODEL)
    before = store.generation()
    with store.exclusive():
        assert texts(store) == {"sky": SKY}
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    assert store.generation() == before


# What has changed


def changes(store: Store, generation: int) -> tuple[list[int], list[int]] | None:
    """Keys that have come and gone."""
    assert store.was_at(generation) == (store.changes_since(generation) is not None)
    since = store.changes_since(generation)
    return None if since is None else (since.come.tolist(), since.gone.tolist())


def test_what_has_come_and_gone_since(store: Store) -> None:
    new = store.generation()
    store.write([a_document(pieces=2), a_document("sea", "바다", "sea.txt")], model=MODEL)
    written = store.generation()
    first, second, sea = store.keys().tolist()
    store.write([a_document("hill", "산", "hill.txt")], model=MODEL)
    (hill,) = store.keys().tolist()[3:]
    added = store.generation()
    store.remove("sky")
    removed = store.generation()
    assert changes(store, new) == ([sea, hill], [first, second])  # two came and went meanwhile
    assert changes(store, written) == ([hill], [first, second])
    assert changes(store, added) == ([], [first, second])
    assert changes(store, removed) == ([], [])


def test_replacing_a_document_is_coming_and_going(store: Store) -> None:
    store.write([a_document()], model=MODEL)
    before, old = store.generation(), store.keys().tolist()
    store.write([a_document("new", "바다도 파랗다.")], model=MODEL)
    assert changes(store, before) == (store.keys().tolist(), old)
    assert store.keys().tolist() != old


def test_what_is_undone_has_not_changed_anything(store: Store, other: sqlite3.Connection) -> None:
    store.write([a_document()], model=MODEL)
    before = store.generation()
    other.execute("CREATE TRIGGER fail BEFORE INSERT ON passage BEGIN SELECT RAISE(FAIL, 'no'); END")
    with pytest.raises(GeungeoError):
        store.write([a_document("new", "바다")], model=MODEL)
    assert (store.generation(), changes(store, before)) == (before, ([], []))


def test_nothing_is_known_of_generations_of_others(store: Store) -> None:
    store.write([a_document()], model=MODEL)
    for generation in (-1, 1, store.generation() - 1, store.generation() + 1, 2**63 - 1):
        assert changes(store, generation) is None


def test_after_new_passages_for_all_nothing_is_known_of_before(store: Store) -> None:
    store.write([a_document(pieces=3)], model=MODEL)
    before = store.generation()
    store.replace_passages({"sky": a_document().passages}, model=MODEL, generation=before)
    after = store.generation()
    assert changes(store, before) is None
    assert changes(store, after) == ([], [])
    assert store._all("SELECT count(*) FROM removal") == [(0,)]
    (key,) = store.keys().tolist()
    store.remove("sky")
    assert changes(store, after) == ([], [key])  # numbers of removals go on, they do not begin anew


def test_only_the_latest_changes_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag.changes, "CHANGES_KEPT", 3)
    generations, gone = [store.generation()], []
    for _ in range(10):
        store.write([a_document(pieces=2)], model=MODEL)
        generations.append(store.generation())
        gone.append(store.keys().tolist())
        assert store._all("SELECT count(*) FROM change")[0][0] <= 3
        assert store._all("SELECT count(*) FROM removal")[0][0] <= 2 * 3
    assert [changes(store, generation) for generation in generations[:8]] == [None] * 8
    assert changes(store, generations[8]) == (gone[9], gone[7] + gone[8])
    assert changes(store, generations[9]) == (gone[9], gone[8])
    assert changes(store, generations[10]) == ([], [])


# Trouble


def test_full_disk_loses_nothing(store: Store) -> None:
    store.write([a_document()], model=MODEL)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = a_document("large", "하늘" * 50_000, "large.txt")
    with pytest.raises(StorageError, match="disk is full"):
        store.write([a_document("sky", "바다", "sky.txt"), large], model=MODEL)
    assert texts(store) == {"sky": SKY}
    assert store.problems() == []
    store._connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    store.write([large], model=MODEL)
    assert store.count() == 2


def test_other_writer_makes_us_wait_then_say_so(
    tmp_path: Path, store: Store, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([a_document()], model=MODEL)
    monkeypatch.setattr(rag.schema, "BUSY_TIMEOUT", 0.05)
    impatient = Store.open(tmp_path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LibraryBusyError):
        impatient.remove("sky")
    assert texts(impatient) == {"sky": SKY}  # reading goes on
    other.execute("ROLLBACK")
    impatient.remove("sky")
    assert store.count() == 0
    impatient.close()


def test_snapshot_is_of_one_moment(tmp_path: Path, store: Store) -> None:
    store.write([a_document()], model=MODEL)
    second = Store.open(tmp_path)
    with store.snapshot():
        keys = store.keys().tolist()
        second.remove("sky")
        assert len(store.vectors(keys)) == 1
    assert store.count() == 0
    second.close()


# Checking


def test_sound_library_has_no_problems(store: Store) -> None:
    assert store.problems() == []
    store.write([a_document(pieces=2), a_document("sea", "바다", "sea.txt")], model=MODEL)
    assert store.problems() == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE document SET original = CAST('다른 글' AS BLOB)", "original bytes"),
        ("UPDATE passage SET start = start + 1", "sentence"),
        ('UPDATE passage SET "end" = "end" - 1', "sentence"),
        ("UPDATE passage SET start = start - 1", "span"),
        ('UPDATE passage SET "end" = "end" + 1', "span"),
        ("UPDATE passage SET sentences = '[]'", "sentences"),
        ("UPDATE passage SET sentences = 'no JSON'", "cannot be read"),
        ("UPDATE passage SET vector = zeroblob(8)", "unit length"),
        ("UPDATE passage SET vector = substr(vector, 1, 7)", "cannot be read"),
        ("UPDATE passage SET vector = CAST(vector || vector AS BLOB)", "shape"),
        ("UPDATE passage SET vector = 'text'", "cannot be read"),
        ("UPDATE passage SET sentences = CAST(x'ff' AS TEXT)", "cannot be read"),
        ("UPDATE passage SET sentence_vectors = zeroblob(4)", "unit length"),
        ("UPDATE passage SET sentence_vectors = CAST(sentence_vectors || sentence_vectors AS BLOB)", "shape"),
        ("UPDATE meta SET value = '3' WHERE key = 'dimension'", "shape"),
        ("DELETE FROM passage", "no passages"),
        ("DELETE FROM document", "broken reference"),
    ],
)
def test_tampering_is_reported(store: Store, other: sqlite3.Connection, statement: str, problem: str) -> None:
    store.write([a_document()], model=MODEL)
    other.execute(statement)  # foreign keys are off in this connection
    assert problem in " / ".join(store.problems())


def test_altered_text_is_reported_though_all_else_agrees(store: Store, other: sqlite3.Connection) -> None:
    store.write([a_document(), a_document("sea", "바다", "sea.txt")], model=MODEL)
    # As long as before, so every span still fits; the original bytes are as they were.
    other.execute("UPDATE document SET text = replace(text, '파랗다', '빨갛다') WHERE id = 'sky'")
    assert texts(store) == {"sky": SKY.replace("파랗다", "빨갛다"), "sea": "바다"}
    assert store.problems() == ["sky: the text is not the one that was added"]


def test_damaged_row_is_called_damage_when_read(store: Store, other: sqlite3.Connection) -> None:
    store.write([a_document()], model=MODEL)
    keys = store.keys().tolist()
    other.execute("UPDATE passage SET sentences = 'no JSON', vector = substr(vector, 1, 7)")
    other.execute("UPDATE document SET marks = '{'")
    reads = (lambda: store.passages(keys), lambda: store.vectors(keys), lambda: list(store.morphemes(keys)))
    for read in (*reads, lambda: store.document("sky")):
        with pytest.raises(LibraryCorruptError):
            read()


def test_widened_span_is_reported(store: Store, other: sqlite3.Connection) -> None:
    whole = a_document()
    narrow = replace(whole.passages[0], passage=Passage("sky", 0, 5, SKY[:5]), sentences=(Sentence(0, 5, ()),))
    store.write([replace(whole, passages=[narrow])], model=MODEL)
    assert store.problems() == []
    other.execute('UPDATE passage SET "end" = "end" + 1')
    assert "sentences do not cover it" in " / ".join(store.problems())


def test_a_library_that_cannot_be_written_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sky = Store.open(tmp_path, create=True)
    with_sky.write([a_document()], model=MODEL)
    with_sky.close()
    monkeypatch.setattr("rag.store.os.access", lambda path, mode: False)  # as on a mounted image
    store = Store.open(tmp_path)
    assert texts(store) == {"sky": SKY}
    assert store.problems() == []
    with pytest.raises(StorageError):
        store.remove("sky")
    assert texts(store) == {"sky": SKY}
    store.close()


def test_an_older_library_that_cannot_be_written_is_not_called_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("rag.schema.MIGRATIONS", MIGRATIONS[:2])
        connection = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        ensure_schema(connection)
        connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    monkeypatch.setattr("rag.store.os.access", lambda path, mode: False)
    with pytest.raises(StorageError, match="readonly"):
        Store.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_passage_is_found_by_its_documents_title(store: Store) -> None:
    new = a_document()
    titled = replace(new.passages[0], heading=("하늘", "노래"))
    store.write([replace(new, passages=[titled])], model=MODEL)
    (key,) = store.keys().tolist()
    assert list(store.morphemes([key])) == [["하늘", "노래", "하늘", "파랗"]]
    (back,) = store.passages([key])
    assert back.heading == ("하늘", "노래")
    assert back.morphemes == ["하늘", "파랗"]  # what it says itself
