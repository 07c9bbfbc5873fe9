"""The front end as ONNX nodes: the same numbers as :class:`export.graph.front_end.FrontEnd`."""

import numpy as np

from export.graph.builder import BOOL, FLOAT, INT64, GraphBuilder
from export.graph.front_end import POWER_RANGE_DB, FrontEndPreset

PICTURES = "pictures"
FRAME_COUNTS = "frame_counts"
"""Names of the values behind the front end, where a graph can be cut for corpora of features."""


def write_front_end(graph: GraphBuilder, preset: FrontEndPreset, waveform: str, lengths: str) -> tuple[str, str]:
    """Add the nodes from waveform to picture.

    Returns:
        Names of the pictures float32 [batch, bands, frames] and of the frame counts int64 [batch].
    """
    power = _mel_power(graph, preset, waveform, lengths)
    frames = _frame_counts(graph, preset, lengths)
    mask = time_mask(graph, power, frames, axis=2)
    if preset.scaling == "log":
        logarithm = graph.add("Log", graph.add("Add", power, graph.constant(1e-6)))
        return graph.add("Where", mask, logarithm, graph.constant(0.0)), frames
    if preset.scaling == "power":
        return graph.add("Where", mask, power, graph.constant(0.0)), frames
    return _scale_relative(graph, preset, power, mask, lengths), frames


def time_mask(graph: GraphBuilder, like: str, frames: str, axis: int) -> str:
    """Bool [batch, 1, …, steps] with the rank of ``like``: whether a step lies inside its clip."""
    steps = graph.add("Shape", like, start=axis, end=axis + 1)
    zero, one = graph.constant(np.array(0, dtype=np.int64)), graph.constant(np.array(1, dtype=np.int64))
    counter = graph.add("Range", zero, graph.add("Squeeze", steps), one)
    shape = graph.constant([-1] + [1] * axis)
    return graph.add("Less", counter, graph.add("Reshape", frames, shape))


def _mel_power(graph: GraphBuilder, preset: FrontEndPreset, waveform: str, lengths: str) -> str:
    inside = graph.add("Cast", time_mask(graph, waveform, lengths, axis=1), to=FLOAT)
    signal = graph.add("Unsqueeze", graph.add("Mul", waveform, inside), graph.constant([1]))
    half = preset.fft_samples // 2 if preset.centred else 0
    kernels = graph.constant(preset.fourier_kernels(), "fourier_kernels")
    spectrum = graph.add("Conv", signal, kernels, strides=[preset.hop_samples], pads=[half, half])
    real, imaginary = graph.split(spectrum, 2, axis=1)
    power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    return graph.add("MatMul", graph.constant(preset.mel_bank(), "mel_bank"), power)


def _frame_counts(graph: GraphBuilder, preset: FrontEndPreset, lengths: str) -> str:
    hop, one = graph.constant([preset.hop_samples]), graph.constant([1])
    if preset.centred:
        return graph.add("Add", graph.add("Div", lengths, hop), one)
    fitting = graph.add("Sub", lengths, graph.constant([preset.fft_samples - preset.hop_samples]))
    return graph.add("Div", graph.add("Max", fitting, graph.constant([0])), hop)


def _scale_relative(graph: GraphBuilder, preset: FrontEndPreset, power: str, mask: str, lengths: str) -> str:
    floor = graph.constant(-POWER_RANGE_DB)
    zero = graph.constant(0.0)
    axes = graph.constant([1, 2])
    logarithm = graph.add("Log", graph.add("Max", power, graph.constant(1e-30)))
    decibels = graph.add("Mul", logarithm, graph.constant(float(10.0 / np.log(10.0))))
    maximum = graph.add("ReduceMax", graph.add("Where", mask, decibels, graph.constant(-1e30)), axes)
    relative = graph.add("Max", graph.add("Sub", decibels, maximum), floor)
    minimum = graph.add("ReduceMin", graph.add("Where", mask, relative, zero), axes)
    is_full = graph.add("Less", lengths, graph.constant([preset.full_length_samples]))
    padded = graph.add("Cast", graph.add("Reshape", is_full, graph.constant([-1, 1, 1])), to=BOOL)
    minimum = graph.add("Min", graph.add("Where", padded, floor, minimum), graph.constant(-1e-3))
    scaled = graph.add("Sub", graph.constant(1.0), graph.add("Div", relative, minimum))
    return graph.add("Where", mask, scaled, zero)


def declare_speech_inputs(graph: GraphBuilder) -> tuple[str, str]:
    """Declare ``waveform`` float32 [batch, samples] and ``lengths`` int64 [batch]."""
    waveform = graph.input("waveform", FLOAT, ["batch", "samples"])
    return waveform, graph.input("lengths", INT64, ["batch"])
