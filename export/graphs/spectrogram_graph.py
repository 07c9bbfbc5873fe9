"""What a plot shows, as ONNX nodes: from the waveform to one value for each frame and row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from export.graphs.banded_product import in_blocks, write_blocks_product
from export.graphs.builder import GraphBuilder
from export.graphs.clip_ends import write_sixteen_bit, write_trimmed
from export.graphs.fourier_graph import places_of_bins, write_frames, write_power
from export.graphs.mel_bank import area_normalised_bank
from export.graphs.plot_presets import CHROMA_BANDS, PlotPreset

LEAST_CHROMA = 1.17549435e-38
"""librosa divides no frame by less than this."""
BAND_BLOCK_ROWS = 8
"""Mel bands of a block of the bank; the highest are wide."""


@dataclass(frozen=True)
class Spectrogram:
    """Names of the spectrogram's parts.

    Attributes:
        values: float32 [rows, batch·frames]: power, amplitude or chroma.
        frame_counts: int64 [batch].
    """

    values: str
    frame_counts: str


def write_spectrogram(
    graph: GraphBuilder, preset: PlotPreset, waveform: str, lengths: str, sample_rate_hz: int
) -> Spectrogram:
    """Add the nodes from waveform to what is plotted."""
    power, counts = _power(graph, preset, waveform, lengths)
    if preset.representation == "linear":
        power = graph.add("Gather", power, graph.constant(places_of_bins(preset.fft_samples)), axis=0)
        if preset.drawn_by == "specgram":
            power = graph.add("Mul", power, graph.constant(one_sided(preset.rows())))
        return Spectrogram(power, counts)
    spectrum = graph.add("Sqrt", power) if preset.magnitude == "amplitude" else power
    if preset.representation == "chroma":
        return Spectrogram(_chroma(graph, preset, spectrum, sample_rate_hz), counts)
    top_hz = preset.top_hz(sample_rate_hz)
    bank = area_normalised_bank(
        sample_rate_hz, preset.fft_samples, preset.bands, preset.low_hz, top_hz, preset.mel_formula
    )
    return Spectrogram(_through_bank(graph, preset, bank, spectrum), counts)


def one_sided(rows: int) -> NDArray[np.float32]:
    """Factors of matplotlib's one-sided density: bins that stand for two count twice, float32 [rows, 1]."""
    factors = np.full((rows, 1), 2.0, dtype=np.float32)
    factors[[0, -1]] = 1.0
    return factors


def _power(graph: GraphBuilder, preset: PlotPreset, waveform: str, lengths: str) -> tuple[str, str]:
    """Power spectrogram float32 [places, batch·frames] and frame counts int64 [batch]."""
    specgram = preset.drawn_by == "specgram"
    if specgram:
        waveform = write_sixteen_bit(graph, waveform)
    if preset.trim_zeros:
        waveform, lengths = write_trimmed(graph, waveform, lengths)
    samples = graph.add("Shape", waveform, start=1, end=2)
    frames = _frame_counts(graph, preset, samples)
    hop, fft_samples = graph.constant([preset.hop_samples]), graph.constant([preset.fft_samples])
    before = 0 if specgram else preset.fft_samples // 2
    spanned = graph.add("Add", graph.add("Mul", graph.add("Sub", frames, graph.constant([1])), hop), fft_samples)
    behind = graph.add("Sub", graph.add("Sub", spanned, samples), graph.constant([before]))
    pads = graph.add("Concat", graph.constant([0, before, 0]), behind, axis=0)
    signal = graph.add("Pad", waveform, pads)
    ends = None if preset.trim_zeros else graph.add("Add", lengths, graph.constant([before]))
    cut = write_frames(graph, signal, frames, ends, preset.fft_samples, preset.hop_samples)
    window = "symmetric" if specgram else "periodic"
    power = write_power(graph, cut, preset.fft_samples, window, double=specgram)
    return power, _frame_counts(graph, preset, lengths)


def _frame_counts(graph: GraphBuilder, preset: PlotPreset, samples: str) -> str:
    hop, one = graph.constant([preset.hop_samples]), graph.constant([1])
    if preset.drawn_by == "specgram":
        # matplotlib fills what is shorter than a frame up with zeros.
        samples = graph.add("Max", graph.add("Sub", samples, graph.constant([preset.fft_samples])), graph.constant([0]))
    return graph.add("Add", graph.add("Div", samples, hop), one)


def _through_bank(graph: GraphBuilder, preset: PlotPreset, bank: NDArray[np.float32], spectrum: str) -> str:
    """Multiply a bank [bands, bins] with a spectrum [places, batch·frames]."""
    places = places_of_bins(preset.fft_samples)
    products = []
    for part in in_blocks(bank, BAND_BLOCK_ROWS).parts():
        gathered = graph.add("Gather", spectrum, graph.constant(places[part.columns].reshape(1, 1, -1)), axis=0)
        products.append(write_blocks_product(graph, part, gathered, f"bank_{len(products)}"))
    total = reduce(lambda one, other: graph.add("Add", one, other), products)
    return graph.add("Squeeze", total, graph.constant([0, 1]))


def _chroma(graph: GraphBuilder, preset: PlotPreset, spectrum: str, sample_rate_hz: int) -> str:
    import librosa  # slow to import

    bank = librosa.filters.chroma(sr=sample_rate_hz, n_fft=preset.fft_samples, tuning=0.0, n_chroma=CHROMA_BANDS)
    chroma = _through_bank(graph, preset, bank, spectrum)
    most = graph.add("ReduceMax", chroma, graph.constant([0]))
    divisor = graph.add("Where", graph.add("Less", most, graph.constant(LEAST_CHROMA)), graph.constant(1.0), most)
    return graph.add("Div", chroma, divisor)
