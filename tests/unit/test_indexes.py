"""FAISS and BM25 follow the store, and their files may be lost, damaged or stale without harm."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rag import Assistant, Hit, dense
from rag.dense import FaissIndex
from rag.errors import LibraryCorruptError
from rag.fakes import WordEmbedder
from rag.indexes import LEFTOVER_AGE, MANIFEST, Indexes
from rag.interfaces import Vectors
from rag.lexical import LexicalIndex
from rag.store import FILE_NAME, Store

Open = Callable[..., Assistant]
TEXTS = {"하늘.txt": "하늘은 파랗다.", "바다.txt": "바다는 깊다.", "산.txt": "산은 높다.", "별.txt": "별은 멀다."}
GONE = "꽃.txt", "꽃은 붉다."  # with the others, and removed again
RIVER = "강.txt", "강은 길다."  # comes later


class QueriesOnly(WordEmbedder):
    """Once everything is indexed nothing may be embedded but questions."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("passages were embedded again")


@pytest.fixture
def with_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists from three vectors on, where there are ten thousand otherwise."""
    monkeypatch.setattr(dense, "EXACT", 2)
    monkeypatch.setattr(dense, "TRAINED_PER_LIST", 1)


@pytest.fixture
def folder(tmp_path: Path, open_library: Open) -> Path:
    """A library of four documents, with its derived files written, closed."""
    for name, text in [*TEXTS.items(), GONE, RIVER]:
        (tmp_path / name).write_text(text, "utf-8")
    with open_library() as assistant:
        ids = assistant.add([tmp_path / name for name in (*TEXTS, GONE[0])]).added
        assistant.remove(ids[-1])
        assistant.search("꽃")
    return tmp_path / "index"


@pytest.fixture
def derived(folder: Path) -> Path:
    return folder / "derived"


def indexes_of(assistant: Assistant) -> Indexes:
    assert assistant._retriever is not None
    return assistant._retriever.indexes


def found(hits: Sequence[Hit]) -> set[str]:
    return {hit.passage.text for hit in hits}


def read_manifest(derived: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((derived / MANIFEST).read_text("utf-8"))
    return read


def change_manifest(derived: Path, **fields: object) -> None:
    (derived / MANIFEST).write_text(json.dumps({**read_manifest(derived), **fields}), "utf-8")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_only_named_files(derived: Path) -> None:
    assert names_in(derived) == {MANIFEST, *read_manifest(derived)["files"]}


def make_old(path: Path) -> None:
    os.utime(path, (time.time() - LEFTOVER_AGE - 60,) * 2)


def one_of(derived: Path, pattern: str) -> Path:
    [path] = derived.glob(pattern)
    return path


def passages_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on, of how many passages the vectors were read, call by call."""
    read: list[int] = []
    vectors = Store.vectors

    def counted(store: Store, keys: Sequence[int]) -> npt.NDArray[np.float32]:
        read.append(len(keys))
        return vectors(store, keys)

    monkeypatch.setattr(Store, "vectors", counted)
    return read


def forbid_making_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "keys", lambda _: pytest.fail("all passages were read"))


# Damage


def assert_made_again(
    assistant: Assistant, open_library: Open, monkeypatch: pytest.MonkeyPatch, texts: set[str] | None = None
) -> None:
    texts = texts or set(TEXTS.values())
    assert found(assistant.search("바다는 얼마나 깊다")) == texts
    assert assistant.search("바다는 얼마나 깊다")[0].passage.text == "바다는 깊다."
    assert assistant.verify() == []
    assert_only_named_files(assistant._store.folder / "derived")
    # What was made again is written, and is what the next program reads.
    forbid_making_anew(monkeypatch)
    assert found(open_library(embedder=QueriesOnly()).search("바다")) == texts


