"""Passages and their sentences, embedded together, each with its own vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from rag.fakes import WordEmbedder
from rag.indexing import AHEAD, BATCH, index_documents
from rag.interfaces import Vectors
from rag.morphology import Morphology
from rag.pace import Pace
from rag.types import Document, Progress


class Recorder(WordEmbedder):
    """Notes what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[str]] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(list(texts))
        return super().embed_passages(texts)


def document(id: str, text: str) -> Document:
    return Document(id, id, text, "sha", "c", id)


TWO, ONE, THREE = (
    "하늘은 파랗다. 바다는 깊다.",
    "산은 높다.",
    "강은 길다. 들은 넓다. 별은 멀다.",
)


def test_passages_and_sentences_are_embedded_in_one_call(morphology: Morphology) -> None:
    embedder = Recorder()
    list(index_documents([document(t, t) for t in (TWO, ONE, THREE)], morphology, embedder, chunk_size=300))
    (texts,) = embedder.calls
    assert sorted(texts) == sorted(
        [TWO, ONE, THREE, "하늘은 파랗다.", "바다는 깊다.", "강은 길다.", "들은 넓다.", "별은 멀다."]
    )  # and ONE, a sentence that is its whole passage, once


def test_every_row_is_of_its_own_text(morphology: Morphology) -> None:
    embedder = WordEmbedder()
    documents = [document(text, text) for text in (ONE, TWO, ONE + " ", THREE)]
    for given, (back, passages) in zip(
        documents, index_documents(documents, morphology, embedder, chunk_size=300), strict=True
    ):
        (indexed,) = passages
        assert (back, indexed.passage.document) == (given, given.id)
        texts = [given.text[s.start : s.end] for s in indexed.sentences]
        assert " ".join(texts) == given.text.strip() == indexed.passage.text
        assert np.array_equal(indexed.vector, embedder.embed_queries([indexed.passage.text])[0])
        assert indexed.sentence_vectors.dtype == np.float16
        assert np.array_equal(indexed.sentence_vectors, embedder.embed_queries(texts).astype(np.float16))


def test_documents_of_many_passages_and_of_one_share_batches(morphology: Morphology) -> None:
    embedder, told = Recorder(), list[Progress]()
    pace = Pace(told.append)
    long = "\n\n".join(f"{n}번째 하늘은 파랗다. {n}번째 바다는 깊다." for n in range(BATCH))
    documents = [document("first", ONE), document("long", long), document("last", THREE)]
    indexed = {
        given.id: passages
        for given, passages in index_documents(documents, morphology, embedder, chunk_size=30, pace=pace)
    }
    assert {id: len(passages) for id, passages in indexed.items()} == {"first": 1, "long": BATCH, "last": 1}
    assert [progress.stage for progress in told] == ["embed"] * 3  # it begins, and two batches
    characters = [sum(len(p.passage.text) for p in some) for some in indexed.values()]
    rest = len(indexed["long"][-1].passage.text)
    assert [progress.done for progress in told] == [0, sum(characters[:2]) - rest, sum(characters)]
    # One text for "first", three for each of the long one's passages: all but one in the first batch.
    assert [len(call) for call in embedder.calls] == [1 + (BATCH - 1) * 3, 3 + 4]
    for n, passage in enumerate(indexed["long"]):
        texts = [f"{n}번째 하늘은 파랗다.", f"{n}번째 바다는 깊다."]
        assert passage.passage.text == " ".join(texts)
        assert np.array_equal(passage.vector, embedder.embed_queries([passage.passage.text])[0])
        assert np.array_equal(passage.sentence_vectors, embedder.embed_queries(texts).astype(np.float16))


def test_documents_are_split_ahead_but_not_all_of_them(morphology: Morphology) -> None:
    asked: list[int] = []

    def documents() -> Iterator[Document]:
        for n in range(100):
            asked.append(n)
            yield document(str(n), f"{n}번째 하늘은 파랗다.")

    indexed = index_documents(documents(), morphology, WordEmbedder(), chunk_size=300)
    first = next(indexed)
    assert first[0].id == "0"
    assert BATCH < len(asked) <= BATCH + AHEAD + 2
    assert [given.id for given, _ in indexed] == [str(n) for n in range(1, 100)]


def test_what_fails_while_splitting_ahead_is_told(morphology: Morphology) -> None:
    def documents() -> Iterator[Document]:
        yield document("good", ONE)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(index_documents(documents(), morphology, WordEmbedder(), chunk_size=300))


def test_every_passage_carries_its_documents_title(morphology: Morphology) -> None:
    titled = Document("1", "바다의 하늘, 하늘의 바다", f"{THREE}\n\n{TWO}", "sha", "c", "1")
    ((_, passages),) = index_documents([titled], morphology, WordEmbedder(), chunk_size=20)
    assert len(passages) > 1
    assert {passage.heading for passage in passages} == {("바다", "하늘")}
    assert all("바다" not in passage.morphemes for passage in passages[:1])  # the body's own stay apart


def test_without_sentence_vectors_a_passage_stands_for_its_sentences(morphology: Morphology) -> None:
    embedder = Recorder()
    documents = [document(t, t) for t in (TWO, ONE)]
    found = index_documents(documents, morphology, embedder, chunk_size=300, sentence_vectors=False)
    passages = [passage for _, some in found for passage in some]
    assert embedder.calls == [[TWO, ONE]]
    assert [passage.sentence_vectors.shape[0] for passage in passages] == [2, 1]
    for passage in passages:
        assert (passage.sentence_vectors == passage.vector.astype(np.float16)).all()
