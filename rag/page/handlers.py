"""What happens on the page's events: plain generators that turn a request into what is to be shown.

Everything a browser sends is checked here, because any program on this computer can send it too.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath, PureWindowsPath
from queue import SimpleQueue
from typing import Any

from rag.errors import DocumentNotFoundError, GeungeoError
from rag.page import desk, view
from rag.page.contract import AssistantLike, Exchange, Key, PageSettings, history_of, key_of, still_there
from rag.page.opening import Opening
from rag.page.words import Said
from rag.types import AddReport, Citation, Document, Failure, Progress

Exchanges = tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Screen:
    """What changes on the page; None leaves a region as it is. All but ``exchanges`` are HTML."""

    exchanges: Exchanges | None = None
    welcome: str | None = None
    talk: str | None = None
    reader: str | None = None
    documents: str | None = None
    intake: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that the server has received: where it lies, and what its owner calls it."""

    path: Path
    name: str


def base_name(name: str) -> str:
    """The last part of a name sent by a browser, safe as a file name on this computer."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    clean = "".join(character for character in last if character.isprintable()).strip()
    return clean if clean.strip(".") else "file"


def distinct(names: Sequence[str]) -> list[str]:
    """The names, numbered where one came before: under one name a file would take the other's place."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        free = (f"{stem} ({number}){suffix}" for number in count(2))
        result.append(name if name not in seen else next(each for each in free if each not in taken))
        seen.add(name)
        taken.add(result[-1])
    return result


class Handlers:
    """The page's behaviour around one assistant. Holds no conversation: each event brings its own."""

    def __init__(self, opening: Opening, settings: PageSettings) -> None:
        self._opening = opening
        self._settings = settings

    def load(self) -> Iterator[Screen]:
        """The library's side of the page: first what is known at once, then what is known once it is open."""
        if self._opening.state == "opening":
            yield Screen(welcome=self._welcome(), documents=desk.documents_opening())
        try:
            assistant = self._opening.result()
        except GeungeoError as error:
            yield Screen(welcome=self._welcome(Said.of(error)), documents=desk.documents([]))
            return
        yield self._library(assistant)

    def retry(self) -> Iterator[Screen]:
        """Open the assistant again after it could not be opened."""
        self._opening.retry()
        yield from self.load()

    def ask(self, question: object, exchanges: Exchanges) -> Iterator[Screen]:
        """Ask, showing the question at once and the reply when it is there, with its first citation open."""
        asked = question if isinstance(question, str) else ""
        waiting = Exchange(asked, waiting="opening" if self._opening.state == "opening" else "searching")
        yield self._said((*exchanges, waiting))
        try:
            assistant = self._opening.result()
            if waiting.waiting == "opening":
                yield self._said((*exchanges, Exchange(asked)))
            done = waiting.answered(assistant.ask(asked, history_of(exchanges)))
        except GeungeoError as error:
            yield self._said((*exchanges, Exchange(asked, problem=Said.of(error))))
            return
        first = self._cited(assistant, done.citations()[0]) if done.answer and done.answer.citations else None
        yield self._said((*exchanges, done), reader=first)

    def failed(self, exchanges: Exchanges) -> Screen:
        """After an error nobody foresaw: say so in place of whatever was waited for."""
        problem = Said.word("unexpected")
        if self._opening.state == "failed":
            return replace(
                self._waiting_ended(exchanges, problem), welcome=self._welcome(problem), documents=desk.documents([])
            )
        return self._waiting_ended(exchanges, problem)

    def _waiting_ended(self, exchanges: Exchanges, problem: Said) -> Screen:
        if exchanges and exchanges[-1].answer is None and exchanges[-1].problem is None:
            return self._said((*exchanges[:-1], Exchange(exchanges[-1].question, problem=problem)))
        return Screen(intake=desk.intake_problem(problem))

    def renew(self) -> Screen:
        """Begin a new conversation."""
        return Screen(exchanges=(), talk="", reader=desk.reader_empty())

    def open(self, wanted: dict[str, Any], exchanges: Exchanges) -> Screen:
        """Show a citation (``{"cite": "exchange:citation"}``) or a document (``{"document": id, "at": offset}``)."""
        try:
            assistant = self._opening.result()
        except GeungeoError:
            return Screen()
        if (found := _citation_at(exchanges, wanted.get("cite"))) is not None:
            exchange, citation = found
            return Screen(reader=self._cited(assistant, citation, exchange.is_declined))
        document, at = wanted.get("document"), wanted.get("at")
        if not isinstance(document, str):
            return Screen()
        source = _document(assistant, document)
        if source is None:
            gone = desk.reader_empty("document_gone", "document_gone_more")
            return Screen(reader=gone, documents=desk.documents(assistant.documents()))
        offset = at if isinstance(at, int) and 0 <= at <= len(source.text) else 0
        return Screen(reader=desk.reader(source, at=offset))

    def remove(self, document: object, exchanges: Exchanges) -> Screen:
        """Remove a document and show what is left; citations of it stay and say that it is gone."""
        if not isinstance(document, str):
            return Screen()
        try:
            assistant = self._opening.result()
            title = assistant.document(document).title
            assistant.remove(document)
        except GeungeoError as error:
            return Screen(intake=desk.intake_problem(Said.of(error)))
        return self._library(assistant, exchanges, intake=desk.intake_removed(title))

    def add(self, uploads: Sequence[Upload], exchanges: Exchanges) -> Iterator[Screen]:
        """Add files under their own names, showing progress, then the list and what became of each file."""
        yield Screen(intake=desk.intake_progress(None))
        report = ""
        try:
            assistant = self._opening.result()
            with tempfile.TemporaryDirectory(prefix="geungeo-") as folder:
                names = distinct([base_name(upload.name) for upload in uploads])
                paths = [
                    _named_copy(upload, Path(folder) / str(n) / name)
                    for n, (upload, name) in enumerate(zip(uploads, names, strict=True))
                ]
                for step in _adding(assistant, paths, self._settings.own_collection):
                    if isinstance(step, Progress):
                        yield Screen(intake=desk.intake_progress(step))
                    else:
                        report = _report(step, Path(folder))
        except GeungeoError as error:
            yield Screen(intake=desk.intake_problem(Said.of(error)))
            return
        yield self._library(assistant, exchanges, intake=report)

    def _welcome(self, problem: Said | None = None, documents: int = 0, samples: int = 0) -> str:
        return view.welcome(self._settings, self._opening.state == "opening", problem, documents, samples)

    def _library(self, assistant: AssistantLike, exchanges: Exchanges = (), intake: str | None = None) -> Screen:
        infos = assistant.documents()
        samples = sum(info.collection == self._settings.sample_collection for info in infos)
        return Screen(
            welcome=self._welcome(None, len(infos), samples),
            documents=desk.documents(infos),
            talk=self._talk(exchanges) if exchanges else None,
            intake=intake,
        )

    def _said(self, exchanges: Exchanges, reader: str | None = None) -> Screen:
        return Screen(exchanges=exchanges, talk=self._talk(exchanges), reader=reader)

    def _talk(self, exchanges: Exchanges) -> str:
        return view.conversation(exchanges, self._changed(exchanges))

    def _changed(self, exchanges: Exchanges) -> set[Key]:
        """The citations in the conversation whose document no longer says what was quoted."""
        cited = [citation for exchange in exchanges for citation in exchange.citations()]
        if not cited or self._opening.state != "ready":
            return set()
        assistant = self._opening.result()
        found = {ident: _document(assistant, ident) for ident in {citation.document for citation in cited}}
        return {key_of(citation) for citation in cited if not still_there(citation, found[citation.document])}

    @staticmethod
    def _cited(assistant: AssistantLike, citation: Citation, nearest: bool = False) -> str:
        found = _document(assistant, citation.document)
        if found is None or not still_there(citation, found):
            return desk.reader_changed(citation, nearest)
        return desk.reader(found, citation, nearest=nearest)


