"""One channel of a long recording, judged while its samples arrive: the answer is that of the whole at once.

Voice activity hands its state on, windows are judged as soon as they have been heard to their end, and what is kept
of the sound is what the next window needs. Everything that is known between two blocks can be written down and taken
up again (:meth:`ChannelJudge.state`), so an interrupted run gives the numbers of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from service.pipeline.results import FloatArray
from service.pipeline.speech.extent import Extent
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.postprocess import is_silent, judged_windows
from service.pipeline.speech.voice_activity import Activity, Chunk, ChunkAnswer, Memory, VoiceActivity
from service.pipeline.speech.windows import Windows

MARGIN_S = 0.1
"""Heard on both sides of a stretch that is resampled for voice activity, and then cut off again."""

RunChunk = Callable[[Chunk], ChunkAnswer]
JudgeWindows = Callable[[list[FloatArray]], Sequence[WindowAnswer]]


class Listener:
    """Voice activity of one channel, float32 samples at ``rate_hz`` in stretches as long as a graph call takes."""

    def __init__(self, voice: VoiceActivity, rate_hz: int) -> None:
        self._voice = voice
        self._rate_hz = rate_hz
        self._memory = voice.first_memory()
        self.steps: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.stretch = round(voice.chunk_samples / voice.rate_hz * rate_hz)
        self.margin = 0 if rate_hz == voice.rate_hz else round(MARGIN_S * rate_hz)

    def hear(self, before: FloatArray, samples: FloatArray, after: FloatArray, run_chunk: RunChunk) -> None:
        """Take the next stretch; ``before`` and ``after`` are up to ``margin`` samples around it."""
        if self.margin:
            heard = soxr.resample(np.concatenate([before, samples, after]), self._rate_hz, self._voice.rate_hz)
            first = round(len(before) / self._rate_hz * self._voice.rate_hz)
            samples = heard[first : first + round(len(samples) / self._rate_hz * self._voice.rate_hz)]
        found, self._memory = self._voice.listen(samples, self._memory, run_chunk)
        self.steps = np.concatenate([self.steps, found])

    def activity(self) -> Activity:
        """What has been found so far."""
        return Activity(self.steps, self._voice.step_s)

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {"h": self._memory.h, "c": self._memory.c, "before": self._memory.before, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._memory = Memory(state["h"], state["c"], state["before"])
        self.steps = state["steps"]


class Findings:
    """What has been found in one channel since it was last asked for: judged windows and their answers."""

    def __init__(self) -> None:
        self.weights: list[FloatArray] = []
        self.answers: list[WindowAnswer] = []

    def take(self) -> dict[str, Any]:
        """Everything since the last call: 'weights' float32 [windows], and by output what was answered, stacked."""
        names = self.answers[0] if self.answers else ()
        found: dict[str, Any] = {name: np.stack([answer[name] for answer in self.answers]) for name in names}
        found["weights"] = np.concatenate(self.weights) if self.weights else np.zeros(0, np.float32)
        self.weights, self.answers = [], []
        return found


class ChannelJudge:
    """Judges one channel.

    Args:
        windows: all windows of the recording; None where only speech is looked for.
        n_samples: length of the recording at ``rate_hz``; known from decoding it once.
        rate_hz: of the samples.
        voice: voice activity, if there is a model.
    """

    def __init__(self, windows: Windows | None, n_samples: int, rate_hz: int, voice: VoiceActivity | None) -> None:
        self._windows = windows
        self._rate_hz = rate_hz
        self.listener = None if voice is None else Listener(voice, rate_hz)
        self.findings = Findings()
        self._buffer: FloatArray = np.zeros(0, np.float32)
        self._base = 0  # where in the recording the buffer begins
        self._heard = 0  # up to where voice activity is known
        self._next_window = 0
        self.extent = Extent(n_samples, rate_hz)

    def take(self, samples: FloatArray, run_chunk: RunChunk, judge: JudgeWindows, *, last: bool) -> None:
        """Take the next samples, float32 [n]; with ``last`` there are no more."""
        self.extent.add(samples)
        self._buffer = np.concatenate([self._buffer, samples])
        self._listen(run_chunk, last)
        self._judge(judge)
        self._forget()

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`, without the findings."""
        return {
            "buffer": self._buffer,
            "places": [self._base, self._heard, self._next_window],
            "extent": self.extent.state(),
            "listener": None if self.listener is None else self.listener.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._buffer = state["buffer"]
        self._base, self._heard, self._next_window = state["places"]
        self.extent.restore(state["extent"])
        if self.listener is not None:
            self.listener.restore(state["listener"])

    @property
    def _end(self) -> int:
        return self._base + len(self._buffer)

    def _listen(self, run_chunk: RunChunk, last: bool) -> None:
        listener = self.listener
        if listener is None:
            self._heard = self._end
            return
        while self._end - self._heard >= listener.stretch + listener.margin or (last and self._heard < self._end):
            stop = min(self._heard + listener.stretch, self._end)
            before = self._part(max(0, self._heard - listener.margin), self._heard)
            after = self._part(stop, min(stop + listener.margin, self._end))
            listener.hear(before, self._part(self._heard, stop), after, run_chunk)
            self._heard = stop

    def _judge(self, judge: JudgeWindows) -> None:
        windows = self._windows
        if windows is None:
            return
        stop = int(np.searchsorted(windows.end_samples, self._heard, side="right"))
        rows = slice(self._next_window, stop)
        if stop == self._next_window:
            return
        units = [self._part(start, start + windows.length_samples) for start in windows.start_samples[rows]]
        weights = self._weights(windows, rows, units)
        self.findings.weights.append(weights)
        self.findings.answers += judge([units[row].copy() for row in judged_windows(weights)])
        self._next_window = stop

    def _weights(self, windows: Windows, rows: slice, units: list[FloatArray]) -> FloatArray:
        """Share of speech in some windows; without voice activity all sound is speech."""
        if self.listener is None:
            return np.asarray([not is_silent(unit, self._rate_hz) for unit in units], np.float32)
        return self.listener.activity().share(windows.start_s[rows], windows.end_s[rows])

    def _forget(self) -> None:
        """Let go of samples that no window and no stretch needs any more."""
        keep = self._heard - (0 if self.listener is None else self.listener.margin)
        if self._windows is not None and self._next_window < len(self._windows):
            keep = min(keep, int(self._windows.start_samples[self._next_window]))
        keep = max(keep, self._base)
        self._buffer = self._buffer[keep - self._base :].copy()
        self._base = keep

    def _part(self, start: int, stop: int) -> FloatArray:
        return self._buffer[start - self._base : stop - self._base]
