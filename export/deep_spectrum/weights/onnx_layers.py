"""The weighted layers of an ONNX graph in the order of its nodes, whoever wrote it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[np.float32]
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class FileLayer:
    """One convolution, dense layer or batch normalisation.

    Attributes:
        kind: 'convolution', 'dense' or 'norm'.
        name: of its weight in the file.
        tensors: float32 by PyTorch's part names: 'weight' [out, in/groups, k, k] or [out, in], 'bias' [out], …
        source, result: values of the graph that it reads and gives.
        epsilon: of a batch normalisation.
    """

    kind: str
    name: str
    tensors: dict[str, Array]
    source: str
    result: str
    epsilon: float = 0.0


def constants_of(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Initialisers and the results of Constant nodes, by name."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            found.update((node.output[0], a.t) for a in node.attribute if a.name == "value")
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def layers_of(graph: onnx.GraphProto, behind: str | None = None) -> list[FileLayer]:
    """All weighted layers, or those alone that depend on the value ``behind``; half precision is widened."""
    reached = {behind}
    for node in graph.node:
        if behind is None or reached.intersection(node.input):
            reached.update(node.output)
    return [layer for layer in _Reader(graph).layers if layer.result in reached]


@dataclass
class _Reader:
    graph: onnx.GraphProto
    layers: list[FileLayer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._constants = constants_of(self.graph)
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        rules = {
            "Conv": self._convolution,
            "Gemm": self._gemm,
            "MatMul": self._product,
            "BatchNormalization": self._norm,
        }
        for node in self.graph.node:
            layer = rules[node.op_type](node) if node.op_type in rules else None
            if layer is not None:
                self.layers.append(layer)

    def _array(self, name: str) -> Array:
        return numpy_helper.to_array(self._constants[name]).astype(np.float32)

    def _known(self, node: onnx.NodeProto, *places: int) -> bool:
        return all(place < len(node.input) and node.input[place] in self._constants for place in places)

    def _convolution(self, node: onnx.NodeProto) -> FileLayer | None:
        if not self._known(node, 1):
            return None
        tensors = {"weight": self._array(node.input[1])}
        if self._known(node, 2):
            tensors["bias"] = self._array(node.input[2])
        return FileLayer("convolution", node.input[1], tensors, node.input[0], node.output[0])

    def _gemm(self, node: onnx.NodeProto) -> FileLayer | None:
        if not self._known(node, 1):
            return None
        weight = self._array(node.input[1])
        tensors = {"weight": weight if _attributes(node).get("transB", 0) else weight.T}
        if self._known(node, 2):
            tensors["bias"] = self._array(node.input[2]).reshape(-1)
        return FileLayer("dense", node.input[1], tensors, node.input[0], node.output[0])

    def _product(self, node: onnx.NodeProto) -> FileLayer | None:
        if not self._known(node, 1) or len(self._constants[node.input[1]].dims) != 2:
            return None
        tensors = {"weight": self._array(node.input[1]).T}
        readers = self._readers.get(node.output[0], [])
        for reader in readers:
            if reader.op_type == "Add" and len(readers) == 1:
                for name in reader.input:
                    if name in self._constants:
                        tensors["bias"] = self._array(name).reshape(-1)
        return FileLayer("dense", node.input[1], tensors, node.input[0], node.output[0])

    def _norm(self, node: onnx.NodeProto) -> FileLayer | None:
        if not self._known(node, 1, 2, 3, 4):
            return None
        tensors = {part: self._array(name) for part, name in zip(NORM_PARTS, node.input[1:], strict=False)}
        epsilon = float(_attributes(node).get("epsilon", 1e-5))
        return FileLayer("norm", node.input[1], tensors, node.input[0], node.output[0], epsilon)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
