"""Question, passages and what a reader says of them -> an answer in exact words, or that there is none.

Three figures are added up for each passage: the reader's relevance, and the two arms of the search, in the score a passage was found
with. With 0 for "none of them" they give the probability of each passage (``judge``); times those of its spans, that of
each answer. The words are cited in their sentence, and sentences rank by the probability that the answer begins in them, and by
what ``rag.answering`` ranks them by, for what is asked for in a sentence or more.

How sure the answer is (``CONFIDENCE``) is a logistic model of what all this says, fitted by ``training/fit.py`` on questions that
were held out of training: mrc/train's, those that were written for this project, a family of them that ask in other words than the text
does, each also with its answer taken away, and questions whose passage is right and lacks the answer. An answer of the wrong kind
lowers the relevance, which has learned it. The threshold is the highest that still answers 88% of the answerable among many documents
(and then 98% of those asked of their own).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rag.answering import (
    CITATIONS,
    Candidate,
    answer_or_decline,
    cite,
    evidence,
    is_korean,
    is_related,
    rank,
    without_repetition,
    without_titles,
)
from rag.citations import verify
from rag.interfaces import Reader, Reading, Span
from rag.morphology import Morphology
from rag.settings import BUNDLED_MODEL
from rag.types import Answer, Citation, Document, Found, IndexedPassage, Sentence

FITTED_TO = "e7962b037982daca"  # SHA-256 of the reader's weights that RANKING and CONFIDENCE are for, its first digits
# Of the logarithm of the probability that the answer begins in a sentence. On 71 held-out yes-or-no questions the first sentence
# settles .44 with none of it, .72 with .04, .70 with .08 (a question fewer) and .66 with .2.
SENTENCE_WEIGHT = 0.08
LEAST = 1e-3  # a smaller probability is taken for this one
_BOUND_BEFORE = re.compile(r"(?<![가-힣])(?:약|대략|거의|최소한?|최대한?|적어도) ?$")
_BOUND_AFTER = re.compile(
    r" ?(이상|이하|미만|이내|초과|가량|정도|안팎|남짓)(?=[은는이가을를의에로과와도만으까부인]|[^가-힣]|$)"
)
_AMOUNT = re.compile(r".*\d[\d,.]* ?[가-힣A-Za-z%㎡㎥℃]{0,6}(?: [가-힣]{1,3})?")
_OPENING, _CLOSING = "\"'“‘「『《〈([", "\"'”’」』》〉)]"


class RankingModel(NamedTuple):
    """Logarithm of the odds of a passage against none = reader * relevance + search * (score - the best score) - none."""

    reader: float
    search: float
    none: float


class Signs(NamedTuple):
    """What speaks for the first answer, as the model of confidence takes it."""

    odds: float  # logarithm: of its passage against all others and none
    best: float  # the relevance of its passage
    words: float  # logarithm: of the probability of its words within the passage; of its sentence, all told, where none are marked
    coverage: float  # the largest share of the question's words that one of the passages holds
    foreign: float  # 1 for a question without Hangul
    size: float  # logarithm of the passages searched: among many, more seem to answer


@dataclass(frozen=True, slots=True)
class ConfidenceModel:
    """P(the first citation answers) = 1 / (1 + exp(-(bias + weights * signs))). Below the threshold we decline."""

    bias: float
    weights: tuple[float, ...]  # one a sign, in their order
    threshold: float

    def confidence(self, signs: Signs) -> float:
        """The probability, 0..1."""
        logit = self.bias + sum(weight * sign for weight, sign in zip(self.weights, signs, strict=True))
        if math.isnan(logit):  # of weights that are no numbers: nothing is to be said with them
            return 0.0
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


RANKING = RankingModel(0.885, 24.967, -0.253)
CONFIDENCE = ConfidenceModel(0.372, (0.867, -0.134, 0.725, 0.474, 0.37, -0.127), threshold=0.16)


@dataclass(frozen=True, slots=True)
class Judged:
    """Passages as the reader and the search judge them together, best first."""

    found: Found  # hits in this order, their ranks by the reader among them
    readings: tuple[Reading, ...]
    odds: npt.NDArray[np.float64]  # (n,), logarithms against none
    shares: npt.NDArray[np.float64]  # (n,), probabilities; what they lack to 1 is that of none


def judge(found: Found, readings: Sequence[Reading], ranking: RankingModel = RANKING) -> Judged:
    """Put what the reader says of the hits together with the scores they were found with."""
    relevance = np.array([reading.relevance for reading in readings])
    scores = np.array([hit.score for hit in found.hits])
    odds = ranking.reader * relevance + ranking.search * (scores - scores.max()) - ranking.none
    order = np.argsort(-odds, kind="stable")
    odds = odds[order]
    highest = max(0.0, float(odds[0]))
    shares = np.exp(odds - highest)
    shares /= shares.sum() + math.exp(-highest)
    ranked = np.argsort(np.argsort(-relevance, kind="stable"), kind="stable")
    hits = tuple(replace(found.hits[i], ranks={**found.hits[i].ranks, "reader": int(ranked[i]) + 1}) for i in order)
    judged = replace(found, hits=hits, passages=tuple(found.passages[i] for i in order))
    return Judged(judged, tuple(readings[i] for i in order), odds, shares)


@dataclass(frozen=True, slots=True)
class _Best:
    """The most probable words: in which passage, and where in its text."""

    passage: int
    span: Span


class Concluded(NamedTuple):
    """Citations, the best first, and what speaks for it."""

    citations: tuple[Citation, ...]
    signs: Signs


class ReadingAnswerer:
    """Answers with the words of the documents that a reader finds. Thread-safe as far as the reader is."""

    def __init__(
        self,
        reader: Reader,
        morphology: Morphology,
        model: ConfidenceModel = CONFIDENCE,
        ranking: RankingModel = RANKING,
        *,
        embedder: str = BUNDLED_MODEL,
    ) -> None:
        """``embedder``: the weight of a search's scores was fitted to those of the bundled model; others' are left out."""
        self._reader = reader
        self._embedder = embedder
        self._ranking = ranking if embedder == BUNDLED_MODEL else ranking._replace(search=0.0)
        self._morphology = morphology
        self._model = model

    def answer(self, question: str, found: Found, documents: Mapping[str, Document], context: str = "") -> Answer:
        """The answer to ``question``: exact words in their sentence, and up to two more sentences; or none.

        ``context`` is what a follow-up leans on, ``documents`` holds every document that a hit names. The citations have been
        verified against them.
        """
        if not found.hits:
            return Answer(question, False, None, reason="no_documents")
        asked = f"{context}\n{question}" if context else question
        judged = self.read(asked, found, documents)
        concluded = self.conclude(question, judged, documents)
        confidence = self._model.confidence(concluded.signs)
        related = is_related(self._embedder, question, found)
        return answer_or_decline(
            question, concluded.citations, judged.found, confidence, self._model.threshold, related=related
        )

    def read(self, question: str, found: Found, documents: Mapping[str, Document]) -> Judged:
        """Read the hits; there is at least one."""
        return judge(found, self._reader.read(question, *readable(found, documents)), self._ranking)

    def conclude(self, question: str, judged: Judged, documents: Mapping[str, Document]) -> Concluded:
        """What to cite, the best first, and what speaks for it."""
        best = best_words(judged)
        ranked = self._sentences(judged, documents)
        cited = [cite(c, documents[c.passage.passage.document]) for c in ranked]
        if best is not None:
            first = self._cite(judged.found.passages[best.passage], best.span, documents)
            cited = [first, *(c for c in cited if not _overlap(c, first))]
        return Concluded(verify(cited[:CITATIONS], documents), signs_of(judged, best, ranked, question))

    def _sentences(self, judged: Judged, documents: Mapping[str, Document]) -> list[Candidate]:
        """The sentences of the passages, best first, none twice."""

        def extra(at: int, start: int, end: int) -> float:
            return SENTENCE_WEIGHT * math.log(max(LEAST, _begins(judged, at, start, end)))

        return without_repetition(without_titles(rank(judged.found, extra), documents))

    def _cite(self, passage: IndexedPassage, span: Span, documents: Mapping[str, Document]) -> Citation:
        """The words in the sentence that holds them, or in the sentences, where a reader's words cross their bounds."""
        document = documents[passage.passage.document]
        at = passage.passage.start
        first, last, start, end = spoken(
            document.text, passage.sentences, at + span.start, at + span.end, at + span.tail, self._morphology
        )
        return Citation(
            document.id, document.title, first, last, document.text[first:last], start, end, document.sha256
        )


