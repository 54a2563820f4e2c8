"""BM25 over the content morphemes of passages, in segments that never change.

Robertson & Zaragoza 2009; the variant is Lucene's, whose inverse document frequency never turns negative, so a word that
stands in every passage of a small library counts for little and never against. As in Lucene, passages that come together
become a segment of plain arrays, small segments are merged as more come, and a removal only marks rows as dead: adding one
document never rewrites a large library. Files are written once and mapped, so opening reads almost nothing.

The invariant: a segment holds counts and lengths, never scores. Scores follow from the live passages when a question comes,
with the same arithmetic in the same order, so an index is equal, to the bit, to one made at once of what is left.

Terms are 64-bit hashes of forms. Among a million forms two share one with a chance of 3 in 10^8, and then count as one word.
"""

from __future__ import annotations

import json
import math
import secrets
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import count, islice, pairwise
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from rag.interfaces import Keys, Scores

K1, B = (
    0.9,
    0.4,
)  # for short passages, Trotman, Puurula & Burgess 2014; better here than 1.5, 0.75: evals/results/choices.md

FORMAT = 1  # of the files
BLOCK = 50_000  # passages made into a segment at once: bounds the memory that their morphemes take
CHUNK = 4_000_000  # postings moved at once when segments are merged
GROWTH = 3  # a segment is merged with what follows it as soon as that is a third of its size
SLACK = 1e-4  # relative; far more than rounding to float32 makes of a sum of idf
SEEK = 8  # looking up a row among a term's postings costs about as much as going through so many of them

Rows: TypeAlias = npt.NDArray[np.int32]  # places of passages in a segment
Terms: TypeAlias = npt.NDArray[np.uint64]
Places: TypeAlias = npt.NDArray[np.int64]
Counts: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
_Number = TypeVar("_Number", bound=np.generic)


