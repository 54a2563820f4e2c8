"""Questions asked again: of their own documents only, and of all but those.

The first tells reading from finding; the second makes of a question that is answered somewhere one that is answered nowhere, in
the same words and over the same library.
"""

from __future__ import annotations

from evals.asking import Row, answer_words, ask, leaned_on
from evals.datasets import Question
from evals.measures import exact_match, f1
from rag import Answer, Assistant, Passage
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever

AGAIN = ("reading", "removed")
LOOKED_THROUGH = 10  # passages in which no acceptable answer may stand when the right documents are left out


def is_asked_again(question: Question) -> bool:
    """Whether it asks for one fact whose words and documents are known."""
    return question.kind == "span" and bool(question.answers and question.documents)


def reading(assistant: Assistant, question: Question) -> Row:
    """What is said when only its own documents are asked, and what that is worth, declined or not."""
    answer = ask(assistant, question, within=set(question.documents))
    words = words_given(answer)
    return {
        "answered": answer.answered,
        "confidence": answer.confidence,
        "answer": words,
        "em": exact_match(words, question.answers),
        "f1": f1(words, question.answers),
    }


def words_given(answer: Answer) -> str:
    """The words that answer; of a declined question those it would have said: the ones marked in the nearest sentence, else all of it."""
    if answer.answered or answer.nearest is None:
        return answer_words(answer)
    words = answer.nearest.words
    return answer.nearest.quote if words is None else words


def removed(assistant: Assistant, retriever: HybridRetriever, question: Question, morphology: Morphology) -> Row:
    """Whether it was declined without the documents that are right for it.

    It is kept only where something is left to be read, and no acceptable answer stands in the first ``LOOKED_THROUGH`` passages:
    there another document may well answer it. What is not kept is not asked.
    """
    without = set(question.documents)
    context = leaned_on(question, morphology)
    found = retriever.find(question.question, LOOKED_THROUGH, context=context, without=without)
    kept = bool(found.hits) and not any(_answers(question, hit.passage) for hit in found.hits)
    if not kept:
        return {"kept": False, "answered": None, "confidence": None}
    answer = ask(assistant, question, without=without)
    return {"kept": True, "answered": answer.answered, "confidence": answer.confidence}


def _answers(question: Question, passage: Passage) -> bool:
    return any(answer in passage.text for answer in question.answers)
