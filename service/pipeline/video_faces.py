"""The picture half of a video's way: every frame looked at as it is decoded, then the action units of one face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.pipeline.action_units import ActionUnitModel
from service.pipeline.affect_columns import ACTION_UNITS
from service.pipeline.face_log import FaceLog
from service.pipeline.face_networks import FaceNetworks
from service.pipeline.faces import FaceTracker, TrackedFace
from service.pipeline.frame_stream import VideoFrame
from service.pipeline.neutral import Neutral
from service.pipeline.row_watch import RowWatch, SeenFaces
from service.problems import Unprocessable

LOST_S = 0.5
"""A face that is away for longer than this between two sights of it is flagged 'face_lost'."""


LEAST_SIGHTS = 3
"""A face that is seen in fewer frames of a longer video is taken for a mistake of the detector."""


@dataclass(frozen=True)
class FaceSeries:
    """One face over all frames of a video.

    Attributes:
        time_s: float64 [frames].
        action_units: float64 [frames, 17] in 0…5, zeros where the face was not seen.
        confidence: float64 [frames], 0.98 where it was seen, else 0.
        tracked: bool [frames].
        flags: 'no_face', 'several_faces', 'face_lost', 'no_neutral'.
    """

    time_s: NDArray[np.float64]
    action_units: NDArray[np.float64]
    confidence: NDArray[np.float64]
    tracked: NDArray[np.bool_]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Sight:
    """The faces of one frame, of which ``frame`` is the index."""

    frame: int
    faces: Sequence[TrackedFace]


class VideoFaces:
    """Watches one video. Frames follow each other, but one thread may follow the faces while another notes what the
    first has seen.

    Args:
        networks: the face bundle's graphs.
        units: the action-unit bundle's.
        watch: told what was noted, frame after frame.
    """

    def __init__(self, networks: FaceNetworks, units: ActionUnitModel, watch: RowWatch | None = None) -> None:
        self._watch = watch
        self._networks = networks
        self._tracker = FaceTracker(networks)
        self._units = units
        self._time_s: list[float] = []
        self._logs: dict[int, FaceLog] = {}

    def look(self, frame: VideoFrame) -> None:
        """Take the next frame: :meth:`follow` and :meth:`note`."""
        self.note([self.follow(frame)])

    def follow(self, frame: VideoFrame) -> Sight:
        """Follow the faces into the next frame."""
        sight = Sight(len(self._time_s), self._tracker.step(frame.image, frame.time_s))
        self._time_s.append(frame.time_s)
        return sight

    def note(self, sights: Sequence[Sight]) -> None:
        """Keep the features of faces that were followed, frame after frame."""
        seen = [(sight.frame, face) for sight in sights for face in sight.faces]
        if seen and self._networks.has_blendshapes:
            found = self._networks.blendshapes(np.stack([face.points for _, face in seen]))
            seen = [(frame, replace(face, blendshapes=row)) for (frame, face), row in zip(seen, found, strict=True)]
        rows = [self._units.features(face) for _, face in seen]  # all before any is kept: a failed call is repeated
        for (frame, face), features in zip(seen, rows, strict=True):
            if face.number not in self._logs:
                self._logs[face.number] = FaceLog(features)
            self._logs[face.number].add(frame, features, face.size_px)
        if self._watch is not None:
            faces: dict[int, SeenFaces] = {sight.frame: {} for sight in sights}
            for (frame, face), features in zip(seen, rows, strict=True):
                faces[frame][face.number] = face.size_px, features
            self._watch([(self._time_s[frame], found) for frame, found in faces.items()])

    def series(self, face: str, neutral: Neutral) -> FaceSeries:
        """Action units of the chosen face.

        Args:
            face: 'largest' (greatest sum of its size over the frames) or a number.
            neutral: what is subtracted.

        Raises:
            Unprocessable: there are faces, but not that one; or it was not seen in the neutral stretch.
        """
        time_s = np.asarray(self._time_s, np.float64)
        tracked = np.zeros(len(time_s), np.bool_)
        logs = self._sure()
        log = _choose(logs, face)
        if log is None:
            units = np.zeros((len(time_s), len(ACTION_UNITS)))
            return FaceSeries(time_s, units, np.zeros(len(time_s)), tracked, ("no_face",))
        units, flags = self._units.intensities(log, time_s, neutral)
        tracked[log.frames] = True
        lost = bool(np.any(np.diff(time_s[log.frames]) > LOST_S)) or time_s[-1] - time_s[log.frames[-1]] > LOST_S
        found = {"several_faces": len(logs) > 1, "face_lost": lost}
        names = [name for name, is_set in found.items() if is_set]
        confidence = np.where(tracked, self._units.confidence, 0.0)
        return FaceSeries(time_s, units, confidence, tracked, (*names, *flags))

    def _sure(self) -> dict[int, FaceLog]:
        least = min(LEAST_SIGHTS, len(self._time_s))
        return {face: log for face, log in self._logs.items() if len(log) >= least}


def _choose(logs: dict[int, FaceLog], face: str) -> FaceLog | None:
    if not logs:
        return None
    if face == "largest":
        return max(logs.values(), key=lambda log: log.presence)
    if int(face) not in logs:
        raise Unprocessable(f"The video has no face {int(face)}.", pointer="/face")
    return logs[int(face)]


def check_face(face: str) -> None:
    """Refuse a choice of face that cannot be.

    Raises:
        Unprocessable: with the pointer '/face'.
    """
    if face != "largest" and not (face.isascii() and face.isdigit() and len(face) < 10):
        raise Unprocessable("face must be 'largest' or a number from 0.", pointer="/face")
