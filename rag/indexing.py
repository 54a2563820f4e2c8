"""Documents to indexed passages: split, analysed and embedded, batched across documents. No storage, no transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rag.interfaces import Embedder
from rag.morphology import Morphology
from rag.splitting import Piece, split
from rag.types import Document, IndexedPassage, Passage, Progress

BATCH = 16  # passages embedded at once, with their sentences: some hundred texts, a few seconds on an old computer


def index_documents(
    documents: Sequence[Document],
    morphology: Morphology,
    embedder: Embedder,
    *,
    chunk_size: int,
    sentence_vectors: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[Document, list[IndexedPassage]]]:
    """Each document with its passages, in order. Passages of small documents are embedded together.

    Progress counts passages over all documents, and begins with none of them done. Without ``sentence_vectors`` the vector of
    a passage stands for those of its sentences.
    """
    split_documents = [_searchable(document, morphology, chunk_size) for document in documents]
    headings = {d.id: tuple(dict.fromkeys(m.form for m in morphology.morphemes(d.title))) for d in documents}
    pairs = [(document, piece) for document, pieces in zip(documents, split_documents, strict=True) for piece in pieces]
    embedded: list[IndexedPassage] = []
    at = 0
    if on_progress is not None and documents:
        on_progress(Progress("embed", 0, len(pairs), documents[0].title))
    for document, pieces in zip(documents, split_documents, strict=True):
        while len(embedded) < len(pieces):
            batch = pairs[at : at + BATCH]
            embedded += _embed(batch, headings, embedder, sentence_vectors)
            at += len(batch)
            if on_progress is not None:
                on_progress(Progress("embed", at, len(pairs), document.title))
        yield document, embedded[: len(pieces)]
        embedded = embedded[len(pieces) :]


def _searchable(document: Document, morphology: Morphology, chunk_size: int) -> list[Piece]:
    return [piece for piece in split(document.text, morphology, chunk_size=chunk_size) if piece.searchable]


def _embed(
    batch: Sequence[tuple[Document, Piece]],
    headings: Mapping[str, tuple[str, ...]],
    embedder: Embedder,
    sentence_vectors: bool,
) -> Iterator[IndexedPassage]:
    """Embed passages and, in the same call, their sentences; one that is its whole passage is not embedded twice."""
    texts = [document.text[piece.start : piece.end] for document, piece in batch]
    sentences = [
        [document.text[s.start : s.end] for s in piece.sentences]
        if sentence_vectors and len(piece.sentences) > 1
        else []
        for document, piece in batch
    ]
    vectors = embedder.embed_passages([*texts, *(text for some in sentences for text in some)])
    at = len(texts)
    for row, (document, piece) in enumerate(batch):
        own = (
            vectors[at : at + len(sentences[row])]
            if sentences[row]
            else np.tile(vectors[row], (len(piece.sentences), 1))
        )
        at += len(sentences[row])
        passage = Passage(document.id, piece.start, piece.end, texts[row])
        yield IndexedPassage(
            passage, piece.sentences, vectors[row], own.astype(np.float16), heading=headings[document.id]
        )
