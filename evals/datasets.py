"""Questions with what is expected of their answers, and the documents they are asked of.

``evals.readers`` makes them from files. Texts are NFC, as the library keeps them; a place is in code points.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from rag.errors import GeungeoError, one_line

Kind = Literal["span", "list", "yesno", "reason", "summary", "followup", "crosslingual", "unanswerable"]
KINDS: tuple[str, ...] = get_args(Kind)
PARTS = ("list", "reason", "summary")  # kinds whose evidence entries are all needed; of other kinds each one suffices


class DatasetError(Exception):
    """A file of questions or documents that cannot be used; the message is one line, Korean and English."""


class Place(NamedTuple):
    """Where something stands: ``document.text[start:end]``."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """One question with what is expected of its answer."""

    id: str
    question: str
    kind: str = "span"
    history: tuple[str, ...] = ()  # earlier questions of the user
    documents: Mapping[str, int] = field(default_factory=dict)  # those that answer it -> relevance, the first first
    answers: tuple[str, ...] = ()  # acceptable exact spans, best first
    items: tuple[tuple[str, ...], ...] = ()  # of a list: the acceptable spans of each item
    yesno: str | None = None
    evidence: tuple[str, ...] = ()  # exact text
    places: tuple[tuple[Place, ...], ...] = ()  # where each entry of evidence stands; more than once is possible
    placed: bool = False  # places come with the data, which may hold answers that stand nowhere
    elsewhere: tuple[Place, ...] = ()  # answers in the other documents that give them
    language: str = "ko"
    source: str | None = None
    pair: str | None = None  # the id of the plain Korean question that asks the same
    typed: bool = False
    miss: str | None = None
    where: str = ""  # file and line

    @property
    def called(self) -> str:
        """What it is called in a message."""
        return f"{self.where} ({self.id})" if self.where else self.id

    @property
    def answerable(self) -> bool:
        """Whether the documents settle it."""
        return self.kind != "unanswerable"

    @property
    def every_place(self) -> tuple[Place, ...]:
        """All places that give the answer."""
        return tuple(place for entry in self.places for place in entry) + self.elsewhere


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions and what they are asked of: records to be written as JSON lines, and files."""

    name: str
    questions: tuple[Question, ...]
    records: tuple[Mapping[str, str], ...] = ()  # {"id", "title", "text"}
    files: tuple[Path, ...] = ()
    beside: tuple[Path, ...] = ()  # files that questions name and that were found beside them


def thinned(records: Sequence[dict[str, str]], needed: Iterable[str], others: int, seed: int) -> list[dict[str, str]]:
    """The needed documents and ``others`` of the rest, chosen by ``seed``, in their order."""
    wanted = set(needed)
    rest = [number for number, record in enumerate(records) if record["id"] not in wanted]
    chosen = set(random.Random(seed).sample(rest, min(others, len(rest))))
    return [record for number, record in enumerate(records) if record["id"] in wanted or number in chosen]


def sampled(dataset: Dataset, limit: int, seed: int) -> Dataset:
    """At most ``limit`` of the questions, chosen by ``seed``, in their order. A question comes with its pair or not at all."""
    if limit >= len(dataset.questions):
        return dataset
    order = list(dataset.questions)
    random.Random(seed).shuffle(order)
    chosen: set[str] = set()
    for question in order:
        wanted = chosen | {question.id, *([question.pair] if question.pair else [])}
        if len(wanted) <= limit:
            chosen = wanted
    return replace(dataset, questions=tuple(q for q in dataset.questions if q.id in chosen))


def located(question: Question, texts: Mapping[str, str]) -> Question:
    """The question with the places of its evidence in ``texts``, document id -> text.

    Where no evidence is named, the answers' places are.

    Raises:
        DatasetError: a document is not there, or something does not stand in its document exactly.

    """
    if missing := [document for document in question.documents if document not in texts]:
        raise DatasetError(
            both(
                question.called, f"문서 {missing[0]}이(가) 없습니다 (--corpus)", "the document is not there (--corpus)"
            )
        )
    if not question.answerable or not question.documents or question.placed:
        return question
    own, *others = question.documents
    spans = [*question.answers, *(span for item in question.items for span in item), *question.evidence]
    for span in spans:
        if span not in texts[own]:
            raise DatasetError(
                both(question.called, f"문서 {own}에 없는 글: {span[:60]}", "this text does not stand in the document")
            )
    entries = question.evidence or question.answers
    places = [tuple(Place(own, at, at + len(e)) for at in find_all(texts[own], e)) for e in entries]
    elsewhere = [
        Place(document, at, at + len(span))
        for document in others
        for span in spans
        for at in find_all(texts[document], span)
    ]
    return replace(question, places=tuple(places), elsewhere=tuple(elsewhere))


def find_all(text: str, part: str) -> list[int]:
    """Where ``part`` begins in ``text``, every time."""
    found, at = [], text.find(part)
    while at >= 0 and part:
        found.append(at)
        at = text.find(part, at + 1)
    return found


def message(error: Exception) -> str:
    """What went wrong, in both languages."""
    if isinstance(error, GeungeoError):
        return f"{error.message('ko')} / {error.message('en')}"
    if isinstance(error, OSError) and error.filename is not None:
        return both(error.filename, "읽거나 쓸 수 없습니다", f"cannot be read or written ({error.strerror})")
    return str(error)


def both(where: object, korean: str, english: str) -> str:
    """What is wrong at a place, in both languages and one line, whatever the values in it are."""
    return f"{one_line(where)}: {one_line(korean)} / {one_line(english)}"
