"""The whole library behind its one front door, with word counts for a model."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag import AddReport, Answer, Assistant, Settings, Turn, adding
from rag.errors import (
    DocumentNotFoundError,
    EmptyQuestionError,
    HistoryTooLongError,
    LibraryBusyError,
    LibraryCorruptError,
    ModelMismatchError,
    QuestionTooLongError,
)
from rag.fakes import WordEmbedder
from rag.interfaces import Vectors
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever
from rag.store import Store
from rag.types import Found, Progress

Open = Callable[..., Assistant]
SKY, SEA, HILL = "하늘은 파랗다.", "바다는 깊다.", "산은 높다."


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def write_lines(path: Path, texts: Mapping[str, str]) -> Path:
    lines = [json.dumps({"id": id, "title": id, "text": text}, ensure_ascii=False) for id, text in texts.items()]
    return write(path, "\n".join(lines) + "\n")


def texts(assistant: Assistant) -> list[str]:
    return [assistant.document(info.id).text for info in assistant.documents()]


def words(text: str) -> WordEmbedder:
    """A word-count model of another name."""
    embedder = WordEmbedder()
    embedder.name = text
    return embedder


def is_verbatim(answer: Answer, text: str) -> bool:
    return bool(answer.citations) and all(text[c.start : c.end] == c.quote for c in answer.citations)


# Adding


def test_add_a_file(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    report = assistant.add(write(tmp_path / "하늘.txt", SKY))
    (info,) = assistant.documents()
    assert report == AddReport(added=(info.id,))
    assert (info.title, info.collection, info.characters) == ("하늘", "files", 8)
    assert info.name == (tmp_path / "하늘.txt").resolve().as_posix()
    assert assistant.document(info.id).text == SKY


def test_add_a_folder_with_all_below_it(tmp_path: Path, open_library: Open) -> None:
    write(tmp_path / "docs" / "b.md", SEA)
    write(tmp_path / "docs" / "a" / "a.txt", SKY)
    write(tmp_path / "docs" / "picture.png", "not for us")
    assistant = open_library()
    assert len(assistant.add(tmp_path / "docs", collection="notes").added) == 2
    assert [(d.collection, d.name) for d in assistant.documents()] == [("notes", "a/a.txt"), ("notes", "b.md")]


def test_same_file_again_changes_nothing(tmp_path: Path, open_library: Open) -> None:
    file = write(tmp_path / "하늘.txt", SKY)
    assistant = open_library()
    (id,) = assistant.add(file).added
    before = assistant._store.generation()
    assert assistant.add([file, str(file)]) == AddReport(unchanged=(id, id))
    assert assistant._store.generation() == before


def test_changed_file_replaces_its_old_self(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    (old,) = assistant.add(write(tmp_path / "글.txt", SKY)).added
    report = assistant.add(write(tmp_path / "글.txt", SEA))
    assert report == AddReport(added=report.added, replaced=(old,))
    assert old not in report.added
    assert texts(assistant) == [SEA]
    assert [hit.passage.text for hit in assistant.search("하늘은 파랗다")] == [SEA]


def test_same_content_in_two_files_is_one_document(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    report = assistant.add([write(tmp_path / "a.txt", SKY), write(tmp_path / "b.txt", SKY)])
    assert report == AddReport(added=report.added, unchanged=report.added)
    assert assistant.add(write(tmp_path / "a.txt", SEA)).replaced == ()
    assert sorted(texts(assistant)) == sorted([SKY, SEA])  # b.txt still holds it
    assert assistant.add(write(tmp_path / "b.txt", SEA)).replaced == report.added
    assert texts(assistant) == [SEA]


def test_second_file_of_one_name_does_not_replace_the_first(tmp_path: Path, open_library: Open) -> None:
    first, second = write(tmp_path / "a" / "글.txt", SKY), write(tmp_path / "b" / "글.txt", SEA)
    assistant = open_library()
    report = assistant.add([first, second], collection="notes")
    assert (len(report.added), report.replaced) == (1, ())
    (failure,) = report.failed
    assert (failure.path, str(first) in failure.error) == (str(second), True)
    assert "has the same name as" in failure.message("en")
    assert texts(assistant) == [SKY]
    assert assistant.add([first, second]).failed == ()  # whole paths are different names


def test_second_file_of_lines_of_one_name_does_not_drop_the_first_ones(tmp_path: Path, open_library: Open) -> None:
    files = [write_lines(tmp_path / folder / "x.jsonl", {folder: SKY + folder}) for folder in ("a", "b")]
    assistant = open_library()
    report = assistant.add(files, collection="notes")
    assert (report.added, [failure.path for failure in report.failed]) == (("a",), [str(files[1])])
    assert assistant.add([files[0], files[0]], collection="notes").unchanged == ("a", "a")


def test_adding_lists_no_documents(tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Store, "documents")  # all of them for each file would take the square of their number
    file = write(tmp_path / "글.txt", SKY)
    assistant = open_library()
    assert assistant.add(file).added == assistant.add(file).unchanged


def test_lines_of_a_file_come_change_and_go(tmp_path: Path, open_library: Open) -> None:
    file = tmp_path / "lines.jsonl"
    assistant = open_library()
    assert assistant.add(write_lines(file, {"sky": SKY, "sea": SEA})).added == ("sky", "sea")
    report = assistant.add(write_lines(file, {"sea": "바다는 짜다.", "hill": HILL}))
    assert report.added == ("sea", "hill")
    assert sorted(report.replaced) == ["sea", "sky"]
    assert {info.id: assistant.document(info.id).text for info in assistant.documents()} == {
        "sea": "바다는 짜다.",
        "hill": HILL,
    }
    assert "하늘" not in " ".join(hit.passage.text for hit in assistant.search("하늘은 파랗다"))


def test_a_file_that_is_not_one_of_lines_leaves_its_neighbours(tmp_path: Path, open_library: Open) -> None:
    for name, text in {"x.txt": SKY, "x.txt#1.md": SEA, "x.txt#2.txt": HILL}.items():
        write(tmp_path / "docs" / name, text)
    assistant = open_library()
    assistant.add(tmp_path / "docs", collection="notes")
    report = assistant.add(write(tmp_path / "docs" / "x.txt", "하늘은 검다."), collection="notes")
    assert (len(report.added), report.failed) == (1, ())
    assert {info.name: assistant.document(info.id).text for info in assistant.documents()} == {
        "x.txt": "하늘은 검다.",
        "x.txt#1.md": SEA,
        "x.txt#2.txt": HILL,
    }


def test_id_of_another_source_is_refused_and_harms_nothing(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    assistant.add(write_lines(tmp_path / "a.jsonl", {"sky": SKY, "sea": SEA}))
    before = assistant._store.generation()
    report = assistant.add(write_lines(tmp_path / "b.jsonl", {"sea": SEA, "hill": HILL, "sky": "다른 하늘."}))
    assert (report.added, report.unchanged) == ((), ())
    (failure,) = report.failed
    assert failure.path == str(tmp_path / "b.jsonl")
    assert "b.jsonl#sky" in failure.error
    assert "a.jsonl#sky" in failure.error
    assert texts(assistant) == [SKY, SEA]
    assert assistant._store.generation() == before


def test_bad_files_are_reported_and_the_good_ones_added(tmp_path: Path, open_library: Open) -> None:
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "folder").mkdir()
    bad = ["binary.txt", "empty.txt", "folder", "missing.txt", "table.xlsx"]
    write(tmp_path / "table.xlsx", "?")
    good = write(tmp_path / "good.txt", SKY)
    assistant = open_library(settings=Settings(language="en"))
    report = assistant.add([*(tmp_path / name for name in bad), good])
    assert len(report.added) == 1
    assert sorted(Path(failure.path).name for failure in report.failed) == bad
    assert texts(assistant) == [SKY]


def test_file_gone_bad_leaves_its_old_self(tmp_path: Path, open_library: Open) -> None:
    file = write(tmp_path / "글.txt", SKY)
    assistant = open_library()
    assistant.add(file)
    file.write_bytes(b"")
    assert len(assistant.add(file).failed) == 1
    assert texts(assistant) == [SKY]


def test_remove(tmp_path: Path, open_library: Open) -> None:
    file = write(tmp_path / "하늘.txt", SKY)
    assistant = open_library()
    (id,) = assistant.add(file).added
    assert len(assistant.search("하늘")) == 1
    assistant.remove(id)
    assert assistant.documents() == []
    assert assistant.search("하늘") == []
    assert file.read_text("utf-8") == SKY
    for again in (assistant.remove, assistant.document):
        with pytest.raises(DocumentNotFoundError):
            again(id)


def test_progress_counts_up_to_the_end(tmp_path: Path, open_library: Open) -> None:
    told: list[Progress] = []
    files = [write(tmp_path / f"{n}.txt", f"{n}번째 글이다.") for n in range(3)]
    open_library().add(files, on_progress=told.append)
    assert [(p.done, p.total) for p in told if p.stage == "load"] == [(1, 3), (2, 3), (3, 3)]
    assert [(p.stage, p.done) for p in told if p.stage == "model"] == [("model", 0), ("model", 1)]
    assert all(p.done <= p.total for p in told)


def test_an_id_may_move_to_another_file_of_the_same_call(tmp_path: Path, open_library: Open) -> None:
    def lines(name: str, **texts: str) -> None:
        rows = [json.dumps({"id": id, "title": "글", "text": text}) for id, text in texts.items()]
        write(tmp_path / "files" / name, "\n".join(rows))

    assistant = open_library()
    lines("a.jsonl", one=SKY, keep=HILL)
    assistant.add(tmp_path / "files", collection="c")
    lines("a.jsonl", two="강은 길다.", keep=HILL)
    lines("b.jsonl", one=SEA)
    report = assistant.add(tmp_path / "files", collection="c")
    assert (set(report.added), report.failed) == ({"one", "two"}, ())
    assert assistant.document("one").text == SEA
    assert assistant.verify() == []


def test_the_same_content_in_two_files_of_one_call_is_added_once(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    report = assistant.add([write(tmp_path / "하나.txt", SKY), write(tmp_path / "둘.txt", SKY)])
    assert (len(report.added), report.unchanged) == (1, report.added)
    assert texts(assistant) == [SKY]
    (tmp_path / "하나.txt").write_text(SEA, "utf-8")
    assistant.add(tmp_path / "하나.txt")
    assert sorted(texts(assistant)) == sorted([SKY, SEA])  # it is still the other file's


def test_unchanged_files_are_not_kept_in_memory(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write(tmp_path / f"{n}.txt", f"{n}번째 글이다.") for n in range(10)]
    assistant = open_library()
    assistant.add(files)
    monkeypatch.setattr(adding, "FILES_GATHERED", 3)
    held: list[int] = []
    gather = adding.Adding._gather

    def counting(self: adding.Adding, path: Path, name: str) -> None:
        gather(self, path, name)
        held.append(len(self._gathered))

    monkeypatch.setattr(adding.Adding, "_gather", counting)
    assert len(assistant.add(files).unchanged) == 10
    assert held == [1, 2, 0] * 3 + [1]


def test_what_is_embedded_when_another_document_fails_is_kept(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(WordEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> Vectors:
            if any("99번째" in text for text in texts):
                raise RuntimeError("out of memory")
            return super().embed_passages(texts)

    files = [write(tmp_path / f"{n:03}.txt", f"{n}번째 글이다.") for n in range(100)]
    with pytest.raises(RuntimeError, match="out of memory"):
        open_library(embedder=Failing()).add(files, collection="c")
    kept = texts(open_library())
    assert 60 <= len(kept) < 100
    assert len(open_library().add(files, collection="c").added) == 100 - len(kept)


# Asking


def test_answer_is_the_documents_own_sentence(tmp_path: Path, open_library: Open) -> None:
    text = f"😀👨‍👩‍👧 머리말이다.\n\n{SKY} {SEA}\n\n꼬리말이다."  # emoji take more than one unit or byte elsewhere
    assistant = open_library()
    (id,) = assistant.add(write(tmp_path / "글.txt", text)).added
    answer = assistant.ask("바다는 깊다?")
    assert (answer.answered, answer.text, answer.reason) == (True, SEA, None)
    best = answer.citations[0]
    assert (best.document, best.quote, best.start) == (id, SEA, text.index(SEA))
    assert is_verbatim(answer, text)
    assert answer.question == "바다는 깊다?"
    assert answer.timings_ms["total"] > 0


def test_nothing_shared_is_declined(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    assistant.add(write(tmp_path / "글.txt", SKY))
    answer = assistant.ask("우주선 발사 날짜는 언제인가요?")
    assert (answer.answered, answer.text, answer.citations, answer.reason) == (False, None, (), "not_in_documents")
    assert answer.nearest is not None
    assert answer.nearest.quote == SKY


def test_answer_is_looked_for_in_eight_passages(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    rest = [
        "산이 높다.",
        "강이 길다.",
        "들이 넓다.",
        "별이 멀다.",
        "꽃이 붉다.",
        "눈이 희다.",
        "밤이 깊다.",
        "새가 난다.",
    ]
    assistant.add(write_lines(tmp_path / "s.jsonl", {f"d{n}": text for n, text in enumerate([SKY, SEA, *rest])}))
    assert len(assistant.search("하늘은 파랗다")) == 10
    answer = assistant.ask("하늘은 파랗다?")
    assert (answer.text, len(answer.hits)) == (SKY, 8)


def test_empty_library_has_no_documents_to_say(open_library: Open) -> None:
    answer = open_library().ask("하늘은 무슨 색?")
    assert (answer.answered, answer.reason, answer.nearest) == (False, "no_documents", None)


@pytest.mark.parametrize("question", ["", "  \n\t", "?!…", "​", "😀"])
def test_empty_question(open_library: Open, question: str) -> None:
    for call in (open_library().ask, open_library().search):
        with pytest.raises(EmptyQuestionError):
            call(question)


def test_question_up_to_the_limit(open_library: Open) -> None:
    assistant = open_library(settings=Settings(max_question=10))
    assistant.ask("가" * 10)
    for call in (assistant.ask, assistant.search):
        with pytest.raises(QuestionTooLongError, match="11 characters long; the limit is 10"):
            call("가" * 11)


def test_follow_up_is_understood_by_the_question_before_it(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    assistant.add(write_lines(tmp_path / "s.jsonl", {"sky": SKY, "sea": SEA}))
    history = [Turn("user", "바다는 어떤가요?"), Turn("assistant", SEA)]
    assert not assistant.ask("그건 왜?").answered
    answer = assistant.ask("그건 왜?", history)
    assert (answer.question, answer.text) == ("그건 왜?", SEA)


def test_last_question_of_the_history_up_to_the_limit(open_library: Open) -> None:
    assistant = open_library(settings=Settings(max_question=10))
    turns = [Turn("user", "가" * 11), Turn("assistant", "나" * 99), Turn("user", "가" * 10), Turn("assistant", "")]
    assistant.ask("하늘?", turns)
    with pytest.raises(HistoryTooLongError, match="11 characters long; the limit is 10"):
        assistant.ask("하늘?", turns[:2])


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_positive(open_library: Open, k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}"):
        open_library().search("하늘", k)


# What a shell makes of bytes that are not UTF-8, such as file names out of an old Korean archive: half characters


def test_question_with_half_a_character(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    assistant.add(write(tmp_path / "글.txt", SKY))
    answer = assistant.ask("\udcff 하늘은 파랗다?", [Turn("user", "\udcff 그건?")])
    assert (answer.question, answer.text) == ("? 하늘은 파랗다?", SKY)
    assert len(assistant.search("\udcff 하늘은")) == 1
    assert assistant.ask("그건?", [Turn("user", "하늘은 \udcff 파랗다?")]).text == SKY


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep file names in Unicode")
def test_file_name_that_is_not_utf8(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    for name, text in {"하늘.txt": SKY, "바다.txt": SEA}.items():
        (tmp_path / os.fsdecode(name.encode("cp949"))).write_text(text, "utf-8")
    assert len(assistant.add(tmp_path).added) == 2
    assert len(assistant.add(tmp_path).unchanged) == 2
    assert sorted(texts(assistant)) == sorted([SKY, SEA])


def test_id_with_half_a_character(open_library: Open) -> None:
    for call in (open_library().document, open_library().remove):
        with pytest.raises(DocumentNotFoundError):
            call("\udcff")


# Models


def test_library_of_another_model_is_refused_until_rebuilt(tmp_path: Path, open_library: Open) -> None:
    open_library(embedder=words("first")).add(write(tmp_path / "글.txt", SKY))
    later = open_library(embedder=words("second"))
    sea = write(tmp_path / "바다.txt", SEA)
    for call in (lambda: later.ask("하늘"), lambda: later.search("하늘"), lambda: later.add(sea)):
        with pytest.raises(ModelMismatchError) as refused:
            call()
        for message in (refused.value.message("ko"), refused.value.message("en")):
            assert f"rag rebuild --index {tmp_path / 'index'}" in message
            assert "first" in message
            assert "second" in message
    later.rebuild()
    assert later.search("하늘은 파랗다")[0].passage.text == SKY
    assert later.verify() == []
    with pytest.raises(ModelMismatchError):
        open_library(embedder=words("first")).search("하늘")


def test_documents_are_not_added_to_what_another_program_rebuilt_with_another_model(
    tmp_path: Path, open_library: Open
) -> None:
    mine, theirs = open_library(embedder=words("first")), open_library(embedder=words("second"))
    mine.add(write(tmp_path / "하늘.txt", SKY))

    def rebuild_meanwhile(progress: Progress) -> None:
        if progress.stage == "embed":
            theirs.rebuild()

    with pytest.raises(ModelMismatchError):
        mine.add(write(tmp_path / "바다.txt", SEA), on_progress=rebuild_meanwhile)
    assert texts(theirs) == [SKY]
    assert theirs.verify() == []
    assert theirs.add(tmp_path / "바다.txt").failed == ()
    assert theirs.search("바다는 깊다", 1)[0].passage.text == SEA


def test_rebuild_does_not_overwrite_what_another_program_added(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = open_library(), open_library()
    mine.add(write(tmp_path / "하늘.txt", SKY))
    sea = write(tmp_path / "바다.txt", SEA)

    def add_meanwhile(_: Progress) -> None:
        theirs.add(sea)

    with pytest.raises(LibraryBusyError):
        mine.rebuild(on_progress=add_meanwhile)
    assert [hit.passage.text for hit in mine.search("바다는 깊다", 1)] == [SEA]
    mine.rebuild()
    assert mine.verify() == []


# Seeds


def test_seeds_come_once(tmp_path: Path, open_library: Open) -> None:
    seeds = tmp_path / "seeds"
    write(seeds / "하늘.txt", SKY)
    assistant = open_library()
    (id,) = assistant.ensure_seeded(seeds).added
    assert assistant.ensure_seeded(seeds) == AddReport()
    assistant.remove(id)
    assert open_library().ensure_seeded(seeds) == AddReport()
    assert assistant.documents() == []


def test_library_of_ones_own_is_not_seeded(tmp_path: Path, open_library: Open) -> None:
    write(tmp_path / "seeds" / "하늘.txt", SKY)
    assistant = open_library()
    assistant.add(write(tmp_path / "바다.txt", SEA))
    assert assistant.ensure_seeded(tmp_path / "seeds") == AddReport()
    assert texts(assistant) == [SEA]


def test_seeds_that_come_later_are_still_put_in(tmp_path: Path, open_library: Open) -> None:
    (tmp_path / "seeds").mkdir()
    assistant = open_library()
    assert len(assistant.ensure_seeded(tmp_path / "seeds").failed) == 1
    write(tmp_path / "seeds" / "하늘.txt", SKY)
    assert len(assistant.ensure_seeded(tmp_path / "seeds").added) == 1


def killed_at(done: int) -> Callable[[Progress], None]:
    """Stops, as a kill would, when the file of this number is next."""

    def stop(progress: Progress) -> None:
        if (progress.stage, progress.done) == ("load", done):
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("own", [False, True])
def test_seeding_that_was_killed_between_two_files_is_completed(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    for name, text in {"1.txt": SKY, "2.txt": SEA, "3.txt": HILL}.items():
        write(tmp_path / "seeds" / name, text)
    monkeypatch.setattr(adding, "GATHERED", 1)  # character: every file is written by itself
    first = open_library()
    with pytest.raises(KeyboardInterrupt):
        first.ensure_seeded(tmp_path / "seeds", on_progress=killed_at(2))
    assert texts(first) == [SKY]
    if own:  # what is added in between does not stop it
        first.add(write(tmp_path / "강.txt", "강은 길다."))
    report = open_library().ensure_seeded(tmp_path / "seeds")
    assert (len(report.added), len(report.unchanged)) == (2, 1)
    assert sorted(texts(first)) == sorted([SKY, SEA, HILL, *["강은 길다."] * own])
    assert open_library().ensure_seeded(tmp_path / "seeds") == AddReport()


def test_seeding_that_was_killed_after_the_last_file_is_done(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "seeds" / "하늘.txt", SKY)
    assistant = open_library()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "mark_seeded", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        assistant.ensure_seeded(tmp_path / "seeds")
    (id,) = assistant.ensure_seeded(tmp_path / "seeds").unchanged
    assistant.remove(id)
    assert assistant.ensure_seeded(tmp_path / "seeds") == AddReport()
    assert assistant.documents() == []


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, morphology: Morphology) -> Iterator[Open]:
    """A fresh clone to stand in, with ``seeds/``; opens libraries as the README does."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "seeds" / "하늘.txt", SKY)
    write(tmp_path / "seeds" / "NOTICE", "where they come from")
    with ExitStack() as stack:
        yield lambda path="index": stack.enter_context(
            Assistant.open(path, embedder=WordEmbedder(), morphology=morphology)
        )


