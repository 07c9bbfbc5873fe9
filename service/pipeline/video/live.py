"""The whole way of frames that arrive one by one: decode, follow the face, action units, affect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from service.pipeline.affect.live import AffectRows, FaceFrames, LiveAffect
from service.pipeline.affect.model import AffectModel
from service.pipeline.decoding.frame_stream import OnFrame, VideoFrame
from service.pipeline.device.device_calls import only_once
from service.pipeline.device.task import Work
from service.pipeline.face.action_units import ActionUnitModel
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import read_neutral
from service.pipeline.face.tracker import FaceTracker
from service.pipeline.results import FloatArray
from service.pipeline.video.unit_stream import UnitStream
from service.problems import ModelNotFound, Unprocessable

OnDevice = Callable[[Callable[[], Any], Work], Any]
"""Runs a function on a device thread."""

DECODING_S = 10.0
"""Seconds that the pictures of one call may take to decode and to be looked at."""


class PictureDecoder(Protocol):
    """Turns JPEG pictures into frames."""

    def pictures(self, frames: Sequence[tuple[float, bytes]], on_frame: OnFrame, *, timeout_s: float) -> None:
        """Decode pictures, each with its time."""


@dataclass(frozen=True)
class LiveVideoOptions:
    """What a client says of the frames that it is going to send.

    Attributes:
        pictures: whether they are pictures; else action units.
        neutral: 'none' or 'START:END'; of pictures.
        face: number of the face, from 0 in the order in which faces appear.
        causal: whether to answer at once, provisionally.
    """

    pictures: bool = True
    model: str | None = None
    version: str | None = None
    neutral: str = "none"
    face: int = 0
    causal: bool = False


class LiveVideo:
    """Judges one stream. Calls block and follow each other; see :func:`open_live_video`.

    Attributes:
        affect: the affect model.
        bundles: what answers, by part.
        look_ahead_s: seconds after a moment at which its row is given.
    """

    def __init__(
        self,
        options: LiveVideoOptions,
        affect: AffectModel,
        watching: _Watching | None,
        decoder: PictureDecoder,
        on_device: OnDevice,
    ) -> None:
        self.affect = affect
        self.bundles = {"affect": affect.bundle} | ({} if watching is None else watching.bundles)
        self.look_ahead_s = 0.0 if options.causal else affect.look_ahead_s
        self._watching = watching
        self._decoder = decoder
        self._on_device = on_device
        self._rows = LiveAffect(affect, causal=options.causal)
        self._last_s = 0.0

    def add_pictures(self, frames: Sequence[tuple[float, bytes]], work: Work) -> AffectRows:
        """Take JPEG pictures with their times, seconds from the first; returns the rows that they complete.

        Raises:
            Problem: they cannot be decoded, or judged.
            Cancelled: the work was cancelled.
        """
        assert self._watching is not None
        watching, seen = self._watching, []

        def on_frame(frame: VideoFrame) -> None:
            seen.append((frame.time_s, self._on_device(only_once(lambda: watching.look(frame)), work)))

        self._decoder.pictures(frames, on_frame, timeout_s=DECODING_S + len(frames))
        self._last_s = frames[-1][0]
        return self._judge(lambda: watching.units.add(seen), work)

    def add_units(self, frames: FaceFrames, work: Work) -> AffectRows:
        """Take frames of action units. Otherwise as :meth:`add_pictures`."""
        self._last_s = float(frames.time_s[-1])
        return self._judge(lambda: frames, work)

    def finish(self, work: Work) -> AffectRows:
        """Nothing follows: the rows that were waiting."""
        watching = self._watching

        def rest() -> AffectRows:
            if watching is None:
                return self._rows.finish(self._last_s)
            first = self._rows.add(watching.units.finish())
            return _joined(first, self._rows.finish(self._last_s))

        rows: AffectRows = self._on_device(only_once(rest), work)
        return rows

    def _judge(self, frames: Callable[[], FaceFrames], work: Work) -> AffectRows:
        rows: AffectRows = self._on_device(only_once(lambda: self._rows.add(frames())), work)
        return rows


class _Watching:
    """Follows one face from picture to picture."""

    def __init__(self, networks: FaceNetworks, units: ActionUnitModel, options: LiveVideoOptions) -> None:
        self.bundles = {"faces": networks.bundle, "action_units": units.bundle}
        self.units = UnitStream(units, read_neutral(options.neutral))
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
        if self._networks.has_blendshapes:
            face = replace(face, blendshapes=self._networks.blendshapes(face.points[None])[0])
        (features,) = self._model.features([face])
        row: FloatArray = features
        return row


def open_live_video(
    options: LiveVideoOptions,
    affect: AffectModel,
    faces: FaceNetworks | None,
    units: ActionUnitModel | None,
    decoder: PictureDecoder,
    on_device: OnDevice,
) -> LiveVideo:
    """Begin with one stream.

    Raises:
        ModelNotFound: pictures, and no face model.
        Unprocessable: a neutral or an affect model that needs the whole recording.
    """
    watching = None
    if options.pictures:
        if faces is None or units is None:
            raise ModelNotFound("No face model is installed.")
        watching = _Watching(faces, units, options)
    elif options.neutral != "none":
        raise Unprocessable("A neutral face is subtracted from pictures only.", pointer="/neutral")
    return LiveVideo(options, affect, watching, decoder, on_device)


def _joined(first: AffectRows, second: AffectRows) -> AffectRows:
    return AffectRows(
        np.concatenate([first.time_s, second.time_s]),
        np.concatenate([first.arousal, second.arousal]),
        np.concatenate([first.valence, second.valence]),
        np.concatenate([first.face_confidence, second.face_confidence]),
    )
