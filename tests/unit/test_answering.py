"""Choosing sentences, and declining, from hand-made findings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from rag.answering import DECLINE, MOST_SEARCHED, DeclineModel, Evidence, ExtractiveAnswerer, evidence
from rag.fakes import WordEmbedder
from rag.types import Answer, Document, Found, Hit, IndexedPassage, Passage, Sentence

EMBEDDER = WordEmbedder()


def document(id: str, *sentences: str) -> Document:
    return Document(id, f"{id} 제목", " ".join(sentences), f"sha-{id}", "c", f"{id}.txt")


def passage(document: Document, *sentences: str) -> IndexedPassage:
    """A passage of the sentences; a sentence's morphemes are its words."""
    spans = [(start, start + len(s)) for s in sentences for start in [document.text.index(s)]]
    start, end = spans[0][0], spans[-1][1]
    text = document.text[start:end]
    vector, *rows = EMBEDDER.embed_passages([text, *(document.text[a:b] for a, b in spans)])
    records = tuple(Sentence(a, b, tuple(document.text[a:b].split())) for a, b in spans)
    return IndexedPassage(Passage(document.id, start, end, text), records, vector, np.array(rows, np.float16))


def found(question: str, passages: Sequence[IndexedPassage], scores: Sequence[float] | None = None) -> Found:
    """The passages as hits, with the scores or 1 each; every word of the question has the weight 1."""
    scores = scores or [1.0] * len(passages)
    hits = tuple(Hit(p.passage, score) for p, score in zip(passages, scores, strict=True))
    weights: Mapping[str, float] = dict.fromkeys(question.split(), 1.0)
    return Found(hits, tuple(passages), EMBEDDER.embed_queries([question])[0], weights)


def ask(question: str, passages: Sequence[IndexedPassage], *documents: Document, **rest: Sequence[float]) -> Answer:
    by_id = {document.id: document for document in documents}
    return ExtractiveAnswerer("words").answer(question, found(question, passages, **rest), by_id)


FERRY = document("나루", "배는 아침 에 떠난다", "사공 은 노래 를 부른다", "다리 는 내년 에 놓인다")
SENTENCES = ("배는 아침 에 떠난다", "사공 은 노래 를 부른다", "다리 는 내년 에 놓인다")


def test_the_sentence_that_shares_the_words_comes_first() -> None:
    answer = ask("다리 는 언제 놓인다", [passage(FERRY, *SENTENCES)], FERRY)
    assert answer.answered and answer.text == "다리 는 내년 에 놓인다"
    # The second shares no word and the first no word either: they stay in the order of the text.
    assert [citation.quote for citation in answer.citations] == [SENTENCES[2], SENTENCES[0], SENTENCES[1]]


def test_an_answer_is_verbatim_and_says_where_it_stands() -> None:
    answer = ask("다리 는 언제 놓인다", [passage(FERRY, *SENTENCES)], FERRY)
    for citation in answer.citations:
        assert FERRY.text[citation.start : citation.end] == citation.quote
    first = answer.citations[0]
    assert (first.document, first.title, first.sha256) == ("나루", "나루 제목", "sha-나루")
    # 11 + 1 + 13 + 1 characters come before its 13.
    assert (first.start, first.end) == (26, 39)
    assert (first.answer_start, first.answer_end) == (None, None)


def test_what_is_handed_on() -> None:
    passages = [passage(FERRY, *SENTENCES)]
    answer = ask("다리 는 언제 놓인다", passages, FERRY)
    assert (answer.question, answer.reason, answer.nearest) == ("다리 는 언제 놓인다", None, None)
    assert [hit.passage for hit in answer.hits] == [passages[0].passage]


def test_at_most_three_sentences() -> None:
    text = document("다섯", *(f"강물 {word} 흐른다" for word in "가나다라마"))
    sentences = [f"강물 {word} 흐른다" for word in "가나다라마"]
    assert len(ask("강물", [passage(text, *sentences)], text).citations) == 3


