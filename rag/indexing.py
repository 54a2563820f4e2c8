"""Documents to indexed passages: split, analysed and embedded. No storage, no transaction.

Documents are split ahead in a thread of their own while passages are embedded, and passages of small documents are embedded
together, so that no core waits for another step or for the next document.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from rag.interfaces import Embedder
from rag.morphology import Morphology
from rag.pace import Pace
from rag.splitting import Piece, split
from rag.types import Document, IndexedPassage, Passage

BATCH = 16  # passages embedded at once, with their sentences: some hundred texts, a few seconds on an old computer
AHEAD = 8  # documents split before they are needed


@dataclass(frozen=True, slots=True)
class _Split:
    """A document on its way."""

    document: Document
    pieces: list[Piece]
    heading: tuple[str, ...]


def index_documents(
    documents: Iterable[Document],
    morphology: Morphology,
    embedder: Embedder,
    *,
    chunk_size: int,
    sentence_vectors: bool = True,
    pace: Pace | None = None,
) -> Iterator[tuple[Document, list[IndexedPassage]]]:
    """Each document with its passages, in order, as soon as they are embedded.

    Without ``sentence_vectors`` the vector of a passage stands for those of its sentences. ``pace`` is told of every batch; it is
    to expect the documents' characters.
    """
    pace = pace or Pace()
    waiting: deque[_Split] = deque()  # in order; the first of them are embedded in part
    to_embed: list[tuple[_Split, Piece]] = []
    embedded: list[IndexedPassage] = []

    def embed(count: int) -> None:
        batch = to_embed[:count]
        del to_embed[:count]
        embedded.extend(_embed(batch, embedder, sentence_vectors))
        pace.advance(len(batch), sum(len(piece) for _, piece in batch), batch[-1][0].document.title)

    for item in _split_ahead(documents, morphology, chunk_size):
        if not waiting:
            pace.begin(item.document.title)
        waiting.append(item)
        pace.expect(sum(map(len, item.pieces)) - len(item.document.text))  # furniture and white space are left out
        to_embed += [(item, piece) for piece in item.pieces]
        while len(to_embed) >= BATCH:
            embed(BATCH)
        yield from _complete(waiting, embedded)
    if to_embed:
        embed(len(to_embed))
    yield from _complete(waiting, embedded)


def _split_ahead(documents: Iterable[Document], morphology: Morphology, chunk_size: int) -> Iterator[_Split]:
    """The documents split, in order, a few of them before they are asked for."""

    def split_one(document: Document) -> _Split:
        pieces = [piece for piece in split(document.text, morphology, chunk_size=chunk_size) if piece.searchable]
        heading = tuple(dict.fromkeys(m.form for m in morphology.morphemes(document.title)))
        return _Split(document, pieces, heading)

    pool = ThreadPoolExecutor(1, thread_name_prefix="geungeo-split")
    try:
        ahead: deque[Future[_Split]] = deque()
        for document in documents:
            ahead.append(pool.submit(split_one, document))
            if len(ahead) > AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _complete(
    waiting: deque[_Split], embedded: list[IndexedPassage]
) -> Iterator[tuple[Document, list[IndexedPassage]]]:
    """Take out the documents whose passages are all embedded."""
    while waiting and len(waiting[0].pieces) <= len(embedded):
        count = len(waiting[0].pieces)
        yield waiting.popleft().document, embedded[:count]
        del embedded[:count]


def _embed(
    batch: Sequence[tuple[_Split, Piece]], embedder: Embedder, sentence_vectors: bool
) -> Iterator[IndexedPassage]:
    """Embed passages and, in the same call, their sentences; one that is its whole passage is not embedded twice."""
    texts = [item.document.text[piece.start : piece.end] for item, piece in batch]
    sentences = [
        [item.document.text[s.start : s.end] for s in piece.sentences]
        if sentence_vectors and len(piece.sentences) > 1
        else []
        for item, piece in batch
    ]
    vectors = embedder.embed_passages([*texts, *(text for some in sentences for text in some)])
    at = len(texts)
    for row, (item, piece) in enumerate(batch):
        own = (
            vectors[at : at + len(sentences[row])]
            if sentences[row]
            else np.tile(vectors[row], (len(piece.sentences), 1))
        )
        at += len(sentences[row])
        passage = Passage(item.document.id, piece.start, piece.end, texts[row])
        yield IndexedPassage(passage, piece.sentences, vectors[row], own.astype(np.float16), heading=item.heading)