def readable(found: Found, documents: Mapping[str, Document]) -> tuple[list[tuple[str, str]], list[list[int]]]:
    """The hits as a ``Reader`` takes them: title and text, and where sentences begin in the text."""
    passages = [(documents[hit.passage.document].title, hit.passage.text) for hit in found.hits]
    return passages, [[s.start - p.passage.start for s in p.sentences] for p in found.passages]


def _overlap(one: Citation, other: Citation) -> bool:
    return one.document == other.document and one.start < other.end and other.start < one.end


def best_words(judged: Judged) -> _Best | None:
    """The most probable words of all passages; None where no words in particular answer, or there are none."""
    if judged.readings[0].wordless > 0:
        return None
    found = [
        (float(share) * span.probability, -at, span)
        for at, (share, reading) in enumerate(zip(judged.shares, judged.readings, strict=True))
        for span in reading.spans[:1]
        if reading.wordless <= 0
    ]
    if not found:
        return None
    _, at, span = max(found, key=lambda one: one[:2])
    return _Best(-at, span)


def signs_of(judged: Judged, best: _Best | None, ranked: Sequence[Candidate], question: str) -> Signs:
    """What speaks for the best words, or for the first sentence where there are none."""
    at = (
        best.passage
        if best
        else next((i for i, p in enumerate(judged.found.passages) if ranked and p is ranked[0].passage), 0)
    )
    if best:
        words = best.span.probability
    elif ranked:
        shift, sentence = judged.found.passages[at].passage.start, ranked[0].sentence
        words = judged.readings[at].share(sentence.start - shift, sentence.end - shift)
    else:
        words = 0.0
    share = float(judged.shares[at])
    said = evidence(judged.found)
    korean = is_korean(question)
    return Signs(
        math.log(max(share, 1e-6) / max(1 - share, 1e-6)),
        judged.readings[at].relevance,
        math.log(max(words, LEAST)),
        said.coverage if korean else 0.0,
        0.0 if korean else 1.0,
        said.size,
    )


