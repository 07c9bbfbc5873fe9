"""The log of a face in a video: when it was seen, how large, and its values. Never a picture.

A frame costs 80 bytes: its index, the face's box, and each unit's relative and absolute value before they are limited,
as float16 (9 MB an hour at 30 frames a second). The person's resting level is taken from these at the end, when all of
them are known.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import FloatArray

BOX_SIDES: Final = 4
"""Numbers of a box."""

VALUES: Final = 2 * len(ACTION_UNITS)
"""Numbers of a frame: the units' relative values, then their absolute ones."""

HALF: Final = np.float16
"""Type in which values and boxes are kept."""

LARGEST_VALUE: Final = 60_000.0
"""Largest value that is kept: half precision ends there, and infinities would spread."""

FIRST_ROOM: Final = 64
"""Frames that an empty log has room for."""


class FaceLog:
    """One face. Arrays grow by doubling.

    Attributes:
        sights: frames with the face, taken ones too.
        presence: sum of the face's sizes over them.
    """

    def __init__(self) -> None:
        self._values = np.empty((FIRST_ROOM, VALUES), HALF)
        self._frames = np.empty(FIRST_ROOM, np.int32)
        self._boxes = np.empty((FIRST_ROOM, BOX_SIDES), HALF)
        self._count = 0
        self.sights = 0
        self.presence = 0.0

    def __len__(self) -> int:
        return self._count

    def add(self, frame: int, values: FloatArray, size_px: float, box: FloatArray) -> None:
        """Note the face in a frame.

        Args:
            frame: index of the frame, above the last.
            values: float32 [34], relative and absolute, before they are limited to 0…5.
            size_px: size of the face; ``presence`` sums it up.
            box: float [4], left, top, width and height in shares of the picture.
        """
        if self._count == len(self._frames):
            self._grow()
        self._values[self._count] = half(values)
        self._frames[self._count] = frame
        self._boxes[self._count] = box
        self._count += 1
        self.sights += 1
        self.presence += size_px

    def _grow(self) -> None:
        room = max(2 * self._count, FIRST_ROOM)
        values = np.empty((room, VALUES), HALF)  # untouched pages cost nothing
        frames = np.empty(room, np.int32)
        values[: self._count], frames[: self._count] = self._values, self._frames
        boxes = np.empty((room, BOX_SIDES), HALF)
        boxes[: self._count] = self._boxes[: self._count]
        self._values, self._frames, self._boxes = values, frames, boxes

    @property
    def boxes(self) -> FloatArray:
        """The face's boxes in the frames in which it was seen, float32 [n, 4]."""
        return self._boxes[: self._count].astype(np.float32)

    @property
    def frames(self) -> NDArray[np.int64]:
        """Indices of the frames in which the face was seen, ascending, int64 [n]."""
        return self._frames[: self._count].astype(np.int64)

    @property
    def values(self) -> FloatArray:
        """The values in those frames, float32 [n, 34]: relative, then absolute."""
        return self._values[: self._count].astype(np.float32)

    def take(self) -> tuple[NDArray[np.int32], NDArray[np.float16], NDArray[np.float16]]:
        """Empty the log of frames: their indices int32 [n], values float16 [n, 34], boxes float16 [n, 4]."""
        count, self._count = self._count, 0
        return self._frames[:count].copy(), self._values[:count].copy(), self._boxes[:count].copy()

    def put(self, frames: NDArray[np.int32], values: NDArray[np.float16], boxes: NDArray[np.float16]) -> None:
        """Append what :meth:`take` gave of later frames."""
        self._frames = np.concatenate([self._frames[: self._count], frames])
        self._values = np.concatenate([self._values[: self._count], values])
        self._boxes = np.concatenate([self._boxes[: self._count], boxes])
        self._count = len(self._frames)

    def state(self) -> dict[str, Any]:
        """All that is known but the frames, as plain values and arrays."""
        return {"sights": self.sights, "presence": self.presence}

    @classmethod
    def resume(cls, state: dict[str, Any]) -> FaceLog:
        """A log that goes on where :meth:`state` was asked for, without frames."""
        log = cls()
        log.sights, log.presence = state["sights"], state["presence"]
        return log


def half(values: FloatArray) -> NDArray[np.float16]:
    """Values in the precision that is kept."""
    return np.clip(values, -LARGEST_VALUE, LARGEST_VALUE).astype(HALF)
