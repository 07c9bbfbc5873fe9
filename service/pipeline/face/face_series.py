"""One face, frame after frame, as numbers: what a table, a video and a stream give to the affect model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.looks import Looks
from service.pipeline.face.neutral import NeutralUse
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import FloatArray


@dataclass(frozen=True)
class FaceSeries:
    """Frames of one face, in order.

    Attributes:
        time_s: float64 [frames], seconds from the beginning of the recording, increasing.
        confidence: float64 [frames], 0…1.
        action_units: float [frames, 17] in 0…5, in the order of ``ACTION_UNITS``; zeros where the face was not seen.
        tracked: bool [frames], whether the face was seen.
    """

    time_s: NDArray[np.float64]
    confidence: NDArray[np.float64]
    action_units: NDArray[np.floating[Any]]
    tracked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, rows: slice) -> FaceSeries:
        return FaceSeries(self.time_s[rows], self.confidence[rows], self.action_units[rows], self.tracked[rows])

    def since(self, start_s: float) -> FaceSeries:
        """The same frames, timed from ``start_s`` on."""
        return FaceSeries(self.time_s - start_s, self.confidence, self.action_units, self.tracked)

    @classmethod
    def empty(cls) -> FaceSeries:
        """A series without frames."""
        units = np.zeros((0, len(ACTION_UNITS)), np.float32)
        return cls(np.zeros(0), np.zeros(0), units, np.zeros(0, np.bool_))

    @classmethod
    def joined(cls, parts: Sequence[FaceSeries]) -> FaceSeries:
        """Stretches that follow each other, at least one, as one series."""
        return cls(
            np.concatenate([part.time_s for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate([part.action_units for part in parts]),
            np.concatenate([part.tracked for part in parts]),
        )


@dataclass(frozen=True)
class SeenFace:
    """One face of a recording.

    Attributes:
        series: its frames, at least one.
        flags: remarks on it, such as 'several_faces' and 'no_neutral'.
        boxes: float32 [frames, 4], left, top, width and height in shares of the upright picture, NaN where the face
            was not seen; None where there are no pictures.
        number: the face's number in the recording; None where there is no face.
        neutral: the resting face that was subtracted; None where the series came from elsewhere.
        looks: what a network saw of its pictures; None where none looked.
    """

    series: FaceSeries
    flags: tuple[str, ...]
    number: int | None = None
    boxes: FloatArray | None = None
    neutral: NeutralUse | None = None
    looks: Looks | None = None
