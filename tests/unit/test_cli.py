"""The command line as scripts see it: exact JSON on stdout, one line a mistake on stderr, exit status 0, 1 or 2."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rag import Answer, Assistant, Citation, Hit, Passage, Settings
from rag.cli import main
from rag.fakes import WordEmbedder, WordReader
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
def reader() -> WordReader | None:
    """None: answers are sentences."""
    return None


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], morphology: Morphology,
    reader: WordReader | None,
) -> Run:  # fmt: skip
    """Runs ``rag`` in an empty folder, with word counts for a model."""
    monkeypatch.chdir(tmp_path)
    real = Assistant.open

    def open_with_words(path: Path, *, settings: Settings, create: bool) -> Assistant:
        return real(
            path, settings=settings, create=create, embedder=WordEmbedder(), morphology=morphology, reader=reader
        )

    monkeypatch.setattr(Assistant, "open", open_with_words)

    def run(*arguments: str, stdin: str = "") -> Result:
        capfd.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="ascii"))
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


def write_seeds() -> None:
    """As in a clone of this project."""
    write("seeds/NOTICE", "where they come from")
    write("seeds/하늘.txt", SKY)


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
        "question", "answered", "answer", "citations", "reason", "nearest", "confidence", "certainty", "threshold", "timings_ms"
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
        "answer_start": None,
        "answer_end": None,
        "sha256": hashlib.sha256(SKY.encode()).hexdigest(),
    }
    assert 0 <= answer["confidence"] <= 1
    assert all(isinstance(ms, float) and ms >= 0 for ms in answer["timings_ms"].values())
    assert "total" in answer["timings_ms"]


@pytest.mark.parametrize("reader", [WordReader()])
def test_exact_words_are_marked_in_the_document(run: Run) -> None:
    fill(run)
    write("지원.txt", f"{SKY} 정부는 바이오 분야에 300억 원을 지원한다. {SEA}")
    run("add", "지원.txt")
    answer = run("ask", "정부는 바이오 분야에 얼마?", "--json").json
    assert answer["answered"] and answer["certainty"] in ("high", "medium", "low")
    cited = answer["citations"][0]
    text = run("show", cited["document"], "--json").json["text"]
    assert text[cited["start"] : cited["end"]] == cited["quote"] == "정부는 바이오 분야에 300억 원을 지원한다."
    assert text[cited["answer_start"] : cited["answer_end"]] == answer["answer"] == "300억 원을 지원한다"
    declined = run("ask", "우주선 발사 날짜는 언제인가요?", "--json").json
    assert not declined["answered"] and declined["nearest"]["answer_start"] is None


def test_declining_is_not_a_mistake(run: Run) -> None:
    fill(run)
    result = run("ask", "우주선 발사 날짜는 언제인가요?", "--json")
    assert (result.status, result.err) == (0, "")
    answer = result.json
    assert (answer["answered"], answer["answer"], answer["citations"]) == (False, None, [])
    assert answer["reason"] == "not_in_documents"
    assert answer["nearest"]["quote"] in {SKY, SEA}
    assert run("ask", "우주선 발사 날짜는 언제인가요?").out.startswith("문서에 답이 없습니다.\n문서를 찾아보았지만, ")


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
    # One of two words, "바다는" but not "깊다." with its stop: 1/2. Both morphemes, equally rare, in a passage of average length;
    # one of them stands in the title too: a BM25 of 2 / (2 + .9) and 1 / (1 + .9) of the most there can be, and words count .12.
    score = 0.5 + 0.12 * (2 / 2.9 + 1 / 1.9) / 2
    assert hit.pop("score") == pytest.approx(score)
    assert hit == {"document": sea, "start": 0, "end": 7, "text": SEA, "ranks": {"dense": 1, "lexical": 1}}
    assert len(run("search", "바다는 깊다", "-k", "10", "--json").json["hits"]) == 2
    assert run("search", "바다는 깊다", "-k", "1").out == f"1. {sea} [0:7] {score:.3f}\n{SEA}\n"


def test_add(run: Run) -> None:
    write("하늘.txt", SKY)
    first = run("add", "하늘.txt", "--json")
    assert (first.status, first.json) == (0, {"added": [SKY_ID], "replaced": [], "unchanged": [], "failed": []})
    again = run("add", "하늘.txt", "--json")
    assert (again.status, again.json) == (0, {"added": [], "replaced": [], "unchanged": [SKY_ID], "failed": []})
    assert again.err == ""  # nothing was done, so there is no progress to tell
    assert run("add", "하늘.txt").out == "넣은 문서 0개, 이미 있는 문서 1개\n"
    write("하늘.txt", SEA)
    assert run("add", "하늘.txt").out == "넣은 문서 1개, 이미 있는 문서 0개, 바뀐 문서 1개\n"
    write("하늘.txt", SKY)
    assert len(run("add", "하늘.txt", "--json").json["replaced"]) == 1


def test_add_good_and_bad_together(run: Run) -> None:
    write("하늘.txt", SKY)
    result = run("add", "하늘.txt", "없는.txt", "--json")
    assert result.status == 1
    report = result.json
    assert report["added"] == [SKY_ID]
    assert [set(failure) for failure in report["failed"]] == [{"path", "error"}]
    assert report["failed"][0]["path"] == "없는.txt"
    assert result.err.splitlines()[-1] == report["failed"][0]["error"]


def test_several_failures_are_one_line(run: Run) -> None:
    for name in ("a.txt", "b\n.txt", "c.txt"):
        write(name, " ")
    line = "파일 3개를 넣지 못했습니다: a.txt, b .txt, c.txt\n"
    told = run("add", "a.txt", "b\n.txt", "c.txt", "--json")
    assert (told.status, len(told.json["failed"]), told.err) == (1, 3, line)
    told = run("add", "a.txt", "b\n.txt", "c.txt")
    assert (told.status, told.err) == (1, line)
    assert told.out.splitlines()[1:] == [f"{name} 파일에 글이 없습니다." for name in ("a.txt", "b .txt", "c.txt")]
    assert run("add", "a.txt").err == "a.txt 파일에 글이 없습니다.\n"


def test_line_of_very_many_failures_ends(run: Run) -> None:
    names = [write(f"{n}.txt", " ") for n in range(12)]
    assert run("add", *names, "--lang", "en").err == (f"12 files could not be added: {', '.join(names[:10])}, …\n")


def test_nothing_but_failures_makes_no_library(run: Run) -> None:
    write("bad.txt", " ")
    for paths in (["bad.txt"], ["없는.txt"], ["bad.txt", "없는.txt"]):
        assert run("add", *paths).status == 1
        assert not Path("index").exists()
    write("하늘.txt", SKY)
    assert run("add", "bad.txt", "하늘.txt", "--json").json["added"] == [SKY_ID]


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
    assert "indexing documents 0%" in result.err and "indexing documents 100% (" in result.err
    assert "passages a second, 0:00 left)" in result.err
    assert result.json["added"] == [SKY_ID]


def test_progress_in_a_log_is_a_line_every_tenth(run: Run) -> None:
    write("긴.txt", "\n\n".join(f"{n}번째 하늘은 파랗다. " + "바다는 깊다. " * 30 for n in range(600)))
    lines = [line for line in run("add", "긴.txt").err.splitlines() if line.startswith("문서를 색인하는 중")]
    assert len(lines) == 11
    assert lines[0].startswith("문서를 색인하는 중 0% 긴")
    assert re.fullmatch(r"문서를 색인하는 중 1\d% \(1초에 \d+토막, \d+:\d\d 남음\) 긴", lines[1])
    for n in range(40):
        write(f"docs/{n}.txt", f"{n}번째 글이다.")
    lines = run("add", "docs").err.splitlines()
    assert sum(line.startswith("파일을 읽는 중") for line in lines) == 9
    assert 2 <= sum(line.startswith("문서를 색인하는 중") for line in lines) <= 11
    assert any(re.fullmatch(r"문서를 색인하는 중 100% .* 9", line) for line in lines)  # the last file of all


def test_question_from_stdin(run: Run) -> None:
    fill(run)
    assert run("ask", "-", "--json", stdin="\ufeff하늘은 파랗다?\n").json["answer"] == SKY
    assert run("search", "-", "-k", "1", "--json", stdin="하늘은 파랗다?\n").json["hits"][0]["text"] == SKY
    assert run("ask", "-").error == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."
    for command in ("ask", "search"):
        assert run(command, "-", stdin="가" * 100_000 + "\n").error == (
            "질문이 100000자입니다. 2000자까지 물을 수 있으니 줄여 주세요."
        )


def test_long_question_through_a_pipe(run: Run) -> None:
    fill(run)
    result = process("ask", "-", input=("가" * 100_000).encode(), stdout=subprocess.PIPE)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.decode() == "질문이 100000자입니다. 2000자까지 물을 수 있으니 줄여 주세요.\n"


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """``rag`` in a process of its own, as in a shell."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(
        [sys.executable, "-m", "rag", *arguments], env=environment, stderr=subprocess.PIPE, check=False, **options
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("arguments", [("list", "--json"), ("show", SKY_ID), ("--help",)])
def test_output_that_cannot_be_written(run: Run, arguments: tuple[str, ...]) -> None:
    fill(run)
    with Path("/dev/full").open("wb") as full:
        result = process(*arguments, stdout=full)
    assert result.returncode == 1
    assert result.stderr.decode() == "결과를 쓸 수 없습니다: 저장 공간이 모자랍니다. 출력하는 곳을 확인해 주세요.\n"


