"""Conversion of decoded samples of any type to float32 at one rate, block by block in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.media.channels import ChannelPicker, PickedChannels
from service.pipeline.media.clock import SoundClock
from service.pipeline.media.full_scale import FullScaleRuns
from service.pipeline.results import FloatArray
from service.problems import (
    MediaEmpty,
    MediaInconsistent,
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

    Attributes:
        channel: which channels come out, None for every one.
        track: number among the sound tracks; None lets the decoder choose.
        claims_length: whether the header says how long the recording is.
        first_byte: offset at which the demuxer begins.
        wav: fields of a WavLayout, if there is one.
        most_samples: of all channels that may be gone through; None for any number.
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
    channel: PickedChannels | None = None
    track: int | None = None
    claims_length: bool = False
    first_byte: int = 0
    wav: dict[str, Any] | None = None
    most_samples: int | None = None

    def refuse_if_outgrown(self, samples: float, claimed_s: float = 0.0) -> None:
        """Stop where ``samples`` of all channels, claimed or counted, are more than this job may go through.

        Raises:
            OutgrownError: with ``claimed_s``.
        """
        if self.most_samples is not None and samples > self.most_samples:
            raise OutgrownError(claimed_s)


class OutgrownError(Exception):
    """A recording has more samples than its job may go through.

    Args:
        claimed_s: seconds that its header claims, 0 if none.
    """

    def __init__(self, claimed_s: float) -> None:
        super().__init__(claimed_s)
        self.claimed_s = claimed_s


class SampleSink:
    """Takes native samples with their time stamps, gives resampled ones of the chosen channels without a gap.

    Args:
        job: range, channels, target rate and limits.
        sample_rate_hz: native rate.
        channels: native number of channels.
        codec: FFmpeg's canonical name.
        emit: called with float32 [chosen channels, samples] blocks at ``job.target_rate_hz``, C-contiguous.
        origin_s: time stamp of the file's second 0; None makes it that of the first block.
        lossless: whether the samples are the recording's own, so that runs at full scale mean clipping.

    Raises:
        TooManyChannels, SampleRateUnsupported: the recording is outside the limits.
        Unprocessable: it has no such channel.
    """

    def __init__(
        self,
        job: AudioJob,
        sample_rate_hz: int,
        channels: int,
        codec: str,
        emit: Callable[[FloatArray], None],
        *,
        origin_s: float | None = None,
        lossless: bool = True,
    ) -> None:
        check_format(job, sample_rate_hz, channels)
        self._job = job
        self._emit = emit
        self.sample_rate_hz = sample_rate_hz
        self.channels = channels
        self.codec = codec
        self.clock = SoundClock(sample_rate_hz, origin_s, int(job.max_duration_s * sample_rate_hz))
        self.picker = ChannelPicker(job.channel, channels, sample_rate_hz)
        self._full_scale = FullScaleRuns(codec, sample_rate_hz) if lossless else None
        self._kept = len(self.picker.names)
        self._resampler = (
            None
            if sample_rate_hz == job.target_rate_hz
            else soxr.ResampleStream(sample_rate_hz, job.target_rate_hz, self._kept, dtype="float32", quality="HQ")
        )
        self._pending: list[NDArray[Any]] = []
        self._pending_samples = 0
        self._taken = 0
        self._position = 0
        self._start = round((job.start_s or 0.0) * job.target_rate_hz)
        self._end = None if job.end_s is None else round(job.end_s * job.target_rate_hz)

    def add(self, block: NDArray[Any], stamp_s: float | None = None) -> None:
        """Take native samples [channels, samples] of any PCM type; without a time stamp they follow what was before.

        Raises:
            MediaTooLong: the recording exceeds the longest duration.
            OutgrownError: it has more samples than the job may go through.
            SamplesNotFinite: a sample is NaN, infinite or far beyond full scale.
        """
        placement = self.clock.place(stamp_s, block.shape[1])
        self._job.refuse_if_outgrown(self.clock.position * self.channels)
        self._add_silence(placement.silence)
        self._pending.append(block[:, placement.skip :] if placement.skip else block)
        self._pending_samples += block.shape[1] - placement.skip
        if self._pending_samples >= BLOCK_SAMPLES:
            self._convert()

    def fill(self, end_s: float) -> None:
        """Add silence up to the time stamp at which the file's last track ends. Raises MediaTooLong."""
        if self.clock.position:
            self._add_silence(self.clock.fill(end_s))

    @property
    def end_s(self) -> float:
        """End of what was taken so far, in seconds of the presentation clock."""
        return self.clock.position / self.sample_rate_hz

    def finish(self) -> float:
        """Flush, and return the end of the recording in seconds of the presentation clock.

        Raises:
            MediaEmpty, MediaTooShort: the recording is empty or too short.
            SamplesNotFinite: as of :meth:`add`.
            Unprocessable: the range lies outside the recording, or is shorter than the least duration.
        """
        if self.clock.position == 0:
            raise MediaEmpty("The recording has no samples.")
        duration_s = self.end_s
        if duration_s < self._job.min_duration_s:
            raise MediaTooShort
        self._check_range(duration_s)
        self._convert()
        self._pass_on(np.zeros((self._kept, 0), np.float32), last=True)
        return duration_s

    def facts(self, flags: dict[str, bool]) -> dict[str, object]:
        """Facts about the whole recording; finishes as :meth:`finish` does.

        Args:
            flags: remarks of whoever fed this sink, by name.

        Returns:
            ``duration_s``, ``codec``, ``sample_rate_hz``, ``channels``, ``names`` of the channels that were given,
            ``flags``, ``spans`` (flag, begin and end in seconds) and ``levels``.
        """
        duration_s = self.finish()
        clipped = self._full_scale is not None and self._full_scale.found
        found = {
            Flag.CLIPPED: clipped,
            Flag.MIX_CANCELS: self.picker.mix_cancels,
            Flag.TIMES_REPAIRED: self.clock.repaired,
            Flag.SOUND_GAP: bool(self.clock.gaps),
            **flags,
        }
        spans = [(Flag.SOUND_GAP, *span) for span in self.clock.gaps]
        spans += [(Flag.MIX_CANCELS, *span) for span in self.picker.spans]
        spans += [(Flag.CLIPPED, *span) for span in (self._full_scale.spans if self._full_scale is not None else ())]
        return {
            "duration_s": duration_s,
            "codec": self.codec,
            "sample_rate_hz": self.sample_rate_hz,
            "channels": self.channels,
            "names": list(self.picker.names),
            "flags": [name for name, is_set in found.items() if is_set],
            "spans": [(flag, round(begin, 6), round(end, 6)) for flag, begin, end in spans],
            "levels": self.picker.levels,
        }

    def _check_range(self, duration_s: float) -> None:
        start_s, end_s = self._job.start_s or 0.0, self._job.end_s
        if start_s >= duration_s:
            raise Unprocessable("start_s lies at or after the end of the recording.", pointer="/start_s")
        if min(duration_s, duration_s if end_s is None else end_s) - start_s < self._job.min_duration_s:
            pointer = "/start_s" if end_s is None or end_s >= duration_s else "/end_s"
            raise Unprocessable("The chosen range is shorter than the shortest recording.", pointer=pointer)

    def _add_silence(self, samples: int) -> None:
        if not samples:
            return
        self._convert()
        self._taken += samples
        for first in range(0, samples, BLOCK_SAMPLES):
            self._pass_on(np.zeros((self._kept, min(BLOCK_SAMPLES, samples - first)), np.float32))

    def _convert(self) -> None:
        """Check what was added since, choose its channels and pass it on."""
        if not self._pending:
            return
        block = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending, axis=1)
        self._pending.clear()
        self._pending_samples = 0
        position = self._taken
        self._taken += block.shape[1]
        if self._full_scale is not None:
            self._full_scale.look_at(block, position)
        samples = to_float(block)
        if block.dtype.kind == "f" and samples.size:
            samples = self._limit(samples)
        if self._is_behind_range():
            return
        self._pass_on(self.picker.pick(samples, position))

    def _is_behind_range(self) -> bool:
        """Whether everything that was asked for is out: what follows is counted and checked, no more."""
        return self._end is not None and self._position >= self._end

    def _limit(self, samples: FloatArray) -> FloatArray:
        peak = max(float(samples.max()), -float(samples.min()))
        if not peak <= self._job.max_sample_magnitude:  # NaN is not
            raise SamplesNotFinite
        return np.clip(samples, -1.0, 1.0) if peak > 1.0 else samples

    def _pass_on(self, block: FloatArray, *, last: bool = False) -> None:
        """Resample float32 [chosen channels, samples], and emit what lies in the chosen range."""
        if self._is_behind_range():
            return
        if self._resampler is not None:
            frames = np.ascontiguousarray(block.T if self._kept > 1 else block[0])
            block = self._resampler.resample_chunk(frames, last=last).reshape(-1, self._kept).T
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
