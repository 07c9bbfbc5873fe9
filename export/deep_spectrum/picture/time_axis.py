"""The frame seen at each column of pixels, as ONNX nodes: librosa's time axis as matplotlib draws it."""

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from export.deep_spectrum.picture.presets import PlotPreset
from export.graph.builder import GraphBuilder


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
    places = _places(graph, preset, counts, columns, len(pixels), sample_rate_hz)
    # A frame's first pixel is floor(place + 0.5): it lies behind ``pixels`` where that is as much as pixels + 1.
    rounded_up = graph.add("Add", places, graph.constant(np.array(0.5)))
    late = graph.add("GreaterOrEqual", rounded_up, graph.constant(pixels + 1.0))
    return graph.add("Sub", columns, graph.add("Cast", late, to=TensorProto.INT64))


def _places(
    graph: GraphBuilder, preset: PlotPreset, counts: str, columns: str, column_count: int, sample_rate_hz: int
) -> str:
    """Left edge of each frame's cell in pixels, float64 [batch, columns], by matplotlib's operations in their order."""
    rate, hop = graph.constant(np.array(float(sample_rate_hz))), graph.constant(np.array(float(preset.hop_samples)))
    # The last frame and those of the columns in one, each with the frame before it.
    last = graph.add("Sub", counts, graph.constant([1]))
    samples = graph.add("Cast", graph.add("Concat", last, columns, axis=1), to=TensorProto.DOUBLE)
    samples = graph.add("Mul", samples, hop)
    here_s = graph.add("Div", samples, rate)
    before_s = graph.add("Div", graph.add("Sub", samples, hop), rate)
    half_steps = graph.add("Mul", graph.add("Sub", here_s, before_s), graph.constant(np.array(0.5)))
    # The picture ends half a step behind the last frame; a cell begins half a step behind the frame before its own.
    is_last = graph.constant(np.arange(1 + column_count) == 0)
    edges = graph.add("Add", graph.add("Where", is_last, here_s, before_s), half_steps)
    right, left = (
        graph.add("Slice", edges, *map(graph.constant, ([0], [1], [1]))),
        -(preset.hop_samples / sample_rate_hz) / 2.0,
    )
    edges = graph.add("Slice", edges, *map(graph.constant, ([1], [2**62], [1])))
    width = graph.add("Sub", right, graph.constant(np.array(left)))
    per_s = graph.add("Div", graph.constant(np.array(1.0)), width)
    pixels = graph.constant(np.array(float(preset.render_pixels)))
    offset = graph.add("Mul", pixels, graph.add("Mul", graph.constant(np.array(-left)), per_s))
    return graph.add("Add", graph.add("Mul", graph.add("Mul", pixels, per_s), edges), offset)
