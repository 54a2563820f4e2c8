"""The segments of a BM25 index: postings, which of them are live, and how segments are merged.

What is removed is marked as dead beside the postings, and what is merged is written anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from rag.interfaces import Keys, Scores
from rag.postings import Counts, Places, Postings, Rows, locate, map_array, starts_of, write_new

GROWTH = 3  # a segment is merged with what follows it as soon as that is a third of its size
SLACK = 1e-4  # relative; far more than rounding to float32 makes of a sum of idf
SEEK = 8  # looking up a row among a term's postings costs about as much as going through so many of them

Question: TypeAlias = Sequence[tuple[np.uint64, float]]  # terms with their inverse document frequencies, rarest first


class Norm(NamedTuple):
    """What the count of a term is weighed against: ``base + slope * length`` of the passage."""

    base: float
    slope: float


class SavedSegment(NamedTuple):
    """What a segment is saved as. Names are drawn once: a file of that name is what it was when it was written."""

    stem: str
    dead: str | None  # absent when all is live

    def files(self) -> tuple[str, ...]:
        """Names."""
        return (*Postings.files(self.stem), *([self.dead] if self.dead else []))


class Segment:
    """Postings and what is live of them."""

    def __init__(self, postings: Postings) -> None:
        self.postings = postings
        self.dead = np.zeros(len(postings.keys), np.bool_)
        self.live = len(postings.keys)
        self.live_length = int(postings.lengths.sum(dtype=np.int64))  # morphemes
        self._saved = SavedSegment("", None)
        self._norms: tuple[Norm, Scores] | None = None  # with what they were worked out from

    @classmethod
    def load(cls, folder: Path, saved: SavedSegment) -> Segment:
        """Map what was saved.

        Raises:
            OSError, ValueError: the files are not there, or do not fit together.

        """
        self = cls(Postings.load(folder, saved.stem))
        if saved.dead:
            rows = map_array(folder / saved.dead)
            if rows.dtype != np.int32 or np.any(np.diff(rows, prepend=-1, append=len(self.dead)) <= 0):
                raise ValueError(f"{saved.dead}: not rows of {saved.stem}")
            self._kill(rows)
        self._saved = saved
        return self

    def save(self, folder: Path) -> SavedSegment:
        """Write what the folder does not hold: the postings, and which are dead if that has changed."""
        stem, dead = self._saved
        if not stem or not all((folder / file).is_file() for file in Postings.files(stem)):
            stem = new_stem()
            write_new(folder, dict(zip(Postings.files(stem), self.postings, strict=True)))
            self.postings = Postings.load(folder, stem)
        if self.live < len(self.dead) and not (dead and (folder / dead).is_file()):
            dead = f"{new_stem()}-dead.npy"
            write_new(folder, {dead: np.flatnonzero(self.dead).astype(np.int32)})
        self._saved = SavedSegment(stem, dead)
        return self._saved

    def remove(self, keys: Keys) -> None:
        """Mark as dead what is held of the keys."""
        _, rows = locate(self.postings.keys, keys)
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

    def norms(self, norm: Norm) -> Scores:
        """What the counts of each passage are weighed against, (m,). Infinite, so no score, for the dead."""
        if self._norms is None or self._norms[0] != norm:
            norms = self.postings.lengths.astype(np.float32) * np.float32(norm.slope) + np.float32(norm.base)
            norms[self.dead] = np.inf
            self._norms = (norm, norms)
        return self._norms[1]

    def scores(self, question: Question, rows: Rows, norm: Norm) -> Scores:
        """BM25 of the given rows, in their order."""
        scores = np.zeros(len(rows), np.float32)
        norms = self.norms(norm)[rows]
        for term, idf in question:
            holders, counts = self.postings.of(term)
            asked, at = locate(holders, rows)
            scores[asked] += _part(counts[at], norms[asked], idf)
        return scores

    def best(self, question: Question, k: int, norm: Norm) -> tuple[Keys, Scores]:
        """The at most ``k`` best live passages with their scores, in the order of keys; of equal ones the first.

        MaxScore (Turtle & Flood 1995), a whole list at a time. A term adds at most its idf. So with the rarest terms scored,
        what they have left too far behind the k-th best is given up, and common terms are only looked up for the rest.
        """
        norms, scores = self.norms(norm), np.zeros(len(self.dead), np.float32)
        held = [(rows, counts, idf) for term, idf in question for rows, counts in [self.postings.of(term)] if len(rows)]
        left: Rows | None = None  # rows that may be among the best; none is given up yet
        least, rest = 0.0, sum(idf for _, _, idf in held)  # the k-th best is no worse; what the terms to come can add
        for rows, counts, idf in held:
            if (needed := least * (1 - SLACK) - rest) > 0:
                left = _at_least(needed, scores, left)
            if left is not None and SEEK * len(left) < len(rows):
                _, at = locate(rows, left)
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
        shifts, starts = begins - starts_of(sizes)[:-1], starts_of(sizes)
        for terms, chunk in postings.chunks():
            live = np.flatnonzero(~self.dead[postings.rows[chunk]])
            to = np.repeat(shifts[terms], sizes[terms]) + np.arange(starts[terms.start], starts[terms.stop])
            rows[to] = ranks[postings.rows[chunk][live]]
            counts[to] = postings.counts[chunk][live]


def merge_small(segments: Sequence[Segment]) -> list[Segment]:
    """The same passages in segments of which each is ``GROWTH`` times all that follow: at most a dozen for a million.

    Whenever a passage is moved its segment grows by a third, so a passage that comes alone costs O(log n) moves in all. A
    segment of which a third is dead is made anew.
    """
    groups: list[list[Segment]] = []  # from the last to the first
    for segment in reversed(segments):
        if groups and segment.live <= GROWTH * sum(other.live for other in groups[-1]):
            groups[-1].insert(0, segment)
        else:
            groups.append([segment])
    return [
        group[0] if len(group) == 1 and 3 * group[0].live >= 2 * len(group[0].dead) else Segment(_merge(group))
        for group in reversed(groups)
        if any(segment.live for segment in group)
    ]


def _merge(segments: Sequence[Segment]) -> Postings:
    """The live passages of segments that follow one another."""
    parts = [segment.postings for segment in segments]
    terms = np.unique(np.concatenate([part.terms for part in parts]))
    places = [np.searchsorted(terms, part.terms) for part in parts]
    sizes = np.zeros((len(terms), len(parts)), np.int64)
    for number, segment in enumerate(segments):
        sizes[places[number], number] = segment.live_sizes()
    starts = starts_of(sizes.ravel())
    begins = starts[:-1].reshape(sizes.shape)
    rows = np.empty(starts[-1], np.int32)
    counts = np.empty(starts[-1], np.result_type(*(part.counts for part in parts)))
    before = 0
    for number, segment in enumerate(segments):
        segment.copy_live(rows, counts, begins[places[number], number], before)
        before += segment.live
    held = sizes.any(axis=1)
    return Postings(
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


def new_stem() -> str:
    """How the names of new files begin."""
    return f"lexical-{secrets.token_hex(8)}"
