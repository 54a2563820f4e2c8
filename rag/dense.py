"""Nearest vectors with FAISS, from one to a million.

Up to ``EXACT`` vectors are searched exactly. Beyond, most lie quantised to a byte a dimension in inverted lists (an IVF index
with a scalar quantiser, https://faiss.ai), of which a question reads the ``PROBES`` nearest; the newest ones are still
searched exactly beside them. What the lists find is ranked anew by the true vectors, which the owner lends with ``exact``,
so every score is an inner product of true vectors, and only whether a neighbour is found is approximate.

A file is never changed once written, so that other processes may have it mapped. Hence the lists take in newer vectors only
when ``EXACT`` have gathered, and a removed vector stays in them, marked dead, until they are made anew: when they have grown
``GROWTH``-fold since they were trained, or a third is dead. The same adds and removes give the same index.

Searching keeps to one thread: for one question a second saves a millisecond, and waits for its time slice of eight or more
where another process computes.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rag.interfaces import Keys, Scores, Vectors
from rag.lists import NO_KEYS, Flat, Lists, new_file, one_thread, read_arrays

Lender: TypeAlias = Callable[[Keys], Vectors]  # the true vectors of keys, (n, dimension) float32, in their order

EXACT = 10_000  # vectors searched exactly, in a third of a millisecond: all of them, or the newest
LISTS_PER_ROOT = 4  # lists by the root of the vectors: choosing among them costs far less than reading them
TRAINED_PER_LIST = 40  # vectors; with fewer than 39 FAISS complains
GROWTH = 4  # when the lists are twice as long, for their number, as when they were trained
MOST_DEAD = 1 / 3  # of the vectors in the lists
BLOCK = 10_000  # true vectors in memory at a time: 15 MB of 384 dimensions
SEED = 20_240_229


class FaissIndex:
    """A ``VectorIndex`` whose keys rise as they are added.

    ``exact`` gives the true vectors of any keys held. Without it those in the lists are known to a byte a dimension only.
    """

    def __init__(self, dimension: int, exact: Lender | None = None) -> None:
        self.dimension = dimension
        self._exact = exact
        self._lists: Lists | None = None
        self._newest = Flat(dimension)
        self._names: tuple[str, ...] = ()  # files that hold what is held now; none after a change

    def __len__(self) -> int:
        return len(self._newest) + (0 if self._lists is None else len(self._lists))

    def keys(self) -> Keys:
        """All keys held, rising, (n,) int64."""
        return self._newest.keys if self._lists is None else np.concatenate([self._lists.living(), self._newest.keys])

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Hold ``vectors``, (n, dimension) float32, under ``keys``, (n,) int64: rising, above all keys ever held.

        Raises:
            ValueError: the keys do not rise, or are not as many as the vectors.

        """
        if len(keys) and self._lists is not None and keys[0] <= self._lists.keys[-1]:
            raise ValueError(f"key {keys[0]} is not above {self._lists.keys[-1]}")
        self._newest.add(keys, vectors)
        self._names = () if len(keys) else self._names
        if len(self._newest) > EXACT:
            self._fold()

    def remove(self, keys: Keys) -> None:
        """Forget ``keys``. Those that are not there are passed over."""
        before = len(self)
        self._newest.remove(keys)
        if self._lists is not None:
            self._lists.remove(keys)
        self._names = () if len(self) < before else self._names
        if self._lists is not None and self._lists.dead_share() > MOST_DEAD:
            self._rebuild()

    def search(self, vector: Vectors, k: int) -> tuple[Keys, Scores]:
        """The at most ``k`` nearest to ``vector``, (dimension,), best first; ties in the order of keys."""
        with one_thread():
            keys, scores = self._newest.search(vector, k)
            if self._lists is not None:
                keys = np.concatenate([self._lists.candidates(vector, k), keys])
                scores = self.scores(vector, keys)
        order = np.lexsort((keys, -scores))[:k]
        return keys[order], scores[order]

    def scores(self, vector: Vectors, keys: Keys) -> Scores:
        """Inner products of ``vector`` with the vectors under ``keys``, (n,) float32.

        Raises:
            KeyError: a key is not held.

        """
        # Row by row: BLAS may sum equal rows in another order, and would wake threads for a few microseconds of work.
        return np.asarray(np.einsum("ij,j->i", self._vectors(keys), vector), np.float32)

    def reconstruct(self, keys: Keys) -> Vectors:
        """What is held here under ``keys``, (n, dimension) float32: of vectors in lists what is left after quantising.

        Raises:
            KeyError: a key is not held.

        """
        return self._vectors(keys, lent=False)

    def _vectors(self, keys: Keys, *, lent: bool = True) -> Vectors:
        """The vectors of ``keys``, true ones as far as they are known, (n, dimension) float32."""
        if self._lists is None:
            return self._newest.vectors(keys)
        older = keys <= self._lists.keys[-1]
        vectors = np.empty((len(keys), self.dimension), np.float32)
        vectors[~older] = self._newest.vectors(keys[~older])
        if older.any():
            rows = self._lists.rows(keys[older])
            vectors[older] = self._exact(keys[older]) if lent and self._exact else self._lists.vectors(rows)
        return vectors

    # Making lists

    def _fold(self) -> None:
        """Move the newest vectors into the lists."""
        if self._lists is None or len(self._lists.keys) + len(self._newest) > GROWTH * self._lists.trained_for:
            self._rebuild()
            return
        self._lists.add(self._newest.keys, self._newest.vectors(self._newest.keys))
        self._newest = Flat(self.dimension)

    def _rebuild(self) -> None:
        """Make everything anew: lists, or none when few vectors are left."""
        keys = self.keys()
        made: Lists | Flat
        if len(keys) > EXACT:
            count = min(LISTS_PER_ROOT * math.isqrt(len(keys)), len(keys) // TRAINED_PER_LIST)
            rows = np.random.default_rng(SEED).choice(len(keys), TRAINED_PER_LIST * count, replace=False)
            made = Lists.train(self._vectors(keys[np.sort(rows)]), count, trained_for=len(keys))
        else:
            made = Flat(self.dimension)
        for at in range(0, len(keys), BLOCK):
            some = keys[at : at + BLOCK]
            made.add(some, self._vectors(some))
        self._lists, self._newest = (made, Flat(self.dimension)) if isinstance(made, Lists) else (None, made)

    # Files: dense-state-*.npz says what is held, with the newest vectors; dense-keys-*.npz and dense-lists-*.faiss are the lists

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write what is not in ``folder`` yet, under new names, and give the names of all files that make up the index.

        No file is overwritten or deleted. The names are what ``load`` wants, in any order.
        """
        lists = () if self._lists is None else self._lists.save(folder)
        if not self._names or self._names[1:] != lists or not (folder / self._names[0]).is_file():
            state = f"dense-state-{secrets.token_hex(8)}.npz"
            with new_file(folder / state) as file:
                np.savez(
                    file,
                    keys=self._newest.keys,
                    vectors=self._newest.vectors(self._newest.keys),
                    dead=NO_KEYS if self._lists is None else np.flatnonzero(~self._lists.alive),
                    lists=np.array(lists, np.str_),
                )
            self._names = (state, *lists)
        return self._names

    @classmethod
    def load(cls, folder: Path, names: Sequence[str], exact: Lender | None = None) -> FaissIndex:
        """Read what ``save`` wrote. The lists are mapped where the platform can, so that opening a million takes no time.

        Raises:
            OSError: a file cannot be read.
            ValueError: the files are not those of one such index, or are damaged. Of the lists, which are not read through,
                the length and all but the vectors are checked; damaged vectors cost neighbours, not scores.
            KeyError: a file lacks a part.

        """
        states = [name for name in names if name.startswith("dense-state-")]
        if len(states) != 1:
            raise ValueError(f"no files of one index: {', '.join(names) or 'none'}")
        parts = read_arrays(folder / states[0])
        vectors, lists = parts["vectors"], tuple(parts["lists"].tolist())
        if vectors.ndim != 2 or set(names) != {states[0], *lists}:
            raise ValueError(f"{states[0]} is not the state of {', '.join(names)}")
        index = cls(vectors.shape[1], exact)
        if lists:
            index._lists = Lists.load(folder, *lists)
            index._lists.bury(parts["dead"])
        index._newest.add(parts["keys"], vectors)
        index._names = (states[0], *lists)
        return index
