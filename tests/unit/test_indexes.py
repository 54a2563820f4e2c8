"""FAISS and BM25 follow the store, and their files may be lost, damaged or stale without harm."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag import Assistant, Hit
from rag.fakes import WordEmbedder
from rag.indexes import LEFTOVER_AGE
from rag.interfaces import Vectors
from rag.store import FILE_NAME, Store

Open = Callable[..., Assistant]
TEXTS = {"하늘.txt": "하늘은 파랗다.", "바다.txt": "바다는 깊다.", "산.txt": "산은 높다."}


class QueriesOnly(WordEmbedder):
    """Once everything is indexed nothing may be embedded but questions."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("passages were embedded again")


@pytest.fixture
def folder(tmp_path: Path, open_library: Open) -> Path:
    """A library of three documents, with its derived files written, closed."""
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, "utf-8")
    with open_library() as assistant:
        assistant.add([tmp_path / name for name in TEXTS])
    return tmp_path / "index"


def found(hits: Sequence[Hit]) -> set[str]:
    return {hit.passage.text for hit in hits}


def flip_bits(path: Path, where: slice) -> None:
    content = bytearray(path.read_bytes())
    content[where] = bytes(byte ^ 1 << 6 for byte in content[where])  # in a float's highest byte: nothing becomes two
    path.write_bytes(content)


