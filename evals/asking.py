"""Questions asked of a library: the rank of what is right in each arm, and the whole answer, a row a question."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import ir_measures
from ir_measures import nDCG

from evals.datasets import PARTS, Place, Question
from evals.measures import citation_precision, citation_recall, exact_match, f1, list_f1, outcome, overlaps, verdict
from rag import Answer, Assistant, Citation, Document, Passage, Turn
from rag.conversation import context_of
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever

ARMS = ("dense", "bm25", "hybrid", "full")
DEPTH = 30  # passages an arm ranks
CUT = 10  # documents that nDCG looks at
UNANSWERED = "문서에 답이 없습니다."
Row = dict[str, Any]
Ranking = Sequence[Passage]


def row_of(question: Question, morphology: Morphology) -> Row:
    """What is known of a question before it is asked."""
    return {
        "id": question.id,
        "kind": question.kind,
        "question": question.question,
        "history": list(question.history),
        "language": question.language,
        "source": question.source,
        "document": next(iter(question.documents), None) if question.answerable else None,
        "answerable": question.answerable,
        "evidence_known": bool(question.every_place),
        "pair": question.pair,
        "typed": question.typed,
        "miss": question.miss,
        "morphemes": [m.form for m in morphology.morphemes(question.question)],
        "ranks": {},
        "expected": {
            "answers": list(question.answers),
            "items": [list(item) for item in question.items],
            "yesno": question.yesno,
            "evidence": list(question.evidence),
        },
    }


def rankings(retriever: HybridRetriever, question: Question, morphology: Morphology) -> dict[str, list[Passage]]:
    """The best passages by each retrieval arm. All arms are given the same: a follow-up is asked with what it leans on."""
    return retriever.arms(question.question, DEPTH, context=leaned_on(question, morphology))


def leaned_on(question: Question, morphology: Morphology) -> str:
    """What a follow-up leans on; nothing for another question."""
    return context_of(question.question, [Turn("user", text) for text in question.history], morphology)


def ranks(question: Question, ranking: Ranking) -> dict[str, int | None]:
    """The 1-based rank of the first right document, counting each document once, and of the first right passage."""
    documents = list(dict.fromkeys(passage.document for passage in ranking))
    right = [number for number, document in enumerate(documents, 1) if document in question.documents]
    holding = [number for number, p in enumerate(ranking, 1) if _holds(question.every_place, p)]
    return {"document": next(iter(right), None), "passage": next(iter(holding), None)}


def add_gain(rows: Iterable[Row], arm: str, questions: Mapping[str, Question], ranked: Mapping[str, Ranking]) -> None:
    """Write nDCG@10 of an arm (Järvelin & Kekäläinen 2002, by ir_measures) into the rows' ranks."""
    judged = {id: dict(questions[id].documents) for id in ranked}
    run = {
        id: {document: float(-number) for number, document in enumerate(dict.fromkeys(p.document for p in ranking))}
        for id, ranking in ranked.items()
    }
    gain = {m.query_id: float(m.value) for m in ir_measures.iter_calc([nDCG @ CUT], judged, run)} if ranked else {}
    for row in rows:
        if row["id"] in ranked:
            row["ranks"][arm]["ndcg@10"] = gain.get(row["id"], 0.0)


def ask(
    assistant: Assistant, question: Question, *, within: Collection[str] | None = None, without: Collection[str] = ()
) -> Answer:
    """The answer, after the earlier turns have been asked and answered in their order.

    Only the documents ``within`` are asked, and none ``without``, by id.
    """
    turns: list[Turn] = []
    for earlier in question.history:
        answer = assistant.ask(earlier, turns, within=within, without=without)
        turns += [Turn("user", earlier), Turn("assistant", answer.text or UNANSWERED)]
    return assistant.ask(question.question, turns, within=within, without=without)


def shown_order(answer: Answer) -> list[Passage]:
    """The passages of an answer as it shows them: those that are cited, then the others that were read."""
    passages = [hit.passage for hit in answer.hits]
    cited = [p for citation in answer.citations for p in passages if _holds([_place(citation)], p)]
    return list(dict.fromkeys([*cited, *passages]))


