"""What is kept of a video's faces: when each was seen, how large, and what the head made of it. Never a picture.

A frame costs 38 bytes: its index and the head's 17 values before they are limited, as float16 (4 MB an hour at 30
frames a second). Since the head is linear up to there, the person's neutral is subtracted at the end, when it is
known. Features, 1,485 numbers a frame, are kept only for that neutral, at most 4,096 rows of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect_columns import ACTION_UNITS
from service.pipeline.results import FloatArray
from service.pipeline.thinned_rows import HALF, LARGEST_DIFFERENCE, ThinnedRows


class FaceLog:
    """One face. Arrays grow by doubling.

    Args:
        base: float32 [dim], the features that were subtracted before the head; None where the head without a neutral
            was asked, which needs no features afterwards.
    """

    def __init__(self, base: FloatArray | None) -> None:
        self.neutral_rows = None if base is None else ThinnedRows(base)
        self._values = np.empty((64, len(ACTION_UNITS)), HALF)
        self._frames = np.empty(64, np.int32)
        self._count = 0
        self.presence = 0.0

    def __len__(self) -> int:
        return self._count

    @property
    def base(self) -> FloatArray | None:
        """What was subtracted from the features, float32 [dim], or None."""
        return None if self.neutral_rows is None else self.neutral_rows.base

    def add(self, frame: int, values: FloatArray, size_px: float) -> None:
        """Note the face in a frame.

        Args:
            frame: index of the frame, above the last.
            values: float32 [17], what the head gave before it is limited to 0…5.
            size_px: size of the face; ``presence`` sums it up.
        """
        if self._count == len(self._frames):
            self._grow()
        self._values[self._count] = np.clip(values, -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE)
        self._frames[self._count] = frame
        self._count += 1
        self.presence += size_px

    def _grow(self) -> None:
        values = np.empty((2 * self._count, len(ACTION_UNITS)), HALF)  # untouched pages cost nothing
        frames = np.empty(2 * self._count, np.int32)
        values[: self._count], frames[: self._count] = self._values, self._frames
        self._values, self._frames = values, frames

    @property
    def frames(self) -> NDArray[np.int64]:
        """Indices of the frames in which the face was seen, ascending, int64 [n]."""
        return self._frames[: self._count].astype(np.int64)

    @property
    def values(self) -> FloatArray:
        """What the head gave in those frames, float32 [n, 17]."""
        return self._values[: self._count].astype(np.float32)
