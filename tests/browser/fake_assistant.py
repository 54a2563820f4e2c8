"""An assistant for the page's tests: no model, no disk; finds sentences by shared word beginnings, and numbers in them."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rag.errors import DocumentNotFoundError, EmptyQuestionError, UnsupportedFormatError
from rag.types import AddReport, Answer, Citation, Document, DocumentInfo, Failure, Progress, Turn

ARTICLE = """한빛시, 바다 위 도서관을 연다 🙂

한빛시는 3일 푸른항에서 기자 간담회를 열고, 배를 고쳐 만든 ‘바다 위 도서관’을 오는 5월 12일에 연다고 밝혔다.
이 도서관은 낡은 여객선을 사들여 2년 동안 고친 것으로, 책 4만 2천 권과 좌석 180개를 갖추었다.

시는 건립에 모두 96억 원을 썼다. 이 가운데 60억 원은 국비이고, 나머지 36억 원은 시비로 마련했다.
운영은 한빛도서관재단이 맡는다. 재단은 사서 12명을 새로 뽑아 배에서 일하게 할 계획이다.

간담회에서 김하늘 한빛시장은 “섬에 사는 아이들도 걸어서 갈 수 있는 도서관을 갖게 된다”고 말했다.
배는 한 달에 두 번, 여덟 개 섬을 돌며 섬마다 하루씩 머문다. 파도가 높은 날에는 푸른항에 묶어 둔 채로 문을 연다.

이용료는 없다. 한빛시 주민이 아니어도 누구나 들어갈 수 있으며, 책은 주민만 한 번에 다섯 권까지 빌릴 수 있다.
""" + "\n".join(f"{year}년에는 섬 {year - 2010}곳의 주민이 이 사업에 의견을 냈다." for year in range(2012, 2026))

GUIDE = """Hanbit Floating Library: Visitor Guide

The ship stays one day at each island. Opening hours are from 10:00 to 18:00, and the last entry is at 17:30.
Dogs are not allowed on board, except guide dogs. The reading deck has forty outdoor seats.
"""


def make_document(title: str, text: str, name: str, collection: str = "seeds", ident: str | None = None) -> Document:
    text = unicodedata.normalize("NFC", text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Document(ident or sha256[:16], title, text, sha256, collection, name, date="2026-04-03")


def samples() -> list[Document]:
    return [
        make_document("한빛시, 바다 위 도서관을 연다", ARTICLE, "library.txt"),
        make_document("Hanbit Floating Library: Visitor Guide", GUIDE, "guide.txt"),
    ]


class FakeAssistant:
    """The assistant's methods over documents in memory. ``gate`` holds back ``add`` halfway while it is cleared.

    ``answers`` are given to questions that are these words, instead of being looked for.
    """

    def __init__(self, documents: Iterable[Document] = (), answers: Mapping[str, Answer] | None = None) -> None:
        self._answers = answers or {}
        self._documents = {document.id: document for document in documents}
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.histories: list[Sequence[Turn]] = []

    def documents(self) -> list[DocumentInfo]:
        with self._lock:
            return [DocumentInfo(d.id, d.title, d.collection, d.name, len(d.text)) for d in self._documents.values()]

    def document(self, id: str, /) -> Document:
        with self._lock:
            if id not in self._documents:
                raise DocumentNotFoundError(id=id)
            return self._documents[id]

    def ask(self, question: str, history: Sequence[Turn] = ()) -> Answer:
        self.histories.append(tuple(history))
        if question in self._answers:
            return self._answers[question]
        if question == "고장":
            raise RuntimeError("the fake breaks on purpose")
        stems = {word[:2].lower() for word in re.findall(r"\w+", question) if len(word) > 1}
        if not stems:
            raise EmptyQuestionError()
        with self._lock:
            documents = list(self._documents.values())
        if not documents:
            return Answer(question, False, None, reason="no_documents")
        found = sorted(
            ((_score(stems, d.text[a:b]), d, a, b) for d in documents for a, b in _sentences(d.text)),
            key=lambda each: -each[0],
        )
        best = [_citation(document, start, end) for _, document, start, end in found[:3]]
        if found[0][0] < min(2, len(stems)):
            return Answer(question, False, None, reason="not_in_documents", nearest=best[0], confidence=0.1)
        kept = [best[0]] + [plain(c) for c, f in zip(best[1:], found[1:3], strict=True) if f[0] == found[0][0]]
        return Answer(question, True, said_by(best[0]), tuple(kept), confidence=0.9)

    def add(
        self,
        paths: Iterable[Path],
        *,
        collection: str = "uploads",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> AddReport:
        paths = list(paths)
        added, unchanged, failed, replaced = [], [], [], []
        for done, path in enumerate(paths):
            if on_progress:
                on_progress(Progress("embed", done, len(paths), path.name))
            self.gate.wait(20)
            if path.suffix not in (".txt", ".md", ".jsonl"):
                error = UnsupportedFormatError(path=path, supported=".txt .md .jsonl")
                failed.append(Failure(str(path), error.message("ko"), {"en": error.message("en")}))
                continue
            text = path.read_text(encoding="utf-8")
            title = text.strip().splitlines()[0]
            document = make_document(title, text, path.name, collection)
            with self._lock:
                old = [d for d in self._documents.values() if (d.collection, d.name) == (collection, path.name)]
                if document.id in self._documents:
                    unchanged.append(document.id)
                    continue
                for each in old:
                    del self._documents[each.id]
                    replaced.append(each.id)
                self._documents[document.id] = document
            added.append(document.id)
        return AddReport(tuple(added), tuple(unchanged), tuple(failed), tuple(replaced))

    def remove(self, id: str, /) -> None:
        with self._lock:
            if id not in self._documents:
                raise DocumentNotFoundError(id=id)
            del self._documents[id]


def cite(document: Document, quote: str, words: str | None = None) -> Citation:
    """The first place where the document says ``quote``, with the first place of ``words`` in it."""
    start = document.text.index(quote)
    cited = Citation(document.id, document.title, start, start + len(quote), quote, sha256=document.sha256)
    if words is None:
        return cited
    first = start + quote.index(words)
    return replace(cited, answer_start=first, answer_end=first + len(words))


def plain(citation: Citation) -> Citation:
    """The sentence without the words that answer."""
    return replace(citation, answer_start=None, answer_end=None)


def said_by(citation: Citation) -> str:
    """What an answer says that rests on this: its words, or all of the sentence."""
    start, end = citation.answer_start, citation.answer_end
    return (
        citation.quote
        if start is None or end is None
        else citation.quote[start - citation.start : end - citation.start]
    )


def _sentences(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S[^\n]*?(?:[.다]\.(?=\s)|(?<=\w)\.(?=\s)|$)", text, re.M)]


def _score(stems: set[str], sentence: str) -> int:
    return sum(stem in sentence.lower() for stem in stems)


def _citation(document: Document, start: int, end: int) -> Citation:
    numbers = list(re.finditer(r"\d[\d:억만천 ]*(?:원|명|권|일|개|\d)", document.text[start:end]))
    first, last = (start + numbers[0].start(), start + numbers[0].end()) if numbers else (None, None)
    return Citation(
        document=document.id,
        title=document.title,
        start=start,
        end=end,
        quote=document.text[start:end],
        answer_start=first,
        answer_end=last,
        sha256=document.sha256,
    )
