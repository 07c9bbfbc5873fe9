"""The picture half of a video's way: every frame looked at as it is decoded, then the action units of one face."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.columns import ACTION_UNITS
from service.pipeline.decoding.frame_stream import VideoFrame
from service.pipeline.face.action_units import ActionUnitModel
from service.pipeline.face.face_log import FaceLog
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import Neutral
from service.pipeline.face.tracker import FaceTracker, TrackedFace
from service.pipeline.results import FloatArray
from service.pipeline.video.row_watch import RowWatch, SeenFaces
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
        action_units: float32 [frames, 17] in 0…5, zeros where the face was not seen.
        confidence: float64 [frames], 0.98 where it was seen, else 0.
        tracked: bool [frames].
        flags: 'no_face', 'several_faces', 'face_lost', 'no_neutral'.
    """

    time_s: NDArray[np.float64]
    action_units: FloatArray
    confidence: NDArray[np.float64]
    tracked: NDArray[np.bool_]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Sight:
    """The faces of one frame, of which ``frame`` is the index and ``time_s`` the time."""

    frame: int
    time_s: float
    faces: Sequence[TrackedFace]


class VideoFaces:
    """Watches one video. Frames follow each other, but one thread may follow the faces while another notes what the
    first has seen.

    Args:
        networks: the face bundle's graphs.
        units: the action-unit bundle's.
        neutral: what is subtracted.
        watch: told what was noted, frame after frame.
    """

    def __init__(
        self, networks: FaceNetworks, units: ActionUnitModel, neutral: Neutral, watch: RowWatch | None = None
    ) -> None:
        self._watch = watch
        self._networks = networks
        self._tracker = FaceTracker(networks)
        self._units = units
        self._neutral = neutral
        self._time_s = array("d")
        self._logs: dict[int, FaceLog] = {}

    def look(self, frame: VideoFrame) -> None:
        """Take the next frame: :meth:`follow` and :meth:`note`."""
        self.note([self.follow(frame)])

    def follow(self, frame: VideoFrame) -> Sight:
        """Follow the faces into the next frame."""
        sight = Sight(len(self._time_s), frame.time_s, self._tracker.step(frame.image, frame.time_s))
        self._time_s.append(frame.time_s)
        return sight

    def note(self, sights: Sequence[Sight]) -> None:
        """Keep what the head makes of faces that were followed, frame after frame.

        Blendshapes, features and heads of all these frames are computed together: they do not feed back into the
        following.
        """
        seen = [(sight, face) for sight in sights for face in sight.faces]
        features: Sequence[FloatArray] = list(self._keep(seen)) if seen else []
        if self._watch is not None:
            found: dict[int, SeenFaces] = {sight.frame: {} for sight in sights}
            for (sight, face), row in zip(seen, features, strict=True):
                found[sight.frame][face.number] = face.size_px, row
            self._watch([(sight.time_s, found[sight.frame]) for sight in sights])

    def _keep(self, seen: Sequence[tuple[Sight, TrackedFace]]) -> FloatArray:
        """Keep what the head makes of faces, at least one; returns their features, float32 [faces, dim]."""
        faces = [face for _, face in seen]
        if self._networks.has_blendshapes:
            found = self._networks.blendshapes(np.stack([face.points for face in faces]))
            faces = [replace(face, blendshapes=row) for face, row in zip(faces, found, strict=True)]
        features = self._units.features(faces)
        numbers = np.array([face.number for face in faces])
        logs, values = {}, np.empty((len(faces), len(ACTION_UNITS)), np.float32)
        for number in dict.fromkeys(numbers.tolist()):  # all before any is kept: a failed call is repeated
            rows = np.flatnonzero(numbers == number)
            known = self._logs.get(number)
            logs[number] = self._units.start_log(features[rows[0]], self._neutral) if known is None else known
            values[rows] = self._units.values(features[rows], logs[number].base)
        self._logs |= logs
        for (sight, face), row, value in zip(seen, features, values, strict=True):
            log = logs[face.number]
            log.add(sight.frame, value, face.size_px)
            if log.neutral_rows is not None and self._neutral.holds(sight.time_s):
                log.neutral_rows.add(row)
        return features

    def series(self, face: str) -> FaceSeries:
        """Action units of the chosen face.

        Args:
            face: 'largest' (greatest sum of its size over the frames) or a number.

        Raises:
            Unprocessable: there are faces, but not that one; or it was not seen in the neutral stretch.
        """
        time_s = np.array(self._time_s, np.float64)
        tracked = np.zeros(len(time_s), np.bool_)
        logs = self._sure()
        log = _choose(logs, face)
        if log is None:
            units = np.zeros((len(time_s), len(ACTION_UNITS)), np.float32)
            return FaceSeries(time_s, units, np.zeros(len(time_s)), tracked, ("no_face",))
        units, flags = self._units.intensities(log, time_s, self._neutral)
        frames = log.frames
        tracked[frames] = True
        lost = bool(np.any(np.diff(time_s[frames]) > LOST_S)) or time_s[-1] - time_s[frames[-1]] > LOST_S
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
