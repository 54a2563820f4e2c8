"""Small implementations of the seams, computable by eye, for tests of this library and of programs that use it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from rag.interfaces import Keys, Scores, Vectors


class WordEmbedder:
    """An ``Embedder`` without a model: every word is a direction of its own, a text the sum of its words.

    A word is what white space parts, its direction its CRC-32 modulo ``dimension``. Two texts have the inner product of
    their word counts over their lengths: "a b" and "a c" give 1/2 unless two words fall on one direction.
    """

    name = "words"

    def __init__(self, dimension: int = 1024) -> None:
        self.dimension = dimension

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32, unit rows. A text without words points along the last direction."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row[zlib.crc32(word.encode()) % self.dimension] += 1
            if not row.any():
                row[-1] = 1
            row /= np.linalg.norm(row)
        return rows

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """As ``embed_queries``."""
        return self.embed_queries(texts)


class ExactIndex:
    """A ``VectorIndex`` that is a dictionary."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._vectors: dict[int, Vectors] = {}

    def __len__(self) -> int:
        return len(self._vectors)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Hold ``vectors``, (n, dimension) float32, under ``keys``, (n,) int64."""
        self._vectors.update(zip(keys.tolist(), vectors.copy(), strict=True))

    def remove(self, keys: Keys) -> None:
        """Forget ``keys``."""
        for key in keys.tolist():
            self._vectors.pop(key, None)

    def search(self, vector: Vectors, k: int) -> tuple[Keys, Scores]:
        """The at most ``k`` nearest, best first; ties in the order of keys."""
        ranked = sorted((-float(row @ vector), key) for key, row in self._vectors.items())[:k]
        return np.array([key for _, key in ranked], np.int64), np.array([-s for s, _ in ranked], np.float32)
