"""Texts to unit vectors.

The default model is multilingual-e5-small (Wang et al. 2024) from the weights that install with the package, run by
``rag.encoder``: no network, no torch. Any other sentence-transformers model is a setting away, by folder or hub name, with its
own prompts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from rag.encoder import Encoder
from rag.interfaces import Embedder, Vectors
from rag.settings import BUNDLED_MODEL, PASSAGE_PROMPT, QUERY_PROMPT, Settings
from rag.tokenizer import build_tokenizer, token_ids
from rag.weights import Float32Array, Weights, find_weights, open_weights


class BundledEmbedder:
    """An ``Embedder`` over the bundled model, on all cores. Safe to call from several threads.

    A text is embedded by itself, so its vector is the same whatever is embedded beside it.
    """

    name = BUNDLED_MODEL

    def __init__(self, weights: Weights) -> None:
        self.dimension = weights.shape.hidden
        self.tokenizer = build_tokenizer(weights.tokenizer)
        self._encoder = Encoder(weights)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to vectors: (n, dimension) float32, unit rows, in the order given."""
        return self._embed(texts, QUERY_PROMPT)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Passages or sentences to vectors: (n, dimension) float32, unit rows, in the order given."""
        return self._embed(texts, PASSAGE_PROMPT)

    def tokens(self, texts: Sequence[str], prompt: str = PASSAGE_PROMPT) -> list[list[int]]:
        """The token ids that the encoder sees of each text, its prompt and ``<s>`` and ``</s>`` among them."""
        return token_ids(self.tokenizer, texts, prompt, self._encoder.max_tokens)

    def _embed(self, texts: Sequence[str], prompt: str) -> Vectors:
        rows = np.empty((len(texts), self.dimension), np.float32)
        ids = self.tokens(texts, prompt)

        def pool(at: int, states: Float32Array) -> None:
            mean = states.mean(axis=0)
            rows[at] = mean / np.linalg.norm(mean)

        self._encoder.encode_each(ids, pool)
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
