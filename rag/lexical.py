"""BM25 over the content morphemes of passages, with bm25s.

Robertson & Zaragoza 2009; the variant is Lucene's, whose inverse document frequency never turns negative, so a word that
stands in every passage of a small library counts for little and never against. Scores are worked out when passages come
and only summed when a question does (Lù 2024, bm25s).
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from rag.interfaces import Keys, Scores

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets DEBUG for itself and tells everyone of every index

K1, B = (
    0.9,
    0.4,
)  # for short passages, Trotman, Puurula & Burgess 2014; better here than 1.5, 0.75: evals/results/choices.md


class LexicalIndex:
    """BM25 over passages; immutable, made anew when passages change."""

    def __init__(self, keys: Keys, index: Any) -> None:
        self._keys = keys  # (n,) int64, rising
        self._index = index  # None when no passage has a morpheme

    @classmethod
    def build(cls, keys: Keys, morphemes: Sequence[Sequence[str]]) -> LexicalIndex:
        """An index of passages, ``keys`` (n,) int64, each with its morphemes."""
        if not any(morphemes):
            return cls(np.asarray(keys, np.int64), None)
        index = bm25s.BM25(k1=K1, b=B, method="lucene")
        index.index([list(forms) for forms in morphemes], show_progress=False)
        return cls(np.asarray(keys, np.int64), index)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Read an index written by ``save``.

        Raises:
            OSError, ValueError, KeyError: the folder does not hold one.

        """
        keys = np.load(folder / "keys.npy", allow_pickle=False)
        state = json.loads((folder / "state.json").read_text("utf-8"))
        return cls(keys, bm25s.BM25.load(folder, mmap=False, load_vocab=True) if state["words"] else None)

    def save(self, folder: Path) -> None:
        """Write the index into an empty folder: NumPy arrays and JSON, no pickles."""
        np.save(folder / "keys.npy", self._keys, allow_pickle=False)
        (folder / "state.json").write_text(json.dumps({"words": self._index is not None}), "utf-8")
        if self._index is not None:
            self._index.save(folder, show_progress=False)

    def __len__(self) -> int:
        return len(self._keys)

    def keys(self) -> Keys:
        """All keys held, rising, (n,) int64."""
        return self._keys

    def weights(self, morphemes: Sequence[str]) -> dict[str, float]:
        """Inverse document frequency of each distinct morpheme: ln(1 + (n - df + .5) / (df + .5)), over n passages."""
        n = len(self)
        return {form: math.log(1 + (n - df + 0.5) / (df + 0.5)) for form in morphemes for df in [self._count(form)]}

    def _count(self, form: str) -> int:
        """How many passages hold the morpheme."""
        column = self._index.vocab_dict.get(form) if self._index is not None else None
        starts = self._index.scores["indptr"] if self._index is not None else ()
        # A morpheme of the vocabulary without a column is bm25s's own empty word.
        return 0 if column is None or column + 1 >= len(starts) else int(starts[column + 1] - starts[column])

    def search(self, morphemes: Sequence[str], k: int) -> tuple[Keys, Scores]:
        """The at most ``k`` passages that share a morpheme with the question, best first; ties in the order of keys."""
        scores = self._all_scores(morphemes)
        found = np.flatnonzero(scores > 0)
        order = found[np.lexsort((found, -scores[found]))][:k]
        return self._keys[order], scores[order]

    def scores(self, morphemes: Sequence[str], keys: Keys) -> Scores:
        """BM25 of the passages under ``keys``, (n,) float32; 0 where nothing is shared."""
        return self._all_scores(morphemes)[np.searchsorted(self._keys, keys)]

    def _all_scores(self, morphemes: Sequence[str]) -> Scores:
        known = [form for form in morphemes if self._count(form)]
        if not known:
            return np.zeros(len(self), np.float32)
        return np.asarray(self._index.get_scores(known), np.float32)
