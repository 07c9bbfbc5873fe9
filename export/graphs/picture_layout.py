"""Where the colours of a spectrogram go: from columns and rows of its own to the pixels of a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.graphs.banded_product import Blocks, in_blocks, write_blocks_product
from export.graphs.builder import GraphBuilder
from export.graphs.clip_ends import write_counter
from export.graphs.picture_resize import bicubic_matrix, nearest_pixels, write_eight_bit, write_numbers
from export.graphs.plot_presets import PlotPreset
from export.graphs.symlog_axis import rows_of_pixels


@dataclass(frozen=True)
class Layout:
    """The picture as indices and filters.

    Attributes:
        columns: drawn pixels along time that are wanted, int64 [columns].
        rows: rows of the spectrogram that are wanted, int64 [rows], from the top, where no filter lays them out.
        across: the filter along time, None where pixels are taken as they are.
        down: the same along frequency; it lays the rows of the spectrogram out and resizes them in one.
    """

    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    across: Blocks | None = None
    down: Blocks | None = None

    @classmethod
    def of(cls, preset: PlotPreset, size: int, sample_rate_hz: int) -> Layout:
        """How a preset fills a picture of ``size`` pixels."""
        rows = rows_of_pixels(preset, sample_rate_hz)
        if preset.resize == "nearest" or size == preset.render_pixels:
            pixels = nearest_pixels(preset.render_pixels, size)
            return cls(pixels, rows[pixels])
        resize = bicubic_matrix(preset.render_pixels, size)
        drawn = (rows[:, None] == np.arange(preset.rows())).astype(np.float32)
        return cls(np.arange(preset.render_pixels), rows, in_blocks(resize), in_blocks(resize @ drawn))


def write_layout(
    graph: GraphBuilder, layout: Layout, numbers: str, shown: str | None, table: NDArray[np.float32]
) -> str:
    """Add the nodes from numbers of colours to the picture.

    Pillow resizes along time first and rounds; rows of pixels that look alike are resized but once here.

    Args:
        numbers: int32 [batch, frames, rows of the spectrogram].
        shown: which of the frames each of the layout's columns shows, int64 [batch, columns]; None where they are one
            for one, which there must be unless the layout resizes.
        table: colours, float32 [3, numbers].

    Returns:
        float32 [batch, 3, size, size], whole numbers.
    """
    if layout.across is None or layout.down is None:
        upright = graph.add("Transpose", numbers, perm=[0, 2, 1])
        return _gathered(graph, upright, table, graph.constant(layout.rows[None, None]), axes=1)
    assert shown is not None
    wanted = graph.add("Gather", shown, graph.constant(layout.across.columns[None]), axis=1)
    colours = _gathered(graph, numbers, table, wanted, axes=2)
    across = write_eight_bit(graph, write_blocks_product(graph, layout.across, colours, "across"))
    # Laid out as bytes, which are a quarter of the numbers.
    upright = graph.add("Transpose", across, perm=[0, 1, 3, 2])
    upright = write_numbers(graph, graph.add("Gather", upright, graph.constant(layout.down.columns), axis=2))
    return write_numbers(graph, write_eight_bit(graph, write_blocks_product(graph, layout.down, upright, "down")))


def _gathered(graph: GraphBuilder, numbers: str, table: NDArray[np.float32], wanted: str, axes: int) -> str:
    """Look colours up and take runs of them.

    Args:
        numbers: int32 [batch, a, b].
        wanted: which of the a, int64 [batch or 1, 1, …].
        axes: of ``wanted`` behind the first two.

    Returns:
        float32 [batch, 3, …, b].
    """
    flat = graph.add("Expand", graph.add("Reshape", numbers, graph.constant([1, -1])), graph.constant([3, 1]))
    # GatherElements copies numbers where Gather calls a copying routine for each: ten times faster.
    planes = graph.add("GatherElements", graph.constant(table, "colours"), flat, axis=1)
    clips, length = graph.add("Shape", numbers, end=1), graph.add("Shape", numbers, start=1, end=2)
    run = graph.add("Concat", graph.constant([-1]), graph.add("Shape", numbers, start=2), axis=0)
    clip = graph.add("Unsqueeze", write_counter(graph, clips), graph.constant([1]))
    starts = graph.add("Mul", graph.add("Add", clip, graph.add("Mul", clips, graph.constant([0, 1, 2]))), length)
    places = graph.add("Add", wanted, graph.add("Unsqueeze", starts, graph.constant(np.arange(2, 2 + axes))))
    return graph.add("Gather", graph.add("Reshape", planes, run), places, axis=0)
