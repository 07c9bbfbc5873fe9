"""The listening core: it takes one channel of sound in blocks and gives its windows with their share of speech.

Uploads, streams and jobs all listen through it. An upload is one block, a stream many small ones, a job stretches
between which everything that is known is written down. The windows and their numbers do not depend on the cuts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray
from service.pipeline.speech.extent import Extent, is_silent
from service.pipeline.speech.resampling import HeldSamples
from service.pipeline.speech.voice_activity import RunChunk, VoiceActivity, VoiceListener
from service.pipeline.speech.windows import WindowRule, Windows

LEAST_SPEECH_SHARE = 0.1
"""A window with less speech is not judged: in a 3 s window that is 0.3 s, about one syllable."""


@dataclass(frozen=True)
class HeardWindows:
    """The windows of one channel that have been heard to their end since the last block.

    Attributes:
        windows: where they lie.
        shares: float32 [windows], share of each that is speech, 0…1; without voice activity 1 for sound, 0 for silence.
        clips: samples of the windows with enough speech, float32 [length] each, in order; they are to be judged.
        steps: bool [steps], the voice activity's answers since the last block; empty without one.
    """

    windows: Windows
    shares: FloatArray
    clips: list[FloatArray]
    steps: NDArray[np.bool_]


class ChannelListener:
    """Listens to one channel. Not thread-safe: blocks of sound follow each other.

    Args:
        rule: where the windows lie; None where only speech is looked for.
        rate_hz: of the samples.
        voice: voice activity, or None: then all sound is speech.
        n_samples: length of the recording, or None where nobody knows it before its end.
    """

    def __init__(
        self, rule: WindowRule | None, rate_hz: int, voice: VoiceActivity | None, n_samples: int | None = None
    ) -> None:
        self._extent = None if n_samples is None else Extent(n_samples, rate_hz)
        self._rule = rule
        self._rate_hz = rate_hz
        self._voice = None if voice is None else VoiceListener(voice, rate_hz)
        self._held = HeldSamples()
        self._told = 0  # windows

    def take(self, samples: FloatArray, run_chunk: RunChunk | None, *, last: bool) -> HeardWindows:
        """Take the next samples, and give the windows that they complete.

        Args:
            samples: float32 [n], ±1 full scale.
            run_chunk: runs voice activity on the device; None where there is none.
            last: whether nothing follows. Then the windows that the end of the recording adds are given too.
        """
        is_whole = last and not self._held.end
        if self._extent is not None:
            self._extent.add(samples)
        self._held.append(samples)
        is_silence = is_whole and self._extent is not None and self._extent.is_silent
        voice = None if is_silence else self._voice  # nobody speaks in silence, whatever a network would say
        steps = np.zeros(0, np.bool_)
        if voice is not None:
            assert run_chunk is not None
            steps = voice.take(samples, run_chunk, last=last)
        windows = self._complete(voice, last=last)
        clips = [self._held.part(start, start + windows.length_samples) for start in windows.start_samples.tolist()]
        if is_silence:
            shares = np.zeros(len(windows), np.float32)
        elif voice is not None:
            shares = voice.shares(windows)
        else:
            shares = np.asarray([not is_silent(clip, self._rate_hz) for clip in clips], np.float32)
        self._told += len(windows)
        self._forget()
        return HeardWindows(windows, shares, [clips[row] for row in judged_rows(shares)], steps)

    @property
    def extent(self) -> Extent:
        """How far the samples reach, of a recording whose length is known."""
        assert self._extent is not None
        return self._extent

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {
            "held": self._held.state(),
            "told": self._told,
            "extent": None if self._extent is None else self._extent.state(),
            "voice": None if self._voice is None else self._voice.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._held.restore(state["held"])
        self._told = state["told"]
        if self._extent is not None:
            self._extent.restore(state["extent"])
        if self._voice is not None:
            self._voice.restore(state["voice"])

    def _complete(self, voice: VoiceListener | None, *, last: bool) -> Windows:
        """The windows that have not been told yet and of which all is known."""
        end = self._held.end
        if self._rule is None:
            return Windows(np.zeros(0, np.int64), 0, self._rate_hz)
        if last:
            return self._rule.all(end).after(self._told)
        known = end if voice is None else min(end, voice.known_samples)
        return self._rule.complete(known, self._told)

    def _forget(self) -> None:
        """Keep what the next window needs, and what a last one would that ends now."""
        first = self._held.end
        if self._rule is not None:
            first = max(0, min(self._told * self._rule.hop_samples, first - self._rule.length_samples))
        self._held.forget(first)
        if self._voice is not None:
            self._voice.forget(first)


def judged_rows(shares: FloatArray) -> NDArray[np.intp]:
    """Numbers of the windows with enough speech; ``shares`` float32 [windows]."""
    return np.flatnonzero(shares >= LEAST_SPEECH_SHARE)
