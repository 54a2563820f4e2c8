"""The records as the command line and other programs see them."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from rag.types import AddReport, Answer, Citation, Failure, Hit, IndexedPassage, Passage, Sentence

PASSAGE = Passage("d1", 3, 9, "배가 왔다.")
HIT = Hit(PASSAGE, 0.12345678, {"dense": 1, "lexical": 2})
CITATION = Citation("d1", "제목", 3, 9, "배가 왔다.", 3, 5, "s1")

HIT_DICT = {
    "document": "d1",
    "start": 3,
    "end": 9,
    "text": "배가 왔다.",
    "score": 0.123457,
    "ranks": {"dense": 1, "lexical": 2},
}
CITATION_DICT = {
    "document": "d1",
    "title": "제목",
    "start": 3,
    "end": 9,
    "quote": "배가 왔다.",
    "answer_start": 3,
    "answer_end": 5,
    "sha256": "s1",
}


def test_hit_and_citation() -> None:
    assert HIT.to_dict() == HIT_DICT
    assert CITATION.to_dict() == CITATION_DICT


def test_an_answer() -> None:
    answer = Answer("뭐?", True, "배가 왔다.", (CITATION,), (HIT,), None, None, 0.98765, {"embed": 1.23456}, 0.256)
    assert answer.to_dict() == {
        "question": "뭐?",
        "answered": True,
        "answer": "배가 왔다.",
        "citations": [CITATION_DICT],
        "reason": None,
        "nearest": None,
        "confidence": 0.9877,
        "certainty": "high",
        "threshold": 0.256,
        "timings_ms": {"embed": 1.235},
    }


@pytest.mark.parametrize(
    ("confidence", "certainty"),
    [(1.0, "high"), (0.8, "high"), (0.79, "medium"), (0.5, "medium"), (0.49, "low"), (0, "low")],
)
def test_certainty_is_the_confidence_in_a_word(confidence: float, certainty: str) -> None:
    assert Answer("뭐?", True, "배", (CITATION,), confidence=confidence).certainty == certainty


def test_no_answer() -> None:
    found = Answer("뭐?", False, None, reason="not_in_documents", nearest=CITATION).to_dict()
    assert (found["answered"], found["answer"], found["citations"]) == (False, None, [])
    assert (found["reason"], found["confidence"]) == ("not_in_documents", 0.0)
    assert found["nearest"] == CITATION_DICT | {"answer_start": None, "answer_end": None}  # none of its words answer


def test_an_add_report() -> None:
    report = AddReport(("a",), ("b", "c"), (Failure("x.txt", "빈 파일"),), ("d",))
    assert report.to_dict() == {
        "added": ["a"],
        "replaced": ["d"],
        "unchanged": ["b", "c"],
        "failed": [{"path": "x.txt", "error": "빈 파일"}],
    }
    assert AddReport().to_dict() == {"added": [], "replaced": [], "unchanged": [], "failed": []}


def test_a_failure_in_both_languages() -> None:
    failure = Failure("x.txt", "빈 파일", {"ko": "빈 파일", "en": "empty"})
    assert (failure.message("ko"), failure.message("en")) == ("빈 파일", "empty")
    assert Failure("x.txt", "빈 파일").message("en") == "빈 파일"
    assert hash(failure)


def test_all_of_it_is_json() -> None:
    answer = Answer("뭐?", True, "배", (CITATION,), (HIT,)).to_dict()
    assert json.loads(json.dumps(answer)) == answer


def test_morphemes_of_a_passage_are_those_of_its_sentences_in_order() -> None:
    sentences = (Sentence(0, 3, ("배", "오")), Sentence(4, 9, ()), Sentence(9, 12, ("배",)))
    vectors = np.zeros((3, 2), np.float16)
    assert IndexedPassage(PASSAGE, sentences, np.zeros(2, np.float32), vectors).morphemes == ["배", "오", "배"]


def test_records_cannot_be_altered() -> None:
    with pytest.raises(FrozenInstanceError):
        CITATION.start = 0  # type: ignore[misc]


def test_the_words_of_a_citation() -> None:
    citation = Citation("글", "제목", 10, 20, "배는 아침에 떠난다", 13, 15)
    assert citation.words == "아침"
    assert Citation("글", "제목", 10, 20, "배는 아침에 떠난다").words is None
