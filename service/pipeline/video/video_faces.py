"""The picture half of a video: every frame looked at as it is decoded, then the action units of one face.

A long video is looked at in segments. Between two frames the state of the following can be written down and taken up
again: what the tracker knows. The values of the frames since the last segment are taken out, so that memory does not
grow with the video until the end, when a frame and face costs 80 bytes.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from service.flags import Flag
from service.pipeline.decoding.frame_stream import VideoFrame
from service.pipeline.face.action_units import ActionUnitModel
from service.pipeline.face.expression import LOOK_EVERY_S, ExpressionModel
from service.pipeline.face.face_log import BOX_SIDES, FaceLog, Frames
from service.pipeline.face.face_series import FaceSeries, SeenFace
from service.pipeline.face.looks import EARLY_S, Looks
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import FaceProfile, Neutral, NeutralUse
from service.pipeline.face.tracker import FaceTracker, TrackedFace
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.options import place_of
from service.pipeline.results import FloatArray, MediaInfo
from service.problems import Unprocessable

LEAST_SIGHTS: Final = 3
"""Least number of frames with a face in a longer video; a face with fewer is a mistake of the detector."""

Record = dict[str, Any]
"""The record of a segment: 'time_s' float64 [frames], and for each of its 'faces' a 'number' and the members of
:class:`Frames`."""


@dataclass(frozen=True)
class Sight:
    """The faces of one frame.

    Attributes:
        frame: index of the frame, from 0.
        time_s: seconds.
        faces: the faces that were followed into it.
        crops: pictures of those that a network is to look at, by number.
    """

    frame: int
    time_s: float
    faces: Sequence[TrackedFace]
    crops: Mapping[int, FloatArray] = field(default_factory=dict)


SeenValues = dict[int, tuple[float, FloatArray]]
"""Size in pixels and values float32 [34] of the faces of one frame, by their number."""

OnSights = Callable[[Sequence[tuple[float, SeenValues]]], None]
"""Called with the time and the faces of frames, in order."""


class VideoFaces:
    """Watches one video. Frames follow each other, but one thread may follow the faces while another notes what the
    first has seen.

    Args:
        networks: the face bundle's graphs.
        units: the action-unit bundle's.
        neutral: what is subtracted.
        on_sights: told what was noted, frame after frame.
        state: of the segments before, as :meth:`state` gave it; None at the beginning.
        expression: looks at the pictures of faces; None where nobody asked.
    """

    def __init__(
        self,
        networks: FaceNetworks,
        units: ActionUnitModel,
        neutral: Neutral,
        on_sights: OnSights | None = None,
        state: dict[str, Any] | None = None,
        expression: ExpressionModel | None = None,
    ) -> None:
        self._networks = networks
        self._expression = expression
        self._looked_s: dict[int, float] = {}
        self._tracker = FaceTracker(networks)
        self._units = units
        self._neutral = neutral
        self._on_sights = on_sights
        self._time_s = array("d")
        self._logs: dict[int, FaceLog] = {}
        if state is not None:
            self._time_s = array("d", state["time_s"].tolist())
            self._tracker.resume(state["tracker"])
            self._logs = {number: FaceLog.resume(log) for number, log in state["faces"]}
            self._looked_s = dict(state["looked_s"])
        self._taken = len(self._time_s)

    @property
    def frames(self) -> int:
        """Number of frames that were looked at, in all segments."""
        return len(self._time_s)

    @property
    def has_face(self) -> bool:
        """Whether a face was seen often enough to be none of the detector's mistakes, in all segments."""
        return bool(self._sure())

    @property
    def upto_s(self) -> float:
        """Time of the last frame, seconds."""
        return self._time_s[-1] if self._time_s else 0.0

    def look(self, frame: VideoFrame) -> None:
        """Take the next frame: :meth:`follow` and :meth:`note`."""
        self.note([self.follow(frame)])

    def follow(self, frame: VideoFrame) -> Sight:
        """Follow the faces into the next frame."""
        faces = self._tracker.step(frame.image, frame.time_s)
        sight = Sight(len(self._time_s), frame.time_s, faces, self._crops(frame, faces))
        self._time_s.append(frame.time_s)
        return sight

    def _crops(self, frame: VideoFrame, faces: Sequence[TrackedFace]) -> dict[int, FloatArray]:
        """Pictures of the faces that were not looked at for a while, by number."""
        if self._expression is None:
            return {}
        earliest_s = frame.time_s - LOOK_EVERY_S + EARLY_S
        due = [face for face in faces if self._looked_s.get(face.number, -np.inf) <= earliest_s]
        self._looked_s |= {face.number: frame.time_s for face in due}
        return {face.number: self._expression.crop(frame.image, face.placed) for face in due}

    def note(self, sights: Sequence[Sight]) -> None:
        """Keep the values of faces that were followed, frame after frame.

        Blendshapes and values of all these frames are computed together: they do not feed back into the
        following.
        """
        seen = [(sight, face) for sight in sights for face in sight.faces]
        values: Sequence[FloatArray] = list(self._keep(seen)) if seen else []
        if self._on_sights is not None:
            found: dict[int, SeenValues] = {sight.frame: {} for sight in sights}
            for (sight, face), row in zip(seen, values, strict=True):
                found[sight.frame][face.number] = face.size_px, row
            self._on_sights([(sight.time_s, found[sight.frame]) for sight in sights])

    def _keep(self, seen: Sequence[tuple[Sight, TrackedFace]]) -> FloatArray:
        """Keep the values of faces, at least one; returns them, float32 [faces, 34]."""
        values = face_values([face for _, face in seen], self._networks, self._units)
        looks = {(sight.frame, face.number): self._look(sight, face) for sight, face in seen}
        for (sight, face), row in zip(seen, values, strict=True):
            log = self._logs.setdefault(face.number, FaceLog())
            log.add(sight.frame, row, face.size_px, face.box.astype(np.float32))
            if (numbers := looks[sight.frame, face.number]) is not None:
                log.look(sight.frame, numbers)
        return values

    def _look(self, sight: Sight, face: TrackedFace) -> FloatArray | None:
        """The network's numbers for a face; None where it is not to look."""
        picture = sight.crops.get(face.number)
        return None if picture is None or self._expression is None else self._expression.look(picture)

    def take(self) -> Record:
        """The frames since the last call, as a record; they are kept here no longer."""
        taken = {number: log.take() for number, log in self._logs.items()}
        faces = [{"number": number, **vars(frames)} for number, frames in taken.items() if len(frames.frames)]
        first, self._taken = self._taken, len(self._time_s)
        return {"time_s": np.array(self._time_s[first:], np.float64), "faces": faces}

    def put(self, records: Iterable[Record]) -> None:
        """Take back what :meth:`take` gave, segment after segment."""
        for record in records:
            for face in record["faces"]:
                members = {name: value for name, value in face.items() if name != "number"}
                self._logs[face["number"]].put(Frames(**members))

    def state(self) -> dict[str, Any]:
        """All that is known but what :meth:`take` gives, as plain values and arrays."""
        return {
            "time_s": np.array(self._time_s, np.float64),
            "tracker": self._tracker.state(),
            "faces": [(number, log.state()) for number, log in self._logs.items()],
            "looked_s": list(self._looked_s.items()),
        }

    def afresh(self) -> "VideoFaces":
        """The same for another picture track of the recording, of which nobody is told."""
        return VideoFaces(self._networks, self._units, self._neutral, expression=self._expression)

    def chosen(self, face: str) -> SeenFace:
        """The chosen face over all frames.

        Args:
            face: 'largest' (greatest sum of its size over the frames), a number, or 'at:X,Y' (the face whose box holds
                that place in most frames).

        Raises:
            Unprocessable: there are faces, but not that one; or it was not seen in the neutral stretch.
        """
        logs = self._sure()
        number = _choose(logs, face)
        if number is not None:
            return self._seen(logs, number)
        time_s = np.array(self._time_s, np.float64)
        units = np.zeros((len(time_s), len(ACTION_UNITS)), np.float32)
        nobody = FaceSeries(time_s, np.zeros(len(time_s)), units, np.zeros(len(time_s), np.bool_))
        return SeenFace(nobody, (), neutral=NeutralUse("none"))

    def profile(self) -> FaceProfile:
        """The resting face of the largest face over all frames.

        Raises:
            ProfileTooLittleFace: too little of it was seen.
            Unprocessable: it was not seen in the neutral stretch.
        """
        logs = self._sure()
        number = _choose(logs, "largest")
        log = None if number is None else logs[number]
        return self._units.profile(log, np.array(self._time_s, np.float64), self._neutral)

    def every(self, most: int) -> tuple[list[SeenFace], tuple[str, ...]]:
        """The faces over all frames, largest first as 'largest' counts, and a flag where some are left out.

        Args:
            most: number of faces, the others are left out.

        Raises:
            Unprocessable: none was seen in the neutral stretch.
        """
        logs = self._sure()
        found, unseen = list[SeenFace](), list[Unprocessable]()
        for number in sorted(logs, key=lambda one: -logs[one].presence)[:most]:
            try:
                found.append(self._seen(logs, number))
            except Unprocessable as problem:
                unseen.append(problem)
        if unseen and not found:
            raise unseen[0]
        return found, (Flag.FACES_LEFT_OUT,) if len(found) < len(logs) else ()

    def _seen(self, logs: dict[int, FaceLog], number: int) -> SeenFace:
        time_s = np.array(self._time_s, np.float64)
        tracked = np.zeros(len(time_s), np.bool_)
        log = logs[number]
        units, neutral, flags = self._units.intensities(log, time_s, self._neutral)
        tracked[log.frames] = True
        several = (Flag.SEVERAL_FACES,) if len(logs) > 1 else ()
        confidence = np.where(tracked, self._units.confidence, 0.0)
        boxes = np.full((len(time_s), BOX_SIDES), np.nan, np.float32)
        boxes[log.frames] = log.boxes
        looks = None if self._expression is None else Looks(time_s[log.look_frames], log.looks)
        return SeenFace(
            FaceSeries(time_s, confidence, units, tracked), (*several, *flags), number, boxes, neutral, looks
        )

    def _sure(self) -> dict[int, FaceLog]:
        least = min(LEAST_SIGHTS, len(self._time_s))
        return {face: log for face, log in self._logs.items() if log.sights >= least}


