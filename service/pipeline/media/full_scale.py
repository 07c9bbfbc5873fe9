"""Clipping in the recording itself: samples that stay at full scale, in the numbers that the file holds."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import MAX_SPANS, Span

LEAST_RUN: Final = 3
"""Samples of one channel at full scale, one behind the other: peaks of sound that was not clipped are shorter."""

JOINED_S: Final = 0.5
"""Runs that follow one another sooner are one span."""

_LARGEST_OF_LAW: Final = {"pcm_mulaw": 32_124, "pcm_alaw": 32_256}
"""Greatest magnitude that ITU-T G.711 can code, out of 32,768."""


def full_scale_of(codec: str, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Least and greatest native value that count as full scale, of PCM and lossless codecs.

    32 bits may hold 24 or fewer that were shifted up, so whatever 16 bits would round to full scale is.
    """
    if dtype.kind == "f":
        return -1.0, 1.0
    if dtype.kind == "u":
        return 1, 255  # 0 and 255 are the ends, 1 is −127
    if codec in _LARGEST_OF_LAW:
        return -_LARGEST_OF_LAW[codec], _LARGEST_OF_LAW[codec]
    whole = 1 << (8 * dtype.itemsize - 1)
    return (-whole + 1, whole - 1) if dtype.itemsize <= 2 else (-whole + (whole >> 15), whole - (whole >> 15))


class FullScaleRuns:
    """Finds runs at full scale in native samples, block by block.

    Args:
        codec: FFmpeg's name; lossy codecs overshoot and are not looked at, so leave this away for them.
        rate_hz: sample rate.
    """

    def __init__(self, codec: str, rate_hz: int) -> None:
        self._codec = codec
        self._rate_hz = rate_hz
        self._before: NDArray[np.bool_] | None = None
        self._spans: list[tuple[int, int]] = []

    @property
    def found(self) -> bool:
        """Whether there was any run."""
        return bool(self._spans)

    @property
    def spans(self) -> list[Span]:
        """When, in seconds, in order."""
        return [(begin / self._rate_hz, end / self._rate_hz) for begin, end in self._spans]

    def look_at(self, block: NDArray[Any], position: int) -> None:
        """Look at native samples [channels, samples] of which the first lies at ``position``."""
        low, high = full_scale_of(self._codec, block.dtype)
        if not block.size:
            return
        if not (block.max() >= high or block.min() <= low):
            self._before = None
            return
        at_end = (block >= high) | (block <= low)
        kept = 0
        if self._before is not None:
            kept = self._before.shape[1]
            at_end = np.concatenate([self._before, at_end], axis=1)
        self._before = at_end[:, 1 - LEAST_RUN :]
        runs = at_end[:, 2:] & at_end[:, 1:-1] & at_end[:, :-2]
        first_of_run = np.flatnonzero(runs.any(axis=0))
        if not len(first_of_run):
            return
        starts = first_of_run + position - kept
        breaks = np.flatnonzero(np.diff(starts) > JOINED_S * self._rate_hz)
        for begin, end in zip(starts[np.r_[0, breaks + 1]], starts[np.r_[breaks, -1]] + LEAST_RUN, strict=True):
            self._add(int(begin), int(end))

    def _add(self, begin: int, end: int) -> None:
        near = self._spans and begin - self._spans[-1][1] <= JOINED_S * self._rate_hz
        if near or len(self._spans) >= MAX_SPANS:
            begin = self._spans.pop()[0]
        self._spans.append((begin, end))
