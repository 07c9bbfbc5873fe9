"""Values of a plot, as ONNX nodes: from the waveform to one value for each frame and row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.picture.clip_ends import write_moved, write_padded, write_sixteen_bit, write_trimmed
from export.deep_spectrum.picture.fourier_graph import (
    Window,
    half_rows,
    overlapping_halves,
    places_of_bins,
    write_halves,
    write_power,
)
from export.deep_spectrum.picture.presets import CHROMA_BANDS, PlotPreset
from export.deep_spectrum.picture.segmented_product import in_segments, write_segments_product
from export.graph.builder import GraphBuilder
from export.graph.mel_bank import area_normalised_bank

LEAST_CHROMA = 1.17549435e-38
"""librosa divides no frame by less than this."""
VECTOR_LANES = 16
"""Numbers that a processor takes the logarithm of at once, at most. What is left over at the end of a batch is rounded
otherwise, so every frame is filled up to whole vectors."""


@dataclass(frozen=True)
class Spectrogram:
    """Names of the spectrogram's parts.

    Attributes:
        values: float32 [batch, columns, rows]: power, amplitude or chroma. Columns are the frames and perhaps more
            behind them; row 0 is repeated behind the others up to a multiple of 16.
        frame_counts: int64 [batch, 1].
    """

    values: str
    frame_counts: str


def write_spectrogram(
    graph: GraphBuilder, preset: PlotPreset, waveform: str, lengths: str, sample_rate_hz: int
) -> Spectrogram:
    """Add the nodes from waveform to what is plotted."""
    power, counts = _power(graph, preset, waveform, lengths)
    values = _rows(graph, preset, power, sample_rate_hz)
    # Also keeps ONNX Runtime from taking limits before the spectrogram is transposed, where they take longer.
    shape = graph.add("Concat", graph.add("Shape", lengths), graph.constant([-1, filled_rows(preset)]), axis=0)
    return Spectrogram(graph.add("Reshape", graph.add("Transpose", values, perm=[1, 0]), shape), counts)


def _rows(graph: GraphBuilder, preset: PlotPreset, power: str, sample_rate_hz: int) -> str:
    """Values that are plotted, float32 [rows, batch·columns], made of the power at the places of the transform."""
    places = places_of_bins(preset.fft_samples)
    if preset.representation == "linear":
        return graph.add("Gather", power, graph.constant(filled(places)), axis=0)
    spectrum = graph.add("Sqrt", power) if preset.magnitude == "amplitude" else power
    segments = in_segments(filled(_bank(preset, sample_rate_hz)))
    values = write_segments_product(graph, segments, spectrum, places)
    return _of_maximum_one(graph, values) if preset.representation == "chroma" else values


def filled(rows: NDArray[Any]) -> NDArray[Any]:
    """Repeat the first row behind the last up to a multiple of 16 rows."""
    missing = -len(rows) % VECTOR_LANES
    return np.concatenate([rows, np.repeat(rows[:1], missing, axis=0)])


def _power(graph: GraphBuilder, preset: PlotPreset, waveform: str, lengths: str) -> tuple[str, str]:
    """Power spectrogram float32 [places, batch·columns] and frame counts int64 [batch, 1]."""
    specgram = preset.drawn_by == "specgram"
    if specgram:
        waveform = write_sixteen_bit(graph, waveform)
    if preset.trim_zeros:
        halves, lengths = _trimmed_halves(graph, preset, waveform, lengths)
    else:
        halves = _halves(graph, preset, waveform, lengths)
    window: Window = "symmetric" if specgram else "periodic"
    power = write_power(graph, halves, preset.fft_samples, preset.hop_samples, window, density=specgram)
    return power, _frame_counts(graph, preset, lengths)


def _halves(graph: GraphBuilder, preset: PlotPreset, waveform: str, lengths: str) -> tuple[str, str]:
    """Halves of frames, with zeros around the clips as far as their frames reach."""
    fft_samples, hop_samples = preset.fft_samples, preset.hop_samples
    before = _samples_before(preset)
    # There is a sample behind every clip, even where hops are longer than half a frame.
    behind = fft_samples - before + hop_samples * (hop_samples > fft_samples // 2)
    signal = write_padded(graph, waveform, lengths, before, behind, hop_samples, silenced=fft_samples - before)
    return write_halves(graph, signal, fft_samples, hop_samples)


def _samples_before(preset: PlotPreset) -> int:
    """How far the first frame begins before a clip: librosa's frames are centred."""
    return preset.fft_samples // 2 if preset.drawn_by == "specshow" else 0


def _trimmed_halves(
    graph: GraphBuilder, preset: PlotPreset, waveform: str, lengths: str
) -> tuple[tuple[str, str], str]:
    """Halves of the frames of trimmed clips, and the lengths of these."""
    fft_samples, hop_samples = preset.fft_samples, preset.hop_samples
    trimmed = write_trimmed(graph, waveform, lengths, fft_samples, hop_samples)
    if preset.drawn_by == "specshow" or hop_samples != fft_samples // 2:
        before = _samples_before(preset)
        moved = graph.add("Reshape", write_moved(graph, trimmed, 1), graph.constant([0, -1]))
        moved = graph.add("Pad", moved, graph.constant([0, before, 0, fft_samples - before]))
        return write_halves(graph, moved, fft_samples, hop_samples), trimmed.lengths
    columns = graph.add("Transpose", write_moved(graph, trimmed, hop_samples), perm=[1, 0, 2])
    rows = half_rows(fft_samples, hop_samples)
    columns = graph.add("Reshape", columns, graph.constant([hop_samples, -1]))
    if rows > hop_samples:
        columns = graph.add("Pad", columns, graph.constant([0, 0, rows - hop_samples, 0]))
    return overlapping_halves(graph, columns, rows), trimmed.lengths


def _frame_counts(graph: GraphBuilder, preset: PlotPreset, samples: str) -> str:
    """Frames of clips of so many samples, int64 [batch, 1]."""
    hop, one = graph.constant([preset.hop_samples]), graph.constant([1])
    if preset.drawn_by == "specgram":
        # matplotlib fills what is shorter than a frame up with zeros.
        samples = graph.add("Max", graph.add("Sub", samples, graph.constant([preset.fft_samples])), graph.constant([0]))
    return graph.add("Unsqueeze", graph.add("Add", graph.add("Div", samples, hop), one), one)


def filled_rows(preset: PlotPreset) -> int:
    """Rows of :attr:`Spectrogram.values`."""
    return preset.rows() + -preset.rows() % VECTOR_LANES


def _bank(preset: PlotPreset, sample_rate_hz: int) -> NDArray[np.float32]:
    """Weights of the bins in each band: [bands, bins]."""
    if preset.representation == "chroma":
        import librosa  # slow to import

        return librosa.filters.chroma(sr=sample_rate_hz, n_fft=preset.fft_samples, tuning=0.0, n_chroma=CHROMA_BANDS)
    top_hz = preset.top_hz(sample_rate_hz)
    return area_normalised_bank(
        sample_rate_hz, preset.fft_samples, preset.bands, preset.low_hz, top_hz, preset.mel_formula
    )


def _of_maximum_one(graph: GraphBuilder, chroma: str) -> str:
    """Divide each frame by its largest value."""
    most = graph.add("ReduceMax", chroma, graph.constant([0]))
    divisor = graph.add("Where", graph.add("Less", most, graph.constant(LEAST_CHROMA)), graph.constant(1.0), most)
    return graph.add("Div", chroma, divisor)
