"""The log of a face in a video: when it was seen, how large, and its values. Never a picture.

A frame costs 80 bytes: its index, the face's box, and each unit's relative and absolute value before they are limited,
as float16 (9 MB an hour at 30 frames a second). The person's resting level is taken from these at the end, when all of
them are known.
"""

from array import array
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Frames:
    """Frames of one face that a log gave away.

    Attributes:
        frames: int32 [n], their indices.
        values: float16 [n, 34].
        boxes: float16 [n, 4].
        look_frames: int32 [m], indices of those that a network looked at.
        looks: float32 [m, width], what it saw.
    """

    frames: NDArray[np.int32]
    values: NDArray[np.float16]
    boxes: NDArray[np.float16]
    look_frames: NDArray[np.int32]
    looks: FloatArray


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
        self._look_frames, self._looks = array("i"), array("f")
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

    def look(self, frame: int, numbers: FloatArray) -> None:
        """Note what a network saw of the face in a frame, float32 [width], the same width each time."""
        self._look_frames.append(frame)
        self._looks.frombytes(numbers.astype(np.float32).tobytes())

    @property
    def look_frames(self) -> NDArray[np.int32]:
        """Indices of the frames that a network looked at, ascending, int32 [m]."""
        return np.array(self._look_frames, np.int32)

    @property
    def looks(self) -> FloatArray:
        """Its numbers for them, float32 [m, width]."""
        count = len(self._look_frames)
        return np.array(self._looks, np.float32).reshape(count, len(self._looks) // max(count, 1))

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

    def take(self) -> Frames:
        """Empty the log of frames."""
        count, self._count = self._count, 0
        taken = Frames(
            self._frames[:count].copy(),
            self._values[:count].copy(),
            self._boxes[:count].copy(),
            self.look_frames,
            self.looks,
        )
        self._look_frames, self._looks = array("i"), array("f")
        return taken

    def put(self, later: Frames) -> None:
        """Append what :meth:`take` gave of later frames."""
        self._frames = np.concatenate([self._frames[: self._count], later.frames])
        self._values = np.concatenate([self._values[: self._count], later.values])
        self._boxes = np.concatenate([self._boxes[: self._count], later.boxes])
        self._look_frames.frombytes(later.look_frames.tobytes())
        self._looks.frombytes(later.looks.tobytes())
        self._count = len(self._frames)

    def state(self) -> dict[str, Any]:
        """All that is known but the frames, as plain values and arrays."""
        return {"sights": self.sights, "presence": self.presence}

    @classmethod
    def resume(cls, state: dict[str, Any]) -> "FaceLog":
        """A log that goes on where :meth:`state` was asked for, without frames."""
        log = cls()
        log.sights, log.presence = state["sights"], state["presence"]
        return log


def half(values: FloatArray) -> NDArray[np.float16]:
    """Values in the precision that is kept."""
    return np.clip(values, -LARGEST_VALUE, LARGEST_VALUE).astype(HALF)
