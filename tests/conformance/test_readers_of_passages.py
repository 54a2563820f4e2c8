"""What every reader keeps to, the small one and the one that is shipped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from rag.fakes import WordReader
from rag.interfaces import Reader
from rag.reader import TrainedReader
from rag.weights import find_weights, open_weights

PASSAGES = [
    ("바이오 지원", "정부는 바이오 분야에 300억 원을 지원한다. 반도체 분야에는 500억 원을 지원한다."),
    ("", "축제는 10월 3일에 시작된다."),
    ("날씨", "내일은 비가 온다."),
]
QUESTION = "바이오 분야에 지원하는 금액은 얼마인가요?"


@pytest.fixture(scope="module", params=["words", pytest.param("trained", marks=pytest.mark.model)])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    yield WordReader() if request.param == "words" else TrainedReader(open_weights(find_weights()))


def test_one_reading_a_passage_in_their_order(reader: Reader) -> None:
    forwards, backwards = reader.read(QUESTION, PASSAGES), reader.read(QUESTION, PASSAGES[::-1])
    assert len(forwards) == len(PASSAGES)
    for one, other in zip(forwards, backwards[::-1], strict=True):
        assert one.relevance == pytest.approx(other.relevance, abs=1e-5)
        assert one.spans == other.spans
    assert reader.read(QUESTION, []) == []


def test_a_passage_is_read_by_itself(reader: Reader) -> None:
    for passage, together in zip(PASSAGES, reader.read(QUESTION, PASSAGES), strict=True):
        (alone,) = reader.read(QUESTION, [passage])
        assert (alone.relevance, alone.wordless, alone.spans) == (
            together.relevance,
            together.wordless,
            together.spans,
        )


def test_the_passage_that_answers_is_the_most_relevant(reader: Reader) -> None:
    readings = reader.read(QUESTION, PASSAGES)
    assert max(readings, key=lambda reading: reading.relevance) is readings[0]


@pytest.mark.parametrize(
    "text",
    [
        PASSAGES[0][1],
        "한",
        "12",
        "👩‍👩‍👧 가족은 세 명이다.",
        "a" * 3000,
        "숫자 " * 2000,
        "각주①은 각각 ﬁne 하다.",
        "끝이 없는 줄\n" * 300,
        "첫 줄 . 끝",
        "줄\n. 다음 </s> 줄 <mask>",
    ],
)
def test_spans_are_words_of_the_passage(reader: Reader, text: str) -> None:
    (reading,) = reader.read("몇 명인가요?", [("제목", text)])
    assert np.isfinite([reading.relevance, reading.wordless]).all()
    assert reading.spans
    previous = 1.0
    for span in reading.spans:
        assert 0 <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip()
        assert 0 <= span.probability <= previous
        previous = span.probability
    ordered = sorted((span.start, span.end) for span in reading.spans)
    assert all(one[1] <= other[0] for one, other in pairwise(ordered))


def test_where_an_answer_begins_sums_to_one(reader: Reader) -> None:
    for (_, text), reading in zip(PASSAGES, reader.read(QUESTION, PASSAGES), strict=True):
        assert (np.diff(reading.places) >= 0).all()
        assert reading.share(0, len(text)) == pytest.approx(1, abs=1e-4)
        half = len(text) // 2
        assert reading.share(0, half) + reading.share(half, len(text)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "　"])
def test_an_empty_passage_has_no_words(reader: Reader, text: str) -> None:
    first, second = reader.read(QUESTION, [PASSAGES[0], ("", text)])
    assert second.spans == () and second.relevance < first.relevance
    assert second.share(0, 10) == 0


@pytest.mark.parametrize("question", ["바이오 " * 500 + QUESTION, "가" * 2000, "?", "\ud800 금액은?"])
def test_any_question_can_be_asked(reader: Reader, question: str) -> None:
    readings = reader.read(question, PASSAGES)
    assert len(readings) == 3 and all(np.isfinite(reading.relevance) for reading in readings)


def test_a_long_question_is_read_from_its_end(reader: Reader) -> None:
    readings = reader.read("인사말이 깁니다. " * 100 + "\n" + QUESTION, PASSAGES)
    assert max(readings, key=lambda reading: reading.relevance) is readings[0]


def test_an_answer_behind_a_long_passage_is_found(reader: Reader) -> None:
    long = "창고에는 여러 가지 물건이 가지런히 놓여 있었다. " * 60 + PASSAGES[0][1]
    (reading,) = reader.read(QUESTION, [("", long)])
    span = reading.spans[0]
    assert span.start > len(long) - len(PASSAGES[0][1])


def test_the_words_that_answer_stand_in_one_sentence(reader: Reader) -> None:
    text = "축제 기간\n10월 3일 부터 9일 까지 열린다"
    starts = [0, text.index("3일"), text.index("까지")]
    for question in ("축제는 언제 열리나요?", "기간", "무엇이 얼마 동안 열려요?"):
        (reading,) = reader.read(question, [("", text)], [starts])
        assert reading.spans
        for span in reading.spans:
            assert not any(span.start < start < span.end for start in starts)
        assert reading.share(0, len(text)) == pytest.approx(1, abs=1e-4)
