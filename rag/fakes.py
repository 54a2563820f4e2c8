"""Small implementations of the seams, computable by eye, for tests of this library and of programs that use it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np

from rag.interfaces import Keys, Reading, Scores, Span, Vectors


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


class WordReader:
    """A ``Reader`` that matches words: what white space parts, without the marks at their ends.

    A passage's relevance is 10 times the share of the question's words that stand in it, less 5; 0 for a half of them. The answer is
    the run of other words after the last of them, in its line and sentence, up to the first that ends with a full stop; all of the
    probability is there. A question that begins with 정말 has no words in particular for an answer.
    """

    def read(
        self, question: str, passages: Sequence[tuple[str, str]], sentences: Sequence[Sequence[int]] = ()
    ) -> list[Reading]:
        """As the seam has it; titles are not read."""
        asked = {word.strip(_MARKS) for word in question.split("\n")[-1].split()} - {""}
        starts = sentences or [()] * len(passages)
        return [self._read(asked, question, text, set(some)) for (_, text), some in zip(passages, starts, strict=True)]

    def _read(self, asked: set[str], question: str, text: str, starts: set[int]) -> Reading:
        found = [(m.start(), m.end(), m[0].strip(_MARKS)) for m in re.finditer(r"\S+", text)]
        words = [word for word in found if word[2]]  # a mark alone is none
        if not words or not asked:
            return Reading(-5.0, 0.0, (), np.zeros(0, np.int64), np.zeros(0, np.float32))
        shared = [at for at, (_, _, word) in enumerate(words) if word in asked]
        first = last = min(shared[-1] + 1 if shared else 0, len(words) - 1)
        while last + 1 < len(words) and words[last + 1][2] not in asked:
            end, following = words[last][1], words[last + 1][0]
            if text[:end].endswith(".") or "\n" in text[end:following] or following in starts:
                break
            last += 1
        begins = np.zeros(len(words), np.float32)
        begins[first] = 1
        end = words[last][1] - (text[: words[last][1]].endswith("."))
        share = len(asked & {word for _, _, word in words}) / len(asked)
        places = np.array([start for start, _, _ in words], np.int64)
        wordless = 1.0 if question.split("\n")[-1].startswith("정말") else -1.0
        return Reading(10 * share - 5, wordless, (Span(words[first][0], end, 1.0, words[last][0]),), places, begins)


_MARKS = ".,?!"
