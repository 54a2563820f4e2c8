"""Question and passages found -> an answer in the document's own words, or that there is none.

Sentences of the best passages are ranked by meaning, by the words they share with the question and by the passage they
stand in. A sentence's vector is the mean of its tokens as the encoder saw them inside their passage (late chunking,
Günther et al. 2024), so that a sentence that leaves its subject out still carries it. On mrc/train (700 questions) the
sentence that holds the answer comes first .59 (KLUE) and .57 (TyDi) of the time and in the first three .83 and .78;
shared words alone reach .58, .51 and .82, .75.

Whether anything there answers is a logistic model of two figures, fitted by ``evals/fit_decline.py``: the inner product
of the question with the nearest passage, and the share of the question's words, weighted by rarity, that the best
passage holds. A question in another language than the documents shares no words with them and is judged by the first
alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rag.citations import verify
from rag.types import Answer, Citation, Document, Found, IndexedPassage, Sentence

CITATIONS = 3
DENSE_SHARE = 0.7  # of the sentence's own score; the rest are shared words
PASSAGE_SHARE = 0.5  # of the passage's score in the sentence's
SAME = 0.8  # share of a shorter sentence's morphemes that makes it a repetition


@dataclass(frozen=True, slots=True)
class DeclineModel:
    """P(the passages settle the question) = 1 / (1 + exp(-(bias + cosine * c + coverage * s))).

    Below the threshold we decline.
    """

    bias: float
    cosine: float
    coverage: float
    threshold: float

    def confidence(self, cosine: float, coverage: float) -> float:
        """The probability, 0..1, for an inner product (-1..1) and a share of words (0..1)."""
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.bias + self.cosine * cosine + self.coverage * coverage))))


# One pair a model: (question and documents share a script, they do not). Cosines of another model mean something else.
DECLINE: Mapping[str, tuple[DeclineModel, DeclineModel]] = {
    "multilingual-e5-small": (DeclineModel(-70.49, 84.02, 0.54, 0.415), DeclineModel(-72.98, 87.18, 0.0, 0.418)),
}
# Without a fitted model only the shared words speak, and nothing is declined for lack of them in another script.
UNFITTED = (DeclineModel(-2.0, 0.0, 20.0, 0.5), DeclineModel(10.0, 0.0, 0.0, 0.5))


@dataclass(frozen=True, slots=True)
class _Candidate:
    passage: IndexedPassage
    sentence: Sentence
    score: float


class ExtractiveAnswerer:
    """Answers with whole sentences of the documents."""

    def __init__(self, model: str) -> None:
        self._decline = DECLINE.get(model, UNFITTED)

    def answer(self, question: str, found: Found, documents: Mapping[str, Document]) -> Answer:
        """The answer to ``question``: up to three sentences, the best first, or none.

        ``documents`` holds every document that a hit names. The citations have been verified against them.
        """
        if not found.hits:
            return Answer(question, False, None, reason="no_documents")
        cosine, coverage = evidence(found)
        decline = self._decline[0 if _is_korean(question) else 1]
        confidence = decline.confidence(cosine, coverage)
        ranked = _without_repetition(_rank(found))
        citations = verify((_cite(c, documents[c.passage.passage.document]) for c in ranked[:CITATIONS]), documents)
        answered = confidence >= decline.threshold and bool(citations)
        return Answer(
            question,
            answered,
            citations[0].quote if answered else None,
            citations if answered else (),
            found.hits,
            None if answered else "not_in_documents",
            None if answered else next(iter(citations), None),
            confidence,
        )


def evidence(found: Found) -> tuple[float, float]:
    """What speaks for the passages: the highest inner product, and the highest share of the question's words in one."""
    cosine = max(float(passage.vector @ found.vector) for passage in found.passages)
    total = sum(found.weights.values())
    held = [sum(found.weights.get(form, 0.0) for form in set(p.morphemes)) for p in found.passages]
    return cosine, max(held) / total if total else 0.0


def _is_korean(question: str) -> bool:
    return re.search(r"[가-힣]", question) is not None


def _rank(found: Found) -> list[_Candidate]:
    """The sentences of the passages, best first."""
    pairs = [(i, j) for i, passage in enumerate(found.passages) for j in range(len(passage.sentences))]
    dense = np.array([found.passages[i].sentence_vectors[j].astype(np.float32) @ found.vector for i, j in pairs])
    shared = np.array([_shared(found.passages[i].sentences[j], found.weights) for i, j in pairs])
    own = DENSE_SHARE * _min_max(dense) + (1 - DENSE_SHARE) * _min_max(shared)
    passage = np.array([found.hits[i].score for i, _ in pairs])
    scores = (1 - PASSAGE_SHARE) * own + PASSAGE_SHARE * passage
    return [
        _Candidate(
            found.passages[pairs[at][0]], found.passages[pairs[at][0]].sentences[pairs[at][1]], float(scores[at])
        )
        for at in np.argsort(-scores, kind="stable")
    ]


def _shared(sentence: Sentence, weights: Mapping[str, float]) -> float:
    """Rarity of the question's words that the sentence holds, less the longer it is (BM25's form with b = .4)."""
    length = 0.6 + 0.4 * len(sentence.morphemes) / 15  # 15 content morphemes: a usual sentence of news
    return sum(weights.get(form, 0.0) for form in set(sentence.morphemes)) / (1 + length)


def _min_max(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    span = np.ptp(values) if len(values) else 0.0
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)


def _without_repetition(ranked: Sequence[_Candidate]) -> list[_Candidate]:
    """Leave out what only says again what a better sentence says."""
    kept: list[_Candidate] = []
    for candidate in ranked:
        forms = set(candidate.sentence.morphemes)
        others = [set(other.sentence.morphemes) for other in kept]
        if forms and not any(len(forms & other) >= SAME * min(len(forms), len(other)) for other in others):
            kept.append(candidate)
    return kept or list(ranked[:1])


def _cite(candidate: _Candidate, document: Document) -> Citation:
    start, end = candidate.sentence.start, candidate.sentence.end
    return Citation(document.id, document.title, start, end, document.text[start:end], sha256=document.sha256)
