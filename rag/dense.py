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
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from zipfile import BadZipFile, ZipFile

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from rag.interfaces import Keys, Scores, Vectors

faiss: Any = _faiss  # its stubs lack half of what is used here
Lender: TypeAlias = Callable[[Keys], Vectors]  # the true vectors of keys, (n, dimension) float32, in their order

EXACT = 10_000  # vectors searched exactly, in a third of a millisecond: all of them, or the newest
LISTS_PER_ROOT = 4  # lists by the root of the vectors: choosing among them costs far less than reading them
PROBES = 250  # lists read: of 50,000 vectors half, of a million a twelfth; recall@10 is above .99 for both
TRAINED_PER_LIST = 40  # vectors; with fewer than 39 FAISS complains
ROUNDS = 6  # of k-means
GROWTH = 4  # when the lists are twice as long, for their number, as when they were trained
MOST_DEAD = 1 / 3  # of the vectors in the lists
BLOCK = 10_000  # true vectors in memory at a time: 15 MB of 384 dimensions
SEED = 20_240_229
MAPPED = sys.platform != "win32"  # where FAISS can map files


class FaissIndex:
    """A ``VectorIndex`` whose keys rise as they are added.

    ``exact`` gives the true vectors of any keys held. Without it those in the lists are known to a byte a dimension only.
    """

    def __init__(self, dimension: int, exact: Lender | None = None) -> None:
        self.dimension = dimension
        self._exact = exact
        self._lists: _Lists | None = None
        self._newest = _Flat(dimension)
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
        with _one_thread():
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

    def _vectors(self, keys: Keys) -> Vectors:
        """The true vectors of ``keys``, as far as they are known, (n, dimension) float32."""
        if self._lists is None:
            return self._newest.vectors(keys)
        older = keys <= self._lists.keys[-1]
        vectors = np.empty((len(keys), self.dimension), np.float32)
        vectors[~older] = self._newest.vectors(keys[~older])
        if older.any():
            rows = self._lists.rows(keys[older])
            vectors[older] = self._exact(keys[older]) if self._exact else self._lists.vectors(rows)
        return vectors

    # Making lists

    def _fold(self) -> None:
        """Move the newest vectors into the lists."""
        if self._lists is None or len(self._lists.keys) + len(self._newest) > GROWTH * self._lists.trained_for:
            self._rebuild()
            return
        self._lists.add(self._newest.keys, self._newest.vectors(self._newest.keys))
        self._newest = _Flat(self.dimension)

    def _rebuild(self) -> None:
        """Make everything anew: lists, or none when few vectors are left."""
        keys = self.keys()
        made: _Lists | _Flat
        if len(keys) > EXACT:
            count = min(LISTS_PER_ROOT * math.isqrt(len(keys)), len(keys) // TRAINED_PER_LIST)
            rows = np.random.default_rng(SEED).choice(len(keys), TRAINED_PER_LIST * count, replace=False)
            made = _Lists.train(self._vectors(keys[np.sort(rows)]), count, trained_for=len(keys))
        else:
            made = _Flat(self.dimension)
        for at in range(0, len(keys), BLOCK):
            some = keys[at : at + BLOCK]
            made.add(some, self._vectors(some))
        self._lists, self._newest = (made, _Flat(self.dimension)) if isinstance(made, _Lists) else (None, made)

    # Files: dense-state-*.npz says what is held, with the newest vectors; dense-keys-*.npz and dense-lists-*.faiss are the lists

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write what is not in ``folder`` yet, under new names, and give the names of all files that make up the index.

        No file is overwritten or deleted. The names are what ``load`` wants, in any order.
        """
        lists = () if self._lists is None else self._lists.save(folder)
        if not self._names or self._names[1:] != lists or not (folder / self._names[0]).is_file():
            state = f"dense-state-{secrets.token_hex(8)}.npz"
            with _new_file(folder / state) as file:
                np.savez(
                    file,
                    keys=self._newest.keys,
                    vectors=self._newest.vectors(self._newest.keys),
                    dead=_NO_KEYS if self._lists is None else np.flatnonzero(~self._lists.alive),
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
        parts = _read_arrays(folder / states[0])
        vectors, lists = parts["vectors"], tuple(parts["lists"].tolist())
        if vectors.ndim != 2 or set(names) != {states[0], *lists}:
            raise ValueError(f"{states[0]} is not the state of {', '.join(names)}")
        index = cls(vectors.shape[1], exact)
        if lists:
            index._lists = _Lists.load(folder, *lists)
            index._lists.bury(parts["dead"])
        index._newest.add(parts["keys"], vectors)
        index._names = (states[0], *lists)
        return index


class _Flat:
    """Vectors in memory, searched exactly; row i of ``index`` is that of ``keys[i]``."""

    def __init__(self, dimension: int) -> None:
        self.keys = _NO_KEYS
        self.index: Any = faiss.IndexFlatIP(dimension)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        joined = np.concatenate([self.keys, keys])
        if len(keys) != len(vectors) or not _is_rising(joined):
            raise ValueError(f"{len(vectors)} vectors under {len(keys)} keys, which must rise from {self.keys[-1:]}")
        self.index.add(np.ascontiguousarray(vectors, np.float32))
        self.keys = joined

    def remove(self, keys: Keys) -> None:
        rows, found = _find(self.keys, keys)
        rows = rows[found]
        self.index.remove_ids(rows)  # closes the gaps; the order stays
        self.keys = np.delete(self.keys, rows)

    def vectors(self, keys: Keys) -> Vectors:
        return np.asarray(self.index.reconstruct_batch(_rows_of(self.keys, keys)))

    def search(self, vector: Vectors, k: int) -> tuple[Keys, Scores]:
        """At least the ``k`` nearest with all that equal the last of them, in no order; all when there are fewer."""
        if not k or not len(self):
            return _NO_KEYS, np.zeros(0, np.float32)
        query = np.ascontiguousarray(vector[None, :], np.float32)
        wanted = k + 1
        while True:  # FAISS keeps any of the equals at the edge; we the first
            scores, rows = self.index.search(query, min(wanted, len(self)))
            if wanted >= len(self) or scores[0][k - 1] > scores[0][-1]:
                return self.keys[rows[0]], scores[0]
            wanted *= 4


class _Lists:
    """Quantised vectors in inverted lists; number i in ``index`` is that of ``keys[i]``, and found while ``alive[i]``."""

    def __init__(self, index: Any, keys: Keys, trained_for: int) -> None:
        self.index = index
        self.keys = keys
        self.alive = np.ones(len(keys), bool)
        self.trained_for = trained_for  # vectors
        self._names: tuple[str, str] | None = None  # files that hold all but ``alive``
        self._selector: Any = None  # of the living; None while all are alive
        self._set_living()

    def __len__(self) -> int:
        return self._living

    def _set_living(self) -> None:
        self._living = int(self.alive.sum())
        self._selector = None
        if self._living < len(self.alive):
            self._selector = faiss.IDSelectorBitmap(np.packbits(self.alive, bitorder="little"))

    def living(self) -> Keys:
        return self.keys[self.alive]

    def dead_share(self) -> float:
        return 1 - len(self) / len(self.keys)

    def rows(self, keys: Keys) -> npt.NDArray[np.int64]:
        """The numbers of the keys, (n,) int64. KeyError unless all are alive."""
        rows = _rows_of(self.keys, keys)
        if not self.alive[rows].all():
            raise KeyError(int(keys[~self.alive[rows]][0]))
        return rows

    def vectors(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """What is left of the vectors after quantising, (n, dimension) float32."""
        self.index.make_direct_map(True)  # nothing the second time
        return np.asarray(self.index.reconstruct_batch(rows))

    # Searching

    def candidates(self, vector: Vectors, k: int) -> Keys:
        """About the ``2 * k`` nearest by quantised vectors, for the true ones to choose from; ``k`` if so many are alive."""
        k, wanted, probes = min(k, len(self)), 2 * k + 20, PROBES
        if k == 0:
            return _NO_KEYS
        while True:
            scores, rows = self._scan(vector, wanted, probes)
            if len(rows) < k and probes < self.index.nlist:  # those lists hold too few
                probes = self.index.nlist
            elif len(rows) == wanted and scores[k - 1] == scores[-1]:  # its equals may go on, and the first are wanted
                wanted *= 4
            else:
                return self.keys[rows]

    def _scan(self, vector: Vectors, wanted: int, probes: int) -> tuple[Scores, npt.NDArray[np.int64]]:
        parameters = faiss.SearchParametersIVF(nprobe=probes, sel=self._selector)
        query = np.ascontiguousarray(vector[None, :], np.float32)
        scores, rows = self.index.search(query, wanted, params=parameters)
        sound = (rows[0] >= 0) & (rows[0] < len(self.keys))  # -1: fewer were found
        return scores[0][sound], rows[0][sound]

    # Changing

    @classmethod
    def train(cls, sample: Vectors, count: int, trained_for: int) -> _Lists:
        """``count`` empty lists around the centres of ``sample``, (n, dimension)."""
        index = _inverted(faiss.IndexFlatIP(sample.shape[1]), count)
        index.cp.niter, index.cp.seed = ROUNDS, SEED
        index.train(sample)
        return cls(index, _NO_KEYS, trained_for)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        if self._names:
            self.index, self._names = _copied(self.index), None
        self.index.add(np.ascontiguousarray(vectors, np.float32))
        self.keys = np.concatenate([self.keys, keys])
        self.alive = np.concatenate([self.alive, np.ones(len(keys), bool)])
        self._set_living()

    def remove(self, keys: Keys) -> None:
        rows, found = _find(self.keys, keys)
        self.bury(rows[found])

    def bury(self, rows: npt.NDArray[np.int64]) -> None:
        """Mark the numbers as dead."""
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self.alive):
            raise ValueError(f"of {len(self.alive)} vectors, {rows.max()} is dead")
        self.alive[rows] = False
        self._set_living()

    # Files

    def save(self, folder: Path) -> tuple[str, str]:
        """Write the lists unless they are in ``folder``, and go on with the file, mapped, in place of memory."""
        if self._names and all((folder / name).is_file() for name in self._names):
            return self._names
        token = secrets.token_hex(8)
        names = f"dense-keys-{token}.npz", f"dense-lists-{token}.faiss"
        lists = folder / names[1]
        with _new_file(lists) as file:
            faiss.write_index(_copied(self.index) if self._names else self.index, faiss.PyCallbackIOWriter(file.write))
        with _new_file(folder / names[0]) as file:
            head = lists.stat().st_size - len(self.keys) * (self.index.code_size + 8)  # 8: what a number takes
            sizes = (lists.stat().st_size, head, _checksum(lists, head), self.trained_for)
            np.savez(file, keys=self.keys, sizes=np.array(sizes, np.int64))
        self.index, self._names = _read_lists(lists), names
        return names

    @classmethod
    def load(cls, folder: Path, *names: str) -> _Lists:
        """OSError, ValueError or KeyError as ``FaissIndex.load``."""
        keys_name, lists_name = sorted(names)
        parts, path = _read_arrays(folder / keys_name), folder / lists_name
        size, head, checksum, trained_for = parts["sizes"].tolist()
        if path.stat().st_size != size or _checksum(path, head) != checksum:
            raise ValueError(f"{path} is damaged")
        lists = cls(_read_lists(path), parts["keys"], trained_for)
        if lists.index.ntotal != len(lists.keys) or not _is_rising(lists.keys):
            raise ValueError(f"{folder / keys_name} is not of {path}")
        lists._names = keys_name, lists_name
        return lists


_NO_KEYS: Keys = np.zeros(0, np.int64)


def _is_rising(keys: Keys) -> bool:
    return bool((keys[1:] > keys[:-1]).all())


def _find(held: Keys, keys: Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Where in ``held``, which rises, the keys would stand, and which of them do."""
    rows = np.searchsorted(held, keys)
    found = rows < len(held)
    found[found] = held[rows[found]] == keys[found]
    return rows, found


def _rows_of(held: Keys, keys: Keys) -> npt.NDArray[np.int64]:
    """Where in ``held`` the keys stand. KeyError for one that does not."""
    rows, found = _find(held, keys)
    if not found.all():
        raise KeyError(int(keys[~found][0]))
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep FAISS, in this thread of ours, from calling others."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _inverted(quantiser: Any, count: int) -> Any:
    """``count`` lists of a byte a dimension, all in one range: FAISS reads them four times as fast as with a range for each."""
    kind = faiss.ScalarQuantizer.QT_8bit_uniform
    return faiss.IndexIVFScalarQuantizer(quantiser, quantiser.d, count, kind, faiss.METRIC_INNER_PRODUCT, False)


def _copied(index: Any) -> Any:
    """The same lists in memory, from mapped ones, which can be neither changed nor written."""
    copy = _inverted(faiss.clone_index(index.quantizer), index.nlist)
    copy.sq, copy.is_trained = index.sq, True
    index.copy_subset_to(copy, faiss.InvertedLists.SUBSET_TYPE_ID_RANGE, 0, index.ntotal)
    return copy


def _read_lists(path: Path) -> Any:
    """Lists from a file, mapped where that is possible. ValueError when it holds none."""
    try:
        with path.open("rb") as file:
            source = (str(path), faiss.IO_FLAG_MMAP) if MAPPED else (faiss.PyCallbackIOReader(file.read),)
            index = faiss.read_index(*source)
    except RuntimeError as error:  # what FAISS raises for anything it cannot read
        raise ValueError(f"{path} is not a FAISS index") from error
    if not isinstance(index, faiss.IndexIVFScalarQuantizer):
        raise ValueError(f"{path} holds a {type(index).__name__}")
    if MAPPED:  # FAISS would start threads for every question, to read ahead
        faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0
    return index


def _checksum(path: Path, count: int) -> int:
    """CRC-32 of the first ``count`` bytes."""
    with path.open("rb") as file:
        return zlib.crc32(file.read(count))


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """What ``np.savez`` wrote. Every part is checked by its CRC-32 before it is taken for an array."""
    try:
        with ZipFile(path) as file:
            parts = {name.removesuffix(".npy"): BytesIO(file.read(name)) for name in file.namelist()}
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged") from error
    return {name: np.lib.format.read_array(part, allow_pickle=False) for name, part in parts.items()}


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, that was not there before and is gone when writing fails."""
    file = path.open("xb")
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