def other_picture_tracks(media: MediaInfo) -> list[int]:
    """Numbers of the picture tracks that were not looked at, in the order of the file."""
    return [track.track for track in media.tracks if track.kind == "picture" and not track.used]


def face_values(faces: Sequence[TrackedFace], networks: FaceNetworks, units: ActionUnitModel) -> FloatArray:
    """Values of faces, at least one, from one frame or from several: float32 [faces, 34]."""
    points = np.stack([face.points for face in faces])
    return units.values(points, networks.blendshapes(points) if networks.has_blendshapes else None)


def _choose(logs: dict[int, FaceLog], face: str) -> int | None:
    """Number of the chosen face; None where there is no face."""
    if not logs:
        return None
    if face == "largest":
        return max(logs, key=lambda number: logs[number].presence)
    if (place := place_of(face)) is not None:
        frames_there = {number: _frames_at(log.boxes, *place) for number, log in logs.items()}
        number = max(frames_there, key=lambda one: frames_there[one])
        if not frames_there[number]:
            raise Unprocessable("The video has no face at that place.", pointer="/face")
        return number
    if int(face) not in logs:
        raise Unprocessable(f"The video has no face {int(face)}.", pointer="/face")
    return int(face)


def _frames_at(boxes: FloatArray, x: float, y: float) -> int:
    """Number of boxes float32 [n, 4] that hold the place."""
    left, top, width, height = boxes.T
    return int(np.count_nonzero((left <= x) & (x <= left + width) & (top <= y) & (y <= top + height)))
