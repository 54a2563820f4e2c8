"""Which passage holds which term how often, in plain arrays, and their files.

Postings are never changed, in memory or on the disk. So files of them can be mapped, and stay whole for another process that
has them open.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import count, pairwise
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

CHUNK = 4_000_000  # postings moved at once when segments are merged

Rows: TypeAlias = npt.NDArray[np.int32]  # places of passages in a segment
Terms: TypeAlias = npt.NDArray[np.uint64]
Places: TypeAlias = npt.NDArray[np.int64]
Counts: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
_Number = TypeVar("_Number", bound=np.generic)


class Postings(NamedTuple):
    """Which passage holds which term how often: m passages, v terms. In memory, or mapped from files; never changed."""

    keys: Places  # (m,) rising
    lengths: npt.NDArray[np.int32]  # (m,) morphemes
    terms: Terms  # (v,) rising
    starts: Places  # (v + 1,) where each term's postings begin
    rows: Rows  # (postings,) rising within a term
    counts: Counts  # (postings,) how often the term stands there; uint8 unless one is greater

    @classmethod
    def build(cls, keys: Places, passages: Iterable[Sequence[str]]) -> Postings:
        """The postings of a block of passages.

        Raises:
            ValueError: fewer passages than keys.

        """
        numbers: defaultdict[str, int] = defaultdict(count().__next__)  # of forms, as they come
        lengths, forms = array("i"), array("i")
        for passage in passages:
            lengths.append(len(passage))
            forms.extend(map(numbers.__getitem__, passage))
        if len(lengths) != len(keys):
            raise ValueError(f"{len(lengths)} passages for {len(keys)} keys")
        hashes = np.array([hash_of(form) for form in numbers], np.uint64)
        terms, places = np.unique(hashes, return_inverse=True)
        rows = np.repeat(np.arange(len(keys)), lengths)
        pairs, counts = np.unique(places[np.array(forms, np.int32)] * len(keys) + rows, return_counts=True)
        held, rows = np.divmod(pairs, len(keys))
        return cls(
            keys.copy(),
            np.array(lengths, np.int32),
            terms,
            starts_of(np.bincount(held, minlength=len(terms))),
            rows.astype(np.int32),
            counts.astype(np.min_scalar_type(counts.max(initial=0))),
        )

    @classmethod
    def load(cls, folder: Path, stem: str) -> Postings:
        """Map the files of a segment.

        Raises:
            OSError, ValueError: they are not there, or do not fit together.

        """
        self = cls(*(map_array(folder / name) for name in cls.files(stem)))
        types = [part.dtype.name for part in self]
        if types[:5] != ["int64", "int32", "uint64", "int64", "int32"] or self.counts.dtype.kind != "u":
            raise ValueError(f"{folder / stem}: arrays of other types")
        passages, postings = len(self.keys), len(self.rows)
        fit = 0 < passages == len(self.lengths) and len(self.starts) == len(self.terms) + 1
        if not fit or self.starts[0] != 0 or not self.starts[-1] == postings == len(self.counts):
            raise ValueError(f"{folder / stem}: arrays do not fit together")
        return self

    @classmethod
    def files(cls, stem: str) -> tuple[str, ...]:
        """The names of a segment's files, one for each array."""
        return tuple(f"{stem}-{part}.npy" for part in cls._fields)

    def of(self, term: np.uint64) -> tuple[Rows, Counts]:
        """The rows that hold the term, and how often."""
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return self.rows[:0], self.counts[:0]
        here = slice(self.starts[at], self.starts[at + 1])
        return self.rows[here], self.counts[here]

    def chunks(self) -> Iterator[tuple[slice, slice]]:
        """Runs of terms with their postings, about ``CHUNK`` of these at once."""
        cuts = np.searchsorted(self.starts, np.arange(0, len(self.rows) + CHUNK, CHUNK))
        cuts = np.unique(np.minimum(cuts, len(self.terms))).tolist()
        for first, last in pairwise(cuts):
            yield slice(first, last), slice(int(self.starts[first]), int(self.starts[last]))


def locate(values: npt.NDArray[_Number], wanted: npt.NDArray[_Number]) -> tuple[Places, Places]:
    """Which of ``wanted`` stand in the rising ``values``, and where. One type for both, or NumPy copies all values."""
    at = np.searchsorted(values, wanted)
    inside = np.flatnonzero(at < len(values))
    found = inside[values[at[inside]] == wanted[inside]]
    return found, at[found]


def starts_of(sizes: npt.NDArray[np.integer[Any]]) -> Places:
    """Where each of so many things of these sizes begins, and where the last ends, (n + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def hash_of(form: str) -> np.uint64:
    """The term of a form."""
    digest = blake2b(form.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def write_new(folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write all of the files, new ones, or none: what is left of them would fill a full disk for good."""
    try:
        for name, values in arrays.items():
            with (folder / name).open("xb") as file:
                np.save(file, values, allow_pickle=False)
    except BaseException:
        for name in arrays:
            (folder / name).unlink(missing_ok=True)
        raise


def map_array(path: Path) -> npt.NDArray[Any]:
    """A one-dimensional array of a file, read only when it is used.

    Raises:
        OSError, ValueError: there is none, or the file holds something else.

    """
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")
    except (OverflowError, SyntaxError, TokenError, TypeError) as error:  # what NumPy lets through of a damaged header
        raise ValueError(f"{path}: {error}") from error
    if mapped.ndim != 1:
        raise ValueError(f"{path}: {mapped.ndim} dimensions")
    return np.asarray(mapped)  # a plain view: np.memmap takes microseconds for every slice
