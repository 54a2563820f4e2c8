"""Token ids to hidden states: the bundled BERT encoder in 8-bit integers, with ONNX Runtime.

What makes it three to four times as fast as the same weights in float32 on the same cores, and no less exact than .999:

- Weights are held in 8 bits, one scale a row; activations are rounded to 8 bits when they come, one scale a text. Products are
  summed in integers, for which processors have instructions of their own (Jacob et al. 2018).
- A scale for a whole text is spoiled by a few channels that are up to twenty times as large as the others, nearly all at ``<s>``
  and ``</s>`` (massive activations, Sun et al. 2024). Those in ``rag.outliers`` are left out of the rounding and go through a small
  matrix of their own in float32 (LLM.int8(), Dettmers et al. 2022).
- A text is a run of its own on one core, and texts run side by side: no padding, no thread waits for another, what a text needs
  stays in its core's cache, and a text gets the same numbers whatever stands beside it.
- Layer norms are taken apart: ONNX Runtime's own are five times slower than a mean and its root-mean-square norm. Their shift
  goes into the biases that follow, so nothing is added at run time.
- Token embeddings stay in 4 bits in the mapped file, and only the rows of a text are unpacked; all would take 384 MB.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rag.graphs import MICROSOFT, Graph, Session
from rag.outliers import OUTLIERS
from rag.weights import BLOCK_BYTES, Float32Array, Tensors, dequantize

MAX_TOKENS = 512
EXACT_LEVELS, SAFE_LEVELS = 127, 64  # the largest weight in 8 bits; see _levels


class Encoder:
    """The encoder of ``weights``. Safe to call from several threads, which then run side by side."""

    def __init__(self, weights: Tensors, outliers: Mapping[str, Sequence[int]] = OUTLIERS) -> None:
        shape = weights.shape
        self.hidden = shape.hidden
        self.max_tokens = min(MAX_TOKENS, shape.positions)
        self._words = weights.q4_rows("emb.word", shape.vocabulary)
        types = weights.tensor("emb.type", shape.types, shape.hidden)
        self._positions = weights.tensor("emb.pos", shape.positions, shape.hidden) + types[0]
        self._session = _Layers(weights, outliers, _levels()).session_of_all()

    def encode(self, ids: Sequence[int]) -> Float32Array:
        """The hidden states of one text, ``ids`` with ``<s>`` and ``</s>``, 1 to ``max_tokens``: (tokens, hidden) float32.

        Raises:
            ValueError: there are no ids, or too many.

        """
        if not 0 < len(ids) <= self.max_tokens:
            raise ValueError(f"{len(ids)} tokens; the encoder takes 1 to {self.max_tokens}")
        (states,) = self._session.run(None, {"embeddings": self.embeddings(ids)})
        return np.asarray(states[0], np.float32)

    def encode_each(self, texts: Sequence[Sequence[int]], take: Callable[[int, Float32Array], None]) -> None:
        """Encode texts side by side on all cores. ``take`` is given the number of a text and its states, on whichever thread.

        Raises:
            ValueError: as ``encode``.

        """

        def encode(at: int) -> None:
            take(at, self.encode(texts[at]))

        if len(texts) == 1:  # a question: no other thread need wake up for it
            encode(0)
        else:  # the longest first, or the last one would keep a core waiting
            list(_pool().map(encode, sorted(range(len(texts)), key=lambda at: -len(texts[at]))))

    def embeddings(self, ids: Sequence[int]) -> Float32Array:
        """What the first layer norm takes, word, position and type added up: (1, tokens, hidden) float32."""
        rows = self._words[np.asarray(ids, np.int64)].reshape(-1, BLOCK_BYTES)
        words = dequantize(rows).reshape(1, len(ids), self.hidden)
        return np.asarray(words + self._positions[: len(ids)], np.float32)


class _Rounded(NamedTuple):
    """What matrices take: names of the 8-bit numbers, their scale and their zero; and of the outliers in float32, if any."""

    parts: list[str]
    large: str
    channels: npt.NDArray[np.int64]  # which these are


class _Layers(Graph):
    """The encoder as an ONNX graph."""

    def __init__(self, weights: Tensors, outliers: Mapping[str, Sequence[int]], levels: int) -> None:
        super().__init__()
        self._weights = weights
        self._outliers = outliers
        self._levels = levels
        self._axis = self.constant("axis", np.array([-1], np.int64))

    def session_of_all(self) -> Session:
        """``embeddings`` -> ``states``, both (1, tokens, hidden)."""
        state, shift = self._norm("embeddings", "emb.ln")
        for layer in range(self._weights.shape.layers):
            state, shift = self._layer(f"l{layer}", state, shift)
        states = self.node("Add", [state, self.constant("shift", shift)])
        sizes = (1, "tokens", self._weights.shape.hidden)
        return self.session({"embeddings": sizes}, {states: sizes})

    def _layer(self, at: str, state: str, shift: Float32Array) -> tuple[str, Float32Array]:
        """One layer. ``state`` is the output of a norm short of its ``shift``, (hidden,), and so is what is returned."""
        hidden, wide, heads = (getattr(self._weights.shape, of) for of in ("hidden", "feed_forward", "heads"))
        taken = self._rounded(state, f"{at}.q", hidden)  # once for three matrices
        projected = [self._linear(taken, f"{at}.{one}", (hidden, hidden), shift=shift) for one in "qkv"]
        mixed = self.node("MultiHeadAttention", projected, domain=MICROSOFT, num_heads=heads)
        attended = self._linear(self._rounded(mixed, f"{at}.ao", hidden), f"{at}.ao", (hidden, hidden), add=shift)
        state, shift = self._norm(self.node("Add", [attended, state]), f"{at}.aln")
        inner = self._linear(self._rounded(state, f"{at}.fi", hidden), f"{at}.fi", (wide, hidden), shift=shift)
        inner = self.node("Gelu", [inner])
        outer = self._linear(self._rounded(inner, f"{at}.fo", wide), f"{at}.fo", (hidden, wide), add=shift)
        return self._norm(self.node("Add", [outer, state]), f"{at}.oln")

    def _norm(self, summed: str, name: str) -> tuple[str, Float32Array]:
        """A layer norm short of its shift, and the shift."""
        shape = self._weights.shape
        centred = self.node("Sub", [summed, self.node("ReduceMean", [summed, self._axis], keepdims=1)])
        gain = self.constant(f"{name}.w", self._weights.tensor(f"{name}.w", shape.hidden))
        state = self.node("SimplifiedLayerNormalization", [centred, gain], axis=-1, epsilon=shape.layer_norm_epsilon)
        return state, self._weights.tensor(f"{name}.b", shape.hidden)

    def _rounded(self, x: str, name: str, size: int) -> _Rounded:
        """What the matrix ``name`` takes, (1, tokens, ``size``), in 8 bits, and its outliers as they are."""
        channels = np.array([at for at in self._outliers.get(name, ()) if at < size], np.int64)
        large = ""
        if len(channels):
            large = self.node("Gather", [x, self.constant(f"{name}.channels", channels)], axis=-1)
            others = np.ones(size, np.float32)
            others[channels] = 0
            x = self.node("Mul", [x, self.constant(f"{name}.others", others)])
        return _Rounded(self.nodes("DynamicQuantizeLinear", [x], outputs=3), large, channels)

    def _linear(
        self, x: _Rounded, name: str, shape: tuple[int, int],
        *, shift: Float32Array | None = None, add: Float32Array | None = None,
    ) -> str:  # fmt: skip
        """``W x + b``, W of ``shape`` (rows, columns). x is short of ``shift``; ``add`` is added to the output."""
        weight = self._weights.tensor(f"{name}.w", *shape)
        bias = self._weights.tensor(f"{name}.b", shape[0])
        bias = bias if shift is None else bias + weight @ shift
        bias = bias if add is None else bias + add
        apart = weight[:, x.channels]
        weight[:, x.channels] = 0
        matrix, scales = _in_8_bits(weight, self._levels)
        whole, scale, zero = x.parts
        products = self.node(
            "MatMulIntegerToFloat",
            [whole, self.constant(f"{name}.w", matrix.T), scale, self.constant(f"{name}.scale", scales), zero, "",
             self.constant(f"{name}.b", bias)],
            domain=MICROSOFT,
        )  # fmt: skip
        if not x.large:
            return products
        rest = self.node("MatMul", [x.large, self.constant(f"{name}.apart", apart.T)])
        return self.node("Add", [products, rest])


@cache
def _pool() -> ThreadPoolExecutor:
    """One thread a core, for all encoders of the process."""
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="geungeo-encode")


if hasattr(os, "register_at_fork"):  # threads do not come along
    os.register_at_fork(after_in_child=_pool.cache_clear)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_8_bits(weight: Float32Array, levels: int) -> tuple[npt.NDArray[np.int8], Float32Array]:
    """A matrix as int8 of at most ``levels``, and the scale of each of its rows, (rows,) float32."""
    scales = np.abs(weight).max(axis=1) / levels
    scales[scales == 0] = 1.0
    return np.rint(weight / scales[:, None]).astype(np.int8), scales.astype(np.float32)


@cache
def _levels() -> int:
    """How large weights may be on this processor.

    x86 without VNNI sums two products in 16 bits, where 2 * 255 * 127 does not fit and is cut off without a word. There weights
    get 7 bits, with which it fits. Which kind this one is, is not asked but tried.
    """
    columns, rows = 64, 16
    products = Graph()
    matrix = products.constant("w", np.full((columns, rows), EXACT_LEVELS, np.int8))
    scale = products.constant("scale", np.ones(rows, np.float32))
    product = products.node("DynamicQuantizeMatMul", ["x", matrix, scale], domain=MICROSOFT)
    session = products.session({"x": (1, columns)}, {product: (1, rows)})
    (summed,) = session.run(None, {"x": np.ones((1, columns), np.float32)})
    exact = np.allclose(summed, columns * EXACT_LEVELS, rtol=1e-3)
    return EXACT_LEVELS if exact else SAFE_LEVELS
