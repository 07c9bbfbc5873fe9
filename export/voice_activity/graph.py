"""The publisher's voice activity network with its convolutions written as matrix products.

The convolutions of a step run over 4, 2 and 1 positions. ONNX Runtime computes such short ones one by one, far below
the processor's rate; a product of all steps at once comes near to it. The Hann window of the Fourier transform is zero
at its first sample, and cosine and sine are even and odd about its middle. Each product so takes half as many numbers:
the sums, or the differences, of samples that mirror each other.
"""

from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from export.graph.builder import FLOAT, GraphBuilder
from export.voice_activity.source import SourceError

Array = NDArray[np.float32]

STEP_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64
STATE_SIZE: Final = 128

_BLOCK: Final = 128
"""Hop of the Fourier transform. A frame has two blocks, a step has five with those that are mirrored at its end."""

_FRAMES: Final = 4
_BINS: Final = _BLOCK + 1


_LSTM: Final = ("onnx::LSTM_209", "onnx::LSTM_210", "onnx::LSTM_211")

_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "stft.forward_basis_buffer": (2 * _BINS, 1, 2 * _BLOCK),
    "encoder.0.weight": (128, _BINS, 3),
    "encoder.0.bias": (128,),
    "encoder.1.weight": (64, 128, 3),
    "encoder.1.bias": (64,),
    "encoder.2.weight": (64, 64, 3),
    "encoder.2.bias": (64,),
    "encoder.3.weight": (128, 64, 3),
    "encoder.3.bias": (128,),
    "output.weight": (1, 128, 1),
    "output.bias": (1,),
    _LSTM[0]: (1, 4 * STATE_SIZE, 128),
    _LSTM[1]: (1, 4 * STATE_SIZE, STATE_SIZE),
    _LSTM[2]: (1, 8 * STATE_SIZE),
}
"""Weights of the published graph by its names."""


def matrix_graph(published: bytes, metadata: dict[str, str]) -> onnx.ModelProto:
    """Write the network of ``published`` anew.

    Inputs and outputs are the publisher's: ``input`` float32 [steps, 576], ``h`` and ``c`` float32 [1, 1, 128];
    ``speech_probs`` float32 [steps], ``hn`` and ``cn``.

    Raises:
        SourceError: a weight is missing, or has another shape, or the transform's window is not symmetric.
    """
    weights = _weights(published)
    graph = GraphBuilder("voice_activity")
    sound = graph.input("input", FLOAT, ("steps", CONTEXT_SAMPLES + STEP_SAMPLES))
    state = [graph.input(name, FLOAT, (1, 1, STATE_SIZE)) for name in ("h", "c")]
    x = _encoded(graph, weights, _magnitudes(graph, weights["stft.forward_basis_buffer"][:, 0], sound))
    x = graph.add("Unsqueeze", x, graph.constant([1]))
    lstm = [graph.constant(weights[name], name) for name in _LSTM]
    states, *after = graph.add_several("LSTM", 3, x, *lstm, "", *state, hidden_size=STATE_SIZE)
    heard = graph.add("Relu", graph.add("Reshape", states, graph.constant([-1, STATE_SIZE])))
    logits = _dense(graph, heard, weights["output.weight"][:, :, 0].T, weights["output.bias"])
    speech = graph.add("Reshape", graph.add("Sigmoid", logits), graph.constant([-1]))
    graph.output("speech_probs", speech, FLOAT, ["steps"])
    for name, value in zip(("hn", "cn"), after, strict=True):
        graph.output(name, value, FLOAT, (1, 1, STATE_SIZE))
    return graph.model("emoserve", metadata)


def _weights(published: bytes) -> dict[str, Array]:
    stored = {value.name: value for value in onnx.load_from_string(published).graph.initializer}
    for name, shape in _SHAPES.items():
        if name not in stored or tuple(stored[name].dims) != shape:
            raise SourceError(f"the published graph has no weight {name} of shape {list(shape)}")
    return {name: numpy_helper.to_array(stored[name]).astype(np.float32) for name in _SHAPES}


