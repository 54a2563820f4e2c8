"""One suite for every Embedder: shapes, order and which text is nearer, not only lengths."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rag.fakes import WordEmbedder
from rag.interfaces import Embedder

QUESTION = "고양이 사료 가격"
NEAR_TO_FAR = ["고양이 사료 가격 안내", "고양이 사진 모음", "비행기 표 예매"]  # 3 shared words, 1, none


@pytest.fixture(params=["words", pytest.param("sentences", marks=pytest.mark.model)])
def subject(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = WordEmbedder() if request.param == "words" else request.getfixturevalue("embedder")
    return made


def test_questions_are_unit_rows(subject: Embedder) -> None:
    rows = subject.embed_queries(NEAR_TO_FAR)
    assert rows.shape == (3, subject.dimension) and rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_passages_are_unit_rows_with_one_row_a_span(subject: Embedder) -> None:
    spans = [[(0, 3), (4, 6)], [], [(0, 8)]]
    embedded = subject.embed_passages(NEAR_TO_FAR, spans)
    assert [vector.shape for vector, _ in embedded] == [(subject.dimension,)] * 3
    assert [inside.shape for _, inside in embedded] == [(n, subject.dimension) for n in (2, 0, 1)]
    for vector, inside in embedded:
        assert vector.dtype == np.float32 and inside.dtype == np.float16
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(inside.astype(np.float32), axis=1) == pytest.approx([1] * len(inside), abs=2e-3)


def test_nothing_gives_nothing(subject: Embedder) -> None:
    assert subject.embed_queries([]).shape == (0, subject.dimension)
    assert subject.embed_passages([], []) == []


def test_nearer_in_meaning_is_nearer(subject: Embedder) -> None:
    (question,) = subject.embed_queries([QUESTION])
    for order in ([0, 1, 2], [2, 0, 1]):
        texts = [NEAR_TO_FAR[i] for i in order]
        scores = [float(vector @ question) for vector, _ in subject.embed_passages(texts, [[]] * 3)]
        ranked = [text for _, text in sorted(zip(scores, texts, strict=True), reverse=True)]
        assert ranked == NEAR_TO_FAR
        assert all(-1.0001 <= score <= 1.0001 for score in scores)


def test_each_text_gets_the_vector_it_gets_alone(subject: Embedder) -> None:
    texts = ["긴 문장은 " * 40, "짧다", "고양이 사료", "짧다", ""]  # lengths that a batch would sort
    together = subject.embed_queries(texts)
    for row, text in zip(together, texts, strict=True):
        assert row == pytest.approx(subject.embed_queries([text])[0], abs=1e-5)
    spans = [[(0, 2)]] * 4
    for (vector, inside), text in zip(subject.embed_passages(texts[:4], spans), texts[:4], strict=True):
        ((alone, inside_alone),) = subject.embed_passages([text], spans[:1])
        assert vector == pytest.approx(alone, abs=1e-5)
        assert inside == pytest.approx(inside_alone, abs=2e-3)


def test_spans_come_in_the_order_given(subject: Embedder) -> None:
    text = "고양이 사료 비행기 예매"
    forward, backward = [(0, 6), (7, 13)], [(7, 13), (0, 6)]
    ((_, first),) = subject.embed_passages([text], [forward])
    ((_, second),) = subject.embed_passages([text], [backward])
    assert np.array_equal(first, second[::-1])
    assert not np.array_equal(first[0], first[1])


def test_threads_get_what_one_alone_gets(subject: Embedder) -> None:
    expected = subject.embed_queries(NEAR_TO_FAR)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(subject.embed_queries(NEAR_TO_FAR))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert all(rows == pytest.approx(expected, abs=1e-6) for rows in found)