def judged(question: Question, answer: Answer, documents: Mapping[str, Document]) -> Row:
    """What the answer is worth; the keys are explained in docs/evals.md."""
    citations = [_judged_citation(question, citation, answer, documents) for citation in answer.citations]
    nearest = _judged_citation(question, answer.nearest, answer, documents) if answer.nearest else None
    known = bool(question.every_place)
    row: Row = {
        "answered": answer.answered,
        "answer": answer.text,
        "confidence": answer.confidence,
        "certainty": answer.certainty,
        "threshold": answer.threshold,
        "reason": answer.reason,
        "citations": citations,
        "nearest": nearest,
        "right": None,
        "outcome": None,
        **dict.fromkeys(("em", "f1", "list_f1", "yesno", "citation_precision", "citation_recall")),
        "timings_ms": dict(answer.timings_ms),
    }
    if not question.answerable:
        row["right"] = not answer.answered
    elif known:
        row["right"] = bool(citations) and citations[0]["evidence"]
        row["citation_recall"] = _recall(question, answer.citations)
        if citations:
            row["citation_precision"] = citation_precision([c["evidence"] for c in citations])
    if question.answerable:
        said = answer_words(answer)
        if question.answers:
            row["em"], row["f1"] = exact_match(said, question.answers), f1(said, question.answers)
        if question.items:
            pieces = [c.words or c.quote if c.document in question.documents else "" for c in answer.citations]
            row["list_f1"] = list_f1(pieces, question.items)  # the same word in another document is no item
        if question.yesno:
            row["yesno"] = int(verdict(answer.text or "") == question.yesno)
    retrieved = any(_holds(question.every_place, hit.passage) for hit in answer.hits)
    if known or not question.answerable:
        row["outcome"] = outcome(question.answerable, answer.answered, retrieved, row["right"])
    return row


def answer_words(answer: Answer) -> str:
    """The words that answer: those marked in the first citation, else the whole text; nothing when it was declined."""
    if not answer.citations:
        return ""
    return answer.citations[0].words or answer.text or ""


def _recall(question: Question, citations: Sequence[Citation]) -> float:
    parts = question.kind in PARTS and bool(question.places)  # without places only another document gives the answer
    entries = question.places if parts else [question.every_place]
    covered = [any(_overlaps(entry, _place(citation)) for citation in citations) for entry in entries]
    return citation_recall(covered, all_needed=parts) or 0.0


def _judged_citation(question: Question, citation: Citation, answer: Answer, documents: Mapping[str, Document]) -> Row:
    text = documents[citation.document].text
    around = [hit.passage for hit in answer.hits if _holds([_place(citation)], hit.passage)]
    return {
        "document": citation.document,
        "title": citation.title,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "answer_start": citation.answer_start,
        "answer_end": citation.answer_end,
        "evidence": _overlaps(question.every_place, _place(citation)),
        "verbatim": text[citation.start : citation.end] == citation.quote,
        "passage": {"start": p.start, "end": p.end, "text": p.text} if (p := next(iter(around), None)) else None,
    }


def _place(citation: Citation) -> Place:
    return Place(citation.document, citation.start, citation.end)


def _holds(places: Iterable[Place], passage: Passage) -> bool:
    return _overlaps(places, Place(passage.document, passage.start, passage.end))


def _overlaps(places: Iterable[Place], other: Place) -> bool:
    return any(p.document == other.document and overlaps(p.start, p.end, other.start, other.end) for p in places)


def without_texts(row: Row, *, own_questions: bool) -> Row:
    """The row without what belongs to the data: texts of documents, and questions unless they are one's own."""
    bare = {**row, "answer": None}
    if row.get("reading"):
        bare["reading"] = {**row["reading"], "answer": None}
    if not own_questions:
        bare |= {"question": None, "history": [], "morphemes": [], "expected": {}}
    bare["citations"] = [_bare_citation(citation) for citation in row.get("citations", [])]
    bare["nearest"] = _bare_citation(row["nearest"]) if row.get("nearest") else None
    return bare


def _bare_citation(citation: Row) -> Row:
    return {**citation, "title": "", "quote": "", "passage": None}
