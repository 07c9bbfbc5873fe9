"""Signals that arrive piece by piece: samples kept as long as they are needed, and resampling that does not depend on
where the pieces were cut. Both can be written down between two pieces and taken up again.
"""

import math
from typing import Any

import numpy as np
import soxr

from service.pipeline.results import FloatArray

MARGIN_S = 0.05
"""Sound on both sides of a stretch that is resampled with it and then cut off. The filter reaches less far: cut
anywhere, speech at 8, 22.05, 44.1 and 48 kHz differs from the whole by 4e-7 of its peak at most (measured).
"""


class HeldSamples:
    """The samples of a signal that are still needed, found by their place in the whole.

    Arrays that were handed out stay valid: nothing is changed in place.

    Attributes:
        base: place of the first sample that is held.
    """

    def __init__(self) -> None:
        self.base = 0
        self._samples: FloatArray = np.zeros(0, np.float32)

    @property
    def end(self) -> int:
        """Place after the last sample."""
        return self.base + len(self._samples)

    def append(self, samples: FloatArray) -> None:
        """Hold the next samples too, float32 [n]; they are copied only where others are held already."""
        self._samples = np.concatenate([self._samples, samples]) if len(self._samples) else samples

    def part(self, start: int, stop: int) -> FloatArray:
        """Samples from ``start`` to ``stop``, as far as they have arrived."""
        return self._samples[start - self.base : stop - self.base]

    def forget(self, before: int) -> None:
        """Let go of samples before a place; a place further back than :attr:`base` changes nothing."""
        gone = min(before, self.end) - self.base
        if gone > 0:
            self._samples = self._samples[gone:].copy()
            self.base += gone

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {"samples": self._samples, "base": self.base}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._samples, self.base = state["samples"], state["base"]


class StretchResampler:
    """Resamples one channel, stretch by stretch, each together with a margin on both sides.

    A stretch ends where a sample of the one rate and a sample of the other fall on the same moment, so stretches join
    without a seam. A signal that comes in one piece is resampled in one piece. With equal rates samples pass through.

    Args:
        from_hz: rate of the samples that are taken.
        to_hz: rate of the samples that are given.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._unit = from_hz // math.gcd(from_hz, to_hz)
        self._margin = math.ceil(MARGIN_S * from_hz / self._unit) * self._unit
        self._held = HeldSamples()
        self._done = 0

    def take(self, samples: FloatArray, *, last: bool) -> FloatArray:
        """Take the next samples, float32 [n], and give those that are known by now, float32 [m].

        Args:
            samples: at ``from_hz``.
            last: whether nothing follows; then all that remains is given.
        """
        if self._from_hz == self._to_hz:
            return samples
        held = self._held
        held.append(samples)
        stop = held.end if last else max(held.end - self._margin, 0) // self._unit * self._unit
        if stop <= self._done:
            return np.zeros(0, np.float32)
        first = max(held.base, self._done - self._margin)
        whole: FloatArray = soxr.resample(held.part(first, held.end), self._from_hz, self._to_hz)
        last_place = resampled_length(stop, self._from_hz, self._to_hz) if last else self._place(stop)
        end = last_place - self._place(first)
        if len(whole) < end:  # a half that is rounded down in a part but up in the whole
            silence = np.zeros(self._unit, np.float32)
            whole = soxr.resample(np.concatenate([held.part(first, held.end), silence]), self._from_hz, self._to_hz)
        known = whole[self._place(self._done) - self._place(first) : end]
        self._done = stop
        held.forget(stop - self._margin)
        return known

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {"held": self._held.state(), "done": self._done}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._held.restore(state["held"])
        self._done = state["done"]

    def _place(self, samples: int) -> int:
        return samples * self._to_hz // self._from_hz


def resampled_length(samples: int, from_hz: int, to_hz: int) -> int:
    """Number of samples that soxr makes of so many in one piece, and a :class:`StretchResampler` in any pieces.

    The nearest whole number. Its calculation is soxr's, which rounds a half up or down by the last bit of the ratio.
    """
    return int(samples / (from_hz / to_hz) + 0.5)
