"""How a recording is cut into windows: whole-number arithmetic on samples, no audio.

Every sample belongs to at least one window as long as the hop is not longer than the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.card import SpeechInput
from service.problems import MediaTooShort, Unprocessable
from service.settings import Limits

Samples = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Where the windows lie.

    Attributes:
        start_samples: int64 [windows], increasing.
        length_samples: length of every window.
        rate_hz: the sample rate that both count in.
    """

    start_samples: Samples
    length_samples: int
    rate_hz: int

    @property
    def end_samples(self) -> Samples:
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


def plan_windows(
    n_samples: int, speech: SpeechInput, limits: Limits, *, window_s: float | None, hop_s: float | None
) -> Windows:
    """Decide the windows of one recording.

    A recording no longer than a window is one window of its own length: it is not padded, the graph is told
    how long it is. A longer one gets a window at every multiple of the hop that fits, and one more that ends
    with the recording where samples would be left over. Without ``hop_s`` the card's hop holds, or the
    window where that is shorter.

    Args:
        n_samples: length of the recording at the model's sample rate.
        speech: the model's needs and defaults.
        limits: least hop and largest number of windows.
        window_s: seconds, or None for the card's default.
        hop_s: seconds, or None.

    Raises:
        Unprocessable: a length outside what the model takes, a hop below the limit, or too many windows.
        MediaTooShort: fewer samples than the model's shortest clip.
    """
    window_s, hop_s = checked_lengths(speech, limits, window_s, hop_s)
    rate_hz = speech.sample_rate_hz
    if n_samples < max(1, math.floor(speech.min_length_s * rate_hz)):
        raise MediaTooShort(f"This model needs at least {speech.min_length_s:g} s of audio.")
    length = max(1, round(window_s * rate_hz))
    if n_samples <= length:
        return Windows(np.zeros(1, np.int64), n_samples, rate_hz)
    hop = max(1, round(min(hop_s, n_samples / rate_hz) * rate_hz))
    count = (n_samples - length) // hop + 1
    left_over = (count - 1) * hop + length < n_samples
    if count + left_over > limits.max_windows:
        raise Unprocessable(
            f"That makes {count + left_over} windows, the limit is {limits.max_windows}.", pointer="/hop_s"
        )
    starts = np.arange(count, dtype=np.int64) * hop
    if left_over:
        starts = np.append(starts, n_samples - length)
    return Windows(starts, length, rate_hz)


def checked_lengths(
    speech: SpeechInput, limits: Limits, window_s: float | None, hop_s: float | None
) -> tuple[float, float]:
    """Length and hop of the windows in seconds, the card's where none is given.

    Raises:
        Unprocessable: a length outside what the model takes, or a hop below the limit.
    """
    window_s = speech.window_s if window_s is None else window_s
    if not speech.min_length_s <= window_s <= speech.max_length_s:  # false for NaN too
        raise Unprocessable(
            f"window_s must be between {speech.min_length_s:g} and {speech.max_length_s:g}.",
            pointer="/window_s",
        )
    hop_s = min(speech.hop_s, window_s) if hop_s is None else hop_s
    if not (math.isfinite(hop_s) and hop_s >= limits.min_hop_s):
        raise Unprocessable(f"hop_s must be at least {limits.min_hop_s:g}.", pointer="/hop_s")
    return window_s, hop_s
