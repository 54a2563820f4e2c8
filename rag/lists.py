"""The parts of a ``FaissIndex``: vectors searched exactly, in memory, and quantised ones in inverted lists, in mapped files.

Both hold vectors under keys that rise. All that needs FAISS is here.
"""

from __future__ import annotations

import secrets
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from rag.interfaces import Keys, Scores, Vectors

faiss: Any = _faiss  # its stubs lack half of what is used here

PROBES = 300  # lists read: of 50,000 vectors three in five, of a million one in nine, which finds .99 of the 50 nearest in 5 ms
ROUNDS = 6  # of k-means
SEED = 20_240_229  # of k-means
MAPPED = sys.platform != "win32"  # where FAISS can map files

NO_KEYS: Keys = np.zeros(0, np.int64)


class Flat:
    """Vectors in memory, searched exactly; row i of ``index`` is that of ``keys[i]``."""

    def __init__(self, dimension: int) -> None:
        self.keys = NO_KEYS
        self.index: Any = faiss.IndexFlatIP(dimension)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Hold the vectors. ValueError unless there are as many as keys, and these rise from those held."""
        joined = np.concatenate([self.keys, keys])
        if len(keys) != len(vectors) or not _is_rising(joined):
            raise ValueError(f"{len(vectors)} vectors under {len(keys)} keys, which must rise from {self.keys[-1:]}")
        self.index.add(np.ascontiguousarray(vectors, np.float32))
        self.keys = joined

    def remove(self, keys: Keys) -> None:
        """Forget those of the keys that are held."""
        rows, found = _find(self.keys, keys)
        rows = rows[found]
        self.index.remove_ids(rows)  # closes the gaps; the order stays
        self.keys = np.delete(self.keys, rows)

    def vectors(self, keys: Keys) -> Vectors:
        """(n, dimension) float32. KeyError for a key that is not held."""
        return np.asarray(self.index.reconstruct_batch(_rows_of(self.keys, keys)))

    def search(self, vector: Vectors, k: int) -> tuple[Keys, Scores]:
        """At least the ``k`` nearest with all that equal the last of them, in no order; all when there are fewer."""
        if not k or not len(self):
            return NO_KEYS, np.zeros(0, np.float32)
        query = np.ascontiguousarray(vector[None, :], np.float32)
        wanted = k + 1
        while True:  # FAISS keeps any of the equals at the edge; we the first
            scores, rows = self.index.search(query, min(wanted, len(self)))
            if wanted >= len(self) or scores[0][k - 1] > scores[0][-1]:
                return self.keys[rows[0]], scores[0]
            wanted *= 4


class Lists:
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
        """The keys that are not dead, rising."""
        return self.keys[self.alive]

    def dead_share(self) -> float:
        """From 0, all are alive, to 1."""
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
            return NO_KEYS
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
    def train(cls, sample: Vectors, count: int, trained_for: int) -> Lists:
        """``count`` empty lists around the centres of ``sample``, (n, dimension)."""
        index = _inverted(faiss.IndexFlatIP(sample.shape[1]), count)
        index.cp.niter, index.cp.seed = ROUNDS, SEED
        index.train(sample)
        return cls(index, NO_KEYS, trained_for)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Hold the vectors too. The keys rise from those held."""
        if self._names:
            self.index, self._names = _copied(self.index), None
        self.index.add(np.ascontiguousarray(vectors, np.float32))
        self.keys = np.concatenate([self.keys, keys])
        self.alive = np.concatenate([self.alive, np.ones(len(keys), bool)])
        self._set_living()

    def remove(self, keys: Keys) -> None:
        """Mark those of the keys that are held as dead."""
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
        with new_file(lists) as file:
            faiss.write_index(_copied(self.index) if self._names else self.index, faiss.PyCallbackIOWriter(file.write))
            size = file.tell()
            file.flush()
            head = size - len(self.keys) * (self.index.code_size + 8)  # 8: what a number takes
            sizes = np.array([size, head, _checksum(lists, head), self.trained_for], np.int64)
            with new_file(folder / names[0]) as keys_file:  # when this fails the lists are of no use either
                np.savez(keys_file, keys=self.keys, sizes=sizes)
        self.index, self._names = _read_lists(lists), names
        return names

    @classmethod
    def load(cls, folder: Path, *names: str) -> Lists:
        """OSError, ValueError or KeyError as ``FaissIndex.load``."""
        keys_name, lists_name = sorted(names)
        parts, path = read_arrays(folder / keys_name), folder / lists_name
        size, head, checksum, trained_for = parts["sizes"].tolist()
        if not 0 <= head <= size == path.stat().st_size or _checksum(path, head) != checksum:
            raise ValueError(f"{path} is damaged")
        lists = cls(_read_lists(path), parts["keys"], trained_for)
        if lists.index.ntotal != len(lists.keys) or not _is_rising(lists.keys):
            raise ValueError(f"{folder / keys_name} is not of {path}")
        lists._names = keys_name, lists_name
        return lists


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
def one_thread() -> Iterator[None]:
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


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """What ``np.savez`` wrote. Every part is checked by its CRC-32 before it is taken for an array."""
    try:
        with ZipFile(path) as file:
            parts = {name.removesuffix(".npy"): BytesIO(file.read(name)) for name in file.namelist()}
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged") from error
    return {name: np.lib.format.read_array(part, allow_pickle=False) for name, part in parts.items()}


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, that was not there before and is gone when writing fails."""
    file = path.open("xb")
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
