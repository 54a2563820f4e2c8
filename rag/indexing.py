"""Documents to indexed passages: split, analysed and embedded, batched across documents. No storage, no transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rag.interfaces import Embedder
from rag.morphology import Morphology
from rag.splitting import Piece, split
from rag.types import Document, IndexedPassage, Passage, Progress

BATCH = 64  # passages embedded at once


def index_documents(
    documents: Sequence[Document],
    morphology: Morphology,
    embedder: Embedder,
    *,
    chunk_size: int,
    on_progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[Document, list[IndexedPassage]]]:
    """Each document with its passages, in order. Passages of small documents are embedded together.

    Progress counts passages over all documents.
    """
    split_documents = [_searchable(document, morphology, chunk_size) for document in documents]
    pairs = [(document, piece) for document, pieces in zip(documents, split_documents, strict=True) for piece in pieces]
    embedded: list[IndexedPassage] = []
    at = 0
    for document, pieces in zip(documents, split_documents, strict=True):
        while len(embedded) < len(pieces):
            batch = pairs[at : at + BATCH]
            embedded += _embed(batch, embedder)
            at += len(batch)
            if on_progress is not None:
                on_progress(Progress("embed", at, len(pairs), document.title))
        yield document, embedded[: len(pieces)]
        embedded = embedded[len(pieces) :]


def _searchable(document: Document, morphology: Morphology, chunk_size: int) -> list[Piece]:
    return [piece for piece in split(document.text, morphology, chunk_size=chunk_size) if piece.searchable]


def _embed(batch: Sequence[tuple[Document, Piece]], embedder: Embedder) -> Iterator[IndexedPassage]:
    texts = [document.text[piece.start : piece.end] for document, piece in batch]
    spans = [[(s.start - piece.start, s.end - piece.start) for s in piece.sentences] for _, piece in batch]
    embedded = embedder.embed_passages(texts, spans)
    for (document, piece), text, (vector, sentence_vectors) in zip(batch, texts, embedded, strict=True):
        passage = Passage(document.id, piece.start, piece.end, text)
        yield IndexedPassage(passage, piece.sentences, vector, sentence_vectors)
