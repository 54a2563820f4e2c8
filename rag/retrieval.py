"""Hybrid retrieval: the dense and the lexical arm, fused, without near-equal passages.

A passage scores its inner product with the question, plus ``LEXICAL_WEIGHT`` times the share of the question's words that it
holds: its BM25 over the most that any passage could have, the sum of the words' inverse document frequencies. Neither arm is
stretched to its best hit. So where hardly a word of the question stands anywhere, as in a paraphrase or another language, the
lexical arm falls silent by itself, and in a library of ten passages scores mean what they mean in one of ten thousand.

On mrc/train (1,200 questions over 1,090 paragraphs, cut to 3,408 passages) this finds the right document first .947 (KLUE) and
.748 (TyDi) of the time, dense alone .885 and .712, BM25 alone .897 and .620. What else was tried stands in
evals/results/choices.md.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rag.indexes import Indexes
from rag.interfaces import Embedder, Keys, Scores, Vectors
from rag.morphology import Morphology
from rag.store import Store
from rag.types import Found, Hit, IndexedPassage, Passage

CANDIDATES = 50  # passages an arm, or three times what is asked for
LEXICAL_WEIGHT = 0.12
CONTEXT_WEIGHT = 0.5
SAME = 0.7  # share of morphemes two passages may have in common before the lower one is left out


@dataclass(frozen=True, slots=True)
class _Query:
    """A question as the arms take it."""

    vector: Vectors  # (dimension,), unit length
    own: list[str]  # morphemes of the question
    leaned: list[str]  # those that only its context has


class HybridRetriever:
    """Searches a store. Notices, at every search, that another thread or process has changed it. Thread-safe."""

    def __init__(self, store: Store, embedder: Embedder, morphology: Morphology) -> None:
        self._store = store
        self._embedder = embedder
        self._morphology = morphology
        self.indexes = Indexes(store, embedder.name, embedder.dimension)

    def search(self, question: str, k: int) -> list[Hit]:
        """The at most ``k`` best passages for the question, best first, none nearly equal to a better one."""
        return list(self.find(question, k).hits)

    def find(
        self, question: str, k: int, *, context: str = "", within: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> Found:  # fmt: skip
        """As ``search``, with what the answer is chosen by. Only documents ``within`` are searched, and none ``without``, by id.

        ``context`` is what a follow-up leans on. The question is embedded alone and with it, and the two are averaged; a word
        that only the context has counts ``CONTEXT_WEIGHT``. So the context says what it is about, and the question what is
        asked of it.
        """
        watch = Stopwatch()
        return self._find(self._read(question, context, watch), k, watch, within, without)

    def _find(
        self, query: _Query, k: int, watch: Stopwatch,
        within: Collection[str] | None = None, without: Collection[str] = (),
    ) -> Found:  # fmt: skip
        candidates = max(CANDIDATES, 3 * k)
        with self.indexes.current():
            apart = self._store.keys_of(without)
            arms = self._search_arms(query, candidates + len(apart))
            found = np.union1d(*arms.values()) if within is None else self._store.keys_of(within)
            weights = self._weights(query)
            keys, scores = self._fuse(query, np.setdiff1d(found, apart), sum(weights.values()))
            searched = len(self.indexes.dense) - len(apart) if within is None else len(keys)
        ranks = {arm: _ranks(found) for arm, found in arms.items()}
        chosen = _distinct(self._ranked(keys, scores, 3 * k), k)
        hits = tuple(
            Hit(p.passage, score, {arm: of[p.key] for arm, of in ranks.items() if p.key in of}) for p, score in chosen
        )
        watch.lap("search")
        return Found(hits, tuple(p for p, _ in chosen), query.vector, weights, watch.laps, searched)

    def arms(self, question: str, k: int, *, context: str = "") -> dict[str, list[Passage]]:
        """The at most ``k`` best passages by each arm alone, "dense" and "bm25", and as ``find`` gives them, "hybrid".

        For measuring: all three are given the same question and context.
        """
        watch = Stopwatch()
        query = self._read(question, context, watch)
        with self.indexes.current():
            arms = self._search_arms(query, k)
        alone = {arm: [p.passage for p in self._store.passages(keys.tolist())] for arm, keys in arms.items()}
        fused = [hit.passage for hit in self._find(query, k, watch).hits]
        return {"dense": alone["dense"], "bm25": alone["lexical"], "hybrid": fused}

    def _read(self, question: str, context: str, watch: Stopwatch) -> _Query:
        vector = self._embed(question, context)
        watch.lap("embed")
        own = self._forms(question)
        leaned = [form for form in self._forms(context) if form not in own]
        watch.lap("morphemes")
        return _Query(vector, own, leaned)

    def _search_arms(self, query: _Query, k: int) -> dict[str, Keys]:
        """The keys that each arm finds, best first."""
        dense, _ = self.indexes.dense.search(query.vector, k)
        lexical, _ = self.indexes.lexical.search([*query.own, *query.leaned], k)
        return {"dense": dense, "lexical": lexical}

    def _weights(self, query: _Query) -> dict[str, float]:
        """Inverse document frequency of the question's morphemes; what only the context has counts less."""
        weights = self.indexes.lexical.weights(query.own)
        leaned = self.indexes.lexical.weights(query.leaned)
        return weights | {form: CONTEXT_WEIGHT * idf for form, idf in leaned.items()}

    def _fuse(self, query: _Query, keys: Keys, most: float) -> tuple[Keys, Scores]:
        """The keys with their fused scores, best first."""
        scores = self._scores(keys, query.vector, query.own, query.leaned, most)
        order = np.lexsort((keys, -scores))
        return keys[order], scores[order]

    def _ranked(self, keys: Keys, scores: Scores, at_once: int) -> Iterator[tuple[IndexedPassage, float]]:
        """The passages with their scores, read as far as they are asked for; those that are gone are left out."""
        score_of = dict(zip(keys.tolist(), scores.tolist(), strict=True))
        for at in range(0, len(keys), at_once):
            for passage in self._store.passages(keys[at : at + at_once].tolist()):
                yield passage, score_of[passage.key]

    def _embed(self, question: str, context: str) -> Vectors:
        """(dimension,) float32, unit length."""
        texts = [question, f"{context}\n{question}"] if context else [question]
        total = self._embedder.embed_queries(texts).sum(axis=0)
        return np.asarray(total / np.linalg.norm(total), np.float32)

    def _forms(self, text: str) -> list[str]:
        return list(dict.fromkeys(m.form for m in self._morphology.morphemes(text))) if text else []

    def _scores(self, keys: Keys, vector: Vectors, own: Sequence[str], leaned: Sequence[str], most: float) -> Scores:
        """The fused scores of the passages under ``keys``; ``most`` is the most that BM25 can be."""
        scores = self.indexes.dense.scores(vector, keys)
        if most:
            words = self.indexes.lexical.scores(own, keys)
            if leaned:
                words = words + CONTEXT_WEIGHT * self.indexes.lexical.scores(leaned, keys)
            scores = scores + LEXICAL_WEIGHT / most * words
        return scores


class Stopwatch:
    """Milliseconds from lap to lap, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a lap and call it ``name``."""
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + (now - self._last) * 1000
        self._last = now


def _ranks(keys: Keys) -> dict[int, int]:
    return {key: rank for rank, key in enumerate(keys.tolist(), 1)}


def _distinct(ranked: Iterable[tuple[IndexedPassage, float]], k: int) -> list[tuple[IndexedPassage, float]]:
    """The first ``k`` that do not say what one before them says: captions and notices are repeated on many pages."""
    chosen: list[tuple[IndexedPassage, float]] = []
    seen: list[set[str]] = []
    for passage, score in ranked:
        forms = set(passage.morphemes)
        if any(forms and len(forms & other) >= SAME * len(forms | other) for other in seen):
            continue
        if not forms and any(passage.passage.text == other.passage.text for other, _ in chosen):
            continue
        chosen.append((passage, score))
        seen.append(forms)
        if len(chosen) == k:
            break
    return chosen
