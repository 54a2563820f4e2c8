"""Models of sentence-transformers: any of them as an ``Embedder``, and the bundled one as a ``SentenceTransformer``.

Importing this takes seconds, for torch comes with it. The bundled model needs neither on a processor, see ``rag.embedding``; this
module is for other models, for a GPU, and for whoever wants to hold a ``SentenceTransformer``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

# Read once, when torch loads OpenMP. A thread that spins while it waits for the others takes the core they need: beside a busy
# browser on two cores a question took 350 to 970 ms instead of 27.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.input_module import InputModule
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from rag.encoder import MAX_TOKENS, Encoder
from rag.errors import ModelError
from rag.interfaces import Vectors
from rag.settings import BUNDLED_MODEL, PASSAGE_PROMPT, QUERY_PROMPT, Settings
from rag.tokenizer import build_tokenizer, token_ids
from rag.weights import Float32Array, Weights, find_weights, open_weights

logger = logging.getLogger(__name__)


class SentenceEmbedder:
    """An ``Embedder`` over a ``SentenceTransformer``. Safe to call from several threads; calls take turns."""

    def __init__(
        self, name: str, model: SentenceTransformer, *, query_prompt: str, passage_prompt: str, batch_size: int = 32
    ) -> None:
        dimension = model.get_embedding_dimension()
        if dimension is None:
            raise ModelError(model=name, detail="it does not say how long its vectors are")
        self.name = name
        self.dimension = dimension
        self.model = model
        self._prompts = (query_prompt, passage_prompt)
        self._batch_size = batch_size
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: Settings) -> SentenceEmbedder:
        """Load the model that the settings name, on a GPU where torch sees one.

        Raises:
            ModelError: its weights are missing, damaged or not a sentence-transformers model.

        """
        if settings.model == BUNDLED_MODEL:
            model = load_plain(open_weights(find_weights()))
            return cls(BUNDLED_MODEL, model, query_prompt=QUERY_PROMPT, passage_prompt=PASSAGE_PROMPT)
        try:
            model = SentenceTransformer(settings.model)
        except Exception as error:  # what is wrong with a folder of others comes as any class, even as Exception itself
            raise ModelError(model=settings.model, detail=error) from error
        query = settings.query_prompt if settings.query_prompt is not None else _prompt(model, "query")
        passage = (
            settings.passage_prompt if settings.passage_prompt is not None else _prompt(model, "document", "passage")
        )
        return cls(settings.model, model, query_prompt=query, passage_prompt=passage)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to vectors: (n, dimension) float32, unit rows, in the order given."""
        return self._embed(texts, self._prompts[0])

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Passages or sentences to vectors: (n, dimension) float32, unit rows, in the order given."""
        return self._embed(texts, self._prompts[1])

    def _embed(self, texts: Sequence[str], prompt: str) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        with self._lock:
            rows = self.model.encode(
                list(texts),
                prompt=prompt,
                batch_size=self._batch_size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.ascontiguousarray(rows, dtype=np.float32)


def _prompt(model: SentenceTransformer, *names: str) -> str:
    return next((model.prompts[name] for name in names if model.prompts.get(name)), "")


def load_bundled(weights: Weights | None = None) -> SentenceTransformer:
    """multilingual-e5-small as a ``SentenceTransformer`` over the fast encoder: encoder, mean pooling, unit length."""
    weights = weights or open_weights(find_weights())
    return _assembled(FastModule(weights), "cpu")


def load_plain(weights: Weights) -> SentenceTransformer:
    """The same weights in float32 with torch, all of them unpacked: for a GPU, and what the fast encoder is measured against."""
    return _assembled(TorchModule(weights), None if torch.cuda.is_available() else "cpu")


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    return torch.cuda.is_available()


def _assembled(module: _Module, device: str | None) -> SentenceTransformer:
    return SentenceTransformer(modules=[module, Pooling(module.hidden, "mean"), Normalize()], device=device)


class _Module(InputModule):  # type: ignore[misc]  # sentence-transformers ships no types for it
    """The tokenizer, as the first module of a ``SentenceTransformer``."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.tokenizer: Tokenizer = build_tokenizer(weights.tokenizer)
        self.pad = weights.tokenizer.pad
        self.hidden = weights.shape.hidden
        self.max_seq_length = min(MAX_TOKENS, weights.shape.positions)

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """Texts to ``input_ids`` and ``attention_mask``, (n, tokens) int64, padded to the longest, at most 512 tokens."""
        rows = token_ids(self.tokenizer, [str(text) for text in inputs], prompt or "", self.max_seq_length)
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.pad, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Not offered: the weights are a file already."""
        raise NotImplementedError("the bundled model is not saved again; its file is rag.weights.find_weights()")


class FastModule(_Module):
    """``rag.encoder.Encoder`` inside of a ``SentenceTransformer``."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self._encoder = Encoder(weights)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds ``token_embeddings``, (n, tokens, hidden) float32, zero at padding."""
        ids = features["input_ids"]
        states = np.zeros((*ids.shape, self.hidden), np.float32)
        sizes = features["attention_mask"].sum(dim=1).tolist()
        texts = [row[:size].tolist() for row, size in zip(ids, sizes, strict=True)]

        def keep(at: int, some: Float32Array) -> None:
            states[at, : sizes[at]] = some

        self._encoder.encode_each(texts, keep)
        features["token_embeddings"] = torch.from_numpy(states).to(ids.device)
        return features


