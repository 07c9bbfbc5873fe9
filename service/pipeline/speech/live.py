"""Emotion in sound that is still arriving: each window is judged as soon as it is complete.

The windows, their numbers and the voice activity are those that an upload of the same samples gets
(:mod:`service.pipeline.speech.windows`), so a stream and an upload can be compared window by window.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from service.pipeline.device.task import Work
from service.pipeline.media.sampling import to_float
from service.pipeline.results import FloatArray, JudgedWindow
from service.pipeline.speech.emotion_model import EmotionModel
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.postprocess import LEAST_SPEECH_SHARE, is_silent
from service.pipeline.speech.voice_activity import Chunk, ChunkAnswer
from service.pipeline.speech.voice_stream import VoiceStream
from service.pipeline.speech.windows import checked_lengths
from service.problems import MediaTooLong, SampleRateUnsupported, TooManyChannels
from service.settings import Limits

CHANNEL = "mix"

RunWindows = Callable[[list[FloatArray], Work], list[WindowAnswer]]
RunVoice = Callable[[Chunk, Work], ChunkAnswer]


@dataclass(frozen=True)
class LiveOptions:
    """What a client says of the sound that it is going to send; None means the model card's default."""

    sample_rate_hz: int
    channels: int = 1
    model: str | None = None
    version: str | None = None
    window_s: float | None = None
    hop_s: float | None = None


