"""The pipeline of frames that arrive one by one: decode, follow the face, action units, affect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from service.pipeline.affect.live import AffectRows, LiveAffect
from service.pipeline.affect.model import AffectModel
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.frame_stream import VideoFrame
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import only_once, run_on_device
from service.pipeline.device.task import Work
from service.pipeline.face.action_units import ActionUnitModel
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import FaceProfile
from service.pipeline.face.tracker import FaceTracker
from service.pipeline.face.unit_stream import UnitStream
from service.pipeline.results import FloatArray
from service.pipeline.video.video_faces import face_values
from service.problems import ModelNotFound, Unprocessable

DECODING_S: Final = 10.0
"""Seconds beyond one a picture that the pictures of one call may take to be decoded and looked at."""


@dataclass(frozen=True)
class LiveVideoOptions:
    """A client's announcement of the frames that it is going to send.

    Attributes:
        pictures: whether they are pictures; else action units.
        model, version: affect model; None means the one of the highest priority.
        neutral: 'none', 'START:END' in seconds, or 'document', ``resting``; pictures only.
        face: number of the face, from 0 in the order in which faces appear.
        causal: whether to answer at once, provisionally.
        resting: the document that the caller sent.
    """

    pictures: bool = True
    model: str | None = None
    version: str | None = None
    neutral: str = "none"
    face: int = 0
    causal: bool = False
    resting: FaceProfile | None = None


class LiveVideo:
    """Judges one stream. Calls block and follow each other; see :func:`open_live_video`.

    Attributes:
        affect: the affect model.
        bundles: the models that answer, by part.
        look_ahead_s: seconds after a moment at which its row is given.
    """

    def __init__(
        self,
        options: LiveVideoOptions,
        affect: AffectModel,
        face: "_FollowedFace | None",
        decoder: Decoder,
        device: Batcher,
    ) -> None:
        self.affect = affect
        self.bundles = {"affect": affect.bundle} | ({} if face is None else face.bundles)
        self.look_ahead_s = 0.0 if options.causal else affect.look_ahead_s
        self._face = face
        self._decoder = decoder
        self._device = device
        self._rows = LiveAffect(affect, causal=options.causal)
        self._last_s = 0.0

    def add_pictures(self, frames: Sequence[tuple[float, bytes]], work: Work) -> AffectRows:
        """Take JPEG pictures with their times, seconds from the first; returns the rows that they complete.

        Raises:
            Problem: they cannot be decoded, or judged.
            Cancelled: the work was cancelled.
        """
        assert self._face is not None
        face, seen = self._face, []

        def on_frame(frame: VideoFrame) -> None:
            seen.append((frame.time_s, run_on_device(self._device, only_once(lambda: face.look(frame)), work)))

        self._decoder.pictures(frames, on_frame, timeout_s=DECODING_S + len(frames))
        self._last_s = frames[-1][0]
        return self._judge(lambda: face.units.add(seen), work)

    def add_units(self, frames: FaceSeries, work: Work) -> AffectRows:
        """Take frames of action units. Otherwise as :meth:`add_pictures`."""
        self._last_s = float(frames.time_s[-1])
        return self._judge(lambda: frames, work)

    def finish(self, work: Work) -> AffectRows:
        """The rows that were waiting; nothing follows."""
        face = self._face

        def rest() -> AffectRows:
            if face is None:
                return self._rows.finish(self._last_s)
            first = self._rows.add(face.units.finish())
            return AffectRows.joined([first, self._rows.finish(self._last_s)])

        return run_on_device(self._device, only_once(rest), work)

    def _judge(self, frames: Callable[[], FaceSeries], work: Work) -> AffectRows:
        return run_on_device(self._device, only_once(lambda: self._rows.add(frames())), work)


class _FollowedFace:
    """One face, from picture to picture."""

    def __init__(self, networks: FaceNetworks, units: ActionUnitModel, options: LiveVideoOptions) -> None:
        self.bundles = {"faces": networks.bundle, "action_units": units.bundle}
        self.units = UnitStream(units, units.neutral(options.neutral, options.resting))
        self._networks = networks
        self._model = units
        self._tracker = FaceTracker(networks)
        self._face = options.face

    def look(self, frame: VideoFrame) -> FloatArray | None:
        """Features of the face in the next frame, float32 [dim]; None where it is not seen."""
        faces = self._tracker.step(frame.image, frame.time_s)
        face = next((face for face in faces if face.number == self._face), None)
        if face is None:
            return None
        row: FloatArray = face_values([face], self._networks, self._model)[0]
        return row


def open_live_video(
    options: LiveVideoOptions,
    affect: AffectModel,
    faces: FaceNetworks | None,
    units: ActionUnitModel | None,
    decoder: Decoder,
    device: Batcher,
) -> LiveVideo:
    """Begin with one stream.

    Raises:
        ModelNotFound: pictures, and no face model.
        Unprocessable: a neutral or an affect model that needs the whole recording.
        ProfileInvalid, ProfileMismatch: the document is missing, or of another face model.
    """
    face = None
    if options.pictures:
        if faces is None or units is None:
            raise ModelNotFound("No face model is installed.")
        face = _FollowedFace(faces, units, options)
    elif options.neutral != "none":
        raise Unprocessable("A neutral face is subtracted from pictures only.", pointer="/neutral")
    return LiveVideo(options, affect, face, decoder, device)