def test_output_that_is_closed(run: Run) -> None:
    fill(run)
    result = process("list", preexec_fn=lambda: os.close(1))
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert "결과를 쓸 수 없습니다: 닫혀 있습니다." in result.stderr.decode()


def test_nobody_reads_the_output(run: Run) -> None:
    fill(run)
    reading, writing = os.pipe()
    os.close(reading)
    result = process("list", stdout=writing)
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, b"")


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
    "missing": ("그런 파일이나 폴더가 없습니다", "No such file"),
    "binary": ("글이 아닙니다", "is not text"),
    "zero bytes": ("글이 없습니다", "has no text"),
    "only space": ("글이 없습니다", "has no text"),
    "folder without documents": ("넣을 문서가 없습니다", "There are no documents in"),
    "not a document": ("지원하지 않습니다", "is not supported"),
    "broken line": ("2번째 줄", "line 2"),
    "name too long": ("이름이 너무 깁니다", "File name too long"),
    "line break in the name": ("그런 파일이나 폴더가 없습니다", "No such file"),
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
    assert "입출력 오류입니다" in run("add", "bad.txt").err
    assert "Input/output error" in run("add", "bad.txt", "--lang", "en").err


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


def test_mistakes_in_korean_hold_no_english(run: Run) -> None:
    fill(run)
    write("history.json", "not JSON")
    assert run("ask", "하늘은?", "--history", "history.json").error.startswith(
        "이전 대화를 쓸 수 없습니다: history.json: JSON이 아닙니다. "
    )
    assert "없는.json: 그런 파일이나 폴더가 없습니다." in run("ask", "하늘은?", "--history", "없는.json").error
    write("a.jsonl", '{"id": "a", "title": "b"}')
    assert '1번째 줄: "text"가 없거나 글이 아닙니다.' in run("add", "a.jsonl").err
    Path("index/library.db").write_bytes(b"x" * 5000)
    assert "데이터베이스 파일이 아닙니다" in run("list").error


