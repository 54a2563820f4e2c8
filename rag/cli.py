"""The command line. Results go to stdout, with ``--json`` nothing but JSON; progress and errors go to stderr.

Exit status: 0 done (declining to answer is done), 1 an error of the user's, in one line, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rag.adding import unusable
from rag.assistant import DEFAULT_INDEX, Assistant, seeds_of
from rag.errors import (
    GeungeoError,
    Language,
    LibraryCorruptError,
    LibraryMissingError,
    OutputError,
    one_line,
)
from rag.options import answer_as_text, language_of, parser_of, read_history, shown, text
from rag.settings import Settings
from rag.types import AddReport, Progress, Turn

NAMES_SHOWN = 10  # of files that failed, in one line
STDIN_LIMIT = 10_000_000  # characters; more is no question, and may have no end


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    language = language_of(argv)
    try:
        try:
            return _run(argv, language)
        finally:
            _flush()  # what is left for the interpreter's end fails there, with its own complaint
    except OutputError as error:
        _leave_stdout()
        return _fail(error.message(language))
    except GeungeoError as error:
        return _fail(error.message(language))
    except KeyboardInterrupt:
        return _fail(text("interrupted", language))
    except BrokenPipeError:  # `rag ... | head`
        _leave_stdout()
        return 0


def _run(argv: Sequence[str], language: Language) -> int:
    # A terminal that cannot show a character must not be a reason to fail. Before parsing: usage may be Korean.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    with _output():  # of --help
        options = parser_of(language).parse_args(argv, argparse.Namespace(index=DEFAULT_INDEX, json=False))
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s: %(message)s")
    return _COMMANDS[options.command](_Command(options, language))


def _write(shown: str) -> None:
    """To stdout, at once."""
    if sys.stdout is None:  # `rag ... >&-`
        raise OutputError(detail=os.strerror(errno.EBADF))
    with _output():
        sys.stdout.write(shown)
    _flush()


def _flush() -> None:
    if sys.stdout is not None:
        with _output():
            sys.stdout.flush()


@contextmanager
def _output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(detail=error.strerror or error) from error


def _leave_stdout() -> None:
    """Let what could not be written go nowhere, or the interpreter would try again at its end."""
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(shown: str) -> None:
    """To stderr. Where that cannot be written, nothing can be told, which is no reason to stop."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(shown)
        sys.stderr.flush()


def _fail(line: str) -> int:
    _tell(line + "\n")
    return 1


class _Command:
    """One invocation: its options, its library, its way of speaking."""

    def __init__(self, options: argparse.Namespace, language: Language) -> None:
        self.options = options
        self.language = language
        self.index: Path = options.index
        self._drawn = False
        self._tenths: dict[str, int] = {}  # stage -> tenths of it that were told

    def text(self, key: str, **fields: object) -> str:
        return text(key, self.language, **fields)

    def settings(self) -> Settings:
        return Settings.from_environment(language=self.language)

    def question(self) -> str:
        """The question given, or read from stdin: an argument holds no more than the system lets it."""
        given: str = self.options.question
        if given != "-" or sys.stdin is None:
            return given
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
        return sys.stdin.read(STDIN_LIMIT).strip()

    def open(self, *, create: bool = False) -> Assistant:
        return Assistant.open(self.index, settings=self.settings(), create=create)

    def open_filled(self, question: str | None = None, history: Sequence[Turn] = ()) -> Assistant:
        """The library; the default one begins with the documents in ``seeds/``. A bad question is told before that."""
        seeds = seeds_of(self.index)
        assistant = self.open(create=seeds is not None)
        try:
            if question is not None:
                assistant.check(question, history)
            if seeds is not None:
                assistant.ensure_seeded(seeds, on_progress=self.progress)
                self.end_progress()
        except BaseException:
            assistant.close()
            raise
        return assistant

    def out(self, value: dict[str, Any], human: Callable[[], str]) -> None:
        _write((json.dumps(value, ensure_ascii=False) if self.options.json else human()) + "\n")

    def progress(self, progress: Progress) -> None:
        if progress.stage == "model" and progress.done:
            return
        line = f"{self.text(f'progress_{progress.stage}')} {self._count(progress)}{progress.detail[:40]}"
        if sys.stderr is not None and sys.stderr.isatty():
            _tell(f"\r\033[K{line}")
            self._drawn = True
        elif self._is_due(progress):  # in a log file, a line every tenth of the whole
            _tell(line + "\n")

    def _count(self, progress: Progress) -> str:
        if progress.stage == "model":
            return ""
        if progress.stage != "embed":
            return f"{progress.done}/{progress.total} "
        pace = self.text("pace", rate=f"{progress.per_s:.0f}", left=progress.left) + " " if progress.left else ""
        return f"{progress.percent}% {pace}"

    def _is_due(self, progress: Progress) -> bool:
        """Whether another tenth of the stage is done."""
        if progress.stage in ("model", "store"):
            return True
        begun = progress.stage == "load"  # told before the file is read
        tenth = 10 * (progress.done - begun) // max(progress.total, 1)
        if tenth <= self._tenths.get(progress.stage, -1) or (progress.stage, tenth) == ("load", 0):
            return False
        self._tenths[progress.stage] = tenth
        return True

    def end_progress(self) -> None:
        if self._drawn:
            _tell("\r\033[K")
            self._drawn = False


