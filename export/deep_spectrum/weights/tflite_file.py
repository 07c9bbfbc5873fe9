"""Weights of 8-bit TFLite files as floats: batch normalisation is already in them, padding is TensorFlow's.

Only MobileNetV2 is published in this form. Its layers come in the order in which the network runs, classes last, with
class 0 for the background. The integers are taken back to real numbers; that they were rounded cannot be undone.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.weights.onnx_layers import FileLayer
from export.deep_spectrum.weights.onnx_names import Tensors, names_by_order
from export.faces.tflite import Builtin, Graph, Operator, Tensor, TFLiteError, read_graph

TO_OUTPUTS_FIRST = {Builtin.CONV_2D: (0, 3, 1, 2), Builtin.DEPTHWISE_CONV_2D: (3, 0, 1, 2)}
"""TFLite keeps kernels as [out, height, width, in], those of depthwise convolutions as [1, height, width, out]."""


def read_tflite_file(name: str, file: Path) -> Tensors:
    """Weights of ``name`` by the publisher's names.

    Raises:
        WeightsError: the file is damaged, not quantised as expected, or of another network.
    """
    try:
        graph = read_graph(file.read_bytes())
    except TFLiteError as error:
        raise WeightsError(f"{file.name}: {error}") from error
    convolutions = [operator for operator in graph.operators if operator.code in TO_OUTPUTS_FIRST]
    layers = [_layer(graph, operator) for operator in convolutions]
    return names_by_order(name, _classes_as_dense(layers), file.name)


def real_values(tensor: Tensor) -> NDArray[np.float32]:
    """Real numbers that a constant's integers stand for, float32 of the same shape.

    Raises:
        WeightsError: the constant is an integer without a scale.
    """
    assert tensor.values is not None
    if tensor.values.dtype.kind == "f":
        return tensor.values.astype(np.float32)
    quantisation = tensor.quantisation
    if quantisation is None:
        raise WeightsError(f"the tensor {tensor.name} has no scale")
    shape = [1] * tensor.values.ndim
    if quantisation.scales.size > 1:
        shape[quantisation.axis] = -1
    difference = tensor.values.astype(np.int64) - quantisation.zero_points.reshape(shape)
    return (difference * quantisation.scales.astype(np.float64).reshape(shape)).astype(np.float32)


def _layer(graph: Graph, operator: Operator) -> FileLayer:
    inputs = [graph.tensors[number] for number in operator.inputs]
    if any(tensor.values is None for tensor in inputs[1:]) or len(inputs) != 3:
        raise WeightsError(f"an operator {operator.code.name} has no constant weights and bias")
    tensors = {"weight": real_values(inputs[1]).transpose(TO_OUTPUTS_FIRST[operator.code])}
    tensors["bias"] = real_values(inputs[2])
    source, result = inputs[0].name, graph.tensors[operator.outputs[0]].name
    return FileLayer("convolution", inputs[1].name, tensors, source, result)


def _classes_as_dense(layers: list[FileLayer]) -> list[FileLayer]:
    """The last convolution sees one cell: it is the dense layer of the classes."""
    if not layers:
        return layers
    last = layers[-1]
    weight = last.tensors["weight"]
    tensors = last.tensors | {"weight": weight.reshape(len(weight), -1)}
    return [*layers[:-1], FileLayer("dense", last.name, tensors, last.source, last.result)]
