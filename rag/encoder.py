"""Token ids to hidden states: the bundled BERT encoder in 8-bit integers, with ONNX Runtime.

What makes it three to four times as fast as the same weights in float32 on the same cores, and no less exact than .999:

- Weights are held in 8 bits, one scale a row; activations are rounded to 8 bits when they come, one scale a text. Products are
  summed in integers, for which processors have instructions of their own (Jacob et al. 2018).
- A scale for a whole text is spoiled by a few channels that are twenty times as large as the others, nearly all at ``<s>`` and
  ``</s>`` (massive activations, Sun et al. 2024). They are divided before rounding and the weights behind them multiplied
  (SmoothQuant, Xiao et al. 2023), by the factors in ``rag.outliers``.
- A text is a run of its own on one core, and texts run side by side: no padding, no thread waits for another, what a text needs
  stays in its core's cache, and a text gets the same numbers whatever stands beside it.
- Layer norms are taken apart: ONNX Runtime's own are five times slower than a mean and its root-mean-square norm. Their shift
  goes into the biases that follow, so nothing is added at run time.
- Token embeddings stay in 4 bits in the mapped file, and only the rows of a text are unpacked; all would take 384 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from rag.outliers import OUTLIERS
from rag.weights import BLOCK_BYTES, Float32Array, Weights, dequantize

MAX_TOKENS = 512
OPSET = 20
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
EXACT_LEVELS, SAFE_LEVELS = 127, 64  # the largest weight in 8 bits; see _levels


class Encoder:
    """The encoder of ``weights``. Safe to call from several threads, which then run side by side."""

    def __init__(self, weights: Weights, outliers: Mapping[str, Mapping[int, float]] = OUTLIERS) -> None:
        shape = weights.shape
        self.hidden = shape.hidden
        self.max_tokens = min(MAX_TOKENS, shape.positions)
        self._words = weights.q4_rows("emb.word", shape.vocabulary)
        types = weights.tensor("emb.type", shape.types, shape.hidden)
        self._positions = weights.tensor("emb.pos", shape.positions, shape.hidden) + types[0]
        self._session = _session(_Graph(weights, outliers, _levels()).model())

    def encode(self, ids: Sequence[int]) -> Float32Array:
        """The hidden states of one text, ``ids`` with ``<s>`` and ``</s>``, 1 to ``max_tokens``: (tokens, hidden) float32.

        Raises:
            ValueError: there are no ids, or too many.

        """
        if not 0 < len(ids) <= self.max_tokens:
            raise ValueError(f"{len(ids)} tokens; the encoder takes 1 to {self.max_tokens}")
        (states,) = self._session.run(None, {"embeddings": self.embeddings(ids)})
        return np.asarray(states[0], np.float32)

    def embeddings(self, ids: Sequence[int]) -> Float32Array:
        """What the first layer norm takes, word, position and type added up: (1, tokens, hidden) float32."""
        rows = self._words[np.asarray(ids, np.int64)].reshape(-1, BLOCK_BYTES)
        words: Float32Array = dequantize(rows).reshape(1, len(ids), self.hidden)
        return words + self._positions[: len(ids)]


class _Graph:
    """The encoder as an ONNX graph. Methods append nodes and return the name of what these compute."""

    def __init__(self, weights: Weights, outliers: Mapping[str, Mapping[int, float]], levels: int) -> None:
        self._weights = weights
        self._outliers = outliers
        self._levels = levels
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._axis = self._constant("axis", np.array([-1], np.int64))

    def model(self) -> bytes:
        """``embeddings`` -> ``states``, both (1, tokens, hidden) float32."""
        hidden, layers = self._weights.shape.hidden, self._weights.shape.layers
        state, residual = self._norm("embeddings", "emb.ln", self._factors("l0.q", hidden))
        shift = self._weights.tensor("emb.ln.b", hidden)
        for layer in range(layers):
            state, residual, shift = self._layer(layer, state, residual, shift, last=layer == layers - 1)
        self._nodes.append(helper.make_node("Add", [residual, self._constant("shift", shift)], ["states"]))
        ends = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, "tokens", hidden])
            for name in ("embeddings", "states")
        ]
        graph = helper.make_graph(self._nodes, "encoder", ends[:1], ends[1:], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())

    def _layer(
        self, number: int, state: str, residual: str, shift: Float32Array, *, last: bool
    ) -> tuple[str, str, Float32Array]:
        """One layer. ``state`` and ``residual`` are a norm's output before its ``shift``, which is (hidden,)."""
        hidden, wide = self._weights.shape.hidden, self._weights.shape.feed_forward
        at = f"l{number}"
        rounded = self._nodes_of("DynamicQuantizeLinear", [state], outputs=3)  # once for three matrices
        projected = [
            self._linear(rounded, f"{at}.{one}", hidden, hidden, self._factors(f"{at}.q", hidden), shift)
            for one in "qkv"
        ]
        heads = self._weights.shape.heads
        mixed = self._node("MultiHeadAttention", projected, domain=MICROSOFT, num_heads=heads)
        attended = self._linear([mixed], f"{at}.ao", hidden, hidden, None, None, add=shift)
        factors = self._factors(f"{at}.fi", hidden)
        state, residual = self._norm(self._node("Add", [attended, residual]), f"{at}.aln", factors)
        shift = self._weights.tensor(f"{at}.aln.b", hidden)
        inner = self._node("Gelu", [self._linear([state], f"{at}.fi", wide, hidden, factors, shift)])
        factors = self._factors(f"{at}.fo", wide)
        inner = self._scaled(inner, f"{at}.fo.factors", np.reciprocal(factors))
        outer = self._linear([inner], f"{at}.fo", hidden, wide, factors, None, add=shift)
        factors = np.ones(hidden, np.float32) if last else self._factors(f"l{number + 1}.q", hidden)
        state, residual = self._norm(self._node("Add", [outer, residual]), f"{at}.oln", factors)
        return state, residual, self._weights.tensor(f"{at}.oln.b", hidden)

    def _norm(self, summed: str, name: str, factors: Float32Array) -> tuple[str, str]:
        """A layer norm without its shift: divided by ``factors``, as the next matrix wants it, and as it is."""
        gain = self._weights.tensor(f"{name}.w", len(factors))
        centred = self._node("Sub", [summed, self._node("ReduceMean", [summed, self._axis], keepdims=1)])
        state = self._node(
            "SimplifiedLayerNormalization", [centred, self._constant(f"{name}.gain", gain / factors)],
            axis=-1, epsilon=self._weights.shape.layer_norm_epsilon,
        )  # fmt: skip
        return state, self._scaled(state, f"{name}.factors", factors)

    def _scaled(self, x: str, name: str, factors: Float32Array) -> str:
        return x if (factors == 1).all() else self._node("Mul", [x, self._constant(name, factors)])

    def _linear(
        self, inputs: Sequence[str], name: str, rows: int, columns: int,
        factors: Float32Array | None, shift: Float32Array | None, *, add: Float32Array | None = None,
    ) -> str:  # fmt: skip
        """``W x + b``; ``inputs`` is x, or x rounded already with its scale and zero point.

        x comes divided by ``factors``, and short of ``shift``; ``add``, which is missing elsewhere, is added to the output.
        """
        weight = self._weights.tensor(f"{name}.w", rows, columns)
        bias = self._weights.tensor(f"{name}.b", rows)
        if shift is not None:
            bias = bias + weight @ shift
        if add is not None:
            bias = bias + add
        rounded, scales = _rounded(weight if factors is None else weight * factors, self._levels)
        matrix = self._constant(f"{name}.w", rounded.T)
        scale, offset = self._constant(f"{name}.scale", scales), self._constant(f"{name}.b", bias)
        if len(inputs) == 1:
            return self._node("DynamicQuantizeMatMul", [inputs[0], matrix, scale, "", offset], domain=MICROSOFT)
        x, x_scale, x_zero = inputs
        return self._node("MatMulIntegerToFloat", [x, matrix, x_scale, scale, x_zero, "", offset], domain=MICROSOFT)

    def _factors(self, name: str, size: int) -> Float32Array:
        """What the channels of the input of a matrix are divided by, (size,); 1 for all but a few."""
        factors = np.ones(size, np.float32)
        for channel, factor in self._outliers.get(name, {}).items():
            if channel < size:
                factors[channel] = factor
        return factors

    def _constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, operator: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        return self._nodes_of(operator, inputs, domain=domain, **attributes)[0]

    def _nodes_of(
        self, operator: str, inputs: Sequence[str], *, domain: str = "", outputs: int = 1, **attributes: Any
    ) -> list[str]:
        names = [f"{operator}.{len(self._nodes)}.{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names


def _rounded(weight: Float32Array, levels: int) -> tuple[npt.NDArray[np.int8], Float32Array]:
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
    graph = helper.make_graph(
        [helper.make_node("DynamicQuantizeMatMul", ["x", "w", "scale"], ["y"], domain=MICROSOFT)],
        "products",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, columns])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, rows])],
        [
            numpy_helper.from_array(np.full((columns, rows), EXACT_LEVELS, np.int8), "w"),
            numpy_helper.from_array(np.ones(rows, np.float32), "scale"),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    session = _session(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())
    (summed,) = session.run(None, {"x": np.ones((1, columns), np.float32)})
    exact = np.allclose(summed, columns * EXACT_LEVELS, rtol=1e-3)
    return EXACT_LEVELS if exact else SAFE_LEVELS


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
