"""What FaissIndex does beyond the seam: files, keys, scores of given passages. The rest is in tests/conformance."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from rag.dense import FaissIndex


@pytest.fixture
def index() -> FaissIndex:
    made = FaissIndex(2)
    made.add(np.array([7, 3]), np.array([[1, 0], [0.6, 0.8]], np.float32))
    return made


def test_keys_rise(index: FaissIndex) -> None:
    assert index.keys().tolist() == [3, 7] and index.keys().dtype == np.int64


def test_scores_of_given_keys_in_their_order(index: FaissIndex) -> None:
    query = np.array([0, 1], np.float32)
    assert index.scores(query, np.array([3, 7])) == pytest.approx([0.8, 0])
    assert index.scores(query, np.array([7, 3])) == pytest.approx([0, 0.8])
    assert index.scores(query, np.zeros(0, np.int64)).shape == (0,)


def test_what_is_written_is_what_is_read(index: FaissIndex, tmp_path: Path) -> None:
    path = tmp_path / "dense.faiss"
    path.write_bytes(index.to_bytes())
    loaded = FaissIndex.load(path)
    assert (loaded.dimension, len(loaded), loaded.keys().tolist()) == (2, 2, [3, 7])
    keys, scores = loaded.search(np.array([1, 0], np.float32), 2)
    assert keys.tolist() == [7, 3] and scores == pytest.approx([1, 0.6])
    loaded.add(np.array([1]), np.array([[0, 1]], np.float32))  # it can be written to as well
    assert loaded.keys().tolist() == [1, 3, 7]


@pytest.mark.parametrize("data", [b"", b"IxM2", b"no index at all"])
def test_a_file_that_is_no_index(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "dense.faiss"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is not a FAISS index"):
        FaissIndex.load(path)


def test_an_index_cut_short(index: FaissIndex, tmp_path: Path) -> None:
    path = tmp_path / "dense.faiss"
    path.write_bytes(index.to_bytes()[:-1])
    with pytest.raises(ValueError, match="is not a FAISS index"):
        FaissIndex.load(path)


def test_an_index_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "dense.faiss"
    path.write_bytes(faiss.serialize_index(faiss.IndexFlatIP(2)).tobytes())
    with pytest.raises(ValueError, match="holds a IndexFlatIP"):
        FaissIndex.load(path)
