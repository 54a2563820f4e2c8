"""BM25 worked out by hand.

Lucene's variant as bm25s has it, with k1 = .9 and b = .4::

    idf(word)   = ln(1 + (n - df + .5) / (df + .5))
    part(word)  = tf / (tf + k1 * (1 - b + b * length / average length))
    score       = sum of idf * part over the question's words

The factor k1 + 1 of other variants is not there; it changes no order.

Three passages, of 3, 1 and 2 morphemes; 2 on average::

    10: 배 강 배    k1 * (.6 + .4 * 3/2) = 1.08
    20: 강          k1 * (.6 + .4 * 1/2) = 0.72
    30: 달 해       k1 * (.6 + .4 * 2/2) = 0.9
"""

from __future__ import annotations

import json
from math import log
from pathlib import Path

import numpy as np
import pytest

from rag.lexical import LexicalIndex

KEYS = np.array([10, 20, 30], np.int64)
PASSAGES = [["배", "강", "배"], ["강"], ["달", "해"]]
IDF_ONE = log(1 + 2.5 / 1.5)  # of three passages one holds the word
IDF_TWO = log(1 + 1.5 / 2.5)  # two hold it


@pytest.fixture
def index() -> LexicalIndex:
    return LexicalIndex.build(KEYS, PASSAGES)


def found(index: LexicalIndex, morphemes: list[str], k: int = 10) -> list[tuple[int, float]]:
    keys, scores = index.search(morphemes, k)
    assert keys.dtype == np.int64 and scores.dtype == np.float32
    return list(zip(keys.tolist(), scores.tolist(), strict=True))


def close(expected: list[tuple[int, float]]) -> list[tuple[int, object]]:
    return [(key, pytest.approx(score, rel=1e-5)) for key, score in expected]


def test_one_word_twice_in_one_passage(index: LexicalIndex) -> None:
    assert found(index, ["배"]) == close([(10, IDF_ONE * 2 / (2 + 1.08))])


def test_the_shorter_of_two_passages_comes_first(index: LexicalIndex) -> None:
    assert found(index, ["강"]) == close([(20, IDF_TWO / (1 + 0.72)), (10, IDF_TWO / (1 + 1.08))])


def test_words_add_up(index: LexicalIndex) -> None:
    both = IDF_ONE * 2 / 3.08 + IDF_TWO / 2.08
    assert found(index, ["배", "강"]) == close([(10, both), (20, IDF_TWO / 1.72)])
    assert found(index, ["배", "강"], k=1) == close([(10, both)])


def test_weights_are_inverse_document_frequencies(index: LexicalIndex) -> None:
    assert index.weights(["배", "강", "배", "별"]) == pytest.approx(
        {"배": IDF_ONE, "강": IDF_TWO, "별": log(1 + 3.5 / 0.5)}
    )


def test_a_word_in_every_passage_never_counts_against_one() -> None:
    index = LexicalIndex.build(np.array([1, 2]), [["배"], ["배", "강"]])
    assert index.weights(["배"]) == pytest.approx({"배": log(1 + 0.5 / 2.5)})
    assert all(score > 0 for _, score in found(index, ["배"]))


def test_unknown_words_are_passed_over(index: LexicalIndex) -> None:
    assert found(index, ["별"]) == found(index, []) == found(index, [""]) == []
    assert found(index, ["별", "배"]) == found(index, ["배"])
    assert index.weights([""]) == pytest.approx({"": log(1 + 3.5 / 0.5)})


def test_scores_of_given_passages_in_their_order(index: LexicalIndex) -> None:
    scores = index.scores(["강"], np.array([30, 10, 20]))
    assert scores == pytest.approx([0, IDF_TWO / 2.08, IDF_TWO / 1.72], rel=1e-5)
    assert index.scores(["별"], KEYS).tolist() == [0, 0, 0]


def test_equal_scores_come_in_the_order_of_keys() -> None:
    keys = np.arange(1, 201)
    index = LexicalIndex.build(keys, [["강", "배"]] * 200)
    assert [key for key, _ in found(index, ["배"], k=200)] == keys.tolist()
    assert [key for key, _ in found(index, ["배"], k=3)] == [1, 2, 3]


@pytest.mark.parametrize("passages", [[], [[]], [[], []]])
def test_passages_without_words(passages: list[list[str]], tmp_path: Path) -> None:
    index = LexicalIndex.build(np.arange(len(passages)), passages)
    index.save(tmp_path)
    for one in (index, LexicalIndex.load(tmp_path)):
        assert len(one) == len(passages)
        assert found(one, ["배"]) == []
        assert one.weights(["배"]) == pytest.approx({"배": log(1 + (len(passages) + 0.5) / 0.5)})


def test_a_passage_without_words_among_others() -> None:
    index = LexicalIndex.build(KEYS, [["배"], [], ["배", "강"]])  # one on average
    expected = log(1 + 1.5 / 2.5)
    assert found(index, ["배"]) == close([(10, expected / (1 + 0.9)), (30, expected / (1 + 0.9 * (0.6 + 0.4 * 2)))])


def test_what_is_saved_is_what_is_loaded(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    loaded = LexicalIndex.load(tmp_path)
    assert loaded.keys().tolist() == [10, 20, 30]
    for question in (["배"], ["강", "배"], ["달"], ["별"]):
        assert found(loaded, question) == found(index, question)
    assert loaded.weights(["배", "별"]) == index.weights(["배", "별"])


def test_saved_files_are_arrays_and_json_without_pickles(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert {file.suffix for file in files} == {".npy", ".json"}
    for file in files:
        if file.suffix == ".npy":
            assert np.load(file, allow_pickle=False).dtype != np.object_
        else:
            json.loads(file.read_text("utf-8"))


def test_a_folder_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"keys\.npy"):
        LexicalIndex.load(tmp_path)