def _magnitudes(graph: GraphBuilder, basis: Array, sound: str) -> str:
    """Magnitude spectra of the four frames of each step, float32 [steps, 4, 129].

    Args:
        basis: windowed cosines, then sines, float32 [258, 256].
    """
    cosines, sines = basis[:_BINS], basis[_BINS:]
    onward, mirrored = slice(1, _BLOCK), slice(2 * _BLOCK - 1, _BLOCK, -1)
    symmetric = np.array_equal(cosines[:, onward], cosines[:, mirrored])
    if basis[:, 0].any() or not symmetric or not np.array_equal(sines[:, onward], -sines[:, mirrored]):
        raise SourceError("the published transform is not that of a Hann window")
    length = CONTEXT_SAMPLES + STEP_SAMPLES
    mirror = _sliced(graph, sound, axis=1, first=length - 2, stop=length - 2 - CONTEXT_SAMPLES, step=-1)
    blocks = graph.add("Reshape", graph.add("Concat", sound, mirror, axis=1), graph.constant([-1, _FRAMES + 1, _BLOCK]))
    halves = [_sliced(graph, blocks, axis=1, first=first, stop=first + _FRAMES) for first in (0, 1)]
    frames = graph.add("Concat", *halves, axis=2)
    left = _sliced(graph, frames, axis=2, first=1, stop=_BLOCK + 1)
    right = _sliced(graph, frames, axis=2, first=2 * _BLOCK - 1, stop=_BLOCK - 1, step=-1)
    middle = np.ones(_BLOCK, np.float32)
    middle[-1] = 0.5  # the sample in the middle is its own mirror image
    even = graph.add("MatMul", graph.add("Add", left, right), graph.floats((cosines[:, 1 : _BLOCK + 1] * middle).T))
    odd = graph.add("MatMul", graph.add("Sub", left, right), graph.floats(sines[:, 1 : _BLOCK + 1].T))
    power = graph.add("Add", graph.add("Mul", even, even), graph.add("Mul", odd, odd))
    return graph.add("Sqrt", power)


def _encoded(graph: GraphBuilder, weights: dict[str, Array], magnitudes: str) -> str:
    """The four convolutions over three positions each, with strides 1, 2, 2 and 1: float32 [steps, 128]."""
    padded = graph.add("Pad", magnitudes, graph.constant([0, 1, 0, 0, 1, 0]))
    taps = [_sliced(graph, padded, axis=1, first=tap, stop=tap + _FRAMES) for tap in range(3)]
    kernel = weights["encoder.0.weight"].transpose(2, 1, 0).reshape(3 * _BINS, 128)
    product = graph.add("MatMul", graph.add("Concat", *taps, axis=2), graph.floats(kernel))
    x = graph.add("Relu", graph.add("Add", product, graph.floats(weights["encoder.0.bias"])))
    x = graph.add("Reshape", x, graph.constant([-1, _FRAMES * 128]))
    for layer, positions, stride in ((1, 4, 2), (2, 2, 2), (3, 1, 1)):
        kernel = _unrolled(weights[f"encoder.{layer}.weight"], positions, stride)
        bias = weights[f"encoder.{layer}.bias"]
        x = graph.add("Relu", _dense(graph, x, kernel, np.tile(bias, kernel.shape[1] // len(bias))))
    return x


def _unrolled(kernel: Array, positions: int, stride: int) -> Array:
    """A convolution of three taps with a zero at both ends, as one matrix.

    Args:
        kernel: float32 [out, in, 3].

    Returns:
        float32 [positions · in, (positions / stride) · out].
    """
    outward, inward, taps = kernel.shape
    matrix = np.zeros((positions, inward, positions // stride, outward), np.float32)
    for place in range(positions // stride):
        for tap in range(taps):
            position = stride * place + tap - 1
            if 0 <= position < positions:
                matrix[position, :, place] = kernel[:, :, tap].T
    return matrix.reshape(positions * inward, -1)


def _dense(graph: GraphBuilder, x: str, kernel: Array, bias: Array) -> str:
    return graph.add("Gemm", x, graph.floats(kernel), graph.floats(bias))


def _sliced(graph: GraphBuilder, value: str, *, axis: int, first: int, stop: int, step: int = 1) -> str:
    return graph.add("Slice", value, *(graph.constant([number]) for number in (first, stop, axis, step)))
