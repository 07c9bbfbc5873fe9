"""The service's side of a video that is being decoded: frames arrive one at a time and are never collected."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.pipeline.decoding.protocol import Channel
from service.pipeline.media.video_frames import LONG_SIDE_PX, Picture
from service.pipeline.results import MediaInfo
from service.settings import Limits


@dataclass(frozen=True)
class VideoFrame:
    """One picture.

    Attributes:
        time_s: seconds from the first frame.
        image: uint8 [height, width, 3], RGB, upright, square pixels, the longer side at most 640.
        share: how much of the video's claimed length lies before it, 0…1; 0 where nothing is claimed.
    """

    time_s: float
    image: Picture
    share: float


@dataclass(frozen=True)
class VideoSummary:
    """What is known when the last frame has gone by.

    Attributes:
        media: rate measured from the time stamps, size as stored in the file.
        frames: frames that were handed over.
        flags: 'damaged' (frames could not be decoded and were left out), 'truncated' (ends before its header
            says), 'times_repaired' (time stamps were absent or did not increase), 'thinned' (frames that
            followed too soon for ``max_frame_rate_hz`` were left out).
    """

    media: MediaInfo
    frames: int
    flags: tuple[str, ...]


OnFrame = Callable[[VideoFrame], None]


class HandlerFailedError(Exception):
    """The receiver of the frames raised; ``__cause__`` is what."""


class FrameReceiver:
    """Reads 'frame' messages and hands the frames on. While it does, the decoder makes the next frame.

    Args:
        limits: more than these from a decoder process is taken for a process gone wrong.
        on_frame: called with each frame.
    """

    def __init__(self, limits: Limits, on_frame: OnFrame) -> None:
        self._limits = limits
        self._on_frame = on_frame
        self._last_s = -1.0
        self.frames = 0

    def receive(self, message: dict[str, Any], channel: Channel) -> None:
        """Read the payload of a 'frame' message: uint8 [height, width, 3].

        Raises:
            ValueError: the message makes no sense, so whoever sent it has to be ended.
            HandlerFailedError: the receiver of the frames raised.
        """
        width, height, time_s, share = (message.get(name) for name in ("width", "height", "time_s", "share"))
        if message.get("type") != "frame" or type(width) is not int or type(height) is not int:
            raise ValueError("a frame that cannot be")
        if not isinstance(time_s, float) or not isinstance(share, float) or not math.isfinite(share):
            raise ValueError("a frame that cannot be")
        self.frames += 1
        sides_fit = 0 < width <= LONG_SIDE_PX and 0 < height <= LONG_SIDE_PX
        time_fits = self._last_s < time_s <= self._limits.max_duration_s  # NaN does not
        if not (sides_fit and time_fits and self.frames <= self._limits.max_frames):
            raise ValueError("a frame that cannot be")
        self._last_s = time_s
        image = np.empty((height, width, 3), np.uint8)
        channel.receive_into(image.reshape(-1).data)
        try:
            self._on_frame(VideoFrame(time_s, image, min(max(share, 0.0), 1.0)))
        except Exception as error:
            raise HandlerFailedError from error
