"""Conversion of decoded samples of any type to float32 at one rate, block by block in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.results import FloatArray
from service.problems import (
    MediaEmpty,
    MediaInconsistent,
    MediaTooLong,
    MediaTooShort,
    SampleRateUnsupported,
    SamplesNotFinite,
    TooManyChannels,
    Unprocessable,
)

BLOCK_SAMPLES: Final = 32_768
"""Samples a channel converted at once: enough to make calls cheap, few enough for caches."""


@dataclass(frozen=True)
class AudioJob:
    """A job of a decoder process: the detected container, the range, and the limits of one recording.

    ``wav`` holds the fields of a :class:`WavLayout` for a WAV file.
    """

    container: str
    demuxer: str
    audio_codecs: tuple[str, ...]
    target_rate_hz: int
    start_s: float | None
    end_s: float | None
    min_duration_s: float
    max_duration_s: float
    max_channels: int
    min_sample_rate_hz: int
    max_sample_rate_hz: int
    max_sample_magnitude: float
    max_streams: int
    wav: dict[str, Any] | None = None


class SampleSink:
    """Converts and resamples native samples, cuts the range out, and checks the limits.

    Args:
        job: range, target rate and limits.
        sample_rate_hz: native rate.
        channels: native number of channels.
        emit: called with float32 [channels, samples] blocks at ``job.target_rate_hz``, C-contiguous.

    Raises:
        TooManyChannels, SampleRateUnsupported: the recording is outside the limits.
    """

    def __init__(self, job: AudioJob, sample_rate_hz: int, channels: int, emit: Callable[[FloatArray], None]) -> None:
        check_format(job, sample_rate_hz, channels)
        self._job = job
        self._emit = emit
        self.sample_rate_hz = sample_rate_hz
        self.channels = channels
        self.samples = 0
        self.clipped = False
        self._max_samples = int(job.max_duration_s * sample_rate_hz)
        self._resampler = (
            None
            if sample_rate_hz == job.target_rate_hz
            else soxr.ResampleStream(sample_rate_hz, job.target_rate_hz, channels, dtype="float32", quality="HQ")
        )
        self._pending: list[NDArray[Any]] = []
        self._pending_samples = 0
        self._position = 0
        self._start = round((job.start_s or 0.0) * job.target_rate_hz)
        self._end = None if job.end_s is None else round(job.end_s * job.target_rate_hz)

    def add(self, block: NDArray[Any]) -> None:
        """Take native samples [channels, samples] of any PCM type.

        Raises:
            MediaTooLong: the recording exceeds the longest duration.
            SamplesNotFinite: a sample is NaN, infinite or far beyond full scale.
        """
        self.samples += block.shape[1]
        if self.samples > self._max_samples:
            raise MediaTooLong
        self._pending.append(block)
        self._pending_samples += block.shape[1]
        if self._pending_samples >= BLOCK_SAMPLES:
            self._convert(last=False)

    def finish(self) -> float:
        """Convert the remaining samples, and return the duration of the whole recording in seconds.

        Raises:
            MediaEmpty, MediaTooShort: the recording is empty or too short.
            SamplesNotFinite: as of :meth:`add`.
            Unprocessable: the range lies outside the recording, or is shorter than the least duration.
        """
        if self.samples == 0:
            raise MediaEmpty("The recording has no samples.")
        duration_s = self.samples / self.sample_rate_hz
        if duration_s < self._job.min_duration_s:
            raise MediaTooShort
        self._check_range(duration_s)
        self._convert(last=True)
        return duration_s

    def facts(self, codec: str, *, truncated: bool, damaged: bool) -> dict[str, object]:
        """Facts of the whole recording; calls :meth:`finish`.

        Returns:
            ``duration_s``, ``codec``, ``sample_rate_hz``, ``channels``, ``flags``.
        """
        duration_s = self.finish()
        found = {Flag.CLIPPED: self.clipped, Flag.TRUNCATED: truncated, Flag.DAMAGED: damaged}
        return {
            "duration_s": duration_s,
            "codec": codec,
            "sample_rate_hz": self.sample_rate_hz,
            "channels": self.channels,
            "flags": [name for name, is_set in found.items() if is_set],
        }

    def _check_range(self, duration_s: float) -> None:
        start_s, end_s = self._job.start_s or 0.0, self._job.end_s
        if start_s >= duration_s:
            raise Unprocessable("start_s lies at or after the end of the recording.", pointer="/start_s")
        if min(duration_s, duration_s if end_s is None else end_s) - start_s < self._job.min_duration_s:
            pointer = "/start_s" if end_s is None or end_s >= duration_s else "/end_s"
            raise Unprocessable("The chosen range is shorter than the shortest recording.", pointer=pointer)

    def _convert(self, *, last: bool) -> None:
        if self._end is not None and self._position >= self._end:
            self._take_pending()  # samples after the range are counted and checked, not converted
            return
        block = self._take_pending()
        if self._resampler is not None:
            frames = np.ascontiguousarray(block.T if self.channels > 1 else block[0])
            block = self._resampler.resample_chunk(frames, last=last).reshape(-1, self.channels).T
        self._cut(block)

    def _take_pending(self) -> FloatArray:
        """The samples added since the last call, as float32 within ±1."""
        if not self._pending:
            return np.empty((self.channels, 0), np.float32)
        block = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending, axis=1)
        self._pending.clear()
        self._pending_samples = 0
        samples = to_float(block)
        if block.dtype.kind == "f" and samples.size:
            samples = self._limit(samples)
        return samples

    def _limit(self, samples: FloatArray) -> FloatArray:
        peak = max(float(samples.max()), -float(samples.min()))
        if not peak <= self._job.max_sample_magnitude:  # NaN is not
            raise SamplesNotFinite
        if peak > 1.0:
            self.clipped = True
            return np.clip(samples, -1.0, 1.0)
        return samples

    def _cut(self, block: FloatArray) -> None:
        """Emit the part of ``block`` in the range."""
        first = self._position
        self._position += block.shape[1]
        low = max(self._start - first, 0)
        high = block.shape[1] if self._end is None else min(block.shape[1], self._end - first)
        if high > low:
            self._emit(np.ascontiguousarray(block[:, low:high], np.float32))


def check_format(job: AudioJob, sample_rate_hz: int, channels: int) -> None:
    """Check sample rate and channels.

    Raises:
        TooManyChannels, SampleRateUnsupported: a limit is exceeded.
        MediaInconsistent: there are no channels.
    """
    if channels < 1:
        raise MediaInconsistent("The recording has no channels.")
    if channels > job.max_channels:
        raise TooManyChannels
    if not job.min_sample_rate_hz <= sample_rate_hz <= job.max_sample_rate_hz:
        raise SampleRateUnsupported


def to_float(block: NDArray[Any]) -> FloatArray:
    """PCM of any type as float32 in −1…1; floats keep their scale, and a large float64 becomes infinite."""
    kind, width = block.dtype.kind, block.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            return block.astype(np.float32, copy=False)
    if kind == "u":
        return (block.astype(np.float32) - np.float32(128.0)) * np.float32(1 / 128)
    return block.astype(np.float32) * np.float32(2.0 ** (1 - 8 * width))
