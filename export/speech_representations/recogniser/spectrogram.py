"""The recogniser's spectrogram: 161 linear bins of a Hamming window of 20 ms every 10 ms, log(1 + magnitude) (B2, B5).

Frame k is centred on sample 160·k, with zeros outside the clip. Everything of a clip is computed from the clip alone.
"""

from functools import cache
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from export.graph.builder import FLOAT, GraphBuilder
from export.graph.front_end_graph import time_mask

SAMPLE_RATE_HZ: Final = 16_000
FFT_SAMPLES: Final = 320
HOP_SAMPLES: Final = 160
BINS: Final = FFT_SAMPLES // 2 + 1
LEAST_SPREAD: Final = 1e-5
"""Added to the deviation, so that digital silence divides by something."""

Scaling = Literal["clip", "bins"]
"""Mean and deviation are of all values of the clip (the authors' code), or of each bin alone (the paper; F11)."""


@cache
def kernels() -> NDArray[np.float32]:
    """Windowed cosines, then sines: float32 [322, 1, 320]; the window is symmetric, as SciPy's is by default."""
    n = np.arange(FFT_SAMPLES)
    angle = 2.0 * np.pi * np.outer(np.arange(BINS), n) / FFT_SAMPLES
    waves = np.concatenate([np.cos(angle), -np.sin(angle)]) * np.hamming(FFT_SAMPLES)
    return waves[:, None, :].astype(np.float32)


def magnitude(waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Magnitudes float32 [batch, 161, frames], and the frames of each clip, int64 [batch].

    Args:
        waveform: float32 [batch, samples] at 16 kHz; what lies beyond a clip's length is ignored.
        lengths: int64 [batch], in samples.
    """
    inside = torch.arange(waveform.shape[1])[None, :] < lengths[:, None]
    signal = functional.pad((waveform * inside)[:, None, :], (FFT_SAMPLES // 2, FFT_SAMPLES // 2))
    real, imaginary = functional.conv1d(signal, torch.from_numpy(kernels()), stride=HOP_SAMPLES).chunk(2, dim=1)
    return (real.square() + imaginary.square()).sqrt(), 1 + lengths // HOP_SAMPLES


def scaled(magnitudes: Tensor, frames: Tensor, scaling: Scaling) -> Tensor:
    """log(1 + magnitude) less its mean, over its deviation; zero beyond each clip, float32 [batch, 161, frames]."""
    inside = (torch.arange(magnitudes.shape[2], device=frames.device)[None, :] < frames[:, None])[:, None, :]
    axes = (1, 2) if scaling == "clip" else (2,)
    values = torch.log1p(magnitudes) * inside
    count = frames[:, None, None] * (BINS if scaling == "clip" else 1)
    centred = (values - values.sum(axes, keepdim=True) / count) * inside
    spread = (centred.square().sum(axes, keepdim=True) / count).sqrt()
    return centred / (spread + LEAST_SPREAD)


def write_spectrogram(graph: GraphBuilder, waveform: str, lengths: str, scaling: Scaling) -> tuple[str, str]:
    """Add nodes that compute :func:`magnitude` and :func:`scaled`.

    Returns:
        Names of the spectrogram float32 [batch, 161, frames] and of the frame counts int64 [batch].
    """
    samples = graph.add("Cast", time_mask(graph, waveform, lengths, axis=1), to=FLOAT)
    signal = graph.add("Unsqueeze", graph.add("Mul", waveform, samples), graph.constant([1]))
    pads, weights = [FFT_SAMPLES // 2] * 2, graph.constant(kernels(), "fourier_kernels")
    real, imaginary = graph.split(graph.add("Conv", signal, weights, strides=[HOP_SAMPLES], pads=pads), 2, axis=1)
    power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    logarithm = graph.add("Log", graph.add("Add", graph.add("Sqrt", power), graph.constant(1.0)))
    frames = graph.add("Add", graph.add("Div", lengths, graph.constant([HOP_SAMPLES])), graph.constant([1]))
    inside = graph.add("Cast", time_mask(graph, logarithm, frames, axis=2), to=FLOAT)
    axes = graph.constant([1, 2] if scaling == "clip" else [2])
    count = graph.add("Cast", graph.add("Reshape", frames, graph.constant([-1, 1, 1])), to=FLOAT)
    if scaling == "clip":
        count = graph.add("Mul", count, graph.constant(float(BINS)))
    mean = graph.add("Div", graph.add("ReduceSum", graph.add("Mul", logarithm, inside), axes), count)
    centred = graph.add("Mul", graph.add("Sub", logarithm, mean), inside)
    square = graph.add("ReduceSum", graph.add("Mul", centred, centred), axes)
    spread = graph.add("Sqrt", graph.add("Div", square, count))
    return graph.add("Div", centred, graph.add("Add", spread, graph.constant(LEAST_SPREAD))), frames
