"""Affect networks as ONNX graphs: ``features`` float32 [batch, steps, 37] → ``affect`` float32 [batch,
steps].

Written node by node, so the names that the service relies on (``filter``, ``bias``) are certain, and no
tracer's version can change them. The answer is clipped to −1…1 inside the graph.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from export.affect.avec_lstm import AvecLstm
from export.affect.shallow_cnn import COLUMN_COUNT, ConvolutionStack, OneFilter, same_padding

OPSET = 17
IR_VERSION = 8  # the oldest that holds opset 17, so older runtimes read the file too
LIMIT = 1.0


class _Graph:
    """Nodes and initializers under construction; ``signal`` is the name of the last node's output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.signal = "features"

    def constant(self, name: str, values: NDArray[np.generic] | np.generic) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> None:  # noqa: ANN401 - as ONNX takes them
        """Append a node that takes the signal and ``inputs``."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.signal, *inputs], [name], **attributes))
        self.signal = name

    def finish(self) -> onnx.ModelProto:
        low = self.constant("low", np.float32(-LIMIT))
        high = self.constant("high", np.float32(LIMIT))
        self.add("Clip", low, high, output="affect")
        graph = helper.make_graph(
            self.nodes,
            "affect",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "steps", COLUMN_COUNT])],
            [helper.make_tensor_value_info("affect", TensorProto.FLOAT, ["batch", "steps"])],
            self.initializers,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="emoserve-export"
        )
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model


def affect_graph(network: nn.Module) -> onnx.ModelProto:
    """The graph of a trained network in evaluation mode.

    Raises:
        TypeError: a network without a graph of its own; fold network B to D first.
    """
    if isinstance(network, OneFilter):
        weights, bias = network.filter()
        return one_filter_graph(_values(weights), _values(bias))
    if isinstance(network, ConvolutionStack):
        return _stack_graph(network)
    if isinstance(network, AvecLstm):
        return _lstm_graph(network)
    raise TypeError(f"no graph for {type(network).__name__}")


def one_filter_graph(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> onnx.ModelProto:
    """Networks C, D and E; float32 weights [1, 37, kernel] and bias [1] are called ``filter`` and ``bias``."""
    graph = _Graph()
    graph.add("Transpose", perm=[0, 2, 1])
    names = (graph.constant("filter", weights.astype(np.float32)), graph.constant("bias", bias.astype(np.float32)))
    graph.add("Conv", *names, pads=list(same_padding(weights.shape[-1])))
    graph.add("Squeeze", graph.constant("channel", np.array([1], np.int64)))
    return graph.finish()


def _stack_graph(network: ConvolutionStack) -> onnx.ModelProto:
    graph = _Graph()
    graph.add("Transpose", perm=[0, 2, 1])
    for index, layer in enumerate(network.convolutions):
        weights = graph.constant(f"weights_{index}", _values(layer.weight))
        bias = graph.constant(
            f"bias_{index}", _values(layer.bias) if layer.bias is not None else np.zeros(layer.out_channels, np.float32)
        )
        graph.add("Conv", weights, bias, pads=list(same_padding(layer.kernel_size[0])))
        graph.add("Relu")
    # A dense layer on each step is a convolution of length 1.
    dense = graph.constant("dense_weights", _values(network.dense.weight)[:, :, None])
    graph.add("Conv", dense, graph.constant("dense_bias", _values(network.dense.bias)))
    graph.add("Squeeze", graph.constant("channel", np.array([1], np.int64)))
    return graph.finish()


def _lstm_graph(network: AvecLstm) -> onnx.ModelProto:
    graph = _Graph()
    axes = graph.constant("axis_last", np.array([-1], np.int64))
    graph.add("Abs")
    graph.add("ReduceMax", axes=[-1], keepdims=1)
    graph.add("Greater", graph.constant("nothing", np.float32(0.0)), output="real")
    graph.signal = "features"
    graph.add("Sub", graph.constant("mean", _values(network.mean)))
    graph.add("Div", graph.constant("deviation", _values(network.deviation)), output="standardised")
    graph.signal = "real"
    graph.add("Where", "standardised", graph.constant("padding", np.float32(0.0)))
    graph.add("Transpose", perm=[1, 0, 2])
    for index, layer in enumerate(network.layers):
        assert isinstance(layer, nn.LSTM)
        inward, recurrent, *biases = (_gates(_values(weights)) for weights in layer.all_weights[0])
        graph.add(
            "LSTM",
            graph.constant(f"inward_{index}", inward[None]),
            graph.constant(f"recurrent_{index}", recurrent[None]),
            graph.constant(f"bias_{index}", np.concatenate(biases)[None]),
            hidden_size=layer.hidden_size,
        )
        graph.add("Squeeze", graph.constant(f"direction_{index}", np.array([1], np.int64)))
    graph.add("Transpose", perm=[1, 0, 2])
    graph.add("MatMul", graph.constant("dense_weights", _values(network.dense.weight).T))
    graph.add("Add", graph.constant("dense_bias", _values(network.dense.bias)))
    graph.add("Squeeze", axes)
    return graph.finish()


def _gates(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder torch's gates (input, forget, candidate, output) as ONNX has them (input, output, forget, candidate)."""
    entry, forget, candidate, exit_ = np.split(values, 4)
    return np.concatenate([entry, exit_, forget, candidate])


def _values(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().astype(np.float32)
