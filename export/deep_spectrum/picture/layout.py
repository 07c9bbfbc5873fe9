"""Layout of a spectrogram's colours: from its columns and rows to the pixels of a network's input."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.picture.banded_product import Blocks, in_blocks, write_blocks_product
from export.deep_spectrum.picture.presets import PlotPreset
from export.deep_spectrum.picture.resize import bicubic_matrix, nearest_pixels, write_eight_bit, write_numbers
from export.deep_spectrum.picture.symlog_axis import rows_of_pixels
from export.graph.builder import GraphBuilder


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
    def of(cls, preset: PlotPreset, size: int, sample_rate_hz: int) -> "Layout":
        """How a preset fills a picture of ``size`` pixels."""
        rows = rows_of_pixels(preset, sample_rate_hz)
        if preset.resize == "nearest" or size == preset.render_pixels:
            pixels = nearest_pixels(preset.render_pixels, size)
            return cls(pixels, rows[pixels])
        resize = bicubic_matrix(preset.render_pixels, size)
        drawn = (rows[:, None] == np.arange(preset.rows())).astype(np.float32)
        return cls(np.arange(preset.render_pixels), rows, in_blocks(resize), in_blocks(resize @ drawn))


def write_layout(
    graph: GraphBuilder, layout: Layout, numbers: str, shown: str | None, table: NDArray[np.float32], filled_rows: int
) -> str:
    """Add the nodes from numbers of colours to the picture.

    Pillow resizes along time first and rounds; rows of pixels that look alike are resized but once here.

    Args:
        numbers: int32 [batch, frames, filled_rows].
        shown: which of the frames each of the layout's columns shows, int64 [batch, columns]; None where they are one
            for one, which there must be unless the layout resizes.
        table: colours, float32 [3, numbers]; number −1 has the last one, which is the same in all three.
        filled_rows: rows of the spectrogram and those that fill it up.

    Returns:
        float32 [batch, 3, size, size], whole numbers.
    """
    if layout.across is None or layout.down is None:
        shape = [-1, filled_rows, len(layout.columns)]
        upright = graph.add("Transpose", numbers, perm=[0, 2, 1])
        planes = _coloured(graph, upright, table, shape)
        return graph.add("Gather", planes, graph.constant(layout.rows), axis=2)
    assert shown is not None
    # The three colours of a frame lie side by side, so that one product resizes them.
    frames = graph.add("Concat", graph.add("Shape", numbers, end=2), graph.constant([3 * filled_rows]), axis=0)
    colours = graph.add("Reshape", _coloured(graph, numbers, table, [-1, 1, filled_rows]), frames)
    wanted = graph.add("Gather", shown, graph.constant(layout.across.columns[:, :, None]), axis=1)
    colours = graph.add("GatherND", colours, wanted, batch_dims=1)
    across = write_eight_bit(graph, write_blocks_product(graph, layout.across, colours, "across"))
    across = graph.add("Reshape", across, graph.constant([0, layout.across.rows, 3, filled_rows]))
    # Laid out as bytes, which are a quarter of the numbers.
    upright = graph.add("Transpose", across, perm=[0, 2, 3, 1])
    upright = write_numbers(graph, graph.add("Gather", upright, graph.constant(layout.down.columns), axis=2))
    down = write_eight_bit(graph, write_blocks_product(graph, layout.down, upright, "down"))
    return write_numbers(graph, graph.add("Reshape", down, graph.constant([0, 3, layout.down.rows, -1])))


def _coloured(graph: GraphBuilder, numbers: str, table: NDArray[np.float32], shape: list[int]) -> str:
    """Look the three colours of numbers up.

    Args:
        numbers: int32 [a·b·c].
        shape: a, b and c, of which one may be −1.

    Returns:
        float32 [a, 3, b, c].
    """
    numbers = graph.add("Reshape", numbers, graph.constant([shape[0], 1, *shape[1:]]))
    # One table behind another: −1 is the last colour of the table in front, which is that of every table.
    tables = np.arange(3, dtype=np.int32)[:, None, None] * table.shape[1]
    flat = graph.add("Reshape", graph.add("Add", numbers, graph.constant(tables)), graph.constant([1, -1]))
    # GatherElements copies numbers where Gather calls a copying routine for each: ten times faster.
    colours = graph.add("GatherElements", graph.constant(table.reshape(1, -1), "colours"), flat, axis=1)
    return graph.add("Reshape", colours, graph.constant([shape[0], 3, *shape[1:]]))
