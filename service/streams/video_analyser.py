"""Analyser of ``/v1/stream/video``: JPEG pictures or action units in, rows of arousal and valence out."""

import math
import struct
from collections.abc import Sequence

import numpy as np

from service.pipeline.affect.live import AffectRows
from service.pipeline.device.session import CPU
from service.pipeline.device.task import Work
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.unit_scale import ACTION_UNITS, within_scale
from service.pipeline.video.live import LiveVideo, LiveVideoOptions
from service.problems import ColumnsMissing, MediaTooLong, MessageInvalid, TimestampsInvalid, TooManyFrames
from service.render.video_json import affect_members
from service.schemas.audio import AnsweringModel
from service.schemas.profile import read_face_profile
from service.schemas.streams import (
    ActionUnitFrame,
    AffectMessage,
    ClientMessage,
    ServerMessage,
    StreamedAnswer,
    StreamLimits,
    VideoConfig,
    VideoCreated,
)
from service.settings import Limits
from service.streams.analyser import Item

TIME = struct.Struct("<d")
"""Layout of the time before every picture: seconds, a little-endian float64."""


class VideoAnalyser:
    """Judges one stream of frames.

    Args:
        live: the pipeline's half.
        config: what the client said.
        limits: of the service.
    """

    unit_name = "received_frames"

    def __init__(self, live: LiveVideo, config: VideoConfig, limits: Limits) -> None:
        self.answer: StreamedAnswer | None = None  # there is none for pictures
        self._live = live
        self._config = config
        self._limits = limits
        self.text_kinds: dict[str, type[ClientMessage]] = {}
        if config.input == "action_units":
            self.text_kinds = {"frame": ActionUnitFrame}
        self.reserve_s = live.look_ahead_s + limits.stream_buffer_s
        self.models: Sequence[str] = tuple(
            f"{bundle.card.name}/{bundle.card.version}@{bundle.sha256}" for bundle in live.bundles.values()
        )
        self._first_s: float | None = None
        self._last_s = 0.0
        self._frames = 0

    def created(self, session_id: str, limits: StreamLimits) -> ServerMessage:
        """See :class:`service.streams.analyser.StreamAnalyser`."""
        models = {
            part: AnsweringModel(
                name=bundle.card.name,
                version=bundle.card.version,
                sha256=bundle.sha256,
                licence=bundle.card.licence.spdx,
                provider=CPU,
            )
            for part, bundle in self._live.bundles.items()
        }
        return VideoCreated(
            id=session_id,
            input=self._config.input,
            models=models,
            hop_s=self._live.affect.hop_s,
            look_ahead_s=self._live.look_ahead_s,
            provisional=self._config.causal,
            trained=self._live.affect.trained,
            limits=limits,
        )

    def read(self, message: bytes | ClientMessage) -> Item:
        """One frame: a time and a picture, or a time and action units.

        Raises:
            MessageInvalid: of the other kind, or too short.
            TimestampsInvalid: the time does not increase, or is no time.
            ColumnsMissing, FeaturesInvalid: of the action units.
            MediaTooLong, TooManyFrames: beyond the limits.
        """
        if isinstance(message, ActionUnitFrame):
            units = read_units(message)
            elapsed_s = self._tick(message.time_s)
            content = self._last_s, message.confidence, units, message.success
            return Item(content, elapsed_s, 1, units.nbytes)
        if self._config.input != "jpeg":
            raise MessageInvalid("Action units come as text messages of the type 'frame'.")
        assert isinstance(message, bytes)
        if len(message) <= TIME.size:
            raise MessageInvalid(f"A picture's message has {TIME.size} bytes of time, and the picture.")
        (time_s,) = TIME.unpack_from(message)
        elapsed_s = self._tick(time_s)
        return Item((self._last_s, message[TIME.size :]), elapsed_s, 1, len(message))

    def process(self, items: Sequence[Item], work: Work) -> list[ServerMessage]:
        """See :class:`service.streams.analyser.StreamAnalyser`."""
        contents = [item.content for item in items]
        if self._config.input == "jpeg":
            return self._told(self._live.add_pictures(contents, work))
        time_s, confidence, units, tracked = zip(*contents, strict=True)
        frames = FaceSeries(np.array(time_s), np.array(confidence), np.stack(units), np.array(tracked, np.bool_))
        return self._told(self._live.add_units(frames, work))

    def finish(self, work: Work) -> list[ServerMessage]:
        """See :class:`service.streams.analyser.StreamAnalyser`."""
        return self._told(self._live.finish(work))

    def _told(self, rows: AffectRows) -> list[ServerMessage]:
        if not len(rows):
            return []
        return [AffectMessage.model_validate({**affect_members(rows), "provisional": self._config.causal})]

    def _tick(self, stamp_s: float) -> float:
        """Note the time of a frame; returns the seconds since the last."""
        if not (math.isfinite(stamp_s) and abs(stamp_s) < 1e12):
            raise TimestampsInvalid("The time of a frame is no time.")
        if self._first_s is None:
            self._first_s = stamp_s
        time_s = stamp_s - self._first_s
        elapsed_s = time_s - self._last_s
        if self._frames and elapsed_s < LEAST_STEP_S - TIME_TOLERANCE_S:
            raise TimestampsInvalid(f"Frames must be at least {LEAST_STEP_S:g} s apart, in the order of their times.")
        if time_s > self._limits.max_duration_s:
            raise MediaTooLong
        self._frames += 1
        if self._frames > self._limits.max_frames:
            raise TooManyFrames
        self._last_s = time_s
        return elapsed_s


LEAST_STEP_S = 0.025
"""Least time between two frames, seconds: 40 a second."""

TIME_TOLERANCE_S = 0.005
"""Largest error of a camera's clock, seconds: frames of 40 a second may come a little sooner."""


def read_units(frame: ActionUnitFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The 17 intensities of a frame, float64 [17] in 0…5.

    Raises:
        ColumnsMissing: some are not there; the detail names them.
        FeaturesInvalid: some are on another scale.
    """
    given = frame.__pydantic_extra__
    missing = [f"{name}_r" for name in ACTION_UNITS if f"{name}_r" not in given]
    if missing:
        raise ColumnsMissing(f"The frame lacks: {', '.join(missing)}.")
    values = np.array([given[f"{name}_r"] for name in ACTION_UNITS], np.float64)
    return within_scale(values, "The frame")


def live_video_options(config: VideoConfig) -> LiveVideoOptions:
    """The pipeline's options.

    Raises:
        ProfileInvalid: the document of a face cannot be read.
        ProfileMismatch: it is of a voice.
    """
    members = config.model_dump(exclude={"type", "input"})
    if not isinstance(config.neutral, str):
        members |= {"neutral": "document", "resting": read_face_profile(config.neutral, "/neutral")}
    return LiveVideoOptions(pictures=config.input == "jpeg", **members)
