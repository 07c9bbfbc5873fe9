"""Which frame is seen at each column of pixels, as ONNX nodes: librosa's time axis as matplotlib draws it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from export.graphs.builder import GraphBuilder
from export.graphs.plot_presets import PlotPreset


def write_columns(
    graph: GraphBuilder, preset: PlotPreset, counts: str, pixels: NDArray[np.int64], sample_rate_hz: int
) -> str:
    """Add the nodes.

    A pixel shows the frame that its centre lies in, and frames that hold no centre are not seen. Where a centre lies
    between two frames, which happens in the middle of the picture whenever the number of frames is even, ``specgram``
    shows the left one and ``specshow`` the one that the rounding of its arithmetic happens to choose.

    Args:
        counts: frames of each clip, int64 [batch, 1].
        pixels: columns that are wanted, out of 0 … render_pixels − 1.

    Returns:
        int64 [batch, columns].
    """
    spanned = graph.add("Mul", counts, graph.constant(2 * pixels + 1))
    if preset.drawn_by == "specgram":
        spanned = graph.add("Sub", spanned, graph.constant([1]))
    columns = graph.add("Div", spanned, graph.constant([2 * preset.render_pixels]))
    if preset.drawn_by == "specgram":
        return columns
    starts = _first_pixels(graph, preset, counts, columns, sample_rate_hz)
    late = graph.add("Greater", starts, graph.constant(pixels.astype(np.float64)))
    return graph.add("Sub", columns, graph.add("Cast", late, to=TensorProto.INT64))


def _first_pixels(graph: GraphBuilder, preset: PlotPreset, counts: str, columns: str, sample_rate_hz: int) -> str:
    """First pixel of each frame's cell, float64 [batch, columns], with matplotlib's operations in their order."""
    two, pixels = graph.constant(np.array(2.0)), graph.constant(np.array(float(preset.render_pixels)))
    one, frame = graph.constant([1]), graph.constant([preset.hop_samples])
    rate = graph.constant(np.array(float(sample_rate_hz)))

    def time_s(frames: str) -> str:
        return graph.add("Div", graph.add("Cast", graph.add("Mul", frames, frame), to=TensorProto.DOUBLE), rate)

    def half_step(before: str, after: str) -> str:
        return graph.add("Div", graph.add("Sub", after, before), two)

    last = graph.add("Sub", counts, one)
    last_s, before_last_s = time_s(last), time_s(graph.add("Sub", last, one))
    right = graph.add("Add", last_s, half_step(before_last_s, last_s))
    left = graph.constant(np.array(-(preset.hop_samples / sample_rate_hz) / 2.0))
    per_s = graph.add("Div", graph.constant(np.array(1.0)), graph.add("Sub", right, left))
    offset = graph.add("Mul", pixels, graph.add("Mul", graph.add("Neg", left), per_s))
    before_s = time_s(graph.add("Sub", columns, one))
    edge = graph.add("Add", before_s, half_step(before_s, time_s(columns)))
    place = graph.add("Add", graph.add("Mul", graph.add("Mul", pixels, per_s), edge), offset)
    return graph.add("Floor", graph.add("Add", place, graph.constant(np.array(0.5))))
