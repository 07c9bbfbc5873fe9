"""The denoiser as one ONNX graph: waveform and lengths in, denoised waveform out.

Both transforms are convolutions with the same kernels: ONNX Runtime has no CUDA kernel for its STFT operator.
"""

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from export.denoiser.network import BAND_FLOOR, LEVEL_FLOOR, Denoiser, DenoiserConfig
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.front_end_graph import declare_speech_inputs, time_mask
from export.graph.recurrent import read_lstm, write_lstm

Array = NDArray[np.float32]


def denoiser_model(network: Denoiser, metadata: dict[str, str]) -> onnx.ModelProto:
    """Write the network.

    Args:
        metadata: strings kept inside the file, such as author and licence.
    """
    return _Writer(network).model(metadata)


def read_denoiser(model: onnx.ModelProto, config: DenoiserConfig) -> Denoiser:
    """The PyTorch network whose weights ``model`` holds, in evaluation mode; the inverse of :func:`denoiser_model`.

    Raises:
        KeyError: the graph was not written by :func:`denoiser_model`.
    """
    values = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    network = Denoiser(config)
    state = {"band_mean": values["band_mean"], "band_scale": values["band_scale"]}
    for index in range(config.recurrent_layers):
        name = f"recurrent.{index}"
        state |= {f"{name}.{key}": value for key, value in read_lstm(values, name).items()}
    for name, layer in _dense_layers(network).items():
        assert isinstance(layer, nn.Linear)
        state[f"{name}.weight"] = values[f"{name}.weight"].T
        state[f"{name}.bias"] = values[f"{name}.bias"]
    network.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()})
    return network.eval()


class _Writer:
    def __init__(self, network: Denoiser) -> None:
        self._graph = GraphBuilder("denoiser")
        self._network = network
        self._config = network.config
        self._kernels = self._graph.constant(self._config.analysis_kernels(), "fourier_kernels")

    def model(self, metadata: dict[str, str]) -> onnx.ModelProto:
        graph = self._graph
        waveform, lengths = declare_speech_inputs(graph)
        inside = graph.add("Cast", time_mask(graph, waveform, lengths, axis=1), to=FLOAT)
        clips = graph.add("Mul", waveform, inside)
        spectrum = self._transform(clips)
        mask = self._mask(self._bands(spectrum, self._level(clips, lengths)))
        masked = graph.add("Mul", spectrum, graph.add("Concat", mask, mask, axis=1))
        graph.output("denoised", graph.add("Mul", self._invert(masked, waveform), inside), FLOAT, ["batch", "samples"])
        return graph.model("emoserve-export", metadata)

    def _level(self, clips: str, lengths: str) -> str:
        """Mean square of each clip [batch, 1, 1], not below the floor."""
        graph = self._graph
        squares = graph.add("ReduceSumSquare", clips, graph.constant([1]), keepdims=0)
        samples = graph.add("Cast", graph.add("Max", lengths, graph.constant([1])), to=FLOAT)
        level = graph.add("Max", graph.add("Div", squares, samples), graph.constant(LEVEL_FLOOR))
        return graph.add("Reshape", level, graph.constant([-1, 1, 1]))

    def _transform(self, clips: str) -> str:
        graph, hop = self._graph, self._config.hop_samples
        samples = graph.add("Shape", clips, start=1, end=2)
        missing = graph.add("Mod", graph.add("Neg", samples), graph.constant([hop]))
        after = graph.add("Add", missing, graph.constant([hop]))
        pads = graph.add("Concat", graph.constant([0, hop, 0]), after, axis=0)
        padded = graph.add("Unsqueeze", graph.add("Pad", clips, pads), graph.constant([1]))
        return graph.add("Conv", padded, self._kernels, strides=[hop])

    def _bands(self, spectrum: str, level: str) -> str:
        """Standardised logarithmic bands [frames, batch, bands], as the LSTM operator takes them."""
        graph, network = self._graph, self._network
        real, imaginary = graph.split(spectrum, 2, axis=1)
        power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
        bands = graph.add("MatMul", graph.constant(self._config.band_matrix(), "band_matrix"), power)
        relative = graph.add("Add", graph.add("Div", bands, level), graph.constant(BAND_FLOOR))
        logarithm = graph.add("Transpose", graph.add("Log", relative), perm=[2, 0, 1])
        centred = graph.add("Sub", logarithm, graph.constant(_array(network.band_mean), "band_mean"))
        return graph.add("Mul", centred, graph.constant(_array(network.band_scale), "band_scale"))

    def _mask(self, x: str) -> str:
        """Factors [batch, bins, frames]."""
        graph, network = self._graph, self._network
        dense = _dense_layers(network)
        for index in range(self._config.recurrent_layers):
            x = write_lstm(graph, x, f"recurrent.{index}", network.recurrent[index])
            if index < len(network.feed_forward):
                x = graph.add("Tanh", self._linear(x, f"feed_forward.{index}", dense[f"feed_forward.{index}"]))
        factors = graph.add("Sigmoid", self._linear(x, "mask_layer", network.mask_layer))
        factors = graph.add("Transpose", factors, perm=[1, 2, 0])
        return graph.add("MatMul", graph.constant(self._config.mask_matrix(), "mask_matrix"), factors)

    def _linear(self, x: str, name: str, layer: nn.Module) -> str:
        assert isinstance(layer, nn.Linear)
        graph = self._graph
        weight = graph.constant(np.ascontiguousarray(_array(layer.weight).T), f"{name}.weight")
        return graph.add("Add", graph.add("MatMul", x, weight), graph.constant(_array(layer.bias), f"{name}.bias"))

    def _invert(self, spectrum: str, waveform: str) -> str:
        graph, hop = self._graph, self._config.hop_samples
        # The inverse transform counts every bin twice but the first and the last, and divides by the frame's length.
        share = np.full((self._config.bins, 1), 2.0 / self._config.fft_samples, dtype=np.float32)
        share[[0, -1]] /= 2.0
        scaled = graph.add("Mul", spectrum, graph.constant(np.concatenate([share, share])))
        signal = graph.add("ConvTranspose", scaled, self._kernels, strides=[hop])
        signal = graph.add("Squeeze", signal, graph.constant([1]))
        end = graph.add("Add", graph.add("Shape", waveform, start=1, end=2), graph.constant([hop]))
        return graph.add("Slice", signal, graph.constant([hop]), end, graph.constant([1]))


def _dense_layers(network: Denoiser) -> dict[str, nn.Module]:
    layers = {f"feed_forward.{index}": layer for index, layer in enumerate(network.feed_forward)}
    return layers | {"mask_layer": network.mask_layer}


def _array(values: torch.Tensor) -> Array:
    return values.detach().numpy().astype(np.float32)
