"""Windows that a recording is cut into: whole-number arithmetic on samples, no audio.

The rule is the same for a recording whose length is known and for sound that is still arriving. Every sample belongs to
at least one window as long as the hop is not longer than the window.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.card import SpeechInput
from service.pipeline.options import check_hop, check_window
from service.problems import MediaTooShort, Unprocessable
from service.settings import Limits

SampleNumbers = NDArray[np.int64]
"""Places in a recording or lengths, counted in samples."""

LONGEST_HOP_S = 1e9
"""A longer hop is taken for this one: no recording has a second window then, and all numbers stay finite."""


@dataclass(frozen=True)
class Windows:
    """Positions of the windows of one recording.

    Attributes:
        start_samples: int64 [windows], increasing.
        length_samples: length of every window.
        rate_hz: the sample rate that both count in.
    """

    start_samples: SampleNumbers
    length_samples: int
    rate_hz: int

    @property
    def end_samples(self) -> SampleNumbers:
        """int64 [windows], first sample after each window."""
        return self.start_samples + self.length_samples

    @property
    def start_s(self) -> NDArray[np.float64]:
        """float64 [windows], seconds from the first sample."""
        return self.start_samples / self.rate_hz

    @property
    def end_s(self) -> NDArray[np.float64]:
        """float64 [windows], seconds from the first sample."""
        return self.end_samples / self.rate_hz

    def __len__(self) -> int:
        return len(self.start_samples)

    def after(self, done: int) -> "Windows":
        """All but the first so many."""
        return replace(self, start_samples=self.start_samples[done:])


@dataclass(frozen=True)
class WindowRule:
    """Rule for the positions of windows in any recording.

    There is a window at every multiple of the hop that fits, and one more that ends with the recording where samples
    would be left over. A recording no longer than a window is one window of its own length: it is not padded, the graph
    is told how long it is.

    Attributes:
        window_s, hop_s: of the windows, seconds.
        least_s: a shorter recording has no window.
        rate_hz: the sample rate that windows are counted in.
    """

    window_s: float
    hop_s: float
    least_s: float
    rate_hz: int

    @property
    def length_samples(self) -> int:
        """Length of a window."""
        return max(1, round(self.window_s * self.rate_hz))

    @property
    def hop_samples(self) -> int:
        """Samples from the start of a window to the start of the next."""
        return max(1, round(min(self.hop_s, LONGEST_HOP_S) * self.rate_hz))

    @property
    def least_samples(self) -> int:
        """Length of the shortest recording that has a window."""
        return max(1, math.floor(self.least_s * self.rate_hz))

    def complete(self, known: int, done: int = 0) -> Windows:
        """The windows within the first ``known`` samples of a recording that goes on, without the first ``done``."""
        count = max(0, (known - self.length_samples) // self.hop_samples + 1)
        starts = np.arange(done, max(count, done), dtype=np.int64) * self.hop_samples
        return Windows(starts, self.length_samples, self.rate_hz)

    def all(self, n_samples: int) -> Windows:
        """The windows of a recording of ``n_samples``: those that were complete before, and what the end adds."""
        if n_samples < self.least_samples:
            return Windows(np.zeros(0, np.int64), self.length_samples, self.rate_hz)
        if n_samples <= self.length_samples:
            return Windows(np.zeros(1, np.int64), n_samples, self.rate_hz)
        windows = self.complete(n_samples)
        if windows.end_samples[-1] == n_samples:
            return windows
        return replace(windows, start_samples=np.append(windows.start_samples, n_samples - self.length_samples))

    def plan(self, n_samples: int, limits: Limits) -> Windows:
        """All windows of a recording of ``n_samples``, at least one and not too many.

        Raises:
            MediaTooShort: fewer samples than the model's shortest clip.
            Unprocessable: more windows than the limit.
        """
        if n_samples < self.least_samples:
            raise MediaTooShort(f"This model needs at least {self.least_s:g} s of audio.")
        count = 1 + max(0, -((self.length_samples - n_samples) // self.hop_samples))
        if count > limits.max_windows:
            raise Unprocessable(f"That makes {count} windows, the limit is {limits.max_windows}.", pointer="/hop_s")
        return self.all(n_samples)


def window_rule(speech: SpeechInput, limits: Limits, window_s: float | None, hop_s: float | None) -> WindowRule:
    """The rule that a request asks for.

    Args:
        speech: the model's needs and defaults.
        limits: least hop.
        window_s: seconds, or None for the card's default.
        hop_s: seconds, or None for the card's hop, or the window where that is shorter.

    Raises:
        Unprocessable: a length outside what the model takes, or a hop below the limit.
    """
    window_s = speech.window_s if window_s is None else window_s
    check_window(window_s, speech)
    hop_s = min(speech.hop_s, window_s) if hop_s is None else hop_s
    check_hop(hop_s, limits.min_hop_s)
    return WindowRule(window_s, hop_s, speech.min_length_s, speech.sample_rate_hz)


def plan_windows(
    n_samples: int, speech: SpeechInput, limits: Limits, *, window_s: float | None, hop_s: float | None
) -> Windows:
    """The windows of a recording of ``n_samples``; arguments and errors as :func:`window_rule` and its ``plan``."""
    return window_rule(speech, limits, window_s, hop_s).plan(n_samples, limits)
