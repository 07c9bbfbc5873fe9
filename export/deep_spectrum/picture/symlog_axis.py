"""The row of a spectrogram seen at each row of pixels: librosa's mel axis as matplotlib draws it (F2)."""

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.picture.presets import PlotPreset
from export.graph.mel_bank import hz_to_mel, mel_to_hz

LINEAR_TO_HZ = 1000.0
"""Below this the axis is linear, above it octaves are of equal height (librosa's ``specshow``)."""


def symlog(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights on the axis in octaves, of which the part from 0 to 1 kHz takes two: matplotlib's symlog with base 2.

    So 40 % of a picture at 16 kHz lie below 1 kHz, and 31 % at 44.1 kHz (F2).
    """
    above = np.log2(np.maximum(np.abs(frequency_hz), LINEAR_TO_HZ) / LINEAR_TO_HZ)
    linear = np.clip(frequency_hz / LINEAR_TO_HZ, -1.0, 1.0)
    return 2.0 * linear + np.sign(frequency_hz) * above


def row_centres_hz(preset: PlotPreset, sample_rate_hz: int) -> NDArray[np.float64]:
    """Positions of the rows in ``specshow``: mel points from edge to edge of the bank, or the bins' frequencies."""
    if preset.representation == "linear":
        return np.arange(preset.rows()) * sample_rate_hz / preset.fft_samples
    edges_hz = np.array([preset.low_hz, preset.top_hz(sample_rate_hz)])
    low_mel, high_mel = hz_to_mel(edges_hz, preset.mel_formula)
    points_mel = np.linspace(low_mel, high_mel, preset.bands)
    return mel_to_hz(points_mel, preset.mel_formula)


def cell_edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges half way between centres, the outer ones as far out again: matplotlib's ``pcolormesh``."""
    half_steps = np.diff(centres) / 2.0
    return np.concatenate([centres[:1] - half_steps[:1], centres[:-1] + half_steps, centres[-1:] + half_steps[-1:]])


def rows_of_pixels(preset: PlotPreset, sample_rate_hz: int) -> NDArray[np.int64]:
    """Row of the spectrogram (0 is the lowest) at each pixel row (0 is the top), int64 [render_pixels].

    A pixel shows the cell that its centre lies in; cells that hold no centre are not seen.
    """
    pixels = preset.render_pixels
    centres = (pixels - 0.5 - np.arange(pixels)) / pixels
    if preset.axis == "linear":
        return np.floor(centres * preset.rows()).astype(np.int64)
    edges = symlog(cell_edges(row_centres_hz(preset, sample_rate_hz)))
    heights = edges[0] + centres * (edges[-1] - edges[0])
    return np.searchsorted(edges, heights, side="right") - 1
