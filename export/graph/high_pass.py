"""The filter in front of every graph that judges emotion: offset, rumble and mains hum decide nothing.

There are two. :data:`OFFSET_AND_MAINS` stops what lies below 8 Hz and the band of mains hum; it stands before EmoNet,
whose weights were trained on recordings with their own low frequencies and lose recall behind more.
:data:`BELOW_SPEECH` stops all below 70 Hz and stands before weights that were trained behind it.

The stopped part is estimated at a low rate and subtracted: a low-pass brings the waveform to 500 Hz, a second filter
keeps the stopped bands, an interpolation brings them back to the rate of the waveform. That costs a hundredth of
the same filter at the full rate. All three filters are symmetric, so nothing is delayed. Both ends of a clip are
continued by reflection, so a constant leaves no step there.

:func:`write_high_pass` writes the nodes, :func:`high_passed` is the reference by SciPy's polyphase filters.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy import signal

from export.graph.builder import FLOAT, INT64, GraphBuilder
from export.graph.compose import prefixed


@dataclass(frozen=True)
class StoppedBands:
    """Frequencies that are taken out.

    Attributes:
        below_hz: corner of the high-pass, where half of the amplitude is left.
        mains_hz: corners of a second stopped band, None for none.
        transition_hz: width of each step between stopped and passed, centred at its corner.
    """

    below_hz: float
    mains_hz: tuple[float, float] | None
    transition_hz: float

    @property
    def highest_hz(self) -> float:
        """Frequency above which everything passes."""
        return (self.mains_hz[1] if self.mains_hz else self.below_hz) + self.transition_hz / 2


OFFSET_AND_MAINS = StoppedBands(8.0, (46.0, 64.0), 8.0)
"""Offset, and hum of mains at 50 and 60 Hz."""

BELOW_SPEECH = StoppedBands(70.0, None, 20.0)
"""All below the lowest pitch of speech, some 80 Hz."""

ATTENUATION_DB = 80.0
"""Attenuation of images and aliases."""

STOP_DB = 60.0
"""Attenuation of what is stopped."""

LOW_RATE_HZ = 500
"""Rate at which the part below speech is filtered, to the nearest whole step; well above twice the highest corner."""


PASSED = "high_passed"
"""Name of the waveform behind the high-pass, inside a graph."""


@dataclass(frozen=True)
class HighPassFilters:
    """The three filters for one sample rate; each has an odd number of taps.

    Attributes:
        step: samples of the waveform per sample at the low rate.
        decimate: float64 [taps] at the rate of the waveform, before every ``step``-th sample is kept.
        low: float64 [taps] at the low rate: what of it is stopped.
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
def high_pass_filters(rate_hz: int, stopped: StoppedBands) -> HighPassFilters:
    """Design the filters for waveforms of ``rate_hz``."""
    step = max(1, round(rate_hz / LOW_RATE_HZ))
    low_rate_hz = rate_hz / step
    edge_hz = stopped.highest_hz
    image_hz = low_rate_hz - edge_hz
    around = _low_pass((edge_hz + image_hz) / 2, image_hz - edge_hz, rate_hz)
    return HighPassFilters(step, around, _low_rate_filter(low_rate_hz, stopped), around * step)


def _low_pass(cutoff_hz: float, width_hz: float, rate_hz: float) -> NDArray[np.float64]:
    taps, beta = signal.kaiserord(ATTENUATION_DB, width_hz / (rate_hz / 2))
    return np.asarray(signal.firwin(taps | 1, cutoff_hz, window=("kaiser", beta), fs=rate_hz), np.float64)


def _low_rate_filter(rate_hz: float, stopped: StoppedBands) -> NDArray[np.float64]:
    taps, beta = signal.kaiserord(STOP_DB, stopped.transition_hz / (rate_hz / 2))
    window = ("kaiser", beta)
    kept = signal.firwin(taps | 1, stopped.below_hz, window=window, fs=rate_hz)
    if stopped.mains_hz:
        kept = kept + signal.firwin(taps | 1, stopped.mains_hz, window=window, fs=rate_hz, pass_zero=False)
    return np.asarray(kept, np.float64)


def high_passed(
    waveform: NDArray[np.float32], rate_hz: int, stopped: StoppedBands = OFFSET_AND_MAINS
) -> NDArray[np.float32]:
    """The waveform without what ``stopped`` names, float32 [samples], for one clip of float32 [samples]."""
    filters = high_pass_filters(rate_hz, stopped)
    samples, reach = len(waveform), filters.reach
    places = np.arange(-reach, samples + reach)
    period = max(2 * (samples - 1), 1)
    remainder = places % period
    extended = waveform[np.minimum(remainder, period - remainder)].astype(np.float64)
    coarse = signal.upfirdn(filters.decimate, extended, 1, 1)[len(filters.decimate) // 2 :][: len(extended)]
    coarse = np.convolve(coarse[:: filters.step], filters.low, "same")
    below = signal.upfirdn(filters.interpolate, coarse, filters.step, 1)[len(filters.interpolate) // 2 :]
    return (waveform - below[reach : reach + samples]).astype(np.float32)


def write_high_pass(
    graph: GraphBuilder, rate_hz: int, waveform: str, lengths: str, stopped: StoppedBands = OFFSET_AND_MAINS
) -> str:
    """Add the nodes that take out what lies below speech.

    Args:
        rate_hz: sample rate of the waveform.
        waveform: name of float32 [batch, samples].
        lengths: name of int64 [batch], samples of each clip.
        stopped: what is taken out.

    Returns:
        Name of float32 [batch, samples]; samples beyond a clip's length are undefined.
    """
    filters = high_pass_filters(rate_hz, stopped)
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
    first, axis = graph.constant([filters.reach]), graph.constant([1])
    end = graph.add("Add", _samples(graph, waveform), first)
    below = graph.add("Slice", graph.add("Squeeze", fine, axis), first, end, axis)
    return graph.add("Sub", waveform, below)


def _extend(graph: GraphBuilder, waveform: str, lengths: str, reach: int) -> str:
    """Continue each clip by reflection: float32 [batch, samples + 2·reach + one step at most]."""
    one = graph.constant(np.array(1, np.int64))
    samples = graph.add("Squeeze", _samples(graph, waveform))
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


def _samples(graph: GraphBuilder, waveform: str) -> str:
    """Samples of the batch, int64 [1]; without attributes of ``Shape`` that operator set 13 lacks."""
    one, two = graph.constant([1]), graph.constant([2])
    return graph.add("Slice", graph.add("Shape", waveform), one, two)


def behind_high_pass(model: onnx.ModelProto, rate_hz: int) -> onnx.ModelProto:
    """A copy of a speech graph that takes offset and hum out of ``waveform`` before all else.

    Args:
        model: takes ``waveform`` float32 [batch, samples] and ``lengths`` int64 [batch]; operator set 13 or later.
        rate_hz: sample rate of the waveform.
    """
    graph = GraphBuilder("high_pass")
    waveform, lengths = graph.input("waveform", FLOAT, ["batch", "samples"]), graph.input("lengths", INT64, ["batch"])
    graph.output(PASSED, write_high_pass(graph, rate_hz, waveform, lengths), FLOAT, ["batch", "samples"])
    front = prefixed(graph.model("emoserve-export", {}), f"{PASSED}/", keep=("waveform", "lengths", PASSED))
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    for node in whole.graph.node:
        node.input[:] = [PASSED if name == "waveform" else name for name in node.input]
    nodes = [*front.graph.node, *whole.graph.node]
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    whole.graph.initializer.extend(front.graph.initializer)
    onnx.checker.check_model(whole)
    return whole
