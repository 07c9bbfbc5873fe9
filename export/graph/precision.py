"""Weights of a graph in half precision or 8 bits; what it computes stays in float32, but for some LSTM layers.

Each weight is stored small and widened by nodes that ONNX Runtime folds once, when it loads the graph. A file gets
smaller, a run costs what it did, every provider runs it, and a clip's answer does not depend on its batch. LSTM layers
that take another LSTM's outputs compute with the 8-bit weights themselves, which is faster, on a CPU.
"""

import math
import re
from collections.abc import Iterable
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.graph.integer_lstm import integer_lstm

Precision = Literal["fp16", "int8"]

LEAST_NUMBERS = 1024
"""Smaller tensors, such as biases and scales of norms, stay as they are."""

EXACT = re.compile(r"fourier|mel_bank|front_end\.|\.wide$")
"""Names of tensors that nobody learnt, Fourier kernels and filter banks, before which levels still differ by 80 dB;
and of an LSTM layer that hears such a spectrum and whose outputs go to integer layers.
"""

STEPS = 127
"""Largest 8-bit number that is used; zero stands for zero."""

BLOCK, LEAST_BLOCK = 32, 8
"""Weights beside one another that share a scale: at most, and at least unless all that a unit takes share one.

One scale for each unit of ge2e-open moved arousal by up to 0.12 on 12 clips of RAVDESS, scales for blocks of 64, 32 and
16 weights by 0.019 to 0.022 (measured once).
"""


def reduced(model: ModelProto, precision: Precision) -> ModelProto:
    """The graph with small weights.

    Args:
        model: with float32 weights; it is not changed.
        precision: 'fp16' rounds each number; 'int8' stores whole numbers with a scale for each block of some 32, or of
            each unit of a layer of :func:`~export.graph.integer_lstm.integer_lstm`.

    Raises:
        ValueError: no weight can be stored so, or one is too large for half precision.
    """
    made = integer_lstm(model) if precision == "int8" else _copy(model)
    graph = made.graph
    given = {value.name for value in graph.input}
    axes = _axes(graph)
    nodes: list[NodeProto] = []
    kept: list[TensorProto] = []
    for tensor in graph.initializer:
        numbers = int(np.prod(tensor.dims))
        is_weight = tensor.data_type == TensorProto.FLOAT and numbers >= LEAST_NUMBERS and tensor.name in axes
        if not is_weight or tensor.name in given or EXACT.search(tensor.name):
            kept.append(tensor)
            continue
        values = numpy_helper.to_array(tensor)
        small, widening = (
            _half(tensor.name, values) if precision == "fp16" else _whole(tensor.name, values, axes[tensor.name])
        )
        kept += small
        nodes += widening
    if not nodes and graph == model.graph:
        raise ValueError("the graph has no float32 weights that could be stored in fewer bits")
    body = [*nodes, *graph.node]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(body)
    graph.initializer.extend(kept)
    return made


def _copy(model: ModelProto) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    return made


def _half(name: str, values: NDArray[np.float32]) -> tuple[list[TensorProto], list[NodeProto]]:
    with np.errstate(over="ignore"):
        small = values.astype(np.float16)
    if not np.isfinite(small).all():
        raise ValueError(f"{name}: a weight of {np.abs(values).max():.3g} is too large for half precision")
    stored = numpy_helper.from_array(small, f"{name}.fp16")
    return [stored], [helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)]


def _whole(name: str, values: NDArray[np.float32], axis: int) -> tuple[list[TensorProto], list[NodeProto]]:
    size = math.gcd(values.shape[axis], BLOCK)
    size = size if size >= LEAST_BLOCK else values.shape[axis]
    split = (*values.shape[:axis], values.shape[axis] // size, size, *values.shape[axis + 1 :])
    blocks = values.reshape(split)
    scale = np.maximum(np.abs(blocks).max(axis=axis + 1, keepdims=True), np.finfo(np.float32).tiny) / STEPS
    stored = numpy_helper.from_array(np.rint(blocks / scale).astype(np.int8), f"{name}.int8")
    scales = numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale")
    shape = numpy_helper.from_array(np.array(values.shape, np.int64), f"{name}.shape")
    return [stored, scales, shape], [
        helper.make_node("Cast", [stored.name], [f"{name}.widened"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.widened", scales.name], [f"{name}.scaled"]),
        helper.make_node("Reshape", [f"{name}.scaled", shape.name], [name]),
    ]


def _axes(graph: GraphProto) -> dict[str, int]:
    """The axis of what a layer takes, by the name of each tensor that layers have as their weights."""
    found: dict[str, int] = {}
    for node in _every_node(graph.node):
        if node.op_type in ("LSTM", "GRU", "RNN"):
            found |= dict.fromkeys(node.input[1:3], 2)
        elif node.op_type == "Conv":
            found[node.input[1]] = 1
        elif node.op_type == "MatMul":
            found[node.input[1]] = -2
        elif node.op_type == "Gemm":
            is_turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            found[node.input[1]] = 1 if is_turned else 0
    sizes = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    return {name: axis % sizes[name] for name, axis in found.items() if sizes.get(name, 0) > 1}


def _every_node(nodes: Iterable[NodeProto]) -> Iterable[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _every_node(attribute.g.node)
