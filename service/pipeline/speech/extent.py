"""Range of the sample values of a channel: whether it is silent, its gaps, and the outline that a plot draws of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.results import FlagSpan, FloatArray

SILENCE_PEAK_TO_PEAK = 2.0 / 32768
"""One step of 16 bits up and down: dither and lossy coding of digital silence stay within."""

EDGE_S = 0.032
"""Left out at both ends when a constant is looked for: resampled, it rings where it begins and ends."""

OUTLINE_SLICES = 1000


class Extent:
    """Least and greatest sample of one channel, measured while its samples arrive.

    Args:
        n_samples: length of the recording.
        rate_hz: of the samples.

    Attributes:
        outline: float32 [slices, 2], least and greatest sample of up to ``OUTLINE_SLICES`` equal slices.
    """

    def __init__(self, n_samples: int, rate_hz: int) -> None:
        slices = min(OUTLINE_SLICES, n_samples)
        self._slices = np.arange(slices) * n_samples // max(slices, 1)
        self.outline: FloatArray = np.tile(np.array([np.inf, -np.inf], np.float32), (slices, 1))
        self._inner = _inner(n_samples, rate_hz)
        self._range = np.array([np.inf, -np.inf], np.float32)
        self._measured = 0

    def add(self, samples: FloatArray) -> None:
        """Measure the next samples, float32 [n]."""
        if not len(samples):
            return
        first, self._measured = self._measured, self._measured + len(samples)
        row = int(np.searchsorted(self._slices, first, side="right")) - 1
        begins = self._slices[row + 1 :] - first
        cuts = np.concatenate([[0], begins[begins < len(samples)]]).astype(np.int64)
        least, greatest = self.outline[row : row + len(cuts)].T
        np.minimum(least, np.minimum.reduceat(samples, cuts), out=least)
        np.maximum(greatest, np.maximum.reduceat(samples, cuts), out=greatest)
        inner = samples[slice(*(min(max(place - first, 0), len(samples)) for place in self._inner))]
        if len(inner):
            self._range = np.array([min(self._range[0], inner.min()), max(self._range[1], inner.max())], np.float32)

    @property
    def is_silent(self) -> bool:
        """Whether all of the channel is silent, see :func:`is_silent`; known when all samples were added."""
        return bool(self._range[1] - self._range[0] <= SILENCE_PEAK_TO_PEAK)

    @property
    def is_loud(self) -> bool:
        """Whether the samples so far are not silent already, whatever follows."""
        return bool(self._range[1] - self._range[0] > SILENCE_PEAK_TO_PEAK)

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {"outline": self.outline, "range": self._range, "measured": self._measured}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self.outline = state["outline"].copy()
        self._range, self._measured = state["range"], state["measured"]


@dataclass(frozen=True)
class Gaps:
    """Stretches of a recording that have no sound, in order.

    Attributes:
        begins, ends: int64 [gaps], first sample of each and the one behind its last.
    """

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, spans: Iterable[FlagSpan], offset_s: float, rate_hz: int) -> "Gaps | None":
        """The gaps among ``spans``, in samples of which the first lies at ``offset_s``; None without any."""
        times_s = np.array([(one.start_s, one.end_s) for one in spans if one.flag == Flag.SOUND_GAP]).reshape(-1, 2)
        places = np.rint((times_s - offset_s) * rate_hz).astype(np.int64)
        return cls(*places.T) if len(places) else None

    def hold(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether stretches from one sample to before another lie wholly in a gap, bool [stretches]."""
        last = np.searchsorted(self.begins, starts, side="right") - 1
        return np.asarray((last >= 0) & (stops <= self.ends[last]), np.bool_)


def is_silent(samples: FloatArray, rate_hz: int) -> bool:
    """Whether float32 [n] is digital silence or a constant offset."""
    return bool(np.ptp(samples[slice(*_inner(len(samples), rate_hz))]) <= SILENCE_PEAK_TO_PEAK)


def joined_outline(outlines: Sequence[FloatArray]) -> FloatArray:
    """The outline of several channels of one length: float32 [slices, 2] each, and so the answer."""
    stacked = np.stack(outlines)
    return np.stack([stacked[..., 0].min(axis=0), stacked[..., 1].max(axis=0)], axis=1)


def _inner(n_samples: int, rate_hz: int) -> tuple[int, int]:
    """First and last sample between which a constant signal is sought; long recordings leave out their edges."""
    edge = int(EDGE_S * rate_hz)
    return (edge, n_samples - edge) if n_samples > 4 * edge > 0 else (0, n_samples)
