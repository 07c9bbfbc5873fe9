"""The Deep Spectrum picture as an ONNX graph: waveform in, the pixels that matplotlib and Pillow would give out.

Only what is seen is computed further than it must be: columns of pixels are picked from the frames before the
logarithm and the colour map, and rows of pixels are laid out after it. Nothing of a clip depends on what it is batched
or padded with.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from export.graphs.builder import FLOAT, GraphBuilder
from export.graphs.clip_ends import write_counter
from export.graphs.colour_maps import COLOURS, colour_table
from export.graphs.front_end_graph import declare_speech_inputs, time_mask
from export.graphs.picture_layout import Layout, write_layout
from export.graphs.plot_presets import PlotPreset, PlotPresetError
from export.graphs.spectrogram_graph import Spectrogram, write_spectrogram
from export.graphs.time_axis import write_columns

POWER_FLOOR = 1e-10
"""librosa's amin of power, and the square of that of amplitude (F3)."""
LEAST_POWER = 1e-37
"""Stands for no power at all where there is no floor; float32 has hardly less."""
FAR = 1e37
"""Beyond any power."""
VECTOR_LANES = 16
"""Numbers that a processor takes the logarithm of at once, at most. What is left over at the end of a batch is rounded
otherwise, so every clip is filled up to whole vectors."""


def plot_graph(preset: PlotPreset, size: int, sample_rate_hz: int | None = None) -> onnx.ModelProto:
    """Write the graph.

    Args:
        preset: what to plot.
        size: edge of the network's input in pixels.
        sample_rate_hz: rate of the waveform; None is the preset's.

    Returns:
        A model with inputs ``waveform`` float32 [batch, samples] and ``lengths`` int64 [batch] (at least 1 sample;
        what lies beyond a clip's length is ignored) and the output ``picture`` float32 [batch, 3, size, size]: RGB,
        whole numbers 0 … 255. A clip of one level everywhere, silence among them, is all of the lowest colour (F3).

    Raises:
        PlotPresetError: the size or the sample rate does not fit.
    """
    rate_hz = preset.sample_rate_hz if sample_rate_hz is None else sample_rate_hz
    if size < 1:
        raise PlotPresetError(f"a picture of {size} pixels cannot be drawn")
    if not preset.low_hz < preset.top_hz(rate_hz) <= rate_hz / 2:
        raise PlotPresetError(f"plot '{preset.name}': its bands do not fit below half of {rate_hz} Hz")
    graph = GraphBuilder(f"plot-{preset.name}-{size}")
    waveform, lengths = declare_speech_inputs(graph)
    spectrogram = write_spectrogram(graph, preset, waveform, lengths, rate_hz)
    layout = Layout.of(preset, size, rate_hz)
    counts = graph.add("Unsqueeze", spectrogram.frame_counts, graph.constant([1]))
    columns = write_columns(graph, preset, counts, layout.columns, rate_hz)
    numbers = _colour_numbers(graph, preset, spectrogram, _picked(graph, spectrogram, columns), len(layout.columns))
    picture = write_layout(graph, layout, numbers, colours_of(preset))
    graph.output("picture", picture, FLOAT, ["batch", 3, size, size])
    metadata = {"preset": preset.name, "sample_rate_hz": str(rate_hz), "source": preset.source}
    return graph.model("emoserve-export", metadata)


def colours_of(preset: PlotPreset) -> NDArray[np.float32]:
    """The 256 colours, then white for places that show nothing: float32 [3, 257]."""
    table = colour_table(preset.colour_map, "round" if preset.drawn_by == "specshow" else "truncate")
    return np.concatenate([table, np.full((1, 3), 255.0, dtype=np.float32)]).T