def _document(assistant: AssistantLike, ident: str) -> Document | None:
    try:
        return assistant.document(ident)
    except DocumentNotFoundError:
        return None


def _citation_at(exchanges: Exchanges, place: object) -> tuple[Exchange, Citation] | None:
    """The citation that ``"exchange:citation"`` names, if there is one, and the exchange it belongs to."""
    exchange, _, index = place.partition(":") if isinstance(place, str) else ("", "", "")
    if not (exchange.isdecimal() and index.isdecimal() and int(exchange) < len(exchanges)):
        return None
    citations = exchanges[int(exchange)].citations()
    return (exchanges[int(exchange)], citations[int(index)]) if int(index) < len(citations) else None


def _named_copy(upload: Upload, target: Path) -> Path:
    """The uploaded file under its owner's name, in a folder of its own: to some systems "A" and "a" are one name."""
    target.parent.mkdir()
    shutil.copyfile(upload.path, target)
    upload.path.unlink(missing_ok=True)  # the upload cache is no place for people's documents to stay
    return target


def _adding(assistant: AssistantLike, paths: Sequence[Path], collection: str) -> Iterator[Progress | AddReport]:
    """Run ``add`` in a thread and yield its progress as it comes, then its report."""
    steps: SimpleQueue[Progress | None] = SimpleQueue()
    with ThreadPoolExecutor(1, thread_name_prefix="geungeo-add") as executor:
        future = executor.submit(assistant.add, paths, collection=collection, on_progress=steps.put)
        future.add_done_callback(lambda _: steps.put(None))
        while (step := steps.get()) is not None:
            while not steps.empty() and (later := steps.get()) is not None:
                step = later  # only the newest matters when they come faster than they can be shown
            yield step
            if future.done() and steps.empty():
                break
        yield future.result()


def _report(report: AddReport, folder: Path) -> str:
    """The report as HTML, without the temporary folder, which means nothing to the reader."""
    failures = [(Path(each.path).name, _why(each, folder)) for each in report.failed]
    return desk.intake_report(len(report.added), len(report.replaced), len(report.unchanged), failures)


def _why(failure: Failure, folder: Path) -> Said:
    path = Path(failure.path)
    korean, english = (
        failure.message(language).replace(str(path), path.name).replace(str(folder), "") for language in ("ko", "en")
    )
    return Said(korean, english)