def flip(path: Path) -> None:
    """Change one bit at the end: in a small array all else may be header."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1 << 6
    path.write_bytes(content)


FILES = [
    *("dense-state-*.npz", "dense-keys-*.npz", "dense-lists-*.faiss", "lexical-*.json"),
    *(f"lexical-*-{part}.npy" for part in ("keys", "lengths", "terms", "starts", "rows", "counts", "dead")),
]
HARM: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "flipped": flip,
}


@pytest.mark.usefixtures("with_lists")
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
@pytest.mark.parametrize("pattern", FILES)
def test_damaged_files_are_made_again_without_embedding(
    derived: Path, open_library: Open, pattern: str, harm: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    harm(one_of(derived, pattern))
    assert_made_again(open_library(embedder=QueriesOnly()), open_library, monkeypatch)


@pytest.mark.usefixtures("with_lists")
def test_every_kind_of_file_is_among_those_damaged(derived: Path) -> None:
    assert {one_of(derived, pattern).name for pattern in FILES} == set(read_manifest(derived)["files"])
    assert_only_named_files(derived)


MANIFESTS: dict[str, Callable[[Path], object]] = {
    "all gone": shutil.rmtree,
    "none": lambda d: (d / MANIFEST).unlink(),
    "not UTF-8": lambda d: (d / MANIFEST).write_bytes(b"\xff"),
    "not JSON": lambda d: (d / MANIFEST).write_text("{", "utf-8"),
    "nested too deeply": lambda d: (d / MANIFEST).write_text("[" * 100_000, "utf-8"),
    "a list": lambda d: (d / MANIFEST).write_text("[]", "utf-8"),
    "nothing": lambda d: (d / MANIFEST).write_text("{}", "utf-8"),
    "of another model": lambda d: change_manifest(d, model="other"),
    "of another dimension": lambda d: change_manifest(d, dimension=2),
    "of another generation": lambda d: change_manifest(d, generation=1),
    "of no generation": lambda d: change_manifest(d, generation="now"),
    "of a generation beyond SQLite": lambda d: change_manifest(d, generation=1 << 70),
    "of another format": lambda d: change_manifest(d, format=0),
    "of another count": lambda d: change_manifest(d, count=3),
    "files that are no object": lambda d: change_manifest(d, files=[]),
    "files that are not described": lambda d: change_manifest(d, files=dict.fromkeys(read_manifest(d)["files"], 7)),
    "more files than are described": lambda d: change_manifest(d, dense=[*read_manifest(d)["dense"], "more"]),
    "fewer files than are described": lambda d: change_manifest(d, dense=[]),
    "names that are no text": lambda d: change_manifest(d, dense=[["state"]]),
}


@pytest.mark.parametrize("damage", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_without_a_sound_manifest_all_is_made_again(
    derived: Path, open_library: Open, damage: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(derived)
    for path in derived.glob("*"):  # what no manifest names any more goes when it is old
        make_old(path)
    assert_made_again(open_library(embedder=QueriesOnly()), open_library, monkeypatch)


@pytest.mark.parametrize("outside", ["../lexical-0.json", "{folder}/lexical-0.json", "x/../../lexical-0.json"])
def test_a_manifest_cannot_point_out_of_its_folder(
    derived: Path, open_library: Open, outside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = one_of(derived, "lexical-*.json")
    beside = derived.parent / "lexical-0.json"
    beside.write_bytes(state.read_bytes())
    manifest, name = read_manifest(derived), outside.format(folder=derived.parent)
    (derived / "x").mkdir()
    moved = {part: json.loads(json.dumps(manifest[part]).replace(state.name, name)) for part in ("files", "lexical")}
    change_manifest(derived, **moved)
    for path in derived.iterdir():  # what no manifest names any more goes when it is old
        make_old(path)
    assert_made_again(open_library(embedder=QueriesOnly()), open_library, monkeypatch)
    assert beside.exists()


def test_sound_files_are_read_not_made_again(folder: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "vectors", lambda *_: pytest.fail("vectors were read"))
    monkeypatch.setattr(Store, "morphemes", lambda *_: pytest.fail("morphemes were read"))
    assert found(open_library().search("하늘은")) == set(TEXTS.values())


# Files of other times, and of other libraries


def test_files_of_an_earlier_state_are_brought_up_to_date(
    folder: Path, derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(derived, tmp_path / "earlier")
    with open_library() as assistant:
        assistant.add(tmp_path / RIVER[0])
        assistant.remove(next(info.id for info in assistant.documents() if info.title == "바다"))
        assistant.search("강은")
    shutil.rmtree(derived)
    shutil.copytree(tmp_path / "earlier", derived)
    read = passages_read(monkeypatch)
    assistant = open_library(embedder=QueriesOnly())
    assert found(assistant.search("강은")) == {*TEXTS.values(), RIVER[1]} - {"바다는 깊다."}
    assert read == [1]  # of the one that came
    assert assistant.verify() == []
    assert_only_named_files(derived)


def test_files_left_beside_a_new_library_are_not_used(folder: Path, tmp_path: Path, open_library: Open) -> None:
    """The advice for a damaged library is to move it away; its keys and count of changes then begin anew."""
    (folder / FILE_NAME).unlink()
    others = {"가.txt": "강은 길다.", "나.txt": "들은 넓다.", "다.txt": "별은 멀다.", "라.txt": "해는 밝다."}
    for name, text in others.items():
        (tmp_path / name).write_text(text, "utf-8")
    assistant = open_library()
    assistant.add([tmp_path / name for name in others])
    assert assistant.search("별은 멀다")[0].passage.text == "별은 멀다."
    assert assistant.verify() == []


@pytest.mark.parametrize("goes_on", [False, True])
def test_newer_files_beside_a_backup_are_not_used(
    folder: Path, derived: Path, tmp_path: Path, open_library: Open, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(folder / FILE_NAME, tmp_path / "backup")
    with open_library() as assistant:
        assistant.add(tmp_path / RIVER[0])
    shutil.copy(tmp_path / "backup", folder / FILE_NAME)
    expected = set(TEXTS.values())
    if goes_on:  # the keys and the number of changes are then as before, but not what they stand for
        shutil.move(derived, tmp_path / "newer")
        with open_library() as assistant:
            assistant.add(tmp_path / GONE[0])
        shutil.rmtree(derived)
        shutil.move(tmp_path / "newer", derived)
        expected.add(GONE[1])
    assert_made_again(open_library(embedder=QueriesOnly()), open_library, monkeypatch, expected)


def test_files_of_before_a_rebuild_are_not_used(
    derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(derived, tmp_path / "earlier")
    with open_library() as assistant:
        assistant.rebuild()
        assert_only_named_files(derived)
    shutil.rmtree(derived)
    shutil.copytree(tmp_path / "earlier", derived)
    assert_made_again(open_library(embedder=QueriesOnly()), open_library, monkeypatch)


@pytest.mark.usefixtures("with_lists")
def test_a_document_more_is_a_few_small_files_more(derived: Path, tmp_path: Path, open_library: Open) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in derived.iterdir()}
    with open_library() as assistant:
        assistant.add(tmp_path / RIVER[0])
    new = names_in(derived) - before.keys()
    gone = before.keys() - names_in(derived)
    kept = before.keys() - gone - {MANIFEST}
    # The state of either index; of the vectors the newest only; the postings of the new document.
    assert {name.split("-")[0] for name in gone} == {"dense", "lexical"} and len(gone) == 2
    assert len(new) == len(gone) + 6
    assert sum((derived / name).stat().st_size for name in new) < 4 * 1024 + 3000  # a vector, and headers
    assert {name: (derived / name).stat().st_mtime_ns for name in kept} == {name: before[name] for name in kept}
    assert_only_named_files(derived)


# Others at work


def test_change_by_another_program_is_noticed_at_the_next_search(
    folder: Path, tmp_path: Path, open_library: Open
) -> None:
    mine, theirs = open_library(), open_library()
    assert found(mine.search("강은 길다")) == set(TEXTS.values())
    (id,) = theirs.add(tmp_path / RIVER[0]).added
    assert mine.search("강은 길다")[0].passage.text == "강은 길다."
    theirs.remove(id)
    assert found(mine.search("강은 길다")) == set(TEXTS.values())


def test_programs_that_write_in_turn_take_up_each_others_files(
    derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = [open_library(), open_library()]
    for program in programs:
        program.search("하늘")
    read = passages_read(monkeypatch)
    for turn in range(8):
        (tmp_path / f"{turn}.txt").write_text(f"{turn}째 강은 길다.", "utf-8")
        programs[turn % 2].add(tmp_path / f"{turn}.txt")
        assert_only_named_files(derived)
    assert read == [1] * 8  # each passage once, by the one that added it
    for program in programs:
        assert len(program.search("강은 길다", k=20)) == len(TEXTS) + 8
        assert program.verify() == []


def test_programs_that_write_at_once(
    derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = open_library(), open_library()
    for program in (mine, theirs):
        program.search("하늘")
    save = FaissIndex.save

    def save_after_the_other(index: FaissIndex, folder: Path) -> tuple[str, ...]:
        monkeypatch.setattr(FaissIndex, "save", save)
        indexes_of(theirs).refresh()
        return save(index, folder)

    monkeypatch.setattr(FaissIndex, "save", save_after_the_other)
    mine.add(tmp_path / RIVER[0])
    assert_only_named_files(derived)
    for program in (open_library(), theirs, mine):
        assert found(program.search("강은")) == {*TEXTS.values(), RIVER[1]}
    theirs.add(tmp_path / GONE[0])
    assert GONE[1] in found(mine.search("꽃은"))
    assert mine.verify() == theirs.verify() == []
    assert_only_named_files(derived)


def test_files_removed_by_another_program_before_they_are_named(
    derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    exclusive = Store.exclusive

    @contextmanager
    def exclusive_after_removal(store: Store) -> Iterator[None]:
        for path in derived.iterdir():
            path.unlink()
        with exclusive(store):
            yield

    monkeypatch.setattr(Store, "exclusive", exclusive_after_removal)
    open_library().add(tmp_path / RIVER[0])
    assert_only_named_files(derived)
    forbid_making_anew(monkeypatch)
    assert found(open_library().search("강은")) == {*TEXTS.values(), RIVER[1]}


def test_files_older_than_what_is_held_are_not_read(
    derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(derived, tmp_path / "earlier")
    assistant = open_library()
    assistant.add(tmp_path / RIVER[0])
    shutil.rmtree(derived)
    shutil.copytree(tmp_path / "earlier", derived)
    read = passages_read(monkeypatch)
    assistant.add(tmp_path / GONE[0])
    assert read == [1]
    assert_only_named_files(derived)


def test_files_replaced_by_another_program_while_they_are_read(
    derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = open_library(), open_library()
    load = FaissIndex.load

    def load_after_the_other(*arguments: Any) -> FaissIndex:
        monkeypatch.setattr(FaissIndex, "load", load)
        theirs.add(tmp_path / RIVER[0])  # and removes what its files take the place of
        return load(*arguments)

    theirs.search("하늘")
    monkeypatch.setattr(FaissIndex, "load", load_after_the_other)
    forbid_making_anew(monkeypatch)
    assert found(mine.search("강은")) == {*TEXTS.values(), RIVER[1]}


def test_files_newer_than_what_is_read_are_left_for_later(
    derived: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = open_library(), open_library()
    mine.search("하늘")
    theirs.add(tmp_path / RIVER[0])
    generation = Store.generation

    def generation_then_change(store: Store) -> int:
        read = generation(store)
        monkeypatch.setattr(Store, "generation", generation)
        theirs.add(tmp_path / GONE[0])
        return read

    monkeypatch.setattr(Store, "generation", generation_then_change)
    forbid_making_anew(monkeypatch)
    with indexes_of(mine).current():  # of the moment between the two
        assert len(indexes_of(mine).dense) == len(indexes_of(mine).lexical) == len(TEXTS) + 1
    assert found(mine.search("꽃은")) == {*TEXTS.values(), RIVER[1], GONE[1]}
    monkeypatch.undo()
    assert mine.verify() == []


def test_document_removed_by_another_program_while_indexes_are_made(
    folder: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(folder / "derived")
    mine, theirs = open_library(), open_library()
    keys = Store.keys
    sea = next(info.id for info in mine.documents() if info.title == "바다")

    def keys_then_removal(store: Store) -> Any:
        read = keys(store)
        monkeypatch.undo()
        theirs.remove(sea)
        return read

    monkeypatch.setattr(Store, "keys", keys_then_removal)
    mine.search("하늘")
    assert found(mine.search("하늘")) == set(TEXTS.values()) - {"바다는 깊다."}
    assert mine.verify() == []


def test_threads_do_not_wait_for_each_other_for_ever(folder: Path, tmp_path: Path, open_library: Open) -> None:
    assistant, done = open_library(), list[object]()
    id = assistant.documents()[0].id

    def adding() -> None:
        assistant.remove(assistant.add(tmp_path / RIVER[0]).added[0])

    def work(task: Callable[[], object]) -> None:
        for _ in range(10):
            task()
        done.append(task)

    tasks = (adding, lambda: assistant.search("하늘은"), lambda: assistant.document(id))
    threads = [threading.Thread(target=work, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == len(tasks)
    assert assistant.verify() == []


# What it costs


def test_when_nothing_has_changed_one_small_query_is_asked(folder: Path, open_library: Open) -> None:
    assistant, statements = open_library(), list[str]()
    assistant.search("하늘")
    assistant._store._connection.set_trace_callback(statements.append)
    indexes_of(assistant).refresh()
    assert statements == ["BEGIN", "SELECT value FROM meta WHERE key = 'generation'", "COMMIT"]


def test_files_are_written_when_the_library_is_free_for_others(
    folder: Path, tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant, save, is_held = open_library(), FaissIndex.save, list[bool]()

    def save_then_look(index: FaissIndex, folder: Path) -> tuple[str, ...]:
        before = names_in(folder)
        names = save(index, folder)
        if names_in(folder) != before:
            is_held.append(assistant._store._connection.in_transaction)
        return names

    monkeypatch.setattr(FaissIndex, "save", save_then_look)
    assistant.add(tmp_path / RIVER[0])
    assert is_held == [False]
    assert not assistant._store._connection.in_transaction  # nor afterwards, and so a checkpoint can be made
    assert assistant._store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


# Trouble


@pytest.mark.parametrize("lists", [False, True])
def test_disagreement_with_the_library_is_a_problem(
    folder: Path, open_library: Open, lists: bool, request: pytest.FixtureRequest
) -> None:
    if lists:
        request.getfixturevalue("with_lists")
        shutil.rmtree(folder / "derived")
    assistant = open_library()
    assistant.search("하늘")
    assert bool(list(folder.glob("derived/dense-lists-*"))) == lists
    assert assistant.verify() == []
    half = np.zeros(1024, "<f4")
    half[0] = 1
    assistant._store._connection.execute("UPDATE passage SET vector = ? WHERE key = 2", (half.tobytes(),))
    assert assistant.verify() == ["FAISS holds another vector for passage 2"]
    assistant._store._connection.execute("DELETE FROM passage WHERE key = 2")
    assistant._store._connection.execute("DELETE FROM document WHERE id NOT IN (SELECT document FROM passage)")
    assert assistant.verify() == ["FAISS holds 4 passages, the library 3", "BM25 holds 4 passages, the library 3"]
    if lists:  # which need the true vector
        with pytest.raises(LibraryCorruptError, match="passage 2 is missing"):
            assistant.search("바다는 깊다")


def test_a_damaged_file_is_a_problem(folder: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.indexes.CHECKED_AT_OPEN", 0)  # as if they were large
    assistant = open_library()
    path = one_of(folder / "derived", "lexical-*-counts.npy")
    flip(path)
    assert assistant.verify() == [f"{path.name} is damaged"]


def test_a_file_that_is_made_again_is_none(folder: Path, open_library: Open) -> None:
    flip(one_of(folder / "derived", "lexical-*-counts.npy"))
    assert open_library().verify() == []
    assert_only_named_files(folder / "derived")


@pytest.mark.parametrize("files", [True, False])
def test_what_could_not_be_followed_to_the_end_is_forgotten(
    folder: Path, tmp_path: Path, open_library: Open, files: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = open_library()
    assistant.search("하늘")
    with monkeypatch.context() as patched:

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(LexicalIndex, "add", interrupted)  # FAISS holds it by then
        with pytest.raises(KeyboardInterrupt):
            assistant.add(tmp_path / RIVER[0])
    if files:  # of before, to go on from
        forbid_making_anew(monkeypatch)
    else:
        shutil.rmtree(folder / "derived")
    assert found(assistant.search("강은")) == {*TEXTS.values(), RIVER[1]}
    monkeypatch.undo()
    assert assistant.verify() == []


def is_full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "what", [(np, "savez"), (np, "save"), (Path, "mkdir"), (Path, "replace"), (os, "fsync")], ids=lambda what: what[1]
)
def test_searching_goes_on_when_files_cannot_be_written(
    folder: Path,
    tmp_path: Path,
    open_library: Open,
    what: tuple[Any, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.rmtree(folder / "derived")
    assistant = open_library()
    with monkeypatch.context() as patched:
        patched.setattr(*what, is_full)
        assert found(assistant.search("하늘은")) == set(TEXTS.values())
        assert found(assistant.search("하늘은")) == set(TEXTS.values())
    assert caplog.text.count("No space left on device") == 1  # not once a search
    assert not list(folder.glob("derived/.manifest-*")) and not (folder / "derived" / MANIFEST).exists()
    assistant.add(tmp_path / RIVER[0])  # then there is space again
    forbid_making_anew(monkeypatch)
    assert found(open_library().search("강은")) == {*TEXTS.values(), RIVER[1]}


def test_a_file_where_the_folder_should_be(folder: Path, open_library: Open, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(folder / "derived")
    (folder / "derived").touch()
    assert found(open_library().search("하늘은")) == set(TEXTS.values())
    assert "were not written" in caplog.text
    assert (folder / "derived").is_file()


# Leftovers


def test_leftovers_of_a_killed_program_are_cleared_away(
    folder: Path, derived: Path, tmp_path: Path, open_library: Open
) -> None:
    for name in ("lexical-old.json", ".manifest-old", "lexical-young.json"):
        (derived / name).touch()
    for name in ("old", "young"):  # versions before the third format made all in a folder of its own
        (folder / f".derived-{name}").mkdir()
        (folder / f".derived-{name}" / "dense.faiss").touch()
    for path in (*derived.iterdir(), folder / ".derived-old"):
        if "young" not in path.name:  # what is named stays, however old it is
            make_old(path)
    with open_library() as assistant:
        assistant.add(tmp_path / RIVER[0])
    assert names_in(folder) == {FILE_NAME, "derived", ".derived-young"}  # perhaps another program's work
    assert names_in(derived) == {MANIFEST, *read_manifest(derived)["files"], "lexical-young.json"}


def test_files_of_the_second_format_are_passed_over_and_cleared_away(
    folder: Path, derived: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = read_manifest(derived)["generation"]
    shutil.rmtree(derived)
    (derived / "lexical").mkdir(parents=True)
    (derived / "lexical" / "keys.npy").write_bytes(b"old")
    (derived / "dense.faiss").write_bytes(b"old")
    old = {"format": 2, "model": "words", "dimension": 1024, "generation": generation, "count": 4, "sha256": "0"}
    (derived / MANIFEST).write_text(json.dumps(old), "utf-8")
    make_old(derived / "lexical")
    make_old(derived / "dense.faiss")
    assert_made_again(open_library(embedder=QueriesOnly()), open_library, monkeypatch)


@pytest.mark.usefixtures("with_lists")
def test_no_pickles(folder: Path) -> None:
    """Files of a library may come from elsewhere; reading a pickle would run whatever its author wrote into it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".db", ".faiss", ".npy", ".npz", ".json"}
    for path in files:
        assert path.read_bytes()[:1] != b"\x80", f"{path.name} begins as a pickle does"
        if path.suffix == ".npy":
            assert np.load(path, allow_pickle=False).dtype != object
        if path.suffix == ".npz":
            assert all(part.dtype != object for part in np.load(path, allow_pickle=False).values())
