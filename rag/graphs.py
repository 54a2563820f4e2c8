"""ONNX graphs that are made here, and what runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 20, 10  # what the oldest ONNX Runtime that is allowed reads
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators

Sizes = Sequence[int | str]  # of a tensor; a name stands for what is not known before


class Session(Protocol):
    """Runs a graph. Safe to call from several threads, which then run side by side."""

    def run(self, outputs: None, inputs: Mapping[str, npt.NDArray[np.float32]]) -> Sequence[npt.NDArray[np.float32]]:
        """All outputs, in the order of the graph."""


class Graph:
    """Nodes and constants in the order they are given. Methods that append return the names of what these compute."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        """An array that is always the same."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        """An operator of one output."""
        return self.nodes(operator, inputs, domain=domain, **attributes)[0]

    def nodes(
        self, operator: str, inputs: Sequence[str], *, domain: str = "", outputs: int = 1, **attributes: Any
    ) -> list[str]:
        """An operator of several outputs."""
        names = [f"{operator}.{len(self._nodes)}.{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    def session(self, inputs: Mapping[str, Sizes], outputs: Mapping[str, Sizes]) -> Session:
        """What runs the graph, on the one core of who calls it. Inputs and outputs, by name, are float32."""
        taken, given = (
            [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes) for name, sizes in ends.items()]
            for ends in (inputs, outputs)
        )
        graph = helper.make_graph(self._nodes, "graph", taken, given, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        made: Session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return made
