"""The seams: the few places where another implementation may be put in.

Everything else is concrete. ``rag.fakes`` holds small implementations, computable by eye, that users may use in their
own tests; ``tests/conformance`` runs one suite over every implementation of a seam.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from rag.types import Answer, Document, Found

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


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a passage, ``text[start:end]``, and the probability that the answer is these, if the passage holds it.

    ``tail`` is where the last piece begins that the reader can tell apart: a particle may hang on it, and none before it.
    """

    start: int
    end: int
    probability: float  # 0..1
    tail: int


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a passage says of a question.

    ``relevance`` is the logarithm of the odds that this passage answers against that none does, ``wordless`` that of the odds that no
    words in particular do, as of a yes-or-no question. ``spans`` do not overlap and are best first. ``begins`` says of each token, which
    stands at ``places`` in the text, how probable it is that the answer begins there; they sum to 1.
    """

    relevance: float
    wordless: float
    spans: tuple[Span, ...]
    places: npt.NDArray[np.int64]  # (tokens,) code points, rising
    begins: npt.NDArray[np.float32]  # (tokens,)

    def share(self, start: int, end: int) -> float:
        """The probability that the answer begins in ``text[start:end]``, if the passage holds it: 0..1."""
        low, high = np.searchsorted(self.places, [start, end])
        return float(self.begins[low:high].sum())


class Reader(Protocol):
    """Reads passages for a question. Thread-safe."""

    def read(
        self, question: str, passages: Sequence[tuple[str, str]], sentences: Sequence[Sequence[int]] = ()
    ) -> list[Reading]:
        """What each passage, a (title, text), says of the question, in the order given; each is read by itself.

        A question that leans on earlier ones comes with them, a line each, itself the last. A passage may be empty or as long as it
        likes. ``sentences`` says where those of each passage begin in its text, rising: the words that answer stand in one of them.
        Without it they may stand anywhere.
        """
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


class Answerer(Protocol):
    """Answers from what was found. Thread-safe."""

    def answer(self, question: str, found: Found, documents: Mapping[str, Document], context: str = "") -> Answer:
        """The answer to ``question``, its citations verified, or none. ``documents`` holds every document that a hit names.

        ``context`` is what a follow-up leans on, a line a question, oldest first.
        """
        ...
