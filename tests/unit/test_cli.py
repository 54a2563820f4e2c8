"""The command line as scripts see it: exact JSON on stdout, one line a mistake on stderr, exit status 0, 1 or 2."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag import Assistant, Settings
from rag.cli import main
from rag.fakes import WordEmbedder
from rag.morphology import Morphology

SKY, SEA = "하늘은 파랗다.", "바다는 깊다."
SKY_ID = hashlib.sha256(SKY.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1
        assert self.out.endswith("\n")
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that says what is wrong."""
        assert (self.status, self.out) == (1, "")
        assert self.err.count("\n") == 1
        return self.err.rstrip("\n")


Run = Callable[..., Result]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], morphology: Morphology
) -> Run:
    """Runs ``rag`` in an empty folder, with word counts for a model."""
    monkeypatch.chdir(tmp_path)
    real = Assistant.open

    def open_with_words(path: Path, *, settings: Settings, create: bool) -> Assistant:
        return real(path, settings=settings, create=create, embedder=WordEmbedder(), morphology=morphology)

    monkeypatch.setattr(Assistant, "open", open_with_words)

    def run(*arguments: str) -> Result:
        capfd.readouterr()
        try:
            status = main(arguments)
        except SystemExit as exit:
            assert isinstance(exit.code, int)
            status = exit.code
        return Result(status, *capfd.readouterr())

    return run


