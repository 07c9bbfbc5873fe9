"""Pictures of a video on their way out of the decoder: when they are, how large, and how many are let through."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.problems import FrameTooLarge, MediaTooLong, TooManyFrames

LONG_SIDE_PX: Final = 640
"""Larger pictures are scaled down: the face networks see 128 and 256 pixels."""

EVENNESS: Final = 0.9
"""Of the least time between two frames: time stamps are rounded, and cameras are uneven."""

RECENT_FRAMES: Final = 9
"""Of which the rate is taken."""

USUAL_RATE_HZ: Final = 25.0
SANE_RATES_HZ: Final = (1.0, 240.0)
"""Frame rates that a header may claim; others are taken for nonsense."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoJob:
    """What a decoder process is asked: a container that was sniffed, and the limits of one video.

    The first ``skip_frames`` pictures are decoded and counted, but not handed over.
    """

    container: str
    demuxer: str
    video_codecs: tuple[str, ...]
    max_duration_s: float
    max_frame_pixels: int
    max_frames: int
    max_frame_rate_hz: float
    max_streams: int
    skip_frames: int = 0


class FrameClock:
    """Gives every decoded frame its time, whatever its time stamp says, and holds the limits against it.

    Times strictly increase from 0. A stamp that is absent or does not increase is replaced by the frame
    before plus one step of the claimed rate (25 a second without a sane one).

    Args:
        job: limits.
        claimed_rate_hz: of the header, 0 if none.
    """

    def __init__(self, job: VideoJob, claimed_rate_hz: float) -> None:
        low, high = SANE_RATES_HZ
        self._job = job
        self._step_s = 1 / (claimed_rate_hz if low <= claimed_rate_hz <= high else USUAL_RATE_HZ)
        self._first_stamp_s: float | None = None
        self._last_s: float | None = None
        self._last_taken_s = -math.inf
        self._recent_s: deque[float] = deque(maxlen=RECENT_FRAMES)
        self.frames = 0
        self.repaired = 0

    def tick(self, stamp_s: float | None) -> float:
        """Time in seconds of the next frame, from its stamp if there is one.

        Raises:
            TooManyFrames, MediaTooLong
        """
        self.frames += 1
        if self.frames > self._job.max_frames:
            raise TooManyFrames
        if stamp_s is not None and self._first_stamp_s is None:
            self._first_stamp_s = stamp_s - (0.0 if self._last_s is None else self._last_s + self._step_s)
        time_s = None if stamp_s is None or self._first_stamp_s is None else stamp_s - self._first_stamp_s
        if self._last_s is None:
            time_s = 0.0
        elif time_s is None or not time_s > self._last_s:
            time_s = self._last_s + self._step_s
            self.repaired += 1
        if time_s > self._job.max_duration_s:
            raise MediaTooLong
        self._last_s = time_s
        return time_s

    def takes(self, time_s: float) -> bool:
        """Whether the frame at ``time_s`` is looked at. Of a video that is faster than the greatest rate, one that
        follows the last too soon is not: of 50 and 60 a second every other where 40 is the greatest.

        What counts is the rate of the frames around it, so that an uneven 30 a second gives all of its frames.
        """
        self._recent_s.append(time_s)
        is_fast = EVENNESS * self._rate_now_hz() > self._job.max_frame_rate_hz
        if is_fast and time_s - self._last_taken_s < EVENNESS / self._job.max_frame_rate_hz:
            return False
        self._last_taken_s = time_s
        return True

    def _rate_now_hz(self) -> float:
        """Of the last frames; the claimed rate until there are enough of them."""
        if len(self._recent_s) < RECENT_FRAMES:
            return 1 / self._step_s
        return (RECENT_FRAMES - 1) / (self._recent_s[-1] - self._recent_s[0])

    @property
    def duration_s(self) -> float:
        """From the first frame to one mean step behind the last."""
        return (self._last_s or 0.0) + 1 / self.rate_hz

    @property
    def rate_hz(self) -> float:
        """Measured frames a second; the claimed rate of a single frame."""
        return (self.frames - 1) / self._last_s if self._last_s else 1 / self._step_s


def check_size(job: VideoJob, width: int, height: int) -> None:
    """Hold a frame's size against the limit.

    Raises:
        FrameTooLarge
    """
    if width * height > job.max_frame_pixels:
        raise FrameTooLarge


def scaled_size(width: int, height: int, pixel_aspect: float) -> tuple[int, int]:
    """Width and height of the picture that leaves the decoder.

    Pixels become square, and the longer side at most ``LONG_SIDE_PX``; nothing is enlarged but by the aspect.

    Args:
        width, height: of the decoded frame, pixels.
        pixel_aspect: width of a pixel over its height; nonsense counts as 1.
    """
    shown_width = width * (pixel_aspect if 0.25 <= pixel_aspect <= 4 else 1.0)
    scale = min(1.0, LONG_SIDE_PX / max(shown_width, height))
    return max(1, round(shown_width * scale)), max(1, round(height * scale))


def turned(picture: Picture, rotation_degrees: float) -> Picture:
    """Turn a picture [height, width, 3] counterclockwise by the next multiple of 90°."""
    quarters = round(rotation_degrees / 90) % 4 if math.isfinite(rotation_degrees) else 0
    return np.ascontiguousarray(np.rot90(picture, quarters))
