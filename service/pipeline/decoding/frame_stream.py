"""Receiving the frames of a video: one at a time, never collected."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.pipeline.decoding.protocol import Channel
from service.pipeline.media.video_frames import LONG_SIDE_PX, Picture
from service.pipeline.results import MediaInfo
from service.settings import Limits


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video.

    Attributes:
        time_s: seconds of the file's presentation clock.
        image: uint8 [height, width, 3], RGB, upright, square pixels, the longer side at most 640.
        share: share of the video's claimed length before this frame, 0…1; 0 without a claimed length.
    """

    time_s: float
    image: Picture
    share: float


@dataclass(frozen=True)
class VideoSummary:
    """Facts of a video after its last frame.

    Attributes:
        media: rate measured from the time stamps, size as stored in the file.
        frames: frames that were handed over.
        flags: 'damaged' (frames could not be decoded and were left out), 'truncated' (ends before its header
            says), 'times_repaired' (time stamps were absent or did not increase), 'thinned' (frames that
            followed too soon for ``max_frame_rate_hz`` were left out), 'several_tracks'.
        file_end_s: end of the file's last track of any kind; ``media.duration_s`` is that of the pictures.
    """

    media: MediaInfo
    frames: int
    flags: tuple[str, ...]
    file_end_s: float = 0.0

    @property
    def recording(self) -> MediaInfo:
        """Facts of the whole file: sound may go on after the last picture."""
        return replace(self.media, duration_s=max(self.media.duration_s, self.file_end_s))


OnFrame = Callable[[VideoFrame], None]


class HandlerFailedError(Exception):
    """The receiver of the frames raised an exception, which is the ``__cause__``."""


class FrameReceiver:
    """Reads 'frame' messages within ``limits`` and hands each frame on while the decoder makes the next."""

    def __init__(self, limits: Limits, on_frame: OnFrame) -> None:
        self._limits = limits
        self._on_frame = on_frame
        self._last_s = -1.0
        self.frames = 0

    def receive(self, message: dict[str, Any], channel: Channel) -> None:
        """Read the payload of a 'frame' message: uint8 [height, width, 3].

        Raises:
            ValueError: the message is invalid, so its sender has to be ended.
            HandlerFailedError: ``on_frame`` raised.
        """
        width, height, time_s, share = (message.get(name) for name in ("width", "height", "time_s", "share"))
        if message.get("type") != "frame" or type(width) is not int or type(height) is not int:
            raise ValueError("an impossible frame")
        if not isinstance(time_s, float) or not isinstance(share, float) or not math.isfinite(share):
            raise ValueError("an impossible frame")
        self.frames += 1
        sides_fit = 0 < width <= LONG_SIDE_PX and 0 < height <= LONG_SIDE_PX
        time_fits = self._last_s < time_s <= self._limits.max_duration_s  # NaN does not
        if not (sides_fit and time_fits and self.frames <= self._limits.max_frames):
            raise ValueError("an impossible frame")
        self._last_s = time_s
        image = np.empty((height, width, 3), np.uint8)
        channel.receive_into(image.reshape(-1).data)
        try:
            self._on_frame(VideoFrame(time_s, image, min(max(share, 0.0), 1.0)))
        except Exception as error:
            raise HandlerFailedError from error