def write(path: str, text: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")
    return path


def fill(run: Run) -> None:
    write("하늘.txt", SKY)
    write("바다.txt", SEA)
    assert run("add", "하늘.txt", "바다.txt").status == 0


# What scripts read


def test_ask(run: Run) -> None:
    fill(run)
    result = run("ask", "하늘은 파랗다?", "--json")
    assert (result.status, result.err) == (0, "")
    answer = result.json
    assert set(answer) == {
        "question", "answered", "answer", "citations", "reason", "nearest", "confidence", "timings_ms"
    }  # fmt: skip
    assert {key: answer[key] for key in ("question", "answered", "answer", "reason", "nearest")} == {
        "question": "하늘은 파랗다?",
        "answered": True,
        "answer": SKY,
        "reason": None,
        "nearest": None,
    }
    assert answer["citations"][0] == {
        "document": SKY_ID,
        "title": "하늘",
        "start": 0,
        "end": 8,
        "quote": SKY,
        "answer_start": answer["citations"][0]["answer_start"],
        "answer_end": answer["citations"][0]["answer_end"],
        "sha256": hashlib.sha256(SKY.encode()).hexdigest(),
    }
    assert 0 <= answer["confidence"] <= 1
    assert all(isinstance(ms, float) and ms >= 0 for ms in answer["timings_ms"].values())
    assert "total" in answer["timings_ms"]


def test_declining_is_not_a_mistake(run: Run) -> None:
    fill(run)
    result = run("ask", "우주선 발사 날짜는 언제인가요?", "--json")
    assert (result.status, result.err) == (0, "")
    answer = result.json
    assert (answer["answered"], answer["answer"], answer["citations"]) == (False, None, [])
    assert answer["reason"] == "not_in_documents"
    assert answer["nearest"]["quote"] in {SKY, SEA}
    assert run("ask", "우주선 발사 날짜는 언제인가요?").out.startswith("문서에 답이 없습니다.\n")


def test_ask_with_history(run: Run) -> None:
    fill(run)
    turns = [{"role": "user", "content": "바다는 어떤가요?"}, {"role": "assistant", "content": SEA}]
    write("history.json", json.dumps(turns))
    assert not run("ask", "그건 왜?", "--json").json["answered"]
    answer = run("ask", "그건 왜?", "--history", "history.json", "--json").json
    assert (answer["question"], answer["answer"]) == ("그건 왜?", SEA)


def test_search(run: Run) -> None:
    fill(run)
    result = run("search", "바다는 깊다", "-k", "1", "--json")
    assert (result.status, result.err) == (0, "")
    sea = hashlib.sha256(SEA.encode()).hexdigest()[:16]
    (hit,) = result.json["hits"]
    # One of two words, "바다는" but not "깊다." with its stop: 1/2. Both morphemes, once each in a passage of average
    # length: a BM25 of 1 / (1 + 1.5) of the most there can be, and words count .15.
    assert hit.pop("score") == pytest.approx(0.5 + 0.15 * 0.4)
    assert hit == {"document": sea, "start": 0, "end": 7, "text": SEA, "ranks": {"dense": 1, "lexical": 1}}
    assert len(run("search", "바다는 깊다", "-k", "10", "--json").json["hits"]) == 2
    assert run("search", "바다는 깊다", "-k", "1").out == f"1. {sea} [0:7] 0.560\n{SEA}\n"


def test_add(run: Run) -> None:
    write("하늘.txt", SKY)
    first = run("add", "하늘.txt", "--json")
    assert (first.status, first.json) == (0, {"added": [SKY_ID], "unchanged": [], "failed": []})
    again = run("add", "하늘.txt", "--json")
    assert (again.status, again.json) == (0, {"added": [], "unchanged": [SKY_ID], "failed": []})
    assert again.err == ""  # nothing was done, so there is no progress to tell
    assert run("add", "하늘.txt").out == "넣은 문서 0개, 이미 있는 문서 1개\n"


def test_add_good_and_bad_together(run: Run) -> None:
    write("하늘.txt", SKY)
    result = run("add", "하늘.txt", "없는.txt", "--json")
    assert result.status == 1
    report = result.json
    assert report["added"] == [SKY_ID]
    assert [set(failure) for failure in report["failed"]] == [{"path", "error"}]
    assert report["failed"][0]["path"] == "없는.txt"
    assert result.err.splitlines()[-1] == report["failed"][0]["error"]


def test_add_to_a_collection(run: Run) -> None:
    write("docs/a/하늘.txt", SKY)
    run("add", "docs", "--collection", "notes")
    (document,) = run("list", "--json").json["documents"]
    assert (document["collection"], document["name"]) == ("notes", "a/하늘.txt")


def test_list(run: Run, tmp_path: Path) -> None:
    write("하늘.txt", SKY)
    run("add", "하늘.txt")
    assert run("list", "--json").json == {
        "documents": [
            {
                "id": SKY_ID,
                "title": "하늘",
                "collection": "files",
                "name": (tmp_path / "하늘.txt").resolve().as_posix(),
                "characters": 8,
            }
        ]
    }
    assert run("list").out == f"{SKY_ID}\t하늘\n"


def test_show(run: Run) -> None:
    fill(run)
    shown = {"id": SKY_ID, "title": "하늘", "text": SKY, "sha256": hashlib.sha256(SKY.encode()).hexdigest()}
    assert run("show", SKY_ID, "--json").json == shown
    assert run("show", SKY_ID).out == f"{SKY}\n"


def test_remove(run: Run) -> None:
    fill(run)
    assert run("remove", SKY_ID, "--json").json == {"removed": [SKY_ID]}
    assert SKY_ID not in run("list").out
    assert Path("하늘.txt").read_text("utf-8") == SKY
    assert SKY_ID in run("remove", SKY_ID).error


def test_verify(run: Run) -> None:
    fill(run)
    result = run("verify", "--json")
    assert (result.status, result.json) == (0, {"ok": True, "documents": 2, "problems": []})
    assert run("verify").out == "이상이 없습니다.\n"


def test_verify_a_tampered_library(run: Run) -> None:
    fill(run)
    with Assistant.open(Path("index"), settings=Settings(), create=False) as assistant:
        assistant._store._connection.execute("UPDATE document SET original = x'00' WHERE id = ?", (SKY_ID,))
    result = run("verify", "--json")
    problem = f"{SKY_ID}: the original bytes are not those that were added"
    assert (result.status, result.json) == (1, {"ok": False, "documents": 2, "problems": [problem]})
    assert result.err.count("\n") == 1
    assert problem in run("verify").error


def test_rebuild(run: Run) -> None:
    fill(run)
    result = run("rebuild", "--json")
    assert (result.status, result.json) == (0, {"rebuilt": 2})
    assert run("search", "하늘은 파랗다", "-k", "1", "--json").json["hits"][0]["text"] == SKY


def test_progress_goes_to_stderr_only(run: Run) -> None:
    write("하늘.txt", SKY)
    result = run("add", "하늘.txt", "--json", "--lang", "en")
    assert "indexing documents 1/1" in result.err
    assert result.json["added"] == [SKY_ID]


# Options


@pytest.mark.parametrize(
    "arguments",
    [("--index", "mine", "--json", "list"), ("list", "--index", "mine", "--json"), ("--json", "list", "--index=mine")],
)
def test_options_before_or_after_the_command(run: Run, arguments: tuple[str, ...]) -> None:
    write("하늘.txt", SKY)
    run("add", "하늘.txt", "--index", "mine")
    assert [document["id"] for document in run(*arguments).json["documents"]] == [SKY_ID]
    assert not Path("index").exists()


@pytest.mark.parametrize("arguments", [("--lang", "en", "ask", "?"), ("ask", "?", "--lang=en")])
def test_messages_in_english(run: Run, arguments: tuple[str, ...]) -> None:
    fill(run)
    assert run(*arguments).error == "The question is empty. Write what you want to know."


def test_language_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(run)
    assert run("ask", "?").error == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."
    monkeypatch.setenv("GEUNGEO_LANGUAGE", "en")
    assert run("ask", "?").error == "The question is empty. Write what you want to know."
    assert run("ask", "?", "--lang", "ko").error == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."
    monkeypatch.setenv("GEUNGEO_LANGUAGE", "tlh")
    assert run("ask", "?").error == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."


# Mistakes


def test_question_that_cannot_be_asked(run: Run) -> None:
    fill(run)
    for command in ("ask", "search"):
        assert run(command, "").error == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."
        assert run(command, "가" * 100_000, "--json").error == (
            "질문이 100000자입니다. 2000자까지 물을 수 있으니 줄여 주세요."
        )


def bad_path(kind: str) -> str:
    """A path that cannot be added, each for a reason of its own."""
    if kind == "binary":
        Path("bad.txt").write_bytes(bytes(range(256)) * 4)
    elif kind == "zero bytes":
        Path("bad.txt").touch()
    elif kind == "only space":
        Path("bad.txt").write_text(" \n\n", "utf-8")
    elif kind == "folder without documents":
        Path("bad.txt").mkdir()
    elif kind == "not a document":
        return write("bad.xlsx", "?")
    elif kind == "broken line":
        return write("bad.jsonl", '{"id": "a", "title": "b", "text": "c"}\n{"id":\n')
    elif kind == "name too long":
        return "가" * 1000 + ".txt"
    elif kind == "line break in the name":
        return "bad\nname.txt"
    return "bad.txt"


REASONS = {
    "missing": ("No such file", "No such file"),
    "binary": ("글이 아닙니다", "is not text"),
    "zero bytes": ("글이 없습니다", "has no text"),
    "only space": ("글이 없습니다", "has no text"),
    "folder without documents": ("넣을 문서가 없습니다", "There are no documents in"),
    "not a document": ("지원하지 않습니다", "is not supported"),
    "broken line": ("2번째 줄", "line 2"),
    "name too long": ("읽을 수 없습니다", "Cannot read"),
    "line break in the name": ("No such file", "No such file"),
}


@pytest.mark.parametrize("kind", REASONS)
def test_path_that_cannot_be_added(run: Run, kind: str) -> None:
    path = bad_path(kind)
    korean, english = REASONS[kind]
    for language, reason in (("ko", korean), ("en", english)):
        result = run("add", path, "--lang", language, "--json")
        (failure,) = result.json["failed"]
        assert (result.status, failure["path"]) == (1, path)
        assert reason in failure["error"]
        assert result.err == failure["error"] + "\n"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_file_that_can_be_opened_but_not_read(run: Run) -> None:
    Path("bad.txt").symlink_to("/proc/self/mem")  # address 0 is nobody's: reading fails, for root as well
    assert "Input/output error" in run("add", "bad.txt").err


@pytest.mark.parametrize("command", [("ask", "하늘"), ("search", "하늘"), ("list",), ("verify",), ("rebuild",)])
def test_no_library(run: Run, command: tuple[str, ...]) -> None:
    assert run(*command, "--index", "nowhere").error == (
        "nowhere에 색인이 없습니다. `rag add 경로 --index nowhere`로 문서를 넣어 주세요."
    )
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("damage", ["random", "empty", "truncated"])
def test_damaged_library(run: Run, damage: str) -> None:
    fill(run)
    library = Path("index/library.db")
    content = {
        "random": hashlib.shake_256(b"").digest(20_000),
        "empty": b"",
        "truncated": library.read_bytes()[: library.stat().st_size // 2],
    }[damage]
    library.write_bytes(content)
    for command in (("ask", "하늘은?"), ("list",), ("verify",), ("show", SKY_ID)):
        assert run(*command).error.startswith("index 색인이 손상되었습니다: ")
    assert library.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [None, "not JSON", "{}", '["a"]', '[{"role": "user"}]', '[{"role": "king", "content": "a"}]',
     '[{"role": ["user"], "content": "a"}]', '[{"role": "user", "content": 1}]', "[" * 100_000],
    ids=["missing", "not JSON", "no list", "no objects", "no content", "no role", "role is a list", "content is no text",
         "too deep"],
)  # fmt: skip
def test_bad_history(run: Run, content: str | None) -> None:
    fill(run)
    if content is not None:
        write("history.json", content)
    assert run("ask", "하늘은?", "--history", "history.json").error.startswith("이전 대화를 쓸 수 없습니다: ")


@pytest.mark.parametrize("command", ["show", "remove"])
def test_unknown_id(run: Run, command: str) -> None:
    fill(run)
    assert run(command, "nobody").error == ("id가 nobody인 문서가 없습니다. `rag list`로 문서 목록을 볼 수 있습니다.")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("ask",),
        ("add",),
        ("list", "--fast"),
        ("list", "--lang", "de"),
        ("search", "하늘", "-k", "0"),
        ("search", "하늘", "-k", "-3"),
        ("search", "하늘", "-k", "x"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("usage: rag")
    assert not Path("index").exists()


# Seeds


def test_default_library_begins_with_the_seeds(run: Run) -> None:
    write("seeds/하늘.txt", SKY)
    assert run("ask", "하늘은 파랗다?", "--json").json["answer"] == SKY
    again = run("ask", "하늘은 파랗다?", "--json")
    assert again.err == ""
    run("remove", SKY_ID)
    assert run("ask", "하늘은 파랗다?", "--json").json["reason"] == "no_documents"


def test_filling_is_told_on_stderr(run: Run) -> None:
    write("seeds/하늘.txt", SKY)
    result = run("search", "하늘은 파랗다?", "--json", "--lang", "en")
    assert "indexing documents 1/1" in result.err
    assert [hit["text"] for hit in result.json["hits"]] == [SKY]


def test_listing_and_showing_fill_the_default_library_too(run: Run) -> None:
    write("seeds/하늘.txt", SKY)
    assert run("show", SKY_ID).out == f"{SKY}\n"
    assert run("list").out == f"{SKY_ID}\t하늘\n"


def test_bad_question_is_told_before_the_seeds_are_read(run: Run) -> None:
    write("seeds/하늘.txt", SKY)
    assert run("ask", " ").error == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."


def test_other_libraries_do_not_get_the_seeds(run: Run) -> None:
    write("seeds/하늘.txt", SKY)
    write("바다.txt", SEA)
    run("add", "바다.txt", "--index", "mine")
    assert [document["title"] for document in run("list", "--index", "mine", "--json").json["documents"]] == ["바다"]
    write("바다.txt", SEA)
    run("add", "바다.txt")
    assert [document["title"] for document in run("list", "--json").json["documents"]] == ["바다"]
