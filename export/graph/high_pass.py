"""The high-pass in front of every graph that judges emotion: offset, hum and rumble decide nothing.

The part below speech is estimated at a low rate and subtracted: a low-pass brings the waveform to 500 Hz, a second one
keeps what lies below the corner, an interpolation brings that back to the rate of the waveform. That costs a
hundredth of the same filter at the full rate. All three filters are symmetric, so nothing is delayed. Both ends of a
clip are continued by reflection, so neither a constant nor a slow wave leaves a step there.

:func:`write_high_pass` writes the nodes, :func:`high_passed` is the reference by SciPy's polyphase filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from export.graph.builder import GraphBuilder

CORNER_HZ = 70.0
"""Corner of the high-pass, where half of the amplitude is left (measured: docs/robustness.md)."""

TRANSITION_HZ = 30.0
"""Width of the step from stopped to passed, centred at the corner."""

ATTENUATION_DB = 80.0
"""Attenuation of what is stopped: a hum of −30 dB below the voice falls under the picture's range of 80 dB."""

LOW_RATE_HZ = 500
"""Rate at which the part below speech is filtered; well above twice the corner."""


@dataclass(frozen=True)
class HighPassFilters:
    """The three filters for one sample rate; each has an odd number of taps.

    Attributes:
        step: samples of the waveform per sample at the low rate.
        decimate: float64 [taps] at the rate of the waveform, before every ``step``-th sample is kept.
        low: float64 [taps] at the low rate.
        interpolate: float64 [taps] at the rate of the waveform, after zeros were put between the samples.
    """

    step: int
    decimate: NDArray[np.float64]
    low: NDArray[np.float64]
    interpolate: NDArray[np.float64]

    @property
    def reach(self) -> int:
        """Samples on either side that one output sample depends on, a whole number of steps."""
        half = len(self.decimate) // 2 + len(self.low) // 2 * self.step + len(self.interpolate) // 2
        return -(-half // self.step) * self.step


@lru_cache(maxsize=8)
def high_pass_filters(rate_hz: int) -> HighPassFilters:
    """Design the filters for waveforms of ``rate_hz``.

    Raises:
        ValueError: the rate is no whole multiple of the low rate.
    """
    if rate_hz % LOW_RATE_HZ:
        raise ValueError(f"a high-pass needs a sample rate that is a multiple of {LOW_RATE_HZ} Hz, not {rate_hz}")
    step = rate_hz // LOW_RATE_HZ
    edge_hz = CORNER_HZ + TRANSITION_HZ / 2
    image_hz = LOW_RATE_HZ - edge_hz
    around = _low_pass((edge_hz + image_hz) / 2, image_hz - edge_hz, rate_hz)
    return HighPassFilters(step, around, _low_pass(CORNER_HZ, TRANSITION_HZ, LOW_RATE_HZ), around * step)


def _low_pass(cutoff_hz: float, width_hz: float, rate_hz: int) -> NDArray[np.float64]:
    taps, beta = signal.kaiserord(ATTENUATION_DB, width_hz / (rate_hz / 2))
    return signal.firwin(taps | 1, cutoff_hz, window=("kaiser", beta), fs=rate_hz)


def high_passed(waveform: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """The waveform without what lies below speech, float32 [samples], for one clip of float32 [samples]."""
    filters = high_pass_filters(rate_hz)
    samples, reach = len(waveform), filters.reach
    places = np.arange(-reach, samples + reach)
    period = max(2 * (samples - 1), 1)
    remainder = places % period
    extended = waveform[np.minimum(remainder, period - remainder)].astype(np.float64)
    coarse = signal.upfirdn(filters.decimate, extended, 1, 1)[len(filters.decimate) // 2 :][: len(extended)]
    coarse = np.convolve(coarse[:: filters.step], filters.low, "same")
    below = signal.upfirdn(filters.interpolate, coarse, filters.step, 1)[len(filters.interpolate) // 2 :]
    return (waveform - below[reach : reach + samples]).astype(np.float32)


def write_high_pass(graph: GraphBuilder, rate_hz: int, waveform: str, lengths: str) -> str:
    """Add the nodes that take out what lies below speech.

    Args:
        rate_hz: sample rate of the waveform.
        waveform: name of float32 [batch, samples].
        lengths: name of int64 [batch], samples of each clip.

    Returns:
        Name of float32 [batch, samples]; samples beyond a clip's length are undefined.
    """
    filters = high_pass_filters(rate_hz)
    extended = _extend(graph, waveform, lengths, filters.reach)
    signal_ = graph.add("Unsqueeze", extended, graph.constant([1]))
    coarse = _convolve(graph, signal_, filters.decimate, stride=filters.step)
    coarse = _convolve(graph, coarse, filters.low)
    half = len(filters.interpolate) // 2
    fine = graph.add(
        "ConvTranspose",
        coarse,
        graph.constant(filters.interpolate.astype(np.float32)[None, None]),
        strides=[filters.step],
        pads=[half, half],
    )
    first = graph.constant([filters.reach])
    end = graph.add("Add", graph.add("Shape", waveform, start=1, end=2), first)
    below = graph.add("Slice", graph.add("Squeeze", fine, graph.constant([1])), first, end, graph.constant([1]))
    return graph.add("Sub", waveform, below)


def _extend(graph: GraphBuilder, waveform: str, lengths: str, reach: int) -> str:
    """Continue each clip by reflection: float32 [batch, samples + 2·reach + one step at most]."""
    one = graph.constant(np.array(1, np.int64))
    samples = graph.add("Squeeze", graph.add("Shape", waveform, start=1, end=2))
    stop = graph.add("Add", samples, graph.constant(np.array(reach, np.int64)))
    places = graph.add("Range", graph.constant(np.array(-reach, np.int64)), stop, one)
    last = graph.add("Sub", graph.add("Unsqueeze", lengths, graph.constant([1])), one)
    period = graph.add("Max", graph.add("Mul", last, graph.constant(np.array(2, np.int64))), one)
    remainder = graph.add("Mod", graph.add("Unsqueeze", places, graph.constant([0])), period)
    source = graph.add("Min", remainder, graph.add("Sub", period, remainder))
    return graph.add("GatherElements", waveform, source, axis=1)


def _convolve(graph: GraphBuilder, value: str, taps: NDArray[np.float64], stride: int = 1) -> str:
    half = len(taps) // 2
    kernel = graph.constant(taps.astype(np.float32)[None, None])
    return graph.add("Conv", value, kernel, strides=[stride], pads=[half, half])