def first_of(question: str, sentences: Mapping[str, float], weights: Mapping[str, float]) -> str:
    """The first citation where each sentence is a passage, with this score, and these words have these weights."""
    documents = [document(str(number), text) for number, text in enumerate(sentences)]
    some = found(question, [passage(d, d.text) for d in documents], list(sentences.values()))
    weighted = Found(some.hits, some.passages, some.vector, weights)
    citations = ExtractiveAnswerer("words").answer("English", weighted, {d.id: d for d in documents}).citations
    return citations[0].quote


@pytest.mark.parametrize(("near", "first"), [(0.51, "강물 높이"), (0.49, "강물 소리")])
def test_the_score_of_the_passage_is_added_to_the_inner_product(near: float, first: str) -> None:
    # No word has a weight. 1 + near against 1/2 + 1: even at near = .5.
    assert first_of("강물 높이", {"강물 높이": near, "강물 소리": 1.0}, {}) == first


WORDS_15 = "강물 높이 " + " ".join(f"말{n}" for n in range(13))


@pytest.mark.parametrize(
    ("sentence", "weights", "worth"),
    [
        (WORDS_15, {"강물": 1, "높이": 3}, 0.06),  # all of the question's words, in a sentence of usual length
        (WORDS_15, {"강물": 1, "높이": 3, "깊이": 4}, 0.03),  # half of them by weight
        ("강물 높이", {"강물": 1, "높이": 3}, 0.06 / (0.8 + 0.2 * 2 / 15)),  # a short one counts more
        ("강물 강물 바다", {"강물": 1, "높이": 3}, 0.015 / (0.8 + 0.2 * 3 / 15)),  # and a word only once
    ],
)
def test_what_shared_words_are_worth(sentence: str, weights: Mapping[str, float], worth: float) -> None:
    # The question's vector has nothing to do with either sentence, so the words are weighed against a passage's score.
    question, other = "구름", "산새 소리"
    assert not (EMBEDDER.embed_passages([sentence, other]) @ EMBEDDER.embed_queries([question])[0]).any()
    assert first_of(question, {other: 0.5 + worth - 0.001, sentence: 0.5}, weights) == sentence
    assert first_of(question, {sentence: 0.5, other: 0.5 + worth + 0.001}, weights) == other


def test_the_rarer_shared_word_counts_more() -> None:
    # Meaning cannot tell the two apart: each shares one of the two words and has as many.
    text = document("둘", "강물 가", "높이 나")
    findings = found("강물 높이", [passage(text, "강물 가", "높이 나")])
    weighted = Found(findings.hits, findings.passages, findings.vector, {"강물": 1.0, "높이": 3.0})
    answer = ExtractiveAnswerer("words").answer("강물 높이", weighted, {"둘": text})
    assert answer.text == "높이 나"


def test_a_sentence_that_says_the_same_again_is_left_out() -> None:
    first, second = "강물 높이 어제 오늘", "오늘 어제 높이 강물 더"  # four words in both of five in all: .8
    text = document("둘", first, second, "산새 소리")
    answer = ask(first, [passage(text, first, second, "산새 소리")], text)
    assert [citation.quote for citation in answer.citations] == [first, "산새 소리"]


@pytest.mark.parametrize(
    "second",
    [
        "강물 높이 어제 오늘 더 삼",  # all four words of the first, of six in all
        "강물 높이",  # two, and none of its own
    ],
)
def test_a_sentence_that_shares_less_is_kept(second: str) -> None:
    first = "강물 높이 어제 오늘"
    one, two = document("갑", first), document("을", second)
    answer = ask(first, [passage(one, first), passage(two, second)], one, two)
    assert [citation.quote for citation in answer.citations] == [first, second]


def test_one_sentence_of_two_passages_is_cited_once() -> None:
    one, two = document("갑", "강물 높이"), document("을", "강물 높이")
    answer = ask("강물", [passage(one, "강물 높이"), passage(two, "강물 높이")], one, two)
    assert [citation.document for citation in answer.citations] == ["갑"]


