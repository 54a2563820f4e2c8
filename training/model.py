"""The reader as torch has it, for training: the bundled encoder with heads for spans and relevance.

A question and a passage go in together, ``<s> question </s> </s> title </s> passage </s>``. The heads:

- span: start + end + a product of two small projections of their states, so that both ends are chosen together; normalised over all
  spans of the passage of at most ``LONGEST`` tokens.
- relevance: of ``<s>`` and of the states where the answer seems to begin and end, so that what the words say of themselves counts; an
  answer of the wrong kind is seen here. Normalised over the passages of a question and "none of them", whose score is 0. Beside it,
  whether words answer or the whole does, as for a yes-or-no question.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from rag.reader import LONGEST, layers_of
from rag.weights import BLOCK_BYTES, dequantize

HIDDEN, HEADS, WIDE, POSITIONS, LAYERS = 384, 12, 1536, 512, 12
JOINT = 64  # of the projections that tie start and end
INNER = 128  # of the relevance head
FAR = -1e4  # the score of what cannot be
Arrays = Mapping[str, np.ndarray]


class Read(NamedTuple):
    """What the heads say of n texts of at most t tokens."""

    spans: Tensor  # (n, t, t) float32: log probability of each span within its passage
    relevance: Tensor  # (n,) float32
    wordless: Tensor  # (n,) float32: above 0, no words in particular answer, as of a yes-or-no question


class ReaderModel(nn.Module):
    """Encoder and heads. Token embeddings stay as they are; the layers are the first ``layers`` of the bundled model."""

    def __init__(self, vocabulary: int, layers: int = LAYERS) -> None:
        super().__init__()
        self.layers = layers
        config = BertConfig(
            vocab_size=vocabulary, hidden_size=HIDDEN, num_hidden_layers=layers, num_attention_heads=HEADS,
            intermediate_size=WIDE, max_position_embeddings=POSITIONS, type_vocab_size=2, layer_norm_eps=1e-12,
            pad_token_id=1, attn_implementation="sdpa",
        )  # fmt: skip
        self.bert = BertModel(config, add_pooling_layer=False)
        self.ends = nn.Linear(HIDDEN, 2)
        self.first = nn.Linear(HIDDEN, JOINT)
        self.last = nn.Linear(HIDDEN, JOINT)
        self.inner = nn.Linear(3 * HIDDEN, INNER)
        self.outer = nn.Linear(INNER, 2)
        self.bert.embeddings.word_embeddings.weight.requires_grad_(False)
        self.bert.embeddings.token_type_embeddings.weight.requires_grad_(False)

    def forward(self, ids: Tensor, mask: Tensor, inside: Tensor) -> Read:
        """``ids``, ``mask`` and ``inside``, which tokens are the passage's: (n, t)."""
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        ends = self.ends(states).float()
        start = ends[..., 0].masked_fill(~inside, FAR)
        end = ends[..., 1].masked_fill(~inside, FAR)
        joint = torch.einsum("nik,njk->nij", self.first(states), self.last(states)).float() / JOINT**0.5
        length = ids.shape[1]
        at = torch.arange(length, device=ids.device)
        gap = at[None, :] - at[:, None]
        spans = start[:, :, None] + end[:, None, :] + joint
        spans = spans.masked_fill(~((gap >= 0) & (gap < LONGEST)) | ~(inside[:, :, None] & inside[:, None, :]), FAR)
        spans = spans.flatten(1).log_softmax(-1).view(-1, length, length)
        begun = torch.einsum("nt,nth->nh", start.softmax(-1).to(states.dtype), states)
        ended = torch.einsum("nt,nth->nh", end.softmax(-1).to(states.dtype), states)
        pooled = torch.cat([states[:, 0], begun, ended], dim=-1)
        judged = self.outer(nn.functional.gelu(self.inner(pooled))).float()
        return Read(spans, judged[:, 0], judged[:, 1])


