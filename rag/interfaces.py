"""The seams: the few places where another implementation may be put in.

Everything else is concrete. ``rag.fakes`` holds small implementations, computable by eye, that users may use in their
own tests; ``tests/conformance`` runs one suite over every implementation of a seam.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]  # (n, dimension), unit rows
Keys: TypeAlias = npt.NDArray[np.int64]  # (n,), passage keys of the store
Scores: TypeAlias = npt.NDArray[np.float32]  # (n,)


class Embedder(Protocol):
    """Turns texts into vectors whose inner product says how close their meanings are.

    ``name`` identifies the vectors: a library made with one name is refused by another. Thread-safe.
    """

    name: str
    dimension: int

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to (n, dimension) float32 unit rows, in the order given. No texts give (0, dimension)."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Passages or sentences to (n, dimension) float32 unit rows, in the order given. No texts give (0, dimension)."""
        ...


class VectorIndex(Protocol):
    """Nearest vectors by inner product. Not thread-safe for writing; its owner takes care of that."""

    def __len__(self) -> int:
        """The count of vectors held."""
        ...

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Hold the vectors, (n, dimension) float32, under the keys. A key is added once."""
        ...

    def remove(self, keys: Keys) -> None:
        """Forget the keys. Keys that are not there are passed over."""
        ...

    def search(self, vector: Vectors, k: int) -> tuple[Keys, Scores]:
        """The at most ``k`` nearest to the (dimension,) vector, best first, with their inner products.

        Equal scores come in the order of their keys.
        """
        ...