class LiveEmotion:
    """Judges one stream of 16 bit PCM. Calls block and follow each other.

    Args:
        model: what judges.
        options: of the stream.
        limits: of the service.
        voice: finds speech, or None: then all sound is speech.
        run_windows, run_voice: run the graphs on their devices.

    Attributes:
        samples: samples a channel that were taken so far.
        window_s, hop_s: of the windows.

    Raises:
        Unprocessable: a window or hop that the model does not take.
        TooManyChannels, SampleRateUnsupported: outside the limits.
    """

    def __init__(
        self,
        model: EmotionModel,
        options: LiveOptions,
        limits: Limits,
        voice: VoiceStream | None,
        run_windows: RunWindows,
        run_voice: RunVoice,
    ) -> None:
        check_sound(options, limits)
        self.model = model
        self.window_s, self.hop_s = checked_lengths(model.speech, limits, options.window_s, options.hop_s)
        self.rate_hz = model.speech.sample_rate_hz
        self.samples = 0
        self._limits = limits
        self._options = options
        self._voice = voice
        self._run_windows = run_windows
        self._run_voice = run_voice
        self._length = max(1, round(self.window_s * self.rate_hz))
        self._hop = max(1, round(self.hop_s * self.rate_hz))
        self._least = max(1, math.floor(model.speech.min_length_s * self.rate_hz))
        rate_hz, channels = options.sample_rate_hz, options.channels
        self._resampler = (
            None
            if rate_hz == self.rate_hz
            else soxr.ResampleStream(rate_hz, self.rate_hz, channels, dtype="float32", quality="HQ")
        )
        self._sound: FloatArray = np.zeros(0, np.float32)
        self._dropped = 0
        self._next = 0

    @property
    def windows(self) -> int:
        """Windows that were judged so far."""
        return self._next

    def add(self, pcm: bytes, work: Work) -> list[JudgedWindow]:
        """Take interleaved little-endian 16 bit samples, and judge the windows that they complete.

        Raises:
            MediaTooLong: more sound, or more windows, than the limits.
            Problem: as :meth:`service.pipeline.device.batch.Batcher.run`.
            Cancelled: the work was cancelled.
        """
        block = np.frombuffer(pcm, "<i2").reshape(-1, self._options.channels).T
        self.samples += block.shape[1]
        if self.samples > self._limits.max_duration_s * self._options.sample_rate_hz:
            raise MediaTooLong
        self._hear(block, work)
        starts: list[int] = []
        while (self._next + len(starts)) * self._hop + self._length <= self._judgeable:
            starts.append((self._next + len(starts)) * self._hop)
        return self._judge(starts, self._length, work)

    def finish(self, work: Work) -> list[JudgedWindow]:
        """Nothing follows: judge what is left, up to a last window that ends with the sound.

        Raises:
            Problem, Cancelled: as :meth:`add`.
        """
        self._hear(np.zeros((self._options.channels, 0), np.int16), work, last=True)
        end = self._end
        if end <= self._length:
            return self._judge([0], end, work) if end >= self._least and self._next == 0 else []
        starts = list(range(self._next * self._hop, end - self._length + 1, self._hop))
        last = starts[-1] if starts else (self._next - 1) * self._hop
        if last + self._length < end:
            starts.append(end - self._length)
        return self._judge(starts, self._length, work)

    @property
    def _end(self) -> int:
        return self._dropped + len(self._sound)

    @property
    def _judgeable(self) -> int:
        """Samples of which it is known, too, whether they are speech."""
        return self._end if self._voice is None else min(self._end, int(self._voice.known_s * self.rate_hz))

    def _hear(self, block: NDArray[np.int16], work: Work, *, last: bool = False) -> None:
        sound = to_float(block)
        if self._resampler is not None:
            frames = np.ascontiguousarray(sound.T if len(sound) > 1 else sound[0])
            sound = self._resampler.resample_chunk(frames, last=last).reshape(-1, len(sound)).T
        mix = sound[0] if len(sound) == 1 else sound.mean(axis=0, dtype=np.float32)
        mix = np.ascontiguousarray(mix, np.float32)
        self._sound = np.concatenate([self._sound, mix])
        if self._voice is not None:
            self._voice.add(mix, lambda chunk: self._run_voice(chunk, work), last=last)

    def _judge(self, starts: list[int], length: int, work: Work) -> list[JudgedWindow]:
        if self._next + len(starts) > self._limits.max_windows:
            raise MediaTooLong(f"A stream may have {self._limits.max_windows} windows.")
        clips = [self._sound[start - self._dropped : start - self._dropped + length] for start in starts]
        shares = [self._share(start, clip) for start, clip in zip(starts, clips, strict=True)]
        chosen = [clip for clip, share in zip(clips, shares, strict=True) if share >= LEAST_SPEECH_SHARE]
        answers = iter(self._run_windows(chosen, work) if chosen else [])
        judged: list[JudgedWindow] = []
        for start, share in zip(starts, shares, strict=True):
            answer = next(answers) if share >= LEAST_SPEECH_SHARE else {}
            judged.append(
                JudgedWindow(
                    channel=CHANNEL,
                    index=self._next + len(judged),
                    start_s=start / self.rate_hz,
                    end_s=(start + length) / self.rate_hz,
                    probabilities=answer.get("probabilities"),
                    arousal=float(answer["arousal"]) if "arousal" in answer else None,
                    valence=float(answer["valence"]) if "valence" in answer else None,
                    speech=None if self._voice is None else share,
                )
            )
        self._next += len(judged)
        self._forget()
        return judged

    def _share(self, start: int, clip: FloatArray) -> float:
        if self._voice is None:
            return 0.0 if is_silent(clip, self.rate_hz) else 1.0
        return self._voice.share(start / self.rate_hz, (start + len(clip)) / self.rate_hz)

    def _forget(self) -> None:
        """Keep what the next window needs, and what a last one would that ends now."""
        first = max(self._dropped, min(self._next * self._hop, self._end - self._length))
        self._sound = self._sound[first - self._dropped :].copy()
        self._dropped = first
        if self._voice is not None:
            self._voice.forget(first / self.rate_hz)


def check_sound(options: LiveOptions, limits: Limits) -> None:
    """Hold rate and channels against the limits.

    Raises:
        TooManyChannels, SampleRateUnsupported
    """
    if options.channels > limits.max_channels:
        raise TooManyChannels
    if not limits.min_sample_rate_hz <= options.sample_rate_hz <= limits.max_sample_rate_hz:
        raise SampleRateUnsupported