def test_history_that_is_too_long(run: Run) -> None:
    fill(run)
    write("history.json", json.dumps([{"role": "user", "content": "가" * 2001}]))
    assert run("ask", "하늘은?", "--history", "history.json").error == (
        "이전 대화의 마지막 질문이 2001자입니다. 2000자까지 쓸 수 있으니 줄여 주세요."
    )


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
    assert result.err.startswith("사용법: rag")
    message = result.err.splitlines()[-1].partition(": ")[2]
    assert any("가" <= character <= "힣" for character in message), message
    assert not Path("index").exists()
    result = run(*arguments, "--lang=en") if "de" not in arguments else run("--lang=en", *arguments)
    assert (result.status, result.out, result.err.isascii() or "하늘" in result.err) == (2, "", True)
    assert result.err.startswith("usage: rag")


def test_usage_error_says_what_is_allowed(run: Run) -> None:
    assert run("search", "하늘", "-k", "0").err.splitlines()[-1] == "rag search: -k: 1 이상의 정수여야 합니다: 0"
    assert run("search", "하늘", "-k", "0", "--lang", "en").err.splitlines()[-1] == (
        "rag search: argument -k: must be a whole number from 1 on: 0"
    )
    assert run("ask").err.splitlines()[-1] == "rag ask: 빠진 것이 있습니다: question"
    assert run("list", "--fast").err.splitlines()[-1] == "rag: 모르는 인자입니다: --fast"


