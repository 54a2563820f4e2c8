"""Assistant: documents in, answers out. Wiring only; every step is a function or class of another module.

Opening reads nothing but the library file. The models load when first needed, side by side, or in ``load``.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rag.adding import Adding, Paths, storable
from rag.errors import (
    DocumentNotFoundError,
    EmptyQuestionError,
    HistoryTooLongError,
    LibraryCorruptError,
    ModelMismatchError,
    QuestionTooLongError,
)
from rag.interfaces import Answerer, Embedder, Reader
from rag.pace import OnProgress, Pace
from rag.settings import Settings
from rag.store import NewDocument, Store
from rag.types import AddReport, Answer, Document, DocumentInfo, Found, Hit, IndexedPassage, Progress, Turn

if TYPE_CHECKING:
    from rag.loaders import LoadedDocument
    from rag.morphology import Morphology
    from rag.retrieval import HybridRetriever

DEFAULT_INDEX = Path("index")
SEEDS_MARKER = "NOTICE"  # says where the sample documents come from; without it a folder "seeds" is somebody's own
FIND_TRIES = 3
PASSAGES_READ = 8  # the answer is looked for in this many
WRITTEN_AT_ONCE = 256  # passages a transaction, or one document's


class Assistant:
    """A library of documents that can be searched and asked. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        embedder: Embedder | None = None,
        morphology: Morphology | None = None,
        reader: Reader | None = None,
    ) -> None:
        self._store = store
        self.settings = settings
        self._embedder = embedder
        self._morphology = morphology
        self._retriever: HybridRetriever | None = None
        self._reader = reader
        self._answerer: Answerer | None = None
        self._loading = threading.Lock()
        self._writing = threading.Lock()

    @classmethod
    def open(
        cls,
        path: str | Path = "index",
        *,
        settings: Settings | None = None,
        embedder: Embedder | None = None,
        morphology: Morphology | None = None,
        reader: Reader | None = None,
        create: bool = True,
    ) -> Assistant:
        """Open the library in the folder ``path``, making an empty one when there is none and ``create`` is True.

        ``embedder`` takes the place of the model that ``settings`` name. ``morphology`` is an analyser that is loaded
        already; it may serve several libraries. ``reader`` finds the words that answer; with an ``embedder`` and without one
        answers are whole sentences.

        Raises:
            LibraryError: it is missing, damaged, too new, or cannot be written.

        """
        return cls(
            Store.open(Path(path), create=create), settings or Settings.from_environment(), embedder, morphology, reader
        )

    def close(self) -> None:
        """Close the library file."""
        self._store.close()

    def __enter__(self) -> Assistant:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # Asking

    def ask(
        self, question: str, history: Sequence[Turn] = (),
        *, within: Collection[str] | None = None, without: Collection[str] = (),
    ) -> Answer:  # fmt: skip
        """What the documents say to the question, in their own words, or that they do not say.

        ``history`` are the turns before it, oldest first; a follow-up is understood by them. Only the documents ``within`` are
        asked, and none ``without``, by id.

        Raises:
            QuestionError: the question is empty or too long.
            HistoryError: the last question before it is too long.
            LibraryError, ModelError: the library or the model cannot be used.

        """
        from rag.conversation import context_of
        from rag.retrieval import Stopwatch

        question = self._ready_for(question, history)
        assert self._answerer and self._morphology
        watch = Stopwatch()
        context = _whole(context_of(question, history, self._morphology))[-self.settings.max_question :]
        watch.lap("conversation")
        found, documents = self._find(question, context, within, without)
        watch.lap("retrieval")
        answer = self._answerer.answer(question, found, documents, context)
        watch.lap("answering")
        stages = {"conversation": watch.laps["conversation"], **found.timings_ms, "answering": watch.laps["answering"]}
        return replace(answer, timings_ms={**stages, "total": sum(watch.laps.values())})

    def search(self, question: str, k: int = 10) -> list[Hit]:
        """The at most ``k`` best passages, best first.

        Raises:
            QuestionError: the question is empty or too long.
            ValueError: ``k`` is not positive.
            LibraryError, ModelError: the library or the model cannot be used.

        """
        if k < 1:
            raise ValueError(f"k is {k}; it must be 1 or more")
        question = self._ready_for(question)
        assert self._retriever
        return self._retriever.search(question, k)

    def check(self, question: str, history: Sequence[Turn] = ()) -> str:
        """The question without white space around it, if it can be asked.

        Raises:
            QuestionError: it is empty or too long.
            HistoryError: the last question before it is too long.

        """
        if not any(character.isalnum() for character in question):
            raise EmptyQuestionError
        if len(question) > self.settings.max_question:
            raise QuestionTooLongError(length=len(question), limit=self.settings.max_question)
        last = next((turn.content for turn in reversed(history) if turn.role == "user"), "")
        if len(last) > self.settings.max_question:
            raise HistoryTooLongError(length=len(last), limit=self.settings.max_question)
        return _whole(question.strip())

    def _ready_for(self, question: str, history: Sequence[Turn] = ()) -> str:
        """Check the question, fill a default library that was never seeded, load the models."""
        question = self.check(question, history)
        if (seeds := seeds_of(self._store.folder)) is not None:
            self.ensure_seeded(seeds)
        self.load()
        return question

    def _find(
        self, question: str, context: str, within: Collection[str] | None, without: Collection[str]
    ) -> tuple[Found, dict[str, Document]]:
        """What is found, and the documents it stands in. Searches again when they have changed in between."""
        assert self._retriever
        for _ in range(FIND_TRIES):
            found = self._retriever.find(question, PASSAGES_READ, context=context, within=within, without=without)
            passages = [hit.passage for hit in found.hits]
            try:
                documents = {id: self._store.document(id) for id in {passage.document for passage in passages}}
            except DocumentNotFoundError:
                continue
            if all(documents[p.document].text[p.start : p.end] == p.text for p in passages):
                return found, documents
        detail = "the documents keep changing or do not agree with their index"
        raise LibraryCorruptError(path=self._store.folder, detail=detail)

    # Documents

    def documents(self) -> list[DocumentInfo]:
        """All documents, in the order they were added."""
        return self._store.documents()

    def document(self, id: str) -> Document:
        """The document with its whole text.

        Raises:
            DocumentNotFoundError: there is none of this id.

        """
        return self._store.document(storable(id))

    def add(self, paths: Paths, *, collection: str | None = None, on_progress: OnProgress | None = None) -> AddReport:
        """Add files, and the files of folders. What is there already stays; what has changed replaces its old self.

        A file is known by its collection and name: with ``collection`` the name is relative to the path given, without
        it is the whole path. A file that cannot be used is reported and harms nothing, and so is the second of two
        different files of one name.

        Raises:
            LibraryError, ModelError: the library or the model cannot be used; what was written before stays, whole.

        """
        with self._writing:
            pace = Pace(on_progress)
            write = partial(self._write, pace=pace, on_progress=on_progress)
            adding = Adding(self._store, self.settings, collection, write, pace)
            report = adding.add(paths, on_progress)
            if report.added and self._retriever:
                _report(on_progress, Progress("store", len(report.added), len(report.added)))
                self._retriever.indexes.refresh()
        return report

    def _write(self, new: Sequence[LoadedDocument], *, pace: Pace, on_progress: OnProgress | None) -> list[str]:
        if not new:
            return []
        self.load(on_progress)
        ids: list[str] = []
        waiting: list[NewDocument] = []
        indexed = self._index([item.document for item in new], pace)
        try:
            for item, (_, passages) in zip(new, indexed, strict=True):
                waiting.append(NewDocument(item.document, item.original, passages))
                if sum(len(w.passages) for w in waiting) >= WRITTEN_AT_ONCE:
                    some, waiting = waiting, []
                    ids += self._store.write(some, model=self._model())
        finally:  # what is embedded is kept, whatever stopped the rest
            if waiting:
                ids += self._store.write(waiting, model=self._model())
        return ids

    def _index(self, documents: Iterable[Document], pace: Pace) -> Iterator[tuple[Document, list[IndexedPassage]]]:
        from rag.indexing import index_documents

        assert self._morphology and self._embedder
        return index_documents(
            documents, self._morphology, self._embedder,
            chunk_size=self.settings.chunk_size, sentence_vectors=self.settings.sentence_vectors, pace=pace,
        )  # fmt: skip

    def remove(self, id: str) -> None:
        """Remove a document from the library. The file it came from is not touched.

        Raises:
            DocumentNotFoundError: there is none of this id.

        """
        with self._writing:
            self._store.remove(storable(id))

    def ensure_seeded(self, seeds: str | Path, *, on_progress: OnProgress | None = None) -> AddReport:
        """Put the documents of the folder ``seeds`` into a library that never had any. Does nothing the second time."""
        begun = bool(self._store.sources_below("seeds", ""))  # and was killed before it was done
        if self._store.is_seeded() or (self._store.count() and not begun):
            return AddReport()
        report = self.add(seeds, collection="seeds", on_progress=on_progress)
        if report.added or report.unchanged:
            with self._writing:
                self._store.mark_seeded()
        return report

    # Care

    def load(self, on_progress: OnProgress | None = None) -> None:
        """Load the models and indexes, once; later calls return at once.

        Raises:
            ModelError: the embedding model cannot be loaded.
            ModelMismatchError: the library was made with another one.
            LibraryError: the library cannot be read.

        """
        with self._loading:
            if self._retriever is None:
                _report(on_progress, Progress("model", 0, 1, self.settings.model))
                self._load()
                _report(on_progress, Progress("model", 1, 1, self.settings.model))
            stored, current = self._store.model(), self._model()
            if stored is not None and stored != current:
                raise ModelMismatchError(path=self._store.folder, stored=stored[0], current=current[0])

    def _load(self) -> None:
        from rag.loading import load_models
        from rag.retrieval import HybridRetriever

        models = load_models(self.settings, self._embedder, self._morphology, self._reader)
        self._morphology, self._embedder, self._answerer = models
        self._retriever = HybridRetriever(self._store, self._embedder, self._morphology)

    def _model(self) -> tuple[str, int]:
        assert self._embedder
        return self._embedder.name, self._embedder.dimension

    def verify(self) -> list[str]:
        """What is wrong with the library, in English, a line each; an empty list when all is sound.

        Raises:
            LibraryCorruptError: the file cannot even be read.

        """
        problems = self._store.problems()
        stored = self._store.model()
        if stored is None or problems:
            return problems
        from rag.indexes import Indexes

        return Indexes(self._store, *stored).problems()

    def rebuild(self, *, on_progress: OnProgress | None = None) -> None:
        """Split and embed all documents again with the model that is set, then make the derived indexes anew.

        Raises:
            ModelError: the embedding model cannot be loaded.
            LibraryError: the library cannot be written; it is as it was.

        """
        with self._writing:
            with suppress(ModelMismatchError):  # that is what a rebuild is for
                self.load(on_progress)
            assert self._retriever
            with self._store.snapshot():
                generation = self._store.generation()
                documents = [self._store.document(info.id) for info in self._store.documents()]
            pace = Pace(on_progress)
            pace.expect(sum(len(document.text) for document in documents))
            passages = {document.id: some for document, some in self._index(documents, pace)}
            self._store.replace_passages(passages, model=self._model(), generation=generation)
            self._retriever.indexes.rebuild()


def seeds_of(index: Path) -> Path | None:
    """The folder of the documents that a library begins with: ``seeds/`` beside the default one, none for another.

    It must hold the file ``NOTICE``, as this project's does: other projects have folders of this name too, and their
    files are nobody's documents.
    """
    seeds = index.parent / "seeds"
    return seeds if index == DEFAULT_INDEX and (seeds / SEEDS_MARKER).is_file() else None


def _whole(text: str) -> str:
    """The text without half characters (surrogates), which is what a shell's bytes that are no UTF-8 turn into."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _report(on_progress: OnProgress | None, progress: Progress) -> None:
    if on_progress is not None:
        on_progress(progress)
