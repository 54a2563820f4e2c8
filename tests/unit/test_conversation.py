"""Follow-up questions: which are searched with the question before them."""

from __future__ import annotations

import pytest

from rag.conversation import context_of, leans_on_history
from rag.morphology import Morphology
from rag.types import Turn

FIRST = "나루터의 새 다리는 언제 놓이나요?"
HISTORY = [Turn("user", FIRST), Turn("assistant", "내년 봄에 놓인다.")]


@pytest.mark.parametrize(
    "question",
    [
        "그럼 공사비는?",  # one noun: it says too little
        "배터리 용량은?",  # two: still too little
        "왜?",
        "누가 그래?",
        "그건 어디에 놓이나요?",
        "거기 사는 주민들은 사공을 어떻게 생각하나요?",  # long, but it points back
        "이 회사의 대표 이사 이름은 무엇인가요?",
        "배 배 배 배는?",  # saying a word again says no more
    ],
)
def test_a_question_that_leans_is_searched_with_the_one_before(morphology: Morphology, question: str) -> None:
    assert context_of(question, HISTORY, morphology) == FIRST


@pytest.mark.parametrize(
    "question",
    [
        "서울의 작년 인구는 몇 명인가요?",
        "삼성전자의 작년 매출은 얼마인가요?",
        "모든 나라의 수도 이름은?",  # these determiners point at nothing said before
        "두 나라의 무역 규모는?",
        "우리 회사의 대표 이사 이름은 무엇인가요?",
    ],
)
def test_a_question_that_stands_alone_is_left_as_it_is(morphology: Morphology, question: str) -> None:
    assert not leans_on_history(question, morphology)
    assert context_of(question, HISTORY, morphology) == ""


@pytest.mark.parametrize("history", [[], [Turn("assistant", "안녕하세요.")], [Turn("user", " \n")]])
def test_without_an_earlier_question_there_is_nothing_to_lean_on(morphology: Morphology, history: list[Turn]) -> None:
    assert context_of("그건?", history, morphology) == ""


def test_answers_and_empty_turns_do_not_count(morphology: Morphology) -> None:
    history = [Turn("user", "새 다리의 공사비 예산은?"), Turn("assistant", "답"), Turn("user", " ")]
    assert context_of("그건?", history, morphology) == "새 다리의 공사비 예산은?"


def test_a_chain_of_follow_ups_goes_back_to_a_question_that_stands_alone(morphology: Morphology) -> None:
    asked = ["전혀 다른 옛날 질문의 내용은?", "나루터의 새 다리는 언제 놓이나요?", "그럼 공사비는?"]
    history = [Turn("user", text) for text in asked]
    assert context_of("시공사는?", history, morphology) == "나루터의 새 다리는 언제 놓이나요?\n그럼 공사비는?"


def test_it_goes_back_three_questions_at_most(morphology: Morphology) -> None:
    history = [Turn("user", f"{n}번은?") for n in range(6)]
    assert context_of("그건?", history, morphology) == "3번은?\n4번은?\n5번은?"