def _picked(graph: GraphBuilder, spectrogram: Spectrogram, columns: str) -> str:
    """Values of the frames that are seen, float32 [batch, columns, rows]."""
    clips = graph.add("Shape", spectrogram.frame_counts)
    frames = graph.add("Div", graph.add("Shape", spectrogram.values, start=1, end=2), clips)
    starts = graph.add("Mul", write_counter(graph, clips), frames)
    places = graph.add("Add", columns, graph.add("Unsqueeze", starts, graph.constant([1])))
    return graph.add("Gather", graph.add("Transpose", spectrogram.values, perm=[1, 0]), places, axis=0)


def _colour_numbers(
    graph: GraphBuilder, preset: PlotPreset, spectrogram: Spectrogram, picked: str, columns: int
) -> str:
    """Place in the table of colours, int32 [batch, columns, rows]: matplotlib's Normalize and Colormap."""
    lowest, highest = _limits(graph, preset, spectrogram)
    level = _level(graph, preset, picked, (columns, preset.rows()))
    low, high = (_level(graph, preset, limit, (1, 1)) for limit in (lowest, highest))
    span = graph.add("Sub", high, low)
    span = graph.add("Where", graph.add("Greater", span, graph.constant(0.0)), span, graph.constant(1.0))
    number = graph.add("Mul", graph.add("Div", graph.add("Sub", level, low), span), graph.constant(float(COLOURS)))
    number = graph.add("Clip", number, graph.constant(0.0), graph.constant(float(COLOURS - 1)))
    if preset.drawn_by == "specgram":
        # Digital silence shows nothing; but a clip of nothing else has a colour.
        unseen = graph.add("And", graph.add("Equal", picked, graph.constant(0.0)), _is_positive(graph, highest))
        number = graph.add("Where", unseen, graph.constant(float(COLOURS)), number)
    return graph.add("Cast", number, to=TensorProto.INT32)


def _limits(graph: GraphBuilder, preset: PlotPreset, spectrogram: Spectrogram) -> tuple[str, str]:
    """Least and greatest value of each clip's own frames, float32 [batch, 1, 1]."""
    values, counts = spectrogram.values, spectrogram.frame_counts
    shown = values
    if preset.drawn_by == "specgram":
        shown = graph.add("Where", _is_positive(graph, values), values, graph.constant(FAR))
    rows, frames = graph.constant([0]), graph.constant([1])
    shape = graph.add("Concat", graph.add("Shape", counts), graph.constant([-1]), axis=0)
    limits = []
    for operator, what, outside in (("ReduceMin", shown, FAR), ("ReduceMax", values, -FAR)):
        of_frames = graph.add("Reshape", graph.add(operator, what, rows, keepdims=0), shape)
        own = graph.add("Where", time_mask(graph, of_frames, counts, axis=1), of_frames, graph.constant(outside))
        limits.append(graph.add("Unsqueeze", graph.add(operator, own, frames), frames))
    return limits[0], limits[1]


def _level(graph: GraphBuilder, preset: PlotPreset, value: str, shape: tuple[int, int]) -> str:
    """Natural logarithm above the floor (any base and reference give the same picture, F3); chroma as it is.

    Args:
        value: float32 [batch, *shape].
    """
    if preset.representation == "chroma":
        return value
    floor = POWER_FLOOR if preset.drawn_by == "specshow" else LEAST_POWER
    if preset.magnitude == "amplitude" and preset.representation == "mel":
        floor = POWER_FLOOR**0.5
    above = graph.add("Max", value, graph.constant(floor))
    count, missing = shape[0] * shape[1], -(shape[0] * shape[1]) % VECTOR_LANES
    if not missing:
        return graph.add("Log", above)
    flat = graph.add("Reshape", above, graph.constant([0, count]))
    whole = graph.add("Pad", flat, graph.constant([0, 0, 0, missing]), graph.constant(1.0))
    level = graph.add("Slice", graph.add("Log", whole), *(graph.constant([edge]) for edge in (0, count, 1)))
    return graph.add("Reshape", level, graph.constant([0, *shape]))


def _is_positive(graph: GraphBuilder, value: str) -> str:
    return graph.add("Greater", value, graph.constant(0.0))
