"""What an answer is worth, worked out by hand: ranks, gain, citations, words, verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from evals.asking import (
    ARMS,
    DEPTH,
    UNANSWERED,
    add_gain,
    ask,
    judged,
    rankings,
    ranks,
    row_of,
    shown_order,
    without_texts,
)
from evals.datasets import Place, Question, located
from rag import Answer, Assistant, Citation, Document, Hit, Passage, Turn
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever

BOAT = "물마루는 배 위의 도서관이다. 값은 96억 원이다. 월요일마다 쉰다. 갈대역과 북문역에서 간다."
COPY = "머리말. 값은 96억 원이다. 갈대역과 북문역에서 간다."
DOCUMENTS = {id: Document(id, f"{id} 글", text, "0" * 64, "evals", f"{id}.txt") for id, text in
             (("boat", BOAT), ("copy", COPY))}  # fmt: skip
FIRST, PRICE, REST, STOPS = (
    "물마루는 배 위의 도서관이다.",
    "값은 96억 원이다.",
    "월요일마다 쉰다.",
    "갈대역과 북문역에서 간다.",
)
LIBRARY = Question("q", "얼마인가요?", documents={"boat": 1}, answers=("96억 원",), evidence=(PRICE,))


def cite(quote: str, words: str = "", document: str = "boat") -> Citation:
    start = DOCUMENTS[document].text.index(quote)
    at = start + quote.index(words) if words else None
    end = at + len(words) if at is not None else None
    return Citation(document, f"{document} 글", start, start + len(quote), quote, at, end)


def passage(first: str, last: str | None = None, document: str = "boat") -> Passage:
    """From the sentence ``first`` to the end of ``last``."""
    text = DOCUMENTS[document].text
    start, end = text.index(first), text.index(last or first) + len(last or first)
    return Passage(document, start, end, text[start:end])


ALL = (passage(FIRST, STOPS),)


def answer(*citations: Citation, hits: Sequence[Passage] = ALL, text: str | None = None) -> Answer:
    text = text or (citations[0].quote if citations else None)
    found = tuple(Hit(p, 1.0) for p in hits)
    return Answer(
        "얼마인가요?",
        bool(citations),
        text,
        citations,
        found,
        confidence=0.75,
        threshold=0.25,
        timings_ms={"total": 2.5},
    )


def declined(nearest: Citation | None = None, *, hits: Sequence[Passage] = ALL) -> Answer:
    return replace(answer(hits=hits), nearest=nearest, reason="not_in_documents")


def worth(question: Question, given: Answer) -> dict[str, Any]:
    texts = {id: document.text for id, document in DOCUMENTS.items()}
    return judged(located(question, texts), given, DOCUMENTS)


def figures(row: dict[str, Any], *names: str) -> list[Any]:
    return [row[name] for name in names]


CITED = ("right", "outcome", "citation_precision", "citation_recall")
WORDS = ("em", "f1", "list_f1", "yesno")

# --- one fact


def test_the_words_that_are_asked_for() -> None:
    row = worth(LIBRARY, answer(cite(PRICE, "96억 원"), cite(REST)))
    assert figures(row, *CITED) == [True, "right", 1 / 2, 1.0]
    assert figures(row, *WORDS) == [1, 1.0, None, None]
    assert figures(row, "answered", "answer", "reason", "nearest") == [True, PRICE, None, None]
    assert figures(row, "confidence", "threshold") == [0.75, 0.25]
    assert row["timings_ms"] == {"total": 2.5}


def test_without_marked_words_the_whole_text_answers() -> None:
    row = worth(LIBRARY, answer(cite(PRICE)))
    # 값은96억원이다 has 8 characters, 96억원 has 4, all of them shared: 2 * 4 / (8 + 4).
    assert figures(row, *WORDS) == [0, pytest.approx(2 / 3), None, None]
    assert worth(LIBRARY, answer(cite(PRICE), text="96억 원."))["em"] == 1  # the text, not the quote


def test_the_best_of_the_acceptable_answers_counts() -> None:
    question = replace(LIBRARY, answers=("96억 원", "96억 원이다"))
    # 값은96억원이다 and 96억원이다: 2 * 6 / (8 + 6).
    assert worth(question, answer(cite(PRICE)))["f1"] == pytest.approx(6 / 7)


def test_evidence_that_is_not_cited_first_is_not_right() -> None:
    row = worth(LIBRARY, answer(cite(REST), cite(FIRST), cite(PRICE, "96억 원")))
    assert figures(row, *CITED) == [False, "not_read", pytest.approx(1 / 3), 1.0]
    # The words of the first: 월요일마다쉰다 and 96억원 share nothing.
    assert figures(row, *WORDS) == [0, 0.0, None, None]


def test_one_shared_character_is_an_overlap_and_touching_is_none() -> None:
    end = BOAT.index(PRICE) + len(PRICE)
    assert worth(LIBRARY, answer(Citation("boat", "", end - 1, end + 3, BOAT[end - 1 : end + 3])))["right"]
    assert not worth(LIBRARY, answer(Citation("boat", "", end, end + 3, BOAT[end : end + 3])))["right"]
    start = BOAT.index(PRICE)
    assert worth(LIBRARY, answer(Citation("boat", "", 0, start + 1, BOAT[: start + 1])))["right"]
    assert not worth(LIBRARY, answer(Citation("boat", "", 0, start, BOAT[:start])))["right"]


def test_another_document_counts_where_it_is_said_to_answer_too() -> None:
    given = answer(cite(PRICE, "96억 원", "copy"), hits=[passage(PRICE, document="copy")])
    assert figures(worth(LIBRARY, given), *CITED) == [False, "not_retrieved", 0.0, 0.0]
    also = replace(LIBRARY, documents={"boat": 1, "copy": 1})
    assert figures(worth(also, given), *CITED) == [True, "right", 1.0, 1.0]


def test_any_of_several_sentences_that_each_suffice() -> None:
    either = replace(LIBRARY, evidence=(PRICE, REST))
    assert figures(worth(either, answer(cite(REST))), *CITED) == [True, "right", 1.0, 1.0]


def test_what_was_read_tells_two_failures_apart() -> None:
    elsewhere = [passage(FIRST)]
    assert worth(LIBRARY, answer(cite(FIRST)))["outcome"] == "not_read"
    assert worth(LIBRARY, answer(cite(FIRST), hits=elsewhere))["outcome"] == "not_retrieved"
    assert worth(LIBRARY, declined(cite(PRICE)))["outcome"] == "wrongly_declined"
    assert worth(LIBRARY, declined(cite(FIRST), hits=elsewhere))["outcome"] == "not_retrieved"
    assert worth(LIBRARY, declined(hits=[]))["outcome"] == "not_retrieved"


def test_declining_what_is_answerable_earns_nothing() -> None:
    row = worth(LIBRARY, declined(cite(PRICE, "96억 원")))
    assert figures(row, *CITED) == [False, "wrongly_declined", None, 0.0]
    assert figures(row, *WORDS) == [0, 0.0, None, None]
    assert (row["answered"], row["reason"], row["citations"]) == (False, "not_in_documents", [])
    assert row["nearest"]["evidence"] is True


# --- lists, reasons, verdicts


def test_a_list() -> None:
    items = (("갈대역", "갈대"), ("북문역",), ("월요일",))
    question = Question("q", "어디?", "list", documents={"boat": 1}, items=items, evidence=(STOPS, REST))
    # Two of three items stand in one of two pieces: recall 2/3, precision 1/2.
    row = worth(question, answer(cite(STOPS, "갈대역과 북문역"), cite(PRICE)))
    assert row["list_f1"] == pytest.approx(4 / 7)
    assert figures(row, *CITED, "em", "f1") == [True, "right", 1 / 2, 1 / 2, None, None]
    # All three stand in the quotes; both hold one.
    assert worth(question, answer(cite(STOPS), cite(REST)))["list_f1"] == 1.0
    # Only the marked words count, and 북문역 is not among them: recall 1/3, precision 1.
    assert worth(question, answer(cite(STOPS, "갈대역")))["list_f1"] == pytest.approx(1 / 2)
    assert figures(worth(question, declined(cite(STOPS))), "list_f1", *CITED) == [
        0.0,
        False,
        "wrongly_declined",
        None,
        0.0,
    ]


def test_a_list_that_only_another_document_gives() -> None:
    question = Question("q", "어디?", "list", documents={"boat": 1, "copy": 1}, items=(("갈대역",), ("북문역",)))
    row = worth(question, answer(cite(STOPS, document="copy"), hits=[passage(STOPS, document="copy")]))
    assert figures(row, *CITED, "list_f1") == [True, "right", 1.0, 1.0, 1.0]


def test_an_item_counts_in_the_questions_own_documents_only() -> None:
    question = Question(
        "q", "어디?", "list", documents={"boat": 1}, items=(("갈대역",), ("북문역",)), evidence=(STOPS,)
    )
    copied = cite(STOPS, document="copy")
    assert worth(question, answer(copied))["list_f1"] == 0.0
    # The piece of the other document holds nothing: recall 1, precision 1/2.
    assert worth(question, answer(cite(STOPS), copied))["list_f1"] == pytest.approx(2 / 3)
    also = replace(question, documents={"boat": 1, "copy": 1})
    assert worth(also, answer(cite(STOPS), copied))["list_f1"] == 1.0


def test_a_reason_needs_all_its_parts() -> None:
    question = Question("q", "왜?", "reason", documents={"boat": 1}, evidence=(FIRST, "값은", "96억 원이다."))
    row = worth(question, answer(cite(PRICE), cite(REST)))
    # The first citation overlaps two of the three parts.
    assert figures(row, *CITED) == [True, "right", 1 / 2, pytest.approx(2 / 3)]
    assert figures(row, *WORDS) == [None, None, None, None]
    whole = Question("q", "어떤 곳?", "summary", documents={"boat": 1}, evidence=(FIRST, REST))
    assert worth(whole, answer(cite(REST), cite(FIRST)))["citation_recall"] == 1.0


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        ("예. 월요일마다 쉰다.", "yes", 1),
        ("아니요. 월요일마다 쉰다.", "yes", 0),
        ("아니요. 월요일마다 쉰다.", "no", 1),
        ("월요일마다 쉰다.", "yes", 0),  # no verdict
        ("월요일마다 쉰다.", "no", 0),
    ],
)
def test_a_verdict(text: str, expected: str, value: int) -> None:
    question = Question("q", "쉬나요?", "yesno", documents={"boat": 1}, yesno=expected, evidence=(REST,))
    row = worth(question, answer(cite(REST), text=text))
    assert figures(row, *CITED) == [True, "right", 1.0, 1.0]
    assert figures(row, *WORDS) == [None, None, None, value]


def test_no_verdict_where_it_was_declined() -> None:
    question = Question("q", "쉬나요?", "yesno", documents={"boat": 1}, yesno="no", evidence=(REST,))
    assert figures(worth(question, declined(cite(REST))), *WORDS, "right") == [None, None, None, 0, False]


# --- no answer, no evidence


def test_what_has_no_answer_is_right_when_declined() -> None:
    question = Question("q", "관장은?", "unanswerable", documents={"boat": 1})
    assert figures(worth(question, declined(cite(FIRST))), *CITED) == [True, "rightly_declined", None, None]
    row = worth(question, answer(cite(FIRST)))
    assert figures(row, *CITED, *WORDS) == [False, "wrongly_answered", *[None] * 6]
    assert not row["citations"][0]["evidence"]
    nowhere = worth(Question("q", "관장은?", "unanswerable"), replace(declined(hits=[]), reason="no_documents"))
    assert figures(nowhere, *CITED, "reason") == [True, "rightly_declined", None, None, "no_documents"]


def test_where_evidence_is_unknown_only_the_words_are_judged() -> None:
    squad = Question("q", "얼마?", documents={"boat": 1}, answers=("96억",), placed=True)
    row = worth(squad, answer(cite(PRICE, "96억")))
    assert figures(row, *CITED, "em", "f1") == [None, None, None, None, 1, 1.0]
    beir = Question("q", "얼마?", documents={"boat": 2})
    assert figures(worth(beir, answer(cite(PRICE))), *CITED, *WORDS) == [None] * 8
    assert figures(worth(beir, declined()), *CITED, *WORDS) == [None] * 8


# --- what a row says


def test_citations_with_the_passage_they_stand_in() -> None:
    wrong = replace(cite(REST), quote="화요일마다 쉰다.")
    hits = [passage(PRICE), passage(FIRST, PRICE), passage(PRICE, document="copy")]
    first, second = worth(LIBRARY, answer(cite(PRICE, "96억 원"), wrong, hits=hits))["citations"]
    at = BOAT.index(PRICE)
    assert first == {
        "document": "boat",
        "title": "boat 글",
        "start": at,
        "end": at + 11,
        "quote": PRICE,
        "answer_start": at + 3,
        "answer_end": at + 8,
        "evidence": True,
        "verbatim": True,
        "passage": {"start": at, "end": at + 11, "text": PRICE},
    }
    assert figures(second, "verbatim", "evidence", "answer_start", "passage") == [False, False, None, None]


def test_a_row_before_it_is_asked(morphology: Morphology) -> None:
    texts = {id: document.text for id, document in DOCUMENTS.items()}
    full = replace(
        LIBRARY,
        question="도서관 값은?",
        documents={"boat": 1, "copy": 1},
        history=("물마루는?",),
        items=(("갈대역", "북문역"),),
        source="s",
        pair="p",
        miss="x",
    )
    row = row_of(located(full, texts), morphology)
    assert row == {
        "id": "q",
        "kind": "span",
        "question": "도서관 값은?",
        "history": ["물마루는?"],
        "language": "ko",
        "source": "s",
        "document": "boat",
        "answerable": True,
        "evidence_known": True,
        "pair": "p",
        "typed": False,
        "miss": "x",
        "morphemes": ["도서관", "값"],
        "ranks": {},
        "expected": {"answers": ["96억 원"], "items": [["갈대역", "북문역"]], "yesno": None, "evidence": [PRICE]},
    }
    far = row_of(Question("q", "관장은?", "unanswerable", documents={"boat": 1}), morphology)
    assert figures(far, "document", "answerable", "evidence_known") == [None, False, False]
    assert not row_of(Question("q", "얼마?", documents={"boat": 1}), morphology)["evidence_known"]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("given", [answer(cite(PRICE, "96억 원"), cite(REST)), declined(cite(REST)), None])
def test_a_row_without_texts_holds_none(given: Answer | None, own: bool, morphology: Morphology) -> None:
    question = replace(LIBRARY, question="건립비는?", history=("언제 여나요?",))
    row = row_of(question, morphology) | (worth(question, given) if given else {})
    bare = without_texts(row, own_questions=own)
    told: dict[str, Any] = {"morphemes": [], "expected": {}}  # one's own questions may say what they expect
    left = json.dumps(bare | told if own else bare, ensure_ascii=False)
    assert not any(word in left for word in ("도서관", "96억", "월요일", "갈대역", "boat 글"))
    assert ("건립비는?" in left, "언제 여나요?" in left) == (own, own)
    assert {"question", "history", "answer", "morphemes", "expected", "citations", "nearest"} <= set(bare)
    assert bare["answer"] is None
    assert {name: bare[name] for name in told} == ({name: row[name] for name in told} if own else told)
    # Places, ranks and figures stay.
    kept = ("id", "kind", "ranks", "document", "right", "outcome", "em", "confidence", "threshold", "timings_ms")
    assert [bare.get(name) for name in kept] == [row.get(name) for name in kept]
    assert [(c["start"], c["evidence"]) for c in bare["citations"]] == [
        (c["start"], c["evidence"]) for c in row.get("citations", [])
    ]
    assert row["expected"]["answers"] == ["96억 원"]  # the row itself is left as it was


# --- ranks and gain


def at(document: str, start: int = 0) -> Passage:
    return Passage(document, start, start + 10, "가" * 10)


def test_ranks_count_each_document_once() -> None:
    question = Question(
        "q", "?", documents={"a": 1, "b": 1}, places=((Place("a", 25, 30),),), elsewhere=(Place("b", 9, 12),)
    )
    ranking = [at("x"), at("x", 10), at("a"), at("a", 10), at("b", 30), at("a", 20), at("b")]
    assert ranks(question, ranking) == {"document": 2, "passage": 6}
    assert ranks(question, ranking[:5]) == {"document": 2, "passage": None}
    assert ranks(question, ranking[4:]) == {"document": 1, "passage": 2}
    assert ranks(question, ranking[-1:]) == {"document": 1, "passage": 1}
    assert ranks(question, ranking[:2]) == ranks(question, []) == {"document": None, "passage": None}


def gain(documents: dict[str, int], ranking: Sequence[str]) -> float:
    rows: list[dict[str, Any]] = [{"id": "q", "ranks": {"dense": {"document": 1}}}, {"id": "other", "ranks": {}}]
    question = Question("q", "?", documents=documents)
    add_gain(rows, "dense", {"q": question}, {"q": [at(document) for document in ranking]})
    assert rows[1] == {"id": "other", "ranks": {}}
    value = rows[0]["ranks"]["dense"]["ndcg@10"]
    assert isinstance(value, float)
    return value


def test_gain_of_one_document() -> None:
    assert gain({"a": 1}, ["a"]) == 1.0
    assert gain({"a": 1}, ["x", "a"]) == pytest.approx(1 / math.log2(3))  # .6309
    assert gain({"a": 1}, ["x", "x", "x", "a"]) == pytest.approx(1 / math.log2(3))  # each document once
    others = [f"x{number}" for number in range(12)]
    assert gain({"a": 1}, [*others[:9], "a"]) == pytest.approx(1 / math.log2(11))  # .2891
    assert gain({"a": 1}, [*others[:10], "a"]) == 0.0
    assert gain({"a": 1}, others) == gain({"a": 1}, []) == 0.0


def test_gain_of_two_documents() -> None:
    best = 1 + 1 / math.log2(3)  # 1.6309
    assert gain({"a": 1, "b": 1}, ["b", "a"]) == pytest.approx(1.0)
    assert gain({"a": 1, "b": 1}, ["a", "x", "b"]) == pytest.approx((1 + 1 / 2) / best)  # .9197
    assert gain({"a": 1, "b": 1}, ["b"]) == pytest.approx(1 / best)  # .6131
    # Twice as relevant counts twice: (1 + 2 / 1.585) / (2 + 1 / 1.585).
    graded = (1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3))
    assert gain({"a": 2, "b": 1}, ["b", "a"]) == pytest.approx(graded)  # .8597


def test_gain_of_several_questions_is_each_its_own() -> None:
    rows: list[dict[str, Any]] = [{"id": id, "ranks": {"bm25": {}}} for id in ("1", "2", "3")]
    questions = {id: Question(id, "?", documents={"a": 1}) for id in ("1", "2", "3")}
    add_gain(rows, "bm25", questions, {"1": [at("a")], "2": [at("x"), at("a")], "3": []})
    assert [row["ranks"]["bm25"]["ndcg@10"] for row in rows] == [1.0, pytest.approx(1 / math.log2(3)), 0.0]
    add_gain(rows, "bm25", questions, {})
    assert rows[0]["ranks"] == {"bm25": {"ndcg@10": 1.0}}


def test_an_answer_shows_what_it_cites_first() -> None:
    hits = [passage(FIRST), passage(PRICE), passage(REST, STOPS), passage(PRICE, document="copy")]
    assert shown_order(answer(cite(STOPS), cite(PRICE), hits=hits)) == [hits[2], hits[1], hits[0], hits[3]]
    assert shown_order(answer(cite(REST), cite(STOPS), hits=hits)) == [hits[2], hits[0], hits[1], hits[3]]
    assert shown_order(declined(cite(STOPS), hits=hits)) == hits  # the nearest sentence is no answer
    assert shown_order(answer(hits=[])) == []


# --- asking


class Recorder:
    """Notes what it is asked and answers with the number of turns before; the second question is declined."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[Turn]]] = []
        self.limits: list[tuple[object, Collection[str]]] = []

    def ask(
        self, question: str, history: Sequence[Turn] = (), *, within: object = None, without: Collection[str] = ()
    ) -> Answer:
        self.asked.append((question, list(history)))
        self.limits.append((within, without))
        return declined() if len(self.asked) == 2 else answer(cite(PRICE), text=f"{len(history)}")

    def arms(self, question: str, k: int, *, context: str = "") -> dict[str, list[Passage]]:
        self.asked.append((f"{question}|{context}|{k}", []))
        return {"dense": [], "bm25": [], "hybrid": []}