class LexicalIndex:
    """BM25 over passages. Not thread-safe; its owner takes care of that."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []  # their keys follow one another
        self._state = ("", "")  # name and text of the state file last written or read
        self._held_by: dict[str, int] = {}  # form: live passages that hold it; a question asks for each several times

    @classmethod
    def load(cls, folder: Path, names: Sequence[str]) -> LexicalIndex:
        """Map the files ``names`` that ``save`` returned. Reads little of them, and checks only that they fit together.

        Raises:
            OSError, ValueError, KeyError: the files are not an index.

        """
        index = cls()
        states = [name for name in names if name.endswith(".json")]
        if len(states) != 1:
            raise ValueError(f"{len(states)} state files of a lexical index, not one")
        text = (folder / states[0]).read_text("utf-8")
        saved = _parse_state(text)
        if missing := {file for segment in saved for file in segment.files()} - set(names):
            raise KeyError(f"not among the files: {sorted(missing)}")
        for segment_files in saved:
            segment = _Segment.load(folder, segment_files)
            index._check_next(segment.postings.keys[:1])
            index._segments.append(segment)
        index._state = (states[0], text)
        return index

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write what the folder does not hold yet, under new names, and return the names of all files of the index.

        No file is ever written over, so an index loaded by another process stays whole. What has been written is mapped
        from then on and no longer takes memory.
        """
        saved = [segment.save(folder) for segment in self._segments]
        text = json.dumps({"format": FORMAT, "segments": saved})
        if self._state[1] != text or not (folder / self._state[0]).is_file():
            name = f"{_new_stem()}.json"
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
            self._state = (name, text)
        return (self._state[0], *(file for segment in saved for file in segment.files()))

    def __len__(self) -> int:
        return sum(segment.live for segment in self._segments)

    def keys(self) -> Keys:
        """All keys held, rising, (n,) int64."""
        return np.concatenate([np.zeros(0, np.int64), *(s.postings.keys[~s.dead] for s in self._segments)])

    def add(self, keys: Keys, morphemes: Iterable[Sequence[str]]) -> None:
        """Hold passages under ``keys``, (n,) int64, rising and greater than all before, each with its morphemes.

        Raises:
            ValueError: the keys do not rise, or are not as many as the passages. Then nothing has been added.

        """
        keys = np.asarray(keys, np.int64)
        self._check_next(keys)
        segments, passages = self._segments, iter(morphemes)
        for at in range(0, len(keys), BLOCK):
            block = keys[at : at + BLOCK]
            segments = _merge_small([*segments, _Segment(_Postings.build(block, islice(passages, BLOCK)))])
        if next(passages, None) is not None:
            raise ValueError(f"more passages than the {len(keys)} keys")
        self._become(segments)

    def _check_next(self, keys: Keys) -> None:
        last = self._segments[-1].postings.keys[-1:] if self._segments else keys[:0]
        if np.any(np.diff(np.concatenate([last, keys])) <= 0):
            raise ValueError("keys do not rise")

    def remove(self, keys: Keys) -> None:
        """Forget the keys. Keys that are not there are passed over."""
        keys = np.unique(np.asarray(keys, np.int64))
        for segment in self._segments:
            segment.remove(keys)
        self._become(_merge_small(self._segments))

    def _become(self, segments: list[_Segment]) -> None:
        self._segments = segments
        self._held_by.clear()

    def weights(self, morphemes: Sequence[str]) -> dict[str, float]:
        """Inverse document frequency of each distinct morpheme: ln(1 + (n - df + .5) / (df + .5)), over n passages."""
        return {form: self._idf(self._df(form)) for form in morphemes}

    def _idf(self, df: int) -> float:
        return math.log1p((len(self) - df + 0.5) / (df + 0.5))

    def _df(self, form: str) -> int:
        """How many passages hold the morpheme."""
        if form not in self._held_by:
            if len(self._held_by) > 10_000:
                self._held_by.clear()
            term = _hash(form)
            self._held_by[form] = sum(segment.df(term) for segment in self._segments)
        return self._held_by[form]

    def _question(self, morphemes: Sequence[str]) -> list[tuple[np.uint64, float]]:
        """The distinct morphemes that a passage holds, with their idf, rarest first.

        In this order ``_Segment.best`` can leave the most out. It is the same whatever the segments, and so is the rounding.
        """
        dfs = {form: self._df(form) for form in morphemes}
        return [(_hash(form), self._idf(df)) for form, df in sorted(dfs.items(), key=lambda item: item[1]) if df]

    def _average(self) -> float:
        """Morphemes of a live passage, on average."""
        return sum(segment.live_length for segment in self._segments) / len(self)

    def search(self, morphemes: Sequence[str], k: int) -> tuple[Keys, Scores]:
        """The at most ``k`` passages that share a morpheme with the question, best first; ties in the order of keys."""
        keys, scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
        if k > 0 and (terms := self._question(morphemes)):
            average = self._average()
            best = [segment.best(terms, k, average) for segment in self._segments]
            keys, scores = (np.concatenate(parts) for parts in zip(*best, strict=True))
        order = np.lexsort((keys, -scores))[:k]
        return keys[order], scores[order]

    def scores(self, morphemes: Sequence[str], keys: Keys) -> Scores:
        """BM25 of the passages under ``keys``, (n,) float32; 0 where nothing is shared or the key is not held."""
        keys = np.asarray(keys, np.int64)
        scores = np.zeros(len(keys), np.float32)
        if terms := self._question(morphemes):
            average = self._average()
            for segment in self._segments:
                asked, rows = _locate(segment.postings.keys, keys)
                scores[asked] = segment.scores(terms, rows.astype(np.int32), average)
        return scores