def test_a_sentence_without_morphemes_is_cited_only_when_there_is_no_other() -> None:
    text = document("둘", "강물 높이", "!!!")
    made = passage(text, "강물 높이", "!!!")
    marks = Sentence(made.sentences[1].start, made.sentences[1].end, ())
    with_marks = IndexedPassage(made.passage, (made.sentences[0], marks), made.vector, made.sentence_vectors)
    assert [c.quote for c in ask("강물", [with_marks], text).citations] == ["강물 높이"]
    only_marks = IndexedPassage(made.passage, (marks,), made.vector, made.sentence_vectors[1:])
    declined = ask("산새", [only_marks], text)
    assert declined.nearest is not None and declined.nearest.quote == "!!!"


def test_nothing_found_is_no_documents() -> None:
    answer = ask("강물", [])
    assert (answer.answered, answer.text, answer.citations) == (False, None, ())
    assert (answer.reason, answer.nearest, answer.confidence) == ("no_documents", None, 0.0)


def test_without_a_shared_word_it_declines_and_shows_the_nearest() -> None:
    passages = [passage(FERRY, *SENTENCES)]
    answer = ask("비행기", passages, FERRY)
    assert (answer.answered, answer.text, answer.citations) == (False, None, ())
    assert answer.reason == "not_in_documents"
    assert answer.nearest is not None and answer.nearest.quote == SENTENCES[0]
    assert answer.confidence == pytest.approx(1 / (1 + math.exp(2)))  # the bias alone
    assert [hit.passage for hit in answer.hits] == [passages[0].passage]


def test_the_threshold_is_a_tenth_of_the_words_for_a_model_that_was_not_fitted() -> None:
    # -2 + 20 * coverage turns positive above 1/10, and at it the probability is 1/2, which is enough.
    text = document("하나", "강물")
    for others, answered in ((8, True), (9, True), (10, False)):
        question = " ".join(["강물", *(f"말{i}" for i in range(others))])
        assert ask(question, [passage(text, "강물")], text).answered is answered, others


def test_a_question_in_another_script_is_not_declined_for_sharing_no_word() -> None:
    assert ask("When does the ferry leave", [passage(FERRY, *SENTENCES)], FERRY).answered


def test_quotes_that_do_not_stand_in_the_document_are_never_given() -> None:
    other = Document("나루", "t", "x" * len(FERRY.text), "s", "c", "n")
    # The quote is cut out of the document itself, so a wrong span can only lie outside of it.
    answer = ask("다리 는 내년", [passage(FERRY, *SENTENCES)], Document("나루", "t", "짧다", "s", "c", "n"))
    assert (answer.answered, answer.citations, answer.reason, answer.nearest) == (False, (), "not_in_documents", None)
    changed = ask("다리 는 내년", [passage(FERRY, *SENTENCES)], other)
    assert all(other.text[c.start : c.end] == c.quote for c in changed.citations)


def test_evidence_is_the_best_of_each_measure() -> None:
    near, far = document("갑", "강물 높이"), document("을", "강물 산새 소리 바람")
    cosine, coverage, _ = evidence(found("강물 높이", [passage(far, far.text), passage(near, near.text)]))
    assert cosine == pytest.approx(1)
    assert coverage == 1
    cosine, coverage, _ = evidence(found("강물 높이", [passage(far, far.text)]))
    assert cosine == pytest.approx(1 / math.sqrt(2 * 4))
    assert coverage == 0.5


def test_evidence_of_a_sentence_that_says_more_than_its_passage() -> None:
    text = document("갑", "산새 소리 바람 구름", "강물 높이")
    cosine, coverage, _ = evidence(found("강물 높이", [passage(text, "산새 소리 바람 구름", "강물 높이")]))
    assert cosine == pytest.approx(1, abs=1e-3)  # the passage as a whole: 2 / sqrt(2 * 6)
    assert coverage == 1


def test_evidence_of_a_passage_that_says_more_than_its_sentences() -> None:
    text = document("갑", "강물 가", "높이 나")
    cosine, *_ = evidence(found("강물 높이", [passage(text, "강물 가", "높이 나")]))
    assert cosine == pytest.approx(2 / math.sqrt(2 * 4))  # each sentence: 1 / sqrt(2 * 2)


