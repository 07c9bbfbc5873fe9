"""Mel filter banks as matrices, in the two conventions that the reproduced systems use."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

MelScale = Literal["slaney", "htk"]

# Slaney's Auditory Toolbox: linear to 1 kHz (200/3 Hz a mel), logarithmic above (27 mels a factor of 6.4).
_SLANEY_HZ_PER_MEL = 200.0 / 3.0
_SLANEY_CORNER_HZ = 1000.0
_SLANEY_CORNER_MEL = _SLANEY_CORNER_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(frequency_hz: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    """Convert Hz to mel; ``htk`` is 2595·log10(1 + f/700) (A5)."""
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + frequency_hz / 700.0)
    above = _SLANEY_CORNER_MEL + np.log(np.maximum(frequency_hz, 1e-9) / _SLANEY_CORNER_HZ) / _SLANEY_LOG_STEP
    return np.where(frequency_hz < _SLANEY_CORNER_HZ, frequency_hz / _SLANEY_HZ_PER_MEL, above)


def mel_to_hz(mel: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    """Inverse of :func:`hz_to_mel`."""
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = _SLANEY_CORNER_HZ * np.exp((mel - _SLANEY_CORNER_MEL) * _SLANEY_LOG_STEP)
    return np.where(mel < _SLANEY_CORNER_MEL, mel * _SLANEY_HZ_PER_MEL, above)


def area_normalised_bank(
    sample_rate_hz: int, fft_samples: int, bands: int, low_hz: float, high_hz: float, scale: MelScale = "slaney"
) -> NDArray[np.float32]:
    """Triangles that are linear in Hz, each of unit area: librosa's default bank (F1).

    Returns:
        float32 [bands, fft_samples // 2 + 1], to be multiplied with a power spectrum.
    """
    low_mel, high_mel = hz_to_mel(np.array([low_hz, high_hz]), scale)
    edges_mel = np.linspace(low_mel, high_mel, bands + 2)
    edges_hz = mel_to_hz(edges_mel, scale)
    bins_hz = np.arange(fft_samples // 2 + 1) * sample_rate_hz / fft_samples
    weights = _triangles(edges_hz, bins_hz)
    return (weights * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).astype(np.float32)


def peak_normalised_bank(
    sample_rate_hz: int, fft_samples: int, bands: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """Triangles that are linear in HTK mel with peak 1 and no weight on 0 Hz: TensorFlow's bank (C8).

    Returns:
        float32 [bands, fft_samples // 2 + 1].
    """
    low_mel, high_mel = hz_to_mel(np.array([low_hz, high_hz]), "htk")
    edges_mel = np.linspace(low_mel, high_mel, bands + 2)
    bins_mel = hz_to_mel(np.arange(fft_samples // 2 + 1) * sample_rate_hz / fft_samples, "htk")
    weights = _triangles(edges_mel, bins_mel)
    weights[:, 0] = 0.0
    return weights.astype(np.float32)


def _triangles(edges: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    rising = (points[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - points[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling))
