"""Affect networks as ONNX graphs: ``features`` float32 [batch, steps, 37] → ``affect`` float32 [batch,
steps], and where a spread of the filter is known its ``uncertainty``, of the same shape.

Written node by node, so the names that the service relies on (``filter``, ``bias``) are certain, and no
tracer's version can change them. The answer is clipped to −1…1 inside the graph.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor, nn

from export.affect.avec_lstm import AvecLstm
from export.affect.shallow_cnn import COLUMN_COUNT, ConvolutionStack, OneFilter, OneFilterDense, same_padding
from export.graph.builder import FLOAT, GraphBuilder

OPSET = 17
IR_VERSION = 8  # the oldest that holds opset 17, so older runtimes read the file too
LIMIT = 1.0
NORMAL_95 = 1.96  # half width of a normal distribution's 95 % interval, in standard deviations


@dataclass(frozen=True)
class Spread:
    """Spread of the weights over refits of a filter that has the same smoothing window for every column.

    Attributes:
        window: float64 [taps], an odd number of them around the moment of the answer.
        covariance: float64 [38, 38], of the columns' weights and, last, of the bias.
    """

    window: NDArray[np.float64]
    covariance: NDArray[np.float64]


class _Graph(GraphBuilder):
    """A graph under construction; ``signal`` is the name of the last node's output."""

    def __init__(self) -> None:
        super().__init__("affect", OPSET, IR_VERSION)
        self.signal = self.input("features", FLOAT, ["batch", "steps", COLUMN_COUNT])

    def then(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - as ONNX takes them
        """Append a node that takes the signal and ``inputs``; returns its output, the new signal."""
        self.signal = self.add(operator, self.signal, *inputs, **attributes)
        return self.signal

    def tell_uncertainty(self, spread: Spread) -> None:
        """Declare the output ``uncertainty``: half the 95 % interval of the answer over the refits."""
        values, vectors = np.linalg.eigh(spread.covariance)
        root = NORMAL_95 * (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        window = self.floats(np.tile(spread.window, (COLUMN_COUNT, 1, 1)))
        by_column = self.add("Transpose", self.signal, perm=[0, 2, 1])
        pads = list(same_padding(len(spread.window)))
        smooth = self.add("Conv", by_column, window, pads=pads, group=COLUMN_COUNT)
        moved = self.add("MatMul", self.add("Transpose", smooth, perm=[0, 2, 1]), self.floats(root[:-1]))
        width = self.add("ReduceL2", self.add("Add", moved, self.floats(root[-1])), axes=[-1], keepdims=0)
        self.output("uncertainty", width, FLOAT, ["batch", "steps"])

    def finish(self) -> onnx.ModelProto:
        """The checked model."""
        self.then("Clip", self.floats(-LIMIT), self.floats(LIMIT))
        self.output("affect", self.signal, FLOAT, ["batch", "steps"])
        return self.model("emoserve-export", {})


def affect_graph(network: nn.Module) -> onnx.ModelProto:
    """The graph of a trained network in evaluation mode.

    Raises:
        TypeError: a network without a graph of its own; fold network B to D first.
    """
    if isinstance(network, OneFilter):
        weights, bias = network.filter()
        return one_filter_graph(_values(weights), _values(bias))
    if isinstance(network, OneFilterDense) and network.activation != "linear":
        return _dense_graph(network)
    if isinstance(network, ConvolutionStack):
        return _stack_graph(network)
    if isinstance(network, AvecLstm):
        return _lstm_graph(network)
    raise TypeError(f"no graph for {type(network).__name__}")


def one_filter_graph(
    weights: NDArray[np.float32], bias: NDArray[np.float32], spread: Spread | None = None
) -> onnx.ModelProto:
    """Networks C, D and E; float32 weights [1, 37, kernel] and bias [1] are called ``filter`` and ``bias``."""
    graph = _Graph()
    if spread is not None:
        graph.tell_uncertainty(spread)
    graph.then("Transpose", perm=[0, 2, 1])
    names = (graph.constant(weights.astype(np.float32), "filter"), graph.constant(bias.astype(np.float32), "bias"))
    graph.then("Conv", *names, pads=list(same_padding(weights.shape[-1])))
    graph.then("Squeeze", graph.integers([1]))
    return graph.finish()


def _dense_graph(network: OneFilterDense) -> onnx.ModelProto:
    """Network B with an activation. Its constants have no names: it is no single filter."""
    graph = _Graph()
    weights, bias = network.inner.filter()
    graph.then("Transpose", perm=[0, 2, 1])
    pads = list(same_padding(weights.shape[-1]))
    graph.then("Conv", graph.floats(_values(weights)), graph.floats(_values(bias)), pads=pads)
    graph.then("Relu" if network.activation == "relu" else "Tanh")
    graph.then("Mul", graph.floats(_values(network.dense.weight)))
    graph.then("Add", graph.floats(_values(network.dense.bias)))
    graph.then("Squeeze", graph.integers([1]))
    return graph.finish()


def _stack_graph(network: ConvolutionStack) -> onnx.ModelProto:
    graph = _Graph()
    graph.then("Transpose", perm=[0, 2, 1])
    for layer in network.convolutions:
        weights = graph.floats(_values(layer.weight))
        bias = graph.floats(_values(layer.bias) if layer.bias is not None else np.zeros(layer.out_channels, np.float32))
        graph.then("Conv", weights, bias, pads=list(same_padding(layer.kernel_size[0])))
        graph.then("Relu")
    # A dense layer on each step is a convolution of length 1.
    dense = graph.floats(_values(network.dense.weight)[:, :, None])
    graph.then("Conv", dense, graph.floats(_values(network.dense.bias)))
    graph.then("Squeeze", graph.integers([1]))
    return graph.finish()


def _lstm_graph(network: AvecLstm) -> onnx.ModelProto:
    graph = _Graph()
    graph.then("Sub", graph.floats(_values(network.mean)))
    standardised = graph.then("Div", graph.floats(_values(network.deviation)))
    largest = graph.add("ReduceMax", graph.add("Abs", "features"), axes=[-1], keepdims=1)
    graph.signal = graph.add("Greater", largest, graph.floats(0.0))
    graph.then("Where", standardised, graph.floats(0.0))
    graph.then("Transpose", perm=[1, 0, 2])
    for layer in network.layers:
        assert isinstance(layer, nn.LSTM)
        inward, recurrent, *biases = (_gates(_values(weights)) for weights in layer.all_weights[0])
        graph.then(
            "LSTM",
            graph.floats(inward[None]),
            graph.floats(recurrent[None]),
            graph.floats(np.concatenate(biases)[None]),
            hidden_size=layer.hidden_size,
        )
        graph.then("Squeeze", graph.integers([1]))
    graph.then("Transpose", perm=[1, 0, 2])
    graph.then("MatMul", graph.floats(_values(network.dense.weight).T))
    graph.then("Add", graph.floats(_values(network.dense.bias)))
    graph.then("Squeeze", graph.integers([-1]))
    return graph.finish()


def _gates(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder torch's gates (input, forget, candidate, output) as ONNX has them (input, output, forget, candidate)."""
    entry, forget, candidate, exit_ = np.split(values, 4)
    return np.concatenate([entry, exit_, forget, candidate])


def _values(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().astype(np.float32)
