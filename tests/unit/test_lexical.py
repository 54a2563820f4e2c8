"""BM25 worked out by hand, and against bm25s.

Lucene's variant, with k1 = .9 and b = .4::

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
import tempfile
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any
from unittest.mock import patch

import bm25s
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import lexical, postings, segments
from rag.interfaces import Keys, Scores
from rag.lexical import LexicalIndex

KEYS = np.array([10, 20, 30], np.int64)
PASSAGES = [["배", "강", "배"], ["강"], ["달", "해"]]
IDF_ONE = log(1 + 2.5 / 1.5)  # of three passages one holds the word
IDF_TWO = log(1 + 1.5 / 2.5)  # two hold it


def made(keys: Keys, passages: list[list[str]]) -> LexicalIndex:
    index = LexicalIndex()
    index.add(keys, passages)
    return index


@pytest.fixture
def index() -> LexicalIndex:
    return made(KEYS, PASSAGES)


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
    assert found(index, ["배", "강"], k=0) == []


def test_a_word_asked_twice_counts_once(index: LexicalIndex) -> None:
    assert found(index, ["배", "배"]) == found(index, ["배"])


def test_weights_are_inverse_document_frequencies(index: LexicalIndex) -> None:
    assert index.weights(["배", "강", "배", "별"]) == pytest.approx(
        {"배": IDF_ONE, "강": IDF_TWO, "별": log(1 + 3.5 / 0.5)}
    )


def test_a_word_in_every_passage_never_counts_against_one() -> None:
    index = made(np.array([1, 2]), [["배"], ["배", "강"]])
    assert index.weights(["배"]) == pytest.approx({"배": log(1 + 0.5 / 2.5)})
    assert all(score > 0 for _, score in found(index, ["배"]))


def test_unknown_words_are_passed_over(index: LexicalIndex) -> None:
    assert found(index, ["별"]) == found(index, []) == found(index, [""]) == []
    assert found(index, ["별", "배"]) == found(index, ["배"])
    assert index.weights([""]) == pytest.approx({"": log(1 + 3.5 / 0.5)})


def test_scores_of_given_passages_in_their_order(index: LexicalIndex) -> None:
    scores = index.scores(["강"], np.array([30, 10, 20, 10]))
    assert scores.dtype == np.float32
    assert scores == pytest.approx([0, IDF_TWO / 2.08, IDF_TWO / 1.72, IDF_TWO / 2.08], rel=1e-5)
    assert index.scores(["별"], KEYS).tolist() == [0, 0, 0]


def test_keys_that_are_not_held_score_nothing(index: LexicalIndex) -> None:
    assert index.scores(["강"], np.array([-1, 15, 20, 99])) == pytest.approx([0, 0, IDF_TWO / 1.72, 0], rel=1e-5)


def test_equal_scores_come_in_the_order_of_keys() -> None:
    keys = np.arange(1, 201)
    index = made(keys, [["강", "배"]] * 200)
    assert [key for key, _ in found(index, ["배"], k=200)] == keys.tolist()
    assert [key for key, _ in found(index, ["배"], k=3)] == [1, 2, 3]
    index.remove(np.array([2]))
    index.add(np.array([300]), [["배"]])
    assert [key for key, _ in found(index, ["배"], k=3)] == [300, 1, 3]


def test_keys_beyond_32_bits_and_words_beyond_8() -> None:
    key = 2**40 + 1
    index = made(np.array([key]), [["배"] * 300])
    assert found(index, ["배"]) == close([(key, log(1 + 0.5 / 1.5) * 300 / 300.9)])
    assert index.scores(["배"], np.array([1, key]))[0] == 0


@pytest.mark.parametrize("passages", [[], [[]], [[], []]])
def test_passages_without_words(passages: list[list[str]], tmp_path: Path) -> None:
    index = made(np.arange(len(passages)), passages)
    for one in (index, LexicalIndex.load(tmp_path, index.save(tmp_path))):
        assert len(one) == len(passages)
        assert one.keys().dtype == np.int64 and one.keys().tolist() == list(range(len(passages)))
        assert found(one, ["배"]) == []
        assert one.scores(["배"], np.array([0])).tolist() == [0]
        assert one.weights(["배"]) == pytest.approx({"배": log(1 + (len(passages) + 0.5) / 0.5)})


def test_a_passage_without_words_among_others() -> None:
    index = made(KEYS, [["배"], [], ["배", "강"]])  # one on average
    expected = log(1 + 1.5 / 2.5)
    assert found(index, ["배"]) == close([(10, expected / (1 + 0.9)), (30, expected / (1 + 0.9 * (0.6 + 0.4 * 2)))])


# Changes


def test_passages_that_come_later_count_as_the_others_do(index: LexicalIndex) -> None:
    index.add(np.array([40]), [["배", "별"]])  # two on average, as before; of four passages two hold 배
    idf = log(1 + 2.5 / 2.5)
    assert found(index, ["배"]) == close([(10, idf * 2 / 3.08), (40, idf / 1.9)])
    assert index.keys().tolist() == [10, 20, 30, 40]


def test_removed_passages_count_no_more(index: LexicalIndex) -> None:
    index.remove(np.array([10, 11]))  # 1.5 on average are left; of two passages one holds 강, none 배
    assert len(index) == 2 and index.keys().tolist() == [20, 30]
    assert found(index, ["배"]) == []
    assert found(index, ["강"]) == close([(20, log(1 + 1.5 / 1.5) / (1 + 0.9 * (0.6 + 0.4 * 1 / 1.5)))])
    assert index.scores(["배", "강"], np.array([10]))[0] == 0
    assert index.weights(["배"]) == pytest.approx({"배": log(1 + 2.5 / 0.5)})


def test_a_removed_passage_of_average_length_is_not_found() -> None:
    index = made(KEYS, [["배"]] * 3)
    assert [key for key, _ in found(index, ["배"])] == [10, 20, 30]
    index.remove(np.array([20]))
    assert [key for key, _ in found(index, ["배"])] == [10, 30]


def test_when_all_are_removed_nothing_is_left(index: LexicalIndex, tmp_path: Path) -> None:
    index.remove(KEYS)
    for one in (index, LexicalIndex.load(tmp_path, index.save(tmp_path))):
        assert len(one) == 0 and one.keys().tolist() == [] and found(one, ["강"]) == []
    index.add(KEYS + 100, PASSAGES)
    assert found(index, ["배"]) == close([(110, IDF_ONE * 2 / 3.08)])


@pytest.mark.parametrize("keys", [[30], [5], [40, 40], [50, 40]])
def test_keys_must_rise(index: LexicalIndex, keys: list[int]) -> None:
    with pytest.raises(ValueError, match="do not rise"):
        index.add(np.array(keys), [["별"]] * len(keys))
    assert found(index, ["별"]) == [] and len(index) == 3


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_a_passage_for_each_key(index: LexicalIndex, count: int) -> None:
    with patch.object(lexical, "BLOCK", 1), pytest.raises(ValueError, match="keys"):
        index.add(np.array([40, 50]), ([word] for word in ["별"] * count))
    assert found(index, ["별"]) == [] and len(index) == 3


def test_documents_that_come_alone_make_few_segments_and_leave_large_ones_alone() -> None:
    index = made(np.arange(1000), [["배"]] * 1000)
    large = index._segments[0]
    for key in range(1000, 1300):
        index.add(np.array([key]), [["강"]])
        assert len(index._segments) <= 6  # 1000, 250, 62, 15, 3, 1
    assert index._segments[0] is large
    index.add(np.arange(1300, 1400), [["강"]] * 100)  # a third of 1000 has come
    assert len(index._segments) == 1


def test_a_segment_of_which_a_third_is_dead_is_made_anew() -> None:
    index = made(np.arange(90), [["배", f"낱말{key}"] for key in range(90)])
    index.remove(np.arange(30))
    assert len(index._segments[0].postings.keys) == 90
    index.remove(np.array([30]))
    assert len(index._segments[0].postings.keys) == 59
    assert len(index._segments[0].postings.terms) == 1 + 59


# Against what is left, and bm25s


def by_bm25s(passages: list[list[str]], question: list[str]) -> Scores:
    """The scores of all passages."""
    known = [word for word in question if any(word in passage for passage in passages)]
    if not known:
        return np.zeros(len(passages), np.float32)
    oracle = bm25s.BM25(k1=0.9, b=0.4, method="lucene")
    oracle.index(passages, show_progress=False)
    return np.asarray(oracle.get_scores(known), np.float32)


def assert_finds(index: LexicalIndex, question: list[str], scores: Scores, k: int) -> None:
    """The ``k`` best of all its passages, which score so."""
    keys = index.keys()
    order = np.lexsort((keys, -scores))[: min(k, np.count_nonzero(scores))]
    assert found(index, question, k) == list(zip(keys[order].tolist(), scores[order].tolist(), strict=True))


WORDS = st.sampled_from(list("가나다라마바"))
CHANGES = st.lists(
    st.one_of(
        st.lists(st.lists(WORDS, max_size=6), max_size=12),  # passages that come
        st.sets(st.integers(0, 60)),  # keys that go
        st.just("save"),
    ),
    max_size=12,
)


@given(CHANGES, st.lists(WORDS, unique=True), st.integers(1, 5))
def test_any_changes_leave_an_index_of_what_is_left(
    changes: list[list[list[str]] | set[int] | str], question: list[str], k: int
) -> None:
    index, left, key = LexicalIndex(), dict[int, list[str]](), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(lexical, "BLOCK", 5),
        patch.object(postings, "CHUNK", 7),
        patch.object(segments, "SEEK", 1),  # as if there were many
    ):
        for change in changes:
            if isinstance(change, str):
                index = LexicalIndex.load(Path(folder), index.save(Path(folder)))
            elif isinstance(change, set):
                index.remove(np.array(sorted(change), np.int64))
                left = {key: passage for key, passage in left.items() if key not in change}
            else:
                index.add(np.arange(key, key + len(change)), change)
                left |= dict(enumerate(change, key))
                key += len(change)
        fresh = made(np.array(list(left), np.int64), list(left.values()))
        every = np.arange(-1, key + 1)
        assert index.keys().tolist() == fresh.keys().tolist() == list(left)
        assert index.weights(question) == fresh.weights(question)
        assert index.scores(question, every).tolist() == fresh.scores(question, every).tolist()
        assert found(index, question, k) == found(fresh, question, k)
        scores = index.scores(question, index.keys())
        assert_finds(index, question, scores, k)
        assert scores == pytest.approx(by_bm25s(list(left.values()), question), rel=1e-5)


def texts(count: int) -> Iterator[list[str]]:
    """Passages in which the first words are in most, and the last in hardly any."""
    rng = np.random.default_rng(7)
    for length in rng.integers(1, 60, count):
        yield [f"낱말{rank}" for rank in np.minimum(rng.zipf(1.3, length), 2000)]


@pytest.mark.parametrize("seek", [0, 1, 10**9])  # always look up what may be among the best; as shipped, about; never
def test_common_words_are_left_out_without_a_difference(seek: int) -> None:
    passages = list(texts(3000))
    index = made(np.arange(2500), passages[:2500])
    index.add(np.arange(2500, 3000), passages[2500:])
    assert len(index._segments) == 2
    for numbers in ([1, 2, 3], [1, 5, 40, 900], [2, 700], [1, 1999], [50, 300, 1, 2, 10]):
        question = [f"낱말{number}" for number in numbers]
        scores = index.scores(question, index.keys())
        assert scores == pytest.approx(by_bm25s(passages, question), rel=1e-5)
        with patch.object(segments, "SEEK", seek):
            for k in (1, 10, 50, 5000):
                assert_finds(index, question, scores, k)


def test_a_common_word_is_looked_up_only_for_what_a_rare_one_found() -> None:
    index = made(np.arange(1000), [["배", *(["강"] if key % 100 == 0 else [])] for key in range(1000)])
    with patch.object(segments, "_part", wraps=segments._part) as part:
        assert [key for key, _ in found(index, ["배", "강"], k=3)] == [0, 100, 200]
    assert [len(call.args[0]) for call in part.call_args_list] == [10, 10]


# Files


def sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in folder.iterdir()}


def test_what_is_saved_is_what_is_loaded(index: LexicalIndex, tmp_path: Path) -> None:
    index.remove(np.array([20]))
    names = index.save(tmp_path)
    loaded = LexicalIndex.load(tmp_path, names)
    for one in (index, loaded):  # the first now maps its files too
        assert one.keys().tolist() == [10, 30]
        assert found(one, ["배", "강"]) == found(made(KEYS[::2], PASSAGES[::2]), ["배", "강"])
        assert one.save(tmp_path) == names
    assert sorted(names) == sorted(sizes(tmp_path))


def test_saved_files_are_arrays_and_json_without_pickles(index: LexicalIndex, tmp_path: Path) -> None:
    for name in index.save(tmp_path):
        assert name.startswith("lexical-") and "/" not in name
        if name.endswith(".npy"):
            assert np.load(tmp_path / name, allow_pickle=False).dtype != np.object_
        else:
            json.loads((tmp_path / name).read_text("utf-8"))


def test_a_change_writes_little_and_touches_no_file(tmp_path: Path) -> None:
    index = made(np.arange(3000), list(texts(3000)))
    first = index.save(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in first}
    index.add(np.array([3000]), [["배", "강"]])
    index.remove(np.array([7]))
    second = index.save(tmp_path)
    new = set(sizes(tmp_path)) - set(first)
    assert new == set(second) - set(first)
    assert sum(sizes(tmp_path)[name] for name in new) < 2000
    assert set(first) - set(second) == {name for name in first if name.endswith(".json")}
    assert {name: (tmp_path / name).read_bytes() for name in first} == before
    assert len(LexicalIndex.load(tmp_path, first)) == 3000
    assert LexicalIndex.load(tmp_path, second).keys().tolist() == index.keys().tolist()


def test_removals_are_saved_each_time(tmp_path: Path) -> None:
    index = made(np.arange(9), [["배"]] * 9)
    for gone in (0, 4):
        index.save(tmp_path)
        index.remove(np.array([gone]))
    assert LexicalIndex.load(tmp_path, index.save(tmp_path)).keys().tolist() == [1, 2, 3, 5, 6, 7, 8]


def test_a_folder_is_written_what_it_lacks(index: LexicalIndex, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    index.remove(np.array([30]))
    names = index.save(here)
    copy = LexicalIndex.load(there, index.save(there))
    assert copy.keys().tolist() == [10, 20]
    for name in names:  # another process has written another index and cleared these away
        (here / name).unlink()
    assert LexicalIndex.load(here, index.save(here)).keys().tolist() == [10, 20]


def test_nothing_stays_of_a_segment_that_cannot_be_written(index: LexicalIndex, tmp_path: Path) -> None:
    def fail_at_counts(file: Any, values: npt.NDArray[Any], **_: object) -> None:
        file.write(b"half")
        if file.name.endswith("-counts.npy"):
            raise OSError("disk full")

    with patch.object(np, "save", fail_at_counts), pytest.raises(OSError, match="disk full"):
        index.save(tmp_path)
    assert sizes(tmp_path) == {}
    assert found(LexicalIndex.load(tmp_path, index.save(tmp_path)), ["강"]) == found(index, ["강"])


def damaged(names: tuple[str, ...], end: str) -> str:
    [name] = [name for name in names if name.endswith(end)]
    return name


PARTS = ["keys", "lengths", "terms", "starts", "rows", "counts", "dead"]
ARRAYS = [
    np.zeros(4, np.float32),  # of another type
    np.zeros((3, 1), np.int64),  # of two dimensions
    np.array([2, 9**9, 1, 1], np.int32),  # another count of them; too great and not rising
    np.zeros(0, np.int64),
]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("array", ARRAYS, ids=["type", "dimensions", "values", "empty"])
def test_another_array_is_refused(part: str, array: npt.NDArray[Any], index: LexicalIndex, tmp_path: Path) -> None:
    index.remove(np.array([20]))
    names = index.save(tmp_path)
    np.save(tmp_path / damaged(names, f"-{part}.npy"), array)
    with pytest.raises(ValueError):
        LexicalIndex.load(tmp_path, names)


@pytest.mark.parametrize("part", [*(f"-{part}.npy" for part in PARTS), ".json"])
def test_a_file_that_is_cut_short_empty_or_gone(part: str, index: LexicalIndex, tmp_path: Path) -> None:
    index.remove(np.array([20]))
    names = index.save(tmp_path)
    file = tmp_path / damaged(names, part)
    whole = file.read_bytes()
    for length in (len(whole) - 1, 60, 0):
        file.write_bytes(whole[:length])
        with pytest.raises(ValueError):
            LexicalIndex.load(tmp_path, names)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        LexicalIndex.load(tmp_path, names)


@pytest.mark.parametrize("at", range(0, 128, 3))
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_a_damaged_header_never_ends_in_another_error(at: int, index: LexicalIndex, tmp_path: Path) -> None:
    names = index.save(tmp_path)
    file = tmp_path / damaged(names, "-rows.npy")
    whole = file.read_bytes()
    for byte in b"\0 (,'9":
        file.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
        try:
            assert len(LexicalIndex.load(tmp_path, names)) == 3  # a space where there was one
        except ValueError:
            continue


@pytest.mark.parametrize(
    "state",
    [
        "[]",
        "{}",
        '{"format": 0, "segments": []}',
        '{"format": 1, "segments": {}}',
        '{"format": 1, "segments": [1]}',
        '{"format": 1, "segments": [["lexical-1"]]}',
        '{"format": 1, "segments": [["../lexical-1", null]]}',
    ],
)
def test_a_state_of_another_kind(state: str, tmp_path: Path) -> None:
    (tmp_path / "lexical-0.json").write_text(state, "utf-8")
    with pytest.raises((ValueError, KeyError)):
        LexicalIndex.load(tmp_path, ["lexical-0.json"])


def test_names_must_be_those_of_one_index(index: LexicalIndex, tmp_path: Path) -> None:
    names, others = index.save(tmp_path), made(KEYS, PASSAGES).save(tmp_path)
    with pytest.raises(KeyError, match="not among the files"):
        LexicalIndex.load(tmp_path, names[:-1])
    for wrong in ((), names[1:], names + others):
        with pytest.raises(ValueError, match="not one"):
            LexicalIndex.load(tmp_path, wrong)


def test_segments_out_of_order_are_refused(index: LexicalIndex, tmp_path: Path) -> None:
    with patch.object(segments, "GROWTH", 0):
        index.add(np.array([40]), [["배"]])
    names = index.save(tmp_path)
    state = json.loads((tmp_path / names[0]).read_text("utf-8"))
    (tmp_path / names[0]).write_text(json.dumps(state | {"segments": state["segments"][::-1]}), "utf-8")
    with pytest.raises(ValueError, match="do not rise"):
        LexicalIndex.load(tmp_path, names)
