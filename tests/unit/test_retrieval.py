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

from rag.interfaces import EmbeddedPassage, Spans, Vectors
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

    def embed_passages(self, texts: Sequence[str], spans: Sequence[Spans]) -> list[EmbeddedPassage]:
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


def test_fused_score_is_seven_tenths_meaning_and_three_tenths_words(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(1.0), "하늘"), "바다": (at(0.6), "바다"), "산": (at(0.0), "산")})
    hits = retriever.search("바다", 10)
    # Meaning, scaled: 1, .6, 0. Words, scaled: 0, 1, 0. So .7 * 1, .7 * .6 + .3 * 1, and 0.
    assert [(hit.passage.text, round(hit.score, 4)) for hit in hits] == [("바다", 0.72), ("하늘", 0.7), ("산", 0.0)]
    assert [dict(hit.ranks) for hit in hits] == [{"dense": 2, "lexical": 1}, {"dense": 1}, {"dense": 3}]


def test_scores_are_scaled_between_the_best_and_the_worst(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.9), "하늘"), "바다": (at(0.85), "바다"), "산": (at(0.8), "산")})
    assert [round(hit.score, 4) for hit in retriever.search("하늘", 10)] == [1.0, 0.35, 0.0]


def test_without_a_shared_word_meaning_speaks_alone(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"하늘": (at(0.0), "하늘"), "바다": (at(0.6), "바다"), "산": (at(1.0), "산")})
    assert [(h.passage.text, round(h.score, 4)) for h in retriever.search("우주", 10)] == [
        ("산", 1.0),
        ("바다", 0.6),
        ("하늘", 0.0),
    ]


def test_equals_come_in_the_order_they_were_added(store: Store, retriever: HybridRetriever) -> None:
    fill(store, {"다": (at(0.5), "산"), "나": (at(0.5), "바다"), "가": (at(0.5), "하늘")})
    assert [(hit.passage.text, hit.score) for hit in retriever.search("우주", 10)] == [("다", 1), ("나", 1), ("가", 1)]


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
    search: Any = faiss.IndexIDMap2.search
    calls: list[list[float]] = []

    def recording(index: object, vectors: Vectors, k: int) -> object:
        calls.append(vectors[0].tolist())
        return search(index, vectors, k)

    monkeypatch.setattr(faiss.IndexIDMap2, "search", recording)
    retriever.search("우주", 1)
    assert calls == [[1, 0]]
    # And what it says is believed: were it to find one passage only, so would we.
    only = np.array([[0.6]], np.float32), np.array([[2]], np.int64)
    monkeypatch.setattr(faiss.IndexIDMap2, "search", lambda *_: only)
    assert [hit.passage.text for hit in retriever.search("우주", 10)] == ["바다"]


def test_search_fails_when_faiss_does(
    store: Store, retriever: HybridRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, {"하늘": (at(1.0), "하늘")})

    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(faiss.IndexIDMap2, "search", broken)
    with pytest.raises(RuntimeError, match="out of order"):
        retriever.search("하늘", 1)
