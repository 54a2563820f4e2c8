"""The reader's heads by hand: states of two numbers, weights of ones and zeros."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rag.reader import _best, _Heads

OFFSETS = np.array([[0, 2], [3, 5], [6, 8]])
ANYWHERE = np.zeros(0, np.int64)


def heads(**changed: object) -> _Heads:
    """Start is the first number of a state, end the second; nothing ties them; relevance is a sum, whole is 0."""
    tensors: dict[str, object] = {
        "ends.w": np.eye(2), "ends.b": np.zeros(2),
        "first.w": np.zeros((1, 2)), "first.b": np.zeros(1), "last.w": np.zeros((1, 2)), "last.b": np.zeros(1),
        "inner.w": np.ones((1, 6)), "inner.b": np.zeros(1), "outer.w": np.array([[1.0], [0.0]]), "outer.b": np.zeros(2),
    }  # fmt: skip
    tensors |= changed
    return _Heads(tensors, 2)  # type: ignore[arg-type]


def states(*rows: tuple[float, float]) -> np.ndarray:
    """``<s>``, one token of the question, then the passage."""
    return np.array([(0, 0), (9, 9), *rows], np.float32)


def test_spans_are_a_softmax_over_start_and_end() -> None:
    reading = heads().read(states((math.log(2), 0), (0, 0), (0, math.log(3))), 2, OFFSETS, ANYWHERE)
    # Six spans: starts weigh 2, 1, 1 and ends 1, 1, 3. (0,0) 2, (0,1) 2, (0,2) 6, (1,1) 1, (1,2) 3, (2,2) 3: 17 in all.
    best = reading.spans[0]
    assert (best.start, best.end) == (0, 8) and best.probability == pytest.approx(6 / 17)
    assert reading.begins == pytest.approx([10 / 17, 4 / 17, 3 / 17])
    assert reading.share(3, 8) == pytest.approx(7 / 17)


def test_both_ends_are_chosen_together() -> None:
    # Alone, ends and starts are all alike; tied, the first token goes with the second. 1 * log 8 for that pair, 0 for others.
    tied = heads(**{"ends.w": np.zeros((2, 2)), "first.w": np.array([[1.0, 0.0]]), "last.w": np.array([[0.0, 1.0]])})
    reading = tied.read(states((math.log(8), 0), (0, 1), (0, 0)), 2, OFFSETS, ANYWHERE)
    best = reading.spans[0]
    assert (best.start, best.end) == (0, 5) and best.probability == pytest.approx(8 / 13)


def test_relevance_is_of_the_beginning_and_of_where_the_answer_stands() -> None:
    # Starts at the first token for certain, ends at the last: (100, 0) and (0, 100) are what is added to <s>.
    reading = heads().read(states((100, 0), (0, 0), (0, 100)), 2, OFFSETS, ANYWHERE)
    assert reading.relevance == pytest.approx(200, rel=1e-5)
    assert reading.wordless == 0


def test_an_answer_has_thirty_tokens_at_most() -> None:
    offsets = np.array([[at, at + 1] for at in range(40)])
    rows = [(100.0, 0.0), *[(0.0, 0.0)] * 38, (0.0, 100.0)]
    (best, *_) = heads().read(states(*rows), 2, offsets, ANYWHERE).spans
    assert best.end - best.start <= 30


def test_an_answer_does_not_go_over_the_end_of_a_sentence() -> None:
    rows = states((math.log(4), 0), (0, 0), (0, math.log(2)))
    assert heads().read(rows, 2, OFFSETS, ANYWHERE).spans[0].end == 8  # 4 * 2 for all three
    reading = heads().read(rows, 2, OFFSETS, np.array([3]))
    # The second token begins a sentence: (0,0) 4, (1,1) 1, (1,2) 2, (2,2) 2 are left, 9 in all.
    assert (reading.spans[0].start, reading.spans[0].end) == (0, 2)
    assert reading.spans[0].probability == pytest.approx(4 / 9)
    assert reading.begins == pytest.approx([4 / 9, 3 / 9, 2 / 9])


def test_the_best_spans_do_not_overlap() -> None:
    spans = np.zeros((3, 3), np.float32)
    spans[0, 1], spans[1, 1], spans[0, 0], spans[2, 2] = 0.5, 0.3, 0.1, 0.1
    assert [(s.start, s.end) for s in _best(spans, OFFSETS)] == [(0, 5), (6, 8)]


def test_the_relevance_goes_through_the_exact_gelu() -> None:
    for value in (-3.0, -0.5, 0.0, 0.7, 4.0):
        reading = heads(**{"inner.w": np.array([[1.0, 0, 0, 0, 0, 0]])}).read(
            np.array([(value, 0), (9, 9), (0, 0)], np.float32), 2, OFFSETS[:1], ANYWHERE
        )
        assert reading.relevance == pytest.approx(value * 0.5 * (1 + math.erf(value / math.sqrt(2))), abs=1e-5)
