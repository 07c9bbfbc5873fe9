"""Products with banks of overlapping bands, such as mel triangles.

The bins are cut into segments of one width. Each is multiplied with the few bands that reach into it, and what a band
has in several segments is added up.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from export.graph.builder import GraphBuilder

WIDTHS = (16, 32, 64, 128)
"""Bins of a segment. ONNX Runtime cuts sums of more than 128 in pieces that depend on how many frames a batch has."""
COPY_PRODUCTS = 100
"""Products that take about as long as copying a number and adding it."""


@dataclass(frozen=True)
class Segments:
    """A bank in segments.

    Attributes:
        bins: that each segment multiplies, int64 [segments, width]; those beyond the bank have weight 0.
        weights: float32 [segments, rows, width].
        parts: rows of all segments, one after another, that add up to the bands: int64 [bands] each.
    """

    bins: NDArray[np.int64]
    weights: NDArray[np.float32]
    parts: list[NDArray[np.int64]]

    @property
    def cost(self) -> int:
        """Products a frame, and copies in the same unit."""
        return self.weights.size + COPY_PRODUCTS * sum(map(len, self.parts))


def in_segments(bank: NDArray[np.floating]) -> Segments:
    """Cut a bank [bands, bins] the cheapest way."""
    return min((_in_segments_of(bank, width) for width in WIDTHS), key=lambda segments: segments.cost)


def write_segments_product(graph: GraphBuilder, segments: Segments, spectrum: str, places: NDArray[np.int64]) -> str:
    """Multiply a bank with a spectrum.

    Args:
        spectrum: float32 [places, n].
        places: row of each bin, int64 [bins].

    Returns:
        float32 [bands, n].
    """
    gathered = graph.add("Gather", spectrum, graph.constant(places[segments.bins]), axis=0)
    product = graph.add("MatMul", graph.constant(segments.weights, "bank"), gathered)
    rows = graph.add("Reshape", product, graph.constant([segments.weights.shape[0] * segments.weights.shape[1], -1]))
    parts = [graph.add("Gather", rows, graph.constant(part), axis=0) for part in segments.parts]
    return reduce(lambda one, other: graph.add("Add", one, other), parts)


def _in_segments_of(bank: NDArray[np.floating], width: int) -> Segments:
    used = np.flatnonzero(bank.any(axis=0))
    first, behind = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 1)
    count = -(-(behind - first) // width)
    bins = first + np.arange(count * width)
    padded = np.pad(bank, ((0, 0), (0, max(0, int(bins[-1]) + 1 - bank.shape[1]))))
    cut = padded[:, bins].reshape(len(bank), count, width).transpose(1, 0, 2)
    reaching = [np.flatnonzero(segment.any(axis=1)) for segment in cut]
    # The first segment has a row of zeros too: the part that a band does not have.
    zeros = len(reaching[0])
    rows = max(zeros + 1, *map(len, reaching))
    weights = np.zeros((count, rows, width), dtype=np.float32)
    found: list[list[int]] = [[] for _ in bank]
    for number, bands in enumerate(reaching):
        weights[number, : len(bands)] = cut[number, bands]
        for row, band in enumerate(bands):
            found[band].append(number * rows + row)
    most = max(1, *map(len, found))
    parts = np.array([[*places, *[zeros] * (most - len(places))] for places in found], dtype=np.int64).T
    return Segments(np.minimum(bins, bank.shape[1] - 1).reshape(count, width), weights, list(parts))
