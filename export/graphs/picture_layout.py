"""Where the colours of a spectrogram go: from columns and rows of its own to the pixels of a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.graphs.banded_product import Blocks, in_blocks, write_blocks_product
from export.graphs.builder import GraphBuilder
from export.graphs.picture_resize import bicubic_matrix, nearest_pixels, write_whole_numbers
from export.graphs.plot_presets import PlotPreset
from export.graphs.symlog_axis import rows_of_pixels


@dataclass(frozen=True)
class Layout:
    """The picture as indices and filters.

    Attributes:
        columns: drawn pixels along time that are wanted, int64 [columns]; some twice, as :attr:`across` needs them.
        rows: rows of the spectrogram that are wanted, int64 [rows], from the top.
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
        across, down = in_blocks(resize), in_blocks(resize @ drawn)
        return cls(across.columns.ravel(), down.columns.ravel(), across, down)


def write_layout(graph: GraphBuilder, layout: Layout, numbers: str, table: NDArray[np.float32]) -> str:
    """Add the nodes from numbers of colours to the picture.

    Pillow resizes along time first and rounds; rows of pixels that look alike are resized but once here.

    Args:
        numbers: int32 [batch, columns, rows of the spectrogram].
        table: colours, float32 [3, numbers].

    Returns:
        float32 [batch, 3, size, size], whole numbers.
    """
    rows = graph.constant(layout.rows)
    if layout.across is None or layout.down is None:
        upright = graph.add("Transpose", numbers, perm=[0, 2, 1])
        return graph.add("Gather", _coloured(graph, upright, table), rows, axis=2)
    colours = _coloured(graph, numbers, table)
    across = write_whole_numbers(graph, write_blocks_product(graph, layout.across, colours, "across"))
    upright = graph.add("Gather", graph.add("Transpose", across, perm=[0, 1, 3, 2]), rows, axis=2)
    return write_whole_numbers(graph, write_blocks_product(graph, layout.down, upright, "down"))


def _coloured(graph: GraphBuilder, numbers: str, table: NDArray[np.float32]) -> str:
    """Look colours up: int32 [batch, a, b] becomes float32 [batch, 3, a, b]."""
    flat = graph.add("Reshape", numbers, graph.constant([1, -1]))
    # GatherElements copies numbers where Gather calls a copying routine for each: ten times faster.
    thrice = graph.add("Concat", flat, flat, flat, axis=0)
    planes = graph.add("GatherElements", graph.constant(table, "colours"), thrice, axis=1)
    shape = graph.add("Concat", graph.constant([3]), graph.add("Shape", numbers), axis=0)
    return graph.add("Transpose", graph.add("Reshape", planes, shape), perm=[1, 0, 2, 3])
