"""The models of a library, loaded side by side: the analyser, the embedding model, and what answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from rag.interfaces import Answerer, Embedder, Reader
from rag.morphology import Morphology
from rag.settings import Settings


class Models(NamedTuple):
    """All that a library needs besides its documents."""

    morphology: Morphology
    embedder: Embedder
    answerer: Answerer


def load_models(
    settings: Settings, embedder: Embedder | None, morphology: Morphology | None, reader: Reader | None
) -> Models:
    """Load those that are not given. An embedder that is given comes without a reader, unless that is given too.

    Raises:
        ModelError: weights are missing or damaged.

    """
    with ThreadPoolExecutor(1) as pool:
        # Kiwi loads in C++ beside the imports below, which are most of the time it takes to start.
        loaded = pool.submit(_loaded_morphology, morphology)
        from rag.answering import ExtractiveAnswerer
        from rag.exact import ReadingAnswerer

        if embedder is None:
            from rag.embedding import open_embedder
            from rag.reader import open_reader

            embedder = open_embedder(settings)
            reader = reader or open_reader(settings, getattr(embedder, "tokenizer", None))
        morphology = loaded.result()
    if reader is None:
        return Models(morphology, embedder, ExtractiveAnswerer(embedder.name))
    return Models(morphology, embedder, ReadingAnswerer(reader, morphology, embedder=embedder.name))


def _loaded_morphology(given: Morphology | None) -> Morphology:
    morphology = given or Morphology()
    morphology.load()
    return morphology
