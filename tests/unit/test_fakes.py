"""The fakes can be computed by eye; here it is done once. Their behaviour at the seams is in tests/conformance."""

from __future__ import annotations

import numpy as np
import pytest

from rag.fakes import WordEmbedder


def test_inner_products_are_shared_words_over_lengths() -> None:
    ab, ac, aa = WordEmbedder().embed_queries(["a b", "a c", "a a"])
    assert float(ab @ ac) == pytest.approx(1 / 2)
    assert float(ab @ aa) == pytest.approx(2 / np.sqrt(2 * 4))
    assert float(aa @ aa) == pytest.approx(1)


def test_a_text_without_words_points_along_the_last_direction() -> None:
    assert WordEmbedder(3).embed_queries([" "]).tolist() == [[0, 0, 1]]


def test_passages_have_the_vectors_of_questions() -> None:
    embedder = WordEmbedder()
    ab, b = embedder.embed_passages(["a b", "b"])
    assert float(ab @ b) == pytest.approx(1 / np.sqrt(2))
    assert np.array_equal(np.stack([b, ab]), embedder.embed_queries(["b", "a b"]))