class TorchModule(_Module):
    """The encoder as transformers has it, in float32."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.bert = _build_bert(weights)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds ``token_embeddings``, (n, tokens, hidden) float32."""
        output = self.bert(input_ids=features["input_ids"], attention_mask=features["attention_mask"])
        features["token_embeddings"] = output.last_hidden_state
        return features


def _build_bert(weights: Weights) -> BertModel:
    shape = weights.shape
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.types,
        layer_norm_eps=shape.layer_norm_epsilon,
        pad_token_id=0,
    )
    with torch.device("meta"):  # no memory, no random numbers: every tensor comes from the file
        bert = BertModel(config, add_pooling_layer=False)
    state = {name: torch.from_numpy(tensor) for name, tensor in _state(weights).items()}
    embeddings = bert.embeddings
    embeddings.position_ids = torch.arange(shape.positions).unsqueeze(0)
    embeddings.token_type_ids = torch.zeros((1, shape.positions), dtype=torch.long)
    bert.load_state_dict(state, strict=True, assign=True)
    return bert.eval().requires_grad_(False)


def _state(weights: Weights) -> dict[str, np.ndarray]:
    """The tensors under the names BertModel gives them."""
    shape = weights.shape
    hidden, wide = shape.hidden, shape.feed_forward
    state = {
        "embeddings.word_embeddings.weight": weights.tensor("emb.word", shape.vocabulary, hidden),
        "embeddings.position_embeddings.weight": weights.tensor("emb.pos", shape.positions, hidden),
        "embeddings.token_type_embeddings.weight": weights.tensor("emb.type", shape.types, hidden),
        "embeddings.LayerNorm.weight": weights.tensor("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": weights.tensor("emb.ln.b", hidden),
    }
    linear = {
        "q": ("attention.self.query", hidden, hidden),
        "k": ("attention.self.key", hidden, hidden),
        "v": ("attention.self.value", hidden, hidden),
        "ao": ("attention.output.dense", hidden, hidden),
        "fi": ("intermediate.dense", wide, hidden),
        "fo": ("output.dense", hidden, wide),
    }
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    for layer in range(shape.layers):
        for short, (long, rows, columns) in linear.items():
            state[f"encoder.layer.{layer}.{long}.weight"] = weights.tensor(f"l{layer}.{short}.w", rows, columns)
            state[f"encoder.layer.{layer}.{long}.bias"] = weights.tensor(f"l{layer}.{short}.b", rows)
        for short, long in norms.items():
            state[f"encoder.layer.{layer}.{long}.weight"] = weights.tensor(f"l{layer}.{short}.w", hidden)
            state[f"encoder.layer.{layer}.{long}.bias"] = weights.tensor(f"l{layer}.{short}.b", hidden)
    return state