# Seeds


def test_default_library_begins_with_the_seeds(run: Run) -> None:
    write_seeds()
    assert run("ask", "하늘은 파랗다?", "--json").json["answer"] == SKY
    again = run("ask", "하늘은 파랗다?", "--json")
    assert again.err == ""
    run("remove", SKY_ID)
    assert run("ask", "하늘은 파랗다?", "--json").json["reason"] == "no_documents"


def test_filling_is_told_on_stderr(run: Run) -> None:
    write_seeds()
    result = run("search", "하늘은 파랗다?", "--json", "--lang", "en")
    assert "indexing documents 0%" in result.err and "indexing documents 100% (" in result.err
    assert "passages a second, 0:00 left)" in result.err
    assert [hit["text"] for hit in result.json["hits"]] == [SKY]


def test_listing_and_showing_fill_the_default_library_too(run: Run) -> None:
    write_seeds()
    assert run("show", SKY_ID).out == f"{SKY}\n"
    assert run("list").out == f"{SKY_ID}\t하늘\n"


def test_bad_question_is_told_before_the_seeds_are_read(run: Run) -> None:
    write_seeds()
    assert run("ask", " ").error == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."


def test_other_libraries_do_not_get_the_seeds(run: Run) -> None:
    write_seeds()
    write("바다.txt", SEA)
    run("add", "바다.txt", "--index", "mine")
    assert [document["title"] for document in run("list", "--index", "mine", "--json").json["documents"]] == ["바다"]
    write("바다.txt", SEA)
    run("add", "바다.txt")
    assert [document["title"] for document in run("list", "--json").json["documents"]] == ["바다"]


def test_seeds_of_another_project_are_not_ours(run: Run) -> None:
    write("seeds/하늘.txt", SKY)
    assert "색인이 없습니다" in run("ask", "하늘은 파랗다?").error
    assert not Path("index").exists()


# What people read


QUOTE = "바이오 연구에는 최소 1000만 달러를 지원한다."
WORDS = "최소 1000만 달러"
OTHER = Citation("d2", "다른 글", 3, 12, "연구를 함께 한다.")


def cited(quote: str = QUOTE, words: str = WORDS) -> Citation:
    start = 50 + quote.index(words)
    return Citation("d1", "협력", 50, 50 + len(quote), quote, start, start + len(words))