class _Postings(NamedTuple):
    """Which passage holds which term how often: m passages, v terms. In memory, or mapped from files; never changed."""

    keys: Keys  # (m,) rising
    lengths: npt.NDArray[np.int32]  # (m,) morphemes
    terms: Terms  # (v,) rising
    starts: Places  # (v + 1,) where each term's postings begin
    rows: Rows  # (postings,) rising within a term
    counts: Counts  # (postings,) how often the term stands there; uint8 unless one is greater

    @classmethod
    def build(cls, keys: Keys, passages: Iterable[Sequence[str]]) -> _Postings:
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
        hashes = np.array([_hash(form) for form in numbers], np.uint64)
        terms, places = np.unique(hashes, return_inverse=True)
        rows = np.repeat(np.arange(len(keys)), lengths)
        pairs, counts = np.unique(places[np.array(forms, np.int32)] * len(keys) + rows, return_counts=True)
        held, rows = np.divmod(pairs, len(keys))
        return cls(
            keys.copy(),
            np.array(lengths, np.int32),
            terms,
            _starts(np.bincount(held, minlength=len(terms))),
            rows.astype(np.int32),
            counts.astype(np.min_scalar_type(counts.max(initial=0))),
        )

    @classmethod
    def load(cls, folder: Path, stem: str) -> _Postings:
        """Map the files of a segment.

        Raises:
            OSError, ValueError: they are not there, or do not fit together.

        """
        self = cls(*(_map(folder / name) for name in cls.files(stem)))
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


class _Files(NamedTuple):
    """What a segment is saved as. Names are drawn once: a file of that name is what it was when it was written."""

    stem: str
    dead: str | None  # absent when all is live

    def files(self) -> tuple[str, ...]:
        return (*_Postings.files(self.stem), *([self.dead] if self.dead else []))


