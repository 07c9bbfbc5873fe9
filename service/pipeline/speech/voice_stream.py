"""Voice activity of sound that is still arriving: the answers of one single run, step after step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import soxr
from numpy.typing import NDArray

from service.pipeline.results import FloatArray
from service.pipeline.speech.voice_activity import Activity, Chunk, ChunkAnswer, VoiceActivity


class VoiceStream:
    """Listens to one channel. Not thread-safe: stretches of sound follow each other.

    Args:
        voice: the model.
        rate_hz: sample rate of the sound; it is resampled where the model has another.
    """

    def __init__(self, voice: VoiceActivity, rate_hz: int) -> None:
        self._voice = voice
        self._resampler = (
            None if rate_hz == voice.rate_hz else soxr.ResampleStream(rate_hz, voice.rate_hz, 1, dtype="float32")
        )
        self._waiting: FloatArray = np.zeros(0, np.float32)
        self._before: FloatArray = np.zeros(voice.context_samples, np.float32)
        self._h = self._c = np.zeros((1, 1, voice.state_size), np.float32)
        self._speech: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._forgotten = 0
        self._step_s = voice.step_samples / voice.rate_hz

    @property
    def known_s(self) -> float:
        """Seconds from the beginning of which it is known whether somebody speaks."""
        return (self._forgotten + len(self._speech)) * self._step_s

    def add(self, samples: FloatArray, run_chunk: Callable[[Chunk], ChunkAnswer], *, last: bool = False) -> None:
        """Listen on.

        Args:
            samples: float32 [n], ±1 full scale.
            run_chunk: runs one chunk on the device.
            last: whether nothing follows; zeros fill up the last step, as in an upload.
        """
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        waiting = np.concatenate([self._waiting, samples])
        step = self._voice.step_samples
        if last:
            waiting = np.pad(waiting, (0, -len(waiting) % step))
        whole = len(waiting) // step * step
        self._waiting = waiting[whole:]
        if whole == 0:
            return
        stretch = np.concatenate([self._before, waiting[:whole]])
        frames = np.lib.stride_tricks.sliding_window_view(stretch, self._voice.context_samples + step)[::step]
        answer = run_chunk(Chunk(frames, self._h, self._c))
        self._h, self._c = answer.h, answer.c
        self._before = stretch[whole:]
        self._speech = np.concatenate([self._speech, answer.probabilities > self._voice.threshold])

    def share(self, start_s: float, end_s: float) -> float:
        """Share of a stretch that is speech, 0…1; the stretch must be known and not forgotten."""
        from_s = self._forgotten * self._step_s
        activity = Activity(self._speech, self._step_s)
        return float(activity.share(np.array([start_s - from_s]), np.array([end_s - from_s]))[0])

    def forget(self, before_s: float) -> None:
        """Keep nothing of what lies before ``before_s``."""
        steps = min(int(before_s / self._step_s) - self._forgotten, len(self._speech))
        if steps > 0:
            self._speech = self._speech[steps:]
            self._forgotten += steps