def test_three_lines_of_the_readme_find_something(clone: Open) -> None:
    assistant = clone()
    hits = assistant.search("하늘은 무슨 색?", k=5)
    assert [hit.passage.text for hit in hits] == [SKY]
    assert [(info.collection, info.name) for info in assistant.documents()] == [("seeds", "하늘.txt")]


def test_asking_a_fresh_clone_is_answered_by_the_seeds(clone: Open) -> None:
    assistant = clone()
    assert assistant.ask("하늘은 파랗다?").text == SKY
    assistant.remove(assistant.documents()[0].id)
    assert assistant.ask("하늘은 파랗다?").reason == "no_documents"  # removed is removed
    assert clone().search("하늘은 파랗다?") == []


def test_other_libraries_are_not_filled_by_asking(clone: Open, tmp_path: Path) -> None:
    for path in ("mine", tmp_path / "else" / "index"):
        assert clone(path).search("하늘은 파랗다?") == []
        assert clone(path).ask("하늘은 파랗다?").reason == "no_documents"


def test_a_folder_of_seeds_that_is_not_ours_is_left_alone(clone: Open) -> None:
    Path("seeds/NOTICE").unlink()
    assert clone().search("하늘은 파랗다?") == []


def test_library_of_ones_own_is_not_filled_by_asking(clone: Open, tmp_path: Path) -> None:
    assistant = clone()
    assistant.add(write(tmp_path / "바다.txt", SEA))
    assert [hit.passage.text for hit in assistant.search("하늘은 파랗다?")] == [SEA]
    assert texts(assistant) == [SEA]


