"""matplotlib's colour maps as tables of 256 colours."""

from typing import Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray

COLOURS = 256


class UnknownColourMap(ValueError):
    """matplotlib has no colour map of that name."""


def colour_table(name: str, rounding: Literal["round", "truncate"] = "round") -> NDArray[np.float32]:
    """The colours of a map from its lowest to its highest.

    Args:
        name: any name that matplotlib knows.
        rounding: from 0 … 1 to 0 … 255. matplotlib rounds the colours of a mesh and truncates those of an image.

    Returns:
        float32 [256, 3] of whole numbers 0 … 255, RGB.

    Raises:
        UnknownColourMap: matplotlib has no such map.
    """
    if name not in matplotlib.colormaps:
        raise UnknownColourMap(f"matplotlib has no colour map '{name}'")
    colours = matplotlib.colormaps[name].resampled(COLOURS)(np.arange(COLOURS))[:, :3] * 255.0
    return np.floor(colours + (0.5 if rounding == "round" else 0.0)).astype(np.float32)
