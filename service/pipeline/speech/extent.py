"""How far the samples of one channel reach, measured while they arrive: for silence, and for the plot's outline."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.pipeline.results import FloatArray
from service.pipeline.speech.postprocess import EDGE_S, ENVELOPE_SLICES, SILENCE_PEAK_TO_PEAK


class Extent:
    """Least and greatest of up to ``ENVELOPE_SLICES`` slices, and of all but the edges.

    Args:
        n_samples: length of the recording.
        rate_hz: of the samples.

    Attributes:
        least, greatest: float32 [slices].
    """

    def __init__(self, n_samples: int, rate_hz: int) -> None:
        slices = min(ENVELOPE_SLICES, n_samples)
        self._slices = np.arange(slices) * n_samples // max(slices, 1)
        self.least: FloatArray = np.full(slices, np.inf, np.float32)
        self.greatest: FloatArray = np.full(slices, -np.inf, np.float32)
        edge = int(EDGE_S * rate_hz)
        self._inner = (edge, n_samples - edge) if n_samples > 4 * edge > 0 else (0, n_samples)
        self._range = np.array([np.inf, -np.inf], np.float32)
        self._measured = 0

    def add(self, samples: FloatArray) -> None:
        """Measure the next samples, float32 [n]."""
        if not len(samples):
            return
        first, self._measured = self._measured, self._measured + len(samples)
        if len(self._slices):
            row = int(np.searchsorted(self._slices, first, side="right")) - 1
            begins = self._slices[row + 1 :] - first
            cuts = np.concatenate([[0], begins[begins < len(samples)]]).astype(np.int64)
            rows = slice(row, row + len(cuts))
            self.least[rows] = np.minimum(self.least[rows], np.minimum.reduceat(samples, cuts))
            self.greatest[rows] = np.maximum(self.greatest[rows], np.maximum.reduceat(samples, cuts))
        low, high = (min(max(place - first, 0), len(samples)) for place in self._inner)
        if high > low:
            inner = samples[low:high]
            self._range = np.array([min(self._range[0], inner.min()), max(self._range[1], inner.max())], np.float32)

    @property
    def silent(self) -> bool:
        """Whether all of the channel was silence (see ``is_silent``); to be asked for at the end."""
        return bool(self._range[1] - self._range[0] <= SILENCE_PEAK_TO_PEAK)

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {
            "least": self.least,
            "greatest": self.greatest,
            "range": self._range,
            "measured": self._measured,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self.least, self.greatest, self._range = state["least"].copy(), state["greatest"].copy(), state["range"].copy()
        self._measured = state["measured"]
