"""What is kept of a video's faces: when each was seen, how large, and its features. Never a picture.

A face's features are kept as float16 differences from its first frame: they are small, so that half precision
costs less than 0.05 % of each, and an hour at 30 frames a second takes 320 MB of 1,485 features instead of 640.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray

HALF = np.float16
LARGEST_DIFFERENCE = 60_000.0
"""Of half precision; features are far smaller, and infinities would spread."""


class FaceLog:
    """One face. Arrays grow by doubling."""

    def __init__(self, features: FloatArray) -> None:
        self._base = features.astype(np.float32)
        self._differences = np.empty((64, len(features)), HALF)
        self._frames = np.empty(64, np.int64)
        self._count = 0
        self.presence = 0.0

    def __len__(self) -> int:
        return self._count

    def add(self, frame: int, features: FloatArray, size_px: float) -> None:
        """Note the face in a frame.

        Args:
            frame: index of the frame, above the last.
            features: float32 [dim], finite.
            size_px: size of the face; ``presence`` sums it up.
        """
        if self._count == len(self._frames):
            self._grow()
        self._differences[self._count] = half_difference(features, self._base)
        self._frames[self._count] = frame
        self._count += 1
        self.presence += size_px

    def _grow(self) -> None:
        differences = np.empty((2 * self._count, self._differences.shape[1]), HALF)  # untouched pages cost nothing
        frames = np.empty(2 * self._count, np.int64)
        differences[: self._count], frames[: self._count] = self._differences, self._frames
        self._differences, self._frames = differences, frames

    @property
    def frames(self) -> NDArray[np.int64]:
        """Indices of the frames in which the face was seen, ascending, int64 [n]."""
        return self._frames[: self._count]

    def features(self, which: NDArray[np.int64] | slice) -> FloatArray:
        """Features of some of those frames, counted from 0: float32 [chosen, dim]."""
        chosen = self._differences[: self._count][which].astype(np.float32)
        chosen += self._base
        return chosen


def half_difference(features: FloatArray, base: FloatArray) -> NDArray[np.float16]:
    """What is kept of ``features`` float32 [dim] beside those of the face's first frame."""
    return np.asarray(np.clip(features - base, -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE), HALF)
