"""Fusion by hand, near-equal passages, and FAISS in its place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from rag.interfaces import Vectors
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever
from rag.store import NewDocument, Store
from rag.types import Document, IndexedPassage, Passage, Sentence

Vector = tuple[float, float]


class Compass:
    """An embedder whose every question points along (1, 0)."""

    name = "compass"
    dimension = 2

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1, 0], np.float32), (len(texts), 1))

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path, create=True)
    yield store
    store.close()


@pytest.fixture
def retriever(store: Store, morphology: Morphology) -> HybridRetriever:
    return HybridRetriever(store, Compass(), morphology)


def fill(store: Store, passages: Mapping[str, tuple[Vector, str]]) -> None:
    """One document a passage, in this order: text -> (vector, morphemes parted by spaces). Keys count from 1."""
    new = []
    for text, (vector, forms) in passages.items():
        data = text.encode()
        row = np.array(vector, np.float32)
        indexed = IndexedPassage(
            Passage(text, 0, len(text), text),
            (Sentence(0, len(text), tuple(forms.split())),),
            row,
            row[None].astype(np.float16),
        )
        new.append(
            NewDocument(Document(text, text, text, hashlib.sha256(data).hexdigest(), "c", text), data, [indexed])
        )
    store.write(new, model=("compass", 2))


def at(cosine: float) -> Vector:
    """The unit vector whose inner product with the question is ``cosine``."""
    return cosine, math.sqrt(1 - cosine * cosine)


# Fusion


def scores(retriever: HybridRetriever, question: str) -> dict[str, float]:
    """Score by text, best first."""
    return {hit.passage.text: hit.score for hit in retriever.search(question, 10)}


# BM25 of one word that stands once in a passage of average length, over the word's own inverse document frequency: with
# k1 = .9 and length 1 of 1 on average, 1 / (1 + .9).
ONCE = 1 / 1.9


def test_score_is_the_inner_product_and_a_share_of_the_words(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.85), "바다"), "산": (at(0.0), "산")})
    hits = retriever.search("바다", 10)
    # .85 + .12 / 1.9 = .9132, the inner products alone for the others.
    assert [hit.passage.text for hit in hits] == ["바다", "하늘", "산"]
    assert [hit.score for hit in hits] == pytest.approx([0.85 + 0.12 / 1.9, 0.9, 0.0], abs=1e-6)
    assert [dict(hit.ranks) for hit in hits] == [{"dense": 2, "lexical": 1}, {"dense": 1}, {"dense": 3}]


def test_a_shared_word_outweighs_just_so_much_meaning(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.82), "바다"), "산": (at(0.0), "산")})
    assert list(scores(retriever, "바다")) == ["하늘", "바다", "산"]  # .82 + .063 is less than .9


def test_words_that_stand_nowhere_quieten_the_words(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.8), "바다"), "산": (at(0.0), "산")})
    # ln(1 + (3 - df + .5) / (df + .5)): "바다" stands in one of three passages, "우주" in none.
    sea, space = math.log(1 + 2.5 / 1.5), math.log(1 + 3.5 / 0.5)
    assert scores(retriever, "바다 우주")["바다"] == pytest.approx(0.8 + 0.12 * ONCE * sea / (sea + space), abs=1e-6)
    # Said twice it is still one word, of the question and of what could be shared.
    assert scores(retriever, "바다 우주 바다") == scores(retriever, "바다 우주")


def test_rarer_words_and_shorter_passages_count_more(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"갑": (at(0.5), "바다 하늘"), "을": (at(0.5), "바다 산 강 들"), "병": (at(0.5), "별 달 해")})
    sea, sky = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)  # in two passages of three, and in one

    def once(length: int) -> float:  # three morphemes on average; b = .4
        return 1 / (1 + 0.9 * (0.6 + 0.4 * length / 3))

    expected = {"갑": 0.5 + 0.12 * once(2), "을": 0.5 + 0.12 * once(4) * sea / (sea + sky), "병": 0.5}
    found = scores(retriever, "바다 하늘")
    assert list(found) == ["갑", "을", "병"]
    assert found == pytest.approx(expected, abs=1e-6)


def test_meaning_is_not_stretched_between_the_best_and_the_worst(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.85), "바다"), "산": (at(0.8), "산")})
    found = scores(retriever, "하늘")
    assert found == pytest.approx({"하늘": 0.9 + 0.12 * ONCE, "바다": 0.85, "산": 0.8}, abs=1e-6)


def test_without_a_shared_word_meaning_speaks_alone(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.0), "하늘"), "바다": (at(0.6), "바다"), "산": (at(1.0), "산")})
    for question in ("우주", "왜?"):  # a word that stands nowhere, and none at all
        found = scores(retriever, question)
        assert list(found) == ["산", "바다", "하늘"]
        assert found == pytest.approx({"산": 1, "바다": 0.6, "하늘": 0}, abs=1e-6)
    assert retriever.find("왜?", 10).weights == {}


def test_equals_come_in_the_order_they_were_added(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"다": (at(0.5), "산"), "나": (at(0.5), "바다"), "가": (at(0.5), "하늘")})
    assert [(hit.passage.text, hit.score) for hit in retriever.search("우주", 10)] == [
        ("다", 0.5),
        ("나", 0.5),
        ("가", 0.5),
    ]


def test_what_the_answer_is_chosen_by(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(1.0), "하늘"), "바다": (at(0.6), "바다"), "산": (at(0.0), "산")})
    found = retriever.find("바다 우주", 2)
    assert [passage.passage for passage in found.passages] == [hit.passage for hit in found.hits]
    assert found.vector.tolist() == [1, 0]
    # ln(1 + (3 - df + .5) / (df + .5)) with df = 1 and df = 0.
    assert found.weights == pytest.approx({"바다": math.log(1 + 2.5 / 1.5), "우주": math.log(1 + 3.5 / 0.5)})
    assert {"embed", "morphemes", "search"} == set(found.timings_ms)


def test_empty_library(retriever: HybridRetriever) -> None:
    found = retriever.find("바다", 5)
    assert (found.hits, found.passages) == ((), ())


def test_at_most_k(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {name: (at(cosine), name) for name, cosine in [("하늘", 0.9), ("바다", 0.8), ("산", 0.7)]})
    assert [len(retriever.search("하늘", k)) for k in (1, 2, 3, 4)] == [1, 2, 3, 3]


def test_more_than_an_arm_gives_as_a_rule(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {f"글 {n}": (at(0.99 - n / 1000), f"낱말{n}") for n in range(150)})
    hits = retriever.search("우주", 120)
    assert [hit.passage.text for hit in hits] == [f"글 {n}" for n in range(120)]


# Near-equal passages


@pytest.mark.parametrize(
    ("second", "shown"),
    [
        ("a b c d e f g x y", 1),  # 7 shared of 10 in all: .7 and no more than once
        ("a b c d e f x", 2),  # 6 of 9
    ],
)
def test_near_equal_passages_appear_once(store: Store, retriever: HybridRetriever, second: str, shown: int) -> None:
    fill(store, {"첫째": (at(0.9), "a b c d e f g h"), "둘째": (at(0.8), second)})
    hits = retriever.search("우주", 10)
    assert [hit.passage.text for hit in hits] == ["첫째", "둘째"][:shown]


def test_passages_without_words_appear_once_when_equal(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"★★★": (at(0.9), ""), "☆☆☆": (at(0.8), "")})
    assert len(retriever.search("별", 10)) == 2


def test_a_notice_on_every_page_does_not_crowd_out_the_rest(store: Store, retriever: HybridRetriever) -> None:
    notices = {f"공지 {n}": (at(0.99 - n / 1000), "공지 사항") for n in range(30)}
    fill(store, {**notices, "하늘": (at(0.5), "하늘")})
    assert [hit.passage.text for hit in retriever.search("우주", 2)] == ["공지 0", "하늘"]


# FAISS


def test_faiss_is_what_searches(store: Store, retriever: HybridRetriever, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, {"하늘": (at(1.0), "하늘"), "바다": (at(0.6), "바다"), "산": (at(0.0), "산")})
    search: Any = faiss.IndexFlatIP.search
    calls: list[list[float]] = []

    def recording(index: object, vectors: Vectors, k: int) -> object:
        calls.append(vectors[0].tolist())
        return search(index, vectors, k)

    monkeypatch.setattr(faiss.IndexFlatIP, "search", recording)
    retriever.search("우주", 1)
    assert calls == [[1, 0]]
    # And what it says is believed: were it to find one passage only, so would we.
    only = np.array([[0.6]], np.float32), np.array([[1]], np.int64)  # its second row
    monkeypatch.setattr(faiss.IndexFlatIP, "search", lambda *_: only)
    assert [hit.passage.text for hit in retriever.search("우주", 10)] == ["바다"]


def test_search_fails_when_faiss_does(
    store: Store, retriever: HybridRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, {"하늘": (at(1.0), "하늘")})

    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(faiss.IndexFlatIP, "search", broken)
    with pytest.raises(RuntimeError, match="out of order"):
        retriever.search("하늘", 1)


def test_a_passage_is_found_by_its_documents_title(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.5), "하늘"), "바다": (at(0.5), "바다")})
    text = "셋째 글"
    indexed = IndexedPassage(
        Passage("셋", 0, len(text), text),
        (Sentence(0, len(text), ("글",)),),
        np.array(at(0.5), np.float32),
        np.array([at(0.5)], np.float16),
        heading=("우주",),
    )
    document = Document("셋", "우주", text, hashlib.sha256(text.encode()).hexdigest(), "c", "셋")
    store.write([NewDocument(document, text.encode(), [indexed])], model=("compass", 2))
    # Lengths 1, 1 and 2, 4/3 on average; the word stands once, in a passage of two.
    once = 1 / (1 + 0.9 * (0.6 + 0.4 * 2 / (4 / 3)))
    assert scores(retriever, "우주")[text] == pytest.approx(0.5 + 0.12 * once, abs=1e-6)


def test_each_arm_alone_and_fused(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.85), "바다"), "산": (at(0.0), "산")})
    arms = retriever.arms("바다", 2)
    assert {arm: [passage.text for passage in found] for arm, found in arms.items()} == {
        "dense": ["하늘", "바다"],
        "bm25": ["바다"],
        "hybrid": ["바다", "하늘"],
    }


def test_what_a_follow_up_leans_on_counts_half(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"강물": ((0, 1), "강물"), "바다": ((0, 1), "바다")})  # neither is near to the question
    found = retriever.find("강물은?", 2, context="바다는?")
    # n = 2, df = 1 each, lengths all average: idf = ln(1 + 1.5 / 1.5) = ln 2, BM25 = ln 2 * 1 / (1 + .9)
    assert found.weights == pytest.approx({"강물": math.log(2), "바다": math.log(2) / 2})
    most = math.log(2) * 1.5
    scores = {hit.passage.text: hit.score for hit in found.hits}
    assert scores == pytest.approx(
        {"강물": 0.12 * math.log(2) / 1.9 / most, "바다": 0.12 * math.log(2) / 1.9 / 2 / most}
    )


def test_a_word_of_the_question_and_of_what_it_leans_on_is_the_questions(
    store: Store, retriever: HybridRetriever
) -> None:
    fill(store, {"강물": ((0, 1), "강물"), "바다": ((0, 1), "바다")})
    assert retriever.find("강물은?", 2, context="강물이?").weights == pytest.approx({"강물": math.log(2)})


# Some documents only


def test_only_documents_within_are_searched_and_none_without(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.8), "바다"), "산": (at(0.1), "산")})

    def found(within: Sequence[str] | None = None, without: Sequence[str] = ()) -> list[str]:
        return [hit.passage.text for hit in retriever.find("달", 10, within=within, without=without).hits]

    assert found() == ["하늘", "바다", "산"]
    assert found(without=["하늘", "없는 문서"]) == ["바다", "산"]
    assert found(within=["산", "바다"]) == ["바다", "산"]
    assert found(within=["산", "바다"], without=["바다"]) == ["산"]
    assert found(within=[]) == []


def test_a_document_far_down_is_found_within(store: Store, retriever: HybridRetriever) -> None:
    # Sixty nearer ones: more than an arm's candidates.
    near = {f"가까운 {n}": (at(0.99 - n / 1000), f"말{n}") for n in range(60)}
    fill(store, near | {"먼": (at(-0.5), "먼")})
    assert [hit.passage.text for hit in retriever.find("달", 3, within=["먼"]).hits] == ["먼"]
    left_out = [f"가까운 {n}" for n in range(58)]
    assert [hit.passage.text for hit in retriever.find("달", 2, without=left_out).hits] == ["가까운 58", "가까운 59"]


def test_how_many_were_searched_is_those_that_could_be_found(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.8), "바다"), "산": (at(0.1), "산")})
    assert retriever.find("달", 1).searched == 3
    assert retriever.find("달", 1, without=["하늘"]).searched == 2
    assert retriever.find("달", 1, within=["하늘"]).searched == 1
