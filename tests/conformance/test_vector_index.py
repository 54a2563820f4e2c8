"""One suite for every VectorIndex: order and scores, not only lengths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rag.dense import FaissIndex
from rag.fakes import ExactIndex
from rag.interfaces import Keys, VectorIndex, Vectors

Factory = Callable[[int], VectorIndex]


@pytest.fixture(params=[FaissIndex, ExactIndex])
def make(request: pytest.FixtureRequest) -> Factory:
    factory: Factory = request.param
    return factory


def keys_of(*keys: int) -> Keys:
    return np.array(keys, np.int64)


def rows(*values: tuple[float, float]) -> Vectors:
    return np.array(values, np.float32).reshape(-1, 2)


RIGHT = np.array([1, 0], np.float32)


def found(index: VectorIndex, k: int, vector: Vectors = RIGHT) -> list[tuple[int, object]]:
    keys, scores = index.search(vector, k)
    assert keys.dtype == np.int64 and scores.dtype == np.float32
    return [(key, pytest.approx(score)) for key, score in zip(keys.tolist(), scores.tolist(), strict=True)]


def test_best_first_with_inner_products(make: Factory) -> None:
    index = make(2)
    index.add(keys_of(2, 4, 9), rows((0.6, 0.8), (0, 1), (-1, 0)))
    assert len(index) == 3
    assert found(index, 3) == [(2, 0.6), (4, 0.0), (9, -1.0)]
    assert found(index, 2) == [(2, 0.6), (4, 0.0)]
    assert found(index, 3, np.array([0, 1], np.float32)) == [(4, 1.0), (2, 0.8), (9, 0.0)]


def test_equal_scores_come_in_the_order_of_keys(make: Factory) -> None:
    index = make(2)
    index.add(keys_of(1, 3, 5, 8), rows((1, 0), (1, 0), (0, 1), (1, 0)))
    assert found(index, 4) == [(1, 1.0), (3, 1.0), (8, 1.0), (5, 0.0)]


def test_of_equals_at_the_end_the_lowest_keys_stay(make: Factory) -> None:
    index = make(2)
    index.add(keys_of(1, 3, 5, 8), rows((1, 0), (1, 0), (1, 0), (1, 0)))
    assert found(index, 1) == [(1, 1.0)]
    assert found(index, 2) == [(1, 1.0), (3, 1.0)]


def test_any_k_gives_the_beginning_of_the_whole_order(make: Factory) -> None:
    random = np.random.default_rng(7)
    vectors = random.integers(-1, 2, (150, 3)).astype(np.float32)  # small integers: exact, and full of ties
    index = make(3)
    index.add(np.arange(150), vectors)
    for query in random.integers(-1, 2, (5, 3)).astype(np.float32):
        products = (vectors @ query).tolist()
        expected = sorted(range(150), key=lambda key: (-products[key], key))
        for k in (1, 2, 20, 149, 150):
            keys, scores = index.search(query, k)
            assert keys.tolist() == expected[:k]
            assert scores.tolist() == [products[key] for key in expected[:k]]


def test_no_more_are_found_than_there_are(make: Factory) -> None:
    index = make(2)
    assert found(index, 5) == []
    index.add(keys_of(1), rows((1, 0)))
    assert found(index, 5) == [(1, 1.0)]
    assert found(index, 0) == []


def test_removed_keys_are_not_found_and_others_can_be_added(make: Factory) -> None:
    index = make(2)
    index.add(keys_of(1, 2, 3), rows((1, 0), (0.6, 0.8), (0, 1)))
    index.remove(keys_of(1, 3))
    assert (len(index), found(index, 3)) == (1, [(2, 0.6)])
    index.add(keys_of(4), rows((0, -1)))
    assert found(index, 3) == [(2, 0.6), (4, 0.0)]


def test_unknown_keys_are_passed_over(make: Factory) -> None:
    index = make(2)
    index.add(keys_of(1), rows((1, 0)))
    index.remove(keys_of(2, 1, 7))
    index.remove(keys_of())
    assert (len(index), found(index, 1)) == (0, [])


def test_nothing_added_changes_nothing(make: Factory) -> None:
    index = make(2)
    index.add(keys_of(), rows())
    assert len(index) == 0


def test_negative_and_large_keys(make: Factory) -> None:
    index = make(2)
    index.add(keys_of(-1, 2**62), rows((1, 0), (1, 0)))
    assert found(index, 2) == [(-1, 1.0), (2**62, 1.0)]


def test_later_changes_to_the_given_array_do_not_matter(make: Factory) -> None:
    index, vectors = make(2), rows((1, 0))
    index.add(keys_of(1), vectors)
    vectors[:] = 0
    assert found(index, 1) == [(1, 1.0)]