def _ask(command: _Command) -> int:
    question = command.question()
    history = read_history(command.options.history) if command.options.history else ()
    with command.open_filled(question, history) as assistant:
        answer = assistant.ask(question, history)
    command.out(answer.to_dict(), lambda: answer_as_text(answer, command.language))
    return 0


def _search(command: _Command) -> int:
    question = command.question()
    with command.open_filled(question) as assistant:
        hits = assistant.search(question, command.options.k)
    command.out(
        {"hits": [hit.to_dict() for hit in hits]},
        lambda: "\n\n".join(
            f"{rank}. {hit.passage.document} [{hit.passage.start}:{hit.passage.end}] {hit.score:.3f}\n"
            + shown(hit.passage.text)
            for rank, hit in enumerate(hits, 1)
        ),
    )
    return 0


def _add(command: _Command) -> int:
    report = _added(command)
    command.end_progress()
    command.out(report.to_dict(), lambda: _added_as_text(report, command))
    if not report.failed:
        return 0
    if len(report.failed) == 1:
        return _fail(report.failed[0].error)
    names = ", ".join(one_line(failure.path) for failure in report.failed[:NAMES_SHOWN])
    more = ", …" if len(report.failed) > NAMES_SHOWN else ""
    return _fail(command.text("failed", count=len(report.failed), names=names + more))


def _added(command: _Command) -> AddReport:
    """Add what can be added. A library is made only when something can go into it."""
    paths, collection = command.options.paths, command.options.collection
    try:
        assistant = command.open()
    except LibraryMissingError:
        if (report := unusable(paths, collection, command.settings())) is not None:
            return report
        assistant = command.open(create=True)
    with assistant:
        return assistant.add(paths, collection=collection, on_progress=command.progress)


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
    if not problems or command.options.json:
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


def _added_as_text(report: AddReport, command: _Command) -> str:
    line = command.text("added", added=len(report.added), unchanged=len(report.unchanged))
    if report.replaced:
        line += command.text("replaced", replaced=len(report.replaced))
    # A single failure is told on stderr, and needs no line of its own beside that.
    return "\n".join([line, *(failure.error for failure in report.failed if len(report.failed) > 1)])


_COMMANDS: dict[str, Callable[[_Command], int]] = {
    "ask": _ask,
    "search": _search,
    "add": _add,
    "list": _list,
    "show": _show,
    "remove": _remove,
    "verify": _verify,
    "rebuild": _rebuild,
}