class _Segment:
    """Postings and what is live of them."""

    def __init__(self, postings: _Postings) -> None:
        self.postings = postings
        self.dead = np.zeros(len(postings.keys), np.bool_)
        self.live = len(postings.keys)
        self.live_length = int(postings.lengths.sum(dtype=np.int64))  # morphemes
        self._saved = _Files("", None)
        self._norms: tuple[float, Scores] | None = None  # with the average they are for

    @classmethod
    def load(cls, folder: Path, saved: _Files) -> _Segment:
        """Map what was saved.

        Raises:
            OSError, ValueError: the files are not there, or do not fit together.

        """
        self = cls(_Postings.load(folder, saved.stem))
        if saved.dead:
            rows = _map(folder / saved.dead)
            if rows.dtype != np.int32 or np.any(np.diff(rows, prepend=-1, append=len(self.dead)) <= 0):
                raise ValueError(f"{saved.dead}: not rows of {saved.stem}")
            self._kill(rows)
        self._saved = saved
        return self

    def save(self, folder: Path) -> _Files:
        """Write what the folder does not hold: the postings, and which are dead if that has changed."""
        stem, dead = self._saved
        if not stem or not all((folder / file).is_file() for file in _Postings.files(stem)):
            stem = _new_stem()
            parts: tuple[npt.NDArray[Any], ...] = self.postings
            for file, part in zip(_Postings.files(stem), parts, strict=True):
                _write(folder / file, part)
            self.postings = _Postings.load(folder, stem)
        if self.live < len(self.dead) and not (dead and (folder / dead).is_file()):
            dead = f"{_new_stem()}-dead.npy"
            _write(folder / dead, np.flatnonzero(self.dead).astype(np.int32))
        self._saved = _Files(stem, dead)
        return self._saved

    def remove(self, keys: Keys) -> None:
        """Mark as dead what is held of the keys."""
        _, rows = _locate(self.postings.keys, keys)
        self._kill(rows[~self.dead[rows]])

    def _kill(self, rows: npt.NDArray[np.integer[Any]]) -> None:
        if len(rows):
            self.dead[rows] = True
            self.live -= len(rows)
            self.live_length -= int(self.postings.lengths[rows].sum(dtype=np.int64))
            self._norms = None
            self._saved = self._saved._replace(dead=None)

    def df(self, term: np.uint64) -> int:
        """How many live passages hold the term."""
        rows, _ = self.postings.of(term)
        if self.live == len(self.dead):
            return len(rows)
        return int(np.count_nonzero(~self.dead[rows]))

    def norms(self, average: float) -> Scores:
        """What a count is weighed against: k1 * (1 - b + b * length / average), (m,). Infinite, so no score, for the dead."""
        if self._norms is None or self._norms[0] != average:
            norms = self.postings.lengths.astype(np.float32) * np.float32(K1 * B / average) + np.float32(K1 * (1 - B))
            norms[self.dead] = np.inf
            self._norms = (average, norms)
        return self._norms[1]

    def scores(self, terms: Sequence[tuple[np.uint64, float]], rows: Rows, average: float) -> Scores:
        """BM25 of the given rows, in their order."""
        scores = np.zeros(len(rows), np.float32)
        norms = self.norms(average)[rows]
        for term, idf in terms:
            holders, counts = self.postings.of(term)
            asked, at = _locate(holders, rows)
            scores[asked] += _part(counts[at], norms[asked], idf)
        return scores

    def best(self, terms: Sequence[tuple[np.uint64, float]], k: int, average: float) -> tuple[Keys, Scores]:
        """The at most ``k`` best live passages with their scores, in the order of keys; of equal ones the first.

        MaxScore (Turtle & Flood 1995), a whole list at a time. A term adds at most its idf. So with the rarest terms scored,
        what they have left too far behind the k-th best is given up, and common terms are only looked up for the rest.
        """
        norms, scores = self.norms(average), np.zeros(len(self.dead), np.float32)
        held = [(rows, counts, idf) for term, idf in terms for rows, counts in [self.postings.of(term)] if len(rows)]
        left: Rows | None = None  # rows that may be among the best; none is given up yet
        least, rest = 0.0, sum(idf for _, _, idf in held)  # the k-th best is no worse; what the terms to come can add
        for rows, counts, idf in held:
            if (needed := least * (1 - SLACK) - rest) > 0:
                left = _at_least(needed, scores, left)
            if left is not None and SEEK * len(left) < len(rows):
                _, at = _locate(rows, left)
                rows, counts = rows[at], counts[at]
            at = rows.astype(np.intp)
            scores[at] = new = scores[at] + _part(counts, norms[at], idf)
            least, rest = max(least, _kth(new, k)), rest - idf
        found = np.flatnonzero(scores > 0) if left is None else left
        found = found[_first_best(scores[found], k)]
        return self.postings.keys[found], scores[found]

    def live_sizes(self) -> Places:
        """How many live postings each term has, (v,)."""
        postings = self.postings
        if self.live == len(self.dead):
            return np.diff(postings.starts)
        live = [
            np.add.reduceat(~self.dead[postings.rows[chunk]], postings.starts[terms] - chunk.start, dtype=np.int64)
            for terms, chunk in postings.chunks()
        ]
        return np.concatenate([np.zeros(0, np.int64), *live])

    def copy_live(self, rows: Rows, counts: Counts, begins: Places, before: int) -> None:
        """Copy the live postings to where each term's begin; ``before`` is the count of passages that precede."""
        postings, sizes = self.postings, self.live_sizes()
        ranks = (np.cumsum(~self.dead) + (before - 1)).astype(np.int32)
        shifts, starts = begins - _starts(sizes)[:-1], _starts(sizes)
        for terms, chunk in postings.chunks():
            live = np.flatnonzero(~self.dead[postings.rows[chunk]])
            to = np.repeat(shifts[terms], sizes[terms]) + np.arange(starts[terms.start], starts[terms.stop])
            rows[to] = ranks[postings.rows[chunk][live]]
            counts[to] = postings.counts[chunk][live]


def _merge_small(segments: Sequence[_Segment]) -> list[_Segment]:
    """The same passages in segments of which each is ``GROWTH`` times all that follow: at most a dozen for a million.

    Whenever a passage is moved its segment grows by a third, so a passage that comes alone costs O(log n) moves in all. A
    segment of which a third is dead is made anew.
    """
    groups: list[list[_Segment]] = []  # from the last to the first
    for segment in reversed(segments):
        if groups and segment.live <= GROWTH * sum(other.live for other in groups[-1]):
            groups[-1].insert(0, segment)
        else:
            groups.append([segment])
    return [
        group[0] if len(group) == 1 and 3 * group[0].live >= 2 * len(group[0].dead) else _Segment(_merge(group))
        for group in reversed(groups)
        if any(segment.live for segment in group)
    ]


