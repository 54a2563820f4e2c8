"""Nearest vectors with FAISS: exact inner products, keys kept by an id map.

Exact search over unit vectors is what approximate ones are measured against, and takes a millisecond for tens of
thousands of passages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from rag.interfaces import Keys, Scores, Vectors


class FaissIndex:
    """A ``VectorIndex`` over ``faiss.IndexFlatIP``."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))

    @classmethod
    def load(cls, path: Path) -> FaissIndex:
        """Read an index written by ``save``.

        Raises:
            ValueError: the file is not such an index.

        """
        try:
            index = faiss.deserialize_index(np.frombuffer(path.read_bytes(), np.uint8))
        except RuntimeError as error:  # what FAISS raises for anything it cannot read
            raise ValueError(f"{path} is not a FAISS index") from error
        if not isinstance(index, faiss.IndexIDMap2):
            raise ValueError(f"{path} holds a {type(index).__name__}")
        loaded = cls(index.d)
        loaded._index = index
        return loaded

    def to_bytes(self) -> bytes:
        """The index as ``load`` reads it."""
        return bytes(faiss.serialize_index(self._index).tobytes())

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def keys(self) -> Keys:
        """All keys held, rising, (n,) int64."""
        return np.sort(faiss.vector_to_array(self._index.id_map)).astype(np.int64)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Hold ``vectors``, (n, dimension) float32, under ``keys``, (n,) int64."""
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(keys, np.int64))

    def remove(self, keys: Keys) -> None:
        """Forget ``keys``."""
        self._index.remove_ids(np.ascontiguousarray(keys, np.int64))

    def search(self, vector: Vectors, k: int) -> tuple[Keys, Scores]:
        """The at most ``k`` nearest to ``vector``, (dimension,), best first; ties in the order of keys."""
        k = min(k, len(self))
        if k == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        query = np.ascontiguousarray(vector[None, :], np.float32)
        scores, keys = self._index.search(query, min(k + 1, len(self)))
        if (
            k < len(self) and scores[0][k - 1] == scores[0][k]
        ):  # FAISS keeps any of the equals at the edge; we the first
            scores, keys = self._index.search(query, len(self))
        order = np.lexsort((keys[0], -scores[0]))[:k]
        return keys[0][order], scores[0][order]

    def scores(self, vector: Vectors, keys: Keys) -> Scores:
        """Inner products of ``vector`` with the vectors under ``keys``, (n,) float32."""
        if not len(keys):
            return np.zeros(0, np.float32)
        rows = np.stack([self._index.reconstruct(int(key)) for key in keys])
        return np.asarray(rows @ vector, np.float32)
