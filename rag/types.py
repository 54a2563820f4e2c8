"""The records every part passes on: plain, frozen, typed.

All spans are Python ``str`` indices (code points), half-open, into ``Document.text``. ``Document.text`` is NFC-normalised
once, when the document is loaded, and never altered afterwards, so a span stays true for as long as the document does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Role = Literal["user", "assistant"]
Reason = Literal["no_documents", "not_in_documents", "only_related"]  # the last: they speak of it and do not say
Certainty = Literal["high", "medium", "low"]
CERTAIN, LIKELY = 0.8, 0.5  # the least confidence that is called high, and medium


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at a place in a text, such as a page, a section or a table row."""

    offset: int  # code points
    label: str


@dataclass(frozen=True, slots=True)
class Document:
    """One text a person gave us, exactly as it is searched, quoted and shown.

    ``collection`` and ``name`` together are the source key: adding changed content under the same key replaces this
    document. ``sha256`` is of the original bytes, and ``id`` its first 16 hex digits unless the source names its own.
    """

    id: str
    title: str
    text: str  # NFC, line ends are \n
    sha256: str
    collection: str
    name: str
    date: str | None = None  # ISO 8601, when the source says it
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A line of the list of documents."""

    id: str
    title: str
    collection: str
    name: str
    characters: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieval unit: ``document.text[start:end] == text``, about 300 characters."""

    document: str  # Document.id
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A citable unit, ``document.text[start:end]``, with the forms of its content morphemes in order."""

    start: int
    end: int
    morphemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage with all that search needs, as the store keeps it. Passages never change; they come and go.

    ``vector`` is (dimension,) float32, ``sentence_vectors`` (sentences, dimension) float16; all rows are unit length.
    """

    passage: Passage
    sentences: tuple[Sentence, ...]
    vector: npt.NDArray[np.float32]
    sentence_vectors: npt.NDArray[np.float16]
    key: int = 0  # given by the store, never used twice
    heading: tuple[str, ...] = ()  # content morphemes of the document's title: it is found by them too

    @property
    def morphemes(self) -> list[str]:
        """The content morphemes of the whole passage, in order."""
        return [form for sentence in self.sentences for form in sentence.morphemes]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question. ``ranks`` holds its 1-based rank in each arm that found it."""

    passage: Passage
    score: float  # inner product plus a share of words, about .7 to 1.1; higher is better; not a probability
    ranks: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The hit as the command line and other programs see it."""
        passage = self.passage
        return {
            "document": passage.document,
            "start": passage.start,
            "end": passage.end,
            "text": passage.text,
            "score": round(self.score, 6),
            "ranks": dict(self.ranks),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What a search knows when it is done: hits, best first, and what the answer is chosen by."""

    hits: tuple[Hit, ...]
    passages: tuple[IndexedPassage, ...]  # one a hit, in the same order
    vector: npt.NDArray[np.float32]  # of the question, (dimension,), unit length
    weights: Mapping[str, float]  # question morpheme -> inverse document frequency
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    searched: int = 0  # passages there are to be found


@dataclass(frozen=True, slots=True)
class Citation:
    """An exact quote: ``document.text[start:end] == quote``.

    ``answer_start`` and ``answer_end`` are offsets in the document of the answering words inside the quote, or None.
    ``sha256`` is the document's, so that an old citation can tell when its source has changed.
    """

    document: str  # Document.id
    title: str
    start: int
    end: int
    quote: str
    answer_start: int | None = None
    answer_end: int | None = None
    sha256: str = ""

    @property
    def words(self) -> str | None:
        """The answering words, if some are marked."""
        if self.answer_start is None or self.answer_end is None:
            return None
        return self.quote[self.answer_start - self.start : self.answer_end - self.start]

    def to_dict(self) -> dict[str, Any]:
        """The citation as the command line and other programs see it."""
        return {
            "document": self.document,
            "title": self.title,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
            "answer_start": self.answer_start,
            "answer_end": self.answer_end,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the documents say to a question, or that they do not.

    ``text`` is None exactly when ``answered`` is False; then ``citations`` is empty, ``reason`` says why and
    ``nearest`` is the closest sentence found, which is *not* an answer.
    """

    question: str
    answered: bool
    text: str | None
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    reason: Reason | None = None
    nearest: Citation | None = None
    confidence: float = 0.0  # 0..1
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    threshold: float = 0.0  # a lower confidence is declined

    @property
    def certainty(self) -> Certainty:
        """The confidence in a word."""
        return "high" if self.confidence >= CERTAIN else "medium" if self.confidence >= LIKELY else "low"

    def to_dict(self) -> dict[str, Any]:
        """The answer as the command line and other programs see it. No words of ``nearest`` are marked: none of them answers."""
        nearest = replace(self.nearest, answer_start=None, answer_end=None) if self.nearest else None
        return {
            "question": self.question,
            "answered": self.answered,
            "answer": self.text,
            "citations": [citation.to_dict() for citation in self.citations],
            "reason": self.reason,
            "nearest": nearest.to_dict() if nearest else None,
            "confidence": round(self.confidence, 4),
            "certainty": self.certainty,
            "threshold": self.threshold,
            "timings_ms": {stage: round(ms, 3) for stage, ms in self.timings_ms.items()},
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A path that could not be added, and why: ``error`` in the language of the settings, ``messages`` in each."""

    path: str
    error: str
    messages: Mapping[str, str] = field(default_factory=dict, hash=False)  # language ("ko", "en") -> text

    def message(self, language: str) -> str:
        """Why, in this language where it is known."""
        return self.messages.get(language, self.error)


@dataclass(frozen=True, slots=True)
class AddReport:
    """What ``Assistant.add`` did: ids added, ids that were there already, and paths that failed.

    ``replaced`` are the ids of documents that gave way to a changed file, as they were or as lines it no longer has. A
    line that kept its id is in ``added`` too.
    """

    added: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    replaced: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as the command line and other programs see it."""
        return {
            "added": list(self.added),
            "replaced": list(self.replaced),
            "unchanged": list(self.unchanged),
            "failed": [{"path": failure.path, "error": failure.error} for failure in self.failed],
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long operation has come: ``done`` of ``total`` units of ``stage``.

    The units are files to "load", characters of text to "embed", documents to "store". ``total`` may change on the way: how much
    text there is to embed is a guess by the sizes of files until they are read.
    """

    stage: Literal["model", "load", "embed", "store"]
    done: int
    total: int
    detail: str = ""
    per_s: float | None = None  # passages embedded a second, once that is known
    left_s: float | None = None  # seconds left at this rate

    @property
    def percent(self) -> int:
        """How much of the stage is done, 0..100; 100 only when all is."""
        return 100 * self.done // self.total if self.total else 0

    @property
    def left(self) -> str | None:
        """The time left as minutes and seconds, "2:05", if it is known."""
        if self.left_s is None:
            return None
        minutes, seconds = divmod(math.ceil(self.left_s), 60)
        return f"{minutes}:{seconds:02}"
