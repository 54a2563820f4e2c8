"""Answers in exact words, from hand-made findings and the reader that matches words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from rag.exact import ConfidenceModel, RankingModel, ReadingAnswerer, Signs, judge
from rag.fakes import WordEmbedder, WordReader
from rag.interfaces import Reading, Span
from rag.morphology import Morphology
from rag.types import Answer, Document, Found, Hit, IndexedPassage, Passage, Sentence

EMBEDDER = WordEmbedder()
SURE = ConfidenceModel(0.0, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.5)  # the share of the passage, as it is
BIO = "정부는 바이오 분야에 최소 300억 원을 지원한다."
CHIP = "반도체 분야에는 500억 원이 돌아간다."


PLAIN = RankingModel(1.0, 10.0, 0.0)  # the reader counts once, the score of the search ten times


def document(id: str, text: str) -> Document:
    return Document(id, f"{id} 제목", text, f"sha-{id}", "c", f"{id}.txt")


def passage(document: Document, *sentences: str) -> IndexedPassage:
    spans = [(document.text.index(s), document.text.index(s) + len(s)) for s in sentences]
    start, end = spans[0][0], spans[-1][1]
    text = document.text[start:end]
    vector, *rows = EMBEDDER.embed_passages([text, *sentences])
    records = tuple(Sentence(a, b, tuple(document.text[a:b].split())) for a, b in spans)
    return IndexedPassage(Passage(document.id, start, end, text), records, vector, np.array(rows, np.float16))


def found(question: str, passages: Sequence[IndexedPassage], scores: Sequence[float] | None = None) -> Found:
    hits = tuple(
        Hit(p.passage, s, {"dense": 1}) for p, s in zip(passages, scores or [1.0] * len(passages), strict=True)
    )
    weights: Mapping[str, float] = dict.fromkeys(question.split(), 1.0)
    return Found(hits, tuple(passages), EMBEDDER.embed_queries([question])[0], weights)


class Saying:
    """A reader that says what it is told to, a reading a passage."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = readings
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []

    def read(
        self, question: str, passages: Sequence[tuple[str, str]], sentences: Sequence[Sequence[int]] = ()
    ) -> list[Reading]:
        self.asked.append((question, list(passages)))
        self.sentences = sentences
        return list(self.readings)


def reading(
    relevance: float, start: int, end: int, probability: float = 1.0, wordless: float = -1.0, tail: int | None = None
) -> Reading:
    """One span, and the rest of the probability at the very beginning."""
    places = np.array(sorted({0, start}), np.int64)
    begins = np.array([probability] if start == 0 else [1 - probability, probability], np.float32)
    return Reading(
        relevance, wordless, (Span(start, end, probability, start if tail is None else tail),), places, begins
    )


def ask(
    reader: Saying | WordReader, text: str, morphology: Morphology, *sentences: str, question: str = "얼마인가요?"
) -> Answer:
    some = document("글", text)
    answerer = ReadingAnswerer(reader, morphology, SURE, PLAIN)
    return answerer.answer(question, found(question, [passage(some, *(sentences or [text]))]), {"글": some})


def test_the_words_are_the_answer_and_stand_in_their_sentence(morphology: Morphology) -> None:
    text = f"{CHIP} {BIO}"
    start = text.index("최소")
    answer = ask(Saying(reading(3.0, start, start + len("최소 300억 원"))), text, morphology, CHIP, BIO)
    first = answer.citations[0]
    assert answer.answered and answer.text == "최소 300억 원"
    assert (first.quote, first.start, first.end) == (BIO, len(CHIP) + 1, len(text))
    assert text[first.answer_start : first.answer_end] == "최소 300억 원"
    assert [c.quote for c in answer.citations] == [BIO, CHIP]  # and the other sentence, unmarked
    assert answer.citations[1].answer_start is None


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("최소 300억 원을", "최소 300억 원"),  # a token may hold a particle
        (" 바이오 분야", "바이오 분야"),
        ("원을 지원한다", "원을 지원한다"),
        ("바이오 분야에", "바이오 분야"),
    ],
)
def test_particles_and_space_at_the_ends_are_left_off(said: str, kept: str, morphology: Morphology) -> None:
    start = BIO.index(said)
    assert ask(Saying(reading(3.0, start, start + len(said))), BIO, morphology).text == kept


