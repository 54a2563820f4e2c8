"""Files into a library, one after the other: read, compared with what is there, written. Splitting and embedding is not here.

A file is known by its collection and its name in it, the source key. What has changed under a key replaces its old self. Small
files are gathered and written together, so that their passages are embedded together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import DocumentError, DocumentNotFoundError, DuplicateIdError, DuplicateNameError
from rag.loaders import LoadedDocument, find_files, load
from rag.pace import OnProgress, Pace
from rag.settings import Settings
from rag.store import Store
from rag.types import AddReport, Failure, Progress

FILES_GATHERED = 64  # unchanged ones too
GATHERED = 50_000  # characters: some seconds of work, which is all that a kill can cost
BYTES_PER_CHARACTER = 2.5  # Hangul takes three in UTF-8, spaces and digits one; a guess until the file is read

Paths = str | Path | Iterable[str | Path]
Write = Callable[[Sequence[LoadedDocument]], list[str]]


@dataclass(frozen=True, slots=True)
class _File:
    """A file that has been read, and what of it is new."""

    path: Path
    name: str
    names: frozenset[str]  # source keys of what is in it
    new: list[LoadedDocument]
    outdated: list[tuple[str, str]]  # id and sha256

    @property
    def characters(self) -> int:
        """Of text that is new."""
        return sum(len(item.document.text) for item in self.new)

    def concerns(self, id: str) -> bool:
        """Whether a document of this id comes or goes with the file."""
        return any(id == item.document.id for item in self.new) or any(id == old for old, _ in self.outdated)


class Adding:
    """One call of ``Assistant.add``. ``write`` indexes and stores documents, and returns their ids."""

    def __init__(self, store: Store, settings: Settings, collection: str | None, write: Write, pace: Pace) -> None:
        self._store = store
        self._settings = settings
        self._given = collection
        self._collection = collection or "files"
        self._write = write
        self._pace = pace
        self._done: dict[str, tuple[Path, list[tuple[str, str]]]] = {}  # source key -> file and what was in it
        self._gathered: list[_File] = []
        self._added: list[str] = []
        self._unchanged: list[str] = []
        self._replaced: list[str] = []
        self._failed: list[Failure] = []

    def add(self, paths: Paths, on_progress: OnProgress | None) -> AddReport:
        """Add all that can be added."""
        files, self._failed = _find(paths, self._given, self._settings)
        guesses = [_guessed_characters(file) for file, _ in files]
        self._pace.expect(sum(guesses))
        for number, ((file, name), guess) in enumerate(zip(files, guesses, strict=True), 1):
            if on_progress is not None:
                on_progress(Progress("load", number, len(files), file.name))
            self._pace.expect(-guess)
            try:
                self._gather(file, name)
            except DocumentError as error:
                self._failed.append(_failure(file, error, self._settings))
        self._write_gathered()
        return AddReport(tuple(self._added), tuple(self._unchanged), tuple(self._failed), tuple(self._replaced))

    def _gather(self, path: Path, name: str) -> None:
        """Read a file, and keep it until there are enough of them to write."""
        loaded = load(path, name=name, collection=self._collection, max_mb=self._settings.max_file_mb)
        content = [(item.document.name, item.document.sha256) for item in loaded]
        other, before = self._done.get(name, (path, content))
        if before != content:  # the one just added must not be lost without a word
            raise DuplicateNameError(path=path, other=other)
        if name in self._done or any(file.concerns(item.document.id) for file in self._gathered for item in loaded):
            self._write_gathered()  # what this one is compared with must be as it will be
        outdated = self._outdated(name, loaded)
        file = _File(path, name, frozenset(item.document.name for item in loaded), self._new_of(loaded), outdated)
        self._pace.expect(file.characters)
        self._gathered.append(file)
        self._done[name] = (path, content)
        if len(self._gathered) >= FILES_GATHERED or sum(file.characters for file in self._gathered) >= GATHERED:
            self._write_gathered()

    def _write_gathered(self) -> None:
        files, self._gathered = self._gathered, []
        try:
            self._added += self._write([item for file in files for item in file.new])
        except DocumentError:  # another process was quicker with one of the ids: find out which, and keep the others
            for file in files:
                self._write_one(file)
            return
        for file in files:
            self._finish(file)

    def _write_one(self, file: _File) -> None:
        try:
            self._added += self._write(file.new)
        except DocumentError as error:
            self._failed.append(_failure(file.path, error, self._settings))
        else:
            self._finish(file)

    def _finish(self, file: _File) -> None:
        """What is left to do when a file's documents are written."""
        self._forget_lines(file)
        self._replaced += [id for id, sha256 in file.outdated if self._sha256(id) != sha256]

    def _outdated(self, name: str, loaded: Sequence[LoadedDocument]) -> list[tuple[str, str]]:
        """Id and sha256 of what the file's source keys hold and the file no longer does. Another file may hold it too."""
        now = {item.document.name: (item.document.id, item.document.sha256) for item in loaded}
        names = sorted(now.keys() | self._store.sources_below(self._collection, f"{name}#"))
        held = {key: self._store.source(self._collection, key) for key in names}
        return [what for key, what in held.items() if what is not None and what != now.get(key)]

    def _new_of(self, loaded: Sequence[LoadedDocument]) -> list[LoadedDocument]:
        """Those that are not in the library yet. The others are noted as unchanged, under one more source if need be."""
        new = []
        same = []
        for item in loaded:
            document = item.document
            stored = self._sha256(document.id)
            if stored == document.sha256:
                same.append(document)
                continue
            if stored is not None:
                held = self._store.source(document.collection, document.name)
                if held is None or held[0] != document.id:
                    other = self._store.document(document.id).name
                    raise DuplicateIdError(path=document.name, id=document.id, other=other)
            new.append(item)
        for document in same:  # a conflict above must leave all as it is
            if self._store.source(document.collection, document.name) != (document.id, document.sha256):
                self._store.link(document.collection, document.name, document.id)
            self._unchanged.append(document.id)
        return new

    def _sha256(self, id: str) -> str | None:
        try:
            return self._store.document(id).sha256
        except DocumentNotFoundError:
            return None

    def _forget_lines(self, file: _File) -> None:
        """Lines that a JSONL file no longer has go with it: the file is the source."""
        prefix = f"{file.name}#"
        gone = self._store.sources_below(self._collection, prefix) - file.names
        if gone and all(name.startswith(prefix) for name in file.names):  # else it is no file of lines
            self._store.unlink(self._collection, sorted(gone))


