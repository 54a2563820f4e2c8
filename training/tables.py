"""What training reads: rows of token ids, and groups of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from rag.reader import LONGEST, QUESTION_TOKENS, TITLE_TOKENS, token_span
from rag.tokenizer import plain_tokens
from rag.weights import find_weights, open_weights

PASSAGE_TOKENS = 320


class Piece(NamedTuple):
    """A passage: its document, span, and tokens with the spans of these in the document."""

    document: str
    start: int
    end: int
    ids: list[int]
    offsets: list[tuple[int, int]]


class Group(NamedTuple):
    """A question and the passages to read: numbers of rows; spans are of tokens, last included; none says no words in particular."""

    question: int
    noisy: int  # the same, typed carelessly
    source: str
    held_out: bool
    right: list[tuple[int, int, int]]  # passage, first token, last token; -1, -1 where none
    others: list[int]
    family: str = ""  # of written questions


class Tables:
    """Rows of token ids, filled as they come."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.questions: list[list[int]] = []
        self.passages: list[list[int]] = []
        self.titles: list[list[int]] = []
        self.title_of: list[int] = []
        self.places: list[tuple[str, int, int]] = []  # document and span of each passage
        self._titles: dict[str, int] = {}

    def question(self, text: str) -> int:
        """The row of a question."""
        self.questions.append(plain_tokens(self._tokenizer, text)[0][-QUESTION_TOKENS:])
        return len(self.questions) - 1

    def passage(self, piece: Piece, title: str) -> int:
        """The row of a passage."""
        if title not in self._titles:
            self._titles[title] = len(self.titles)
            self.titles.append(plain_tokens(self._tokenizer, title)[0][:TITLE_TOKENS])
        self.passages.append(piece.ids[:PASSAGE_TOKENS])
        self.title_of.append(self._titles[title])
        self.places.append((piece.document, piece.start, piece.end))
        return len(self.passages) - 1

    def tokens(self, document: str, start: int, text: str) -> Piece:
        """A stretch of a document as a passage."""
        ids, spans = plain_tokens(self._tokenizer, text)
        offsets = [(a + start, b + start) for a, b in (token_span(text, *span) for span in spans)]
        return Piece(document, start, start + len(text), ids, offsets)


def covering(piece: Piece, start: int, end: int) -> tuple[int, int] | None:
    """The first and last token of the passage that touch the span; None where the passage does not hold all of it.

    None, too, where they are more than a reader marks.
    """
    if start < piece.start or end > piece.end:
        return None
    touching = [at for at, (a, b) in enumerate(piece.offsets[:PASSAGE_TOKENS]) if a < end and b > start]
    if not touching or piece.offsets[touching[-1]][1] < end or touching[-1] - touching[0] >= LONGEST:
        return None
    return touching[0], touching[-1]


def write(out: Path, tables: Tables, groups: Sequence[Group], clozes: Sequence[Group]) -> None:
    """Rows as flat arrays with their bounds, ids renumbered to those that occur; groups as arrays of numbers."""
    weights = open_weights(find_weights())
    used = sorted(
        {0, 1, 2, 3, *(id for rows in (tables.questions, tables.passages, tables.titles) for row in rows for id in row)}
    )
    new = np.full(weights.shape.vocabulary, -1, np.int32)
    new[used] = np.arange(len(used))
    arrays: dict[str, Any] = {
        "words": np.array(weights.q4_rows("emb.word", weights.shape.vocabulary)[used]),
        "title_of": np.array(tables.title_of, np.int32),
    }
    for name, rows in (("questions", tables.questions), ("passages", tables.passages), ("titles", tables.titles)):
        flat = new[[id for row in rows for id in row]]
        assert len(used) < 2**16 and (flat >= 0).all()
        arrays[name] = flat.astype(np.uint16)
        arrays[f"{name}_at"] = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    sources = sorted({group.source for group in [*groups, *clozes]})
    families = sorted({group.family for group in [*groups, *clozes]})
    for name, some in (("groups", groups), ("clozes", clozes)):
        arrays[f"{name}_head"] = np.array(
            [(g.question, g.noisy, sources.index(g.source), g.held_out) for g in some], np.int32
        )
        arrays[f"{name}_right"] = np.array([one for g in some for one in g.right], np.int32).reshape(-1, 3)
        arrays[f"{name}_right_at"] = np.cumsum([0, *(len(g.right) for g in some)]).astype(np.int32)
        arrays[f"{name}_others"] = np.array([row for g in some for row in g.others], np.int32)
        arrays[f"{name}_others_at"] = np.cumsum([0, *(len(g.others) for g in some)]).astype(np.int32)
        arrays[f"{name}_family"] = np.array([families.index(g.family) for g in some], np.int32)
    arrays["sources"], arrays["families"] = np.array(sources), np.array(families)
    layers: dict[str, Any] = {}
    for name, (dtype, offset, size) in weights._table.items():
        stored = np.array(weights._bytes[offset : offset + size])
        layers[name] = stored.view(np.float32) if dtype == 0 else stored
    del layers["emb.word"]
    np.savez(out / "base.npz", **layers)
    np.savez_compressed(out / "part.npz", **arrays)
    (out / "part.npz").replace(out / "data.npz")  # the last: where it is, all is
    counts = {s: sum(g.source == s for g in [*groups, *clozes]) for s in sources}
    apart = sum(g.held_out for g in groups)
    print(f"vocabulary {len(used)}, groups by source {counts}, held out {apart}", file=sys.stderr)