def _merge(segments: Sequence[_Segment]) -> _Postings:
    """The live passages of segments that follow one another."""
    parts = [segment.postings for segment in segments]
    terms = np.unique(np.concatenate([part.terms for part in parts]))
    places = [np.searchsorted(terms, part.terms) for part in parts]
    sizes = np.zeros((len(terms), len(parts)), np.int64)
    for number, segment in enumerate(segments):
        sizes[places[number], number] = segment.live_sizes()
    starts = _starts(sizes.ravel())
    begins = starts[:-1].reshape(sizes.shape)
    rows = np.empty(starts[-1], np.int32)
    counts = np.empty(starts[-1], np.result_type(*(part.counts for part in parts)))
    before = 0
    for number, segment in enumerate(segments):
        segment.copy_live(rows, counts, begins[places[number], number], before)
        before += segment.live
    held = sizes.any(axis=1)
    return _Postings(
        np.concatenate([segment.postings.keys[~segment.dead] for segment in segments]),
        np.concatenate([segment.postings.lengths[~segment.dead] for segment in segments]),
        terms[held],
        np.append(begins[held, 0], starts[-1]),
        rows,
        counts,
    )


def _part(counts: Counts, norms: Scores, idf: float) -> Scores:
    """What a term adds to the scores of passages. The only place where it is worked out, so that all round alike."""
    times = counts.astype(np.float32)
    return np.float32(idf) * (times / (times + norms))


def _at_least(needed: float, scores: Scores, rows: Rows | None) -> Rows:
    """The rows, all if none are given, that score as much."""
    if rows is None:
        return np.flatnonzero(scores >= np.float32(needed)).astype(np.int32)
    return rows[scores[rows] >= np.float32(needed)]


def _kth(scores: Scores, k: int) -> float:
    """The ``k``-th best score; 0 if there are fewer."""
    if len(scores) < k:
        return 0.0
    if (groups := len(scores) // 64) >= k:  # many: what is below the k-th best of the bests of groups is no k-th best
        bests = scores[: 64 * groups].reshape(64, groups).max(axis=0)
        scores = scores[scores >= np.partition(bests, -k)[-k]]
    return float(np.partition(scores, -k)[-k])


def _first_best(scores: Scores, k: int) -> npt.NDArray[np.intp]:
    """Where the ``k`` best scores are, rising; of those equal to the last of them the first."""
    last = _kth(scores, k)
    better = np.flatnonzero(scores > last)
    return np.union1d(better, np.flatnonzero(scores == last)[: k - len(better)]) if last else better


def _locate(values: npt.NDArray[_Number], wanted: npt.NDArray[_Number]) -> tuple[Places, Places]:
    """Which of ``wanted`` stand in the rising ``values``, and where. One type for both, or NumPy copies all values."""
    at = np.searchsorted(values, wanted)
    inside = np.flatnonzero(at < len(values))
    found = inside[values[at[inside]] == wanted[inside]]
    return found, at[found]


def _starts(sizes: npt.NDArray[np.integer[Any]]) -> Places:
    """Where each of so many things of these sizes begins, and where the last ends, (n + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _hash(form: str) -> np.uint64:
    digest = blake2b(form.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _new_stem() -> str:
    return f"lexical-{secrets.token_hex(8)}"


def _parse_state(text: str) -> list[_Files]:
    match json.loads(text):
        case {"format": version, "segments": [*segments]} if version == FORMAT:
            return [_parse_files(segment) for segment in segments]
    raise ValueError("not the state of a lexical index of this version")


def _parse_files(entry: object) -> _Files:
    match entry:
        case [str(stem), str() | None as dead]:
            return _Files(stem, dead)
    raise ValueError(f"not the files of a segment: {entry!r}")


def _write(path: Path, values: npt.NDArray[Any]) -> None:
    with path.open("xb") as file:
        np.save(file, values, allow_pickle=False)


def _map(path: Path) -> npt.NDArray[Any]:
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