def test_question_that_cannot_be_asked_fills_nothing(clone: Open) -> None:
    assistant = clone()
    for call in (assistant.ask, assistant.search):
        with pytest.raises(EmptyQuestionError):
            call("?")
    assert assistant.documents() == []


# Several at once


def test_document_removed_while_it_is_being_found(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = open_library(), open_library()
    sky, _ = mine.add(write_lines(tmp_path / "s.jsonl", {"sky": SKY, "sea": SEA})).added
    find = HybridRetriever.find

    def find_then_removal(retriever: HybridRetriever, question: str, k: int, **rest: Any) -> Found:
        found = find(retriever, question, k, **rest)
        monkeypatch.undo()
        theirs.remove(sky)
        return found

    monkeypatch.setattr(HybridRetriever, "find", find_then_removal)
    answer = mine.ask("하늘은 파랗다?")
    assert [hit.passage.text for hit in answer.hits] == [SEA]


def test_document_changed_while_it_is_being_found(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = open_library(), open_library()
    mine.add(write_lines(tmp_path / "s.jsonl", {"sky": SKY}))
    find = HybridRetriever.find

    def find_then_change(retriever: HybridRetriever, question: str, k: int, **rest: Any) -> Found:
        found = find(retriever, question, k, **rest)
        monkeypatch.undo()
        theirs.add(write_lines(tmp_path / "s.jsonl", {"sky": f"먼저 다른 말이다. {SKY}"}))
        return found

    monkeypatch.setattr(HybridRetriever, "find", find_then_change)
    assert mine.ask("하늘은 파랗다?").text == SKY  # and not the eight characters where it once stood


def test_documents_that_never_agree_with_what_is_found_are_damage(
    tmp_path: Path, open_library: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = open_library()
    (id,) = assistant.add(write(tmp_path / "글.txt", SKY)).added
    tampered = replace(assistant.document(id), text="다른 글이다.")
    monkeypatch.setattr(Store, "document", lambda _, id: tampered)
    with pytest.raises(LibraryCorruptError, match="keep changing"):
        assistant.ask("하늘은 파랗다?")


def test_asking_from_many_threads_while_documents_come_and_go(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    all_texts = {f"d{n}": f"😀 {n}번째 문서이다. {SKY} {n}번째 끝이다." for n in range(8)}
    assistant.add(write_lines(tmp_path / "stays.jsonl", {"d0": all_texts["d0"]}))
    done = threading.Event()

    def change() -> None:
        try:
            for n in range(1, 8):
                assistant.add(write_lines(tmp_path / f"{n}.jsonl", {f"d{n}": all_texts[f"d{n}"]}))
                if n > 2:
                    assistant.remove(f"d{n - 2}")
        finally:
            done.set()

    def ask(number: int) -> int:
        asked = 0
        while not done.is_set() or asked == 0:
            answer = assistant.ask(f"하늘은 파랗다? {number}번째")
            assert answer.answered
            for citation in answer.citations:
                assert all_texts[citation.document][citation.start : citation.end] == citation.quote
            asked += 1
        return asked

    with ThreadPoolExecutor(9) as pool:
        changing = pool.submit(change)
        asking = [pool.submit(ask, number) for number in range(8)]
        changing.result()
        assert sum(future.result() for future in asking) >= 8
    assert {info.id for info in assistant.documents()} == {"d0", "d6", "d7"}
    assert assistant.verify() == []


def test_closing_twice_is_allowed(open_library: Open) -> None:
    assistant = open_library()
    assistant.close()
    assistant.close()
