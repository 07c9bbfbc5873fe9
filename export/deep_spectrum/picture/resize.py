"""Pillow's bicubic resizing of 8-bit pictures as two matrix products with rounding after each."""

import numpy as np
from numpy.typing import NDArray

from export.graph.builder import FLOAT, GraphBuilder

BICUBIC_SUPPORT = 2.0
BICUBIC_SHARPNESS = -0.5
"""Keys' parameter a, as Pillow has it."""
COEFFICIENT_BITS = 22
"""Pillow rounds the weights of 8-bit pictures to this many binary places."""


def bicubic_matrix(before: int, after: int) -> NDArray[np.float32]:
    """Weights of each pixel before in each pixel after, float32 [after, before]; rows sum to 1.

    Where the picture gets smaller the filter gets wider, so that nothing is skipped.
    """
    scale = before / after
    stretch = max(scale, 1.0)
    centres = (np.arange(after) + 0.5) * scale
    pixels = np.arange(before)
    first = np.floor(np.maximum(centres - BICUBIC_SUPPORT * stretch + 0.5, 0.0))[:, None]
    behind = np.floor(np.minimum(centres + BICUBIC_SUPPORT * stretch + 0.5, before))[:, None]
    weights = _cubic((pixels + 0.5 - centres[:, None]) / stretch)
    weights = np.where((pixels >= first) & (pixels < behind), weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return (np.rint(weights * 2.0**COEFFICIENT_BITS) / 2.0**COEFFICIENT_BITS).astype(np.float32)


def nearest_pixels(before: int, after: int) -> NDArray[np.int64]:
    """Pixel before that each pixel after shows, int64 [after]."""
    return np.floor((np.arange(after) + 0.5) * before / after).astype(np.int64)


def write_eight_bit(graph: GraphBuilder, value: str) -> str:
    """Round to uint8 and keep within 0 … 255, as 8-bit pictures do after each of the two passes."""
    return graph.add("QuantizeLinear", value, graph.constant(1.0), graph.constant(np.array(0, dtype=np.uint8)))


def write_numbers(graph: GraphBuilder, value: str) -> str:
    """uint8 as float32."""
    return graph.add("Cast", value, to=FLOAT)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    x, a = np.abs(distance), BICUBIC_SHARPNESS
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
