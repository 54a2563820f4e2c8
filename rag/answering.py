"""Question and passages found -> an answer in the document's own words, or that there is none.

Sentences of the best passages are ranked by the sum of three figures: their inner product with the question, ``WORDS_WEIGHT``
times the share of the question's words they hold, and the score of the passage they stand in. On mrc/train (700 questions
over 2,033 passages) the sentence that holds the answer comes first .62 (KLUE) and .59 (TyDi) of the time and in the first
three .81 and .79.

Whether anything there answers is a logistic model, fitted by ``evals/fit_decline.py``, of the inner product of the question
with the nearest passage or sentence, the share of the question's words that one passage holds, and the logarithm of how many
passages were searched: among many, the nearest is near to any question. It tells far-off questions, and half of those on a
neighbouring subject. A question on the right subject whose answer is missing it cannot tell: that takes reading. For a model
that nothing was fitted for the share of words stands in for it, and a question in another script, which shares none, is not
declined.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rag.citations import verify
from rag.types import Answer, Citation, Document, Found, IndexedPassage, Sentence

CITATIONS = 3
WORDS_WEIGHT = 0.06
TELLING = 2  # different content morphemes
USUAL_LENGTH = 15  # content morphemes of a sentence of news
MOST_SEARCHED = 4_000  # passages: the decline model was fitted on no larger library
SAME = 0.8  # share of the morphemes of two sentences, taken together, that makes the lower one a repetition


class Evidence(NamedTuple):
    """What speaks for the passages found."""

    cosine: float  # the highest inner product of the question with one of them or a sentence, -1..1
    coverage: float  # the largest share of the question's words, weighted by rarity, that one of them holds, 0..1
    size: float  # ln of the passages searched


@dataclass(frozen=True, slots=True)
class DeclineModel:
    """P(the passages settle the question) = 1 / (1 + exp(-(bias + cosine * c + coverage * s + size * ln n))).

    Below the threshold we decline.
    """

    bias: float
    cosine: float
    coverage: float
    size: float
    threshold: float

    def confidence(self, evidence: Evidence) -> float:
        """The probability, 0..1."""
        cosine, coverage, size = evidence
        logit = self.bias + self.cosine * cosine + self.coverage * coverage + self.size * size
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


# One pair a model: for questions in Korean, for others. Cosines of another model mean something else. Each threshold declines 2%
# of the answerable questions it was fitted on; evals/results/choices.md says what it does to the others.
DECLINE: Mapping[str, tuple[DeclineModel, DeclineModel]] = {
    "multilingual-e5-small": (
        DeclineModel(bias=-79.64, cosine=95.95, coverage=4.77, size=-0.65, threshold=0.256),
        DeclineModel(bias=-46.37, cosine=60.0, coverage=0.0, size=-0.22, threshold=0.132),
    )
}
# Without a fitted model only the shared words speak, and nothing is declined for lack of them in another script.
UNFITTED = (DeclineModel(-2.0, 0.0, 20.0, 0.0, 0.5), DeclineModel(10.0, 0.0, 0.0, 0.0, 0.5))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer."""

    passage: IndexedPassage
    sentence: Sentence
    score: float


class ExtractiveAnswerer:
    """Answers with whole sentences of the documents."""

    def __init__(self, model: str) -> None:
        self._model = model

    def answer(self, question: str, found: Found, documents: Mapping[str, Document], context: str = "") -> Answer:
        """The answer to ``question``: up to three sentences, the best first, or none.

        ``documents`` holds every document that a hit names. The citations have been verified against them. What a follow-up leans on
        is in ``found`` already.
        """
        if not found.hits:
            return Answer(question, False, None, reason="no_documents")
        decline = _decline_model(self._model, question)
        confidence = decline.confidence(evidence(found))
        ranked = without_repetition(without_titles(rank(found), documents))
        citations = verify((cite(c, documents[c.passage.passage.document]) for c in ranked[:CITATIONS]), documents)
        return answer_or_decline(question, citations, found, confidence, decline.threshold)


def _decline_model(model: str, question: str) -> DeclineModel:
    return DECLINE.get(model, UNFITTED)[0 if is_korean(question) else 1]


