"""Frames of a video as the decoder emits them: their times, sizes and rate."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.problems import FrameTooLarge, MediaTooLong, TooManyFrames

LONG_SIDE_PX: Final = 640
"""Longer side to which larger pictures are scaled down; the face networks see 128 and 256 pixels."""

EVENNESS: Final = 0.9
"""Tolerance on the least time between two frames: time stamps are rounded, and cameras are uneven."""

RECENT_FRAMES: Final = 9
"""Frames over which the current rate is measured."""

USUAL_RATE_HZ: Final = 25.0
"""Frame rate assumed where a header claims none."""

SANE_RATES_HZ: Final = (1.0, 240.0)
"""Range of credible frame rates in a header."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoJob:
    """A job of a decoder process: the detected container, and the limits of one video.

    The first ``skip_frames`` pictures are decoded and counted, but not handed over. ``picture_track`` is a number among
    the picture tracks, None for the decoder's choice; ``claims_length`` says whether the header tells the length.
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
    picture_track: int | None = None
    claims_length: bool = False


class FrameClock:
    """Assigns each decoded frame a time, and checks the limits.

    Times strictly increase, from second 0 of the file's presentation clock on. A stamp that is absent or does not
    increase is replaced by the frame before plus one step of the claimed rate (25 a second without a sane one).

    Args:
        job: limits.
        claimed_rate_hz: of the header, 0 if none.
        origin_s: time stamp that is second 0; None makes the first frame's time stamp that.
    """

    def __init__(self, job: VideoJob, claimed_rate_hz: float, origin_s: float | None = None) -> None:
        low, high = SANE_RATES_HZ
        self._job = job
        self._step_s = 1 / (claimed_rate_hz if low <= claimed_rate_hz <= high else USUAL_RATE_HZ)
        self._origin_s = origin_s
        self._first_s = 0.0
        self._last_s: float | None = None
        self._last_taken_s = -math.inf
        self._recent_s: deque[float] = deque(maxlen=RECENT_FRAMES)
        self.frames = 0
        self.repaired = 0

    def tick(self, stamp_s: float | None) -> float:
        """Time in seconds of the next frame.

        Args:
            stamp_s: the frame's time stamp, None if missing.

        Raises:
            TooManyFrames, MediaTooLong: a limit is exceeded.
        """
        self.frames += 1
        if self.frames > self._job.max_frames:
            raise TooManyFrames
        if stamp_s is not None and self._origin_s is None:
            self._origin_s = stamp_s - (0.0 if self._last_s is None else self._last_s + self._step_s)
        time_s = None if stamp_s is None or self._origin_s is None else stamp_s - self._origin_s
        if self._last_s is None:
            time_s = self._first_s = max(time_s or 0.0, 0.0)
        elif time_s is None or not time_s > self._last_s:
            time_s = self._last_s + self._step_s
            self.repaired += 1
        if time_s > self._job.max_duration_s:
            raise MediaTooLong
        self._last_s = time_s
        return time_s

    def takes(self, time_s: float) -> bool:
        """Whether the frame at ``time_s`` is kept.

        In a video faster than the highest rate, frames that follow the last kept one too soon are dropped: every other
        one at 50 or 60 Hz, where 40 Hz is the highest. The rate is measured over recent frames, so that an uneven 30 Hz
        keeps all of its frames.
        """
        self._recent_s.append(time_s)
        is_fast = EVENNESS * self._rate_now_hz() > self._job.max_frame_rate_hz
        if is_fast and time_s - self._last_taken_s < EVENNESS / self._job.max_frame_rate_hz:
            return False
        self._last_taken_s = time_s
        return True

    def _rate_now_hz(self) -> float:
        """Rate of the recent frames; the claimed rate until there are enough."""
        if len(self._recent_s) < RECENT_FRAMES:
            return 1 / self._step_s
        return (RECENT_FRAMES - 1) / (self._recent_s[-1] - self._recent_s[0])

    @property
    def duration_s(self) -> float:
        """One mean step behind the last frame, in seconds of the presentation clock."""
        return (self._last_s or 0.0) + 1 / self.rate_hz

    @property
    def rate_hz(self) -> float:
        """Measured frames a second; the claimed rate of a single frame."""
        span_s = (self._last_s or 0.0) - self._first_s
        return (self.frames - 1) / span_s if span_s > 0 else 1 / self._step_s


def check_size(job: VideoJob, width: int, height: int) -> None:
    """Check a frame's size. Raises FrameTooLarge if it exceeds the limit."""
    if width * height > job.max_frame_pixels:
        raise FrameTooLarge


def scaled_size(width: int, height: int, pixel_aspect: float) -> tuple[int, int]:
    """Width and height of an emitted picture: square pixels, longer side at most ``LONG_SIDE_PX``, never enlarged.

    Args:
        width, height: size of the decoded frame, pixels.
        pixel_aspect: width of a pixel over its height; counts as 1 outside 0.25…4.
    """
    shown_width = width * (pixel_aspect if 0.25 <= pixel_aspect <= 4 else 1.0)
    scale = min(1.0, LONG_SIDE_PX / max(shown_width, height))
    return max(1, round(shown_width * scale)), max(1, round(height * scale))


def turned(picture: Picture, rotation_degrees: float) -> Picture:
    """The picture [height, width, 3] turned counterclockwise by the nearest multiple of 90°."""
    quarters = round(rotation_degrees / 90) % 4 if math.isfinite(rotation_degrees) else 0
    return np.ascontiguousarray(np.rot90(picture, quarters))