@pytest.mark.parametrize(
    ("text", "said", "kept"),
    [
        (BIO, "300억 원", "최소 300억 원"),
        ("모두 합쳐 약 30명이 왔다.", "30명", "약 30명"),
        ("신청은 10명 이상이 함께 한다.", "10명", "10명 이상"),
        ("신청은 받은 날부터 7일 이내에 한다.", "받은 날부터 7일", "받은 날부터 7일 이내"),
        ("값은 1천만 달러 안팎.", "1천만 달러", "1천만 달러 안팎"),
        ("약 30년 동안 5명이 살았다.", "5명", "5명"),  # not right beside it
        ("조약 30조를 고쳤다.", "30조", "30조"),  # a part of a word
        ("그는 3명 정도전의 제자를 안다.", "3명", "3명"),
        ("이상 30명이 왔다.", "30명", "30명"),
        ("약 서른 사람이 왔다.", "서른 사람", "서른 사람"),  # no figure
        ("그해 4월 이상은 소설을 냈다.", "그해", "그해"),
    ],
)
def test_an_amount_keeps_what_bounds_it(text: str, said: str, kept: str, morphology: Morphology) -> None:
    start = text.index(said)
    answer = ask(Saying(reading(3.0, start, start + len(said))), text, morphology)
    assert answer.text == kept == answer.citations[0].words


def test_what_is_a_piece_of_its_own_is_no_particle(morphology: Morphology) -> None:
    text = "그 마을의 이름은 카무로 알려져 있다."
    start = text.index("카무로")
    assert ask(Saying(reading(3.0, start, start + 3)), text, morphology).text == "카무"
    assert ask(Saying(reading(3.0, start, start + 3, tail=start + 2)), text, morphology).text == "카무로"


@pytest.mark.parametrize(
    ("text", "said", "kept"),
    [
        ("그는 ‘새벽의 강’을 썼다.", "‘새벽의 강", "새벽의 강"),  # a quotation mark without its partner
        ("그는 (새벽의 강)을 썼다.", "새벽의 강)", "새벽의 강"),
        ("회원은 12명(남 5, 여 7)이다.", "12명(남 5, 여 7)", "12명(남 5, 여 7)"),
        ("값은 9,000원, 곧 오른다.", "9,000원,", "9,000원"),
    ],
)
def test_marks_without_a_partner_are_left_off(text: str, said: str, kept: str, morphology: Morphology) -> None:
    start = text.index(said)
    assert ask(Saying(reading(3.0, start, start + len(said))), text, morphology).text == kept


def test_words_that_cross_a_sentence_are_cited_in_both(morphology: Morphology) -> None:
    text = f"{BIO} {CHIP}"
    start, end = text.index("지원한다"), text.index("반도체") + len("반도체")
    answer = ask(Saying(reading(3.0, start, end)), text, morphology, BIO, CHIP)
    assert answer.citations[0].quote == text
    assert len(answer.citations) == 1


def test_a_question_for_no_words_in_particular_is_answered_by_its_sentence(morphology: Morphology) -> None:
    some = document("글", f"{CHIP} {BIO}")
    start = some.text.index("정부는")
    reader = Saying(reading(3.0, start, start + 3, wordless=1.0))
    question = "정부는 바이오 분야에 지원하나요?"
    findings = found(question, [passage(some, CHIP, BIO)])
    answer = ReadingAnswerer(reader, morphology, SURE, PLAIN).answer(question, findings, {"글": some})
    assert answer.text == BIO == answer.citations[0].quote
    assert answer.citations[0].answer_start is None


@pytest.mark.parametrize(
    "question", ["바이오 분야에 최소 얼마", "반도체 분야에는 얼마", "정말 반도체 분야에는 500억 원이?"]
)
def test_the_order_of_the_passages_changes_nothing(question: str, morphology: Morphology) -> None:
    some = [document("가", BIO), document("나", CHIP), document("다", "내일은 비가 온다.")]
    documents = {one.id: one for one in some}
    passages = [passage(one, one.text) for one in some]
    answerer = ReadingAnswerer(WordReader(), morphology, SURE, PLAIN)
    one, other = (
        answerer.answer(
            question, found(question, [passages[at] for at in order], [[0.9, 0.8, 0.7][at] for at in order]), documents
        )
        for order in ((0, 1, 2), (2, 1, 0))
    )
    assert one.answered
    assert (one.text, one.citations) == (other.text, other.citations)
    assert one.confidence == pytest.approx(other.confidence)


