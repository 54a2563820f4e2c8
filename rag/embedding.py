"""Texts to unit vectors.

The default model is multilingual-e5-small (Wang et al. 2024) from the weights that install with the package, run by
``rag.encoder``: no network, no torch. Any other sentence-transformers model is a setting away, by folder or hub name, with its
own prompts.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from rag.encoder import Encoder
from rag.interfaces import Embedder, Vectors
from rag.settings import BUNDLED_MODEL, PASSAGE_PROMPT, QUERY_PROMPT, Settings
from rag.tokenizer import build_tokenizer, token_ids
from rag.weights import Weights, find_weights, open_weights

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class BundledEmbedder:
    """An ``Embedder`` over the bundled model, on all cores. Safe to call from several threads.

    A text is embedded by itself, so its vector is the same whatever is embedded beside it.
    """

    name = BUNDLED_MODEL

    def __init__(self, weights: Weights) -> None:
        self.dimension = weights.shape.hidden
        self._weights = weights
        self._tokenizer = build_tokenizer(weights.tokenizer)
        self._encoder = Encoder(weights)
        self._pool = ThreadPoolExecutor(usable_cores(), thread_name_prefix="geungeo-embed")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to vectors: (n, dimension) float32, unit rows, in the order given."""
        return self._embed(texts, QUERY_PROMPT)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Passages or sentences to vectors: (n, dimension) float32, unit rows, in the order given."""
        return self._embed(texts, PASSAGE_PROMPT)

    def as_sentence_transformer(self) -> SentenceTransformer:
        """The same model for programs that take a ``SentenceTransformer``; its texts need the prompts themselves."""
        from rag.sentence_models import load_bundled

        return load_bundled(self._weights)

    def tokens(self, texts: Sequence[str], prompt: str = PASSAGE_PROMPT) -> list[list[int]]:
        """The token ids that the encoder sees of each text, its prompt and ``<s>`` and ``</s>`` among them."""
        return token_ids(self._tokenizer, texts, prompt, self._encoder.max_tokens)

    def _embed(self, texts: Sequence[str], prompt: str) -> Vectors:
        rows = np.empty((len(texts), self.dimension), np.float32)
        ids = self.tokens(texts, prompt)

        def fill(at: int) -> None:
            pooled = self._encoder.encode(ids[at]).mean(axis=0)
            rows[at] = pooled / np.linalg.norm(pooled)

        if len(texts) == 1:  # a question: no other thread need wake up for it
            fill(0)
        else:  # the longest first, or the last one would keep a core waiting
            list(self._pool.map(fill, sorted(range(len(ids)), key=lambda at: -len(ids[at]))))
        return rows


def open_embedder(settings: Settings) -> Embedder:
    """The embedder that the settings name.

    Raises:
        ModelError: its weights are missing, damaged or not a sentence-transformers model.

    """
    if settings.model == BUNDLED_MODEL and not _has_gpu():
        return BundledEmbedder(open_weights(find_weights()))
    from rag.sentence_models import SentenceEmbedder

    return SentenceEmbedder.open(settings)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_gpu() -> bool:
    """Whether torch sees a GPU. It is asked only where there is a driver at all: importing it takes seconds."""
    for driver in ("libcuda.so.1", "libamdhip64.so", "nvcuda.dll"):
        try:
            ctypes.CDLL(driver)
        except OSError:
            continue
        from rag.sentence_models import has_gpu

        return has_gpu()
    return False