def unusable(paths: Paths, collection: str | None, settings: Settings) -> AddReport | None:
    """The report on files of which none can be used, or None as soon as one can. Takes no library, and makes none."""
    files, failed = _find(paths, collection, settings)
    for file, name in files:
        try:
            load(file, name=name, collection="", max_mb=settings.max_file_mb)
        except DocumentError as error:
            failed.append(_failure(file, error, settings))
        else:
            return None
    return AddReport(failed=tuple(failed))


def storable(name: str) -> str:
    """The name without half characters (surrogates), which a shell makes of bytes that are no UTF-8.

    They are written out, as names must stay different from each other.
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _find(paths: Paths, collection: str | None, settings: Settings) -> tuple[list[tuple[Path, str]], list[Failure]]:
    """The files at and below the paths, each with its source key, and the paths where there are none."""
    files: list[tuple[Path, str]] = []
    failed: list[Failure] = []
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        try:
            files += [(file, storable(_name(file, path, collection))) for file in find_files(path)]
        except DocumentError as error:
            failed.append(_failure(path, error, settings))
    return files, failed


def _name(file: Path, given: Path, collection: str | None) -> str:
    root = given.parent if file == given else given
    return file.relative_to(root).as_posix() if collection else file.resolve().as_posix()


def _guessed_characters(file: Path) -> int:
    try:
        return int(file.stat().st_size / BYTES_PER_CHARACTER)
    except OSError:  # loading it will say so
        return 0


def _failure(path: Path, error: DocumentError, settings: Settings) -> Failure:
    messages = {"ko": error.message("ko"), "en": error.message("en")}
    return Failure(str(path), messages[settings.language], messages)
