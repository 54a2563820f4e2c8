"""One suite for every Embedder: shapes, order and which text is nearer, not only lengths."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from rag.fakes import WordEmbedder
from rag.interfaces import Embedder, Vectors

Embed = Callable[[Sequence[str]], Vectors]
QUESTION = "고양이 사료 가격"
NEAR_TO_FAR = ["고양이 사료 가격 안내", "고양이 사진 모음", "비행기 표 예매"]  # 3 shared words, 1, none


@pytest.fixture(params=["words", pytest.param("sentences", marks=pytest.mark.model)])
def subject(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = WordEmbedder() if request.param == "words" else request.getfixturevalue("embedder")
    return made


@pytest.fixture(params=["embed_queries", "embed_passages"])
def embed(subject: Embedder, request: pytest.FixtureRequest) -> Embed:
    method: Embed = getattr(subject, request.param)
    return method


def test_texts_are_unit_rows(subject: Embedder, embed: Embed) -> None:
    rows = embed(NEAR_TO_FAR)
    assert rows.shape == (3, subject.dimension) and rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_nothing_gives_nothing(subject: Embedder, embed: Embed) -> None:
    assert embed([]).shape == (0, subject.dimension) and embed([]).dtype == np.float32


def test_nearer_in_meaning_is_nearer(subject: Embedder) -> None:
    (question,) = subject.embed_queries([QUESTION])
    for order in ([0, 1, 2], [2, 0, 1]):
        texts = [NEAR_TO_FAR[i] for i in order]
        scores = (subject.embed_passages(texts) @ question).tolist()
        ranked = [text for _, text in sorted(zip(scores, texts, strict=True), reverse=True)]
        assert ranked == NEAR_TO_FAR
        assert all(-1.0001 <= score <= 1.0001 for score in scores)


def test_each_text_gets_the_vector_it_gets_alone(embed: Embed) -> None:
    texts = ["긴 문장은 " * 40, "짧다", "고양이 사료", "짧다", ""]  # lengths that a batch would sort
    together = embed(texts)
    for row, text in zip(together, texts, strict=True):
        assert row == pytest.approx(embed([text])[0], abs=1e-5)
    assert together[1] == pytest.approx(together[3], abs=1e-5)
    assert len({row.round(3).tobytes() for row in together}) == 4  # and the others differ


def test_threads_get_what_one_alone_gets(embed: Embed) -> None:
    expected = embed(NEAR_TO_FAR)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(embed(NEAR_TO_FAR))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert all(rows == pytest.approx(expected, abs=1e-6) for rows in found)