def change_manifest(derived: Path, **fields: object) -> None:
    manifest = json.loads((derived / "manifest.json").read_text("utf-8"))
    (derived / "manifest.json").write_text(json.dumps({**manifest, **fields}), "utf-8")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "all gone": shutil.rmtree,
    "no manifest": lambda d: (d / "manifest.json").unlink(),
    "manifest is not JSON": lambda d: (d / "manifest.json").write_text("{", "utf-8"),
    "manifest is a list": lambda d: (d / "manifest.json").write_text("[]", "utf-8"),
    "manifest is empty": lambda d: (d / "manifest.json").write_text("{}", "utf-8"),
    "no FAISS file": lambda d: (d / "dense.faiss").unlink(),
    "no BM25 folder": lambda d: shutil.rmtree(d / "lexical"),
    "truncated FAISS file": lambda d: truncate(d / "dense.faiss"),
    "flipped bits in the vectors": lambda d: flip_bits(d / "dense.faiss", slice(-8000, -100)),
    "flipped bit in BM25's keys": lambda d: flip_bits(d / "lexical" / "keys.npy", slice(-8, -7)),
    "of another model": lambda d: change_manifest(d, model="other"),
    "of another generation": lambda d: change_manifest(d, generation=1),
    "of another format": lambda d: change_manifest(d, format=0),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_files_are_made_again_without_embedding(
    folder: Path, open_library: Open, damage: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(folder / "derived")
    assistant = open_library(embedder=QueriesOnly())
    assert found(assistant.search("바다는 얼마나 깊다")) == set(TEXTS.values())
    assert assistant.search("바다는 얼마나 깊다")[0].passage.text == "바다는 깊다."
    assert assistant.verify() == []
    # What was made again is written, and is what the next program reads.
    monkeypatch.setattr(Store, "vectors", lambda *_: pytest.fail("the new files were not read"))
    assert found(open_library(embedder=QueriesOnly()).search("바다")) == set(TEXTS.values())


def test_sound_files_are_read_not_made_again(folder: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "vectors", lambda *_: pytest.fail("vectors were read"))
    monkeypatch.setattr(Store, "morphemes", lambda *_: pytest.fail("morphemes were read"))
    assert found(open_library().search("하늘은")) == set(TEXTS.values())


def test_files_of_an_earlier_state_are_not_used(folder: Path, tmp_path: Path, open_library: Open) -> None:
    shutil.copytree(folder / "derived", tmp_path / "earlier")
    (tmp_path / "강.txt").write_text("강은 길다.", "utf-8")
    with open_library() as assistant:
        assistant.add(tmp_path / "강.txt")
    shutil.rmtree(folder / "derived")
    shutil.copytree(tmp_path / "earlier", folder / "derived")
    assert "강은 길다." in found(open_library(embedder=QueriesOnly()).search("강은"))


def test_files_left_beside_a_new_library_are_not_used(folder: Path, tmp_path: Path, open_library: Open) -> None:
    """The advice for a damaged library is to move it away; its keys and count of changes then begin anew."""
    (folder / FILE_NAME).unlink()
    others = {"가.txt": "강은 길다.", "나.txt": "들은 넓다.", "다.txt": "별은 멀다."}
    for name, text in others.items():
        (tmp_path / name).write_text(text, "utf-8")
    assistant = open_library()
    assistant.add([tmp_path / name for name in others])
    assert assistant.search("별은 멀다")[0].passage.text == "별은 멀다."
    assert assistant.verify() == []


def test_change_by_another_program_is_noticed_at_the_next_search(
    folder: Path, tmp_path: Path, open_library: Open
) -> None:
    mine, theirs = open_library(), open_library()
    assert found(mine.search("강은 길다")) == set(TEXTS.values())
    (tmp_path / "강.txt").write_text("강은 길다.", "utf-8")
    (id,) = theirs.add(tmp_path / "강.txt").added
    assert mine.search("강은 길다")[0].passage.text == "강은 길다."
    theirs.remove(id)
    assert found(mine.search("강은 길다")) == set(TEXTS.values())


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
    assert found(mine.search("하늘")) == {"하늘은 파랗다.", "산은 높다."}
    assert mine.verify() == []


def test_disagreement_with_the_library_is_a_problem(folder: Path, open_library: Open) -> None:
    assistant = open_library()
    assert assistant.verify() == []
    half = np.zeros(1024, "<f4")
    half[0] = 1
    assistant._store._connection.execute("UPDATE passage SET vector = ? WHERE key = 2", (half.tobytes(),))
    assert assistant.verify() == ["FAISS holds another vector for passage 2"]
    assistant._store._connection.execute("DELETE FROM passage WHERE key = 2")
    assistant._store._connection.execute("DELETE FROM document WHERE id NOT IN (SELECT document FROM passage)")
    assert assistant.verify() == ["FAISS holds 3 passages, the library 2", "BM25 holds 3 passages, the library 2"]


def test_searching_goes_on_when_files_cannot_be_written(
    folder: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    shutil.rmtree(folder / "derived")
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with caplog.at_level(logging.WARNING, "rag.indexes"):
        assert found(open_library().search("하늘은")) == set(TEXTS.values())
    assert "No space left on device" in caplog.text
    assert not (folder / "derived").exists()


def test_leftovers_of_a_killed_program_are_cleared_away(folder: Path, tmp_path: Path, open_library: Open) -> None:
    old, young = folder / ".derived-old", folder / ".derived-young"
    for left in (old, young):
        left.mkdir()
        (left / "dense.faiss").touch()
    os.utime(old, (time.time() - LEFTOVER_AGE - 60,) * 2)
    (tmp_path / "강.txt").write_text("강은 길다.", "utf-8")
    with open_library() as assistant:
        assistant.add(tmp_path / "강.txt")
        assistant.search("강은")
    assert not old.exists()
    assert young.exists()  # perhaps another program's work
    assert {path.name for path in folder.iterdir()} == {FILE_NAME, "derived", ".derived-young"}


def test_no_pickles(folder: Path) -> None:
    """Files of a library may come from elsewhere; reading a pickle would run whatever its author wrote into it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".db", ".faiss", ".npy", ".json"}
    assert any(path.suffix == ".npy" for path in files)
    for path in files:
        assert path.read_bytes()[:1] != b"\x80", f"{path.name} begins as a pickle does"
        if path.suffix == ".npy":
            assert np.load(path, allow_pickle=False).dtype != object
