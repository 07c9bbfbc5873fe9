"""The recogniser's layers as one ONNX graph: waveform and lengths in, their means over time out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from export.graph.builder import FLOAT, GraphBuilder
from export.graph.front_end_graph import declare_speech_inputs, time_mask
from export.graph.recurrent import read_gru, write_gru
from export.speech_representations.recogniser.network import (
    KERNELS,
    LARGEST,
    PADDING,
    STRIDES,
    Recogniser,
    RecogniserConfig,
)
from export.speech_representations.recogniser.spectrogram import write_spectrogram
from export.speech_representations.recogniser.two_way_gru import TwoWayGru

NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def recogniser_model(network: Recogniser, layers: Sequence[int], metadata: dict[str, str]) -> onnx.ModelProto:
    """Write the network as far as it is needed.

    Args:
        layers: numbers of the layers, from 1 on, whose means make the embedding, in this order.
        metadata: strings kept inside the file, such as author and licence.
    """
    graph, config = GraphBuilder("recogniser"), network.config
    states, inside = write_layers(graph, network, max(layers))
    share = graph.add("Div", inside, graph.add("ReduceSum", inside, graph.constant([0])))
    means = [
        graph.add("ReduceSum", graph.add("Mul", states[layer - 1], share), graph.constant([0]), keepdims=0)
        for layer in layers
    ]
    graph.output("embedding", graph.add("Concat", *means, axis=1), FLOAT, ["batch", config.units * len(layers)])
    return graph.model("emoserve-export", metadata)


def write_layers(graph: GraphBuilder, network: Recogniser, count: int) -> tuple[list[str], str]:
    """Add the inputs and the first ``count`` GRU layers.

    Returns:
        Names of each layer's states, float32 [steps, batch, units], and of float32 [steps, batch, 1]: 1 inside a clip.
    """
    config = network.config
    waveform, lengths = declare_speech_inputs(graph)
    spectrogram, frames = write_spectrogram(graph, waveform, lengths, config.scaling)
    x = graph.add("Unsqueeze", spectrogram, graph.constant([1]))
    for index, (stride, padding) in enumerate(zip(STRIDES, (PADDING, 0), strict=True)):
        names = (f"convolutions.{index}.{part}" for part in ("weight", "bias"))
        kernel = [graph.constant(_array(network.get_parameter(name)), name) for name in names]
        x = graph.add("Conv", x, *kernel, strides=list(stride), pads=[0, padding, 0, padding])
        x = _norm(graph, network, f"convolution_norms.{index}", x, [1, -1, 1, 1])
        x = graph.add("Clip", x, graph.constant(0.0), graph.constant(LARGEST))
    # Steps of a clip: (frames + 20 − 11) // 2 + 1 behind the first convolution, ten fewer behind the second.
    steps = graph.add("Add", frames, graph.constant([2 * PADDING - KERNELS[0][1]]))
    steps = graph.add("Div", steps, graph.constant([STRIDES[0][1]]))
    steps = graph.add("Add", steps, graph.constant([2 - KERNELS[1][1]]))
    x = graph.add("Reshape", x, graph.constant([0, config.channels * config.bands, -1]))
    inside = graph.add("Cast", time_mask(graph, x, steps, axis=2), to=FLOAT)
    x, inside = (graph.add("Transpose", value, perm=[2, 0, 1]) for value in (x, inside))
    counts = graph.add("Cast", steps, to=TensorProto.INT32)
    states: list[str] = []
    for index in range(count):
        if index:
            x = _norm(graph, network, f"norms.{index - 1}", x, [-1])
        layer = network.layers[index]
        assert isinstance(layer, TwoWayGru)
        x = write_gru(graph, x, f"layers.{index}", layer.onward, layer.homeward, counts)
        states.append(x)
    return states, inside


def _norm(graph: GraphBuilder, network: Recogniser, name: str, x: str, shape: list[int]) -> str:
    """Batch normalisation as it was learnt; ONNX Runtime computes scale and shift once, when it loads the graph."""
    norm = network.get_submodule(name)
    assert isinstance(norm, nn.BatchNorm1d)
    weight, bias, mean, variance = (
        graph.constant(_array(getattr(norm, part)).reshape(shape), f"{name}.{part}") for part in NORM_PARTS
    )
    spread = graph.add("Sqrt", graph.add("Add", variance, graph.constant(float(norm.eps))))
    scale = graph.add("Div", weight, spread)
    return graph.add("Add", graph.add("Mul", x, scale), graph.add("Sub", bias, graph.add("Mul", mean, scale)))


def read_recogniser(model: onnx.ModelProto, config: RecogniserConfig) -> Recogniser:
    """The PyTorch network whose layers ``model`` holds, in evaluation mode; its characters were not kept.

    Args:
        config: of the network that :func:`recogniser_model` was given.

    Raises:
        KeyError: the graph was not written by :func:`recogniser_model`.
    """
    values = {entry.name: np.array(numpy_helper.to_array(entry)) for entry in model.graph.initializer}
    layers = sum(name.startswith("layers.") and name.endswith(".W") for name in values)
    network = Recogniser(replace(config, layers=layers))
    state = network.state_dict()
    unkept = (f"norms.{layers - 1}.", "characters.")
    for name, tensor in state.items():
        if not name.startswith(("layers.", *unkept)) and not name.endswith("num_batches_tracked"):
            state[name] = torch.from_numpy(values[name].reshape(tensor.shape))
    for index in range(layers):
        for way, weights in zip(("onward", "homeward"), read_gru(values, f"layers.{index}"), strict=True):
            state |= {f"layers.{index}.{way}.{key}": torch.from_numpy(value) for key, value in weights.items()}
    network.load_state_dict(state)
    return network.eval()


def _array(values: torch.Tensor) -> np.ndarray:
    return np.asarray(values.detach().numpy(), np.float32)