def _begins(judged: Judged, at: int, start: int, end: int) -> float:
    """How probable it is that the answer begins in these characters of a passage's document."""
    shift = judged.found.passages[at].passage.start
    return float(judged.shares[at]) * judged.readings[at].share(start - shift, end - shift)


def spoken(
    text: str, sentences: Iterable[Sentence], start: int, end: int, tail: int, morphology: Morphology
) -> tuple[int, int, int, int]:
    """The words ``text[start:end]``, whose last token begins at ``tail``, as a person would say them, in the sentences that hold them.

    Returns where the sentences begin and end, and where the words do, without marks that have no partner and without the particle that
    hangs on them.
    """
    touched = [s for s in sentences if s.start < end and s.end > start]
    first = min([start, *(s.start for s in touched)])
    last = max([end, *(s.end for s in touched)])
    start, end = _without_marks(text, start, end)
    end = first + morphology.without_particles(text[first:last], start - first, end - first, tail - first)
    start, end = _without_marks(text, start, end)
    return first, last, *_with_bounds(text, start, end, first, last)


def _with_bounds(text: str, start: int, end: int, first: int, last: int) -> tuple[int, int]:
    """The span of an amount with what bounds it right beside it in ``text[first:last]``: 최소 1000만 달러, 10명 이상.

    Without it another amount would be said. Of the answers of mrc/train and training/written 230 of 285 hold it where it stands before
    them, 432 of 454 where behind.
    """
    if text[start].isdigit() and (before := _BOUND_BEFORE.search(text, first, start)):
        start = before.start()
    if _AMOUNT.fullmatch(text, start, end) and (after := _BOUND_AFTER.match(text, end, last)):
        end = after.end(1)
    return start, end


def _without_marks(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends, and without marks there that have no partner in it."""
    while end - start > 1:
        first, last = text[start], text[end - 1]
        if first.isspace() or first in ",.;:·":
            start += 1
        elif last.isspace() or last in ",;:·":
            end -= 1
        elif first in _OPENING and _CLOSING[_OPENING.index(first)] not in text[start + 1 : end]:
            start += 1
        elif last in _CLOSING and _OPENING[_CLOSING.index(last)] not in text[start : end - 1]:
            end -= 1
        else:
            break
    return start, end