def test_below_the_threshold_it_is_declined_with_the_nearest(morphology: Morphology) -> None:
    answer = ask(Saying(reading(-3.0, 0, 3)), BIO, morphology)
    assert not answer.answered and answer.text is None and answer.citations == ()
    assert answer.nearest is not None and answer.nearest.quote == BIO
    # e^-3 against 1 for none.
    assert answer.confidence == pytest.approx(math.exp(-3) / (1 + math.exp(-3)), abs=1e-6)


@pytest.mark.parametrize(("cosine", "reason"), [(0.95, "only_related"), (0.5, "not_in_documents")])
def test_why_it_is_declined_depends_on_the_subject(cosine: float, reason: str, morphology: Morphology) -> None:
    some = document("글", BIO)
    findings = found("어제?", [passage(some, BIO)])
    toward = findings.passages[0].vector
    aside = np.roll(toward, 1) - float(np.roll(toward, 1) @ toward) * toward
    vector = cosine * toward + math.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
    rows = np.zeros((1, len(toward)), np.float16)
    one = replace(findings.passages[0], sentence_vectors=rows)
    findings = replace(findings, vector=vector.astype(np.float32), passages=(one,), weights={"없는말": 1.0})
    answer = ReadingAnswerer(Saying(reading(-9.0, 0, 3)), morphology).answer("어제?", findings, {"글": some})
    assert (answer.answered, answer.reason) == (False, reason)
    other = ReadingAnswerer(Saying(reading(-9.0, 0, 3)), morphology, embedder="다른 모델")
    assert other.answer("어제?", findings, {"글": some}).reason == "not_in_documents"  # nothing is known of its cosines


def test_the_reader_is_told_where_sentences_begin(morphology: Morphology) -> None:
    some = document("글", f"머리. {CHIP} {BIO}")
    reader = Saying(reading(3.0, 0, 3))
    ReadingAnswerer(reader, morphology, SURE, PLAIN).answer(
        "뭐?", found("뭐?", [passage(some, CHIP, BIO)]), {"글": some}
    )
    assert reader.sentences == [[0, len(CHIP) + 1]]


def test_nothing_found_is_no_documents(morphology: Morphology) -> None:
    empty = Found((), (), np.zeros(3, np.float32), {})
    answer = ReadingAnswerer(Saying(), morphology).answer("뭐?", empty, {})
    assert (answer.answered, answer.reason) == (False, "no_documents")


def test_passages_are_ranked_by_reader_and_search_together() -> None:
    some = document("글", f"{CHIP} {BIO}")
    findings = found("뭐?", [passage(some, CHIP), passage(some, BIO)], [0.9, 0.8])
    judged = judge(findings, [reading(1.0, 0, 3), reading(2.5, 0, 3)], PLAIN)
    # 1 + 0 against 2.5 - 1, and 0 for none.
    assert judged.odds == pytest.approx([1.5, 1.0])
    total = math.exp(1.5) + math.exp(1.0) + 1
    assert judged.shares == pytest.approx([math.exp(1.5) / total, math.exp(1.0) / total])
    assert [hit.passage.text for hit in judged.found.hits] == [BIO, CHIP]
    assert [dict(hit.ranks) for hit in judged.found.hits] == [{"dense": 1, "reader": 1}, {"dense": 1, "reader": 2}]


def test_titles_and_what_a_follow_up_leans_on_are_read(morphology: Morphology) -> None:
    some = document("글", BIO)
    reader = Saying(reading(3.0, 0, 3))
    findings = found("얼마?", [passage(some, BIO)])
    ReadingAnswerer(reader, morphology).answer("얼마?", findings, {"글": some}, "바이오 지원은?")
    assert reader.asked == [("바이오 지원은?\n얼마?", [("글 제목", BIO)])]


def test_confidence_is_a_logistic_model_of_the_signs() -> None:
    model = ConfidenceModel(-1.0, (0.5, 0.1, 0.2, 2.0, -1.0, 0.0), 0.5)
    signs = Signs(odds=2.0, best=3.0, words=-1.0, coverage=0.5, foreign=0.0, size=0.0)
    assert model.confidence(signs) == pytest.approx(1 / (1 + math.exp(-(-1 + 1 + 0.3 - 0.2 + 1))))
    assert model.confidence(signs._replace(odds=1e9)) == pytest.approx(1)
    assert model.confidence(signs._replace(odds=-1e9)) == pytest.approx(0)