def build(words: np.ndarray, base: Arrays, layers: int) -> ReaderModel:
    """A reader that starts from the bundled encoder. ``words`` are the rows of its vocabulary in 4 bits, ``base`` the other tensors."""
    model = ReaderModel(len(words), layers)
    state = {"bert.embeddings.word_embeddings.weight": dequantize(words.reshape(-1, BLOCK_BYTES)).reshape(-1, HIDDEN)}
    wanted = dict(model.named_parameters())
    for name, long in names(layers).items():
        stored = base[name]  # float32, or blocks of 4 bits
        values = stored if stored.dtype == np.float32 else dequantize(stored.reshape(-1, BLOCK_BYTES))
        state[long] = values.reshape(wanted[long].shape)
    missing, unknown = model.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in state.items()}, strict=False)
    assert not unknown and all(name.split(".")[0] != "bert" for name in missing), (missing, unknown)
    for head in (model.ends, model.first, model.last, model.inner, model.outer):
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
    return model


class ByteDropout(nn.Module):
    """Dropout by random bytes: torch draws a float a value on one core, a quarter of the time of a step without a GPU."""

    def __init__(self, rate: float, random: np.random.Generator) -> None:
        super().__init__()
        self.kept, self.random = round(256 * (1 - rate)), random

    def forward(self, x: Tensor) -> Tensor:
        """``x`` with some values 0 and the others larger."""
        if not self.training:
            return x
        chance = torch.frombuffer(bytearray(self.random.bytes(x.numel())), dtype=torch.uint8).view(x.shape)
        return x * ((chance < self.kept).to(x.dtype) * (256 / self.kept))


def without_slow_chance(model: ReaderModel, seed: int) -> None:
    """For two cores: quick dropout, none in attention, and attention by plain products (1.45 times as fast as before)."""
    random = np.random.Generator(np.random.SFC64(seed))
    model.bert.set_attn_implementation("eager")
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout) and hasattr(module, "query"):
                child.p = 0.0  # attention asks for its rate
            elif isinstance(child, nn.Dropout):
                setattr(module, name, ByteDropout(child.p, random))


def names(layers: int) -> dict[str, str]:
    """The names of the bundled file -> those of this module, without the token embeddings."""
    found = {
        "emb.pos": "bert.embeddings.position_embeddings.weight",
        "emb.type": "bert.embeddings.token_type_embeddings.weight",
        "emb.ln.w": "bert.embeddings.LayerNorm.weight",
        "emb.ln.b": "bert.embeddings.LayerNorm.bias",
    }
    parts = {
        "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
        "fi": "intermediate.dense", "fo": "output.dense", "aln": "attention.output.LayerNorm", "oln": "output.LayerNorm",
    }  # fmt: skip
    for layer in range(layers):
        for short, long in parts.items():
            for kind, word in (("w", "weight"), ("b", "bias")):
                found[f"l{layer}.{short}.{kind}"] = f"bert.encoder.layer.{layer}.{long}.{word}"
    return found


HEAD_NAMES = {
    f"{name}.{kind}": f"{name}.{word}"
    for name in ("ends", "first", "last", "inner", "outer")
    for kind, word in (("w", "weight"), ("b", "bias"))
}


def load_weights(model: ReaderModel, path: Path) -> None:
    """Take over the weights of a run, by its folder, or of a file that ``training.export`` wrote: as many layers as the model has.

    Raises:
        SystemExit: they have fewer.

    """
    if (there := depth(path)) < model.layers:
        raise SystemExit(f"{path} has {there} layers, not {model.layers}")
    if path.is_file():
        tensors = load_file(path)
        state = {long: tensors[short].float() for short, long in (names(model.layers) | HEAD_NAMES).items()}
    else:
        ours = model.state_dict()
        state = {name: tensor for name, tensor in _state(path).items() if name in ours}
    model.load_state_dict(state, strict=False)


def depth(path: Path) -> int:
    """How many layers the weights of a run, by its folder, or of a file have."""
    if path.is_file():
        return layers_of(path)
    return 1 + max(int(name.split(".")[3]) for name in _state(path) if name.startswith("bert.encoder.layer."))


def _state(run: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(run / "state.pt", map_location="cpu", weights_only=True)["model"]
    return state
