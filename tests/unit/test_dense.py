"""What FaissIndex does beyond the seam: lists, their files, true vectors lent by the owner. The rest is in tests/conformance.

Lists are made of hundreds of vectors here, not ten thousand.
"""

from __future__ import annotations

import math
import tempfile
import zlib
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import dense, lists
from rag.dense import FaissIndex
from rag.fakes import ExactIndex
from rag.interfaces import Keys, Vectors

RIGHT = np.array([1, 0], np.float32)
SIZE = 400  # vectors in the lists that the tests make


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists from 101 vectors on, all of which are read."""
    monkeypatch.setattr(dense, "EXACT", 100)
    monkeypatch.setattr(dense, "BLOCK", 64)


@pytest.fixture
def index() -> FaissIndex:
    made = FaissIndex(2)
    made.add(np.array([3, 7]), np.array([[0.6, 0.8], [1, 0]], np.float32))
    return made


def circle(keys: Keys) -> Vectors:
    """Key n stands at n/1000 of a half circle: the vector at 1000 is (-1, 0), and nearer keys are nearer."""
    angles = np.pi * keys / 1000
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def on_circle(count: int = SIZE, *, lent: bool = True) -> FaissIndex:
    """Keys 1 to ``count`` of the circle, in one add."""
    made = FaissIndex(2, circle if lent else None)
    made.add(np.arange(1, count + 1), circle(np.arange(1, count + 1)))
    return made


def is_quantised(index: FaissIndex) -> bool:
    return index._lists is not None


def first_centre(index: FaissIndex) -> Vectors:
    assert index._lists is not None
    centre: Vectors = index._lists.index.quantizer.reconstruct(0)
    return centre


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Without lists


def test_keys_rise(index: FaissIndex) -> None:
    assert index.keys().tolist() == [3, 7] and index.keys().dtype == np.int64


def test_scores_of_given_keys_in_their_order(index: FaissIndex) -> None:
    query = np.array([0, 1], np.float32)
    assert index.scores(query, np.array([3, 7])) == pytest.approx([0.8, 0])
    assert index.scores(query, np.array([7, 3])) == pytest.approx([0, 0.8])
    assert index.scores(query, np.zeros(0, np.int64)).shape == (0,)


def test_there_are_no_scores_of_unknown_keys(index: FaissIndex) -> None:
    for key in (0, 4, 8):
        with pytest.raises(KeyError, match=str(key)):
            index.scores(RIGHT, np.array([3, key]))


@pytest.mark.parametrize("keys", [[7], [5, 8], [9, 8], [8, 8]])
def test_keys_that_do_not_rise_are_refused(index: FaissIndex, keys: list[int]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        index.add(np.array(keys), np.zeros((len(keys), 2), np.float32))
    assert len(index) == 2


def test_as_many_keys_as_vectors(index: FaissIndex) -> None:
    with pytest.raises(ValueError, match="1 vectors under 2 keys"):
        index.add(np.array([8, 9]), np.zeros((1, 2), np.float32))


def test_scores_are_those_of_a_flat_faiss_index_to_the_bit() -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((300, 384)).astype(np.float32)
    flat, ours = faiss.IndexFlatIP(384), FaissIndex(384)
    flat.add(vectors)
    ours.add(np.arange(300), vectors)
    for query in random.standard_normal((5, 384)).astype(np.float32):
        expected, rows = flat.search(query[None], 50)
        keys, scores = ours.search(query, 50)
        assert (keys.tolist(), scores.tolist()) == (rows[0].tolist(), expected[0].tolist())


Change = tuple[str, list[int]]
changes = st.lists(st.tuples(st.sampled_from(["add", "remove", "reload"]), st.lists(st.integers(0, 30), max_size=6)))


def lattice(keys: Keys) -> Vectors:
    """Small integers, whose products are exact and often equal."""
    return np.stack([keys % 3 - 1, keys % 5 - 2], axis=1).astype(np.float32)


@pytest.mark.parametrize("threshold", [10_000, 5])
@given(changes=changes, k=st.integers(0, 9))
def test_any_changes_give_what_a_dictionary_gives(threshold: int, changes: list[Change], k: int) -> None:
    """With few vectors the lists lend more candidates than there are, and find what a dictionary finds."""
    ours, exact, last = FaissIndex(2, lattice), ExactIndex(2), 0
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(dense, "EXACT", threshold)
        patch.setattr(dense, "TRAINED_PER_LIST", 1)
        for change, numbers in changes:
            if change == "add":
                keys = last + np.cumsum(np.array(numbers, np.int64) + 1)
                last = int(keys[-1]) if len(keys) else last
                ours.add(keys, lattice(keys))
                exact.add(keys, lattice(keys))
            elif change == "remove":
                ours.remove(np.array(numbers, np.int64))
                exact.remove(np.array(numbers, np.int64))
            else:
                ours = FaissIndex.load(Path(folder), ours.save(Path(folder)), lattice)
        assert len(ours) == len(exact) == len(ours.keys())
        for query in np.array([(1, 0), (-2, 1)], np.float32):
            found, expected = ours.search(query, k), exact.search(query, k)
            assert [part.tolist() for part in found] == [part.tolist() for part in expected]


# Lists


def test_lists_begin_above_the_threshold(small: None) -> None:
    index = on_circle(100)
    assert not is_quantised(index)
    index.add(np.array([101]), circle(np.array([101])))
    assert is_quantised(index) and index.keys().tolist() == list(range(1, 102))


def test_the_lists_find_and_true_vectors_score(small: None) -> None:
    keys, scores = on_circle().search(circle(np.array([200])).ravel(), 5)
    assert keys.tolist() == [200, 199, 201, 198, 202]  # of equal scores but for rounding, in either order
    assert scores == pytest.approx([1, *[math.cos(math.pi * n / 1000) for n in (1, 1, 2, 2)]], abs=1e-7)


def test_without_true_vectors_scores_are_near(small: None) -> None:
    index = on_circle(lent=False)
    keys, scores = index.search(RIGHT, 3)
    assert len(keys) == 3 and scores == pytest.approx([1, 1, 1], abs=2 / 255)  # a byte parts a range of at most 2
    assert index.scores(RIGHT, np.array([333])) == pytest.approx([0.5], abs=2 / 255)  # cos 60 degrees


def test_what_is_held_is_told_apart_from_what_is_lent(small: None, tmp_path: Path) -> None:
    index = FaissIndex(2, lambda keys: -circle(keys))  # not at all what was added
    for keys in (np.arange(1, 102), np.arange(102, 104)):
        index.add(keys, circle(keys))
    index.remove(np.array([7]))
    asked = np.array([103, 50, 20])  # the first is none of the lists
    for one in (index, FaissIndex.load(tmp_path, index.save(tmp_path), circle)):
        held = one.reconstruct(asked)
        assert held[0].tolist() == circle(asked)[0].tolist()
        assert held == pytest.approx(circle(asked), abs=1 / 255)  # half a step of a range of at most 2
        with pytest.raises(KeyError, match="7"):
            one.reconstruct(np.array([50, 7]))
        assert one.reconstruct(np.zeros(0, np.int64)).shape == (0, 2)
        one.add(np.arange(200, 400), circle(np.arange(200, 400)))  # into the lists, mapped or not
        assert one.reconstruct(np.array([399])) == pytest.approx(circle(np.array([399])), abs=1 / 255)


def test_newest_vectors_are_found_beside_the_lists(small: None) -> None:
    index = FaissIndex(2, circle)
    for keys in (np.arange(1, 102), np.arange(102, 110)):
        index.add(keys, circle(keys))
    assert (len(index), len(index._newest)) == (109, 8)
    keys, scores = index.search(circle(np.array([110])).ravel(), 12)
    assert keys.tolist() == list(range(109, 97, -1))
    assert scores[0] == pytest.approx(math.cos(math.pi / 1000))
    assert index.scores(RIGHT, np.array([109, 1])) == pytest.approx(circle(np.array([109, 1]))[:, 0])


def test_of_equals_in_lists_and_newest_the_lowest_keys_stay(small: None) -> None:
    def lend(keys: Keys) -> Vectors:
        return np.tile(RIGHT, (len(keys), 1))

    index = FaissIndex(2, lend)
    for keys in (np.arange(300), np.arange(300, 350)):
        index.add(keys, lend(keys))
    assert index.search(RIGHT, 5)[0].tolist() == [0, 1, 2, 3, 4]
    index.remove(np.arange(4))
    assert index.search(RIGHT, 3)[0].tolist() == [4, 5, 6]


def test_all_are_found_though_few_lists_are_read(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PROBES", 1)
    index = on_circle()
    assert len(index.search(RIGHT, 10)[0]) == 10
    assert index.search(RIGHT, 1000)[0].tolist() == list(range(1, SIZE + 1))
    assert index.search(RIGHT, 0)[0].tolist() == []


def test_the_removed_are_not_found_in_lists(small: None) -> None:
    index = on_circle()
    index.remove(np.array([1, 3, 5, 5000]))
    assert len(index) == SIZE - 3 and is_quantised(index)
    assert index.search(RIGHT, 3)[0].tolist() == [2, 4, 6]
    assert index.keys()[:3].tolist() == [2, 4, 6]
    with pytest.raises(KeyError, match="3"):
        index.scores(RIGHT, np.array([2, 3]))
    with pytest.raises(ValueError, match="is not above"):
        index.add(np.array([3]), circle(np.array([3])))


def test_true_vectors_are_asked_for_living_keys_only(small: None) -> None:
    def lend(keys: Keys) -> Vectors:
        assert keys.dtype == np.int64 and (keys > 150).all()
        return circle(keys)

    index = on_circle()
    index._exact = lend
    index.remove(np.arange(1, 121))  # 120 of 400 are less than a third
    index.remove(np.arange(121, 151))  # and 150 are more
    assert index.search(RIGHT, 2)[0].tolist() == [151, 152]
    assert index._lists is not None and index._lists.dead_share() == 0


def test_few_that_are_left_are_held_exactly(small: None) -> None:
    index = on_circle()
    index.remove(np.arange(1, 351))
    assert not is_quantised(index) and index.keys().tolist() == list(range(351, 401))
    assert index.search(RIGHT, 1)[1] == circle(np.array([351]))[0, 0]
    index.remove(index.keys())
    assert len(index) == 0 and index.search(RIGHT, 3)[0].tolist() == []


def test_all_are_removed_at_once(small: None) -> None:
    index = on_circle()
    index.remove(index.keys())
    assert len(index) == 0 and index.search(RIGHT, 3)[0].tolist() == []


def test_lists_are_trained_again_when_they_have_grown(small: None) -> None:
    index, trained = FaissIndex(2, circle), []
    for at in range(1, 901, 50):
        keys = np.arange(at, at + 50)
        index.add(keys, circle(keys))
        trained.append(index._lists.trained_for if index._lists is not None else 0)
    # more than 100 new ones, 150, are moved at a time; 150 serve for 600, so 750 are trained anew
    assert trained == [0] * 2 + [150] * 12 + [750] * 4
    assert index.keys().tolist() == list(range(1, 901))


def test_the_same_adds_give_the_same_index(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PROBES", 1)  # so that it matters which lists there are
    random = np.random.default_rng(11)
    vectors = random.standard_normal((500, 8)).astype(np.float32)
    once, again = FaissIndex(8), FaissIndex(8)
    for index in (once, again):
        index.add(np.arange(500), vectors)
    for query in vectors[:20]:
        assert [part.tolist() for part in once.search(query, 7)] == [part.tolist() for part in again.search(query, 7)]


def test_recall_on_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "EXACT", 1_000)
    monkeypatch.setattr(lists, "PROBES", 40)  # of 6,000 / 40 lists
    random = np.random.default_rng(5)
    centres = random.standard_normal((100, 32))
    vectors = centres[random.integers(0, 100, 6_000)] + 1.1 * random.standard_normal((6_000, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    index = FaissIndex(32, lambda keys: vectors[keys])
    index.add(np.arange(6_000), vectors)
    queries = vectors[:50] + 0.05 * random.standard_normal((50, 32)).astype(np.float32)
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    shared = [len(np.intersect1d(index.search(q, 10)[0], near)) for q, near in zip(queries, exact, strict=True)]
    assert 0.97 <= sum(shared) / 500 < 1  # less than all, or it were not the lists that were measured


# Files


def test_what_is_written_is_what_is_read(index: FaissIndex, tmp_path: Path) -> None:
    names = index.save(tmp_path)
    assert names_in(tmp_path) == set(names) and len(names) == 1
    loaded = FaissIndex.load(tmp_path, names)
    assert (loaded.dimension, len(loaded), loaded.keys().tolist()) == (2, 2, [3, 7])
    keys, scores = loaded.search(RIGHT, 2)
    assert keys.tolist() == [7, 3] and scores == pytest.approx([1, 0.6])
    loaded.add(np.array([8]), np.array([[0, 1]], np.float32))  # it can be written to as well
    assert loaded.keys().tolist() == [3, 7, 8]


def test_an_empty_index_is_written_too(tmp_path: Path) -> None:
    loaded = FaissIndex.load(tmp_path, FaissIndex(2).save(tmp_path))
    assert (loaded.dimension, len(loaded)) == (2, 0)


@pytest.mark.parametrize("is_mapped", [True, False])
def test_lists_and_newest_and_dead_are_read(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_mapped: bool
) -> None:
    monkeypatch.setattr(lists, "MAPPED", is_mapped)
    index = on_circle()
    index.add(np.array([500]), circle(np.array([500])))
    index.remove(np.array([1, 2]))
    names = index.save(tmp_path)
    loaded = FaissIndex.load(tmp_path, names[::-1], circle)  # in any order
    assert loaded.keys().tolist() == [*range(3, SIZE + 1), 500]
    for one in (index, loaded):  # the one that was saved goes on from the file as well
        assert one.search(RIGHT, 2)[0].tolist() == [3, 4]
        assert one.search(-RIGHT, 2)[0].tolist() == [500, 400]


def test_saved_lists_can_grow(small: None, tmp_path: Path) -> None:
    index = on_circle()
    before = set(index.save(tmp_path))
    bytes_before = {name: (tmp_path / name).read_bytes() for name in before}
    keys = np.arange(401, 602)
    index.add(keys, circle(keys))  # 201: into the lists
    names = index.save(tmp_path)
    assert before.isdisjoint(names) and names_in(tmp_path) == before | set(names)
    assert {name: (tmp_path / name).read_bytes() for name in before} == bytes_before
    assert FaissIndex.load(tmp_path, names, circle).search(-RIGHT, 2)[0].tolist() == [601, 600]
    assert FaissIndex.load(tmp_path, tuple(before), circle).search(-RIGHT, 2)[0].tolist() == [400, 399]


def test_only_what_changed_is_written(small: None, tmp_path: Path) -> None:
    index = on_circle()
    state, *lists = index.save(tmp_path)
    assert index.save(tmp_path) == (state, *lists)
    index = FaissIndex.load(tmp_path, (state, *lists), circle)
    index.add(np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    index.remove(np.array([9999]))
    assert index.save(tmp_path) == (state, *lists) and len(names_in(tmp_path)) == 3
    index.add(np.array([401]), circle(np.array([401])))
    second, *same = index.save(tmp_path)
    assert same == lists and second != state
    index.remove(np.array([7]))
    third, *same = index.save(tmp_path)
    assert same == lists and third not in (state, second)
    assert names_in(tmp_path) == {state, second, third, *lists}
    assert FaissIndex.load(tmp_path, (third, *lists), circle).keys()[5:7].tolist() == [6, 8]


def test_another_folder_gets_all_files(small: None, tmp_path: Path) -> None:
    index, folders = on_circle(), [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        assert len(FaissIndex.load(folder, index.save(folder), circle)) == SIZE
    for part in ("state", "keys", "lists"):  # what is missing is written again
        next(folders[1].glob(f"dense-{part}-*")).unlink()
        assert len(FaissIndex.load(folders[1], index.save(folders[1]), circle)) == SIZE


def test_nothing_stays_of_a_file_that_cannot_be_written(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    index = on_circle()
    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        index.save(tmp_path)
    assert names_in(tmp_path) == set()  # nor of the lists, which are of no use without their keys
    monkeypatch.undo()
    assert len(FaissIndex.load(tmp_path, index.save(tmp_path))) == SIZE


@pytest.mark.parametrize("part", ["state", "keys", "lists"])
@pytest.mark.parametrize("harm", ["missing", "empty", "short", "foreign", "first byte", "flipped"])
def test_damaged_files_are_noticed(small: None, tmp_path: Path, part: str, harm: str) -> None:
    index = on_circle()
    names = index.save(tmp_path)
    path = next(tmp_path.glob(f"dense-{part}-*"))
    data = bytearray(path.read_bytes())
    if harm == "missing":
        path.unlink()
    else:
        # the vectors of the lists are not read through; their centres are
        middle = data.index(first_centre(index).tobytes()) if part == "lists" else len(data) // 2
        data[middle if harm == "flipped" else 0] ^= 0xFF
        path.write_bytes({"empty": b"", "short": path.read_bytes()[:-1], "foreign": b"no index"}.get(harm, bytes(data)))
    with pytest.raises((OSError, ValueError, KeyError)):
        FaissIndex.load(tmp_path, names)


def test_files_of_two_indexes_do_not_mix(small: None, tmp_path: Path) -> None:
    state, keys, lists = on_circle().save(tmp_path)
    other_state, other_keys, other_lists = on_circle(300).save(tmp_path)
    for names in [(), (keys, lists), (state,), (state, other_keys, lists), (state, other_state, keys, lists)]:
        with pytest.raises(ValueError, match=r"one index|is not the state"):
            FaissIndex.load(tmp_path, names)
    (tmp_path / lists).write_bytes((tmp_path / other_lists).read_bytes())
    with pytest.raises(ValueError, match="is damaged"):
        FaissIndex.load(tmp_path, (state, keys, lists))


def write_keys(folder: Path, name: str, keys: Keys, data: bytes) -> None:
    """What belongs to a lists file of these bytes, all of which are checked."""
    np.savez(folder / name, keys=keys, sizes=np.array([len(data), len(data), zlib.crc32(data), 1], np.int64))


def test_a_lists_file_of_another_kind(small: None, tmp_path: Path) -> None:
    state, keys, lists = on_circle().save(tmp_path)
    for data, message in [
        (faiss.serialize_index(faiss.IndexFlatIP(2)).tobytes(), "holds a IndexFlatIP"),
        (b"no index at all", "is not a FAISS index"),
    ]:
        (tmp_path / lists).write_bytes(data)
        write_keys(tmp_path, keys, np.arange(SIZE), data)
        with pytest.raises(ValueError, match=message):
            FaissIndex.load(tmp_path, (state, keys, lists))


def test_as_many_keys_as_the_lists_hold(small: None, tmp_path: Path) -> None:
    state, keys, lists = on_circle().save(tmp_path)
    for wrong in (np.arange(SIZE - 1), np.arange(SIZE)[::-1]):
        write_keys(tmp_path, keys, wrong, (tmp_path / lists).read_bytes())
        with pytest.raises(ValueError, match="is not of"):
            FaissIndex.load(tmp_path, (state, keys, lists))


def test_no_dead_beyond_the_lists(small: None, tmp_path: Path) -> None:
    state, *lists = on_circle().save(tmp_path)
    none = np.zeros(0, np.int64)
    np.savez(tmp_path / state, keys=none, vectors=np.zeros((0, 2)), dead=np.array([SIZE]), lists=np.array(lists))
    with pytest.raises(ValueError, match="of 400 vectors, 400 is dead"):
        FaissIndex.load(tmp_path, (state, *lists))