@pytest.fixture
def told(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What ``rag ask`` writes of an answer."""
    fill(run)

    def told(answer: Answer, *arguments: str) -> str:
        monkeypatch.setattr(Assistant, "ask", lambda *_, **__: answer)
        result = run("ask", "얼마?", *arguments)
        assert (result.status, result.err) == (0, "")
        return result.out

    return told


Told = Callable[..., str]


def test_exact_words_are_told_first_and_then_their_sentence_with_them_in_brackets(told: Told) -> None:
    answer = Answer("얼마?", True, WORDS, (cited(), OTHER), confidence=0.93)
    assert told(answer) == (
        "최소 1000만 달러\n"
        "확실한 정도: 거의 확실함\n"
        "\n"
        "[1] 바이오 연구에는 【최소 1000만 달러】를 지원한다.\n"
        "    협력 (d1 50:77)\n"
        "\n"
        "함께 찾은 문장 (답의 근거는 아닐 수 있습니다):\n"
        "\n"
        "[2] 연구를 함께 한다.\n"
        "    다른 글 (d2 3:12)\n"
    )
    assert json.loads(told(answer, "--json"))["citations"][0]["quote"] == QUOTE


def test_a_whole_sentence_is_told_once(told: Told) -> None:
    whole = Citation("d1", "협력", 50, 77, QUOTE)
    assert told(Answer("왜?", True, QUOTE, (whole,), confidence=0.6), "--lang", "en") == (
        f"{QUOTE}\nHow certain: probably right; check the source\n\n[1] 협력 (d1 50:77)\n"
    )
    assert (
        told(Answer("왜?", True, QUOTE[:-1], (cited(QUOTE, QUOTE[:-1]),)))
        == f"【{QUOTE[:-1]}】.\n\n[1] 협력 (d1 50:77)\n"
    )


@pytest.mark.parametrize(
    ("confidence", "ko", "en"),
    [
        (0.8, "거의 확실함", "almost certain"),
        (0.5, "아마 맞음. 원문을 확인하세요.", "probably right; check the source"),
        (0.2, "확실하지 않음. 원문을 꼭 확인하세요.", "not certain; be sure to check the source"),
    ],
)
def test_certainty_is_told_in_words(told: Told, confidence: float, ko: str, en: str) -> None:
    answer = Answer("얼마?", True, WORDS, (cited(),), confidence=confidence)
    assert told(answer).splitlines()[1] == f"확실한 정도: {ko}"
    assert told(answer, "--lang", "en").splitlines()[1] == f"How certain: {en}"


@pytest.mark.parametrize(
    ("quote", "words", "marked"),
    [
        ("1000만 달러가 드는데, 이 돈은 두 나라가 나누어 낸다.", "1000만 달러", "【1000만 달러】가 드는데, 이 돈은 두 나라가 나누어 낸다."),
        ("두 나라가 함께 나누어 내는 돈은 1000만 달러", "1000만 달러", "두 나라가 함께 나누어 내는 돈은 【1000만 달러】"),
        ("【서울】 두 나라가 나누어 내는 돈은 1000만 달러다", "1000만 달러", "【서울】 두 나라가 나누어 내는 돈은 ⟦1000만 달러⟧다"),
        ("두 나라가 함께 정한 x\u0301y의 값은 두 배이다.", "x", "두 나라가 함께 정한 【x\u0301】y의 값은 두 배이다."),
        ("값이 \x1b[2J큰 돈 \x9b1m일천만 달러라고 한다.", "큰 돈", "값이 ␛[2J【큰 돈】 �1m일천만 달러라고 한다."),
    ],
)  # fmt: skip
def test_brackets_stand_where_the_words_do(told: Told, quote: str, words: str, marked: str) -> None:
    shown = told(Answer("얼마?", True, words, (cited(quote, words),)))
    assert shown == f"{words}\n\n[1] {marked}\n    협력 (d1 50:{50 + len(quote)})\n"


def test_declining_says_why_and_marks_the_nearest_as_no_answer(told: Told) -> None:
    declined = Answer("얼마?", False, None, reason="not_in_documents", nearest=cited(), confidence=0.3)
    assert told(declined) == (
        "문서에 답이 없습니다.\n"
        "문서를 찾아보았지만, 이 질문의 답이 되는 말을 찾지 못했습니다.\n"
        "\n"
        "답이 아님 · 그나마 가장 가까운 문장:\n"
        f"    {QUOTE}\n"
        "    협력 (d1 50:77)\n"
    )
    assert "\nNot an answer · the nearest sentence there is:\n" in told(declined, "--lang", "en")
    assert told(replace(declined, reason="only_related", nearest=None)) == (
        "문서에 답이 없습니다.\n관련된 내용은 있지만, 물으신 것은 적혀 있지 않습니다.\n"
    )
    assert told(Answer("얼마?", False, None, reason="no_documents")) == (
        "문서에 답이 없습니다.\n문서가 없습니다. `rag add 경로`로 넣어 주세요.\n"
    )


def test_a_passage_does_not_command_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(run)
    monkeypatch.setattr(Assistant, "search", lambda *_, **__: [Hit(Passage("d1", 0, 6, "가\x1b[2J나"), 1.0)])
    assert run("search", "얼마?").out == "1. d1 [0:6] 1.000\n가␛[2J나\n"


def test_only_the_first_citation_is_shown_as_what_the_answer_rests_on(run: Run) -> None:
    write("셋.txt", "강물은 차다. 강물은 깊다. 강물은 넓다.\n")
    run("add", "셋.txt")
    shown = run("ask", "강물은 차다.").out
    first, _, related = shown.partition("함께 찾은 문장 (답의 근거는 아닐 수 있습니다):")
    assert "[1] " in first and "[2] " not in first
    assert "[2] " in related
