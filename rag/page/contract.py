"""What the page needs of an assistant, and what it remembers of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from rag.page.words import Said
from rag.types import AddReport, Answer, Citation, Document, DocumentInfo, Progress, Turn

Key = tuple[str, int, int, str]  # Citation.document, start, end, sha256


class AssistantLike(Protocol):
    """The one object the page talks to. Its methods may be called from several threads at once."""

    def documents(self) -> Sequence[DocumentInfo]:
        """All documents, without their texts."""
        ...

    def document(self, id: str, /) -> Document:
        """The document, or DocumentNotFoundError."""
        ...

    def ask(self, question: str, history: Sequence[Turn] = ()) -> Answer:
        """What the documents say, or QuestionError."""
        ...

    def add(
        self,
        paths: Iterable[Path],
        *,
        collection: str = "uploads",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> AddReport:
        """Add files; those that fail are in the report."""
        ...

    def remove(self, id: str, /) -> None:
        """Remove a document, or DocumentNotFoundError."""
        ...


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the page offers: formats and size of files, and questions that fit the documents it came with."""

    extensions: tuple[str, ...] = (".txt", ".md", ".jsonl")
    max_file_mb: int = 64
    own_collection: str = "uploads"  # where a visitor's files go
    sample_collection: str = "seeds"  # the documents that the examples are about
    examples: tuple[str, ...] = (
        "바이오 분야 지원 금액은?",
        "조 실장은 모두발언에서 뭐라고 했나요?",
        "두 나라가 협력하기로 한 분야는?",
        "How much will be spent on bio research?",
    )


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what became of it: an answer, a problem, or still waiting (both are None)."""

    question: str
    answer: Answer | None = None
    problem: Said | None = None
    waiting: Literal["opening", "searching"] = "searching"

    @property
    def is_declined(self) -> bool:
        """Whether the documents do not say it, so that a place found for it is no evidence."""
        return self.answer is not None and not self.answer.answered

    def citations(self) -> tuple[Citation, ...]:
        """All places that can be opened: the evidence, or the nearest sentence, in which nothing answers."""
        if self.answer is None:
            return ()
        if self.answer.answered or self.answer.nearest is None:
            return self.answer.citations
        # Without the words it would have said: they are no answer, and nothing on the page may make them one.
        return (replace(self.answer.nearest, answer_start=None, answer_end=None),)

    def answered(self, answer: Answer) -> Exchange:
        """The exchange with its answer, without the search hits, which a page does not show."""
        return replace(self, answer=replace(answer, hits=()))


def key_of(citation: Citation) -> Key:
    """What tells one cited place from another."""
    return (citation.document, citation.start, citation.end, citation.sha256)


def still_there(citation: Citation, document: Document | None) -> bool:
    """Whether the document still says, at the same place, what was quoted."""
    if document is None or citation.sha256 not in ("", document.sha256):
        return False
    return document.text[citation.start : citation.end] == citation.quote


def history_of(exchanges: Sequence[Exchange], limit: int = 10) -> list[Turn]:
    """The last exchanges that were answered, oldest first, as the assistant takes them."""
    turns: list[Turn] = []
    for exchange in [each for each in exchanges if each.answer and each.answer.text][-limit:]:
        assert exchange.answer is not None
        turns += [Turn("user", exchange.question), Turn("assistant", exchange.answer.text or "")]
    return turns
