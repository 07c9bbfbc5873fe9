"""The 17 action units, in one place: their names, their order and the scale of their intensities."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.problems import FeaturesInvalid

ACTION_UNITS: Final[tuple[str, ...]] = (
    "AU01",
    "AU02",
    "AU04",
    "AU05",
    "AU06",
    "AU07",
    "AU09",
    "AU10",
    "AU12",
    "AU14",
    "AU15",
    "AU17",
    "AU20",
    "AU23",
    "AU25",
    "AU26",
    "AU45",
)
"""OpenFace's 17 intensity units (E3), without the suffix ``_r``, in the order of its tables."""

MAX_INTENSITY: Final = 5.0
"""Upper end of OpenFace's intensity scale."""

SCALE_TOLERANCE: Final = 0.05
"""Largest distance from a scale at which a value is clipped; a value further away is refused."""


def within_scale(values: NDArray[np.float64], name: str, upper: float = MAX_INTENSITY) -> NDArray[np.float64]:
    """Clip ``values`` to 0…``upper``.

    Raises:
        FeaturesInvalid: a value is clearly on another scale, such as FACET evidence or percentages.
    """
    if values.min() < -SCALE_TOLERANCE or values.max() > upper + SCALE_TOLERANCE:
        raise FeaturesInvalid(f"{name} has values outside 0 to {upper:g}.")
    return np.clip(values, 0.0, upper)
