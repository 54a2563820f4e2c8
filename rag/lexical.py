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
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from rag.interfaces import Keys, Scores
from rag.postings import Postings, hash_of, locate
from rag.segments import Norm, Question, SavedSegment, Segment, merge_small, new_stem

# For short passages, Trotman, Puurula & Burgess 2014; better here than 1.5, 0.75: evals/results/choices.md
K1, B = 0.9, 0.4

FORMAT = 1  # of the files
BLOCK = 50_000  # passages made into a segment at once: bounds the memory that their morphemes take


class LexicalIndex:
    """BM25 over passages. Not thread-safe; its owner takes care of that."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []  # their keys follow one another
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
            segment = Segment.load(folder, segment_files)
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
            name = f"{new_stem()}.json"
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
            segments = merge_small([*segments, Segment(Postings.build(block, islice(passages, BLOCK)))])
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
        self._become(merge_small(self._segments))

    def _become(self, segments: list[Segment]) -> None:
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
            term = hash_of(form)
            self._held_by[form] = sum(segment.df(term) for segment in self._segments)
        return self._held_by[form]

    def _question(self, morphemes: Sequence[str]) -> Question:
        """The distinct morphemes that a passage holds, with their idf, rarest first.

        In this order ``Segment.best`` can leave the most out. It is the same whatever the segments, and so is the rounding.
        """
        dfs = {form: self._df(form) for form in morphemes}
        return [(hash_of(form), self._idf(df)) for form, df in sorted(dfs.items(), key=lambda item: item[1]) if df]

    def _norm(self) -> Norm:
        """k1 * (1 - b + b * length / average length), as a line over the length."""
        average = sum(segment.live_length for segment in self._segments) / len(self)
        return Norm(K1 * (1 - B), K1 * B / average)

    def search(self, morphemes: Sequence[str], k: int) -> tuple[Keys, Scores]:
        """The at most ``k`` passages that share a morpheme with the question, best first; ties in the order of keys."""
        keys, scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
        if k > 0 and (question := self._question(morphemes)):
            norm = self._norm()
            best = [segment.best(question, k, norm) for segment in self._segments]
            keys, scores = (np.concatenate(parts) for parts in zip(*best, strict=True))
        order = np.lexsort((keys, -scores))[:k]
        return keys[order], scores[order]

    def scores(self, morphemes: Sequence[str], keys: Keys) -> Scores:
        """BM25 of the passages under ``keys``, (n,) float32; 0 where nothing is shared or the key is not held."""
        keys = np.asarray(keys, np.int64)
        scores = np.zeros(len(keys), np.float32)
        if question := self._question(morphemes):
            norm = self._norm()
            for segment in self._segments:
                asked, rows = locate(segment.postings.keys, keys)
                scores[asked] = segment.scores(question, rows.astype(np.int32), norm)
        return scores


def _parse_state(text: str) -> list[SavedSegment]:
    match json.loads(text):
        case {"format": version, "segments": [*segments]} if version == FORMAT:
            return [_parse_files(segment) for segment in segments]
    raise ValueError("not the state of a lexical index of this version")


def _parse_files(entry: object) -> SavedSegment:
    match entry:
        case [str(stem), str() | None as dead]:
            return SavedSegment(stem, dead)
    raise ValueError(f"not the files of a segment: {entry!r}")
