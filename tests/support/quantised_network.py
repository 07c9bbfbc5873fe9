"""An 8-bit TFLite network as integers see it: after every operator the result is rounded to the 8 bits of its tensor.

Real numbers between the roundings stand for the 32-bit sums of an integer engine, so an answer may differ from such an
engine's by one step of a tensor's scale here and there.
"""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from export.deep_spectrum.weights.tflite_file import real_values
from export.faces.tflite import Builtin, Graph, Operator, Tensor, read_graph

RELU6 = 3


def run_quantised(file: Path, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Results of all operators in order, real numbers in TFLite's layout, for pixels uint8 [1, height, width, 3]."""
    graph = read_graph(file.read_bytes())
    values: dict[int, NDArray[np.float32]] = {}
    source = graph.tensors[graph.inputs[0]].quantisation
    real = (pixels.astype(np.float64) - source.zero_points[0]) * source.scales[0]
    values[graph.inputs[0]] = real.astype(np.float32)
    results = []
    for operator in graph.operators:
        result = _step(graph, operator, values)
        values[operator.outputs[0]] = _rounded(result, graph.tensors[operator.outputs[0]])
        results.append(values[operator.outputs[0]])
    return results


def _rounded(value: NDArray[np.float32], tensor: Tensor) -> NDArray[np.float32]:
    scale, zero = tensor.quantisation.scales[0], tensor.quantisation.zero_points[0]
    low, high = (0, 255) if tensor.dtype == np.uint8 else (-128, 127)
    return ((np.clip(np.round(value / scale) + zero, low, high) - zero) * scale).astype(np.float32)


def _step(graph: Graph, operator: Operator, values: dict[int, NDArray[np.float32]]) -> NDArray[np.float32]:
    x = values[operator.inputs[0]]
    match operator.code:
        case Builtin.CONV_2D | Builtin.DEPTHWISE_CONV_2D:
            return _convolve(graph, operator, x)
        case Builtin.ADD:
            return x + values[operator.inputs[1]]
        case Builtin.AVERAGE_POOL_2D | Builtin.MEAN:
            return x.mean(axis=(1, 2), keepdims=True)
        case Builtin.RESHAPE:
            return x.reshape(graph.tensors[operator.outputs[0]].shape)
        case Builtin.QUANTIZE:
            return x
        case Builtin.SOFTMAX:
            exponential = np.exp(x - x.max())
            return exponential / exponential.sum()
    raise AssertionError(operator.code)


def _convolve(graph: Graph, operator: Operator, x: NDArray[np.float32]) -> NDArray[np.float32]:
    depthwise = operator.code is Builtin.DEPTHWISE_CONV_2D
    kernel = real_values(graph.tensors[operator.inputs[1]]).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
    stride, edge, size = operator.option(1, "i"), x.shape[1], kernel.shape[2]
    total = max((math.ceil(edge / stride) - 1) * stride + size - edge, 0)
    pads = (total // 2, total - total // 2) * 2
    given = functional.pad(torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))), pads)
    bias = torch.from_numpy(real_values(graph.tensors[operator.inputs[2]]))
    groups = x.shape[3] if depthwise else 1
    y = functional.conv2d(given, torch.from_numpy(np.ascontiguousarray(kernel)), bias, stride=stride, groups=groups)
    if operator.option(4 if depthwise else 3, "b") == RELU6:
        y = y.clamp(0, 6)
    return y.numpy().transpose(0, 2, 3, 1)
