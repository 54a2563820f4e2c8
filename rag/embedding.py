"""Texts to unit vectors, with sentence-transformers.

The default model is multilingual-e5-small from the weights that install with the package, with no network; any other
sentence-transformers model is a setting away, by folder or hub name, with its own prompts.

The 96 million token-embedding weights stay in 4 bits in the mapped file and are looked up row by row: a table in float32
would cost 384 MB and most of the loading time, and a question needs a dozen rows of it.
"""

from __future__ import annotations

import logging
import os
import threading
import unicodedata
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
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from rag.errors import ModelError
from rag.interfaces import Vectors
from rag.settings import BUNDLED_MODEL, Settings
from rag.weights import BLOCK, TokenizerData, Weights, encode_character_map, find_weights, open_weights

logger = logging.getLogger(__name__)

MAX_TOKENS = 512
QUERY_PROMPT = "query: "  # the prompts the E5 models were trained with (Wang et al. 2024)
PASSAGE_PROMPT = "passage: "


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
        """Load the model that the settings name.

        Raises:
            ModelError: its weights are missing, damaged or not a sentence-transformers model.

        """
        if settings.model == BUNDLED_MODEL:
            model = load_bundled(open_weights(find_weights()))
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


def load_bundled(weights: Weights, *, full_table: bool = False) -> SentenceTransformer:
    """multilingual-e5-small as a ``SentenceTransformer``: encoder, mean pooling, unit length.

    ``full_table`` unpacks the token embeddings to float32 (384 MB), as the plain model holds them; benchmarks compare
    with it.
    """
    modules = [BundledEncoder(weights, full_table=full_table), Pooling(weights.shape.hidden, "mean"), Normalize()]
    return SentenceTransformer(modules=modules, device=None if torch.cuda.is_available() else "cpu")


class BundledEncoder(InputModule):  # type: ignore[misc]  # sentence-transformers ships no types for it
    """Tokenizer and BERT encoder built from the bundled weights, as the first module of a ``SentenceTransformer``."""

    def __init__(self, weights: Weights, *, full_table: bool = False) -> None:
        super().__init__()
        self.tokenizer = build_tokenizer(weights.tokenizer)
        self.max_seq_length = min(MAX_TOKENS, weights.shape.positions)
        self.bert = _build_bert(weights, full_table=full_table)

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """Texts to ``input_ids`` and ``attention_mask``, (n, tokens) int64, padded to the longest, at most 512 tokens."""
        texts = [unicodedata.normalize("NFC", (prompt or "") + str(text)) for text in inputs]
        rows = [self._truncated(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(texts)]
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.pad, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    @property
    def pad(self) -> int:
        """The id of the padding token."""
        return int(self.tokenizer.token_to_id("<pad>") or 0)

    def _truncated(self, ids: list[int]) -> list[int]:
        return ids if len(ids) <= self.max_seq_length else [*ids[: self.max_seq_length - 1], ids[-1]]

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds ``token_embeddings``, (n, tokens, hidden) float32."""
        output = self.bert(input_ids=features["input_ids"], attention_mask=features["attention_mask"])
        features["token_embeddings"] = output.last_hidden_state
        return features

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Not offered: the weights are a file already."""
        raise NotImplementedError("the bundled model is not saved again; its file is rag.weights.find_weights()")


class Q4Embedding(torch.nn.Module):
    """Token embeddings kept as Q4_0 blocks; ``forward`` unpacks only the rows that are asked for."""

    packed: torch.Tensor  # (vocabulary, blocks a row * 18) uint8

    def __init__(self, packed: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("packed", packed, persistent=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids of any shape int64 -> (*shape, hidden) float32."""
        rows = self.packed[ids.reshape(-1)].reshape(ids.numel(), -1, 2 + BLOCK // 2)
        scales = rows[..., :2].contiguous().view(torch.float16).float()
        nibbles = torch.cat([rows[..., 2:] & 15, rows[..., 2:] >> 4], dim=-1)
        return ((nibbles.float() - 8.0) * scales).reshape(*ids.shape, -1)


def _build_bert(weights: Weights, *, full_table: bool) -> BertModel:
    shape = weights.shape
    config = BertConfig(
        vocab_size=1,  # replaced below
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
    if full_table:
        table = weights.tensor("emb.word", shape.vocabulary, shape.hidden)
        embeddings.word_embeddings = torch.nn.Embedding(shape.vocabulary, shape.hidden, _weight=torch.from_numpy(table))
        state["embeddings.word_embeddings.weight"] = embeddings.word_embeddings.weight.data
    else:
        embeddings.word_embeddings = Q4Embedding(torch.from_numpy(weights.q4_rows("emb.word", shape.vocabulary)))
    bert.load_state_dict(state, strict=True, assign=True)
    return bert.eval().requires_grad_(False)


def _state(weights: Weights) -> dict[str, np.ndarray]:
    """The tensors under the names BertModel gives them, but for the token embeddings."""
    shape = weights.shape
    hidden, wide = shape.hidden, shape.feed_forward
    state = {
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


def build_tokenizer(data: TokenizerData) -> Tokenizer:
    """The XLM-RoBERTa tokenizer: SentencePiece Unigram, ``<s> $A </s>``, pairs as ``<s> $A </s> </s> $B </s>``."""
    tokenizer = Tokenizer(models.Unigram(list(zip(data.pieces, data.scores, strict=True)), unk_id=data.unk))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(encode_character_map(data.character_map)), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([data.pieces[i] for i in (data.bos, data.pad, data.eos, data.unk)])
    bos, eos = data.pieces[data.bos], data.pieces[data.eos]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, data.bos), (eos, data.eos)],
    )
    return tokenizer
