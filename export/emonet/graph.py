"""EmoNet as one ONNX graph: waveform and lengths in; probabilities, arousal, valence and embedding out.

Adapters and batch normalisation are folded into the convolutions. That is exact for every layer (G3) whose windows
start at the same places in all clips: frame and band counts are multiples of every stride, so with TensorFlow's SAME
padding a k×k window of stride s starts (k − s) // 2 cells before the cell that a 1×1 convolution of the same stride
reads. Where an odd count of frames moves the windows of a stride of 2, the adapter stays a convolution of its own.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from export.corpora.labels import arousal_matrix, valence_matrix
from export.emonet.network import LACKING, AdaptedConvolution, Attention, EmoNet, Head, ResidualBlock
from export.emonet.vgg16 import Vgg16EmoNet
from export.evaluation.calibration import UNCALIBRATED, Calibration
from export.graph.builder import BOOL, FLOAT, GraphBuilder
from export.graph.front_end import FrontEndPreset
from export.graph.front_end_graph import FRAME_COUNTS, PICTURES, declare_speech_inputs, time_mask, write_front_end
from export.graph.high_pass import write_high_pass

Array = NDArray[np.float32]


def fold_convolution(layer: AdaptedConvolution, domain: str, *, adapter: bool = True) -> tuple[Array, Array]:
    """Kernel [outputs, inputs, k, k] and bias [outputs] of convolution, adapter and normalisation together.

    Args:
        adapter: whether the adapter is folded in too.
    """
    kernel = _array(layer.shared.weight).astype(np.float64)
    if layer.adapters and adapter:
        tap = (layer.kernel - layer.stride) // 2
        kernel[:, :, tap, tap] += _array(layer.adapters[domain].weight)[:, :, 0, 0]
    scale, shift = normalisation(layer.norms[domain])
    return (kernel * scale[:, None, None, None]).astype(np.float32), shift.astype(np.float32)


def normalisation(norm: nn.Module) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and shift float64 [channels] of a batch normalisation in evaluation mode."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = _array(norm.weight).astype(np.float64) / np.sqrt(_array(norm.running_var).astype(np.float64) + norm.eps)
    return scale, _array(norm.bias) - _array(norm.running_mean) * scale


def emonet_model(
    network: EmoNet,
    preset: FrontEndPreset,
    metadata: dict[str, str],
    domain: str = "any",
    calibration: Calibration = UNCALIBRATED,
) -> onnx.ModelProto:
    """Write the network.

    Args:
        metadata: strings kept inside the file, such as author and licence.
        calibration: scales and shifts the emotion logits; it is folded into the last layer.
    """
    return _Writer(network, preset, domain).model(metadata, calibration)


class _Writer:
    def __init__(self, network: EmoNet, preset: FrontEndPreset, domain: str) -> None:
        self._graph = GraphBuilder("emonet")
        self._network = network
        self._preset = preset
        self._domain = domain

    def model(self, metadata: dict[str, str], calibration: Calibration) -> onnx.ModelProto:
        graph, network = self._graph, self._network
        waveform, lengths = declare_speech_inputs(graph)
        waveform = write_high_pass(graph, self._preset.sample_rate_hz, waveform, lengths)
        pictures, frames = write_front_end(graph, self._preset, waveform, lengths)
        pictures, frames = graph.rename(pictures, PICTURES), graph.rename(frames, FRAME_COUNTS)
        x = self._pad_time(graph.add("Unsqueeze", pictures, graph.constant([1])))
        x, mask = self._painted(x, frames, network) if isinstance(network, Vgg16EmoNet) else self._residual(x, frames)
        embedding = self._attend(x, mask, network.attention)
        head = network.heads[self._domain]
        assert isinstance(head, Head)
        self._head(embedding, head, calibration)
        graph.output("embedding", embedding, FLOAT, ["batch", network.attention.projection.in_features])
        return graph.model("emoserve-export", metadata)

    def _residual(self, x: str, frames: str) -> tuple[str, str]:
        """The feature map of the residual network, and its mask."""
        graph, network = self._graph, self._network
        x = self._convolve(x, network.stem)
        frames = self._divide(frames, network.config.stem_stride)
        mask = self._mask(x, frames)
        x = graph.add("Mul", x, mask)
        for block in network.blocks:
            assert isinstance(block, ResidualBlock)
            steps = frames if network.config.same_ends else None
            if block.widens:
                frames = self._divide(frames, 2)
            x, mask = self._block(x, block, frames, mask, steps)
        scale, shift = normalisation(network.final_norms[self._domain])
        x = self._affine(x, scale, shift)
        return graph.add("Mul", graph.add("Relu", x), mask), mask

    def _painted(self, x: str, frames: str, network: Vgg16EmoNet) -> tuple[str, str]:
        """The feature map of VGG16 on the learned colours, and its mask."""
        graph, mask = self._graph, self._mask(x, frames)
        x = graph.add("Relu", self._biased(x, network.colours, 0))
        x = graph.add("Mul", self._affine(x, *normalisation(network.norms[self._domain])), mask)
        for layer in network.features.children():
            if isinstance(layer, nn.Conv2d):
                x = graph.add("Mul", graph.add("Relu", self._biased(x, layer, 1)), mask)
            elif isinstance(layer, nn.MaxPool2d):
                x = graph.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
                frames = self._divide(frames, 2)
                mask = self._mask(x, frames)
        return x, mask

    def _biased(self, x: str, layer: nn.Conv2d, pad: int) -> str:
        weights = self._graph.constant(_array(layer.weight)), self._graph.constant(_array(layer.bias))
        return self._graph.add("Conv", x, *weights, pads=[pad] * 4)

    def _pad_time(self, x: str) -> str:
        graph = self._graph
        stride = graph.constant([self._network.config.time_stride])
        missing = graph.add("Mod", graph.add("Neg", graph.add("Shape", x, start=3, end=4)), stride)
        pads = graph.add("Concat", graph.constant([0] * 7), missing, axis=0)
        return graph.add("Pad", x, pads)

    def _convolve(self, x: str, layer: AdaptedConvolution, steps: str | None = None) -> str:
        """A convolution; ``steps`` of the clips where an odd count moves its windows."""
        graph, strides = self._graph, [layer.stride, layer.stride]
        kernel, bias = fold_convolution(layer, self._domain, adapter=steps is None)
        total = layer.kernel - layer.stride
        before, after = total // 2, total - total // 2
        heard = x if steps is None else graph.add("Where", self._is_odd(steps), self._delayed(x), x)
        weights = graph.constant(kernel), graph.constant(bias)
        y = graph.add("Conv", heard, *weights, strides=strides, pads=[before, before, after, after])
        if steps is None or not layer.adapters:
            return y
        scale, _ = normalisation(layer.norms[self._domain])
        adapter = _array(layer.adapters[self._domain].weight) * scale[:, None, None, None].astype(np.float32)
        return graph.add("Add", y, graph.add("Conv", x, graph.constant(adapter), strides=strides))

    def _is_odd(self, steps: str) -> str:
        """Whether a count is odd, bool [batch, 1, 1, 1]."""
        graph = self._graph
        rest = graph.add("Mod", steps, graph.constant([2]))
        return graph.add("Cast", graph.add("Unsqueeze", rest, graph.constant([1, 2, 3])), to=BOOL)

    def _delayed(self, x: str) -> str:
        """Shifted by one step; the last one goes."""
        return self._graph.add("Pad", x, self._graph.constant([0, 0, 0, 1, 0, 0, 0, -1]))

    def _block(self, x: str, block: ResidualBlock, frames: str, mask: str, steps: str | None) -> tuple[str, str]:
        graph = self._graph
        y = graph.add("Relu", self._convolve(x, block.first, steps if block.widens else None))
        if block.widens:
            mask = self._mask(y, frames)
            x = graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            if steps is not None:
                x = self._mean_inside(x, steps, mask)
            channels = block.second.shared.in_channels - block.first.shared.in_channels
            x = graph.add("Pad", x, graph.constant([0, 0, 0, 0, 0, channels, 0, 0]))
        y = self._convolve(graph.add("Mul", y, mask), block.second)
        return graph.add("Mul", graph.add("Relu", graph.add("Add", x, y)), mask), mask

    def _mean_inside(self, x: str, steps: str, mask: str) -> str:
        """Pooled means whose last column is of the cells inside the clip alone, also where the count is odd."""
        graph = self._graph
        whole = graph.add("Div", steps, graph.constant([2]))  # columns that two steps fill
        filled = self._mask(x, whole)
        share = graph.add("Mul", graph.add("Add", filled, mask), graph.constant(0.5))  # 1, ½ for the last, 0 beyond
        return graph.add("Div", x, graph.add("Max", share, graph.constant(0.5)))

    def _attend(self, x: str, mask: str, attention: Attention) -> str:
        graph = self._graph
        channels = attention.projection.in_features
        cells = graph.add("Transpose", self._cells(x, channels), perm=[0, 2, 1])
        weights = graph.constant(np.ascontiguousarray(_array(attention.projection.weight).T))
        hidden = graph.add(
            "Add", graph.add("MatMul", cells, weights), graph.constant(_array(attention.projection.bias))
        )
        query = graph.constant(_array(attention.query.weight).T * np.float32(attention.sharpness))
        energies = graph.add("MatMul", graph.add("Tanh", hidden), query)
        cell_shape = graph.add("Concat", graph.constant([1, 1]), graph.add("Shape", x, start=2, end=4), axis=0)
        inside = self._cells(graph.add("Expand", mask, cell_shape), 1)
        inside = graph.add("Transpose", inside, perm=[0, 2, 1])
        outside = graph.add("Mul", graph.add("Sub", inside, graph.constant(1.0)), graph.constant(1e30))
        share = graph.add("Softmax", graph.add("Add", energies, outside), axis=1)
        return graph.add("ReduceSum", graph.add("Mul", cells, share), graph.constant([1]), keepdims=0)

    def _cells(self, x: str, channels: int) -> str:
        return self._graph.add("Reshape", x, self._graph.constant([0, channels, -1]))

    def _head(self, embedding: str, head: Head, calibration: Calibration) -> None:
        graph = self._graph
        scale, shift = normalisation(head.norm)
        weight = _array(head.hidden.weight) * scale[:, None]
        bias = _array(head.hidden.bias) * scale + shift
        hidden = graph.add("Relu", self._dense(embedding, weight, bias))
        classes = len(self._network.config.labels)
        factor, config = 1.0 / calibration.temperature, self._network.config
        emotion = head.get_submodule("emotion")
        places = [config.labels.index(name) for name in config.classes(self._domain)]
        weight, bias = np.zeros((classes, config.head_units)), np.full(classes, LACKING)
        weight[places], bias[places] = _array(emotion.weight) * factor, _array(emotion.bias) * factor
        logits = self._dense(hidden, weight, bias + calibration.offsets)
        odds = graph.add("Softmax", logits, axis=1)
        graph.output("probabilities", odds, FLOAT, ["batch", classes])
        # P(high) − P(low), and P(positive) − P(negative): −1 … 1.
        for name, signs, levels in (
            ("arousal", [-1.0, 1.0], arousal_matrix),
            ("valence", [-1.0, 0.0, 1.0], valence_matrix),
        ):
            told = odds
            if config.plane:
                told = graph.add("Softmax", self._linear(hidden, head.get_submodule(name)), axis=1)
            else:
                signs = (levels(config.labels) @ np.array(signs)).tolist()
            value = graph.add("MatMul", told, graph.constant(np.array(signs, dtype=np.float32)))
            graph.output(name, value, FLOAT, ["batch"])

    def _linear(self, x: str, layer: nn.Module) -> str:
        return self._dense(x, _array(layer.weight), _array(layer.bias))

    def _dense(self, x: str, weight: NDArray[np.floating], bias: NDArray[np.floating]) -> str:
        graph = self._graph
        return graph.add(
            "Gemm", x, graph.constant(weight.astype(np.float32)), graph.constant(bias.astype(np.float32)), transB=1
        )

    def _affine(self, x: str, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> str:
        graph = self._graph
        scaled = graph.add("Mul", x, graph.constant(scale.astype(np.float32)[:, None, None]))
        return graph.add("Add", scaled, graph.constant(shift.astype(np.float32)[:, None, None]))

    def _divide(self, frames: str, divisor: int) -> str:
        graph = self._graph
        return graph.add("Div", graph.add("Add", frames, graph.constant([divisor - 1])), graph.constant([divisor]))

    def _mask(self, like: str, frames: str) -> str:
        return self._graph.add("Cast", time_mask(self._graph, like, frames, axis=3), to=FLOAT)


def _array(tensor: object) -> Array:
    return np.asarray(tensor.detach().numpy(), dtype=np.float32)  # type: ignore[attr-defined]