def is_related(model: str, question: str, found: Found) -> bool:
    """Whether what was found is on the subject of the question, by the vectors of this model; False where that is not known of it."""
    decline = _decline_model(model, question)
    return model in DECLINE and decline.confidence(evidence(found)) >= decline.threshold


def answer_or_decline(
    question: str, citations: tuple[Citation, ...], found: Found, confidence: float, threshold: float,
    *, related: bool = False,
) -> Answer:  # fmt: skip
    """The answer that the citations give, the best first, or none where confidence is below the threshold.

    ``related``: the passages are on the subject of the question all the same.
    """
    answered = confidence >= threshold and bool(citations)
    first = next(iter(citations), None)
    return Answer(
        question,
        answered,
        (first.words or first.quote) if first and answered else None,
        citations if answered else (),
        found.hits,
        None if answered else "only_related" if related else "not_in_documents",
        None if answered else first,
        confidence,
        threshold=threshold,
    )


def evidence(found: Found) -> Evidence:
    """What speaks for the passages found. The title of its document counts among a passage's words."""
    rows = [p.vector for p in found.passages]
    rows += [p.sentence_vectors[i].astype(np.float32) for p in found.passages for i in _telling(p)]
    cosine = float((np.stack(rows) @ found.vector).max())
    total = sum(found.weights.values())
    held = [sum(found.weights.get(form, 0.0) for form in {*p.heading, *p.morphemes}) for p in found.passages]
    size = math.log(max(1, min(found.searched, MOST_SEARCHED)))
    return Evidence(cosine, max(held) / total if total else 0.0, size)


def _telling(passage: IndexedPassage) -> list[int]:
    """The sentences that tell something. A lone word, such as a greeting, is near to every short question."""
    return [i for i, sentence in enumerate(passage.sentences) if len(set(sentence.morphemes)) >= TELLING]


def is_korean(question: str) -> bool:
    """Whether there is Hangul in it."""
    return re.search(r"[가-힣]", question) is not None


def rank(found: Found, extra: Callable[[int, int, int], float] = lambda at, start, end: 0.0) -> list[Candidate]:
    """The sentences of the passages, best first. ``extra`` is added, of the number of a passage and where a sentence stands."""
    pairs = [(i, j) for i, passage in enumerate(found.passages) for j in _telling(passage)]
    if not pairs:
        pairs = [(i, j) for i, passage in enumerate(found.passages) for j in range(len(passage.sentences))]
    total = sum(found.weights.values()) or 1.0
    candidates = []
    for i, j in pairs:
        passage, sentence = found.passages[i], found.passages[i].sentences[j]
        score = float(passage.sentence_vectors[j].astype(np.float32) @ found.vector)
        score += WORDS_WEIGHT * _shared(sentence, found.weights) / total + found.hits[i].score
        candidates.append(Candidate(passage, sentence, score + extra(i, sentence.start, sentence.end)))
    return sorted(candidates, key=lambda candidate: -candidate.score)


def _shared(sentence: Sentence, weights: Mapping[str, float]) -> float:
    """Rarity of the question's words that the sentence holds, less the longer it is (as BM25 with b = .25 does)."""
    length = 0.8 + 0.2 * len(sentence.morphemes) / USUAL_LENGTH
    return sum(weights.get(form, 0.0) for form in set(sentence.morphemes)) / length


def without_titles(ranked: list[Candidate], documents: Mapping[str, Document]) -> list[Candidate]:
    """Leave out a document's title, near to every question about it, if there is anything else: it is shown anyway."""

    def is_title(candidate: Candidate) -> bool:
        document = documents[candidate.passage.passage.document]
        return document.text[candidate.sentence.start : candidate.sentence.end].strip() == document.title

    return [candidate for candidate in ranked if not is_title(candidate)] or ranked


def without_repetition(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Leave out what only says again what a better sentence says."""
    kept: list[Candidate] = []
    for candidate in ranked:
        forms = set(candidate.sentence.morphemes)
        others = [set(other.sentence.morphemes) for other in kept]
        if forms and not any(len(forms & other) >= SAME * len(forms | other) for other in others):
            kept.append(candidate)
    return kept or list(ranked[:1])


def cite(candidate: Candidate, document: Document) -> Citation:
    """The whole sentence."""
    start, end = candidate.sentence.start, candidate.sentence.end
    return Citation(document.id, document.title, start, end, document.text[start:end], sha256=document.sha256)