def test_evidence_without_words_in_the_question() -> None:
    nothing = Found((), (passage(FERRY, *SENTENCES),), EMBEDDER.embed_queries(["강물"])[0], {})
    assert evidence(nothing) == (0.0, 0.0, 0.0)


def test_evidence_counts_the_passages_searched_up_to_what_was_fitted() -> None:
    some = found("강물 높이", [passage(FERRY, *SENTENCES)])
    assert evidence(some).size == 0.0
    assert evidence(replace(some, searched=100)).size == pytest.approx(math.log(100))
    assert evidence(replace(some, searched=10**7)).size == pytest.approx(math.log(MOST_SEARCHED))


def test_the_title_holds_words_of_the_question_too() -> None:
    text = document("갑", "강물 소리")
    titled = replace(passage(text, "강물 소리"), heading=("높이",))
    assert evidence(found("강물 높이", [titled])).coverage == 1


def test_confidence_is_the_logistic_function() -> None:
    model = DeclineModel(bias=-1, cosine=2, coverage=4, size=-3, threshold=0.5)
    assert model.confidence(Evidence(0.5, 0.0, 0.0)) == 0.5
    assert model.confidence(Evidence(0.5, 0.25, 0.0)) == pytest.approx(1 / (1 + math.exp(-1)))
    assert model.confidence(Evidence(0.5, 0.25, 2.0)) == pytest.approx(1 / (1 + math.exp(5)))
    nothing = Evidence(0.0, 0.0, 0.0)
    assert 0 <= DeclineModel(-1e9, 0, 0, 0, 0.5).confidence(nothing) < 1e-20
    assert DeclineModel(1e9, 0, 0, 0, 0.5).confidence(nothing) == pytest.approx(1)


@pytest.mark.parametrize("models", DECLINE.values())
@pytest.mark.parametrize("passages", [1, 11, 4_000])
def test_fitted_models_trust_more_what_is_nearer(models: tuple[DeclineModel, DeclineModel], passages: int) -> None:
    for model in models:
        size = math.log(passages)
        assert model.confidence(Evidence(0.95, 1.0, size)) >= model.threshold > model.confidence(Evidence(0.6, 0, size))
        assert np.all(np.diff([model.confidence(Evidence(cosine, 0.5, size)) for cosine in (0.7, 0.8, 0.9)]) > 0)


def test_a_title_is_not_cited_while_there_is_anything_else() -> None:
    text = "다리 안내\n다리 길이 백 미터"
    entitled = Document("d", "다리 안내", text, "s", "c", "n")
    sentences = (Sentence(0, 5, ("다리", "안내")), Sentence(6, len(text), ("다리", "길이", "백", "미터")))
    vectors = EMBEDDER.embed_passages(["다리 안내", "다리 길이 백 미터"]).astype(np.float16)
    whole = IndexedPassage(Passage("d", 0, len(text), text), sentences, EMBEDDER.embed_passages([text])[0], vectors)
    query = EMBEDDER.embed_queries(["다리 안내"])[0]  # the title, word for word
    hit = Hit(whole.passage, 1.0)
    answer = ExtractiveAnswerer("words").answer("English", Found((hit,), (whole,), query, {}), {"d": entitled})
    assert [c.quote for c in answer.citations] == ["다리 길이 백 미터"]
    only = IndexedPassage(Passage("d", 0, 5, "다리 안내"), sentences[:1], vectors[0].astype(np.float32), vectors[:1])
    found_title = Found((Hit(only.passage, 1.0),), (only,), query, {})
    assert [c.quote for c in ExtractiveAnswerer("words").answer("English", found_title, {"d": entitled}).citations] == [
        "다리 안내"
    ]


def test_a_lone_word_is_no_evidence() -> None:
    greeting = document("a", "감사합니다", "강물 높이 소리")
    some = found("감사합니다", [passage(greeting, "감사합니다", "강물 높이 소리")])
    # Against its own sentence the inner product would be 1; the passage has four words, one of them the question's.
    assert evidence(some)[0] == pytest.approx(1 / 2, abs=1e-3)
