"""The One-Euro filter (Casiez, Roussel, Vogel 2012) on the points of a face: still faces stop jittering, moving
ones do not lag. Speeds are taken relative to the size of the face, as the publisher does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

LEAST_SCALE_PX = 1e-6


@dataclass(frozen=True)
class OneEuroSettings:
    """Constants of the filter.

    Attributes:
        min_cutoff_hz: cut-off at rest.
        beta: growth of the cut-off per unit of speed.
        derivative_cutoff_hz: cut-off of the speed itself.
    """

    min_cutoff_hz: float
    beta: float
    derivative_cutoff_hz: float


class OneEuroFilter:
    """Filters one face's points over time."""

    def __init__(self, settings: OneEuroSettings) -> None:
        self._settings = settings
        self._time_s = 0.0
        self._raw: Points | None = None
        self._smooth: Points | None = None
        self._speed: Points | None = None

    def apply(self, points: Points, time_s: float, scale_px: float) -> Points:
        """Give the smoothed points.

        Args:
            points: float64 [n, k], pixels.
            time_s: seconds, later than the last; else the last answer is given again.
            scale_px: size of the face.
        """
        if self._raw is None or self._smooth is None or self._speed is None:
            self._raw, self._smooth, self._speed = points, points, np.zeros_like(points)
        elif time_s > self._time_s:
            step_s = time_s - self._time_s
            speed = (points - self._raw) / (max(scale_px, LEAST_SCALE_PX) * step_s)
            held = _alpha(self._settings.derivative_cutoff_hz, step_s)
            self._speed = held * speed + (1 - held) * self._speed
            alpha = _alpha(self._settings.min_cutoff_hz + self._settings.beta * np.abs(self._speed), step_s)
            self._smooth = alpha * points + (1 - alpha) * self._smooth
            self._raw = points
        self._time_s = time_s
        return self._smooth

    def state(self) -> dict[str, Any]:
        """All that is known, as plain values and arrays."""
        return {"time_s": self._time_s, "points": [self._raw, self._smooth, self._speed]}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was asked for."""
        self._time_s = state["time_s"]
        self._raw, self._smooth, self._speed = state["points"]


def _alpha(cutoff_hz: float | Points, step_s: float) -> float | Points:
    """Weight of the new value in a first-order low-pass."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * step_s))
