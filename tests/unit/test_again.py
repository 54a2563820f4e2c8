"""Questions asked again: of their own documents only, and of all but those."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from evals.again import is_asked_again, reading, removed, words_given
from evals.datasets import Question
from rag import Answer, Assistant, Hit, Passage, Turn
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever
from rag.types import Found
from tests.unit.test_asking import LIBRARY, PRICE, REST, answer, cite, declined, passage

Asked = tuple[str, object, Collection[str]]


class Product:
    """Gives one answer and finds some passages; notes what it is asked, and of which documents."""

    def __init__(self, given: Answer, *found: Passage) -> None:
        self.given, self.found = given, found
        self.asked: list[Asked] = []
        self.searched: list[tuple[str, int, str, Collection[str]]] = []

    def ask(
        self, question: str, _: Sequence[Turn] = (), *, within: object = None, without: Collection[str] = ()
    ) -> Answer:
        self.asked.append((question, within, without))
        return self.given

    def find(self, question: str, k: int, *, context: str = "", without: Collection[str] = ()) -> Found:
        self.searched.append((question, k, context, without))
        return Found(tuple(Hit(p, 1.0) for p in self.found), (), np.zeros(1, np.float32), {})


TWINS = replace(LIBRARY, documents={"boat": 1, "copy": 1})


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        (LIBRARY, True),
        (replace(LIBRARY, typed=True, pair="p"), True),
        (replace(LIBRARY, kind="followup"), False),
        (replace(LIBRARY, kind="crosslingual", language="en"), False),
        (replace(LIBRARY, answers=()), False),
        (replace(LIBRARY, documents={}), False),
        (Question("far", "?", "unanswerable"), False),
    ],
)
def test_who_is_asked_again(question: Question, asked: bool) -> None:
    assert is_asked_again(question) is asked


def test_reading_asks_its_own_documents_only() -> None:
    product = Product(answer(cite(PRICE, "96억 원")))
    found = reading(cast("Assistant", product), TWINS)
    assert product.asked == [("얼마인가요?", {"boat", "copy"}, ())]
    assert found == {"answered": True, "confidence": 0.75, "answer": "96억 원", "em": 1, "f1": 1.0}


def test_what_was_declined_is_read_all_the_same() -> None:
    found = reading(cast("Assistant", Product(declined(cite(PRICE, "96억")))), LIBRARY)
    # 96억 of 96억원: 2 * 3 / (3 + 4)
    assert (found["answered"], found["answer"], found["em"], found["f1"]) == (False, "96억", 0, pytest.approx(6 / 7))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(cite(PRICE, "96억 원"), cite(REST, "월요일")), "96억 원"),
        (answer(cite(PRICE), text="96억 원 남짓"), "96억 원 남짓"),
        (declined(cite(REST, "월요일")), "월요일"),
        (declined(cite(REST)), REST),
        (declined(), ""),
    ],
)
def test_the_words_that_are_given(given: Answer, words: str) -> None:
    assert words_given(given) == words


def test_removed_asks_without_its_documents(morphology: Morphology) -> None:
    product = Product(declined(), passage(REST))
    found = removed(cast("Assistant", product), cast("HybridRetriever", product), TWINS, morphology)
    assert found == {"kept": True, "answered": False, "confidence": 0.75}
    assert product.searched == [("얼마인가요?", 10, "", {"boat", "copy"})]
    assert product.asked == [("얼마인가요?", None, {"boat", "copy"})]


@pytest.mark.parametrize(
    ("answers", "found", "kept"),
    [
        (("96억 원",), (passage(REST), passage(PRICE, document="copy")), False),
        (("팔십억", "96억"), (passage(PRICE),), False),  # any acceptable answer
        (("96억원",), (passage(PRICE),), True),  # character for character
        (("96억 원",), (), False),  # nothing is left that could answer or not
    ],
)
def test_where_another_document_may_answer_it_is_left_out(
    answers: tuple[str, ...], found: tuple[Passage, ...], kept: bool, morphology: Morphology
) -> None:
    product = Product(answer(cite(PRICE)), *found)
    question = replace(LIBRARY, answers=answers)
    row = removed(cast("Assistant", product), cast("HybridRetriever", product), question, morphology)
    assert row["kept"] is kept and (row["answered"], row["confidence"]) == ((True, 0.75) if kept else (None, None))
    assert len(product.asked) == kept  # what is left out is not asked


def test_what_a_question_leans_on_is_searched_for_too(morphology: Morphology) -> None:
    product = Product(declined(), passage(REST))
    question = replace(LIBRARY, question="그건 얼마인가요?", history=("물마루 도서관은 어디에 있나요?",))
    removed(cast("Assistant", product), cast("HybridRetriever", product), question, morphology)
    assert product.searched == [("그건 얼마인가요?", 10, "물마루 도서관은 어디에 있나요?", {"boat"})]
    assert [without for _, _, without in product.asked] == [{"boat"}] * 2  # the earlier question as well