FOLLOWING = replace(LIBRARY, history=("하나는 무엇?", "둘은 무엇?"), question="그건 얼마?")


def test_earlier_turns_are_asked_and_answered_in_their_order() -> None:
    recorder = Recorder()
    last = ask(cast("Assistant", recorder), FOLLOWING)
    one = [Turn("user", "하나는 무엇?"), Turn("assistant", "0")]
    two = [*one, Turn("user", "둘은 무엇?"), Turn("assistant", UNANSWERED)]
    assert recorder.asked == [("하나는 무엇?", []), ("둘은 무엇?", one), ("그건 얼마?", two)]
    assert last.text == "4"
    assert UNANSWERED == "문서에 답이 없습니다."
    assert recorder.limits == [(None, ())] * 3


def test_earlier_turns_are_asked_of_the_same_documents() -> None:
    recorder = Recorder()
    ask(cast("Assistant", recorder), FOLLOWING, within={"boat"}, without={"copy"})
    assert recorder.limits == [({"boat"}, {"copy"})] * 3


def test_the_arms_are_asked_with_what_a_question_leans_on(morphology: Morphology) -> None:
    recorder = Recorder()
    asked = replace(FOLLOWING, history=("물마루 도서관은 어디에 있나요?",), question="그건 얼마인가요?")
    retriever = cast("HybridRetriever", recorder)
    assert set(rankings(retriever, asked, morphology)) | {"full"} == set(ARMS)
    rankings(retriever, replace(asked, history=()), morphology)
    rankings(retriever, replace(asked, question="갈대역에서 북문역까지 몇 분 걸리나요?"), morphology)
    assert [text for text, _ in recorder.asked] == [
        f"그건 얼마인가요?|물마루 도서관은 어디에 있나요?|{DEPTH}",
        f"그건 얼마인가요?||{DEPTH}",
        f"갈대역에서 북문역까지 몇 분 걸리나요?||{DEPTH}",
    ]
