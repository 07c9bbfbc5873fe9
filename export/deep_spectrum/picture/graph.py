"""The Deep Spectrum picture as an ONNX graph: waveform in, the pixels that matplotlib and Pillow would give out.

Only what is seen is computed further than it must be: logarithm and colours are those of the frames that are seen, each
once, and columns and rows of pixels are laid out after them. Nothing of a clip depends on what it is batched or padded
with.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from export.deep_spectrum.picture.clip_ends import write_counter
from export.deep_spectrum.picture.colour_maps import COLOURS, colour_table
from export.deep_spectrum.picture.layout import Layout, write_layout
from export.deep_spectrum.picture.presets import PlotPreset, PlotPresetError
from export.deep_spectrum.picture.spectrogram_graph import VECTOR_LANES, Spectrogram, filled_rows, write_spectrogram
from export.deep_spectrum.picture.time_axis import write_columns
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.front_end_graph import declare_speech_inputs

POWER_FLOOR = 1e-10
"""librosa's amin of power, and the square of that of amplitude (F3)."""
LEAST_POWER = 1e-37
"""Stands for no power at all where there is no floor; float32 has hardly less."""
LEAST_STEP = 1e-30
"""Stands for the step between colours of a clip of one level; no other clip has so small a step."""
FAR = 1e37
"""A number larger than any power."""


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
    columns = write_columns(graph, preset, spectrogram.frame_counts, layout.columns, rate_hz)
    frames = graph.add("Shape", spectrogram.values, start=1, end=2)
    seen = write_seen(graph, frames, columns, len(layout.columns), once=layout.across is not None)
    places = graph.add("Unsqueeze", seen.frames, graph.constant([2]))
    picked = graph.add("GatherND", spectrogram.values, places, batch_dims=1)
    numbers = _colour_numbers(graph, preset, spectrogram, picked)
    picture = write_layout(graph, layout, numbers, seen.shown, colours_of(preset), filled_rows(preset))
    graph.output("picture", picture, FLOAT, ["batch", 3, size, size])
    metadata = {"preset": preset.name, "sample_rate_hz": str(rate_hz), "source": preset.source}
    return graph.model("emoserve-export", metadata)


def colours_of(preset: PlotPreset) -> NDArray[np.float32]:
    """The 256 colours, then white for places that show nothing: float32 [3, 257]."""
    table = colour_table(preset.colour_map, "round" if preset.drawn_by == "specshow" else "truncate")
    return np.concatenate([table, np.full((1, 3), 255.0, dtype=np.float32)]).T


def _colour_numbers(graph: GraphBuilder, preset: PlotPreset, spectrogram: Spectrogram, picked: str) -> str:
    """Place in the table of colours, int32 [batch, frames, rows]: matplotlib's Normalize and Colormap.

    Where digital silence shows nothing it is −1, the last place; a clip of nothing else has a colour.
    """
    level = _level(graph, preset, picked)
    limits = _level(graph, preset, _limits(graph, preset, spectrogram))
    low, high = (
        graph.add("Slice", limits, *(graph.constant([edge]) for edge in (start, start + 1, 2)))
        for start in (0, VECTOR_LANES - 1)
    )
    step = graph.add("Div", graph.add("Sub", high, low), graph.constant(float(COLOURS)))
    step = graph.add("Max", step, graph.constant(LEAST_STEP))
    number = graph.add("Div", graph.add("Sub", level, low), step)
    least = -1.0 if preset.drawn_by == "specgram" else 0.0
    number = graph.add("Clip", number, graph.constant(least), graph.constant(float(COLOURS - 1)))
    return graph.add("Cast", number, to=TensorProto.INT32)


def _limits(graph: GraphBuilder, preset: PlotPreset, spectrogram: Spectrogram) -> str:
    """Least, then greatest value of each clip's own frames, each several times: float32 [batch, 1, 16]."""
    values = spectrogram.values
    shown = values
    if preset.drawn_by == "specgram":
        # 1 where there is no power, else 0: quicker than a comparison and a choice.
        absent = graph.add("HardSigmoid", values, alpha=-1.0 / LEAST_POWER, beta=1.0)
        shown = graph.add("Max", values, graph.add("Mul", absent, graph.constant(FAR)))
    counter = write_counter(graph, graph.add("Shape", values, start=1, end=2))
    own = graph.add("Unsqueeze", graph.add("Less", counter, spectrogram.frame_counts), graph.constant([2]))
    limits = []
    for operator, what, outside in (("ReduceMin", shown, FAR), ("ReduceMax", values, -FAR)):
        of_frames = graph.add(operator, what, graph.constant([2]))
        limits.append(
            graph.add(operator, graph.add("Where", own, of_frames, graph.constant(outside)), graph.constant([1]))
        )
    lowest, highest = limits
    if preset.drawn_by == "specgram":
        # Of a clip of zeros nothing is positive: it is of one level.
        lowest = graph.add("Min", lowest, highest)
    is_lowest = np.arange(VECTOR_LANES) < VECTOR_LANES // 2
    return graph.add("Where", graph.constant(is_lowest), lowest, highest)


def _level(graph: GraphBuilder, preset: PlotPreset, value: str) -> str:
    """Natural logarithm above the floor (any base and reference give the same picture, F3); chroma as it is.

    Args:
        value: float32 [batch, …] with a multiple of 16 numbers a clip.
    """
    if preset.representation == "chroma":
        return value
    floor = POWER_FLOOR if preset.drawn_by == "specshow" else LEAST_POWER
    if preset.magnitude == "amplitude" and preset.representation == "mel":
        floor = POWER_FLOOR**0.5
    return graph.add("Log", graph.add("Max", value, graph.constant(floor)))


@dataclass(frozen=True)
class Seen:
    """Names of what was chosen.

    Attributes:
        frames: int64 [batch, frames], counted within a clip.
        shown: place in ``frames`` that each column of pixels shows, int64 [batch, columns]; None where they are one for
            one.
    """

    frames: str
    shown: str | None


def write_seen(graph: GraphBuilder, frames: str, columns: str, count: int, *, once: bool) -> Seen:
    """Choose all frames of a clip where it has fewer than columns, else those of the columns.

    Args:
        frames: of a clip in this batch, int64 [1].
        columns: frame that is seen at each column, int64 [batch, count].
        once: whether a frame that fills several columns shall be computed but once.
    """
    if not once:
        return Seen(columns, None)
    all_columns, counter = graph.constant([count]), graph.constant(np.arange(count))
    few = graph.add("LessOrEqual", frames, all_columns)
    chosen = graph.add("Where", few, counter, columns)
    start, axis = graph.constant([0]), graph.constant([1])
    return Seen(
        graph.add("Slice", chosen, start, graph.add("Min", frames, all_columns), axis),
        graph.add("Where", few, columns, counter),
    )
