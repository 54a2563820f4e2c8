"""What the benchmarks work out, by hand: a ratio turned upside down would make everything look well."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.embedding import Sample, compare, hit1, operations
from benchmarks.scale import mixed_document
from rag.types import IndexedPassage, Passage, Sentence


def test_operations_of_a_tiny_encoder() -> None:
    # One layer, hidden 2, wide 3: matrices 4*2*2 + 2*2*3 = 28 products a token, attention 2*5*2 = 20 for each of 5 tokens.
    assert operations(5, hidden=2, wide=3, layers=1) == 2 * 5 * (28 + 20)
    assert operations(5, hidden=2, wide=3, layers=12) == 12 * operations(5, hidden=2, wide=3, layers=1)


def test_hit1_counts_questions_whose_nearest_passage_is_right() -> None:
    passages = np.eye(3, dtype=np.float32)
    questions = np.array([[0.9, 0.1, 0], [0, 0.8, 0.2], [0.6, 0, 0.4]], np.float32)
    assert hit1(questions, passages, [[0], [2], [0, 2]]) == pytest.approx(2 / 3)


def test_ratios_say_how_much_better_we_are() -> None:
    plain = {
        "passages_s": 6.0, "question_s": 0.020, "load_s": 5.0, "rss_mb": 1000.0, "peak_mb": 1.0,
        "tokens": 12_000.0, "operations": 6e9, "limit_per_s": 12e9,
    }  # fmt: skip
    ours = {"passages_s": 2.0, "question_s": 0.005, "load_s": 1.0, "rss_mb": 300.0, "peak_mb": 1.0}
    exact = {"passages": np.array([[1, 0], [0, 1]], np.float32), "questions": np.array([[1, 0], [0, 1]], np.float32)}
    turned = {"passages": np.array([[0.6, 0.8], [0, 1]], np.float32), "questions": exact["questions"]}
    sample = Sample(["가", "나"], ["가", "나"], [[0], [1]])
    found = compare(plain, ours, exact, turned, sample)
    assert (found["throughput_ratio"], found["latency_ratio"], found["memory_ratio"]) == (3.0, 0.25, 0.3)
    assert [found["cosine_mean"], found["cosine_min"]] == pytest.approx([0.8, 0.6])
    assert (found["tokens_per_s"], found["plain_tokens_per_s"]) == (6_000, 2_000)
    assert found["limit_share"] == pytest.approx(6e9 / 2 / 12e9)
    assert found["passage_hit1_loss"] == 0
    backwards = {**turned, "questions": turned["questions"][::-1]}
    assert compare(plain, ours, exact, backwards, sample)["passage_hit1_loss"] == 100


def made(number: int, *sentences: str) -> IndexedPassage:
    """A passage that begins at 100 in its document."""
    at, spans = 100, []
    for sentence in sentences:
        spans.append(Sentence(at, at + len(sentence), (f"{number}", sentence[:1])))
        at += len(sentence) + 1
    vector = np.zeros(384, np.float32)
    vector[number] = 1
    return IndexedPassage(
        Passage("d", 100, at - 1, " ".join(sentences)),
        tuple(spans),
        vector,
        np.tile(vector, (len(spans), 1)).astype(np.float16),
    )


def test_mixed_documents_are_as_the_store_wants_them() -> None:
    real = [made(0, "하늘은 파랗다.", "구름이 낀다."), made(1, "바다는 깊다.", "파도가 인다.", "배가 뜬다.")]
    document, original, passages = mixed_document(7, 20, real, np.random.default_rng(1))
    assert original.decode() == document.text and len(passages) == 20
    starts = [passage.passage.start for passage in passages]
    assert starts == sorted(set(starts))
    for passage in passages:
        assert document.text[passage.passage.start : passage.passage.end] == passage.passage.text
        assert (passage.sentences[0].start, passage.sentences[-1].end) == (passage.passage.start, passage.passage.end)
        for sentence in passage.sentences:
            assert document.text[sentence.start : sentence.end][:1] == sentence.morphemes[1]
        assert np.linalg.norm(passage.vector) == pytest.approx(1, abs=1e-5)
    near = np.stack([passage.vector for passage in passages])[:, :2]
    assert len(np.unique(near.round(3), axis=0)) > 10  # no two alike
