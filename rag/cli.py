"""The command line. Results go to stdout, with ``--json`` nothing but JSON; progress and errors go to stderr.

Exit status: 0 done (declining to answer is done), 1 an error of the user's, in one line, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

from rag.assistant import DEFAULT_INDEX, Assistant, seeds_of
from rag.errors import GeungeoError, HistoryError, Language, LibraryCorruptError
from rag.settings import Settings
from rag.types import AddReport, Answer, Progress, Turn

_TEXTS: dict[str, tuple[str, str]] = {
    "description": (
        "문서에서 답을 찾아 원문 그대로, 자리와 함께 보여 줍니다.",
        "Answers questions from your documents, in their own words, with the place.",
    ),
    "index": ("색인 폴더 (기본값: index)", "folder of the library (default: index)"),
    "lang": ("메시지의 언어", "language of messages"),
    "json": ("결과를 JSON으로", "print the result as JSON"),
    "ask": ("질문하기", "ask a question"),
    "search": ("관련 있는 대목 찾기", "find passages"),
    "add": ("파일이나 폴더의 문서 넣기", "add documents from files and folders"),
    "list": ("문서 목록", "list the documents"),
    "show": ("문서의 글 보기", "print a document's text"),
    "remove": ("문서 지우기 (원본 파일은 그대로)", "remove a document (its file is not touched)"),
    "verify": ("색인에 이상이 없는지 확인", "check the library"),
    "rebuild": ("모든 문서를 다시 나누고 임베딩하기", "split and embed all documents again"),
    "history": ('이전 대화 JSON 파일: [{"role", "content"}]', 'JSON file of earlier turns: [{"role", "content"}]'),
    "k": ("대목 수 (기본값: 10)", "number of passages (default: 10)"),
    "collection": ("문서를 넣을 모음의 이름", "name of the collection to add to"),
    "declined": ("문서에 답이 없습니다.", "The documents do not say."),
    "nearest": ("가장 가까운 대목 (답이 아님)", "nearest passage (not an answer)"),
    "empty": (
        "문서가 없습니다. `rag add 경로`로 넣어 주세요.",
        "There are no documents. Add some with `rag add PATH`.",
    ),
    "sound": ("이상이 없습니다.", "The library is sound."),
    "removed": ("지웠습니다: {id}", "Removed: {id}"),
    "added": ("넣은 문서 {added}개, 이미 있는 문서 {unchanged}개", "{added} added, {unchanged} already there"),
    "rebuilt": ("문서 {count}개를 다시 만들었습니다.", "{count} documents rebuilt."),
    "progress_model": ("모델을 불러오는 중", "loading the model"),
    "progress_load": ("파일을 읽는 중", "reading files"),
    "progress_embed": ("문서를 색인하는 중", "indexing documents"),
    "progress_store": ("저장하는 중", "saving"),
    "interrupted": ("멈췄습니다.", "Interrupted."),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    language = _language(argv)
    options = _parser(language).parse_args(argv, argparse.Namespace(index=DEFAULT_INDEX, json=False))
    # A terminal that cannot show a character must not be a reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s: %(message)s")
    command = cast("Callable[[_Command], int]", options.run)
    try:
        return command(_Command(options, language))
    except GeungeoError as error:
        return _fail(error.message(language))
    except KeyboardInterrupt:
        return _fail(_text("interrupted", language))
    except BrokenPipeError:  # `rag ... | head`
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Command:
    """One invocation: its options, its library, its way of speaking."""

    def __init__(self, options: argparse.Namespace, language: Language) -> None:
        self.options = options
        self.language = language
        self.index: Path = options.index
        self._drawn = False

    def text(self, key: str, **fields: object) -> str:
        return _text(key, self.language).format(**fields)

    def open(self, *, create: bool = False) -> Assistant:
        return Assistant.open(self.index, settings=Settings.from_environment(language=self.language), create=create)

    def open_filled(self, question: str | None = None) -> Assistant:
        """The library; the default one begins with the documents in ``seeds/``. A bad question is told before that."""
        seeds = seeds_of(self.index)
        assistant = self.open(create=seeds is not None)
        try:
            if question is not None:
                assistant.check(question)
            if seeds is not None:
                assistant.ensure_seeded(seeds, on_progress=self.progress)
                self.end_progress()
        except BaseException:
            assistant.close()
            raise
        return assistant

    def out(self, value: dict[str, Any], human: Callable[[], str]) -> None:
        shown = json.dumps(value, ensure_ascii=False) if self.options.json else human()
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()

    def progress(self, progress: Progress) -> None:
        if progress.stage == "model" and progress.done:
            return
        count = f" {progress.done}/{progress.total}" if progress.stage != "model" else ""
        line = f"{self.text(f'progress_{progress.stage}')}{count} {progress.detail[:40]}"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{line}")
            self._drawn = True
        elif progress.stage != "load" and progress.done in {0, progress.total}:
            sys.stderr.write(line + "\n")  # in a log file, a line a stage
        sys.stderr.flush()

    def end_progress(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\033[K")
            self._drawn = False


def _ask(command: _Command) -> int:
    options = command.options
    history = _read_history(options.history) if options.history else ()
    with command.open_filled(options.question) as assistant:
        answer = assistant.ask(options.question, history)
    command.out(answer.to_dict(), lambda: _answer_as_text(answer, command))
    return 0


def _search(command: _Command) -> int:
    with command.open_filled(command.options.question) as assistant:
        hits = assistant.search(command.options.question, command.options.k)
    command.out(
        {"hits": [hit.to_dict() for hit in hits]},
        lambda: "\n\n".join(
            f"{rank}. {hit.passage.document} [{hit.passage.start}:{hit.passage.end}] {hit.score:.3f}\n{hit.passage.text}"
            for rank, hit in enumerate(hits, 1)
        ),
    )
    return 0


def _add(command: _Command) -> int:
    with command.open(create=True) as assistant:
        report = assistant.add(
            command.options.paths, collection=command.options.collection, on_progress=command.progress
        )
    command.end_progress()
    command.out(report.to_dict(), lambda: _added_as_text(report, command))
    if report.failed and not command.options.json:
        for failure in report.failed:
            sys.stderr.write(failure.error + "\n")
    elif report.failed:
        sys.stderr.write(report.failed[0].error + "\n")
    return 1 if report.failed else 0


def _list(command: _Command) -> int:
    with command.open_filled() as assistant:
        documents = assistant.documents()
    listed = [
        {"id": d.id, "title": d.title, "collection": d.collection, "name": d.name, "characters": d.characters}
        for d in documents
    ]
    command.out(
        {"documents": listed},
        lambda: "\n".join(f"{d.id}\t{d.title}" for d in documents) or command.text("empty"),
    )
    return 0


def _show(command: _Command) -> int:
    with command.open_filled() as assistant:
        document = assistant.document(command.options.id)
    command.out(
        {"id": document.id, "title": document.title, "text": document.text, "sha256": document.sha256},
        lambda: document.text,
    )
    return 0


def _remove(command: _Command) -> int:
    with command.open() as assistant:
        assistant.remove(command.options.id)
    command.out({"removed": [command.options.id]}, lambda: command.text("removed", id=command.options.id))
    return 0


def _verify(command: _Command) -> int:
    with command.open() as assistant:
        problems = assistant.verify()
        count = len(assistant.documents())
    if problems and not command.options.json:
        raise LibraryCorruptError(path=command.index, detail="; ".join(problems))
    command.out({"ok": not problems, "documents": count, "problems": problems}, lambda: command.text("sound"))
    if problems:
        raise LibraryCorruptError(path=command.index, detail="; ".join(problems))
    return 0


def _rebuild(command: _Command) -> int:
    with command.open() as assistant:
        assistant.rebuild(on_progress=command.progress)
        count = len(assistant.documents())
    command.end_progress()
    command.out({"rebuilt": count}, lambda: command.text("rebuilt", count=count))
    return 0


def _answer_as_text(answer: Answer, command: _Command) -> str:
    if not answer.answered:
        lines = [command.text("empty" if answer.reason == "no_documents" else "declined")]
        if answer.nearest:
            lines += ["", f"{command.text('nearest')}: {answer.nearest.quote}", f"    {_place(answer.nearest)}"]
        return "\n".join(lines)
    lines = [answer.text or ""]
    for number, citation in enumerate(answer.citations, 1):
        lines += ["", f"[{number}] {citation.quote}", f"    {_place(citation)}"]
    return "\n".join(lines)


def _place(citation: Any) -> str:
    return f"{citation.title} ({citation.document} {citation.start}:{citation.end})"


def _added_as_text(report: AddReport, command: _Command) -> str:
    return command.text("added", added=len(report.added), unchanged=len(report.unchanged))


def _read_history(path: Path) -> list[Turn]:
    """Earlier turns from a JSON file.

    Raises:
        HistoryError: it is not a JSON list of {"role", "content"}.

    """
    try:
        turns = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise HistoryError(detail=f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise HistoryError(detail=f"{path}: not JSON") from error
    if not isinstance(turns, list):
        raise HistoryError(detail=f"{path}: not a list")
    for turn in turns:
        good = (
            isinstance(turn, dict)
            and turn.get("role") in ("user", "assistant")  # a tuple: the role may be unhashable
            and isinstance(turn.get("content"), str)
        )
        if not good:
            raise HistoryError(detail=f"{path}: {json.dumps(turn, ensure_ascii=False)[:60]}")
    return [Turn(turn["role"], turn["content"]) for turn in turns]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\n")


def _parser(language: Language) -> argparse.ArgumentParser:
    def text(key: str) -> str:
        return _text(key, language)

    common = _Parser(add_help=False)
    common.add_argument("--index", type=Path, metavar="DIR", default=argparse.SUPPRESS, help=text("index"))
    common.add_argument("--lang", choices=("ko", "en"), default=argparse.SUPPRESS, help=text("lang"))
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=text("json"))
    parser: argparse.ArgumentParser = _Parser(prog="rag", description=text("description"), parents=[common])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[_Command], int]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text(name), description=text(name), parents=[common])
        command.set_defaults(run=run)
        return command

    ask = add("ask", _ask)
    ask.add_argument("question")
    ask.add_argument("--history", type=Path, metavar="FILE", help=text("history"))
    search = add("search", _search)
    search.add_argument("question")
    search.add_argument("-k", type=_positive, default=10, help=text("k"))
    adding = add("add", _add)
    adding.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    adding.add_argument("--collection", metavar="NAME", help=text("collection"))
    add("list", _list)
    add("show", _show).add_argument("id")
    add("remove", _remove).add_argument("id")
    add("verify", _verify)
    add("rebuild", _rebuild)
    return parser


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _language(argv: Sequence[str]) -> Language:
    """The language of messages, known before the options are parsed so that usage errors and help speak it too."""
    for at, word in enumerate(argv):
        value = word.removeprefix("--lang=") if word.startswith("--lang=") else None
        if word == "--lang" and at + 1 < len(argv):
            value = argv[at + 1]
        if value in ("ko", "en"):
            return cast("Language", value)
    return Settings.from_environment().language


def _text(key: str, language: Language) -> str:
    korean, english = _TEXTS[key]
    return english if language == "en" else korean


def _fail(line: str) -> int:
    sys.stderr.write(line + "\n")
    return 1
